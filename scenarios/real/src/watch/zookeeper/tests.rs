//! Transactions written by hand: several at once, sessions that end, states that jump.

use super::super::ledger::{Ledger, Told};
use super::super::tests::Scratch;
use super::{Ensemble, Tree, poll};
use ktrial_core::metadata::{LeaderChange, MetadataRecord};
use ktrial_core::{BrokerId, Event, NodeId};

const TOPIC: &str = r#"{"version":1,"partitions":{"0":[0,1]}}"#;

fn text(value: &str) -> Vec<u8> {
    let length = i32::try_from(value.len()).unwrap().to_be_bytes();
    [&length[..], value.as_bytes()].concat()
}

fn create(path: &str, data: &str, ephemeral: bool) -> (i32, Vec<u8>) {
    let acl = [
        &[0, 0, 0, 1, 0, 0, 0, 31][..],
        &text("world"),
        &text("anyone"),
    ]
    .concat();
    let end = [u8::from(ephemeral), 0, 0, 0, 1];
    (1, [&text(path)[..], &text(data), &acl, &end].concat())
}

fn set(path: &str, data: &str, version: i32) -> (i32, Vec<u8>) {
    (
        5,
        [&text(path)[..], &text(data), &version.to_be_bytes()].concat(),
    )
}

fn many(parts: &[(i32, Vec<u8>)]) -> (i32, Vec<u8>) {
    let mut bytes = i32::try_from(parts.len()).unwrap().to_be_bytes().to_vec();
    for (kind, body) in parts {
        bytes.extend(kind.to_be_bytes());
        bytes.extend(i32::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body);
    }
    (14, bytes)
}

fn state(leader: i32, epoch: i32, isr: &str) -> String {
    format!(
        r#"{{"controller_epoch":1,"leader":{leader},"version":1,"leader_epoch":{epoch},"isr":[{isr}]}}"#
    )
}

/// A log of transactions of these sessions, with its filling.
fn log(txns: &[(i64, (i32, Vec<u8>))]) -> Vec<u8> {
    log_from(1, txns)
}

/// The first one has this zxid.
fn log_from(zxid: i64, txns: &[(i64, (i32, Vec<u8>))]) -> Vec<u8> {
    let mut bytes = b"ZKLG\0\0\0\x02\0\0\0\0\0\0\0\0".to_vec();
    for (zxid, (session, (kind, body))) in (zxid..).zip(txns) {
        let mut txn = session.to_be_bytes().to_vec();
        txn.extend([0; 4]);
        txn.extend(zxid.to_be_bytes());
        txn.extend([0; 8]);
        txn.extend(kind.to_be_bytes());
        txn.extend(body);
        bytes.extend([0; 8]);
        bytes.extend(i32::try_from(txn.len()).unwrap().to_be_bytes());
        bytes.extend(txn);
        bytes.push(b'B');
    }
    bytes
}

struct Zoo {
    scratch: Scratch,
    ensemble: Ensemble,
    tree: Tree,
    ledger: Ledger,
}

impl Zoo {
    fn new() -> Self {
        Self::of(&[""])
    }

    /// An ensemble of servers with these folders.
    fn of(servers: &[&str]) -> Self {
        let scratch = Scratch::new();
        let data = servers.iter().map(|server| scratch.path().join(server));
        let ensemble = Ensemble::new(&data.collect::<Vec<_>>());
        Self {
            scratch,
            ensemble,
            tree: Tree::default(),
            ledger: Ledger::default(),
        }
    }

    fn write(&mut self, file: &str, bytes: &[u8]) -> Vec<Told> {
        self.write_to("", file, bytes)
    }

    fn write_to(&mut self, server: &str, file: &str, bytes: &[u8]) -> Vec<Told> {
        let folder = if server.is_empty() {
            String::new()
        } else {
            format!("{server}/")
        };
        self.scratch
            .write(&format!("{folder}version-2/{file}"), bytes);
        let mut out = Vec::new();
        poll(
            &mut self.ensemble,
            &mut self.tree,
            &mut self.ledger,
            &mut out,
        )
        .unwrap();
        out
    }
}

fn beginning() -> Vec<(i64, (i32, Vec<u8>))> {
    let controller = create("/controller", r#"{"version":1,"brokerid":1}"#, true);
    let path = "/brokers/topics/t/partitions/0/state";
    vec![
        (70, create("/brokers/ids/0", "{}", true)),
        (71, many(&[controller, set("/controller_epoch", "3", 4)])),
        (71, create("/brokers/topics/t", TOPIC, false)),
        (71, many(&[create(path, &state(0, 0, "0,1"), false)])),
    ]
}

fn records(told: &[Told]) -> Vec<&MetadataRecord> {
    let written = told.iter().filter_map(|(_, event)| match event {
        Event::MetadataWritten { record, .. } => Some(&**record),
        _ => None,
    });
    written.collect()
}

#[test]
fn several_at_once_are_taken_together_or_not_at_all() {
    let mut zoo = Zoo::new();
    let mut txns = beginning();
    let told = zoo.write("log.1", &log(&txns));
    let nodes: Vec<i32> = told
        .iter()
        .filter_map(|(node, _)| Some(node.broker()?.0))
        .collect();
    // Before there is a controller, the entry is of the broker that registers.
    assert_eq!(nodes, [0, 1, 1, 1]);
    assert!(matches!(told[1].1, Event::ControllerActivated { epoch } if epoch.0 == 3));
    assert!(matches!(records(&told)[2], MetadataRecord::Partition(_)));
    // One that failed has an error in each place.
    txns.push((71, many(&[(-1, vec![0; 4]), (-1, vec![0; 4])])));
    assert!(zoo.write("log.1", &log(&txns)).is_empty());
}

#[test]
fn a_session_that_ends_takes_its_broker_along() {
    for with_paths in [false, true] {
        let mut zoo = Zoo::new();
        let mut txns = beginning();
        zoo.write("log.1", &log(&txns));
        let paths = [&[0, 0, 0, 1][..], &text("/brokers/ids/0")].concat();
        txns.push((70, (-11, if with_paths { paths } else { Vec::new() })));
        let told = zoo.write("log.1", &log(&txns));
        let [MetadataRecord::BrokerRegistrationChange(change)] = records(&told)[..] else {
            panic!("{told:?}");
        };
        assert_eq!((change.broker, change.fenced), (BrokerId(0), Some(true)));
        assert_eq!(change.broker_epoch.0, 1, "the zxid of its registration");
        // The near miss: the end of a session that has no broker.
        txns.push((99, (-11, Vec::new())));
        assert!(zoo.write("log.1", &log(&txns)).is_empty());
    }
}

#[test]
fn a_state_tells_what_changed() {
    let mut zoo = Zoo::new();
    let mut txns = beginning();
    zoo.write("log.1", &log(&txns));
    let path = "/brokers/topics/t/partitions/0/state";
    let states = [
        (state(0, 0, "0"), 1),
        (state(0, 1, "0"), 2),
        (state(-1, 2, "0"), 3),
        (state(1, 4, "1"), 4),
    ];
    txns.extend(states.map(|(state, version)| (71, set(path, &state, version))));
    let told = zoo.write("log.1", &log(&txns));
    let told = records(&told);
    let change = |place: usize| match told[place] {
        MetadataRecord::PartitionChange(change) => (change.isr.is_some(), change.leader),
        other => panic!("{other:?}"),
    };
    assert_eq!(change(0), (true, LeaderChange::Unchanged));
    assert_eq!(change(1), (false, LeaderChange::Leader(BrokerId(0))));
    assert_eq!(change(2), (false, LeaderChange::NoLeader));
    assert!(matches!(told[3], MetadataRecord::Partition(it) if it.leader_epoch.0 == 4));
}

#[test]
fn another_assignment_is_told_with_all_that_is_known() {
    let mut zoo = Zoo::new();
    let mut txns = beginning();
    let path = "/brokers/topics/t";
    let moving = r#"{"version":3,"partitions":{"0":[0,1,2]},"adding_replicas":{"0":[2]},"removing_replicas":{"0":[1]}}"#;
    zoo.write("log.1", &log(&txns));
    txns.push((71, set(path, moving, 1)));
    let told = zoo.write("log.1", &log(&txns));
    let [MetadataRecord::Partition(record)] = records(&told)[..] else {
        panic!("{told:?}");
    };
    assert_eq!(record.replicas, [0, 1, 2].map(BrokerId));
    assert_eq!(
        (&record.adding[..], &record.removing[..]),
        (&[BrokerId(2)][..], &[BrokerId(1)][..])
    );
    assert_eq!(record.isr, [0, 1].map(BrokerId), "the state stays");
    // The near miss: the same assignment, written again.
    txns.push((71, set(path, moving, 2)));
    assert!(zoo.write("log.1", &log(&txns)).is_empty());
}

#[test]
fn a_transaction_that_is_not_whole_is_waited_for_and_the_next_file_follows() {
    let mut zoo = Zoo::new();
    let whole = log(&beginning());
    let half = [&whole[..whole.len() - 9], &[0; 40]].concat();
    assert_eq!(records(&zoo.write("log.1", &half)).len(), 2);
    let filled = [&whole[..], &[0; 40]].concat();
    assert_eq!(records(&zoo.write("log.1", &filled)).len(), 1);
    let next = log_from(5, &[(72, create("/brokers/ids/1", "{}", true))]);
    let told = zoo.write("log.5", &next);
    assert!(matches!(
        records(&told)[..],
        [MetadataRecord::RegisterBroker(_)]
    ));
    assert_eq!(told[0].0, NodeId::Broker(BrokerId(1)));
}

#[test]
fn settings_are_told_key_by_key() {
    let mut zoo = Zoo::new();
    let config = |settings: &str| format!(r#"{{"version":1,"config":{{{settings}}}}}"#);
    let path = "/config/topics/t";
    let both = config(r#""a":"1","b":"2""#);
    let mut txns = vec![(71, create(path, &both, false))];
    assert_eq!(records(&zoo.write("log.1", &log(&txns))).len(), 2);
    txns.push((71, set(path, &config(r#""a":"1""#), 1)));
    let told = zoo.write("log.1", &log(&txns));
    let [MetadataRecord::Config(gone)] = records(&told)[..] else {
        panic!("{told:?}");
    };
    assert_eq!((gone.key.as_str(), gone.value.as_deref()), ("b", None));
}

/// The numbers of the brokers whose registrations are told.
fn registered(told: &[Told]) -> Vec<i32> {
    let of = |record: &&MetadataRecord| match record {
        MetadataRecord::RegisterBroker(record) => Some(record.broker.0),
        _ => None,
    };
    records(told).iter().filter_map(of).collect()
}

#[test]
fn of_three_servers_two_have_to_have_written_it() {
    let mut zoo = Zoo::of(&["1", "2", "3"]);
    let broker = |id: i64| (id, create(&format!("/brokers/ids/{id}"), "{}", true));
    let all: Vec<_> = (0..4).map(broker).collect();
    assert!(zoo.write_to("1", "log.1", &log(&all[..3])).is_empty());
    let told = zoo.write_to("2", "log.1", &log(&all[..1]));
    assert_eq!(registered(&told), [0]);
    assert!(
        zoo.write_to("3", "log.1", &log(&all[..1])).is_empty(),
        "told already"
    );
    // The second and third are with server 1 alone, and it ends. Another leader begins an epoch: its first
    // change is the first that follows.
    let epoch = 1 << 32;
    let next = log_from(epoch, &all[3..]);
    assert!(zoo.write_to("2", "log.100000000", &next).is_empty());
    let told = zoo.write_to("3", "log.100000000", &next);
    assert_eq!(registered(&told), [3]);
    // The near miss: server 1 is back and has cut what nobody else had.
    zoo.write_to("1", "log.1", &log(&all[..1]));
    assert!(zoo.write_to("1", "log.100000000", &next).is_empty());
}

#[test]
fn a_server_with_a_new_disk_counts_for_what_it_has_written() {
    let mut zoo = Zoo::of(&["1", "2", "3"]);
    let broker = |id: i64| (id, create(&format!("/brokers/ids/{id}"), "{}", true));
    let all: Vec<_> = (0..3).map(broker).collect();
    zoo.write_to("1", "log.1", &log(&all[..1]));
    assert_eq!(
        registered(&zoo.write_to("3", "log.1", &log(&all[..1]))),
        [0]
    );
    std::fs::remove_dir_all(zoo.scratch.path().join("3")).unwrap();
    assert!(zoo.write_to("1", "log.1", &log(&all[..2])).is_empty());
    // A snapshot brings it the second change; it writes the third.
    let told = zoo.write_to("3", "log.3", &log_from(3, &all[2..]));
    assert!(told.is_empty(), "one server has it: {told:?}");
    assert_eq!(registered(&zoo.write_to("1", "log.1", &log(&all))), [1, 2]);
}
