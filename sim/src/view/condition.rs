//! What can be asked of the view: conditions of steps, and whether the trial may begin or end.

use super::{Process, ProcessState, View};
use crate::plan::{BrokerStatus, Condition, Reached};
use ktrial_core::{BrokerId, NodeId, Offset, Timestamp, TopicPartition};

impl View {
    /// Whether a condition holds at `now`.
    ///
    /// ISR and leader are the controller's; log ends and high watermarks are what the replica itself
    /// last said, also when its process is down.
    pub fn holds(&self, condition: &Condition, now: Timestamp) -> bool {
        match condition {
            Condition::Isr { partition, is } => self.isr_is(partition, is),
            Condition::IsrAtMost { partition, members } => {
                let committed = self.partition(partition).and_then(|p| p.committed.as_ref());
                committed.is_some_and(|committed| committed.isr.len() <= *members)
            }
            Condition::Leader { partition, is } => {
                let committed = self.partition(partition).and_then(|p| p.committed.as_ref());
                committed.is_some_and(|committed| committed.leader == *is)
            }
            Condition::LogEnd {
                partition,
                broker,
                at_least,
            } => self.reached(partition, *broker, *at_least, |replica| replica.log.end()),
            Condition::HighWatermark {
                partition,
                broker,
                at_least,
            } => self.reached(partition, *broker, *at_least, |replica| {
                replica.high_watermark
            }),
            Condition::Acknowledged { values } => values.iter().all(|value| {
                let operation = self.operations().of_value(value);
                operation.is_some_and(super::Operation::acknowledged)
            }),
            Condition::Ended { values } => values.iter().all(|value| {
                let operation = self.operations().of_value(value);
                operation.is_some_and(|operation| operation.ended.is_some())
            }),
            Condition::Consumed { consumer, values } => {
                let client = self.consumer(consumer);
                client.is_some_and(|client| {
                    let mut values = values.iter();
                    values.all(|value| self.operations().read_by(client, value))
                })
            }
            Condition::Broker { broker, is } => self.broker_is(*broker, *is),
            Condition::Controller { is } => self.quorum().active() == *is,
            Condition::ControllerElected { controller } => {
                self.quorum().elected() == Some(*controller)
            }
            Condition::ControllerActivations { at_least } => {
                self.quorum().activations() >= *at_least
            }
            Condition::Metadata { more, by } => self.knows_committed(Offset(*more), *by),
            Condition::InSync { partition } => self.partition(partition).is_some_and(|p| p.in_sync),
            Condition::Quiet { ms } => now.since(self.last_change()).as_millis() >= u128::from(*ms),
            Condition::All(all) => all.iter().all(|condition| self.holds(condition, now)),
            Condition::Any(any) => any.iter().any(|condition| self.holds(condition, now)),
        }
    }

    /// Whether every partition has all its replicas in the ISR with equal logs, every broker of the
    /// plan is unfenced, and no send is pending.
    ///
    /// Also: each broker's process runs and has registered since it started (a registration outlives
    /// its process by the session timeout), and each leader's high watermark is at its log's end, so
    /// that consumers may read everything.
    pub fn converged(&self) -> bool {
        self.operations().pending() == 0
            && self.out_of_sync == 0
            && self.leaderless == 0
            && self.all_unfenced()
            && self.partitions().all(|(_, partition)| {
                let leader = partition.leader();
                leader.is_none_or(|(_, leader)| leader.high_watermark == leader.log.end())
            })
    }

    /// Whether every topic of the plan exists with a leader and all its replicas in sync, and every
    /// broker is unfenced: the steps may begin.
    pub fn ready(&self) -> bool {
        self.incomplete_topics().is_empty()
            && self.leaderless == 0
            && self.out_of_sync == 0
            && self.all_unfenced()
    }

    fn all_unfenced(&self) -> bool {
        let mut brokers = self.brokers.iter();
        brokers.all(|broker| {
            let process = self.process_of(NodeId::Broker(*broker));
            process.is_some_and(|process| process.state == ProcessState::Running)
                && self.broker_is(*broker, BrokerStatus::Unfenced)
        })
    }

    /// Whether so many replicas of the metadata log know that everything below `offset` is committed.
    pub fn knows_committed(&self, offset: Offset, by: Reached) -> bool {
        let alone = self.controllers <= 1;
        let replica = |node: &NodeId| match node {
            NodeId::Controller(_) => true,
            NodeId::Broker(_) => !alone,
            NodeId::Client(_) | NodeId::ZooKeeper(_) => false,
        };
        let up = self.processes.iter().filter(|(_, process)| process.is_up());
        let mut replicas = up.map(|(node, _)| *node).filter(replica);
        let knows = |node: NodeId| self.quorum.committed(node) >= offset;
        match by {
            Reached::All => replicas.all(knows),
            Reached::AtLeast(least) => replicas.filter(|node| knows(*node)).count() >= least,
        }
    }

    fn isr_is(&self, partition: &TopicPartition, members: &[BrokerId]) -> bool {
        let committed = self.partition(partition).and_then(|p| p.committed.as_ref());
        committed.is_some_and(|committed| {
            let isr = &committed.isr;
            isr.len() == members.len() && members.iter().all(|member| isr.contains(member))
        })
    }

    fn reached(
        &self,
        partition: &TopicPartition,
        broker: BrokerId,
        at_least: Offset,
        offset: impl Fn(&super::Replica) -> Offset,
    ) -> bool {
        let partition = self.partition(partition);
        let replica = partition.and_then(|partition| partition.replicas.get(&broker));
        replica.is_some_and(|replica| offset(replica) >= at_least)
    }

    /// A registration says something about the process that made it: a process that has not
    /// registered yet is not unfenced by the registration of the one before.
    fn broker_is(&self, broker: BrokerId, status: BrokerStatus) -> bool {
        let process = self.process_of(NodeId::Broker(broker));
        let fenced = self.registration(broker).is_none_or(|broker| broker.fenced);
        match status {
            BrokerStatus::Down => !process.is_some_and(Process::is_up),
            BrokerStatus::Fenced => fenced,
            BrokerStatus::Unfenced => !fenced && process.is_some_and(|p| p.is_up() && p.registered),
        }
    }
}
