//! The director of a trial: start-up, then the plan's steps one after the other with its timeline beside
//! them, then the wait for the cluster to come to rest.
//!
//! | phase | until |
//! |---|---|
//! | begin | everything is told to start |
//! | boot | every broker is unfenced; then the plan's topics are created |
//! | create | every topic is there with leaders |
//! | steps | each step's time or condition has come and its action is ordered |
//! | last | the timeline is over too, and nothing lasts any more; then the plan's recovery |
//! | settle | the cluster has been converged for 2 s, or nothing has changed for `settle_ms` |
//!
//! A condition is looked at after each entry of the record, so a step acts at the very event that makes
//! it true, before anything else happens; it need not still be true when that event's other entries are
//! in. The limits on time and entries end any phase.
//!
//! Next: `timeline.rs`.

mod settle;
mod timeline;

#[cfg(test)]
pub(super) use settle::REST;

use super::action::{self, Operations};
use super::cluster::Cluster;
use super::roles;
use super::waiting::Waiting;
use crate::history::{EndReason, Entry, What};
use crate::plan::{BrokerStatus, Condition, Plan, Step, When};
use crate::view::View;
use crate::world::{Director, Order};
use ktrial_core::Timestamp;
use settle::Settle;
use std::sync::Arc;
use std::time::Duration;
use timeline::{Due, Timeline};

/// The director.
pub(super) struct Script {
    plan: Arc<Plan>,
    cluster: Arc<Cluster>,
    view: View,
    phase: Phase,
    /// What the step waits for, if for a condition.
    waiting: Option<Waiting>,
    timeline: Timeline,
    operations: Operations,
    due: bool,
    /// Entries that the record may still have.
    entries_left: u64,
    /// The next time at which the world wakes it.
    wake: Timestamp,
}

#[derive(Debug)]
enum Phase {
    Begin,
    Boot,
    Create,
    Step {
        index: usize,
        /// When the step before was done.
        since: Timestamp,
        /// Its condition has held.
        held: bool,
    },
    Last,
    Settle(Settle),
    Over,
}

impl Script {
    pub(super) fn new(plan: Arc<Plan>, cluster: Arc<Cluster>) -> Self {
        Self {
            view: View::new(&plan),
            entries_left: plan.record_limit.unwrap_or(u64::MAX),
            plan,
            cluster,
            phase: Phase::Begin,
            waiting: None,
            timeline: Timeline::default(),
            operations: Operations::default(),
            due: false,
            wake: Timestamp::ZERO,
        }
    }

    /// The time limit.
    fn limit(&self) -> Timestamp {
        Timestamp::from_millis(self.plan.time_limit_ms)
    }

    /// Whether every broker may serve.
    fn all_unfenced(&self, now: Timestamp) -> bool {
        self.cluster.brokers().all(|broker| {
            let is = BrokerStatus::Unfenced;
            self.view.holds(&Condition::Broker { broker, is }, now)
        })
    }

    fn begin(&mut self, orders: &mut Vec<Order>) {
        for node in self.cluster.nodes() {
            action::start(&self.cluster, node, orders);
        }
        self.phase = Phase::Boot;
    }

    fn boot(&mut self, now: Timestamp, orders: &mut Vec<Order>) {
        if !self.all_unfenced(now) {
            return;
        }
        if !self.plan.topics.is_empty() {
            let order = self.operations.create_topics(&self.cluster, &self.plan);
            orders.push(order);
        }
        self.phase = Phase::Create;
        self.due = true;
    }

    fn create(&mut self, now: Timestamp) {
        if self.view.ready() {
            self.timeline = Timeline::new(&self.plan, now);
            self.enter_step(0, now);
        }
    }

    /// The step before is done.
    fn enter_step(&mut self, index: usize, now: Timestamp) {
        self.due = true;
        let Some(step) = self.plan.steps.get(index) else {
            self.phase = Phase::Last;
            return;
        };
        self.waiting = match &step.when {
            When::Until { condition, .. } => Some(Waiting::new(condition)),
            When::Now | When::After { .. } | When::At { .. } => None,
        };
        self.phase = Phase::Step {
            index,
            since: now,
            held: false,
        };
    }

    fn step(&mut self, now: Timestamp, orders: &mut Vec<Order>) {
        let Phase::Step { index, since, held } = self.phase else {
            return;
        };
        let plan = Arc::clone(&self.plan);
        let step = &plan.steps[index];
        let late = now >= deadline(step, since);
        let ready = match &mut self.waiting {
            Some(waiting) => held || waiting.holds(&self.view, now),
            None => late,
        };
        if ready {
            self.carry_out(index, step, now, orders);
            self.enter_step(index + 1, now);
        } else if let (true, When::Until { condition, .. }) = (late, &step.when) {
            let condition = condition.clone();
            orders.push(Order::Record(What::StepFailed { index, condition }));
            self.end(EndReason::StepFailed, orders);
        }
    }

    /// A step acts: its roles are filled in with who holds them now.
    fn carry_out(&mut self, index: usize, step: &Step, now: Timestamp, orders: &mut Vec<Order>) {
        let filled = step.action.as_ref();
        let filled = filled.map(|action| roles::filled(action, &self.cluster, &self.view));
        orders.push(Order::Record(What::Step {
            index,
            action: filled.clone().map(Box::new),
        }));
        let Some(action) = filled else { return };
        let until = step.for_ms.map(|ms| now + Duration::from_millis(ms));
        let effective = action::effective(&action, &self.view);
        if let Some(effect) = action::touched(index, &action, &self.view) {
            orders.push(Order::Record(effect));
        }
        self.operations
            .orders(&self.cluster, (index, until), &action, orders);
        if let Some(until) = until {
            self.timeline.lasts(index, until, effective);
        }
    }

    /// Does what is due beside the script, one thing at a time: each is seen by the next.
    fn beside(&mut self, now: Timestamp, orders: &mut Vec<Order>) -> bool {
        let plan = Arc::clone(&self.plan);
        match self.timeline.next(&plan, &self.view, now) {
            None => return false,
            Some(Due::Begins(index)) => {
                if let Some(step) = plan.step(index) {
                    self.carry_out(index, step, now, orders);
                }
            }
            Some(Due::GivenUp(index, condition)) => {
                orders.push(Order::Record(What::StepFailed { index, condition }));
            }
            Some(Due::Ends(index, action)) => {
                action::end(&self.cluster, (index, &action), &self.view, orders);
            }
        }
        self.due = true;
        true
    }

    /// Script and timeline are over: the recovery, then the wait.
    fn last(&mut self, now: Timestamp, orders: &mut Vec<Order>) {
        if !self.timeline.is_over() {
            return;
        }
        if let Some(recovery) = &self.plan.recovery {
            action::recover(&self.cluster, recovery, &self.view, orders);
        }
        orders.push(Order::Record(What::StepsDone));
        self.phase = Phase::Settle(Settle::new(now, self.plan.settle_ms));
        self.due = true;
    }

    fn end(&mut self, reason: EndReason, orders: &mut Vec<Order>) {
        orders.push(Order::End(reason));
        self.phase = Phase::Over;
        self.due = false;
    }

    /// Asks to be woken when time alone can make a difference.
    fn ask_for_wake(&mut self, now: Timestamp, orders: &mut Vec<Order>) {
        let mut next = self.limit();
        let mut want = |at: Timestamp| {
            if at > now {
                next = next.min(at);
            }
        };
        if let Phase::Step { index, since, .. } = &self.phase {
            let step = &self.plan.steps[*index];
            want(deadline(step, *since));
            silences(&step.when, &self.view, now, &mut want);
        }
        match &self.phase {
            Phase::Step { .. } | Phase::Last => {
                self.timeline.times(&self.plan, &self.view, now, &mut want);
            }
            Phase::Settle(settle) => settle.times(&self.view, &mut want),
            Phase::Begin | Phase::Boot | Phase::Create | Phase::Over => {}
        }
        // A wake that comes earlier asks again.
        if self.wake <= now || next < self.wake {
            self.wake = next;
            orders.push(Order::WakeAt(next));
        }
    }
}

impl Director for Script {
    fn observe(&mut self, entry: &Entry) {
        self.view.apply(entry);
        let at = entry.at;
        let due = match &mut self.phase {
            Phase::Boot => self.all_unfenced(at),
            Phase::Create => self.view.ready(),
            Phase::Step { held, .. } => {
                if let Some(waiting) = &mut self.waiting {
                    *held = *held || waiting.holds(&self.view, at);
                }
                let held = *held;
                self.timeline.observe(&self.view, at) || held
            }
            Phase::Last => self.timeline.observe(&self.view, at),
            Phase::Settle(settle) => settle.observe(&self.view, at),
            Phase::Begin | Phase::Over => false,
        };
        self.entries_left = self.entries_left.saturating_sub(1);
        self.due = self.due || due || self.entries_left == 0;
    }

    fn is_due(&self) -> bool {
        self.due
    }

    fn act(&mut self, now: Timestamp, orders: &mut Vec<Order>) {
        self.due = false;
        let limit = match () {
            () if now >= self.limit() => Some(EndReason::TimeLimit),
            () if self.entries_left == 0 => Some(EndReason::RecordLimit),
            () => None,
        };
        if let (Some(reason), false) = (limit, matches!(self.phase, Phase::Over)) {
            self.end(reason, orders);
            return;
        }
        match &mut self.phase {
            Phase::Begin => self.begin(orders),
            Phase::Boot => self.boot(now, orders),
            Phase::Create => self.create(now),
            Phase::Step { .. } => {
                if !self.beside(now, orders) {
                    self.step(now, orders);
                }
            }
            Phase::Last => {
                if !self.beside(now, orders) {
                    self.last(now, orders);
                }
            }
            Phase::Settle(settle) => {
                if let Some(reason) = settle.over(&self.view, now) {
                    self.end(reason, orders);
                }
            }
            Phase::Over => {}
        }
        if !self.due {
            self.ask_for_wake(now, orders);
        }
    }
}

/// When a step is due, or its condition too late; `since` is when it could begin to wait.
fn deadline(step: &Step, since: Timestamp) -> Timestamp {
    match &step.when {
        When::Now => since,
        When::After { ms } | When::Until { within_ms: ms, .. } => {
            since + Duration::from_millis(*ms)
        }
        When::At { ms } => Timestamp::from_millis(*ms),
    }
}

/// Shows when each silence that a step waits for may have lasted long enough. One that has already
/// waits for the other parts of its condition, and any of them may break it: it is looked at again after
/// its own length, for no silence that begins now is long enough sooner.
fn silences(when: &When, view: &View, now: Timestamp, show: &mut impl FnMut(Timestamp)) {
    fn visit(
        condition: &Condition,
        ends: &impl Fn(u64) -> Timestamp,
        show: &mut impl FnMut(Timestamp),
    ) {
        match condition {
            Condition::Quiet { ms } => show(ends(*ms)),
            Condition::All(parts) | Condition::Any(parts) => {
                for part in parts {
                    visit(part, ends, show);
                }
            }
            _ => {}
        }
    }
    if let When::Until { condition, .. } = when {
        let ends = |ms| {
            let length = Duration::from_millis(ms);
            let at = view.last_change() + length;
            if at > now { at } else { now + length }
        };
        visit(condition, &ends, show);
    }
}
