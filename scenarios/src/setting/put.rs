//! Puts a setting into a plan.

use super::kind::Kind;
use super::target::{SERVERS, Target};
use crate::file::CONTROLLER;
use crate::suggest;
use ktrial_core::config::{Config, Settings, ZooKeeperConfig};
use ktrial_core::planted::Bug;
use ktrial_core::{BrokerId, ControllerId, NodeId, Rules, ZooKeeperId};
use ktrial_sim::plan::{self, ControllerPlan, Plan, ZooKeeperPlan};

impl Target {
    /// Checks a value for it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, value: &str) -> Result<(), String> {
        match self {
            Self::Release => Rules::kafka(value)
                .map(drop)
                .map_err(|error| error.to_string()),
            Self::Rule(switch) => Rules::default().set(switch, value).map_err(|error| {
                let bugs: Vec<&str> = Bug::ALL.iter().map(|bug| bug.name()).collect();
                let help = suggest::help(value, &bugs).filter(|_| switch == "planted");
                help.map_or_else(|| error.to_string(), |help| format!("{error}; {help}"))
            }),
            Self::Ensemble(key) if key == SERVERS => match value.parse() {
                Ok(0..=255_u8) => Ok(()),
                Err(_) => Err(format!("expected a number from 0 to 255, found `{value}`")),
            },
            Self::Ensemble(key) => ZooKeeperConfig::default()
                .set(key, value)
                .map_err(|error| error.to_string()),
            Self::Places { kinds, key, .. } => kinds
                .iter()
                .try_for_each(|kind| kind.check(key, value))
                .map_err(|error| error.to_string()),
        }
    }

    /// Puts a value into the plan. The release and the rules are not settings: the caller puts those
    /// in before.
    pub fn apply(&self, plan: &mut Plan, value: &str) {
        match self {
            Self::Places { kinds, name, key } => {
                for kind in kinds {
                    put(plan, *kind, name.as_deref(), key, value);
                }
            }
            Self::Ensemble(key) => set_ensemble(plan, key, value),
            Self::Release | Self::Rule(_) => {}
        }
    }

    /// Puts a value where there is none yet.
    pub fn fill(&self, plan: &mut Plan, value: &str) {
        let Self::Places { kinds, key, .. } = self else {
            return;
        };
        let fill = |settings: &mut Settings| {
            settings
                .entry(key.clone())
                .or_insert_with(|| value.to_owned());
        };
        for kind in kinds {
            match kind {
                Kind::Broker => plan.brokers.iter_mut().for_each(|b| fill(&mut b.config)),
                Kind::Controller => plan
                    .controllers
                    .iter_mut()
                    .for_each(|c| fill(&mut c.config)),
                Kind::Topic => fill(&mut plan.topic_defaults),
                Kind::Producer => plan.producers.iter_mut().for_each(|p| fill(&mut p.config)),
                Kind::Consumer => plan.consumers.iter_mut().for_each(|c| fill(&mut c.config)),
            }
        }
    }
}

/// The number of servers makes the ensemble, or takes it away; other settings hold if there is one. Where
/// steps name the only controller they mean who keeps the metadata: now that is the ensemble.
fn set_ensemble(plan: &mut Plan, key: &str, value: &str) {
    if key != SERVERS {
        if let Some(ensemble) = &mut plan.zookeeper {
            ensemble.config.insert(key.to_owned(), value.to_owned());
        }
        return;
    }
    let count: i32 = value.parse().unwrap_or(0);
    let config = plan.zookeeper.take().map(|ensemble| ensemble.config);
    plan.zookeeper = (count > 0).then(|| ZooKeeperPlan {
        servers: (1..=count).map(ZooKeeperId).collect(),
        config: config.unwrap_or_default(),
    });
    let [controller] = plan.controllers.as_slice() else {
        return;
    };
    let controller = NodeId::Controller(controller.id);
    let servers: Vec<NodeId> = (1..=count)
        .map(|id| NodeId::ZooKeeper(ZooKeeperId(id)))
        .collect();
    if servers.is_empty() {
        return;
    }
    let steps = plan.steps.iter_mut().chain(&mut plan.timeline);
    for action in steps.filter_map(|step| step.action.as_mut()) {
        for group in action.groups_mut() {
            replace(group, &plan::Target::Node(controller), &servers);
        }
    }
    if let Some(recovery) = &mut plan.recovery {
        replace(&mut recovery.nodes, &controller, &servers);
    }
}

/// A metadata quorum of as many controllers in place of the ensemble, in every step too.
pub fn quorum_for_ensemble(plan: &mut Plan) {
    let Some(ensemble) = plan.zookeeper.take() else {
        return;
    };
    let config = plan.controllers.first().map(|one| one.config.clone());
    let first = plan
        .controllers
        .first()
        .map_or(CONTROLLER.0, |one| one.id.0);
    let ids = (first..).map(ControllerId);
    let ids: Vec<_> = ids.zip(&ensemble.servers).collect();
    let controller = |(id, _): &(ControllerId, _)| ControllerPlan {
        id: *id,
        config: config.clone().unwrap_or_default(),
    };
    plan.controllers = ids.iter().map(controller).collect();
    let steps = plan.steps.iter_mut().chain(&mut plan.timeline);
    for action in steps.filter_map(|step| step.action.as_mut()) {
        for group in action.groups_mut() {
            for (id, server) in &ids {
                let server = plan::Target::Node(NodeId::ZooKeeper(**server));
                replace(group, &server, &[NodeId::Controller(*id)]);
            }
        }
    }
    if let Some(recovery) = &mut plan.recovery {
        for (id, server) in &ids {
            let server = NodeId::ZooKeeper(**server);
            replace(&mut recovery.nodes, &server, &[NodeId::Controller(*id)]);
        }
    }
}

/// Others stand where one stood.
fn replace<T: PartialEq + From<NodeId>>(group: &mut Vec<T>, one: &T, others: &[NodeId]) {
    if let Some(place) = group.iter().position(|it| it == one) {
        let others = others.iter().copied().map(T::from);
        group.splice(place..=place, others);
    }
}

fn put(plan: &mut Plan, kind: Kind, name: Option<&str>, key: &str, value: &str) {
    let meant = |candidate: &str| name.is_none_or(|name| name == candidate);
    let insert = |settings: &mut Settings| {
        settings.insert(key.to_owned(), value.to_owned());
    };
    match kind {
        Kind::Broker => {
            let of = |id: BrokerId| meant(&format!("b{id}"));
            let brokers = plan.brokers.iter_mut().filter(|broker| of(broker.id));
            brokers.for_each(|broker| insert(&mut broker.config));
        }
        Kind::Controller => {
            let controllers = plan.controllers.iter_mut();
            controllers.for_each(|controller| insert(&mut controller.config));
        }
        Kind::Topic => {
            if name.is_none() {
                insert(&mut plan.topic_defaults);
            }
            let topics = plan.topics.iter_mut().filter(|topic| meant(&topic.topic));
            topics
                .filter(|topic| name.is_some() || topic.configs.contains_key(key))
                .for_each(|topic| insert(&mut topic.configs));
        }
        Kind::Producer => {
            let producers = plan.producers.iter_mut().filter(|p| meant(&p.name));
            producers.for_each(|producer| insert(&mut producer.config));
        }
        Kind::Consumer => {
            let consumers = plan.consumers.iter_mut().filter(|c| meant(&c.name));
            consumers.for_each(|consumer| insert(&mut consumer.config));
        }
    }
}
