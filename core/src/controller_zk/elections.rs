//! Elections of leaders: for which partitions, by which kind, and how they are written.
//!
//! Rules:
//! - The state is read first. One that a newer controller wrote is left alone.
//! - It is written by its version. If a leader has changed its ISR meanwhile, the election is held again.
//! - A new partition is given its first state by being created; if it is there, it stays new.
//! - Whoever is a live replica is told; everybody is told what to answer clients.
//! - Out of balance is a broker that is the first replica of more partitions than it leads, by more than a
//!   tenth.
//!
//! Simplified: settings of topics are read with every election, not only where nobody in the ISR lives.
//! Source: `ZkPartitionStateMachine`, `KafkaController.checkAndTriggerAutoLeaderRebalance`,
//! `onReplicaElection`.
//! Next: `isr.rs`.

use super::context::Phase;
use super::leaders::{Kind, elect, new_partition};
use super::membership::written;
use super::task::{Task, state_in};
use super::znodes::{ConfigNode, LeaderAndIsr, TOPICS, decode, encode, state};
use super::{ControllerZk, Reply};
use crate::config::Config;
use crate::id::{BrokerId, TopicName, TopicPartition};
use crate::message::{Answer, Change, Operation};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Which election, before it is known what the topics' settings allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nobody leads. `unclean` = an operator allows it, whatever the setting.
    Offline { unclean: bool },
    /// The first replica shall lead.
    Preferred,
    /// The leader shuts down.
    ControlledShutdown,
    /// The leader is not among those who shall have the partition, or is away.
    Reassignment,
}

impl ControllerZk {
    /// Elects for all partitions without a leader, or those of a topic.
    pub(super) fn elect_offline(&mut self, topic: Option<&TopicName>) {
        let of = |name: &TopicPartition| topic.is_none_or(|topic| *topic == name.topic);
        let phase = |phase| {
            let all = self.context.in_phase(phase).into_iter();
            all.filter(of).collect::<Vec<_>>()
        };
        let (new, offline) = (phase(Phase::New), phase(Phase::Offline));
        let plan = Plan::Offline { unclean: false };
        let partitions = offline;
        self.next([
            Task::Initialise(new),
            Task::Elect { partitions, plan },
            Task::Send,
        ]);
    }

    fn first_state(&self, name: &TopicPartition) -> Option<LeaderAndIsr> {
        new_partition(
            &self.context.replicas(name),
            &self.context.election_view(name),
        )
    }

    /// Creates the znodes of new partitions that have a live replica.
    pub(super) fn ask_initialise(&self, partitions: &[TopicPartition]) -> Vec<Operation> {
        let folder = |path: String, data: Bytes| {
            self.write(Change::Create {
                path,
                data,
                ephemeral: false,
                sequential: false,
            })
        };
        let mut asked = Vec::new();
        for name in partitions {
            let Some(first) = self.first_state(name) else {
                continue;
            };
            let path = format!("{TOPICS}/{}/partitions", name.topic);
            asked.push(folder(path.clone(), Bytes::new()));
            asked.push(folder(format!("{path}/{}", name.partition), Bytes::new()));
            asked.push(folder(state(name), encode(&first.node(self.epoch()))));
        }
        asked
    }

    /// They were created, or not.
    pub(super) fn initialised(&mut self, partitions: &[TopicPartition], answers: &[Reply]) {
        let mut answers = answers.iter().skip(2).step_by(3);
        for name in partitions {
            let Some(first) = self.first_state(name) else {
                continue;
            };
            if answers.next().is_some_and(Result::is_ok) {
                let isr = first.isr.clone();
                self.context.leadership.insert(name.clone(), first);
                self.context.phases.insert(name.clone(), Phase::Online);
                self.batch.leader_and_isr(&self.context, &isr, name);
            }
        }
    }

    /// The states and settings were read: holds the elections.
    pub(super) fn elect(&mut self, partitions: &[TopicPartition], plan: Plan, answers: &[Reply]) {
        let (states, configs) = answers.split_at(partitions.len().min(answers.len()));
        let unclean = self.unclean_allowed(partitions, configs);
        let mut elected = Vec::new();
        for (name, answer) in partitions.iter().zip(states) {
            let Some((now, written_by)) = state_in(answer) else {
                continue;
            };
            if written_by > self.epoch() {
                continue; // Another controller's: it knows better.
            }
            let replicas = self.context.replicas(name);
            let kind = match plan {
                Plan::Offline { unclean: anyway } => Kind::Offline {
                    unclean: anyway || unclean.get(&name.topic).copied().unwrap_or(false),
                    recovery: self.rules.leader_recovery_state,
                },
                Plan::Preferred => Kind::Preferred,
                Plan::ControlledShutdown => Kind::ControlledShutdown,
                Plan::Reassignment => Kind::Reassignment(&replicas),
            };
            let brokers = self.context.election_view(name);
            if let Some(next) = elect(kind, &replicas, &now, &brokers) {
                elected.push((name.clone(), next));
            }
        }
        self.next([Task::WriteElected { elected, plan }]);
    }

    /// For which topics unclean elections are enabled; those whose settings were not read are left out.
    pub(super) fn unclean_allowed<'a>(
        &self,
        partitions: &'a [TopicPartition],
        configs: &[Reply],
    ) -> BTreeMap<&'a TopicName, bool> {
        let topics: BTreeSet<&TopicName> = partitions.iter().map(|one| &one.topic).collect();
        let answered = topics.into_iter().zip(configs);
        answered
            .map(|(topic, answer)| (topic, self.allows_unclean(answer)))
            .collect()
    }

    /// What a topic's znode of settings, if there is one, says of unclean elections.
    fn allows_unclean(&self, answer: &Reply) -> bool {
        let mut config = self.topic_defaults.clone();
        if let Ok(Answer::Data(data, _)) = answer {
            let node: ConfigNode = decode(data).unwrap_or_default();
            for (key, value) in &node.config {
                // It was checked when it was written.
                let _unknown = config.set(key, value);
            }
        }
        config.unclean_leader_election_enable
    }

    /// The elected leaders were written; where somebody else wrote meanwhile, the election is held again.
    pub(super) fn elected(
        &mut self,
        elected: Vec<(TopicPartition, LeaderAndIsr)>,
        plan: Plan,
        answers: &[Reply],
    ) {
        let mut again = Vec::new();
        for ((name, state), answer) in elected.into_iter().zip(answers) {
            if answer.is_err() {
                again.push(name);
                continue;
            }
            let told = self.told_of(&name, plan);
            self.context.leadership.insert(name.clone(), written(state));
            self.context.phases.insert(name.clone(), Phase::Online);
            self.batch.leader_and_isr(&self.context, &told, &name);
        }
        if !again.is_empty() {
            let partitions = again;
            self.next([Task::Elect { partitions, plan }]);
        }
    }

    /// Who is told of an election: live replicas, and at a shutdown the one that shuts down too.
    fn told_of(&self, name: &TopicPartition, plan: Plan) -> Vec<BrokerId> {
        let replicas = self.context.replicas(name).into_iter();
        let told = replicas.filter(|id| match plan {
            Plan::ControlledShutdown | Plan::Reassignment => self.context.brokers.contains_key(id),
            Plan::Offline { .. } | Plan::Preferred => self.context.has_online(*id, name),
        });
        told.collect()
    }

    /// Gives leaderships back to first replicas.
    pub(super) fn balance(&mut self) {
        let mut by_first: BTreeMap<BrokerId, Vec<&TopicPartition>> = BTreeMap::new();
        let all = self.context.assignments.iter();
        for (name, one) in all.filter(|(name, _)| !self.context.is_going(&name.topic)) {
            if let Some(first) = one.replicas.first() {
                by_first.entry(*first).or_default().push(name);
            }
        }
        let mut partitions = Vec::new();
        for (first, names) in by_first {
            let all = names.len();
            let elsewhere = names.into_iter().filter(|name| {
                let state = self.context.leadership.get(name);
                state.is_some_and(|state| state.leader != Some(first))
            });
            let elsewhere: Vec<&TopicPartition> = elsewhere.collect();
            if elsewhere.len() * 10 <= all {
                continue;
            }
            let may_lead = |name: &&TopicPartition| {
                let state = self.context.leadership.get(*name);
                let in_isr = state.is_some_and(|state| state.isr.contains(&first));
                // Otherwise the election finds out, from the state as it is then.
                let tries = in_isr || !self.rules.balance_only_if_in_isr;
                tries && self.context.has_online(first, name)
            };
            partitions.extend(elsewhere.into_iter().filter(may_lead).cloned());
        }
        if !partitions.is_empty() {
            let plan = Plan::Preferred;
            self.tasks
                .extend([Task::Elect { partitions, plan }, Task::Send]);
        }
    }
}
