//! The story of one cell as text: one line per thing that changed, in fixed columns: time, who, what.
//!
//! Next: `narrate.rs`, which decides what is told.

mod clients;
mod controller;
mod lines;
mod narrate;
mod replicas;

use crate::Cell;
use crate::words;
use lines::{Body, Line};
use narrate::Narrator;
use std::fmt::Write as _;

/// The story of a cell.
pub(crate) fn story(cell: &Cell) -> String {
    let lines = Narrator::tell(cell).all;
    let width = lines.iter().map(|line| line.who.chars().count()).max();
    let width = width.unwrap_or(0).max(10);
    let plan = &cell.plan;
    let settings = words::settings(&plan.cell);
    let mut text = format!("{}   {settings}   {}\n", plan.scenario, cell.place());
    let _ = writeln!(
        text,
        "{:>10}  {:<width$}  what changed (-- is what we do)",
        "time", "who"
    );
    for line in &lines {
        print(&mut text, line, width);
    }
    text
}

fn print(text: &mut String, line: &Line, width: usize) {
    let time = line.at.to_string();
    let what = line.body.text();
    let _ = match &line.body {
        Body::Step(_) => writeln!(text, "\n{time:>10}  -- {what}"),
        _ => writeln!(text, "{time:>10}  {:<width$}  {what}", line.who),
    };
}
