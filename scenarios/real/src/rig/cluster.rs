//! The nodes of one cluster together.
//!
//! | mode | the plan's controllers | its brokers | its ensemble |
//! |---|---|---|---|
//! | KRaft, separate | a process each | a process each | there is none |
//! | KRaft, combined | no process | each is a controller too | there is none |
//! | ZooKeeper | no process | a process each | a process for each server |
//!
//! Rule: with ZooKeeper, a broker that is started again before its old session has run out finds itself
//! registered and exits (KRaft's brokers go on asking). Operators have it started again until it gets
//! in; so does the rig.
//!
//! That a process runs does not say that the broker is ready: the director waits for that.
//!
//! Invariants: when a rig is dropped, none of its processes is left, frozen ones included.
//!
//! Source: ours; `KafkaZkClient.registerBroker`, `ZkUtils.registerBrokerInZk` for the registration.
//! Next: `prepare.rs`.

use super::format::{self, Voter, format, new_id, pattern};
use super::hosts::hosts;
use super::node::Node;
use super::place::{Claims, Places};
use super::properties::{Layout, Role, Server, Shape, Voters, number, properties, text};
use crate::failure::{Failure, Interrupt};
use crate::kafka::{Kafka, Mode, Signal, Target, trouble};
use ktrial_core::NodeId;
use ktrial_sim::plan::Plan;
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The first release whose quorum can know its voters' folders.
const FIRST_WITH_VOTERS: &str = "3.9";
/// How many lines of a tool's complaints are told.
const COMPLAINTS: usize = 5;

/// One cluster of Kafka, as processes on this machine.
#[derive(Debug)]
pub struct Rig {
    kafka: Arc<Kafka>,
    nodes: BTreeMap<NodeId, Node>,
    /// What data folders are made after; none with ZooKeeper.
    pattern: Option<PathBuf>,
    cluster: String,
    left_out: Vec<String>,
    interrupt: Interrupt,
    _claims: Claims,
}

impl Rig {
    /// A cluster for `plan`, none of whose processes runs yet. `folder` must not have its nodes' folders
    /// from an earlier run.
    ///
    /// # Errors
    /// The mode cannot have the shape or the plan's controllers, a port is taken, the folder cannot be
    /// written, or the user stops it.
    pub fn new(
        plan: &Plan,
        kafka: Arc<Kafka>,
        target: &Target,
        shape: Shape,
        folder: &Path,
        places: &Places,
        interrupt: &Interrupt,
    ) -> Result<Self, Failure> {
        Self::of(
            &plan.into(),
            kafka,
            target,
            shape,
            folder,
            places,
            interrupt,
        )
    }

    pub(super) fn of(
        layout: &Layout,
        kafka: Arc<Kafka>,
        target: &Target,
        shape: Shape,
        folder: &Path,
        places: &Places,
        interrupt: &Interrupt,
    ) -> Result<Self, Failure> {
        let folder = make_folder(folder)?;
        let mut claims = Claims::default();
        let mut nodes = BTreeMap::new();
        for (node, role) in roles(layout, target, shape)? {
            let place = places.of(node);
            let addresses = claims.take(&place, role.addresses())?;
            nodes.insert(
                node,
                Node::new(node, role, addresses, place.prefix, &folder)?,
            );
        }
        let pattern = match target.mode {
            Mode::KRaft => Some(pattern(&kafka, interrupt, &|_| ())?),
            Mode::ZooKeeper => None,
        };
        let several = nodes
            .values()
            .filter(|node| node.role == Role::Controller)
            .count()
            > 1;
        let voters = match several && target.release.at_least(FIRST_WITH_VOTERS) {
            true => Voters::Formatted,
            false => Voters::Named,
        };
        let mut rig = Self {
            kafka,
            nodes,
            pattern,
            cluster: new_id()?,
            left_out: Vec::new(),
            interrupt: interrupt.clone(),
            _claims: claims,
        };
        rig.configure(layout, voters)?;
        for node in rig.nodes.values() {
            rig.format(node)?;
        }
        if voters == Voters::Formatted {
            rig.format_voters(&folder.join("voters"))?;
        }
        Ok(rig)
    }

    /// Writes the properties of all nodes.
    fn configure(&mut self, layout: &Layout, voters: Voters) -> Result<(), Failure> {
        let folders: Vec<PathBuf> = self.nodes.values().map(Node::data).collect();
        let servers = self
            .nodes
            .values()
            .zip(&folders)
            .map(|(node, data)| Server {
                node: node.id,
                role: node.role,
                addresses: &node.addresses,
                data,
            });
        let servers: Vec<Server<'_>> = servers.collect();
        let knows = |key: &str| self.kafka.unknown_keys([key]).is_empty();
        let (all, left_out) = properties(layout, &servers, voters, &knows);
        for (node, settings) in all {
            let path = self.node(node)?.properties();
            fs::write(&path, text(&settings)).map_err(|error| trouble("write", &path, &error))?;
        }
        self.left_out = left_out;
        if let Some(hosts) = hosts(self.kafka.release(), self.nodes.values()) {
            for path in self.nodes.values().map(Node::hosts) {
                fs::write(&path, &hosts).map_err(|error| trouble("write", &path, &error))?;
            }
        }
        Ok(())
    }

    fn format(&self, node: &Node) -> Result<(), Failure> {
        if node.role == Role::ZooKeeper {
            let path = node.data().join("myid");
            let number = number(node.id).to_string();
            return fs::write(&path, number).map_err(|error| trouble("write", &path, &error));
        }
        let Some(pattern) = &self.pattern else {
            return Ok(());
        };
        let of = (number(node.id), new_id()?);
        format(pattern, &node.data(), &self.cluster, (of.0, &of.1))
    }

    /// Formats the controllers anew, as the voters of one quorum. `place` is not there afterwards.
    fn format_voters(&self, place: &Path) -> Result<(), Failure> {
        let controllers = self
            .nodes
            .values()
            .filter(|node| node.role == Role::Controller);
        let voter = |node: &Node| {
            let address = node.addresses.first().copied();
            let address = address.ok_or_else(|| without_process(node.id))?;
            let (number, directory) = (number(node.id), new_id()?);
            Ok(Voter {
                number,
                address,
                directory,
            })
        };
        let controllers: Vec<&Node> = controllers.collect();
        let voters: Result<Vec<Voter>, Failure> = controllers.iter().copied().map(voter).collect();
        let voters = voters?;
        format::voters(&self.kafka, place, &self.cluster, &voters, &self.interrupt)?;
        for (node, voter) in controllers.iter().zip(&voters) {
            let data = node.data();
            clear(&data)?;
            format(
                place,
                &data,
                &self.cluster,
                (voter.number, &voter.directory),
            )?;
        }
        fs::remove_dir_all(place).map_err(|error| trouble("remove", place, &error))
    }

    /// The nodes that have a process.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.keys().copied()
    }

    /// Starts a node's process.
    ///
    /// # Errors
    /// It has none, it runs already, or the machine does not let it start.
    pub fn start(&mut self, node: NodeId) -> Result<(), Failure> {
        let options = self.kafka.shared_classes();
        self.start_with(node, &options)
    }

    /// Starts a node's process with these options of its JVM.
    pub(super) fn start_with(&mut self, node: NodeId, jvm: &[String]) -> Result<(), Failure> {
        let kafka = Arc::clone(&self.kafka);
        self.node_mut(node)?.start(&kafka, jvm)
    }

    /// Tells a node's process something. Whether it ran: if not, nothing happens.
    ///
    /// # Errors
    /// It has no process.
    pub fn signal(&mut self, node: NodeId, signal: Signal) -> Result<bool, Failure> {
        Ok(self.node_mut(node)?.signal(signal))
    }

    /// The nodes whose process has ended since this was last asked, and how: by a signal of the rig or
    /// by themselves. A broker that ended because ZooKeeper still had its session from before a kill is
    /// started again instead.
    pub fn ended(&mut self) -> Vec<(NodeId, String)> {
        let options = self.kafka.shared_classes();
        let mut all = Vec::new();
        for (node, it) in &mut self.nodes {
            let Some(how) = it.ended() else { continue };
            let again = it.role == Role::WithZooKeeper && it.came_too_early();
            match again.then(|| it.start(&self.kafka, &options)) {
                Some(Ok(())) => {}
                Some(Err(why)) => all.push((*node, format!("{how}, and {why}"))),
                None => all.push((*node, how)),
            }
        }
        all
    }

    /// Whether a node's process runs, or is frozen.
    pub fn is_running(&mut self, node: NodeId) -> bool {
        self.nodes.get_mut(&node).is_some_and(Node::is_running)
    }

    /// The number of a node's process, if it has one.
    pub fn process(&self, node: NodeId) -> Option<u32> {
        self.nodes.get(&node)?.process()
    }

    /// A node's disk: the folder with its logs and checkpoints.
    ///
    /// # Errors
    /// It has no process, so it has no disk.
    pub fn data(&self, node: NodeId) -> Result<PathBuf, Failure> {
        Ok(self.node(node)?.data())
    }

    /// The file with what a node has said.
    ///
    /// # Errors
    /// It has no process.
    pub fn log(&self, node: NodeId) -> Result<PathBuf, Failure> {
        Ok(self.node(node)?.log())
    }

    /// The last lines that a node has said since its last start.
    pub fn log_tail(&self, node: NodeId) -> String {
        self.nodes
            .get(&node)
            .map(Node::log_tail)
            .unwrap_or_default()
    }

    /// Gives a node a new disk, formatted.
    ///
    /// # Errors
    /// It runs, or its folder cannot be written.
    pub fn wipe(&mut self, node: NodeId) -> Result<(), Failure> {
        if self.is_running(node) {
            return Err(Failure::Rig(format!(
                "{node} runs: only the disk of one that is down is wiped"
            )));
        }
        let node = self.node(node)?;
        clear(&node.data())?;
        self.format(node)
    }

    /// Where a broker's clients, or a ZooKeeper's, reach it; of a controller, where the quorum does.
    pub fn address(&self, node: NodeId) -> Option<SocketAddr> {
        self.nodes.get(&node)?.addresses.first().copied()
    }

    /// The addresses of all brokers, as clients want them.
    pub fn bootstrap(&self) -> String {
        let brokers = self.nodes().filter(|node| node.broker().is_some());
        let addresses: Vec<String> = brokers
            .filter_map(|node| Some(self.address(node)?.to_string()))
            .collect();
        addresses.join(",")
    }

    /// Settings of the plan that this release does not know, in words.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The release.
    pub fn kafka(&self) -> &Kafka {
        &self.kafka
    }

    /// Runs a tool of the release, in the network of this program, and gives what it prints.
    ///
    /// # Errors
    /// It fails or takes longer than `limit`; or the user stops it.
    pub fn tool(&self, class: &str, args: &[String], limit: Duration) -> Result<String, Failure> {
        let done = self.kafka.run(&[], class, args, limit, &self.interrupt)?;
        if done.status.success() {
            return Ok(done.stdout);
        }
        let said = format!("{}{}", done.stdout, done.stderr);
        let lines: Vec<&str> = said
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect();
        let first = lines[..lines.len().min(COMPLAINTS)].join("\n");
        Err(Failure::Rig(format!(
            "{class} of Kafka {} fails: {first}",
            self.kafka.release()
        )))
    }

    fn node(&self, node: NodeId) -> Result<&Node, Failure> {
        self.nodes.get(&node).ok_or_else(|| without_process(node))
    }

    fn node_mut(&mut self, node: NodeId) -> Result<&mut Node, Failure> {
        self.nodes
            .get_mut(&node)
            .ok_or_else(|| without_process(node))
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        // All at once; then each is waited for as it is dropped.
        for node in self.nodes.values_mut() {
            node.signal(Signal::Kill);
        }
    }
}

/// Empties a folder.
fn clear(data: &Path) -> Result<(), Failure> {
    fs::remove_dir_all(data).map_err(|error| trouble("remove", data, &error))?;
    fs::create_dir(data).map_err(|error| trouble("make", data, &error))
}

fn without_process(node: NodeId) -> Failure {
    Failure::Rig(format!("{node} has no process in this cluster"))
}

/// Which processes a plan has, and what they are.
fn roles(layout: &Layout, target: &Target, shape: Shape) -> Result<Vec<(NodeId, Role)>, Failure> {
    let servers = layout.zookeeper.iter().flat_map(|plan| &plan.servers);
    let servers: Vec<NodeId> = servers.copied().map(NodeId::ZooKeeper).collect();
    let controllers = layout
        .controllers
        .iter()
        .map(|plan| NodeId::Controller(plan.id));
    let (keepers, broker) = match (target.mode, shape) {
        (Mode::ZooKeeper, Shape::Combined) => {
            return Err(Failure::Rig(
                "with ZooKeeper, brokers cannot be combined with controllers".to_owned(),
            ));
        }
        (Mode::ZooKeeper, _) if servers.is_empty() => {
            return Err(Failure::Rig(format!(
                "{target} needs ZooKeeper, and the plan has no server of it"
            )));
        }
        (Mode::KRaft, _) if !servers.is_empty() => {
            return Err(Failure::Rig(format!("{target} runs without ZooKeeper")));
        }
        (Mode::ZooKeeper, _) => {
            let servers = servers.into_iter().map(|node| (node, Role::ZooKeeper));
            (servers.collect(), Role::WithZooKeeper)
        }
        (Mode::KRaft, Shape::Separate) => {
            let controllers = controllers.map(|node| (node, Role::Controller));
            (controllers.collect(), Role::Broker)
        }
        (Mode::KRaft, Shape::Combined) => (Vec::new(), Role::Both),
    };
    let brokers = layout
        .brokers
        .iter()
        .map(|plan| (NodeId::Broker(plan.id), broker));
    Ok(keepers.into_iter().chain(brokers).collect())
}

/// The cluster's folder, as an absolute path that Kafka can take.
fn make_folder(folder: &Path) -> Result<PathBuf, Failure> {
    fs::create_dir_all(folder).map_err(|error| trouble("make", folder, &error))?;
    let folder = folder
        .canonicalize()
        .map_err(|error| trouble("find", folder, &error))?;
    match folder.to_str() {
        Some(text) if !text.contains(',') => Ok(folder),
        _ => Err(Failure::Rig(format!(
            "{}: Kafka cannot use a folder with a comma or undecodable letters in its path: choose another",
            folder.display()
        ))),
    }
}
