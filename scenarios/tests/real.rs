//! What can be tried on a real cluster: each obstacle, and beside it what is none.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial::compile::compile;
use ktrial::file::parse;
use ktrial::library::LIBRARY;
use ktrial::real::{obstacles, timed};
use ktrial_sim::plan::Plan;

const HEAD: &str = "title = \"t\"\nwhy = \"w\"\n";
const NODES: &str = "[topics.orders]\nreplicas = [[1, 2, 3]]\n[producers.p1]\n[consumers.c1]\n";

fn plan(top: &str, rest: &str) -> Plan {
    let text = format!("{HEAD}{top}{NODES}{rest}");
    let scenario =
        parse("real", "real.toml", &text).unwrap_or_else(|problems| panic!("{problems}"));
    compile(&scenario, 1, &[]).unwrap().plans.remove(0)
}

fn told(plan: &Plan) -> Vec<String> {
    obstacles(plan).iter().map(ToString::to_string).collect()
}

fn step(action: &str) -> Plan {
    plan("", &format!("[[step]]\n{action}\n"))
}

#[test]
fn what_a_real_machine_cannot_do() {
    let cases = [
        (
            "power_loss = { broker = 1 }",
            "step 0, cut the power of broker 1: the page cache of a real machine stays",
        ),
        (
            "disk = { broker = 1, full = true }",
            "step 0, fill up the disk of broker 1: a real disk cannot be made to fail",
        ),
        (
            "disk = { broker = 1, slow = 2 }\nfor = \"1s\"",
            "step 0, slow down 2 times the disk of broker 1: a real disk cannot be made to fail",
        ),
        (
            "disk = { broker = 1, wipe = true, directory = \"data/orders-0\" }",
            "step 0, wipe the disk of broker 1, below data/orders-0: only a whole disk is wiped there",
        ),
        (
            "clock = { broker = 1, jump = \"5s\" }",
            "step 0, the wall clock of broker 1 jumps by 5000 ms and gains 0 us per second: a real machine \
             has one clock for all",
        ),
        (
            "pause = { node = \"p1\" }",
            "step 0, freeze p1: a client is no process of its own there",
        ),
        (
            "cut = { from = [1], to = [2], apis = [\"Fetch\"] }",
            "step 0, cut the network between broker 1 and broker 2, only for Fetch: real packets do not tell the API",
        ),
    ];
    for (action, expected) in cases {
        let plan = step(action);
        assert_eq!(told(&plan), [expected], "{action}");
        assert!(!obstacles(&plan)[0].needs_network());
    }
}

#[test]
fn faults_of_links_need_a_network() {
    let cases = [
        "cut = { from = [1], to = [2] }",
        "cut = { from = [\"p1\"], to = [1] }",
        "isolate = { node = \"c1\" }",
        "delay = { from = [\"clients\"], to = [\"rest\"], by = \"1s\" }",
        "isolate = { node = \"leader(orders-0)\" }",
        "lose = { from = [1], to = [2], percent = 1, reset = true }",
    ];
    for action in cases {
        let found = obstacles(&step(action));
        assert!(!found.is_empty(), "{action}");
        assert!(
            found.iter().all(|obstacle| obstacle.needs_network()),
            "{action}"
        );
    }
    let ring = told(&step("cut = { from = [1], to = [2] }"));
    let expected =
        "step 0, cut the network between broker 1 and broker 2: this needs a network of its own";
    assert_eq!(ring, [expected]);
}

#[test]
fn what_a_real_machine_can_do() {
    let steps = [
        "kill = { broker = 1 }",
        "shutdown = { brokers = [1, 2] }\nfor = \"2s\"",
        "pause = { nodes = [\"controllers\", 1] }",
        "kill = { broker = 1 }\n[[step]]\ndisk = { broker = 1, wipe = true }",
        "kill = { node = \"p1\" }",
        "heal = {}",
        "alter_config = { set = { min.insync.replicas = 2 } }",
        "until = { high_watermark = { broker = 2, at_least = 0 } }",
        "rolling_restart = {}",
        "add_partitions = { topic = \"orders\", count = 2 }",
        "kill = { node = \"controller\" }\n[[step]]\nuntil = { controller = { activations = 2 } }\nheal = {}",
    ];
    for action in steps {
        assert_eq!(told(&step(action)), [""; 0], "{action}");
    }
    let world = plan(
        "record_messages = true\n[network]\nlatency_max = \"9ms\"\n[disk]\nflush = \"5ms\"\n",
        "[[step]]\nheal = {}\n",
    );
    assert_eq!(
        told(&world),
        [""; 0],
        "the simulated world's own settings are not reproduced"
    );
}

#[test]
fn what_no_file_tells() {
    let until = "until = { any = [{ quiet = \"1s\" }, { controller = { elected = 3000 } }] }";
    let expected = "step 0, wait for an election of the controllers: no file of a real cluster tells of it in time";
    assert_eq!(told(&step(until)), [expected]);
    assert_eq!(told(&step("until = { metadata = { more = 10 } }")), [""; 0]);
}

#[test]
fn of_the_whole_plan() {
    let of = |top: &str| told(&plan(top, "[[step]]\nheal = {}\n"));
    assert_eq!(
        of("[rules]\ntruncation = \"hw\"\n"),
        ["rules.truncation = hw: a real Kafka has the rules of its release"]
    );
    assert_eq!(
        of("[rules]\nplanted = \"acknowledged_before_replication\"\n").len(),
        1
    );
    assert_eq!(
        of("record_limit = 5\n"),
        ["an end after 5 entries: a real record has others"]
    );
    assert_eq!(
        of("[clock.b1]\noffset_ms = 5\n"),
        ["the wall clock of b1 is not right: a real machine has one clock for all"]
    );
    let segment = |bytes: u64| format!("[cluster.config]\nmetadata.log.segment.bytes = {bytes}\n");
    assert_eq!(
        of(&segment(2_000)),
        ["metadata.log.segment.bytes = 2000: a real Kafka takes no less than 8388608"]
    );
    assert_eq!(of(&segment(8_388_608)), [""; 0]);
    assert_eq!(of("[zookeeper]\nservers = 3\n"), [""; 0]);
    // An older release has its own rules, and what is set to what holds is not flipped.
    let old = "[cluster]\nkafka.release = \"0.10.2\"\n[rules]\ntruncation = \"hw\"\n";
    assert_eq!(of(old), [""; 0]);
}

#[test]
fn times_are_noted() {
    let steps = "[[step]]\nheal = {}\n[[step]]\nafter = \"1s\"\nheal = {}\n\
                 [[step]]\nuntil = { quiet = \"6s\" }\n[[step]]\nkill = { broker = 1 }\nfor = \"1s\"\n\
                 [[workload]]\nrecords = 2\nevery = \"1s\"\n";
    assert_eq!(timed(&plan("", steps)), [1, 3, 5]);
}

/// What `ktrial list` says of the library.
#[test]
fn of_the_library() {
    let mut lines = Vec::new();
    for entry in LIBRARY {
        let scenario = parse(entry.name, entry.path, entry.text).unwrap();
        let plans = compile(&scenario, 1, &[]).unwrap().plans;
        let mut found: Vec<String> = plans.iter().flat_map(told).collect();
        found.dedup();
        let times = plans.iter().map(|plan| timed(plan).len()).max();
        lines.push(format!(
            "{}: {found:?}, {} timed",
            entry.name,
            times.unwrap()
        ));
    }
    insta::assert_snapshot!("library", lines.join("\n"));
}
