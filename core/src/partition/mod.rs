//! One partition on one broker: a replica that leads or follows.
//!
//! | from | to | trigger |
//! |---|---|---|
//! | any | leader | metadata names this broker |
//! | any | follower | metadata names another broker, or nobody |
//!
//! What a broker believes of a partition is a *belief*: it comes late, by metadata, and two brokers
//! may both believe that they lead (in different epochs). Only the leader epoch tells them apart.
//!
//! Invariants: leader epoch and partition epoch never go back. The ISR holds the leader.
//!
//! Simplified: a replica stays in its log directory (no `AlterReplicaLogDirs`, no future log).
//!
//! Source: `Partition.makeLeader`, `Partition.makeFollower`. Next: `leader.rs`, `follower.rs`.

mod follower;
mod high_watermark;
mod isr;
mod leader;
mod proposal;
mod queries;
mod read_replica;
mod replica;
#[cfg(test)]
mod tests;

pub(crate) use follower::Divergence;
pub(crate) use leader::{FetchRead, ReadParameters, Refusal};

use crate::config::TopicConfig;
use crate::event::{Event, TruncationCause};
use crate::id::{BrokerId, TopicIdPartition, TopicPartition};
use crate::invariant::invariant;
use crate::log::Log;
use crate::machine::Effects;
use crate::metadata::{BrokerRegistration, PartitionRegistration};
use crate::offset::{BrokerEpoch, LeaderEpoch, Offset, PartitionEpoch};
use crate::planted::Bug;
use crate::rules::Rules;
use crate::snapshot::ReplicaSnapshot;
use crate::storage::{Storage, StorageError};
use crate::time::Now;
use isr::IsrState;
use replica::RemoteReplica;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a partition needs of its broker at each call.
pub(crate) struct Context<'a> {
    /// The disk.
    pub(crate) storage: &'a mut dyn Storage,
    /// The generation of the protocol.
    pub(crate) rules: &'a Rules,
    /// The brokers that the metadata knows.
    pub(crate) brokers: &'a BTreeMap<BrokerId, BrokerRegistration>,
    /// This broker.
    pub(crate) local: BrokerId,
    /// This broker's registration.
    pub(crate) local_epoch: Option<BrokerEpoch>,
    /// `replica.lag.time.max.ms`
    pub(crate) replica_lag_time_max: Duration,
    /// The time.
    pub(crate) now: Now,
}

/// A replica of a partition.
#[derive(Debug)]
pub(crate) struct Partition {
    id: TopicIdPartition,
    log: Log,
    replicas: Vec<BrokerId>,
    leader: Option<BrokerId>,
    /// -1 before the first metadata.
    leader_epoch: LeaderEpoch,
    partition_epoch: PartitionEpoch,
    min_insync_replicas: u32,
    /// Only while this broker leads.
    leadership: Option<Leadership>,
    /// Tells the answer to this proposal from answers to earlier ones.
    proposals: u64,
    /// The broker's periodic tasks are to look at it.
    pub(crate) is_due: bool,
}

/// What only a leader knows.
#[derive(Debug)]
pub(crate) struct Leadership {
    /// Where its epoch starts in its log.
    epoch_start_offset: Offset,
    isr: IsrState,
    remotes: BTreeMap<BrokerId, RemoteReplica>,
}

/// What a call changed that others may wait for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// The high watermark advanced.
    pub(crate) high_watermark: bool,
    /// The log grew.
    pub(crate) log_end: bool,
    /// The leader wants another ISR: to be sent to the controller.
    pub(crate) proposal: Option<Proposal>,
}

/// A wish for another ISR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    /// Names it among the partition's proposals.
    pub(crate) number: u64,
    /// The members, with the broker epochs that the leader saw.
    pub(crate) isr: Vec<(BrokerId, Option<BrokerEpoch>)>,
    /// The epoch of the leadership that wishes it.
    pub(crate) leader_epoch: LeaderEpoch,
    /// The state that it builds on.
    pub(crate) partition_epoch: PartitionEpoch,
}

/// What metadata made of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Became {
    /// Older than what is known: nothing.
    Ignored,
    /// It leads; whether in a new epoch.
    Leader { new_epoch: bool },
    /// It follows; whether in a new epoch.
    Follower { new_epoch: bool },
}

impl Partition {
    /// A replica over its log, before any metadata.
    pub(crate) fn new(id: TopicIdPartition, log: Log, config: &TopicConfig) -> Self {
        Self {
            id,
            log,
            replicas: Vec::new(),
            leader: None,
            leader_epoch: LeaderEpoch(-1),
            partition_epoch: PartitionEpoch(-1),
            min_insync_replicas: config.min_insync_replicas,
            leadership: None,
            proposals: 0,
            is_due: false,
        }
    }

    /// Takes over what the metadata says. Returns what it became and what that changed.
    pub(crate) fn apply(
        &mut self,
        context: &mut Context<'_>,
        registration: &PartitionRegistration,
        out: &mut Effects,
    ) -> Result<(Became, Changes), StorageError> {
        // Equal is not older: an AlterPartition response may have brought the epoch before.
        if registration.partition_epoch < self.partition_epoch {
            return Ok((Became::Ignored, Changes::default()));
        }
        invariant!(
            registration.leader_epoch >= self.leader_epoch,
            "the leader epoch of {} never goes back",
            self.id.partition
        );
        let new_epoch = registration.leader_epoch > self.leader_epoch;
        self.replicas.clone_from(&registration.replicas);
        self.partition_epoch = registration.partition_epoch;
        self.leader_epoch = registration.leader_epoch;
        self.leader = registration.leader;
        if registration.leader == Some(context.local) {
            let changes = self.lead(context, &registration.isr, new_epoch, out)?;
            return Ok((Became::Leader { new_epoch }, changes));
        }
        if !context.rules.has(Bug::DeposedLeaderGoesOn) {
            self.leadership = None;
        }
        if new_epoch {
            out.observe(Event::BecameFollower {
                partition: self.name().clone(),
                leader_epoch: self.leader_epoch,
                leader: self.leader,
            });
        }
        Ok((Became::Follower { new_epoch }, Changes::default()))
    }

    /// Begins or goes on to lead.
    fn lead(
        &mut self,
        context: &mut Context<'_>,
        isr: &[BrokerId],
        new_epoch: bool,
        out: &mut Effects,
    ) -> Result<Changes, StorageError> {
        if new_epoch && context.rules.has(Bug::NewLeaderTruncates) {
            let to = self.log.high_watermark();
            self.truncate(context, to, TruncationCause::HighWatermark, out)?;
        }
        let start = self.log.log_end_offset();
        let was_leader = self.leadership.is_some();
        let mut leadership = self.leadership.take().unwrap_or_else(|| Leadership {
            epoch_start_offset: start,
            isr: IsrState::Committed(Vec::new()),
            remotes: BTreeMap::new(),
        });
        let before = leadership.isr.committed().to_vec();
        leadership.isr = IsrState::Committed(isr.to_vec());
        let followers = self
            .replicas
            .iter()
            .copied()
            .filter(|id| *id != context.local);
        leadership
            .remotes
            .retain(|id, _| self.replicas.contains(id));
        for id in followers {
            leadership.remotes.entry(id).or_default();
        }
        if new_epoch {
            if context.rules.leader_epoch_entry_on_election {
                self.log
                    .assign_epoch(context.storage, self.leader_epoch, start)?;
            }
            let now = context.now.monotonic;
            for (id, replica) in &mut leadership.remotes {
                replica.begin_epoch(isr.contains(id), was_leader, start, now);
            }
            leadership.epoch_start_offset = start;
        }
        self.leadership = Some(leadership);
        self.observe_leadership(new_epoch, start, isr, &before, out);
        Ok(self.advance_high_watermark(context, out))
    }

    fn observe_leadership(
        &self,
        new_epoch: bool,
        start_offset: Offset,
        isr: &[BrokerId],
        before: &[BrokerId],
        out: &mut Effects,
    ) {
        let partition = self.name().clone();
        let isr = isr.to_vec();
        if new_epoch {
            let leader_epoch = self.leader_epoch;
            out.observe(Event::BecameLeader {
                partition,
                leader_epoch,
                start_offset,
                isr,
            });
        } else if isr != before {
            let partition_epoch = self.partition_epoch;
            out.observe(Event::IsrAdopted {
                partition,
                isr,
                partition_epoch,
            });
        }
    }

    /// Takes over changed settings.
    pub(crate) fn set_config(&mut self, config: &TopicConfig) {
        self.min_insync_replicas = config.min_insync_replicas;
        self.log.set_config(config.clone());
    }

    /// Which partition, with its topic's id.
    pub(crate) fn id(&self) -> &TopicIdPartition {
        &self.id
    }

    /// Which partition.
    pub(crate) fn name(&self) -> &TopicPartition {
        &self.id.partition
    }

    /// Its log.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Its log, to work on.
    pub(crate) fn log_mut(&mut self) -> &mut Log {
        &mut self.log
    }

    /// Whether this broker believes that it leads.
    pub(crate) fn is_leader(&self) -> bool {
        self.leadership.is_some()
    }

    /// The leader epoch that this broker believes in.
    pub(crate) fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// Its state as plain data.
    pub(crate) fn snapshot(&self) -> ReplicaSnapshot {
        let isr = self.leadership.as_ref().map(|leadership| &leadership.isr);
        ReplicaSnapshot {
            partition: self.name().clone(),
            is_leader: self.is_leader(),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            isr: isr.map(|isr| isr.committed().to_vec()).unwrap_or_default(),
            maximal_isr: isr.map(IsrState::maximal).unwrap_or_default(),
            log_start_offset: self.log.log_start_offset(),
            recovery_point: self.log.recovery_point(),
            high_watermark: self.log.high_watermark(),
            log_end_offset: self.log.log_end_offset(),
            leader_epochs: self.log.leader_epochs().to_vec(),
        }
    }
}
