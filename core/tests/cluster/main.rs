//! Brokers, a controller and clients together, in a small world without a simulator.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod driver;

use driver::{CONSUMER, Cluster};
use ktrial_core::event::{PolledRecord, SendOutcome};
use ktrial_core::*;
use std::time::Duration;

fn broker(id: i32) -> NodeId {
    NodeId::Broker(BrokerId(id))
}

fn acknowledged(cluster: &Cluster, operation: OperationId) -> Option<Offset> {
    cluster
        .history
        .iter()
        .find_map(|(_, _, event)| match event {
            Event::SendEnded {
                operation: ended,
                outcome: SendOutcome::Acknowledged { offset },
                ..
            } if *ended == operation => *offset,
            _ => None,
        })
}

fn send_and_wait(cluster: &mut Cluster, value: &'static str) -> Offset {
    let operation = cluster.send(value);
    cluster.until("the record is acknowledged", |c| {
        acknowledged(c, operation).is_some()
    });
    acknowledged(cluster, operation).unwrap()
}

fn isr_is(cluster: &mut Cluster, isr: &[i32]) {
    let isr: Vec<BrokerId> = isr.iter().copied().map(BrokerId).collect();
    cluster.until("the ISR is as awaited", |c| c.controller().isr == isr);
}

/// The end of each replica's log and its leader epochs.
fn logs(cluster: &Cluster) -> Vec<(i64, Vec<(i32, i64)>)> {
    (1..=3)
        .map(|id| {
            let replica = &cluster.snapshot(id).unwrap().replicas[0];
            let epochs = replica
                .leader_epochs
                .iter()
                .map(|e| (e.epoch.0, e.offset.0))
                .collect();
            (replica.log_end_offset.0, epochs)
        })
        .collect()
}

/// A, B, C with one broker less each time; then brokers come back in `order`, D is sent after the first.
fn all_brokers_down(unclean: &str, order: [i32; 3], stop: fn(&mut Cluster, i32)) -> Cluster {
    let settings = [("unclean.leader.election.enable", unclean)];
    let mut cluster = Cluster::new(&settings, Rules::default());
    assert_eq!(send_and_wait(&mut cluster, "A"), Offset(0));
    stop(&mut cluster, 3);
    isr_is(&mut cluster, &[1, 2]);
    assert_eq!(send_and_wait(&mut cluster, "B"), Offset(1));
    stop(&mut cluster, 2);
    isr_is(&mut cluster, &[1]);
    assert_eq!(send_and_wait(&mut cluster, "C"), Offset(2));
    stop(&mut cluster, 1);
    isr_is(&mut cluster, &[]);
    cluster.start(broker(order[0]));
    cluster.go_on_for(Duration::from_secs(12));
    cluster.send("D");
    cluster.go_on_for(Duration::from_secs(5));
    for id in &order[1..] {
        cluster.start(broker(*id));
        cluster.go_on_for(Duration::from_secs(12));
    }
    cluster.until("all are in the ISR", |c| c.controller().isr.len() == 3);
    cluster.go_on_for(Duration::from_secs(2));
    cluster
}

fn kill(cluster: &mut Cluster, id: i32) {
    cluster.kill(broker(id));
}

fn shut_down(cluster: &mut Cluster, id: i32) {
    cluster.command(broker(id), Command::Shutdown);
    cluster.until("the broker has stopped", |c| c.snapshot(id).is_none());
}

#[test]
fn the_twelve_cells_of_all_brokers_down_end_as_in_apache_kafka_4_3_1() {
    type Epochs = Vec<(i32, i64)>;
    let cells: [(&str, [i32; 3], i64, Epochs); 6] = [
        ("false", [3, 2, 1], 4, vec![(0, 0), (2, 3)]),
        ("false", [2, 3, 1], 4, vec![(0, 0), (2, 3)]),
        ("false", [1, 2, 3], 4, vec![(0, 0), (2, 3)]),
        ("true", [3, 2, 1], 2, vec![(0, 0), (2, 1)]),
        ("true", [2, 3, 1], 3, vec![(0, 0), (2, 2)]),
        ("true", [1, 2, 3], 4, vec![(0, 0), (2, 3)]),
    ];
    for (unclean, order, end, epochs) in cells {
        for stop in [kill, shut_down] {
            let cluster = all_brokers_down(unclean, order, stop);
            let cell = format!("unclean {unclean}, back in order {order:?}");
            assert_eq!(cluster.controller().isr.len(), 3, "{cell}");
            for log in logs(&cluster) {
                assert_eq!(log, (end, epochs.clone()), "{cell}");
            }
        }
    }
}

#[test]
fn a_consumer_reads_what_is_below_the_high_watermark() {
    let mut cluster = Cluster::new(&[], Rules::default());
    let partitions = vec![TopicPartition::new("orders", 0)];
    cluster.command(CONSUMER, Command::Assign { partitions });
    for value in ["A", "B", "C"] {
        send_and_wait(&mut cluster, value);
    }
    cluster.go_on_for(Duration::from_secs(2));
    let polled: Vec<&PolledRecord> = cluster
        .history
        .iter()
        .filter_map(|(_, _, event)| match event {
            Event::Polled { records } => Some(records),
            _ => None,
        })
        .flatten()
        .collect();
    let values: Vec<&str> = polled.iter().map(|record| record.value.as_str()).collect();
    assert_eq!(values, ["A", "B", "C"]);
}

#[test]
fn an_idle_cluster_sends_what_its_timers_ask_for_and_no_more() {
    let mut cluster = Cluster::new(&[], Rules::default());
    cluster.go_on_for(Duration::from_secs(10));
    let before = cluster.messages;
    cluster.go_on_for(Duration::from_secs(100));
    let per_second = (cluster.messages - before) / 100;
    // 2 followers x 2 fetches, 3 observers x 2 NoOps, 3 brokers x 0.5 heartbeats; each a round trip.
    assert!(
        (20..=30).contains(&per_second),
        "{per_second} messages per second"
    );
}
