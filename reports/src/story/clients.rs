//! What applications are told: sends, acknowledgements, retries, polls.

use super::lines::{Body, Item, extend};
use super::narrate::Narrator;
use crate::words::brokers;
use ktrial_core::event::{ResetCause, SendOutcome};
use ktrial_core::{Event, NodeId, Timestamp, TopicPartition};

impl Narrator<'_> {
    pub(super) fn client(&mut self, at: Timestamp, who: &str, node: Option<NodeId>, event: &Event) {
        match event {
            Event::SendStarted { topic, value, .. } if !self.announced.contains(value) => {
                self.lines
                    .plain(at, who, format!("sends {value} to {topic}"));
            }
            Event::SendEnded { .. } => self.send_ended(at, who, event),
            Event::SendRetried {
                partition, error, ..
            } => {
                let text = format!("tries {partition} again after {error}");
                self.lines.repeat(at, who, text);
            }
            Event::Polled { records } => {
                for record in records {
                    let item = Item {
                        offset: record.offset,
                        value: record.value.clone(),
                    };
                    self.polled(at, who, &record.partition, item);
                }
            }
            _ => self.client_position(at, who, node, event),
        }
    }

    fn send_ended(&mut self, at: Timestamp, who: &str, event: &Event) {
        let Event::SendEnded {
            operation,
            partition,
            outcome,
        } = event
        else {
            return;
        };
        self.lines.end_repeats();
        let value = self.values.sent_by(*operation).to_owned();
        match (partition, outcome) {
            (Some(partition), SendOutcome::Acknowledged { offset: Some(o) }) => {
                let item = Item { offset: *o, value };
                self.acked(at, who, partition, item);
            }
            (_, SendOutcome::Acknowledged { .. }) => {
                let text = format!("{value} is acknowledged, at an unknown offset");
                self.lines.plain(at, who, text);
            }
            (_, SendOutcome::Sent) => {
                let text = format!("{value} has left, acknowledgement not asked (acks=0)");
                self.lines.plain(at, who, text);
            }
            (_, SendOutcome::Failed(error)) => {
                let text = format!("{value} has failed, it was not written: {error}");
                self.lines.plain(at, who, text);
            }
            (_, SendOutcome::Unknown(error)) => {
                let text = format!("{value} may or may not be written: {error}");
                self.lines.plain(at, who, text);
            }
        }
    }

    fn acked(&mut self, at: Timestamp, who: &str, partition: &TopicPartition, item: Item) {
        let state = self.state_at_ack(partition);
        let more = [item];
        let folded = self.lines.fold(who, |body| {
            let Body::Acked {
                partition: of,
                records,
                state: told,
            } = body
            else {
                return false;
            };
            let fits = of == partition && extend(records, &more);
            if fits {
                told.clone_from(&state);
            }
            fits
        });
        if !folded {
            let body = Body::Acked {
                partition: partition.clone(),
                records: more.to_vec(),
                state,
            };
            self.lines.push(at, who, body);
        }
    }

    fn polled(&mut self, at: Timestamp, who: &str, partition: &TopicPartition, item: Item) {
        let more = [item];
        let folded = self.lines.fold(who, |body| match body {
            Body::Polled {
                partition: of,
                records,
            } => of == partition && extend(records, &more),
            _ => false,
        });
        if !folded {
            let body = Body::Polled {
                partition: partition.clone(),
                records: more.to_vec(),
            };
            self.lines.push(at, who, body);
        }
    }

    /// ISR and high watermark of a partition when a client is told.
    fn state_at_ack(&self, partition: &TopicPartition) -> String {
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
    fn client_position(&mut self, at: Timestamp, who: &str, node: Option<NodeId>, event: &Event) {
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
            Event::ReadReplicaNamed { partition, replica } => {
                let text = match replica {
                    Some(broker) => {
                        format!("reads {partition} from b{broker}, a follower, from now on")
                    }
                    None => format!("reads {partition} from its leader again"),
                };
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
