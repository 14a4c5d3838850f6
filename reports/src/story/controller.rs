//! What servers decide: the cluster that is up, changes of partitions, elections, refusals.

use super::narrate::{NAMED_AT_MOST, Narrator};
use crate::model::Partition;
use crate::words::{self, brokers};
use ktrial_core::event::ElectionRule;
use ktrial_core::message::Api;
use ktrial_core::metadata::{
    BrokerRegistrationChangeRecord, MetadataRecord, PartitionChangeRecord, PartitionRecord,
};
use ktrial_core::{BrokerId, Event, Timestamp, TopicPartition};

impl Narrator<'_> {
    /// One line for everything until the cluster is up.
    pub(super) fn cluster_is_up(&mut self) {
        let (ready, fenced): (Vec<_>, Vec<_>) =
            self.world.brokers.iter().partition(|(_, b)| !b.fenced);
        if ready.is_empty() {
            return;
        }
        let ids = |of: Vec<(&BrokerId, _)>| words::list(of.into_iter().map(|(id, _)| *id));
        let mut text = format!("cluster is up: brokers {}", ids(ready));
        if !fenced.is_empty() {
            text.push_str(&format!(" (still fenced: {})", ids(fenced)));
        }
        let partitions = &self.world.partitions;
        for (name, partition) in partitions.iter().take(NAMED_AT_MOST) {
            text.push_str(&format!(
                "; {name} led by broker {}, ISR {}",
                words::leader(partition.leader),
                brokers(&partition.isr)
            ));
        }
        if partitions.len() > NAMED_AT_MOST {
            let more = partitions.len() - NAMED_AT_MOST;
            text.push_str(&format!("; and {more} more partitions"));
        }
        let at = self.up_at;
        self.lines.plain(at, "cluster", text);
    }

    /// The controller wrote a record.
    pub(super) fn metadata(&mut self, at: Timestamp, who: &str, record: &MetadataRecord) {
        match record {
            MetadataRecord::PartitionChange(change) => self.partition_changes(at, who, change),
            MetadataRecord::Partition(created) => self.partition_created(at, who, created),
            MetadataRecord::BrokerRegistrationChange(change) => {
                if let Some(text) = registration(change) {
                    self.lines.plain(at, who, text);
                }
            }
            MetadataRecord::Config(config) => {
                let value = config.value.as_deref();
                let setting = words::setting(&config.resource, &config.key, value);
                self.lines.plain(at, who, format!("sets {setting}"));
            }
            MetadataRecord::ClearElr(cleared) => {
                let whose = cleared.topic.as_deref().unwrap_or("all topics");
                self.lines
                    .plain(at, who, format!("clears the ELR of {whose}"));
            }
            MetadataRecord::RemoveTopic(removed) => {
                let topic = self.world.topic(removed.topic_id);
                let gone = |name: &TopicPartition, _: &mut Timestamp| name.topic == topic;
                self.leaderless.extract_if(.., gone).for_each(drop);
                self.lines.barrier();
                self.lines.plain(at, who, format!("deletes {topic}"));
            }
            MetadataRecord::RegisterBroker(_)
            | MetadataRecord::Topic(_)
            | MetadataRecord::FeatureLevel(_)
            | MetadataRecord::NoOp => {}
        }
    }

    fn partition_created(&mut self, at: Timestamp, who: &str, created: &PartitionRecord) {
        let name = self.world.name(created.topic_id, created.partition);
        // With ZooKeeper an assignment that changes is told as a whole partition.
        if let Some(before) = self.world.partitions.get(&name).cloned() {
            return self.partition_differs(at, who, name, &before, &created.into());
        }
        let text = format!(
            "creates {name} on {}, leader {}",
            brokers(&created.replicas),
            words::leader(created.leader)
        );
        self.lines.plain(at, who, text);
    }

    fn partition_changes(&mut self, at: Timestamp, who: &str, change: &PartitionChangeRecord) {
        let name = self.world.name(change.topic_id, change.partition);
        let before = self.world.partitions.get(&name).cloned();
        let before = before.unwrap_or_default();
        let after = before.after(change);
        self.partition_differs(at, who, name, &before, &after);
    }

    fn partition_differs(
        &mut self,
        at: Timestamp,
        who: &str,
        name: TopicPartition,
        before: &Partition,
        after: &Partition,
    ) {
        let mut parts = Vec::new();
        if before.leader_epoch != after.leader_epoch {
            let (old, new) = (words::leader(before.leader), words::leader(after.leader));
            parts.push(format!(
                "leader {old} → {new} (epoch {})",
                after.leader_epoch
            ));
        }
        for (what, old, new) in [
            ("replicas", &before.replicas, &after.replicas),
            ("removing", &before.removing, &after.removing),
            ("adding", &before.adding, &after.adding),
            ("ISR", &before.isr, &after.isr),
            ("ELR", &before.elr, &after.elr),
            (
                "last known leader",
                &before.last_known_leader,
                &after.last_known_leader,
            ),
        ] {
            if old != new {
                parts.push(format!("{what} {} → {}", brokers(old), brokers(new)));
            }
        }
        match (before.recovering, after.recovering) {
            (false, true) => parts.push("recovering".to_owned()),
            (true, false) => parts.push("recovered".to_owned()),
            _ => {}
        }
        if let Some((leader, isr)) = self.proposed.remove(&name)
            && isr == after.isr
            && isr != before.isr
        {
            parts.push(format!("as broker {leader} proposed"));
        }
        if before.leader_epoch != after.leader_epoch {
            self.lines.barrier();
            self.lines.end_repeats();
        }
        // On a real cluster a change can be about log directories alone.
        if !parts.is_empty() {
            let text = format!("{name}: {}", parts.join(", "));
            self.lines.plain(at, who, text);
        }
        self.outage(at, name, before.leader.is_some(), after.leader.is_some());
    }

    /// A partition lost its leader or has one again.
    fn outage(&mut self, at: Timestamp, name: TopicPartition, before: bool, after: bool) {
        let who = name.to_string();
        match (before, after) {
            (true, false) => {
                let waiting = self.waiting_for(at, &name);
                self.leaderless.insert(name, at);
                self.lines
                    .plain(at, who, format!("UNAVAILABLE: no leader{waiting}"));
            }
            (false, true) => {
                let since = self.leaderless.remove(&name).unwrap_or(at);
                let ms = at.as_millis().saturating_sub(since.as_millis());
                let text = format!("available again after {}", words::seconds(ms));
                self.lines.plain(at, who, text);
            }
            _ => {}
        }
    }

    /// What the verdict says that an outage waited for.
    fn waiting_for(&self, at: Timestamp, name: &TopicPartition) -> String {
        let outages = &self.cell.verdict.unavailable;
        let found = outages.iter().find(|outage| {
            let of = words::partition(&outage.topic, outage.partition);
            of == *name && outage.from_ms.abs_diff(at.as_millis()) <= 1
        });
        match found {
            Some(outage) if !outage.waiting_for.is_empty() => {
                let ids = words::either(&outage.waiting_for);
                format!(", waiting for broker {ids}")
            }
            _ => String::new(),
        }
    }

    /// The controller looked for a leader.
    pub(super) fn elected(&mut self, at: Timestamp, who: &str, event: &Event) {
        let Event::Elected {
            partition,
            leader,
            rule,
            candidates,
        } = event
        else {
            return;
        };
        if leader.is_none() {
            let seen = self.looked.insert(partition.clone(), candidates.clone());
            if seen.as_ref() == Some(candidates) {
                return;
            }
        } else {
            self.looked.remove(partition);
        }
        let replicas: Vec<String> = candidates.iter().map(words::candidate).collect();
        let replicas = replicas.join("; ");
        let text = match leader {
            Some(id) if *rule != ElectionRule::Nobody => {
                let rule = words::rule(*rule);
                format!("elects broker {id} for {partition}: {rule} ({replicas})")
            }
            _ => format!("finds no leader for {partition} ({replicas})"),
        };
        self.lines.plain(at, who, text);
    }

    /// A request was refused. What a producer retries is told by its retries.
    pub(super) fn refused(&mut self, at: Timestamp, who: &str, event: &Event) {
        let Event::Refused {
            api,
            partition,
            from,
            error,
        } = event
        else {
            return;
        };
        if *api == Api::Produce && error.is_retriable() {
            return;
        }
        // Whoever looks for the leader of the metadata quorum asks again and again.
        let metadata = partition
            .as_ref()
            .is_some_and(|p| &*p.topic == "__cluster_metadata");
        if *api == Api::Fetch && metadata && self.cell.plan.controllers.len() > 1 {
            return;
        }
        let about = partition
            .as_ref()
            .map_or_else(String::new, |partition| format!(" for {partition}"));
        let from = self.name(*from);
        let text = format!("refuses {api} of {from}{about}: {error}");
        self.lines.repeat(at, who, text);
    }
}

fn registration(change: &BrokerRegistrationChangeRecord) -> Option<String> {
    let broker = change.broker;
    match (change.fenced, change.in_controlled_shutdown) {
        (Some(true), _) => Some(format!("fences broker {broker}")),
        (Some(false), _) => Some(format!("unfences broker {broker}: it may serve again")),
        (None, Some(true)) => Some(format!("broker {broker} is in controlled shutdown")),
        _ => None,
    }
}
