//! Random plans that a scenario file can say: every action, fault and condition.

use ktrial_core::message::{Api, ConfigChange, ConfigResource, ElectionType, NewTopic, Placement};
use ktrial_core::planted::Bug;
use ktrial_core::rules::NEWEST;
use ktrial_core::{
    BrokerId, ClientId, ControllerId, NodeId, Offset, Random, Rules, TopicPartition,
};
use ktrial_sim::plan::{
    Action, BrokerPlan, BrokerStatus, ClockFault, ClockPlan, Condition, ConsumerPlan,
    ControllerPlan, DiskCall, DiskFault, DiskPlan, Latency, LinkFault, NetworkPlan, PLAN_VERSION,
    Plan, PowerLoss, ProducerPlan, Recovery, Step, StopKind, Target, When,
};
use std::collections::BTreeMap;

/// Draws.
struct Dice {
    random: Random,
    plan: Plan,
    /// Values so far.
    sent: Vec<String>,
}

/// A plan of a seed.
pub(crate) fn plan(seed: u64) -> Plan {
    let mut random = Random::stream(seed, "random plan");
    let brokers = 3 + i32::try_from(random.below(3)).unwrap();
    let plan = empty(seed, brokers);
    let mut dice = Dice {
        random,
        plan,
        sent: Vec::new(),
    };
    dice.world();
    dice.workload();
    for _ in 0..dice.below(6) {
        let values = dice.values();
        let send = dice.send(values);
        let step = dice.beside(send);
        dice.plan.timeline.push(step);
    }
    for _ in 0..=dice.below(8) {
        let step = dice.step();
        dice.plan.steps.push(step);
    }
    // Something beside the steps stops somebody: so no step contradicts another.
    let nodes = dice.group(true);
    let how = StopKind::Kill;
    let stop = dice.beside(Action::Stop { nodes, how });
    dice.plan.timeline.push(stop);
    for _ in 0..dice.below(6) {
        let (action, for_ms) = dice.action();
        let mut step = dice.beside(action);
        step.for_ms = for_ms;
        dice.plan.timeline.push(step);
    }
    dice.plan
}

fn empty(seed: u64, brokers: i32) -> Plan {
    let client = |name: &str| name.to_owned();
    Plan {
        version: PLAN_VERSION,
        scenario: "random".to_owned(),
        title: "A random plan".to_owned(),
        seed,
        cell: BTreeMap::new(),
        release: NEWEST.to_owned(),
        rules: Rules::default(),
        zookeeper: None,
        controllers: vec![ControllerPlan {
            id: ControllerId(3000),
            config: BTreeMap::new(),
        }],
        brokers: (1..=brokers)
            .map(|id| BrokerPlan {
                id: BrokerId(id),
                config: BTreeMap::new(),
            })
            .collect(),
        topic_defaults: BTreeMap::new(),
        topics: vec![NewTopic {
            topic: "orders".into(),
            placement: Placement::Manual(vec![(1..=3).map(BrokerId).collect()]),
            configs: BTreeMap::new(),
        }],
        producers: vec![ProducerPlan {
            name: client("p1"),
            config: BTreeMap::new(),
        }],
        consumers: vec![ConsumerPlan {
            name: client("reader"),
            config: BTreeMap::new(),
            assign: Vec::new(),
        }],
        network: NetworkPlan::default(),
        disk: DiskPlan::default(),
        clocks: BTreeMap::new(),
        steps: Vec::new(),
        timeline: Vec::new(),
        recovery: None,
        settle_ms: 180_000,
        time_limit_ms: 1_800_000,
        record_limit: None,
        record_messages: false,
    }
}

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.random.below(u64::try_from(end).unwrap())).unwrap()
    }

    fn coin(&mut self) -> bool {
        self.random.chance(1, 2)
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        let index = self.below(from.len());
        from[index].clone()
    }

    fn ms(&mut self) -> u64 {
        let whole = self.random.below(60) * 1_000;
        if self.coin() {
            whole
        } else {
            self.random.below(60_000)
        }
    }

    fn broker(&mut self) -> BrokerId {
        let id = self.below(self.plan.brokers.len());
        self.plan.brokers[id].id
    }

    /// Settings, rules, a second topic, clocks, disks: each perhaps.
    /// One broker to three, each once.
    fn replicas(&mut self) -> Vec<BrokerId> {
        let count = 1 + i32::try_from(self.below(3)).unwrap();
        let first = i32::try_from(self.below(3)).unwrap();
        (0..count)
            .map(|place| BrokerId(1 + (first + place) % 3))
            .collect()
    }

    fn world(&mut self) {
        let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        for index in 0..self.plan.brokers.len() {
            if self.coin() {
                let threads = 1 + self.below(2);
                let setting = set("num.io.threads", &threads.to_string());
                self.plan.brokers[index].config.extend([setting]);
            }
        }
        if self.coin() {
            let setting = set("unclean.leader.election.enable", "true");
            self.plan.topic_defaults.extend([setting]);
        }
        if self.coin() {
            let setting = set("min.insync.replicas", "2");
            self.plan.topics[0].configs.extend([setting]);
            let setting = set("broker.session.timeout.ms", "8000");
            self.plan.controllers[0].config.extend([setting]);
            let setting = set("acks", "1");
            self.plan.producers[0].config.extend([setting]);
        }
        if self.coin() {
            self.plan.rules.elr = false;
            let replication_factor = self.coin().then_some(3);
            self.plan.topics.push(NewTopic {
                topic: "a.b".into(),
                placement: Placement::Spread {
                    partitions: Some(2),
                    replication_factor,
                },
                configs: BTreeMap::new(),
            });
            self.plan.producers.push(ProducerPlan {
                name: "p 2".to_owned(),
                config: BTreeMap::new(),
            });
        }
        if self.coin() {
            let node = self.node();
            let clock = ClockPlan {
                offset_ms: -5_000,
                drift_ppm: 0,
            };
            self.plan.clocks.insert(node, clock);
            self.plan.disk.power_loss = PowerLoss::RandomPrefix;
            self.plan.disk.flush_us = 1_500;
            self.plan.network.latency_max_us = 2_500;
            self.plan.network.tail_us = Some(1_700);
            self.plan.network.bytes_per_ms = Some(1_000);
            self.plan.rules.planted = Some(Bug::ALL[0]);
        }
        if self.coin() {
            let nodes = if self.coin() {
                self.everybody()
            } else {
                vec![NodeId::Broker(BrokerId(2)), NodeId::Client(ClientId(0))]
            };
            self.plan.recovery = Some(Recovery { nodes });
            self.plan.settle_ms = 90_000;
            self.plan.record_messages = true;
        }
    }

    fn everybody(&self) -> Vec<NodeId> {
        let brokers = self.plan.brokers.iter().map(|b| NodeId::Broker(b.id));
        let clients = self.plan.producers.len() + self.plan.consumers.len();
        let clients = (0..u32::try_from(clients).unwrap()).map(|id| NodeId::Client(ClientId(id)));
        let controller = NodeId::Controller(ControllerId(3000));
        brokers.chain([controller]).chain(clients).collect()
    }

    fn node(&mut self) -> NodeId {
        let all = self.everybody();
        self.pick(&all)
    }

    fn partition(&mut self) -> TopicPartition {
        if self.plan.topics.len() > 1 && self.coin() {
            let number = i32::try_from(self.below(2)).unwrap();
            return TopicPartition::new("a.b", number);
        }
        TopicPartition::new("orders", 0)
    }

    /// A partition whose replicas the file says.
    fn placed(&self) -> TopicPartition {
        TopicPartition::new("orders", 0)
    }

    fn target(&mut self, servers: bool) -> Target {
        let partition = self.partition();
        match self.below(9) {
            0 => Target::Leader(partition),
            1 => Target::Followers(partition),
            2 => Target::LastInIsr(partition),
            3 => Target::OutOfIsr(partition),
            4 => Target::Controller,
            5 if !servers => Target::Node(self.node()),
            _ => Target::Node(NodeId::Broker(self.broker())),
        }
    }

    /// Some of them, each once.
    fn group(&mut self, servers: bool) -> Vec<Target> {
        let mut group = Vec::new();
        for _ in 0..=self.below(3) {
            let target = self.target(servers);
            if !group.contains(&target) {
                group.push(target);
            }
        }
        group
    }

    /// New values, numbered or not.
    fn values(&mut self) -> Vec<String> {
        let count = self.sent.len();
        let prefix = self.pick(&["v", "say \"\\", "n-", "", "w{n}"]);
        let values = (0..=self.below(3)).map(|n| format!("{prefix}{}", 1_000 * count + n));
        let values: Vec<String> = values.collect();
        self.sent.extend(values.clone());
        values
    }

    fn send(&mut self, values: Vec<String>) -> Action {
        let partition = self.partition();
        let producers: Vec<String> = self.plan.producers.iter().map(|p| p.name.clone()).collect();
        Action::Send {
            producer: self.pick(&producers),
            topic: partition.topic.clone(),
            partition: self.coin().then_some(partition.partition),
            key: self.coin().then(|| "key".to_owned()),
            values,
        }
    }

    /// Sends in a row, as a workload makes them; a shrinker may have taken some out.
    fn workload(&mut self) {
        for name in ["w1", "load"].into_iter().take(self.below(3)) {
            let burst = self.pick(&[1, 1, 3]);
            let keys = self.pick(&[0, 0, 3, 1_000]);
            let (every, jitter) = (self.ms() / 60, self.coin());
            let mut ms = self.ms();
            let mut n = 0;
            for place in 0..=self.below(40) {
                let values: Vec<String> = (0..burst).map(|i| format!("{name}-{}", n + i)).collect();
                n += burst;
                if self.random.chance(1, 20) {
                    continue;
                }
                ms += every;
                let later = if jitter {
                    self.random.below(every + 1)
                } else {
                    0
                };
                self.sent.extend(values.clone());
                self.plan.timeline.push(Step {
                    when: When::After { ms: ms + later },
                    action: Some(Action::Send {
                        producer: "p1".to_owned(),
                        topic: "orders".into(),
                        partition: None,
                        key: (keys > 0).then(|| format!("k{}", place % keys)),
                        values,
                    }),
                    for_ms: None,
                    may_miss: false,
                });
            }
        }
    }

    fn step(&mut self) -> Step {
        let acts = self.random.chance(9, 10);
        let when = match self.below(4) {
            0 if acts => When::Now,
            1 => When::Until {
                condition: self.condition(2),
                within_ms: self.pick(&[300_000, 12_345]),
            },
            _ => When::After { ms: self.ms() },
        };
        let (action, for_ms) = self.action();
        // What such a step would have sent is sent by nobody.
        if let (false, Action::Send { values, .. }) = (acts, &action) {
            self.sent.retain(|sent| !values.contains(sent));
        }
        Step {
            when,
            action: acts.then_some(action),
            for_ms: for_ms.filter(|_| acts),
            may_miss: self.random.chance(1, 5),
        }
    }

    fn beside(&mut self, action: Action) -> Step {
        let when = match self.below(5) {
            0 => When::Now,
            1 => When::At { ms: self.ms() },
            2 if !self.sent.is_empty() => When::Until {
                condition: self.condition(1),
                within_ms: 300_000,
            },
            _ => When::After { ms: self.ms() },
        };
        Step {
            when,
            action: Some(action),
            for_ms: None,
            may_miss: false,
        }
    }

    fn some_values(&mut self) -> Vec<String> {
        let all = self.sent.clone();
        if self.coin() {
            return all.into_iter().filter(|v| v.starts_with("w1")).collect();
        }
        vec![self.pick(&all)]
    }

    fn condition(&mut self, depth: usize) -> Condition {
        let values = if self.sent.is_empty() {
            Vec::new()
        } else {
            self.some_values()
        };
        let kind = self.below(13);
        if values.is_empty() && (5..=7).contains(&kind) {
            return Condition::Quiet { ms: self.ms() };
        }
        let broker = self.broker();
        let replica = BrokerId(1 + i32::try_from(self.below(3)).unwrap());
        let partition = self.partition();
        match kind {
            0 => Condition::Isr {
                partition: self.placed(),
                is: vec![BrokerId(1), BrokerId(3)],
            },
            1 => Condition::IsrAtMost {
                partition,
                members: self.below(3),
            },
            2 => Condition::Leader {
                partition: self.placed(),
                is: self.coin().then_some(replica),
            },
            3 => Condition::LogEnd {
                partition: self.placed(),
                broker: replica,
                at_least: Offset(3),
            },
            4 => Condition::HighWatermark {
                partition: self.placed(),
                broker: replica,
                at_least: Offset(0),
            },
            5 => Condition::Acknowledged { values },
            6 => Condition::Ended { values },
            7 => Condition::Consumed {
                consumer: "reader".to_owned(),
                values,
            },
            8 => Condition::Broker {
                broker,
                is: self.pick(&[
                    BrokerStatus::Down,
                    BrokerStatus::Fenced,
                    BrokerStatus::Unfenced,
                ]),
            },
            9 => Condition::InSync { partition },
            10 if depth > 0 => Condition::All(self.conditions(depth - 1)),
            11 if depth > 0 => Condition::Any(self.conditions(depth - 1)),
            _ => Condition::Quiet { ms: self.ms() },
        }
    }

    fn conditions(&mut self, depth: usize) -> Vec<Condition> {
        (0..=self.below(2)).map(|_| self.condition(depth)).collect()
    }

    /// An action, and how long it lasts.
    fn action(&mut self) -> (Action, Option<u64>) {
        let lasts = if self.coin() { Some(self.ms()) } else { None };
        let kinds = [StopKind::Kill, StopKind::PowerLoss, StopKind::Shutdown];
        let action = match self.below(13) {
            0 => Action::Stop {
                nodes: self.group(false),
                how: self.pick(&kinds),
            },
            1 => Action::Pause {
                nodes: self.group(false),
            },
            2..=4 => self.link(),
            5 | 6 => self.disk(),
            7 => Action::Clock {
                nodes: self.group(false),
                fault: ClockFault {
                    jump_ms: self.pick(&[0, -5_000, 1_234]),
                    drift_ppm: self.pick(&[0, 100, -7]),
                },
            },
            _ => return (self.instant(), None),
        };
        let stalls = matches!(
            action,
            Action::Disk {
                fault: DiskFault::Stall,
                ..
            }
        );
        let lasts = lasts.or(stalls.then_some(1_000));
        let lasts = lasts.filter(|_| action.can_last());
        (action, lasts)
    }

    /// An action that does not last.
    fn instant(&mut self) -> Action {
        match self.below(11) {
            0 => Action::Heal,
            10 => Action::AddPartitions {
                topic: "orders".into(),
                count: 3,
                replicas: self.coin().then(|| vec![self.replicas()]),
            },
            7 => Action::DeleteTopic {
                topic: "orders".into(),
            },
            8 => Action::CreateTopic {
                topic: "orders".into(),
                replicas: self.coin().then(|| vec![self.replicas(); 2]),
            },
            9 => Action::Reassign {
                partition: self.partition(),
                replicas: self.coin().then(|| self.replicas()),
            },
            1 => Action::AlterConfig {
                changes: self.changes(),
            },
            2 => Action::ElectLeaders {
                election: self.pick(&[ElectionType::Preferred, ElectionType::Unclean]),
                partitions: vec![self.partition()],
            },
            3 => Action::Assign {
                consumer: "reader".to_owned(),
                partitions: vec![self.partition()],
            },
            4 => Action::Start {
                nodes: self.group(false),
            },
            5 => Action::Resume {
                nodes: self.group(false),
            },
            _ => {
                let values = self.values();
                self.send(values)
            }
        }
    }

    fn changes(&mut self) -> Vec<ConfigChange> {
        let change = |dice: &mut Self| ConfigChange {
            resource: if dice.coin() {
                ConfigResource::Cluster
            } else {
                ConfigResource::Topic("orders".into())
            },
            key: dice
                .pick(&["min.insync.replicas", "flush.messages"])
                .to_owned(),
            value: dice.coin().then(|| "2".to_owned()),
        };
        (0..=self.below(4)).map(|_| change(self)).collect()
    }

    fn link(&mut self) -> Action {
        let mut from = self.group(false);
        let mut to = self.group(false);
        to.retain(|target| !from.contains(target));
        if to.is_empty() || self.coin() {
            to = vec![Target::Rest];
        }
        if self.coin() {
            std::mem::swap(&mut from, &mut to);
        }
        let (min_us, more) = (self.random.below(5_000), self.random.below(5_000));
        let fault = match self.below(6) {
            0 | 1 => LinkFault::Cut,
            2 => LinkFault::Delay(Latency::Fixed { us: min_us }),
            3 => LinkFault::Delay(if self.coin() {
                let max_us = min_us + more;
                Latency::Uniform { min_us, max_us }
            } else {
                let mean_us = more;
                Latency::Exponential { min_us, mean_us }
            }),
            4 => LinkFault::Lose {
                per_mille: self.pick(&[1, 10, 55, 1_000]),
                reset: self.coin(),
            },
            _ => LinkFault::Throttle {
                bytes_per_ms: 1 + min_us,
            },
        };
        Action::Link {
            from,
            to,
            one_way: self.coin(),
            api: self.pick(&[vec![], vec![Api::ALL[0]], vec![Api::ALL[1], Api::ALL[0]]]),
            fault,
        }
    }

    fn disk(&mut self) -> Action {
        let fault = match self.below(8) {
            0 => DiskFault::Slow { times: 10 },
            1 => DiskFault::Stall,
            2 => DiskFault::Fail {
                calls: vec![DiskCall::Write, DiskCall::Read, DiskCall::Flush],
            },
            3 => DiskFault::Full,
            4 => DiskFault::LyingFlush,
            5 => DiskFault::TornWrite,
            6 => DiskFault::BitRot {
                file: self.coin().then(|| "data/x".to_owned()),
                position: self.coin().then_some(17),
            },
            _ => DiskFault::Wipe,
        };
        Action::Disk {
            nodes: self.group(true),
            directory: self.coin().then(|| "data".to_owned()),
            fault,
        }
    }
}
