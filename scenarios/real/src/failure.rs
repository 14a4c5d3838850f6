//! Why a run on a real cluster could not be done, and the flag that Ctrl-C sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A run that could not be done: the machine or the rig is at fault, not the cluster under trial.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Something is missing or does not work: what, where, and what to do.
    #[error("{0}")]
    Rig(String),
    /// The user stopped it.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// Puts what was attempted before the reason.
    #[must_use]
    pub fn while_doing(self, what: &str) -> Self {
        match self {
            Self::Rig(why) => Self::Rig(format!("{what}: {why}")),
            Self::Interrupted => Self::Interrupted,
        }
    }

    /// Puts a hint behind the reason.
    #[must_use]
    pub fn with_hint(self, hint: &str) -> Self {
        match self {
            Self::Rig(why) => Self::Rig(format!("{why}\n{hint}")),
            Self::Interrupted => Self::Interrupted,
        }
    }
}

/// Whether the user has asked to stop. Every wait looks at it.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(20);

impl Interrupt {
    /// Asks to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Goes on, unless the user has asked to stop.
    ///
    /// # Errors
    /// [`Failure::Interrupted`].
    pub fn check(&self) -> Result<(), Failure> {
        if self.0.load(Ordering::Relaxed) {
            return Err(Failure::Interrupted);
        }
        Ok(())
    }

    /// Waits until `done` gives something, looking every 20 ms, or until the time is up (`None`).
    ///
    /// # Errors
    /// [`Failure::Interrupted`], or what `done` fails with.
    pub fn wait<T>(
        &self,
        limit: Duration,
        mut done: impl FnMut() -> Result<Option<T>, Failure>,
    ) -> Result<Option<T>, Failure> {
        let start = Instant::now();
        loop {
            self.check()?;
            if let Some(found) = done()? {
                return Ok(Some(found));
            }
            if start.elapsed() >= limit {
                return Ok(None);
            }
            thread::sleep(LOOK);
        }
    }
}
