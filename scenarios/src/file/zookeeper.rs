//! `[zookeeper]`: the servers of the ensemble, and their settings.
//!
//! Next: `names.rs`.

use super::cluster::Places;
use super::node::{Node, Value, flatten};
use super::reader::Reader;
use ktrial_core::ZooKeeperId;
use ktrial_core::config::{Config, Settings, ZooKeeperConfig};
use ktrial_sim::plan::ZooKeeperPlan;

/// The largest number that a server can have.
const LARGEST: i64 = 255;
const SERVERS: &str = "servers";

/// Reads the table.
pub(crate) fn ensemble(
    reader: &mut Reader,
    node: &Node,
    places: &mut Places,
) -> Option<ZooKeeperPlan> {
    let table = reader.table(node, "[zookeeper]")?;
    let mut plan = ZooKeeperPlan {
        servers: (1..=3).map(ZooKeeperId).collect(),
        config: Settings::new(),
    };
    for flat in flatten(table, &mut reader.problems) {
        if flat.key == SERVERS {
            plan.servers = servers(reader, flat.node);
            continue;
        }
        let mut trial = ZooKeeperConfig::default();
        if trial.get(&flat.key).is_none() {
            let keys = ZooKeeperConfig::KEYS.iter().map(|info| info.key);
            let known: Vec<&str> = keys.chain([SERVERS]).collect();
            reader.unknown(flat.span, "setting", &flat.key, &known);
            continue;
        }
        let Some(value) = reader.scalar(flat.node) else {
            continue;
        };
        if let Err(error) = trial.set(&flat.key, &value) {
            reader.error(flat.node.span, error.to_string());
            continue;
        }
        places.insert(format!("zookeeper.{}", flat.key), flat.node.span);
        plan.config.insert(flat.key, value);
    }
    Some(plan)
}

fn servers(reader: &mut Reader, node: &Node) -> Vec<ZooKeeperId> {
    let ids: Vec<i32> = match &node.value {
        Value::List(items) => {
            let ids = items.iter();
            ids.filter_map(|item| reader.integer(item, 1..=LARGEST))
                .collect()
        }
        _ => {
            let count = reader.integer(node, 1..=LARGEST);
            count.map_or_else(Vec::new, |count: i32| (1..=count).collect())
        }
    };
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        reader.error(node.span, "an ensemble needs at least one server");
    }
    for (index, id) in ids.iter().enumerate() {
        if ids[..index].contains(id) {
            reader.error(node.span, format!("server `{id}` is named twice"));
        }
    }
    ids.into_iter().map(ZooKeeperId).collect()
}
