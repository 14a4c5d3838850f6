//! Log directories that brokers have lost (KIP-112).
//!
//! | what happens | what the controller does |
//! |---|---|
//! | a broker leaves a notification | tells it again of all its replicas, deletes the notification |
//! | a broker answers LeaderAndIsr with KAFKA_STORAGE_ERROR for some | those are offline: others lead, and they leave the ISRs |
//! | it answers without an error for some that were | they are online again |
//! | the broker goes or registers anew | forgets it |
//!
//! Source: `KafkaController.processLogDirEventNotification`, `onBrokerLogDirFailure`,
//! `processLeaderAndIsrResponseReceived`; `ControllerContext.replicasOnOfflineDirs`.
//! Next: `elections.rs`.

use super::context::Context;
use super::task::Task;
use super::znodes::{LOG_DIR_EVENT_NOTIFICATION, LogDirEventNode, decode};
use super::{ControllerZk, Env, Reply};
use crate::id::{BrokerId, TopicPartition};
use crate::message::Answer;
use std::collections::BTreeSet;

impl Context {
    /// Whether what a broker was told of, and which of it it has lost, is news.
    pub(super) fn changes_lost(
        &self,
        broker: BrokerId,
        (asked, offline): &(Vec<TopicPartition>, Vec<TopicPartition>),
    ) -> bool {
        let lost = self.lost.get(&broker);
        let mut asked = asked.iter();
        asked.any(|name| lost.is_some_and(|lost| lost.contains(name)) != offline.contains(name))
    }
}

impl ControllerZk {
    /// The names of the notifications.
    pub(super) fn log_dir_events_listed(&mut self, forget: bool, names: Vec<String>) {
        self.next([match forget {
            true => Task::Delete(paths(&names)),
            false => Task::ReadLogDirEvents(names),
        }]);
    }

    /// What they say.
    pub(super) fn log_dir_events_read(
        &mut self,
        names: &[String],
        answers: &[Reply],
        env: &mut Env<'_>,
    ) {
        let mut brokers = BTreeSet::new();
        for answer in answers {
            if let Ok(Answer::Data(data, _)) = answer {
                brokers.extend(decode::<LogDirEventNode>(data).map(|node| node.broker));
            }
        }
        for broker in brokers {
            self.tell_replicas(broker);
        }
        self.send(env);
        self.next([Task::Delete(paths(names))]);
    }

    /// A broker has said which of these replicas are offline.
    pub(super) fn replicas_told(
        &mut self,
        broker: BrokerId,
        asked: &[TopicPartition],
        offline: Vec<TopicPartition>,
    ) {
        if !self.context.brokers.contains_key(&broker) {
            return;
        }
        let lost = self.context.lost.entry(broker).or_default();
        for name in asked.iter().filter(|name| !offline.contains(name)) {
            lost.remove(name);
        }
        let new: Vec<TopicPartition> = offline
            .into_iter()
            .filter(|name| lost.insert(name.clone()))
            .collect();
        if !new.is_empty() {
            self.gone_offline(vec![(broker, new)]);
        }
    }
}

fn paths(names: &[String]) -> Vec<String> {
    let names = names.iter();
    names
        .map(|name| format!("{LOG_DIR_EVENT_NOTIFICATION}/{name}"))
        .collect()
}
