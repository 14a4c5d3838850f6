//! The lines of a story, and how noise is folded into them.
//!
//! A line tells one change. Changes of the same kind that follow each other become one line: the
//! replicas' appends of one record, acknowledgements in a row, a consumer's polls, a request that is
//! refused again and again. A *barrier* (a step, a process that starts or stops, a new leader) ends
//! all folding of records, so that no line tells of something after a change that it stands before.
//!
//! Next: `mod.rs`, which prints them.

use crate::words;
use ktrial_core::{BrokerId, Offset, Timestamp, TopicPartition};
use std::collections::BTreeMap;
use std::time::Duration;

/// What happens to a node within this time may be told in one line.
const TOGETHER: Duration = Duration::from_millis(100);

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) who: String,
    pub(super) body: Body,
}

/// What a line tells.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// What we do to the cluster.
    Step(String),
    /// A change in words.
    Plain(String),
    /// A leader appended records; how far each replica has them.
    Written {
        partition: TopicPartition,
        epoch: i32,
        records: Vec<Item>,
        ends: BTreeMap<BrokerId, Offset>,
    },
    /// A follower caught up.
    Copied {
        partition: TopicPartition,
        from: Option<BrokerId>,
        records: Vec<Item>,
    },
    /// An application was told that its records are there.
    Acked {
        partition: TopicPartition,
        records: Vec<Item>,
        state: String,
    },
    /// A consumer handed over records.
    Polled {
        partition: TopicPartition,
        records: Vec<Item>,
    },
    /// Something that happens again and again.
    Repeated {
        text: String,
        times: u64,
        until: Timestamp,
    },
}

/// A record: where and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) offset: Offset,
    pub(super) value: String,
}

/// The lines so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    pub(super) all: Vec<Line>,
    /// Lines from here on may still take more records.
    open: usize,
    /// Lines from here on may still be repeated.
    repeating: usize,
}

impl Lines {
    /// Adds a line.
    pub(super) fn push(&mut self, at: Timestamp, who: impl Into<String>, body: Body) {
        let who = who.into();
        self.all.push(Line { at, who, body });
    }

    /// Adds a line of words.
    pub(super) fn plain(&mut self, at: Timestamp, who: impl Into<String>, text: impl Into<String>) {
        self.push(at, who, Body::Plain(text.into()));
    }

    /// Ends all folding of records.
    pub(super) fn barrier(&mut self) {
        self.open = self.all.len();
    }

    /// Ends the counting of repeated lines.
    pub(super) fn end_repeats(&mut self) {
        self.repeating = self.all.len();
    }

    /// Adds words to the last line, if it is of the same node and about the same time; else a line
    /// of its own.
    pub(super) fn append(&mut self, at: Timestamp, who: &str, text: &str) {
        if let Some(line) = self.all[self.open..].last_mut()
            && line.who == who
            && at.since(line.at) <= TOGETHER
            && let Body::Plain(words) = &mut line.body
        {
            words.push_str("; ");
            words.push_str(text);
        } else {
            self.plain(at, who, text);
        }
    }

    /// Counts something that may have been told before.
    pub(super) fn repeat(&mut self, at: Timestamp, who: &str, text: String) {
        for line in self.all[self.repeating..]
            .iter_mut()
            .filter(|l| l.who == who)
        {
            if let Body::Repeated {
                text: told,
                times,
                until,
            } = &mut line.body
                && *told == text
            {
                *times += 1;
                *until = at;
                return;
            }
        }
        let times = 1;
        self.push(
            at,
            who,
            Body::Repeated {
                text,
                times,
                until: at,
            },
        );
    }

    /// Adds records to the newest open line that `fold` lets take them; whether one did.
    pub(super) fn fold(&mut self, who: &str, mut fold: impl FnMut(&mut Body) -> bool) -> bool {
        let open = self.all[self.open..].iter_mut().rev();
        open.filter(|line| line.who == who || who.is_empty())
            .any(|line| fold(&mut line.body))
    }
}

/// Appends `more` to `records` if it goes on where they end.
pub(super) fn extend(records: &mut Vec<Item>, more: &[Item]) -> bool {
    let end = records.last().map(|item| item.offset.next());
    let fits = end.is_some() && end == more.first().map(|item| item.offset);
    if fits {
        records.extend_from_slice(more);
    }
    fits
}

impl Body {
    /// The line's words.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Step(text) | Self::Plain(text) => text.clone(),
            Self::Written {
                partition,
                epoch,
                records,
                ends,
            } => format!(
                "appends {} to {partition} in epoch {epoch}; {}",
                items(records),
                written_on(records, ends)
            ),
            Self::Copied {
                partition,
                from,
                records,
            } => {
                let from = from.map_or_else(String::new, |id| format!(" from broker {id}"));
                format!("copies {} of {partition}{from}", items(records))
            }
            Self::Acked {
                partition,
                records,
                state,
            } => {
                let verb = if records.len() == 1 { "is" } else { "are" };
                let values: Vec<&str> = records.iter().map(|item| item.value.as_str()).collect();
                let values = words::values(&values);
                let place = offsets(records);
                format!("{values} {verb} acknowledged: {partition} {place}; {state}")
            }
            Self::Polled { partition, records } => {
                format!("reads {} from {partition}", items(records))
            }
            Self::Repeated { text, times: 1, .. } => text.clone(),
            Self::Repeated { text, times, until } => {
                format!("{text} ({times} times, until {until})")
            }
        }
    }
}

/// `0 (A), 1 (B)`; of many only the ends.
pub(super) fn items(records: &[Item]) -> String {
    let texts: Vec<String> = records
        .iter()
        .map(|item| format!("{} ({})", item.offset, item.value))
        .collect();
    let noun = if records.len() == 1 {
        "offset"
    } else {
        "offsets"
    };
    format!("{noun} {}", words::values(&texts))
}

fn offsets(records: &[Item]) -> String {
    match records {
        [first, .., last] => format!("offsets {} to {}", first.offset, last.offset),
        [one] => format!("offset {}", one.offset),
        [] => String::new(),
    }
}

/// `now on 1, 2, 3`; replicas that have only a part of it with the end they reached.
fn written_on(records: &[Item], ends: &BTreeMap<BrokerId, Offset>) -> String {
    let end = records.last().map(|item| item.offset.next());
    let on = ends.iter().map(|(broker, reached)| {
        if Some(*reached) == end {
            broker.to_string()
        } else {
            format!("{broker} (up to {reached})")
        }
    });
    format!("it is on {}", words::list(on))
}
