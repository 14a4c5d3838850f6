//! Any JSON is a plan or not, and any plan runs or is refused with a sentence: no machine and no part of
//! the simulator panics.
#![no_main]

use ktrial_sim::history::What;
use ktrial_sim::plan::Plan;
use ktrial_sim::trial::{self, TrialError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut plan) = serde_json::from_slice::<Plan>(bytes) else {
        return;
    };
    if trial::check(&plan).is_err() || plan.brokers.len() > 5 {
        return;
    }
    // Long enough for what a plan can do wrong, short enough for many of them.
    plan.time_limit_ms = plan.time_limit_ms.min(60_000);
    plan.record_limit = Some(20_000);
    match trial::run(&plan) {
        Ok(record) => {
            let mut entries = record.entries.iter();
            let fell = entries.find(|entry| matches!(entry.what, What::Panicked { .. }));
            assert!(fell.is_none(), "{fell:?}");
        }
        Err(TrialError::InvalidPlan(why)) => assert!(!why.is_empty()),
        Err(error) => panic!("{error}"),
    }
});
