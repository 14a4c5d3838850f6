//! Words for what is compared. Next: `difference.rs`.

use super::outcome::{Replica, State};
use ktrial_core::BrokerId;
use std::fmt::Display;

/// Of more values than this only the first and the last are shown.
const SHOWN: usize = 8;

/// `[A, D]`; of many only the first and the last, with their number.
pub(super) fn values<T: AsRef<str>>(values: &[T]) -> String {
    bracketed(values, ", ")
}

/// `[A D]`, for tables.
pub(super) fn values_in_brief<T: AsRef<str>>(values: &[T]) -> String {
    bracketed(values, " ")
}

fn bracketed<T: AsRef<str>>(values: &[T], between: &str) -> String {
    match values {
        [first, second, .., last] if values.len() > SHOWN => {
            let shown = [first.as_ref(), second.as_ref(), "...", last.as_ref()];
            format!("[{}] ({} records)", shown.join(between), values.len())
        }
        _ => {
            let all: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
            format!("[{}]", all.join(between))
        }
    }
}

/// `a, b, c`.
pub(super) fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}

/// `[1, 2]`.
pub(super) fn brokers(ids: &[BrokerId]) -> String {
    format!("[{}]", list(ids))
}

/// `broker 1`, `brokers 1, 2`.
pub(super) fn of_brokers(ids: &[BrokerId]) -> String {
    let plural = if ids.len() == 1 { "" } else { "s" };
    format!("broker{plural} {}", list(ids))
}

/// `(0,0) (2,1)`: each epoch with its first offset.
pub(super) fn checkpoint(replica: &Replica) -> String {
    let entries = replica.checkpoint.iter();
    let entries: Vec<String> = entries
        .map(|entry| format!("({},{})", entry.epoch, entry.offset))
        .collect();
    if entries.is_empty() {
        "empty".to_owned()
    } else {
        entries.join(" ")
    }
}

/// Who leads.
pub(super) fn leader(state: &State) -> String {
    let leader = state.leader;
    leader.map_or_else(|| "nobody".to_owned(), |id| format!("broker {id}"))
}

/// `leader 1 epoch 0 isr [1, 2]`, and what else there is.
pub(super) fn state(state: &State) -> String {
    let leader = state.leader;
    let leader = leader.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let mut text = format!(
        "leader {leader} epoch {} isr {}",
        state.leader_epoch,
        brokers(&state.isr)
    );
    for (name, list) in [("elr", &state.elr), ("last known", &state.last_known_elr)] {
        if !list.is_empty() {
            text.push_str(&format!(" {name} {}", brokers(list)));
        }
    }
    if state.recovering {
        text.push_str(" recovering");
    }
    text
}
