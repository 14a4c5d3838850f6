//! What must not stand still, and what a trial has exercised.

use super::{caught, excused, judged, passed};
use crate::check::goals::GOALS;
use crate::check::story::{Story, brokers, change, orders};
use crate::history::{EndReason, What};
use crate::plan::{Action, DiskFault, LinkFault, Recovery, StopKind, Target};
use ktrial_core::event::ElectionRule;
use ktrial_core::metadata::{
    BrokerRegistrationChangeRecord, LeaderChange, MetadataRecord, PartitionChangeRecord,
};
use ktrial_core::raft::DirectoryId;
use ktrial_core::{BrokerEpoch, BrokerId, ClientId, Event, NodeId};
use std::collections::BTreeSet;

/// A long silence, then the end.
pub(super) fn rest(story: &mut Story) -> &mut Story {
    story.world(What::StepsDone).at(400_000);
    let reason = EndReason::Settled;
    story.world(What::Ended { reason })
}

/// Something is wrong with a link when the story goes on.
fn cut(story: &mut Story) -> &mut Story {
    let node = |id| vec![Target::Node(NodeId::Broker(BrokerId(id)))];
    let action = Action::Link {
        from: node(0),
        to: node(1),
        one_way: false,
        api: Vec::new(),
        fault: LinkFault::Cut,
    };
    story.world(What::Step {
        index: 0,
        action: Some(Box::new(action)),
    })
}

#[test]
fn stuck_partition() {
    let name = "stuck_partition";
    let nobody = |isr: &[i32]| {
        let mut story = Story::new();
        story.write_change(PartitionChangeRecord {
            isr: Some(brokers(isr)),
            leader: LeaderChange::NoLeader,
            ..change()
        });
        story
    };
    caught(&nobody(&[1]).also(rest), name);
    passed(&nobody(&[1]).also(cut).also(rest), name);
    passed(
        &nobody(&[1])
            .also(|story| story.stop(1, StopKind::Kill))
            .also(rest),
        name,
    );
    // One that was moved away keeps the last known leader from leading.
    let mut story = Story::new();
    story.write_change(PartitionChangeRecord {
        replicas: Some(brokers(&[1, 2])),
        isr: Some(brokers(&[])),
        elr: Some(brokers(&[0])),
        last_known_elr: Some(brokers(&[1])),
        leader: LeaderChange::NoLeader,
        ..change()
    });
    excused(&story.also(rest), name);
    // With unclean election on anybody will do.
    let mut story = nobody(&[]);
    passed(&story.clone().also(rest), name);
    story = story.topic_setting("unclean.leader.election.enable", "true");
    caught(&story.also(rest), name);
    // Elected, alive, and does not lead.
    let elected = |leads: bool| {
        let mut story = Story::new();
        story.elected(Some(1), ElectionRule::Isr, Vec::new());
        story.write_change(PartitionChangeRecord {
            leader: LeaderChange::Leader(BrokerId(1)),
            ..change()
        });
        if leads {
            story.leads(1, 1, 0);
        }
        story
    };
    caught(&elected(false).also(rest), name);
    passed(&elected(true).also(rest), name);
    // Its copy of the metadata log may be a wrong one; an empty one is made whole.
    let broken = |fault| {
        let action = Action::Disk {
            nodes: vec![Target::Node(NodeId::Broker(BrokerId(1)))],
            directory: None,
            fault,
        };
        let mut story = elected(false);
        story.world(What::Step {
            index: 0,
            action: Some(Box::new(action)),
        });
        story.also(rest)
    };
    let rot = DiskFault::BitRot {
        file: None,
        position: None,
    };
    passed(&broken(rot), name);
    caught(&broken(DiskFault::Wipe), name);
}

/// A broker's registration changes.
fn registration(fenced: Option<bool>, log_dirs: Option<&[u128]>) -> MetadataRecord {
    MetadataRecord::BrokerRegistrationChange(BrokerRegistrationChangeRecord {
        broker: BrokerId(1),
        broker_epoch: BrokerEpoch(1),
        fenced,
        in_controlled_shutdown: None,
        log_dirs: log_dirs.map(|ids| ids.iter().copied().map(DirectoryId).collect()),
    })
}

#[test]
fn a_leader_of_a_lost_directory_is_known_if_one_heartbeat_elected_it_and_named_the_directory() {
    let story = |apart: bool, lost: bool| {
        let mut story = Story::new();
        story.elected(Some(1), ElectionRule::Isr, Vec::new());
        story.write_change(PartitionChangeRecord {
            leader: LeaderChange::Leader(BrokerId(1)),
            ..change()
        });
        if apart {
            story.at(20);
        }
        story.write(registration(None, Some(&[7])));
        if lost {
            let partition = orders();
            story.broker(1, Event::ReplicaOffline { partition });
        }
        story.also(rest)
    };
    excused(&story(false, true), "stuck_partition");
    caught(&story(true, true), "stuck_partition");
    caught(&story(false, false), "stuck_partition");
}

#[test]
fn nobody_leads_is_known_if_the_directory_was_not_known_when_its_broker_was_unfenced() {
    let story = |online: &[u128], decided: bool| {
        let mut story = Story::new();
        let isr = || Some(brokers(&[1]));
        story.write_change(PartitionChangeRecord {
            isr: isr(),
            leader: LeaderChange::NoLeader,
            directories: Some([6, 5, 6].map(DirectoryId).to_vec()),
            ..change()
        });
        story.write(registration(Some(false), Some(online)));
        story.write_change(PartitionChangeRecord {
            isr: isr().filter(|_| decided),
            directories: Some([6, 7, 6].map(DirectoryId).to_vec()),
            ..change()
        });
        story.also(rest)
    };
    excused(&story(&[7, 8], false), "stuck_partition");
    caught(&story(&[5, 7], false), "stuck_partition");
    caught(&story(&[7, 8], true), "stuck_partition");
}

#[test]
fn stuck_broker() {
    let fenced = |story: &mut Story| {
        story.isr(&[0, 1]).fence(2);
    };
    let mut story = Story::new();
    fenced(&mut story);
    caught(&story.also(rest), "stuck_broker");
    let mut story = Story::new();
    fenced(&mut story);
    story.stop(2, StopKind::Kill);
    passed(&story.also(rest), "stuck_broker");
}

#[test]
fn stuck_replica() {
    let name = "stuck_replica";
    let story = |isr: &[i32], has: bool| {
        let mut story = Story::new();
        story.isr(isr).append(0, 0, 0, "a").append(1, 0, 0, "a");
        if has {
            story.append(2, 0, 0, "a");
        }
        story
    };
    caught(&story(&[0, 1], false).also(rest), name);
    caught(&story(&[0, 1], true).also(rest), name);
    passed(&story(&[0, 1, 2], true).also(rest), name);
    passed(&story(&[0, 1], false).also(cut).also(rest), name);
    passed(
        &story(&[0, 1], false)
            .also(|story| story.stop(2, StopKind::Kill))
            .also(rest),
        name,
    );
    // Nobody could expect it to have happened yet.
    let soon = story(&[0, 1], false).also(|story| story.end(EndReason::Settled));
    passed(&soon, name);
}

#[test]
fn stuck_producer() {
    let name = "stuck_producer";
    let sent = || Story::new().also(|story| story.send("a"));
    caught(&sent().also(rest), name);
    // Its time is not over, but its partition serves; or does not.
    let patient = || Story::new().producer_setting("delivery.timeout.ms", "9000000");
    let waits = |mut story: Story, isr: &[i32]| {
        story.isr(isr).send("a");
        story
    };
    caught(&waits(patient(), &[0, 1]).also(rest), name);
    let two = patient().topic_setting("min.insync.replicas", "2");
    passed(&waits(two, &[0]).also(rest), name);
    passed(&waits(patient(), &[0, 1]).also(cut).also(rest), name);
    let ended = sent().also(|story| story.append(0, 0, 0, "a").high_watermark(0, 1));
    passed(
        &ended.also(|story| story.acknowledged("a", 0)).also(rest),
        name,
    );
    // A producer that is frozen can do nothing.
    let mut frozen = sent();
    frozen.entry(Some(NodeId::Client(ClientId(0))), What::ProcessPaused);
    passed(&frozen.also(rest), name);
}

#[test]
fn stuck_consumer() {
    let name = "stuck_consumer";
    let read = |log: &[(i64, i32, &str)]| {
        let mut story = Story::new();
        story
            .written("a", 0, 0, &[0, 1, 2])
            .written("b", 1, 0, &[0, 1, 2]);
        story.polled(log);
        story
    };
    caught(&read(&[(0, 0, "a")]).also(rest), name);
    passed(&read(&[(0, 0, "a"), (1, 0, "b")]).also(rest), name);
    passed(&read(&[(0, 0, "a")]).also(cut).also(rest), name);
    let mut failed = read(&[(0, 0, "a")]);
    let error = ktrial_core::ErrorCode::CorruptMessage;
    failed.client(
        1,
        Event::FetchFailed {
            partition: orders(),
            error,
        },
    );
    passed(&failed.also(rest), name);
    passed(
        &read(&[(0, 0, "a")])
            .also(|story| story.stop(0, StopKind::Kill))
            .also(rest),
        name,
    );
}

#[test]
fn no_progress() {
    let story = |recovers: bool, until: u64| {
        let mut story = Story::new();
        if recovers {
            story.plan.recovery = Some(Recovery::default());
        }
        story.world(What::StepsDone).at(until);
        let reason = EndReason::TimeLimit;
        story.world(What::Ended { reason });
        story
    };
    caught(&story(true, 600_000), "no_progress");
    passed(&story(true, 400_000), "no_progress");
    passed(&story(false, 600_000), "no_progress");
}

#[test]
fn goals_are_counted_under_the_names_that_are_listed() {
    let mut story = Story::new();
    assert_eq!(judged(&story).goals.len(), 0);
    story.append(0, 0, 0, "a").stop(0, StopKind::Kill);
    story.elected(Some(1), ElectionRule::Unclean, Vec::new());
    story.write_change(PartitionChangeRecord {
        isr: Some(brokers(&[1])),
        leader: LeaderChange::Leader(BrokerId(1)),
        ..change()
    });
    story
        .leads(1, 1, 0)
        .process_started(0)
        .loaded(0, 1, 0)
        .follows(0, 1, 1)
        .truncate(0, 1, 0);
    let goals = judged(&story).goals;
    let names: Vec<&str> = goals.keys().map(String::as_str).collect();
    let expected = [
        "high_watermark_behind_at_death",
        "isr_of_one",
        "truncation",
        "truncation_by_diverging_epoch",
        "unclean_election",
    ];
    assert_eq!(names, expected);
    let listed: BTreeSet<&str> = GOALS.iter().map(|goal| goal.name).collect();
    assert_eq!(listed.len(), GOALS.len(), "each name once");
    assert!(names.iter().all(|name| listed.contains(name)));
    assert!(GOALS.iter().all(|goal| goal.meaning.ends_with('.')));
}
