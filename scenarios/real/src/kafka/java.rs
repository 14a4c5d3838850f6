//! Runs programs of a release.

use super::Kafka;
use crate::failure::{Failure, Interrupt};
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A small heap, and fast to start rather than fast in the long run.
const FLAGS: [&str; 5] = [
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
];
/// How long a tool may run.
const TOOL: Duration = Duration::from_secs(60);

/// A Java virtual machine.
#[derive(Clone, Debug)]
pub(super) struct Java {
    program: PathBuf,
    /// Its version, as a name for files.
    pub(super) version: String,
}

impl Java {
    /// The one of `JAVA_HOME`, else of the path.
    pub(super) fn find() -> Result<Self, Failure> {
        let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
        let program = home.map_or_else(
            || PathBuf::from("java"),
            |home| Path::new(&home).join("bin").join("java"),
        );
        let asked = Command::new(&program)
            .arg("-version")
            .stdin(Stdio::null())
            .output();
        let asked = asked.map_err(|error| {
            Failure::Rig(format!(
                "cannot run {} ({error}): Kafka needs Java 17 or later (for example `apt-get install \
                 default-jre-headless`); JAVA_HOME tells where it is",
                program.display()
            ))
        })?;
        let said = String::from_utf8_lossy(&asked.stderr).into_owned();
        let version = said.split('"').nth(1).unwrap_or("unknown").to_owned();
        Ok(Self { program, version })
    }
}

impl Kafka {
    /// A command that runs a class of the release, behind `prefix`, with the archive if there is one.
    pub(crate) fn command(&self, prefix: &[String], flags: &[&str], class: &str) -> Command {
        let program = OsString::from(&self.java.program);
        let mut words = prefix.iter().map(OsString::from).chain([program]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).args(FLAGS);
        if let Some(archive) = &self.archive {
            command.arg(format!("-XX:SharedArchiveFile={}", archive.display()));
        }
        command
            .args(flags)
            .arg("-cp")
            .arg(self.libs().join("*"))
            .arg(class);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a tool of the release; gives what it printed. Must end within a minute.
    ///
    /// # Errors
    /// It could not be run or failed: its last words.
    pub fn tool(&self, class: &str, arguments: &[String]) -> Result<String, Failure> {
        self.tool_within(class, arguments, &Interrupt::default())
    }

    /// As [`Kafka::tool`], until the user stops it.
    ///
    /// # Errors
    /// As there, or the user stopped it.
    pub(crate) fn tool_within(
        &self,
        class: &str,
        arguments: &[String],
        interrupt: &Interrupt,
    ) -> Result<String, Failure> {
        let rig = |why: String| Failure::Rig(format!("{class}: {why}"));
        let file = |name: &str| {
            let path = std::env::temp_dir().join(format!("ktrial-{name}-{}", unique()));
            let file = File::create(&path).map_err(|error| rig(error.to_string()))?;
            Ok::<_, Failure>((TemporaryFile(path), file))
        };
        let (out, out_file) = file("out")?;
        let (err, err_file) = file("err")?;
        let mut command = self.command(
            &[],
            &["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"],
            class,
        );
        command.args(arguments).stdout(out_file).stderr(err_file);
        let mut child = Killed(command.spawn().map_err(|error| rig(error.to_string()))?);
        let ended = interrupt.wait(TOOL, || {
            child.0.try_wait().map_err(|error| rig(error.to_string()))
        })?;
        let said = fs::read(&out.0).map_err(|error| rig(error.to_string()))?;
        let said = String::from_utf8_lossy(&said).into_owned();
        match ended {
            None => Err(rig("did not end within a minute".to_owned())),
            Some(status) if status.success() => Ok(said),
            Some(status) => {
                let complained = fs::read(&err.0).unwrap_or_default();
                let complained = String::from_utf8_lossy(&complained).into_owned();
                let mut lines = said.lines().chain(complained.lines());
                let telling = |line: &&str| line.contains("Exception") || line.contains("rror");
                let last = lines.clone().find(telling).or_else(|| lines.next_back());
                Err(rig(format!(
                    "{} ({status})",
                    last.unwrap_or("said nothing")
                )))
            }
        }
    }
}

/// A name that no other file of this or another process has.
fn unique() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(
        "{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

struct TemporaryFile(PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
