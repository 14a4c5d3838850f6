//! The story that real Kafka 4.3.1 was asked to play (`all-brokers-down`): three replicas, all go down
//! one after the other, and come back in any order. The records are those that its controller wrote.

use super::*;

/// Brokers 1, 2, 3 and `t-0`; then 3, 2 and 1 go down.
fn all_down(unclean: bool, kill: bool) -> Rig {
    let mut rig = Rig::new(Rules::default());
    assert_eq!(
        rig.written(),
        [] as [&str; 0],
        "what an empty log needs is written after the linger time"
    );
    rig.pass(Duration::from_millis(25));
    assert_eq!(
        rig.written(),
        [
            "feature metadata.version=30",
            "feature eligible.leader.replicas.version=1",
            "config min.insync.replicas=1",
        ]
    );
    for id in 1..=3 {
        rig.start_broker(id, false);
        assert_eq!(
            rig.written(),
            [format!("register {id} run 0"), format!("unfence {id}")]
        );
    }
    let unclean = unclean.to_string();
    let configs = [("unclean.leader.election.enable", unclean.as_str())];
    assert_eq!(rig.create("t", &[1, 2, 3], &configs).error, ErrorCode::None);
    assert_eq!(
        rig.written(),
        [
            "topic t".to_owned(),
            format!("config unclean.leader.election.enable={unclean}"),
            "partition replicas=[1,2,3] isr=[1,2,3] leader=1 epochs 0/0".to_owned(),
        ]
    );
    let changes = [
        (3, vec!["change isr=[1,2]"]),
        (2, vec!["change isr=[1]"]),
        (1, vec!["change isr=[] elr=[1] last=[1] leader=-1"]),
    ];
    for (id, expected) in changes {
        let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        if kill {
            rig.kill(id);
            expected.push(format!("fence {id}"));
        } else {
            rig.stop(id);
            // The leader moves its leaderships away first, and is let go with its next heartbeat.
            if id == 1 {
                expected.insert(0, "stop 1".to_owned());
            }
            expected.push(format!("fence {id}"));
        }
        assert_eq!(rig.written(), expected);
        if !kill {
            // Its session still ends, which fences it once more.
            rig.wait(Duration::from_secs(5));
            assert_eq!(rig.written(), [format!("fence {id}")]);
        }
    }
    assert_eq!(rig.partition("t").leader_epoch.0, 1);
    rig
}

fn back(rig: &mut Rig, id: i32, clean: bool, expected: &[&str]) {
    rig.start_broker(id, clean);
    assert_eq!(rig.written(), expected);
    rig.wait(Duration::from_secs(12));
    assert_eq!(rig.written(), [] as [&str; 0]);
}

const LEADER_1_BACK_AFTER_KILL: [&str; 4] = [
    "change elr=[]",
    "register 1 run 1",
    "unfence 1",
    "change isr=[1] last=[] leader=1 Recovering",
];
const LEADER_1_BACK_AFTER_STOP: [&str; 3] = [
    "register 1 run 1",
    "unfence 1",
    "change isr=[1] elr=[] last=[] leader=1",
];

#[test]
fn killed_and_back_in_another_order_without_unclean_election() {
    for (first, second) in [(3, 2), (2, 3)] {
        let mut rig = all_down(false, true);
        for id in [first, second] {
            let expected = [format!("register {id} run 1"), format!("unfence {id}")];
            back(
                &mut rig,
                id,
                false,
                &expected.each_ref().map(String::as_str),
            );
            assert_eq!(rig.partition("t").leader, None);
            assert!(rig.partition("t").isr.is_empty());
        }
        back(&mut rig, 1, false, &LEADER_1_BACK_AFTER_KILL);
        rig.propose(&[1, 3]);
        rig.propose(&[1, 2, 3]);
        assert_eq!(
            rig.written(),
            ["change isr=[1,3] Recovered", "change isr=[1,2,3]"]
        );
        assert_eq!(rig.partition("t").leader_epoch.0, 2);
    }
}

#[test]
fn the_last_leader_back_first_leads_at_once() {
    for unclean in [false, true] {
        let mut rig = all_down(unclean, true);
        back(&mut rig, 1, false, &LEADER_1_BACK_AFTER_KILL);
        back(&mut rig, 2, false, &["register 2 run 1", "unfence 2"]);
        back(&mut rig, 3, false, &["register 3 run 1", "unfence 3"]);
        assert_eq!(rig.partition("t").leader_epoch.0, 2);
    }
}

#[test]
fn stopped_in_order_the_last_leader_is_elected_from_the_elr() {
    let mut rig = all_down(false, false);
    back(&mut rig, 3, true, &["register 3 run 1", "unfence 3"]);
    back(&mut rig, 2, true, &["register 2 run 1", "unfence 2"]);
    back(&mut rig, 1, true, &LEADER_1_BACK_AFTER_STOP);
    let mut rig = all_down(true, false);
    back(&mut rig, 1, true, &LEADER_1_BACK_AFTER_STOP);
}

#[test]
fn with_unclean_election_the_first_one_back_leads() {
    for kill in [true, false] {
        for (first, second) in [(3, 2), (2, 3)] {
            let mut rig = all_down(true, kill);
            let elected = format!("change isr=[{first}] elr=[] last=[] leader={first} Recovering");
            let registered = format!("register {first} run 1");
            let unfenced = format!("unfence {first}");
            back(&mut rig, first, !kill, &[&registered, &unfenced, &elected]);
            let expected = [
                format!("register {second} run 1"),
                format!("unfence {second}"),
            ];
            back(
                &mut rig,
                second,
                !kill,
                &expected.each_ref().map(String::as_str),
            );
            back(&mut rig, 1, !kill, &["register 1 run 1", "unfence 1"]);
            assert_eq!(rig.partition("t").leader, Some(BrokerId(first)));
            assert_eq!(rig.partition("t").leader_epoch.0, 2);
        }
    }
}

#[test]
fn every_election_is_told_with_its_reasons() {
    let mut rig = all_down(false, true);
    let elected = |rig: &mut Rig| {
        let events = std::mem::take(&mut rig.events);
        let told = events.into_iter().filter_map(|event| match event {
            Event::Elected {
                leader,
                rule,
                candidates,
                ..
            } => Some((leader, rule, candidates)),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    rig.start_broker(3, false);
    let told = elected(&mut rig);
    let [(None, crate::event::ElectionRule::Nobody, candidates)] = &told[..] else {
        panic!("{told:?}")
    };
    assert!(candidates[2].available && !candidates[2].in_elr);
    assert!(!candidates[0].available && candidates[0].in_elr);
    rig.start_broker(1, false);
    let told = elected(&mut rig);
    // Once when it leaves the ELR, once when it is unfenced.
    assert_eq!(told.len(), 2);
    assert_eq!(told[1].0, Some(BrokerId(1)));
    assert_eq!(told[1].1, crate::event::ElectionRule::LastKnownLeader);
    assert!(told[1].2[0].last_known_leader);
}
