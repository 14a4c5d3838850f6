//! A pen for plotters' drawing area: lines, boxes, texts at whole pixels, and the way from data to
//! pixels.

use crate::ReportError;
use crate::palette::Rgb;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::fmt::Display;

/// Where on the paper.
pub(super) type Point = (i32, i32);

/// Draws in one colour at a time.
pub(super) struct Pen<'a, 'b> {
    pub(super) area: &'a DrawingArea<SVGBackend<'b>, Shift>,
}

/// How a text stands at its point.
#[derive(Clone, Copy, Debug)]
pub(super) enum Align {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// How a shape is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink {
    pub(super) color: Rgb,
    /// In hundredths.
    pub(super) opacity: u8,
    pub(super) width: u32,
}

/// Opaque, one pixel wide.
pub(super) fn ink(color: Rgb) -> Ink {
    Ink {
        color,
        opacity: 100,
        width: 1,
    }
}

impl Ink {
    /// As wide as this.
    pub(super) fn wide(self, width: u32) -> Self {
        Self { width, ..self }
    }

    /// With this many hundredths of the colour.
    pub(super) fn pale(self, opacity: u8) -> Self {
        Self { opacity, ..self }
    }

    #[expect(
        clippy::float_arithmetic,
        reason = "plotters takes the opacity as a float; nothing is decided by it"
    )]
    fn style(self) -> ShapeStyle {
        let (red, green, blue) = self.color;
        let opacity = f64::from(self.opacity) / 100.0;
        ShapeStyle {
            color: RGBColor(red, green, blue).mix(opacity),
            filled: false,
            stroke_width: self.width,
        }
    }
}

impl Pen<'_, '_> {
    /// A line through points.
    pub(super) fn line(&self, points: &[Point], ink: Ink) -> Result<(), ReportError> {
        let path = PathElement::new(points.to_vec(), ink.style());
        self.area.draw(&path).map_err(failed)
    }

    /// A dashed line between two points at the same height or the same place.
    pub(super) fn dashed(&self, from: Point, to: Point, ink: Ink) -> Result<(), ReportError> {
        const DASH: i32 = 14;
        const GAP: i32 = 9;
        let length = (to.0 - from.0).abs().max((to.1 - from.1).abs());
        let direction = ((to.0 - from.0).signum(), (to.1 - from.1).signum());
        let point = |way: i32| (from.0 + direction.0 * way, from.1 + direction.1 * way);
        let mut way = 0;
        while way < length {
            let end = (way + DASH).min(length);
            self.line(&[point(way), point(end)], ink)?;
            way = end + GAP;
        }
        Ok(())
    }

    /// A filled box.
    pub(super) fn fill(&self, from: Point, to: Point, ink: Ink) -> Result<(), ReportError> {
        let shape = Rectangle::new([from, to], ink.style().filled());
        self.area.draw(&shape).map_err(failed)
    }

    /// The outline of a box.
    pub(super) fn frame(&self, from: Point, to: Point, ink: Ink) -> Result<(), ReportError> {
        let shape = Rectangle::new([from, to], ink.style());
        self.area.draw(&shape).map_err(failed)
    }

    /// A filled polygon.
    pub(super) fn polygon(&self, points: &[Point], ink: Ink) -> Result<(), ReportError> {
        let shape = Polygon::new(points.to_vec(), ink.style().filled());
        self.area.draw(&shape).map_err(failed)
    }

    /// A dot with a rim of paper.
    pub(super) fn dot(&self, at: Point, radius: i32, ink: Ink) -> Result<(), ReportError> {
        let rim = super::pen::ink(crate::palette::PAPER);
        let outer = Circle::new(at, radius + 3, rim.style().filled());
        self.area.draw(&outer).map_err(failed)?;
        let inner = Circle::new(at, radius, ink.style().filled());
        self.area.draw(&inner).map_err(failed)
    }

    /// A text, its middle at the height of the point. `size` is in pixels of the chart.
    pub(super) fn text(
        &self,
        text: &str,
        at: Point,
        align: Align,
        (size, color): (i32, Rgb),
    ) -> Result<(), ReportError> {
        // The SVG backend writes asked / 1.24.
        let asked = size * 124 / 100;
        let horizontal = match align {
            Align::Start => HPos::Left,
            Align::Middle => HPos::Center,
            Align::End => HPos::Right,
        };
        let (red, green, blue) = color;
        let style = ("sans-serif", asked)
            .into_font()
            .color(&RGBColor(red, green, blue))
            .pos(Pos::new(horizontal, VPos::Center));
        let text = Text::new(text.to_owned(), at, style);
        self.area.draw(&text).map_err(failed)
    }
}

/// An error of plotters as ours.
pub(super) fn failed(error: impl Display) -> ReportError {
    ReportError::Draw(format!("a chart: {error}"))
}

/// A range of values mapped to a range of pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The value at the first pixel is 0, at the last this.
    pub(super) end: i64,
    pub(super) first: i32,
    pub(super) last: i32,
}

impl Scale {
    /// The pixel of a value.
    pub(super) fn at(self, value: i64) -> i32 {
        let pixels = i128::from(self.last - self.first);
        let way = i128::from(value) * pixels / i128::from(self.end.max(1));
        self.first + i32::try_from(way).unwrap_or(0)
    }

    /// Round values from 0 to the end, at most `most` + 1 of them.
    pub(super) fn ticks(self, most: i64) -> (i64, Vec<i64>) {
        let mut step = 1;
        let mut factors = [2, 5, 10].iter().cycle();
        let mut decade = 1;
        while self.end / step > most {
            let factor = factors.next().copied().unwrap_or(10);
            step = decade * factor;
            if factor == 10 {
                decade = step;
            }
        }
        (step, (0..=self.end / step).map(|n| n * step).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let ticks = |end, most| {
            Scale {
                end,
                first: 0,
                last: 100,
            }
            .ticks(most)
        };
        assert_eq!(ticks(3, 8), (1, vec![0, 1, 2, 3]));
        assert_eq!(
            ticks(43_700, 10),
            (5_000, (0..=8).map(|n| n * 5_000).collect())
        );
        assert_eq!(ticks(0, 8), (1, vec![0]));
    }

    #[test]
    fn values_are_mapped_to_pixels_both_ways_up() {
        let scale = Scale {
            end: 10,
            first: 500,
            last: 100,
        };
        assert_eq!([scale.at(0), scale.at(5), scale.at(10)], [500, 300, 100]);
    }
}
