//! From a plan that shows a finding to a smallest one that still shows it.
//!
//! | file | what it is |
//! |---|---|
//! | `goal.rs` | what has to stay: the same finding |
//! | `measure.rs` | what "smaller" means |
//! | `without.rs` | a plan without some of its things |
//! | `search.rs` | the best so far, trials side by side, what is known already |
//! | `ddmin.rs` | delta debugging over a list of things |
//! | `passes/` | what is tried, kind by kind |
//!
//! Rule: the passes are repeated until a whole round finds nothing. The result depends on the plan and
//! the goal alone, unless the search is stopped.
//!
//! Next: `goal.rs`.

mod ddmin;
mod goal;
mod measure;
mod passes;
mod search;
#[cfg(test)]
mod tests;
mod without;

pub use goal::Goal;
pub use measure::Measure;

use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::Finding;
use search::{Candidate, Search};

/// How to shrink.
pub struct Options<'a> {
    /// Trials at a time.
    pub jobs: usize,
    /// Asked before each batch of trials: whether to end with the best so far.
    pub stop: &'a (dyn Fn() -> bool + Sync),
}

/// How far it is.
#[derive(Debug)]
pub struct Progress<'a> {
    /// What is tried.
    pub pass: &'static str,
    /// The measure of the best so far.
    pub measure: Measure,
    /// Trials that were run.
    pub trials: u64,
    /// The best so far.
    pub plan: &'a Plan,
}

/// A plan that was shrunk.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest plan found.
    pub plan: Plan,
    /// What it shows: the goal, its partition perhaps numbered anew.
    pub goal: Goal,
    /// The finding that it shows; `None` if even the plan given does not show the goal. Then that is
    /// the plan.
    pub finding: Option<Finding>,
    /// The measure of the plan given.
    pub before: Measure,
    /// The measure of the smallest plan.
    pub after: Measure,
    /// Trials that were run.
    pub trials: u64,
    /// It was stopped: perhaps a smaller plan could have been found.
    pub stopped: bool,
}

/// Shrinks a plan as far as the goal is still shown.
pub fn shrink(
    plan: &Plan,
    goal: &Goal,
    options: &Options<'_>,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Shrunk {
    let before = Measure::of(plan);
    let first = Candidate {
        plan: plan.clone(),
        goal: goal.clone(),
    };
    if search::finding(&first).is_none() {
        return Shrunk {
            plan: first.plan,
            goal: first.goal,
            finding: None,
            before,
            after: before,
            trials: 1,
            stopped: false,
        };
    }
    let mut search = Search::new(first, options, progress);
    passes::all(&mut search);
    let stopped = search.stopped();
    let (best, trials) = search.finish();
    Shrunk {
        finding: search::finding(&best),
        after: Measure::of(&best.plan),
        before,
        trials: trials + 1,
        stopped,
        plan: best.plan,
        goal: best.goal,
    }
}
