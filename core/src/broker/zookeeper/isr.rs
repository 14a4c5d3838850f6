//! Before KIP-497 a leader writes another ISR to ZooKeeper itself.
//!
//! | answer | what it means |
//! |---|---|
//! | written | the ISR holds, in the next version of the znode |
//! | another version | written by itself before a connection was lost, if that is what stands there; else the controller knows better, and the ISR stays as it was until LeaderAndIsr |
//!
//! Rule: the controller hears of changes by a notification of many: no sooner than 5 s after the last change,
//! unless the last notification is a minute ago. It is looked at every 2.5 s.
//!
//! Source: `Partition.updateIsr`, `ReplicationUtils.updateLeaderAndIsr`, `checkLeaderAndIsrZkData`;
//! `ReplicaManager.maybePropagateIsrChanges`.
//! Next: `shutdown.rs`.

use super::{Reply, Tag};
use crate::broker::Broker;
use crate::controller_zk::znodes::{
    ISR_CHANGE_NOTIFICATION, IsrChangeNode, LOG_DIR_EVENT_NOTIFICATION, LeaderAndIsr,
    LogDirEventNode, StateNode, decode, encode, state,
};
use crate::error::ErrorCode;
use crate::id::{TopicIdPartition, TopicPartition};
use crate::machine::Effects;
use crate::message::{
    AlterPartitionOutcome, Answer, Change, LeaderRecoveryState, Operation, PartitionState,
};
use crate::offset::PartitionEpoch;
use crate::partition::Proposal;
use crate::storage::StorageError;
use crate::time::{Now, Timestamp};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// How often it is looked whether a notification is due.
const CHECK: Duration = Duration::from_millis(2_500);
/// After the last change, more of them may follow.
const LINGER: Duration = Duration::from_secs(5);
/// As long as a change may wait for that.
const LONGEST: Duration = Duration::from_secs(60);

/// What was asked.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    /// To write this state.
    Write(TopicIdPartition, u64, LeaderAndIsr),
    /// What stands there instead.
    Look(TopicIdPartition, u64, LeaderAndIsr),
    /// To tell the controller, of ISRs or of a lost log directory.
    Note,
}

/// ISRs that this broker has changed.
#[derive(Clone, Debug, Default)]
pub(super) struct IsrChanges {
    changed: BTreeSet<TopicPartition>,
    changed_at: Timestamp,
    told_at: Timestamp,
    check_at: Option<Timestamp>,
    /// Answers for the leaders.
    answers: VecDeque<(u64, AlterPartitionOutcome)>,
    answers_at: Option<Timestamp>,
}

impl IsrChanges {
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.check_at
    }

    pub(super) fn answers_deadline(&self) -> Option<Timestamp> {
        self.answers_at
    }
}

impl Broker {
    /// Writes a leader's wish for another ISR.
    pub(in crate::broker) fn write_isr(
        &mut self,
        now: Now,
        id: &TopicIdPartition,
        proposal: &Proposal,
        out: &mut Effects,
    ) {
        let wanted = LeaderAndIsr {
            leader: Some(self.shared.id),
            leader_epoch: proposal.leader_epoch,
            isr: proposal.isr.iter().map(|(broker, _)| *broker).collect(),
            leader_recovery_state: LeaderRecoveryState::Recovered,
            partition_epoch: proposal.partition_epoch,
        };
        let Some((zookeeper, _)) = self.zookeeper() else {
            return;
        };
        let node = wanted.node(zookeeper.control.epoch());
        let write = Operation::Change(Change::SetData {
            path: state(&id.partition),
            data: encode(&node),
            version: Some(wanted.partition_epoch.0),
        });
        let ask = Ask::Write(id.clone(), proposal.number, wanted);
        self.ask(now, write, Tag::Isr(ask), out);
    }

    /// ZooKeeper has answered.
    pub(super) fn isr_answered(&mut self, now: Now, ask: Ask, result: &Reply, out: &mut Effects) {
        match (ask, result) {
            (Ask::Write(id, number, mut wanted), Ok(_)) => {
                wanted.partition_epoch = PartitionEpoch(wanted.partition_epoch.0 + 1);
                self.isr_written(now, id, number, Some(wanted));
            }
            (Ask::Write(id, number, wanted), Err(_)) => {
                let path = state(&id.partition);
                let look = Operation::GetData { path, watch: false };
                let ask = Ask::Look(id, number, wanted);
                self.ask(now, look, Tag::Isr(ask), out);
            }
            (Ask::Look(id, number, wanted), answer) => {
                let found = match answer {
                    Ok(Answer::Data(data, stat)) => {
                        decode::<StateNode>(data).map(|node| LeaderAndIsr::of(&node, stat.version))
                    }
                    _ => None,
                };
                let own = found.filter(|found| {
                    let LeaderAndIsr {
                        leader,
                        leader_epoch,
                        isr,
                        ..
                    } = found;
                    (leader, leader_epoch, isr)
                        == (&wanted.leader, &wanted.leader_epoch, &wanted.isr)
                });
                self.isr_written(now, id, number, own);
            }
            (Ask::Note, _) => {}
        }
    }

    /// Tells the controller that a log directory is lost; it will ask which replicas that is about.
    pub(in crate::broker) fn note_lost_directory(&mut self, now: Now, out: &mut Effects) {
        let note = Operation::Change(Change::Create {
            path: format!("{LOG_DIR_EVENT_NOTIFICATION}/log_dir_event_"),
            data: encode(&LogDirEventNode::new(self.shared.id)),
            ephemeral: false,
            sequential: true,
        });
        self.ask(now, note, Tag::Isr(Ask::Note), out);
    }

    fn isr_written(
        &mut self,
        now: Now,
        id: TopicIdPartition,
        number: u64,
        written: Option<LeaderAndIsr>,
    ) {
        let Some((zookeeper, _)) = self.zookeeper() else {
            return;
        };
        let isr = &mut zookeeper.isr;
        if written.is_some() {
            isr.changed.insert(id.partition.clone());
            isr.changed_at = now.monotonic;
            isr.check_at = isr.check_at.or(Some(now.monotonic + CHECK));
        }
        let outcome = AlterPartitionOutcome {
            partition: id,
            error: match written {
                Some(_) => ErrorCode::None,
                None => ErrorCode::OperationNotAttempted,
            },
            state: written.map(|state| PartitionState {
                leader: state.leader,
                leader_epoch: state.leader_epoch,
                partition_epoch: state.partition_epoch,
                isr: state.isr,
                leader_recovery_state: state.leader_recovery_state,
            }),
        };
        isr.answers.push_back((number, outcome));
        isr.answers_at = Some(now.monotonic);
    }

    /// Hands the answers to the leaders.
    pub(in crate::broker) fn isr_answers(
        &mut self,
        now: Now,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        loop {
            let Some((zookeeper, _)) = self.zookeeper() else {
                return Ok(());
            };
            zookeeper.isr.answers_at = None;
            let Some((number, outcome)) = zookeeper.isr.answers.pop_front() else {
                return Ok(());
            };
            self.proposal_answered(now, number, &outcome, out)?;
        }
    }

    /// Tells the controller of changes, if it is time.
    pub(super) fn note_isr_changes(&mut self, now: Now, out: &mut Effects) {
        let at = now.monotonic;
        let Some((zookeeper, _)) = self.zookeeper() else {
            return;
        };
        let isr = &mut zookeeper.isr;
        if isr.check_at.is_none_or(|due| due > at) {
            return;
        }
        isr.check_at = (!isr.changed.is_empty()).then(|| at + CHECK);
        let due = isr.changed_at + LINGER < at || isr.told_at + LONGEST < at;
        if isr.changed.is_empty() || !due {
            return;
        }
        isr.told_at = at;
        let changed = std::mem::take(&mut isr.changed);
        let note = Operation::Change(Change::Create {
            path: format!("{ISR_CHANGE_NOTIFICATION}/isr_change_"),
            data: encode(&IsrChangeNode::new(changed.iter())),
            ephemeral: false,
            sequential: true,
        });
        self.ask(now, note, Tag::Isr(Ask::Note), out);
    }
}
