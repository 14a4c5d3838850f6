//! Collects what happens, in order.
//!
//! Invariants: entries are never before the one before them; messages that arrived are kept only if
//! the plan wants them (dropped ones always).
//!
//! Next: `codec.rs`, which makes the record's bytes.

use super::{Entry, Message, What};
use ktrial_core::{NodeId, Timestamp};

/// The entries so far.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    entries: Vec<Entry>,
    messages: bool,
}

impl Recorder {
    /// An empty record that holds messages that arrived, or not.
    pub(crate) fn new(messages: bool) -> Self {
        Self {
            entries: Vec::new(),
            messages,
        }
    }

    /// Whether messages that arrived are kept: if not, none need be made.
    pub(crate) fn keeps_messages(&self) -> bool {
        self.messages
    }

    /// Adds an entry and shows it.
    pub(crate) fn push(&mut self, at: Timestamp, node: Option<NodeId>, what: What) -> &Entry {
        let index = self.entries.len();
        self.entries.push(Entry { at, node, what });
        &self.entries[index]
    }

    /// Adds a message that arrived.
    pub(crate) fn delivered(&mut self, at: Timestamp, message: Message) -> &Entry {
        self.push(at, Some(message.to), What::Delivered(message))
    }

    /// Hands over all entries.
    pub(crate) fn take(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }
}
