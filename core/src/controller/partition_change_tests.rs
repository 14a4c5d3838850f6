//! Tables of elections and ELR changes. The rows are those of Kafka's `PartitionChangeBuilderTest` that
//! concern elections, ISR and ELR, and the steps of the all-brokers-down story.

use super::*;
use crate::id::TopicId;
use crate::offset::{LeaderEpoch, PartitionEpoch};
use ElectionKind::{Online, Preferred, Unclean};
use std::fmt::Write as _;

fn ids(text: &str) -> Vec<BrokerId> {
    let list = text.split_whitespace();
    list.map(|id| BrokerId(id.parse().unwrap())).collect()
}

/// `leader | isr | elr | last known elr`, with leader `-` for none and `!` while recovering.
fn partition(replicas: &str, text: &str) -> PartitionRegistration {
    let parts: Vec<&str> = text.split('|').map(str::trim).collect();
    let state = if parts[0].ends_with('!') {
        LeaderRecoveryState::Recovering
    } else {
        LeaderRecoveryState::Recovered
    };
    PartitionRegistration {
        replicas: ids(replicas),
        leader: parts[0].trim_end_matches('!').parse().ok().map(BrokerId),
        isr: ids(parts[1]),
        elr: ids(parts[2]),
        last_known_elr: ids(parts[3]),
        leader_recovery_state: state,
        leader_epoch: LeaderEpoch(100),
        partition_epoch: PartitionEpoch(200),
        removing: Vec::new(),
        adding: Vec::new(),
        directories: Vec::new(),
    }
}

pub(in crate::controller) fn describe(change: &PartitionChangeRecord) -> String {
    let mut text = String::new();
    let mut list = |name: &str, brokers: &Option<Vec<BrokerId>>| {
        if let Some(brokers) = brokers {
            let brokers: Vec<String> = brokers.iter().map(ToString::to_string).collect();
            write!(text, " {name}=[{}]", brokers.join(",")).unwrap();
        }
    };
    list("isr", &change.isr);
    list("elr", &change.elr);
    list("last", &change.last_known_elr);
    match change.leader {
        LeaderChange::Unchanged => {}
        LeaderChange::NoLeader => text.push_str(" leader=-1"),
        LeaderChange::Leader(leader) => write!(text, " leader={leader}").unwrap(),
    }
    if let Some(state) = change.leader_recovery_state {
        write!(text, " {state:?}").unwrap();
    }
    let assignment = [
        ("replicas", &change.replicas),
        ("removing", &change.removing),
        ("adding", &change.adding),
    ];
    for (name, brokers) in assignment {
        if let Some(brokers) = brokers {
            let brokers: Vec<String> = brokers.iter().map(ToString::to_string).collect();
            write!(text, " {name}=[{}]", brokers.join(",")).unwrap();
        }
    }
    text.trim_start().to_owned()
}

struct Case {
    replicas: &'static str,
    partition: &'static str,
    target_isr: &'static str,
    live: &'static str,
    election: ElectionKind,
    min_isr: usize,
    elr: bool,
    last_known: bool,
    unclean_shutdown: Option<i32>,
}

const CASE: Case = Case {
    replicas: "2 1 3",
    partition: "1 | 2 1 3 | |",
    target_isr: "2 1 3",
    live: "1 2 3 4",
    election: Online,
    min_isr: 1,
    elr: true,
    last_known: true,
    unclean_shutdown: None,
};

impl Case {
    fn build(&self) -> PartitionChange {
        let partition = partition(self.replicas, self.partition);
        let live = ids(self.live);
        let builder = PartitionChangeBuilder {
            partition: &partition,
            brokers: &BTreeMap::new(),
            key: (TopicId(1), 0),
            min_isr: self.min_isr,
            elr_enabled: self.elr,
            use_last_known_leader: self.last_known,
            election: self.election,
            target_isr: ids(self.target_isr),
            target: Assignment::of(&partition),
            target_recovery_state: partition.leader_recovery_state,
            unclean_shutdown: self.unclean_shutdown.map(BrokerId),
            directory: None,
            rules: Rules::default(),
        };
        builder.build(&|broker| live.contains(&broker))
    }

    fn text(&self) -> String {
        self.build()
            .record
            .as_ref()
            .map_or_else(String::new, describe)
    }
}

#[track_caller]
fn check(case: &Case, expected: &str) {
    assert_eq!(case.text(), expected);
}

#[test]
fn the_leader_stays_while_it_is_valid() {
    check(&CASE, "");
    check(
        &Case {
            election: Unclean,
            ..CASE
        },
        "",
    );
    check(
        &Case {
            election: Preferred,
            ..CASE
        },
        "leader=2",
    );
    check(
        &Case {
            target_isr: "1 3",
            ..CASE
        },
        "isr=[1,3]",
    );
    check(
        &Case {
            target_isr: "1 3",
            election: Preferred,
            ..CASE
        },
        "isr=[1,3]",
    );
    check(
        &Case {
            target_isr: "3",
            ..CASE
        },
        "isr=[3] leader=3",
    );
    check(
        &Case {
            target_isr: "2 3",
            ..CASE
        },
        "isr=[2,3] leader=2",
    );
}

#[test]
fn without_leader_an_isr_member_is_chosen_and_others_only_uncleanly() {
    const OFFLINE: Case = Case {
        partition: "- | 3 | |",
        target_isr: "3",
        elr: false,
        ..CASE
    };
    check(&OFFLINE, "leader=3");
    check(
        &Case {
            election: Preferred,
            ..OFFLINE
        },
        "leader=3",
    );
    check(
        &Case {
            live: "1",
            ..OFFLINE
        },
        "",
    );
    check(
        &Case {
            live: "1",
            election: Preferred,
            ..OFFLINE
        },
        "",
    );
    check(
        &Case {
            live: "1",
            election: Unclean,
            ..OFFLINE
        },
        "isr=[1] leader=1 Recovering",
    );
    check(
        &Case {
            live: "1 2",
            election: Unclean,
            ..OFFLINE
        },
        "isr=[2] leader=2 Recovering",
    );
    check(
        &Case {
            live: "",
            election: Unclean,
            ..OFFLINE
        },
        "",
    );
    // A partition that was recovering already says so no second time.
    check(
        &Case {
            partition: "-! | 3 | |",
            live: "1",
            election: Unclean,
            ..OFFLINE
        },
        "isr=[1] leader=1",
    );
}

#[test]
fn with_elr_off_the_isr_keeps_its_last_member() {
    const LAST: Case = Case {
        partition: "1 | 1 | |",
        target_isr: "",
        live: "2 3",
        ..CASE
    };
    check(&Case { elr: false, ..LAST }, "leader=-1");
    check(&LAST, "isr=[] elr=[1] last=[1] leader=-1");
    check(
        &Case {
            last_known: false,
            ..LAST
        },
        "isr=[] elr=[1] leader=-1",
    );
    // An ELR that is still there from before is given up.
    check(
        &Case {
            partition: "1 | 1 | 3 |",
            target_isr: "1",
            live: "1",
            elr: false,
            ..CASE
        },
        "elr=[]",
    );
}

#[test]
fn the_elr_holds_who_left_the_isr_below_min_isr() {
    const FOUR: Case = Case {
        replicas: "1 2 3 4",
        min_isr: 3,
        ..CASE
    };
    check(
        &Case {
            partition: "1 | 1 2 3 4 | |",
            target_isr: "1 2",
            ..FOUR
        },
        "isr=[1,2] elr=[3,4]",
    );
    check(
        &Case {
            partition: "1 | 1 2 3 4 | |",
            target_isr: "1 2 3",
            ..FOUR
        },
        "isr=[1,2,3]",
    );
    check(
        &Case {
            partition: "1 | 1 2 | 3 | 4",
            target_isr: "1 2 3",
            last_known: false,
            ..FOUR
        },
        "isr=[1,2,3] elr=[] last=[]",
    );
    check(
        &Case {
            partition: "1 | 1 | 3 | 2",
            target_isr: "1 4",
            ..FOUR
        },
        "isr=[1,4]",
    );
    check(
        &Case {
            partition: "1 | 1 | 2 3 |",
            target_isr: "1",
            unclean_shutdown: Some(3),
            ..FOUR
        },
        "elr=[2]",
    );
    check(
        &Case {
            partition: "1 | 1 | 2 3 | 4",
            target_isr: "1",
            unclean_shutdown: Some(3),
            last_known: false,
            ..FOUR
        },
        "elr=[2] last=[3,4]",
    );
}

#[test]
fn an_elr_member_leads_when_the_isr_is_empty() {
    const EMPTY: Case = Case {
        replicas: "1 2 3 4",
        min_isr: 3,
        target_isr: "",
        ..CASE
    };
    let case = Case {
        partition: "1 | 1 | 3 | 2",
        live: "2 3 4",
        ..EMPTY
    };
    check(&case, "isr=[3] elr=[1] last=[] leader=3");
    assert_eq!(case.build().choice.rule, ElectionRule::Elr);
    // Not while the ISR has a member, dead or alive.
    let case = Case {
        partition: "- | 1 | 3 |",
        target_isr: "1",
        live: "3",
        ..EMPTY
    };
    check(&case, "");
}

#[test]
fn the_last_known_leader_leads_when_isr_and_elr_are_empty() {
    const NOBODY: Case = Case {
        partition: "- | | | 1",
        target_isr: "",
        live: "1 2 3",
        ..CASE
    };
    check(&NOBODY, "isr=[1] last=[] leader=1 Recovering");
    assert_eq!(NOBODY.build().choice.rule, ElectionRule::LastKnownLeader);
    check(
        &Case {
            election: Preferred,
            ..NOBODY
        },
        "isr=[1] last=[] leader=1 Recovering",
    );
    check(
        &Case {
            live: "2 3",
            ..NOBODY
        },
        "",
    );
    check(
        &Case {
            last_known: false,
            ..NOBODY
        },
        "",
    );
    // A former ELR is no last known leader.
    check(
        &Case {
            partition: "- | | | 1 3",
            ..NOBODY
        },
        "",
    );
    check(
        &Case {
            partition: "- | | 2 | 1",
            live: "1 3",
            ..NOBODY
        },
        "",
    );
    // It comes before any other unclean choice.
    let case = Case {
        election: Unclean,
        ..NOBODY
    };
    check(&case, "isr=[1] last=[] leader=1 Recovering");
    let case = Case {
        election: Unclean,
        live: "3",
        ..NOBODY
    };
    check(&case, "isr=[3] last=[] leader=3 Recovering");
    assert_eq!(case.build().choice.rule, ElectionRule::Unclean);
}

#[test]
fn elections_are_told_only_when_there_is_something_to_tell() {
    assert!(!CASE.build().elected);
    assert!(
        !Case {
            target_isr: "1 3",
            ..CASE
        }
        .build()
        .elected
    );
    let nobody = Case {
        partition: "- | | 1 | 1",
        target_isr: "",
        live: "2",
        ..CASE
    }
    .build();
    assert!(nobody.elected);
    assert_eq!(nobody.choice.rule, ElectionRule::Nobody);
    let first = nobody.candidates[0];
    assert!(first.available && !first.in_isr && !first.in_elr && !first.last_known_leader);
    let second = nobody.candidates[1];
    assert!(!second.available && second.in_elr && second.last_known_leader);
}
