//! The start of a process: its machine is built over what its disk holds.
//!
//! Next: `panic.rs`.

use super::{Host, panic, panicked};
use crate::history::What;
use crate::world::Birth;
use ktrial_core::machine::StartError;
use ktrial_core::{Incarnation, Random};
use std::sync::Arc;

impl Host {
    /// Builds the machine. No lock is held.
    fn start(&mut self, birth: Birth) -> Result<(), Box<What>> {
        if let Some(disk) = &birth.disk {
            disk.device().begin(birth.now.monotonic);
        }
        let (factory, out) = (Arc::clone(&self.factory), &mut self.out);
        match panic::caught(|| factory(birth, out)) {
            Ok(Ok(machine)) => {
                self.machine = Some(machine);
                Ok(())
            }
            Ok(Err(error)) => Err(failed(&error)),
            Err(message) => Err(panicked(message)),
        }
    }

    /// Starts the process; the world's lock is given back for the time that the machine takes.
    pub(super) fn start_process(&mut self, incarnation: Incarnation) {
        let birth = {
            let mut guard = self.shared.lock();
            let Some(world) = guard.as_mut() else { return };
            let (seed, at) = (world.seed(), world.now);
            let node = &mut world.nodes[self.node];
            let label = format!("machine {} {incarnation}", node.id);
            Birth {
                node: node.id,
                incarnation,
                now: node.clock.now(at),
                random: Random::stream(seed, &label),
                disk: node.disk.clone(),
            }
        };
        let started = self.start(birth);
        let shared = self.shared.clone();
        let mut guard = shared.lock();
        let Some(world) = guard.as_mut() else { return };
        self.conclude(world, started, None);
    }
}

fn failed(error: &StartError) -> Box<What> {
    let error = error.to_string();
    Box::new(What::StartFailed { error })
}
