//! Tells how each lost record came to be lost: a chain of links from its acknowledgement to the removal
//! of its last copy, and a sentence or two.

use super::trace::{Fate, Happened, Happening, Trace};
use super::{brokers, name, sentence, set};
use crate::check::client::LostWrite;
use crate::history::Record;
use crate::plan::{Plan, StopKind};
use crate::verdict::{Link, Lost};
use ktrial_core::event::{Candidate, ElectionRule, TruncationCause};
use ktrial_core::{BrokerId, Offset, Timestamp};
use std::fmt::Write;

/// So many lost records get a whole chain.
const CHAINS: usize = 100;

/// The lost records with their reasons.
pub(in crate::check) fn lost(plan: &Plan, record: &Record, lost: &[LostWrite<'_>]) -> Vec<Lost> {
    if lost.is_empty() {
        return Vec::new();
    }
    let trace = Trace::new(plan, record, lost);
    let told = lost.iter().zip(&trace.fates).enumerate();
    let told = told.map(|(index, (lost, fate))| {
        let happenings = trace
            .happenings
            .get(&lost.partition)
            .map_or(&[][..], Vec::as_slice);
        let story = Story {
            record,
            lost,
            fate,
            happenings,
        };
        Lost {
            topic: lost.partition.topic.clone(),
            partition: lost.partition.partition,
            offset: lost.offset,
            value: lost.operation.value.to_string(),
            why: story.why(),
            chain: if index < CHAINS {
                story.chain()
            } else {
                vec![story.acknowledgement()]
            },
            permitted: lost.cause.is_some(),
        }
    });
    told.collect()
}

/// All that is known of one lost record.
struct Story<'a> {
    record: &'a Record,
    lost: &'a LostWrite<'a>,
    fate: &'a Fate,
    happenings: &'a [Happening<'a>],
}

impl Story<'_> {
    /// What happened after the acknowledgement, with its place among the happenings.
    fn after(&self) -> impl Iterator<Item = (usize, &Happening<'_>)> {
        self.happenings.iter().enumerate().skip(self.fate.before)
    }

    fn holders(&self) -> Vec<BrokerId> {
        self.fate
            .holders
            .iter()
            .map(|(broker, _)| *broker)
            .collect()
    }

    fn acknowledgement(&self) -> Link {
        let Fate {
            at,
            leader,
            isr,
            high_watermark,
            holders,
            ..
        } = self.fate;
        let flushed = holders.iter().filter(|(_, flushed)| *flushed);
        let flushed: Vec<BrokerId> = flushed.map(|(broker, _)| *broker).collect();
        let leader = leader.map_or_else(String::new, |leader| format!(" by leader {leader}"));
        let mut what = format!(
            "{} was acknowledged at offset {}{leader}; ISR {}, high watermark {high_watermark}; {} had it",
            self.lost.operation.value,
            self.lost.offset,
            set(isr),
            brokers(&self.holders(), "and"),
        );
        if flushed.is_empty() {
            what.push_str(", in the page cache only");
        } else {
            let _ = write!(what, ", flushed on {}", brokers(&flushed, "and"));
        }
        link(*at, what)
    }

    /// The place of the happening with which it was lost for good.
    fn end(&self) -> usize {
        let removals = self
            .after()
            .filter(|(index, _)| self.fate.removed_by(*index).is_some());
        let last = removals.map(|(index, _)| index).last();
        last.max(self.fate.led_without)
            .unwrap_or(self.happenings.len())
    }

    fn chain(&self) -> Vec<Link> {
        let mut chain = vec![self.acknowledgement()];
        let end = self.end();
        let happened = self.after().take_while(|(index, _)| *index <= end);
        let links = happened.filter_map(|(index, happening)| self.tell(index, happening));
        chain.extend(links);
        for (at, reader) in &self.fate.readers {
            let reader = name(self.record, *reader);
            chain.push(link(
                *at,
                format!("{reader} read {}", self.lost.operation.value),
            ));
        }
        chain.sort_by_key(|link| link.at_ms);
        chain
    }

    /// A happening, if it matters for this record.
    fn tell(&self, index: usize, happening: &Happening<'_>) -> Option<Link> {
        let (value, offset) = (&self.lost.operation.value, self.lost.offset);
        let what = match &happening.what {
            Happened::Isr(isr) => format!("the ISR became {}", set(isr)),
            Happened::Stopped {
                broker,
                how,
                end,
                recovery_point,
            } => {
                let had = match (*end > offset, *recovery_point > offset) {
                    (true, true) => format!("; it had {value} on its disk"),
                    (true, false) => format!("; it had {value}, not flushed"),
                    (false, _) => String::new(),
                };
                format!("broker {broker} {}{had}", went_down(*how))
            }
            Happened::Started(broker) => format!("broker {broker} started again"),
            Happened::Elected {
                leader,
                rule,
                candidates,
                end,
            } => {
                let elected = match leader {
                    Some(leader) => format!(
                        "broker {leader} was elected {}; its log ended at {end}",
                        rule_phrase(*rule)
                    ),
                    None => "nobody could be elected".to_owned(),
                };
                format!("{elected}{}", candidates_phrase(candidates))
            }
            Happened::Truncated {
                broker,
                from,
                to,
                cause,
            } => {
                self.fate.removed_by(index)?;
                let cause = cause_phrase(*cause);
                format!(
                    "broker {broker} cut its log from {from} to {to}{cause}, and {value} with it"
                )
            }
            Happened::Shortened { broker, from, to } => {
                self.fate.removed_by(index)?;
                format!(
                    "broker {broker} recovered its log only up to {to} of {from}: {value} was not on its \
                     disk"
                )
            }
        };
        Some(link(happening.at, what))
    }

    fn why(&self) -> String {
        let Fate {
            leader,
            isr,
            high_watermark,
            ..
        } = self.fate;
        let by = leader.map_or_else(String::new, |leader| format!(" by broker {leader}"));
        let mut why = format!(
            "Acknowledged{by} with ISR {} and high watermark {high_watermark}, when {} had it.",
            set(isr),
            brokers(&self.holders(), "and"),
        );
        let shortened = self.removers(|what| matches!(what, Happened::Shortened { .. }));
        if !shortened.is_empty() {
            let who = sentence(&brokers(&shortened, "and"));
            let _ = write!(why, " {who} lost it with the page cache.");
        }
        let cut = self.removers(|what| matches!(what, Happened::Truncated { .. }));
        let cut = brokers(&cut, "and");
        match (self.led_without(), cut.as_str()) {
            (Some(led), "no broker") => {
                let _ = write!(why, " {led}.");
            }
            (Some(led), cut) => {
                let _ = write!(why, " {led}, and {cut} cut it off to follow.");
            }
            (None, "no broker") => {}
            (None, cut) => {
                let _ = write!(why, " {} cut it off.", sentence(cut));
            }
        }
        let mut readers: Vec<String> = Vec::new();
        for (_, reader) in &self.fate.readers {
            let reader = name(self.record, *reader);
            if !readers.contains(&reader) {
                readers.push(reader);
            }
        }
        if !readers.is_empty() {
            let _ = write!(why, " It had been read by {}.", readers.join(", "));
        }
        why
    }

    /// The election of a leader without it.
    fn led_without(&self) -> Option<String> {
        let happening = self.happenings.get(self.fate.led_without?)?;
        let Happened::Elected {
            leader: Some(leader),
            rule,
            ..
        } = &happening.what
        else {
            return None;
        };
        Some(format!(
            "Broker {leader} was elected without it {}",
            rule_phrase(*rule)
        ))
    }

    /// The brokers whose copy went in one way, in order.
    fn removers(&self, way: impl Fn(&Happened<'_>) -> bool) -> Vec<BrokerId> {
        let after = self.after().filter(|(_, happening)| way(&happening.what));
        let removed = after.filter_map(|(index, _)| self.fate.removed_by(index));
        let mut brokers: Vec<BrokerId> = removed.collect();
        brokers.sort();
        brokers.dedup();
        brokers
    }
}

fn link(at: Timestamp, what: String) -> Link {
    Link {
        at_ms: at.as_millis(),
        what,
    }
}

fn went_down(how: Option<StopKind>) -> &'static str {
    match how {
        Some(StopKind::Kill) => "was killed",
        Some(StopKind::PowerLoss) => "lost power",
        Some(StopKind::Shutdown) => "was shut down",
        None => "stopped",
    }
}

fn rule_phrase(rule: ElectionRule) -> &'static str {
    match rule {
        ElectionRule::Isr => "from the ISR",
        ElectionRule::Elr => "from the ELR",
        ElectionRule::LastKnownLeader => "as the last known leader",
        ElectionRule::Unclean => "because unclean.leader.election.enable=true",
        ElectionRule::Nobody => "by no rule",
    }
}

/// What spoke for and against each replica.
fn candidates_phrase(candidates: &[Candidate]) -> String {
    if candidates.is_empty() {
        return String::new();
    }
    let each = candidates.iter().map(|candidate| {
        let mut words = vec![if candidate.available {
            "alive"
        } else {
            "not alive"
        }];
        let marks = [
            (candidate.in_isr, "in the ISR"),
            (candidate.in_elr, "in the ELR"),
            (candidate.last_known_leader, "last known leader"),
        ];
        words.extend(marks.iter().filter(|mark| mark.0).map(|mark| mark.1));
        format!("{} {}", candidate.broker, words.join(", "))
    });
    let each: Vec<String> = each.collect();
    format!(" (candidates: {})", each.join("; "))
}

fn cause_phrase(cause: TruncationCause) -> String {
    match cause {
        TruncationCause::DivergingEpoch(diverging) => {
            let (epoch, end): (_, Offset) = (diverging.epoch, diverging.offset);
            format!(", as the leader's epoch {epoch} ends at {end}")
        }
        TruncationCause::HighWatermark => ", to its own high watermark".to_owned(),
        TruncationCause::OutOfRange => ", as it was outside the leader's".to_owned(),
        TruncationCause::Unknown => String::new(),
    }
}
