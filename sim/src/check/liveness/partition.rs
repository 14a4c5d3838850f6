//! `stuck_partition`: nobody leads a partition although a replica that may lead is alive, or whom the
//! controller made leader runs and does not take it up.
//!
//! Permitted: with a replica in the ELR that was moved away, Kafka elects no last known leader, for ever;
//! and what Kafka leaves as it is after a lost log directory (`directory.rs`).
//!
//! False positives avoided: a broker whose disk rots or lies about flushes may have a wrong copy of the
//! metadata log without knowing; it is not judged. A replica in a lost log directory cannot lead. With
//! unclean election on anybody may lead, but Kafka looks for such a leader at once only if the setting was on
//! before (else every five minutes); so only a plan that never changes settings is held to that.

use super::directory::Directory;
use super::{Case, Findings, is_healthy, serves};
use crate::check::explain;
use crate::history::Record;
use crate::plan::Action;
use ktrial_core::{BrokerId, TopicPartition};

const NAME: &str = "stuck_partition";

pub(super) fn check(case: &Case<'_>, record: &Record, findings: &mut Findings) {
    for (name, partition) in case.view.partitions() {
        let Some(committed) = &partition.committed else {
            continue;
        };
        let directory = |broker| Directory::of(record, committed, name.partition, broker);
        let (what, known) = match committed.leader {
            None => {
                let Some(broker) =
                    could_lead(case, name).filter(|broker| keeps_word(case, *broker))
                else {
                    continue;
                };
                let moved = committed.moved_away_in_elr().is_some();
                (
                    format!("{name} has no leader although broker {broker} may lead and is alive"),
                    moved || directory(broker).unknown_when_unfenced,
                )
            }
            Some(leader)
                if is_healthy(case, leader) && keeps_word(case, leader) && !serves(case, name) =>
            {
                let replica = partition.replicas.get(&leader);
                let lost = replica.is_some_and(|one| one.offline);
                (
                    format!("broker {leader} was elected for {name}, is alive and does not lead"),
                    lost && directory(leader).elected_as_it_went,
                )
            }
            Some(_) => continue,
        };
        findings.report(NAME, Some(name), None, known, what);
    }
}

fn keeps_word(case: &Case<'_>, broker: BrokerId) -> bool {
    !case.happened.is_deceived(broker)
}

fn could_lead(case: &Case<'_>, name: &TopicPartition) -> Option<BrokerId> {
    if let Some(broker) = explain::could_lead(case.plan, case.view, name) {
        return Some(broker);
    }
    let altered = |action: &Option<Action>| matches!(action, Some(Action::AlterConfig { .. }));
    let settled = !case.plan.all_steps().any(|step| altered(&step.action));
    if !settled || !case.view.settings().unclean(&name.topic) {
        return None;
    }
    let partition = case.view.partition(name)?;
    let committed = partition.committed.as_ref()?;
    let mut replicas = committed.replicas.iter().copied();
    replicas.find(|broker| {
        let replica = partition.replicas.get(broker);
        is_healthy(case, *broker) && !replica.is_some_and(|one| one.offline)
    })
}
