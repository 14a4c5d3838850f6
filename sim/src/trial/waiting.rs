//! A condition that a step waits for, looked at after each entry of the record without looking at the
//! same values again and again.
//!
//! Rule: what has been acknowledged, has ended or was consumed stays so. Of a list of values only the
//! first that is still missing is asked for; so the cost of waiting for n values is n, not n squared.
//!
//! Next: `../view/condition.rs`, which knows what conditions mean.

use crate::plan::{Condition, Reached};
use crate::view::View;
use ktrial_core::{Offset, Timestamp};

/// A condition, and how far it holds.
#[derive(Debug)]
pub(super) enum Waiting {
    /// Each of these must have held once, in order; those before `next` have.
    Each {
        parts: std::vec::IntoIter<Condition>,
        next: Option<Condition>,
    },
    /// All of these.
    All(Vec<Self>),
    /// One of these.
    Any(Vec<Self>),
    /// So many more committed metadata records than when the wait began.
    Metadata {
        from: Option<Offset>,
        more: i64,
        by: Reached,
    },
    /// This.
    Plain(Condition),
}

impl Waiting {
    /// Begins to wait.
    pub(super) fn new(condition: &Condition) -> Self {
        let one = |value: &String| vec![value.clone()];
        match condition {
            Condition::Acknowledged { values } => Self::each(values, |value| {
                let values = one(value);
                Condition::Acknowledged { values }
            }),
            Condition::Ended { values } => Self::each(values, |value| {
                let values = one(value);
                Condition::Ended { values }
            }),
            Condition::Consumed { consumer, values } => {
                Self::each(values, |value| Condition::Consumed {
                    consumer: consumer.clone(),
                    values: one(value),
                })
            }
            Condition::All(parts) => Self::All(parts.iter().map(Self::new).collect()),
            Condition::Any(parts) => Self::Any(parts.iter().map(Self::new).collect()),
            Condition::Metadata { more, by } => Self::Metadata {
                from: None,
                more: *more,
                by: *by,
            },
            other => Self::Plain(other.clone()),
        }
    }

    fn each(values: &[String], make: impl Fn(&String) -> Condition) -> Self {
        let conditions: Vec<Condition> = values.iter().map(make).collect();
        let mut parts = conditions.into_iter();
        let next = parts.next();
        Self::Each { parts, next }
    }

    /// Whether the condition holds at `now`.
    pub(super) fn holds(&mut self, view: &View, now: Timestamp) -> bool {
        match self {
            Self::Each { parts, next } => {
                while let Some(condition) = next {
                    if !view.holds(condition, now) {
                        return false;
                    }
                    *next = parts.next();
                }
                true
            }
            Self::All(parts) => parts.iter_mut().all(|part| part.holds(view, now)),
            Self::Any(parts) => parts.iter_mut().any(|part| part.holds(view, now)),
            Self::Metadata { from, more, by } => {
                let from = *from.get_or_insert_with(|| view.quorum().most_committed());
                view.knows_committed(from + *more, *by)
            }
            Self::Plain(condition) => view.holds(condition, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::story::Story;

    #[test]
    fn values_that_held_are_not_asked_for_again() {
        let condition = Condition::All(vec![Condition::Acknowledged {
            values: vec!["a".to_owned(), "b".to_owned()],
        }]);
        let mut waiting = Waiting::new(&condition);
        let mut story = Story::new();
        story.at(10).send("a").send("b").acknowledged("a", 0);
        let mut view = View::new(&story.plan);
        story.entries.iter().for_each(|entry| view.apply(entry));
        assert!(!waiting.holds(&view, story.now()));
        assert!(!view.holds(&condition, story.now()));
        let seen = story.entries.len();
        story.at(20).acknowledged("b", 1);
        story.entries[seen..]
            .iter()
            .for_each(|entry| view.apply(entry));
        assert!(waiting.holds(&view, story.now()));
        assert!(view.holds(&condition, story.now()));
    }
}
