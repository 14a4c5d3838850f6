//! The real world: obeys the director of a trial with real means and keeps the record.
//!
//! | file | what it is |
//! |---|---|
//! | `mod.rs` | the loop: look, record, let the director act |
//! | `obey.rs` | what each order is done with |
//!
//! The director is the simulated trial's (`ktrial_sim::trial::stage`): start-up, steps, conditions, roles,
//! the wait at the end are the same code. What it sees are entries, here made of
//!
//! 1. what the cluster's files show (`../watch/`),
//! 2. processes that ended,
//! 3. what the clients were told (`../client/`),
//!
//! looked at in this order every few milliseconds, the clients asked first and entered last: an
//! acknowledgement never stands before the append and the change of the ISR that made it possible.
//!
//! Rule: a leader's high watermark is above what it acknowledged with acks=all, so that is entered with
//! the acknowledgement. Source: `DelayedProduce.tryComplete`, `Partition.checkEnoughReplicasReachOffset`.
//!
//! Simplified: times are when something was seen, some milliseconds after it happened.
//!
//! Next: `obey.rs`.

mod obey;

use crate::client::{Clients, Told};
use crate::failure::{Failure, Interrupt};
use crate::network::Network;
use crate::rig::Rig;
use crate::watch::Watch;
use ktrial_core::event::SendOutcome;
use ktrial_core::{Event, NodeId, Offset, Timestamp, TopicPartition};
use ktrial_sim::history::{Entry, Header, Record, What};
use ktrial_sim::plan::{BrokerStatus, Condition, Plan};
use ktrial_sim::view::View;
use ktrial_sim::world::{Director, Order};
use std::collections::{BTreeMap, VecDeque};
use std::thread;
use std::time::{Duration, Instant};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Everything that a run is made of.
pub struct World<'a> {
    plan: &'a Plan,
    rig: Rig,
    network: Option<Network>,
    watch: Watch,
    clients: Clients,
    interrupt: Interrupt,
    /// So long the cluster may take to come up.
    patience: Duration,
    /// Shows what is going on.
    tell: &'a dyn Fn(&str),
    director: Box<dyn Director>,
    orders: VecDeque<Order>,
    view: View,
    entries: Vec<Entry>,
    began: Instant,
    now: Timestamp,
    wake: Timestamp,
    /// Nodes that were told to stop in order, and whether they are to start again then.
    stopping: BTreeMap<NodeId, bool>,
    /// Processes that ended and were not entered yet, and how they did.
    ended: Vec<(NodeId, String)>,
    up: bool,
    over: bool,
}

/// What a world is made of besides its plan.
pub struct Parts {
    /// The processes.
    pub rig: Rig,
    /// The network between them, if it is not the loopback device.
    pub network: Option<Network>,
    /// What their files show.
    pub watch: Watch,
    /// The clients.
    pub clients: Clients,
}

impl<'a> World<'a> {
    /// A world in which nothing runs yet.
    pub fn new(
        plan: &'a Plan,
        director: Box<dyn Director>,
        parts: Parts,
        (patience, interrupt): (Duration, &Interrupt),
        tell: &'a dyn Fn(&str),
    ) -> Self {
        let Parts {
            rig,
            network,
            watch,
            clients,
        } = parts;
        Self {
            plan,
            rig,
            network,
            watch,
            clients,
            interrupt: interrupt.clone(),
            patience,
            tell,
            director,
            orders: VecDeque::new(),
            view: View::new(plan),
            entries: Vec::new(),
            began: Instant::now(),
            now: Timestamp::ZERO,
            wake: Timestamp::ZERO,
            stopping: BTreeMap::new(),
            ended: Vec::new(),
            up: false,
            over: false,
        }
    }

    /// Plays the plan to its end and gives the record; and why it is not finished, if the rig failed or the
    /// user stopped it.
    pub fn play(mut self, header: Header) -> (Record, Option<Failure>) {
        let failed = self.run().and_then(|()| self.finish()).err();
        let entries = std::mem::take(&mut self.entries);
        (Record { header, entries }, failed)
    }

    fn run(&mut self) -> Result<(), Failure> {
        while !self.over {
            self.interrupt.check()?;
            self.look()?;
            if self.now >= self.wake {
                self.wake = Timestamp::NEVER;
                self.act()?;
            }
            self.direct()?;
            self.check_start_up()?;
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// What is left at the end.
    fn finish(&mut self) -> Result<(), Failure> {
        for node in self.rig.nodes().collect::<Vec<_>>() {
            // One that does not go is killed again with the rig.
            let _ = self.stop_now(node);
        }
        // What they wrote since the last look; only then may the network heal, without anybody on it.
        for Entry { node, what, .. } in self.watch.poll(self.now, &self.view)? {
            self.enter(node, what);
        }
        self.end_link_faults(None);
        for log in self.watch.final_logs() {
            let node = Some(NodeId::Broker(log.broker));
            self.enter(node, What::FinalLog(Box::new(log)));
        }
        self.enter(None, What::FinalPending { messages: 0 });
        Ok(())
    }

    /// Looks at everything once.
    fn look(&mut self) -> Result<(), Failure> {
        let told = self.clients.told();
        self.now = Timestamp::ZERO + self.began.elapsed();
        let mut ended = std::mem::take(&mut self.ended);
        ended.extend(self.rig.ended());
        for Entry { node, what, .. } in self.watch.poll(self.now, &self.view)? {
            self.record(node, what)?;
        }
        for (node, how) in ended {
            self.process_ended(node, &how)?;
        }
        for told in told {
            match told {
                Told::Event(node, event) => self.client_says(node, event)?,
                Told::HighWatermark(partition, offset) => {
                    self.high_watermark(&partition, Offset(offset))?;
                }
            }
        }
        Ok(())
    }

    fn client_says(&mut self, node: NodeId, event: Event) -> Result<(), Failure> {
        if let Event::SendEnded {
            partition: Some(partition),
            outcome: SendOutcome::Acknowledged {
                offset: Some(offset),
            },
            ..
        } = &event
            && self.waits_for_all(node)
        {
            let (partition, above) = (partition.clone(), offset.next());
            self.high_watermark(&partition, above)?;
        }
        self.record(Some(node), What::Event(event))
    }

    /// Whether it is a producer with acks=all.
    fn waits_for_all(&self, node: NodeId) -> bool {
        let NodeId::Client(id) = node else {
            return false;
        };
        let producer = usize::try_from(id.0).ok();
        let producer = producer.and_then(|place| self.plan.producers.get(place));
        let acks = producer.and_then(|producer| producer.config.get("acks"));
        producer.is_some() && acks.is_none_or(|acks| acks == "all" || acks == "-1")
    }

    /// A leader's high watermark is at least this. What is above the log that was seen of it is an answer
    /// of another one.
    fn high_watermark(&mut self, of: &TopicPartition, offset: Offset) -> Result<(), Failure> {
        let leader = self.view.partition(of).and_then(|state| state.leader());
        let Some((broker, replica)) = leader else {
            return Ok(());
        };
        if offset <= replica.high_watermark || offset > replica.log.end() {
            return Ok(());
        }
        let partition = of.clone();
        let event = Event::HighWatermark { partition, offset };
        self.record(Some(NodeId::Broker(broker)), What::Event(event))
    }

    /// Enters something into the record, and lets the director act at once if it is its turn.
    fn record(&mut self, node: Option<NodeId>, what: What) -> Result<(), Failure> {
        self.enter(node, what);
        self.direct()
    }

    fn enter(&mut self, node: Option<NodeId>, what: What) {
        if let What::Step { index, .. } = &what {
            let steps = self.plan.steps.len();
            (self.tell)(&format!("step {} of {steps}", index + 1));
        }
        let at = self.now;
        let entry = Entry { at, node, what };
        self.view.apply(&entry);
        self.director.observe(&entry);
        self.entries.push(entry);
    }

    /// The director acts now.
    fn act(&mut self) -> Result<(), Failure> {
        let mut orders = Vec::new();
        self.director.act(self.now, &mut orders);
        self.orders.extend(orders);
        self.direct()
    }

    /// Does what was ordered, and lets the director act as long as it is its turn.
    fn direct(&mut self) -> Result<(), Failure> {
        loop {
            if self.over {
                return Ok(());
            }
            if self.orders.is_empty() {
                if !self.director.is_due() {
                    return Ok(());
                }
                let mut orders = Vec::new();
                self.director.act(self.now, &mut orders);
                self.orders.extend(orders);
            }
            if let Some(order) = self.orders.pop_front() {
                self.obey(order)?;
            }
        }
    }

    /// A cluster that does not come up is no trial.
    fn check_start_up(&mut self) -> Result<(), Failure> {
        if self.up {
            return Ok(());
        }
        let (view, now) = (&self.view, self.now);
        let unfenced = |broker| {
            let is = BrokerStatus::Unfenced;
            view.holds(&Condition::Broker { broker, is }, now)
        };
        let mut missing = self.plan.brokers.iter().map(|broker| broker.id);
        let Some(missing) = missing.find(|broker| !unfenced(*broker)) else {
            self.up = true;
            return Ok(());
        };
        if self.began.elapsed() < self.patience {
            return Ok(());
        }
        let node = NodeId::Broker(missing);
        Err(Failure::Rig(format!(
            "{node} did not come up within {} s; the end of its log:\n{}",
            self.patience.as_secs(),
            self.rig.log_tail(node)
        )))
    }
}
