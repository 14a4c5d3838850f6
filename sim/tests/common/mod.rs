//! The plan that the tests of whole trials run: a cut, a power loss, a shutdown.

use ktrial_core::message::{NewTopic, Placement};
use ktrial_core::{BrokerId, ControllerId, NodeId, TopicPartition};
use ktrial_sim::plan::{
    Action, BrokerPlan, Condition, ConsumerPlan, ControllerPlan, DiskPlan, LinkFault, NetworkPlan,
    PLAN_VERSION, Plan, PowerLoss, ProducerPlan, Step, StopKind, When,
};
use std::collections::BTreeMap;

pub(crate) const CONTROLLER: NodeId = NodeId::Controller(ControllerId(3000));

pub(crate) fn b(id: i32) -> NodeId {
    NodeId::Broker(BrokerId(id))
}

pub(crate) fn values(prefix: &str) -> Vec<String> {
    (0..20).map(|n| format!("{prefix}{n}")).collect()
}

pub(crate) fn send(prefix: &str) -> Action {
    Action::Send {
        producer: "app".to_owned(),
        topic: "orders".into(),
        partition: Some(0),
        key: None,
        values: values(prefix),
    }
}

pub(crate) fn ended(prefix: &str) -> When {
    When::Until {
        condition: Condition::Ended {
            values: values(prefix),
        },
        within_ms: 150_000,
    }
}

pub(crate) fn after(ms: u64, action: Action) -> Step {
    Step {
        when: When::After { ms },
        action: Some(action),
        for_ms: None,
        may_miss: false,
    }
}

fn steps() -> Vec<Step> {
    let stop = |id, how| Action::Stop {
        nodes: vec![b(id).into()],
        how,
    };
    let start = |id| Action::Start {
        nodes: vec![b(id).into()],
    };
    vec![
        after(0, send("a")),
        Step {
            when: ended("a"),
            action: Some(Action::Link {
                from: vec![b(3).into()],
                to: vec![b(1).into(), b(2).into(), CONTROLLER.into()],
                one_way: false,
                api: Vec::new(),
                fault: LinkFault::Cut,
            }),
            for_ms: None,
            may_miss: false,
        },
        after(15_000, send("b")),
        Step {
            when: ended("b"),
            action: Some(Action::Heal),
            for_ms: None,
            may_miss: false,
        },
        after(5_000, stop(1, StopKind::PowerLoss)),
        after(12_000, send("c")),
        after(1_000, start(1)),
        after(5_000, stop(2, StopKind::Shutdown)),
        after(5_000, start(2)),
    ]
}

pub(crate) fn plan(seed: u64) -> Plan {
    let setting = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
    let brokers = (1..=3).map(|id| BrokerPlan {
        id: BrokerId(id),
        config: BTreeMap::new(),
    });
    Plan {
        version: PLAN_VERSION,
        scenario: "trial".to_owned(),
        title: "A cut, a power loss, a shutdown".to_owned(),
        seed,
        cell: BTreeMap::new(),
        release: ktrial_core::rules::NEWEST.to_owned(),
        rules: ktrial_core::Rules::default(),
        zookeeper: None,
        controllers: vec![ControllerPlan {
            id: ControllerId(3000),
            config: BTreeMap::new(),
        }],
        brokers: brokers.collect(),
        topic_defaults: BTreeMap::new(),
        topics: vec![NewTopic {
            topic: "orders".into(),
            placement: Placement::Manual(vec![vec![BrokerId(1), BrokerId(2), BrokerId(3)]]),
            configs: setting("min.insync.replicas", "2"),
        }],
        producers: vec![ProducerPlan {
            name: "app".to_owned(),
            config: BTreeMap::new(),
        }],
        consumers: vec![ConsumerPlan {
            name: "reader".to_owned(),
            config: setting("auto.offset.reset", "earliest"),
            assign: vec![TopicPartition::new("orders", 0)],
        }],
        network: NetworkPlan::default(),
        disk: DiskPlan {
            power_loss: PowerLoss::RandomPrefix,
            ..DiskPlan::default()
        },
        clocks: BTreeMap::new(),
        steps: steps(),
        timeline: Vec::new(),
        recovery: None,
        settle_ms: 30_000,
        time_limit_ms: 600_000,
        record_limit: None,
        record_messages: true,
    }
}
