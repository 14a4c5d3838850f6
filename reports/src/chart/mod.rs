//! The chart of a cell: log ends and high watermarks of each replica over time, with faults,
//! elections, truncations and acknowledgements, as SVG.
//!
//! Drawn with plotters' SVG backend, which needs no fonts and writes the same bytes everywhere.
//! Coordinates are whole numbers there, so the chart is drawn large and scaled by its viewBox.
//!
//! Next: `data.rs`, then `draw.rs`, `lines.rs`, `marks.rs`.

mod data;
mod draw;
mod lines;
mod marks;
mod pen;

use crate::{Cell, ReportError};

/// The chart of a cell.
pub(crate) fn svg(cell: &Cell) -> Result<String, ReportError> {
    draw::draw(&data::data(cell))
}
