//! Addresses and ports, and in which network namespace a server runs.

use super::id;
use crate::failure::Failure;
use ktrial_core::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// Ports are taken from here: below those that the system gives to clients.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Where the servers run.
#[derive(Clone, Debug, Default)]
pub struct Places(BTreeMap<NodeId, (IpAddr, Vec<String>)>);

impl Places {
    /// All on the loopback device.
    pub fn loopback() -> Self {
        Self::default()
    }

    /// Puts a server at an address of its own, its process behind a prefix such as `ip netns exec NAME`.
    pub fn put(&mut self, node: NodeId, address: IpAddr, prefix: Vec<String>) {
        self.0.insert(node, (address, prefix));
    }

    pub(super) fn prefix(&self, node: NodeId) -> Vec<String> {
        self.0
            .get(&node)
            .map_or(Vec::new(), |place| place.1.clone())
    }

    fn address(&self, node: NodeId) -> IpAddr {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.0.get(&node).map_or(loopback, |place| place.0)
    }
}

/// Two ports of each server: one for clients (of ZooKeeper too), one for the quorum of controllers.
#[derive(Clone, Debug)]
pub(super) struct Ports(BTreeMap<NodeId, (IpAddr, u16, u16)>);

impl Ports {
    pub(super) fn new(nodes: &[NodeId], places: &Places) -> Result<Self, Failure> {
        let mut ports = BTreeMap::new();
        for node in nodes {
            let address = places.address(*node);
            let pair = match places.0.contains_key(node) {
                // Alone in its namespace.
                true => (9_092, 9_093),
                false => (free(address)?, free(address)?),
            };
            ports.insert(*node, (address, pair.0, pair.1));
        }
        Ok(Self(ports))
    }

    /// Where clients reach it: `127.0.0.1:20000`.
    pub(super) fn client(&self, node: NodeId) -> String {
        let found = self.0.get(&node);
        found.map_or(String::new(), |(address, port, _)| {
            format!("{address}:{port}")
        })
    }

    /// Where other controllers and brokers reach it.
    pub(super) fn controller(&self, node: NodeId) -> String {
        let found = self.0.get(&node);
        found.map_or(String::new(), |(address, _, port)| {
            format!("{address}:{port}")
        })
    }

    /// The brokers.
    pub(super) fn bootstrap(&self) -> String {
        let brokers = self.0.keys().filter(|node| node.broker().is_some());
        let addresses: Vec<String> = brokers.map(|node| self.client(*node)).collect();
        addresses.join(",")
    }

    /// ZooKeeper.
    pub(super) fn zookeeper(&self) -> String {
        let servers = self.0.keys().filter(|node| node.broker().is_none());
        let addresses: Vec<String> = servers.map(|node| self.client(*node)).collect();
        addresses.join(",")
    }

    /// `3000@127.0.0.1:20001`, as `controller.quorum.voters` has them.
    pub(super) fn voter(&self, node: NodeId) -> String {
        format!("{}@{}", id(node), self.controller(node))
    }

    pub(super) fn address(&self, node: NodeId) -> IpAddr {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.0.get(&node).map_or(loopback, |place| place.0)
    }

    pub(super) fn port(&self, node: NodeId) -> u16 {
        self.0.get(&node).map_or(0, |place| place.1)
    }
}

/// A port that nobody listens on, not given out before by this process. Where to begin differs between
/// processes, so that two at once hardly meet; if they do, a broker ends by itself and says why.
fn free(address: IpAddr) -> Result<u16, Failure> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let length = PORTS.end - PORTS.start;
    let begin = std::process::id().wrapping_mul(97) % u32::from(length);
    let begin = PORTS.start + u16::try_from(begin).unwrap_or(0);
    for port in (begin..PORTS.end).chain(PORTS.start..begin) {
        if !given.contains(&port) && TcpListener::bind((address, port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    let (first, last) = (PORTS.start, PORTS.end - 1);
    Err(Failure::Rig(format!(
        "no port between {first} and {last} is free on {address}"
    )))
}
