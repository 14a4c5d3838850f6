//! What a running cluster's files tell, as entries of the record. Nobody is asked, nothing is disturbed.
//!
//! | file | what it is |
//! |---|---|
//! | `file.rs`, `batch.rs` | a file that somebody else writes; a batch in every format |
//! | `tail.rs` | what becomes of a log: batches and cuts |
//! | `replicas.rs` | a broker's logs, epochs and high watermarks |
//! | `quorum.rs`, `zookeeper/` | the metadata, in either mode |
//! | `ledger.rs` | metadata records as entries, and what follows from them |
//! | `folder.rs` | a broker's folder for our own readers |
//!
//! **Order.** All entries of one poll have the time of the poll. In it come first the brokers' processes,
//! then the metadata, then the logs. The files are read the other way round: high watermarks, logs (the
//! followers' before the leader's), metadata. So:
//! - What is told of a log never comes before the metadata that caused it (an election before the cut).
//! - A follower's batch never comes before the same batch of the leader, a high watermark never before
//!   the batches below it.
//! - Whoever polls *after* an application was told of an acknowledgement finds all batches that it stands on
//!   in this poll or an earlier one.
//! - Metadata, and each log, are in their own order, and complete.
//!
//! Not guaranteed: the order of different partitions; of a log against metadata of the same poll that the
//! log did not wait for (an append may have come before the ISR change that stands before it); of two
//! followers. High watermarks are up to 5 s old. What is derived says so in `ledger.rs` and `replicas.rs`.
//!
//! Cost of a poll in which nothing happened: about five looks at files per replica.
//!
//! Topics that the plan does not have (`__consumer_offsets`, which a consumer's client brings about) are left
//! out: a simulated cluster has none.
//!
//! Simplified: one folder of `log.dirs` per broker. Replicas do not move between folders.
//! Next: `tail.rs`.

mod batch;
mod file;
mod folder;
mod ledger;
mod quorum;
mod replicas;
mod tail;
mod zookeeper;

pub use folder::Folder;

use crate::failure::Failure;
use ktrial_core::message::ConfigResource;
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{Event, NodeId, Timestamp, TopicId, TopicName, TopicPartition};
use ktrial_sim::history::{Entry, FinalLog, What};
use ktrial_sim::plan::Plan;
use ktrial_sim::trial::finals;
use ktrial_sim::view::View;
use ledger::{Ledger, Told};
use quorum::Quorum;
use replicas::Broker;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use zookeeper::{Ensemble, Tree};

/// Where the cluster's files are.
#[derive(Clone, Debug)]
pub struct Sources {
    /// Kafka's log folder (the one of `log.dirs`) of each broker, and of each controller in KRaft.
    pub servers: BTreeMap<NodeId, PathBuf>,
    /// Where the metadata is.
    pub metadata: MetadataSource,
    /// A new leader's epoch is in its checkpoint only once it appends: before 2.0.
    pub epochs_when_appending: bool,
}

/// Where a cluster keeps its metadata.
#[derive(Clone, Debug)]
pub enum MetadataSource {
    /// In the logs of these voters: controllers, or brokers with both roles. Their `node.id` is the number of
    /// the node.
    KRaft {
        /// All of them, running or not.
        voters: Vec<NodeId>,
    },
    /// In ZooKeeper.
    ZooKeeper {
        /// The `dataDir` of each server of the ensemble, running or not.
        data: Vec<PathBuf>,
    },
}

#[derive(Debug)]
enum Metadata {
    KRaft(Quorum),
    ZooKeeper(Box<(Ensemble, Tree)>),
}

/// A cluster under watch.
#[derive(Debug)]
pub struct Watch {
    plan: Plan,
    topics: BTreeSet<TopicName>,
    /// Topics that are not the plan's.
    foreign: BTreeSet<TopicId>,
    brokers: Vec<Broker>,
    metadata: Metadata,
    ledger: Ledger,
}

impl Watch {
    /// Nothing is known yet; the folders need not be there.
    pub fn new(plan: &Plan, sources: &Sources) -> Self {
        let servers = sources.servers.iter();
        let brokers = servers.filter_map(|(node, folder)| {
            let id = node.broker()?;
            Some(Broker::new(
                id,
                folder.clone(),
                sources.epochs_when_appending,
            ))
        });
        let metadata = match &sources.metadata {
            MetadataSource::KRaft { voters } => {
                let folder = |node: &NodeId| Some((*node, sources.servers.get(node)?.clone()));
                let observers = sources.servers.iter();
                let observers = observers.filter(|(node, _)| !voters.contains(node));
                Metadata::KRaft(Quorum::new(
                    voters.iter().filter_map(folder),
                    observers.map(|(node, folder)| (*node, folder.clone())),
                ))
            }
            MetadataSource::ZooKeeper { data } => {
                Metadata::ZooKeeper(Box::new((Ensemble::new(data), Tree::default())))
            }
        };
        Self {
            topics: plan.topics.iter().map(|new| new.topic.clone()).collect(),
            foreign: BTreeSet::new(),
            brokers: brokers.collect(),
            metadata,
            ledger: Ledger::default(),
            plan: plan.clone(),
        }
    }

    /// What the files tell that they did not tell before. `view` says which processes are up.
    ///
    /// # Errors
    /// A file cannot be read, or says what cannot be.
    pub fn poll(&mut self, now: Timestamp, view: &View) -> Result<Vec<Entry>, Failure> {
        for broker in &mut self.brokers {
            broker.look(&self.topics, view)?;
        }
        let partitions = self.partitions();
        for partition in &partitions {
            for place in self.leader_first(partition).into_iter().rev() {
                self.brokers[place].read(partition)?;
            }
        }
        let mut told: Vec<Told> = Vec::new();
        for broker in &mut self.brokers {
            broker.tell_life(&mut told);
        }
        match &mut self.metadata {
            Metadata::KRaft(quorum) => quorum.poll(&mut self.ledger, &mut told)?,
            Metadata::ZooKeeper(both) => {
                let (ensemble, tree) = &mut **both;
                zookeeper::poll(ensemble, tree, &mut self.ledger, &mut told)?;
            }
        }
        let unfenced = self.ledger.take_unfenced();
        for broker in &mut self.brokers {
            broker.tell_deleted(&mut told);
        }
        for partition in &partitions {
            // The followers were read before whoever leads now, unless that has just changed.
            if let Some(place) = self.leader_first(partition).first() {
                self.brokers[*place].read(partition)?;
            }
            for place in self.leader_first(partition) {
                let broker = &mut self.brokers[place];
                let unfenced = unfenced.contains(&broker.id());
                broker.tell(partition, unfenced, &self.ledger, &mut told);
            }
        }
        let Self {
            topics, foreign, ..
        } = self;
        told.retain(|(_, event)| !is_foreign(topics, foreign, event));
        let entry = |(node, event)| Entry {
            at: now,
            node: Some(node),
            what: What::Event(event),
        };
        Ok(told.into_iter().map(entry).collect())
    }

    /// What the brokers' folders hold of the plan's topics, read anew; for when no broker runs any more.
    pub fn final_logs(&self) -> Vec<FinalLog> {
        let logs = self.brokers.iter().flat_map(|broker| {
            let mut folder = Folder::new(broker.folder());
            finals::on_disk(&self.plan, broker.id(), &mut folder, batch::read_segment)
        });
        logs.collect()
    }

    fn partitions(&self) -> BTreeSet<TopicPartition> {
        let all = self.brokers.iter().flat_map(Broker::partitions);
        all.cloned().collect()
    }

    /// The places of the brokers, that of the partition's leader first.
    fn leader_first(&self, partition: &TopicPartition) -> Vec<usize> {
        let leader = self.ledger.leader(partition).map(|(leader, _)| leader);
        let mut places: Vec<usize> = (0..self.brokers.len()).collect();
        places.sort_by_key(|place| Some(self.brokers[*place].id()) != leader);
        places
    }
}

/// Whether it is about a topic that the plan does not have: one of Kafka's own.
fn is_foreign(
    topics: &BTreeSet<TopicName>,
    foreign: &mut BTreeSet<TopicId>,
    event: &Event,
) -> bool {
    let named = |topic: &TopicName| !topics.contains(topic);
    match event {
        Event::Elected { partition, .. } => named(&partition.topic),
        Event::MetadataWritten { record, .. } => match &**record {
            MetadataRecord::Topic(record) => {
                if named(&record.topic) {
                    foreign.insert(record.topic_id);
                }
                named(&record.topic)
            }
            MetadataRecord::Partition(record) => foreign.contains(&record.topic_id),
            MetadataRecord::PartitionChange(record) => foreign.contains(&record.topic_id),
            MetadataRecord::RemoveTopic(record) => foreign.contains(&record.topic_id),
            MetadataRecord::Config(record) => {
                matches!(&record.resource, ConfigResource::Topic(topic) if named(topic))
            }
            MetadataRecord::ClearElr(record) => record.topic.as_ref().is_some_and(named),
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]
mod tests;
