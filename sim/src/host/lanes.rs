//! The lanes of one process: what they are busy with, what waits for them, and their timers.
//!
//! Rules:
//! - A lane works on as many inputs at a time as it has slots. An input whose disk time is not over
//!   keeps its slot; further ones wait in order.
//! - A lane has one timer in the agenda at a time. If its deadline moves back, the entry stays and is
//!   entered anew when it comes; if it moves forward, a new one is entered and the old one ignored.
//!
//! Invariants: what waits, waits for a slot; while one is free, nothing waits.
//!
//! Simplified: no limit on waiting inputs (`queued.max.requests` would stop reading from sockets).
//!
//! Next: `mod.rs`.

use ktrial_core::{Input, Lane, Machine, Timestamp};
use std::collections::VecDeque;

/// One lane.
#[derive(Debug)]
struct LaneState {
    lane: Lane,
    slots: usize,
    /// How many slots are taken by inputs whose disk time is not over.
    busy: usize,
    queue: VecDeque<Input>,
    /// When the machine wants waking.
    deadline: Option<Timestamp>,
    /// The entry in the agenda that counts.
    armed: Option<Timestamp>,
    /// The timer waits in the queue.
    timer_waits: bool,
    /// Which one the machine named after this one when it was last asked for its deadlines. Mostly it
    /// names the same one again, and a broker of a large cluster has many.
    after: usize,
}

/// All lanes of a process.
#[derive(Debug, Default)]
pub(super) struct Lanes(Vec<LaneState>);

impl Lanes {
    /// Takes in an input; returns it with its lane if it can be worked on now.
    pub(super) fn admit(&mut self, machine: &dyn Machine, input: Input) -> Option<(Lane, Input)> {
        let lane = machine.lane(&input);
        let state = self.state(machine, lane);
        if state.has_slot() {
            return Some((lane, input));
        }
        state.queue.push_back(input);
        None
    }

    /// The entry of a lane's timer came. Returns the input if it is due and can be worked on now, and
    /// perhaps a time to enter it anew.
    pub(super) fn timer(
        &mut self,
        machine: &dyn Machine,
        lane: Lane,
        at: Timestamp,
    ) -> (Option<(Lane, Input)>, Option<Timestamp>) {
        let state = self.state(machine, lane);
        if state.armed != Some(at) {
            return (None, None);
        }
        state.armed = None;
        match state.deadline {
            Some(deadline) if deadline > at => {
                state.armed = Some(deadline);
                (None, Some(deadline))
            }
            Some(_) if state.has_slot() => (Some((lane, Input::Timer(lane))), None),
            Some(_) => {
                state.timer_waits = true;
                state.queue.push_back(Input::Timer(lane));
                (None, None)
            }
            None => (None, None),
        }
    }

    /// An input's disk time began: its slot is taken.
    pub(super) fn occupy(&mut self, lane: Lane) {
        if let Some(state) = self.0.iter_mut().find(|state| state.lane == lane) {
            state.busy += 1;
        }
    }

    /// Its disk time is over.
    pub(super) fn vacate(&mut self, lane: Lane) {
        if let Some(state) = self.0.iter_mut().find(|state| state.lane == lane) {
            state.busy = state.busy.saturating_sub(1);
        }
    }

    /// The next waiting input that can be worked on at `now`.
    pub(super) fn next(&mut self, lane: Lane, now: Timestamp) -> Option<Input> {
        let state = self.0.iter_mut().find(|state| state.lane == lane)?;
        loop {
            if !state.has_slot() {
                return None;
            }
            let input = state.queue.pop_front()?;
            if !matches!(input, Input::Timer(_)) {
                return Some(input);
            }
            state.timer_waits = false;
            if state.deadline.is_some_and(|deadline| deadline <= now) {
                return Some(input);
            }
        }
    }

    /// Asks the machine for its deadlines; `enter` gets each one that the agenda lacks.
    pub(super) fn arm(
        &mut self,
        machine: &dyn Machine,
        now: Timestamp,
        mut enter: impl FnMut(Lane, Timestamp),
    ) {
        for state in &mut self.0 {
            state.deadline = None;
        }
        let mut last = None;
        machine.deadlines(&mut |lane, at| {
            let index = self.index_after(machine, last, lane);
            last = Some(index);
            let state = &mut self.0[index];
            state.deadline = Some(state.deadline.map_or(at, |other| other.min(at)));
        });
        for state in &mut self.0 {
            let Some(deadline) = state.deadline else {
                continue;
            };
            let at = deadline.max(now);
            if at == Timestamp::NEVER
                || state.timer_waits
                || state.armed.is_some_and(|armed| armed <= at)
            {
                continue;
            }
            state.armed = Some(at);
            enter(state.lane, at);
        }
    }

    /// The place of the lane that the machine names after that at `last`.
    fn index_after(&mut self, machine: &dyn Machine, last: Option<usize>, lane: Lane) -> usize {
        let guess = last.map_or(0, |last| self.0[last].after);
        if self.0.get(guess).is_some_and(|state| state.lane == lane) {
            return guess;
        }
        let index = self.index(machine, lane);
        if let Some(last) = last {
            self.0[last].after = index;
        }
        index
    }

    fn state(&mut self, machine: &dyn Machine, lane: Lane) -> &mut LaneState {
        let index = self.index(machine, lane);
        &mut self.0[index]
    }

    fn index(&mut self, machine: &dyn Machine, lane: Lane) -> usize {
        let index = self.0.iter().position(|state| state.lane == lane);
        index.unwrap_or_else(|| {
            self.0.push(LaneState {
                lane,
                slots: machine.slots(lane),
                busy: 0,
                queue: VecDeque::new(),
                deadline: None,
                armed: None,
                timer_waits: false,
                after: 0,
            });
            self.0.len() - 1
        })
    }
}

impl LaneState {
    fn has_slot(&self) -> bool {
        self.busy < self.slots.max(1)
    }
}
