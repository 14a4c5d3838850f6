//! The operator: creates topics, changes settings, asks for elections. One request after the other, on a
//! thread of its own, each tried again until it is answered.
//!
//! | request | by |
//! |---|---|
//! | CreateTopics | librdkafka's admin client |
//! | IncrementalAlterConfigs | the release's `ConfigCommand` |
//! | DeleteTopics, CreatePartitions (1.0) | librdkafka's admin client |
//! | AlterPartitionReassignments | the release's `ReassignPartitionsCommand` |
//! | ElectLeaders | the release's `LeaderElectionCommand`, which came with 2.4 |
//!
//! Simplified: a tool's failure is told as an unknown server error with its last line as message.
//! Source: KIP-460 (elections by type), KIP-248 and KIP-543 (`--bootstrap-server` of `ConfigCommand`).

use super::{Told, kafka_error, settings};
use crate::failure::Failure;
use crate::kafka::{Mode, Target};
use futures_executor::block_on;
use ktrial_core::message::{
    ConfigChange, ConfigResource, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteTopicsRequest, ElectLeadersRequest, ElectionType, Placement, Reassignment, Request,
};
use ktrial_core::{BrokerId, ErrorCode, Event, NodeId, OperationId, TopicPartition};
use rdkafka::admin::{
    AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication, TopicResult,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaResult;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Where the tools were and are.
const CONFIG: [&str; 2] = [
    "org.apache.kafka.tools.ConfigCommand",
    "kafka.admin.ConfigCommand",
];
const ELECTION: [&str; 2] = [
    "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka.admin.LeaderElectionCommand",
];
const REASSIGNMENT: [&str; 2] = [
    "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "kafka.admin.ReassignPartitionsCommand",
];
/// How long one try of a request may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause before the next try.
const AGAIN: Duration = Duration::from_millis(200);
/// So many tries, then the answer is that there was none.
const TRIES: u32 = 60;

/// Runs a tool, the first of these classes that the release has, with arguments; gives what it printed.
pub type RunTool = dyn Fn(&[&str], &[String]) -> Result<String, Failure> + Send + Sync;

/// The release's command line tools, and where they find the cluster.
#[derive(Clone)]
pub struct Tools {
    /// The release and its mode.
    pub target: Target,
    /// The brokers.
    pub bootstrap: String,
    /// ZooKeeper, in that mode.
    pub zookeeper: Option<String>,
    /// Runs one.
    pub run: Arc<RunTool>,
}

/// The operator's process.
pub(super) struct Operator {
    requests: Option<Sender<(OperationId, Request)>>,
    thread: Option<JoinHandle<()>>,
}

/// What its thread works with.
struct Hands {
    admin: AdminClient<DefaultClientContext>,
    tools: Tools,
    node: NodeId,
    tell: Sender<Told>,
}

/// What a request was answered: an error code, and words.
type Answer = (ErrorCode, Option<String>);

impl Operator {
    pub(super) fn new(
        node: NodeId,
        bootstrap: &str,
        tools: Tools,
        tell: Sender<Told>,
    ) -> Result<Self, Failure> {
        // Requests go to the broker that metadata call the controller, which may be dead for minutes.
        let admin = settings::common(bootstrap)
            .set("topic.metadata.refresh.interval.ms", "500")
            .create()
            .map_err(|error| settings::refused("an admin client", &error))?;
        let (requests, asked) = channel();
        let hands = Hands {
            admin,
            tools,
            node,
            tell,
        };
        let thread = thread::Builder::new()
            .name("operator".to_owned())
            .spawn(move || hands.work(&asked))
            .map_err(|error| Failure::Rig(format!("no thread for a client: {error}")))?;
        Ok(Self {
            requests: Some(requests),
            thread: Some(thread),
        })
    }

    /// Asks for something; the answer is told later.
    pub(super) fn administer(&self, operation: OperationId, request: Request) {
        if let Some(requests) = &self.requests {
            let _ = requests.send((operation, request));
        }
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.is_finished()
        {
            let _ = thread.join();
        }
    }
}

impl Hands {
    fn work(&self, asked: &Receiver<(OperationId, Request)>) {
        for (operation, request) in asked {
            let (error, message) = self.answer(&request);
            let event = Event::Administered {
                operation,
                error,
                message,
            };
            let _ = self.tell.send(Told::Event(self.node, event));
        }
    }

    fn answer(&self, request: &Request) -> Answer {
        match request {
            Request::CreateTopics(request) => self.create(request),
            Request::IncrementalAlterConfigs(request) => self.alter(&request.changes),
            Request::ElectLeaders(request) => self.elect(request),
            Request::DeleteTopics(request) => self.delete(request),
            Request::CreatePartitions(request) => self.add_partitions(request),
            Request::AlterPartitionReassignments(request) => self.reassign(&request.partitions),
            _ => (ErrorCode::InvalidRequest, None),
        }
    }

    /// Tries again until it is answered, and not with one of `early`. Where an earlier try without an answer
    /// has done it, the next is told `done`.
    fn again(
        &self,
        done: ErrorCode,
        early: &[ErrorCode],
        attempt: impl Fn(&Self) -> Answer,
    ) -> Answer {
        let mut answer = (ErrorCode::RequestTimedOut, None);
        for number in 0..TRIES {
            answer = attempt(self);
            match answer.0 {
                error if error == done && number > 0 => return (ErrorCode::None, None),
                ErrorCode::RequestTimedOut | ErrorCode::NotController => thread::sleep(AGAIN),
                error if early.contains(&error) => thread::sleep(AGAIN),
                _ => return answer,
            }
        }
        answer
    }

    fn create(&self, request: &CreateTopicsRequest) -> Answer {
        // Brokers that have just started may not know enough of each other yet.
        let early = [
            ErrorCode::InvalidReplicationFactor,
            ErrorCode::InvalidReplicaAssignment,
        ];
        self.again(ErrorCode::TopicAlreadyExists, &early, |hands| {
            hands.try_to_create(request)
        })
    }

    fn try_to_create(&self, request: &CreateTopicsRequest) -> Answer {
        for new in &request.topics {
            let placed = match &new.placement {
                Placement::Manual(replicas) => numbers(replicas),
                Placement::Spread { .. } => Vec::new(),
            };
            let each: Vec<&[i32]> = placed.iter().map(Vec::as_slice).collect();
            let (partitions, replication) = match &new.placement {
                Placement::Manual(replicas) => (
                    i32::try_from(replicas.len()).unwrap_or(i32::MAX),
                    TopicReplication::Variable(&each),
                ),
                Placement::Spread {
                    partitions,
                    replication_factor,
                } => (
                    partitions.unwrap_or(1),
                    TopicReplication::Fixed(replication_factor.unwrap_or(1)),
                ),
            };
            let mut topic = NewTopic::new(&new.topic, partitions, replication);
            for (key, value) in &new.configs {
                topic = topic.set(key, value);
            }
            let made = block_on(self.admin.create_topics([&topic], &options()));
            let answer = answered(made);
            if answer.0 != ErrorCode::None {
                return answer;
            }
        }
        (ErrorCode::None, None)
    }

    fn alter(&self, changes: &[ConfigChange]) -> Answer {
        for change in changes {
            if let Err(answer) = self.tool(&CONFIG, &config_arguments(&self.tools, change)) {
                return answer;
            }
        }
        (ErrorCode::None, None)
    }

    fn elect(&self, request: &ElectLeadersRequest) -> Answer {
        let election = match request.election {
            ElectionType::Preferred => "preferred",
            ElectionType::Unclean => "unclean",
        };
        for TopicPartition { topic, partition } in request.partitions.iter().flatten() {
            let arguments = [
                "--bootstrap-server",
                &self.tools.bootstrap,
                "--election-type",
                election,
                "--topic",
                topic,
                "--partition",
                &partition.to_string(),
            ];
            if let Err(answer) = self.tool(&ELECTION, &arguments.map(str::to_owned)) {
                return answer;
            }
        }
        (ErrorCode::None, None)
    }

    fn delete(&self, request: &DeleteTopicsRequest) -> Answer {
        let topics: Vec<&str> = request.topics.iter().map(|topic| &**topic).collect();
        self.again(ErrorCode::UnknownTopicOrPartition, &[], |hands| {
            answered(block_on(hands.admin.delete_topics(&topics, &options())))
        })
    }

    fn add_partitions(&self, request: &CreatePartitionsRequest) -> Answer {
        let placed = request.replicas.as_deref().map(numbers).unwrap_or_default();
        let each: Vec<&[i32]> = placed.iter().map(Vec::as_slice).collect();
        let count = usize::try_from(request.count).unwrap_or_default();
        let mut partitions = NewPartitions::new(&request.topic, count);
        if !each.is_empty() {
            partitions = partitions.assign(&each);
        }
        self.again(ErrorCode::InvalidPartitions, &[], |hands| {
            let made = hands.admin.create_partitions([&partitions], &options());
            answered(block_on(made))
        })
    }

    /// By the release's tool, from a file. It has `--bootstrap-server` and `--cancel` since 2.4 and 2.6.
    fn reassign(&self, partitions: &[Reassignment]) -> Answer {
        let (moves, cancels): (Vec<_>, Vec<_>) =
            partitions.iter().partition(|one| one.replicas.is_some());
        for (list, verb) in [(moves, "--execute"), (cancels, "--cancel")] {
            if list.is_empty() {
                continue;
            }
            let answer = with_file(&reassignment_file(&list), |path| {
                let arguments = [
                    "--bootstrap-server",
                    &self.tools.bootstrap,
                    verb,
                    "--additional",
                    "--reassignment-json-file",
                    path,
                ];
                let wanted = arguments.iter().filter(|one| {
                    // A move may replace one that is under way.
                    **one != "--additional" || verb == "--execute"
                });
                let arguments: Vec<String> = wanted.map(|one| (*one).to_owned()).collect();
                self.tool(&REASSIGNMENT, &arguments)
            });
            if let Err(answer) = answer {
                return answer;
            }
        }
        (ErrorCode::None, None)
    }

    fn tool(&self, classes: &[&str], arguments: &[String]) -> Result<(), Answer> {
        match (self.tools.run)(classes, arguments) {
            Ok(_) => Ok(()),
            Err(failure) => Err((ErrorCode::UnknownServerError, Some(failure.to_string()))),
        }
    }
}

/// What the tool reads: Kafka's own JSON.
fn reassignment_file(partitions: &[&Reassignment]) -> String {
    let of = |one: &&Reassignment| {
        let TopicPartition { topic, partition } = &one.partition;
        let replicas = one.replicas.iter().flatten();
        let replicas: Vec<String> = replicas.map(ToString::to_string).collect();
        let replicas = replicas.join(",");
        format!(r#"{{"topic":"{topic}","partition":{partition},"replicas":[{replicas}]}}"#)
    };
    let list: Vec<String> = partitions.iter().map(of).collect();
    format!(r#"{{"version":1,"partitions":[{}]}}"#, list.join(","))
}

/// Does something with a file of this text, which is gone afterwards.
fn with_file(text: &str, work: impl FnOnce(&str) -> Result<(), Answer>) -> Result<(), Answer> {
    let failed = |error: std::io::Error| (ErrorCode::UnknownServerError, Some(error.to_string()));
    let name = format!("ktrial-reassignment-{}.json", std::process::id());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, text).map_err(failed)?;
    let done = work(&path.to_string_lossy());
    let _ = std::fs::remove_file(&path);
    done
}

/// What a try of the admin client was answered.
fn answered(made: KafkaResult<Vec<TopicResult>>) -> Answer {
    match made.map(|results| results.into_iter().find_map(Result::err)) {
        Ok(None) => (ErrorCode::None, None),
        Ok(Some((_, code))) => {
            let error = kafka_error(code).unwrap_or(ErrorCode::RequestTimedOut);
            (error, Some(code.to_string()))
        }
        Err(error) => (ErrorCode::RequestTimedOut, Some(error.to_string())),
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(PATIENCE))
        .operation_timeout(Some(PATIENCE))
}

/// The replicas of each partition as numbers.
fn numbers(replicas: &[Vec<BrokerId>]) -> Vec<Vec<i32>> {
    let ids = |replicas: &Vec<BrokerId>| replicas.iter().map(|id| id.0).collect();
    replicas.iter().map(ids).collect()
}

/// The arguments of `ConfigCommand` for one change. Topics are changed through ZooKeeper before 2.6.
fn config_arguments(tools: &Tools, change: &ConfigChange) -> Vec<String> {
    let by_broker = tools.target.mode == Mode::KRaft || tools.target.release.at_least("2.6");
    let cluster = match (&tools.zookeeper, by_broker) {
        (Some(zookeeper), false) => ["--zookeeper".to_owned(), zookeeper.clone()],
        _ => ["--bootstrap-server".to_owned(), tools.bootstrap.clone()],
    };
    let mut arguments = Vec::from(cluster);
    arguments.push("--alter".to_owned());
    let id = match &change.resource {
        ConfigResource::Broker(broker) => broker.to_string(),
        ConfigResource::Topic(_) | ConfigResource::Cluster => String::new(),
    };
    let entity: &[&str] = match &change.resource {
        ConfigResource::Topic(topic) => &["--entity-type", "topics", "--entity-name", topic],
        ConfigResource::Cluster => &["--entity-type", "brokers", "--entity-default"],
        ConfigResource::Broker(_) => &["--entity-type", "brokers", "--entity-name", &id],
    };
    arguments.extend(entity.iter().map(|text| (*text).to_owned()));
    match &change.value {
        Some(value) => {
            arguments.extend(["--add-config".to_owned(), format!("{}={value}", change.key)]);
        }
        None => arguments.extend(["--delete-config".to_owned(), change.key.clone()]),
    }
    arguments
}
