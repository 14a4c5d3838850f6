//! Puts the values of variables where a file names them.
//!
//! Rules: a text or a key that begins with a `$` is a variable, whole: `"$how"`, or `"$back[0]"`, a part of
//! a list, counted from 0. `$$` in front stands for the sign itself. In the place of a key there must be a
//! text. What stands in the place of a variable has that place, so mistakes are shown there. `[matrix]` and
//! `when` of `[[expect]]` stay as they are: they name variables.
//!
//! Next: `reader.rs`.

use super::node::{Entry, Node, Table, Value};
use super::variable::{Choice, is_name};
use crate::diagnostic::{Diagnostic, Span};
use crate::suggest;
use std::collections::BTreeSet;

/// One version of a document, while it is made.
pub(super) struct Filler<'v> {
    version: &'v Choice<'v>,
    /// Variables that stand somewhere.
    pub(super) used: BTreeSet<String>,
    pub(super) problems: Vec<Diagnostic>,
}

impl<'v> Filler<'v> {
    pub(super) fn new(version: &'v Choice<'v>) -> Self {
        Self {
            version,
            used: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// The document with the values of this version.
    pub(super) fn document(&mut self, document: &Table) -> Table {
        let mut filled = self.table(document, &["matrix", "expect"]);
        for entry in &mut filled.entries {
            if let ("expect", Value::List(items)) = (entry.key.as_str(), &entry.node.value) {
                let items = items.iter().map(|item| match &item.value {
                    Value::Table(table) => Node {
                        span: item.span,
                        value: Value::Table(self.table(table, &["when"])),
                    },
                    _ => item.clone(),
                });
                entry.node.value = Value::List(items.collect());
            }
        }
        filled
    }

    /// A table; the values of these keys stay as they are.
    fn table(&mut self, table: &Table, except: &[&str]) -> Table {
        let mut entries: Vec<Entry> = Vec::new();
        for entry in &table.entries {
            let key = self.key(entry);
            if entries.iter().any(|other| other.key == key) {
                let message = format!("`{key}` is there twice");
                let help = "a variable of this table stands for it";
                let mistake = Diagnostic::at(entry.key_span, message);
                self.problems.push(mistake.with_help(Some(help.to_owned())));
                continue;
            }
            let node = if except.contains(&key.as_str()) {
                entry.node.clone()
            } else {
                self.node(&entry.node)
            };
            entries.push(Entry {
                key,
                key_span: entry.key_span,
                node,
            });
        }
        Table { entries }
    }

    fn node(&mut self, node: &Node) -> Node {
        let value = match &node.value {
            Value::Text(text) => match self.text(text, node.span) {
                Some(value) => placed(&value, node.span),
                None => node.value.clone(),
            },
            Value::List(items) => Value::List(items.iter().map(|item| self.node(item)).collect()),
            Value::Table(table) => Value::Table(self.table(table, &[])),
            other => other.clone(),
        };
        Node {
            span: node.span,
            value,
        }
    }

    fn key(&mut self, entry: &Entry) -> String {
        match self.text(&entry.key, entry.key_span) {
            None => entry.key.clone(),
            Some(Value::Text(text)) => text,
            Some(value) => {
                let node = Node {
                    span: entry.key_span,
                    value,
                };
                let message = format!("`{}` stands for {}", entry.key, node.kind());
                let help = "a key can only be a text";
                let mistake = Diagnostic::at(entry.key_span, message);
                self.problems.push(mistake.with_help(Some(help.to_owned())));
                entry.key.clone()
            }
        }
    }

    /// What a text stands for; `None` = itself, or a mistake that has been noted.
    fn text(&mut self, text: &str, span: Span) -> Option<Value> {
        let name = text.strip_prefix('$')?;
        if name.starts_with('$') {
            return Some(Value::Text(name.to_owned()));
        }
        let found = match indexed(name) {
            Some((name, index)) => self.value(name, index),
            None => Err((format!("`{text}` is no variable"), Some(SIGN.to_owned()))),
        };
        match found {
            Ok(value) => Some(value.clone()),
            Err((message, help)) => {
                self.problems
                    .push(Diagnostic::at(span, message).with_help(help));
                None
            }
        }
    }

    fn value(&mut self, name: &str, index: Option<usize>) -> Result<&'v Value, Mistake> {
        let mut version = self.version.iter();
        let Some((variable, value)) = version.find(|(v, _)| v.name.strip_prefix('$') == Some(name))
        else {
            return Err(self.unknown(name));
        };
        self.used.insert(variable.name.clone());
        let (text, value) = &variable.values[*value];
        match (value, index) {
            (value, None) => Ok(value),
            (Value::List(items), Some(index)) => match items.get(index) {
                Some(item) => Ok(&item.value),
                None => {
                    let help = format!("`${name}` is `{text}`, counted from 0");
                    Err((format!("`${name}` has no part `{index}`"), Some(help)))
                }
            },
            (_, Some(_)) => {
                let help = format!("`${name}` is `{text}`: leave the brackets out");
                Err((format!("`${name}` is no list"), Some(help)))
            }
        }
    }

    fn unknown(&self, name: &str) -> Mistake {
        let message = format!("unknown variable `${name}`");
        let known: Vec<&str> = self.version.iter().map(|(v, _)| v.name.as_str()).collect();
        let help = if known.is_empty() {
            Some(format!(
                "name its values in [matrix]: \"${name}\" = [...]; {SIGN}"
            ))
        } else {
            suggest::help(&format!("${name}"), &known)
        };
        (message, help)
    }
}

/// What is wrong and what to do about it.
type Mistake = (String, Option<String>);

/// How a text begins with the sign.
const SIGN: &str = "a text that begins with `$` itself is written with `$$`";

/// `back[0]`: the name and the index. `None` = this cannot be a variable.
fn indexed(text: &str) -> Option<(&str, Option<usize>)> {
    let (name, index) = match text.strip_suffix(']') {
        Some(rest) => {
            let (name, index) = rest.split_once('[')?;
            (name, Some(index.parse().ok()?))
        }
        None => (text, None),
    };
    is_name(name).then_some((name, index))
}

/// A value with all its parts at the place of the variable.
fn placed(value: &Value, span: Span) -> Value {
    match value {
        Value::List(items) => {
            let items = items.iter().map(|item| Node {
                span,
                value: placed(&item.value, span),
            });
            Value::List(items.collect())
        }
        other => other.clone(),
    }
}
