//! Which broker is the controller: the one that creates `/controller`, in the epoch that it writes to
//! `/controller_epoch`.
//!
//! | it is | it does |
//! |---|---|
//! | started, or `/controller` vanished | watches `/controller` and reads it; if it is not there, reads the epoch |
//! | told the epoch | creates `/controller` and raises the epoch, both or neither |
//! | refused, for either was there first | reads `/controller` again: another's, or its own after all |
//! | told that `/controller` is another's | is no controller, waits for it to vanish |
//! | told that its session has ended | is no controller |
//!
//! Rules:
//! - An answer that was lost with its connection is asked for again. So a claim may be refused because it
//!   was done: then `/controller` is its own, with the epoch that it wanted.
//! - Every write of a controller checks the version of `/controller_epoch` in the same transaction
//!   (KAFKA-6082, since 2.1). A controller that has been replaced and does not know it is refused. Before,
//!   nothing refused it.
//! - Before that release `/controller` is created first and the epoch raised after it. If another one
//!   raised it in between, the broker deletes `/controller` again.
//!
//! - What happens while it asks waits until it has its answers, as events wait for the one before.
//!
//! Invariants: no two brokers are told the same epoch, and none twice.
//!
//! Simplified: before 2.1 the epoch is read when `/controller` has been created, not before.
//! Source: KAFKA-6082; `KafkaController.elect`, `processReelect`, `maybeResign`, `triggerControllerMove`;
//! `KafkaZkClient.registerControllerAndIncrementControllerEpoch`, `wrapRequestWithControllerEpochCheck`.
//! Next: `leaders.rs`.

use super::znodes::{CONTROLLER, CONTROLLER_EPOCH, ControllerNode, decode, decode_epoch, encode};
use crate::id::BrokerId;
use crate::message::{Answer, Change, Operation, Refusal};
use crate::zookeeper::{Happened, ZooKeeperError};
use bytes::Bytes;
use std::collections::VecDeque;

/// What the elector asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To be told when `/controller` changes.
    Watch,
    /// Who is the controller. `claim` = it wants to be, if nobody is.
    Controller {
        /// Whether it stands for election.
        claim: bool,
    },
    /// The epoch, to claim the next one.
    Epoch,
    /// The first controller of the cluster creates `/controller_epoch`.
    CreateEpoch,
    /// The controllership in this epoch, the version of `/controller_epoch` being this one.
    Claim(i32, i32),
    /// Who it is, after a claim of this epoch was refused.
    Verify(i32),
    /// The epoch, after it turned out that `/controller` is its own.
    VerifyEpoch(i32),
    /// Before 2.1: `/controller` alone.
    Create,
    /// Before 2.1: the epoch after it.
    Raise(i32, i32),
    /// Before 2.1: `/controller` has to go again.
    Withdraw,
}

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this; its answer belongs to the ask.
    Submit(Operation, Ask),
    /// It is the controller from now on.
    Elected {
        /// In this epoch.
        epoch: i32,
    },
    /// It was the controller, and is no more.
    Resigned,
}

/// A broker's part in elections of the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elector {
    id: BrokerId,
    /// KAFKA-6082 holds.
    fenced: bool,
    /// The controller as far as it knows.
    active: Option<BrokerId>,
    /// Its own epoch and the version of `/controller_epoch` with it.
    leads: Option<(i32, i32)>,
    /// Answers that it waits for.
    outstanding: usize,
    /// What happened meanwhile, in order: whether it stands for election then.
    waiting: VecDeque<bool>,
}

impl Elector {
    /// Of a broker. `fenced` = a controller's writes check its epoch (since 2.1).
    pub fn new(id: BrokerId, fenced: bool) -> Self {
        Self {
            id,
            fenced,
            active: None,
            leads: None,
            outstanding: 0,
            waiting: VecDeque::new(),
        }
    }

    /// The controller, as far as this broker knows.
    pub fn active(&self) -> Option<BrokerId> {
        self.active
    }

    /// Its own epoch, if it believes that it is the controller.
    pub fn epoch(&self) -> Option<i32> {
        self.leads.map(|(epoch, _)| epoch)
    }

    /// It has a session, and stands for election.
    pub fn stand(&mut self) -> Vec<Step> {
        self.look(true)
    }

    /// Its session has ended. Answers to what it asked for before are not for it any more.
    pub fn expired(&mut self) -> Vec<Step> {
        self.active = None;
        self.outstanding = 0;
        self.waiting.clear();
        self.resign()
    }

    /// Something happened to `/controller`.
    pub fn happened(&mut self, happened: Happened) -> Vec<Step> {
        self.look(happened == Happened::Deleted)
    }

    /// Looks who is the controller, after what it does now.
    fn look(&mut self, claim: bool) -> Vec<Step> {
        if self.outstanding > 0 {
            self.waiting.push_back(claim);
            return Vec::new();
        }
        self.counted(vec![watch(), who(Ask::Controller { claim })])
    }

    fn counted(&mut self, steps: Vec<Step>) -> Vec<Step> {
        let asks = steps.iter().filter(|step| matches!(step, Step::Submit(..)));
        self.outstanding += asks.count();
        steps
    }

    /// A change as this controller writes it: refused if there has been another controller since.
    pub fn write(&self, change: Change) -> Operation {
        match self.leads {
            Some((_, version)) if self.fenced => {
                let check = Change::Check {
                    path: CONTROLLER_EPOCH.to_owned(),
                    version,
                };
                Operation::Multi(vec![check, change])
            }
            _ => Operation::Change(change),
        }
    }

    /// Whether an answer to [`Elector::write`] says that there has been another controller since.
    pub fn is_moved(&self, result: &Result<Answer, Refusal>) -> bool {
        let refused = Refusal {
            error: ZooKeeperError::BadVersion,
            index: 0,
        };
        self.fenced && *result == Err(refused)
    }

    /// A write was refused: there is another controller.
    pub fn moved(&mut self) -> Vec<Step> {
        let mut steps = self.resign();
        steps.extend(self.look(false));
        steps
    }

    /// Another one was elected: it looks who, when nothing else is asked for.
    fn lost(&mut self) -> Vec<Step> {
        self.waiting.push_front(false);
        self.resign()
    }

    fn resign(&mut self) -> Vec<Step> {
        let led = self.leads.take().is_some();
        led.then_some(Step::Resigned).into_iter().collect()
    }

    /// An answer came. `wall` is the clock for `/controller`.
    pub fn answered(&mut self, ask: Ask, result: &Result<Answer, Refusal>, wall: i64) -> Vec<Step> {
        self.outstanding = self.outstanding.saturating_sub(1);
        let steps = self.follow(ask, result, wall);
        let mut steps = self.counted(steps);
        if self.outstanding == 0
            && let Some(claim) = self.waiting.pop_front()
        {
            steps.extend(self.look(claim));
        }
        steps
    }

    /// What follows from an answer.
    fn follow(&mut self, ask: Ask, result: &Result<Answer, Refusal>, wall: i64) -> Vec<Step> {
        if let Err(refusal) = result
            && refusal.error == ZooKeeperError::ConnectionLoss
        {
            return vec![self.again(ask, wall)];
        }
        match ask {
            Ask::Watch | Ask::Withdraw => Vec::new(),
            Ask::Controller { claim } => self.told(result, claim, wall),
            Ask::Epoch => match (epoch_in(result), result) {
                (Some((epoch, version)), _) if self.fenced => {
                    vec![self.again(Ask::Claim(epoch + 1, version), wall)]
                }
                (Some((epoch, version)), _) => {
                    vec![self.again(Ask::Raise(epoch + 1, version), wall)]
                }
                (None, Err(_)) => vec![self.again(Ask::CreateEpoch, wall)],
                (None, Ok(_)) => Vec::new(),
            },
            Ask::CreateEpoch => vec![self.again(Ask::Epoch, wall)],
            Ask::Create => match result {
                Ok(_) => vec![self.again(Ask::Epoch, wall)],
                Err(_) => vec![who(Ask::Controller { claim: false })],
            },
            Ask::Claim(epoch, version) => match result {
                Ok(_) => self.elected(epoch, version + 1),
                Err(_) => vec![who(Ask::Verify(epoch))],
            },
            Ask::Raise(epoch, version) => match result {
                Ok(_) => self.elected(epoch, version + 1),
                Err(_) => vec![self.again(Ask::Withdraw, wall)],
            },
            Ask::Verify(epoch) => match controller_in(result) {
                Some(id) if id == self.id => vec![read(CONTROLLER_EPOCH, Ask::VerifyEpoch(epoch))],
                _ => self.lost(),
            },
            Ask::VerifyEpoch(epoch) => match epoch_in(result) {
                Some((now, version)) if now == epoch => self.elected(epoch, version),
                _ => self.lost(),
            },
        }
    }

    /// It is known who the controller is.
    fn told(&mut self, result: &Result<Answer, Refusal>, claim: bool, wall: i64) -> Vec<Step> {
        self.active = controller_in(result);
        let mut steps = Vec::new();
        if self.active != Some(self.id) {
            steps = self.resign();
        }
        if claim && self.active.is_none() {
            let ask = if self.fenced { Ask::Epoch } else { Ask::Create };
            steps.push(self.again(ask, wall));
        }
        steps
    }

    fn elected(&mut self, epoch: i32, version: i32) -> Vec<Step> {
        self.active = Some(self.id);
        self.leads = Some((epoch, version));
        vec![Step::Elected { epoch }]
    }

    /// Asks for something, for the first time or once more.
    fn again(&self, ask: Ask, wall: i64) -> Step {
        let create = || Change::Create {
            path: CONTROLLER.to_owned(),
            data: encode(&ControllerNode::new(self.id, wall)),
            ephemeral: true,
            sequential: false,
        };
        let raise = |epoch: i32, version: i32| Change::SetData {
            path: CONTROLLER_EPOCH.to_owned(),
            data: Bytes::from(epoch.to_string()),
            version: Some(version),
        };
        let operation = match ask {
            Ask::Watch => return watch(),
            Ask::Controller { .. } | Ask::Verify(_) => return who(ask),
            Ask::Epoch | Ask::VerifyEpoch(_) => return read(CONTROLLER_EPOCH, ask),
            Ask::CreateEpoch => Operation::Change(Change::Create {
                path: CONTROLLER_EPOCH.to_owned(),
                data: Bytes::from_static(b"0"),
                ephemeral: false,
                sequential: false,
            }),
            Ask::Claim(epoch, version) => Operation::Multi(vec![create(), raise(epoch, version)]),
            Ask::Create => Operation::Change(create()),
            Ask::Raise(epoch, version) => Operation::Change(raise(epoch, version)),
            Ask::Withdraw => Operation::Change(Change::Delete {
                path: CONTROLLER.to_owned(),
                version: None,
            }),
        };
        Step::Submit(operation, ask)
    }
}

fn watch() -> Step {
    let path = CONTROLLER.to_owned();
    Step::Submit(Operation::Exists { path, watch: true }, Ask::Watch)
}

fn who(ask: Ask) -> Step {
    read(CONTROLLER, ask)
}

fn read(path: &str, ask: Ask) -> Step {
    let path = path.to_owned();
    Step::Submit(Operation::GetData { path, watch: false }, ask)
}

fn controller_in(result: &Result<Answer, Refusal>) -> Option<BrokerId> {
    match result {
        Ok(Answer::Data(data, _)) => decode::<ControllerNode>(data).map(|node| node.brokerid),
        _ => None,
    }
}

/// The epoch and the version of its znode.
fn epoch_in(result: &Result<Answer, Refusal>) -> Option<(i32, i32)> {
    match result {
        Ok(Answer::Data(data, stat)) => Some((decode_epoch(data)?, stat.version)),
        _ => None,
    }
}

#[cfg(test)]
#[path = "elector_tests.rs"]
mod tests;
