//! The only place that writes to the terminal. A reader that has gone away (`| head`) is no error.

use super::exit::Exit;
use std::io::{ErrorKind, IsTerminal, Write};

/// A text for standard output. If it cannot be written (a full disk), the program ends as a failure of
/// the harness, for what it was to tell is lost.
pub fn say(text: &str) {
    if let Err(error) = writeln!(std::io::stdout().lock(), "{text}")
        && error.kind() != ErrorKind::BrokenPipe
    {
        complain(&format!("cannot write to standard output: {error}"));
        std::process::exit(i32::from(Exit::Usage.code()));
    }
}

/// An error for standard error. What shows its place in a file (perhaps in colour) says already that
/// it is an error.
pub fn complain(text: &str) {
    let told = text.starts_with("error") || text.starts_with('\u{1b}');
    let prefix = if told { "" } else { "error: " };
    note(&format!("{prefix}{text}"));
}

/// A text for standard error.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Progress for standard error, if a person looks at it.
pub fn progress(text: &str) {
    let mut stderr = std::io::stderr().lock();
    if stderr.is_terminal() {
        let _ = writeln!(stderr, "{text}");
    }
}

/// A line about what is going on, over the one before; nothing unless a person looks at it. An empty text
/// leaves the place free for other output.
pub fn status(text: &str) {
    let mut stderr = std::io::stderr().lock();
    if stderr.is_terminal() {
        let _ = write!(stderr, "\r\x1b[2K{text}");
        let _ = stderr.flush();
    }
}

/// Whether errors may be shown in colour.
pub fn colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
