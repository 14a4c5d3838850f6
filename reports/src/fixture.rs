//! A record as the flagship scenario would give it, written by hand: brokers 1, 2, 3 go down one
//! after the other and come back in the other order, under both settings of unclean leader election.

use crate::{Cell, Run};
use ktrial_core::event::{Candidate, ElectionRule, SendOutcome, TruncationCause};
use ktrial_core::message::{Api, LeaderRecoveryState, NewTopic, Placement};
use ktrial_core::metadata::*;
use ktrial_core::*;
use ktrial_sim::history::{EndReason, Entry, FinalLog, FinalRecord, Header, Record, What};
use ktrial_sim::plan::*;
use ktrial_sim::verdict::*;
use std::collections::BTreeMap;

const KEY: &str = "unclean.leader.election.enable";

pub(crate) fn orders() -> TopicPartition {
    TopicPartition::new("orders", 0)
}

pub(crate) fn run() -> Run {
    Run {
        scenario: "all-brokers-down".to_owned(),
        title: "All brokers go down, the last one to be in sync comes back last".to_owned(),
        why: "A record that was acknowledged is only as safe as the next leader. With unclean \
              leader election the first broker back leads, whatever it lacks; without it the \
              partition waits for the one that has everything."
            .to_owned(),
        seed: 7,
        cells: vec![cell(false), cell(true)],
    }
}

pub(crate) fn cell(unclean: bool) -> Cell {
    let record = record(unclean);
    let events = record.entries.len() as u64;
    Cell {
        plan: plan(unclean),
        verdict: if unclean {
            permitted(events)
        } else {
            kept(events)
        },
        record,
        unmet: Vec::new(),
    }
}

/// Sends and stores another value.
pub(crate) fn rename_value(record: &mut Record, from: &str, to: &str) {
    for entry in &mut record.entries {
        match &mut entry.what {
            What::Event(Event::SendStarted { value, .. }) if value == from => {
                *value = to.to_owned();
            }
            What::FinalLog(log) => {
                for record in log.records.iter_mut().filter(|r| r.value == from) {
                    record.value = to.to_owned();
                }
            }
            _ => {}
        }
    }
}

fn ids(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().map(|id| BrokerId(*id)).collect()
}

fn node(id: i32) -> NodeId {
    NodeId::Broker(BrokerId(id))
}

fn send(value: &str) -> Action {
    Action::Send {
        producer: "producer".to_owned(),
        topic: "orders".into(),
        partition: None,
        key: None,
        values: vec![value.to_owned()],
    }
}

fn stop(id: i32) -> Action {
    Action::Stop {
        nodes: vec![node(id)],
        how: StopKind::Kill,
    }
}

fn start(id: i32) -> Action {
    Action::Start {
        nodes: vec![node(id)],
    }
}

fn until(condition: Condition) -> When {
    When::Until {
        condition,
        within_ms: 60_000,
    }
}

fn acked(value: &str) -> When {
    until(Condition::Acknowledged {
        values: vec![value.to_owned()],
    })
}

fn isr(of: &[i32]) -> When {
    until(Condition::Isr {
        partition: orders(),
        is: ids(of),
    })
}

fn steps(unclean: bool) -> Vec<Step> {
    let leaderless = until(Condition::Leader {
        partition: orders(),
        is: None,
    });
    let steps = [
        (When::Now, send("A")),
        (acked("A"), stop(3)),
        (isr(&[1, 2]), send("B")),
        (acked("B"), stop(2)),
        (isr(&[1]), send("C")),
        (acked("C"), stop(1)),
        (leaderless, start(3)),
        (When::After { ms: 3_000 }, send("D")),
        (
            if unclean {
                acked("D")
            } else {
                When::After { ms: 12_000 }
            },
            start(2),
        ),
        (When::After { ms: 12_000 }, start(1)),
    ];
    let step = |(when, action)| Step {
        when,
        action: Some(action),
    };
    steps.into_iter().map(step).collect()
}

fn plan(unclean: bool) -> Plan {
    Plan {
        version: PLAN_VERSION,
        scenario: "all-brokers-down".to_owned(),
        title: "All brokers go down".to_owned(),
        seed: 7,
        cell: settings(unclean),
        release: "4.3".to_owned(),
        rules: Rules::default(),
        controllers: vec![ControllerPlan {
            id: ControllerId(3000),
            config: BTreeMap::new(),
        }],
        brokers: ids(&[1, 2, 3])
            .into_iter()
            .map(|id| BrokerPlan {
                id,
                config: BTreeMap::new(),
            })
            .collect(),
        topic_defaults: settings(unclean),
        topics: vec![NewTopic {
            topic: "orders".into(),
            placement: Placement::Manual(vec![ids(&[1, 2, 3])]),
            configs: BTreeMap::new(),
        }],
        producers: vec![ProducerPlan {
            name: "producer".to_owned(),
            config: BTreeMap::new(),
        }],
        consumers: Vec::new(),
        network: NetworkPlan::default(),
        disk: DiskPlan::default(),
        clocks: BTreeMap::new(),
        steps: steps(unclean),
        settle_ms: 5_000,
        time_limit_ms: 600_000,
        record_messages: false,
    }
}

fn settings(unclean: bool) -> BTreeMap<String, String> {
    [(KEY.to_owned(), unclean.to_string())].into()
}

/// Writes a record.
struct Tape {
    at: u64,
    epoch: i32,
    entries: Vec<Entry>,
}

impl Tape {
    fn at(&mut self, us: u64) -> &mut Self {
        self.at = us;
        self
    }

    fn push(&mut self, node: Option<NodeId>, what: What) -> &mut Self {
        let at = Timestamp(self.at);
        self.entries.push(Entry { at, node, what });
        self.at += 350;
        self
    }

    fn broker(&mut self, id: i32, event: Event) -> &mut Self {
        self.push(Some(node(id)), What::Event(event))
    }

    fn client(&mut self, event: Event) -> &mut Self {
        self.push(Some(NodeId::Client(ClientId(0))), What::Event(event))
    }

    fn controller(&mut self, event: Event) -> &mut Self {
        let id = NodeId::Controller(ControllerId(3000));
        self.push(Some(id), What::Event(event))
    }

    fn metadata(&mut self, record: MetadataRecord) -> &mut Self {
        let offset = Offset(self.entries.len() as i64);
        self.controller(Event::MetadataWritten { offset, record })
    }

    fn change(&mut self, change: PartitionChangeRecord) -> &mut Self {
        self.metadata(MetadataRecord::PartitionChange(change))
    }

    fn fence(&mut self, id: i32, fenced: bool) -> &mut Self {
        let change = BrokerRegistrationChangeRecord {
            broker: BrokerId(id),
            broker_epoch: BrokerEpoch(9),
            fenced: Some(fenced),
            in_controlled_shutdown: None,
        };
        self.metadata(MetadataRecord::BrokerRegistrationChange(change))
    }

    fn step(&mut self, steps: &[Step], index: usize) -> &mut Self {
        let action = steps[index].action.clone();
        self.push(None, What::Step { index, action })
    }

    fn append(&mut self, id: i32, offset: i64, epoch: i32) -> &mut Self {
        self.broker(
            id,
            Event::Appended {
                partition: orders(),
                base_offset: Offset(offset),
                last_offset: Offset(offset),
                leader_epoch: LeaderEpoch(epoch),
                crc: 17,
            },
        )
    }

    fn mark(&mut self, id: i32, offset: i64) -> &mut Self {
        self.broker(
            id,
            Event::HighWatermark {
                partition: orders(),
                offset: Offset(offset),
            },
        )
    }

    fn load(&mut self, id: i32, end: i64, mark: i64, epochs: &[(i32, i64)]) -> &mut Self {
        self.broker(
            id,
            Event::LogLoaded {
                partition: orders(),
                log_start_offset: Offset::ZERO,
                log_end_offset: Offset(end),
                high_watermark: Offset(mark),
                leader_epochs: epochs.iter().map(pair).collect(),
                truncated_bytes: 0,
            },
        )
    }

    fn begin_send(&mut self, operation: u64, value: &str) -> &mut Self {
        self.client(Event::SendStarted {
            operation: OperationId(operation),
            topic: "orders".into(),
            partition: None,
            value: value.to_owned(),
        })
    }

    fn ack(&mut self, operation: u64, offset: i64) -> &mut Self {
        self.client(Event::SendEnded {
            operation: OperationId(operation),
            partition: Some(orders()),
            outcome: SendOutcome::Acknowledged {
                offset: Some(Offset(offset)),
            },
        })
    }

    fn stopped(&mut self, id: i32) -> &mut Self {
        let how = Some(StopKind::Kill);
        let what = What::ProcessStopped { how, bytes_lost: 0 };
        self.push(Some(node(id)), what)
    }

    fn lead(&mut self, id: i32, start: i64, isr: &[i32]) -> &mut Self {
        self.broker(
            id,
            Event::BecameLeader {
                partition: orders(),
                leader_epoch: LeaderEpoch(self.epoch),
                start_offset: Offset(start),
                isr: ids(isr),
            },
        )
    }

    fn follow(&mut self, id: i32, leader: Option<i32>) -> &mut Self {
        self.broker(
            id,
            Event::BecameFollower {
                partition: orders(),
                leader_epoch: LeaderEpoch(self.epoch),
                leader: leader.map(BrokerId),
            },
        )
    }

    fn elected(&mut self, leader: Option<i32>, rule: ElectionRule, up: &[i32]) -> &mut Self {
        let in_elr = rule == ElectionRule::Unclean || rule == ElectionRule::Nobody;
        let candidates = ids(&[1, 2, 3]).into_iter().map(|broker| Candidate {
            broker,
            available: up.contains(&broker.0),
            in_isr: false,
            in_elr: in_elr && broker.0 == 1,
            last_known_leader: broker.0 == 1,
        });
        self.controller(Event::Elected {
            partition: orders(),
            leader: leader.map(BrokerId),
            rule,
            candidates: candidates.collect(),
        })
    }

    fn cut(&mut self, id: i32, from: i64, to: i64) -> &mut Self {
        let diverging = EpochOffset::new(LeaderEpoch(0), Offset(to));
        self.broker(
            3,
            Event::Diverged {
                partition: orders(),
                follower: BrokerId(id),
                fetched: EpochOffset::new(LeaderEpoch(0), Offset(from)),
                diverging,
            },
        )
        .broker(
            id,
            Event::Truncated {
                partition: orders(),
                from: Offset(from),
                to: Offset(to),
                cause: TruncationCause::DivergingEpoch(diverging),
            },
        )
        .mark(id, to)
    }

    fn propose(&mut self, leader: i32, from: &[i32], to: &[i32]) -> &mut Self {
        self.broker(
            leader,
            Event::IsrProposed {
                partition: orders(),
                from: ids(from),
                to: ids(to),
            },
        )
        .change(isr_change(to))
    }

    fn back(&mut self, steps: &[Step], index: usize, id: i32, end: i64, mark: i64) -> &mut Self {
        self.step(steps, index)
            .push(Some(node(id)), What::ProcessStarted)
            .broker(id, Event::BrokerStarted { clean: false })
            .load(id, end, mark, &[(0, 0)])
            .metadata(registered(id))
    }
}

fn pair(pair: &(i32, i64)) -> EpochOffset {
    EpochOffset::new(LeaderEpoch(pair.0), Offset(pair.1))
}

fn no_change() -> PartitionChangeRecord {
    PartitionChangeRecord {
        topic_id: TopicId(5),
        partition: 0,
        isr: None,
        leader: LeaderChange::Unchanged,
        leader_recovery_state: None,
        elr: None,
        last_known_elr: None,
    }
}

fn isr_change(isr: &[i32]) -> PartitionChangeRecord {
    PartitionChangeRecord {
        isr: Some(ids(isr)),
        ..no_change()
    }
}

fn registered(id: i32) -> MetadataRecord {
    MetadataRecord::RegisterBroker(RegisterBrokerRecord {
        broker: BrokerId(id),
        incarnation: Incarnation(0),
        broker_epoch: BrokerEpoch(9),
        fenced: true,
        in_controlled_shutdown: false,
    })
}

fn record(unclean: bool) -> Record {
    let mut tape = Tape {
        at: 0,
        epoch: 0,
        entries: Vec::new(),
    };
    let steps = steps(unclean);
    start_up(&mut tape);
    down(&mut tape, &steps);
    if unclean {
        back_unclean(&mut tape, &steps);
    } else {
        back_clean(&mut tape, &steps);
    }
    Record {
        header: Header {
            version: ktrial_sim::history::RECORD_VERSION,
            scenario: "all-brokers-down".to_owned(),
            seed: 7,
            cell: settings(unclean),
            clients: [(NodeId::Client(ClientId(0)), "producer".to_owned())].into(),
        },
        entries: tape.entries,
    }
}

fn start_up(tape: &mut Tape) {
    let controller = NodeId::Controller(ControllerId(3000));
    tape.push(Some(controller), What::ProcessStarted)
        .controller(Event::ControllerActivated {
            epoch: LeaderEpoch(1),
        });
    for id in 1..=3 {
        tape.push(Some(node(id)), What::ProcessStarted)
            .broker(id, Event::BrokerStarted { clean: false })
            .metadata(registered(id))
            .fence(id, false);
    }
    tape.at(62_000)
        .metadata(MetadataRecord::Topic(TopicRecord {
            topic: "orders".into(),
            topic_id: TopicId(5),
        }))
        .metadata(MetadataRecord::Partition(PartitionRecord {
            topic_id: TopicId(5),
            partition: 0,
            replicas: ids(&[1, 2, 3]),
            isr: ids(&[1, 2, 3]),
            leader: Some(BrokerId(1)),
            leader_recovery_state: LeaderRecoveryState::Recovered,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(0),
            elr: Vec::new(),
            last_known_elr: Vec::new(),
        }))
        .load(1, 0, 0, &[])
        .load(2, 0, 0, &[])
        .load(3, 0, 0, &[])
        .lead(1, 0, &[1, 2, 3])
        .follow(2, Some(1))
        .follow(3, Some(1));
}

/// A, B, C; brokers 3, 2, 1 go down.
fn down(tape: &mut Tape, steps: &[Step]) {
    tape.at(1_000_000).step(steps, 0).begin_send(0, "A");
    tape.append(1, 0, 0).append(2, 0, 0).append(3, 0, 0);
    tape.mark(1, 1).ack(0, 0).mark(2, 1).mark(3, 1);
    tape.step(steps, 1).stopped(3);
    tape.at(9_412_000)
        .change(isr_change(&[1, 2]))
        .fence(3, true);
    tape.step(steps, 2).begin_send(1, "B");
    tape.append(1, 1, 0).append(2, 1, 0);
    tape.mark(1, 2).ack(1, 1).mark(2, 2);
    tape.step(steps, 3).stopped(2);
    tape.at(18_037_000).change(isr_change(&[1])).fence(2, true);
    tape.step(steps, 4).begin_send(2, "C");
    tape.append(1, 2, 0).mark(1, 3).ack(2, 2);
    tape.step(steps, 5).stopped(1);
    tape.at(27_151_000)
        .elected(None, ElectionRule::Nobody, &[])
        .change(PartitionChangeRecord {
            isr: Some(Vec::new()),
            leader: LeaderChange::NoLeader,
            elr: Some(ids(&[1])),
            last_known_elr: Some(ids(&[1])),
            ..no_change()
        })
        .fence(1, true);
    tape.epoch = 2;
}

fn elect(leader: i32) -> PartitionChangeRecord {
    PartitionChangeRecord {
        isr: Some(ids(&[leader])),
        leader: LeaderChange::Leader(BrokerId(leader)),
        leader_recovery_state: Some(LeaderRecoveryState::Recovering),
        elr: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        ..no_change()
    }
}

/// Broker 3 leads at once; 2 and 1 lose what it lacks.
fn back_unclean(tape: &mut Tape, steps: &[Step]) {
    tape.at(27_400_000).back(steps, 6, 3, 1, 1);
    tape.elected(Some(3), ElectionRule::Unclean, &[3]);
    tape.change(elect(3)).fence(3, false).lead(3, 1, &[3]);
    tape.at(30_300_000).step(steps, 7).begin_send(3, "D");
    tape.client(Event::SendRetried {
        partition: orders(),
        records: 1,
        error: ErrorCode::NotLeaderOrFollower,
    });
    tape.append(3, 1, 2).mark(3, 2).ack(3, 1);
    tape.back(steps, 8, 2, 2, 2).fence(2, false);
    tape.follow(2, Some(3))
        .cut(2, 2, 1)
        .append(2, 1, 2)
        .mark(2, 2);
    tape.propose(3, &[3], &[3, 2]);
    tape.at(42_500_000).back(steps, 9, 1, 3, 3).fence(1, false);
    tape.follow(1, Some(3))
        .cut(1, 3, 1)
        .append(1, 1, 2)
        .mark(1, 2);
    tape.propose(3, &[3, 2], &[3, 2, 1]);
    tape.at(43_200_000);
    the_end(tape, &[(0, "A", 0), (1, "D", 2)], &[(0, 0), (2, 1)]);
}

/// Nobody leads until broker 1 is back.
fn back_clean(tape: &mut Tape, steps: &[Step]) {
    tape.back(steps, 6, 3, 1, 1).fence(3, false);
    tape.elected(None, ElectionRule::Nobody, &[3]);
    tape.at(30_300_000).step(steps, 7).begin_send(3, "D");
    for second in 31..=54 {
        tape.at(second * 1_000_000);
        tape.broker(
            3,
            Event::Refused {
                api: Api::Metadata,
                partition: Some(orders()),
                from: NodeId::Client(ClientId(0)),
                error: ErrorCode::LeaderNotAvailable,
            },
        );
        if second == 42 {
            tape.back(steps, 8, 2, 2, 2).fence(2, false);
            tape.elected(None, ElectionRule::Nobody, &[2, 3]);
        }
    }
    tape.back(steps, 9, 1, 3, 3);
    tape.change(PartitionChangeRecord {
        elr: Some(Vec::new()),
        ..no_change()
    });
    tape.fence(1, false);
    tape.elected(Some(1), ElectionRule::LastKnownLeader, &[1, 2, 3]);
    tape.change(elect(1)).lead(1, 3, &[1]);
    tape.append(1, 3, 2).mark(1, 4).ack(3, 3);
    tape.append(3, 1, 0)
        .append(3, 2, 0)
        .append(3, 3, 2)
        .mark(3, 4);
    tape.append(2, 2, 0).append(2, 3, 2).mark(2, 4);
    tape.propose(1, &[1], &[1, 3]);
    tape.propose(1, &[1, 3], &[1, 3, 2]);
    tape.at(55_900_000);
    let log = [(0, "A", 0), (1, "B", 0), (2, "C", 0), (3, "D", 2)];
    the_end(tape, &log, &[(0, 0), (2, 3)]);
}

fn the_end(tape: &mut Tape, log: &[(i64, &str, i32)], epochs: &[(i32, i64)]) {
    tape.push(None, What::StepsDone);
    tape.at += 500_000;
    tape.push(
        None,
        What::Ended {
            reason: EndReason::Converged,
        },
    );
    for broker in ids(&[1, 2, 3]) {
        let log = FinalLog {
            partition: orders(),
            broker,
            records: final_records(log),
            leader_epochs: epochs.iter().map(pair).collect(),
            damage: None,
        };
        tape.push(None, What::FinalLog(log));
    }
    tape.push(None, What::FinalPending { messages: 0 });
}

fn final_records(log: &[(i64, &str, i32)]) -> Vec<FinalRecord> {
    log.iter()
        .map(|(offset, value, epoch)| FinalRecord {
            offset: Offset(*offset),
            epoch: LeaderEpoch(*epoch),
            value: (*value).to_owned(),
        })
        .collect()
}

fn verdict(unclean: bool, log: &[(i64, &str, i32)], epochs: &[(i32, i64)]) -> Verdict {
    let all = || ids(&[1, 2, 3]).into_iter();
    Verdict {
        settings: settings(unclean),
        verdict: Class::Kept,
        summary: "Nothing was lost; orders-0 had no leader for 27.854 s, as it should.".to_owned(),
        promise: Promise {
            no_loss: true,
            no_duplicates: false,
            because: vec![
                "acks=all: a record is acknowledged once every member of the ISR has it."
                    .to_owned(),
                "enable.idempotence=false: a retry may write a record twice.".to_owned(),
            ],
        },
        acknowledged: 4,
        unknown: 0,
        failed: 0,
        lost: Vec::new(),
        duplicated: Vec::new(),
        unavailable: Vec::new(),
        logs: [(orders(), all().map(|id| (id, final_records(log))).collect())].into(),
        leader_epochs: [(orders(), all().map(|id| (id, epochs.to_vec())).collect())].into(),
        findings: Vec::new(),
        events: 0,
        simulated_ms: 43_700,
        digest: "9c1e5b2f00a47d18".to_owned(),
    }
}

fn outage(to_ms: u64, waiting_for: &[i32], why: &str) -> Outage {
    Outage {
        topic: "orders".into(),
        partition: 0,
        from_ms: 27_151,
        to_ms: Some(to_ms),
        waiting_for: ids(waiting_for),
        why: why.to_owned(),
    }
}

fn kept(events: u64) -> Verdict {
    let log = [(0, "A", 0), (1, "B", 0), (2, "C", 0), (3, "D", 2)];
    let why = "All members of the ISR were down; only broker 1 was known to have every record.";
    Verdict {
        unavailable: vec![outage(55_005, &[1], why)],
        events,
        simulated_ms: 56_400,
        ..verdict(false, &log, &[(0, 0), (2, 3)])
    }
}

fn permitted(events: u64) -> Verdict {
    let why = "All members of the ISR were down.";
    Verdict {
        verdict: Class::Permitted,
        summary: "2 acknowledged records are lost (B, C), as unclean leader election allows."
            .to_owned(),
        promise: Promise {
            no_loss: false,
            no_duplicates: false,
            because: vec![
                "unclean.leader.election.enable=true: a replica that lacks records may lead."
                    .to_owned(),
            ],
        },
        lost: vec![
            lost("B", 1, 9_414, &[1, 2], &[(30_303, 2, 2), (42_503, 1, 3)]),
            lost("C", 2, 18_039, &[1], &[(42_503, 1, 3)]),
        ],
        unavailable: vec![outage(27_402, &[1, 2, 3], why)],
        events,
        ..verdict(true, &[(0, "A", 0), (1, "D", 2)], &[(0, 0), (2, 1)])
    }
}

fn lost(value: &str, offset: i64, at_ms: u64, isr: &[i32], cuts: &[(u64, i32, i64)]) -> Lost {
    let isr = format!("{isr:?}");
    let link = |at_ms, what: String| Link { at_ms, what };
    let mut chain = vec![
        link(
            at_ms,
            format!(
                "{value} is acknowledged at offset {offset}: ISR {isr}, high watermark {}",
                offset + 1
            ),
        ),
        link(
            27_402,
            "broker 3, whose log ends at 1, becomes leader in epoch 2 by unclean election"
                .to_owned(),
        ),
    ];
    for (at, broker, from) in cuts {
        chain.push(link(
            *at,
            format!("broker {broker} truncates its log from {from} to 1 to follow broker 3"),
        ));
    }
    Lost {
        topic: "orders".into(),
        partition: 0,
        offset: Offset(offset),
        value: value.to_owned(),
        why: format!(
            "{value} was on {isr} only; broker 3, which never had it, was elected uncleanly, and the others cut it off to follow."
        ),
        chain,
        permitted: true,
    }
}
