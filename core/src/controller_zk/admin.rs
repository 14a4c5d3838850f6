//! What brokers and operators ask of the controller.
//!
//! | request | what follows |
//! |---|---|
//! | AlterPartition | `isr.rs` |
//! | ControlledShutdown | `membership.rs` |
//! | CreateTopics | `topics.rs` |
//! | DeleteTopics | `deletion.rs` |
//! | CreatePartitions | `partitions.rs` |
//! | ElectLeaders | an election now |
//! | IncrementalAlterConfigs | the znode of settings, then a notification that every broker watches |
//! | AlterPartitionReassignments | `reassignment.rs` |
//!
//! Simplified: in Kafka any broker writes settings; here the controller does, so that an operator has one to
//! ask.
//! Source: `KafkaApis`, `ZkAdminManager.incrementalAlterConfigs`;
//! `KafkaController.processReplicaLeaderElection`.
//! Next: `../broker/zookeeper/mod.rs`.

use super::elections::Plan;
use super::task::Task;
use super::znodes::{
    ConfigNode, DEFAULT_BROKER_CONFIG, LeaderAndIsr, broker_config, decode, encode, topic_config,
};
use super::{ControllerZk, Env, Reply};
use crate::config::{Config, TopicConfig};
use crate::controller::refusals;
use crate::error::ErrorCode;
use crate::event::Event;
use crate::id::{NodeId, TopicPartition};
use crate::machine::{Effects, ReplyTo};
use crate::message::{
    Answer, ConfigResource, ControlledShutdownResponse, ElectLeadersRequest, ElectLeadersResponse,
    ElectionType, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, Request,
    Response,
};

/// How a request is refused as a whole.
pub(super) fn refusal(request: &Request, error: ErrorCode) -> Response {
    match request {
        Request::ControlledShutdown(_) => {
            Response::ControlledShutdown(ControlledShutdownResponse {
                error,
                remaining: Vec::new(),
            })
        }
        Request::AlterPartitionReassignments(request) => {
            let partitions = request.partitions.iter();
            let partitions = partitions.map(|one| (one.partition.clone(), error, None));
            let partitions = partitions.collect();
            Response::AlterPartitionReassignments(
                crate::message::AlterPartitionReassignmentsResponse { partitions },
            )
        }
        other => refusals::not_controller(other).unwrap_or_else(|| {
            // Nobody sends anything else.
            Response::ControlledShutdown(ControlledShutdownResponse {
                error,
                remaining: Vec::new(),
            })
        }),
    }
}

/// Tells the history of what is refused.
pub(super) fn observe(response: &Response, from: NodeId, out: &mut Effects) {
    if let Response::ControlledShutdown(response) = response {
        if !response.error.is_none() {
            out.observe(Event::Refused {
                api: crate::message::Api::ControlledShutdown,
                partition: None,
                from,
                error: response.error,
            });
        }
        return;
    }
    refusals::observe(response, from, out);
}

/// The znode of a resource's settings.
pub(super) fn path(resource: &ConfigResource) -> String {
    match resource {
        ConfigResource::Topic(topic) => topic_config(topic),
        ConfigResource::Cluster => DEFAULT_BROKER_CONFIG.to_owned(),
        ConfigResource::Broker(broker) => broker_config(*broker),
    }
}

impl ControllerZk {
    /// Begins to work on a request.
    pub(super) fn begin_request(&mut self, reply: ReplyTo, request: Request) {
        match request {
            Request::AlterPartition(request) => self.alter_partition(reply, &request),
            Request::ControlledShutdown(request) => self.begin_shutdown(reply, &request),
            Request::CreateTopics(request) => self.create_topics(reply, request),
            Request::DeleteTopics(request) => self.delete_topics(reply, request),
            Request::CreatePartitions(request) => self.create_partitions(reply, request),
            Request::ElectLeaders(request) => self.elect_leaders(reply, request),
            Request::AlterPartitionReassignments(request) => {
                self.alter_reassignments(reply, &request);
            }
            Request::IncrementalAlterConfigs(request) => {
                let resources = request.changes.iter();
                let mut resources: Vec<ConfigResource> =
                    resources.map(|change| change.resource.clone()).collect();
                resources.sort();
                resources.dedup();
                self.tasks.push_back(Task::ReadConfigs {
                    reply,
                    request,
                    resources,
                });
            }
            other => {
                let response = refusal(&other, ErrorCode::UnsupportedVersion);
                let response = Box::new(response);
                self.tasks.push_back(Task::Answer { reply, response });
            }
        }
    }

    fn elect_leaders(&mut self, reply: ReplyTo, request: ElectLeadersRequest) {
        let all = || self.context.assignments.keys().cloned().collect();
        let partitions: Vec<TopicPartition> = request.partitions.unwrap_or_else(all);
        let state = |name: &TopicPartition| self.context.leadership.get(name).cloned();
        let before: Vec<Option<LeaderAndIsr>> = partitions.iter().map(state).collect();
        let plan = match request.election {
            ElectionType::Preferred => Plan::Preferred,
            ElectionType::Unclean => Plan::Offline { unclean: true },
        };
        let needed = |name: &&TopicPartition| {
            let leader = self
                .context
                .leadership
                .get(*name)
                .and_then(|state| state.leader);
            let going = self.context.is_going(&name.topic);
            match request.election {
                _ if going => false,
                ElectionType::Preferred => leader != self.context.replicas(name).first().copied(),
                ElectionType::Unclean => !leader.is_some_and(|id| self.context.is_online(id)),
            }
        };
        let elect = partitions.iter().filter(needed).cloned().collect();
        self.tasks.extend([
            Task::Elect {
                partitions: elect,
                plan,
            },
            Task::Send,
            Task::Elected {
                reply,
                partitions,
                before,
            },
        ]);
    }

    /// An operator's elections are over: a leader epoch that rose was one.
    pub(super) fn elections_over(
        &mut self,
        reply: ReplyTo,
        partitions: Vec<TopicPartition>,
        before: &[Option<LeaderAndIsr>],
        env: &mut Env<'_>,
    ) {
        let outcome = |(name, before): (TopicPartition, &Option<LeaderAndIsr>)| {
            let now = self.context.leadership.get(&name);
            let led = now.and_then(|state| state.leader);
            let error = match (before, now) {
                (_, None) => ErrorCode::UnknownTopicOrPartition,
                _ if self.context.is_going(&name.topic) => ErrorCode::InvalidTopicException,
                (Some(old), Some(new)) if new.leader_epoch > old.leader_epoch => ErrorCode::None,
                _ if led.is_some_and(|id| self.context.is_online(id)) => {
                    ErrorCode::ElectionNotNeeded
                }
                _ => ErrorCode::EligibleLeadersNotAvailable,
            };
            (name, error)
        };
        let partitions = partitions.into_iter().zip(before).map(outcome).collect();
        let response = ElectLeadersResponse {
            error: ErrorCode::None,
            partitions,
        };
        self.answer(reply, Response::ElectLeaders(response), env);
    }

    /// The settings were read: changes and writes them.
    pub(super) fn configs_read(
        &mut self,
        reply: ReplyTo,
        request: &IncrementalAlterConfigsRequest,
        resources: Vec<ConfigResource>,
        answers: &[Reply],
    ) {
        let (mut outcomes, mut configs) = (Vec::new(), Vec::new());
        for (resource, answer) in resources.into_iter().zip(answers) {
            let node: Option<ConfigNode> = match answer {
                Ok(Answer::Data(data, _)) => decode(data),
                _ => None,
            };
            let exists = answer.is_ok();
            let mut config = node.unwrap_or_default().config;
            let mut refused = None;
            let changes = request.changes.iter();
            for change in changes.filter(|change| change.resource == resource) {
                match &change.value {
                    None => drop(config.remove(&change.key)),
                    Some(value) => match TopicConfig::default().set(&change.key, value) {
                        Ok(()) => drop(config.insert(change.key.clone(), value.clone())),
                        Err(error) => refused = Some(error.to_string()),
                    },
                }
            }
            if refused.is_some() {
                outcomes.push((resource, ErrorCode::InvalidConfig, refused));
                continue;
            }
            let data = encode(&ConfigNode::new(config));
            outcomes.push((resource.clone(), ErrorCode::None, None));
            configs.push((resource, exists, data));
        }
        let response = IncrementalAlterConfigsResponse {
            resources: outcomes,
        };
        self.next([Task::WriteConfigs {
            reply,
            response: Box::new(Response::IncrementalAlterConfigs(response)),
            configs,
        }]);
    }
}
