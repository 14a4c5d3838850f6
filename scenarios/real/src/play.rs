//! Plays one plan on one release: the cluster is set up, the world runs, the record is judged.
//!
//! Next: `world/mod.rs`.

use crate::client::{self, Clients, Tools};
use crate::failure::{Failure, Interrupt};
use crate::kafka::{Kafka, Mode, Target};
use crate::network::{self, Network};
use crate::rig::{Place, Places, Rig, Shape};
use crate::watch::{MetadataSource, Sources, Watch};
use crate::world::{Parts, World};
use ktrial::real::{Obstacle, obstacles};
use ktrial_core::NodeId;
use ktrial_reports::Cell;
use ktrial_sim::history::{RealCluster, Record, codec};
use ktrial_sim::plan::Plan;
use ktrial_sim::{check, trial};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a tool of the release may take.
const TOOL: Duration = Duration::from_secs(60);

/// Where and on what a plan is played.
pub struct Stand<'a> {
    /// The release's jars.
    pub kafka: &'a Arc<Kafka>,
    /// The release and its mode.
    pub target: &'a Target,
    /// Who is a controller.
    pub shape: Shape,
    /// The cluster's folder: properties, logs, data.
    pub folder: &'a Path,
    /// Keep the brokers' data after the end.
    pub keep: bool,
    /// So long the cluster may take to come up.
    pub patience: Duration,
    /// Set by Ctrl-C.
    pub interrupt: &'a Interrupt,
    /// Shows what is going on.
    pub tell: &'a dyn Fn(&str),
}

/// Why a plan cannot be played here, naming the step; `None` = it can.
pub fn unsupported(plan: &Plan, target: &Target) -> Option<String> {
    if plan.zookeeper.is_some() && target.mode == Mode::KRaft {
        return Some(format!("it is about ZooKeeper, and {target} has none"));
    }
    if let Err(why) = trial::check(plan) {
        return Some(why.to_string());
    }
    let found = obstacles(plan);
    let hard = found.iter().find(|obstacle| !obstacle.needs_network());
    if let Some(obstacle) = hard {
        return Some(obstacle.to_string());
    }
    let network = found.iter().find(|obstacle| obstacle.needs_network())?;
    let missing = network::available().err()?;
    Some(format!("{network}: {missing}"))
}

/// A plan that was played.
pub struct Played {
    /// What came of it.
    pub cell: Cell,
    /// Settings of the plan that the release or librdkafka does not have, in words.
    pub left_out: Vec<String>,
}

/// Plays the plan and judges its record.
///
/// # Errors
/// The rig failed, or the user stopped it.
pub fn play(plan: &Plan, stand: &Stand<'_>) -> Result<Played, Failure> {
    let staged = trial::stage(plan).map_err(|error| Failure::Rig(error.to_string()))?;
    (stand.tell)("setting up");
    let network = if obstacles(plan).iter().any(Obstacle::needs_network) {
        Some(Network::new(&staged.nodes, plan.seed)?)
    } else {
        None
    };
    let mut places = Places::loopback();
    if let Some(network) = &network {
        for node in staged.nodes.iter().copied().filter(is_server) {
            let place = Place {
                address: network.address(node)?,
                prefix: network.prefix(node)?,
                ..Place::default()
            };
            places.put(node, place);
        }
    }
    clear(stand.folder)?;
    let rig = Rig::new(
        plan,
        Arc::clone(stand.kafka),
        stand.target,
        stand.shape,
        stand.folder,
        &places,
        stand.interrupt,
    )?;
    let left_out = left_out(plan, &rig);
    let data: Vec<PathBuf> = rig.nodes().filter_map(|node| rig.data(node).ok()).collect();
    let watch = Watch::new(plan, &sources(stand.target, &rig));
    let behind = network.as_ref().map(Network::operator_prefix);
    let tools = tools(stand, &rig, behind.unwrap_or_default());
    let clients = match &network {
        Some(network) => network.inside(None, || Clients::new(plan, rig.bootstrap(), tools))??,
        None => Clients::new(plan, rig.bootstrap(), tools)?,
    };
    let parts = Parts {
        rig,
        network,
        watch,
        clients,
    };
    let mut header = staged.header;
    header.real = Some(RealCluster {
        release: stand.target.release.to_string(),
        mode: stand.target.mode.name().to_owned(),
    });
    let world = World::new(
        plan,
        staged.director,
        parts,
        (stand.patience, stand.interrupt),
        stand.tell,
    );
    let (record, failed) = world.play(header);
    if !stand.keep {
        data.iter().for_each(|data| drop(fs::remove_dir_all(data)));
    }
    keep(&record, stand.folder, failed)?;
    let verdict = check::judge(plan, &record);
    let cell = Cell {
        plan: plan.clone(),
        record,
        verdict,
        unmet: Vec::new(),
    };
    Ok(Played { cell, left_out })
}

/// Keeps the record, also of a run that failed: for whoever wants to know how far it came.
fn keep(record: &Record, folder: &Path, failed: Option<Failure>) -> Result<(), Failure> {
    let path = folder.join("record.jsonl");
    let written = fs::write(&path, codec::to_jsonl(record));
    if let Some(failure) = failed {
        return Err(failure);
    }
    written.map_err(|error| Failure::Rig(format!("cannot write {}: {error}", path.display())))
}

/// The settings of the plan that the release or librdkafka does not have, in words.
fn left_out(plan: &Plan, rig: &Rig) -> Vec<String> {
    let producers = plan.producers.iter().map(|one| (&one.name, &one.config));
    let consumers = plan.consumers.iter().map(|one| (&one.name, &one.config));
    let clients = producers.chain(consumers);
    let clients = clients.flat_map(|(name, config)| client::left_out(name, config));
    rig.left_out().iter().cloned().chain(clients).collect()
}

/// Removes what an earlier run left in the folder.
fn clear(folder: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Failure::Rig(format!(
            "cannot remove {}, which an earlier run left: {error}",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

fn is_server(node: &NodeId) -> bool {
    !matches!(node, NodeId::Client(_))
}

/// Where the cluster's files are. In ZooKeeper mode the servers that are no brokers are ZooKeeper's.
fn sources(target: &Target, rig: &Rig) -> Sources {
    let folders = rig
        .nodes()
        .filter_map(|node| Some((node, rig.data(node).ok()?)));
    let mut servers: BTreeMap<NodeId, PathBuf> = folders.collect();
    let keepers: Vec<NodeId> = rig.nodes().filter(|node| node.broker().is_none()).collect();
    let metadata = match target.mode {
        Mode::ZooKeeper => MetadataSource::ZooKeeper {
            data: keepers
                .iter()
                .filter_map(|node| servers.remove(node))
                .collect(),
        },
        Mode::KRaft if keepers.is_empty() => MetadataSource::KRaft {
            voters: rig.nodes().collect(),
        },
        Mode::KRaft => MetadataSource::KRaft { voters: keepers },
    };
    Sources {
        servers,
        metadata,
        epochs_when_appending: !target.release.at_least("2.0"),
    }
}

fn tools(stand: &Stand<'_>, rig: &Rig, behind: Vec<String>) -> Tools {
    let (kafka, interrupt) = (Arc::clone(stand.kafka), stand.interrupt.clone());
    let zookeeper = rig
        .nodes()
        .filter(|node| matches!(node, NodeId::ZooKeeper(_)));
    let zookeeper = zookeeper.filter_map(|node| Some(rig.address(node)?.to_string()));
    let zookeeper: Vec<String> = zookeeper.collect();
    Tools {
        target: stand.target.clone(),
        bootstrap: rig.bootstrap(),
        zookeeper: (!zookeeper.is_empty()).then(|| zookeeper.join(",")),
        run: Arc::new(move |classes: &[&str], arguments: &[String]| {
            let none = || {
                format!(
                    "Kafka {} has no such tool: {}",
                    kafka.release(),
                    classes.join(", ")
                )
            };
            let class = kafka
                .first_class(classes)
                .ok_or_else(|| Failure::Rig(none()))?;
            let done = kafka.run(&behind, class, arguments, TOOL, &interrupt)?;
            if done.status.success() {
                return Ok(done.stdout);
            }
            Err(Failure::Rig(format!("{}{}", done.stdout, done.stderr)))
        }),
    }
}
