//! A controller on a disk in memory, with brokers that only register, send heartbeats and propose ISRs.

mod disk;
mod metadata_log;
mod properties;
mod requests;
mod rules;
mod story;
mod text;

use self::disk::Disk;
use self::text::text;
use super::*;
use crate::config::Config;
use crate::id::{
    BrokerId, ConnectionId, CorrelationId, NodeId, TopicId, TopicIdPartition, TopicPartition,
};
use crate::message::*;
use crate::metadata::PartitionRegistration;
use crate::offset::BrokerEpoch;
use crate::time::WallClock;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Clone, Copy, Debug, Default)]
struct Process {
    starts: u32,
    epoch: BrokerEpoch,
    alive: bool,
}

struct Rig {
    controller: Controller,
    disk: Disk,
    start: ControllerStart,
    now: Now,
    correlation: u32,
    responses: BTreeMap<CorrelationId, Response>,
    events: Vec<Event>,
    exited: bool,
    brokers: BTreeMap<i32, Process>,
}

const HEARTBEAT: Duration = Duration::from_millis(500);

impl Rig {
    fn new(rules: Rules) -> Self {
        Self::with(rules, &[("broker.session.timeout.ms", "3000")], &[])
    }

    fn with(rules: Rules, settings: &[(&str, &str)], topic_defaults: &[(&str, &str)]) -> Self {
        let mut config = ControllerConfig::default();
        for (key, value) in settings {
            config.set(key, value).unwrap();
        }
        let mut defaults = TopicConfig::default();
        for (key, value) in topic_defaults {
            defaults.set(key, value).unwrap();
        }
        let start = ControllerStart {
            id: ControllerId(3000),
            incarnation: Incarnation(0),
            config,
            topic_defaults: defaults,
            rules,
            controllers: vec![ControllerId(3000)],
            random: Random::stream(1, "controller"),
        };
        let disk = Disk::default();
        let now = Now {
            monotonic: Timestamp::ZERO,
            wall: WallClock(1_000),
        };
        let mut out = Effects::new();
        let controller =
            Controller::start(start.clone(), Box::new(disk.clone()), now, &mut out).unwrap();
        let mut rig = Self {
            controller,
            disk,
            start,
            now,
            correlation: 0,
            responses: BTreeMap::new(),
            events: Vec::new(),
            exited: false,
            brokers: BTreeMap::new(),
        };
        rig.take(&mut out);
        rig
    }

    fn restart(&mut self) {
        let mut out = Effects::new();
        self.disk.files.borrow_mut().power_loss();
        let disk = Box::new(self.disk.clone());
        self.controller = Controller::start(self.start.clone(), disk, self.now, &mut out).unwrap();
        self.take(&mut out);
    }

    fn take(&mut self, out: &mut Effects) {
        for effect in out.drain() {
            match effect {
                Effect::Respond {
                    correlation,
                    response,
                    ..
                } => {
                    self.responses.insert(correlation, *response);
                }
                Effect::Observe(event) => self.events.push(event),
                Effect::Exit => self.exited = true,
                Effect::Close { .. } | Effect::Unanswered { .. } => {}
                Effect::Connect { .. } | Effect::Send { .. } => {
                    panic!("a controller sends nothing")
                }
            }
        }
    }

    fn input(&mut self, input: Input) {
        let mut out = Effects::new();
        self.controller.handle(self.now, input, &mut out);
        self.take(&mut out);
    }

    /// Sends a request, and does not wait.
    fn send(&mut self, from: NodeId, request: Request) -> CorrelationId {
        self.correlation += 1;
        let correlation = CorrelationId(self.correlation);
        let connection = ConnectionId {
            client: from,
            incarnation: Incarnation(0),
            number: 0,
        };
        self.input(Input::Request {
            connection,
            correlation,
            request: Box::new(request),
        });
        correlation
    }

    /// Lets time pass, without heartbeats.
    fn pass(&mut self, duration: Duration) {
        let end = self.now.monotonic + duration;
        while let Some(at) = self.controller.next_deadline().filter(|at| *at <= end) {
            self.now.monotonic = self.now.monotonic.max(at);
            self.input(Input::Timer(Lane::Main));
        }
        self.now.monotonic = end;
    }

    /// Sends a request and waits for the answer.
    fn ask(&mut self, from: NodeId, request: Request) -> Response {
        let correlation = self.send(from, request);
        if !self.responses.contains_key(&correlation) {
            self.pass(Duration::from_millis(25));
        }
        self.responses
            .remove(&correlation)
            .expect("an answer after the linger time")
    }

    /// Lets time pass, with the heartbeats of the brokers that live.
    fn wait(&mut self, duration: Duration) {
        let end = self.now.monotonic + duration;
        while self.now.monotonic < end {
            let live = self.brokers.iter().filter(|(_, process)| process.alive);
            let live: Vec<i32> = live.map(|(id, _)| *id).collect();
            for id in live {
                self.heartbeat(id, false, false);
            }
            self.pass(HEARTBEAT);
        }
    }

    fn register(&mut self, id: i32, clean: bool) -> BrokerRegistrationResponse {
        let process = self.brokers.entry(id).or_default();
        let previous = (clean && process.starts > 0).then_some(process.epoch);
        let request = BrokerRegistrationRequest {
            broker: BrokerId(id),
            incarnation: Incarnation(process.starts),
            previous_broker_epoch: previous,
            rack: None,
            log_dirs: Vec::new(),
        };
        let from = NodeId::Broker(BrokerId(id));
        let Response::BrokerRegistration(response) =
            self.ask(from, Request::BrokerRegistration(request))
        else {
            panic!("another answer")
        };
        if let Some(epoch) = response.broker_epoch {
            let process = self.brokers.entry(id).or_default();
            *process = Process {
                starts: process.starts + 1,
                epoch,
                alive: true,
            };
        }
        response
    }

    fn heartbeat(&mut self, id: i32, want_fence: bool, stop: bool) -> BrokerHeartbeatResponse {
        let applied = self.controller.log.high_watermark() + -1;
        let request = BrokerHeartbeatRequest {
            broker: BrokerId(id),
            broker_epoch: self.brokers[&id].epoch,
            current_metadata_offset: Some(applied),
            want_fence,
            want_shutdown: stop,
            offline_log_dirs: Vec::new(),
        };
        let from = NodeId::Broker(BrokerId(id));
        match self.ask(from, Request::BrokerHeartbeat(request)) {
            Response::BrokerHeartbeat(response) => response,
            _ => panic!("another answer"),
        }
    }

    /// Registers a broker and unfences it; waits for its old session to end if need be.
    fn start_broker(&mut self, id: i32, clean: bool) {
        while self.register(id, clean).error == ErrorCode::DuplicateBrokerRegistration {
            self.wait(HEARTBEAT);
        }
        assert!(!self.heartbeat(id, false, false).is_fenced);
    }

    /// Kills a broker and waits until it is fenced.
    fn kill(&mut self, id: i32) {
        self.brokers.get_mut(&id).unwrap().alive = false;
        self.wait(Duration::from_secs(5));
    }

    /// Stops a broker in order.
    fn stop(&mut self, id: i32) {
        self.brokers.get_mut(&id).unwrap().alive = false;
        while !self.heartbeat(id, false, true).should_shut_down {
            self.wait(HEARTBEAT);
        }
    }

    fn create(&mut self, topic: &str, replicas: &[i32], configs: &[(&str, &str)]) -> CreatedTopic {
        let replicas = replicas.iter().map(|id| BrokerId(*id)).collect();
        let new = NewTopic {
            topic: topic.into(),
            placement: Placement::Manual(vec![replicas]),
            configs: configs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        };
        self.create_topics(vec![new]).remove(0)
    }

    fn create_topics(&mut self, topics: Vec<NewTopic>) -> Vec<CreatedTopic> {
        let request = Request::CreateTopics(CreateTopicsRequest { topics });
        match self.ask(NodeId::Client(crate::id::ClientId(0)), request) {
            Response::CreateTopics(response) => response.topics,
            _ => panic!("another answer"),
        }
    }

    fn configure(
        &mut self,
        resource: ConfigResource,
        key: &str,
        value: Option<&str>,
    ) -> (ErrorCode, Option<String>) {
        let change = ConfigChange {
            resource,
            key: key.to_owned(),
            value: value.map(str::to_owned),
        };
        let request = IncrementalAlterConfigsRequest {
            changes: vec![change],
        };
        let request = Request::IncrementalAlterConfigs(request);
        match self.ask(NodeId::Client(crate::id::ClientId(0)), request) {
            Response::IncrementalAlterConfigs(mut response) => {
                let (_, error, message) = response.resources.remove(0);
                (error, message)
            }
            _ => panic!("another answer"),
        }
    }

    fn topic_id(&self, topic: &str) -> TopicId {
        self.controller.cluster.image.topic(topic).unwrap().topic_id
    }

    fn partition(&self, topic: &str) -> PartitionRegistration {
        let partition = TopicPartition::new(topic, 0);
        self.controller
            .cluster
            .image
            .partition(&partition)
            .unwrap()
            .clone()
    }

    /// The leader of `t-0` proposes an ISR, as a recovered one.
    fn propose(&mut self, isr: &[i32]) -> AlterPartitionOutcome {
        let state = self.partition("t");
        let leader = state.leader.unwrap();
        let epoch = |id: &i32| Some(self.brokers[id].epoch);
        let proposal = AlterPartitionProposal {
            partition: TopicIdPartition {
                topic_id: self.topic_id("t"),
                partition: TopicPartition::new("t", 0),
            },
            leader_epoch: state.leader_epoch,
            partition_epoch: state.partition_epoch,
            new_isr: isr.iter().map(|id| (BrokerId(*id), epoch(id))).collect(),
            leader_recovery_state: LeaderRecoveryState::Recovered,
        };
        let request = AlterPartitionRequest {
            broker: leader,
            broker_epoch: self.brokers[&leader.0].epoch,
            partitions: vec![proposal],
        };
        match self.ask(NodeId::Broker(leader), Request::AlterPartition(request)) {
            Response::AlterPartition(mut response) => response.partitions.remove(0),
            _ => panic!("another answer"),
        }
    }

    /// What was written since the last call, without NoOps.
    fn written(&mut self) -> Vec<String> {
        let written = self.events.iter().filter_map(|event| match event {
            Event::MetadataWritten { record, .. } => text(record),
            _ => None,
        });
        let written = written.collect();
        self.events.clear();
        written
    }
}
