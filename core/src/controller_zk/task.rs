//! The steps of the controller's work: what each asks of ZooKeeper, and where its answers go.
//!
//! Rule: a step that asks nothing is done at once. What follows from a step goes to the front of the list, so
//! that an event is over before the next one begins.
//!
//! Source: `KafkaZkClient`, whose calls of many requests at a time (pipelined) are the steps here.
//! Next: `failover.rs`.

use super::deletion::Replica;
use super::elections::Plan;
use super::membership::Registered;
use super::reassignment::Move;
use super::znodes::{
    BROKER_IDS, CONFIG_CHANGES, ConfigChangeNode, DELETE_TOPICS, ISR_CHANGE_NOTIFICATION,
    LOG_DIR_EVENT_NOTIFICATION, LeaderAndIsr, StateNode, TOPICS, broker, decode, encode,
    partitions, state, topic, topic_config,
};
use super::{ControllerZk, Env, Happening, Reply};
use crate::id::{BrokerId, TopicId, TopicName, TopicPartition};
use crate::machine::ReplyTo;
use crate::message::{
    AlterPartitionOutcome, Answer, Change, ConfigResource, CreatePartitionsRequest, CreatedTopic,
    IncrementalAlterConfigsRequest, NewTopic, Operation, Response,
};
use bytes::Bytes;
use std::collections::BTreeSet;

/// A topic to create: its place in the request, what it shall be, its replicas and its id.
pub(super) type Creation = (usize, NewTopic, Vec<Vec<BrokerId>>, TopicId);

/// A step.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// Lists the notifications of changed ISRs, and watches for more. `forget` = they are only deleted.
    ListIsrChanges { forget: bool },
    /// Reads what they are about.
    ReadIsrChanges(Vec<String>),
    /// Lists the notifications of lost log directories, and watches for more. `forget` = only deletes them.
    ListLogDirEvents { forget: bool },
    /// Reads which brokers they are of.
    ReadLogDirEvents(Vec<String>),
    /// Deletes znodes.
    Delete(Vec<String>),
    /// Lists the brokers, and watches them. `load` = for a new controller.
    ListBrokers { load: bool },
    /// Reads their znodes.
    ReadBrokers { ids: Vec<BrokerId>, load: bool },
    /// Lists the topics, and watches them.
    ListTopics { load: bool },
    /// Reads their znodes.
    ReadTopics { names: Vec<TopicName>, load: bool },
    /// Lists the topics that shall go, and watches.
    ListDeletions { load: bool },
    /// Goes on with deletions; those of these topics are held back no more.
    ResumeDeletions(Vec<TopicName>),
    /// Replicas of topics that go delete their logs.
    DeleteReplicas(BTreeSet<Replica>),
    /// Replicas of topics that go are away.
    FailDeletions(Vec<Replica>),
    /// Reads states into the context. `tell` = and tells every broker.
    ReadStates {
        partitions: Vec<TopicPartition>,
        tell: bool,
    },
    /// A new controller knows everything.
    Start,
    /// Gives new partitions their first state.
    Initialise(Vec<TopicPartition>),
    /// Elects leaders.
    Elect {
        partitions: Vec<TopicPartition>,
        plan: Plan,
    },
    /// Writes elected leaders.
    WriteElected {
        elected: Vec<(TopicPartition, LeaderAndIsr)>,
        plan: Plan,
    },
    /// Takes a broker out of ISRs.
    Remove {
        broker: BrokerId,
        partitions: Vec<TopicPartition>,
    },
    /// Writes ISRs without it.
    WriteRemoved {
        broker: BrokerId,
        states: Vec<(TopicPartition, LeaderAndIsr)>,
    },
    /// Elects for all partitions without a leader.
    ElectOffline,
    /// Tells all brokers who lives.
    TellBrokers,
    /// Hands over what has gathered for the brokers.
    Send,
    /// Answers a request.
    Answer {
        reply: ReplyTo,
        response: Box<Response>,
    },
    /// These brokers are there now.
    Came(Registered),
    /// These brokers are gone.
    Went(Vec<BrokerId>),
    /// Writes ISRs that leaders asked for.
    WriteIsrs {
        reply: ReplyTo,
        outcomes: Vec<AlterPartitionOutcome>,
        states: Vec<(usize, TopicPartition, LeaderAndIsr)>,
    },
    /// A broker that shuts down is told what it still leads.
    ShutDown { reply: ReplyTo, broker: BrokerId },
    /// Creates topics.
    CreateTopics {
        reply: ReplyTo,
        outcomes: Vec<CreatedTopic>,
        topics: Vec<Creation>,
    },
    /// Notes topics that shall be deleted.
    NoteDeletions {
        reply: ReplyTo,
        topics: Vec<TopicName>,
    },
    /// Reads the znode of a topic that an operator gives more partitions.
    ReadTopic {
        reply: ReplyTo,
        request: CreatePartitionsRequest,
    },
    /// Writes it with them.
    WriteTopic {
        reply: ReplyTo,
        topic: TopicName,
        node: Bytes,
    },
    /// Reads a topic's znode to see whether it has more partitions.
    ReadPartitions(TopicName),
    /// Lists those that have a state, for the topic shall go.
    ListPartitions(TopicName),
    /// Writes its znode with these alone.
    RestoreTopic(TopicName, Vec<i32>),
    /// Begins a move of replicas, or goes on with it.
    Move(Move),
    /// Writes an assignment into its topic's znode.
    WriteAssignment(Move),
    /// Reads a state to see whether a move may end.
    CheckMove {
        partition: TopicPartition,
        begins: bool,
    },
    /// Reads a state to give it the next leader epoch.
    RaiseEpoch(TopicPartition),
    /// Writes it.
    WriteRaised(TopicPartition, LeaderAndIsr),
    /// Replicas delete their logs.
    StopAndDelete(TopicPartition, Vec<BrokerId>),
    /// All brokers are told what a partition looks like.
    TellPartition(TopicPartition),
    /// Goes on with moves: with all, or with those to some brokers.
    ResumeMoves(Option<Vec<BrokerId>>),
    /// A topic's replicas are all deleted.
    ForgetTopic(TopicName),
    /// Reads settings to change.
    ReadConfigs {
        reply: ReplyTo,
        request: IncrementalAlterConfigsRequest,
        resources: Vec<ConfigResource>,
    },
    /// Writes them.
    WriteConfigs {
        reply: ReplyTo,
        response: Box<Response>,
        configs: Vec<(ConfigResource, bool, Bytes)>,
    },
    /// An operator's elections are over.
    Elected {
        reply: ReplyTo,
        partitions: Vec<TopicPartition>,
        before: Vec<Option<LeaderAndIsr>>,
    },
}

impl ControllerZk {
    /// What a step asks; nothing if it asks nothing.
    pub(super) fn ask(&self, task: &Task) -> Vec<Operation> {
        match task {
            Task::ListIsrChanges { .. } => vec![children(ISR_CHANGE_NOTIFICATION)],
            Task::ReadIsrChanges(names) => notes(ISR_CHANGE_NOTIFICATION, names),
            Task::ListLogDirEvents { .. } => vec![children(LOG_DIR_EVENT_NOTIFICATION)],
            Task::ReadLogDirEvents(names) => notes(LOG_DIR_EVENT_NOTIFICATION, names),
            Task::Delete(paths) => paths.iter().map(|path| self.delete(path)).collect(),
            Task::ListBrokers { .. } => vec![children(BROKER_IDS)],
            Task::ReadBrokers { ids, .. } => ids.iter().map(|id| read(broker(*id))).collect(),
            Task::ListTopics { .. } => vec![children(TOPICS)],
            Task::ListDeletions { .. } => vec![children(DELETE_TOPICS)],
            Task::ReadStates { partitions, .. } => states(partitions).collect(),
            // Whether the last member may leave is a question of the settings, before 1.1.
            Task::Remove { partitions, .. } if self.rules.last_member_stays_in_isr => {
                states(partitions).collect()
            }
            Task::CheckMove { partition, .. } => vec![Operation::GetData {
                path: state(partition),
                watch: !self.rules.isr_changes_through_controller,
            }],
            Task::RaiseEpoch(name) => vec![read(state(name))],
            Task::WriteRaised(name, now) => vec![self.write_state(name, now)],
            Task::WriteAssignment(one) => vec![self.ask_assignment(one)],
            Task::Initialise(partitions) => self.ask_initialise(partitions),
            Task::Elect { partitions, .. } | Task::Remove { partitions, .. } => {
                let topics: BTreeSet<&TopicName> =
                    partitions.iter().map(|one| &one.topic).collect();
                let configs = topics.into_iter().map(|name| read(topic_config(name)));
                states(partitions).chain(configs).collect()
            }
            Task::WriteElected {
                elected: states, ..
            }
            | Task::WriteRemoved { states, .. } => {
                let states = states.iter();
                states
                    .map(|(name, now)| self.write_state(name, now))
                    .collect()
            }
            Task::WriteIsrs { states, .. } => {
                let states = states.iter();
                states
                    .map(|(_, name, now)| self.write_state(name, now))
                    .collect()
            }
            Task::ReadConfigs { resources: all, .. } => all
                .iter()
                .map(|one| read(super::admin::path(one)))
                .collect(),
            Task::WriteConfigs { configs, .. } => configs.iter().flat_map(ask_config).collect(),
            other => self.ask_of_topics(other),
        }
    }

    /// What a step about topics asks; all others ask nothing.
    fn ask_of_topics(&self, task: &Task) -> Vec<Operation> {
        match task {
            Task::ReadTopics { names, .. } => names.iter().map(watch_topic).collect(),
            Task::ReadTopic { request, .. } => vec![watch_topic(&request.topic)],
            Task::ReadPartitions(name) => vec![watch_topic(name)],
            Task::WriteTopic { topic, node, .. } => vec![write_topic(topic, node)],
            Task::ListPartitions(name) => vec![Operation::GetChildren {
                path: partitions(name),
                watch: false,
            }],
            Task::RestoreTopic(name, numbers) => vec![self.ask_restore(name, numbers)],
            Task::CreateTopics { topics, .. } => topics
                .iter()
                .flat_map(|(_, new, replicas, id)| super::topics::create(new, replicas, *id))
                .collect(),
            Task::NoteDeletions { topics, .. } => topics.iter().map(note_deletion).collect(),
            Task::ForgetTopic(name) => self.ask_forget(name),
            _ => Vec::new(),
        }
    }

    /// A step's answers are there, in the order of what was asked.
    pub(super) fn finish(&mut self, task: Task, answers: &[Reply], env: &mut Env<'_>) {
        match task {
            Task::ListIsrChanges { forget } => self.isr_changes_listed(forget, names(answers)),
            Task::ReadIsrChanges(names) => self.isr_changes_read(&names, answers),
            Task::ListLogDirEvents { forget } => self.log_dir_events_listed(forget, names(answers)),
            Task::ReadLogDirEvents(names) => self.log_dir_events_read(&names, answers, env),
            Task::ListBrokers { load } => self.brokers_listed(load, &names(answers)),
            Task::ReadBrokers { ids, load } => self.brokers_read(&ids, load, answers, env),
            Task::ReadStates { partitions, tell } => {
                self.states_read(&partitions, tell, answers, env);
            }
            of_topics @ (Task::ListTopics { .. }
            | Task::ReadTopics { .. }
            | Task::ReadTopic { .. }
            | Task::ReadPartitions(_)
            | Task::WriteTopic { .. }
            | Task::ListPartitions(_)
            | Task::CreateTopics { .. }
            | Task::NoteDeletions { .. }
            | Task::ListDeletions { .. }
            | Task::ResumeDeletions(_)
            | Task::DeleteReplicas(_)
            | Task::FailDeletions(_)
            | Task::ForgetTopic(_)) => self.finish_of_topics(of_topics, answers, env),
            Task::Delete(_) | Task::RestoreTopic(..) => {}
            Task::Start => self.start(env),
            Task::Initialise(partitions) => self.initialised(&partitions, answers),
            Task::Elect { partitions, plan } => self.elect(&partitions, plan, answers),
            Task::WriteElected { elected, plan } => self.elected(elected, plan, answers),
            Task::Remove { broker, partitions } => self.remove(broker, &partitions, answers),
            Task::WriteRemoved { broker, states } => self.removed(broker, states, answers),
            Task::ElectOffline => self.elect_offline(None),
            Task::TellBrokers => {
                self.batch.update_all(&self.context, &[]);
                self.send(env);
            }
            Task::Send => self.send(env),
            Task::Answer { reply, response } => self.answer(reply, *response, env),
            Task::Came(registered) => self.came(registered, env),
            Task::Went(dead) => self.went(&dead),
            Task::WriteIsrs {
                reply,
                outcomes,
                states,
            } => self.isrs_written(reply, outcomes, &states, answers, env),
            Task::ShutDown { reply, broker } => self.shut_down(reply, broker, env),
            Task::Move(one) => self.begin_move(one),
            Task::WriteAssignment(one) => self.assignment_written(one, answers),
            Task::CheckMove { partition, begins } => self.check_move(partition, begins, answers),
            Task::RaiseEpoch(name) => self.raise_epoch(name, answers),
            Task::WriteRaised(name, now) => self.raised(name, now, answers, env),
            Task::StopAndDelete(name, brokers) => self.stop_and_delete(&name, &brokers, env),
            Task::TellPartition(name) => {
                self.batch.update_all(&self.context, &[name]);
                self.send(env);
            }
            Task::ResumeMoves(brokers) => self.resume_moves(brokers.as_deref()),
            Task::ReadConfigs {
                reply,
                request,
                resources,
            } => self.configs_read(reply, &request, resources, answers),
            Task::WriteConfigs {
                reply, response, ..
            } => self.answer(reply, *response, env),
            Task::Elected {
                reply,
                partitions,
                before,
            } => self.elections_over(reply, partitions, &before, env),
        }
    }

    /// A step about topics has its answers.
    fn finish_of_topics(&mut self, task: Task, answers: &[Reply], env: &mut Env<'_>) {
        match task {
            Task::ListTopics { load } => self.topics_listed(load, &names(answers)),
            Task::ReadTopics { names, load } => self.topics_read(&names, load, answers),
            Task::ListDeletions { load } => self.deletions_listed(load, &names(answers)),
            Task::ResumeDeletions(again) => self.resume_deletions(&again),
            Task::DeleteReplicas(replicas) => self.delete_replicas(&replicas, env),
            Task::FailDeletions(replicas) => self.fail_deletions(replicas),
            Task::CreateTopics {
                reply,
                outcomes,
                topics,
            } => self.topics_created(reply, outcomes, &topics, answers, env),
            Task::NoteDeletions { reply, topics } => {
                self.deletions_noted(reply, topics, answers, env);
            }
            Task::ReadTopic { reply, request } => self.topic_read(reply, request, answers),
            Task::WriteTopic { reply, .. } => self.partitions_written(reply, answers, env),
            Task::ReadPartitions(name) => self.partitions_read(&name, answers),
            Task::ListPartitions(name) => self.partitions_listed(name, &names(answers)),
            Task::ForgetTopic(name) => self.context.remove_topic(&name),
            _ => {}
        }
    }

    /// Begins to work on an event.
    pub(super) fn begin(&mut self, event: Happening) {
        match event {
            Happening::Failover => self.tasks.extend([
                Task::ListLogDirEvents { forget: true },
                Task::ListIsrChanges { forget: true },
                Task::ListBrokers { load: true },
                Task::ListTopics { load: true },
                Task::ListDeletions { load: true },
                Task::Start,
                Task::ResumeMoves(None),
                Task::ResumeDeletions(Vec::new()),
            ]),
            Happening::Brokers => self.tasks.push_back(Task::ListBrokers { load: false }),
            Happening::Topics => self.tasks.push_back(Task::ListTopics { load: false }),
            Happening::Deletions => self.tasks.push_back(Task::ListDeletions { load: false }),
            Happening::Partitions(topic) => self.tasks.push_back(Task::ReadPartitions(topic)),
            Happening::IsrChanges => {
                self.tasks.push_back(Task::ListIsrChanges { forget: false });
            }
            Happening::LogDirEvents => {
                self.tasks
                    .push_back(Task::ListLogDirEvents { forget: false });
            }
            Happening::Told(broker, asked, offline) => self.replicas_told(broker, &asked, offline),
            Happening::Request(reply, request) => self.begin_request(reply, *request),
            Happening::State(partition) => self.isr_changed([partition]),
            Happening::Deleted(broker, deleted, failed) => {
                self.replicas_deleted(broker, deleted, failed);
            }
            Happening::Balance => self.balance(),
            Happening::Unclean(topic) => self.elect_offline(topic.as_ref()),
        }
    }

    /// What follows now comes before all else, in this order.
    pub(super) fn next(&mut self, tasks: impl IntoIterator<Item = Task>) {
        let tasks: Vec<Task> = tasks.into_iter().collect();
        for task in tasks.into_iter().rev() {
            self.tasks.push_front(task);
        }
    }

    fn write_state(&self, partition: &TopicPartition, now: &LeaderAndIsr) -> Operation {
        self.write(Change::SetData {
            path: state(partition),
            data: encode(&now.node(self.epoch())),
            version: Some(now.partition_epoch.0),
        })
    }

    pub(super) fn delete(&self, path: &str) -> Operation {
        self.write(Change::Delete {
            path: path.to_owned(),
            version: None,
        })
    }
}

fn ask_config((resource, exists, data): &(ConfigResource, bool, Bytes)) -> [Operation; 2] {
    let path = super::admin::path(resource);
    let entity = path.trim_start_matches("/config/").to_owned();
    let set = if *exists {
        Operation::Change(Change::SetData {
            path,
            data: data.clone(),
            version: None,
        })
    } else {
        create(path, data.clone(), false)
    };
    let change = encode(&ConfigChangeNode::new(entity));
    let note = create(format!("{CONFIG_CHANGES}/config_change_"), change, true);
    [set, note]
}

/// Reads a znode.
pub(super) fn read(path: String) -> Operation {
    Operation::GetData { path, watch: false }
}

/// Reads a topic's znode, and watches it.
fn watch_topic(name: &TopicName) -> Operation {
    let path = topic(name);
    Operation::GetData { path, watch: true }
}

/// Sets it, whatever its version, and whoever is the controller.
fn write_topic(name: &TopicName, data: &Bytes) -> Operation {
    Operation::Change(Change::SetData {
        path: topic(name),
        data: data.clone(),
        version: None,
    })
}

/// Reads notifications.
fn notes(folder: &str, names: &[String]) -> Vec<Operation> {
    let paths = names.iter().map(|name| format!("{folder}/{name}"));
    paths.map(read).collect()
}

fn children(path: &str) -> Operation {
    let path = path.to_owned();
    Operation::GetChildren { path, watch: true }
}

/// Creates a znode that stays, without asking who is the controller.
pub(super) fn create(path: String, data: Bytes, sequential: bool) -> Operation {
    Operation::Change(Change::Create {
        path,
        data,
        ephemeral: false,
        sequential,
    })
}

/// The names in the first answer.
fn names(answers: &[Reply]) -> Vec<String> {
    match answers.first() {
        Some(Ok(Answer::Children(names))) => names.clone(),
        _ => Vec::new(),
    }
}

/// A partition's state in an answer, and the epoch of the controller that wrote it.
pub(super) fn state_in(answer: &Reply) -> Option<(LeaderAndIsr, i32)> {
    let Ok(Answer::Data(data, stat)) = answer else {
        return None;
    };
    let node: StateNode = decode(data)?;
    let epoch = node.controller_epoch;
    Some((LeaderAndIsr::of(&node, stat.version), epoch))
}

fn states(partitions: &[TopicPartition]) -> impl Iterator<Item = Operation> {
    partitions.iter().map(|name| read(state(name)))
}

fn note_deletion(topic: &TopicName) -> Operation {
    create(format!("{DELETE_TOPICS}/{topic}"), Bytes::new(), false)
}
