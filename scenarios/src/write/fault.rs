//! What is wrong with links, disks and clocks.

use super::toml::{self, Inline};
use super::words::Words;
use crate::duration::{show_micros, show_millis};
use ktrial_core::message::Api;
use ktrial_sim::plan::{Action, ClockFault, DiskCall, DiskFault, Latency, LinkFault, Target};

/// A fault of links: its key, and its table.
pub(super) fn link(action: &Action, words: &Words<'_>, table: &mut Inline) -> &'static str {
    let Action::Link {
        from,
        to,
        one_way,
        api,
        fault,
    } = action
    else {
        return "cut";
    };
    let rest = [Target::Rest];
    let alone = |group: &[Target]| !group.contains(&Target::Rest);
    let isolates = *fault == LinkFault::Cut;
    let key = if isolates && *to == rest && alone(from) {
        words.group(from, table);
        if *one_way {
            table.text("one_way", "out");
        }
        "isolate"
    } else if isolates && *one_way && *from == rest && alone(to) {
        words.group(to, table);
        table.text("one_way", "in");
        "isolate"
    } else {
        table.put("from", words.targets(from));
        table.put("to", words.targets(to));
        let key = link_fault(fault, table);
        if *one_way != (key == "delay") {
            table.put("one_way", one_way);
        }
        key
    };
    if !api.is_empty() {
        let names: Vec<String> = api.iter().map(Api::to_string).collect();
        table.put("apis", toml::texts(&names));
    }
    key
}

fn link_fault(fault: &LinkFault, table: &mut Inline) -> &'static str {
    match fault {
        LinkFault::Cut => "cut",
        LinkFault::Delay(latency) => {
            match latency {
                Latency::Fixed { us } => table.text("by", &show_micros(*us)),
                Latency::Uniform { min_us, max_us } => {
                    table.put("by", range(*min_us, "max", *max_us))
                }
                Latency::Exponential { min_us, mean_us } => {
                    table.put("by", range(*min_us, "mean", *mean_us))
                }
            };
            "delay"
        }
        LinkFault::Lose { per_mille, reset } => {
            if per_mille.is_multiple_of(10) {
                table.put("percent", per_mille / 10);
            } else {
                table.put("per_mille", per_mille);
            }
            if *reset {
                table.put("reset", true);
            }
            "lose"
        }
        LinkFault::Throttle { bytes_per_ms } => {
            table.put("bytes_per_ms", bytes_per_ms);
            "throttle"
        }
    }
}

fn range(min_us: u64, key: &str, us: u64) -> String {
    let mut table = Inline::default();
    table.text("min", &show_micros(min_us));
    table.text(key, &show_micros(us)).done()
}

/// What is wrong with a disk.
pub(super) fn disk(fault: &DiskFault, table: &mut Inline) {
    match fault {
        DiskFault::Slow { times } => table.put("slow", times),
        DiskFault::Stall => table.put("stall", true),
        DiskFault::Fail { calls } => {
            let name = |call: &DiskCall| match call {
                DiskCall::Read => "read",
                DiskCall::Write => "write",
                DiskCall::Flush => "flush",
            };
            let names: Vec<&str> = calls.iter().map(name).collect();
            table.put("fail", toml::texts(&names))
        }
        DiskFault::Full => table.put("full", true),
        DiskFault::LyingFlush => table.put("lying_flush", true),
        DiskFault::TornWrite => table.put("torn_write", true),
        DiskFault::BitRot {
            file: None,
            position: None,
        } => table.put("bit_rot", true),
        DiskFault::BitRot { file, position } => {
            let mut rot = Inline::default();
            if let Some(file) = file {
                rot.text("file", file);
            }
            if let Some(position) = position {
                rot.put("position", position);
            }
            table.put("bit_rot", rot.done())
        }
        DiskFault::Wipe => table.put("wipe", true),
    };
}

/// What is wrong with a clock.
pub(super) fn clock(fault: ClockFault, table: &mut Inline) {
    if fault.jump_ms != 0 || fault.drift_ppm == 0 {
        let sign = if fault.jump_ms < 0 { "-" } else { "" };
        let time = show_millis(fault.jump_ms.unsigned_abs());
        table.text("jump", &format!("{sign}{time}"));
    }
    if fault.drift_ppm != 0 {
        table.put("drift_ppm", fault.drift_ppm);
    }
}
