//! Whole clusters: files of real brokers, and a simulated controller's log in our own writing.

use super::super::{MetadataSource, Sources, Watch};
use super::Scratch;
use ktrial_core::metadata::{LeaderChange, MetadataRecord, codec};
use ktrial_core::record::BatchBuilder;
use ktrial_core::{
    BrokerId, ControllerId, Event, LeaderEpoch, NodeId, Offset, Timestamp, WallClock,
};
use ktrial_sim::history::{Entry, What};
use ktrial_sim::plan::Plan;
use ktrial_sim::view::View;
use std::collections::BTreeMap;

const KRAFT: &[u8] = include_bytes!("../testdata/kafka-4.3.1-metadata.log");
const ZOOKEEPER: &[u8] = include_bytes!("../testdata/kafka-0.10.2.2-zookeeper.log");
const OLD_SEGMENT: &[u8] = include_bytes!("../testdata/kafka-0.10.2.2-orders-0.log");
const METADATA: &str = "__cluster_metadata-0/00000000000000000000.log";
const SEGMENT: &str = "b0/orders-0/00000000000000000000.log";

fn plan() -> Plan {
    let entry = ktrial::library::find("all-brokers-down").unwrap();
    let scenario = ktrial::file::parse("s", "s.toml", entry.text).unwrap();
    let compiled = ktrial::compile::compile(&scenario, 1, &[]).unwrap();
    compiled.plans.into_iter().next_back().unwrap()
}

fn broker(id: i32) -> NodeId {
    NodeId::Broker(BrokerId(id))
}

/// A watch over the nodes' folders in a scratch folder, each named as its node.
fn watch(scratch: &Scratch, nodes: &[NodeId], voters: Option<&[NodeId]>) -> Watch {
    let folder = |node: &NodeId| (*node, scratch.path().join(node.to_string()));
    let metadata = match voters {
        Some(voters) => MetadataSource::KRaft {
            voters: voters.to_vec(),
        },
        None => MetadataSource::ZooKeeper {
            data: vec![scratch.path().join("zk")],
        },
    };
    let servers: BTreeMap<_, _> = nodes.iter().map(folder).collect();
    let sources = Sources {
        servers,
        metadata,
        epochs_when_appending: voters.is_none(),
    };
    Watch::new(&plan(), &sources)
}

fn poll(watch: &mut Watch) -> Vec<Entry> {
    let view = View::new(&plan());
    watch.poll(Timestamp::ZERO, &view).unwrap()
}

/// What matters of the entries, one line each.
fn lines(entries: &[Entry]) -> Vec<String> {
    let line = |entry: &Entry| {
        let node = entry.node.unwrap();
        let What::Event(event) = &entry.what else {
            panic!("{entry:?}");
        };
        let text = match event {
            Event::MetadataWritten { record, .. } => written(record)?,
            Event::ControllerActivated { epoch } => format!("active {epoch}"),
            Event::Elected { leader, rule, .. } => {
                format!("elects {:?} {rule:?}", leader.map(|id| id.0))
            }
            Event::Appended {
                base_offset,
                leader_epoch,
                ..
            } => format!("appends {base_offset}@{leader_epoch}"),
            Event::LogLoaded { log_end_offset, .. } => format!("loads {log_end_offset}"),
            Event::BecameLeader { leader_epoch, .. } => format!("leads {leader_epoch}"),
            Event::HighWatermark { offset, .. } => format!("mark {offset}"),
            Event::Truncated { from, to, .. } => format!("cuts {from}..{to}"),
            Event::QuorumLearned { offset } => format!("knows {offset}"),
            other => format!("{other:?}"),
        };
        Some(format!("{node} {text}"))
    };
    entries.iter().filter_map(line).collect()
}

fn ids(brokers: &[BrokerId]) -> Vec<i32> {
    brokers.iter().map(|broker| broker.0).collect()
}

fn written(record: &MetadataRecord) -> Option<String> {
    Some(match record {
        MetadataRecord::RegisterBroker(it) => {
            format!(
                "registers {} {} fenced={}",
                it.broker, it.incarnation, it.fenced
            )
        }
        MetadataRecord::BrokerRegistrationChange(it) => {
            format!(
                "{} fenced={:?} stopping={:?}",
                it.broker, it.fenced, it.in_controlled_shutdown
            )
        }
        MetadataRecord::Topic(it) => format!("topic {}", it.topic),
        MetadataRecord::RemoveTopic(it) => format!("removes topic {}", it.topic_id),
        MetadataRecord::Partition(it) => format!(
            "partition {:?} isr {:?} leader {:?} {}/{}",
            ids(&it.replicas),
            ids(&it.isr),
            it.leader.map(|id| id.0),
            it.leader_epoch,
            it.partition_epoch
        ),
        MetadataRecord::PartitionChange(it) => {
            let leader = match it.leader {
                LeaderChange::Unchanged => "same".to_owned(),
                LeaderChange::NoLeader => "none".to_owned(),
                LeaderChange::Leader(id) => id.to_string(),
            };
            let isr = it.isr.as_deref().map(ids);
            let elr = it.elr.as_deref().map(ids);
            format!("change isr {isr:?} elr {elr:?} leader {leader}")
        }
        MetadataRecord::Config(it) => format!("{}={:?}", it.key, it.value),
        MetadataRecord::ClearElr(_) => "clears the ELR".to_owned(),
        MetadataRecord::NoOp | MetadataRecord::FeatureLevel(_) => return None,
    })
}

#[test]
fn the_log_of_a_real_controller_is_read() {
    let scratch = Scratch::new();
    scratch.write(&format!("c3000/{METADATA}"), KRAFT);
    let controller = NodeId::Controller(ControllerId(3000));
    let mut watch = watch(&scratch, &[controller], Some(&[controller]));
    let told = lines(&poll(&mut watch));
    let expected = include_str!("../testdata/kafka-4.3.1-metadata.txt");
    assert_eq!(told.join("\n"), expected.trim_end(), "{}", told.join("\n"));
    assert_eq!(poll(&mut watch), []);
}

#[test]
fn zookeepers_log_and_old_messages_are_read() {
    let scratch = Scratch::new();
    scratch.write("zk/version-2/log.1", ZOOKEEPER);
    scratch.write(SEGMENT, OLD_SEGMENT);
    scratch.write("b0/replication-offset-checkpoint", b"0\n1\norders 0 2\n");
    let mut watch = watch(&scratch, &[broker(0), broker(1)], None);
    let told = lines(&poll(&mut watch));
    let expected = include_str!("../testdata/kafka-0.10.2.2-zookeeper.txt");
    assert_eq!(told.join("\n"), expected.trim_end(), "{}", told.join("\n"));
    assert_eq!(poll(&mut watch), []);
    let logs = watch.final_logs();
    let values: Vec<&str> = logs[0]
        .records
        .iter()
        .map(|one| one.value.as_str())
        .collect();
    assert_eq!((values, &logs[0].damage), (vec!["A", "B"], &None));
    let mut rotten = OLD_SEGMENT.to_vec();
    *rotten.last_mut().unwrap() ^= 1;
    scratch.write(SEGMENT, &rotten);
    assert!(
        watch.final_logs()[0]
            .damage
            .as_ref()
            .unwrap()
            .contains("CRC")
    );
}

#[test]
fn a_leader_before_2_0_is_told_by_the_metadata() {
    let scratch = Scratch::new();
    scratch.write("b2/orders-0/00000000000000000000.log", OLD_SEGMENT);
    let mut watch = watch(&scratch, &[broker(2)], None);
    let mut view = View::new(&plan());
    view.apply(&Entry {
        at: Timestamp::ZERO,
        node: Some(broker(2)),
        what: What::ProcessStarted,
    });
    let before = lines(&watch.poll(Timestamp::ZERO, &view).unwrap());
    assert!(before.contains(&"b2 appends 1@-1".to_owned()), "{before:?}");
    scratch.write("zk/version-2/log.1", ZOOKEEPER);
    let after = lines(&watch.poll(Timestamp::ZERO, &view).unwrap());
    let leads = after.iter().filter(|line| line.contains("leads"));
    assert_eq!(leads.collect::<Vec<_>>(), ["b2 leads 3"], "{after:?}");
    let again = watch.poll(Timestamp::ZERO, &view).unwrap();
    assert_eq!(again, [], "told once");
}

/// A control batch that opens an epoch, as `LeaderChangeMessage` has it.
fn opens(leader: i32, at: i64, epoch: i32) -> Vec<u8> {
    let mut batch = BatchBuilder::new();
    let value = [&[0, 0][..], &leader.to_be_bytes(), &[1, 1, 0]].concat();
    batch.append(WallClock(0), Some(&[0, 0, 0, 2]), Some(&value), &[]);
    let batch = batch.control().at(Offset(at), LeaderEpoch(epoch));
    batch.finish().to_vec()
}

/// A record of the metadata log at its offset.
fn at(offset: i64, epoch: i32, record: &MetadataRecord) -> Vec<u8> {
    let mut bytes = codec::encode_batch(std::slice::from_ref(record), WallClock(0)).to_vec();
    bytes[..8].copy_from_slice(&offset.to_be_bytes());
    bytes[12..16].copy_from_slice(&epoch.to_be_bytes());
    bytes
}

/// What has to be the same in a trial's record and in what its controller's log tells: all records, and who
/// was elected by which rule. (An election that found nobody when there was nobody leaves no record.)
fn told_by_the_log(entries: impl IntoIterator<Item = Entry>) -> Vec<String> {
    let told = entries.into_iter().filter_map(|entry| match entry.what {
        What::Event(Event::MetadataWritten { offset, record }) => {
            Some(format!("{offset} {record:?}"))
        }
        _ => None,
    });
    told.collect()
}

fn elections(entries: &[Entry]) -> Vec<String> {
    let told = entries.iter().filter_map(|entry| match &entry.what {
        What::Event(Event::Elected {
            leader: Some(leader),
            rule,
            candidates,
            ..
        }) => Some(format!("{leader} {rule:?} {candidates:?}")),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_simulated_controllers_log_gives_the_entries_of_its_trial() {
    let controller = NodeId::Controller(ControllerId(3000));
    let record = ktrial_sim::trial::run(&plan()).unwrap();
    let mut log = opens(3000, 0, 1);
    for entry in &record.entries {
        if let What::Event(Event::MetadataWritten { offset, record }) = &entry.what {
            log.extend(at(offset.0, 1, record));
        }
    }
    let scratch = Scratch::new();
    scratch.write(&format!("c3000/{METADATA}"), &log);
    let mut watch = watch(&scratch, &[controller], Some(&[controller]));
    let told = poll(&mut watch);
    assert_eq!(elections(&told), elections(&record.entries));
    assert!(!elections(&told).is_empty(), "the trial elected leaders");
    let (told, expected) = (told_by_the_log(told), told_by_the_log(record.entries));
    assert_eq!(told, expected);
    assert!(expected.len() > 20, "the trial wrote metadata");
}

#[test]
fn a_record_counts_once_a_majority_of_the_voters_has_it() {
    let scratch = Scratch::new();
    let nodes = [broker(1), broker(2), broker(3), broker(4)];
    let voters = &nodes[..3];
    let topic = |name: &str| {
        MetadataRecord::Topic(ktrial_core::metadata::TopicRecord {
            topic: name.into(),
            topic_id: ktrial_core::TopicId(7),
        })
    };
    let file = |node: &str| format!("{node}/{METADATA}");
    let begin = opens(1, 0, 1);
    scratch.write(
        &file("b1"),
        &[&begin[..], &at(1, 1, &topic("orders"))].concat(),
    );
    let mut watch = watch(&scratch, &nodes, Some(voters));
    assert!(poll(&mut watch).is_empty(), "one of three is no majority");
    scratch.write(&file("b2"), &begin);
    let told = ["b1 active 1", "b1 knows 1", "b2 knows 1"];
    assert_eq!(lines(&poll(&mut watch)), told);
    // Broker 2 takes over in epoch 2 without the record that only broker 1 has.
    let second = [begin, opens(2, 1, 2), at(2, 2, &topic("orders"))].concat();
    scratch.write(&file("b2"), &second);
    assert!(
        poll(&mut watch).is_empty(),
        "two records at one offset, neither agreed"
    );
    scratch.write(&file("b3"), &second);
    let told = ["b2 active 2", "b2 topic orders"];
    let learned = ["b1 knows 2", "b2 knows 3", "b3 knows 3"];
    assert_eq!(
        lines(&poll(&mut watch)),
        [&told[..], &learned[..]].concat(),
        "broker 1 has a record to cut"
    );
    // Broker 1 cuts its log and follows; broker 4, which has no vote, fetches too.
    scratch.write(&file("b1"), &second);
    scratch.write(&file("b4"), &second);
    assert_eq!(lines(&poll(&mut watch)), ["b1 knows 3", "b4 knows 3"]);
}
