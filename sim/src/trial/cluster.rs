//! The plan's machines: who they are, what they are set to, and how their processes are made.
//!
//! Clients are numbered: producers in the order of the plan, then consumers, then the admin client.
//!
//! Next: `script/mod.rs`.

use super::validate;
use crate::plan::Plan;
use crate::world::{Birth, Factory, other_role};
use ktrial_core::admin::{Admin, AdminStart};
use ktrial_core::broker::{Broker, BrokerStart, ZooKeeperMode};
use ktrial_core::config::{
    BrokerConfig, Config, ConsumerConfig, ControllerConfig, ProducerConfig, Settings, TopicConfig,
    ZooKeeperConfig,
};
use ktrial_core::consumer::{Consumer, ConsumerStart};
use ktrial_core::controller::{Controller, ControllerStart};
use ktrial_core::machine::StartError;
use ktrial_core::message::NewTopic;
use ktrial_core::producer::{Producer, ProducerStart};
use ktrial_core::zookeeper::{Server, ServerStart};
use ktrial_core::{
    BrokerId, ClientId, ControllerId, Effects, Machine, NodeId, Rules, Storage, StorageError,
    TopicPartition, ZooKeeperId,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who takes part in a trial.
pub(super) struct Cluster {
    rules: Rules,
    topic_defaults: TopicConfig,
    controllers: BTreeMap<ControllerId, ControllerConfig>,
    brokers: BTreeMap<BrokerId, BrokerConfig>,
    zookeeper: BTreeMap<ZooKeeperId, ZooKeeperConfig>,
    /// With ZooKeeper: what the plan sets for controllers. There are no such processes.
    controller_settings: Settings,
    clients: Vec<Client>,
    topics: Vec<NewTopic>,
}

/// A client.
struct Client {
    name: String,
    kind: ClientKind,
}

enum ClientKind {
    Producer(ProducerConfig),
    Consumer(ConsumerConfig, Vec<TopicPartition>),
    Admin,
}

/// The admin client's name.
const ADMIN: &str = "admin";

impl Cluster {
    /// Takes the plan's word for everything, or says what is wrong with it.
    pub(super) fn new(plan: &Plan) -> Result<Self, String> {
        validate::figures(plan)?;
        let mut cluster = Self {
            rules: plan.rules,
            topic_defaults: parse("topic_defaults", &plan.topic_defaults)?,
            controllers: BTreeMap::new(),
            brokers: BTreeMap::new(),
            zookeeper: BTreeMap::new(),
            controller_settings: Settings::new(),
            clients: Vec::new(),
            topics: plan.topics.clone(),
        };
        // With ZooKeeper the controllers are among the brokers, with the settings of the plan's first one.
        if plan.zookeeper.is_some() {
            let first = plan.controllers.first();
            let settings = first.map(|controller| controller.config.clone());
            cluster.controller_settings = settings.unwrap_or_default();
            parse::<ControllerConfig>("controllers", &cluster.controller_settings)?;
        }
        let quorum = plan.controllers.iter().filter(|_| plan.zookeeper.is_none());
        for controller in quorum {
            let name = format!("controller {}", controller.id);
            let config = parse(&name, &controller.config)?;
            let before = cluster.controllers.insert(controller.id, config);
            unique(&name, before.is_none())?;
        }
        for broker in &plan.brokers {
            let name = format!("broker {}", broker.id);
            let config = parse(&name, &broker.config)?;
            let before = cluster.brokers.insert(broker.id, config);
            unique(&name, before.is_none())?;
        }
        let has_controller = !cluster.controllers.is_empty() || plan.zookeeper.is_some();
        if !has_controller || cluster.brokers.is_empty() {
            return Err("it needs a controller and a broker".to_owned());
        }
        let ids = cluster.brokers.keys().map(|id| id.0);
        if let Some(id) = ids
            .chain(cluster.controllers.keys().map(|id| id.0))
            .find(|id| *id < 0)
        {
            return Err(format!("`{id}` is no id of a node"));
        }
        cluster.add_zookeeper(plan)?;
        cluster.add_clients(plan)?;
        validate::check(plan, &cluster)?;
        Ok(cluster)
    }

    fn add_zookeeper(&mut self, plan: &Plan) -> Result<(), String> {
        let Some(ensemble) = &plan.zookeeper else {
            return Ok(());
        };
        if ensemble.servers.is_empty() {
            return Err("its ensemble of ZooKeeper has no server".to_owned());
        }
        for id in &ensemble.servers {
            let name = format!("ZooKeeper server {id}");
            if !(1..=255).contains(&id.0) {
                return Err(format!("{name}: expected a number from 1 to 255"));
            }
            let config = parse(&name, &ensemble.config)?;
            let before = self.zookeeper.insert(*id, config);
            unique(&name, before.is_none())?;
        }
        Ok(())
    }

    fn add_clients(&mut self, plan: &Plan) -> Result<(), String> {
        for producer in &plan.producers {
            let config = parse(&producer.name, &producer.config)?;
            self.add_client(&producer.name, ClientKind::Producer(config))?;
        }
        for consumer in &plan.consumers {
            let config = parse(&consumer.name, &consumer.config)?;
            let kind = ClientKind::Consumer(config, consumer.assign.clone());
            self.add_client(&consumer.name, kind)?;
        }
        self.add_client(ADMIN, ClientKind::Admin)
    }

    fn add_client(&mut self, name: &str, kind: ClientKind) -> Result<(), String> {
        if self.client(name).is_some() {
            return Err(format!("two clients are called `{name}`"));
        }
        self.clients.push(Client {
            name: name.to_owned(),
            kind,
        });
        Ok(())
    }

    /// Every node, in the order in which they start.
    pub(super) fn nodes(&self) -> Vec<NodeId> {
        let zookeeper = self.zookeeper.keys().map(|id| NodeId::ZooKeeper(*id));
        let controllers = self.controllers.keys().map(|id| NodeId::Controller(*id));
        let brokers = self.brokers.keys().map(|id| NodeId::Broker(*id));
        let clients = (0..self.clients.len()).map(client_node);
        let servers = zookeeper.chain(controllers).chain(brokers);
        servers.chain(clients).collect()
    }

    /// The brokers, in order.
    pub(super) fn brokers(&self) -> impl Iterator<Item = BrokerId> {
        self.brokers.keys().copied()
    }

    /// The controllers, in order; with ZooKeeper the brokers, of whom one is it.
    pub(super) fn controllers(&self) -> Vec<NodeId> {
        if !self.zookeeper.is_empty() {
            return self.brokers.keys().copied().map(NodeId::Broker).collect();
        }
        let ids = self.controllers.keys().copied();
        ids.map(NodeId::Controller).collect()
    }

    /// The other role of a node's process, if it has two.
    pub(super) fn other_role(&self, node: NodeId) -> Option<NodeId> {
        let other = other_role(node)?;
        self.nodes().contains(&other).then_some(other)
    }

    /// A topic as the plan says of it.
    pub(super) fn topic(&self, name: &str) -> Option<&NewTopic> {
        self.topics.iter().find(|new| *new.topic == *name)
    }

    /// The client of this name.
    pub(super) fn client(&self, name: &str) -> Option<NodeId> {
        let index = self.clients.iter().position(|c| c.name == name)?;
        Some(client_node(index))
    }

    /// The admin client.
    pub(super) fn admin(&self) -> NodeId {
        client_node(self.clients.len().saturating_sub(1))
    }

    /// What the application of this consumer reads when it starts; `None` if it is no consumer.
    pub(super) fn assigned(&self, node: NodeId) -> Option<&[TopicPartition]> {
        match &self.kind(node)? {
            ClientKind::Consumer(_, assign) => Some(assign),
            ClientKind::Producer(_) | ClientKind::Admin => None,
        }
    }

    /// Names of the clients.
    pub(super) fn client_names(&self) -> BTreeMap<NodeId, String> {
        let named = |(index, client): (usize, &Client)| (client_node(index), client.name.clone());
        self.clients.iter().enumerate().map(named).collect()
    }

    fn kind(&self, node: NodeId) -> Option<&ClientKind> {
        let NodeId::Client(ClientId(index)) = node else {
            return None;
        };
        let index = usize::try_from(index).ok()?;
        Some(&self.clients.get(index)?.kind)
    }

    fn make(&self, birth: Birth, out: &mut Effects) -> Result<Box<dyn Machine>, StartError> {
        match birth.node {
            NodeId::Controller(id) => self.make_controller(id, birth, out),
            NodeId::Broker(id) => self.make_broker(id, birth, out),
            NodeId::Client(id) => self.make_client(id, birth),
            NodeId::ZooKeeper(id) => self.make_zookeeper(id, birth, out),
        }
    }

    fn make_controller(
        &self,
        id: ControllerId,
        birth: Birth,
        out: &mut Effects,
    ) -> Result<Box<dyn Machine>, StartError> {
        let config = self
            .controllers
            .get(&id)
            .ok_or_else(|| stranger(birth.node))?;
        let start = ControllerStart {
            id,
            incarnation: birth.incarnation,
            config: config.clone(),
            topic_defaults: self.topic_defaults.clone(),
            rules: self.rules,
            controllers: self.controllers.keys().copied().collect(),
            random: birth.random,
        };
        let disk = storage(birth.node, birth.disk)?;
        Ok(Box::new(Controller::start(start, disk, birth.now, out)?))
    }

    fn make_zookeeper(
        &self,
        id: ZooKeeperId,
        birth: Birth,
        out: &mut Effects,
    ) -> Result<Box<dyn Machine>, StartError> {
        let config = self.zookeeper.get(&id);
        let start = ServerStart {
            id,
            incarnation: birth.incarnation,
            config: config.ok_or_else(|| stranger(birth.node))?.clone(),
            ensemble: self.zookeeper.keys().copied().collect(),
            random: birth.random,
        };
        let disk = storage(birth.node, birth.disk)?;
        Ok(Box::new(Server::start(start, disk, birth.now, out)?))
    }

    fn make_broker(
        &self,
        id: BrokerId,
        birth: Birth,
        out: &mut Effects,
    ) -> Result<Box<dyn Machine>, StartError> {
        let config = self.brokers.get(&id).ok_or_else(|| stranger(birth.node))?;
        let start = BrokerStart {
            id,
            incarnation: birth.incarnation,
            config: config.clone(),
            topic_defaults: self.topic_defaults.clone(),
            rules: self.rules,
            controllers: self.controllers.keys().copied().collect(),
            zookeeper: self.zookeeper_mode(config)?,
            random: birth.random,
        };
        let disk = storage(birth.node, birth.disk)?;
        Ok(Box::new(Broker::start(start, disk, birth.now, out)?))
    }

    /// What a broker has to know of the ensemble, if there is one. A plan's session timeout holds for
    /// sessions with ZooKeeper too, unless they have their own.
    fn zookeeper_mode(&self, config: &BrokerConfig) -> Result<Option<ZooKeeperMode>, StartError> {
        if self.zookeeper.is_empty() {
            return Ok(None);
        }
        let controller: ControllerConfig = parse("controllers", &self.controller_settings)
            .map_err(|reason| {
                let path = "controllers".to_owned();
                StartError::Unusable { path, reason }
            })?;
        let own = config.zookeeper_session_timeout;
        let by_default = own == BrokerConfig::default().zookeeper_session_timeout;
        let of_plan = self
            .controller_settings
            .contains_key("broker.session.timeout.ms");
        Ok(Some(ZooKeeperMode {
            servers: self.zookeeper.keys().copied().collect(),
            session_timeout: if by_default && of_plan {
                controller.broker_session_timeout
            } else {
                own
            },
            brokers: self.brokers.keys().copied().collect(),
            controller,
        }))
    }

    fn make_client(&self, id: ClientId, birth: Birth) -> Result<Box<dyn Machine>, StartError> {
        let Birth {
            node,
            incarnation,
            now,
            random,
            ..
        } = birth;
        let bootstrap = self.brokers.keys().copied().collect();
        Ok(match self.kind(node).ok_or_else(|| stranger(node))? {
            ClientKind::Producer(config) => {
                let start = ProducerStart {
                    id,
                    incarnation,
                    config: config.clone(),
                    bootstrap,
                    rules: self.rules,
                    random,
                };
                Box::new(Producer::start(start, now))
            }
            ClientKind::Consumer(config, _) => {
                let start = ConsumerStart {
                    id,
                    incarnation,
                    config: config.clone(),
                    bootstrap,
                    rules: self.rules,
                    random,
                };
                Box::new(Consumer::start(start, now))
            }
            ClientKind::Admin => {
                let start = AdminStart {
                    id,
                    incarnation,
                    controllers: self.controllers(),
                    random,
                };
                Box::new(Admin::start(start, now))
            }
        })
    }
}

/// Makes the plan's machines.
pub(super) fn factory(cluster: Arc<Cluster>) -> Factory {
    Arc::new(move |birth, out| cluster.make(birth, out))
}

fn client_node(index: usize) -> NodeId {
    NodeId::Client(ClientId(u32::try_from(index).unwrap_or(u32::MAX)))
}

fn storage(
    node: NodeId,
    disk: Option<crate::disk::Disk>,
) -> Result<Box<dyn Storage>, StorageError> {
    match disk {
        Some(disk) => Ok(Box::new(disk)),
        None => Err(StorageError::NotFound(format!("disk of {node}"))),
    }
}

fn stranger(node: NodeId) -> StartError {
    StartError::Unusable {
        path: node.to_string(),
        reason: "the plan has no such node".to_owned(),
    }
}

fn parse<C: Config>(owner: &str, settings: &Settings) -> Result<C, String> {
    C::from_settings(settings).map_err(|error| format!("{owner}: {error}"))
}

fn unique(name: &str, is_new: bool) -> Result<(), String> {
    if is_new {
        return Ok(());
    }
    Err(format!("there are two of {name}"))
}
