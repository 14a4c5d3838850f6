//! Faults of the rig itself, through the program: each ends with a sentence and exit code 3, and leaves no
//! process behind. A program stands for Java, another one for Maven; each says what it does not do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything takes on a slow machine.
const LONG: Duration = Duration::from_secs(120);

/// A folder of its own with programs, jars by name only, and a cache.
struct Stage(PathBuf);

impl Stage {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ends-{name}"));
        let _ = fs::remove_dir_all(&folder);
        for inside in ["bin", "libs", "cache"] {
            fs::create_dir_all(folder.join(inside)).unwrap();
        }
        let jar = folder.join("libs/kafka_2.12-2.0.1.jar");
        fs::write(jar, "org/apache/kafka/X.class").unwrap();
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig");
        for program in ["java", "mvn"] {
            symlink(programs.join(program), folder.join("bin").join(program)).unwrap();
        }
        Self(folder)
    }

    /// `ktrial-real run all-brokers-down` with these arguments; `fake` says how Java behaves.
    fn run(&self, out: &Path, fake: &str, more: &[&str]) -> Command {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ktrial-real"));
        command
            .args(["run", "all-brokers-down", "--kafka", "2.0.1", "--cache"])
            .arg(self.0.join("cache"))
            .arg("--out")
            .arg(out)
            .args(more)
            .env("PATH", format!("{}:{path}", self.0.join("bin").display()))
            .env("KTRIAL_FAKE", fake)
            .env_remove("JAVA_HOME")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn libs(&self) -> String {
        self.0.join("libs").display().to_string()
    }

    /// Processes that have the folder among their arguments, but for the program under test.
    fn processes(&self) -> Vec<String> {
        let folder = self.0.display().to_string();
        let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let commands = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
        let texts = commands.map(|command| String::from_utf8_lossy(&command).replace('\0', " "));
        let ours = |text: &String| text.contains(&folder) && !text.contains("ktrial-real run");
        texts.filter(ours).collect()
    }

    /// It ended as a failure of the harness, saying this, and nothing is left.
    fn ends(&self, output: &Output, says: &str) {
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{told}");
        assert!(told.contains(says), "{told}");
        assert_eq!(self.processes(), Vec::<String>::new());
    }

    /// Interrupts the program once a process shows that it has come so far.
    fn interrupted(&self, command: &mut Command, phase: &str) {
        let child = command.spawn().unwrap();
        let began = Instant::now();
        while !self.processes().iter().any(|text| text.contains(phase)) {
            assert!(began.elapsed() < LONG, "it never came to {phase}");
            thread::sleep(Duration::from_millis(10));
        }
        interrupt(&child);
        self.ends(&child.wait_with_output().unwrap(), "interrupted");
    }
}

/// As Ctrl-C does.
fn interrupt(child: &Child) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
}

#[test]
fn a_broker_that_never_starts() {
    let stage = Stage::new("never");
    let more = ["--libs", &stage.libs(), "--patience", "1"];
    let output = stage.run(&stage.0.join("out"), "", &more).output().unwrap();
    stage.ends(
        &output,
        "b1 did not come up within 1 s; the end of its log:",
    );
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        told.contains("serving") && told.contains("logs are in"),
        "{told}"
    );
}

#[test]
fn a_broker_that_dies_by_itself() {
    let stage = Stage::new("dies");
    let more = ["--libs", &stage.libs(), "--patience", "30"];
    let output = stage
        .run(&stage.0.join("out"), "dies", &more)
        .output()
        .unwrap();
    stage.ends(&output, "ended by itself");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("out of luck"), "{told}");
}

#[test]
fn a_folder_on_a_full_disk() {
    let stage = Stage::new("full");
    let full = stage.0.join("full");
    fs::create_dir(&full).unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=16k", "ktrial-full"])
        .arg(&full)
        .stderr(Stdio::null())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        println!("skipped: this machine lets us mount no small disk");
        return;
    }
    let more = ["--libs", &stage.libs(), "--patience", "1"];
    let output = stage.run(&full.join("out"), "", &more).output().unwrap();
    assert!(
        Command::new("umount")
            .arg(&full)
            .status()
            .unwrap()
            .success()
    );
    stage.ends(&output, "No space left on device");
}

#[test]
fn an_interruption_in_each_phase() {
    // Maven is at work.
    let stage = Stage::new("fetch");
    let maven =
        "exec tail -f \"$0\" ".to_owned() + &stage.0.join("bin/maven").display().to_string();
    fs::write(stage.0.join("bin/maven"), maven).unwrap();
    stage.interrupted(&mut stage.run(&stage.0.join("out"), "", &[]), "tail -f");
    // The archive of classes is made.
    let stage = Stage::new("prepare");
    let libs = ["--libs", &stage.libs()];
    stage.interrupted(&mut stage.run(&stage.0.join("out"), "", &libs), "tail -f");
    // The cluster comes up.
    let stage = Stage::new("start");
    let libs = ["--libs", &stage.libs(), "--patience", "2"];
    stage.interrupted(&mut stage.run(&stage.0.join("out"), "", &libs), "clusters");
}
