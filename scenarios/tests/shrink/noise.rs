//! Plans as a fuzzer makes them: hundreds of sends and a crowd of faults, of which hardly any matters.

use ktrial_core::message::{NewTopic, Placement};
use ktrial_core::{BrokerId, ControllerId, NodeId, Random, Rules, TopicPartition};
use ktrial_sim::plan::{
    Action, BrokerPlan, ClockPlan, ConsumerPlan, ControllerPlan, DiskPlan, Latency, LinkFault,
    NetworkPlan, PLAN_VERSION, Plan, ProducerPlan, Recovery, Step, StopKind, Target, When,
};
use serde_json::json;
use std::collections::BTreeMap;

/// How large the noise is.
pub(crate) struct Noise {
    pub(crate) seed: u64,
    pub(crate) brokers: i32,
    pub(crate) faults: usize,
    pub(crate) sends: usize,
    /// Nothing is due after this long.
    pub(crate) ms: u64,
}

fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn topics(brokers: &[BrokerId]) -> Vec<NewTopic> {
    vec![
        NewTopic {
            topic: "orders".into(),
            placement: Placement::Spread {
                partitions: Some(3),
                replication_factor: Some(3),
            },
            configs: settings(&[("max.message.bytes", "100000")]),
        },
        NewTopic {
            topic: "payments".into(),
            placement: Placement::Manual(vec![brokers.iter().copied().take(3).collect()]),
            configs: BTreeMap::new(),
        },
    ]
}

impl Noise {
    /// The plan, under the newest rules.
    pub(crate) fn plan(&self) -> Plan {
        let mut random = Random::stream(self.seed, "noise");
        let brokers: Vec<BrokerId> = (1..=self.brokers).map(BrokerId).collect();
        let nodes = brokers.iter().copied().map(NodeId::Broker);
        let mut timeline: Vec<Step> = (0..self.sends).map(|n| self.send(&mut random, n)).collect();
        timeline.extend((0..self.faults).map(|_| self.fault(&mut random)));
        let client = |name: &str, pairs| (name.to_owned(), settings(pairs));
        Plan {
            version: PLAN_VERSION,
            scenario: "noise".to_owned(),
            title: "Noise".to_owned(),
            seed: self.seed,
            cell: BTreeMap::new(),
            release: ktrial_core::rules::NEWEST.to_owned(),
            rules: Rules::default(),
            zookeeper: None,
            controllers: vec![ControllerPlan {
                id: ControllerId(3000),
                config: BTreeMap::new(),
            }],
            brokers: brokers
                .iter()
                .map(|id| BrokerPlan {
                    id: *id,
                    config: settings(&[("replica.lag.time.max.ms", "5000")]),
                })
                .collect(),
            topic_defaults: settings(&[("segment.bytes", "1000000")]),
            topics: topics(&brokers),
            producers: [
                client("p1", &[("linger.ms", "3")]),
                client("p2", &[("linger.ms", "0")]),
            ]
            .into_iter()
            .map(|(name, config)| ProducerPlan { name, config })
            .collect(),
            consumers: vec![ConsumerPlan {
                name: "c1".to_owned(),
                config: settings(&[("auto.offset.reset", "earliest")]),
                assign: (0..3).map(|n| TopicPartition::new("orders", n)).collect(),
            }],
            network: NetworkPlan {
                latency_min_us: 300,
                ..NetworkPlan::default()
            },
            disk: DiskPlan {
                flush_us: 700,
                ..DiskPlan::default()
            },
            clocks: BTreeMap::from([(
                NodeId::Broker(BrokerId(2)),
                ClockPlan {
                    offset_ms: 130,
                    drift_ppm: 0,
                },
            )]),
            steps: Vec::new(),
            timeline,
            recovery: Some(Recovery {
                nodes: nodes.collect(),
            }),
            settle_ms: 31_700,
            time_limit_ms: 600_000,
            record_limit: None,
            record_messages: false,
        }
    }

    fn step(&self, random: &mut Random, action: &Action, for_ms: Option<u64>) -> Step {
        // By way of text: what a step can say besides is left out.
        let ms = random.below(self.ms);
        let step = json!({"when": When::After { ms }, "action": action, "for_ms": for_ms});
        serde_json::from_value(step).unwrap()
    }

    fn send(&self, random: &mut Random, number: usize) -> Step {
        let on_payments = random.below(4) == 0;
        let producer = if random.below(2) == 0 { "p1" } else { "p2" };
        let topic = if on_payments { "payments" } else { "orders" };
        let action = Action::Send {
            producer: producer.to_owned(),
            topic: topic.into(),
            partition: Some(if on_payments {
                0
            } else {
                i32::try_from(random.below(3)).unwrap()
            }),
            key: None,
            values: vec![format!("{producer}-{number:04}")],
        };
        self.step(random, &action, None)
    }

    fn broker(&self, random: &mut Random) -> Target {
        let id = 1 + random.below(u64::try_from(self.brokers).unwrap());
        Target::Node(NodeId::Broker(BrokerId(i32::try_from(id).unwrap())))
    }

    fn fault(&self, random: &mut Random) -> Step {
        let one = self.broker(random);
        let leader = Target::Leader(TopicPartition::new("orders", 0));
        let nodes = if random.below(4) == 0 {
            vec![leader]
        } else {
            vec![one.clone()]
        };
        let action = match random.below(6) {
            0..=2 => Action::Stop {
                nodes,
                how: StopKind::Kill,
            },
            3 => Action::Stop {
                nodes,
                how: StopKind::Shutdown,
            },
            4 => Action::Pause { nodes },
            _ => Action::Link {
                from: vec![one],
                to: vec![Target::Rest],
                one_way: false,
                api: Vec::new(),
                fault: if random.below(2) == 0 {
                    LinkFault::Cut
                } else {
                    LinkFault::Delay(Latency::Fixed {
                        us: 1_000 + random.below(200_000),
                    })
                },
            },
        };
        let for_ms = 500 + random.below(14_000);
        self.step(random, &action, Some(for_ms))
    }
}
