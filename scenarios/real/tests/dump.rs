//! Segments in the message formats before 0.11: what ktrial reads in them is what the dump tool of that
//! release reads, where Java, Maven and the jars are there already.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

mod installed;

use ktrial_core::NodeId;
use ktrial_real::failure::Interrupt;
use ktrial_real::kafka::Target;
use ktrial_real::watch::{MetadataSource, Sources, Watch};
use ktrial_sim::history::FinalLog;
use ktrial_sim::plan::Plan;
use ktrial_sim::view::View;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SEGMENT: &[u8] = include_bytes!("../src/watch/testdata/kafka-0.10.2.2-orders-0.log");

fn plan() -> Plan {
    let entry = ktrial::library::find("all-brokers-down").unwrap();
    let scenario = ktrial::file::parse(entry.name, entry.path, entry.text).unwrap();
    let compiled = ktrial::compile::compile(&scenario, 1, &[]).unwrap();
    compiled.plans.into_iter().next().unwrap()
}

/// What ktrial reads in the folder of the first broker.
fn read_by_us(folder: &Path) -> Vec<FinalLog> {
    let plan = plan();
    let broker = NodeId::Broker(plan.brokers[0].id);
    let sources = Sources {
        servers: [(broker, folder.to_owned())].into(),
        metadata: MetadataSource::ZooKeeper {
            data: vec![folder.join("none")],
        },
        epochs_when_appending: true,
    };
    let mut watch = Watch::new(&plan, &sources);
    let now = ktrial_core::Timestamp::ZERO;
    watch.poll(now, &View::new(&plan)).unwrap();
    watch.final_logs()
}

/// What stands behind `key: ` in a line of the dump tool.
fn field<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("{key}: "))?;
    rest.split(' ').next()
}

#[test]
fn a_segment_before_0_11_is_read_as_its_own_dump_tool_reads_it() {
    let target: Target = "0.10.2.2".parse().unwrap();
    let Some(kafka) = installed::kafka(&target, &["kafka_2.11"]) else {
        return;
    };
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dump");
    let _ = fs::remove_dir_all(&folder);
    let segment = folder.join("orders-0/00000000000000000000.log");
    fs::create_dir_all(segment.parent().unwrap()).unwrap();
    fs::write(&segment, SEGMENT).unwrap();

    let tool = kafka.first_class(&["kafka.tools.DumpLogSegments"]).unwrap();
    let args = ["--deep-iteration", "--print-data-log", "--files"].map(str::to_owned);
    let args = [&args[..], &[segment.display().to_string()]].concat();
    let limit = Duration::from_secs(180);
    let dumped = kafka.run(&[], tool, &args, limit, &Interrupt::default());
    let dumped = dumped.unwrap();
    let records = dumped.stdout.lines().filter_map(|line| {
        let offset = line
            .starts_with("offset: ")
            .then(|| field(line, "offset"))??;
        assert_eq!(field(line, "isvalid"), Some("true"), "{line}");
        Some((offset.to_owned(), field(line, "payload")?.to_owned()))
    });
    let theirs: Vec<(String, String)> = records.collect();

    let logs = read_by_us(&folder);
    assert_eq!(logs[0].damage, None);
    let ours = logs[0].records.iter();
    let ours: Vec<(String, String)> = ours
        .map(|record| (record.offset.to_string(), record.value.clone()))
        .collect();
    assert_eq!(theirs, ours, "{}", dumped.stdout);
    assert_eq!(ours.len(), 2);
}
