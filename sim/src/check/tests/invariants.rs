//! Properties of the cluster.

use super::{caught, excused, findings, passed};
use crate::check::story::{Story, brokers, change, orders};
use crate::history::{EndReason, Touched, What};
use crate::plan::{Action, DiskFault, StopKind};
use ktrial_core::event::ElectionRule;
use ktrial_core::metadata::{LeaderChange, MetadataRecord, PartitionChangeRecord};
use ktrial_core::{BrokerId, EpochOffset, Event, LeaderEpoch, NodeId, Offset, PartitionEpoch};

/// The controller gives the leadership to a broker by a rule, with itself as the ISR.
fn lead(story: &mut Story, id: i32, rule: ElectionRule) {
    story.elected(Some(id), rule, Vec::new());
    story.write_change(PartitionChangeRecord {
        isr: Some(brokers(&[id])),
        leader: LeaderChange::Leader(BrokerId(id)),
        ..change()
    });
}

#[test]
fn one_leader_per_epoch() {
    let mut story = Story::new();
    story.leads(1, 1, 0).leads(2, 1, 0);
    caught(&story, "one_leader_per_epoch");
    let mut story = Story::new();
    story.leads(1, 1, 0).leads(1, 1, 0).leads(2, 2, 0);
    passed(&story, "one_leader_per_epoch");
}

#[test]
fn one_controller_per_epoch() {
    let name = "one_controller_per_epoch";
    let active = |epoch| Event::ControllerActivated {
        epoch: LeaderEpoch(epoch),
    };
    let mut story = Story::new();
    story.broker(1, active(4)).broker(2, active(4));
    caught(&story, name);
    let mut story = Story::new();
    story.broker(1, active(4)).broker(2, active(5));
    // A controller that was replaced and does not know it yet is one of another epoch.
    story.broker(1, active(6));
    passed(&story, name);
}

#[test]
fn log_matching_of_one_offset_and_epoch() {
    let mut story = Story::new();
    story.append(0, 0, 0, "a").append(1, 0, 0, "b");
    caught(&story, "log_matching");
    let mut story = Story::new();
    story.append(0, 0, 0, "a").append(1, 0, 1, "b");
    passed(&story, "log_matching");
}

#[test]
fn log_matching_of_a_follower_that_had_nothing_to_take() {
    // Broker 0 has [a, b], the leader 1 has [a, d]: both end at 2, so nothing is ever copied.
    let mut story = Story::new();
    story.written("a", 0, 0, &[0, 1]).append(0, 1, 0, "b");
    story.high_watermark(0, 2);
    lead(&mut story, 1, ElectionRule::Unclean);
    story.leads(1, 1, 1).append(1, 1, 1, "d").follows(0, 1, 1);
    let adopted = |isr: &[i32]| Event::IsrAdopted {
        partition: orders(),
        isr: brokers(isr),
        partition_epoch: PartitionEpoch(9),
    };
    story.high_watermark(1, 2).broker(1, adopted(&[1]));
    passed(&story, "log_matching");
    story.broker(1, adopted(&[0, 1]));
    caught(&story, "log_matching");
}

#[test]
fn log_matching_of_the_isr_at_the_end() {
    // As above, but the record tells neither that broker 0 follows nor of an ISR that was adopted.
    let story = |isr: &[i32]| {
        let mut story = Story::new();
        story.written("a", 0, 0, &[0, 1]).append(0, 1, 0, "b");
        story.high_watermark(0, 2).stop(0, StopKind::Kill);
        lead(&mut story, 1, ElectionRule::Unclean);
        story.leads(1, 1, 1).append(1, 1, 1, "d");
        story
            .high_watermark(1, 2)
            .process_started(0)
            .loaded(0, 2, 2);
        story.write_change(PartitionChangeRecord {
            isr: Some(brokers(isr)),
            ..change()
        });
        story.end(EndReason::Settled);
        passed(&story, "log_matching");
        story.final_log(0, &[(0, 0, "a"), (1, 0, "b")]);
        story
    };
    passed(&story(&[1]), "log_matching");
    caught(&story(&[0, 1]), "log_matching");
}

#[test]
fn log_matching_below_both_high_watermarks() {
    // Broker 1 lost a, leads with b in its place, and broker 0 goes on without truncating (R02).
    let mut story = Story::new();
    story.written("a", 0, 0, &[0, 1]);
    story
        .stop(1, StopKind::PowerLoss)
        .process_started(1)
        .loaded(1, 0, 0);
    lead(&mut story, 1, ElectionRule::Isr);
    story
        .leads(1, 1, 0)
        .append(1, 0, 1, "b")
        .append(1, 1, 1, "c")
        .high_watermark(1, 2);
    story.follows(0, 1, 1);
    passed(&story, "log_matching");
    story.append(0, 1, 1, "c").high_watermark(0, 2);
    caught(&story, "log_matching");
}

#[test]
fn high_watermark_is_within_the_log() {
    let mut story = Story::new();
    story.append(1, 0, 0, "a").high_watermark(1, 2);
    caught(&story, "high_watermark_bounds");
    let mut story = Story::new();
    story
        .append(1, 0, 0, "a")
        .high_watermark(1, 1)
        .truncate(1, 1, 0)
        .high_watermark(1, 0);
    passed(&story, "high_watermark_bounds");
}

#[test]
fn a_leaders_high_watermark_never_falls() {
    let mut story = Story::new();
    story
        .append(0, 0, 0, "a")
        .append(0, 1, 0, "b")
        .high_watermark(0, 2)
        .high_watermark(0, 1);
    caught(&story, "high_watermark_bounds");
    let mut story = Story::new();
    story
        .append(1, 0, 0, "a")
        .append(1, 1, 0, "b")
        .high_watermark(1, 2)
        .high_watermark(1, 1);
    passed(&story, "high_watermark_bounds");
}

#[test]
fn a_leaders_high_watermark_is_on_every_member() {
    let mut story = Story::new();
    story
        .append(0, 0, 0, "a")
        .append(0, 1, 0, "b")
        .append(1, 0, 0, "a")
        .append(2, 0, 0, "a");
    story.append(2, 1, 0, "b").high_watermark(0, 2);
    caught(&story, "high_watermark_bounds");

    // The same, but the member that lacks b has left the ISR.
    let mut story = Story::new();
    story
        .append(0, 0, 0, "a")
        .append(0, 1, 0, "b")
        .append(1, 0, 0, "a")
        .append(2, 0, 0, "a");
    story.append(2, 1, 0, "b").isr(&[0, 2]).high_watermark(0, 2);
    passed(&story, "high_watermark_bounds");

    // The same, but it came back without b and is about to leave.
    let mut story = Story::new();
    story
        .append(0, 0, 0, "a")
        .append(0, 1, 0, "b")
        .append(1, 0, 0, "a")
        .append(1, 1, 0, "b");
    story
        .stop(1, StopKind::PowerLoss)
        .process_started(1)
        .loaded(1, 1, 0)
        .follows(1, 0, 0);
    story.high_watermark(0, 2);
    passed(&story, "high_watermark_bounds");
}

#[test]
fn pointer_order() {
    let mut story = Story::new();
    story.append(0, 0, 0, "a").flushed(0, 2);
    caught(&story, "pointer_order");
    let mut story = Story::new();
    story.append(0, 0, 0, "a").flushed(0, 1);
    passed(&story, "pointer_order");
}

#[test]
fn leader_epochs_rise() {
    let load = |epochs: &[(i32, i64)]| {
        let epochs = epochs.iter();
        let epochs = epochs.map(|(e, o)| EpochOffset::new(LeaderEpoch(*e), Offset(*o)));
        let mut story = Story::new();
        story.append(1, 0, 0, "a").append(1, 1, 2, "b");
        story.broker(
            1,
            Event::LogLoaded {
                partition: orders(),
                log_start_offset: Offset(0),
                log_end_offset: Offset(2),
                high_watermark: Offset(0),
                leader_epochs: epochs.collect(),
                truncated_bytes: 0,
            },
        );
        story
    };
    caught(&load(&[(2, 0), (1, 1)]), "pointer_order");
    caught(&load(&[(0, 1), (1, 1)]), "pointer_order");
    caught(&load(&[(0, 0), (1, 3)]), "pointer_order");
    passed(&load(&[(0, 0), (2, 1), (3, 2)]), "pointer_order");
}

#[test]
fn epochs_rise() {
    let mut story = Story::new();
    story.isr(&[0, 1]);
    passed(&story, "epochs_monotone");
    let again = story.entries.iter().find_map(|entry| match &entry.what {
        What::Event(Event::MetadataWritten { record, .. }) => {
            matches!(**record, MetadataRecord::Partition(_)).then(|| (**record).clone())
        }
        _ => None,
    });
    story.write(again.unwrap());
    caught(&story, "epochs_monotone");

    let mut story = Story::new();
    lead(&mut story, 1, ElectionRule::Isr);
    story.leads(1, 1, 0).follows(0, 1, 1);
    passed(&story, "epochs_monotone");
    story.follows(0, 0, 1);
    caught(&story, "epochs_monotone");
}

#[test]
fn no_replica_is_ahead_of_the_controller() {
    let mut story = Story::new();
    story.leads(1, 1, 0);
    caught(&story, "epochs_monotone");
    let adopt = |epoch: i32| {
        let mut story = Story::new();
        story.isr(&[0, 1]).broker(
            0,
            Event::IsrAdopted {
                partition: orders(),
                isr: brokers(&[0, 1]),
                partition_epoch: PartitionEpoch(epoch),
            },
        );
        story
    };
    caught(&adopt(2), "epochs_monotone");
    passed(&adopt(1), "epochs_monotone");
}

#[test]
fn isr_members() {
    let with = |change| {
        let mut story = Story::new();
        story.write_change(change);
        story
    };
    let isr = |ids: &[i32]| PartitionChangeRecord {
        isr: Some(brokers(ids)),
        ..change()
    };
    caught(&with(isr(&[0, 7])), "isr_members");
    caught(&with(isr(&[1, 2])), "isr_members");
    let elr = |ids: &[i32]| PartitionChangeRecord {
        elr: Some(brokers(ids)),
        ..isr(&[0])
    };
    caught(&with(elr(&[0])), "isr_members");
    caught(&with(elr(&[7])), "isr_members");
    // One member is enough by default, and then there is no ELR.
    caught(&with(elr(&[1])), "isr_members");
    let mut two = Story::new().topic_setting("min.insync.replicas", "2");
    two.write_change(elr(&[1]));
    passed(&two, "isr_members");

    let mut fenced = Story::new();
    fenced.fence(2);
    caught(&fenced, "isr_members");
    let mut fenced = Story::new();
    fenced.isr(&[0, 1]).fence(2);
    passed(&fenced, "isr_members");
    fenced.isr(&[0, 1, 2]);
    caught(&fenced, "isr_members");
    fenced.plan.rules.elr = false;
    passed(&fenced, "isr_members");
}

#[test]
fn leader_completeness() {
    let elect = |mut story: Story, rule| {
        story.written("a", 0, 0, &[0, 1]).isr(&[0, 1]);
        lead(&mut story, 2, rule);
        story.leads(2, 1, 0);
        story
    };
    caught(
        &elect(Story::new(), ElectionRule::Isr),
        "leader_completeness",
    );
    // An unclean election is a bug where they are off, and no excuse for an election from the ISR.
    caught(
        &elect(Story::new(), ElectionRule::Unclean),
        "leader_completeness",
    );
    let allowed = || Story::new().topic_setting("unclean.leader.election.enable", "true");
    caught(&elect(allowed(), ElectionRule::Isr), "leader_completeness");
    excused(
        &elect(allowed(), ElectionRule::Unclean),
        "leader_completeness",
    );

    // What was not below a high watermark may go.
    let mut story = Story::new();
    story.append(0, 0, 0, "a");
    lead(&mut story, 2, ElectionRule::Isr);
    story.leads(2, 1, 0);
    passed(&story, "leader_completeness");
}

#[test]
fn consumer_below_high_watermark() {
    let mut story = Story::new();
    story.append(0, 0, 0, "a").polled(&[(0, 0, "a")]);
    caught(&story, "consumer_below_high_watermark");
    // A response under way outlives the leadership that it is from.
    let mut story = Story::new();
    story.append(0, 0, 0, "a").high_watermark(0, 1);
    lead(&mut story, 2, ElectionRule::Unclean);
    story
        .leads(2, 1, 0)
        .follows(0, 1, 2)
        .truncate(0, 1, 0)
        .polled(&[(0, 0, "a")]);
    passed(&story, "consumer_below_high_watermark");
}

#[test]
fn final_log_equals_view() {
    let end = |records: &[(i64, i32, &str)], stop: Option<StopKind>| {
        let mut story = Story::new();
        story.append(0, 0, 0, "a").append(0, 1, 0, "b");
        if let Some(how) = stop {
            story.stop(0, how);
        }
        story.end(EndReason::Settled).final_log(0, records);
        story
    };
    let name = "final_log_equals_view";
    passed(&end(&[(0, 0, "a"), (1, 0, "b")], None), name);
    caught(&end(&[(0, 0, "a")], None), name);
    caught(&end(&[(0, 0, "a"), (1, 0, "b"), (2, 0, "c")], None), name);
    caught(&end(&[(0, 0, "a"), (1, 1, "b")], None), name);
    caught(&end(&[(0, 0, "a")], Some(StopKind::Kill)), name);
    passed(&end(&[(0, 0, "a")], Some(StopKind::PowerLoss)), name);
}

#[test]
fn processes_that_fail() {
    let node = Some(NodeId::Broker(BrokerId(1)));
    let mut story = Story::new();
    story.entry(
        node,
        What::Panicked {
            message: "invariant".into(),
        },
    );
    caught(&story, "machine_panicked");
    passed(&story, "start_failed");
    let mut story = Story::new();
    story.entry(
        node,
        What::StartFailed {
            error: "corrupt".into(),
        },
    );
    caught(&story, "start_failed");
    let mut story = Story::new();
    story.stop(1, StopKind::Kill);
    passed(&story, "machine_panicked");
}

#[test]
fn a_start_that_fails_is_excused_by_a_fault_that_touched_that_disk() {
    let story = |on: i32, touched: u64| {
        let mut story = Story::new();
        let disk = Action::Disk {
            nodes: vec![NodeId::Broker(BrokerId(on)).into()],
            directory: None,
            fault: DiskFault::Full,
        };
        story.world(What::Step {
            index: 0,
            action: Some(Box::new(disk)),
        });
        let error = "no space left on device".into();
        story.entry(
            Some(NodeId::Broker(BrokerId(1))),
            What::StartFailed { error },
        );
        story.world(What::FaultEffect {
            step: 0,
            touched,
            of: Touched::DiskCalls,
        });
        story.world(What::Ended {
            reason: EndReason::Settled,
        });
        story
    };
    passed(&story(1, 3), "start_failed");
    caught(&story(1, 0), "start_failed");
    caught(&story(2, 3), "start_failed");
}

#[test]
fn a_check_stops_repeating_itself() {
    let mut story = Story::new();
    story.append(0, 0, 0, "a");
    for _ in 0..100 {
        story.flushed(0, 9);
    }
    assert_eq!(findings(&story, "pointer_order").len(), 3);
}
