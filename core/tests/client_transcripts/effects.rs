//! Effects as text, one per line.

use bytes::Bytes;
use ktrial_core::event::SendOutcome;
use ktrial_core::message::*;
use ktrial_core::record::batches;
use ktrial_core::*;

pub(crate) fn print(effect: &Effect) -> String {
    match effect {
        Effect::Send { to, request, .. } => format!("{to} <- {}", print_request(request)),
        Effect::Connect { to, .. } => format!("connect to {to}"),
        Effect::Close { connection } => format!("close connection {}", connection.number),
        Effect::Observe(event) => print_event(event),
        Effect::Exit => "exit".to_owned(),
        other @ (Effect::Respond { .. } | Effect::Unanswered { .. }) => format!("{other:?}"),
    }
}

fn print_request(request: &Request) -> String {
    match request {
        Request::Metadata(request) => {
            format!("Metadata {}", request.topics.as_deref().unwrap().join(" "))
        }
        Request::Produce(request) => {
            let partition = |entry: &ProducePartition| {
                let name = &entry.partition.partition;
                format!(" {name} [{}]", values(&entry.records).join(" "))
            };
            let partitions: String = request.partitions.iter().map(partition).collect();
            format!("Produce acks={}{partitions}", request.acks)
        }
        Request::Fetch(request) => {
            let partition = |entry: &FetchPartition| {
                let epoch = print_epoch(entry.current_leader_epoch);
                let name = &entry.partition.partition;
                format!(" {name} from {}{epoch}", entry.fetch_offset)
            };
            let partitions: String = request.partitions.iter().map(partition).collect();
            format!("Fetch{partitions}")
        }
        Request::ListOffsets(request) => {
            let partition = |entry: &ListOffsetsPartition| {
                let epoch = print_epoch(entry.current_leader_epoch);
                format!(" {} {:?}{epoch}", entry.partition, entry.target)
            };
            let partitions: String = request.partitions.iter().map(partition).collect();
            format!("ListOffsets{partitions}")
        }
        Request::OffsetForLeaderEpoch(request) => {
            let partition = |entry: &EpochQuestion| {
                let epoch = print_epoch(entry.current_leader_epoch);
                format!(" {} end of {}?{epoch}", entry.partition, entry.leader_epoch)
            };
            let partitions: String = request.partitions.iter().map(partition).collect();
            format!("OffsetForLeaderEpoch{partitions}")
        }
        Request::CreateTopics(request) => format!("CreateTopics {}", request.topics[0].topic),
        other => format!("{other:?}"),
    }
}

fn print_epoch(epoch: Option<LeaderEpoch>) -> String {
    epoch.map_or(String::new(), |epoch| format!(" (epoch {epoch})"))
}

fn values(records: &Bytes) -> Vec<String> {
    batches(records)
        .flat_map(|batch| batch.unwrap().records().unwrap())
        .map(|record| String::from_utf8_lossy(&record.value.unwrap_or_default()).into_owned())
        .map(|value| {
            if value.len() > 20 {
                format!("{}..", &value[..2])
            } else {
                value
            }
        })
        .collect()
}

fn print_event(event: &Event) -> String {
    match event {
        Event::SendStarted { operation, .. } => format!("send {operation} started"),
        Event::SendEnded {
            operation,
            partition,
            outcome,
        } => {
            let partition = partition
                .as_ref()
                .map_or("-".to_owned(), ToString::to_string);
            let outcome = match outcome {
                SendOutcome::Acknowledged { offset } => offset
                    .map_or("acknowledged".to_owned(), |o| {
                        format!("acknowledged at {o}")
                    }),
                SendOutcome::Sent => "sent".to_owned(),
                SendOutcome::Failed(error) => format!("failed: {error}"),
                SendOutcome::Unknown(error) => format!("unknown: {error}"),
            };
            format!("send {operation} ended: {partition} {outcome}")
        }
        Event::SendRetried {
            partition,
            records,
            error,
        } => format!("retry {partition}, {records} records: {error}"),
        Event::Polled { records } => {
            let record = |record: &event::PolledRecord| {
                let (partition, offset) = (&record.partition, record.offset);
                format!(" {partition}@{offset}={}", record.value)
            };
            format!("polled{}", records.iter().map(record).collect::<String>())
        }
        Event::PositionReset {
            partition,
            from,
            to,
            cause,
        } => {
            let print = |offset: &Option<Offset>| offset.map_or("-".into(), |o| o.to_string());
            let (from, to) = (print(from), print(to));
            format!(
                "position of {partition}: {from} -> {to}, {}",
                print_cause(*cause)
            )
        }
        Event::ReadReplicaNamed { partition, replica } => match replica {
            Some(broker) => format!("{partition} is read from {broker}"),
            None => format!("{partition} is read from its leader"),
        },
        Event::FetchFailed { partition, error } => format!("fetch of {partition} failed: {error}"),
        Event::Administered {
            operation, error, ..
        } => format!("operation {operation} ended: {error}"),
        other => format!("{other:?}"),
    }
}

fn print_cause(cause: event::ResetCause) -> String {
    match cause {
        event::ResetCause::NoPosition => "had none".to_owned(),
        event::ResetCause::OutOfRange => "out of range".to_owned(),
        event::ResetCause::Truncated(None) => "truncated".to_owned(),
        event::ResetCause::Truncated(Some(end)) => format!("truncated to {end}"),
    }
}
