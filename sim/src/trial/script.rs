//! The director of a trial: start-up, then the plan's steps one after the other, then the wait for the
//! cluster to come to rest.
//!
//! | phase | until |
//! |---|---|
//! | begin | everything is told to start |
//! | boot | every broker is unfenced; then the plan's topics are created |
//! | create | every topic is there with leaders |
//! | steps | each step's time or condition has come and its action is ordered |
//! | settle | the cluster has been converged for 2 s, or nothing has changed for `settle_ms` |
//!
//! A condition is looked at after each entry of the record, so a step acts at the very event that makes
//! it true, before anything else happens; it need not still be true when that event's other entries are
//! in. The time limit ends any phase.
//!
//! Next: `action.rs`.

use super::action::{self, Operations};
use super::cluster::Cluster;
use super::waiting::Waiting;
use crate::history::{EndReason, Entry, What};
use crate::plan::{BrokerStatus, Condition, Plan, Step, When};
use crate::view::View;
use crate::world::{Director, Order};
use ktrial_core::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// So long a cluster stays converged before the trial ends: consumers read on, nothing comes undone.
pub(super) const REST: Duration = Duration::from_secs(2);

/// The director.
pub(super) struct Script {
    plan: Arc<Plan>,
    cluster: Arc<Cluster>,
    view: View,
    phase: Phase,
    /// What the step waits for, if for a condition.
    waiting: Option<Waiting>,
    operations: Operations,
    due: bool,
    /// The next time at which the world wakes it.
    wake: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    Settle {
        since: Timestamp,
        converged: Option<Timestamp>,
        seen: Timestamp,
    },
    Over,
}

impl Script {
    pub(super) fn new(plan: Arc<Plan>, cluster: Arc<Cluster>) -> Self {
        Self {
            view: View::new(&plan),
            plan,
            cluster,
            phase: Phase::Begin,
            waiting: None,
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

    fn create(&mut self, now: Timestamp, orders: &mut Vec<Order>) {
        if self.view.ready() {
            self.enter_step(0, now, orders);
        }
    }

    /// The step before is done.
    fn enter_step(&mut self, index: usize, now: Timestamp, orders: &mut Vec<Order>) {
        self.due = true;
        if let Some(step) = self.plan.steps.get(index) {
            self.waiting = match &step.when {
                When::Until { condition, .. } => Some(Waiting::new(condition)),
                When::Now | When::After { .. } | When::At { .. } => None,
            };
            self.phase = Phase::Step {
                index,
                since: now,
                held: false,
            };
            return;
        }
        orders.push(Order::Record(What::StepsDone));
        self.phase = Phase::Settle {
            since: now,
            converged: None,
            seen: Timestamp::NEVER,
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
            orders.push(Order::Record(What::Step {
                index,
                action: step.action.clone().map(Box::new),
            }));
            if let Some(action) = &step.action {
                self.operations.orders(&self.cluster, index, action, orders);
            }
            self.enter_step(index + 1, now, orders);
        } else if let (true, When::Until { condition, .. }) = (late, &step.when) {
            let condition = condition.clone();
            orders.push(Order::Record(What::StepFailed { index, condition }));
            self.end(EndReason::StepFailed, orders);
        }
    }

    fn settle(&mut self, now: Timestamp, orders: &mut Vec<Order>) {
        self.note_convergence(now);
        let Phase::Settle {
            since, converged, ..
        } = self.phase
        else {
            return;
        };
        let rested = converged.is_some_and(|at| now >= at + REST);
        if rested {
            self.end(EndReason::Converged, orders);
        } else if now >= self.settled_at(since) {
            let reason = match converged {
                Some(_) => EndReason::Converged,
                None => EndReason::Settled,
            };
            self.end(reason, orders);
        }
    }

    /// When it can be said that nothing has changed for long enough.
    fn settled_at(&self, since: Timestamp) -> Timestamp {
        let settle = Duration::from_millis(self.plan.settle_ms);
        self.view.last_change().max(since) + settle
    }

    /// Notes since when the cluster is converged; looks again only after a change.
    fn note_convergence(&mut self, now: Timestamp) {
        let change = self.view.last_change();
        let Phase::Settle {
            converged, seen, ..
        } = &mut self.phase
        else {
            return;
        };
        // Several changes can have one time: look again until time has gone on.
        if *seen == change && now > change {
            return;
        }
        *seen = if now > change {
            change
        } else {
            Timestamp::NEVER
        };
        if self.view.converged() {
            converged.get_or_insert(now);
        } else {
            *converged = None;
        }
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
        match self.phase {
            Phase::Step { index, since, .. } => {
                let step = &self.plan.steps[index];
                want(deadline(step, since));
                if let When::Until { condition, .. } = &step.when {
                    let change = self.view.last_change();
                    quiet(condition, &mut |ms| {
                        want(change + Duration::from_millis(ms));
                    });
                }
            }
            Phase::Settle {
                since, converged, ..
            } => {
                want(self.settled_at(since));
                if let Some(at) = converged {
                    want(at + REST);
                }
            }
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
        match &mut self.phase {
            Phase::Boot => self.due = self.due || self.all_unfenced(entry.at),
            Phase::Create => self.due = self.due || self.view.ready(),
            Phase::Step { held, .. } => {
                if let Some(waiting) = &mut self.waiting
                    && !*held
                    && waiting.holds(&self.view, entry.at)
                {
                    *held = true;
                    self.due = true;
                }
            }
            Phase::Settle { converged, .. } => {
                let before = *converged;
                self.note_convergence(entry.at);
                self.due = self.due || self.converged_since() != before;
            }
            Phase::Begin | Phase::Over => {}
        }
    }

    fn is_due(&self) -> bool {
        self.due
    }

    fn act(&mut self, now: Timestamp, orders: &mut Vec<Order>) {
        self.due = false;
        if now >= self.limit() && self.phase != Phase::Over {
            self.end(EndReason::TimeLimit, orders);
            return;
        }
        match self.phase {
            Phase::Begin => self.begin(orders),
            Phase::Boot => self.boot(now, orders),
            Phase::Create => self.create(now, orders),
            Phase::Step { .. } => self.step(now, orders),
            Phase::Settle { .. } => self.settle(now, orders),
            Phase::Over => {}
        }
        if !self.due {
            self.ask_for_wake(now, orders);
        }
    }
}

impl Script {
    fn converged_since(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Settle { converged, .. } => converged,
            _ => None,
        }
    }
}

/// When a step is due, or its condition too late.
fn deadline(step: &Step, since: Timestamp) -> Timestamp {
    match &step.when {
        When::Now => since,
        When::After { ms } | When::Until { within_ms: ms, .. } => {
            since + Duration::from_millis(*ms)
        }
        When::At { ms } => Timestamp::from_millis(*ms),
    }
}

/// Shows each silence that a condition waits for.
fn quiet(condition: &Condition, show: &mut impl FnMut(u64)) {
    match condition {
        Condition::Quiet { ms } => show(*ms),
        Condition::All(parts) | Condition::Any(parts) => {
            for part in parts {
                quiet(part, show);
            }
        }
        _ => {}
    }
}
