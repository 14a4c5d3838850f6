//! Takes values out of a tree and collects what is wrong with them.

use super::node::{Entry, Node, Table, Value};
use crate::diagnostic::{Diagnostic, Span};
use crate::{duration, suggest};

/// A longer latency is a slip.
const HOUR_US: u64 = 3_600_000_000;

/// Collects mistakes; each method says `None` after it has noted one.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) problems: Vec<Diagnostic>,
}

impl Reader {
    /// Notes a mistake.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.problems.push(Diagnostic::at(span, message));
    }

    /// Notes a mistake with advice.
    pub(crate) fn error_help(&mut self, span: Span, message: impl Into<String>, help: &str) {
        let diagnostic = Diagnostic::at(span, message);
        self.problems
            .push(diagnostic.with_help(Some(help.to_owned())));
    }

    /// Notes a name that nothing has.
    pub(crate) fn unknown(&mut self, span: Span, what: &str, written: &str, known: &[&str]) {
        let diagnostic = Diagnostic::at(span, format!("unknown {what} `{written}`"));
        self.problems
            .push(diagnostic.with_help(suggest::help(written, known)));
    }

    /// Notes a value of the wrong kind.
    pub(crate) fn wrong<T>(&mut self, node: &Node, expected: &str) -> Option<T> {
        self.error(
            node.span,
            format!("this is {}: expected {expected}", node.kind()),
        );
        None
    }

    /// A text.
    pub(crate) fn text(&mut self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            _ => self.wrong(node, "a text in quotes"),
        }
    }

    /// A whole number within limits.
    pub(crate) fn integer<T: TryFrom<i64>>(
        &mut self,
        node: &Node,
        limits: std::ops::RangeInclusive<i64>,
    ) -> Option<T> {
        let Value::Integer(number) = node.value else {
            return self.wrong(node, "a whole number");
        };
        if limits.contains(&number)
            && let Ok(number) = T::try_from(number)
        {
            return Some(number);
        }
        let (low, high) = limits.into_inner();
        self.error(
            node.span,
            format!("`{number}` is out of range: expected {low} to {high}"),
        );
        None
    }

    /// True or false.
    pub(crate) fn boolean(&mut self, node: &Node) -> Option<bool> {
        match node.value {
            Value::Bool(yes) => Some(yes),
            _ => self.wrong(node, "true or false"),
        }
    }

    /// A time, in microseconds.
    pub(crate) fn micros(&mut self, node: &Node) -> Option<u64> {
        self.time(node, duration::micros, duration::EXPECTED)
    }

    /// A latency, in microseconds: an hour at most.
    pub(crate) fn short(&mut self, node: &Node) -> Option<u64> {
        let us = self.micros(node)?;
        if us > HOUR_US {
            self.error(node.span, "this latency is longer than an hour");
            return None;
        }
        Some(us)
    }

    /// A time of whole milliseconds.
    pub(crate) fn millis(&mut self, node: &Node) -> Option<u64> {
        self.time(node, duration::millis, duration::EXPECTED)
    }

    fn time(&mut self, node: &Node, read: fn(&str) -> Option<u64>, expected: &str) -> Option<u64> {
        let Value::Text(text) = &node.value else {
            return self.wrong(node, expected);
        };
        let time = read(text);
        if time.is_none() {
            self.error(
                node.span,
                format!("`{text}` is no time that can be used here: expected {expected}"),
            );
        }
        time
    }

    /// A setting's value as text.
    pub(crate) fn scalar(&mut self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Bool(yes) => Some(yes.to_string()),
            _ => self.wrong(node, "a text, a whole number, true or false"),
        }
    }

    /// The parts of a list.
    pub(crate) fn list<'n>(&mut self, node: &'n Node, of: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(items) => Some(items),
            _ => self.wrong(node, &format!("a list of {of}")),
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, node: &Node, of: &str) -> Option<Vec<String>> {
        let items = self.list(node, of)?;
        let texts: Vec<String> = items.iter().filter_map(|item| self.text(item)).collect();
        (texts.len() == items.len()).then_some(texts)
    }

    /// A table.
    pub(crate) fn table<'n>(&mut self, node: &'n Node, such_as: &str) -> Option<&'n Table> {
        match &node.value {
            Value::Table(table) => Some(table),
            _ => self.wrong(node, &format!("a table such as {such_as}")),
        }
    }

    /// Notes every key of a table that is not known there.
    pub(crate) fn only(&mut self, table: &Table, known: &[&str]) {
        for entry in &table.entries {
            if !known.contains(&entry.key.as_str()) {
                self.unknown(entry.key_span, "key", &entry.key, known);
            }
        }
    }

    /// The value of a key that must be there; `owner` is where to point to if it is not.
    pub(crate) fn need<'n>(
        &mut self,
        table: &'n Table,
        key: &str,
        owner: Span,
    ) -> Option<&'n Node> {
        let found = table.get(key).map(|entry| &entry.node);
        if found.is_none() {
            self.error(owner, format!("`{key}` is missing here"));
        }
        found
    }

    /// The one entry of a table that is among `choices`; notes if there are more.
    pub(crate) fn one_of<'n>(&mut self, table: &'n Table, choices: &[&str]) -> Option<&'n Entry> {
        let mut found = table
            .entries
            .iter()
            .filter(|entry| choices.contains(&entry.key.as_str()));
        let first = found.next()?;
        for more in found {
            self.error(
                more.key_span,
                format!("`{}` cannot stand beside `{}`", more.key, first.key),
            );
        }
        Some(first)
    }
}
