//! One cluster's processes: set up, started, signalled, and gone at the end, whatever the end is.
//!
//! | file | what it is |
//! |---|---|
//! | `places.rs` | addresses and ports, and in which network namespace a server runs |
//! | `properties.rs` | the properties of brokers, controllers and ZooKeeper |
//! | `format.rs` | an empty log directory as `kafka-storage format` leaves it |
//! | `process.rs` | a process |
//!
//! In ZooKeeper mode the plan's controller stands for the ZooKeeper server; the brokers elect the
//! controller among themselves. With [`Shape::Combined`] every broker is a controller too, and the plan's
//! controller has no process of its own.
//!
//! Each server has a folder: `server.properties` (`zoo.cfg`), `server.log` (all that it printed), `data`.
//!
//! Next: `places.rs`.

mod format;
mod places;
mod process;
mod properties;

pub use places::Places;

use crate::failure::{Failure, Interrupt};
use crate::kafka::{Kafka, Mode, Target};
use ktrial_core::NodeId;
use ktrial_sim::plan::Plan;
use places::Ports;
use process::Process;
use rustix::process::Signal as Unix;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Who is a controller, in KRaft mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The plan's controllers, each a process of its own.
    Separate,
    /// Every broker.
    Combined,
}

impl Shape {
    /// By whether they are combined.
    pub fn of(combined: bool) -> Self {
        if combined {
            Self::Combined
        } else {
            Self::Separate
        }
    }
}

/// What can be told to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: stop in order.
    Terminate,
    /// SIGSTOP: freeze.
    Stop,
    /// SIGCONT: go on.
    Continue,
}

/// One cluster.
pub struct Rig {
    kafka: Arc<Kafka>,
    target: Target,
    servers: BTreeMap<NodeId, Server>,
    bootstrap: String,
    zookeeper: Option<String>,
    left_out: Vec<String>,
    kept: bool,
}

/// A machine of the cluster.
struct Server {
    /// What its process runs.
    class: &'static str,
    /// The namespace it runs in.
    prefix: Vec<String>,
    folder: PathBuf,
    process: Option<Process>,
}

impl Server {
    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

impl Rig {
    /// Sets up a cluster in `folder`, none of whose processes runs yet.
    ///
    /// # Errors
    /// A file cannot be written, the storage cannot be formatted, or the user stopped it.
    pub fn new(
        plan: &Plan,
        kafka: Arc<Kafka>,
        target: &Target,
        shape: Shape,
        (folder, places): (&Path, &Places),
        interrupt: &Interrupt,
    ) -> Result<Self, Failure> {
        let nodes = nodes(plan, target.mode, shape);
        let ports = Ports::new(&nodes, places)?;
        let written = properties::all(plan, &kafka, target, shape, (&ports, folder));
        let mut rig = Self {
            bootstrap: ports.bootstrap(),
            zookeeper: (target.mode == Mode::ZooKeeper).then(|| ports.zookeeper()),
            left_out: written.unknown,
            kafka,
            target: target.clone(),
            servers: BTreeMap::new(),
            kept: false,
        };
        for node in nodes {
            let zookeeper = target.mode == Mode::ZooKeeper && node.broker().is_none();
            let server = Server {
                class: match zookeeper {
                    true => "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                    false => "kafka.Kafka",
                },
                prefix: places.prefix(node),
                folder: folder.join(node.to_string()),
                process: None,
            };
            rig.prepare(node, server, written.files.get(&node), interrupt)?;
        }
        Ok(rig)
    }

    fn prepare(
        &mut self,
        node: NodeId,
        server: Server,
        properties: Option<&String>,
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        let data = server.data();
        if data.exists() {
            fs::remove_dir_all(&data).map_err(|error| cannot("empty", &data, &error))?;
        }
        fs::create_dir_all(&data).map_err(|error| cannot("make", &data, &error))?;
        let path = server.folder.join("server.properties");
        let properties = properties.map_or("", String::as_str);
        fs::write(&path, properties).map_err(|error| cannot("write", &path, &error))?;
        self.servers.insert(node, server);
        self.format(node, interrupt)
    }

    /// Leaves an empty log directory as a new one is.
    fn format(&self, node: NodeId, interrupt: &Interrupt) -> Result<(), Failure> {
        match (self.target.mode, self.servers.get(&node)) {
            (Mode::KRaft, Some(server)) => format::format(
                &self.kafka,
                id(node),
                &server.folder,
                &server.data(),
                interrupt,
            ),
            _ => Ok(()),
        }
    }

    /// Whether the node has a process in this cluster.
    pub fn has(&self, node: NodeId) -> bool {
        self.servers.contains_key(&node)
    }

    /// Its servers.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.servers.keys().copied()
    }

    /// Starts a node's process.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&mut self, node: NodeId) -> Result<(), Failure> {
        let kafka = Arc::clone(&self.kafka);
        let server = self.server(node)?;
        let mut command = kafka.command(&server.prefix, &[], server.class);
        command.arg(server.folder.join("server.properties"));
        let process = Process::start(command, &server.folder)
            .map_err(|failure| failure.while_doing(&format!("starting {node}")))?;
        server.process = Some(process);
        Ok(())
    }

    /// Signals a node's process.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&mut self, node: NodeId, signal: Signal) -> Result<(), Failure> {
        let signal = match signal {
            Signal::Terminate => Unix::TERM,
            Signal::Stop => Unix::STOP,
            Signal::Continue => Unix::CONT,
        };
        match &self.server(node)?.process {
            Some(process) => process.signal(signal),
            None => Err(Failure::Rig(format!("{node} does not run"))),
        }
    }

    /// Kills a node's process (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// It is not gone in time.
    pub fn kill(&mut self, node: NodeId, limit: Duration) -> Result<(), Failure> {
        let server = self.server(node)?;
        match &mut server.process {
            Some(process) => process.kill(limit)?,
            None => return Ok(()),
        }
        server.process = None;
        Ok(())
    }

    /// The processes that have ended since the last call, and how.
    pub fn ended(&mut self) -> Vec<(NodeId, String)> {
        let mut ended = Vec::new();
        for (node, server) in &mut self.servers {
            let how = server.process.as_mut().and_then(Process::ended);
            if let Some(how) = how {
                server.process = None;
                ended.push((*node, how));
            }
        }
        ended
    }

    /// Whether a node's process is there, frozen or not.
    pub fn is_running(&self, node: NodeId) -> bool {
        let server = self.servers.get(&node);
        server.is_some_and(|server| server.process.is_some())
    }

    /// Empties a node's log directory and formats it. Returns how many bytes went.
    ///
    /// # Errors
    /// Files cannot be removed.
    pub fn wipe(&mut self, node: NodeId) -> Result<u64, Failure> {
        let data = self.server(node)?.data();
        let bytes = size(&data);
        fs::remove_dir_all(&data).map_err(|error| cannot("empty", &data, &error))?;
        fs::create_dir_all(&data).map_err(|error| cannot("make", &data, &error))?;
        self.format(node, &Interrupt::default())?;
        Ok(bytes)
    }

    /// A node's log directory.
    pub fn data(&self, node: NodeId) -> Option<PathBuf> {
        self.servers.get(&node).map(Server::data)
    }

    /// The last lines that a node's process printed.
    pub fn log_tail(&self, node: NodeId) -> String {
        let path = self.servers.get(&node).map(|s| s.folder.join("server.log"));
        let text = path
            .and_then(|path| fs::read(path).ok())
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.len().saturating_sub(15);
        let lines = lines.get(last..).unwrap_or_default();
        lines.iter().map(|line| format!("  {line}\n")).collect()
    }

    /// The brokers' addresses, for clients.
    pub fn bootstrap(&self) -> String {
        self.bootstrap.clone()
    }

    /// ZooKeeper's address, in that mode.
    pub fn zookeeper(&self) -> Option<String> {
        self.zookeeper.clone()
    }

    /// Settings of the plan that the release does not document.
    pub fn unknown(&self) -> &[String] {
        &self.left_out
    }

    /// Ends all processes at once.
    pub fn end(&mut self) {
        for server in self.servers.values_mut() {
            server.process = None;
        }
    }

    /// Keeps the log directories at the end.
    pub fn keep(&mut self) {
        self.kept = true;
    }

    fn server(&mut self, node: NodeId) -> Result<&mut Server, Failure> {
        let unknown = || Failure::Rig(format!("the cluster has no {node}"));
        self.servers.get_mut(&node).ok_or_else(unknown)
    }
}

/// No process outlives the rig, frozen ones neither; log directories only if they are to be kept.
impl Drop for Rig {
    fn drop(&mut self) {
        self.end();
        if !self.kept {
            for server in self.servers.values() {
                let _ = fs::remove_dir_all(server.data());
            }
        }
    }
}

/// The nodes that have a process: controllers first, for brokers look for them.
fn nodes(plan: &Plan, mode: Mode, shape: Shape) -> Vec<NodeId> {
    let controllers = plan.controllers.iter();
    let controllers = controllers.map(|controller| NodeId::Controller(controller.id));
    let combined = mode == Mode::KRaft && shape == Shape::Combined;
    let controllers: BTreeSet<NodeId> = controllers.filter(|_| !combined).collect();
    let brokers = plan.brokers.iter().map(|broker| NodeId::Broker(broker.id));
    controllers.into_iter().chain(brokers).collect()
}

/// A node's `node.id`.
fn id(node: NodeId) -> i32 {
    match node {
        NodeId::Broker(id) => id.0,
        NodeId::Controller(id) => id.0,
        NodeId::Client(_) => -1,
    }
}

fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::Rig(format!("cannot {what} {}: {error}", path.display()))
}
