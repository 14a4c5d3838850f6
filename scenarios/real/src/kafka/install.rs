//! An installed release, and how its programs are started.
//!
//! In the cache folder:
//!
//! | path | what it is |
//! |---|---|
//! | `<release>/libs/` | its jars, from Maven |
//! | `<release>/facts-<fingerprint>/` | what was found out about it: known settings, a formatted data folder, archives of loaded classes |
//!
//! Rules:
//! - The fingerprint is one of the jars and the Java version: other jars or another Java, other facts.
//! - Start-up decides how long a trial takes, so each JVM compiles with the first tier only, collects
//!   its garbage on one thread, and maps classes from an archive (class data sharing, Java 13 and
//!   later) where one was made. A JVM that does not like the archive starts without it.
//! - The class path is sorted: an archive fits only the class path that it was made with.
//! - Logs go to standard error whichever logger the jars bring.
//!
//! Source: ours. KIP-1013 (Kafka 4.0 needs Java 17).
//! Next: `../rig/mod.rs`.

use super::{Finished, Process, Programs, Release, Source, keys, maven, once, trouble};
use crate::failure::{Failure, Interrupt};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What every JVM is started with.
const JVM: [&str; 10] = [
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xshare:auto",
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
];
/// Loggers that an unpacked Kafka brings, told to write to standard error.
const LOG4J: &str = "log4j.rootLogger=INFO, stderr\n\
    log4j.appender.stderr=org.apache.log4j.ConsoleAppender\n\
    log4j.appender.stderr.target=System.err\n\
    log4j.appender.stderr.layout=org.apache.log4j.PatternLayout\n\
    log4j.appender.stderr.layout.ConversionPattern=%d{HH:mm:ss.SSS} [%t] %p %c - %m%n\n";
const LOG4J2: &str = "<Configuration><Appenders><Console name=\"stderr\" target=\"SYSTEM_ERR\">\
    <PatternLayout pattern=\"%d{HH:mm:ss.SSS} [%t] %p %c - %m%n\"/></Console></Appenders>\
    <Loggers><Root level=\"info\"><AppenderRef ref=\"stderr\"/></Root></Loggers></Configuration>\n";
/// The first release that needs a Java newer than 8, and which.
const NEEDS_JAVA: (&str, u32) = ("4.0", 17);
/// The longest that a question to a release may take.
const LONGEST_ANSWER: Duration = Duration::from_secs(120);

/// An installed release.
#[derive(Clone, Debug)]
pub struct Kafka {
    release: Release,
    jars: Vec<PathBuf>,
    java: PathBuf,
    setpriv: Option<PathBuf>,
    facts: PathBuf,
    keys: BTreeSet<String>,
}

impl Kafka {
    /// The release, got from Maven if the cache does not have it, and asked which settings it knows.
    /// `tell` is told what takes its time.
    ///
    /// # Errors
    /// There is no Java, no Maven, no such release, no network, no room; or the user stops it.
    pub fn get(
        release: &Release,
        source: &Source,
        interrupt: &Interrupt,
        tell: &dyn Fn(&str),
    ) -> Result<Self, Failure> {
        let (java, version) = find_java(release, &source.programs, interrupt)?;
        let home = source.cache.join(release.to_string());
        let libs = match &source.libs {
            Some(libs) => libs.clone(),
            None => {
                let libs = home.join("libs");
                let lock = source.cache.join("maven.lock");
                once(&libs, &lock, interrupt, tell, |part| {
                    maven::download(release, part, &source.programs, interrupt, tell)
                })?;
                libs
            }
        };
        let jars = jars(&libs)?;
        check_release(release, &libs, &jars)?;
        let facts = home.join(format!("facts-{:016x}", fingerprint(&jars, &version)?));
        fs::create_dir_all(&facts).map_err(|error| trouble("make", &facts, &error))?;
        for (name, text) in [("log4j.properties", LOG4J), ("log4j2.xml", LOG4J2)] {
            let file = facts.join(name);
            if !file.exists() {
                fs::write(&file, text).map_err(|error| trouble("write", &file, &error))?;
            }
        }
        let mut kafka = Self {
            release: release.clone(),
            jars,
            java,
            setpriv: source.programs.find("setpriv"),
            facts,
            keys: BTreeSet::new(),
        };
        kafka.keys = keys::known(&kafka, interrupt, tell)?;
        Ok(kafka)
    }

    /// Which release it is.
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// Those of these broker settings that the release does not know.
    pub fn unknown_keys<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Vec<String> {
        let unknown = keys.into_iter().filter(|key| !self.keys.contains(*key));
        unknown.map(str::to_owned).collect()
    }

    /// The first of these classes that the release has: Kafka's tools have moved over the years.
    pub fn first_class<'a>(&self, classes: &[&'a str]) -> Option<&'a str> {
        let ours = |jar: &&PathBuf| file_name(jar).starts_with("kafka");
        // A jar names its files in plain bytes, compressed or not.
        let jars: Vec<Vec<u8>> = self
            .jars
            .iter()
            .filter(ours)
            .filter_map(|jar| fs::read(jar).ok())
            .collect();
        let has = |class: &str| {
            let file = format!("{}.class", class.replace('.', "/"));
            jars.iter().any(|jar| {
                jar.windows(file.len())
                    .any(|bytes| bytes == file.as_bytes())
            })
        };
        classes.iter().copied().find(|class| has(class))
    }

    /// A program of the release, by its class: not yet started. Before it come `prefix` (a command that
    /// runs another one) and what ends it with this program.
    pub fn command(
        &self,
        prefix: &[String],
        jvm: &[String],
        class: &str,
        args: &[String],
    ) -> Command {
        let mut words: Vec<std::ffi::OsString> = prefix.iter().map(Into::into).collect();
        if let Some(setpriv) = &self.setpriv {
            words.push(setpriv.into());
            words.extend(["--pdeathsig", "KILL", "--"].map(Into::into));
        }
        words.push((&self.java).into());
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).args(JVM);
        let config = |name: &str| self.facts.join(name).display().to_string();
        command.arg(format!(
            "-Dlog4j.configuration=file:{}",
            config("log4j.properties")
        ));
        command.arg(format!(
            "-Dlog4j2.configurationFile={}",
            config("log4j2.xml")
        ));
        command.args(jvm).arg(class).args(args);
        command.env(
            "CLASSPATH",
            std::env::join_paths(&self.jars).unwrap_or_default(),
        );
        for variable in ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs a program of the release behind `prefix` to its end, at most so long, with only warnings in its
    /// log.
    ///
    /// # Errors
    /// It cannot be started, takes too long, or the user stops it. That it fails is no error here.
    pub fn run(
        &self,
        prefix: &[String],
        class: &str,
        args: &[String],
        limit: Duration,
        interrupt: &Interrupt,
    ) -> Result<Finished, Failure> {
        let mut jvm = self.shared_classes();
        jvm.push("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".to_owned());
        let command = self.command(prefix, &jvm, class, args);
        Process::run(command, limit, interrupt, &|_| ())
            .map_err(|failure| failure.while_doing(&format!("{class} of Kafka {}", self.release)))
    }

    /// Runs a program of the release to its end, with all of its log.
    pub(super) fn ask(
        &self,
        class: &str,
        args: &[&str],
        interrupt: &Interrupt,
    ) -> Result<Finished, Failure> {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let command = self.command(&[], &[], class, &args);
        Process::run(command, LONGEST_ANSWER, interrupt, &|_| ())
            .map_err(|failure| failure.while_doing(&format!("{class} of Kafka {}", self.release)))
    }

    /// What was found out about the release: a folder.
    pub(crate) fn facts(&self) -> &Path {
        &self.facts
    }

    /// Keeps others from finding out the same at the same time.
    pub(crate) fn lock(&self) -> PathBuf {
        self.facts.join("lock")
    }

    /// The archive of the classes that a server loads.
    pub(crate) fn archive(&self) -> PathBuf {
        self.facts.join("server.jsa")
    }

    /// The option that has a JVM map classes from the archive, if there is one.
    pub(crate) fn shared_classes(&self) -> Vec<String> {
        let archive = self.archive();
        let option = format!("-XX:SharedArchiveFile={}", archive.display());
        archive.exists().then_some(option).into_iter().collect()
    }
}

/// Java, and what it says about its version.
fn find_java(
    release: &Release,
    programs: &Programs,
    interrupt: &Interrupt,
) -> Result<(PathBuf, String), Failure> {
    let java = programs.java()?;
    let mut command = Command::new(&java);
    command.arg("-version");
    let told = Process::run(command, LONGEST_ANSWER, interrupt, &|_| ())?;
    let version = told.stderr.trim().to_owned();
    let Some(number) = java_version(&version).filter(|_| told.status.success()) else {
        let why = format!(
            "`{} -version` fails: mend the Java, or set JAVA_HOME",
            java.display()
        );
        return Err(Failure::Rig(why));
    };
    let (from, needed) = NEEDS_JAVA;
    if release.at_least(from) && number < needed {
        let why = format!(
            "Kafka {release} needs Java {needed}, {} is Java {number}: install one, or set JAVA_HOME",
            java.display()
        );
        return Err(Failure::Rig(why));
    }
    Ok((java, version))
}

/// 17 for `openjdk version "17.0.15"`, 8 for `java version "1.8.0_292"`.
fn java_version(told: &str) -> Option<u32> {
    let version = told.split('"').nth(1)?;
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|part| part.parse().ok());
    match numbers.next()? {
        1 => numbers.next(),
        number => Some(number),
    }
}

/// The jars of a folder, sorted.
fn jars(libs: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(libs).map_err(|error| trouble("read", libs, &error))?;
    let mut jars: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    jars.retain(|jar| file_name(jar).ends_with(".jar"));
    jars.sort();
    Ok(jars)
}

fn file_name(path: &Path) -> &str {
    path.file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

/// Jars of another release are a mistake of the user.
fn check_release(release: &Release, libs: &Path, jars: &[PathBuf]) -> Result<(), Failure> {
    let brokers = jars.iter().filter_map(|jar| {
        let (scala, rest) = file_name(jar).strip_prefix("kafka_2.")?.split_once('-')?;
        let version = rest.strip_suffix(".jar")?;
        let plain = scala.bytes().all(|byte| byte.is_ascii_digit());
        (plain && version.parse::<Release>().is_ok()).then_some(version)
    });
    let found: Vec<&str> = brokers.collect();
    if found == [release.to_string()] {
        return Ok(());
    }
    let libs = libs.display();
    Err(Failure::Rig(match found.as_slice() {
        [] => format!(
            "{libs} has no jar `kafka_2.13-{release}.jar`: name the `libs` folder of a Kafka"
        ),
        [other] => format!("{libs} is Kafka {other}, not {release}: name the release that it is"),
        several => format!(
            "{libs} has several releases of Kafka: {}",
            several.join(", ")
        ),
    }))
}

/// A number for these jars and this Java.
fn fingerprint(jars: &[PathBuf], java: &str) -> Result<u64, Failure> {
    let mut text = java.to_owned();
    for jar in jars {
        let meta = fs::metadata(jar).map_err(|error| trouble("read", jar, &error))?;
        text += &format!("\n{} {} {}", jar.display(), meta.len(), meta.mtime());
    }
    // FNV-1a.
    Ok(text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_tells_its_version_in_two_ways() {
        assert_eq!(
            java_version("openjdk version \"17.0.15\" 2025-04-15"),
            Some(17)
        );
        assert_eq!(java_version("openjdk version \"21\" 2023-09-19"), Some(21));
        assert_eq!(java_version("java version \"1.8.0_292\""), Some(8));
        assert_eq!(java_version("no such thing"), None);
    }

    #[test]
    fn jars_of_another_release_are_refused() {
        let release: Release = "3.9.1".parse().unwrap_or_else(|why| panic!("{why}"));
        let check = |jars: &[&str]| {
            let jars: Vec<PathBuf> = jars.iter().map(PathBuf::from).collect();
            let checked = check_release(&release, Path::new("libs"), &jars);
            checked.map_err(|failure| failure.to_string())
        };
        assert_eq!(
            check(&["kafka_2.13-3.9.1.jar", "kafka_2.13-3.9.1-sources.jar"]),
            Ok(())
        );
        assert!(check(&["kafka-clients-3.9.1.jar"]).is_err_and(|why| why.contains("no jar")));
        let other = check(&["kafka_2.12-3.9.0.jar"]);
        assert!(other.is_err_and(|why| why.contains("is Kafka 3.9.0, not 3.9.1")));
    }
}
