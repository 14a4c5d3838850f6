//! What a plan may not say of a fault: figures that mean nothing, and faults that cannot last.
//!
//! Next: `so_far.rs`.

use crate::plan::{Action, DiskFault, Latency, LinkFault, Target};
use ktrial_core::NodeId;

/// Longest latency: an hour.
const LONGEST_US: u64 = 3_600_000_000;
/// A year: a clock that is wronger is a slip.
const YEAR_MS: u64 = 366 * 24 * 60 * 60 * 1_000;

/// Looks at an action that lasts so long.
pub(super) fn check(action: &Action, for_ms: Option<u64>) -> Result<(), String> {
    if for_ms.is_some() && !action.can_last() {
        return Err("lasts for a time, which its action cannot".to_owned());
    }
    match action {
        Action::Link { fault, .. } => link(fault)?,
        Action::Disk { nodes, fault, .. } => disk(nodes, fault, for_ms)?,
        Action::Clock { fault, .. }
            if fault.jump_ms.unsigned_abs() > YEAR_MS
                || fault.drift_ppm.unsigned_abs() > 1_000_000 =>
        {
            return Err("makes a clock wrong by more than a year".to_owned());
        }
        _ => {}
    }
    let is_link = matches!(action, Action::Link { .. });
    let rests = action.groups().into_iter();
    let rests = rests.filter(|group| group.contains(&Target::Rest)).count();
    if rests > usize::from(is_link) {
        return Err("names the `rest` of nothing: it is for one side of a link".to_owned());
    }
    Ok(())
}

fn link(fault: &LinkFault) -> Result<(), String> {
    let longest = match fault {
        LinkFault::Cut => 0,
        LinkFault::Delay(latency) => match *latency {
            Latency::Fixed { us } => us,
            Latency::Uniform { min_us, max_us } if min_us > max_us => {
                return Err("has a shortest latency that is longer than its longest".to_owned());
            }
            Latency::Uniform { max_us, .. } => max_us,
            Latency::Exponential { min_us, mean_us } => min_us.max(mean_us),
        },
        LinkFault::Lose { per_mille, .. } if !(1..=1_000).contains(per_mille) => {
            return Err(format!("loses {per_mille} of 1000: expected 1 to 1000"));
        }
        LinkFault::Throttle { bytes_per_ms: 0 } => {
            return Err("lets no byte pass: that is a cut".to_owned());
        }
        LinkFault::Lose { .. } | LinkFault::Throttle { .. } => 0,
    };
    if longest > LONGEST_US {
        return Err("has a latency of more than an hour".to_owned());
    }
    Ok(())
}

fn disk(nodes: &[Target], fault: &DiskFault, for_ms: Option<u64>) -> Result<(), String> {
    let client = |target: &Target| matches!(target.node(), Some(NodeId::Client(_)));
    if let Some(target) = nodes.iter().find(|target| client(target)) {
        return Err(format!("is about the disk of `{target}`, which has none"));
    }
    match fault {
        DiskFault::Slow { times: 0 | 1 } => Err("slows a disk by nothing".to_owned()),
        DiskFault::Stall if for_ms.is_none() => {
            Err("stalls a disk for ever: say for how long".to_owned())
        }
        DiskFault::Fail { calls } if calls.is_empty() => {
            Err("fails no kind of disk call: name at least one".to_owned())
        }
        _ => Ok(()),
    }
}
