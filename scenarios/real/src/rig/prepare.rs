//! What makes starts fast, made once per release and Java: a formatted data folder, and an archive of
//! the classes that a server loads (class data sharing).
//!
//! Rule: the archive is made by a short real run, a cluster of one broker, and is written by its JVM as
//! it ends. Controller and broker are one process in it, so that it has the classes of both. Without it
//! everything works, only more slowly: that it cannot be made is told and no failure.
//!
//! Source: ours. JEP 350.
//! Next: `../network/mod.rs`.

use super::properties::Layout;
use super::{Places, Rig, Shape, format};
use crate::failure::{Failure, Interrupt};
use crate::kafka::{Kafka, Mode, Signal, Target, once, trouble};
use ktrial_core::config::Settings;
use ktrial_core::{BrokerId, ControllerId, NodeId, ZooKeeperId};
use ktrial_sim::plan::{BrokerPlan, ControllerPlan, ZooKeeperPlan};
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// So long it runs after it has begun to answer, so that it loads what a running broker needs.
const AWAKE: Duration = Duration::from_secs(2);
const BROKER: BrokerId = BrokerId(1);
const CONTROLLER: ControllerId = ControllerId(3000);
const ZOOKEEPER: ZooKeeperId = ZooKeeperId(1);

/// Makes what is not there yet; its short run may take `patience` to start, and to end. Two programs that
/// prepare the same do it one after the other.
///
/// # Errors
/// The release does not format a folder, the cache cannot be written, or the user stops it.
pub fn prepare(
    kafka: &Arc<Kafka>,
    mode: Mode,
    patience: Duration,
    interrupt: &Interrupt,
    tell: &dyn Fn(&str),
) -> Result<(), Failure> {
    if mode == Mode::KRaft {
        format::pattern(kafka, interrupt, tell)?;
    }
    let made = once(&kafka.archive(), &kafka.lock(), interrupt, tell, |part| {
        tell(&format!(
            "preparing fast starts of Kafka {}",
            kafka.release()
        ));
        archive(kafka, (mode, patience), part, interrupt)
    });
    match made {
        Err(Failure::Rig(why)) => {
            tell(&format!(
                "Kafka {} will start more slowly: {why}",
                kafka.release()
            ));
            Ok(())
        }
        made => made,
    }
}

/// Has a JVM write the archive to `part`.
fn archive(
    kafka: &Arc<Kafka>,
    how: (Mode, Duration),
    part: &Path,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let folder = part.with_extension("run");
    let clear = || match folder.exists() {
        true => fs::remove_dir_all(&folder).map_err(|error| trouble("remove", &folder, &error)),
        false => Ok(()),
    };
    clear()?;
    let done = short_run(kafka, how, part, &folder, interrupt);
    clear()?;
    done
}

fn short_run(
    kafka: &Arc<Kafka>,
    (mode, patience): (Mode, Duration),
    archive: &Path,
    folder: &Path,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let layout = Layout {
        controllers: vec![ControllerPlan {
            id: CONTROLLER,
            config: Settings::new(),
        }],
        brokers: vec![BrokerPlan {
            id: BROKER,
            config: Settings::new(),
        }],
        zookeeper: (mode == Mode::ZooKeeper).then(|| ZooKeeperPlan {
            servers: vec![ZOOKEEPER],
            config: Settings::new(),
        }),
        topic_defaults: Settings::new(),
    };
    let shape = match mode {
        Mode::KRaft => Shape::Combined,
        Mode::ZooKeeper => Shape::Separate,
    };
    let target = Target {
        release: kafka.release().clone(),
        mode,
    };
    let places = Places::loopback();
    let kafka = Arc::clone(kafka);
    let mut rig = Rig::of(&layout, kafka, &target, shape, folder, &places, interrupt)?;
    if mode == Mode::ZooKeeper {
        rig.start(NodeId::ZooKeeper(ZOOKEEPER))?;
    }
    let broker = NodeId::Broker(BROKER);
    rig.start_with(
        broker,
        &[format!("-XX:ArchiveClassesAtExit={}", archive.display())],
    )?;
    let address = rig.address(broker);
    let up = interrupt.wait(patience, || {
        let answers = address.is_some_and(|address| TcpStream::connect(address).is_ok());
        let gone = !rig.ended().is_empty();
        Ok((gone || answers).then_some(answers))
    })?;
    interrupt.wait(AWAKE, || Ok(None::<()>))?;
    let up = up.filter(|answers| *answers && rig.ended().is_empty());
    rig.signal(broker, Signal::Terminate)?;
    let ended = interrupt.wait(patience, || Ok((!rig.is_running(broker)).then_some(())))?;
    if up.is_none() || ended.is_none() || !archive.exists() {
        let last = rig.log_tail(broker);
        let last = last.lines().last().unwrap_or_default();
        return Err(Failure::Rig(format!(
            "no archive of classes could be made: {last}"
        )));
    }
    Ok(())
}
