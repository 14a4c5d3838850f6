//! What each order is done with.
//!
//! | order | done with |
//! |---|---|
//! | start, kill, stop, pause, resume | a process, SIGKILL, SIGTERM, SIGSTOP, SIGCONT |
//! | a fault of links | the network's own switch |
//! | a wipe | the log directory is emptied and formatted |
//! | a command to a client | librdkafka |
//!
//! What a real machine cannot do has been refused before the run began (`ktrial::real`).
//!
//! Next: `../rig/mod.rs`.

use super::World;
use crate::failure::Failure;
use crate::kafka::Signal;
use ktrial_core::{NodeId, Timestamp};
use ktrial_sim::history::{Touched, What};
use ktrial_sim::plan::{DiskFault, StopKind};
use ktrial_sim::world::Order;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// How long a killed process may take to be gone.
const DEATH: Duration = Duration::from_secs(10);

impl World<'_> {
    pub(super) fn obey(&mut self, order: Order) -> Result<(), Failure> {
        match order {
            Order::Record(what) => self.enter(None, what),
            Order::Start(node) => self.start(node)?,
            Order::Stop(node, how) => self.stop(node, how)?,
            Order::Pause(step, node) => {
                if self.runs(node) && self.rig.signal(node, Signal::Stop)? {
                    self.enter(Some(node), What::ProcessPaused);
                    self.touched(step, 1, Touched::Processes);
                }
            }
            Order::Resume(node) => {
                if self.runs(node) && self.rig.signal(node, Signal::Continue)? {
                    self.enter(Some(node), What::ProcessResumed);
                }
            }
            Order::Link {
                step,
                from,
                to,
                one_way,
                api: _,
                fault,
            } => match &self.network {
                Some(network) => network.begin(step, (&from, &to), one_way, &fault),
                None => return Err(cannot("a fault of links without a network of its own")),
            },
            Order::Disk {
                step, nodes, fault, ..
            } => self.disk(step, &nodes, &fault)?,
            Order::Clock { .. } => return Err(cannot("a fault of clocks")),
            Order::EndFault(step) => self.end_link_faults(Some(step)),
            Order::Heal | Order::Recover => self.end_link_faults(None),
            Order::Command(node, command) => {
                for event in self.clients.command(node, command) {
                    self.enter(Some(node), What::Event(event));
                }
            }
            Order::WakeAt(at) => self.wake = self.wake.min(at.max(Timestamp::ZERO)),
            Order::End(reason) => {
                self.enter(None, What::Ended { reason });
                self.over = true;
            }
        }
        Ok(())
    }

    fn start(&mut self, node: NodeId) -> Result<(), Failure> {
        if matches!(node, NodeId::Client(_)) {
            if self.start_client(node)? {
                self.enter(Some(node), What::ProcessStarted);
            }
            return Ok(());
        }
        if let Some(again) = self.stopping.get_mut(&node) {
            *again = true;
        } else if self.has(node) && !self.runs(node) {
            self.rig.start(node)?;
            self.enter(Some(node), What::ProcessStarted);
        }
        Ok(())
    }

    /// A client starts on its own host: the threads of its library stay there.
    fn start_client(&mut self, node: NodeId) -> Result<bool, Failure> {
        match &self.network {
            Some(network) => {
                let operator = self.clients.is_operator(node);
                let clients = &mut self.clients;
                network.inside((!operator).then_some(node), || clients.start(node))?
            }
            None => self.clients.start(node),
        }
    }

    fn stop(&mut self, node: NodeId, how: StopKind) -> Result<(), Failure> {
        let stopped = What::ProcessStopped {
            how: Some(how),
            bytes_lost: 0,
        };
        if matches!(node, NodeId::Client(_)) {
            if self.clients.stop(node) {
                self.enter(Some(node), stopped);
            }
            return Ok(());
        }
        if !self.runs(node) {
            return Ok(());
        }
        match how {
            StopKind::Kill => {
                self.kill(node)?;
                self.stopping.remove(&node);
                self.enter(Some(node), stopped);
            }
            StopKind::Shutdown => {
                self.rig.signal(node, Signal::Terminate)?;
                self.stopping.insert(node, false);
            }
            StopKind::PowerLoss => return Err(cannot("a power loss")),
        }
        Ok(())
    }

    /// Kills a process and waits until it is gone. Others may end meanwhile.
    fn kill(&mut self, node: NodeId) -> Result<(), Failure> {
        self.rig.signal(node, Signal::Kill)?;
        let interrupt = self.interrupt.clone();
        let gone = interrupt.wait(DEATH, || {
            self.ended.extend(self.rig.ended());
            let place = self.ended.iter().position(|(ended, _)| *ended == node);
            Ok(place.map(|place| self.ended.remove(place)))
        })?;
        let still = || Failure::Rig(format!("{node} was killed and does not go"));
        gone.map(drop).ok_or_else(still)
    }

    /// Ends a process, whatever the record says of it.
    pub(super) fn stop_now(&mut self, node: NodeId) -> Result<(), Failure> {
        if self.runs(node) {
            self.kill(node)?;
        }
        Ok(())
    }

    fn has(&self, node: NodeId) -> bool {
        self.rig.nodes().any(|other| other == node)
    }

    fn runs(&mut self, node: NodeId) -> bool {
        self.has(node) && self.rig.is_running(node)
    }

    /// A process ended that was not killed.
    pub(super) fn process_ended(&mut self, node: NodeId, how: &str) -> Result<(), Failure> {
        let Some(again) = self.stopping.remove(&node) else {
            return Err(Failure::Rig(format!(
                "{node} ended by itself ({how}); the end of its log:\n{}",
                self.rig.log_tail(node)
            )));
        };
        let stopped = |how| What::ProcessStopped { how, bytes_lost: 0 };
        self.enter(Some(node), stopped(Some(StopKind::Shutdown)));
        if self.view.is_up(node) {
            // It has not closed its logs as a broker does: gone all the same.
            self.enter(Some(node), stopped(None));
        }
        self.direct()?;
        if again { self.start(node) } else { Ok(()) }
    }

    fn disk(&mut self, step: usize, nodes: &[NodeId], fault: &DiskFault) -> Result<(), Failure> {
        if *fault != DiskFault::Wipe {
            return Err(cannot("a fault of disks other than a wipe"));
        }
        let mut bytes = 0;
        for node in nodes.iter().copied() {
            if self.has(node) && !self.runs(node) {
                bytes += size(&self.rig.data(node)?);
                self.rig.wipe(node)?;
            }
        }
        self.touched(step, bytes, Touched::Bytes);
        Ok(())
    }

    /// Ends the link faults of a step, or all.
    pub(super) fn end_link_faults(&mut self, step: Option<usize>) {
        let touched = match (&self.network, step) {
            (None, _) => Vec::new(),
            (Some(network), None) => network.heal(),
            (Some(network), Some(step)) => {
                let each = network.end(step).into_iter();
                each.map(|touched| (step, touched)).collect()
            }
        };
        for (step, touched) in touched {
            self.touched(step, touched, Touched::Messages);
        }
    }

    fn touched(&mut self, step: usize, touched: u64, of: Touched) {
        self.enter(None, What::FaultEffect { step, touched, of });
    }
}

/// Bytes below a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn cannot(what: &str) -> Failure {
    Failure::Rig(format!("{what} cannot be had on a real cluster"))
}
