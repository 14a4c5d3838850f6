//! Controllers or servers of ZooKeeper, brokers, topics with their replicas, and clients.

use super::dice::Dice;
use super::profile::Profile;
use crate::file::CONTROLLER;
use ktrial_core::config::Settings;
use ktrial_core::message::{NewTopic, Placement};
use ktrial_core::{BrokerId, ClientId, ControllerId, NodeId, TopicPartition, ZooKeeperId};
use ktrial_sim::plan::{
    BrokerPlan, ConsumerPlan, ControllerPlan, Plan, ProducerPlan, ZooKeeperPlan,
};

const TOPICS: [&str; 4] = ["orders", "events", "users", "audit"];

/// The client of this place among all clients.
pub(super) fn client(place: usize) -> NodeId {
    NodeId::Client(ClientId(u32::try_from(place).unwrap_or(u32::MAX)))
}

/// Every partition of a plan, with its replicas.
pub(super) fn partitions(plan: &Plan) -> Vec<(TopicPartition, Vec<BrokerId>)> {
    let mut all = Vec::new();
    for topic in &plan.topics {
        if let Placement::Manual(partitions) = &topic.placement {
            for (number, replicas) in (0..).zip(partitions) {
                let partition = TopicPartition::new(topic.topic.clone(), number);
                all.push((partition, replicas.clone()));
            }
        }
    }
    all
}

/// Draws how many controllers there are: one, or a quorum of three.
pub(super) fn quorum(dice: &mut Dice, profile: Profile, plan: &mut Plan) {
    let count = if profile.is_model() {
        1
    } else {
        dice.pick(&[1, 1, 3])
    };
    let controller = |id| ControllerPlan {
        id: ControllerId(id),
        config: Settings::new(),
    };
    plan.controllers = (CONTROLLER.0..).take(count).map(controller).collect();
}

/// An ensemble of so many servers, in place of a quorum. The controller is one of the brokers, with the
/// settings of the one controller that the plan has.
pub(super) fn ensemble(dice: &mut Dice, profile: Profile, servers: u8, plan: &mut Plan) {
    plan.controllers.truncate(1);
    let mut config = Settings::new();
    // What is granted of a session is at least two ticks.
    for (key, values) in [("tickTime", ["500", "1000"]), ("snapCount", ["10", "100"])] {
        if dice.percent(profile.settings()) {
            config.insert(key.to_owned(), dice.pick(&values).to_owned());
        }
    }
    plan.zookeeper = Some(ZooKeeperPlan {
        servers: (1..=servers.into()).map(ZooKeeperId).collect(),
        config,
    });
}

/// The processes that keep the metadata: controllers, or servers of ZooKeeper.
pub(super) fn keepers(plan: &Plan) -> Vec<NodeId> {
    if let Some(ensemble) = &plan.zookeeper {
        let servers = ensemble.servers.iter();
        return servers.copied().map(NodeId::ZooKeeper).collect();
    }
    let controllers = plan.controllers.iter();
    controllers.map(|c| NodeId::Controller(c.id)).collect()
}

/// Draws them.
pub(super) fn draw(dice: &mut Dice, profile: Profile, plan: &mut Plan) {
    let count = dice.count(profile.brokers());
    let ids: Vec<BrokerId> = (1..).take(count).map(BrokerId).collect();
    plan.brokers = ids.iter().map(|id| broker(*id)).collect();
    if profile.is_model() {
        return model(dice, ids, plan);
    }
    let topics = dice.count(profile.topics());
    for name in &TOPICS[..topics.min(TOPICS.len())] {
        // Three replicas are usual; one copy is worth a trial now and then.
        let wanted = dice.pick(&[1, 2, 2, 3, 3, 3, 3, 4, 5]);
        let copies = wanted.min(ids.len());
        let partitions = dice.count(1..=3);
        let placed = (0..partitions).map(|_| dice.some(&ids, copies)).collect();
        plan.topics.push(NewTopic {
            topic: (*name).into(),
            placement: Placement::Manual(placed),
            configs: Settings::new(),
        });
    }
    for place in 0..dice.count(1..=3) {
        plan.producers.push(ProducerPlan {
            name: format!("p{}", place + 1),
            config: Settings::new(),
        });
    }
    let all = partitions(plan);
    for place in 0..dice.count(0..=2) {
        let reads = if place == 0 {
            all.len()
        } else {
            dice.count(1..=all.len())
        };
        let mut assign: Vec<TopicPartition> =
            dice.some(&all, reads).into_iter().map(|(p, _)| p).collect();
        assign.sort();
        let reset = ("auto.offset.reset".to_owned(), "earliest".to_owned());
        plan.consumers.push(ConsumerPlan {
            name: format!("c{}", place + 1),
            config: Settings::from([reset]),
            assign,
        });
    }
}

/// One partition, on every broker.
fn model(dice: &mut Dice, ids: Vec<BrokerId>, plan: &mut Plan) {
    plan.topics.push(NewTopic {
        topic: TOPICS[0].into(),
        placement: Placement::Manual(vec![ids]),
        configs: Settings::new(),
    });
    for place in 0..dice.count(2..=3) {
        plan.producers.push(ProducerPlan {
            name: format!("p{}", place + 1),
            config: Settings::new(),
        });
    }
}

fn broker(id: BrokerId) -> BrokerPlan {
    BrokerPlan {
        id,
        config: Settings::new(),
    }
}
