//! A topic is given more partitions.
//!
//! | who | what |
//! |---|---|
//! | the controller, asked by an operator | reads the topic's znode, checks what is asked, writes it with more partitions |
//! | the controller, whose watch tells it of the znode | reads it again: those that it does not know get first states and leaders |
//! | a new controller | finds them as it finds all partitions, and watches from then on |
//!
//! Rules:
//! - The znode is written whatever its version, and whoever is the controller: a reassignment that is
//!   written between reading and writing is undone. So a topic with a move under way is refused.
//! - A topic that shall go gets no more: whoever asks is refused. If the znode has more already, it is
//!   written as it was, those that have no state left out.
//!
//! Simplified: an operator asks by KIP-195's request in every release; before 1.0 it wrote the znode itself.
//! Before 2.0 what is too much for a topic that goes was left in its znode. The operator is answered when
//! the znode is written, not when there are leaders.
//! Source: KIP-195; `KafkaApis.handleCreatePartitionsRequest`, `ZkAdminManager.createPartitions`,
//! `AdminZkClient.createNewPartitionsAssignment`, `KafkaController.processPartitionModifications`.
//! Next: `elections.rs`.

use super::assignment::Assignment;
use super::context::Phase;
use super::placement::{Live, place, start};
use super::task::Task;
use super::znodes::{TopicNode, decode, encode, topic};
use super::{ControllerZk, Env, Reply};
use crate::error::ErrorCode;
use crate::id::{BrokerId, TopicName, TopicPartition};
use crate::machine::ReplyTo;
use crate::message::{
    Answer, Change, CreatePartitionsRequest, CreatePartitionsResponse, Operation, Response,
};
use std::collections::{BTreeMap, BTreeSet};

type Refused = (ErrorCode, String);

impl ControllerZk {
    /// An operator wants more partitions.
    pub(super) fn create_partitions(&mut self, reply: ReplyTo, request: CreatePartitionsRequest) {
        self.tasks.push_back(Task::ReadTopic { reply, request });
    }

    /// The topic's znode was read: checks what is asked.
    pub(super) fn topic_read(
        &mut self,
        reply: ReplyTo,
        request: CreatePartitionsRequest,
        answers: &[Reply],
    ) {
        let going = self.context.is_going(&request.topic);
        let node = answers.first().and_then(topic_in);
        let wider = match node {
            _ if going => Err((
                ErrorCode::InvalidTopicException,
                "The topic is queued for deletion.".to_owned(),
            )),
            node => widen(node, &request, &self.live()),
        };
        self.next([match wider {
            Ok(node) => Task::WriteTopic {
                reply,
                topic: request.topic,
                node: encode(&node),
            },
            Err((error, message)) => answered(reply, error, Some(message)),
        }]);
    }

    fn live(&self) -> Live {
        let live = self.context.brokers.keys();
        let rack = |id: &BrokerId| self.context.racks.get(id).cloned().flatten();
        live.map(|id| (*id, rack(id))).collect()
    }

    /// The znode was written.
    pub(super) fn partitions_written(
        &mut self,
        reply: ReplyTo,
        answers: &[Reply],
        env: &mut Env<'_>,
    ) {
        let failed = answers.iter().any(Result::is_err);
        let response = CreatePartitionsResponse {
            error: match failed {
                true => ErrorCode::UnknownServerError,
                false => ErrorCode::None,
            },
            message: None,
        };
        self.answer(reply, Response::CreatePartitions(response), env);
    }

    /// A topic's znode was set, and read: begins with those partitions that are new.
    pub(super) fn partitions_read(&mut self, name: &TopicName, answers: &[Reply]) {
        let Some(node) = answers.first().and_then(topic_in) else {
            return;
        };
        if !self.context.topics.contains_key(name) {
            return; // It is read with the other new ones.
        }
        let known = &self.context.assignments;
        let new = assignments(name, &node).filter(|(name, _)| !known.contains_key(name));
        let new: BTreeMap<TopicPartition, Assignment> = new.collect();
        if new.is_empty() {
            return; // The controller has written it itself.
        }
        if self.context.is_going(name) {
            return self.next([Task::ListPartitions(name.clone())]);
        }
        let names: Vec<TopicPartition> = new.keys().cloned().collect();
        for (name, assignment) in new {
            self.context.phases.insert(name.clone(), Phase::New);
            self.context.assignments.insert(name, assignment);
        }
        self.next([Task::Initialise(names), Task::Send]);
    }

    /// The partitions of a topic that goes, and has been given more, are known: only they stay in its znode.
    pub(super) fn partitions_listed(&mut self, name: TopicName, children: &[String]) {
        let numbers = children.iter().filter_map(|child| child.parse().ok());
        let numbers = numbers.collect();
        self.next([Task::RestoreTopic(name, numbers)]);
    }

    /// Writes a topic's znode with these partitions, as the controller knows them.
    pub(super) fn ask_restore(&self, name: &TopicName, numbers: &[i32]) -> Operation {
        let stays = |one: &&TopicPartition| one.topic == *name && numbers.contains(&one.partition);
        let stay = self.context.assignments.keys().filter(stays);
        let stay = stay.filter_map(|one| Some((one.partition, self.context.assignments.get(one)?)));
        let id = self.context.topics.get(name).map(ToString::to_string);
        self.write(Change::SetData {
            path: topic(name),
            data: encode(&TopicNode::assigned(id, stay)),
            version: None,
        })
    }
}

/// A topic as its znode has it with more partitions.
fn widen(
    node: Option<TopicNode>,
    request: &CreatePartitionsRequest,
    live: &Live,
) -> Result<TopicNode, Refused> {
    let name = &request.topic;
    let Some(mut node) = node else {
        let reason = format!("The topic '{name}' does not exist.");
        return Err((ErrorCode::UnknownTopicOrPartition, reason));
    };
    if assignments(name, &node).any(|(_, one)| one.moves()) {
        let reason = format!("A partition reassignment is in progress for the topic '{name}'.");
        return Err((ErrorCode::ReassignmentInProgress, reason));
    }
    let before = node.partitions.len();
    let count = usize::try_from(request.count).unwrap_or(0);
    if count <= before {
        let reason =
            format!("Topic has {before} partitions already, {count} would be no increase.");
        return Err((ErrorCode::InvalidPartitions, reason));
    }
    let first = node.partitions.get("0").cloned().unwrap_or_default();
    let placed = match &request.replicas {
        Some(lists) => {
            judge(lists, (count - before, first.len()), live)
                .map_err(|reason| (ErrorCode::InvalidReplicaAssignment, reason))?;
            lists.clone()
        }
        None => {
            let start = first.first().map_or(0, |leader| start(live, *leader));
            place(live, (before, count), first.len(), start)
                .map_err(|reason| (ErrorCode::InvalidReplicationFactor, reason))?
        }
    };
    for (number, replicas) in (before..).zip(placed) {
        node.partitions.insert(number.to_string(), replicas);
    }
    Ok(node)
}

/// Whether an operator's lists of replicas are so many, of so many live brokers each.
fn judge(
    lists: &[Vec<BrokerId>],
    (count, factor): (usize, usize),
    live: &Live,
) -> Result<(), String> {
    let unknown = lists.iter().flatten().find(|id| !live.contains_key(id));
    if let Some(unknown) = unknown {
        return Err(format!(
            "Unknown broker(s) in replica assignment: {unknown}."
        ));
    }
    if lists.len() != count {
        let have = lists.len();
        return Err(format!(
            "Increasing the number of partitions by {count} but {have} assignments provided."
        ));
    }
    let twice = |list: &&Vec<BrokerId>| list.iter().collect::<BTreeSet<_>>().len() < list.len();
    if let Some(list) = lists.iter().find(twice) {
        return Err(format!(
            "Duplicate brokers not allowed in replica assignment: {list:?}."
        ));
    }
    if let Some(list) = lists.iter().find(|list| list.len() != factor) {
        let other = list.len();
        return Err(format!(
            "Partition 0 has {factor} replicas while one of the new ones has {other}."
        ));
    }
    Ok(())
}

/// The partitions in a topic's znode.
pub(super) fn assignments<'a>(
    name: &'a TopicName,
    node: &'a TopicNode,
) -> impl Iterator<Item = (TopicPartition, Assignment)> + 'a {
    node.partitions.keys().filter_map(|key| {
        let partition = TopicPartition::new(name.clone(), key.parse().ok()?);
        Some((partition, Assignment::of(node, key)))
    })
}

fn topic_in(answer: &Reply) -> Option<TopicNode> {
    match answer {
        Ok(Answer::Data(data, _)) => decode(data),
        _ => None,
    }
}

fn answered(reply: ReplyTo, error: ErrorCode, message: Option<String>) -> Task {
    let response = CreatePartitionsResponse { error, message };
    let response = Box::new(Response::CreatePartitions(response));
    Task::Answer { reply, response }
}
