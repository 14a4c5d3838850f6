//! The switch between all hosts: which packet goes where, and when. It knows no device and no clock.
//!
//! Rules:
//! - Nothing wrong: a packet is due at once.
//! - Lost: it is gone, and TCP sends it again; or both its ends get a reset instead of it.
//! - Delayed: it is due later. One direction of a connection keeps its order: what would overtake waits, so
//!   that a delay drawn at random is not taken for loss. Different connections overtake each other.
//! - Throttled: it queues (`wire.rs`).
//! - Cut: it is dropped, but the last of each connection and direction is kept and goes on as the cut ends.
//!   It makes the other end answer, and TCP go on at once: its own next try may be minutes away by then.
//! - What is under way when a cut begins does not pass it.
//!
//! Invariants: what is held has a cut that holds it.
//!
//! Simplified: what is held goes on at once; the simulated network takes up to 200 ms.
//!
//! Source: ours (`sim/src/network/`).
//!
//! Next: `pump.rs`.

use super::packet::{Flow, Packet};
use super::rule::{Rule, Way};
use super::wire::Wire;
use ktrial_core::Random;
use ktrial_sim::plan::LinkFault;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

/// All ways between hosts and what is wrong with them. Times are since some beginning.
#[derive(Debug)]
pub(super) struct Switch {
    seed: u64,
    /// Names of hosts, by number: labels of random streams.
    names: Vec<String>,
    hosts: BTreeMap<Ipv4Addr, usize>,
    rules: Vec<Rule>,
    /// What the rules of a step touched that have ended.
    ended: BTreeMap<usize, u64>,
    dice: BTreeMap<Way, Dice>,
    /// Ways where something waits for bandwidth.
    wires: BTreeMap<Way, Wire>,
    /// The last that each connection wanted to send over a way that is cut, with its number.
    held: BTreeMap<(Way, Flow), (u64, Packet)>,
    /// What is under way, by the time at which it is due.
    transit: BTreeMap<(Duration, u64), (Way, Packet)>,
    /// When the last of a connection that is under way is due.
    last: BTreeMap<Flow, Duration>,
    /// Numbers packets.
    count: u64,
}

/// What a way draws from: streams of its own, labelled as in the simulated network.
#[derive(Debug)]
struct Dice {
    delay: Random,
    loss: Random,
}

/// What becomes of a packet.
enum Fate {
    Lost,
    /// Both ends of its connection get these instead.
    Reset([Packet; 2]),
    Passes,
}

impl Switch {
    /// Hosts by name and address, with nothing wrong between them.
    pub(super) fn new(seed: u64, hosts: Vec<(String, Ipv4Addr)>) -> Self {
        let by_address = hosts.iter().enumerate();
        Self {
            seed,
            hosts: by_address.map(|(host, (_, at))| (*at, host)).collect(),
            names: hosts.into_iter().map(|(name, _)| name).collect(),
            rules: Vec::new(),
            ended: BTreeMap::new(),
            dice: BTreeMap::new(),
            wires: BTreeMap::new(),
            held: BTreeMap::new(),
            transit: BTreeMap::new(),
            last: BTreeMap::new(),
            count: 0,
        }
    }

    /// Takes a packet from a host. What goes to nobody is dropped.
    pub(super) fn take(&mut self, now: Duration, from: usize, packet: Packet) {
        if let Some(to) = self.hosts.get(&packet.destination()) {
            self.pass(now, (from, *to), packet);
        }
    }

    /// The packets that are due by now, in order, each with the host that it goes to.
    pub(super) fn due(&mut self, now: Duration) -> Vec<(usize, Packet)> {
        let mut wires = std::mem::take(&mut self.wires);
        for (way, wire) in &mut wires {
            let rate = self.rate(*way);
            while let Some((packet, at)) = wire.leave(now, rate) {
                self.travel(at, *way, packet);
            }
        }
        wires.retain(|_, wire| !wire.is_idle());
        self.wires = wires;

        let mut due = Vec::new();
        while let Some(first) = self.transit.first_entry()
            && first.key().0 <= now
        {
            let ((at, _), (way, packet)) = first.remove_entry();
            let flow = packet.flow();
            if self.last.get(&flow) == Some(&at) {
                self.last.remove(&flow);
            }
            if self.is_held(way) {
                self.hold(way, packet);
            } else {
                due.push((way.1, packet));
            }
        }
        due
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Duration> {
        let wires = self.wires.values().map(Wire::done);
        let transit = self.transit.first_key_value().map(|((at, _), _)| *at);
        wires.chain(transit).min()
    }

    /// Begins a fault.
    pub(super) fn begin(&mut self, mut rule: Rule) {
        let held = self.held.keys().filter(|(way, _)| rule.cuts(*way)).count();
        rule.touched = u64::try_from(held).unwrap_or(u64::MAX);
        self.rules.push(rule);
    }

    /// Ends the faults of a step, or all; what they held goes on. Returns the steps of those that ended, each
    /// with the number of packets that it touched.
    pub(super) fn end(&mut self, now: Duration, step: Option<usize>) -> Vec<(usize, u64)> {
        let rules = std::mem::take(&mut self.rules).into_iter();
        let ends = |rule: &Rule| step.is_none_or(|step| rule.step == step);
        let (ended, left): (Vec<_>, _) = rules.partition(ends);
        self.rules = left;
        for rule in &ended {
            *self.ended.entry(rule.step).or_default() += rule.touched;
        }
        self.release(now);
        let mut wires = std::mem::take(&mut self.wires);
        for (way, wire) in &mut wires {
            if ended.iter().any(|rule| rule.limits(*way).is_some()) {
                wire.begin_anew(now, self.rate(*way));
            }
        }
        self.wires = wires;
        ended.iter().map(|rule| (rule.step, rule.touched)).collect()
    }

    /// How many packets the faults of a step have touched, also those that have ended.
    pub(super) fn touched(&self, step: usize) -> u64 {
        let rules = self.rules.iter().filter(|rule| rule.step == step);
        let now: u64 = rules.map(|rule| rule.touched).sum();
        now + self.ended.get(&step).unwrap_or(&0)
    }

    /// Sends what was held and is not any more, in the order in which it came.
    fn release(&mut self, now: Duration) {
        let held = std::mem::take(&mut self.held).into_iter();
        let (held, free): (BTreeMap<_, _>, BTreeMap<_, _>) =
            held.partition(|((way, _), _)| self.rules.iter().any(|rule| rule.cuts(*way)));
        self.held = held;
        let mut free: Vec<_> = free
            .into_iter()
            .map(|((way, _), last)| (last, way))
            .collect();
        free.sort_by_key(|((number, _), _)| *number);
        for ((_, packet), way) in free {
            self.pass(now, way, packet);
        }
    }

    /// Sends a packet over a way: draws its fate, and counts it with the rules that it meets.
    fn pass(&mut self, now: Duration, way: Way, packet: Packet) {
        if self.is_held(way) {
            return self.hold(way, packet);
        }
        let fate = self.fate(way, &packet);
        if matches!(fate, Fate::Lost) {
            return;
        }
        let latency = self.latency(way);
        let packet = match fate {
            Fate::Reset([onward, back]) => {
                self.travel(now + latency, (way.1, way.0), back);
                onward
            }
            _ => packet,
        };
        let rate = self.rate(way);
        if rate.is_none() && !self.wires.contains_key(&way) {
            return self.travel(now + latency, way, packet);
        }
        let wire = self.wires.entry(way).or_default();
        wire.queue_up(now, packet, latency, rate);
    }

    /// Whether a way is cut; counts the packet with each cut.
    fn is_held(&mut self, way: Way) -> bool {
        let mut held = false;
        for rule in self.rules.iter_mut().filter(|rule| rule.cuts(way)) {
            rule.touched += 1;
            held = true;
        }
        held
    }

    fn hold(&mut self, way: Way, packet: Packet) {
        self.count += 1;
        let key = (way, packet.flow());
        self.held.insert(key, (self.count, packet));
    }

    /// Whether a packet is lost, and if so, whether its connection is reset.
    fn fate(&mut self, way: Way, packet: &Packet) -> Fate {
        let mut fate = Fate::Passes;
        let dice = dice(&mut self.dice, self.seed, &self.names, way);
        for rule in self.rules.iter_mut().filter(|rule| rule.concerns(way)) {
            let LinkFault::Lose { per_mille, reset } = rule.fault else {
                continue;
            };
            let resets = if reset { packet.resets() } else { None };
            if reset && resets.is_none() || !dice.loss.chance(per_mille.into(), 1_000) {
                continue;
            }
            rule.touched += 1;
            fate = match (fate, resets) {
                (Fate::Reset(resets), _) | (_, Some(resets)) => Fate::Reset(resets),
                _ => Fate::Lost,
            };
        }
        fate
    }

    /// How much longer a packet takes.
    fn latency(&mut self, way: Way) -> Duration {
        let mut micros = 0_u64;
        for rule in self.rules.iter_mut().filter(|rule| rule.concerns(way)) {
            match rule.fault {
                LinkFault::Delay(latency) => {
                    rule.touched += 1;
                    let dice = dice(&mut self.dice, self.seed, &self.names, way);
                    micros = micros.saturating_add(latency.draw(&mut dice.delay));
                }
                LinkFault::Throttle { .. } => rule.touched += 1,
                LinkFault::Cut | LinkFault::Lose { .. } => {}
            }
        }
        Duration::from_micros(micros)
    }

    /// How many bytes per millisecond a way takes; `None` = any number.
    fn rate(&self, way: Way) -> Option<u64> {
        self.rules.iter().filter_map(|rule| rule.limits(way)).min()
    }

    /// Puts a packet under way, behind what its connection has under way.
    fn travel(&mut self, at: Duration, way: Way, packet: Packet) {
        let last = self.last.entry(packet.flow()).or_default();
        *last = at.max(*last);
        self.count += 1;
        self.transit.insert((*last, self.count), (way, packet));
    }
}

/// What a way draws from, made at its first use.
fn dice<'a>(
    dice: &'a mut BTreeMap<Way, Dice>,
    seed: u64,
    names: &[String],
    way: Way,
) -> &'a mut Dice {
    dice.entry(way).or_insert_with(|| {
        let stream = |of| Random::stream(seed, &format!("{of} {}>{}", names[way.0], names[way.1]));
        Dice {
            delay: stream("delay"),
            loss: stream("loss"),
        }
    })
}
