//! The pump: the task that lets the director act and carries out its orders.
//!
//! It stands on a node of its own, so that no kill ever reaches it. While it works nobody else holds the
//! baton, so a host is never stopped in the middle of an input.
//!
//! Next: `../network/mod.rs`.

use super::wake::keep;
use super::{Happening, Holder, Order, Outcome, Shared, World};
use ktrial_core::{NodeId, Timestamp};
use madsim::runtime::Handle;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The pump's task; ready when the world has ended.
pub(super) struct Pump {
    shared: Shared,
    madsim: Handle,
}

/// What madsim has to do to a node's task.
enum Lifecycle {
    Kill,
    Restart,
    Pause,
    Resume,
}

impl Pump {
    pub(super) fn new(shared: Shared) -> Self {
        Self {
            shared,
            madsim: Handle::current(),
        }
    }

    /// Carries out what madsim has to, without the world's lock: a kill comes back to the network.
    fn drive(&self, (task, what): (madsim::task::NodeId, Lifecycle)) {
        match what {
            Lifecycle::Kill => self.madsim.kill(task),
            Lifecycle::Restart => {
                self.madsim.kill(task);
                self.madsim.restart(task);
            }
            Lifecycle::Pause => self.madsim.pause(task),
            Lifecycle::Resume => self.madsim.resume(task),
        }
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut guard = self.shared.lock();
            let Some(world) = guard.as_mut() else {
                return Poll::Ready(());
            };
            keep(&mut world.pump, context.waker());
            if world.holder != Holder::Pump {
                return Poll::Pending;
            }
            if !world.clock.has_come(world.now, context.waker()) {
                return Poll::Pending;
            }
            if world.outcome.is_some() {
                return Poll::Ready(());
            }
            match world.next_order() {
                Some(order) => {
                    let lifecycle = world.obey(order);
                    drop(guard);
                    if let Some(lifecycle) = lifecycle {
                        self.drive(lifecycle);
                    }
                }
                None => world.pass(context.waker()),
            }
        }
    }
}

impl World {
    /// The next thing to do for the director; `None` when it wants nothing now.
    fn next_order(&mut self) -> Option<Order> {
        if self.orders.is_empty() && (self.director_woken || self.director.is_due()) {
            self.director_woken = false;
            self.at_this_instant += 1;
            self.check_for_loop();
            let mut orders = Vec::new();
            self.director.act(self.now, &mut orders);
            self.orders.extend(orders);
        }
        self.orders.pop_front()
    }

    /// Carries out an order, as far as the world can.
    fn obey(&mut self, order: Order) -> Option<(madsim::task::NodeId, Lifecycle)> {
        match order {
            Order::Record(what) => self.record(None, what),
            Order::Start(node) => {
                return self.on_node(node, Lifecycle::Restart, Self::start_process);
            }
            Order::Stop(node, how) => {
                return self.on_node(node, Lifecycle::Kill, |w, n| w.prepare_stop(n, how));
            }
            Order::Pause(step, node) => {
                return self.on_node(node, Lifecycle::Pause, |w, n| w.pause(n, step));
            }
            Order::Resume(node) => return self.on_node(node, Lifecycle::Resume, Self::resume),
            Order::Link {
                step,
                from,
                to,
                one_way,
                api,
                fault,
            } => self.add_rule(step, (&from, &to), !one_way, (fault, api)),
            Order::Disk {
                step,
                nodes,
                directory,
                fault,
                until,
            } => self.begin_disk_fault(step, &nodes, directory.as_deref(), (&fault, until)),
            Order::Clock { step, nodes, fault } => self.begin_clock_fault(step, &nodes, fault),
            Order::EndFault(step) => {
                self.end_link_faults(Some(step));
                self.end_disk_faults(Some(step));
                self.end_clock_faults(Some(step));
            }
            Order::Heal => self.end_link_faults(None),
            Order::Recover => {
                self.end_link_faults(None);
                self.end_disk_faults(None);
                self.end_clock_faults(None);
            }
            Order::Command(node, command) => {
                if let Some(node) = self.index(node) {
                    self.command(node, command);
                }
            }
            Order::WakeAt(at) => self.wake_director(at),
            Order::End(reason) => self.end(Outcome::Ended(reason)),
        }
        None
    }

    fn wake_director(&mut self, at: Timestamp) {
        self.agenda.push(at.max(self.now), Happening::Director);
    }

    /// Does something to a node, and says what madsim has to do to its task then.
    fn on_node(
        &mut self,
        node: NodeId,
        lifecycle: Lifecycle,
        act: impl FnOnce(&mut Self, usize) -> bool,
    ) -> Option<(madsim::task::NodeId, Lifecycle)> {
        let index = self.index(node)?;
        let needed = act(self, index);
        let task = self.nodes[index].task?;
        needed.then_some((task, lifecycle))
    }
}
