//! Topics are created.
//!
//! | step | who |
//! |---|---|
//! | settings, then the topic's znode | the controller, asked by an operator |
//! | first states, leaders | the controller, when its watch tells it of the new topic |
//!
//! Rule: a name is taken while its znode is there; so a topic whose deletion is not over cannot be created
//! again.
//!
//! Simplified: the operator is answered when the znodes are there, not when there are leaders.
//! Source: `AdminZkClient.createTopicWithAssignment`, `KafkaController.processTopicChange`,
//! `onNewPartitionCreation`.
//! Next: `partitions.rs`.

use super::context::Phase;
use super::partitions::assignments;
use super::task::{Creation, Task, create as create_znode};
use super::znodes::{ConfigNode, TopicNode, decode, encode, topic, topic_config};
use super::{ControllerZk, Env, Reply};
use crate::controller::placement::place;
use crate::error::ErrorCode;
use crate::id::{BrokerId, TopicId, TopicName};
use crate::machine::ReplyTo;
use crate::message::{
    Answer, CreateTopicsRequest, CreateTopicsResponse, CreatedTopic, NewTopic, Operation,
    Placement, Response,
};
use std::collections::BTreeSet;

/// What creates a topic: its settings, if it has some, then its znode.
pub(super) fn create(new: &NewTopic, replicas: &[Vec<BrokerId>], id: TopicId) -> Vec<Operation> {
    let config = encode(&ConfigNode::new(new.configs.clone()));
    let node = encode(&TopicNode::new(Some(id.to_string()), replicas));
    vec![
        create_znode(topic_config(&new.topic), config, false),
        create_znode(topic(&new.topic), node, false),
    ]
}

impl ControllerZk {
    /// The names of the topics' znodes.
    pub(super) fn topics_listed(&mut self, load: bool, names: &[String]) {
        let now: BTreeSet<TopicName> = names.iter().map(|name| name.as_str().into()).collect();
        let known: Vec<TopicName> = self.context.topics.keys().cloned().collect();
        for gone in known.iter().filter(|name| !now.contains(*name)) {
            self.context.remove_topic(gone);
        }
        let new = now.into_iter().filter(|name| !known.contains(name));
        let names = new.collect();
        self.next([Task::ReadTopics { names, load }]);
    }

    /// What stands in them.
    pub(super) fn topics_read(&mut self, names: &[TopicName], load: bool, answers: &[Reply]) {
        let mut partitions = Vec::new();
        for (name, answer) in names.iter().zip(answers) {
            let Ok(Answer::Data(data, _)) = answer else {
                continue;
            };
            let Some(node) = decode::<TopicNode>(data) else {
                continue;
            };
            let id = node.topic_id.as_ref().and_then(|text| text.parse().ok());
            self.context
                .topics
                .insert(name.clone(), id.unwrap_or_default());
            for (partition, replicas) in assignments(name, &node) {
                self.context.assignments.insert(partition.clone(), replicas);
                if !load {
                    self.context.phases.insert(partition.clone(), Phase::New);
                }
                partitions.push(partition);
            }
        }
        if load {
            self.next([Task::ReadStates {
                partitions,
                tell: false,
            }]);
        } else if !partitions.is_empty() {
            self.next([Task::Initialise(partitions), Task::Send]);
        }
    }

    /// An operator wants topics.
    pub(super) fn create_topics(&mut self, reply: ReplyTo, request: CreateTopicsRequest) {
        let (mut outcomes, mut topics) = (Vec::new(), Vec::new());
        for (index, new) in request.topics.into_iter().enumerate() {
            let placed = self.placed(&new);
            let id =
                TopicId((u128::from(self.random.draw()) << 64) | u128::from(self.random.draw()));
            let mut outcome = CreatedTopic {
                topic: new.topic.clone(),
                topic_id: Some(id),
                error: ErrorCode::None,
                message: None,
            };
            match placed {
                Ok(replicas) => topics.push((index, new, replicas, id)),
                Err((error, message)) => {
                    (outcome.error, outcome.message) = (error, Some(message));
                    outcome.topic_id = None;
                }
            }
            outcomes.push(outcome);
        }
        self.tasks.push_back(Task::CreateTopics {
            reply,
            outcomes,
            topics,
        });
    }

    fn placed(&mut self, new: &NewTopic) -> Result<Vec<Vec<BrokerId>>, (ErrorCode, String)> {
        if self.context.topics.contains_key(&new.topic) {
            let reason = format!("Topic '{}' already exists.", new.topic);
            return Err((ErrorCode::TopicAlreadyExists, reason));
        }
        let (partitions, factor) = match &new.placement {
            Placement::Manual(replicas) => return Ok(replicas.clone()),
            Placement::Spread {
                partitions,
                replication_factor,
            } => (
                partitions.unwrap_or(self.config.num_partitions),
                replication_factor.unwrap_or(self.config.default_replication_factor),
            ),
        };
        let refuse = |reason: String| (ErrorCode::InvalidReplicationFactor, reason);
        let size = |number: i32| usize::try_from(number).unwrap_or(0).max(1);
        let live = self.context.racks.iter();
        let live = live.filter(|(id, _)| self.context.brokers.contains_key(*id));
        let live = live.map(|(id, rack)| (rack.clone(), *id, false));
        place(live, size(partitions), size(factor), &mut self.random).map_err(refuse)
    }

    /// Their znodes were created, or not.
    pub(super) fn topics_created(
        &mut self,
        reply: ReplyTo,
        mut outcomes: Vec<CreatedTopic>,
        topics: &[Creation],
        answers: &[Reply],
        env: &mut Env<'_>,
    ) {
        for ((index, ..), answer) in topics.iter().zip(answers.iter().skip(1).step_by(2)) {
            if let (Err(_), Some(outcome)) = (answer, outcomes.get_mut(*index)) {
                outcome.error = ErrorCode::TopicAlreadyExists;
                outcome.topic_id = None;
            }
        }
        let response = CreateTopicsResponse { topics: outcomes };
        self.answer(reply, Response::CreateTopics(response), env);
    }
}
