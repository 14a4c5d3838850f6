//! The directed links between nodes: how long a message takes, and whether it passes at all.
//!
//! Each link draws from a random stream of its own (`link b1>b2`), so that a message more or less on
//! one link changes nothing on another. With one fixed latency nothing is drawn.
//!
//! Simplified: no bandwidth and no queue on a link, so a large fetch takes as long as a heartbeat and
//! catching up is faster than in reality.
//!
//! Next: `transport.rs`, which sends over links.

use super::rule::Rule;
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
    /// Which rules concern it.
    rules: Vec<usize>,
}

/// What a link does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It is there after this time.
    Takes(Duration),
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

    /// Sends a message over a link: draws its latency and counts it with the rules that it meets.
    pub(crate) fn pass(&mut self, from: usize, to: usize, api: Option<Api>) -> Passage {
        if self.is_held(from, to, api) {
            return Passage::Held;
        }
        let Self { plan, rules, .. } = self;
        let (min, max) = (plan.latency_min_us, plan.latency_max_us);
        let link = link(&mut self.table, &self.nodes, self.seed, rules, from, to);
        let usual = Latency::Uniform {
            min_us: min,
            max_us: max,
        };
        let mut micros = draw(&mut link.random, usual);
        for index in &link.rules {
            let rule = &mut rules[*index];
            if let LinkFault::Delay(latency) = rule.fault
                && rule.selects(api)
            {
                rule.touched += 1;
                micros = micros.saturating_add(draw(&mut link.random, latency));
            }
        }
        Passage::Takes(Duration::from_micros(micros))
    }

    /// Whether the link is cut for this message; if so, counts it with each cut.
    pub(crate) fn is_held(&mut self, from: usize, to: usize, api: Option<Api>) -> bool {
        if self.rules.is_empty() {
            return false;
        }
        let rules = &mut self.rules;
        let link = link(&mut self.table, &self.nodes, self.seed, rules, from, to);
        let mut held = false;
        for index in &link.rules {
            let rule = &mut rules[*index];
            if rule.fault == LinkFault::Cut && rule.selects(api) {
                rule.touched += 1;
                held = true;
            }
        }
        held
    }

    /// Whether the link is cut for this message, without counting it.
    pub(crate) fn is_cut(&self, from: usize, to: usize, api: Option<Api>) -> bool {
        let cuts = |rule: &Rule| rule.fault == LinkFault::Cut && rule.selects(api);
        self.rules
            .iter()
            .any(|rule| cuts(rule) && rule.concerns(from, to))
    }

    /// How long TCP takes to try again after the way became free.
    pub(crate) fn retransmission(&mut self, from: usize, to: usize) -> Duration {
        let rules = &self.rules;
        let link = link(&mut self.table, &self.nodes, self.seed, rules, from, to);
        Duration::from_micros(link.random.below(RETRANSMISSION_US + 1))
    }

    /// Adds a rule.
    pub(crate) fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
        self.route();
    }

    /// Ends the rules of a step, or all, and hands them over.
    pub(crate) fn end(&mut self, step: Option<usize>) -> Vec<Rule> {
        let rules = std::mem::take(&mut self.rules).into_iter();
        let ends = |rule: &Rule| step.is_none_or(|step| rule.step == step);
        let (ended, left) = rules.partition(ends);
        self.rules = left;
        self.route();
        ended
    }

    /// Tells each link in use which rules concern it.
    fn route(&mut self) {
        let count = self.nodes.len();
        for (index, link) in self.table.iter_mut().enumerate() {
            if let Some(link) = link {
                link.rules = concerning(&self.rules, index / count, index % count);
            }
        }
    }
}

/// The link, made at its first use. A free function, so that the rules stay free to be counted.
fn link<'a>(
    table: &'a mut [Option<Box<Link>>],
    nodes: &[NodeId],
    seed: u64,
    rules: &[Rule],
    from: usize,
    to: usize,
) -> &'a mut Link {
    table[from * nodes.len() + to].get_or_insert_with(|| {
        let label = format!("link {}>{}", nodes[from], nodes[to]);
        Box::new(Link {
            random: Random::stream(seed, &label),
            rules: concerning(rules, from, to),
        })
    })
}

/// A latency in microseconds. What is fixed draws nothing.
fn draw(random: &mut Random, latency: Latency) -> u64 {
    match latency {
        Latency::Fixed { us } => us,
        Latency::Uniform { min_us, max_us } if max_us > min_us => {
            min_us + random.below((max_us - min_us).saturating_add(1))
        }
        Latency::Uniform { min_us, .. } => min_us,
        Latency::Exponential { min_us, mean_us } => {
            min_us.saturating_add(exponential(random, mean_us))
        }
    }
}

/// Source: von Neumann's comparison method, which needs no logarithm: floating point may differ from
/// machine to machine, whole numbers do not.
fn exponential(random: &mut Random, mean: u64) -> u64 {
    const SCALE: u64 = 1 << 32;
    let mut whole = 0;
    loop {
        let first = random.below(SCALE);
        let mut last = first;
        let mut run: u32 = 1;
        loop {
            let next = random.below(SCALE);
            if next >= last {
                break;
            }
            last = next;
            run += 1;
        }
        if run % 2 == 1 {
            let part = u128::from(mean) * u128::from(first) / u128::from(SCALE);
            return mean
                .saturating_mul(whole)
                .saturating_add(u64::try_from(part).unwrap_or(mean));
        }
        whole += 1;
    }
}

fn concerning(rules: &[Rule], from: usize, to: usize) -> Vec<usize> {
    (0..rules.len())
        .filter(|index| rules[*index].concerns(from, to))
        .collect()
}
