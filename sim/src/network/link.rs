//! The directed links between nodes: whether a segment passes, and how long that takes.
//!
//! Each link draws from random streams of its own (`link b1>b2`), so that a message more or less on one
//! link changes nothing on another. Each kind of fault has its own stream (`loss b1>b2`, `delay b1>b2`),
//! so that a fault more or less does not shift the usual latencies: each segment draws one of these when
//! it passes, however often it was lost before. With one fixed latency nothing is drawn.
//!
//! Simplified: without a throttle or a bandwidth in the plan a link has no queue, so a large fetch takes
//! as long as a heartbeat and catching up is faster than in reality. Both directions of a link, and the
//! links of one machine, have their bandwidth each for itself.
//!
//! Next: `wire.rs`.

use super::latency::draw;
use super::rule::Rule;
use super::wire::Wire;
use crate::plan::{Latency, LinkFault, NetworkPlan};
use ktrial_core::message::Api;
use ktrial_core::{NodeId, Random};
use std::time::Duration;

/// Longest time until TCP tries again once the way is free.
const RETRANSMISSION_US: u64 = 200_000;

/// All links and what is wrong with them.
#[derive(Debug)]
pub(crate) struct Links {
    seed: u64,
    plan: NetworkPlan,
    nodes: Vec<NodeId>,
    table: Vec<Option<Box<Link>>>,
    rules: Vec<Rule>,
}

/// One direction between two nodes.
#[derive(Debug)]
struct Link {
    random: Random,
    /// For the tail of the usual latency.
    tail: Random,
    delay: Random,
    loss: Random,
    /// Which rules concern it.
    rules: Vec<usize>,
    wire: Wire,
}

/// What a link does with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It is there after this time.
    Takes(Duration),
    /// It is lost for ever, and its connection with it; the reset takes this time.
    Reset(Duration),
    /// It is lost on the way; TCP sends it again.
    Lost,
    /// It does not pass for now.
    Held,
}

impl Links {
    /// Links between all nodes, with nothing wrong.
    pub(crate) fn new(seed: u64, plan: NetworkPlan, nodes: Vec<NodeId>) -> Self {
        let table = std::iter::repeat_with(|| None)
            .take(nodes.len() * nodes.len())
            .collect();
        Self {
            seed,
            plan,
            nodes,
            table,
            rules: Vec::new(),
        }
    }

    /// Sends a segment over a link: draws its fate, and counts it with the rules that it meets. A
    /// connection that is being closed cannot be reset.
    pub(super) fn pass(
        &mut self,
        (from, to): (usize, usize),
        api: Option<Api>,
        can_reset: bool,
    ) -> Passage {
        if self.is_held((from, to), api) {
            return Passage::Held;
        }
        let plan = self.plan;
        let (link, rules) = self.link(from, to);
        let mut reset = false;
        if !link.rules.is_empty() {
            match link.loses(rules, api, can_reset) {
                Some(true) => reset = true,
                Some(false) => return Passage::Lost,
                None => {}
            }
        }
        let mut micros = link.usual(&plan);
        for index in &link.rules {
            let rule = &mut rules[*index];
            match rule.fault {
                LinkFault::Delay(latency) if rule.selects(api) => {
                    rule.touched += 1;
                    micros = micros.saturating_add(draw(&mut link.delay, latency));
                }
                LinkFault::Throttle { .. } if rule.selects(api) => rule.touched += 1,
                _ => {}
            }
        }
        let latency = Duration::from_micros(micros);
        if reset {
            Passage::Reset(latency)
        } else {
            Passage::Takes(latency)
        }
    }

    /// Whether the link is cut for this message; if so, counts it with each cut.
    pub(super) fn is_held(&mut self, (from, to): (usize, usize), api: Option<Api>) -> bool {
        if self.rules.is_empty() {
            return false;
        }
        let (link, rules) = self.link(from, to);
        let mut held = false;
        for index in &link.rules {
            let rule = &mut rules[*index];
            if rule.cuts(api) {
                rule.touched += 1;
                held = true;
            }
        }
        held
    }

    /// Whether the link is cut for this message, without counting it.
    pub(super) fn is_cut(&self, (from, to): (usize, usize), api: Option<Api>) -> bool {
        let mut rules = self.rules.iter();
        rules.any(|rule| rule.cuts(api) && rule.concerns(from, to))
    }

    /// How many bytes per millisecond the link takes of such messages; `None` = any number.
    pub(super) fn rate(&mut self, (from, to): (usize, usize), api: Option<Api>) -> Option<u64> {
        let always = self.plan.bytes_per_ms;
        if self.rules.is_empty() {
            return always;
        }
        let (link, rules) = self.link(from, to);
        let limits = link
            .rules
            .iter()
            .filter_map(|index| rules[*index].limits(api));
        limits.chain(always).min()
    }

    /// How long TCP takes to try again after the way became free.
    pub(super) fn retransmission(&mut self, (from, to): (usize, usize)) -> Duration {
        let (link, _) = self.link(from, to);
        Duration::from_micros(link.random.below(RETRANSMISSION_US + 1))
    }

    /// What waits for bandwidth.
    pub(super) fn wire(&mut self, (from, to): (usize, usize)) -> &mut Wire {
        &mut self.link(from, to).0.wire
    }

    /// The links on which something waits for bandwidth.
    pub(super) fn busy(&self) -> Vec<(usize, usize)> {
        let count = self.nodes.len();
        let links = self.table.iter().enumerate();
        let busy = links.filter(|(_, link)| link.as_ref().is_some_and(|l| !l.wire.is_idle()));
        busy.map(|(index, _)| (index / count, index % count))
            .collect()
    }

    /// Adds a rule.
    pub(super) fn add(&mut self, rule: Rule) {
        let (count, index) = (self.nodes.len(), self.rules.len());
        for (place, link) in self.table.iter_mut().enumerate() {
            if let Some(link) = link
                && rule.concerns(place / count, place % count)
            {
                link.rules.push(index);
            }
        }
        self.rules.push(rule);
    }

    /// Ends the rules of a step, or all, and hands them over.
    pub(super) fn end(&mut self, step: Option<usize>) -> Vec<Rule> {
        let rules = std::mem::take(&mut self.rules).into_iter();
        let ends = |rule: &Rule| step.is_none_or(|step| rule.step == step);
        let (ended, left): (Vec<_>, _) = rules.partition(ends);
        self.rules = left;
        if !ended.is_empty() {
            let count = self.nodes.len();
            for (index, link) in self.table.iter_mut().enumerate() {
                if let Some(link) = link {
                    link.rules = concerning(&self.rules, index / count, index % count);
                }
            }
        }
        ended
    }

    /// The link, made at its first use, and the rules, which stay free to be counted.
    fn link(&mut self, from: usize, to: usize) -> (&mut Link, &mut [Rule]) {
        let Self {
            seed, nodes, rules, ..
        } = self;
        let link = self.table[from * nodes.len() + to].get_or_insert_with(|| {
            let stream = |of| Random::stream(*seed, &format!("{of} {}>{}", nodes[from], nodes[to]));
            Box::new(Link {
                random: stream("link"),
                tail: stream("tail"),
                delay: stream("delay"),
                loss: stream("loss"),
                rules: concerning(rules, from, to),
                wire: Wire::default(),
            })
        });
        (link, rules)
    }
}

impl Link {
    /// Whether a segment is lost, and if so, whether its connection is reset.
    fn loses(&mut self, rules: &mut [Rule], api: Option<Api>, can_reset: bool) -> Option<bool> {
        let mut lost = None;
        for index in &self.rules {
            let rule = &mut rules[*index];
            if let LinkFault::Lose { per_mille, reset } = rule.fault
                && rule.selects(api)
                && (can_reset || !reset)
                && self.loss.chance(per_mille.into(), 1_000)
            {
                rule.touched += 1;
                lost = Some(reset || lost == Some(true));
            }
        }
        lost
    }

    /// How long a segment takes when nothing is wrong.
    fn usual(&mut self, plan: &NetworkPlan) -> u64 {
        let latency = Latency::Uniform {
            min_us: plan.latency_min_us,
            max_us: plan.latency_max_us,
        };
        let micros = draw(&mut self.random, latency);
        match plan.tail_us {
            None => micros,
            Some(mean_us) => {
                let tail = Latency::Exponential { min_us: 0, mean_us };
                micros.saturating_add(draw(&mut self.tail, tail))
            }
        }
    }
}

fn concerning(rules: &[Rule], from: usize, to: usize) -> Vec<usize> {
    (0..rules.len())
        .filter(|index| rules[*index].concerns(from, to))
        .collect()
}
