//! Draws a chart. Each part of a panel has its own function; places are whole pixels of a paper of
//! 1600 by 900 (taller with more partitions).

use super::data::{Chart, Panel};
use super::marks::arrow;
use super::pen::{Align, Pen, Scale, failed, ink};
use crate::ReportError;
use crate::palette::{self, ALARM, GRID, INK, PAPER, Rgb, SOFT};
use crate::words;
use ktrial_core::{BrokerId, TopicPartition};
use plotters::prelude::*;

pub(super) const WIDTH: i32 = 1600;
pub(super) const LEFT: i32 = 160;
pub(super) const RIGHT: i32 = WIDTH - 160;
const LEGEND: i32 = 64;
pub(super) const TITLE: i32 = 110;
const AXIS: i32 = 54;
pub(super) const LANE: i32 = 38;
pub(super) const LANE_GAP: i32 = 8;
const LEAST_PLOT: i32 = 280;
/// Height of all panels, with one; of each, with more.
const ONE_PANEL: i32 = 836;
const EACH_PANEL: i32 = 640;
/// Pixels between lines of replicas that are at the same offset.
pub(super) const DODGE: i32 = 9;
pub(super) const TEXT: i32 = 31;
pub(super) const SMALL: i32 = 28;

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
pub(super) struct Layout {
    pub(super) top: i32,
    pub(super) plot_bottom: i32,
    bottom: i32,
    x: Scale,
    pub(super) y: Scale,
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

/// One panel being drawn.
pub(super) struct Canvas<'a, 'b, 'c> {
    pub(super) pen: &'a Pen<'b, 'c>,
    chart: &'a Chart,
    pub(super) panel: &'a Panel,
    pub(super) layout: &'a Layout,
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

    pub(super) fn color(&self, broker: BrokerId) -> Rgb {
        palette::broker(broker, &self.chart.brokers)
    }

    pub(super) fn x(&self, ms: u64) -> i32 {
        let ms = i64::try_from(ms).unwrap_or(i64::MAX);
        self.layout.x.at(ms.min(self.layout.x.end))
    }

    /// How far up from its true place the line of a replica is drawn.
    pub(super) fn lift(&self, index: usize) -> i32 {
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
