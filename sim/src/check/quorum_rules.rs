//! What the plan says of the metadata quorum, as far as checks have to know it.
//!
//! Next: `invariant/quorum/mod.rs`.

use crate::plan::Plan;
use ktrial_core::config::{Config, ControllerConfig};
use ktrial_core::{ControllerId, Rules};
use std::collections::BTreeMap;
use std::time::Duration;

/// Rules and settings of the quorum.
#[derive(Clone, Debug, Default)]
pub(super) struct QuorumRules {
    /// Who wants to be elected asks beforehand (KIP-996).
    pub(super) prevote: bool,
    fetch_timeouts: BTreeMap<ControllerId, Duration>,
}

impl QuorumRules {
    pub(super) fn new(plan: &Plan) -> Self {
        let defaults = Rules::default_settings(&plan.release).unwrap_or_default();
        let fetch_timeouts = plan.controllers.iter().map(|controller| {
            let mut config = ControllerConfig::default();
            for (key, value) in defaults.iter().copied() {
                let _ = config.set(key, value);
            }
            for (key, value) in &controller.config {
                let _ = config.set(key, value);
            }
            (controller.id, config.fetch_timeout)
        });
        Self {
            prevote: plan.rules.raft_prevote,
            fetch_timeouts: fetch_timeouts.collect(),
        }
    }

    /// A follower that cannot fetch for this long misses its leader.
    pub(super) fn fetch_timeout(&self, controller: ControllerId) -> Duration {
        self.fetch_timeouts
            .get(&controller)
            .copied()
            .unwrap_or_default()
    }
}
