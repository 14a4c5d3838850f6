//! `new`: a commented file to start a scenario from.

use super::{Exit, output};
use std::io::{ErrorKind, Write};

/// What the file says; `NAME` is replaced.
pub(super) const STARTER: &str = include_str!("starter.toml");

/// Writes `NAME.toml`, unless it is there.
pub(super) fn new(name: &str) -> Result<Exit, String> {
    let file = if name.ends_with(".toml") {
        name.to_owned()
    } else {
        format!("{name}.toml")
    };
    let stem = std::path::Path::new(&file).file_stem();
    let stem = stem.and_then(|stem| stem.to_str()).unwrap_or_default();
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if stem.is_empty() || stem.starts_with('.') || !stem.chars().all(legal) {
        return Err(format!(
            "`{name}` cannot be the name of a scenario: use letters, digits, `-`, `_` and `.`"
        ));
    }
    let text = STARTER.replace("NAME", stem);
    let created = std::fs::File::create_new(&file);
    let written = created.and_then(|mut created| created.write_all(text.as_bytes()));
    match written {
        Ok(()) => {
            output::say(&format!("wrote {file}; next: ktrial run ./{file}"));
            Ok(Exit::AsExpected)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(format!(
            "{file} is there already: choose another name, or remove it first"
        )),
        Err(error) => Err(format!("cannot write {file}: {error}")),
    }
}
