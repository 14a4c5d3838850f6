//! All brokers down, one after the other; the first one down comes back first. Under both values of
//! `unclean.leader.election.enable`, as Apache Kafka 4.3.1 did it, and with power loss.

use super::judged;
use crate::check::story::{Story, brokers, change};
use crate::history::EndReason;
use crate::plan::StopKind;
use crate::verdict::{Class, Verdict};
use ktrial_core::BrokerId;
use ktrial_core::event::{Candidate, ElectionRule};
use ktrial_core::metadata::{LeaderChange, PartitionChangeRecord};

const A: (i64, i32, &str) = (0, 0, "A");

fn candidates(available: &[i32], elr: &[i32], last_known: &[i32]) -> Vec<Candidate> {
    let candidate = |id| Candidate {
        broker: BrokerId(id),
        available: available.contains(&id),
        in_isr: false,
        in_elr: elr.contains(&id),
        last_known_leader: last_known.contains(&id),
    };
    (0..3).map(candidate).collect()
}

/// A on three replicas, B on two, C on one, then nobody.
fn all_down(mut story: Story, how: StopKind) -> Story {
    story.at(100).written("A", 0, 0, &[0, 1, 2]).polled(&[A]);
    story.at(1_000).stop(2, how);
    story.at(4_000).isr(&[0, 1]).fence(2);
    story
        .at(4_100)
        .written("B", 1, 0, &[0, 1])
        .polled(&[(1, 0, "B")]);
    story.at(5_000).stop(1, how);
    story.at(8_000).isr(&[0]).fence(1);
    story.at(8_100).written("C", 2, 0, &[0]);
    story.at(9_000).stop(0, how);
    story.at(12_000);
    story.elected(None, ElectionRule::Nobody, candidates(&[], &[0], &[]));
    story.write_change(PartitionChangeRecord {
        isr: Some(Vec::new()),
        leader: LeaderChange::NoLeader,
        elr: Some(brokers(&[0])),
        last_known_elr: Some(brokers(&[0])),
        ..change()
    });
    story.fence(0);
    story
}

fn lead(story: &mut Story, id: i32, rule: ElectionRule, candidates: Vec<Candidate>) {
    story.elected(Some(id), rule, candidates);
    story.write_change(PartitionChangeRecord {
        isr: Some(brokers(&[id])),
        leader: LeaderChange::Leader(BrokerId(id)),
        elr: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        ..change()
    });
}

fn unclean() -> Story {
    let story = Story::new()
        .topic_setting("unclean.leader.election.enable", "true")
        .plans_stop(&[2, 1, 0], StopKind::Kill);
    let mut story = all_down(story, StopKind::Kill);
    story.at(13_000).back(2, 1, 1);
    lead(
        &mut story,
        2,
        ElectionRule::Unclean,
        candidates(&[2], &[0], &[0]),
    );
    story.leads(2, 2, 1);
    story.at(14_000).written("D", 1, 2, &[2]);
    story
        .at(15_000)
        .back(1, 2, 2)
        .follows(1, 2, 2)
        .truncate(1, 2, 1);
    story.append(1, 1, 2, "D").high_watermark(1, 2).isr(&[2, 1]);
    story
        .at(16_000)
        .back(0, 3, 3)
        .follows(0, 2, 2)
        .truncate(0, 3, 1);
    story
        .append(0, 1, 2, "D")
        .high_watermark(0, 2)
        .isr(&[2, 1, 0]);
    story.at(16_100).end(EndReason::Converged);
    for id in 0..3 {
        story.final_log(id, &[A, (1, 2, "D")]);
    }
    story
}

fn clean() -> Story {
    let story = Story::new().plans_stop(&[2, 1, 0], StopKind::Kill);
    let mut story = all_down(story, StopKind::Kill);
    story.at(13_000).back(2, 1, 1);
    story.at(14_000).send("D");
    story.at(15_000).back(1, 2, 2);
    story.at(16_000).write_change(PartitionChangeRecord {
        elr: Some(Vec::new()),
        ..change()
    });
    story.back(0, 3, 3);
    let all = candidates(&[0, 1, 2], &[], &[0]);
    lead(&mut story, 0, ElectionRule::LastKnownLeader, all);
    story
        .leads(0, 2, 3)
        .append(0, 3, 2, "D")
        .high_watermark(0, 4)
        .acknowledged("D", 3);
    story
        .at(16_100)
        .follows(2, 2, 0)
        .append(2, 1, 0, "B")
        .append(2, 2, 0, "C");
    story.append(2, 3, 2, "D").high_watermark(2, 4).isr(&[0, 2]);
    story
        .follows(1, 2, 0)
        .append(1, 2, 0, "C")
        .append(1, 3, 2, "D");
    story.high_watermark(1, 4).isr(&[0, 1, 2]);
    story.at(16_200).end(EndReason::Converged);
    for id in 0..3 {
        story.final_log(id, &[A, (1, 0, "B"), (2, 0, "C"), (3, 2, "D")]);
    }
    story
}

/// The parts of a verdict that are told to people.
fn told(verdict: &Verdict) -> String {
    serde_json::to_string_pretty(verdict).unwrap()
}

#[test]
fn unclean_election_loses_b_and_c() {
    let verdict = judged(&unclean());
    assert_eq!(verdict.verdict, Class::Permitted);
    insta::assert_snapshot!(told(&verdict));
}

#[test]
fn without_unclean_election_the_partition_waits_for_the_last_leader() {
    let verdict = judged(&clean());
    assert_eq!(verdict.verdict, Class::Kept);
    insta::assert_snapshot!(told(&verdict));
}

/// As the clean cell, but the last leader lost power and C with it: it leads all the same (D12).
#[test]
fn power_loss_of_the_last_leader_loses_what_only_it_had() {
    let story = Story::new().plans_stop(&[2, 1, 0], StopKind::PowerLoss);
    let mut story = all_down(story, StopKind::PowerLoss);
    story.at(16_000).write_change(PartitionChangeRecord {
        elr: Some(Vec::new()),
        ..change()
    });
    story.back(0, 1, 1);
    let candidates = candidates(&[0], &[], &[0]);
    lead(&mut story, 0, ElectionRule::LastKnownLeader, candidates);
    story.leads(0, 2, 1).end(EndReason::Settled);
    story
        .final_log(0, &[A])
        .final_log(1, &[A])
        .final_log(2, &[A]);
    let verdict = judged(&story);
    assert_eq!(verdict.verdict, Class::Permitted, "{}", told(&verdict));
    let why: Vec<&str> = verdict.lost.iter().map(|lost| lost.why.as_str()).collect();
    insta::assert_snapshot!(format!("{}\n{}", verdict.summary, why.join("\n")));
}
