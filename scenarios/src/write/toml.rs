//! Texts, keys, lists and inline tables of TOML.

use std::fmt::Write;

/// Lists are broken into lines of so many characters.
const WIDTH: usize = 90;

/// A text in quotes. A `$` in front would be a variable: it is doubled.
pub(super) fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    if text.starts_with('$') {
        quoted.push('$');
    }
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A key: bare if it can be. Dots in it are part of it.
pub(super) fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        text(name)
    }
}

/// A setting's key, with its dots.
pub(super) fn setting_key(name: &str) -> String {
    let parts: Vec<String> = name.split('.').map(key).collect();
    if parts.iter().any(|part| part.starts_with('"')) {
        return text(name);
    }
    parts.join(".")
}

/// A setting's value: a number, true or false as such, any other as text.
pub(super) fn setting(value: &str) -> String {
    let number = value.parse::<i64>().ok();
    let same = number.is_some_and(|number| number.to_string() == value);
    if same || value == "true" || value == "false" {
        return value.to_owned();
    }
    text(value)
}

/// A list, over several lines if it is long.
pub(super) fn list<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    let flat = items.join(", ");
    if flat.chars().count() <= WIDTH {
        return format!("[{flat}]");
    }
    let mut lines = String::from("[");
    let mut used = WIDTH;
    for item in items {
        let length = item.chars().count() + 2;
        if used + length > WIDTH {
            lines.push_str("\n   ");
            used = 0;
        }
        let _ = write!(lines, " {item},");
        used += length;
    }
    lines.push_str("\n]");
    lines
}

/// A list of texts.
pub(super) fn texts<T: AsRef<str>>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| text(item.as_ref())).collect();
    list(&items)
}

/// An inline table, put together key by key.
#[derive(Default)]
pub(super) struct Inline(Vec<String>);

impl Inline {
    /// Adds a value that is written already.
    pub(super) fn put(&mut self, key: &str, value: impl std::fmt::Display) -> &mut Self {
        self.0.push(format!("{key} = {value}"));
        self
    }

    /// Adds a text.
    pub(super) fn text(&mut self, key: &str, value: &str) -> &mut Self {
        self.put(key, text(value))
    }

    /// The table.
    pub(super) fn done(&self) -> String {
        if self.0.is_empty() {
            "{}".to_owned()
        } else {
            format!("{{ {} }}", self.0.join(", "))
        }
    }
}
