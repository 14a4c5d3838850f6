//! The in-sync replicas as their leader knows them, and when it proposes others.
//!
//! | state | to | trigger |
//! |---|---|---|
//! | Committed | PendingShrink | the lag timer finds members that are not caught up |
//! | Committed | PendingExpand | a fetch shows that a replica outside is in sync |
//! | Pending* | Committed (new) | the controller commits the proposal |
//! | Pending* | Committed (old) | the controller says that it did not apply it |
//! | any | Committed | new metadata |
//!
//! Until the controller has answered, the leader does not know which ISR holds, so it must satisfy
//! both: the *maximal* ISR is the committed one with the member that is to join (KIP-497). A member
//! that is to leave still counts.
//!
//! Source: `PartitionState` (`CommittedPartitionState`, `PendingExpandIsr`, `PendingShrinkIsr`),
//! `Partition.isReplicaIsrEligible`, `Partition.isFollowerInSync`, `Partition.getOutOfSyncReplicas`.
//! Next: `high_watermark.rs`.

use super::replica::RemoteReplica;
use super::{Context, Leadership};
use crate::id::BrokerId;
use crate::offset::Offset;
use crate::planted::Bug;

/// The ISR and what has been proposed for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IsrState {
    /// Nothing is proposed.
    Committed(Vec<BrokerId>),
    /// `joining` is proposed as a new member.
    PendingExpand {
        isr: Vec<BrokerId>,
        joining: BrokerId,
    },
    /// `leaving` are proposed to be members no more.
    PendingShrink {
        isr: Vec<BrokerId>,
        leaving: Vec<BrokerId>,
    },
}

impl IsrState {
    /// The members that the controller has committed.
    pub(crate) fn committed(&self) -> &[BrokerId] {
        match self {
            Self::Committed(isr)
            | Self::PendingExpand { isr, .. }
            | Self::PendingShrink { isr, .. } => isr,
        }
    }

    /// A member that is proposed to join.
    pub(crate) fn joining(&self) -> Option<BrokerId> {
        match self {
            Self::PendingExpand { joining, .. } => Some(*joining),
            Self::Committed(_) | Self::PendingShrink { .. } => None,
        }
    }

    /// The committed members and the one that is to join.
    pub(crate) fn maximal(&self) -> Vec<BrokerId> {
        self.committed()
            .iter()
            .copied()
            .chain(self.joining())
            .collect()
    }

    /// Whether `broker` is in the maximal ISR.
    pub(crate) fn maximal_contains(&self, broker: BrokerId) -> bool {
        self.committed().contains(&broker) || self.joining() == Some(broker)
    }

    /// Whether a proposal waits for the controller.
    pub(crate) fn is_pending(&self) -> bool {
        !matches!(self, Self::Committed(_))
    }

    /// The members that are proposed.
    pub(crate) fn proposed(&self) -> Vec<BrokerId> {
        match self {
            Self::Committed(isr) => isr.clone(),
            Self::PendingExpand { .. } => self.maximal(),
            Self::PendingShrink { isr, leaving } => isr
                .iter()
                .copied()
                .filter(|member| !leaving.contains(member))
                .collect(),
        }
    }
}

impl Leadership {
    /// Whether the controller would take `broker` into the ISR, as far as this leader knows: not
    /// fenced, not stopping, and the process that fetched is the one that is registered.
    pub(crate) fn is_eligible(&self, context: &Context<'_>, broker: BrokerId) -> bool {
        let Some(registration) = context.brokers.get(&broker) else {
            return false;
        };
        let Some(fetched) = self
            .remotes
            .get(&broker)
            .and_then(|replica| replica.broker_epoch)
        else {
            return false;
        };
        let usable = !registration.fenced && !registration.in_controlled_shutdown;
        let same_process = fetched.is_none_or(|epoch| epoch == registration.broker_epoch);
        (usable || !context.rules.isr_requires_unfenced)
            && (same_process || !context.rules.isr_broker_epoch_check)
    }

    /// Whether `broker` may be proposed for the ISR now.
    pub(crate) fn can_join(
        &self,
        context: &Context<'_>,
        broker: BrokerId,
        high_watermark: Offset,
    ) -> bool {
        if self.isr.is_pending()
            || self.isr.committed().contains(&broker)
            || !self.is_eligible(context, broker)
        {
            return false;
        }
        let Some(replica) = self.remotes.get(&broker) else {
            return false;
        };
        // Before KAFKA-15221 its log end was looked at first and its broker epoch later: the one may be
        // that of the process before.
        let first_look = replica.end_before_reboot;
        let first_look = first_look.filter(|_| !context.rules.isr_eligibility_atomic_snapshot);
        let Some(end) = first_look.max(replica.log_end_offset) else {
            return false;
        };
        // Below the epoch's start its log may still part from ours, whatever the high watermark says.
        let required = context.rules.isr_expand_requires_epoch_start
            && !context.rules.has(Bug::JoinsBeforeEpochStart);
        let in_epoch = end >= self.epoch_start_offset || !required;
        let complete = end >= high_watermark || context.rules.has(Bug::JoinsBelowHighWatermark);
        complete && in_epoch
    }

    /// Members of the ISR that have not been caught up for too long.
    pub(crate) fn out_of_sync(
        &self,
        context: &Context<'_>,
        log_end_offset: Offset,
    ) -> Vec<BrokerId> {
        if self.isr.is_pending() {
            return Vec::new();
        }
        let (now, lag) = (context.now.monotonic, context.replica_lag_time_max);
        let in_time = |replica: &RemoteReplica| match context.rules.equal_end_stays_in_isr {
            true => replica.is_caught_up(log_end_offset, now, lag),
            false => replica.was_caught_up(now, lag),
        };
        let lags = |member: &BrokerId| {
            let replica = self.remotes.get(member);
            *member != context.local && !replica.is_some_and(in_time)
        };
        self.isr.committed().iter().copied().filter(lags).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_while_a_proposal_is_under_way() {
        let [one, two, three] = [1, 2, 3].map(BrokerId);
        let expand = IsrState::PendingExpand {
            isr: vec![one, two],
            joining: three,
        };
        assert_eq!(expand.committed(), [one, two]);
        assert_eq!(expand.maximal(), [one, two, three]);
        assert_eq!(expand.proposed(), [one, two, three]);
        let shrink = IsrState::PendingShrink {
            isr: vec![one, two],
            leaving: vec![two],
        };
        assert_eq!(shrink.committed(), [one, two]);
        assert_eq!(shrink.maximal(), [one, two], "who is to leave still counts");
        assert_eq!(shrink.proposed(), [one]);
    }
}
