//! Each switch of the protocol's generation that the controller reads, flipped. The two of
//! AlterPartition are in `alter_partition_tests.rs`.

use super::*;

fn without(key: &str) -> Rules {
    let mut rules = Rules::default();
    rules.set(key, "false").unwrap();
    rules
}

/// `t-0` on brokers 1 and 2; 2 goes, then 1; then 1 comes back from its kill.
fn last_leader_returns(rules: Rules) -> (Vec<String>, Vec<String>) {
    let mut rig = Rig::new(rules);
    for id in [1, 2] {
        rig.start_broker(id, false);
    }
    rig.create("t", &[1, 2], &[]);
    rig.kill(2);
    rig.written();
    rig.kill(1);
    let down = rig.written();
    rig.start_broker(1, false);
    (down, rig.written())
}

/// What the controller writes when the broker that left the ISR first is back alone, with unclean election
/// allowed.
fn first_back_uncleanly(rules: Rules) -> Vec<String> {
    let mut rig = Rig::new(rules);
    for id in [1, 2] {
        rig.start_broker(id, false);
    }
    let unclean = ("unclean.leader.election.enable", "true");
    rig.create("t", &[1, 2], &[unclean]);
    rig.kill(2);
    rig.kill(1);
    rig.written();
    rig.start_broker(2, false);
    rig.written()
}

#[test]
fn newest_rules() {
    let (down, up) = last_leader_returns(Rules::default());
    assert_eq!(
        down,
        ["change isr=[] elr=[1] last=[1] leader=-1", "fence 1"]
    );
    assert_eq!(
        up,
        [
            "change elr=[]",
            "register 1 run 1",
            "unfence 1",
            "change isr=[1] last=[] leader=1 Recovering",
        ]
    );
}

#[test]
fn without_elr_the_last_member_stays_in_the_isr() {
    let (down, up) = last_leader_returns(without("elr"));
    assert_eq!(down, ["change leader=-1", "fence 1"]);
    assert_eq!(up, ["register 1 run 1", "unfence 1", "change leader=1"]);
    let mut rig = Rig::new(without("elr"));
    rig.pass(Duration::from_millis(25));
    let expected = [
        "feature metadata.version=30",
        "feature eligible.leader.replicas.version=0",
    ];
    assert_eq!(rig.written(), expected);
}

#[test]
fn without_the_unclean_shutdown_check_a_killed_broker_stays_eligible() {
    let (_, up) = last_leader_returns(without("unclean_shutdown_check"));
    assert_eq!(
        up,
        [
            "register 1 run 1",
            "unfence 1",
            "change isr=[1] elr=[] last=[] leader=1"
        ]
    );
}

#[test]
fn a_controller_that_does_not_know_the_setting_never_elects_uncleanly() {
    // The clean rules are off, so that only the unclean one is left.
    let old = |heeded| {
        let mut rules = Rules::kafka("3.3").unwrap();
        rules.unclean_election_by_setting = heeded;
        first_back_uncleanly(rules)
    };
    assert_eq!(
        old(true).last().unwrap(),
        "change isr=[2] leader=2 Recovering"
    );
    assert_eq!(old(false).last().unwrap(), "unfence 2");
}

#[test]
fn without_the_last_known_leader_rule_nobody_leads_after_a_kill() {
    let (down, up) = last_leader_returns(without("elr_last_known_leader"));
    assert_eq!(down, ["change isr=[] elr=[1] leader=-1", "fence 1"]);
    assert_eq!(
        up,
        ["change elr=[] last=[1]", "register 1 run 1", "unfence 1"]
    );
}

#[test]
fn before_kafka_19522_the_last_known_leader_is_elected_before_it_is_back() {
    let (_, up) = last_leader_returns(without("elr_last_known_leader_checks_alive"));
    let expected = [
        "change isr=[1] elr=[] last=[] leader=1 Recovering",
        "register 1 run 1",
        "unfence 1",
    ];
    assert_eq!(up, expected, "fenced, and in the ISR");
}

#[test]
fn before_kafka_15021_each_shrink_of_the_isr_raises_the_leader_epoch() {
    let mut rules = without("elr");
    rules.set("isr_shrink_keeps_leader_epoch", "false").unwrap();
    let mut rig = Rig::new(rules);
    for id in [1, 2, 3] {
        rig.start_broker(id, false);
    }
    rig.create("t", &[1, 2, 3], &[]);
    rig.written();
    rig.kill(3);
    assert_eq!(rig.written(), ["change isr=[1,2] leader=1", "fence 3"]);
    // A leader that changes anyway raises it once; one that comes back to the ISR does not.
    rig.kill(1);
    assert_eq!(rig.written(), ["change isr=[2] leader=2", "fence 1"]);
    rig.kill(2);
    assert_eq!(rig.written(), ["change leader=-1", "fence 2"]);
}

#[test]
fn before_kafka_15021_the_last_member_raises_the_epoch_by_going_and_by_being_fenced() {
    let mut rules = without("elr");
    rules.set("isr_shrink_keeps_leader_epoch", "false").unwrap();
    let mut rig = Rig::new(rules);
    rig.start_broker(1, false);
    rig.create("t", &[1], &[]);
    rig.written();
    // As 3.3.2 was seen to: it stays in the ISR, and yet each time it was about to leave it.
    rig.stop(1);
    assert_eq!(
        rig.written(),
        ["stop 1", "change leader=-1", "change leader=-1", "fence 1"]
    );
}

#[test]
fn before_kafka_15586_a_registration_changes_no_partition() {
    let mut rules = Rules::kafka("3.7").unwrap();
    let restarted = |rules| {
        let mut rig = Rig::new(rules);
        rig.start_broker(1, false);
        rig.create("t", &[1], &[]);
        rig.kill(1);
        rig.written();
        rig.start_broker(1, false);
        rig.written()
    };
    // With the old rule of the leader epoch it shows: the last member is about to leave once more.
    rules.isr_shrink_keeps_leader_epoch = false;
    let back = ["register 1 run 1", "unfence 1", "change leader=1"];
    assert_eq!(restarted(rules), back);
    rules.registration_leaves_isr = true;
    assert_eq!(restarted(rules)[0], "change leader=-1");
}

#[test]
fn before_kip_704_a_partition_does_not_recover() {
    let (_, up) = last_leader_returns(without("leader_recovery_state"));
    assert_eq!(up.last().unwrap(), "change isr=[1] last=[] leader=1");
}
