//! Properties of the controller's records, of who may lead, and of what is acknowledged.

use super::{caught, excused, findings, judged, passed};
use crate::check::story::{Story, brokers, change, orders};
use crate::history::EndReason;
use crate::plan::StopKind;
use ktrial_core::event::{ElectionRule, SendOutcome, TruncationCause};
use ktrial_core::message::ConfigResource;
use ktrial_core::metadata::{
    ClearElrRecord, ConfigRecord, LeaderChange, MetadataRecord, PartitionChangeRecord,
    RegisterBrokerRecord,
};
use ktrial_core::{BrokerEpoch, BrokerId, Event, Incarnation, Offset};

const UNCLEAN: &str = "unclean.leader.election.enable";
const MIN: &str = "min.insync.replicas";

/// The controller gives the leadership to a broker, with itself as the ISR.
fn elect(story: &mut Story, id: i32, rule: ElectionRule) {
    story.elected(Some(id), rule, Vec::new());
    story.write_change(PartitionChangeRecord {
        isr: Some(brokers(&[id])),
        leader: LeaderChange::Leader(BrokerId(id)),
        elr: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        ..change()
    });
}

/// Nobody leads; these are the ELR and the last known leader.
fn leaderless(story: &mut Story, elr: &[i32], last_known: &[i32]) {
    story.write_change(PartitionChangeRecord {
        isr: Some(Vec::new()),
        leader: LeaderChange::NoLeader,
        elr: Some(brokers(elr)),
        last_known_elr: Some(brokers(last_known)),
        ..change()
    });
}

#[test]
fn unclean_election() {
    let name = "unclean_election";
    let outsider = |mut story: Story, rule| {
        story.isr(&[0, 1]);
        elect(&mut story, 2, rule);
        story
    };
    caught(&outsider(Story::new(), ElectionRule::Unclean), name);
    let on = || Story::new().topic_setting(UNCLEAN, "true");
    passed(&outsider(on(), ElectionRule::Unclean), name);
    // The controller says that it is clean.
    caught(&outsider(on(), ElectionRule::Isr), name);
    caught(&outsider(on(), ElectionRule::Elr), name);

    // From the ELR, and the last known leader: both are right, the second only where the rules have it.
    let returns = |elr: &[i32], last: &[i32], id| {
        let mut story = Story::new();
        leaderless(&mut story, elr, last);
        let rule = if elr.contains(&id) {
            ElectionRule::Elr
        } else {
            ElectionRule::LastKnownLeader
        };
        elect(&mut story, id, rule);
        story
    };
    passed(&returns(&[1], &[0], 1), name);
    passed(&returns(&[], &[0], 0), name);
    caught(&returns(&[], &[0], 1), name);
    let mut old = returns(&[], &[0], 0);
    old.plan.rules.elr_last_known_leader = false;
    caught(&old, name);
}

#[test]
fn min_isr_recovery_quorum() {
    let name = "min_isr_recovery_quorum";
    let story = |elr: &[i32], last: &[i32]| {
        let mut story = Story::new();
        leaderless(&mut story, elr, last);
        story
    };
    caught(&story(&[], &[]), name);
    passed(&story(&[], &[0]), name);
    passed(&story(&[1], &[]), name);
    let mut old = story(&[], &[]);
    old.plan.rules.elr = false;
    passed(&old, name);
    // A change of min.insync.replicas clears both, as documented.
    let mut cleared = story(&[1], &[0]);
    cleared.write(MetadataRecord::ClearElr(ClearElrRecord { topic: None }));
    cleared.write_change(change());
    passed(&cleared, name);
}

#[test]
fn maximal_isr_superset() {
    let name = "maximal_isr_superset";
    let mut story = Story::new();
    story.isr(&[0, 1]).isr(&[0, 1, 2]);
    passed(&story, name);
    // The leader leads with [0, 1], and the controller takes 2 in by itself.
    let mut story = Story::new();
    story.isr(&[0, 1]);
    story.broker(0, adopted(&[0, 1]));
    story.isr_alone(&[0, 1, 2]);
    caught(&story, name);
    // A member that the controller has taken out may still count.
    let mut story = Story::new();
    story.isr_alone(&[0, 1]);
    passed(&story, name);
}

fn adopted(isr: &[i32]) -> Event {
    Event::IsrAdopted {
        partition: orders(),
        isr: brokers(isr),
        partition_epoch: ktrial_core::PartitionEpoch(1),
    }
}

#[test]
fn leader_candidate_completeness() {
    let name = "leader_candidate_completeness";
    // Broker 1 has lost a with its power and is in the ISR when it opens its log.
    let back = |min: &str, isr: &[i32]| {
        let mut story = Story::new().topic_setting(MIN, min);
        story.written("a", 0, 0, &[0, 1, 2]);
        story.stop(1, StopKind::PowerLoss);
        story.isr_alone(isr).process_started(1).loaded(1, 0, 0);
        story
    };
    caught(&back("2", &[0, 1, 2]), name);
    passed(&back("1", &[0, 1, 2]), name);
    passed(&back("2", &[0, 2]), name);
    // It is taken in too early.
    let mut story = back("2", &[0, 2]);
    story
        .register(1)
        .unfence(1)
        .follows(1, 0, 0)
        .isr(&[0, 1, 2]);
    caught(&story, name);
    let mut story = back("2", &[0, 2]);
    story.register(1).unfence(1).follows(1, 0, 0);
    story.append(1, 0, 0, "a").isr(&[0, 1, 2]);
    passed(&story, name);
    // A member follows somebody else and cuts off what is committed; or not; or it is no member.
    let cut = |to: i64, isr: &[i32], cause| {
        let mut story = Story::new();
        story.written("a", 0, 0, &[0, 1, 2]).isr_alone(isr);
        story.broker(
            1,
            Event::Truncated {
                partition: orders(),
                from: Offset(1),
                to: Offset(to),
                cause,
            },
        );
        story
    };
    caught(&cut(0, &[0, 1, 2], TruncationCause::OutOfRange), name);
    passed(&cut(1, &[0, 1, 2], TruncationCause::OutOfRange), name);
    passed(&cut(0, &[0, 2], TruncationCause::OutOfRange), name);
    passed(&cut(0, &[0, 1, 2], TruncationCause::HighWatermark), name);
}

#[test]
fn written_by_leader() {
    let mut story = Story::new();
    story.append(1, 0, 0, "a");
    caught(&story, "written_by_leader");
    let mut story = Story::new();
    story.append(0, 0, 0, "a").append(1, 0, 0, "a");
    passed(&story, "written_by_leader");
}

#[test]
fn acknowledged_by_isr() {
    let name = "acknowledged_by_isr";
    let mut story = Story::new();
    story.send("a").append(0, 0, 0, "a").acknowledged("a", 0);
    caught(&story, name);
    let mut story = Story::new().producer_setting("acks", "1");
    story.send("a").append(0, 0, 0, "a").acknowledged("a", 0);
    passed(&story, name);
    // Nobody has written it at all.
    let mut story = Story::new().producer_setting("acks", "1");
    story.send("a").acknowledged("a", 0);
    caught(&story, name);
    // With an ISR that is too small.
    let alone = |min: &str| {
        let mut story = Story::new().topic_setting(MIN, min);
        story.isr(&[0]).broker(0, adopted(&[0]));
        story.written("a", 0, 0, &[0]);
        story
    };
    caught(&alone("2"), name);
    passed(&alone("1"), name);
    passed(
        &Story::new().also(|story| story.written("a", 0, 0, &[0, 1, 2])),
        name,
    );
}

#[test]
fn acknowledged_somewhere_and_consistent_read() {
    // The ISR is [0, 1] with min.insync.replicas=2; both lose power, or one of them does.
    let story = |lost: &[i32]| {
        let mut story = Story::new().topic_setting(MIN, "2");
        story.isr(&[0, 1]).broker(0, adopted(&[0, 1]));
        story
            .at(10)
            .written("a", 0, 0, &[0, 1])
            .polled(&[(0, 0, "a")]);
        story.at(20);
        for id in lost {
            story.stop(*id, StopKind::PowerLoss);
        }
        for id in lost {
            story.process_started(*id).loaded(*id, 0, 0);
        }
        elect(&mut story, 1, ElectionRule::Isr);
        story.leads(1, 1, 0);
        story
    };
    let one = story(&[1]);
    passed(&one, "acknowledged_somewhere");
    caught(&one, "consistent_read");
    let both = story(&[0, 1]);
    passed(&both, "acknowledged_somewhere");
    passed(&both, "consistent_read");
    excused(&both, "leader_completeness");
    // The follower cuts off the last copy, and only one has lost its power.
    let mut one = story(&[1]);
    one.follows(0, 1, 1).truncate(0, 1, 0);
    caught(&one, "acknowledged_somewhere");
}

#[test]
fn a_change_of_min_insync_replicas_excuses_one_power_loss() {
    let story = |changed: bool| {
        let mut story = Story::new().topic_setting(MIN, "2");
        story.at(10).written("a", 0, 0, &[0, 1, 2]);
        story
            .at(20)
            .stop(1, StopKind::Shutdown)
            .isr(&[0])
            .write_change(PartitionChangeRecord {
                elr: Some(brokers(&[1, 2])),
                ..change()
            });
        if changed {
            story.write(MetadataRecord::Config(ConfigRecord {
                resource: ConfigResource::Topic("orders".into()),
                key: MIN.into(),
                value: Some("3".into()),
            }));
            story.write(MetadataRecord::ClearElr(ClearElrRecord { topic: None }));
        }
        story.at(30).stop(0, StopKind::PowerLoss).process_started(0);
        leaderless(&mut story, &[], &[0]);
        story.loaded(0, 0, 0);
        elect(&mut story, 0, ElectionRule::LastKnownLeader);
        story.leads(0, 2, 0);
        story
    };
    caught(&story(false), "leader_completeness");
    excused(&story(true), "leader_completeness");
}

#[test]
fn a_broker_that_came_back_to_the_isr_excuses_nothing() {
    // Brokers 1 and 0 lose power one after the other; in between 1 is back in the ISR, or is not.
    let story = |back: bool| {
        let mut story = Story::new().topic_setting(MIN, "2");
        story.at(10).written("a", 0, 0, &[0, 1, 2]);
        story.at(20).stop(1, StopKind::PowerLoss).isr(&[0, 2]);
        story
            .process_started(1)
            .loaded(1, 0, 0)
            .register(1)
            .unfence(1);
        story.follows(1, 0, 0);
        if back {
            story
                .append(1, 0, 0, "a")
                .high_watermark(1, 1)
                .isr(&[0, 1, 2]);
        }
        story
            .at(30)
            .stop(0, StopKind::PowerLoss)
            .process_started(0)
            .loaded(0, 0, 0);
        elect(&mut story, 0, ElectionRule::Isr);
        story.leads(0, 1, 0);
        story
    };
    excused(&story(false), "leader_completeness");
    caught(&story(true), "leader_completeness");
}

#[test]
fn an_unclean_election_excuses_what_a_deposed_leader_still_acknowledges() {
    let story = |mut story: Story| {
        story.isr(&[0]).broker(0, adopted(&[0]));
        elect(&mut story, 1, ElectionRule::Unclean);
        story.leads(1, 1, 0).at(50).written("a", 0, 0, &[0]);
        story.at(60).follows(0, 1, 1).truncate(0, 1, 0);
        story
            .end(EndReason::Settled)
            .final_log(0, &[])
            .final_log(1, &[]);
        story
    };
    excused(
        &story(Story::new().topic_setting(UNCLEAN, "true")),
        "lost_write",
    );
    caught(&story(Story::new()), "lost_write");
}

/// Found by `ktrial fuzz --profile harsh --seed 745`.
#[test]
fn a_reassignment_that_is_taken_back_uncleanly_excuses_as_an_unclean_election_does() {
    // Nobody is in the ISR; a move is begun and taken back, which leaves `isr`, and its one leads without a.
    let story = |mut story: Story, isr: i32| {
        story.isr(&[0, 1]).written("a", 0, 0, &[0, 1]);
        story.stop(0, StopKind::Shutdown);
        leaderless(&mut story, &[1, 0], &[0]);
        let moves = |removing: &[i32]| PartitionChangeRecord {
            removing: Some(brokers(removing)),
            ..change()
        };
        story.write_change(moves(&[0, 1])).follows(1, 1, 2);
        story.truncate(1, 1, 0).write_change(PartitionChangeRecord {
            isr: Some(brokers(&[isr])),
            elr: Some(Vec::new()),
            ..moves(&[])
        });
        elect(&mut story, isr, ElectionRule::Isr);
        story.leads(isr, 2, 0);
        story
    };
    let on = || Story::new().topic_setting(UNCLEAN, "true");
    excused(&story(on(), 2), "leader_completeness");
    // It is not allowed; and it leaves one that was in sync.
    caught(&story(Story::new(), 2), "leader_completeness");
    caught(&story(on(), 1), "leader_completeness");
}

#[test]
fn a_leader_that_is_gone_is_none() {
    let story = |stopped: bool| {
        let mut story = Story::new().topic_setting(MIN, "2");
        story.at(10).written("a", 0, 0, &[0, 1, 2]);
        if stopped {
            story.stop(0, StopKind::PowerLoss);
        }
        story.end(EndReason::TimeLimit);
        story.final_log(0, &[]).final_log(1, &[(0, 0, "a")]);
        story
    };
    passed(&story(true), "lost_write");
    passed(&story(true), "final_log_equals_view");
    caught(&story(false), "lost_write");
}

#[test]
fn log_survives_stop() {
    let name = "log_survives_stop";
    let back = |how, flushed: Option<i64>, end| {
        let mut story = Story::new();
        story.append(0, 0, 0, "a").append(0, 1, 0, "b");
        if let Some(offset) = flushed {
            story.flushed(0, offset);
        }
        story.stop(0, how).process_started(0).loaded(0, end, 0);
        story
    };
    caught(&back(StopKind::Kill, None, 1), name);
    passed(&back(StopKind::Kill, None, 2), name);
    passed(&back(StopKind::PowerLoss, None, 0), name);
    passed(&back(StopKind::PowerLoss, Some(1), 1), name);
    caught(&back(StopKind::PowerLoss, Some(1), 0), name);
}

#[test]
fn broker_epochs() {
    let name = "broker_epochs";
    let registered = |incarnation, epoch| {
        let mut story = Story::new();
        story.write(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker: BrokerId(1),
            incarnation: Incarnation(incarnation),
            broker_epoch: BrokerEpoch(epoch),
            fenced: false,
            in_controlled_shutdown: false,
            rack: None,
            log_dirs: Vec::new(),
        }));
        story
    };
    caught(&registered(2, 0), name);
    passed(&registered(2, 99), name);
    // The same process again, for it had no answer.
    let mut again = registered(2, 99);
    again.entries.push(again.entries.last().unwrap().clone());
    passed(&again, name);
    let told = |epoch| {
        let mut story = registered(2, 99);
        story.broker(
            1,
            Event::BrokerRegistered {
                broker_epoch: BrokerEpoch(epoch),
            },
        );
        story
    };
    passed(&told(99), name);
    caught(&told(98), name);
}

#[test]
fn sends_in_order() {
    let story = |setting: (&str, &str), at_once: bool| {
        let mut story = Story::new().producer_setting(setting.0, setting.1);
        story.at(10).send("a");
        if !at_once {
            story.at(20);
        }
        story
            .send("b")
            .append(0, 0, 0, "b")
            .append(0, 1, 0, "a")
            .high_watermark(0, 2);
        story.acknowledged("b", 0).acknowledged("a", 1);
        story
    };
    let one = ("max.in.flight.requests.per.connection", "1");
    caught(&story(one, true), "int_nonmonotonic_send");
    caught(&story(one, false), "nonmonotonic_send");
    passed(&story(one, true), "nonmonotonic_send");
    // A retry may overtake.
    excused(&story(("retries", "5"), false), "nonmonotonic_send");
    caught(&story(("retries", "0"), false), "nonmonotonic_send");

    let mut story = Story::new();
    story.written("a", 0, 0, &[0]).written("b", 1, 0, &[0]);
    passed(&story, "int_nonmonotonic_send");
}

#[test]
fn others_between_two_sends_are_a_goal_and_no_finding() {
    let mut story = Story::new();
    story
        .send("a")
        .send("b")
        .append(0, 0, 0, "a")
        .append(0, 1, 0, "x");
    story.append(0, 2, 0, "b").high_watermark(0, 3);
    let all: Offset = Offset(2);
    story
        .acknowledged("a", 0)
        .ended("b", SendOutcome::Acknowledged { offset: Some(all) });
    assert_eq!(judged(&story).goals["int_send_skip"], 1);
    assert_eq!(findings(&story, "int_send_skip"), []);
}
