//! Runs a plan. CONTRACT; the module's owner writes the rest.

use crate::history::Record;
use crate::plan::Plan;

/// A trial that could not be run: the plan or the world is at fault, not the system under trial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrialError {
    /// The plan contradicts itself.
    #[error("the plan cannot be run: {0}")]
    InvalidPlan(String),
    /// The simulator failed.
    #[error("the simulator failed: {0}")]
    Simulator(String),
}

/// Runs the plan on a thread and a runtime of its own. The same plan gives the same record.
///
/// # Errors
/// The plan contradicts itself, or the simulator failed.
pub fn run(plan: &Plan) -> Result<Record, TrialError> {
    let _ = plan;
    unimplemented!()
}
