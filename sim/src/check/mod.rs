//! Makes the verdict from the plan and the record. CONTRACT; the module's owner writes the rest.

#[cfg(test)]
pub(crate) mod story;

use crate::history::Record;
use crate::plan::Plan;
use crate::verdict::Verdict;

/// Judges a record.
pub fn judge(plan: &Plan, record: &Record) -> Verdict {
    let _ = (plan, record);
    unimplemented!()
}
