//! Refusals: which parts of a response are some, for the history; and what a controller answers that is not
//! the active one.
//!
//! Next: `mod.rs`.

use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{NodeId, TopicPartition};
use crate::machine::Effects;
use crate::message::{
    AlterPartitionReassignmentsResponse, AlterPartitionResponse, AssignReplicasToDirsResponse,
    BrokerHeartbeatResponse, BrokerRegistrationResponse, ConfigChange, CreatePartitionsResponse,
    CreateTopicsResponse, CreatedTopic, DeleteTopicsResponse, ElectLeadersResponse,
    IncrementalAlterConfigsResponse, NewTopic, Reassignment, Request, Response,
};

/// Reports each refusal in `response` to `from`.
pub(crate) fn observe(response: &Response, from: NodeId, out: &mut Effects) {
    let mut refuse = |partition: Option<&TopicPartition>, error: ErrorCode| {
        if !error.is_none() {
            let api = response.api();
            let partition = partition.cloned();
            out.observe(Event::Refused {
                api,
                partition,
                from,
                error,
            });
        }
    };
    match response {
        Response::Fetch(response) => {
            for part in &response.partitions {
                refuse(Some(&part.partition.partition), part.error);
            }
        }
        Response::CreateTopics(response) => {
            let topics = response.topics.iter();
            topics.for_each(|topic| refuse(None, topic.error));
        }
        Response::DeleteTopics(response) => {
            let topics = response.topics.iter();
            topics.for_each(|(_, error)| refuse(None, *error));
        }
        Response::CreatePartitions(response) => refuse(None, response.error),
        Response::ElectLeaders(response) => {
            for (partition, error) in &response.partitions {
                refuse(Some(partition), *error);
            }
        }
        Response::AlterPartitionReassignments(response) => {
            for (partition, error, _) in &response.partitions {
                refuse(Some(partition), *error);
            }
        }
        Response::IncrementalAlterConfigs(response) => {
            let resources = response.resources.iter();
            resources.for_each(|(_, error, _)| refuse(None, *error));
        }
        Response::AlterPartition(response) => {
            refuse(None, response.error);
            for part in &response.partitions {
                refuse(Some(&part.partition.partition), part.error);
            }
        }
        Response::AssignReplicasToDirs(response) => {
            refuse(None, response.error);
            for (replica, error) in &response.replicas {
                refuse(Some(&replica.partition), *error);
            }
        }
        Response::BrokerRegistration(response) => refuse(None, response.error),
        Response::BrokerHeartbeat(response) => refuse(None, response.error),
        Response::Produce(_)
        | Response::ListOffsets(_)
        | Response::Metadata(_)
        | Response::OffsetForLeaderEpoch(_)
        | Response::Vote(_)
        | Response::BeginQuorumEpoch(_)
        | Response::EndQuorumEpoch(_)
        | Response::FetchSnapshot(_)
        | Response::LeaderAndIsr(_)
        | Response::StopReplica(_)
        | Response::UpdateMetadata(_)
        | Response::ControlledShutdown(_)
        | Response::ZooKeeper(_)
        | Response::ZooKeeperPeer(_) => {}
    }
}

const ERROR: ErrorCode = ErrorCode::NotController;

const REFUSED_HEARTBEAT: BrokerHeartbeatResponse = BrokerHeartbeatResponse {
    error: ERROR,
    is_caught_up: false,
    is_fenced: true,
    should_shut_down: false,
};

/// The answer of a controller that is not the active one; `None` if it would not answer at all.
/// Source: `QuorumController.newNotControllerException`, `ControllerApis`.
pub(crate) fn not_controller(request: &Request) -> Option<Response> {
    Some(match request {
        Request::CreateTopics(request) => Response::CreateTopics(CreateTopicsResponse {
            topics: request.topics.iter().map(refused_topic).collect(),
        }),
        Request::CreatePartitions(_) => Response::CreatePartitions(CreatePartitionsResponse {
            error: ERROR,
            message: None,
        }),
        Request::DeleteTopics(request) => {
            let refused = request.topics.iter().map(|topic| (topic.clone(), ERROR));
            Response::DeleteTopics(DeleteTopicsResponse {
                topics: refused.collect(),
            })
        }
        Request::AlterPartitionReassignments(request) => {
            let refused = |one: &Reassignment| (one.partition.clone(), ERROR, None);
            Response::AlterPartitionReassignments(AlterPartitionReassignmentsResponse {
                partitions: request.partitions.iter().map(refused).collect(),
            })
        }
        Request::ElectLeaders(_) => Response::ElectLeaders(ElectLeadersResponse {
            error: ERROR,
            partitions: Vec::new(),
        }),
        Request::IncrementalAlterConfigs(request) => {
            let resources = request.changes.iter();
            let refused = |change: &ConfigChange| (change.resource.clone(), ERROR, None);
            Response::IncrementalAlterConfigs(IncrementalAlterConfigsResponse {
                resources: resources.map(refused).collect(),
            })
        }
        Request::AlterPartition(_) => Response::AlterPartition(AlterPartitionResponse {
            error: ERROR,
            partitions: Vec::new(),
        }),
        Request::BrokerRegistration(_) => {
            Response::BrokerRegistration(BrokerRegistrationResponse {
                error: ERROR,
                broker_epoch: None,
            })
        }
        Request::AssignReplicasToDirs(_) => {
            Response::AssignReplicasToDirs(AssignReplicasToDirsResponse {
                error: ERROR,
                replicas: Vec::new(),
            })
        }
        Request::BrokerHeartbeat(_) => Response::BrokerHeartbeat(REFUSED_HEARTBEAT),
        // The quorum's, which every voter answers, and those that no controller does.
        Request::Fetch(_)
        | Request::FetchSnapshot(_)
        | Request::Vote(_)
        | Request::BeginQuorumEpoch(_)
        | Request::EndQuorumEpoch(_)
        | Request::Produce(_)
        | Request::ListOffsets(_)
        | Request::Metadata(_)
        | Request::OffsetForLeaderEpoch(_)
        | Request::LeaderAndIsr(_)
        | Request::StopReplica(_)
        | Request::UpdateMetadata(_)
        | Request::ControlledShutdown(_)
        | Request::ZooKeeper(_)
        | Request::ZooKeeperPeer(_) => return None,
    })
}

fn refused_topic(topic: &NewTopic) -> CreatedTopic {
    CreatedTopic {
        topic: topic.topic.clone(),
        topic_id: None,
        error: ERROR,
        message: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{AlterPartitionReassignmentsRequest, DeleteTopicsRequest};

    /// Else a standby would decide by what it knows, and write it when it is elected.
    #[test]
    fn a_standby_moves_and_deletes_nothing() {
        let partition = TopicPartition::new("orders", 0);
        let moves = Request::AlterPartitionReassignments(AlterPartitionReassignmentsRequest {
            partitions: vec![Reassignment {
                partition: partition.clone(),
                replicas: None,
            }],
        });
        let refused = vec![(partition.clone(), ErrorCode::NotController, None)];
        assert_eq!(
            not_controller(&moves),
            Some(Response::AlterPartitionReassignments(
                AlterPartitionReassignmentsResponse {
                    partitions: refused
                }
            ))
        );
        let topics = vec![partition.topic.clone()];
        let deletes = Request::DeleteTopics(DeleteTopicsRequest { topics });
        let topics = vec![(partition.topic, ErrorCode::NotController)];
        assert_eq!(
            not_controller(&deletes),
            Some(Response::DeleteTopics(DeleteTopicsResponse { topics }))
        );
    }
}
