//! The one rule by which a leader's high watermark advances.
//!
//! A record below the high watermark is on every replica that could be elected cleanly, so it cannot
//! be lost by a clean election; only such records are acknowledged with acks=all and shown to
//! consumers. The candidate is the smallest log end among the leader, every member of the *maximal*
//! ISR, and every replica that is caught up and eligible although it is not in the ISR yet. The last
//! kind is not needed for safety: without it the high watermark could run ahead of a replica that is
//! about to join, and keep it out for ever, because joining takes a log end at the high watermark.
//!
//! Why the maximal ISR: while a proposal to add a member is under way the controller may already have
//! committed it, and may elect the new member at any moment. Why not below min.insync.replicas
//! (KAFKA-15583): a replica that left the ISR then stays an eligible leader (ELR, KIP-966), and is
//! complete only if nothing was declared replicated since.
//!
//! It never goes back within a leadership.
//!
//! Source: `Partition.maybeIncrementLeaderHW`; KIP-497, KIP-966, KAFKA-15583.
//! Next: `leader.rs` calls it after each append, each follower's progress and each change of the ISR.

use super::{Context, Leadership};
use crate::offset::Offset;
use crate::planted::Bug;

impl Leadership {
    /// Where the high watermark may be now. The caller advances to it if it is higher than before.
    pub(crate) fn high_watermark_candidate(
        &self,
        context: &Context<'_>,
        log_end_offset: Offset,
        min_insync_replicas: usize,
    ) -> Option<Offset> {
        let under_min_isr = self.isr.committed().len() < min_insync_replicas;
        if under_min_isr && context.rules.hw_requires_min_isr {
            return None;
        }
        let mut candidate = log_end_offset;
        for (broker, replica) in &self.remotes {
            // An unknown log end (no fetch in this leadership yet) holds the high watermark back.
            let unknown = if context.rules.has(Bug::HighWatermarkBeforeFirstFetch) {
                log_end_offset
            } else {
                Offset(-1)
            };
            let end = replica.log_end_offset.unwrap_or(unknown);
            if end >= candidate || context.rules.has(Bug::HighWatermarkIsMaximum) {
                continue;
            }
            let in_isr = if context.rules.has(Bug::IsrShrinkNotAwaited) {
                self.isr.proposed().contains(broker)
            } else if context.rules.maximal_isr {
                self.isr.maximal_contains(*broker)
            } else {
                self.isr.committed().contains(broker)
            };
            let about_to_join = || {
                let now = context.now.monotonic;
                replica.is_caught_up(log_end_offset, now, context.replica_lag_time_max)
                    && self.is_eligible(context, *broker)
            };
            if in_isr || about_to_join() {
                candidate = end;
            }
        }
        if context.rules.has(Bug::HighWatermarkOneTooHigh) {
            return Some(candidate.next());
        }
        Some(candidate)
    }
}
