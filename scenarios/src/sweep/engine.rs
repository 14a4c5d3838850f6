//! Workers that try seed after seed, and the results in the order of the seeds.
//!
//! Each worker takes the next seed and tries all its plans, each on a fresh thread (`trial::run`). Results
//! that come too early wait in a window. The window is limited: whoever is too far ahead of the slowest
//! waits for it.
//!
//! Invariants: seeds are begun in order, and a seed that was begun is finished and handed over, so what was
//! handed over is the beginning of the list without gaps, whenever and why ever the sweep ends. The sink
//! sees the same calls whatever the number of jobs. Memory follows the window, not the sweep.
//!
//! Next: `journal.rs`.

use super::seeds::Seeds;
use super::source::Source;
use ktrial_reports::sweep::{Line, Standing, Stopped};
use ktrial_sim::plan::Plan;
use ktrial_sim::{check, trial};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Instant;

/// How many seeds a worker may be ahead of the slowest.
const WINDOW_PER_JOB: u64 = 128;

/// One trial, tried.
#[derive(Debug)]
pub(crate) struct Tried {
    /// What came out.
    pub(crate) line: Line,
    /// Its plan, unless it was as expected.
    pub(crate) plan: Option<Box<Plan>>,
}

/// What to try.
pub(crate) struct Order<'a> {
    /// Makes the plans.
    pub(crate) source: &'a dyn Source,
    /// Of these seeds.
    pub(crate) seeds: Seeds,
    /// But for so many at the beginning.
    pub(crate) skip: u64,
    /// Workers.
    pub(crate) jobs: usize,
    /// No seed is begun later than this.
    pub(crate) deadline: Option<Instant>,
    /// No seed is begun once this is set.
    pub(crate) stop: &'a AtomicBool,
}

/// Tries them. The sink gets each seed's trials, and says whether to go on.
///
/// # Errors
/// The sink's.
pub(crate) fn run(
    order: &Order<'_>,
    sink: &mut dyn FnMut(Vec<Tried>) -> Result<bool, String>,
) -> Result<Option<Stopped>, String> {
    let desk = Desk::new(order);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..order.jobs.max(1) {
            let (desk, sender) = (&desk, sender.clone());
            scope.spawn(move || {
                while let Some((place, seed)) = desk.next() {
                    // Nobody listens any more once the sink has had enough.
                    let _ = sender.send((place, try_seed(order.source, seed)));
                }
            });
        }
        drop(sender);
        let handed_over = hand_over(&desk, &results, sink);
        desk.lock().over = true;
        desk.moved.notify_all();
        handed_over
    })
}

fn hand_over(
    desk: &Desk<'_>,
    results: &mpsc::Receiver<(u64, Vec<Tried>)>,
    sink: &mut dyn FnMut(Vec<Tried>) -> Result<bool, String>,
) -> Result<Option<Stopped>, String> {
    let mut waiting = BTreeMap::new();
    let mut place = desk.order.skip;
    for (early, tried) in results {
        waiting.insert(early, tried);
        while let Some(tried) = waiting.remove(&place) {
            place += 1;
            if !sink(tried)? {
                let all = desk.order.seeds.at(place).is_none();
                return Ok((!all).then_some(Stopped::Failures));
            }
        }
        desk.lock().handed_over = place;
        desk.moved.notify_all();
    }
    Ok(if desk.order.seeds.at(place).is_none() {
        None
    } else if desk.order.stop.load(Ordering::Relaxed) {
        Some(Stopped::Interrupted)
    } else {
        Some(Stopped::Time)
    })
}

/// Where workers take their seeds.
struct Desk<'a> {
    order: &'a Order<'a>,
    state: Mutex<State>,
    moved: Condvar,
}

struct State {
    next: u64,
    handed_over: u64,
    over: bool,
}

impl<'a> Desk<'a> {
    fn new(order: &'a Order<'a>) -> Self {
        Self {
            order,
            state: Mutex::new(State {
                next: order.skip,
                handed_over: order.skip,
                over: false,
            }),
            moved: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next seed and its place; `None` if there is none, or none more is to be begun.
    fn next(&self) -> Option<(u64, u64)> {
        let jobs = u64::try_from(self.order.jobs.max(1)).unwrap_or(u64::MAX);
        let window = WINDOW_PER_JOB.saturating_mul(jobs);
        let ahead = |state: &mut State| !state.over && state.next - state.handed_over >= window;
        let waited = self.moved.wait_while(self.lock(), ahead);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let late = self.order.deadline.is_some_and(|at| Instant::now() >= at);
        if state.over || late || self.order.stop.load(Ordering::Relaxed) {
            // The others too: what is handed over has no gaps.
            state.over = true;
            return None;
        }
        let place = state.next;
        let seed = self.order.seeds.at(place)?;
        state.next += 1;
        Some((place, seed))
    }
}

/// All trials of a seed. What goes wrong is told in its line: one seed does not end the sweep.
fn try_seed(source: &dyn Source, seed: u64) -> Vec<Tried> {
    let failed = "ktrial itself failed: please report this as a bug of ktrial";
    let plans = catch_unwind(AssertUnwindSafe(|| source.plans(seed)));
    let plans = match plans.unwrap_or_else(|_| Err(failed.to_owned())) {
        Ok(plans) if !plans.is_empty() => plans,
        none => {
            let error = none.err().unwrap_or_else(|| "it has no plan".to_owned());
            let line = Line::error(seed, (1, 1), BTreeMap::new(), error);
            return vec![Tried { line, plan: None }];
        }
    };
    let cells = plans.len();
    let tried = plans.into_iter().enumerate().map(|(index, plan)| {
        let cell = (index + 1, cells);
        let line = catch_unwind(AssertUnwindSafe(|| try_plan(source, cell, &plan)));
        let line = line.unwrap_or_else(|_| Err(failed.to_owned()));
        let line = line.unwrap_or_else(|error| Line::error(seed, cell, plan.cell.clone(), error));
        let fine = line.standing() == Standing::AsExpected;
        let plan = (!fine).then(|| Box::new(plan));
        Tried { line, plan }
    });
    tried.collect()
}

fn try_plan(source: &dyn Source, cell: (usize, usize), plan: &Plan) -> Result<Line, String> {
    let record = trial::run(plan).map_err(|error| error.to_string())?;
    let verdict = check::judge(plan, &record);
    let unmet = source.unmet(plan, &verdict);
    Ok(Line::of(plan, cell, &verdict, unmet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ktrial_reports::sweep::SeedRange;
    use ktrial_sim::verdict::Verdict;
    use std::time::Duration;

    /// Has no plan for any seed: what the engine does around trials.
    struct NoPlans;

    impl Source for NoPlans {
        fn name(&self) -> String {
            "none".to_owned()
        }

        fn plans(&self, seed: u64) -> Result<Vec<Plan>, String> {
            assert_ne!(seed, 13, "a source may have bugs");
            Err(format!("no plan for {seed}"))
        }

        fn unmet(&self, _: &Plan, _: &Verdict) -> Vec<String> {
            Vec::new()
        }

        fn fingerprint(&self) -> String {
            String::new()
        }
    }

    /// The seeds that were handed over, and how it ended.
    fn swept(order: &Order<'_>, enough: u64) -> (Vec<u64>, Option<Stopped>) {
        let mut seeds = Vec::new();
        let stopped = run(order, &mut |tried| {
            seeds.push(tried[0].line.seed);
            Ok(tried[0].line.seed != enough)
        });
        (seeds, stopped.unwrap())
    }

    fn order<'a>(stop: &'a AtomicBool, jobs: usize, to: Option<u64>) -> Order<'a> {
        let range = SeedRange { from: 0, to };
        Order {
            source: &NoPlans,
            seeds: Seeds { range, shard: None },
            skip: 0,
            jobs,
            deadline: None,
            stop,
        }
    }

    #[test]
    fn seeds_come_in_order_with_any_number_of_jobs() {
        let go = AtomicBool::new(false);
        for jobs in [0, 1, 2, 8] {
            let (seeds, stopped) = swept(&order(&go, jobs, Some(3_000)), u64::MAX);
            assert_eq!(seeds, (0..3_000).collect::<Vec<_>>(), "{jobs} jobs");
            assert_eq!(stopped, None);
        }
    }

    #[test]
    fn the_sink_ends_it_at_the_same_seed_with_any_number_of_jobs() {
        let go = AtomicBool::new(false);
        for jobs in [1, 2, 8] {
            let (seeds, stopped) = swept(&order(&go, jobs, None), 700);
            assert_eq!(seeds, (0..=700).collect::<Vec<_>>(), "{jobs} jobs");
            assert_eq!(stopped, Some(Stopped::Failures));
        }
        let (_, stopped) = swept(&order(&go, 2, Some(701)), 700);
        assert_eq!(
            stopped, None,
            "the last seed was tried: nothing was stopped"
        );
    }

    #[test]
    fn what_was_skipped_is_not_tried() {
        let go = AtomicBool::new(false);
        let rest = Order {
            skip: 7,
            ..order(&go, 2, Some(10))
        };
        assert_eq!(swept(&rest, u64::MAX).0, [7, 8, 9]);
    }

    #[test]
    fn signals_and_deadlines_end_it() {
        let stop = AtomicBool::new(true);
        let interrupted = (vec![], Some(Stopped::Interrupted));
        assert_eq!(swept(&order(&stop, 2, None), u64::MAX), interrupted);
        let go = AtomicBool::new(false);
        let late = Order {
            deadline: Some(Instant::now() - Duration::from_millis(1)),
            ..order(&go, 2, None)
        };
        assert_eq!(swept(&late, u64::MAX), (vec![], Some(Stopped::Time)));
    }

    #[test]
    fn an_error_of_the_sink_is_told() {
        let go = AtomicBool::new(false);
        let full = run(&order(&go, 2, None), &mut |_| Err("disk full".to_owned()));
        assert_eq!(full, Err("disk full".to_owned()));
    }
}
