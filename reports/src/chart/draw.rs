//! Draws a chart. Each part of a panel has its own function; places are whole pixels of a paper of
//! 1600 by 900 (taller with more partitions).

use super::data::{Chart, Election, Panel, Role, Series, Track};
use super::pen::{Align, Pen, Point, Scale, failed, ink};
use crate::ReportError;
use crate::palette::{self, ALARM, GRID, INK, OUTAGE, PAPER, Rgb, SOFT};
use crate::words;
use ktrial_core::event::ElectionRule;
use ktrial_core::{BrokerId, TopicPartition};
use plotters::prelude::*;

const WIDTH: i32 = 1600;
const LEFT: i32 = 160;
const RIGHT: i32 = WIDTH - 160;
const LEGEND: i32 = 64;
const TITLE: i32 = 110;
const AXIS: i32 = 54;
const LANE: i32 = 38;
const LANE_GAP: i32 = 8;
const LEAST_PLOT: i32 = 280;
/// Height of all panels, with one; of each, with more.
const ONE_PANEL: i32 = 836;
const EACH_PANEL: i32 = 640;
/// Pixels between lines of replicas that are at the same offset.
const DODGE: i32 = 9;
const TEXT: i32 = 31;
const SMALL: i32 = 28;

/// Draws a chart as SVG.
pub(super) fn draw(chart: &Chart) -> Result<String, ReportError> {
    let layouts = layouts(chart);
    let note = if chart.left_out > 0 { 50 } else { 0 };
    let bottom = layouts.last().map_or(LEGEND + 100, |layout| layout.bottom);
    let size = (pixels(WIDTH), pixels(bottom + note));
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        let pen = Pen { area: &area };
        pen.fill((0, 0), (WIDTH, bottom + note), ink(PAPER))?;
        legend(&pen)?;
        for (panel, layout) in chart.panels.iter().zip(&layouts) {
            let canvas = Canvas {
                pen: &pen,
                chart,
                panel,
                layout,
            };
            canvas.draw()?;
        }
        if chart.left_out > 0 {
            let more = u64::try_from(chart.left_out).unwrap_or(u64::MAX);
            let more = format!("{} not drawn", words::count(more, "more partition"));
            pen.text(&more, (LEFT, bottom + 20), Align::Start, (TEXT, SOFT))?;
        }
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

fn pixels(length: i32) -> u32 {
    u32::try_from(length).unwrap_or(0)
}

/// Where the parts of a panel are.
#[derive(Clone, Copy, Debug)]
struct Layout {
    top: i32,
    plot_bottom: i32,
    bottom: i32,
    x: Scale,
    y: Scale,
}

fn layouts(chart: &Chart) -> Vec<Layout> {
    let base = if chart.panels.len() == 1 {
        ONE_PANEL
    } else {
        EACH_PANEL
    };
    let mut top = LEGEND;
    let mut layouts = Vec::new();
    for panel in &chart.panels {
        let replicas = i32::try_from(panel.replicas.len()).unwrap_or(0);
        let lanes = replicas * (LANE + LANE_GAP) + LANE_GAP;
        let height = base.max(TITLE + LEAST_PLOT + lanes + AXIS);
        let plot_bottom = top + height - AXIS - lanes;
        let room = replicas * DODGE;
        layouts.push(Layout {
            top,
            plot_bottom,
            bottom: top + height,
            x: Scale {
                end: i64::try_from(chart.end_ms).unwrap_or(i64::MAX),
                first: LEFT,
                last: RIGHT,
            },
            y: Scale {
                end: panel.top().max(1),
                first: plot_bottom - room - 6,
                last: top + TITLE + room + 34,
            },
        });
        top += height;
    }
    layouts
}

fn legend(pen: &Pen<'_, '_>) -> Result<(), ReportError> {
    let y = 34;
    let label = |text: &str, x: i32| pen.text(text, (x, y), Align::Start, (SMALL, SOFT));
    pen.line(&[(24, y), (84, y)], ink(SOFT).wide(5))?;
    label("log end offset", 98)?;
    pen.dashed((340, y), (400, y), ink(SOFT).wide(3))?;
    label("high watermark", 414)?;
    pen.dot((668, y), 9, ink(INK))?;
    label("acknowledged", 688)?;
    pen.dot((926, y), 9, ink(ALARM))?;
    label("acknowledged, then lost", 946)?;
    arrow(pen, (1322, y - 20), y + 18, SOFT)?;
    label("truncated", 1344)
}

fn arrow(pen: &Pen<'_, '_>, from: Point, to: i32, color: Rgb) -> Result<(), ReportError> {
    let (x, y) = from;
    pen.line(&[(x, y), (x, to - 12)], ink(color).wide(5))?;
    pen.polygon(&[(x - 12, to - 16), (x + 12, to - 16), (x, to)], ink(color))
}

/// One panel being drawn.
struct Canvas<'a, 'b, 'c> {
    pen: &'a Pen<'b, 'c>,
    chart: &'a Chart,
    panel: &'a Panel,
    layout: &'a Layout,
}

impl Canvas<'_, '_, '_> {
    fn draw(&self) -> Result<(), ReportError> {
        self.outages()?;
        self.axes()?;
        for (index, series) in self.panel.replicas.iter().enumerate() {
            self.replica(index, series)?;
            self.lane(index, series)?;
        }
        self.ends()?;
        for (index, election) in self.panel.elections.iter().enumerate() {
            self.election(index, election)?;
        }
        self.truncations()?;
        self.acks()
    }

    fn color(&self, broker: BrokerId) -> Rgb {
        palette::broker(broker, &self.chart.brokers)
    }

    fn x(&self, ms: u64) -> i32 {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX);
        self.layout.x.at(ms.min(self.layout.x.end))
    }

    /// How far up from its true place the line of a replica is drawn.
    fn lift(&self, index: usize) -> i32 {
        let count = i32::try_from(self.panel.replicas.len()).unwrap_or(0);
        let index = i32::try_from(index).unwrap_or(0);
        (count - 1 - 2 * index) * DODGE * 2 / 3
    }

    fn axes(&self) -> Result<(), ReportError> {
        let layout = self.layout;
        let TopicPartition { topic, partition } = &self.panel.partition;
        let title = format!("{topic}-{partition}");
        let at = (24, layout.top + 26);
        self.pen.text(&title, at, Align::Start, (TEXT + 5, INK))?;
        let at = (24, layout.top + TITLE - 30);
        self.pen.text("offset", at, Align::Start, (SMALL, SOFT))?;
        for offset in layout.y.ticks(8).1 {
            let y = layout.y.at(offset);
            self.pen.line(&[(LEFT, y), (RIGHT, y)], ink(GRID).wide(2))?;
            let label = offset.to_string();
            let at = (LEFT - 18, y);
            self.pen.text(&label, at, Align::End, (TEXT, SOFT))?;
        }
        let (step, ticks) = layout.x.ticks(9);
        let y = layout.bottom - AXIS;
        for ms in ticks {
            let x = layout.x.at(ms);
            self.pen
                .line(&[(x, layout.plot_bottom), (x, y + 6)], ink(GRID).wide(2))?;
            let label = time_label(ms, step);
            self.pen
                .text(&label, (x, y + 26), Align::Middle, (SMALL, SOFT))?;
        }
        Ok(())
    }

    fn outages(&self) -> Result<(), ReportError> {
        let top = self.layout.top + TITLE;
        for (from, to) in &self.panel.outages {
            let (left, right) = (self.x(*from), self.x(*to).max(self.x(*from) + 3));
            let bottom = self.layout.plot_bottom;
            self.pen.fill((left, top), (right, bottom), ink(OUTAGE))?;
            if right - left > 150 {
                let middle = (left + (right - left) / 2, top + 20);
                self.pen
                    .text("no leader", middle, Align::Middle, (SMALL, ALARM))?;
            }
        }
        Ok(())
    }

    fn replica(&self, index: usize, series: &Series) -> Result<(), ReportError> {
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

    fn lane(&self, index: usize, series: &Series) -> Result<(), ReportError> {
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
    fn ends(&self) -> Result<(), ReportError> {
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
        let spread = i32::try_from(ends.len()).unwrap_or(1).saturating_sub(1) * (TEXT + 3) / 2;
        let mut next = ends.first().map_or(0, |(y, _)| y - spread);
        for (y, broker) in ends {
            let at = (RIGHT + 16, next.max(y - spread));
            let label = format!("broker {broker}");
            self.pen
                .text(&label, at, Align::Start, (SMALL, self.color(broker)))?;
            next = at.1 + TEXT + 3;
        }
        Ok(())
    }

    fn election(&self, index: usize, election: &Election) -> Result<(), ReportError> {
        let unclean = election.rule == Some(ElectionRule::Unclean);
        let x = self.x(election.at_ms);
        let row = i32::try_from(index % 2).unwrap_or(0);
        let top = self.layout.top + 26 + row * (TEXT + 8);
        let (color, word) = match election.rule {
            Some(ElectionRule::Unclean) => (ALARM, "UNCLEAN election: "),
            Some(ElectionRule::LastKnownLeader) => (INK, "last known leader: "),
            Some(ElectionRule::Elr) => (INK, "elected from the ELR: "),
            _ => (INK, "elected: "),
        };
        let text = format!("{word}broker {}, epoch {}", election.leader, election.epoch);
        let line = ink(color).wide(if unclean { 4 } else { 2 });
        self.pen
            .dashed((x, top - 16), (x, self.layout.plot_bottom), line)?;
        let (at, align) = if x > WIDTH * 5 / 8 {
            (x - 12, Align::End)
        } else {
            (x + 12, Align::Start)
        };
        self.pen.text(&text, (at, top), align, (TEXT, color))
    }

    fn truncations(&self) -> Result<(), ReportError> {
        for cut in &self.panel.truncations {
            let color = self.color(cut.broker);
            let x = self.x(cut.at_ms);
            let (from, to) = (self.layout.y.at(cut.from.0), self.layout.y.at(cut.to.0));
            arrow(self.pen, (x, from), to, color)?;
            let text = format!("{} → {}", cut.from, cut.to);
            let (x, align) = if x < RIGHT - 140 {
                (x + 18, Align::Start)
            } else {
                (x - 18, Align::End)
            };
            self.pen.text(&text, (x, to - 26), align, (SMALL, color))?;
        }
        Ok(())
    }

    fn acks(&self) -> Result<(), ReportError> {
        let mut taken = i32::MIN;
        let mut drawn = None;
        for ack in &self.panel.acks {
            let color = if ack.lost { ALARM } else { INK };
            let (x, y) = (self.x(ack.at_ms), self.layout.y.at(ack.offset.next().0));
            // Many records: one dot for those that would cover each other.
            let place = (x / 4, y / 4, ack.lost);
            if drawn.replace(place) == Some(place) {
                continue;
            }
            self.pen.dot((x, y), 9, ink(color))?;
            let short: String = ack.value.chars().take(12).collect();
            let text = if ack.lost {
                format!("{short} (lost later)")
            } else {
                short
            };
            let width = i32::try_from(text.chars().count()).unwrap_or(0) * 17;
            if x > taken {
                let y = y - 34 - self.lift(0);
                if x + width < RIGHT {
                    let at = (x + 4, y);
                    self.pen.text(&text, at, Align::Start, (TEXT, color))?;
                } else {
                    let at = (x - 12, y);
                    self.pen.text(&text, at, Align::End, (TEXT, color))?;
                }
                taken = x + width;
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

/// `10 s`, with as many digits as the step needs.
fn time_label(ms: i64, step: i64) -> String {
    let (whole, rest) = (ms / 1_000, ms % 1_000);
    match step {
        1_000.. => format!("{whole} s"),
        100.. => format!("{whole}.{} s", rest / 100),
        _ => format!("{whole}.{rest:03} s"),
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
