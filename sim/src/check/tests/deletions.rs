//! Topics that are deleted and created again, and replicas that move.

use super::standstill::rest;
use super::{caught, excused, passed};
use crate::check::story::{Story, brokers, change, orders};
use crate::plan::Action;
use ktrial_core::event::ElectionRule;
use ktrial_core::message::LeaderRecoveryState;
use ktrial_core::metadata::{
    LeaderChange, MetadataRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord,
    TopicRecord,
};
use ktrial_core::{BrokerId, Event, LeaderEpoch, PartitionEpoch, TopicId};

/// A is acknowledged; then the topic is deleted, and another one created. Broker 2 has not heard of it.
fn again() -> Story {
    let mut story = Story::new();
    story.written("A", 0, 0, &[0, 1, 2]).high_watermark(0, 1);
    story.acknowledged("A", 0).at(100);
    let topic_id = TopicId(7);
    story.write(MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id }));
    for id in [0, 1] {
        gone(&mut story, id);
    }
    story.at(200).write(MetadataRecord::Topic(TopicRecord {
        topic: "orders".into(),
        topic_id: TopicId(8),
    }));
    story.write(MetadataRecord::Partition(PartitionRecord {
        topic_id: TopicId(8),
        partition: 0,
        replicas: brokers(&[1, 0, 2]),
        isr: brokers(&[1, 0, 2]),
        leader: Some(BrokerId(1)),
        leader_recovery_state: LeaderRecoveryState::Recovered,
        leader_epoch: LeaderEpoch(0),
        partition_epoch: PartitionEpoch(0),
        elr: Vec::new(),
        last_known_elr: Vec::new(),
        removing: Vec::new(),
        adding: Vec::new(),
        directories: Vec::new(),
    }));
    story.loaded(0, 0, 0).loaded(1, 0, 0);
    story.leads(1, 0, 0).follows(0, 0, 1);
    story
}

fn gone(story: &mut Story, id: i32) {
    let partition = orders();
    story.broker(id, Event::ReplicaDeleted { partition });
}

#[test]
fn records_of_a_deleted_topic_do_not_come_back() {
    let mut story = again();
    gone(&mut story, 2);
    story.at(300).loaded(2, 0, 0).follows(2, 0, 1);
    story.written("B", 0, 0, &[1, 0, 2]).high_watermark(1, 1);
    story.acknowledged("B", 0);
    let whole = story.clone().also(|story| {
        let logs = [0, 1, 2];
        logs.iter()
            .fold(story, |story, id| story.final_log(*id, &[(0, 0, "B")]))
    });
    passed(&whole, "resurrected");
    // The new topic's log is judged as any other: A went with the old one.
    passed(&whole, "lost_write");
    let old = story.also(|story| {
        story
            .final_log(0, &[(0, 0, "B")])
            .final_log(1, &[(0, 0, "A")])
    });
    caught(&old, "resurrected");
}

#[test]
fn what_an_old_replica_does_is_not_of_the_new_topic() {
    // Broker 2 still leads the old topic in an epoch that broker 1 leads the new one in.
    let mut story = again();
    story.leads(2, 0, 0);
    passed(&story, "one_leader_per_epoch");
    story.leads(0, 0, 0);
    caught(&story, "one_leader_per_epoch");
    // Its log at the end is the old one.
    let story = again().also(|story| story.final_log(2, &[(0, 0, "A")]));
    passed(&story, "resurrected");
    passed(&story, "final_log_equals_view");
    // Once it has started again, what it opens is the new one.
    let mut story = again();
    story
        .process_started(2)
        .broker(2, Event::BrokerStarted { clean: false });
    story.loaded(2, 0, 0);
    passed(
        &story.clone().also(|story| story.leads(1, 0, 0)),
        "one_leader_per_epoch",
    );
    story.leads(2, 0, 0);
    caught(&story, "one_leader_per_epoch");
}

#[test]
fn a_replica_of_the_new_topic_may_not_stand_still() {
    let story = |has: bool| {
        let mut story = again();
        gone(&mut story, 2);
        story
            .loaded(2, 0, 0)
            .append(1, 0, 0, "B")
            .append(0, 0, 0, "B");
        if has {
            story.append(2, 0, 0, "B");
        }
        story.also(rest)
    };
    passed(&story(true), "stuck_replica");
    caught(&story(false), "stuck_replica");
}

#[test]
fn what_every_replica_has_deleted_is_lost() {
    let left = |without: &[i32]| {
        let mut story = Story::new();
        story.written("A", 0, 0, &[0, 1, 2]).high_watermark(0, 1);
        story.acknowledged("A", 0);
        without.iter().for_each(|id| gone(&mut story, *id));
        story
    };
    caught(&left(&[0, 1, 2]), "lost_write");
    // Somebody has it, and its log was not read back.
    passed(&left(&[0, 1]), "lost_write");
}

#[test]
fn what_goes_with_a_topic_that_is_being_deleted_is_not_lost() {
    // Brokers 0 and 1 have deleted their replicas; 2 is away.
    let story = |leader: LeaderChange| {
        let mut story = Story::new();
        story.written("A", 0, 0, &[0, 1, 2]).high_watermark(0, 1);
        story.acknowledged("A", 0);
        story.write_change(PartitionChangeRecord {
            isr: Some(brokers(&[1])),
            leader,
            ..change()
        });
        gone(&mut story, 0);
        gone(&mut story, 1);
        story.final_log(2, &[(0, 0, "A")]);
        story
    };
    let delete = || Action::DeleteTopic {
        topic: "orders".into(),
    };
    let nobody = story(LeaderChange::NoLeader);
    caught(&nobody, "lost_write");
    passed(&nobody.step(delete()), "lost_write");
    // Somebody leads: what it has deleted was not the topic's end.
    let led = story(LeaderChange::Leader(BrokerId(1)));
    caught(&led.step(delete()), "lost_write");
}

#[test]
fn with_zookeeper_an_assignment_changes_alone() {
    // Broker 2 leaves the assignment, and the ISR only after it.
    let assigned = |replicas: &[i32], epoch: i32| {
        let mut story = Story::new();
        story.write(MetadataRecord::Partition(PartitionRecord {
            topic_id: TopicId(7),
            partition: 0,
            replicas: brokers(replicas),
            isr: brokers(&[0, 1, 2]),
            leader: Some(BrokerId(0)),
            leader_recovery_state: LeaderRecoveryState::Recovered,
            leader_epoch: LeaderEpoch(0),
            partition_epoch: PartitionEpoch(epoch),
            elr: Vec::new(),
            last_known_elr: Vec::new(),
            removing: Vec::new(),
            adding: Vec::new(),
            directories: Vec::new(),
        }));
        story
    };
    let alone = assigned(&[0, 1], 0);
    passed(&alone, "epochs_monotone");
    passed(&alone, "isr_members");
    passed(
        &alone.clone().also(|story| story.isr(&[0, 1, 2])),
        "isr_members",
    );
    // Who has left the ISR comes back no more.
    let back = alone.also(|story| story.isr(&[0, 1]).isr(&[0, 1, 2]));
    caught(&back, "isr_members");
    caught(&assigned(&[0, 1, 2], 0), "epochs_monotone");
    caught(&assigned(&[0, 1], 1), "isr_members");
}

#[test]
fn the_isr_is_of_the_replicas_of_now() {
    let moved = |isr: &[i32]| {
        let mut story = Story::new();
        story.write_change(PartitionChangeRecord {
            replicas: Some(brokers(&[1, 2])),
            isr: Some(brokers(isr)),
            leader: LeaderChange::Leader(BrokerId(1)),
            ..change()
        });
        story
    };
    passed(&moved(&[1, 2]), "isr_members");
    caught(&moved(&[0, 1]), "isr_members");
}

#[test]
fn a_replica_that_comes_may_lead_with_the_record_that_ends_the_move() {
    let moved = |adding: &[i32]| {
        let mut story = Story::new();
        story.write_change(PartitionChangeRecord {
            adding: Some(brokers(adding)),
            ..change()
        });
        story.isr(&[0]);
        story.elected(Some(2), ElectionRule::Isr, Vec::new());
        story.write_change(PartitionChangeRecord {
            replicas: Some(brokers(&[2])),
            adding: Some(Vec::new()),
            isr: Some(brokers(&[2])),
            leader: LeaderChange::Leader(BrokerId(2)),
            ..change()
        });
        story
    };
    passed(&moved(&[2]), "unclean_election");
    caught(&moved(&[1]), "unclean_election");
}

/// The one that stays was not in the ISR: the leader whose removal it was has asked for it.
#[test]
fn a_replica_that_stays_may_lead_with_the_record_that_ends_the_move() {
    let moved = |removing: &[i32], state| {
        let mut story = Story::new();
        story.write_change(PartitionChangeRecord {
            removing: Some(brokers(removing)),
            ..change()
        });
        story.isr(&[0]);
        story.elected(Some(2), ElectionRule::Isr, Vec::new());
        story.write_change(PartitionChangeRecord {
            replicas: Some(brokers(&[2])),
            removing: Some(Vec::new()),
            isr: Some(brokers(&[2])),
            leader: LeaderChange::Leader(BrokerId(2)),
            leader_recovery_state: Some(state),
            ..change()
        });
        story
    };
    let recovered = LeaderRecoveryState::Recovered;
    passed(&moved(&[0, 1], recovered), "unclean_election");
    caught(&moved(&[], recovered), "unclean_election");
    let recovering = LeaderRecoveryState::Recovering;
    caught(&moved(&[0, 1], recovering), "unclean_election");
}

#[test]
fn a_replica_that_was_moved_away_may_stay_in_the_elr() {
    let left_with = |elr: i32| {
        let mut story = Story::new().topic_setting("min.insync.replicas", "2");
        story.write_change(PartitionChangeRecord {
            replicas: Some(brokers(&[1])),
            isr: Some(brokers(&[1])),
            elr: Some(brokers(&[elr])),
            leader: LeaderChange::Leader(BrokerId(1)),
            ..change()
        });
        story
    };
    excused(&left_with(0), "isr_members");
    caught(&left_with(7), "isr_members");
}

#[test]
fn a_cancelled_move_may_put_a_fenced_replica_into_the_isr() {
    let story = |isr: &[i32]| {
        let mut story = Story::new();
        story.write_change(PartitionChangeRecord {
            replicas: Some(brokers(&[0, 1, 2])),
            adding: Some(brokers(&[2])),
            isr: Some(brokers(isr)),
            leader: LeaderChange::NoLeader,
            ..change()
        });
        story.fence(0);
        story.write_change(PartitionChangeRecord {
            replicas: Some(brokers(&[0, 1])),
            adding: Some(Vec::new()),
            isr: Some(brokers(&[0])),
            leader: LeaderChange::NoLeader,
            ..change()
        });
        story
    };
    excused(&story(&[2]), "isr_members");
    caught(&story(&[1, 2]), "isr_members");
    // Its process registers once more, and is no more fenced than before.
    let again = |story: Story, id: i32| story.also(|story| story.register(id));
    excused(&again(story(&[2]), 0), "isr_members");
    let unfenced = story(&[2]).also(|story| story.unfence(0));
    excused(&unfenced, "isr_members");
    caught(
        &again(unfenced.also(|story| story.isr(&[0, 1])), 1),
        "isr_members",
    );
}
