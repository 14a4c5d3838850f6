//! A cluster's processes and the way to them, with a program that stands for Java: what is started,
//! what is told when something is missing, and that nothing is left.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use ktrial_core::config::Settings;
use ktrial_core::{BrokerId, ControllerId, NodeId, ZooKeeperId};
use ktrial_real::failure::{Failure, Interrupt};
use ktrial_real::kafka::{Kafka, Programs, Source};
use ktrial_real::rig::{Places, Rig, Shape, Signal};
use ktrial_sim::plan::{Plan, ZooKeeperPlan};
use std::cell::RefCell;
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Longer than anything takes on a slow machine.
const LONG: Duration = Duration::from_secs(60);
/// In the environment: this test is a child of another one, and works in this folder.
const CHILD: &str = "KTRIAL_TEST_RIG";
const B1: NodeId = NodeId::Broker(BrokerId(1));
const B2: NodeId = NodeId::Broker(BrokerId(2));

/// A folder of its own, with a `bin` in which these programs are.
fn folder(name: &str, programs: &[&str]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rig-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("bin")).unwrap();
    fs::create_dir_all(folder.join("libs")).unwrap();
    fs::write(
        folder.join("libs/kafka_2.12-2.0.1.jar"),
        "org/apache/kafka/X.class",
    )
    .unwrap();
    for program in programs {
        // Linked, not written: a program that is open for writing in a child of another test cannot run.
        let here = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/rig")
            .join(program);
        symlink(here, folder.join("bin").join(program)).unwrap();
    }
    folder
}

/// The folder's programs alone, and for the cluster's processes those of the machine too.
fn source(folder: &Path, libs: bool) -> Source {
    let mut path = folder.join("bin").into_os_string();
    if libs {
        path.push(":");
        path.push(env::var_os("PATH").unwrap());
    }
    Source {
        cache: folder.join("cache"),
        libs: libs.then(|| folder.join("libs")),
        programs: Programs {
            path,
            java_home: None,
        },
    }
}

fn get(source: &Source) -> Result<Kafka, Failure> {
    Kafka::get(
        &"2.0.1".parse().unwrap(),
        source,
        &Interrupt::default(),
        &|_| (),
    )
}

fn refused(source: &Source) -> String {
    get(source).unwrap_err().to_string()
}

/// The flagship's plan: three brokers.
fn plan() -> Plan {
    let entry = ktrial::library::LIBRARY
        .iter()
        .find(|entry| entry.name == "all-brokers-down");
    let entry = entry.unwrap();
    let scenario = ktrial::file::parse(entry.name, entry.path, entry.text);
    let scenario = scenario.unwrap_or_else(|problems| panic!("{problems}"));
    ktrial::compile::compile(&scenario, 1, &[])
        .unwrap()
        .plans
        .remove(0)
}

/// One server of ZooKeeper, which keeps the old release's cluster together.
fn ensemble() -> ZooKeeperPlan {
    ZooKeeperPlan {
        servers: vec![ZooKeeperId(1)],
        config: Settings::new(),
    }
}

fn rig(folder: &Path) -> Result<Rig, Failure> {
    let kafka = Arc::new(get(&source(folder, true))?);
    let target = "2.0.1".parse().unwrap();
    let (places, run) = (Places::loopback(), folder.join("run"));
    let mut plan = plan();
    plan.zookeeper = Some(ensemble());
    plan.topic_defaults
        .insert("segment.bytes".to_owned(), "4096".to_owned());
    plan.brokers[0]
        .config
        .insert("reconnect.backoff.ms".to_owned(), "9".to_owned());
    Rig::new(
        &plan,
        kafka,
        &target,
        Shape::Separate,
        &run,
        &places,
        &Interrupt::default(),
    )
}

/// The processes that were started for a folder: it is among their arguments.
fn processes(folder: &Path) -> Vec<String> {
    let run = folder.join("run").display().to_string();
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let commands = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let texts = commands.map(|command| String::from_utf8_lossy(&command).into_owned());
    texts.filter(|text| text.contains(&run)).collect()
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let found = Interrupt::default().wait(LONG, || Ok(done().then_some(())));
    assert!(found.unwrap().is_some(), "{what}");
}

/// The process runs, and has begun to do what it does.
fn serves(rig: &mut Rig, node: NodeId) -> bool {
    rig.is_running(node) && rig.log_tail(node).contains("serving")
}

#[test]
fn what_is_missing_is_told_with_what_to_do() {
    let none = folder("no-java", &[]);
    let told = refused(&source(&none, false));
    assert!(
        told.contains("no Java") && told.contains("JAVA_HOME"),
        "{told}"
    );
    let java = folder("no-maven", &["java"]);
    let told = refused(&source(&java, false));
    assert!(
        told.contains("no Maven") && told.contains("--libs"),
        "{told}"
    );
    let mut jars = source(&java, true);
    assert!(get(&jars).is_ok(), "with --libs, Maven is not needed");
    jars.libs = Some(java.join("bin"));
    assert!(refused(&jars).contains("has no jar `kafka_2.13-2.0.1.jar`"));
    jars.libs = Some(java.join("nowhere"));
    assert!(refused(&jars).contains("cannot read"));
    jars = source(&java, true);
    jars.cache = java.join("bin/java/cache");
    assert!(refused(&jars).contains("cannot make"));
}

#[test]
fn a_release_is_got_once_and_mavens_failures_are_sentences() {
    let folder = folder("maven", &["java", "mvn"]);
    let source = source(&folder, false);
    let maven = |script: &str| fs::write(folder.join("bin/maven"), script).unwrap();
    maven(
        "echo '[ERROR] Could not find artifact org.apache.kafka:kafka_2.12:jar:2.0.1 in central'; exit 1",
    );
    assert!(refused(&source).contains("has no Kafka 2.0.1"));
    assert!(
        !folder.join("cache/2.0.1/libs").exists(),
        "nothing unfinished has the name of the finished"
    );
    maven(
        "for last; do :; done; out=${last#-DoutputDirectory=}; echo 'Downloaded from central: \
         https://repo/kafka_2.12-2.0.1.jar (1 kB at 1 kB/s)'; cp \"$(dirname $0)/../libs/\"* \"$out\"",
    );
    let told = RefCell::new(Vec::new());
    let tell = |text: &str| told.borrow_mut().push(text.to_owned());
    let release = "2.0.1".parse().unwrap();
    let kafka = Kafka::get(&release, &source, &Interrupt::default(), &tell).unwrap();
    assert!(
        told.borrow()
            .iter()
            .any(|text| text.contains("1 jars, kafka_2.12-2.0.1.jar"))
    );
    assert_eq!(kafka.unknown_keys(["key.7", "key.700"]), ["key.700"]);
    assert_eq!(
        kafka.first_class(&["org.apache.kafka.Y", "org.apache.kafka.X"]),
        Some("org.apache.kafka.X")
    );
    maven("exit 1");
    assert!(
        get(&source).is_ok(),
        "the second time nothing is asked of Maven"
    );
}

#[test]
fn an_interrupted_download_ends_maven() {
    let folder = folder("interrupted", &["java", "mvn"]);
    fs::create_dir_all(folder.join("run")).unwrap();
    let file = folder.join("run/file");
    fs::write(&file, "").unwrap();
    let script = format!(
        "echo 'Downloaded from central: x.jar (1 kB)'; exec tail -f {}",
        file.display()
    );
    fs::write(folder.join("bin/maven"), script).unwrap();
    let interrupt = Interrupt::default();
    let tell = |text: &str| {
        if text.contains("x.jar") {
            interrupt.raise();
        }
    };
    let got = Kafka::get(
        &"2.0.1".parse().unwrap(),
        &source(&folder, false),
        &interrupt,
        &tell,
    );
    assert_eq!(got.unwrap_err(), Failure::Interrupted);
    assert_eq!(processes(&folder), Vec::<String>::new());
}

#[test]
fn processes_are_told_and_their_ends_are_seen() {
    let folder = folder("signals", &["java"]);
    let mut rig = rig(&folder).unwrap();
    let nodes: Vec<NodeId> = rig.nodes().collect();
    assert_eq!(nodes.len(), 4);
    assert!(
        !rig.signal(B1, Signal::Kill).unwrap(),
        "there is nothing to kill"
    );
    for node in &nodes {
        rig.start(*node).unwrap();
    }
    assert!(
        rig.start(B1)
            .unwrap_err()
            .to_string()
            .contains("b1 runs already")
    );
    assert!(rig.wipe(B1).unwrap_err().to_string().contains("b1 runs"));
    wait("all serve", || {
        nodes.iter().all(|node| serves(&mut rig, *node))
    });
    assert_eq!(processes(&folder).len(), 4);
    assert!(rig.ended().is_empty());

    assert!(rig.signal(B1, Signal::Kill).unwrap());
    wait("b1 ends", || !rig.is_running(B1));
    assert_eq!(rig.ended(), [(B1, "was killed (SIGKILL)".to_owned())]);
    assert!(rig.ended().is_empty(), "told once");
    assert!(rig.signal(B2, Signal::Terminate).unwrap());
    wait("b2 ends", || !rig.is_running(B2));
    assert_eq!(rig.ended(), [(B2, "was ended (SIGTERM)".to_owned())]);

    fs::write(rig.data(B1).unwrap().join("log"), "A").unwrap();
    rig.wipe(B1).unwrap();
    assert_eq!(fs::read_dir(rig.data(B1).unwrap()).unwrap().count(), 0);
    rig.start(B1).unwrap();
    wait("b1 serves again", || serves(&mut rig, B1));
    let nobody = NodeId::Controller(ControllerId(9));
    assert!(
        rig.start(nobody)
            .unwrap_err()
            .to_string()
            .contains("c9 has no process")
    );
    drop(rig);
    assert_eq!(processes(&folder), Vec::<String>::new());
}

#[test]
fn a_process_that_dies_by_itself_is_seen_with_its_last_words() {
    let folder = folder("dies", &["java"]);
    let mut rig = rig(&folder).unwrap();
    let home = rig.log(B1).unwrap().parent().unwrap().to_path_buf();
    fs::write(home.join("dies"), "").unwrap();
    rig.start(B1).unwrap();
    wait("b1 ends", || !rig.is_running(B1));
    assert_eq!(rig.ended(), [(B1, "exited with status 7".to_owned())]);
    assert_eq!(rig.log_tail(B1), "serving\nout of luck");

    // Its session from before still lives: it is started again, and the director does not hear of it.
    fs::remove_file(home.join("dies")).unwrap();
    fs::write(home.join("early"), "").unwrap();
    rig.start(B1).unwrap();
    wait("b1 is started again", || {
        assert_eq!(rig.ended(), []);
        !home.join("early").exists() && serves(&mut rig, B1)
    });
    // But not if it was told to end since, even though it had ended by itself before that.
    rig.signal(B1, Signal::Kill).unwrap();
    wait("b1 ends", || rig.ended().len() == 1);
    fs::write(home.join("early"), "").unwrap();
    rig.start(B1).unwrap();
    wait("b1 ends", || !rig.is_running(B1));
    assert!(!rig.signal(B1, Signal::Kill).unwrap());
    assert_eq!(rig.ended(), [(B1, "exited with status 1".to_owned())]);
    assert!(!rig.is_running(B1));
}

#[test]
fn nothing_is_left_of_stubborn_frozen_and_fruitful_processes() {
    let folder = folder("drop", &["java"]);
    let mut rig = rig(&folder).unwrap();
    let nodes: Vec<NodeId> = rig.nodes().collect();
    for (node, manner) in nodes.iter().zip(["stubborn", "family", "plain", "frozen"]) {
        let home = rig.log(*node).unwrap().parent().unwrap().to_path_buf();
        fs::write(home.join(manner), "").unwrap();
        rig.start(*node).unwrap();
    }
    wait("all serve", || {
        nodes.iter().all(|node| serves(&mut rig, *node))
    });
    wait("there is a child", || processes(&folder).len() == 5);
    rig.signal(nodes[3], Signal::Stop).unwrap();
    rig.signal(nodes[0], Signal::Terminate).unwrap();
    assert!(rig.is_running(nodes[3]), "frozen is not ended");
    drop(rig);
    wait("none is left", || processes(&folder).is_empty());
}

#[test]
fn tools_are_run_with_a_limit() {
    let folder = folder("tools", &["java"]);
    let rig = rig(&folder).unwrap();
    let args = [folder.join("run/file").display().to_string()];
    fs::write(&args[0], "").unwrap();
    assert_eq!(
        rig.tool("kafka.tools.Prints", &args, LONG).unwrap(),
        "printed\n"
    );
    let told = rig
        .tool("kafka.tools.Fails", &args, LONG)
        .unwrap_err()
        .to_string();
    assert_eq!(
        told,
        "kafka.tools.Fails of Kafka 2.0.1 fails: no such thing"
    );
    let told = rig
        .tool("kafka.tools.Hangs", &args, Duration::from_millis(300))
        .unwrap_err();
    assert!(told.to_string().contains("did not end within"), "{told}");
    assert_eq!(processes(&folder), Vec::<String>::new());
}

#[test]
fn a_full_disk_and_a_used_folder_are_told() {
    let folder = folder("full", &["java"]);
    let mut rig = rig(&folder).unwrap();
    symlink("/dev/full", rig.log(B1).unwrap()).unwrap();
    let told = rig.start(B1).unwrap_err().to_string();
    assert!(
        told.contains("No space left") && told.contains("make room"),
        "{told}"
    );
    let told = self::rig(&folder).unwrap_err().to_string();
    assert!(
        told.contains("cannot make") && told.contains("exists"),
        "{told}"
    );
}

#[test]
fn settings_go_where_they_belong_and_unknown_ones_are_told() {
    let folder = folder("settings", &["java"]);
    let rig = rig(&folder).unwrap();
    let properties = rig.data(B1).unwrap().with_file_name("server.properties");
    let text = fs::read_to_string(properties).unwrap();
    assert!(
        text.contains("log.segment.bytes=4096\n") && !text.contains("reconnect"),
        "{text}"
    );
    let told = rig.left_out().join("\n");
    assert!(
        told.contains("`reconnect.backoff.ms` of b1 is not known to this release"),
        "{told}"
    );
    assert_eq!(rig.bootstrap().split(',').count(), 3);
}

/// Not a test of its own: the program that the next test kills.
#[test]
fn the_program_that_is_killed() {
    let Some(folder) = env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    let mut rig = rig(&folder).unwrap();
    rig.start(B1).unwrap();
    // The thread that asked for the start ends before the program does.
    let start = std::thread::spawn(move || {
        rig.start(B2).unwrap();
        rig
    });
    let mut rig = start.join().unwrap();
    wait("both serve", || {
        serves(&mut rig, B1) && serves(&mut rig, B2)
    });
    fs::write(folder.join("ready"), "").unwrap();
    wait("the parent kills this", || !folder.exists());
}

#[test]
fn nothing_is_left_when_the_program_itself_is_killed() {
    if Programs::here().find("setpriv").is_none() {
        println!("skipped: there is no setpriv");
        return;
    }
    let folder = folder("killed", &["java"]);
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "the_program_that_is_killed"])
        .env(CHILD, &folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait("the child is ready", || folder.join("ready").exists());
    assert_eq!(
        processes(&folder).len(),
        2,
        "a thread's end must not end them"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    wait("none is left", || processes(&folder).is_empty());
}
