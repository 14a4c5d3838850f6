//! Shards put together. May be done any number of times, over shards that were run any number of times.
//!
//! Rule: all inputs are in the order of their seeds, so the smallest seed at their heads is the next one.
//! Inputs that have it must say the same about it, byte by byte: if not, one plan had two outcomes.
//!
//! Invariants: the result is what one sweep over all seeds would have written. Memory follows the number of
//! inputs, not of trials.
//!
//! Next: `difference.rs`.

use super::folder::{self, Existing, Folder};
use super::journal::{Group, Journal};
use super::run::add;
use ktrial_reports::sweep::{Identity, SeedRange, Summary, Tally};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// What came of it.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The whole.
    pub summary: Summary,
    /// Folders that hold no results yet.
    pub empty: Vec<PathBuf>,
}

/// One shard, with its next seed.
struct Input {
    folder: PathBuf,
    identity: Identity,
    journal: Journal,
    head: Option<Group>,
}

/// Puts the results of some folders together in another one.
///
/// # Errors
/// A folder cannot be read or written, they are of different sweeps, or two of them say different things
/// about one trial.
pub fn merge(folders: &[PathBuf], out: &Path) -> Result<Merged, String> {
    let (mut inputs, empty) = inputs(folders, out)?;
    let identity = whole(&inputs)?;
    if let Ok(there) = folder::identity(out)
        && (&there.name, &there.fingerprint) != (&identity.name, &identity.fingerprint)
    {
        let (out, name) = (out.display(), there.name);
        return Err(format!(
            "{out} holds another sweep ({name}): choose another --out"
        ));
    }
    if let Ok(there) = folder::identity(out)
        && there.shard.is_some()
    {
        let out = out.display();
        return Err(format!(
            "{out} holds a shard, which merging would replace: choose another --out"
        ));
    }
    let mut output = Folder::open(out, &identity, Existing::Replace, &mut |_| ())?;
    let mut tally = Tally::default();
    let mut gaps = Gaps::new(inputs.iter().map(|input| input.identity.seeds));
    while let Some((group, from)) = next(&mut inputs)? {
        gaps.seen(group.seed);
        for line in &group.lines {
            output.take_plan(line, &from)?;
        }
        output.append(&group.text)?;
        add(&mut tally, &group.lines, out);
    }
    let missing = gaps.finish();
    let goals = identity.goals.clone();
    let summary = Summary {
        complete: missing.is_empty() && identity.seeds.to.is_some(),
        sweep: identity,
        stopped: None,
        missing,
        tally: tally.finished(&goals),
        effort: None,
        folder: out.display().to_string(),
    };
    output.finish(&summary)?;
    Ok(Merged { summary, empty })
}

fn inputs(folders: &[PathBuf], out: &Path) -> Result<(Vec<Input>, Vec<PathBuf>), String> {
    let (mut inputs, mut empty) = (Vec::new(), Vec::new());
    let place = |path: &Path| path.canonicalize().ok();
    for path in folders {
        if place(path).is_some() && place(path) == place(out) {
            let out = out.display();
            return Err(format!(
                "{out} cannot be merged into itself: choose another --out"
            ));
        }
        match folder::read(path)? {
            None => empty.push(path.clone()),
            Some((identity, mut journal)) => inputs.push(Input {
                folder: path.clone(),
                identity,
                head: journal.next()?,
                journal,
            }),
        }
    }
    if inputs.is_empty() {
        return Err("there are no results of a sweep in these folders".to_owned());
    }
    Ok((inputs, empty))
}

/// What they are parts of.
fn whole(inputs: &[Input]) -> Result<Identity, String> {
    let mut whole: Option<(Identity, &Path)> = None;
    for Input {
        identity, folder, ..
    } in inputs
    {
        let Some((first, of)) = &mut whole else {
            let all = Identity {
                shard: None,
                ..identity.clone()
            };
            whole = Some((all, folder));
            continue;
        };
        let differ = |what: &str, a: &str, b: &str| {
            let (of, folder) = (of.display(), folder.display());
            Err(format!(
                "these are parts of different sweeps: the {what} of {of} is {a}, that of {folder} is {b}"
            ))
        };
        if first.name != identity.name {
            return differ("name", &first.name, &identity.name);
        }
        if first.version != identity.version {
            return differ("version of ktrial", &first.version, &identity.version);
        }
        if first.fingerprint != identity.fingerprint {
            return differ("fingerprint", &first.fingerprint, &identity.fingerprint);
        }
        first.seeds = SeedRange {
            from: first.seeds.from.min(identity.seeds.from),
            to: first.seeds.to.zip(identity.seeds.to).map(|(a, b)| a.max(b)),
        };
    }
    let whole = whole.map(|(whole, _)| whole);
    whole.ok_or_else(|| "there is nothing to merge".to_owned())
}

/// The smallest seed that an input has next, and the folder it is from.
fn next(inputs: &mut [Input]) -> Result<Option<(Group, PathBuf)>, String> {
    let heads = inputs.iter().filter_map(|input| input.head.as_ref());
    let Some(seed) = heads.map(|group| group.seed).min() else {
        return Ok(None);
    };
    let mut next: Option<(Group, PathBuf)> = None;
    for input in inputs {
        if input.head.as_ref().is_none_or(|group| group.seed != seed) {
            continue;
        }
        let Some(group) = input.head.take() else {
            continue;
        };
        input.head = input.journal.next()?;
        match &next {
            None => next = Some((group, input.folder.clone())),
            Some((first, folder)) if first.text != group.text => {
                return Err(different(first, folder, &group, &input.folder));
            }
            Some(_) => {}
        }
    }
    Ok(next)
}

/// Where two folders say different things about one seed.
fn different(first: &Group, folder: &Path, second: &Group, other: &Path) -> String {
    let (seed, folder, other) = (first.seed, folder.display(), other.display());
    let mut pairs = first.lines.iter().zip(&second.lines);
    let found = pairs.find_map(|(a, b)| Some((a.cell, a.differences(b).into_iter().next()?)));
    let what = match found {
        Some((cell, (field, a, b))) => {
            format!("seed {seed}, cell {cell}: `{field}` is {a} in {folder}, and {b} in {other}")
        }
        None => format!("seed {seed}: {folder} and {other} are not the same"),
    };
    format!(
        "{what}\nthe same trial came out differently: ktrial is not deterministic here, or the shards were run \
         by different builds\n`ktrial determinism` shows where two runs part"
    )
}

/// Finds the seeds that should be there and are not.
struct Gaps {
    /// What is still expected, in order.
    expected: VecDeque<(u64, u64)>,
    missing: Vec<SeedRange>,
}

impl Gaps {
    /// Of ranges that may overlap. One without end expects nothing: nobody knows how far it should go.
    fn new(ranges: impl Iterator<Item = SeedRange>) -> Self {
        let mut ranges: Vec<(u64, u64)> = ranges.filter_map(|r| Some((r.from, r.to?))).collect();
        ranges.sort_unstable();
        let mut expected: VecDeque<(u64, u64)> = VecDeque::new();
        for (from, to) in ranges {
            match expected.back_mut() {
                Some((_, end)) if from <= *end => *end = (*end).max(to),
                _ => expected.push_back((from, to)),
            }
        }
        Self {
            expected,
            missing: Vec::new(),
        }
    }

    fn missed(&mut self, from: u64, to: u64) {
        if from < to {
            self.missing.push(SeedRange { from, to: Some(to) });
        }
    }

    /// A seed is there; they come in rising order.
    fn seen(&mut self, seed: u64) {
        while let Some((from, to)) = self.expected.pop_front() {
            if seed < from {
                self.expected.push_front((from, to));
                return;
            }
            self.missed(from, seed.min(to));
            if seed < to {
                self.expected.push_front((seed + 1, to));
                return;
            }
        }
    }

    fn finish(mut self) -> Vec<SeedRange> {
        while let Some((from, to)) = self.expected.pop_front() {
            self.missed(from, to);
        }
        self.missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn missing(ranges: &[(u64, Option<u64>)], seen: &[u64]) -> Vec<u64> {
        let range = |&(from, to): &(u64, Option<u64>)| SeedRange { from, to };
        let mut gaps = Gaps::new(ranges.iter().map(range));
        seen.iter().for_each(|seed| gaps.seen(*seed));
        let missing = gaps.finish().into_iter();
        missing
            .flat_map(|range| range.from..range.to.unwrap())
            .collect()
    }

    #[test]
    fn missing_seeds_are_found() {
        assert_eq!(missing(&[(0, Some(5))], &[0, 1, 2, 3, 4]), [0; 0]);
        assert_eq!(missing(&[(0, Some(5))], &[1, 3]), [0, 2, 4]);
        assert_eq!(missing(&[(2, Some(4)), (0, Some(3))], &[0, 1]), [2, 3]);
        assert_eq!(missing(&[(0, Some(2)), (8, Some(9))], &[0, 5]), [1, 8]);
        assert_eq!(missing(&[(0, None)], &[0, 5]), [0; 0]);
    }

    #[test]
    fn missing_seeds_are_the_expected_without_the_seen() {
        // Every subset of six seeds against two ranges, by the definition.
        let ranges = [(0, Some(3)), (4, Some(6))];
        for subset in 0..64_u32 {
            let seen: Vec<u64> = (0..6).filter(|seed| subset & (1 << seed) != 0).collect();
            let all = BTreeSet::from([0, 1, 2, 4, 5]);
            let expected: Vec<u64> = all.into_iter().filter(|s| !seen.contains(s)).collect();
            assert_eq!(missing(&ranges, &seen), expected, "{seen:?}");
        }
    }
}
