//! The wall clock of each node: true time, wrong by an offset and a drift.
//!
//! Rule: true time is 2026-01-01T00:00:00Z plus the time since the start of the trial. A node's clock
//! shows `true time + offset + drift * time since the start`.
//!
//! Simplified: no jumps during a trial, so nothing shows what a step of NTP does to retention.
//!
//! Next: `host/mod.rs`, which tells a machine the time.

use crate::plan::ClockPlan;
use ktrial_core::{Now, Timestamp, WallClock};

/// 2026-01-01T00:00:00Z in milliseconds since 1970.
const START_MS: i64 = 1_767_225_600_000;

/// Both times of a node whose clock is as `clock` says.
pub(crate) fn now(at: Timestamp, clock: ClockPlan) -> Now {
    let elapsed = i128::from(at.0);
    let drifted = elapsed + elapsed * i128::from(clock.drift_ppm) / 1_000_000;
    let since_start = i64::try_from(drifted.div_euclid(1_000)).unwrap_or(i64::MAX);
    let wall = START_MS
        .saturating_add(clock.offset_ms)
        .saturating_add(since_start);
    Now {
        monotonic: at,
        wall: WallClock(wall),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_and_drift_add_up() {
        let wall = |at, offset_ms, drift_ppm| {
            let clock = ClockPlan {
                offset_ms,
                drift_ppm,
            };
            now(Timestamp::from_millis(at), clock).wall.0 - START_MS
        };
        assert_eq!(wall(1_500, 0, 0), 1_500);
        assert_eq!(wall(1_500, -2_000, 0), -500);
        assert_eq!(wall(1_000_000, 0, 100), 1_000_100);
        assert_eq!(wall(1_000_000, 5, -100), 999_905);
    }
}
