//! Topics are deleted: their replicas first, each by its own broker, then their znodes.
//!
//! | a replica is | until |
//! |---|---|
//! | as before | the deletion begins |
//! | started: out of the ISR, stopped, and told to delete its log | its broker has answered, or is gone |
//! | deleted | the topic goes |
//! | failed: its broker is away, or could not | it is tried again |
//!
//! Rules:
//! - An operator's request is noted in a znode. The controller sees it, tells everybody that the topic is no
//!   more, and begins with the replicas of live brokers, whoever else is away.
//! - A replica that fails holds the topic back: nothing more is tried until a broker with a replica of it
//!   comes, or a move of it ends. When all are deleted the znodes go.
//! - A new controller holds back what has a replica away, or moves. It knows of none that it is deleted: all
//!   live brokers are told again to have their replicas, and to delete them when the deletion goes on.
//! - A move of a replica does not hold back a deletion that is noted after it, only one that is held back
//!   already or goes on: Kafka marks the topic before it has it in its list, which does nothing.
//! - A topic that goes has no elections, and nobody is told to lead or follow it but a broker that comes.
//!
//! Simplified: the operator is answered when the request is noted, not when nobody knows the topic.
//! Source: `TopicDeletionManager`, `KafkaController.processTopicDeletion`, `onBrokerStartup`,
//! `onReplicasBecomeOffline`, `fetchTopicDeletionsInProgress`, `ZkAdminManager.deleteTopics`.
//! Next: `partitions.rs`.

use super::assignment::Assignment;
use super::context::Context;
use super::task::{Task, read};
use super::znodes::{DELETE_TOPICS, partitions, state, topic, topic_config};
use super::{ControllerZk, Env, Reply};
use crate::error::ErrorCode;
use crate::id::{BrokerId, TopicName, TopicPartition};
use crate::machine::ReplyTo;
use crate::message::{DeleteTopicsRequest, DeleteTopicsResponse, Operation, Refusal, Response};
use crate::zookeeper::ZooKeeperError;
use std::collections::{BTreeMap, BTreeSet};

/// A replica of a partition.
pub(crate) type Replica = (TopicPartition, BrokerId);

/// How far the deletion of a topic is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deletion {
    /// It is held back.
    waits: bool,
    started: BTreeSet<Replica>,
    deleted: BTreeSet<Replica>,
    failed: BTreeSet<Replica>,
}

impl Context {
    /// Whether a topic shall go.
    pub(crate) fn is_going(&self, topic: &TopicName) -> bool {
        self.deleting.contains_key(topic)
    }

    /// A broker is to be told of a replica that it has: it is as any other again, unless it is being deleted.
    pub(super) fn is_told(&mut self, name: &TopicPartition, broker: BrokerId) -> bool {
        let Some(one) = self.deleting.get_mut(&name.topic) else {
            return true;
        };
        let replica = (name.clone(), broker);
        one.failed.remove(&replica);
        !one.started.contains(&replica) && !one.deleted.contains(&replica)
    }

    /// The deletion of a topic, if it shall go, is held back.
    pub(super) fn hold_back(&mut self, topic: &TopicName) {
        if let Some(one) = self.deleting.get_mut(topic) {
            one.waits = true;
        }
    }

    /// The topics that shall go and have a replica on one of these brokers.
    pub(super) fn going_on(&self, brokers: &[BrokerId]) -> Vec<TopicName> {
        let on = |topic: &&TopicName| {
            let mut replicas = self.replicas_of(topic).into_iter();
            replicas.any(|(_, broker)| brokers.contains(&broker))
        };
        self.deleting.keys().filter(on).cloned().collect()
    }

    fn partitions_of(&self, topic: &TopicName) -> Vec<TopicPartition> {
        let names = self.assignments.keys();
        names.filter(|name| name.topic == *topic).cloned().collect()
    }

    fn replicas_of(&self, topic: &TopicName) -> BTreeSet<Replica> {
        let all = self.partitions_of(topic).into_iter();
        let replicas = |name: TopicPartition| {
            let brokers = self.replicas(&name).into_iter();
            brokers.map(move |broker| (name.clone(), broker))
        };
        all.flat_map(replicas).collect()
    }

    fn moves(&self, topic: &TopicName) -> bool {
        let of = |(name, one): (&TopicPartition, &Assignment)| name.topic == *topic && one.moves();
        self.assignments.iter().any(of)
    }

    fn dead(&self, replicas: &BTreeSet<Replica>) -> BTreeSet<Replica> {
        let dead = |(name, broker): &&Replica| !self.has_online(*broker, name);
        replicas.iter().filter(dead).cloned().collect()
    }
}

impl ControllerZk {
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
        let noted = Refusal {
            error: ZooKeeperError::NodeExists,
            index: 0,
        };
        let outcome = |(topic, answer): (TopicName, &Reply)| {
            let known = self.context.topics.contains_key(&topic);
            let error = match answer {
                _ if !known => ErrorCode::UnknownTopicOrPartition,
                Ok(_) => ErrorCode::None,
                Err(refusal) if *refusal == noted => ErrorCode::None,
                Err(_) => ErrorCode::UnknownServerError,
            };
            (topic, error)
        };
        let topics = topics.into_iter().zip(answers).map(outcome).collect();
        let response = DeleteTopicsResponse { topics };
        self.answer(reply, Response::DeleteTopics(response), env);
    }

    /// The topics that shall go. `load` = for a new controller.
    pub(super) fn deletions_listed(&mut self, load: bool, names: &[String]) {
        let mut unknown = Vec::new();
        for name in names {
            let topic: TopicName = name.as_str().into();
            if !self.context.topics.contains_key(&topic) {
                unknown.push(format!("{DELETE_TOPICS}/{name}"));
                continue;
            }
            let moves = self.context.moves(&topic);
            let dead = self.context.dead(&self.context.replicas_of(&topic));
            if load {
                let failed = match self.rules.failover_shrinks_isr {
                    true => BTreeSet::new(),
                    false => dead.clone(),
                };
                let one = Deletion {
                    waits: moves || !dead.is_empty(),
                    failed,
                    ..Deletion::default()
                };
                self.context.deleting.insert(topic, one);
            } else if let Some(one) = self.context.deleting.get_mut(&topic) {
                one.waits |= moves;
            } else {
                self.context.deleting.insert(topic, Deletion::default());
            }
        }
        let resume = (!load).then(|| Task::ResumeDeletions(Vec::new()));
        self.next([Task::Delete(unknown)].into_iter().chain(resume));
    }

    /// Goes on with deletions, as far as they are not held back; `again` are so no more.
    pub(super) fn resume_deletions(&mut self, again: &[TopicName]) {
        for topic in again {
            if let Some(one) = self.context.deleting.get_mut(topic) {
                one.waits = false;
            }
        }
        let topics: Vec<TopicName> = self.context.deleting.keys().cloned().collect();
        let mut tasks = Vec::new();
        for topic in topics {
            tasks.extend(self.resume_deletion(topic));
        }
        self.next(tasks);
    }

    fn resume_deletion(&mut self, topic: TopicName) -> Vec<Task> {
        let replicas = self.context.replicas_of(&topic);
        let Some(one) = self.context.deleting.get_mut(&topic) else {
            return Vec::new();
        };
        if replicas.is_subset(&one.deleted) {
            return vec![Task::ForgetTopic(topic)];
        } else if !one.started.is_empty() {
            return Vec::new();
        }
        let failed = std::mem::take(&mut one.failed);
        let waits = one.waits;
        let mut tasks = stop(&failed);
        if !waits {
            tasks.extend(self.begin_deletion(&topic, &replicas));
        }
        tasks
    }

    fn begin_deletion(&mut self, topic: &TopicName, replicas: &BTreeSet<Replica>) -> Vec<Task> {
        let names = self.context.partitions_of(topic);
        for name in &names {
            self.context.phases.remove(name);
        }
        self.batch.update_all(&self.context, &names);
        let dead = self.context.dead(replicas);
        let mut tasks = vec![Task::Send];
        if let Some(one) = self.context.deleting.get_mut(topic) {
            let left = replicas.difference(&dead);
            one.started = left
                .filter(|replica| !one.deleted.contains(*replica))
                .cloned()
                .collect();
            one.waits |= !dead.is_empty();
            one.failed = dead;
            tasks.extend(stop(&one.started));
            tasks.push(Task::DeleteReplicas(one.started.clone()));
        }
        tasks
    }

    /// Replicas that left the ISR and stopped delete their logs.
    pub(super) fn delete_replicas(&mut self, replicas: &BTreeSet<Replica>, env: &mut Env<'_>) {
        for (name, broker) in replicas {
            self.batch.stop(&self.context, *broker, name, true);
        }
        self.send(env);
    }

    /// A broker has deleted replicas, and could not delete others.
    pub(super) fn replicas_deleted(
        &mut self,
        broker: BrokerId,
        deleted: Vec<TopicPartition>,
        failed: Vec<TopicPartition>,
    ) {
        let failed = failed.into_iter().map(|name| (name, broker));
        self.failed(failed.collect());
        for name in deleted {
            let Some(one) = self.context.deleting.get_mut(&name.topic) else {
                continue;
            };
            let replica = (name, broker);
            if one.started.remove(&replica) {
                one.deleted.insert(replica);
            }
        }
        self.resume_deletions(&[]);
    }

    /// Replicas of topics that go are not online any more.
    pub(super) fn fail_deletions(&mut self, replicas: Vec<Replica>) {
        self.failed(replicas);
        self.resume_deletions(&[]);
    }

    fn failed(&mut self, replicas: Vec<Replica>) {
        for replica in replicas {
            let topic = &replica.0.topic;
            self.context.hold_back(topic);
            if let Some(one) = self.context.deleting.get_mut(topic)
                && one.started.remove(&replica)
            {
                one.failed.insert(replica);
            }
        }
    }

    /// A topic's znodes, children first.
    pub(super) fn ask_forget(&self, name: &TopicName) -> Vec<Operation> {
        let mut paths = Vec::new();
        let folder = partitions(name);
        for partition in self.context.partitions_of(name) {
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

/// Replicas stop, and leave their ISRs, broker by broker.
fn stop(replicas: &BTreeSet<Replica>) -> Vec<Task> {
    let mut by_broker: BTreeMap<BrokerId, Vec<TopicPartition>> = BTreeMap::new();
    for (name, broker) in replicas {
        by_broker.entry(*broker).or_default().push(name.clone());
    }
    let removals = by_broker.into_iter();
    let removals = removals.map(|(broker, partitions)| Task::Remove { broker, partitions });
    removals.chain([Task::Send]).collect()
}
