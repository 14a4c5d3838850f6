//! madsim's clock as the world uses it, and the wakers of its tasks.
//!
//! Rule: one sleep for the whole world. It wakes the task whose event is next; no task sleeps on its own.
//!
//! Next: `run.rs`.

use ktrial_core::Timestamp;
use madsim::time::{Instant, Sleep, TimeHandle};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

/// madsim's clock, and the one sleep on it.
pub(super) struct Clock {
    handle: TimeHandle,
    start: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Clock {
    pub(super) fn new(handle: TimeHandle) -> Self {
        Self {
            start: handle.now_instant(),
            sleep: Box::pin(handle.sleep(Duration::ZERO)),
            handle,
        }
    }

    /// Whether `at` has come; if not, `waker` is woken when it has.
    pub(super) fn has_come(&mut self, at: Timestamp, waker: &Waker) -> bool {
        let deadline = self.start + Duration::from_micros(at.0);
        if self.handle.now_instant() >= deadline {
            return true;
        }
        self.sleep.as_mut().reset(deadline);
        let mut context = Context::from_waker(waker);
        self.sleep.as_mut().poll(&mut context).is_ready()
    }
}

/// Keeps a task's waker, cloned only if it is another one than before.
pub(super) fn keep(kept: &mut Option<Waker>, waker: &Waker) {
    match kept {
        Some(same) if same.will_wake(waker) => {}
        _ => *kept = Some(waker.clone()),
    }
}
