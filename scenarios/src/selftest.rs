//! Are the checks awake? Each planted bug is put into random plans, seed after seed, until a check finds it.
//!
//! Rule: a bug counts as found when a check reports something that nothing permits, in a plan in which
//! the checks find nothing without the bug. So neither a bug of ours nor an eager check can take the credit.
//!
//! Next: `fuzz/mod.rs`, which draws the plans.

use crate::fuzz::{self, Profile};
use crate::shrink::{Goal, Options, Shrunk, shrink};
use ktrial_core::planted::Bug;
use ktrial_sim::plan::Plan;
use ktrial_sim::verdict::{Finding, Verdict};
use ktrial_sim::{check, trial};
use serde::{Serialize, Serializer};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// How wild the trials are in which a bug is hunted, unless somebody says otherwise: some need a course of
/// events that trials of any kind hardly come to.
pub fn profile(bug: Bug) -> Profile {
    match bug {
        Bug::JoinsBeforeEpochStart | Bug::ProposedMemberUnchecked | Bug::StaleProposalTaken => {
            Profile::Rejoin
        }
        _ => Profile::default(),
    }
}

/// How the hunt for one bug ended.
#[derive(Clone, Debug, Serialize)]
pub struct Hunt {
    /// The bug.
    pub bug: Bug,
    /// The profile of the trials.
    #[serde(serialize_with = "name")]
    pub profile: Profile,
    /// Seeds that were tried, the last one included.
    pub seeds: u64,
    /// The seed that showed it; `None` = it was not found.
    pub seed: Option<u64>,
    /// The checks that found it there.
    pub checks: BTreeSet<String>,
    /// The first finding.
    pub finding: Option<Finding>,
}

impl Hunt {
    /// The plan that showed it.
    pub fn plan(&self) -> Option<Plan> {
        self.seed.map(|seed| infested(self.profile, seed, self.bug))
    }
}

fn name<S: Serializer>(profile: &Profile, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(profile.name())
}

/// The smallest plan that shows a bug that was found; `None` = it was not.
pub fn shrunk(hunt: &Hunt, (jobs, stop): (usize, &AtomicBool)) -> Option<Shrunk> {
    let (plan, finding) = (hunt.plan()?, hunt.finding.as_ref()?);
    let options = Options {
        jobs,
        stop: &|| stop.load(Ordering::Relaxed),
    };
    Some(shrink(&plan, &Goal::of(finding), &options, &mut |_| {}))
}

/// Hunts for one bug under the seeds from `from`, at most `most` of them; `None` = it was told to stop.
///
/// # Errors
/// The simulator failed.
pub fn hunt(
    profile: Profile,
    bug: Bug,
    (from, most): (u64, u64),
    stop: &AtomicBool,
) -> Result<Option<Hunt>, String> {
    for seed in from..from.saturating_add(most) {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let sick = judge(&infested(profile, seed, bug))?;
        let found: Vec<_> = sick.findings.iter().filter(|f| !f.permitted).collect();
        let Some(first) = found.first() else { continue };
        let healthy = judge(&fuzz::plan(profile, seed))?;
        if healthy.findings.iter().any(|finding| !finding.permitted) {
            continue;
        }
        return Ok(Some(Hunt {
            bug,
            profile,
            seeds: seed - from + 1,
            seed: Some(seed),
            checks: found.iter().map(|finding| finding.check.clone()).collect(),
            finding: Some((*first).clone()),
        }));
    }
    Ok(Some(Hunt {
        bug,
        profile,
        seeds: most,
        seed: None,
        checks: BTreeSet::new(),
        finding: None,
    }))
}

/// Hunts for several bugs, `jobs` at a time; the results are in the order of the bugs. `progress` is called
/// with each as it ends. No profile = each bug has its own.
///
/// # Errors
/// The simulator failed.
pub fn hunt_all(
    chosen: Option<Profile>,
    bugs: &[Bug],
    seeds: (u64, u64),
    (jobs, stop): (usize, &AtomicBool),
    progress: &(dyn Fn(&Hunt) + Sync),
) -> Result<Vec<Hunt>, String> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(vec![None; bugs.len()]);
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(bug) = bugs.get(place) else { return };
                    let profile = chosen.unwrap_or_else(|| profile(*bug));
                    let ended = hunt(profile, *bug, seeds, stop).transpose();
                    if let Some(Ok(hunt)) = &ended {
                        progress(hunt);
                    }
                    if let Ok(mut results) = results.lock()
                        && let Some(slot) = results.get_mut(place)
                    {
                        *slot = ended;
                    }
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_default();
    results.into_iter().flatten().collect()
}

/// The plan of a seed, with a bug in the rules.
fn infested(profile: Profile, seed: u64, bug: Bug) -> Plan {
    let mut plan = fuzz::plan(profile, seed);
    plan.rules.planted = Some(bug);
    plan
}

fn judge(plan: &Plan) -> Result<Verdict, String> {
    let record = trial::run(plan).map_err(|error| format!("seed {}: {error}", plan.seed))?;
    Ok(check::judge(plan, &record))
}
