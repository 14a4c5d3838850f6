//! Asks the leaders for their high watermarks (ListOffsets, latest), ten times a second: brokers write them
//! to their disks only every 5 s.

use super::{Told, settings};
use crate::failure::Failure;
use ktrial_core::TopicPartition;
use ktrial_core::message::Placement;
use ktrial_sim::plan::Plan;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often it asks.
const EVERY: Duration = Duration::from_millis(100);
/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// The thread that asks.
pub(super) struct Watermarks {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watermarks {
    pub(super) fn new(plan: &Plan, bootstrap: &str, tell: Sender<Told>) -> Result<Self, Failure> {
        let consumer: BaseConsumer = settings::common(bootstrap)
            .create()
            .map_err(|error| settings::refused("a client", &error))?;
        let partitions = partitions(plan);
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = thread::Builder::new()
            .name("watermarks".to_owned())
            .spawn(move || {
                while !seen.load(Ordering::Relaxed) {
                    for partition in &partitions {
                        ask(&consumer, partition, &tell);
                    }
                    thread::sleep(EVERY);
                }
            })
            .map_err(|error| Failure::Rig(format!("no thread for a client: {error}")))?;
        Ok(Self {
            over,
            thread: Some(thread),
        })
    }
}

impl Drop for Watermarks {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn ask(consumer: &BaseConsumer, partition: &TopicPartition, tell: &Sender<Told>) {
    let (topic, number) = (&partition.topic, partition.partition);
    // No answer is no news: the partition may have no leader, or not be there yet.
    if let Ok((_, latest)) = consumer.fetch_watermarks(topic, number, PATIENCE) {
        let _ = tell.send(Told::HighWatermark(partition.clone(), latest));
    }
}

/// The partitions whose number the plan tells.
fn partitions(plan: &Plan) -> Vec<TopicPartition> {
    let topics = plan.topics.iter();
    let counted = topics.map(|new| {
        let count = match &new.placement {
            Placement::Manual(replicas) => replicas.len(),
            Placement::Spread { partitions, .. } => {
                usize::try_from(partitions.unwrap_or(1)).unwrap_or(1)
            }
        };
        (new, i32::try_from(count).unwrap_or(i32::MAX))
    });
    let each = counted.flat_map(|(new, count)| {
        (0..count).map(|number| TopicPartition::new(new.topic.clone(), number))
    });
    each.collect()
}
