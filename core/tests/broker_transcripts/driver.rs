//! One broker, with everybody else played by the test: a controller whose metadata log the test
//! writes, followers, a leader, a producer. Each input and its exact effects go into a transcript.

use bytes::Bytes;
use ktrial_core::broker::{Broker, BrokerStart};
use ktrial_core::config::TopicConfig;
use ktrial_core::log::{Log, OpenFrom};
use ktrial_core::memory_storage::MemoryStorage;
use ktrial_core::message::*;
use ktrial_core::metadata::*;
use ktrial_core::record::{BatchBuilder, batches};
use ktrial_core::*;
use std::collections::BTreeSet;
use std::fmt::Write;

pub(crate) const TOPIC: TopicId = TopicId(7);

struct Open {
    to: NodeId,
    connection: ConnectionId,
    correlation: CorrelationId,
    request: Request,
}

pub(crate) struct Driver {
    broker: Broker,
    now: Timestamp,
    open: Vec<Open>,
    connected: BTreeSet<ConnectionId>,
    quorum_disk: MemoryStorage,
    quorum_log: Log,
    asked: u32,
    pub(crate) transcript: String,
}

pub(crate) fn orders() -> TopicIdPartition {
    TopicIdPartition {
        topic_id: TOPIC,
        partition: TopicPartition::new("orders", 0),
    }
}

fn epoch_of(id: i32) -> BrokerEpoch {
    BrokerEpoch(100 + i64::from(id))
}

pub(crate) fn batch(value: &str, base_offset: i64, epoch: i32) -> Bytes {
    let mut builder = BatchBuilder::new();
    builder.append(WallClock(1_000), None, Some(value.as_bytes()), &[]);
    let mut bytes = builder.finish().to_vec();
    bytes[..8].copy_from_slice(&base_offset.to_be_bytes());
    bytes[12..16].copy_from_slice(&epoch.to_be_bytes());
    bytes.into()
}

impl Driver {
    /// Broker `id` over an empty disk.
    pub(crate) fn new(id: i32, topic_defaults: TopicConfig) -> Self {
        Self::under(Rules::default(), id, topic_defaults)
    }

    /// As `new`, under these rules.
    pub(crate) fn under(rules: Rules, id: i32, topic_defaults: TopicConfig) -> Self {
        let start = BrokerStart {
            id: BrokerId(id),
            incarnation: Incarnation(0),
            config: Default::default(),
            topic_defaults,
            rules,
            controllers: vec![ControllerId(3000)],
            zookeeper: None,
            random: Random::stream(1, "broker"),
        };
        let mut out = Effects::new();
        let disk = Box::new(MemoryStorage::new());
        let broker = Broker::start(start, disk, Now::default(), &mut out).unwrap();
        let mut quorum_disk = MemoryStorage::new();
        let (quorum_log, _) = Log::open(
            &mut quorum_disk,
            "log",
            OpenFrom::default(),
            Default::default(),
            Now::default(),
        )
        .unwrap();
        let mut driver = Self {
            broker,
            now: Timestamp::ZERO,
            open: Vec::new(),
            connected: BTreeSet::new(),
            quorum_disk,
            quorum_log,
            asked: 0,
            transcript: "> start\n".to_owned(),
        };
        driver.print(&mut out);
        driver
    }

    /// As `new`, then registers, catches up with `records` and is unfenced; without transcript.
    pub(crate) fn running(
        id: i32,
        topic_defaults: TopicConfig,
        records: &[MetadataRecord],
    ) -> Self {
        let mut driver = Self::new(id, topic_defaults);
        driver.timer(Lane::Lifecycle);
        driver.registered(id);
        driver.timer(Lane::Metadata);
        let known = (1..=3).map(|id| {
            MetadataRecord::RegisterBroker(RegisterBrokerRecord {
                broker: BrokerId(id),
                incarnation: Incarnation(0),
                broker_epoch: epoch_of(id),
                fenced: false,
                in_controlled_shutdown: false,
                rack: None,
                log_dirs: Vec::new(),
            })
        });
        let topic = TopicRecord {
            topic: "orders".into(),
            topic_id: TOPIC,
        };
        let records: Vec<MetadataRecord> = known
            .chain([MetadataRecord::Topic(topic)])
            .chain(records.iter().cloned())
            .collect();
        driver.metadata(&records);
        driver.timer(Lane::Lifecycle);
        driver.heartbeat(true, true, false);
        driver.timer(Lane::Lifecycle);
        driver.heartbeat(true, false, false);
        driver.timer(Lane::Scheduler);
        driver.transcript.clear();
        driver
    }

    fn handle(&mut self, what: &str, input: Input) {
        writeln!(self.transcript, "> {what}").unwrap();
        let wall = WallClock(1_000 + i64::try_from(self.now.as_millis()).unwrap());
        let mut out = Effects::new();
        self.broker.handle(
            Now {
                monotonic: self.now,
                wall,
            },
            input,
            &mut out,
        );
        self.print(&mut out);
    }

    fn print(&mut self, out: &mut Effects) {
        let effects: Vec<Effect> = out.drain().collect();
        for effect in effects {
            let line = match &effect {
                Effect::Send { to, request, .. } => format!("{to} <- {}", request_text(request)),
                Effect::Respond {
                    connection,
                    response,
                    ..
                } => {
                    format!("{} <= {}", connection.client, response_text(response))
                }
                Effect::Connect { to, .. } => format!("connect to {to}"),
                Effect::Unanswered { connection } => {
                    format!("{} gets no answer", connection.client)
                }
                Effect::Close { connection } => format!("close {}", connection.client),
                Effect::Observe(event) => format!("* {}", serde_json::to_string(event).unwrap()),
                Effect::Exit => "exit".to_owned(),
            };
            writeln!(self.transcript, "  {line}").unwrap();
            if let Effect::Send {
                connection,
                to,
                correlation,
                request,
            } = effect
            {
                if self.connected.insert(connection) {
                    let mut nothing = Effects::new();
                    let now = Now::default();
                    self.broker
                        .handle(now, Input::Connected { connection }, &mut nothing);
                    assert!(nothing.as_slice().is_empty());
                }
                self.open.push(Open {
                    to,
                    connection,
                    correlation,
                    request: *request,
                });
            }
        }
    }

    /// Time goes on to the next deadline.
    pub(crate) fn wait(&mut self) {
        let mut next: Option<(Timestamp, Lane)> = None;
        self.broker.deadlines(&mut |lane, at| {
            if next.is_none_or(|next| (at, lane) < next) {
                next = Some((at, lane));
            }
        });
        let (at, lane) = next.unwrap();
        self.now = self.now.max(at);
        self.handle(&format!("{} timer {lane}", self.now), Input::Timer(lane));
    }

    /// When a lane wants waking, in ms.
    pub(crate) fn deadline(&self, wanted: Lane) -> Option<u64> {
        let mut deadline = None;
        self.broker.deadlines(&mut |lane, at| {
            if lane == wanted {
                deadline = Some(at.as_millis());
            }
        });
        deadline
    }

    /// Time goes on to this millisecond without a deadline in between being served.
    pub(crate) fn at(&mut self, millis: u64) {
        self.now = Timestamp::from_millis(millis);
    }

    /// Serves the deadline of one lane now.
    pub(crate) fn timer(&mut self, lane: Lane) {
        self.handle(&format!("{} timer {lane}", self.now), Input::Timer(lane));
    }

    /// Answers the oldest request of this API.
    pub(crate) fn answer(&mut self, what: &str, response: Response) {
        let position = self
            .open
            .iter()
            .position(|one| one.request.api() == response.api());
        let one = self.open.remove(position.unwrap());
        let what = format!("{} answers {what}", one.to);
        let (connection, correlation) = (one.connection, one.correlation);
        self.handle(
            &what,
            Input::Response {
                connection,
                correlation,
                response: Box::new(response),
            },
        );
    }

    pub(crate) fn registered(&mut self, id: i32) {
        let response = BrokerRegistrationResponse {
            error: ErrorCode::None,
            broker_epoch: Some(epoch_of(id)),
        };
        self.answer("registered", Response::BrokerRegistration(response));
    }

    pub(crate) fn heartbeat(&mut self, caught_up: bool, fenced: bool, shut_down: bool) {
        let response = BrokerHeartbeatResponse {
            error: ErrorCode::None,
            is_caught_up: caught_up,
            is_fenced: fenced,
            should_shut_down: shut_down,
        };
        let what = format!("caught up {caught_up}, fenced {fenced}, may stop {shut_down}");
        self.answer(&what, Response::BrokerHeartbeat(response));
        // The first one that says so lets the loader open the logs.
        let mut due = false;
        self.broker.deadlines(&mut |lane, at| {
            due = due || (lane == Lane::Metadata && at <= self.now);
        });
        if due {
            self.timer(Lane::Metadata);
        }
    }

    /// The controller commits these records; the broker's fetch of the metadata log gets them.
    pub(crate) fn metadata(&mut self, records: &[MetadataRecord]) {
        let bytes = codec::encode_batch(records, WallClock(1_000));
        let from = self.quorum_log.log_end_offset();
        let disk = &mut self.quorum_disk;
        self.quorum_log
            .append_as_controller(disk, &bytes, LeaderEpoch(1), Now::default())
            .unwrap();
        let end = self.quorum_log.log_end_offset();
        let records = self
            .quorum_log
            .read(disk, from, end, 1 << 20, true)
            .unwrap();
        let is_metadata =
            |one: &Open| matches!(one.to, NodeId::Controller(_)) && one.request.api() == Api::Fetch;
        let position = self.open.iter().position(is_metadata).unwrap();
        let one = self.open.remove(position);
        let response = FetchResponse {
            error: ErrorCode::None,
            partitions: vec![FetchPartitionResponse {
                partition: metadata_partition(),
                error: ErrorCode::None,
                high_watermark: end,
                last_stable_offset: end,
                log_start_offset: Offset::ZERO,
                diverging_epoch: None,
                snapshot: None,
                current_leader: Some(LeaderIdAndEpoch {
                    leader: Some(BrokerId(3000)),
                    epoch: LeaderEpoch(1),
                }),
                records,
                preferred_read_replica: None,
            }],
            session_id: 0,
        };
        let (connection, correlation) = (one.connection, one.correlation);
        let what = format!("{} answers metadata up to {end}", one.to);
        let response = Response::Fetch(response);
        self.handle(
            &what,
            Input::Response {
                connection,
                correlation,
                response: Box::new(response),
            },
        );
    }

    /// Somebody asks this broker something.
    pub(crate) fn ask(&mut self, from: NodeId, request: Request) {
        let connection = ConnectionId {
            client: from,
            incarnation: Incarnation(0),
            number: 0,
        };
        let what = format!("{from} asks {}", request_text(&request));
        let correlation = CorrelationId(self.asked);
        self.asked += 1;
        self.handle(
            &what,
            Input::Request {
                connection,
                correlation,
                request: Box::new(request),
            },
        );
    }

    pub(crate) fn produce(&mut self, acks: i16, value: &str) {
        let records = batch(value, 0, -1);
        let timeout = std::time::Duration::from_secs(30);
        let partitions = vec![ProducePartition {
            partition: orders(),
            records,
        }];
        let request = ProduceRequest {
            acks,
            timeout,
            partitions,
        };
        self.ask(NodeId::Client(ClientId(0)), Request::Produce(request));
    }

    /// Broker `id` fetches as a follower.
    pub(crate) fn follower(&mut self, id: i32, offset: i64, last_epoch: Option<i32>, epoch: i32) {
        let fetcher = Fetcher::Replica {
            id: BrokerId(id),
            epoch: Some(epoch_of(id)),
        };
        let partition = FetchPartition {
            partition: orders(),
            fetch_offset: Offset(offset),
            current_leader_epoch: Some(LeaderEpoch(epoch)),
            last_fetched_epoch: last_epoch.map(LeaderEpoch),
            log_start_offset: Some(Offset::ZERO),
            max_bytes: 1 << 20,
        };
        let request = FetchRequest {
            fetcher,
            max_wait: std::time::Duration::from_millis(500),
            min_bytes: 1,
            max_bytes: 10 << 20,
            partitions: vec![partition],
            session: FetchSession::none(),
            rack: String::new(),
        };
        self.ask(NodeId::Broker(BrokerId(id)), Request::Fetch(request));
    }

    /// The leader that this broker follows answers its latest fetch.
    pub(crate) fn leader_answers(
        &mut self,
        records: &[Bytes],
        high_watermark: i64,
        diverging: Option<(i32, i64)>,
        error: ErrorCode,
    ) {
        let position = self.open.iter().rposition(|one| {
            matches!(one.to, NodeId::Broker(_)) && one.request.api() == Api::Fetch
        });
        let one = self.open.remove(position.unwrap());
        let diverging_epoch =
            diverging.map(|(epoch, offset)| EpochOffset::new(LeaderEpoch(epoch), Offset(offset)));
        let response = FetchPartitionResponse {
            partition: orders(),
            error,
            high_watermark: Offset(high_watermark),
            last_stable_offset: Offset(high_watermark),
            log_start_offset: Offset::ZERO,
            diverging_epoch,
            snapshot: None,
            current_leader: None,
            records: records.concat().into(),
            preferred_read_replica: None,
        };
        let what = format!("{} answers {}", one.to, fetched_text(&response));
        let response = Response::Fetch(FetchResponse {
            error: ErrorCode::None,
            partitions: vec![response],
            session_id: 0,
        });
        let (connection, correlation) = (one.connection, one.correlation);
        self.handle(
            &what,
            Input::Response {
                connection,
                correlation,
                response: Box::new(response),
            },
        );
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.handle(&format!("{command:?}"), Input::Command(command));
    }
}

fn values(records: &Bytes) -> String {
    let values: Vec<String> = batches(records)
        .flat_map(|batch| batch.unwrap().records().unwrap())
        .map(|record| {
            let value = record.value.unwrap_or_default();
            format!("{}@{}", String::from_utf8_lossy(&value), record.offset)
        })
        .collect();
    values.join(" ")
}

fn request_text(request: &Request) -> String {
    match request {
        Request::Produce(request) => {
            format!(
                "Produce acks={} [{}]",
                request.acks,
                values(&request.partitions[0].records)
            )
        }
        Request::Fetch(request) => {
            let one = &request.partitions[0];
            let last = one
                .last_fetched_epoch
                .map_or("none".to_owned(), |epoch| epoch.to_string());
            let current = one.current_leader_epoch.map_or(-1, |epoch| epoch.0);
            let name = &one.partition.partition;
            let offset = one.fetch_offset;
            format!("Fetch {name} from {offset}, last epoch {last}, leader epoch {current}")
        }
        Request::AlterPartition(request) => {
            let one = &request.partitions[0];
            let isr: Vec<String> = one
                .new_isr
                .iter()
                .map(|(id, epoch)| format!("{id}#{}", epoch.map_or(-1, |epoch| epoch.0)))
                .collect();
            let (leader, partition) = (one.leader_epoch, one.partition_epoch);
            format!(
                "AlterPartition isr [{}] on epochs {leader}, {partition}",
                isr.join(" ")
            )
        }
        Request::BrokerHeartbeat(request) => format!(
            "BrokerHeartbeat metadata {}, want fence {}, want shutdown {}",
            request
                .current_metadata_offset
                .map_or(-1, |offset| offset.0),
            request.want_fence,
            request.want_shutdown
        ),
        Request::BrokerRegistration(request) => {
            let previous = request.previous_broker_epoch.map_or(-1, |epoch| epoch.0);
            format!("BrokerRegistration previous epoch {previous}")
        }
        other => format!("{other:?}"),
    }
}

fn fetched_text(one: &FetchPartitionResponse) -> String {
    let diverging = one
        .diverging_epoch
        .map_or(String::new(), |at| format!(", diverging after {at}"));
    format!(
        "Fetch {} [{}] hw {}{diverging}",
        one.error,
        values(&one.records),
        one.high_watermark
    )
}

fn response_text(response: &Response) -> String {
    match response {
        Response::Produce(response) => {
            let one = &response.partitions[0];
            let offset = one
                .base_offset
                .map_or("-".to_owned(), |offset| offset.to_string());
            let hint = one.current_leader.map(|hint| match hint.leader {
                Some(leader) => format!(" (leader {leader}@{})", hint.epoch),
                None => format!(" (no leader@{})", hint.epoch),
            });
            let hint = hint.unwrap_or_default();
            format!("Produce {} at {offset}{hint}", one.error)
        }
        Response::Fetch(response) => fetched_text(&response.partitions[0]),
        other => format!("{other:?}"),
    }
}
