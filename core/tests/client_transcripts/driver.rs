//! Runs a script against one machine.
//!
//! | line | input |
//! |---|---|
//! | `send 1 orders A [key]` | the application sends value `A` to the topic, or to `orders-0` |
//! | `assign orders-0 ...` | the consumer's partitions |
//! | `create 1 orders` | the operator creates a topic |
//! | `shutdown` | SIGTERM |
//! | `metadata orders 0=b1@3 1=none@4` | answer: leaders and epochs; or `orders ERROR` |
//! | `produced b1 orders-0=17 orders-1=ERROR>b2@4` | answer: base offsets; errors, with a leader hint |
//! | `fetched b1 orders-0=A,B/5@1` | answer: a batch at offset 5, epoch 1; `empty`; `at-b2`: read there; or an error |
//! | `offsets b1 orders-0=5@1`, `epochs b1 orders-0=5@1` | answers: offset and epoch, or an error |
//! | `created c1 ERROR` | answer of a controller, `NONE` if all is well |
//! | `cut b1` | the connection is reset by the other side |
//! | `dark b1`, `light b1` | from now on connections to it are never established; they are again |
//! | `wait` | time goes on to the next deadline |
//! | `at 250` | time goes on to this millisecond; no deadline may be before it |

use crate::effects;
use bytes::Bytes;
use ktrial_core::message::*;
use ktrial_core::record::BatchBuilder;
use ktrial_core::*;
use std::collections::BTreeSet;
use std::fmt::Write;

pub(crate) struct Driver<M> {
    pub(crate) machine: M,
    now: Timestamp,
    open: Vec<Open>,
    /// Connections that were begun.
    begun: BTreeSet<ConnectionId>,
    dark: BTreeSet<NodeId>,
    transcript: String,
}

/// A request that was sent and not answered.
struct Open {
    connection: ConnectionId,
    to: NodeId,
    correlation: CorrelationId,
    request: Request,
}

impl<M: Machine> Driver<M> {
    pub(crate) fn new(machine: M) -> Self {
        Self {
            machine,
            now: Timestamp::ZERO,
            open: Vec::new(),
            begun: BTreeSet::new(),
            dark: BTreeSet::new(),
            transcript: String::new(),
        }
    }

    /// The transcript of the script.
    pub(crate) fn run(mut self, script: &str) -> String {
        for line in script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            writeln!(self.transcript, "> {line}").unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            if let Some(input) = self.input(&words) {
                self.handle(input);
            }
        }
        self.transcript
    }

    fn handle(&mut self, input: Input) {
        let now = Now {
            monotonic: self.now,
            wall: WallClock(i64::try_from(self.now.as_millis()).unwrap()),
        };
        let mut out = Effects::new();
        self.machine.handle(now, input, &mut out);
        let mut established = Vec::new();
        for effect in out.drain() {
            writeln!(self.transcript, "  {}", effects::print(&effect)).unwrap();
            match effect {
                Effect::Connect { connection, to }
                    if self.begun.insert(connection) && !self.dark.contains(&to) =>
                {
                    established.push(connection);
                }
                Effect::Send {
                    connection,
                    to,
                    correlation,
                    request,
                } => {
                    if self.begun.insert(connection) && !self.dark.contains(&to) {
                        established.push(connection);
                    }
                    let one_way = matches!(&*request, Request::Produce(p) if p.acks == 0);
                    if !one_way {
                        self.open.push(Open {
                            connection,
                            to,
                            correlation,
                            request: *request,
                        });
                    }
                }
                Effect::Close { connection } => {
                    self.open.retain(|open| open.connection != connection);
                }
                _ => {}
            }
        }
        for connection in established {
            self.handle(Input::Connected { connection });
        }
        if self
            .machine
            .next_deadline()
            .is_some_and(|next| next <= self.now)
        {
            self.stuck::<()>("a deadline that has passed");
        }
    }

    fn input(&mut self, words: &[&str]) -> Option<Input> {
        match words {
            ["wait"] => {
                self.now = self
                    .machine
                    .next_deadline()
                    .unwrap_or_else(|| self.stuck("nothing to wait for"));
                writeln!(self.transcript, "  @ {}", self.now).unwrap();
                Some(Input::Timer(Lane::Main))
            }
            ["at", millis] => {
                let at = Timestamp::from_millis(millis.parse().unwrap());
                let next = self.machine.next_deadline().unwrap_or(Timestamp::NEVER);
                if next < at {
                    self.stuck::<()>(&format!("a deadline before that: {next}"));
                }
                self.now = at;
                (next == at).then_some(Input::Timer(Lane::Main))
            }
            ["cut", node] => {
                let node: NodeId = node.parse().unwrap();
                let place = self.open.iter().position(|open| open.to == node).unwrap();
                let connection = self.open[place].connection;
                self.open.retain(|open| open.connection != connection);
                Some(Input::Disconnected { connection })
            }
            ["dark", node] => {
                self.dark.insert(node.parse().unwrap());
                None
            }
            ["light", node] => {
                self.dark.remove(&node.parse().unwrap());
                None
            }
            ["metadata", answers @ ..] => {
                let place = self
                    .open
                    .iter()
                    .position(|open| open.request.api() == Api::Metadata)
                    .unwrap_or_else(|| self.stuck("no metadata request"));
                Some(self.answer(place, answers))
            }
            [
                "produced" | "fetched" | "offsets" | "epochs" | "created",
                node,
                answers @ ..,
            ] => {
                let node: NodeId = node.parse().unwrap();
                let fits = |open: &Open| open.to == node && open.request.api() != Api::Metadata;
                let found = self.open.iter().position(fits);
                let place = found.unwrap_or_else(|| self.stuck("no open request"));
                Some(self.answer(place, answers))
            }
            command => Some(Input::Command(parse_command(command))),
        }
    }

    /// The script does not fit the machine.
    fn stuck<T>(&self, why: &str) -> T {
        panic!("{why} after\n{}", self.transcript)
    }

    fn answer(&mut self, place: usize, answers: &[&str]) -> Input {
        let open = self.open.remove(place);
        Input::Response {
            connection: open.connection,
            correlation: open.correlation,
            response: Box::new(respond(&open.request, answers)),
        }
    }
}

fn parse_command(words: &[&str]) -> Command {
    match words {
        ["send", operation, to, value, rest @ ..] => {
            let partition: Option<TopicPartition> = to.parse().ok();
            Command::Send {
                operation: OperationId(operation.parse().unwrap()),
                topic: partition
                    .as_ref()
                    .map_or((*to).into(), |partition| partition.topic.clone()),
                partition: partition.map(|partition| partition.partition),
                key: rest.first().map(|key| Bytes::from((*key).to_owned())),
                value: Bytes::from((*value).to_owned()),
            }
        }
        ["assign", partitions @ ..] => Command::Assign {
            partitions: partitions
                .iter()
                .map(|text| text.parse().unwrap())
                .collect(),
        },
        ["create", operation, topic] => Command::Administer {
            operation: OperationId(operation.parse().unwrap()),
            request: Box::new(Request::CreateTopics(CreateTopicsRequest {
                topics: vec![NewTopic {
                    topic: (*topic).into(),
                    placement: Placement::Spread {
                        partitions: None,
                        replication_factor: None,
                    },
                    configs: std::collections::BTreeMap::new(),
                }],
            })),
        },
        ["shutdown"] => Command::Shutdown,
        other => panic!("not a line of a script: {other:?}"),
    }
}

fn respond(request: &Request, answers: &[&str]) -> Response {
    match request {
        Request::Metadata(_) => Response::Metadata(metadata(answers)),
        Request::Produce(request) => Response::Produce(ProduceResponse {
            partitions: request
                .partitions
                .iter()
                .zip(answers)
                .map(|(asked, answer)| produced(&asked.partition, answer))
                .collect(),
        }),
        Request::Fetch(request) => Response::Fetch(FetchResponse {
            error: ErrorCode::None,
            partitions: request
                .partitions
                .iter()
                .zip(answers)
                .map(|(asked, answer)| fetched(&asked.partition, answer))
                .collect(),
            session_id: 0,
        }),
        Request::ListOffsets(request) => Response::ListOffsets(ListOffsetsResponse {
            partitions: request
                .partitions
                .iter()
                .zip(answers)
                .map(|(asked, answer)| {
                    let found = EndOrError::parse(answer);
                    ListOffsetsPartitionResponse {
                        partition: asked.partition.clone(),
                        error: found.error,
                        offset: found.end.map(|end| end.offset),
                        leader_epoch: found.end.map(|end| end.epoch),
                    }
                })
                .collect(),
        }),
        Request::OffsetForLeaderEpoch(request) => {
            Response::OffsetForLeaderEpoch(OffsetForLeaderEpochResponse {
                partitions: request
                    .partitions
                    .iter()
                    .zip(answers)
                    .map(|(asked, answer)| {
                        let found = EndOrError::parse(answer);
                        EpochAnswer {
                            partition: asked.partition.clone(),
                            error: found.error,
                            leader_epoch: found.end.map(|end| end.epoch),
                            end_offset: found.end.map(|end| end.offset),
                        }
                    })
                    .collect(),
            })
        }
        Request::CreateTopics(request) => Response::CreateTopics(CreateTopicsResponse {
            topics: vec![CreatedTopic {
                topic: request.topics[0].topic.clone(),
                topic_id: None,
                error: error(answers[0]).unwrap_or_default(),
                message: None,
            }],
        }),
        other => panic!("no answer to {other:?}"),
    }
}

fn metadata(words: &[&str]) -> MetadataResponse {
    let error = words.get(1).and_then(|word| error(word));
    let partition = |word: &&str| {
        let (number, leadership) = word.split_once('=').unwrap();
        let (leader, epoch) = leadership.split_once('@').unwrap();
        let leader = leader.parse::<NodeId>().ok().and_then(NodeId::broker);
        PartitionMetadata {
            error: leader.map_or(ErrorCode::LeaderNotAvailable, |_| ErrorCode::None),
            partition: number.parse().unwrap(),
            leader,
            leader_epoch: LeaderEpoch(epoch.parse().unwrap()),
            replicas: Vec::new(),
            isr: Vec::new(),
            elr: Vec::new(),
        }
    };
    MetadataResponse {
        brokers: vec![BrokerId(1), BrokerId(2), BrokerId(3)],
        topics: vec![TopicMetadata {
            error: error.unwrap_or_default(),
            topic: words[0].into(),
            topic_id: TopicId(u128::from(error.is_none())),
            partitions: match error {
                None => words[1..].iter().map(partition).collect(),
                Some(_) => Vec::new(),
            },
        }],
    }
}

fn produced(partition: &TopicIdPartition, answer: &str) -> ProducePartitionResponse {
    let (_, answer) = answer.split_once('=').unwrap();
    let (outcome, hint) = split_hint(answer);
    let error = error(outcome);
    ProducePartitionResponse {
        partition: partition.clone(),
        error: error.unwrap_or_default(),
        base_offset: outcome.parse().ok().map(Offset),
        log_append_time: None,
        log_start_offset: None,
        current_leader: hint,
    }
}

fn fetched(partition: &TopicIdPartition, answer: &str) -> FetchPartitionResponse {
    let (_, answer) = answer.split_once('=').unwrap();
    let (outcome, hint) = split_hint(answer);
    let named = outcome.strip_prefix("at-b");
    let named = named.map(|id| BrokerId(id.parse().unwrap()));
    let error = if named.is_some() {
        None
    } else {
        error(outcome)
    };
    let records = match outcome.split_once('/') {
        Some((values, place)) => {
            let place = EndOrError::parse_place(place).unwrap();
            batch(values, place)
        }
        None => Bytes::new(),
    };
    FetchPartitionResponse {
        partition: partition.clone(),
        error: error.unwrap_or_default(),
        high_watermark: Offset(0),
        last_stable_offset: Offset(0),
        log_start_offset: Offset(0),
        diverging_epoch: None,
        snapshot: None,
        current_leader: hint,
        records,
        preferred_read_replica: named,
    }
}

/// A batch of these values; `control` is a control batch, a `!` at the end corrupts it.
fn batch(values: &str, place: EpochOffset) -> Bytes {
    let (values, corrupt) = values
        .strip_suffix('!')
        .map_or((values, false), |values| (values, true));
    let mut builder = BatchBuilder::new().at(place.offset, place.epoch);
    for value in values.split(',') {
        builder.append(WallClock(0), None, Some(value.as_bytes()), &[]);
    }
    if values == "control" {
        builder = builder.control();
    }
    let mut bytes = builder.finish().to_vec();
    if corrupt {
        // The last byte of the last value: after it comes the number of headers.
        let place = bytes.len() - 2;
        bytes[place] ^= 1;
    }
    Bytes::from(bytes)
}

struct EndOrError {
    error: ErrorCode,
    end: Option<EpochOffset>,
}

impl EndOrError {
    /// `orders-0=5@1`, `orders-0=undefined` or `orders-0=ERROR`.
    fn parse(answer: &str) -> Self {
        let (_, answer) = answer.split_once('=').unwrap();
        Self {
            error: error(answer).unwrap_or_default(),
            end: Self::parse_place(answer),
        }
    }

    fn parse_place(text: &str) -> Option<EpochOffset> {
        let (offset, epoch) = text.split_once('@')?;
        Some(EpochOffset::new(
            LeaderEpoch(epoch.parse().unwrap()),
            Offset(offset.parse().unwrap()),
        ))
    }
}

fn split_hint(answer: &str) -> (&str, Option<LeaderIdAndEpoch>) {
    let Some((outcome, hint)) = answer.split_once('>') else {
        return (answer, None);
    };
    let (leader, epoch) = hint.split_once('@').unwrap();
    let hint = LeaderIdAndEpoch {
        leader: leader.parse::<NodeId>().unwrap().broker(),
        epoch: LeaderEpoch(epoch.parse().unwrap()),
    };
    (outcome, Some(hint))
}

fn error(name: &str) -> Option<ErrorCode> {
    ErrorCode::ALL
        .iter()
        .copied()
        .find(|code| code.name() == name)
}
