//! The broker's periodic work: shrinking ISRs, checkpoints, flushes.
//!
//! Source: `ReplicaManager.startup` (`isr-expiration`), `startHighWatermarkCheckPointThread`,
//! `LogManager.startupWithConfigOverrides` (`kafka-log-flusher`,
//! `kafka-recovery-point-checkpoint`), `UnifiedLog.roll` (`flush-log`). Simplified: no retention, no
//! cleaner.
//! Next: `partition/leader.rs` (`propose_shrink`), `replicas.rs` (checkpoints).

use super::Broker;
use super::shared::Shared;
use crate::event::Event;
use crate::id::TopicPartition;
use crate::machine::Effects;
use crate::offset::Offset;
use crate::partition::Partition;
use crate::storage::StorageError;
use crate::time::{Now, Timestamp, earliest};
use std::time::Duration;

/// When each periodic task is due; `None` before the logs are open, and for tasks that are off.
#[derive(Debug, Default)]
pub(super) struct Scheduler {
    shrink: Option<Timestamp>,
    high_watermarks: Option<Timestamp>,
    recovery_points: Option<Timestamp>,
    flush: Option<Timestamp>,
    /// A roll left something to flush.
    rolled: Option<Timestamp>,
    /// When the files of a deleted replica go.
    deletion: Option<Timestamp>,
}

impl Scheduler {
    /// The logs are open.
    pub(super) fn start(&mut self, shared: &Shared, now: Timestamp) {
        self.shrink = Some(now);
        self.high_watermarks = Some(now);
        self.recovery_points = Some(now + shared.config.log_initial_task_delay);
        let flusher = shared.config.log_flush_scheduler_interval;
        let on = flusher != Duration::MAX;
        self.flush = on.then(|| now + shared.config.log_initial_task_delay);
    }

    /// A log was rolled: what is behind is to be flushed soon.
    pub(super) fn rolled(&mut self, now: Timestamp) {
        self.rolled = earliest(self.rolled, Some(now));
    }

    /// A replica was deleted: its files go then.
    pub(super) fn deleted(&mut self, at: Option<Timestamp>) {
        self.deletion = at;
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let tasks = [
            self.shrink,
            self.high_watermarks,
            self.recovery_points,
            self.flush,
            self.rolled,
            self.deletion,
        ];
        tasks.into_iter().flatten().min()
    }
}

/// Whether a task is due; sets its next time.
fn is_due(task: &mut Option<Timestamp>, period: Duration, now: Timestamp) -> bool {
    let due = task.is_some_and(|at| at <= now);
    if due {
        *task = Some(now + period);
    }
    due
}

impl Broker {
    /// Does the periodic work that is due.
    pub(super) fn scheduled(&mut self, now: Now, out: &mut Effects) -> Result<(), StorageError> {
        let at = now.monotonic;
        let config = &self.shared.config;
        let (lag, high_watermarks) = (
            config.replica_lag_time_max,
            config.replica_high_watermark_checkpoint_interval,
        );
        let recovery_points = config.log_flush_offset_checkpoint_interval;
        let flush = config.log_flush_scheduler_interval;
        if is_due(&mut self.scheduler.shrink, lag / 2, at) {
            self.shrink_isrs(now, out);
        }
        if is_due(&mut self.scheduler.high_watermarks, high_watermarks, at) {
            self.replicas
                .checkpoint_high_watermarks(&mut self.shared.storage)?;
        }
        if is_due(&mut self.scheduler.recovery_points, recovery_points, at) {
            self.replicas
                .checkpoint_recovery_points(&mut self.shared.storage)?;
        }
        if is_due(&mut self.scheduler.flush, flush, at) {
            self.flush_old(now, out)?;
        }
        if self.scheduler.rolled.take_if(|due| *due <= at).is_some() {
            self.flush_rolled(out)?;
        }
        if self.scheduler.deletion.is_some_and(|due| due <= at) {
            let storage = &mut self.shared.storage;
            self.replicas.delete_files(storage, at)?;
            self.scheduler.deleted(self.replicas.next_deletion());
        }
        Ok(())
    }

    fn shrink_isrs(&mut self, now: Now, out: &mut Effects) {
        let mut proposals = Vec::new();
        let context = self.shared.context(now);
        for name in self.replicas.with_unsure_isr() {
            // One that may lose a member by the passing of time alone is looked at again.
            let unsure = |one: &Partition| !one.is_whole(context.rules);
            if !self.replicas.get(&name).is_some_and(unsure) {
                continue;
            }
            let Some(partition) = self.replicas.get_mut(&name) else {
                continue;
            };
            if let Some(proposal) = partition.propose_shrink(&context, out) {
                proposals.push((partition.id().clone(), proposal));
            }
        }
        for (id, proposal) in proposals {
            self.submit(now, &id, proposal, out);
        }
    }

    /// Flushes what a roll left behind.
    fn flush_rolled(&mut self, out: &mut Effects) -> Result<(), StorageError> {
        let wanted = self.replicas.iter().filter_map(|partition| {
            let offset = partition.log().flush_wanted()?;
            Some((partition.name().clone(), offset))
        });
        for (name, offset) in wanted.collect::<Vec<_>>() {
            self.flush(&name, offset, out)?;
        }
        Ok(())
    }

    /// Flushes logs whose last flush is longer ago than `flush.ms`.
    fn flush_old(&mut self, now: Now, out: &mut Effects) -> Result<(), StorageError> {
        let due = self.replicas.iter().filter_map(|partition| {
            let name = partition.name();
            let config = self.shared.topic_config(&name.topic);
            let end = partition.log().log_end_offset();
            let since = self.flushed_at.get(name).copied().unwrap_or_default();
            let old = now.monotonic.since(since) >= config.flush_ms;
            let due = old && partition.log().recovery_point() < end;
            due.then(|| (name.clone(), end))
        });
        for (name, end) in due.collect::<Vec<_>>() {
            self.flush(&name, end, out)?;
            self.flushed_at.insert(name, now.monotonic);
        }
        Ok(())
    }

    fn flush(
        &mut self,
        name: &TopicPartition,
        offset: Offset,
        out: &mut Effects,
    ) -> Result<(), StorageError> {
        let Some(partition) = self.replicas.get_mut(name) else {
            return Ok(());
        };
        let flushed = partition.log_mut().flush(&mut self.shared.storage, offset);
        if self.shared.survive(flushed)?.is_some() {
            out.observe(Event::Flushed {
                partition: name.clone(),
                recovery_point: partition.log().recovery_point(),
            });
        }
        Ok(())
    }
}
