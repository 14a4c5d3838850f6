//! Topics are created and deleted.
//!
//! | to be created | to be deleted |
//! |---|---|
//! | an operator's request: settings, then the topic's znode | an operator's request: a znode that asks for it |
//! | the controller sees the new topic: first states, leaders | the controller sees it; nothing while a replica's broker is away, or a replica moves |
//! | | all are told that it is gone; its replicas stop and delete their logs |
//! | | when all have: its znodes go |
//!
//! Simplified: the operator is answered when the znodes are there, not when there are leaders. A deletion is
//! not noted as ineligible: it is tried again whenever a broker comes. Kafka deletes the replicas of live
//! brokers at once and takes them out of the ISR, though another one's broker is away (seen on 3.9.1): here
//! they stay, so a topic that cannot be deleted yet serves on.
//! Source: `AdminZkClient.createTopicWithAssignment`, `KafkaController.processTopicChange`,
//! `onNewPartitionCreation`, `TopicDeletionManager`.
//! Next: `partitions.rs`.

use super::assignment::Assignment;
use super::context::Phase;
use super::partitions::assignments;
use super::task::{Creation, Task, create as create_znode, read};
use super::znodes::{
    ConfigNode, DELETE_TOPICS, TopicNode, decode, encode, state, topic, topic_config,
};
use super::{ControllerZk, Env, Reply};
use crate::controller::placement::place;
use crate::error::ErrorCode;
use crate::id::{BrokerId, TopicId, TopicIdPartition, TopicName, TopicPartition};
use crate::machine::ReplyTo;
use crate::message::{
    Answer, CreateTopicsRequest, CreateTopicsResponse, CreatedTopic, DeleteTopicsRequest,
    DeleteTopicsResponse, NewTopic, Operation, Placement, Response,
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

    /// An operator wants topics gone.
    pub(super) fn delete_topics(&mut self, reply: ReplyTo, request: DeleteTopicsRequest) {
        let topics = request.topics;
        self.tasks.push_back(Task::NoteDeletions { reply, topics });
    }

    /// It is noted which.
    pub(super) fn deletions_noted(
        &mut self,
        reply: ReplyTo,
        topics: Vec<TopicName>,
        answers: &[Reply],
        env: &mut Env<'_>,
    ) {
        let outcome = |(topic, answer): (TopicName, &Reply)| {
            let known = self.context.topics.contains_key(&topic);
            let error = match answer {
                _ if !known => ErrorCode::UnknownTopicOrPartition,
                Ok(_) => ErrorCode::None,
                Err(_) => ErrorCode::InvalidRequest,
            };
            (topic, error)
        };
        let topics = topics.into_iter().zip(answers).map(outcome).collect();
        let response = DeleteTopicsResponse { topics };
        self.answer(reply, Response::DeleteTopics(response), env);
    }

    /// The topics that shall go: those whose replicas are all on live brokers are stopped now.
    pub(super) fn deletions_listed(&mut self, names: &[String]) {
        let mut unknown = Vec::new();
        for name in names {
            let topic: TopicName = name.as_str().into();
            if !self.context.topics.contains_key(&topic) {
                unknown.push(format!("{DELETE_TOPICS}/{name}"));
                continue;
            }
            self.context.deleting.insert(topic.clone());
            let partitions: Vec<TopicPartition> = self.partitions_of(&topic);
            let replicas = |name: &TopicPartition| self.context.replicas(name);
            let mut all = partitions.iter().flat_map(replicas);
            let live = all.all(|broker| self.context.brokers.contains_key(&broker));
            let move_of = |name: &TopicPartition| self.context.assignments.get(name);
            let mut moves = partitions.iter().filter_map(move_of);
            if !live || moves.any(Assignment::moves) {
                continue;
            }
            let ids: Vec<TopicIdPartition> = partitions
                .iter()
                .map(|name| self.context.id(name))
                .collect();
            self.batch.deleted(&self.context, ids);
            for name in &partitions {
                for broker in self.context.replicas(name) {
                    self.batch.stop(&self.context, broker, name, true);
                }
            }
        }
        self.next([Task::Delete(unknown), Task::Send]);
    }

    fn partitions_of(&self, topic: &TopicName) -> Vec<TopicPartition> {
        let names = self.context.assignments.keys();
        names.filter(|name| name.topic == *topic).cloned().collect()
    }

    /// A broker has deleted replicas. When all of a topic are, the topic goes.
    pub(super) fn replicas_deleted(&mut self, broker: BrokerId, partitions: &[TopicIdPartition]) {
        let mut topics = BTreeSet::new();
        for id in partitions {
            let topic = &id.partition.topic;
            // What a move has deleted is of no concern here.
            if self.context.id(&id.partition) != *id || !self.context.deleting.contains(topic) {
                continue;
            }
            if let Some(one) = self.context.assignments.get_mut(&id.partition) {
                one.replicas.retain(|replica| *replica != broker);
            }
            topics.insert(id.partition.topic.clone());
        }
        for topic in topics {
            let left = |name: &TopicPartition| !self.context.replicas(name).is_empty();
            if !self.partitions_of(&topic).iter().any(left) {
                self.tasks.push_back(Task::ForgetTopic(topic));
            }
        }
    }

    /// Its znodes, children first.
    pub(super) fn ask_forget(&self, name: &TopicName) -> Vec<Operation> {
        let mut paths = Vec::new();
        let folder = format!("{}/partitions", topic(name));
        for partition in self.partitions_of(name) {
            paths.push(state(&partition));
            paths.push(format!("{folder}/{}", partition.partition));
        }
        paths.extend([
            folder,
            topic(name),
            topic_config(name),
            format!("{DELETE_TOPICS}/{name}"),
        ]);
        let mut asked: Vec<Operation> = paths.iter().map(|path| self.delete(path)).collect();
        asked.push(read(topic(name)));
        asked
    }
}
