//! A panic of a machine, caught and told in words: it is a finding, not a failure of the program.
//!
//! A hook, installed once in the process, keeps the message of a panic on a trial's thread and prints
//! nothing; panics of other threads go on to the hook that was there before.
//!
//! Next: `../trial/mod.rs`.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// On a trial's thread: the message of its last panic.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
    static QUIET: RefCell<bool> = const { RefCell::new(false) };
}

/// Makes panics on this thread silent; their message is kept.
pub(crate) fn silence() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if QUIET.with_borrow(|quiet| *quiet) {
                LAST.set(Some(describe(info)));
            } else {
                before(info);
            }
        }));
    });
    QUIET.set(true);
}

/// Runs `work`; a panic comes back as its message.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| message(&*panic))
}

/// The message of a panic that was caught on this thread.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    LAST.take().unwrap_or_else(|| words(panic))
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let words = words(info.payload());
    match info.location() {
        Some(at) => format!("{words} ({}:{})", at.file(), at.line()),
        None => words,
    }
}

fn words(payload: &dyn Any) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without words".to_owned()
    }
}
