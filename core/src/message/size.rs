//! How many bytes a message would be on the wire, about: what a link with little bandwidth counts.
//!
//! | part | bytes |
//! |---|---|
//! | length, API key, version, correlation id, client id, IP and TCP | 100 |
//! | a topic's id or name, the length of its partitions | 20 |
//! | a partition | its fields, see below |
//! | records | as they are: a batch is bytes already |
//!
//! Simplified: each partition pays for its topic too, though real requests group partitions by topic.
//! Names count as 20 bytes; the headers of further TCP segments (2.7 % of a long message) are left out.
//! So a size is exact for large batches, and right to some ten bytes per partition else.
//!
//! Source: Kafka `clients/src/main/resources/common/message/*.json`, the fields of the newest version.
//!
//! Next: `mod.rs`.

use super::{ControlledPartition, Request, Response};

/// Length, request header (or response header), IP and TCP.
const HEADER: usize = 100;
/// A topic's id or name, and the length of what it holds.
const TOPIC: usize = 20;
/// A number of a broker in a list.
const BROKER: usize = 4;
/// A voter of the metadata quorum: its number and the id of its directory.
const VOTER: usize = 20;
/// The id of a log directory.
const UUID: usize = 16;

/// Partitions of a controller's request: epochs, leader, ISR, replicas.
fn controlled(partitions: &[ControlledPartition]) -> usize {
    let sizes = partitions.iter().map(|p| {
        let brokers = p.replicas.len() + p.state.isr.len();
        TOPIC + 24 + brokers * BROKER
    });
    sizes.sum()
}

impl Request {
    /// Bytes on the wire, about.
    pub fn size(&self) -> usize {
        HEADER
            + match self {
                // Acks, timeout, transactional id; by partition its number and the records' length.
                Self::Produce(request) => {
                    let partitions = request.partitions.iter();
                    10 + partitions
                        .map(|p| TOPIC + 8 + p.records.len())
                        .sum::<usize>()
                }
                // Replica state, waits, limits, session; by partition six numbers.
                Self::Fetch(request) => {
                    let forgotten = request.session.forgotten.len() * (TOPIC + 4);
                    40 + request.partitions.len() * (TOPIC + 36) + forgotten
                }
                Self::ListOffsets(request) => 8 + request.partitions.len() * (TOPIC + 16),
                Self::OffsetForLeaderEpoch(request) => 8 + request.partitions.len() * (TOPIC + 12),
                Self::Metadata(request) => {
                    4 + request
                        .topics
                        .as_ref()
                        .map_or(0, |topics| topics.len() * TOPIC)
                }
                // Controller, its epoch, the broker's epoch; by partition its state and replicas.
                Self::LeaderAndIsr(request) => 16 + controlled(&request.body),
                Self::StopReplica(request) => 16 + request.body.len() * (TOPIC + 12),
                Self::UpdateMetadata(request) => {
                    // A broker with its endpoint and rack.
                    let brokers = request.body.brokers.len() * 40;
                    let deleted = request.body.deleted.len() * (TOPIC + 24);
                    16 + brokers + deleted + controlled(&request.body.partitions)
                }
                Self::ControlledShutdown(_) => 12,
                Self::CreateTopics(request) => 8 + request.topics.len() * 3 * TOPIC,
                Self::DeleteTopics(request) => 8 + request.topics.len() * TOPIC,
                Self::CreatePartitions(request) => {
                    let replicas = request.replicas.iter().flatten();
                    2 * TOPIC + replicas.map(|list| 4 + list.len() * BROKER).sum::<usize>()
                }
                Self::ElectLeaders(request) => {
                    let partitions = request.partitions.as_ref().map_or(0, Vec::len);
                    8 + partitions * (TOPIC + 4)
                }
                Self::AlterPartitionReassignments(request) => {
                    let partitions = request.partitions.iter();
                    let replicas = partitions.map(|p| p.replicas.as_ref().map_or(0, Vec::len));
                    8 + replicas
                        .map(|count| TOPIC + 8 + count * BROKER)
                        .sum::<usize>()
                }
                Self::IncrementalAlterConfigs(request) => 4 + request.changes.len() * 3 * TOPIC,
                // Cluster id, the topic's name, two voters with their directories.
                Self::Vote(_) => 110,
                Self::BeginQuorumEpoch(_) => 90,
                // The topic's name, a snapshot, a place in it.
                Self::FetchSnapshot(_) => 90,
                Self::EndQuorumEpoch(request) => 70 + request.preferred.len() * VOTER,
                Self::AlterPartition(request) => {
                    let partitions = request.partitions.iter();
                    let member = BROKER + 8;
                    let proposals = partitions.map(|p| TOPIC + 16 + p.new_isr.len() * member);
                    12 + proposals.sum::<usize>()
                }
                // Cluster id, incarnation, a listener, the range of each feature.
                Self::BrokerRegistration(request) => 200 + request.log_dirs.len() * UUID,
                Self::BrokerHeartbeat(request) => 24 + request.offline_log_dirs.len() * UUID,
                Self::AssignReplicasToDirs(request) => {
                    12 + request.replicas.len() * (TOPIC + 4 + UUID)
                }
                Self::ZooKeeper(request) => request.size(),
                Self::ZooKeeperPeer(request) => request.size(),
            }
    }
}

impl Response {
    /// Bytes on the wire, about.
    pub fn size(&self) -> usize {
        HEADER
            + match self {
                Self::Produce(response) => response.partitions.len() * (TOPIC + 40),
                // Three offsets, an error, the length of the records.
                Self::Fetch(response) => {
                    let partitions = response.partitions.iter();
                    16 + partitions
                        .map(|p| TOPIC + 40 + p.records.len())
                        .sum::<usize>()
                }
                Self::ListOffsets(response) => response.partitions.len() * (TOPIC + 26),
                Self::OffsetForLeaderEpoch(response) => response.partitions.len() * (TOPIC + 18),
                Self::Metadata(response) => {
                    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
                    let partitions = partitions
                        .map(|p| 16 + (p.replicas.len() + p.isr.len() + p.elr.len()) * BROKER);
                    // A broker with its host, port and rack.
                    let brokers = response.brokers.len() * 30;
                    brokers + response.topics.len() * 2 * TOPIC + partitions.sum::<usize>()
                }
                Self::LeaderAndIsr(response)
                | Self::StopReplica(response)
                | Self::UpdateMetadata(response) => 8 + response.stopped.len() * (TOPIC + 4),
                Self::ControlledShutdown(response) => 8 + response.remaining.len() * (TOPIC + 4),
                Self::CreateTopics(response) => response.topics.len() * 3 * TOPIC,
                Self::DeleteTopics(response) => response.topics.len() * 2 * TOPIC,
                Self::CreatePartitions(_) => 2 * TOPIC,
                Self::ElectLeaders(response) => 8 + response.partitions.len() * (TOPIC + 8),
                Self::AlterPartitionReassignments(response) => {
                    8 + response.partitions.len() * 2 * TOPIC
                }
                Self::IncrementalAlterConfigs(response) => response.resources.len() * 2 * TOPIC,
                Self::AlterPartition(response) => {
                    let partitions = response.partitions.iter();
                    let isr = partitions.map(|p| p.state.as_ref().map_or(0, |s| s.isr.len()));
                    8 + isr.map(|isr| TOPIC + 20 + isr * BROKER).sum::<usize>()
                }
                Self::BrokerRegistration(_) | Self::BrokerHeartbeat(_) => 16,
                Self::AssignReplicasToDirs(response) => 8 + response.replicas.len() * (TOPIC + 6),
                Self::ZooKeeper(response) => response.size(),
                Self::ZooKeeperPeer(response) => response.size(),
                // The topic's name, an epoch, a leader and where it can be reached.
                Self::Vote(_) | Self::BeginQuorumEpoch(_) | Self::EndQuorumEpoch(_) => 60,
                Self::FetchSnapshot(response) => 90 + response.bytes.len(),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{
        FetchPartitionResponse, FetchResponse, ProducePartition, ProduceRequest, ProduceResponse,
    };
    use crate::{ErrorCode, Offset, TopicId, TopicIdPartition, TopicPartition};
    use bytes::Bytes;
    use std::time::Duration;

    fn partition(number: i32) -> TopicIdPartition {
        TopicIdPartition {
            topic_id: TopicId(1),
            partition: TopicPartition::new("t", number),
        }
    }

    fn produce(batches: &[usize]) -> usize {
        let partitions = (0..).zip(batches).map(|(number, bytes)| ProducePartition {
            partition: partition(number),
            records: Bytes::from(vec![0; *bytes]),
        });
        let request = ProduceRequest {
            acks: -1,
            timeout: Duration::ZERO,
            partitions: partitions.collect(),
        };
        Request::Produce(request).size()
    }

    fn fetched(bytes: usize) -> usize {
        let partition = FetchPartitionResponse {
            partition: partition(0),
            error: ErrorCode::None,
            high_watermark: Offset(0),
            last_stable_offset: Offset(0),
            log_start_offset: Offset(0),
            diverging_epoch: None,
            snapshot: None,
            current_leader: None,
            records: Bytes::from(vec![0; bytes]),
            preferred_read_replica: None,
        };
        let response = FetchResponse {
            error: ErrorCode::None,
            partitions: vec![partition],
            session_id: 0,
        };
        Response::Fetch(response).size()
    }

    #[test]
    fn records_count_byte_by_byte_and_each_partition_a_little() {
        assert_eq!(produce(&[16_384]) - produce(&[0]), 16_384);
        assert_eq!(produce(&[70, 70]) - produce(&[70]), 98);
        assert_eq!(fetched(1_000_000) - fetched(0), 1_000_000);
        assert!((100..200).contains(&produce(&[0])));
        assert!((100..200).contains(&fetched(0)));
        let empty = ProduceResponse {
            partitions: Vec::new(),
        };
        assert_eq!(Response::Produce(empty).size(), HEADER);
    }
}
