//! The steps beside the script, each due when its own time or condition has come; and what lasts for a
//! time, of both lists.
//!
//! Cost: what is due at a time is sorted once and taken from the front; only the steps that wait for a
//! condition are looked at after each entry.
//!
//! Next: `settle.rs`.

use super::super::waiting::Waiting;
use super::{deadline, silences};
use crate::plan::{Action, Condition, Plan, Step, When};
use crate::view::View;
use ktrial_core::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// The steps of the timeline that are still to come, and what lasts.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// By time, then by their order in the plan.
    timed: VecDeque<(Timestamp, usize)>,
    conditional: Vec<Conditional>,
    /// What ends when: by time, then by step.
    lasting: BTreeMap<(Timestamp, usize), Action>,
}

/// A step that waits for a condition.
#[derive(Debug)]
struct Conditional {
    index: usize,
    waiting: Waiting,
    held: bool,
    late: Timestamp,
}

/// What the timeline wants done.
#[derive(Debug)]
pub(super) enum Due {
    /// The step of this index begins.
    Begins(usize),
    /// The step of this index is given up.
    GivenUp(usize, Condition),
    /// What the step of this index did ends.
    Ends(usize, Action),
}

impl Timeline {
    /// The timeline of a plan whose first step can begin at `ready`.
    pub(super) fn new(plan: &Plan, ready: Timestamp) -> Self {
        let mut timeline = Self::default();
        let mut timed = Vec::new();
        for (place, step) in plan.timeline.iter().enumerate() {
            let index = plan.steps.len() + place;
            let due = deadline(step, ready);
            match &step.when {
                When::Until { condition, .. } => timeline.conditional.push(Conditional {
                    index,
                    waiting: Waiting::new(condition),
                    held: false,
                    late: due,
                }),
                When::Now | When::After { .. } | When::At { .. } => timed.push((due, index)),
            }
        }
        timed.sort_unstable();
        timeline.timed = timed.into();
        timeline
    }

    /// Nothing is to come and nothing lasts.
    pub(super) fn is_over(&self) -> bool {
        self.timed.is_empty() && self.conditional.is_empty() && self.lasting.is_empty()
    }

    /// The action of a step has begun and ends at `at`.
    pub(super) fn lasts(&mut self, index: usize, at: Timestamp, action: Action) {
        self.lasting.insert((at, index), action);
    }

    /// Sees an entry. Tells whether a step is due now.
    pub(super) fn observe(&mut self, view: &View, now: Timestamp) -> bool {
        let mut due = false;
        for step in &mut self.conditional {
            step.held = step.held || step.waiting.holds(view, now);
            due = due || step.held;
        }
        due
    }

    /// The next thing to do at `now`: ends first, then what is due by time, then by condition.
    pub(super) fn next(&mut self, plan: &Plan, view: &View, now: Timestamp) -> Option<Due> {
        if let Some(entry) = self.lasting.first_entry()
            && entry.key().0 <= now
        {
            let ((_, index), action) = entry.remove_entry();
            return Some(Due::Ends(index, action));
        }
        if let Some((_, index)) = self.timed.pop_front_if(|(at, _)| *at <= now) {
            return Some(Due::Begins(index));
        }
        let place = self.conditional.iter_mut().position(|step| {
            step.held = step.held || step.waiting.holds(view, now);
            step.held || step.late <= now
        })?;
        let step = self.conditional.remove(place);
        match plan.step(step.index).map(|step| &step.when) {
            Some(When::Until { condition, .. }) if !step.held => {
                Some(Due::GivenUp(step.index, condition.clone()))
            }
            _ => Some(Due::Begins(step.index)),
        }
    }

    /// Shows the times at which something may be due.
    pub(super) fn times(
        &self,
        plan: &Plan,
        view: &View,
        now: Timestamp,
        show: &mut impl FnMut(Timestamp),
    ) {
        if let Some(((at, _), _)) = self.lasting.first_key_value() {
            show(*at);
        }
        if let Some((at, _)) = self.timed.front() {
            show(*at);
        }
        for step in &self.conditional {
            show(step.late);
            if let Some(Step { when, .. }) = plan.step(step.index) {
                silences(when, view, now, show);
            }
        }
    }
}
