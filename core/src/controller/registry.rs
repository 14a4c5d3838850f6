//! Brokers register, send heartbeats and are fenced when they stop doing so.
//!
//! - A new process of a broker gets a new epoch: the next offset of the metadata log. It starts
//!   fenced. While another process of that broker has a live session, it is refused; so a broker that
//!   restarts fast waits for its own old session.
//! - What the old process left in ISR and ELR is cleaned up before the registration is written, so
//!   that a controller that fails in between is asked again.
//! - The shutdown was clean if the broker names the epoch of its run before.
//!
//! Source: `ClusterControlManager.registerBroker`, `ReplicationControlManager.processBrokerHeartbeat`,
//! `maybeFenceOneStaleBroker`, KIP-631, KIP-966.
//! Next: `leadership.rs`.

use super::cluster::{Changes, Cluster};
use super::heartbeats::BrokerState;
use crate::error::ErrorCode;
use crate::message::{
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest,
    BrokerRegistrationResponse,
};
use crate::metadata::{MetadataRecord, RegisterBrokerRecord};
use crate::offset::{BrokerEpoch, Offset};
use crate::time::Timestamp;

impl Cluster {
    /// A broker registers; its records will start at `next_offset`.
    pub(super) fn register_broker(
        &mut self,
        request: &BrokerRegistrationRequest,
        next_offset: Offset,
        now: Timestamp,
        changes: &mut Changes,
    ) -> BrokerRegistrationResponse {
        let broker = request.broker;
        let existing = self.image.brokers().get(&broker).cloned();
        let same_process = existing
            .as_ref()
            .filter(|existing| existing.incarnation == request.incarnation);
        let stored_epoch = existing.as_ref().map(|existing| existing.broker_epoch);
        let in_use =
            stored_epoch.is_some_and(|epoch| self.heartbeats.has_session(broker, epoch, now));
        if in_use && same_process.is_none() {
            changes.answer_at_once = true;
            return BrokerRegistrationResponse {
                error: ErrorCode::DuplicateBrokerRegistration,
                broker_epoch: None,
            };
        }
        let record = if let Some(existing) = same_process {
            RegisterBrokerRecord {
                broker,
                incarnation: request.incarnation,
                broker_epoch: existing.broker_epoch,
                fenced: existing.fenced,
                in_controlled_shutdown: existing.in_controlled_shutdown,
                rack: request.rack.clone(),
                log_dirs: request.log_dirs.clone(),
            }
        } else {
            let previous = request.previous_broker_epoch;
            let clean = stored_epoch.is_some() && stored_epoch == previous;
            self.broker_restarted(broker, clean, changes);
            self.heartbeats.remove(broker);
            RegisterBrokerRecord {
                broker,
                incarnation: request.incarnation,
                // Of the batch's first record, even if that is not the registration itself.
                broker_epoch: BrokerEpoch(next_offset.0),
                fenced: true,
                in_controlled_shutdown: false,
                rack: request.rack.clone(),
                log_dirs: request.log_dirs.clone(),
            }
        };
        self.heartbeats.register(broker, record.fenced);
        self.heartbeats.called();
        let broker_epoch = Some(record.broker_epoch);
        changes.records.push(MetadataRecord::RegisterBroker(record));
        BrokerRegistrationResponse {
            error: ErrorCode::None,
            broker_epoch,
        }
    }

    /// A broker says that it lives.
    pub(super) fn heartbeat(
        &mut self,
        request: &BrokerHeartbeatRequest,
        now: Timestamp,
        changes: &mut Changes,
    ) -> BrokerHeartbeatResponse {
        let broker = request.broker;
        // Even a heartbeat that is refused keeps the session it names.
        self.heartbeats.contact(broker, request.broker_epoch, now);
        let registration = self.image.brokers().get(&broker);
        let current = registration.map(|registration| registration.broker_epoch);
        let register_offset = self.register_offsets.get(&broker).copied();
        let Some(register_offset) =
            register_offset.filter(|_| current == Some(request.broker_epoch))
        else {
            changes.answer_at_once = true;
            return BrokerHeartbeatResponse {
                error: ErrorCode::StaleBrokerEpoch,
                is_caught_up: false,
                is_fenced: true,
                should_shut_down: false,
            };
        };
        let leads = self.index.has_leaderships(broker);
        let state = self.heartbeats.state(broker);
        let next = self.heartbeats.next_state(request, register_offset, leads);
        if state != next {
            match next {
                BrokerState::Fenced | BrokerState::ShutdownNow => {
                    self.broker_fenced(broker, changes);
                }
                BrokerState::Unfenced => {
                    self.broker_unfenced(broker, request.broker_epoch, changes);
                }
                BrokerState::ControlledShutdown => {
                    self.broker_stopping(broker, request.broker_epoch, changes);
                }
            }
        }
        let applied = request.current_metadata_offset;
        self.heartbeats.touch(broker, next.is_fenced(), applied);
        self.heartbeats.called();
        self.directories_offline(request, changes);
        changes.stopping = (next == BrokerState::ControlledShutdown).then_some(broker);
        BrokerHeartbeatResponse {
            error: ErrorCode::None,
            is_caught_up: applied >= Some(register_offset),
            is_fenced: next.is_fenced(),
            should_shut_down: next == BrokerState::ShutdownNow,
        }
    }

    /// Fences one broker whose session has ended. Returns whether there may be more: one at a time, so
    /// that each decision sees the one before (before KAFKA-13173 all in one, each from the same base).
    pub(super) fn fence_one_stale_broker(&mut self, now: Timestamp, changes: &mut Changes) -> bool {
        while let Some((broker, epoch)) = self.heartbeats.take_expired(now) {
            match self.image.brokers().get(&broker) {
                None => self.heartbeats.remove(broker),
                // A session of an earlier process of the broker.
                Some(registration) if registration.broker_epoch != epoch => {}
                Some(_) => {
                    self.broker_fenced(broker, changes);
                    self.heartbeats.fence(broker);
                }
            }
            if self.rules.expire_one_at_a_time {
                return true;
            }
        }
        false
    }
}
