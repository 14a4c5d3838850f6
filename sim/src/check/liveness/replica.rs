//! `stuck_replica`: a replica runs beside a leader that serves, and neither catches up with it nor joins
//! the ISR.
//!
//! False positives avoided: asked is only when nothing has changed for longer than a lost request takes
//! to be repeated; not of a replica in a log directory that its broker has lost; not of brokers whose
//! disks break their word, or whose leader's does, for a rotten batch cannot be copied; and not where a
//! power loss may have undone a truncation.

use super::{Case, Findings, is_healthy, long_at_rest, serves};

pub(super) fn check(case: &Case<'_>, findings: &mut Findings) {
    if !long_at_rest(case) {
        return;
    }
    for (name, partition) in case.view.partitions() {
        let (Some(committed), Some((leader, leading))) = (&partition.committed, partition.leader())
        else {
            continue;
        };
        let rotten = case.happened.is_unreliable(leader) || case.happened.is_unsound(name);
        if !serves(case, name) || rotten {
            continue;
        }
        for broker in committed
            .replicas
            .iter()
            .filter(|broker| **broker != leader)
        {
            let sound = is_healthy(case, *broker) && !case.happened.is_unreliable(*broker);
            if !sound {
                continue;
            }
            let replica = partition.replicas.get(broker);
            if replica.is_some_and(|one| one.offline) {
                continue;
            }
            let caught_up = replica.is_some_and(|one| one.log.ends_like(&leading.log));
            let problem = match (caught_up, committed.isr.contains(broker)) {
                (true, true) => continue,
                (true, false) => "has caught up and is not in the ISR",
                (false, _) => "does not catch up",
            };
            let what = format!(
                "broker {broker} runs and {problem} of {name}, which broker {leader} leads"
            );
            findings.report("stuck_replica", Some(name), None, false, what);
        }
    }
}
