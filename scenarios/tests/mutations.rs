//! Whatever a file says, it is read or refused, never a panic; and what is refused is shown.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::compile;
use ktrial::file::parse;
use ktrial::library::LIBRARY;

/// A small generator: the same mutations on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

/// Every key of the format, so that the mutations reach all of it.
const EVERYTHING: &str = include_str!("everything.toml");

fn mutate(text: &str, dice: &mut Dice) -> String {
    const BITS: [&str; 14] = [
        "\"", "[", "]", "{", "}", "=", "\n", ".", "-", "9", "é", "\r\n", "\t", "\u{0}",
    ];
    let mut text = text.to_owned();
    for _ in 0..=dice.below(3) {
        let lines: Vec<&str> = text.lines().collect();
        let line = dice.below(lines.len());
        let other = dice.below(lines.len());
        text = match dice.below(6) {
            0 => without(&lines, line),
            1 => {
                let mut lines = lines;
                lines.swap(line, other);
                lines.join("\n")
            }
            2 => {
                let mut lines = lines.clone();
                lines.insert(line, lines[other]);
                lines.join("\n")
            }
            kind => {
                let mut places = text.char_indices().map(|(at, _)| at);
                let count = text.chars().count();
                let at = places.nth(dice.below(count)).unwrap_or(0);
                let bit = BITS[dice.below(BITS.len())];
                let cut = if kind == 3 { at } else { next(&text, at) };
                let bit = if kind == 5 { "" } else { bit };
                format!("{}{bit}{}", &text[..at], &text[cut..])
            }
        };
    }
    text
}

fn without(lines: &[&str], line: usize) -> String {
    let mut lines = lines.to_vec();
    if !lines.is_empty() {
        lines.remove(line);
    }
    lines.join("\n")
}

fn next(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(at, |c| at + c.len_utf8())
}

fn read(text: &str) -> bool {
    let shown = match parse("mutated", "mutated.toml", text) {
        Err(problems) => problems.render(false),
        Ok(scenario) => match compile(&scenario, 1, &[]) {
            Err(problems) => problems.render(true),
            Ok(_) => return true,
        },
    };
    assert!(!shown.is_empty(), "refused without a word:\n{text}");
    false
}

#[test]
fn a_file_with_everything_is_right() {
    if let Err(problems) = parse("everything", "everything.toml", EVERYTHING) {
        panic!("{problems}");
    }
    assert!(read(EVERYTHING));
}

#[test]
fn damaged_files_are_told_about() {
    let mut texts: Vec<&str> = LIBRARY.iter().map(|entry| entry.text).collect();
    texts.push(EVERYTHING);
    for text in texts {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let right = (0..600).filter(|_| read(&mutate(text, &mut dice))).count();
        assert!(right < 600, "no mutation was ever refused");
    }
}
