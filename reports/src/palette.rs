//! Colours, safe for colour-blind readers (Okabe and Ito's set, on a light background).

use ktrial_core::BrokerId;
use std::collections::BTreeSet;

/// Red, green, blue.
pub(crate) type Rgb = (u8, u8, u8);

/// Text.
pub(crate) const INK: Rgb = (0x1f, 0x29, 0x33);
/// Text that is less important.
pub(crate) const SOFT: Rgb = (0x61, 0x6e, 0x7c);
/// Lines behind the data.
pub(crate) const GRID: Rgb = (0xe4, 0xe7, 0xeb);
/// The chart's own background, in light and dark pages.
pub(crate) const PAPER: Rgb = (0xff, 0xff, 0xff);
/// The time without a leader.
pub(crate) const OUTAGE: Rgb = (0xfb, 0xe9, 0xe7);
/// What is lost, and what made it so.
pub(crate) const ALARM: Rgb = (0xb4, 0x18, 0x18);

const BROKERS: [Rgb; 6] = [
    (0x00, 0x72, 0xb2),
    (0xd5, 0x5e, 0x00),
    (0x00, 0x9e, 0x73),
    (0xcc, 0x79, 0xa7),
    (0xe6, 0x9f, 0x00),
    (0x56, 0xb4, 0xe9),
];

/// The colour of a broker among all of the plan.
pub(crate) fn broker(id: BrokerId, all: &BTreeSet<BrokerId>) -> Rgb {
    let index = all.iter().position(|other| *other == id).unwrap_or(0);
    BROKERS[index % BROKERS.len()]
}
