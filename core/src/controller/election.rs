//! Who leads. Pure: a partition, its target ISR and ELR, and who lives go in, a leader and the rule
//! that found it come out.
//!
//! A replica is *valid* if it lives (registered, not fenced, not stopping) and is in the target ISR,
//! or in the target ELR while the target ISR is empty.
//!
//! | kind | order of choice |
//! |---|---|
//! | online | the leader if valid; the first valid replica; the last known leader |
//! | unclean | as online; else the first replica that lives |
//! | preferred | the first replica if valid; the leader if valid; the other valid ones; the last known leader |
//!
//! Invariants:
//! - Nobody who does not live is elected.
//! - Only the rules `unclean` and `last_known_leader` may lose acknowledged records.
//!
//! Source: KIP-966, `PartitionChangeBuilder.electLeader`.
//! Next: `leadership.rs`, for when elections happen.

use crate::event::{Candidate, ElectionRule};
use crate::id::BrokerId;
use crate::metadata::PartitionRegistration;
use crate::planted::Bug;
use crate::rules::Rules;

/// Which election to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ElectionKind {
    /// Give leadership to the first replica if it is in the ISR.
    Preferred,
    /// Keep the leader, or find one without loss.
    Online,
    /// As online, but rather lose records than have no leader.
    Unclean,
}

/// A leader and the rule that found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) leader: Option<BrokerId>,
    pub(super) rule: ElectionRule,
}

/// What an election looks at.
pub(super) struct Electorate<'a> {
    pub(super) partition: &'a PartitionRegistration,
    pub(super) target_isr: &'a [BrokerId],
    pub(super) target_elr: &'a [BrokerId],
    /// The last known leader, if the rules let it be elected now.
    pub(super) last_known_leader: Option<BrokerId>,
    pub(super) acceptable: &'a dyn Fn(BrokerId) -> bool,
    pub(super) rules: Rules,
}

impl Electorate<'_> {
    /// Holds an election.
    pub(super) fn elect(&self, kind: ElectionKind) -> Choice {
        let replicas = || self.partition.replicas.iter().copied();
        let first = match kind {
            ElectionKind::Preferred => replicas().take(1).next(),
            ElectionKind::Online | ElectionKind::Unclean => None,
        };
        let in_order = first
            .into_iter()
            .chain(self.partition.leader)
            .chain(replicas());
        let unchecked = first.filter(|broker| {
            self.rules.has(Bug::PreferredLeaderUnchecked) && (self.acceptable)(*broker)
        });
        let valid = in_order.into_iter().find(|broker| self.is_valid(*broker));
        if let Some(leader) = unchecked.or(valid) {
            let rule = if self.target_isr.contains(&leader) {
                ElectionRule::Isr
            } else {
                ElectionRule::Elr
            };
            return Choice {
                leader: Some(leader),
                rule,
            };
        }
        let live = |broker: &BrokerId| (self.acceptable)(*broker);
        let checked = self.rules.elr_last_known_leader_checks_alive;
        let may_lead = |broker: &BrokerId| !checked || live(broker);
        if let Some(leader) = self.last_known_leader.filter(may_lead) {
            let rule = ElectionRule::LastKnownLeader;
            return Choice {
                leader: Some(leader),
                rule,
            };
        }
        match replicas()
            .find(live)
            .filter(|_| kind == ElectionKind::Unclean)
        {
            Some(leader) => Choice {
                leader: Some(leader),
                rule: ElectionRule::Unclean,
            },
            None => Choice {
                leader: None,
                rule: ElectionRule::Nobody,
            },
        }
    }

    /// Every replica and what speaks for or against it.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let describe = |broker: &BrokerId| Candidate {
            broker: *broker,
            available: (self.acceptable)(*broker),
            in_isr: self.target_isr.contains(broker),
            in_elr: self.target_elr.contains(broker),
            last_known_leader: self.partition.last_known_elr.contains(broker),
        };
        self.partition.replicas.iter().map(describe).collect()
    }

    fn is_valid(&self, broker: BrokerId) -> bool {
        let eligible = self.target_isr.contains(&broker)
            || (self.target_isr.is_empty() && self.target_elr.contains(&broker))
            || self.rules.has(Bug::ElectsOutsideIsr);
        eligible && (self.acceptable)(broker)
    }
}
