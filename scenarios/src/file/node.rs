//! A TOML document as a tree in the order of the file, each part with its place.
//!
//! Read by hand rather than with serde, so that all mistakes of a file are told at once.

use crate::diagnostic::{Diagnostic, Span};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Bool(bool),
    /// A value of no use in a scenario, by what it is called.
    Other(&'static str),
    List(Vec<Node>),
    Table(Table),
}

/// A table in the order of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) node: Node,
}

impl Table {
    /// The entry of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl Node {
    /// What kind of value it is, with its article.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Text(_) => "a text",
            Value::Integer(_) => "a number",
            Value::Bool(_) => "true or false",
            Value::Other(what) => what,
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// Reads a document; what can be read is returned even if something cannot.
pub(crate) fn parse(text: &str, problems: &mut Vec<Diagnostic>) -> Table {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().map_or(Span::default(), Span::from);
        let message = format!("this is not TOML: {}", error.message().replace('\n', ", "));
        problems.push(Diagnostic::at(span, message));
    }
    table(document.get_ref())
}

fn table(from: &DeTable<'_>) -> Table {
    let mut entries: Vec<Entry> = from
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_span: key.span().into(),
            node: node(value),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span);
    Table { entries }
}

fn node(from: &Spanned<DeValue<'_>>) -> Node {
    let value = match from.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number that is too large"), Value::Integer),
        DeValue::Float(_) => Value::Other("a number with a fraction"),
        DeValue::Boolean(yes) => Value::Bool(*yes),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(items) => Value::List(items.iter().map(node).collect()),
        DeValue::Table(entries) => Value::Table(table(entries)),
    };
    Node {
        span: from.span().into(),
        value,
    }
}

/// A setting whose dotted key was put together again from nested tables.
#[derive(Clone, Debug)]
pub(crate) struct Flat<'n> {
    pub(crate) key: String,
    pub(crate) span: Span,
    pub(crate) node: &'n Node,
}

/// The settings of a table: `a.b = 1`, `"a.b" = 1` and `[a] b = 1` are the same.
pub(crate) fn flatten<'n>(table: &'n Table, problems: &mut Vec<Diagnostic>) -> Vec<Flat<'n>> {
    let mut flat = Vec::new();
    flatten_into(table, None, &mut flat);
    for (index, setting) in flat.iter().enumerate() {
        if flat[..index].iter().any(|other| other.key == setting.key) {
            let message = format!("`{}` is set twice", setting.key);
            problems.push(
                Diagnostic::at(setting.span, message)
                    .with_help(Some("leave one of the two out".to_owned())),
            );
        }
    }
    flat
}

fn flatten_into<'n>(table: &'n Table, parent: Option<(&str, Span)>, into: &mut Vec<Flat<'n>>) {
    for entry in &table.entries {
        let (key, span) = match parent {
            None => (entry.key.clone(), entry.key_span),
            Some((name, place)) => {
                // Underline the whole dotted key where its parts stand together.
                let start = if entry.key_span.start == place.end + 1 {
                    place.start
                } else {
                    entry.key_span.start
                };
                let end = entry.key_span.end;
                (format!("{name}.{}", entry.key), Span { start, end })
            }
        };
        match &entry.node.value {
            Value::Table(nested) => flatten_into(nested, Some((&key, span)), into),
            _ => into.push(Flat {
                key,
                span,
                node: &entry.node,
            }),
        }
    }
}
