//! Brokers come and go.
//!
//! | of a broker | what follows |
//! |---|---|
//! | new | all are told who lives; it is told everything, and of its replicas; elections where nobody leads |
//! | gone | elections for what it led; it leaves every ISR; all are told |
//! | registered anew, unseen between | gone, then new (KIP-380) |
//! | shutting down | what it leads goes to others; it leaves the other ISRs, and its followers stop |
//!
//! Rule: before KIP-380 a broker that went and came between two looks was never missed.
//!
//! Source: `KafkaController.processBrokerChange`, `onBrokerStartup`, `onBrokerFailure`,
//! `onReplicasBecomeOffline`, `doControlledShutdown`, `ZkReplicaStateMachine.doRemoveReplicasFromIsr`.
//! Next: `topics.rs`.

use super::context::Phase;
use super::elections::Plan;
use super::leaders::without;
use super::task::{Task, state_in};
use super::znodes::{BrokerNode, LeaderAndIsr, decode};
use super::{ControllerZk, Env, Reply};
use crate::error::ErrorCode;
use crate::id::{BrokerId, TopicPartition};
use crate::machine::ReplyTo;
use crate::message::{Answer, ControlledShutdownRequest, ControlledShutdownResponse, Response};
use crate::offset::{BrokerEpoch, PartitionEpoch};
use std::collections::BTreeMap;

/// Brokers as their znodes tell of them.
pub(super) type Registered = BTreeMap<BrokerId, (BrokerEpoch, Option<String>)>;

impl ControllerZk {
    /// The names of the brokers' znodes.
    pub(super) fn brokers_listed(&mut self, load: bool, names: &[String]) {
        let ids = names.iter().filter_map(|name| name.parse().ok());
        let ids = ids.map(BrokerId).collect();
        self.next([Task::ReadBrokers { ids, load }]);
    }

    /// What stands in them. One that went meanwhile is not there.
    pub(super) fn brokers_read(
        &mut self,
        ids: &[BrokerId],
        load: bool,
        answers: &[Reply],
        env: &mut Env<'_>,
    ) {
        let mut registered = Registered::new();
        for (id, answer) in ids.iter().zip(answers) {
            if let Ok(Answer::Data(data, stat)) = answer {
                let rack = decode::<BrokerNode>(data).and_then(|node| node.rack);
                registered.insert(*id, (BrokerEpoch(stat.czxid.0), rack));
            }
        }
        if load {
            for id in registered.keys() {
                self.channels.add(*id, &mut env.wire);
            }
            self.context.shutting_down.clear();
            self.know(registered);
        } else {
            self.brokers_changed(registered, env);
        }
    }

    fn know(&mut self, registered: Registered) {
        for (id, (epoch, rack)) in registered {
            self.context.lost.remove(&id);
            self.context.brokers.insert(id, epoch);
            self.context.racks.insert(id, rack);
        }
    }

    fn brokers_changed(&mut self, registered: Registered, env: &mut Env<'_>) {
        let known = self.context.brokers.clone();
        let dead: Vec<BrokerId> = known
            .keys()
            .copied()
            .filter(|id| !registered.contains_key(id))
            .collect();
        let (mut new, mut bounced) = (Registered::new(), Registered::new());
        for (id, one) in registered {
            match known.get(&id) {
                None => drop(new.insert(id, one)),
                Some(epoch) if one.0 > *epoch && self.rules.broker_epoch_control_requests => {
                    bounced.insert(id, one);
                }
                Some(_) => {}
            }
        }
        for id in new.keys().chain(bounced.keys()) {
            self.channels.add(*id, &mut env.wire);
        }
        for id in &dead {
            self.channels.remove(*id, &mut env.wire);
        }
        let back: Vec<BrokerId> = bounced.keys().copied().collect();
        self.next([
            Task::Came(new),
            Task::Went(back),
            Task::Came(bounced),
            Task::Went(dead),
        ]);
    }

    /// Brokers are there now.
    pub(super) fn came(&mut self, registered: Registered, env: &mut Env<'_>) {
        if registered.is_empty() {
            return;
        }
        let existing: Vec<BrokerId> = self.context.brokers.keys().copied().collect();
        let new: Vec<BrokerId> = registered.keys().copied().collect();
        let existing: Vec<BrokerId> = existing
            .into_iter()
            .filter(|id| !new.contains(id))
            .collect();
        self.know(registered);
        self.batch.update(&self.context, &existing, &[]);
        self.send(env);
        let all = self.context.leadership.keys();
        let all = all.filter(|name| !self.context.is_going(&name.topic));
        let all: Vec<TopicPartition> = all.cloned().collect();
        self.batch.update(&self.context, &new, &all);
        self.send(env);
        for broker in &new {
            self.tell_replicas(*broker);
        }
        self.send(env);
        let again = self.context.going_on(&new);
        let resume = (!again.is_empty()).then_some(Task::ResumeDeletions(again));
        let tasks = [Task::ElectOffline, Task::ResumeMoves(Some(new))];
        self.next(tasks.into_iter().chain(resume));
    }

    /// Brokers are gone.
    pub(super) fn went(&mut self, dead: &[BrokerId]) {
        if dead.is_empty() {
            return;
        }
        for broker in dead {
            self.context.brokers.remove(broker);
            self.context.shutting_down.remove(broker);
            self.context.lost.remove(broker);
        }
        let removals = dead
            .iter()
            .map(|broker| (*broker, self.context.on_broker(*broker)));
        let removals = removals.collect();
        self.gone_offline(removals);
    }

    /// Replicas are not online any more: elections for what they led, and they leave the ISRs.
    pub(super) fn gone_offline(&mut self, replicas: Vec<(BrokerId, Vec<TopicPartition>)>) {
        let leaderless = self.context.with_offline_leader();
        for name in &leaderless {
            self.context.phases.insert(name.clone(), Phase::Offline);
        }
        let mut tasks = vec![Task::ElectOffline];
        let mut going = Vec::new();
        for (broker, partitions) in replicas {
            let goes = |name: &TopicPartition| self.context.is_going(&name.topic);
            let (gone, partitions) = partitions.into_iter().partition(goes);
            let gone: Vec<TopicPartition> = gone;
            going.extend(gone.into_iter().map(|name| (name, broker)));
            tasks.push(Task::Remove { broker, partitions });
        }
        tasks.push(Task::Send);
        if !going.is_empty() {
            tasks.push(Task::FailDeletions(going));
        }
        if leaderless.is_empty() {
            tasks.push(Task::TellBrokers);
        }
        self.next(tasks);
    }

    /// The states were read: takes the broker out of those ISRs.
    pub(super) fn remove(
        &mut self,
        broker: BrokerId,
        partitions: &[TopicPartition],
        answers: &[Reply],
    ) {
        let (read, configs) = answers.split_at(partitions.len().min(answers.len()));
        let unclean = self.unclean_allowed(partitions, configs);
        let mut states = Vec::new();
        for (name, answer) in partitions.iter().zip(read) {
            self.batch.stop(&self.context, broker, name, false);
            let Some((state, written_by)) = state_in(answer) else {
                continue;
            };
            if written_by > self.epoch() {
                continue; // Another controller's: it knows better.
            }
            let empties = unclean.get(&name.topic).is_some_and(|unclean| *unclean);
            match without(broker, &state, empties) {
                Some(next) => states.push((name.clone(), next)),
                None => self.left(broker, name, state),
            }
        }
        self.next([Task::WriteRemoved { broker, states }]);
    }

    /// The ISRs were written; those that somebody else wrote meanwhile are looked at again.
    pub(super) fn removed(
        &mut self,
        broker: BrokerId,
        states: Vec<(TopicPartition, LeaderAndIsr)>,
        answers: &[Reply],
    ) {
        let mut again = Vec::new();
        for ((name, state), answer) in states.into_iter().zip(answers) {
            match answer {
                Ok(_) => self.left(broker, &name, written(state)),
                Err(_) => again.push(name),
            }
        }
        if !again.is_empty() {
            self.next([Task::Remove {
                broker,
                partitions: again,
            }]);
        }
    }

    /// The broker is not in the ISR any more: the others are told.
    fn left(&mut self, broker: BrokerId, name: &TopicPartition, state: LeaderAndIsr) {
        self.context.leadership.insert(name.clone(), state);
        if self.context.is_going(&name.topic) {
            return;
        }
        let others = self.context.replicas(name);
        let others: Vec<BrokerId> = others.into_iter().filter(|id| *id != broker).collect();
        self.batch.leader_and_isr(&self.context, &others, name);
    }

    /// A broker asks to be let go.
    pub(super) fn begin_shutdown(&mut self, reply: ReplyTo, request: &ControlledShutdownRequest) {
        let broker = request.broker;
        let known = self.context.brokers.get(&broker);
        let stale = request
            .broker_epoch
            .is_some_and(|epoch| known.is_some_and(|known| epoch < *known));
        if stale || known.is_none() {
            return self.tasks.push_back(Task::ShutDown { reply, broker });
        }
        self.context.shutting_down.insert(broker);
        let moves = |name: &TopicPartition| {
            self.context.replicas(name).len() > 1
                && self.context.leadership.contains_key(name)
                && !self.context.is_going(&name.topic)
        };
        let on: Vec<TopicPartition> = self.context.on_broker(broker);
        let on = on.into_iter().filter(moves);
        let leads = |name: &TopicPartition| {
            let state = self.context.leadership.get(name);
            state.is_some_and(|state| state.leader == Some(broker))
        };
        let (led, followed): (Vec<_>, Vec<_>) = on.partition(leads);
        self.tasks.extend([
            Task::Elect {
                partitions: led,
                plan: Plan::ControlledShutdown,
            },
            Task::Send,
            Task::Remove {
                broker,
                partitions: followed,
            },
            Task::Send,
            Task::ShutDown { reply, broker },
        ]);
    }

    /// What could be moved has moved.
    pub(super) fn shut_down(&mut self, reply: ReplyTo, broker: BrokerId, env: &mut Env<'_>) {
        let (error, remaining) = if self.context.shutting_down.contains(&broker) {
            (ErrorCode::None, self.context.led_by(broker))
        } else {
            (ErrorCode::StaleBrokerEpoch, Vec::new())
        };
        let response = ControlledShutdownResponse { error, remaining };
        self.answer(reply, Response::ControlledShutdown(response), env);
    }
}

/// A state once it is written: its znode is of the next version.
pub(super) fn written(mut state: LeaderAndIsr) -> LeaderAndIsr {
    state.partition_epoch = PartitionEpoch(state.partition_epoch.0 + 1);
    state
}
