//! A small language for hand-made records: tests tell what happened, one call per happening, and get
//! the plan and the record that a trial would have left.
//!
//! The cluster of every story: brokers 0, 1 and 2, a controller, a producer `app` (client 0), a
//! consumer `reader` (client 1), and one partition `orders-0` with replicas [0, 1, 2].

use crate::history::{EndReason, Entry, FinalLog, FinalRecord, Header, Record, What};
use crate::plan::{
    Action, BrokerPlan, ConsumerPlan, ControllerPlan, DiskPlan, NetworkPlan, PLAN_VERSION, Plan,
    ProducerPlan, Step, StopKind, Target, When,
};
use ktrial_core::event::{
    Candidate, ElectionRule, PolledRecord, ResetCause, SendOutcome, TruncationCause,
};
use ktrial_core::message::{LeaderRecoveryState, NewTopic, Placement};
use ktrial_core::metadata::{
    BrokerRegistrationChangeRecord, LeaderChange, MetadataRecord, PartitionChangeRecord,
    PartitionRecord, RegisterBrokerRecord, TopicRecord,
};
use ktrial_core::{
    BrokerEpoch, BrokerId, ClientId, ControllerId, EpochOffset, Event, Incarnation, LeaderEpoch,
    NodeId, Offset, OperationId, PartitionEpoch, Rules, Settings, Timestamp, TopicId,
    TopicPartition,
};
use std::collections::BTreeMap;

/// The story's partition.
pub(crate) fn orders() -> TopicPartition {
    TopicPartition::new("orders", 0)
}

pub(crate) fn brokers(ids: &[i32]) -> Vec<BrokerId> {
    ids.iter().map(|id| BrokerId(*id)).collect()
}

/// A change of `orders-0` that changes nothing yet.
pub(crate) fn change() -> PartitionChangeRecord {
    PartitionChangeRecord {
        topic_id: TopicId(7),
        partition: 0,
        isr: None,
        leader: LeaderChange::Unchanged,
        leader_recovery_state: None,
        elr: None,
        last_known_elr: None,
        replicas: None,
        removing: None,
        adding: None,
        directories: None,
    }
}

/// The checksum that a batch with these values has.
fn crc(value: &str) -> u32 {
    value.bytes().fold(17, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    })
}

#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) plan: Plan,
    pub(crate) entries: Vec<Entry>,
    now: Timestamp,
    metadata_offset: Offset,
    /// The ISR and the partition epoch that the controller has written.
    committed_isr: Vec<BrokerId>,
    partition_epoch: PartitionEpoch,
    /// Who last began to lead.
    leader: i32,
    values: BTreeMap<String, OperationId>,
    starts: BTreeMap<i32, u32>,
}

impl Story {
    /// Before anything has happened.
    pub(crate) fn empty() -> Self {
        Self {
            plan: plan(),
            entries: Vec::new(),
            now: Timestamp::ZERO,
            metadata_offset: Offset::ZERO,
            committed_isr: Vec::new(),
            partition_epoch: PartitionEpoch(0),
            leader: 0,
            values: BTreeMap::new(),
            starts: BTreeMap::new(),
        }
    }

    /// The cluster is up; broker 0 leads in epoch 0, the ISR is full, the logs are empty.
    pub(crate) fn new() -> Self {
        let mut story = Self::empty();
        for id in 0..3 {
            story.process_started(id).register(id).unfence(id);
        }
        story.write(MetadataRecord::Topic(TopicRecord {
            topic: "orders".into(),
            topic_id: TopicId(7),
        }));
        story.write(MetadataRecord::Partition(PartitionRecord {
            topic_id: TopicId(7),
            partition: 0,
            replicas: brokers(&[0, 1, 2]),
            isr: brokers(&[0, 1, 2]),
            leader: Some(BrokerId(0)),
            leader_recovery_state: LeaderRecoveryState::Recovered,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(0),
            elr: Vec::new(),
            last_known_elr: Vec::new(),
            removing: Vec::new(),
            adding: Vec::new(),
            directories: Vec::new(),
        }));
        for id in 0..3 {
            story.loaded(id, 0, 0);
        }
        story.leads(0, 0, 0).follows(1, 0, 0).follows(2, 0, 0);
        story
    }

    /// A topic setting of the plan.
    pub(crate) fn topic_setting(mut self, key: &str, value: &str) -> Self {
        self.plan.topic_defaults.insert(key.into(), value.into());
        self
    }

    /// A setting of the producer.
    pub(crate) fn producer_setting(mut self, key: &str, value: &str) -> Self {
        self.plan.producers[0]
            .config
            .insert(key.into(), value.into());
        self
    }

    /// A step that the plan has; it happens only if the story tells so.
    pub(crate) fn step(mut self, action: Action) -> Self {
        self.plan.steps.push(Step {
            when: When::Now,
            action: Some(action),
            for_ms: None,
            may_miss: false,
        });
        self
    }

    /// The plan stops these brokers so.
    pub(crate) fn plans_stop(self, ids: &[i32], how: StopKind) -> Self {
        let nodes = ids.iter().map(|id| NodeId::Broker(BrokerId(*id)));
        let nodes = nodes.map(Target::Node).collect();
        self.step(Action::Stop { nodes, how })
    }

    /// The story with something more.
    pub(crate) fn also(mut self, more: impl FnOnce(&mut Self) -> &mut Self) -> Self {
        more(&mut self);
        self
    }

    /// It is this time now.
    pub(crate) fn at(&mut self, millis: u64) -> &mut Self {
        self.now = Timestamp::from_millis(millis);
        self
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn entry(&mut self, node: Option<NodeId>, what: What) -> &mut Self {
        self.entries.push(Entry {
            at: self.now,
            node,
            what,
        });
        self
    }

    pub(crate) fn world(&mut self, what: What) -> &mut Self {
        self.entry(None, what)
    }

    /// A broker reports.
    pub(crate) fn broker(&mut self, id: i32, event: Event) -> &mut Self {
        self.entry(Some(NodeId::Broker(BrokerId(id))), What::Event(event))
    }

    /// The producer (0) or the consumer (1) reports.
    pub(crate) fn client(&mut self, id: u32, event: Event) -> &mut Self {
        self.entry(Some(NodeId::Client(ClientId(id))), What::Event(event))
    }

    pub(crate) fn controller(&mut self, event: Event) -> &mut Self {
        let node = NodeId::Controller(ControllerId(3000));
        self.entry(Some(node), What::Event(event))
    }

    pub(crate) fn write(&mut self, record: MetadataRecord) -> &mut Self {
        let offset = self.metadata_offset;
        self.metadata_offset = offset.next();
        match &record {
            MetadataRecord::Partition(partition) => self.committed_isr.clone_from(&partition.isr),
            MetadataRecord::PartitionChange(change) => {
                self.partition_epoch = self.partition_epoch.next();
                if let Some(isr) = &change.isr {
                    self.committed_isr.clone_from(isr);
                }
            }
            _ => {}
        }
        self.controller(Event::MetadataWritten {
            offset,
            record: Box::new(record),
        })
    }

    pub(crate) fn write_change(&mut self, change: PartitionChangeRecord) -> &mut Self {
        self.write(MetadataRecord::PartitionChange(change))
    }

    /// The controller writes another ISR; if it has new members, because the leader wished it.
    pub(crate) fn isr(&mut self, isr: &[i32]) -> &mut Self {
        let (from, to) = (self.committed_isr.clone(), brokers(isr));
        let grows = to.iter().any(|id| !from.contains(id));
        let (leader, partition) = (self.leader, orders());
        if grows {
            let to = to.clone();
            self.broker(
                leader,
                Event::IsrProposed {
                    partition,
                    from,
                    to,
                },
            );
        }
        self.isr_alone(isr);
        if grows {
            let (partition, partition_epoch) = (orders(), self.partition_epoch);
            let adopted = Event::IsrAdopted {
                partition,
                isr: to,
                partition_epoch,
            };
            self.broker(leader, adopted);
        }
        self
    }

    /// The controller writes another ISR, and nobody has asked it to.
    pub(crate) fn isr_alone(&mut self, isr: &[i32]) -> &mut Self {
        self.write_change(PartitionChangeRecord {
            isr: Some(brokers(isr)),
            ..change()
        })
    }

    // Processes and registrations.

    pub(crate) fn process_started(&mut self, id: i32) -> &mut Self {
        *self.starts.entry(id).or_default() += 1;
        self.entry(Some(NodeId::Broker(BrokerId(id))), What::ProcessStarted)
    }

    pub(crate) fn register(&mut self, id: i32) -> &mut Self {
        let broker_epoch = BrokerEpoch(self.metadata_offset.0);
        let incarnation = Incarnation(self.starts.get(&id).copied().unwrap_or(0));
        self.write(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker: BrokerId(id),
            incarnation,
            broker_epoch,
            fenced: true,
            in_controlled_shutdown: false,
            rack: None,
            log_dirs: Vec::new(),
        }))
    }

    fn registration(&mut self, id: i32, fenced: bool) -> &mut Self {
        self.write(MetadataRecord::BrokerRegistrationChange(
            BrokerRegistrationChangeRecord {
                broker: BrokerId(id),
                broker_epoch: BrokerEpoch(0),
                fenced: Some(fenced),
                in_controlled_shutdown: None,
                log_dirs: None,
            },
        ))
    }

    pub(crate) fn fence(&mut self, id: i32) -> &mut Self {
        self.registration(id, true)
    }

    pub(crate) fn unfence(&mut self, id: i32) -> &mut Self {
        self.registration(id, false)
    }

    pub(crate) fn stop(&mut self, id: i32, how: StopKind) -> &mut Self {
        let node = Some(NodeId::Broker(BrokerId(id)));
        self.entry(
            node,
            What::ProcessStopped {
                how: Some(how),
                bytes_lost: 0,
            },
        )
    }

    /// A broker comes back with a log that ends here, and registers.
    pub(crate) fn back(&mut self, id: i32, end: i64, high_watermark: i64) -> &mut Self {
        self.process_started(id)
            .loaded(id, end, high_watermark)
            .register(id)
            .unfence(id)
    }

    // Replicas.

    pub(crate) fn loaded(&mut self, id: i32, end: i64, high_watermark: i64) -> &mut Self {
        self.broker(
            id,
            Event::LogLoaded {
                partition: orders(),
                log_start_offset: Offset::ZERO,
                log_end_offset: Offset(end),
                high_watermark: Offset(high_watermark),
                leader_epochs: Vec::new(),
                truncated_bytes: 0,
            },
        )
    }

    /// A broker begins to lead, with the ISR that the controller has written.
    pub(crate) fn leads(&mut self, id: i32, epoch: i32, start: i64) -> &mut Self {
        let isr = self.committed_isr.clone();
        self.leader = id;
        self.broker(
            id,
            Event::BecameLeader {
                partition: orders(),
                leader_epoch: LeaderEpoch(epoch),
                start_offset: Offset(start),
                isr,
            },
        )
    }

    pub(crate) fn follows(&mut self, id: i32, epoch: i32, leader: i32) -> &mut Self {
        self.broker(
            id,
            Event::BecameFollower {
                partition: orders(),
                leader_epoch: LeaderEpoch(epoch),
                leader: Some(BrokerId(leader)),
            },
        )
    }

    pub(crate) fn append(&mut self, id: i32, offset: i64, epoch: i32, value: &str) -> &mut Self {
        self.broker(
            id,
            Event::Appended {
                partition: orders(),
                base_offset: Offset(offset),
                last_offset: Offset(offset),
                leader_epoch: LeaderEpoch(epoch),
                crc: crc(value),
            },
        )
    }

    pub(crate) fn truncate(&mut self, id: i32, from: i64, to: i64) -> &mut Self {
        let cause = TruncationCause::DivergingEpoch(EpochOffset::new(LeaderEpoch(0), Offset(to)));
        self.broker(
            id,
            Event::Truncated {
                partition: orders(),
                from: Offset(from),
                to: Offset(to),
                cause,
            },
        )
    }

    pub(crate) fn high_watermark(&mut self, id: i32, offset: i64) -> &mut Self {
        self.broker(
            id,
            Event::HighWatermark {
                partition: orders(),
                offset: Offset(offset),
            },
        )
    }

    pub(crate) fn flushed(&mut self, id: i32, offset: i64) -> &mut Self {
        self.broker(
            id,
            Event::Flushed {
                partition: orders(),
                recovery_point: Offset(offset),
            },
        )
    }

    pub(crate) fn elected(
        &mut self,
        leader: Option<i32>,
        rule: ElectionRule,
        candidates: Vec<Candidate>,
    ) -> &mut Self {
        self.controller(Event::Elected {
            partition: orders(),
            leader: leader.map(BrokerId),
            rule,
            candidates,
        })
    }

    // Clients.

    pub(crate) fn send(&mut self, value: &str) -> &mut Self {
        let operation = OperationId(self.values.len() as u64);
        self.values.insert(value.to_owned(), operation);
        self.client(
            0,
            Event::SendStarted {
                operation,
                topic: "orders".into(),
                partition: Some(0),
                value: value.to_owned(),
            },
        )
    }

    pub(crate) fn ended(&mut self, value: &str, outcome: SendOutcome) -> &mut Self {
        let operation = self.values[value];
        self.client(
            0,
            Event::SendEnded {
                operation,
                partition: Some(orders()),
                outcome,
            },
        )
    }

    pub(crate) fn acknowledged(&mut self, value: &str, offset: i64) -> &mut Self {
        let offset = Some(Offset(offset));
        self.ended(value, SendOutcome::Acknowledged { offset })
    }

    /// A value is sent, appended by these brokers (the first leads), committed and acknowledged.
    pub(crate) fn written(
        &mut self,
        value: &str,
        offset: i64,
        epoch: i32,
        ids: &[i32],
    ) -> &mut Self {
        self.send(value);
        for id in ids {
            self.append(*id, offset, epoch, value);
        }
        for id in ids {
            self.high_watermark(*id, offset + 1);
        }
        self.acknowledged(value, offset)
    }

    pub(crate) fn polled(&mut self, records: &[(i64, i32, &str)]) -> &mut Self {
        let records = records.iter().map(|(offset, epoch, value)| PolledRecord {
            partition: orders(),
            offset: Offset(*offset),
            leader_epoch: LeaderEpoch(*epoch),
            value: (*value).to_owned(),
        });
        let records = records.collect();
        self.client(1, Event::Polled { records })
    }

    pub(crate) fn position_reset(&mut self, to: i64, cause: ResetCause) -> &mut Self {
        self.client(
            1,
            Event::PositionReset {
                partition: orders(),
                from: None,
                to: Some(Offset(to)),
                cause,
            },
        )
    }

    // The end.

    pub(crate) fn final_log(&mut self, id: i32, records: &[(i64, i32, &str)]) -> &mut Self {
        let list = records.iter().map(|(offset, epoch, value)| FinalRecord {
            offset: Offset(*offset),
            epoch: LeaderEpoch(*epoch),
            value: (*value).to_owned(),
        });
        let mut leader_epochs: Vec<EpochOffset> = Vec::new();
        for (offset, epoch, _) in records {
            if leader_epochs
                .last()
                .is_none_or(|last| last.epoch.0 < *epoch)
            {
                leader_epochs.push(EpochOffset::new(LeaderEpoch(*epoch), Offset(*offset)));
            }
        }
        let log = FinalLog {
            partition: orders(),
            broker: BrokerId(id),
            records: list.collect(),
            leader_epochs,
            damage: None,
        };
        self.world(What::FinalLog(Box::new(log)))
    }

    pub(crate) fn end(&mut self, reason: EndReason) -> &mut Self {
        self.world(What::StepsDone).world(What::Ended { reason })
    }

    pub(crate) fn record(&self) -> Record {
        let reader = NodeId::Client(ClientId(1));
        Record {
            header: Header {
                version: crate::history::RECORD_VERSION,
                scenario: self.plan.scenario.clone(),
                seed: self.plan.seed,
                cell: self.plan.cell.clone(),
                clients: BTreeMap::from([
                    (NodeId::Client(ClientId(0)), "app".to_owned()),
                    (reader, "reader".to_owned()),
                ]),
                real: None,
            },
            entries: self.entries.clone(),
        }
    }
}

fn plan() -> Plan {
    let broker = |id| BrokerPlan {
        id: BrokerId(id),
        config: Settings::new(),
    };
    Plan {
        version: PLAN_VERSION,
        scenario: "story".to_owned(),
        title: "A story".to_owned(),
        seed: 1,
        cell: BTreeMap::new(),
        release: ktrial_core::rules::NEWEST.to_owned(),
        rules: Rules::default(),
        zookeeper: None,
        controllers: vec![ControllerPlan {
            id: ControllerId(3000),
            config: Settings::new(),
        }],
        brokers: (0..3).map(broker).collect(),
        topic_defaults: Settings::new(),
        topics: vec![NewTopic {
            topic: "orders".into(),
            placement: Placement::Manual(vec![brokers(&[0, 1, 2])]),
            configs: Settings::new(),
        }],
        producers: vec![ProducerPlan {
            name: "app".to_owned(),
            config: Settings::new(),
        }],
        consumers: vec![ConsumerPlan {
            name: "reader".to_owned(),
            config: Settings::from([("auto.offset.reset".to_owned(), "earliest".to_owned())]),
            assign: vec![orders()],
        }],
        network: NetworkPlan::default(),
        disk: DiskPlan::default(),
        clocks: BTreeMap::new(),
        steps: Vec::new(),
        timeline: Vec::new(),
        recovery: None,
        settle_ms: 30_000,
        time_limit_ms: 600_000,
        record_limit: None,
        record_messages: false,
    }
}
