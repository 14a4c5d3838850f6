//! The wall clock of each node: true time, wrong by an offset, a drift, and what faults do to it.
//!
//! Rule: true time is 2026-01-01T00:00:00Z plus the time since the start of the trial. A node's clock
//! shows `true time + offset + drift * time since the start`. A fault makes it jump, and gain or lose from
//! then on; at its end the clock jumps to where it would be without.
//!
//! Next: `host/mod.rs`, which tells a machine the time.

use crate::plan::{ClockFault, ClockPlan};
use ktrial_core::{Now, Timestamp};

/// 2026-01-01T00:00:00Z in milliseconds since 1970.
const START_MS: i64 = 1_767_225_600_000;

/// The clock of one node.
#[derive(Debug)]
pub(crate) struct WallClock {
    plan: ClockPlan,
    faults: Vec<Wrong>,
}

/// A fault that has begun.
#[derive(Debug)]
struct Wrong {
    step: usize,
    since: Timestamp,
    fault: ClockFault,
    /// How often a process was told a time that is wrong by it.
    told: u64,
}

impl WallClock {
    /// A clock that is wrong as the plan says.
    pub(crate) fn new(plan: ClockPlan) -> Self {
        Self {
            plan,
            faults: Vec::new(),
        }
    }

    /// Both times that a process is told.
    pub(crate) fn now(&mut self, at: Timestamp) -> Now {
        let drifted = i128::from(at.0) + gained(at.0, self.plan.drift_ppm);
        let mut wall = START_MS
            .saturating_add(self.plan.offset_ms)
            .saturating_add(millis(drifted));
        for wrong in &mut self.faults {
            wrong.told += 1;
            let since = at.0.saturating_sub(wrong.since.0);
            wall = wall
                .saturating_add(wrong.fault.jump_ms)
                .saturating_add(millis(gained(since, wrong.fault.drift_ppm)));
        }
        Now {
            monotonic: at,
            wall: ktrial_core::WallClock(wall),
        }
    }

    /// A fault begins.
    pub(crate) fn begin(&mut self, step: usize, since: Timestamp, fault: ClockFault) {
        self.faults.push(Wrong {
            step,
            since,
            fault,
            told: 0,
        });
    }

    /// Ends the faults of a step, or all: their steps, and how often they were told.
    pub(crate) fn end(&mut self, step: Option<usize>) -> Vec<(usize, u64)> {
        let faults = std::mem::take(&mut self.faults).into_iter();
        let (ended, left): (Vec<_>, Vec<_>) =
            faults.partition(|wrong| step.is_none_or(|step| wrong.step == step));
        self.faults = left;
        ended.iter().map(|wrong| (wrong.step, wrong.told)).collect()
    }
}

/// Microseconds that a clock of this drift gains in `elapsed` microseconds.
fn gained(elapsed: u64, drift_ppm: i64) -> i128 {
    i128::from(elapsed) * i128::from(drift_ppm) / 1_000_000
}

fn millis(micros: i128) -> i64 {
    i64::try_from(micros.div_euclid(1_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(clock: &mut WallClock, at_ms: u64) -> i64 {
        clock.now(Timestamp::from_millis(at_ms)).wall.0 - START_MS
    }

    #[test]
    fn offset_and_drift_add_up() {
        let wall = |at, offset_ms, drift_ppm| {
            let mut clock = WallClock::new(ClockPlan {
                offset_ms,
                drift_ppm,
            });
            shown(&mut clock, at)
        };
        assert_eq!(wall(1_500, 0, 0), 1_500);
        assert_eq!(wall(1_500, -2_000, 0), -500);
        assert_eq!(wall(1_000_000, 0, 100), 1_000_100);
        assert_eq!(wall(1_000_000, 5, -100), 999_905);
    }

    #[test]
    fn a_fault_jumps_drifts_and_jumps_back() {
        let mut clock = WallClock::new(ClockPlan::default());
        let fault = ClockFault {
            jump_ms: -5_000,
            drift_ppm: 1_000,
        };
        clock.begin(3, Timestamp::from_millis(10_000), fault);
        assert_eq!(shown(&mut clock, 10_000), 5_000);
        assert_eq!(shown(&mut clock, 20_000), 15_010);
        assert_eq!(clock.end(Some(4)), []);
        assert_eq!(clock.end(Some(3)), [(3, 2)]);
        assert_eq!(shown(&mut clock, 20_000), 20_000);
    }
}
