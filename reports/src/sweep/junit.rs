//! The summary of a sweep as JUnit XML, which most servers for continuous integration read.
//!
//! A test case is a cell with all its seeds, or one failure: a case for each of ten thousand seeds would
//! tell nobody anything. Failures behind the first few are only counted, in the case of their cell.
//!
//! Simplified: no times, so that the same sweep gives the same file.

use super::line::Standing;
use super::summary::Summary;
use super::tally::Failure;
use super::text::{cell_name, conclusion, counted};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// The summary.
///
/// # Errors
/// The XML cannot be written, and why.
pub fn junit(summary: &Summary) -> Result<String, String> {
    let name = &summary.sweep.name;
    let mut suite = TestSuite::new(format!("ktrial sweep {name}"));
    suite.set_system_out(conclusion(summary));
    let told = &summary.tally.failures;
    for row in &summary.tally.cells {
        let cell = cell_name(&row.settings);
        let trials: u64 = row.verdicts.values().sum();
        let told = told.iter().filter(|f| f.settings == row.settings).count() as u64;
        let untold = (trials - row.as_expected).saturating_sub(told);
        let case = format!("{cell}: {}", counted(trials, "trial"));
        suite.add_test_case(more(name, case, untold));
    }
    if summary.tally.cells.is_empty() {
        let untold = summary.tally.not_as_expected() - told.len() as u64;
        let case = counted(summary.tally.trials, "trial");
        suite.add_test_case(more(name, case, untold));
    }
    for failure in told {
        suite.add_test_case(failed(name, failure));
    }
    if !summary.missing.is_empty() {
        let mut case = TestCase::new("every seed was tried", broken(false, conclusion(summary)));
        case.set_classname(name.as_str());
        suite.add_test_case(case);
    }
    let mut report = Report::new("ktrial");
    report.add_test_suite(suite);
    report.to_string().map_err(|error| error.to_string())
}

/// A cell, with how many of its failures have no test case of their own.
fn more(sweep: &str, name: String, untold: u64) -> TestCase {
    let status = if untold == 0 {
        TestCaseStatus::success()
    } else {
        let failures = counted(untold, "more failure");
        broken(false, format!("{failures}: see results.jsonl"))
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(sweep);
    case
}

fn failed(sweep: &str, failure: &Failure) -> TestCase {
    let error = matches!(failure.standing, Some(Standing::Error));
    let mut status = broken(error, failure.unmet.join("\n"));
    let unmet = failure.unmet.join("\n");
    status.set_type(failure.verdict.name());
    status.set_description(format!("{unmet}\n\nagain: {}", failure.replay));
    let cell = cell_name(&failure.settings);
    let mut case = TestCase::new(format!("seed {}, {cell}", failure.seed), status);
    case.set_classname(sweep);
    case
}

fn broken(error: bool, message: String) -> TestCaseStatus {
    let kind = if error {
        NonSuccessKind::Error
    } else {
        NonSuccessKind::Failure
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message);
    status
}
