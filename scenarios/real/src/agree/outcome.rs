//! What a cell ended in, and how it came there, as plain data that two worlds can share.
//!
//! Taken from the verdict and the record, the same way for a simulated cell and a real one. Times are
//! left out, and so is what only one of the worlds can see (messages, high watermarks, elections).
//!
//! Simplified: a send that failed or is unknown is that, whatever the error was called: librdkafka has
//! names of its own. That a log is damaged is compared, not how. Partitions of internal topics
//! (`__consumer_offsets`) are left out.
//! Next: `difference.rs`.

use ktrial_core::event::SendOutcome;
use ktrial_core::message::LeaderRecoveryState;
use ktrial_core::metadata::MetadataRecord;
use ktrial_core::{BrokerId, EpochOffset, Event, LeaderEpoch, Offset, TopicPartition};
use ktrial_reports::Cell;
use ktrial_sim::history::{FinalRecord, Record, What};
use ktrial_sim::verdict::Class;
use ktrial_sim::view::{Committed, View};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a cell ended in.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Where it was played, as a word in a sentence: `4.3.1`, `3.9.1 (zookeeper)`, `simulated`.
    pub place: String,
    /// What became of the promise.
    pub verdict: Class,
    /// The checks that found something. Not compared.
    pub findings: BTreeSet<String>,
    /// Acknowledged values that are gone.
    pub lost: BTreeSet<String>,
    /// Values that are in a log more than once.
    pub duplicated: BTreeSet<String>,
    /// How each send ended, by its value.
    pub sends: BTreeMap<String, End>,
    /// What the disks held at the end.
    pub replicas: BTreeMap<TopicPartition, BTreeMap<BrokerId, Replica>>,
    /// What the controller wrote about each partition, from its creation on: one for each record that changed
    /// something of it.
    pub states: BTreeMap<TopicPartition, Vec<State>>,
}

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Acknowledged, at an offset if the broker said it.
    Acknowledged(Option<Offset>),
    /// Sent without asking for an acknowledgement.
    Sent,
    /// Certainly not written.
    Failed,
    /// It may or may not have been written.
    Unknown,
    /// It had not ended.
    Pending,
}

/// A replica on a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replica {
    /// Every record.
    pub records: Vec<FinalRecord>,
    /// The leader epoch checkpoint.
    pub checkpoint: Vec<EpochOffset>,
    /// What could not be read, if anything.
    pub damage: Option<String>,
}

/// A partition as the controller wrote it.
#[derive(Clone, Debug)]
pub struct State {
    /// Who leads.
    pub leader: Option<BrokerId>,
    /// In which epoch.
    pub leader_epoch: LeaderEpoch,
    /// In-sync replicas, by id: a set, which 4.3 writes by id and older releases as its members joined.
    pub isr: Vec<BrokerId>,
    /// Eligible leader replicas (KIP-966).
    pub elr: Vec<BrokerId>,
    /// The last known leader, when nobody leads (KIP-966).
    pub last_known_elr: Vec<BrokerId>,
    /// Elected uncleanly, and not recovered since (KIP-704).
    pub recovering: bool,
    /// The last thing done before it, in words. Not compared.
    pub after: Option<String>,
}

/// Equal but for what came before.
impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        let of = |state: &Self| (state.leader, state.leader_epoch, state.recovering);
        of(self) == of(other)
            && self.isr == other.isr
            && self.elr == other.elr
            && self.last_known_elr == other.last_known_elr
    }
}

impl Outcome {
    /// What this cell ended in.
    pub fn of(cell: &Cell) -> Self {
        let verdict = &cell.verdict;
        let (view, states) = states(cell);
        Self {
            place: place(&cell.record),
            verdict: verdict.verdict,
            findings: verdict.findings.iter().map(|it| it.check.clone()).collect(),
            lost: verdict.lost.iter().map(|lost| lost.value.clone()).collect(),
            duplicated: verdict
                .duplicated
                .iter()
                .map(|it| it.value.clone())
                .collect(),
            sends: sends(&view),
            replicas: replicas(&cell.record),
            states,
        }
    }
}

fn sorted(isr: &[BrokerId]) -> Vec<BrokerId> {
    let mut isr = isr.to_vec();
    isr.sort_unstable();
    isr
}

impl Replica {
    /// Its values, in order.
    pub fn values(&self) -> Vec<&str> {
        let records = self.records.iter();
        records.map(|record| record.value.as_str()).collect()
    }

    /// The epochs of its records are those that its checkpoint says.
    pub fn is_consistent(&self) -> bool {
        self.records.iter().all(|record| {
            let mut entries = self.checkpoint.iter().rev();
            let entry = entries.find(|entry| entry.offset <= record.offset);
            entry.is_some_and(|entry| entry.epoch == record.epoch)
        })
    }
}

fn place(record: &Record) -> String {
    match &record.header.real {
        None => "simulated".to_owned(),
        Some(real) if real.mode == "zookeeper" => format!("{} (zookeeper)", real.release),
        Some(real) => real.release.clone(),
    }
}

/// The states of each partition, and the view at the end.
fn states(cell: &Cell) -> (View, BTreeMap<TopicPartition, Vec<State>>) {
    let mut view = View::new(&cell.plan);
    let mut states: BTreeMap<TopicPartition, Vec<State>> = BTreeMap::new();
    let mut after = None;
    for entry in &cell.record.entries {
        view.apply(entry);
        if let What::Step {
            action: Some(action),
            ..
        } = &entry.what
        {
            after = Some(ktrial_reports::action_words(&cell.plan, action));
        }
        let Some(partition) = written(&view, &entry.what) else {
            continue;
        };
        let committed = view
            .partition(&partition)
            .and_then(|it| it.committed.as_ref());
        if let Some(committed) = committed {
            let state = State {
                after: after.clone(),
                ..State::from(committed)
            };
            let states = states.entry(partition).or_default();
            // A record can be about what is not compared: log directories, which move after a wipe.
            if states.last() != Some(&state) {
                states.push(state);
            }
        }
    }
    (view, states)
}

/// The partition that the controller wrote something about.
fn written(view: &View, what: &What) -> Option<TopicPartition> {
    let What::Event(Event::MetadataWritten { record, .. }) = what else {
        return None;
    };
    let about = matches!(
        **record,
        MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_)
    );
    let partition = view.partition_of(record).filter(|_| about)?;
    (!is_internal(&partition)).then_some(partition)
}

fn is_internal(partition: &TopicPartition) -> bool {
    partition.topic.starts_with("__")
}

impl From<&Committed> for State {
    fn from(committed: &Committed) -> Self {
        Self {
            leader: committed.leader,
            leader_epoch: committed.leader_epoch,
            isr: sorted(&committed.isr),
            elr: committed.elr.clone(),
            last_known_elr: committed.last_known_elr.clone(),
            recovering: committed.leader_recovery_state == LeaderRecoveryState::Recovering,
            after: None,
        }
    }
}

fn sends(view: &View) -> BTreeMap<String, End> {
    let sends = view.operations().list().iter();
    sends
        .map(|send| {
            let end = match send.ended {
                None => End::Pending,
                Some((_, SendOutcome::Acknowledged { offset })) => End::Acknowledged(offset),
                Some((_, SendOutcome::Sent)) => End::Sent,
                Some((_, SendOutcome::Failed(_))) => End::Failed,
                Some((_, SendOutcome::Unknown(_))) => End::Unknown,
            };
            (send.value.to_string(), end)
        })
        .collect()
}

fn replicas(record: &Record) -> BTreeMap<TopicPartition, BTreeMap<BrokerId, Replica>> {
    let mut replicas: BTreeMap<TopicPartition, BTreeMap<BrokerId, Replica>> = BTreeMap::new();
    for entry in &record.entries {
        let What::FinalLog(log) = &entry.what else {
            continue;
        };
        if is_internal(&log.partition) {
            continue;
        }
        let replica = Replica {
            records: log.records.clone(),
            checkpoint: log.leader_epochs.clone(),
            damage: log.damage.clone(),
        };
        let of_partition = replicas.entry(log.partition.clone()).or_default();
        of_partition.insert(log.broker, replica);
    }
    replicas
}

/// As a sentence goes on after the value: `D failed`.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Acknowledged(Some(offset)) => write!(f, "was acknowledged at offset {offset}"),
            Self::Acknowledged(None) => f.write_str("was acknowledged without an offset"),
            Self::Sent => f.write_str("was sent without acknowledgement"),
            Self::Failed => f.write_str("failed"),
            Self::Unknown => f.write_str("had an unknown outcome"),
            Self::Pending => f.write_str("did not end"),
        }
    }
}
