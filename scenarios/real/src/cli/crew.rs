//! Plays several plans at a time, each on a cluster and a thread of its own, and shows how far they are.

use crate::failure::{Failure, Interrupt};
use ktrial::cli::output;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// Clusters at a time, unless told otherwise: two for each core. A cluster of four processes keeps a core
/// busy while it starts, and then it mostly waits.
pub(super) fn jobs() -> usize {
    thread::available_parallelism().map_or(2, |cores| cores.get() * 2)
}

/// What is going on, by job.
struct Board {
    began: Instant,
    lines: Mutex<BTreeMap<usize, String>>,
    done: AtomicUsize,
    all: usize,
}

impl Board {
    fn tell(&self, job: usize, text: Option<String>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        match text {
            Some(text) => lines.insert(job, text),
            None => lines.remove(&job),
        };
        let doing: Vec<&str> = lines.values().map(String::as_str).collect();
        let done = self.done.load(Ordering::Relaxed);
        let seconds = self.began.elapsed().as_secs();
        output::status(&format!(
            "{done}/{} cells  {seconds} s  {}",
            self.all,
            doing.join(" | ")
        ));
    }
}

/// Does each piece of work, `jobs` at a time, and gives the results in the order of the work. Once the user
/// has asked to stop, or a job has returned [`Failure::Interrupted`], none is begun any more: their results
/// are that they were interrupted.
pub(super) fn each<W: Sync, R: Send>(
    work: &[W],
    jobs: usize,
    interrupt: &Interrupt,
    name: impl Fn(&W) -> String + Sync,
    play: impl Fn(&W, &dyn Fn(&str)) -> Result<R, Failure> + Sync,
) -> Vec<Result<R, Failure>> {
    let board = Board {
        began: Instant::now(),
        lines: Mutex::default(),
        done: AtomicUsize::new(0),
        all: work.len(),
    };
    let next = AtomicUsize::new(0);
    let results: Vec<Mutex<Option<Result<R, Failure>>>> =
        work.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, work.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    let (Some(item), Some(result)) = (work.get(job), results.get(job)) else {
                        return;
                    };
                    if interrupt.check().is_err() {
                        return;
                    }
                    let name = name(item);
                    let tell = |text: &str| board.tell(job, Some(format!("{name}: {text}")));
                    let played = play(item, &tell);
                    *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(played);
                    board.done.fetch_add(1, Ordering::Relaxed);
                    board.tell(job, None);
                }
            });
        }
    });
    output::status("");
    let taken = results.into_iter().map(|result| {
        let result = result.into_inner().unwrap_or_else(PoisonError::into_inner);
        result.unwrap_or(Err(Failure::Interrupted))
    });
    taken.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_work() {
        let interrupt = Interrupt::default();
        let work = [3, 1, 2];
        let results = each(&work, 2, &interrupt, i32::to_string, |number, _| {
            Ok(number * 10)
        });
        let results: Vec<i32> = results.into_iter().map(Result::unwrap).collect();
        assert_eq!(results, [30, 10, 20]);
    }

    #[test]
    fn nothing_is_begun_after_an_interruption() {
        let interrupt = Interrupt::default();
        let results = each(&[1, 2, 3], 1, &interrupt, i32::to_string, |number, _| {
            interrupt.raise();
            Ok(*number)
        });
        assert_eq!(results[0], Ok(1));
        assert_eq!(results[1], Err(Failure::Interrupted));
        assert_eq!(results[2], Err(Failure::Interrupted));
    }
}
