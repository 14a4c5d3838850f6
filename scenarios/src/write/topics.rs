//! Steps about topics and where they are.

use super::toml::{self, Inline};
use ktrial_core::BrokerId;
use ktrial_sim::plan::Action;

/// The key of the action and its table; `None` if it is another action.
pub(super) fn action(action: &Action) -> Option<(&'static str, String)> {
    let mut table = Inline::default();
    let key = match action {
        Action::CreateTopic { topic, replicas } => {
            table.text("topic", topic);
            placed(&mut table, replicas.as_deref());
            "create_topic"
        }
        Action::AddPartitions {
            topic,
            count,
            replicas,
        } => {
            table.text("topic", topic).put("count", count);
            placed(&mut table, replicas.as_deref());
            "add_partitions"
        }
        Action::DeleteTopic { topic } => {
            table.text("topic", topic);
            "delete_topic"
        }
        Action::Reassign {
            partition,
            replicas,
        } => {
            table.text("partition", &partition.to_string());
            match replicas {
                Some(replicas) => table.put("replicas", brokers(replicas)),
                None => table.put("cancel", true),
            };
            "reassign"
        }
        _ => return None,
    };
    Some((key, table.done()))
}

fn placed(table: &mut Inline, replicas: Option<&[Vec<BrokerId>]>) {
    if let Some(replicas) = replicas {
        let lists: Vec<String> = replicas.iter().map(|list| brokers(list)).collect();
        table.put("replicas", toml::list(&lists));
    }
}

fn brokers(ids: &[BrokerId]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    toml::list(&ids)
}
