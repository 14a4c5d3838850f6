//! Whatever a file says, it is read or refused, never a panic; and what is refused is shown.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::compile;
use ktrial::file::parse;
use ktrial::fuzz::{self, Profile};
use ktrial::library::LIBRARY;
use ktrial::write::to_toml;
use ktrial_sim::plan::Plan;
use ktrial_sim::trial;

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

/// Words of the format and of TOML, to stand where something else stood.
const TOKENS: [&str; 49] = [
    "0",
    "-1",
    "1",
    "99999999999999999999",
    "9223372036854775807",
    "1.5",
    "true",
    "false",
    "inf",
    "\"\"",
    "\"1s\"",
    "\"0s\"",
    "\"99999h\"",
    "\"1.0000000001s\"",
    "\"brokers\"",
    "\"rest\"",
    "\"controller\"",
    "\"leader(orders-0)\"",
    "\"leader(\"",
    "\"random-broker\"",
    "\"random-replica(orders-9)\"",
    "\"w1\"",
    "\"$how\"",
    "\"$pair\"",
    "\"$pair[1]\"",
    "\"$back[9]\"",
    "\"$$\"",
    "\"{n}\"",
    "\"unique\"",
    "\"20/s\"",
    "\"1/99999h\"",
    "[]",
    "{}",
    "[[]]",
    "[step]",
    "[[fault]]",
    "[[workload]]",
    "[recovery]",
    "for",
    "until",
    "workload",
    "records",
    "burst",
    "times",
    "jitter",
    "broker",
    "nodes",
    "=",
    ",",
];

/// Swaps a token of the text for another one.
fn other_token(text: &str, dice: &mut Dice) -> String {
    let inside = |c: char| c.is_alphanumeric() || "_-.\"()".contains(c);
    let starts = text.char_indices().zip(text.chars().skip(1));
    let starts = starts.filter(|((_, before), c)| !inside(*before) && inside(*c));
    let starts: Vec<usize> = starts.map(|((at, c), _)| at + c.len_utf8()).collect();
    if starts.is_empty() {
        return text.to_owned();
    }
    let start = starts[dice.below(starts.len())];
    let length = text[start..]
        .find(|c: char| !inside(c))
        .unwrap_or(text.len() - start);
    let with = TOKENS[dice.below(TOKENS.len())];
    format!("{}{with}{}", &text[..start], &text[start + length..])
}

fn mutate(text: &str, dice: &mut Dice) -> String {
    const BITS: [&str; 14] = [
        "\"", "[", "]", "{", "}", "=", "\n", ".", "-", "9", "é", "\r\n", "\t", "\u{0}",
    ];
    let mut text = text.to_owned();
    for _ in 0..=dice.below(3) {
        let lines: Vec<&str> = text.lines().collect();
        let line = dice.below(lines.len());
        let other = dice.below(lines.len());
        text = match dice.below(9) {
            6.. => other_token(&text, dice),
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

/// Reads a text; what is taken must be plans that can be run and written.
fn read(text: &str) -> bool {
    let shown = match parse("mutated", "mutated.toml", text) {
        Err(problems) => problems.render(false),
        Ok(scenario) => match compile(&scenario, 1, &[]) {
            Err(problems) => problems.render(true),
            Ok(compiled) => {
                compiled
                    .plans
                    .iter()
                    .take(2)
                    .for_each(|plan| written(plan, text));
                return true;
            }
        },
    };
    assert!(!shown.is_empty(), "refused without a word:\n{text}");
    false
}

fn written(plan: &Plan, text: &str) {
    if let Err(error) = trial::check(plan) {
        panic!("{error}\n{text}");
    }
    let again = to_toml(plan);
    let scenario = parse(&plan.scenario, "written.toml", &again);
    let scenario = scenario.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    let mut compiled = compile(&scenario, 1, &[]).unwrap();
    let mut plan = plan.clone();
    plan.cell.clear();
    assert_eq!(compiled.plans.remove(0), plan, "{text}\n{again}");
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
    let mut texts: Vec<(&str, usize)> = LIBRARY.iter().map(|entry| (entry.text, 300)).collect();
    texts.push((EVERYTHING, 3_000));
    for (text, times) in texts {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let right = (0..times)
            .filter(|_| read(&mutate(text, &mut dice)))
            .count();
        assert!(right < times, "no mutation was ever refused");
        assert!(
            right > 0,
            "each mutation was refused: none reached what comes behind"
        );
    }
}

/// A plan that was found, written as a file, and damaged by hand.
#[test]
fn damaged_plans_are_told_about() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    for seed in 0..300 {
        let text = to_toml(&fuzz::plan(Profile::Harsh, seed));
        read(&text);
        for _ in 0..4 {
            read(&mutate(&text, &mut dice));
        }
    }
}

#[test]
fn noise_is_told_about() {
    let mut dice = Dice(0x1234_5678_9abc_def1);
    for _ in 0..2_000 {
        let bytes: Vec<u8> = (0..dice.below(200))
            .map(|_| u8::try_from(dice.below(256)).unwrap())
            .collect();
        read(&String::from_utf8_lossy(&bytes));
        let tokens = (0..dice.below(60)).map(|_| TOKENS[dice.below(TOKENS.len())]);
        let tokens: Vec<&str> = tokens.collect();
        let glue = ["", " ", "\n"][dice.below(3)];
        read(&tokens.join(glue));
    }
}
