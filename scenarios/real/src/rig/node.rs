//! One node: its folder, its process, its log.
//!
//! | in its folder | what it is |
//! |---|---|
//! | `data/` | its disk: logs and checkpoints |
//! | `server.properties` | its settings |
//! | `hosts` | names for a JVM that needs them, see `hosts.rs` |
//! | `server.log` | what it has said, over all its starts |
//! | `tmp/` | the JVM's temporary files |
//!
//! Next: `cluster.rs`.

use super::properties::Role;
use crate::failure::Failure;
use crate::kafka::{Kafka, Process, Signal, told, trouble};
use ktrial_core::NodeId;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// How much of the end of a log is looked at, in bytes.
const TAIL: u64 = 64 * 1024;
/// How many of its lines are told.
const LINES: usize = 20;
/// What a broker says when its registration from before is still in ZooKeeper.
const TOO_EARLY: [&str; 2] = ["NodeExists", "A broker is already registered on the path"];
/// Stands in the log before what a start says.
const START: &str = "---- start ";

#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) role: Role,
    /// Where it listens.
    pub(super) addresses: Vec<SocketAddr>,
    /// The command that runs its process in its network.
    pub(super) prefix: Vec<String>,
    pub(super) folder: PathBuf,
    process: Option<Process>,
    starts: u32,
    /// It was told to end since its last start.
    told_to_end: bool,
}

impl Node {
    /// A node that does not run yet; its folder is made.
    pub(super) fn new(
        id: NodeId,
        role: Role,
        addresses: Vec<SocketAddr>,
        prefix: Vec<String>,
        cluster: &Path,
    ) -> Result<Self, Failure> {
        let folder = cluster.join(id.to_string());
        fs::create_dir(&folder).map_err(|error| trouble("make", &folder, &error))?;
        for inside in ["data", "tmp"] {
            let inside = folder.join(inside);
            fs::create_dir(&inside).map_err(|error| trouble("make", &inside, &error))?;
        }
        Ok(Self {
            id,
            role,
            addresses,
            prefix,
            folder,
            process: None,
            starts: 0,
            told_to_end: false,
        })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(super) fn properties(&self) -> PathBuf {
        self.folder.join("server.properties")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    pub(super) fn hosts(&self) -> PathBuf {
        self.folder.join("hosts")
    }

    /// Starts its process.
    pub(super) fn start(&mut self, kafka: &Kafka, jvm: &[String]) -> Result<(), Failure> {
        if self.is_running() {
            return Err(Failure::Rig(format!("{} runs already", self.id)));
        }
        self.starts += 1;
        let path = self.log();
        let open = File::options().create(true).append(true).open(&path);
        let mut log = open.map_err(|error| trouble("write", &path, &error))?;
        let head = writeln!(log, "{START}{}", self.starts);
        head.map_err(|error| trouble("write", &path, &error))?;
        let class = match self.role {
            Role::ZooKeeper => "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            _ => "kafka.Kafka",
        };
        let mut options = jvm.to_vec();
        options.push(format!(
            "-Djava.io.tmpdir={}",
            self.folder.join("tmp").display()
        ));
        if self.addresses.iter().all(SocketAddr::is_ipv4) {
            options.push("-Djava.net.preferIPv4Stack=true".to_owned());
        }
        if self.role == Role::ZooKeeper {
            // ZooKeeper before 3.5 would show log4j's settings there, and need log4j for it.
            options.push("-Dzookeeper.jmx.log4j.disable=true".to_owned());
        }
        if self.hosts().exists() {
            options.push(format!("-Djdk.net.hosts.file={}", self.hosts().display()));
        }
        let args = [self.properties().display().to_string()];
        let mut command = kafka.command(&self.prefix, &options, class, &args);
        let too = log
            .try_clone()
            .map_err(|error| trouble("write", &path, &error))?;
        command.current_dir(&self.folder).stdout(log).stderr(too);
        let program = command.get_program().to_string_lossy().into_owned();
        let process = Process::start(command).map_err(|error| {
            Failure::Rig(format!(
                "cannot start {} with `{program}`: {error}",
                self.id
            ))
        })?;
        self.process = Some(process);
        self.told_to_end = false;
        Ok(())
    }

    /// The number of its process, if it has one.
    pub(super) fn process(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Whether its process has not ended yet. A frozen one has not.
    pub(super) fn is_running(&mut self) -> bool {
        self.process
            .as_mut()
            .is_some_and(|process| process.ended().is_none())
    }

    /// Tells its process something; whether there is one.
    pub(super) fn signal(&mut self, signal: Signal) -> bool {
        let running = self.is_running();
        self.told_to_end |= matches!(signal, Signal::Kill | Signal::Terminate);
        if let Some(process) = &self.process {
            process.signal(signal);
        }
        running
    }

    /// How its process ended: told once.
    pub(super) fn ended(&mut self) -> Option<String> {
        let status = self.process.as_mut()?.ended()?;
        self.process = None;
        Some(told(status))
    }

    /// Whether it ended by itself because ZooKeeper still had the session of the process before it. Who
    /// looks after a real broker starts it again then.
    pub(super) fn came_too_early(&self) -> bool {
        let said = self.said();
        !self.told_to_end && TOO_EARLY.iter().any(|text| said.contains(text))
    }

    /// The last lines that it has said since its last start.
    pub(super) fn log_tail(&self) -> String {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// The end of what it has said since its last start.
    fn said(&self) -> String {
        let read = || {
            let mut file = File::open(self.log())?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
            let mut bytes = Vec::new();
            file.take(TAIL).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().unwrap_or_else(|error: std::io::Error| error.to_string().into_bytes());
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        let start = lines.iter().rposition(|line| line.starts_with(START));
        lines[start.map_or(0, |start| start + 1)..].join("\n")
    }
}
