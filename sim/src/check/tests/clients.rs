//! What applications may expect.

use super::{caught, excused, findings, judged, passed};
use crate::check::story::{Story, brokers, change, orders};
use crate::history::{EndReason, What};
use crate::plan::StopKind;
use crate::verdict::Class;
use ktrial_core::event::{ResetCause, SendOutcome};
use ktrial_core::metadata::{LeaderChange, PartitionChangeRecord};
use ktrial_core::{BrokerId, ErrorCode, Event, PartitionEpoch};

type Log<'a> = &'a [(i64, i32, &'a str)];

const A: (i64, i32, &str) = (0, 0, "a");
const B: (i64, i32, &str) = (1, 0, "b");

/// A and b are written; at the end the leader's log and that of broker 1 are these.
fn two_records(mut story: Story, leader: Log<'_>, follower: Log<'_>) -> Story {
    story
        .written("a", 0, 0, &[0, 1, 2])
        .written("b", 1, 0, &[0, 1, 2]);
    story.end(EndReason::Settled);
    story.final_log(0, leader).final_log(1, follower);
    story
}

#[test]
fn lost_write() {
    caught(&two_records(Story::new(), &[A], &[A, B]), "lost_write");
    passed(&two_records(Story::new(), &[A, B], &[A]), "lost_write");
    // The setting alone is no excuse: no unclean election took place.
    let unclean = Story::new().topic_setting("unclean.leader.election.enable", "true");
    caught(&two_records(unclean, &[A], &[A]), "lost_write");
    // Nor is acks=1 for what every member of the ISR has.
    let acks = Story::new().producer_setting("acks", "1");
    caught(&two_records(acks, &[A], &[A]), "lost_write");
}

/// Before registration took a broker out of the ISR. Found by `ktrial fuzz --seed 0 --set kafka.release=3.6`.
#[test]
fn a_leader_that_lost_its_log_writes_others_records_in_the_same_epoch() {
    let story = |how| {
        let mut story = Story::new();
        story.isr(&[0]).broker(
            0,
            Event::IsrAdopted {
                partition: orders(),
                isr: brokers(&[0]),
                partition_epoch: PartitionEpoch(1),
            },
        );
        story.at(10).written("a", 0, 0, &[0]);
        story.stop(0, how).process_started(0).loaded(0, 0, 0);
        story.leads(0, 0, 0).at(20).written("b", 0, 0, &[0]);
        story.end(EndReason::Settled);
        story.final_log(0, &[(0, 0, "b")]);
        story
    };
    excused(&story(StopKind::PowerLoss), "lost_write");
    passed(&story(StopKind::PowerLoss), "acknowledged_by_isr");
    caught(&story(StopKind::Kill), "lost_write");
}

#[test]
fn acks_one_loses_what_only_a_deposed_leader_has() {
    let story = |acks: &str, elected: bool| {
        let mut story = Story::new().producer_setting("acks", acks);
        story.send("a").append(0, 0, 0, "a").acknowledged("a", 0);
        if elected {
            story
                .stop(0, StopKind::Kill)
                .write_change(PartitionChangeRecord {
                    isr: Some(brokers(&[1, 2])),
                    leader: LeaderChange::Leader(BrokerId(1)),
                    ..change()
                });
            story.leads(1, 1, 0).follows(2, 1, 1);
        }
        story.end(EndReason::Settled);
        for id in 0..3 {
            story.final_log(id, &[]);
        }
        story
    };
    excused(&story("1", true), "lost_write");
    caught(&story("1", false), "lost_write");
    caught(&story("all", true), "lost_write");
}

#[test]
fn what_was_not_acknowledged_cannot_be_lost() {
    for outcome in [
        SendOutcome::Sent,
        SendOutcome::Unknown(ErrorCode::RequestTimedOut),
    ] {
        let mut story = Story::new();
        story
            .send("a")
            .ended("a", outcome)
            .end(EndReason::Settled)
            .final_log(0, &[]);
        passed(&story, "lost_write");
        assert_eq!(judged(&story).unknown, 1);
    }
}

#[test]
fn a_record_that_an_eligible_replica_holds_is_waiting() {
    let leaderless = |elr: &[i32]| {
        let mut story = Story::new();
        story.written("a", 0, 0, &[0]).stop(0, StopKind::Kill);
        story.write_change(PartitionChangeRecord {
            isr: Some(Vec::new()),
            leader: LeaderChange::NoLeader,
            elr: Some(brokers(elr)),
            last_known_elr: Some(brokers(elr)),
            ..change()
        });
        story.fence(0).end(EndReason::Settled);
        story.final_log(0, &[A]).final_log(1, &[]).final_log(2, &[]);
        story
    };
    let story = leaderless(&[0]);
    passed(&story, "lost_write");
    passed(&story, "stuck_partition");
    assert_eq!(judged(&story).verdict, Class::Unavailable);
    let story = leaderless(&[1]);
    caught(&story, "lost_write");
    caught(&story, "stuck_partition");
}

#[test]
fn duplicate() {
    let twice: Log<'_> = &[A, (1, 0, "b"), (2, 0, "b")];
    let retried = |story: Story| {
        let mut story = story;
        story
            .written("a", 0, 0, &[0])
            .send("b")
            .append(0, 1, 0, "b")
            .append(0, 2, 0, "b");
        story.client(
            0,
            Event::SendRetried {
                partition: orders(),
                records: 1,
                error: ErrorCode::NetworkException,
            },
        );
        story
            .high_watermark(0, 3)
            .acknowledged("b", 2)
            .end(EndReason::Converged)
            .final_log(0, twice);
        story
    };
    let story = retried(Story::new());
    excused(&story, "duplicate");
    let verdict = judged(&story);
    assert_eq!(verdict.verdict, Class::Permitted);
    assert!(
        verdict.duplicated[0]
            .why
            .contains("after NETWORK_EXCEPTION"),
        "{verdict:?}"
    );
    let once = Story::new().producer_setting("retries", "0");
    caught(&retried(once), "duplicate");
    passed(&two_records(Story::new(), &[A, B], &[A, B]), "duplicate");
}

#[test]
fn aborted_read() {
    let failed = |outcome, log: Log<'_>, read: Log<'_>| {
        let mut story = Story::new();
        story
            .send("a")
            .append(0, 0, 0, "a")
            .high_watermark(0, 1)
            .ended("a", outcome);
        story.polled(read).end(EndReason::Settled).final_log(0, log);
        story
    };
    let definite = SendOutcome::Failed(ErrorCode::NotEnoughReplicas);
    caught(&failed(definite, &[A], &[]), "aborted_read");
    caught(&failed(definite, &[], &[A]), "aborted_read");
    passed(&failed(definite, &[], &[]), "aborted_read");
    let unknown = SendOutcome::Unknown(ErrorCode::NotEnoughReplicasAfterAppend);
    passed(&failed(unknown, &[A], &[A]), "aborted_read");
}

#[test]
fn inconsistent_offsets() {
    let polled = |record| {
        let mut story = two_records(Story::new(), &[A, B], &[]);
        story.polled(&[record]);
        story
    };
    caught(&polled((1, 0, "z")), "inconsistent_offsets");
    passed(&polled((1, 0, "b")), "inconsistent_offsets");
}

/// A, b and c are at 0, 1 and 3 (nothing is known of 2).
fn reading(polls: &[Log<'_>]) -> Story {
    let mut story = Story::new();
    story
        .written("a", 0, 0, &[0])
        .written("b", 1, 0, &[0])
        .written("c", 3, 0, &[0]);
    for poll in polls {
        story.polled(poll);
    }
    story
}

#[test]
fn nonmonotonic_poll() {
    caught(&reading(&[&[A, B], &[B]]), "nonmonotonic_poll");
    caught(&reading(&[&[B, A]]), "int_nonmonotonic_poll");
    passed(&reading(&[&[B, A]]), "nonmonotonic_poll");
    passed(&reading(&[&[A], &[B]]), "nonmonotonic_poll");
    let mut story = reading(&[&[A, B]]);
    story.position_reset(0, ResetCause::NoPosition).polled(&[A]);
    passed(&story, "nonmonotonic_poll");
}

#[test]
fn poll_skip() {
    let c = (3, 0, "c");
    caught(&reading(&[&[A], &[c]]), "poll_skip");
    caught(&reading(&[&[A, c]]), "int_poll_skip");
    passed(&reading(&[&[A, c]]), "poll_skip");
    passed(&reading(&[&[A, B], &[c]]), "poll_skip");
}

#[test]
fn unseen() {
    let read = |log: Log<'_>, reason| {
        let mut story = Story::new();
        story
            .written("a", 0, 0, &[0])
            .written("b", 1, 0, &[0])
            .polled(log);
        story.world(What::StepsDone).at(100_000);
        story.world(What::Ended { reason }).final_log(0, &[A, B]);
        story
    };
    caught(&read(&[B], EndReason::Converged), "unseen");
    caught(&read(&[A], EndReason::Settled), "unseen");
    // A trial that has just converged gives a consumer no time to read on.
    passed(&read(&[A], EndReason::Converged), "unseen");
    passed(&read(&[A, B], EndReason::Settled), "unseen");
    assert_eq!(findings(&read(&[], EndReason::Settled), "unseen").len(), 2);

    // Acknowledged with acks=1, but never below the high watermark.
    let mut story = Story::new().producer_setting("acks", "1");
    story.send("a").append(0, 0, 0, "a").acknowledged("a", 0);
    story.end(EndReason::Settled).final_log(0, &[A]);
    passed(&story, "unseen");
}
