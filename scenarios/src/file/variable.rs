//! Words that vary: `"$how" = ["kill", "shutdown"]` in `[matrix]` lets one file stand for several, one for
//! each combination of the values of its variables (a *version*). Each is read as if it had been written out.
//!
//! Rules: a variable is named in `[matrix]` and in `when` of an expectation; everywhere else it stands for
//! its value (`fill.rs`). A value is a text, a number, true or false, or a list of such. In a cell, a value
//! is a text: a list as it is written, `[3, 2, 1]`. A mistake that is not in every version says where it is.
//!
//! Next: `fill.rs`.

use super::matrix::MOST_CELLS;
use super::node::{Node, Table, Value, flatten};
use super::reader::Reader;
use crate::diagnostic::{Diagnostic, Span};
use crate::suggest;
use std::collections::{BTreeMap, BTreeSet};

/// A variable of `[matrix]`.
#[derive(Clone, Debug)]
pub(super) struct Variable {
    /// With its `$`.
    pub(super) name: String,
    pub(super) span: Span,
    /// Its values, each with the text that stands for it in a cell.
    pub(super) values: Vec<(String, Value)>,
}

impl Variable {
    /// That nothing of the file names it, if so.
    pub(super) fn unused(&self, used: &BTreeSet<String>) -> Option<Diagnostic> {
        let help = "let it stand in the file, or leave it out: its cells would all be the same";
        let message = format!("`{}` stands nowhere in this file", self.name);
        let unused = !used.contains(&self.name);
        unused.then(|| Diagnostic::at(self.span, message).with_help(Some(help.to_owned())))
    }
}

/// The value of each variable, as in a cell.
pub type Values = BTreeMap<String, String>;

/// Reads the variables of `[matrix]`; other keys there are settings.
pub(super) fn variables(reader: &mut Reader, document: &Table) -> Vec<Variable> {
    let Some(Value::Table(matrix)) = document.get("matrix").map(|entry| &entry.node.value) else {
        return Vec::new();
    };
    // Keys that are there twice are told by `matrix.rs`.
    let flat = flatten(matrix, &mut Vec::new());
    let declared = flat.iter().filter(|flat| flat.key.starts_with('$'));
    let mut variables = Vec::new();
    for flat in declared {
        if !is_name(&flat.key[1..]) {
            let message = format!("`{}` is no name of a variable", flat.key);
            let help = "a `$`, then letters, digits, `-` and `_`, a letter first: \"$how\"";
            reader.error_help(flat.span, message, help);
        } else if let Some(values) = values(reader, flat.node) {
            variables.push(Variable {
                name: flat.key.clone(),
                span: flat.span,
                values,
            });
        }
    }
    let mut counts = variables.iter().map(|variable| variable.values.len());
    let versions = counts.try_fold(1_usize, usize::checked_mul);
    if versions.is_none_or(|versions| versions > MOST_CELLS) {
        let span = document.get("matrix").map(|entry| entry.node.span);
        super::matrix::too_many(reader, span.unwrap_or_default());
    }
    variables
}

/// Whether a variable can be called so, behind its `$`.
pub(super) fn is_name(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(inside)
}

fn values(reader: &mut Reader, node: &Node) -> Option<Vec<(String, Value)>> {
    let items = reader.list(node, "values such as [\"kill\", \"shutdown\"]")?;
    if items.is_empty() {
        let help = "name at least one value, or leave the variable out";
        reader.error_help(node.span, "this list is empty", help);
        return None;
    }
    let mut values: Vec<(String, Value)> = Vec::new();
    for item in items {
        let text = text_of(reader, item)?;
        if values.iter().any(|(other, _)| *other == text) {
            reader.error(item.span, format!("`{text}` is there twice"));
        } else {
            values.push((text, item.value.clone()));
        }
    }
    Some(values)
}

/// What a value is called in a cell.
pub(super) fn text_of(reader: &mut Reader, node: &Node) -> Option<String> {
    let Value::List(items) = &node.value else {
        return reader.scalar(node);
    };
    let texts: Option<Vec<String>> = items.iter().map(|item| reader.scalar(item)).collect();
    Some(format!("[{}]", texts?.join(", ")))
}

/// One combination of values: of each variable, which of its values.
pub(super) type Choice<'v> = Vec<(&'v Variable, usize)>;

/// Every combination of values, the last variable changing fastest.
pub(super) fn versions(variables: &[Variable]) -> Vec<Choice<'_>> {
    let mut versions: Vec<Choice<'_>> = vec![Vec::new()];
    for variable in variables {
        let mut longer = Vec::new();
        for version in &versions {
            for index in 0..variable.values.len() {
                let mut version = version.clone();
                version.push((variable, index));
                longer.push(version);
            }
        }
        versions = longer;
    }
    versions
}

/// The mistakes of all versions, each once; those that only some of them have say which.
pub(crate) fn in_which(found: &BTreeMap<Values, Vec<Diagnostic>>) -> Vec<Diagnostic> {
    let mut all: BTreeMap<Diagnostic, Vec<&Values>> = BTreeMap::new();
    for (values, mistakes) in found {
        for mistake in mistakes.iter().collect::<BTreeSet<_>>() {
            all.entry(mistake.clone()).or_default().push(values);
        }
    }
    let versions: Vec<&Values> = found.keys().collect();
    let noted = all.into_iter().map(|(mistake, of)| Diagnostic {
        note: where_it_is(&of, &versions),
        ..mistake
    });
    noted.collect()
}

/// The values that the mistaken versions have and others do not.
fn where_it_is(mistaken: &[&Values], versions: &[&Values]) -> Option<String> {
    if mistaken.len() == versions.len() {
        return None;
    }
    let of = |versions: &[&Values], name: &String| -> BTreeSet<String> {
        let values = versions.iter().filter_map(|values| values.get(name));
        values.cloned().collect()
    };
    let first = mistaken.first()?;
    let parts: Vec<String> = first
        .iter()
        .filter_map(|(name, value)| {
            let here = of(mistaken, name);
            (here != of(versions, name)).then(|| {
                let others = here.iter().filter(|other| *other != value);
                let all: Vec<&String> = std::iter::once(value).chain(others).collect();
                format!(
                    "`{name}` is {}",
                    suggest::list(&all).replace(", `", " or `")
                )
            })
        })
        .collect();
    if parts.is_empty() {
        // Each value alone is right somewhere: one combination stands for the others.
        let all = first
            .iter()
            .map(|(name, value)| format!("`{name}` is `{value}`"));
        let all: Vec<String> = all.collect();
        return Some(format!("for one, where {}", all.join(" and ")));
    }
    Some(format!("where {}", parts.join(" and ")))
}
