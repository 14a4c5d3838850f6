//! What is tried, kind by kind: large things first, for each of them makes all later trials faster.
//!
//! | file | what goes |
//! |---|---|
//! | `steps.rs` | faults, other steps; what ends a fault; steps beside the script |
//! | `records.rs` | values; sends that can be one; long values |
//! | `cluster.rs` | clients, brokers, replicas, topics, partitions |
//! | `settings.rs` | settings, rules, network, disks, clocks, recovery |
//! | `details.rs` | targets, roles, conditions |
//! | `times.rs` | times: none, short, round |
//! | `seeds.rs` | small seeds; what can go only under another seed |
//!
//! Next: `steps.rs`.

mod cluster;
mod details;
mod records;
mod seeds;
mod settings;
mod steps;
mod times;

use super::search::Search;

/// A pass with its name.
type Pass = (&'static str, fn(&mut Search<'_>));

/// One round.
const ROUND: [Pass; 19] = [
    ("messages of the record", settings::messages),
    ("faults", steps::faults),
    ("other steps", steps::others),
    ("clients", cluster::clients),
    ("records", records::values),
    ("sends", records::merge),
    ("placement", cluster::placement),
    ("brokers", cluster::brokers),
    ("topics", cluster::topics),
    ("partitions", cluster::partitions),
    ("replicas", cluster::replicas),
    ("settings", settings::settings),
    ("rules", settings::rules),
    ("network, disks, clocks", settings::world),
    ("ends of faults", steps::ends),
    ("targets", details::targets),
    ("conditions", details::conditions),
    ("times", times::times),
    ("one list of steps", steps::one_list),
];

/// When a round finds nothing: what a new seed, or new names, may make possible.
const LAST: [Pass; 4] = [
    ("other seeds", seeds::with_less),
    ("names of values", records::names),
    ("limit of the record", settings::record_limit),
    ("a small seed", seeds::small),
];

/// All passes, until none finds anything.
pub(super) fn all(search: &mut Search<'_>) {
    loop {
        let before = search.measure();
        round(search, &ROUND);
        if search.measure() == before {
            round(search, &LAST);
        }
        if search.measure() == before || search.stopped() {
            return;
        }
    }
}

fn round(search: &mut Search<'_>, passes: &[Pass]) {
    for (name, pass) in passes {
        if search.stopped() {
            return;
        }
        search.begin(name);
        pass(search);
    }
}
