//! Processes of nodes: they start, stop, freeze and go on.
//!
//! | from | to | by |
//! |---|---|---|
//! | down | running | start: a new incarnation, the machine is switched on |
//! | running | down | kill, power loss, its own exit, through [`World::process_died`] |
//! | running | frozen, and back | pause, resume: what comes in the meantime waits in the inbox |
//!
//! A broker and a controller of one number are two roles of one process (`process.roles=broker,controller`),
//! which are two nodes here. They start, die and freeze together: whoever orders it names both. When it
//! shuts down, the controller goes on until the broker is done. If one of the two ends, the other is halted.
//!
//! Simplified: each role has a disk and a network card of its own, so the broker of such a process learns of
//! the metadata log through the network, one round trip late, where Kafka's two roles share one replica of
//! it; and a disk that fails by itself fails for one role first.
//!
//! Source: `KafkaRaftServer.startup`, `shutdown`; `SharedServer`; `Exit.halt`.
//!
//! madsim's part: a kill drops the host's task, and with it the machine; madsim then tells the network
//! through `reset_node`. The pump calls madsim, never under the world's lock.
//!
//! Next: `pump.rs`.

use super::{Happening, Order, World};
use crate::clock::WallClock;
use crate::disk::Disk;
use crate::history::{Touched, What};
use crate::host::Work;
use crate::plan::StopKind;
use ktrial_core::{BrokerId, ControllerId, Incarnation, NodeId, Random};
use std::task::Waker;

/// A node: a machine with at most one process.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    /// Its task on madsim, once there is one.
    pub(crate) task: Option<madsim::task::NodeId>,
    /// The machine has power.
    pub(crate) powered: bool,
    /// The process that runs.
    pub(crate) process: Option<Incarnation>,
    /// The incarnation of the next process.
    pub(crate) next: Incarnation,
    /// The process is frozen.
    pub(crate) paused: bool,
    /// What waits for a frozen process.
    pub(crate) inbox: Vec<Happening>,
    /// Where its host is woken.
    pub(crate) waker: Option<Waker>,
    pub(crate) disk: Option<Disk>,
    pub(crate) clock: WallClock,
    /// Draws what a power loss leaves.
    pub(crate) crash: Random,
    /// Draws where bits flip.
    pub(super) rot: Random,
    /// The step that froze it.
    pub(super) paused_by: usize,
    /// The stop that madsim is about to carry out.
    pub(super) stopping: Option<StopKind>,
    /// It was told to shut down.
    pub(super) shutdown: bool,
    /// It was told to start while it shut down: it will when that is done.
    pub(super) start_again: bool,
}

/// The node that would be the other role of this one's process.
pub(crate) fn other_role(node: NodeId) -> Option<NodeId> {
    match node {
        NodeId::Broker(id) => Some(NodeId::Controller(ControllerId(id.0))),
        NodeId::Controller(id) => Some(NodeId::Broker(BrokerId(id.0))),
        NodeId::ZooKeeper(_) | NodeId::Client(_) => None,
    }
}

impl World {
    /// Begins a new process. Returns whether its task must be started on madsim.
    pub(super) fn start_process(&mut self, index: usize) -> bool {
        let node = &mut self.nodes[index];
        if node.process.is_some() {
            node.start_again = node.shutdown;
            return false;
        }
        // Not before its process has ended in its other role too.
        let other = self.other_role_of(index);
        if let Some(other) = other.filter(|other| self.nodes[*other].shutdown) {
            self.nodes[other].start_again = true;
            return false;
        }
        let node = &mut self.nodes[index];
        let was_powered = std::mem::replace(&mut node.powered, true);
        let process = node.next;
        node.next = Incarnation(process.0 + 1);
        node.process = Some(process);
        node.shutdown = false;
        let id = node.id;
        self.record(Some(id), What::ProcessStarted);
        self.schedule(self.now, index, Work::Start(process));
        if !was_powered {
            self.release_held();
        }
        process != Incarnation(0)
    }

    /// Prepares a stop. Returns whether madsim must kill the node's task for it.
    pub(super) fn prepare_stop(&mut self, index: usize, how: StopKind) -> bool {
        let last = self.is_last_to_stop(index);
        let node = &mut self.nodes[index];
        match (how, node.process) {
            // The broker goes first.
            (StopKind::Shutdown, Some(_)) if last => false,
            (StopKind::Shutdown, Some(_)) => {
                node.shutdown = true;
                self.command(index, ktrial_core::Command::Shutdown);
                false
            }
            (StopKind::Kill | StopKind::PowerLoss, Some(_)) => {
                node.stopping = Some(how);
                true
            }
            (StopKind::PowerLoss, None) => {
                if node.powered {
                    self.power_off(index);
                }
                false
            }
            (StopKind::Kill | StopKind::Shutdown, None) => false,
        }
    }

    /// madsim has killed the task of a node.
    pub(crate) fn process_died(&mut self, task: madsim::task::NodeId) {
        let index = self.nodes.iter().position(|n| n.task == Some(task));
        let Some(index) = index else { return };
        match self.nodes[index].stopping.take() {
            Some(StopKind::PowerLoss) => self.power_off(index),
            Some(how) => self.process_gone(index, Some(how), 0),
            // Cleared away: not a stop that the trial knows of.
            None => {}
        }
    }

    /// The process of a node ended by its own will.
    pub(crate) fn process_exited(&mut self, index: usize) {
        let how = self.nodes[index].shutdown.then_some(StopKind::Shutdown);
        let again = std::mem::take(&mut self.nodes[index].start_again);
        self.process_gone(index, how, 0);
        let other = self.other_role_of(index);
        let running = other.filter(|other| self.nodes[*other].process.is_some());
        match (running, how) {
            (Some(other), Some(_)) => {
                self.nodes[other].shutdown = true;
                self.nodes[other].start_again = again;
                self.command(other, ktrial_core::Command::Shutdown);
            }
            (Some(other), None) => {
                let halted = self.nodes[other].id;
                self.orders.push_back(Order::Stop(halted, StopKind::Kill));
            }
            (None, _) if again => {
                let roles = other.into_iter().chain([index]);
                let roles: Vec<_> = roles.map(|role| self.nodes[role].id).collect();
                self.orders.extend(roles.into_iter().map(Order::Start));
            }
            (None, _) => {}
        }
    }

    /// The other role of a node's process.
    fn other_role_of(&self, index: usize) -> Option<usize> {
        let other = other_role(self.nodes[index].id)?;
        self.nodes.iter().position(|node| node.id == other)
    }

    /// It is a controller whose process is also a broker, which stops first.
    fn is_last_to_stop(&self, index: usize) -> bool {
        let is_controller = matches!(self.nodes[index].id, NodeId::Controller(_));
        let other = self.other_role_of(index).filter(|_| is_controller);
        other.is_some_and(|broker| self.nodes[broker].process.is_some())
    }

    fn power_off(&mut self, index: usize) {
        self.unfreeze(index, true);
        let node = &mut self.nodes[index];
        node.powered = false;
        let lost = match &node.disk {
            Some(disk) => disk.device().power_loss(&mut node.crash),
            None => 0,
        };
        self.process_gone(index, Some(StopKind::PowerLoss), lost);
    }

    fn process_gone(&mut self, index: usize, how: Option<StopKind>, bytes_lost: u64) {
        self.unfreeze(index, false);
        let node = &mut self.nodes[index];
        // A node that never ran keeps its waker: madsim's task for its first process stands ready.
        if node.process.take().is_some() {
            node.waker = None;
        }
        node.shutdown = false;
        node.start_again = false;
        let id = node.id;
        self.record(Some(id), What::ProcessStopped { how, bytes_lost });
        self.disconnect_all(index);
    }

    /// Freezes a process. Returns whether madsim must pause its task.
    pub(super) fn pause(&mut self, index: usize, step: usize) -> bool {
        let node = &mut self.nodes[index];
        if node.process.is_none() || node.paused {
            return false;
        }
        node.paused = true;
        node.paused_by = step;
        let id = node.id;
        self.record(Some(id), What::ProcessPaused);
        true
    }

    /// Lets a frozen process go on. Returns whether madsim must resume its task.
    pub(super) fn resume(&mut self, index: usize) -> bool {
        if !self.nodes[index].paused {
            return false;
        }
        let id = self.nodes[index].id;
        self.record(Some(id), What::ProcessResumed);
        self.unfreeze(index, false);
        true
    }

    /// What waited for a frozen process happens now, or is lost with the machine's memory. Counts it
    /// as the effect of the pause.
    pub(super) fn unfreeze(&mut self, index: usize, memory_is_lost: bool) {
        let node = &mut self.nodes[index];
        if !std::mem::take(&mut node.paused) {
            return;
        }
        let step = node.paused_by;
        let waited = std::mem::take(&mut node.inbox);
        let messages = waited
            .iter()
            .filter(|happening| matches!(happening, Happening::Read(_)))
            .count();
        let messages = u64::try_from(messages).unwrap_or(u64::MAX);
        let what = What::FaultEffect {
            step,
            touched: messages,
            of: Touched::Messages,
        };
        self.record(None, what);
        for happening in waited {
            match happening {
                Happening::Read(segment) if memory_is_lost => self.unread_lost(&segment),
                happening => self.agenda.push(self.now, happening),
            }
        }
    }
}
