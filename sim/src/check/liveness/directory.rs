//! What Kafka, as of 4.3.1, leaves as it is after a broker has lost a log directory, until that broker starts
//! again or an operator asks for an election.
//!
//! | what is left | why |
//! |---|---|
//! | a broker elected for a replica in the lost directory | one heartbeat asks to be unfenced and names the directory: both are answered from the state before it, so the directory's loss finds no leader to move, and the election of the unfenced stands |
//! | no leader, though a broker may lead | it was unfenced while the metadata had the replica in a directory that the broker has no more; the assignment that says where it is now elects nobody |
//!
//! Found by `ktrial fuzz --seed 2459` and `--profile harsh --seed 615`.
//!
//! Source: `ReplicationControlManager.processBrokerHeartbeat`, `handleDirectoriesOffline`,
//! `handleAssignReplicasToDirs`; `LeaderAcceptor`. Next: `partition.rs`.

use crate::history::{Record, What};
use crate::view::Committed;
use ktrial_core::metadata::{LeaderChange, MetadataRecord, PartitionChangeRecord};
use ktrial_core::raft::DirectoryId;
use ktrial_core::{BrokerId, Event, Timestamp};

/// What the controller's records say of one replica's directory.
#[derive(Debug, Default)]
pub(super) struct Directory {
    replicas: Vec<BrokerId>,
    directories: Vec<DirectoryId>,
    /// What the broker is registered with.
    online: Vec<DirectoryId>,
    /// When its broker was last elected.
    elected: Option<Timestamp>,
    /// The loss of a directory was written together with that election.
    pub(super) elected_as_it_went: bool,
    /// When its broker was last unfenced, the metadata had it in a directory that is not there; and nothing
    /// was decided of the partition since.
    pub(super) unknown_when_unfenced: bool,
}

impl Directory {
    /// Of the replica of a partition on a broker.
    pub(super) fn of(
        record: &Record,
        committed: &Committed,
        number: i32,
        broker: BrokerId,
    ) -> Self {
        let mut known = Self::default();
        for entry in &record.entries {
            let What::Event(Event::MetadataWritten { record, .. }) = &entry.what else {
                continue;
            };
            match &**record {
                MetadataRecord::Partition(one)
                    if (one.topic_id, one.partition) == (committed.topic_id, number) =>
                {
                    known.replicas.clone_from(&one.replicas);
                    known.directories.clone_from(&one.directories);
                }
                MetadataRecord::PartitionChange(one)
                    if (one.topic_id, one.partition) == (committed.topic_id, number) =>
                {
                    known.change(one, broker, entry.at);
                }
                MetadataRecord::RegisterBroker(one) if one.broker == broker => {
                    known.online.clone_from(&one.log_dirs);
                }
                MetadataRecord::BrokerRegistrationChange(one) if one.broker == broker => {
                    if let Some(left) = &one.log_dirs {
                        known.online.clone_from(left);
                        known.elected_as_it_went |= known.elected == Some(entry.at);
                    }
                    if one.fenced == Some(false) {
                        known.unknown_when_unfenced = !known.is_online(broker);
                    }
                }
                _ => {}
            }
        }
        known
    }

    fn change(&mut self, change: &PartitionChangeRecord, broker: BrokerId, at: Timestamp) {
        if let Some(replicas) = &change.replicas {
            self.replicas.clone_from(replicas);
        }
        if let Some(directories) = &change.directories {
            self.directories.clone_from(directories);
        }
        if change.leader == LeaderChange::Leader(broker) {
            self.elected = Some(at);
            self.elected_as_it_went = false;
        }
        if change.isr.is_some() || change.elr.is_some() || !change.leader.is_unchanged() {
            self.unknown_when_unfenced = false;
        }
    }

    fn is_online(&self, broker: BrokerId) -> bool {
        let index = self.replicas.iter().position(|id| *id == broker);
        let directory = index.and_then(|index| self.directories.get(index));
        self.online.is_empty()
            || directory.is_none_or(|id| {
                let unknown = [DirectoryId::MIGRATING, DirectoryId::UNASSIGNED].contains(id);
                unknown || self.online.contains(id)
            })
    }
}
