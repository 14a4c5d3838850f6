//! Failures as annotations of a GitHub workflow run: `::error title=...::...` on standard output.
//!
//! GitHub shows only the first few of a step: `summary.md` has the others.
//!
//! Source: `workflow commands` in GitHub's documentation: `%`, line ends, and in properties `:` and `,`
//! are written as percent codes.

use super::line::Standing;
use super::summary::Summary;
use super::text::{cell_name, conclusion, label};

/// How many failures become annotations: GitHub shows ten of each kind for a step.
const ANNOTATED: usize = 9;

/// One line for each of the first failures, and one for the whole if it is not fine.
pub fn github(summary: &Summary) -> Vec<String> {
    let name = &summary.sweep.name;
    let mut lines = Vec::new();
    for failure in summary.tally.failures.iter().take(ANNOTATED) {
        let level = match failure.standing {
            Some(Standing::Inconclusive) => "warning",
            _ => "error",
        };
        let (label, seed) = (label(failure), failure.seed);
        let cell = cell_name(&failure.settings);
        let title = format!("{name}, seed {seed}: {label}");
        let unmet = failure.unmet.join("\n");
        let text = format!("{cell}\n{unmet}\nagain: {}", failure.replay);
        lines.push(annotation(level, &title, &text));
    }
    if !summary.is_fine() {
        let title = format!("ktrial sweep {name}");
        lines.push(annotation("error", &title, &conclusion(summary)));
    }
    lines
}

fn annotation(level: &str, title: &str, text: &str) -> String {
    let title = percent(title).replace(':', "%3A").replace(',', "%2C");
    format!("::{level} title={title}::{}", percent(text))
}

fn percent(text: &str) -> String {
    let text = text.replace('%', "%25");
    text.replace('\r', "%0D").replace('\n', "%0A")
}
