//! Servers among each other and with their clients.

use super::*;

fn get(path: &str, watch: bool) -> Operation {
    Operation::GetData {
        path: path.to_owned(),
        watch,
    }
}

fn exists(path: &str) -> Operation {
    Operation::Exists {
        path: path.to_owned(),
        watch: true,
    }
}

fn children(path: &str) -> Operation {
    Operation::GetChildren {
        path: path.to_owned(),
        watch: true,
    }
}

/// All servers that run have the same tree.
fn agree(zoo: &mut Zoo) {
    zoo.run(Duration::from_secs(1));
    let ids: Vec<i32> = zoo.servers.keys().map(|id| id.0).collect();
    for id in &ids {
        assert_eq!(zoo.tree(*id), zoo.tree(ids[0]), "z{id} and z{}", ids[0]);
    }
}

#[test]
fn one_server_serves() {
    let mut zoo = Zoo::new(1);
    zoo.connect(0);
    zoo.ask(0, change(create("/a", "x"))).unwrap();
    let Ok(Answer::Data(data, stat)) = zoo.ask(0, get("/a", false)) else {
        panic!("no data");
    };
    assert_eq!((data.as_ref(), stat.version), (&b"x"[..], 0));
    let refused = zoo.ask(0, change(set("/a", "y", Some(3)))).unwrap_err();
    assert_eq!(refused.error, ZooKeeperError::BadVersion);
}

#[test]
fn three_and_five_servers_come_to_the_same_tree() {
    for servers in [3, 5] {
        let mut zoo = Zoo::new(servers);
        assert_eq!(
            zoo.leader(),
            Some(servers),
            "the highest id, with empty logs"
        );
        for id in 0..4 {
            zoo.connect(id);
        }
        for number in 0..20 {
            zoo.submit(
                number % 4,
                number,
                change(create(&format!("/n{number}"), "x")),
            );
        }
        zoo.run(Duration::from_secs(1));
        agree(&mut zoo);
        assert!(zoo.tree(1).get("/n19").is_some());
    }
}

#[test]
fn a_client_reads_what_it_wrote_in_the_order_of_its_requests() {
    let mut zoo = Zoo::new(3);
    zoo.connect(0);
    zoo.submit(0, 1, change(create("/a", "1")));
    zoo.submit(0, 2, get("/a", false));
    zoo.submit(0, 3, change(set("/a", "2", Some(0))));
    zoo.submit(0, 4, get("/a", false));
    zoo.run(Duration::from_secs(1));
    let told = zoo.programs[&0].told.iter();
    let read: Vec<(u32, Option<String>)> = told
        .filter_map(|notice| match notice {
            Notice::Answered { tag, result } => Some((
                *tag,
                match result {
                    Ok(Answer::Data(data, _)) => Some(crate::event::text(data)),
                    _ => None,
                },
            )),
            _ => None,
        })
        .collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(read, [(1, None), (2, text("1")), (3, None), (4, text("2"))]);
}

#[test]
fn a_watch_tells_once_and_before_newer_data() {
    let mut zoo = Zoo::new(3);
    zoo.connect(0);
    zoo.connect(1);
    zoo.ask(0, exists("/a")).unwrap();
    zoo.ask(0, children("/")).unwrap();
    zoo.ask(1, change(create("/a", "1"))).unwrap();
    zoo.ask(1, change(set("/a", "2", None))).unwrap();
    zoo.run(Duration::from_secs(1));
    assert_eq!(
        zoo.events_of(0),
        [(Happened::Created, "/a"), (Happened::ChildrenChanged, "/")]
    );
    zoo.ask(0, get("/a", true)).unwrap();
    zoo.submit(1, 5, change(set("/a", "3", None)));
    zoo.submit(0, 6, get("/a", false));
    zoo.run(Duration::from_secs(1));
    zoo.ask(0, get("/a", false)).unwrap();
    let told = &zoo.programs[&0].told;
    let event = told.iter().position(|notice| {
        matches!(
            notice,
            Notice::Event {
                happened: Happened::DataChanged,
                ..
            }
        )
    });
    let newer = told.iter().position(|notice| match notice {
        Notice::Answered {
            result: Ok(Answer::Data(data, _)),
            ..
        } => data.as_ref() == b"3",
        _ => false,
    });
    assert!(event.unwrap() < newer.unwrap());
}

#[test]
fn a_leader_that_dies_is_replaced_and_nothing_acknowledged_is_lost() {
    for power in [false, true] {
        let mut zoo = Zoo::new(3);
        zoo.connect(0);
        zoo.ask(0, change(create("/a", "1"))).unwrap();
        let leader = zoo.leader().unwrap();
        zoo.stop(leader, power);
        zoo.until("another leads", |zoo| zoo.leader().is_some());
        assert_ne!(zoo.leader(), Some(leader));
        zoo.ask(0, change(create("/b", "1"))).unwrap();
        zoo.start(leader);
        zoo.run(Duration::from_secs(5));
        agree(&mut zoo);
        let tree = zoo.tree(leader);
        assert!(tree.get("/a").is_some() && tree.get("/b").is_some());
        assert!(tree.last().epoch() > 1, "a new leader has a new epoch");
    }
}

#[test]
fn without_a_quorum_nobody_serves_and_the_session_goes_on_after() {
    let mut zoo = Zoo::new(3);
    zoo.connect(0);
    zoo.ask(0, change(ephemeral("/e"))).unwrap();
    let session = zoo.programs[&0].client.session();
    zoo.stop(1, true);
    zoo.stop(2, true);
    zoo.run(Duration::from_secs(20));
    assert_eq!(zoo.leader(), None);
    assert!(!zoo.programs[&0].client.is_connected());
    zoo.start(1);
    zoo.until("the client is back", |zoo| {
        zoo.programs[&0].client.is_connected()
    });
    assert_eq!(
        zoo.programs[&0].client.session(),
        session,
        "no time passes without a leader"
    );
    assert!(matches!(zoo.ask(0, get("/e", false)), Ok(Answer::Data(..))));
}

#[test]
fn a_session_of_which_nothing_is_heard_ends_with_its_ephemerals() {
    let mut zoo = Zoo::new(3);
    zoo.connect(0);
    zoo.connect(1);
    zoo.ask(0, change(ephemeral("/e"))).unwrap();
    zoo.ask(1, exists("/e")).unwrap();
    let from = zoo.now;
    zoo.cut.insert(program(0));
    zoo.until("the znode is gone", |zoo| !zoo.events_of(1).is_empty());
    assert_eq!(zoo.events_of(1), [(Happened::Deleted, "/e")]);
    let after = zoo.now.since(from);
    assert!(
        (TIMEOUT..TIMEOUT + Duration::from_secs(5)).contains(&after),
        "{after:?}"
    );
    assert!(
        zoo.programs[&0]
            .told
            .iter()
            .all(|notice| *notice != Notice::Expired)
    );
    zoo.heal();
    zoo.until("it learns of it", |zoo| {
        zoo.programs[&0].told.contains(&Notice::Expired)
    });
    let now = zoo.now;
    zoo.programs.get_mut(&0).unwrap().client.renew(now, TIMEOUT);
    zoo.ask(0, change(ephemeral("/e"))).unwrap();
}

#[test]
fn a_client_moves_to_another_server_with_its_session_and_watches() {
    let mut zoo = Zoo::new(3);
    zoo.connect(0);
    zoo.connect(1);
    zoo.ask(0, change(ephemeral("/e"))).unwrap();
    zoo.ask(0, exists("/a")).unwrap();
    let session = zoo.programs[&0].client.session();
    let serving = zoo.connections.iter();
    let mut serving = serving.filter(|(connection, _)| connection.client == program(0));
    let NodeId::ZooKeeper(serving) = *serving.next().unwrap().1 else {
        panic!("no server");
    };
    zoo.stop(serving.0, false);
    zoo.run(Duration::from_secs(1));
    zoo.ask(1, change(create("/a", ""))).unwrap();
    zoo.until("the client is back", |zoo| {
        zoo.programs[&0].client.is_connected()
    });
    zoo.until("the watch tells", |zoo| !zoo.events_of(0).is_empty());
    assert_eq!(zoo.events_of(0), [(Happened::Created, "/a")]);
    assert_eq!(zoo.programs[&0].client.session(), session);
    let answer = zoo.ask(0, get("/e", false));
    assert!(matches!(answer, Ok(Answer::Data(..))), "{answer:?}");
}

#[test]
fn a_leader_cut_off_steps_down_and_its_uncommitted_transactions_go() {
    let mut zoo = Zoo::new(3);
    zoo.connect(0);
    zoo.ask(0, change(create("/a", ""))).unwrap();
    let leader = zoo.leader().unwrap();
    // A proposal that only the leader logs.
    zoo.cut.insert(server(leader));
    let submission = Submission {
        session: zoo.programs[&0].client.session().unwrap(),
        cxid: 1,
        wanted: Wanted::Changes {
            changes: vec![create("/lost", "")],
            multi: false,
        },
    };
    let now = zoo.clock();
    let mut out = Effects::new();
    let machine = zoo.servers.get_mut(&ZooKeeperId(leader)).unwrap();
    let through = ZooKeeperId(leader);
    let owner = machine.revalidate(now.monotonic, submission.session);
    assert!(owner.is_some());
    machine.decide(now, through, submission, &mut out).unwrap();
    zoo.carry_out(server(leader), &mut out);
    zoo.run(Duration::from_secs(8));
    assert_ne!(zoo.leader(), Some(leader));
    assert!(
        zoo.tree(leader).get("/lost").is_some(),
        "it has logged and fast-forwarded it"
    );
    zoo.heal();
    zoo.run(Duration::from_secs(70));
    agree(&mut zoo);
    assert!(
        zoo.tree(leader).get("/lost").is_none(),
        "the new leader never had it"
    );
    assert!(zoo.tree(leader).get("/a").is_some());
}

#[test]
fn a_server_that_lacks_much_gets_the_whole_tree() {
    let mut zoo = Zoo::new(3);
    zoo.connect(0);
    zoo.stop(1, false);
    zoo.run(Duration::from_secs(2));
    for number in 0..600 {
        zoo.submit(0, number, change(create(&format!("/n{number}"), "")));
    }
    zoo.run(Duration::from_secs(3));
    zoo.start(1);
    zoo.run(Duration::from_secs(5));
    agree(&mut zoo);
    assert!(zoo.tree(1).get("/n599").is_some());
    zoo.stop(1, true);
    zoo.start(1);
    assert!(zoo.tree(1).get("/n599").is_some(), "it is on its disk");
}
