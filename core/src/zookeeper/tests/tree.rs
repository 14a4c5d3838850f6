//! What the leader decides and what the tree becomes, without any server.

use super::super::prepare::Outstanding;
use super::*;

const SESSION: SessionId = SessionId(7);

/// A leader's mind and the tree after all that it decided.
struct Desk {
    tree: Tree,
    outstanding: Outstanding,
}

impl Desk {
    fn new() -> Self {
        Self {
            tree: Tree::default(),
            outstanding: Outstanding::default(),
        }
    }

    fn decide(&mut self, changes: &[Change]) -> Body {
        let asked = (SESSION, self.tree.last().next());
        let multi = changes.len() > 1;
        self.outstanding.decide(&self.tree, asked, changes, multi)
    }

    fn apply(&mut self, body: Body) -> Vec<(Happened, String)> {
        let txn = Txn {
            zxid: self.tree.last().next(),
            session: SESSION,
            cxid: 0,
            time: 0,
            body,
        };
        let happened = self.tree.apply(&txn);
        self.outstanding.applied(txn.zxid);
        happened
    }

    fn done(&mut self, changes: &[Change]) -> Vec<(Happened, String)> {
        let body = self.decide(changes);
        assert!(!matches!(body, Body::Error { .. }), "{body:?}");
        self.apply(body)
    }

    fn refused(&mut self, changes: &[Change]) -> (ZooKeeperError, usize) {
        match self.decide(changes) {
            Body::Error { error, index } => (error, index),
            body => panic!("not refused: {body:?}"),
        }
    }
}

#[test]
fn refusals() {
    let mut desk = Desk::new();
    desk.done(&[create("/a", "1")]);
    desk.done(&[create("/a/b", "1")]);
    desk.done(&[ephemeral("/e")]);
    let check = Change::Check {
        path: "/a".to_owned(),
        version: 1,
    };
    for (change, error) in [
        (create("/a", ""), ZooKeeperError::NodeExists),
        (create("/x/y", ""), ZooKeeperError::NoNode),
        (create("/e/x", ""), ZooKeeperError::NoChildrenForEphemerals),
        (create("/a/", ""), ZooKeeperError::BadArguments),
        (create("a", ""), ZooKeeperError::BadArguments),
        (set("/x", "", None), ZooKeeperError::NoNode),
        (set("/a", "", Some(1)), ZooKeeperError::BadVersion),
        (delete("/a"), ZooKeeperError::NotEmpty),
        (delete("/"), ZooKeeperError::BadArguments),
        (check, ZooKeeperError::BadVersion),
    ] {
        let what = format!("{change:?}");
        assert_eq!(desk.refused(&[change]), (error, 0), "{what}");
    }
}

#[test]
fn a_multi_is_all_or_nothing() {
    let mut desk = Desk::new();
    let changes = [create("/a", ""), create("/a/b", ""), create("/a/b", "")];
    assert_eq!(desk.refused(&changes), (ZooKeeperError::NodeExists, 2));
    assert_eq!(
        desk.refused(&[create("/a/c", "")]),
        (ZooKeeperError::NoNode, 0)
    );
    desk.done(&changes[..2]);
    assert_eq!(desk.tree.get("/a").unwrap().children.len(), 1);
    assert_eq!(
        desk.tree.get("/a/b").unwrap().czxid,
        Zxid(1),
        "one transaction"
    );
}

#[test]
fn decisions_count_those_that_are_not_applied_yet() {
    let mut desk = Desk::new();
    let first = desk.decide(&[create("/a", "")]);
    assert_eq!(
        desk.refused(&[create("/a", "")]),
        (ZooKeeperError::NodeExists, 0)
    );
    desk.apply(first);
    let second = desk.decide(&[set("/a", "x", Some(0))]);
    assert_eq!(
        desk.refused(&[set("/a", "y", Some(0))]),
        (ZooKeeperError::BadVersion, 0)
    );
    desk.apply(second);
    assert_eq!(desk.tree.get("/a").unwrap().version, 1);
}

#[test]
fn sequential_names_count_all_children_that_ever_were() {
    let mut desk = Desk::new();
    let next = Change::Create {
        path: "/isr_change_".to_owned(),
        data: Bytes::new(),
        ephemeral: false,
        sequential: true,
    };
    let first = desk.done(std::slice::from_ref(&next));
    assert_eq!(
        first[0],
        (Happened::Created, "/isr_change_0000000000".to_owned())
    );
    desk.done(&[delete("/isr_change_0000000000")]);
    let second = desk.done(&[next]);
    assert_eq!(
        second[0],
        (Happened::Created, "/isr_change_0000000001".to_owned())
    );
}

#[test]
fn versions_and_transactions_of_a_znode() {
    let mut desk = Desk::new();
    desk.done(&[create("/a", "1")]);
    desk.done(&[create("/a/b", "")]);
    desk.done(&[set("/a", "2", None)]);
    desk.done(&[delete("/a/b")]);
    let stat = desk.tree.get("/a").unwrap().stat();
    assert_eq!(
        (stat.czxid, stat.mzxid, stat.pzxid),
        (Zxid(1), Zxid(3), Zxid(4))
    );
    assert_eq!((stat.version, stat.cversion, stat.children), (1, 2, 0));
}

#[test]
fn the_end_of_a_session_deletes_its_ephemerals_and_no_others() {
    let mut desk = Desk::new();
    desk.apply(Body::CreateSession { timeout: TIMEOUT });
    desk.done(&[create("/ids", "")]);
    desk.done(&[ephemeral("/ids/1")]);
    // One that will be gone, and one that will be there, when the session ends.
    let deleted = desk.decide(&[delete("/ids/1")]);
    let zxid = desk.tree.last().next();
    desk.outstanding.close(&desk.tree, SESSION, zxid.next());
    assert_eq!(
        desk.refused(&[delete("/ids/1")]),
        (ZooKeeperError::NoNode, 0)
    );
    desk.apply(deleted);
    desk.done(&[ephemeral("/ids/2")]);
    let happened = desk.apply(Body::CloseSession);
    assert_eq!(
        happened,
        [
            (Happened::Deleted, "/ids/2".to_owned()),
            (Happened::ChildrenChanged, "/ids".to_owned())
        ]
    );
    assert!(desk.tree.get("/ids").is_some());
    assert_eq!(desk.tree.session(SESSION), None);
}
