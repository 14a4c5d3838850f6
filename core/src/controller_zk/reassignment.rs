//! Replicas move to other brokers.
//!
//! | step | what |
//! |---|---|
//! | U | the topic's znode names the target, who comes and who goes; who was coming and is wanted no more is stopped |
//! | A, while not all of the target are in the ISR | the leader epoch rises, and all replicas are told: those that come begin to fetch |
//! | B, when they are | the target leads, or the leader epoch rises; those that go leave the ISR, stop, and delete their logs; the znode names the target alone |
//!
//! Rules:
//! - Whether a move may end is asked when it begins, whenever its ISR has changed, when a broker of its
//!   target comes, and by every new controller: the znode tells it.
//! - Before KIP-497 a leader writes its ISR itself: the controller watches the states of what moves.
//! - StopReplica is sent once. A broker that is away keeps what it has: nobody deletes it later.
//! - A move that goes on holds back the deletion of its topic.
//!
//! Simplified: an operator asks by KIP-455's request in every release; before 2.4 it wrote
//! `/admin/reassign_partitions`. Those that come are told once in step A, not twice.
//! Source: KIP-455; `KafkaController.onPartitionReassignment`, `processApiPartitionReassignment`,
//! `maybeCompleteReassignment`, `stopRemovedReplicasOfReassignedPartition`.
//! Next: `admin.rs`.

use super::assignment::{Assignment, without};
use super::elections::Plan;
use super::membership::written;
use super::task::{Task, state_in};
use super::znodes::{LeaderAndIsr, TopicNode, encode, topic};
use super::{ControllerZk, Env, Reply};
use crate::error::ErrorCode;
use crate::id::{BrokerId, TopicPartition};
use crate::machine::ReplyTo;
use crate::message::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, Change, Operation,
    Reassignment, Response,
};
use crate::offset::LeaderEpoch;
use std::collections::BTreeSet;

/// A change of one partition's assignment.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub(super) partition: TopicPartition,
    pub(super) to: Assignment,
}

impl ControllerZk {
    /// An operator wants replicas elsewhere.
    pub(super) fn alter_reassignments(
        &mut self,
        reply: ReplyTo,
        request: &AlterPartitionReassignmentsRequest,
    ) {
        let (mut partitions, mut tasks) = (Vec::new(), Vec::new());
        for wanted in &request.partitions {
            let partition = wanted.partition.clone();
            let (error, reason) = match self.judge_move(wanted) {
                Ok(to) => {
                    let partition = partition.clone();
                    tasks.push(Task::Move(Move { partition, to }));
                    (ErrorCode::None, None)
                }
                Err((error, reason)) => (error, Some(reason.to_owned())),
            };
            partitions.push((partition, error, reason));
        }
        let response = AlterPartitionReassignmentsResponse { partitions };
        let response = Box::new(Response::AlterPartitionReassignments(response));
        tasks.push(Task::Answer { reply, response });
        self.tasks.extend(tasks);
    }

    fn judge_move(&self, wanted: &Reassignment) -> Result<Assignment, (ErrorCode, &'static str)> {
        let known = self.context.assignments.get(&wanted.partition);
        let now = known.cloned().unwrap_or_default();
        let to = match &wanted.replicas {
            Some(target) => {
                let invalid = |reason| Err((ErrorCode::InvalidReplicaAssignment, reason));
                let distinct: BTreeSet<&BrokerId> = target.iter().collect();
                let to = now.towards(target);
                let lives = |id: &BrokerId| self.context.is_online(*id);
                if target.is_empty() {
                    return invalid("Empty replica list specified in partition reassignment.");
                } else if distinct.len() != target.len() {
                    return invalid(
                        "Duplicate replica ids in partition reassignment replica list.",
                    );
                } else if !to.adding.iter().all(lives) {
                    return invalid("Replica assignment has brokers that are not alive.");
                }
                to
            }
            None if now.moves() => now.towards(&now.origin()),
            None => {
                let reason = "No partition reassignment is in progress.";
                return Err((ErrorCode::NoReassignmentInProgress, reason));
            }
        };
        let going = self.context.is_going(&wanted.partition.topic);
        if known.is_none_or(|known| known.replicas.is_empty()) || going {
            let reason = "The partition does not exist.";
            return Err((ErrorCode::UnknownTopicOrPartition, reason));
        }
        Ok(to)
    }

    /// Begins a move, gives it another target, takes it back, or goes on with it.
    pub(super) fn begin_move(&mut self, Move { partition, to }: Move) {
        self.context.hold_back(&partition.topic);
        let now = self.context.assignments.get(&partition);
        let now = now.cloned().unwrap_or_default();
        let mut tasks = Vec::new();
        if now != to {
            let unneeded = without(&now.replicas, &to.replicas);
            let partition = partition.clone();
            tasks.push(Task::WriteAssignment(Move {
                partition: partition.clone(),
                to,
            }));
            tasks.extend(stop(&partition, &unneeded));
        }
        let begins = true;
        tasks.push(Task::CheckMove { partition, begins });
        self.next(tasks);
    }

    /// Writes a topic's znode with another assignment of one partition.
    pub(super) fn ask_assignment(&self, Move { partition, to }: &Move) -> Operation {
        let name = &partition.topic;
        let mut all = self.context.assignments.clone();
        all.retain(|other, _| other.topic == *name);
        all.insert(partition.clone(), to.clone());
        let id = self.context.topics.get(name).copied().unwrap_or_default();
        let all = all.iter().map(|(other, one)| (other.partition, one));
        self.write(Change::SetData {
            path: topic(name),
            data: encode(&TopicNode::assigned(Some(id.to_string()), all)),
            version: None,
        })
    }

    /// It is written: the memory follows.
    pub(super) fn assignment_written(&mut self, Move { partition, to }: Move, answers: &[Reply]) {
        if answers.iter().all(Result::is_ok) {
            self.context.assignments.insert(partition, to);
        }
    }

    /// The state was read: ends the move if that may be. `begins` = if not, all are told of it.
    pub(super) fn check_move(&mut self, name: TopicPartition, begins: bool, answers: &[Reply]) {
        let Some(assignment) = self.context.assignments.get(&name).cloned() else {
            return;
        };
        let isr = answers.first().and_then(state_in);
        let isr = isr.map(|(state, _)| state.isr).unwrap_or_default();
        if !assignment.moves() && !begins {
            return; // It has ended meanwhile.
        }
        if assignment.may_end(&isr) {
            self.end_move(name, &assignment);
        } else if begins {
            self.next([Task::RaiseEpoch(name)]);
        }
    }

    fn end_move(&mut self, name: TopicPartition, assignment: &Assignment) {
        let to = Assignment::new(assignment.target());
        self.context.assignments.insert(name.clone(), to.clone());
        let leader = self.context.leadership.get(&name);
        let leader = leader.and_then(|state| state.leader);
        let stays = |id: BrokerId| to.replicas.contains(&id) && self.context.has_online(id, &name);
        let mut tasks = if leader.is_some_and(stays) {
            vec![Task::RaiseEpoch(name.clone())]
        } else {
            let (partitions, plan) = (vec![name.clone()], Plan::Reassignment);
            vec![Task::Elect { partitions, plan }, Task::Send]
        };
        tasks.extend(stop(&name, &assignment.removing));
        let partition = name.clone();
        tasks.push(Task::WriteAssignment(Move { partition, to }));
        let going = self.context.is_going(&name.topic);
        let resume = going.then(|| Task::ResumeDeletions(vec![name.topic.clone()]));
        tasks.push(Task::TellPartition(name));
        tasks.extend(resume);
        self.next(tasks);
    }

    /// The state was read: writes it with the next leader epoch.
    pub(super) fn raise_epoch(&mut self, name: TopicPartition, answers: &[Reply]) {
        let Some((mut state, written_by)) = answers.first().and_then(state_in) else {
            return;
        };
        if written_by > self.epoch() {
            return; // Another controller's: it knows better.
        }
        state.leader_epoch = LeaderEpoch(state.leader_epoch.0 + 1);
        self.next([Task::WriteRaised(name, state)]);
    }

    /// It was written, or somebody else was quicker.
    pub(super) fn raised(
        &mut self,
        name: TopicPartition,
        state: LeaderAndIsr,
        answers: &[Reply],
        env: &mut Env<'_>,
    ) {
        if !answers.iter().all(Result::is_ok) {
            return self.next([Task::RaiseEpoch(name)]);
        }
        self.context.leadership.insert(name.clone(), written(state));
        let replicas = self.context.replicas(&name);
        self.batch.leader_and_isr(&self.context, &replicas, &name);
        self.send(env);
    }

    /// Replicas that left the ISR and stopped delete their logs.
    pub(super) fn stop_and_delete(
        &mut self,
        name: &TopicPartition,
        brokers: &[BrokerId],
        env: &mut Env<'_>,
    ) {
        for broker in brokers {
            self.batch.stop(&self.context, *broker, name, true);
        }
        self.send(env);
    }

    /// Goes on with moves: with all, or with those to some brokers.
    pub(super) fn resume_moves(&mut self, brokers: Option<&[BrokerId]>) {
        let wanted = |(_, one): &(&TopicPartition, &Assignment)| {
            let to = |ids: &[BrokerId]| one.target().iter().any(|id| ids.contains(id));
            one.moves() && brokers.is_none_or(to)
        };
        let found = self.context.assignments.iter().filter(wanted);
        let tasks = found.map(|(partition, to)| {
            let (partition, to) = (partition.clone(), to.clone());
            Task::Move(Move { partition, to })
        });
        let tasks: Vec<Task> = tasks.collect();
        self.next(tasks);
    }

    /// ISRs of these have changed: a move may end.
    pub(super) fn isr_changed(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) {
        let moves = |name: &TopicPartition| {
            let one = self.context.assignments.get(name);
            one.is_some_and(Assignment::moves)
        };
        let check = |partition| Task::CheckMove {
            partition,
            begins: false,
        };
        let moving = partitions.into_iter().filter(moves);
        let tasks: Vec<Task> = moving.map(check).collect();
        self.next(tasks);
    }
}

/// These brokers leave the ISR, stop, and delete their logs.
fn stop(name: &TopicPartition, brokers: &[BrokerId]) -> Vec<Task> {
    if brokers.is_empty() {
        return Vec::new();
    }
    let removals = brokers.iter().map(|broker| Task::Remove {
        broker: *broker,
        partitions: vec![name.clone()],
    });
    let mut tasks: Vec<Task> = removals.collect();
    tasks.push(Task::Send);
    tasks.push(Task::StopAndDelete(name.clone(), brokers.to_vec()));
    tasks
}
