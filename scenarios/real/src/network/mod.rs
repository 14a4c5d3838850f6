//! A network of one's own for one real cluster on one machine, whose links can be cut, slow and lossy.
//!
//! | file | what it is |
//! |---|---|
//! | `namespace.rs` | a host: a network namespace with a device; what killed processes left |
//! | `packet.rs` | IPv4 packets, and those that reset a connection |
//! | `rule.rs` | faults of links |
//! | `wire.rs` | the queue of a way with little bandwidth |
//! | `switch.rs` | which packet goes where and when |
//! | `pump.rs` | the thread between the devices and the switch |
//!
//! Every node, clients too, is a host: a namespace with a TUN device. This process holds the other ends and
//! passes packets on. So every fault that packets allow needs nothing of the kernel but TUN and namespaces:
//! no netem, no firewall, no bridge. The operator has a host of its own, which no fault concerns.
//!
//! Rules:
//! - A server is started with [`Network::prefix`], or inside [`Network::inside`].
//! - A client is made inside [`Network::inside`]: the threads that librdkafka starts then are in the client's
//!   namespace, and so are their sockets, whichever thread uses the client later.
//! - The machine's own namespace is not touched: no address, no route. So all networks use the same
//!   addresses, and a node has the same one in each run.
//!
//! Invariants: no namespace outlives its [`Network`], nor, but for a killed one, its process.
//!
//! Simplified:
//! - A packet may hold some 9 kB, as in many data centres. Loss strikes packets, so a message of a megabyte
//!   is struck more often than in the simulation, where it is one segment.
//! - A cut takes acknowledgements too: a connection cut in one direction soon stops in the other one, when
//!   TCP's window is full. The simulation lets it go on.
//! - Faults of one API of Kafka cannot be seen in packets; whoever plans the run refuses them.
//! - The plan's usual latencies and bandwidth are not imposed: nothing wrong means as fast as the machine.
//!
//! Next: `namespace.rs`.

mod namespace;
mod packet;
mod pump;
mod rule;
mod switch;
#[cfg(test)]
mod tests;
mod wire;

use crate::failure::Failure;
use ktrial_core::NodeId;
use ktrial_sim::plan::LinkFault;
use namespace::Namespace;
use pump::Pump;
use rule::Rule;
use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use switch::Switch;

/// Bytes that fit in a packet. Larger ones are faster (64 kB: 1.7 GB/s instead of 650 MB/s, 1.5 kB: 200
/// MB/s), but make losses and throttles coarse.
const MTU: u16 = 9_000;
/// The name of the operator's host.
const OPERATOR: &str = "operator";
/// Hosts that have an address.
const MOST: usize = 50_000;

/// A network, at work until it is dropped.
#[derive(Debug)]
pub struct Network {
    /// Nodes by host. The operator is the host behind the last.
    nodes: Vec<NodeId>,
    // Dropped in this order: the switch lets go of the devices before the namespaces go.
    pump: Pump,
    hosts: Vec<Namespace>,
}

/// Whether this machine lets us make networks: tries it.
///
/// # Errors
/// Why not, and what to do.
pub fn available() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("a network of one's own needs root".to_owned());
    }
    if !fs::exists("/dev/net/tun").unwrap_or(false) {
        return Err("there is no /dev/net/tun: load the kernel's module `tun`".to_owned());
    }
    Network::new(&[], 0)
        .map(drop)
        .map_err(|why| why.to_string())
}

impl Network {
    /// Makes a network with nothing wrong, between these nodes and the operator, and removes what killed
    /// processes left. What faults draw at random comes from the seed; which packets they meet does not.
    ///
    /// # Errors
    /// If the machine does not allow it; nothing is left behind then.
    pub fn new(nodes: &[NodeId], seed: u64) -> Result<Self, Failure> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        namespace::sweep();
        let nodes: Vec<NodeId> = nodes
            .iter()
            .copied()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        if nodes.len() >= MOST {
            return Err(Failure::Rig(format!("a network has at most {MOST} nodes")));
        }
        let network = COUNT.fetch_add(1, Ordering::Relaxed);
        let names = nodes
            .iter()
            .map(NodeId::to_string)
            .chain([OPERATOR.to_owned()]);
        let (mut hosts, mut devices, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for (number, name) in names.enumerate() {
            let host = Namespace::new(network, &name)?;
            devices.push(host.device(nth_address(number))?);
            known.push((name, nth_address(number)));
            hosts.push(host);
        }
        let pump = Pump::start(Switch::new(seed, known), devices)?;
        Ok(Self { nodes, pump, hosts })
    }

    /// Under which address the others reach a node.
    ///
    /// # Errors
    /// If the network does not have it.
    pub fn address(&self, node: NodeId) -> Result<IpAddr, Failure> {
        Ok(IpAddr::V4(nth_address(self.host(Some(node))?)))
    }

    /// What to put before a command so that it runs on a node. It becomes the command: same process.
    ///
    /// # Errors
    /// If the network does not have the node.
    pub fn prefix(&self, node: NodeId) -> Result<Vec<String>, Failure> {
        let name = self.hosts[self.host(Some(node))?].name();
        Ok(["ip", "netns", "exec", name].map(str::to_owned).to_vec())
    }

    /// As [`Network::prefix`], for the operator's host.
    pub fn operator_prefix(&self) -> Vec<String> {
        let name = self.hosts.last().map_or("", Namespace::name);
        ["ip", "netns", "exec", name].map(str::to_owned).to_vec()
    }

    /// Does something on a node (`None` = the operator's host), in a thread of its own, and waits for it.
    /// Threads and processes that it starts, and sockets that it opens, stay there.
    ///
    /// # Errors
    /// If the network does not have the node, or its host cannot be entered.
    pub fn inside<T: Send>(
        &self,
        node: Option<NodeId>,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, Failure> {
        self.hosts[self.host(node)?].inside(work)
    }

    /// Begins a fault of the links from one group of nodes to another, and back unless `one_way`. Nodes
    /// that the network does not have are passed over.
    pub fn begin(
        &self,
        step: usize,
        (from, to): (&[NodeId], &[NodeId]),
        one_way: bool,
        fault: &LinkFault,
    ) {
        let members = |group: &[NodeId]| {
            let nodes = self.nodes.iter().map(|node| group.contains(node));
            nodes.chain([false]).collect()
        };
        let rule = Rule {
            step,
            from: members(from),
            to: members(to),
            both_ways: !one_way,
            fault: fault.clone(),
            touched: 0,
        };
        self.pump.with(|switch, _| switch.begin(rule));
    }

    /// Ends the faults of a step; what a cut held goes on. Returns what each of them touched: packets held
    /// back, slowed or lost.
    pub fn end(&self, step: usize) -> Vec<u64> {
        let ended = self.pump.with(|switch, now| switch.end(now, Some(step)));
        ended.into_iter().map(|(_, touched)| touched).collect()
    }

    /// Ends all faults: their steps, each with what it touched.
    pub fn heal(&self) -> Vec<(usize, u64)> {
        self.pump.with(|switch, now| switch.end(now, None))
    }

    /// How many packets the faults of a step have held back, slowed or lost, also those that have ended.
    pub fn touched(&self, step: usize) -> u64 {
        self.pump.with(|switch, _| switch.touched(step))
    }

    fn host(&self, node: Option<NodeId>) -> Result<usize, Failure> {
        let Some(node) = node else {
            return Ok(self.nodes.len());
        };
        let host = self.nodes.iter().position(|other| *other == node);
        host.ok_or_else(|| Failure::Rig(format!("the network has no {node}")))
    }
}

/// The address of a host, by number.
fn nth_address(host: usize) -> Ipv4Addr {
    let [high, low] =
        [host / 250, host % 250 + 1].map(|byte| u8::try_from(byte).unwrap_or(u8::MAX));
    Ipv4Addr::new(10, 77, high, low)
}
