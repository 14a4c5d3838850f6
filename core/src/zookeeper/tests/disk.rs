//! What a server finds on its disk after each kind of end.

use super::super::database::Database;
use super::*;
use std::sync::Arc;

fn open(disk: &SharedDisk) -> Result<Database, StartError> {
    Database::open(Box::new(disk.clone()), 1_000)
}

fn txn(number: i64) -> Arc<Txn> {
    let change = Applied::Create {
        path: format!("/n{number}"),
        data: Bytes::from_static(b"some data"),
        ephemeral: false,
        parent_cversion: i32::try_from(number).unwrap(),
    };
    Arc::new(Txn {
        zxid: Zxid(Zxid::start_of(1).0 + number),
        session: SessionId(1),
        cxid: 0,
        time: 0,
        body: Body::Change(change),
    })
}

fn with_txns(numbers: std::ops::RangeInclusive<i64>) -> SharedDisk {
    let disk = SharedDisk::default();
    let mut database = open(&disk).unwrap();
    for number in numbers {
        database.append(txn(number)).unwrap();
    }
    database.flush().unwrap();
    disk
}

fn log(disk: &SharedDisk) -> String {
    let paths = disk.0.borrow_mut().list("data/version-2").unwrap();
    let mut logs = paths.into_iter().filter(|path| path.contains("log."));
    logs.next().unwrap()
}

#[test]
fn a_restart_finds_what_was_flushed() {
    let disk = with_txns(1..=3);
    let mut database = open(&disk).unwrap();
    database.append(txn(4)).unwrap();
    disk.0.borrow_mut().power_loss();
    let database = open(&disk).unwrap();
    assert_eq!(database.last_logged().counter(), 3);
    assert!(database.tree().get("/n3").is_some());
}

#[test]
fn a_torn_transaction_ends_the_log_and_the_next_one_begins_another_file() {
    for torn in 1..=60 {
        let disk = with_txns(1..=3);
        let path = log(&disk);
        let length = disk.0.borrow_mut().length(&path).unwrap();
        disk.0.borrow_mut().truncate(&path, length - torn).unwrap();
        let mut database = open(&disk).unwrap();
        let kept = database.last_logged().counter();
        assert_eq!(kept, 2, "{torn} bytes are torn off");
        database.append(txn(3)).unwrap();
        database.append(txn(4)).unwrap();
        database.flush().unwrap();
        let database = open(&disk).unwrap();
        assert_eq!(database.last_logged().counter(), 4);
        assert!(database.tree().get("/n3").is_some());
    }
}

#[test]
fn damage_inside_the_log_is_no_torn_end() {
    let disk = with_txns(1..=3);
    let path = log(&disk);
    disk.0.borrow_mut().corrupt(&path, 50, b"X");
    let error = open(&disk).err().unwrap().to_string();
    assert!(error.contains("does not match its checksum"), "{error}");
}

#[test]
fn a_snapshot_and_the_log_after_it_make_the_tree() {
    let disk = SharedDisk::default();
    let mut database = Database::open(Box::new(disk.clone()), 10).unwrap();
    for number in 1..=25 {
        database.append(txn(number)).unwrap();
        database.flush().unwrap();
        database.commit(txn(number).zxid);
    }
    let tree = database.tree().clone();
    let paths = disk.0.borrow_mut().list("data/version-2").unwrap();
    assert!(
        paths.iter().any(|path| path.contains("snapshot.")),
        "{paths:?}"
    );
    disk.0.borrow_mut().power_loss();
    assert_eq!(*open(&disk).unwrap().tree(), tree);
    // A snapshot that is damaged is passed over for the log before it.
    let snapshot = paths
        .iter()
        .rfind(|path| path.contains("snapshot."))
        .unwrap();
    disk.0.borrow_mut().corrupt(snapshot, 60, b"XX");
    assert_eq!(*open(&disk).unwrap().tree(), tree);
}

#[test]
fn a_cut_takes_the_tree_back() {
    let disk = with_txns(1..=5);
    let mut database = open(&disk).unwrap();
    database.append(txn(6)).unwrap();
    database.truncate(txn(3).zxid).unwrap();
    assert_eq!(database.last_logged(), txn(3).zxid);
    assert!(database.tree().get("/n4").is_none());
    database.append(txn(7)).unwrap();
    database.flush().unwrap();
    let again = open(&disk).unwrap();
    assert!(again.tree().get("/n7").is_some() && again.tree().get("/n5").is_none());
}
