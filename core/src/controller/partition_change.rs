//! Every change of a partition is built here: what the ISR shall be goes in, and the ELR, the leader
//! and the record that says it all come out.
//!
//! In this order:
//! 0. A reassignment is completed if the ISR allows it (`reassignment.rs`): the replicas that it removes
//!    leave the assignment and the ISR.
//! 1. With fewer members than `min.insync.replicas` in the ISR, who was in the ISR or ELR stays
//!    eligible (ELR), but for brokers that stopped uncleanly; else the ELR is emptied.
//! 2. A leader is elected (`election.rs`). One from the ELR becomes the only member of the ISR; so
//!    does one that was elected uncleanly, and the partition is then recovering.
//! 3. The ISR is written if it changed; an empty one only when ELR is on.
//! 4. Before KAFKA-15021, an ISR that loses a member raises the leader epoch: the record names the
//!    leader that stays.
//!    So does, in every release, an assignment that loses a replica.
//! 5. The last known leader is written when the partition loses its leader, erased when it has one.
//!
//! Invariants:
//! - A record names a leader only if the leader changes or (rule 4) ISR or replicas shrink: it raises the
//!   leader epoch.
//! - With ELR off the ISR never becomes empty: its last member stays, with leader -1.
//!
//! Simplified: Kafka lists the ELR in the order of a hash set of small
//! numbers, which is their own order: so here.
//! Source: KIP-966, `PartitionChangeBuilder.build`, `triggerLeaderEpochBumpForIsrShrinkIfNeeded`,
//! `triggerLeaderEpochBumpForReplicaReassignmentIfNeeded`, `completeReassignmentIfNeeded`.
//! Next: `election.rs`.

use super::election::{Choice, ElectionKind, Electorate};
use super::index::PartitionKey;
use super::reassignment::Assignment;
use crate::event::{Candidate, ElectionRule, Event};
use crate::id::{BrokerId, TopicPartition};
use crate::message::LeaderRecoveryState;
use crate::metadata::{
    BrokerRegistration, LeaderChange, PartitionChangeRecord, PartitionRegistration,
};
use crate::planted::Bug;
use crate::raft::DirectoryId;
use crate::rules::Rules;
use std::collections::{BTreeMap, BTreeSet};

/// A change of one partition under construction.
#[derive(Clone, Debug)]
pub(super) struct PartitionChangeBuilder<'a> {
    pub(super) partition: &'a PartitionRegistration,
    /// The brokers, with the log directories that they can use.
    pub(super) brokers: &'a BTreeMap<BrokerId, BrokerRegistration>,
    pub(super) key: PartitionKey,
    /// `min.insync.replicas`, at most the number of replicas.
    pub(super) min_isr: usize,
    /// KIP-966 is on.
    pub(super) elr_enabled: bool,
    /// The last known leader may be elected when ISR and ELR are empty.
    pub(super) use_last_known_leader: bool,
    pub(super) election: ElectionKind,
    pub(super) target_isr: Vec<BrokerId>,
    pub(super) target: Assignment,
    pub(super) target_recovery_state: LeaderRecoveryState,
    /// A broker that may have lost records.
    pub(super) unclean_shutdown: Option<BrokerId>,
    /// A replica that has told in which directory it is.
    pub(super) directory: Option<(BrokerId, DirectoryId)>,
    pub(super) rules: Rules,
}

/// A finished change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PartitionChange {
    /// What to write, if anything changes.
    pub(super) record: Option<PartitionChangeRecord>,
    /// How the election went.
    pub(super) choice: Choice,
    /// Whether the election was more than seeing that the leader is fine.
    pub(super) elected: bool,
    /// Every replica in it.
    pub(super) candidates: Vec<Candidate>,
}

impl PartitionChange {
    /// The election for the history, if there was one to speak of.
    pub(super) fn event(&self, partition: TopicPartition) -> Option<Event> {
        self.elected.then(|| Event::Elected {
            partition,
            leader: self.choice.leader,
            rule: self.choice.rule,
            candidates: self.candidates.clone(),
        })
    }
}

impl PartitionChangeBuilder<'_> {
    /// Builds the change; `lives` says whether a broker may lead as far as it lives. In a log directory
    /// that it has lost it may not.
    pub(super) fn build(mut self, lives: &dyn Fn(BrokerId) -> bool) -> PartitionChange {
        let (partition, brokers) = (self.partition, self.brokers);
        let acceptable = |broker: BrokerId| {
            let directory = partition.directory(broker);
            let registration = brokers.get(&broker);
            let online = registration.is_none_or(|known| known.has_online_dir(directory));
            lives(broker) && online
        };
        let acceptable = &acceptable;
        let mut record = PartitionChangeRecord {
            topic_id: self.key.0,
            partition: self.key.1,
            isr: None,
            leader: LeaderChange::Unchanged,
            leader_recovery_state: None,
            elr: None,
            last_known_elr: None,
            replicas: None,
            removing: None,
            adding: None,
            directories: None,
        };
        self.complete_reassignment();
        let (mut elr, mut last_known_elr) = self.target_elr();
        let electorate = Electorate {
            partition: self.partition,
            replicas: &self.target.replicas,
            target_isr: &self.target_isr,
            target_elr: &elr,
            last_known_leader: self.last_known_leader(&elr),
            acceptable,
            rules: self.rules,
        };
        let choice = electorate.elect(self.election);
        let candidates = electorate.candidates();
        if choice.leader != self.partition.leader {
            self.set_leader(&mut record, choice, &mut elr);
        }
        self.raise_epoch_on_removal(&mut record);
        self.set_elr(&mut record, &mut elr, &mut last_known_elr);
        self.set_isr(&mut record);
        self.raise_epoch_on_shrink(&mut record);
        self.set_last_known_leader(&mut record);
        self.set_assignment(&mut record);
        if self.target_recovery_state != self.partition.leader_recovery_state {
            record.leader_recovery_state = Some(self.target_recovery_state);
        }
        let elected = choice.leader != self.partition.leader || choice.leader.is_none();
        PartitionChange {
            record: (!is_no_op(&record)).then_some(record),
            choice,
            elected,
            candidates,
        }
    }

    /// A reassignment that may end ends with this change.
    fn complete_reassignment(&mut self) {
        if let Some((replicas, isr)) = self.target.completed(&self.target_isr, self.rules) {
            self.target = Assignment {
                replicas,
                ..Assignment::default()
            };
            self.target_isr = isr;
        }
    }

    /// Whoever is no replica any more must not be followed, nor lead: a new leader epoch tells everybody.
    fn raise_epoch_on_removal(&self, record: &mut PartitionChangeRecord) {
        let stays = |broker| self.target.replicas.contains(broker);
        let kept = self.partition.replicas.iter().all(stays);
        if record.leader.is_unchanged() && !kept {
            let leader = self.partition.leader;
            record.leader = leader.map_or(LeaderChange::NoLeader, LeaderChange::Leader);
        }
    }

    fn set_assignment(&self, record: &mut PartitionChangeRecord) {
        let (partition, target) = (self.partition, &self.target);
        let changed = |new: &Vec<BrokerId>, old: &Vec<BrokerId>| (new != old).then(|| new.clone());
        // Kafka never writes an empty list of replicas.
        record.replicas =
            changed(&target.replicas, &partition.replicas).filter(|list| !list.is_empty());
        record.removing = changed(&target.removing, &partition.removing);
        record.adding = changed(&target.adding, &partition.adding);
        record.directories = self.directories();
    }

    /// The log directory of each replica, if that changes. Of a broker with one directory alone none is
    /// known.
    fn directories(&self) -> Option<Vec<DirectoryId>> {
        let of = |broker: &BrokerId| match self.directory {
            Some((told, directory)) if told == *broker => directory,
            _ if self.partition.replicas.contains(broker) => self.partition.directory(*broker),
            _ => {
                let registration = self.brokers.get(broker);
                registration.map_or(DirectoryId::MIGRATING, BrokerRegistration::default_dir)
            }
        };
        let directories: Vec<DirectoryId> = self.target.replicas.iter().map(of).collect();
        let known = directories.iter().any(|id| *id != DirectoryId::MIGRATING);
        let before = &self.partition.directories;
        let changed = directories != *before && (known || !before.is_empty());
        changed.then_some(directories)
    }

    /// The ELR, and who was in it, for the target ISR.
    fn target_elr(&self) -> (Vec<BrokerId>, Vec<BrokerId>) {
        let partition = self.partition;
        if !self.elr_enabled {
            return (partition.elr.clone(), partition.last_known_elr.clone());
        }
        if self.target_isr.len() >= self.min_isr && !self.rules.has(Bug::ElrNotEmptied) {
            return (Vec::new(), Vec::new());
        }
        let mut candidates: BTreeSet<BrokerId> = partition.elr.iter().copied().collect();
        candidates.extend(&partition.isr);
        if self.rules.has(Bug::ElrTakesAnyReplica) {
            candidates.extend(&partition.replicas);
        }
        let outside = |broker: &BrokerId| !self.target_isr.contains(broker);
        let elr: Vec<BrokerId> = candidates
            .iter()
            .copied()
            .filter(|broker| outside(broker) && self.unclean_shutdown != Some(*broker))
            .collect();
        candidates.extend(&partition.last_known_elr);
        candidates.retain(|broker| outside(broker) && !elr.contains(broker));
        (elr, candidates.into_iter().collect())
    }

    /// The last known leader, if it may be elected now. The field holds one only while nobody leads;
    /// with more members it holds a former ELR.
    fn last_known_leader(&self, target_elr: &[BrokerId]) -> Option<BrokerId> {
        if !self.elr_enabled || !self.use_last_known_leader {
            return None;
        }
        match self.partition.last_known_elr[..] {
            [leader] if target_elr.is_empty() && self.target_isr.is_empty() => Some(leader),
            _ => None,
        }
    }

    fn set_leader(
        &mut self,
        record: &mut PartitionChangeRecord,
        choice: Choice,
        elr: &mut Vec<BrokerId>,
    ) {
        record.leader = choice
            .leader
            .map_or(LeaderChange::NoLeader, LeaderChange::Leader);
        let Some(leader) = choice.leader else { return };
        if elr.contains(&leader) {
            self.target_isr = vec![leader];
            if !self.rules.has(Bug::ElrKeepsLeader) {
                elr.retain(|broker| *broker != leader);
            }
        }
        if matches!(
            choice.rule,
            ElectionRule::Unclean | ElectionRule::LastKnownLeader
        ) {
            if !self.rules.has(Bug::UncleanLeaderOutsideIsr) {
                record.isr = Some(vec![leader]);
            }
            let recovering = LeaderRecoveryState::Recovering;
            if self.rules.leader_recovery_state
                && self.partition.leader_recovery_state != recovering
            {
                record.leader_recovery_state = Some(recovering);
            }
        }
    }

    fn set_elr(
        &self,
        record: &mut PartitionChangeRecord,
        elr: &mut Vec<BrokerId>,
        last_known_elr: &mut Vec<BrokerId>,
    ) {
        let partition = self.partition;
        // The record has an ISR by now only after an unclean election.
        if record.isr.is_some() || !self.elr_enabled {
            elr.clear();
            last_known_elr.clear();
        }
        if *elr != partition.elr {
            record.elr = Some(elr.clone());
        }
        // With the last known leader in it, the field is written by `set_last_known_leader`.
        if !self.use_last_known_leader && *last_known_elr != partition.last_known_elr {
            record.last_known_elr = Some(last_known_elr.clone());
        }
    }

    fn set_isr(&self, record: &mut PartitionChangeRecord) {
        let may_be_written = !self.target_isr.is_empty() || self.elr_enabled;
        if record.isr.is_none() && may_be_written && self.target_isr != self.partition.isr {
            record.isr = Some(self.target_isr.clone());
        }
    }

    /// Each shrink began a new leader epoch, with the same leader, as long as brokers needed that
    /// because of a bug of theirs; expansions never did.
    fn raise_epoch_on_shrink(&self, record: &mut PartitionChangeRecord) {
        if self.rules.isr_shrink_keeps_leader_epoch || !record.leader.is_unchanged() {
            return;
        }
        // Also where the last member is about to stay in it after all: the target counts, not the record.
        let stays = |broker| self.target_isr.contains(broker);
        if !self.partition.isr.iter().all(stays) {
            let leader = self.partition.leader;
            record.leader = leader.map_or(LeaderChange::NoLeader, LeaderChange::Leader);
        }
    }

    fn set_last_known_leader(&self, record: &mut PartitionChangeRecord) {
        if !self.use_last_known_leader || !self.elr_enabled {
            return;
        }
        let known = &self.partition.last_known_elr;
        match record.leader {
            LeaderChange::NoLeader if known.is_empty() => {
                record.last_known_elr = Some(self.partition.leader.into_iter().collect());
            }
            LeaderChange::Leader(_) if !known.is_empty() => {
                record.last_known_elr = Some(Vec::new());
            }
            LeaderChange::NoLeader | LeaderChange::Leader(_) | LeaderChange::Unchanged => {}
        }
    }
}

fn is_no_op(record: &PartitionChangeRecord) -> bool {
    record.isr.is_none()
        && record.leader.is_unchanged()
        && record.leader_recovery_state.is_none()
        && record.elr.is_none()
        && record.last_known_elr.is_none()
        && record.replicas.is_none()
        && record.removing.is_none()
        && record.adding.is_none()
        && record.directories.is_none()
}

#[cfg(test)]
#[path = "partition_change_tests.rs"]
pub(super) mod tests;
