//! Collects what happens, in order.
//!
//! A record of the metadata log is told by each controller that finds out that it is committed, for none knows
//! what another one has told. Here it is kept once. Told differently it is kept, and shows what went wrong.
//!
//! Invariants: entries are never before the one before them; messages that arrived are kept only if
//! the plan wants them (dropped ones always).
//!
//! Next: `codec.rs`, which makes the record's bytes.

use super::{Entry, Message, What};
use ktrial_core::{Event, NodeId, Offset, Timestamp};
use std::collections::BTreeMap;

/// The entries so far.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    entries: Vec<Entry>,
    messages: bool,
    /// Where each record of the metadata log stands among the entries.
    metadata: BTreeMap<Offset, usize>,
}

impl Recorder {
    /// An empty record that holds messages that arrived, or not.
    pub(crate) fn new(messages: bool) -> Self {
        Self {
            entries: Vec::new(),
            messages,
            metadata: BTreeMap::new(),
        }
    }

    /// Whether messages that arrived are kept: if not, none need be made.
    pub(crate) fn keeps_messages(&self) -> bool {
        self.messages
    }

    /// Whether this is a record of the metadata log that was told already.
    pub(crate) fn is_told(&mut self, what: &What) -> bool {
        let What::Event(Event::MetadataWritten { offset, .. }) = what else {
            return false;
        };
        let told = self
            .metadata
            .get(offset)
            .and_then(|at| self.entries.get(*at));
        if told.is_some_and(|told| told.what == *what) {
            return true;
        }
        self.metadata.insert(*offset, self.entries.len());
        false
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
