//! A panel's marks: outages, elections, truncations, acknowledgements.

use super::data::Election;
use super::draw::{Canvas, RIGHT, SMALL, TEXT, TITLE, WIDTH};
use super::pen::{Align, Pen, Point, ink};
use crate::ReportError;
use crate::palette::{ALARM, INK, OUTAGE, Rgb};
use ktrial_core::event::ElectionRule;

impl Canvas<'_, '_, '_> {
    pub(super) fn outages(&self) -> Result<(), ReportError> {
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

    pub(super) fn election(&self, index: usize, election: &Election) -> Result<(), ReportError> {
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

    pub(super) fn truncations(&self) -> Result<(), ReportError> {
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

    pub(super) fn acks(&self) -> Result<(), ReportError> {
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

/// An arrow straight down.
pub(super) fn arrow(
    pen: &Pen<'_, '_>,
    from: Point,
    to: i32,
    color: Rgb,
) -> Result<(), ReportError> {
    let (x, y) = from;
    pen.line(&[(x, y), (x, to - 12)], ink(color).wide(5))?;
    pen.polygon(&[(x - 12, to - 16), (x + 12, to - 16), (x, to)], ink(color))
}
