//! What a new controller does first: it reads everything, tells everybody, and elects where nobody leads.
//!
//! | step | what |
//! |---|---|
//! | 1 | forgets the notifications of changed ISRs: it reads all states anyway |
//! | 2 | reads the brokers, topics, states and which topics shall go, and watches them |
//! | 3 | tells every broker who lives |
//! | 4 | tells every live replica whom to follow; since KAFKA-3143 takes the others out of their ISRs |
//! | 5 | elects leaders for partitions without one |
//! | 6 | goes on with moves of replicas and deletions of topics |
//!
//! Simplified: replicas on dead brokers are taken out of their ISRs broker by broker.
//! Source: `KafkaController.onControllerFailover`, `initializeControllerContext`,
//! `ReplicaStateMachine.startup`, `PartitionStateMachine.startup`.
//! Next: `membership.rs`.

use super::context::Phase;
use super::task::{Task, state_in};
use super::{ControllerZk, Env, Reply};
use crate::id::{BrokerId, TopicPartition};
use std::collections::BTreeSet;

impl ControllerZk {
    /// States were read.
    pub(super) fn states_read(
        &mut self,
        partitions: &[TopicPartition],
        tell: bool,
        answers: &[Reply],
        env: &mut Env<'_>,
    ) {
        for (name, answer) in partitions.iter().zip(answers) {
            if let Some((state, _)) = state_in(answer) {
                self.context.leadership.insert(name.clone(), state);
            }
        }
        if tell {
            self.batch.update_all(&self.context, partitions);
            self.send(env);
        }
    }

    /// Everything is read.
    pub(super) fn start(&mut self, env: &mut Env<'_>) {
        self.batch.update_all(&self.context, &[]);
        self.send(env);
        let live: Vec<BrokerId> = self.context.brokers.keys().copied().collect();
        for broker in &live {
            self.tell_replicas(*broker);
        }
        self.send(env);
        let replicas = self.context.assignments.values();
        let replicas = replicas.flat_map(|one| one.replicas.iter().copied());
        let dead: BTreeSet<BrokerId> = replicas.filter(|id| !live.contains(id)).collect();
        let names: Vec<TopicPartition> = self.context.assignments.keys().cloned().collect();
        for name in names {
            let state = self.context.leadership.get(&name);
            let leader = state.and_then(|state| state.leader);
            let phase = match (state, leader) {
                (None, _) => Phase::New,
                (_, Some(leader)) if self.context.is_online(leader) => Phase::Online,
                _ => Phase::Offline,
            };
            self.context.phases.insert(name, phase);
        }
        let dead = dead.into_iter().filter(|_| self.rules.failover_shrinks_isr);
        let removals = dead.map(|broker| Task::Remove {
            broker,
            partitions: self.context.on_broker(broker),
        });
        let removals: Vec<Task> = removals.collect();
        let elections = [Task::Send, Task::ElectOffline];
        self.next(removals.into_iter().chain(elections));
        self.watch_balance(env.wire.now);
    }

    /// A live broker is told of all its replicas.
    pub(super) fn tell_replicas(&mut self, broker: BrokerId) {
        for name in self.context.on_broker(broker) {
            if !self.context.is_told(&name, broker) {
                continue;
            }
            self.batch.leader_and_isr(&self.context, &[broker], &name);
        }
    }
}
