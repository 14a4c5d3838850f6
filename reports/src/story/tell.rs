//! The words of the bigger events: what the controller decides, what becomes of a replica's log,
//! what a client is told.

use super::narrate::Narrator;
use crate::words::{self, brokers};
use ktrial_core::event::{ElectionRule, ResetCause};
use ktrial_core::message::Api;
use ktrial_core::metadata::{
    BrokerRegistrationChangeRecord, MetadataRecord, PartitionChangeRecord, PartitionRecord,
};
use ktrial_core::{BrokerId, Event, NodeId, Offset, Timestamp, TopicPartition};
use ktrial_sim::plan::StopKind;

/// Partitions that the line about the start names one by one.
const NAMED_AT_START: usize = 4;

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
        for (name, partition) in partitions.iter().take(NAMED_AT_START) {
            text.push_str(&format!(
                "; {name} led by broker {}, ISR {}",
                words::leader(partition.leader),
                brokers(&partition.isr)
            ));
        }
        if partitions.len() > NAMED_AT_START {
            let more = partitions.len() - NAMED_AT_START;
            text.push_str(&format!("; and {more} more partitions"));
        }
        let at = self.up_at;
        self.lines.plain(at, "cluster", text);
    }

    /// A process stopped: how, and what it leaves behind.
    pub(super) fn stopped(
        &self,
        broker: Option<BrokerId>,
        how: Option<StopKind>,
        bytes_lost: u64,
    ) -> String {
        let mut text = match how {
            Some(StopKind::Kill) => "is killed".to_owned(),
            Some(StopKind::PowerLoss) => format!(
                "loses power: {} not flushed, gone",
                words::count(bytes_lost, "byte")
            ),
            Some(StopKind::Shutdown) | None => "has stopped".to_owned(),
        };
        let log = match how {
            Some(StopKind::PowerLoss) => "its log so far of",
            _ => "its log of",
        };
        let replicas = broker.map(|broker| self.world.replicas_on(broker));
        for (partition, replica) in replicas.into_iter().flatten().take(NAMED_AT_START) {
            let epoch = |offset| replica.epochs.get(&offset).copied();
            let items = self.items(partition, Offset::ZERO, replica.log_end, epoch);
            let values: Vec<&str> = items.iter().map(|item| item.value.as_str()).collect();
            let values = words::values(&values);
            text.push_str(&format!("; {log} {partition}: [{values}]"));
        }
        text
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
            MetadataRecord::RegisterBroker(_)
            | MetadataRecord::Topic(_)
            | MetadataRecord::FeatureLevel(_)
            | MetadataRecord::NoOp => {}
        }
    }

    fn partition_created(&mut self, at: Timestamp, who: &str, created: &PartitionRecord) {
        let name = self.world.name(created.topic_id, created.partition);
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
        let mut parts = Vec::new();
        if before.leader_epoch != after.leader_epoch {
            let (old, new) = (words::leader(before.leader), words::leader(after.leader));
            parts.push(format!(
                "leader {old} → {new} (epoch {})",
                after.leader_epoch
            ));
        }
        for (what, old, new) in [
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
        self.lines
            .plain(at, who, format!("{name}: {}", parts.join(", ")));
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
        let about = partition
            .as_ref()
            .map_or_else(String::new, |partition| format!(" for {partition}"));
        let from = self.name(*from);
        let text = format!("refuses {api} of {from}{about}: {error}");
        self.lines.repeat(at, who, text);
    }

    /// Something became of a broker or of its replica.
    pub(super) fn replica(&mut self, at: Timestamp, who: &str, broker: BrokerId, event: &Event) {
        match event {
            Event::BrokerStarted { clean } => {
                self.lines.barrier();
                let again = self.world.brokers.get(&broker).is_some_and(|b| b.stopped);
                let text = match (again, *clean) {
                    (false, _) => "starts",
                    (true, true) => "starts again after a clean stop",
                    (true, false) => "starts again after an unclean stop",
                };
                self.lines.plain(at, who, text);
            }
            Event::BrokerFenced if self.world.brokers.get(&broker).is_some_and(|b| !b.fenced) => {
                self.lines.plain(at, who, "learns that it is fenced");
            }
            Event::ControlledShutdownStarted => {
                self.lines
                    .plain(at, who, "asks the controller for a controlled shutdown");
            }
            Event::BrokerStopped => {
                self.lines
                    .plain(at, who, "closes its logs and marks the stop as clean");
            }
            Event::LogLoaded { .. } => self.log_loaded(at, who, event),
            Event::BecameLeader {
                partition,
                leader_epoch,
                start_offset,
                ..
            } => {
                self.lines.barrier();
                let text = format!(
                    "leads {partition} in epoch {leader_epoch}, which starts at offset \
                     {start_offset}"
                );
                self.lines.plain(at, who, text);
            }
            Event::Truncated { .. } => self.truncated(at, who, broker, event),
            Event::HighWatermark { partition, offset } => {
                let before = self.world.replica(partition, broker).high_watermark;
                if *offset < before {
                    let text = format!("high watermark back {before} → {offset}");
                    self.lines.append(at, who, &text);
                }
            }
            Event::StorageFailed { partition, error } => {
                let what = partition
                    .as_ref()
                    .map_or_else(|| "its own files".to_owned(), ToString::to_string);
                self.lines
                    .plain(at, who, format!("DISK FAILS under {what}: {error}"));
            }
            _ => {}
        }
    }

    fn log_loaded(&mut self, at: Timestamp, who: &str, event: &Event) {
        let Event::LogLoaded {
            partition,
            log_end_offset,
            high_watermark,
            truncated_bytes,
            ..
        } = event
        else {
            return;
        };
        let mut text = format!(
            "{partition} loaded: log end {log_end_offset}, high watermark {high_watermark}"
        );
        if *truncated_bytes > 0 {
            let bytes = words::count(*truncated_bytes, "torn byte");
            text.push_str(&format!(", {bytes} cut off"));
        }
        self.lines.append(at, who, &text);
    }

    fn truncated(&mut self, at: Timestamp, who: &str, broker: BrokerId, event: &Event) {
        let Event::Truncated {
            partition,
            from,
            to,
            cause,
        } = event
        else {
            return;
        };
        let replica = self.world.replica(partition, broker);
        let epoch = |offset| replica.epochs.get(&offset).copied();
        let fell = self.items(partition, *to, *from, epoch);
        let name = |value: &str| {
            let acknowledged = self.values.is_acknowledged(value);
            format!(
                "{value}{}",
                if acknowledged { " (acknowledged)" } else { "" }
            )
        };
        let fell: Vec<String> = fell.iter().map(|item| name(&item.value)).collect();
        let why = words::cause(*cause, self.leader(partition));
        let mut text = format!("TRUNCATES {partition} {from} → {to}: {why}");
        if !fell.is_empty() {
            text.push_str(&format!("; gone here: {}", words::values(&fell)));
        }
        self.lines.barrier();
        self.lines.plain(at, who, text);
    }

    /// ISR and high watermark of a partition when a client is told.
    pub(super) fn state_at_ack(&self, partition: &TopicPartition) -> String {
        let Some(state) = self.world.partitions.get(partition) else {
            return "state unknown".to_owned();
        };
        let isr = brokers(&state.isr);
        match state.leader {
            Some(leader) => {
                let mark = self.world.replica(partition, leader).high_watermark;
                format!("ISR {isr}, high watermark {mark}")
            }
            None => format!("ISR {isr}, no leader by now"),
        }
    }

    /// What a consumer or an operator was told.
    pub(super) fn client_position(
        &mut self,
        at: Timestamp,
        who: &str,
        node: Option<NodeId>,
        event: &Event,
    ) {
        match event {
            Event::PositionReset {
                partition,
                from,
                to,
                cause,
            } => {
                let from = from.map_or_else(|| "none".to_owned(), |offset| offset.to_string());
                let to = to.map_or_else(
                    || "none: the application has to choose".to_owned(),
                    |offset| offset.to_string(),
                );
                let why = match cause {
                    ResetCause::NoPosition => "it had none",
                    ResetCause::OutOfRange => "it was outside the log",
                    ResetCause::Truncated(_) => "the log was truncated below it",
                };
                let text = format!("position in {partition} {from} → {to}: {why}");
                self.lines.plain(at, who, text);
            }
            Event::FetchFailed { partition, error } => {
                let text = format!("cannot read {partition}: {error}");
                self.lines.repeat(at, who, text);
            }
            Event::Administered { error, message, .. } => {
                let message = message.as_deref().unwrap_or("");
                let who = if node.is_none() { "operator" } else { who };
                let text = format!("the controller answers {error} {message}");
                self.lines.plain(at, who, text.trim_end());
            }
            _ => {}
        }
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
