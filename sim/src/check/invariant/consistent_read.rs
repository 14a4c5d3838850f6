//! What a consumer has ever read is unchanged in the log of every later leader: at its offset, of its
//! leader epoch.
//!
//! Source: TLA+ kip-966 `ConsistentRead`.
//!
//! False positives avoided: only a leader that the controller means, when it begins. What a new leader
//! lacks is forgotten after it was reported. Nothing is said of a loss that is excused, for
//! `leader_completeness` tells it.
//!
//! It compares only the last record read: with `log_matching`, equal there means equal before. Cost: a
//! poll adds what is new, and a leader is looked at once, by bisection.

use super::{Excuses, Findings, Invariant, Moment};
use crate::view::Replica;
use ktrial_core::event::PolledRecord;
use ktrial_core::{Event, LeaderEpoch, Offset, TopicName, TopicPartition};
use std::collections::BTreeMap;

const NAME: &str = "consistent_read";

#[derive(Default)]
pub(super) struct ConsistentRead {
    /// What was read of each partition, by offset.
    read: BTreeMap<TopicPartition, Vec<(Offset, LeaderEpoch)>>,
}

impl Invariant for ConsistentRead {
    fn forget(&mut self, topic: &TopicName) {
        self.read.retain(|name, _| name.topic != *topic);
    }

    fn observe(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        match moment.event() {
            Some(Event::Polled { records }) => {
                let runs = records.chunk_by(|a, b| a.partition == b.partition);
                let deleted = |record: &PolledRecord| {
                    let topic = &record.partition.topic;
                    moment.view.was_deleted(topic)
                };
                for run in runs.filter(|run| !run.first().is_some_and(deleted)) {
                    self.took(run);
                }
            }
            Some(Event::BecameLeader { .. }) => self.begins(moment, excuses, findings),
            _ => {}
        }
    }
}

impl ConsistentRead {
    /// Takes in records of one partition.
    fn took(&mut self, run: &[PolledRecord]) {
        let Some(name) = run.first().map(|record| &record.partition) else {
            return;
        };
        if !self.read.contains_key(name) {
            self.read.insert(name.clone(), Vec::new());
        }
        let Some(read) = self.read.get_mut(name) else {
            return;
        };
        for record in run {
            let record = (record.offset, record.leader_epoch);
            if read.last().is_none_or(|last| last.0 < record.0) {
                read.push(record);
                continue;
            }
            // Others may have read it before; of another epoch at the same offset it takes the place
            // of what was lost there (which `leader_completeness` reports).
            match read.binary_search_by_key(&record.0, |known| known.0) {
                Ok(index) => read[index] = record,
                Err(index) => read.insert(index, record),
            }
        }
    }

    fn begins(&mut self, moment: &Moment<'_>, excuses: Excuses<'_>, findings: &mut Findings) {
        let (Some((name, partition)), Some((broker, replica))) =
            (moment.partition, moment.replica())
        else {
            return;
        };
        let meant = partition.committed.as_ref().is_some_and(|committed| {
            committed.leader == Some(broker) && replica.role.epoch() == Some(committed.leader_epoch)
        });
        let Some(read) = self.read.get_mut(name).filter(|_| meant) else {
            return;
        };
        let lacks = read.last().is_some_and(|record| !has(replica, record));
        if !lacks {
            return;
        }
        let index = read.partition_point(|record| has(replica, record));
        if let Some((offset, epoch)) = read.get(index).copied() {
            let mut lost = excuses.happened.ledger.at(name, offset);
            let lost = lost.find(|written| written.batch.epoch == epoch);
            let permitted = lost.is_some_and(|lost| excuses.permits(name, &lost.batch));
            if permitted {
                read.truncate(index);
                return;
            }
            let what = format!(
                "broker {broker} leads {name} without the record at offset {offset} of leader epoch \
                 {epoch}, which a consumer has read"
            );
            findings.broken(NAME, name, moment.at(), what);
        }
        read.truncate(index);
    }
}

fn has(replica: &Replica, (offset, epoch): &(Offset, LeaderEpoch)) -> bool {
    let batch = replica.log.batch_at(*offset);
    batch.is_some_and(|batch| batch.epoch == *epoch)
}
