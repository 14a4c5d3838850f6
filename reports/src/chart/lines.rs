//! A panel's lines and lanes: log end and high watermark of each replica, and below them what each
//! broker was to the partition.

use super::data::{Role, Series, Track};
use super::draw::{Canvas, LANE, LANE_GAP, LEFT, RIGHT, SMALL, TEXT};
use super::pen::{Align, Point, ink};
use crate::ReportError;
use crate::palette::{INK, PAPER, Rgb, SOFT};
use ktrial_core::BrokerId;

impl Canvas<'_, '_, '_> {
    pub(super) fn replica(&self, index: usize, series: &Series) -> Result<(), ReportError> {
        let color = self.color(series.broker);
        let lift = self.lift(index);
        let steps = self.steps(&series.log_end, lift);
        let up = self.up(series);
        for pair in steps.windows(2) {
            self.pen.line(pair, ink(color).wide(3).pale(30))?;
        }
        for (from, to) in up {
            let clipped = clip(&steps, from, to);
            if clipped.len() > 1 {
                self.pen.line(&clipped, ink(color).wide(5))?;
            }
            let marks = self.steps(&series.high_watermark, lift - 7);
            for pair in clip(&marks, from, to).windows(2) {
                self.pen
                    .dashed(pair[0], pair[1], ink(color).wide(3).pale(75))?;
            }
        }
        Ok(())
    }

    /// The corners of a step line.
    fn steps(&self, track: &Track<i64>, lift: i32) -> Vec<Point> {
        let mut points = Vec::new();
        let mut last = None;
        for (ms, value) in track {
            let (x, y) = (self.x(*ms), self.layout.y.at(*value) - lift);
            points.extend(last.map(|last| (x, last)));
            points.push((x, y));
            last = Some(y);
        }
        points.extend(last.map(|last| (RIGHT, last)));
        points.dedup();
        points
    }

    /// From where to where a broker ran.
    fn up(&self, series: &Series) -> Vec<(i32, i32)> {
        let spans = self.spans(series);
        let up = spans.filter(|(_, _, role)| *role != Role::Down);
        up.map(|(from, to, _)| (from, to)).collect()
    }

    /// The roles of a broker with their pixels.
    fn spans<'s>(&'s self, series: &'s Series) -> impl Iterator<Item = (i32, i32, Role)> + 's {
        let next = series.role.iter().skip(1).map(|(ms, _)| self.x(*ms));
        let ends = next.chain(std::iter::once(RIGHT));
        let spans = series.role.iter().zip(ends);
        spans.map(|((ms, role), end)| (self.x(*ms), end, *role))
    }

    pub(super) fn lane(&self, index: usize, series: &Series) -> Result<(), ReportError> {
        let color = self.color(series.broker);
        let row = i32::try_from(index).unwrap_or(0);
        let top = self.layout.plot_bottom + LANE_GAP + row * (LANE + LANE_GAP);
        let bottom = top + LANE;
        let middle = top + LANE / 2;
        let label = format!("broker {}", series.broker);
        self.pen
            .text(&label, (LEFT - 18, middle), Align::End, (SMALL, color))?;
        for (from, to, role) in self.spans(series) {
            let (word, opacity, text) = look(role, color);
            self.pen
                .fill((from, top), (to, bottom), ink(color).pale(opacity))?;
            match role {
                Role::Down => self.hatch((from, top), (to, bottom), color)?,
                _ => self
                    .pen
                    .frame((from, top), (to, bottom), ink(color).pale(60))?,
            }
            let width = i32::try_from(word.chars().count()).unwrap_or(0) * 15 + 14;
            if to - from > width {
                let center = from + (to - from) / 2;
                if role == Role::Down {
                    let half = width / 2;
                    let corner = (center - half, top + 2);
                    self.pen
                        .fill(corner, (center + half, bottom - 2), ink(PAPER))?;
                }
                self.pen
                    .text(word, (center, middle), Align::Middle, (SMALL - 2, text))?;
            }
        }
        Ok(())
    }

    /// Slanted lines over a box.
    fn hatch(&self, from: Point, to: Point, color: Rgb) -> Result<(), ReportError> {
        let height = to.1 - from.1;
        let mut x = from.0;
        while x + height <= to.0 {
            let slant = [(x, to.1), (x + height, from.1)];
            self.pen.line(&slant, ink(color).wide(2).pale(45))?;
            x += 18;
        }
        Ok(())
    }

    /// Names at the right end of the lines, moved apart.
    pub(super) fn ends(&self) -> Result<(), ReportError> {
        let ends = self
            .panel
            .replicas
            .iter()
            .enumerate()
            .map(|(index, series)| {
                let end = series.log_end.last().map_or(0, |(_, end)| *end);
                (self.layout.y.at(end) - self.lift(index), series.broker)
            });
        let mut ends: Vec<(i32, BrokerId)> = ends.collect();
        ends.sort_unstable();
        for group in ends.chunk_by(|a, b| b.0 - a.0 < TEXT) {
            let count = i32::try_from(group.len()).unwrap_or(1);
            let middle = group.iter().map(|(y, _)| y).sum::<i32>() / count;
            let mut y = middle - (count - 1) * (TEXT + 3) / 2;
            for (_, broker) in group {
                let label = format!("broker {broker}");
                let look = (SMALL, self.color(*broker));
                self.pen.text(&label, (RIGHT + 16, y), Align::Start, look)?;
                y += TEXT + 3;
            }
        }
        Ok(())
    }
}

/// A role's word, how strong its colour is, and the colour of the word.
fn look(role: Role, color: Rgb) -> (&'static str, u8, Rgb) {
    match role {
        Role::Down => ("down", 8, SOFT),
        Role::Frozen => ("frozen", 8, SOFT),
        Role::Leader => ("leader", 100, PAPER),
        Role::OldLeader => ("believes to lead", 55, INK),
        Role::InSync => ("in ISR", 30, INK),
        Role::Out => ("out of ISR", 0, color),
    }
}

/// The part of a step line between two places.
fn clip(points: &[Point], from: i32, to: i32) -> Vec<Point> {
    let mut part: Vec<Point> = Vec::new();
    for pair in points.windows(2) {
        let (left, right) = (pair[0].0.max(from), pair[1].0.min(to));
        if left > right || pair[0].0 > to || pair[1].0 < from {
            continue;
        }
        for point in [(left, pair[0].1), (right, pair[1].1)] {
            if part.last() != Some(&point) {
                part.push(point);
            }
        }
    }
    part
}
