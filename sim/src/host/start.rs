//! The start of a process: its machine is built over what its disk holds. A machine that cannot, for its
//! disk fails or holds nonsense, ends its process at once, as a real one would exit: the trial goes on,
//! and the process may be started again.
//!
//! Simplified: the disk time of a start that failed does not pass.
//!
//! Next: `panic.rs`.

use super::{Host, panic, panicked};
use crate::history::What;
use crate::world::{Birth, World};
use ktrial_core::machine::StartError;
use ktrial_core::{Effect, Incarnation, Random};
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
        match started {
            Err(what) if matches!(*what, What::StartFailed { .. }) => self.give_up(world, *what),
            started => self.conclude(world, started, None),
        }
    }

    /// The process ends before it began: what it observed so far, and why.
    fn give_up(&mut self, world: &mut World, why: What) {
        let id = world.nodes[self.node].id;
        for effect in self.out.drain() {
            if let Effect::Observe(event) = effect {
                world.record(Some(id), What::Event(event));
            }
        }
        world.record(Some(id), why);
        self.exited = true;
        world.process_exited(self.node);
    }
}

fn failed(error: &StartError) -> Box<What> {
    let error = error.to_string();
    Box::new(What::StartFailed { error })
}
