//! Properties of the metadata quorum.

use super::{caught, excused, passed};
use crate::check::story::Story;
use crate::history::What;
use crate::plan::{Action, ControllerPlan, DiskFault, Target};
use ktrial_core::config::Settings;
use ktrial_core::event::QuorumRole;
use ktrial_core::{BrokerId, ControllerId, Event, LeaderEpoch, NodeId, Offset};

/// A quorum of three, whose voters tell of themselves.
fn quorum() -> Story {
    let mut story = Story::new();
    story.plan.controllers = (1..=3)
        .map(|id| ControllerPlan {
            id: ControllerId(id),
            config: Settings::new(),
        })
        .collect();
    story
}

fn tell(story: &mut Story, voter: i32, event: Event) {
    let node = NodeId::Controller(ControllerId(voter));
    story.entry(Some(node), What::Event(event));
}

fn role(story: &mut Story, voter: i32, role: QuorumRole, epoch: i32) {
    let event = Event::QuorumRole {
        role,
        epoch: LeaderEpoch(epoch),
        leader: None,
        voted: None,
    };
    tell(story, voter, event);
}

/// These voters have a batch of one record.
fn append(story: &mut Story, voters: &[i32], offset: i64, epoch: i32, crc: u32) {
    for voter in voters {
        let event = Event::QuorumAppended {
            base_offset: Offset(offset),
            last_offset: Offset(offset),
            epoch: LeaderEpoch(epoch),
            crc,
        };
        tell(story, *voter, event);
    }
}

fn commit(story: &mut Story, leader: i32, epoch: i32, offset: i64) {
    let event = Event::QuorumHighWatermark {
        epoch: LeaderEpoch(epoch),
        offset: Offset(offset),
    };
    tell(story, leader, event);
}

fn opened(story: &mut Story, voter: i32, epoch: i32, end: i64) {
    let event = Event::QuorumOpened {
        directory: String::new(),
        log_end_offset: Offset(end),
        epoch: LeaderEpoch(epoch),
    };
    tell(story, voter, event);
}

#[test]
fn two_leaders_of_one_epoch() {
    let mut story = quorum();
    role(&mut story, 1, QuorumRole::Leader, 1);
    role(&mut story, 2, QuorumRole::Candidate, 1);
    role(&mut story, 2, QuorumRole::Leader, 2);
    passed(&story, "quorum_one_leader_per_epoch");
    role(&mut story, 1, QuorumRole::Leader, 2);
    caught(&story, "quorum_one_leader_per_epoch");
}

#[test]
fn a_leader_that_leads_again_in_its_epoch() {
    let mut story = quorum();
    role(&mut story, 1, QuorumRole::Leader, 1);
    opened(&mut story, 1, 1, 0);
    role(&mut story, 1, QuorumRole::Resigned, 1);
    passed(&story, "quorum_one_leader_per_epoch");
    role(&mut story, 1, QuorumRole::Leader, 1);
    caught(&story, "quorum_one_leader_per_epoch");
}

#[test]
fn an_epoch_that_falls() {
    let mut story = quorum();
    role(&mut story, 1, QuorumRole::Follower, 3);
    opened(&mut story, 1, 3, 0);
    role(&mut story, 2, QuorumRole::Follower, 2);
    passed(&story, "quorum_monotonic_epoch");
    opened(&mut story, 1, 2, 0);
    caught(&story, "quorum_monotonic_epoch");
}

#[test]
fn a_voter_with_an_empty_disk_begins_anew() {
    let mut story = quorum();
    role(&mut story, 1, QuorumRole::Follower, 3);
    let node = NodeId::Controller(ControllerId(1));
    let action = Some(Box::new(Action::Disk {
        nodes: vec![Target::Node(node)],
        directory: None,
        fault: DiskFault::Wipe,
    }));
    story.entry(None, What::Step { index: 0, action });
    opened(&mut story, 1, 0, 0);
    passed(&story, "quorum_monotonic_epoch");
}

#[test]
fn a_high_watermark_that_falls() {
    let mut story = quorum();
    append(&mut story, &[1, 2, 3], 0, 1, 7);
    append(&mut story, &[1, 2, 3], 1, 1, 8);
    append(&mut story, &[1, 2, 3], 2, 2, 9);
    commit(&mut story, 2, 2, 3);
    // Its predecessor finds out late.
    commit(&mut story, 1, 1, 1);
    passed(&story, "quorum_monotonic_high_watermark");
    commit(&mut story, 3, 3, 2);
    caught(&story, "quorum_monotonic_high_watermark");
}

#[test]
fn a_high_watermark_without_a_majority() {
    let mut story = quorum();
    append(&mut story, &[1, 2], 0, 1, 7);
    commit(&mut story, 1, 1, 1);
    passed(&story, "quorum_majority_has_high_watermark");
    // The second has lost it again, and the third never had it.
    opened(&mut story, 2, 1, 0);
    append(&mut story, &[1], 1, 1, 8);
    commit(&mut story, 1, 1, 2);
    caught(&story, "quorum_majority_has_high_watermark");
}

#[test]
fn something_else_committed_at_an_offset() {
    let mut story = quorum();
    append(&mut story, &[1, 2], 0, 1, 7);
    append(&mut story, &[1, 2], 1, 1, 8);
    commit(&mut story, 1, 1, 1);
    // What was not committed may be another record later.
    append(&mut story, &[2, 3], 1, 2, 9);
    commit(&mut story, 2, 2, 2);
    passed(&story, "quorum_consistent_committed_data");
    append(&mut story, &[3], 0, 3, 6);
    append(&mut story, &[3], 1, 3, 6);
    commit(&mut story, 3, 3, 2);
    caught(&story, "quorum_consistent_committed_data");
}

#[test]
fn a_leader_that_lacks_what_is_committed() {
    let mut story = quorum();
    append(&mut story, &[1, 2], 0, 1, 7);
    append(&mut story, &[1], 1, 1, 8);
    commit(&mut story, 1, 1, 1);
    role(&mut story, 2, QuorumRole::Leader, 2);
    passed(&story, "quorum_leader_completeness");
    role(&mut story, 3, QuorumRole::Leader, 3);
    caught(&story, "quorum_leader_completeness");
}

#[test]
fn a_disk_that_rots_excuses_it() {
    let mut story = quorum();
    let node = NodeId::Controller(ControllerId(2));
    let action = Some(Box::new(Action::Disk {
        nodes: vec![Target::Node(node)],
        directory: None,
        fault: DiskFault::LyingFlush,
    }));
    story.entry(None, What::Step { index: 0, action });
    append(&mut story, &[1, 2], 0, 1, 7);
    commit(&mut story, 1, 1, 1);
    role(&mut story, 3, QuorumRole::Leader, 2);
    excused(&story, "quorum_leader_completeness");
}

/// Three voters, of which the third asks whether it would be elected while the second follows the first.
fn asks_beforehand() -> Story {
    let mut story = quorum();
    role(&mut story, 1, QuorumRole::Leader, 1);
    role(&mut story, 2, QuorumRole::Follower, 1);
    let learned = Event::QuorumLearned { offset: Offset(1) };
    tell(&mut story, 2, learned);
    role(&mut story, 3, QuorumRole::Prospective, 1);
    story
}

#[test]
fn a_leader_that_is_followed_is_challenged() {
    let mut story = asks_beforehand();
    passed(&story, "quorum_stable_leadership");
    role(&mut story, 3, QuorumRole::Candidate, 2);
    caught(&story, "quorum_stable_leadership");
}

#[test]
fn a_leader_that_somebody_misses_may_be_challenged() {
    let mut story = asks_beforehand();
    role(&mut story, 2, QuorumRole::Prospective, 1);
    role(&mut story, 3, QuorumRole::Candidate, 2);
    passed(&story, "quorum_stable_leadership");
}

#[test]
fn who_has_not_fetched_yet_may_still_say_yes() {
    let mut story = quorum();
    role(&mut story, 1, QuorumRole::Leader, 1);
    role(&mut story, 2, QuorumRole::Follower, 1);
    role(&mut story, 3, QuorumRole::Prospective, 1);
    tell(&mut story, 2, Event::QuorumLearned { offset: Offset(1) });
    role(&mut story, 3, QuorumRole::Candidate, 2);
    passed(&story, "quorum_stable_leadership");
}

/// Without a pre-vote: the third voter begins an epoch, so long after the second had something of the leader.
fn unseats(after_ms: u64) -> Story {
    let mut story = quorum();
    story.plan.rules.raft_prevote = false;
    role(&mut story, 1, QuorumRole::Leader, 1);
    role(&mut story, 2, QuorumRole::Follower, 1);
    story.at(1_000);
    append(&mut story, &[2], 0, 1, 7);
    story.at(1_000 + after_ms);
    role(&mut story, 3, QuorumRole::Candidate, 2);
    role(&mut story, 2, QuorumRole::Unattached, 2);
    story
}

#[test]
fn before_the_pre_vote_a_leader_may_be_unseated() {
    let mut story = unseats(500);
    passed(&story, "quorum_stable_leadership");
    role(&mut story, 1, QuorumRole::Unattached, 2);
    caught(&story, "quorum_stable_leadership");
    let mut missed = unseats(1_900);
    role(&mut missed, 1, QuorumRole::Unattached, 2);
    passed(&missed, "quorum_stable_leadership");
}

/// A leader that a majority has left at 1 s; it tells of itself for the last time at so many.
fn left_alone(until_ms: u64) -> Story {
    let mut story = quorum();
    role(&mut story, 1, QuorumRole::Leader, 1);
    story.at(1_000);
    role(&mut story, 2, QuorumRole::Candidate, 2);
    role(&mut story, 3, QuorumRole::Unattached, 2);
    // It was frozen, and is awake for a moment only.
    story.at(20_000);
    append(&mut story, &[1], 0, 1, 7);
    story.at(until_ms);
    append(&mut story, &[1], 1, 1, 7);
    story
}

#[test]
fn a_leader_that_nobody_follows_any_more() {
    passed(&left_alone(20_900), "quorum_leader_has_majority");
    let story = left_alone(21_100);
    caught(&story, "quorum_leader_has_majority");
}

#[test]
fn a_leader_that_resigns_in_time() {
    let mut story = left_alone(20_900);
    role(&mut story, 1, QuorumRole::Resigned, 1);
    story.at(30_000);
    append(&mut story, &[1], 2, 1, 7);
    passed(&story, "quorum_leader_has_majority");
}

fn snapshot(story: &mut Story, voter: i32, offset: i64, crc: u32) {
    let event = Event::QuorumSnapshot {
        offset: Offset(offset),
        epoch: LeaderEpoch(1),
        crc,
    };
    tell(story, voter, event);
}

fn loaded(story: &mut Story, voter: i32, offset: i64, crc: u32) {
    let offset = Offset(offset);
    tell(story, voter, Event::QuorumSnapshotLoaded { offset, crc });
}

#[test]
fn a_snapshot_that_lacks_something() {
    let mut story = quorum();
    snapshot(&mut story, 1, 10, 7);
    snapshot(&mut story, 2, 10, 7);
    snapshot(&mut story, 3, 11, 8);
    loaded(&mut story, 2, 11, 8);
    passed(&story, "quorum_snapshot_equals_state");
    loaded(&mut story, 3, 10, 9);
    caught(&story, "quorum_snapshot_equals_state");
}

/// Found by `ktrial fuzz --profile harsh --seed 389`.
#[test]
fn a_broker_whose_disk_rots_may_know_something_else() {
    let story = |fault| {
        let mut story = quorum();
        snapshot(&mut story, 1, 10, 7);
        let action = Some(Box::new(Action::Disk {
            nodes: vec![Target::Node(NodeId::Broker(BrokerId(0)))],
            directory: None,
            fault,
        }));
        story.entry(None, What::Step { index: 0, action });
        let offset = Offset(10);
        story.broker(0, Event::QuorumState { offset, crc: 9 });
        story
    };
    let (file, position) = (None, None);
    let rot = story(DiskFault::BitRot { file, position });
    passed(&rot, "quorum_snapshot_equals_state");
    caught(&story(DiskFault::Wipe), "quorum_snapshot_equals_state");
}

#[test]
fn a_log_that_begins_where_no_snapshot_ends() {
    let mut story = quorum();
    snapshot(&mut story, 1, 10, 7);
    let fetched = Event::QuorumSnapshotFetched {
        offset: Offset(12),
        epoch: LeaderEpoch(1),
    };
    tell(&mut story, 2, fetched);
    for (voter, offset) in [(1, 10), (2, 12)] {
        let offset = Offset(offset);
        tell(&mut story, voter, Event::QuorumLogStart { offset });
    }
    passed(&story, "quorum_snapshot_at_log_start");
    tell(&mut story, 1, Event::QuorumLogStart { offset: Offset(12) });
    caught(&story, "quorum_snapshot_at_log_start");
}

#[test]
fn an_active_controller_that_loads_a_snapshot() {
    let mut story = quorum();
    let epoch = LeaderEpoch(1);
    role(&mut story, 1, QuorumRole::Leader, 1);
    loaded(&mut story, 1, 10, 7);
    tell(&mut story, 1, Event::ControllerActivated { epoch });
    loaded(&mut story, 2, 10, 7);
    passed(&story, "quorum_leader_never_loads_snapshot");
    let mut deposed = story.clone();
    role(&mut deposed, 1, QuorumRole::Follower, 2);
    loaded(&mut deposed, 1, 10, 7);
    passed(&deposed, "quorum_leader_never_loads_snapshot");
    loaded(&mut story, 1, 10, 7);
    caught(&story, "quorum_leader_never_loads_snapshot");
}

#[test]
fn what_a_new_leader_has_in_a_snapshot_is_not_missing() {
    let mut story = quorum();
    append(&mut story, &[1, 2], 0, 1, 7);
    commit(&mut story, 1, 1, 1);
    let fetched = Event::QuorumSnapshotFetched {
        offset: Offset(1),
        epoch: LeaderEpoch(1),
    };
    tell(&mut story, 3, fetched);
    role(&mut story, 3, QuorumRole::Leader, 2);
    passed(&story, "quorum_leader_completeness");
}
