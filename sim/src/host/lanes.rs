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
    slots: usize,
    /// How many slots are taken by inputs whose disk time is not over.
    busy: usize,
    queue: VecDeque<Input>,
    /// The entry in the agenda that counts.
    armed: Option<Timestamp>,
    /// The timer waits in the queue.
    timer_waits: bool,
}

/// All lanes of a process. A broker of a large cluster has many, and an event concerns few.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// Their names: to look through these costs little.
    names: Vec<Lane>,
    /// Each at the place of its name.
    states: Vec<LaneState>,
    /// When the machine wants waking, each at the place of its name: all are compared after each event, and
    /// few have moved.
    deadlines: Vec<Option<Timestamp>>,
    /// Those whose timer may have to be entered, some more than once.
    unarmed: Vec<usize>,
    /// What the machine has just told; empty but for its memory.
    moved: Vec<(Lane, Option<Timestamp>)>,
}

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
        let index = self.index(machine, lane);
        let state = &mut self.states[index];
        if state.armed != Some(at) {
            return (None, None);
        }
        state.armed = None;
        match self.deadlines[index] {
            Some(deadline) if deadline > at => {
                state.armed = Some(deadline);
                (None, Some(deadline))
            }
            Some(_) if state.has_slot() => {
                self.unarmed.push(index);
                (Some((lane, Input::Timer(lane))), None)
            }
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
        if let Some(index) = self.find(lane) {
            self.states[index].busy += 1;
        }
    }

    /// Its disk time is over.
    pub(super) fn vacate(&mut self, lane: Lane) {
        if let Some(index) = self.find(lane) {
            let state = &mut self.states[index];
            state.busy = state.busy.saturating_sub(1);
        }
    }

    /// The next waiting input that can be worked on at `now`.
    pub(super) fn next(&mut self, lane: Lane, now: Timestamp) -> Option<Input> {
        let index = self.find(lane)?;
        let state = &mut self.states[index];
        loop {
            if !state.has_slot() {
                return None;
            }
            let input = state.queue.pop_front()?;
            if !matches!(input, Input::Timer(_)) {
                return Some(input);
            }
            state.timer_waits = false;
            self.unarmed.push(index);
            if self.deadlines[index].is_some_and(|deadline| deadline <= now) {
                return Some(input);
            }
        }
    }

    /// Asks the machine for the deadlines that have moved; `enter` gets each one that the agenda lacks.
    pub(super) fn arm(
        &mut self,
        machine: &mut dyn Machine,
        now: Timestamp,
        mut enter: impl FnMut(Lane, Timestamp),
    ) {
        let mut moved = std::mem::take(&mut self.moved);
        machine.moved_deadlines(&mut |lane, deadline| moved.push((lane, deadline)));
        for (place, (lane, deadline)) in moved.drain(..).enumerate() {
            // Most machines name the same lanes first, always.
            let index = match self.names.get(place) {
                Some(name) if *name == lane => place,
                _ => self.index(machine, lane),
            };
            if self.deadlines[index] != deadline {
                self.deadlines[index] = deadline;
                self.unarmed.push(index);
            }
        }
        self.moved = moved;
        debug_assert!(
            self.are_all_known(machine),
            "a deadline has moved unnoticed"
        );
        // In the order of the lanes: of two timers at one time that which is entered first comes first.
        self.unarmed.sort_unstable();
        for index in self.unarmed.drain(..) {
            let state = &mut self.states[index];
            if let Some(at) = state.to_enter(self.deadlines[index], now) {
                state.armed = Some(at);
                enter(self.names[index], at);
            }
        }
    }

    /// Whether the deadlines that are kept are those that the machine has.
    fn are_all_known(&self, machine: &dyn Machine) -> bool {
        let (mut same, mut all) = (0, 0);
        machine.deadlines(&mut |lane, at| {
            let kept = self.find(lane).and_then(|index| self.deadlines[index]);
            same += usize::from(kept == Some(at));
            all += 1;
        });
        same == all && self.deadlines.iter().flatten().count() == all
    }

    fn state(&mut self, machine: &dyn Machine, lane: Lane) -> &mut LaneState {
        let index = self.index(machine, lane);
        &mut self.states[index]
    }

    fn find(&self, lane: Lane) -> Option<usize> {
        self.names.iter().position(|name| *name == lane)
    }

    fn index(&mut self, machine: &dyn Machine, lane: Lane) -> usize {
        self.find(lane).unwrap_or_else(|| {
            self.names.push(lane);
            self.states.push(LaneState {
                slots: machine.slots(lane),
                busy: 0,
                queue: VecDeque::new(),
                armed: None,
                timer_waits: false,
            });
            self.deadlines.push(None);
            self.names.len() - 1
        })
    }
}

impl LaneState {
    /// When its timer has to be entered, if it has to be.
    fn to_enter(&self, deadline: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let at = deadline?.max(now);
        let is_entered = self.armed.is_some_and(|armed| armed <= at);
        (at != Timestamp::NEVER && !self.timer_waits && !is_entered).then_some(at)
    }

    fn has_slot(&self) -> bool {
        self.busy < self.slots.max(1)
    }
}
