//! What is due and what can be sent: called after every input, until nothing is left to do.
//!
//! | state | it sends | to |
//! |---|---|---|
//! | Unattached | Fetch | any voter |
//! | Prospective, Candidate | Vote | the voters that have not answered, until it is lost |
//! | Follower | Fetch | the leader; while it cannot be reached, any voter |
//! | Leader | BeginQuorumEpoch | the voters that have not fetched for half a fetch timeout |
//! | Resigned | EndQuorumEpoch | the voters that have not answered |
//!
//! Source: `KafkaRaftClient.poll*`, `maybeSend*`. Next: `vote.rs`, `follow.rs`.

use super::state::Role;
use super::{Context, Raft};
use crate::id::ControllerId;
use crate::message::Request;
use crate::planted::Bug;
use crate::storage::StorageError;
use crate::time::{Timestamp, earliest};

type Done = Result<(), StorageError>;

impl Raft {
    /// Does what is due.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Done {
        self.links.expire(self.settings.retry_backoff, context);
        // A state whose time is up gives way to the next; that one's time is not up yet.
        self.run_out(context)?;
        self.answer_parked(context)?;
        self.snapshot_if_due(context)?;
        self.send_wanted(context);
        Ok(())
    }

    /// The time of the state is up.
    fn run_out(&mut self, context: &mut Context<'_>) -> Done {
        let now = context.now.monotonic;
        if self.stopping {
            // A quorum of one has nobody to hand over to.
            if matches!(self.election.role, Role::Leader(_)) && self.has_others() {
                self.resign(context);
            }
            return Ok(());
        }
        if let Role::Leader(leading) = &self.election.role {
            if leading.check_until <= now && self.checks_quorum() {
                self.resign(context);
            }
            return Ok(());
        }
        if self.election.role.until() > now {
            return Ok(());
        }
        match self.election.role {
            Role::Unattached { .. } | Role::Follower { .. } => self.become_prospective(context),
            Role::Candidate { .. } => self.become_prospective(context),
            Role::Prospective { .. } => self.give_up_prospect(context),
            Role::Resigned { .. } => {
                let next = self.election.epoch.next();
                // Its time is up, so the next one has to have one of its own.
                let until = self.election_timeout(now);
                if let Role::Resigned { until: at, .. } = &mut self.election.role {
                    *at = until;
                }
                self.become_unattached(context, next, None)
            }
            Role::Leader(_) => Ok(()),
        }
    }

    /// Whether a leader resigns without a majority.
    fn checks_quorum(&self) -> bool {
        let rules = self.log.rules();
        rules.raft_check_quorum && !rules.has(Bug::QuorumLeaderNeverResigns)
    }

    fn send_wanted(&mut self, context: &mut Context<'_>) {
        let now = context.now.monotonic;
        if let Role::Leader(leading) = &mut self.election.role {
            if leading.begin_at <= now {
                for voter in leading.silent(now) {
                    let request = self.begin_epoch_request(voter);
                    self.send_if_idle(context, voter, request);
                }
            }
            return;
        }
        if let Ok(to) = self.fetch_wanted(now) {
            let request = self.fetch_request();
            self.send(context, to, request);
        }
        for voter in self.asked() {
            if let Some(request) = self.request_to(voter) {
                self.send_if_idle(context, voter, request);
            }
        }
    }

    /// The next voter to fetch from, if the state fetches.
    fn fetch_wanted(&mut self, now: Timestamp) -> Result<ControllerId, Timestamp> {
        let fetches = matches!(
            self.election.role,
            Role::Unattached { .. } | Role::Follower { .. }
        );
        if fetches && !(self.stopping && self.is_voter()) {
            self.fetch_target(now)
        } else {
            Err(Timestamp::NEVER)
        }
    }

    /// The voters whose answer the state wants.
    fn asked(&self) -> Vec<ControllerId> {
        match &self.election.role {
            Role::Prospective { votes, .. } | Role::Candidate { votes, .. }
                if !votes.is_rejected(&self.voters) =>
            {
                let unheard = self.voters.ids().filter(|id| !votes.is_recorded(*id));
                unheard.collect()
            }
            Role::Resigned { unheard, .. } => unheard.iter().copied().collect(),
            _ => Vec::new(),
        }
    }

    fn request_to(&self, voter: ControllerId) -> Option<Request> {
        match &self.election.role {
            Role::Prospective { .. } | Role::Candidate { .. } => Some(self.vote_request(voter)),
            Role::Resigned { successors, .. } => Some(self.end_epoch_request(successors)),
            _ => None,
        }
    }

    fn send_if_idle(&mut self, context: &mut Context<'_>, to: ControllerId, request: Request) {
        let ready = self.links.ready_at(to) <= context.now.monotonic;
        if ready && !self.links.is_busy(to) {
            self.send(context, to, request);
        }
    }

    fn send(&mut self, context: &mut Context<'_>, to: ControllerId, request: Request) {
        let timeout = self.settings.request_timeout;
        self.links.send(to, request, timeout, context);
    }

    /// When there is something to do again.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let mut next = earliest(self.links.next_deadline(), self.parked_deadline());
        next = earliest(next, self.clean_deadline());
        let mut want = |at: Timestamp| {
            if at != Timestamp::NEVER {
                next = earliest(next, Some(at));
            }
        };
        if let Role::Leader(leading) = &self.election.role {
            want(leading.begin_at);
            if self.checks_quorum() {
                want(leading.check_until);
            }
            return next;
        }
        if !self.stopping {
            want(self.election.role.until());
        }
        for voter in self.asked() {
            if !self.links.is_busy(voter) {
                want(self.links.ready_at(voter));
            }
        }
        let fetches = matches!(
            self.election.role,
            Role::Unattached { .. } | Role::Follower { .. }
        );
        if fetches && !self.links.is_any_busy() && !(self.stopping && self.is_voter()) {
            let ready = self.bootstrap.iter().map(|id| self.links.ready_at(*id));
            ready.min().into_iter().for_each(want);
        }
        next
    }
}
