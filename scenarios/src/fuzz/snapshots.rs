//! Small snapshots of the metadata log, now and then: so that trials of some minutes make some, cut the
//! log, and have replicas that start from one.
//!
//! Next: `cluster.rs`.

use super::dice::Dice;
use ktrial_core::config::Settings;
use ktrial_sim::plan::Plan;

/// Draws whether and how large, if there are several controllers.
pub(super) fn draw(dice: &mut Dice, plan: &mut Plan) {
    if plan.controllers.len() < 2 || !dice.percent(50) {
        return;
    }
    let settings = [
        (
            "metadata.log.max.record.bytes.between.snapshots",
            dice.pick(&["500", "3000"]),
        ),
        ("metadata.max.retention.bytes", dice.pick(&["1", "20000"])),
        ("metadata.log.segment.bytes", dice.pick(&["1024", "8192"])),
    ];
    let put = |config: &mut Settings| {
        for (key, value) in settings {
            config.insert(key.to_owned(), value.to_owned());
        }
    };
    plan.controllers
        .iter_mut()
        .for_each(|one| put(&mut one.config));
    plan.brokers.iter_mut().for_each(|one| put(&mut one.config));
}
