//! Ctrl-C while a scenario is played on the real Kafka, in a network of its own where that can be had: the
//! program ends with a sentence and exit code 3, and leaves no process and no network behind. Where Java,
//! Maven and the jars are there already.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

mod installed;

use ktrial_real::kafka::Target;
use ktrial_real::network::available;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than a cluster takes on a slow machine.
const LONG: Duration = Duration::from_secs(180);

/// Whether a segment of the topic below this folder holds a record: the first step is done.
fn is_written(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return is_written(&path);
        }
        let ours = path.ends_with("orders-0/00000000000000000000.log");
        ours && entry.metadata().is_ok_and(|data| data.len() > 0)
    })
}

/// Processes that have this among their arguments.
fn processes(of: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let commands = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let texts = commands.map(|command| String::from_utf8_lossy(&command).replace('\0', " "));
    texts.filter(|text| text.contains(of)).collect()
}

/// Network namespaces whose names begin so.
fn namespaces(mark: &str) -> Vec<String> {
    let entries = fs::read_dir("/var/run/netns").into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(mark)).collect()
}

#[test]
fn an_interruption_while_the_steps_are_played() {
    let target: Target = "4.3.1".parse().unwrap();
    if installed::kafka(&target, &["kafka_2.13", "kafka-tools"]).is_none() {
        return;
    }
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("steps");
    let _ = fs::remove_dir_all(&out);
    // One with cuts, where they can be had.
    let has_network = available().is_ok();
    let scenario = if has_network {
        "zombie-leader"
    } else {
        "all-brokers-down"
    };
    let mut child = Command::new(env!("CARGO_BIN_EXE_ktrial-real"))
        .args(["run", scenario, "--kafka", "4.3.1"])
        .arg("--out")
        .arg(&out)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !is_written(&out) {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none() && began.elapsed() < LONG, "{ended:?}");
        thread::sleep(Duration::from_millis(10));
    }
    let mark = format!("kt-{}-", child.id());
    assert_eq!(!namespaces(&mark).is_empty(), has_network);
    let number = i32::try_from(child.id()).unwrap();
    kill_process(Pid::from_raw(number).unwrap(), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("interrupted"), "{told}");
    let left = processes(&out.display().to_string());
    assert_eq!((left, namespaces(&mark)), (vec![], vec![]));
}
