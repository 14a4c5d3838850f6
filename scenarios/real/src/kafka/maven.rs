//! Fetches a release from Maven Central: a generated project that depends on it, whose dependencies Maven
//! copies into a folder. What Maven has fetched before it does not fetch again, so an interrupted fetch
//! goes on where it stopped.
//!
//! Source: the artifacts `org.apache.kafka:kafka_SCALA` (brokers, ZooKeeper with them) and `kafka-tools`.

use super::release::Release;
use crate::failure::{Failure, Interrupt};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a fetch may take.
const LIMIT: Duration = Duration::from_secs(30 * 60);
/// Other bindings of the logging interface than ours.
const WITHOUT: &str = "slf4j-log4j12,slf4j-reload4j,log4j-slf4j-impl,log4j-slf4j2-impl";

/// Fetches a release's jars into `folder/libs`.
pub(super) fn fetch(
    release: &Release,
    folder: &Path,
    interrupt: &Interrupt,
    tell: &dyn Fn(&str),
) -> Result<(), Failure> {
    let work = folder.join(format!("fetch-{}", std::process::id()));
    let made = work_in(&work, release, interrupt, tell);
    if made.is_ok() && !folder.join("libs").is_dir() {
        // Another process may have been faster: then its folder is as good.
        let renamed = fs::rename(work.join("libs"), folder.join("libs"));
        if let (Err(error), false) = (renamed, folder.join("libs").is_dir()) {
            return Err(io(&work, &error));
        }
    }
    let _ = fs::remove_dir_all(&work);
    made
}

fn work_in(
    work: &Path,
    release: &Release,
    interrupt: &Interrupt,
    tell: &dyn Fn(&str),
) -> Result<(), Failure> {
    fs::create_dir_all(work).map_err(|error| io(work, &error))?;
    let pom = work.join("pom.xml");
    fs::write(&pom, project(release)).map_err(|error| io(&pom, &error))?;
    let log = work.join("mvn.log");
    let out = File::create(&log).map_err(|error| io(&log, &error))?;
    let err = out.try_clone().map_err(|error| io(&log, &error))?;
    let libs = work.join("libs");
    let mut maven = Running(
        Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(&pom)
            .arg("dependency:copy-dependencies")
            .arg(format!("-DoutputDirectory={}", libs.display()))
            .arg(format!("-DexcludeArtifactIds={WITHOUT}"))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(|error| no_maven(&error))?,
    );
    let ended = interrupt.wait(LIMIT, || {
        tell(&format!(
            "Kafka {release} from Maven Central: {} jars",
            jars(&libs)
        ));
        maven
            .0
            .try_wait()
            .map_err(|error| Failure::Rig(format!("mvn: {error}")))
    })?;
    match ended {
        Some(status) if status.success() => Ok(()),
        Some(_) => {
            let log = fs::read_to_string(&log).unwrap_or_default();
            Err(Failure::Rig(why(&log, release)))
        }
        None => Err(Failure::Rig(format!(
            "Maven did not fetch Kafka {release} within 30 minutes"
        ))),
    }
}

/// A child that does not outlive us.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn jars(libs: &Path) -> usize {
    fs::read_dir(libs).map_or(0, Iterator::count)
}

fn no_maven(error: &std::io::Error) -> Failure {
    Failure::Rig(format!(
        "cannot run mvn, which fetches Kafka ({error}): install Maven (for example `apt-get install maven`), or \
         unpack a release of Kafka and name its folder with --libs DIR"
    ))
}

fn io(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Rig(format!("cannot write {}: {error}", path.display()))
}

/// The Scala version that a release was built for.
fn scala(release: &Release) -> &'static str {
    match () {
        () if release.at_least("2.4") => "2.13",
        () if release.at_least("1.0") => "2.12",
        () => "2.11",
    }
}

/// The project that depends on the release.
fn project(release: &Release) -> String {
    let scala = scala(release);
    let mut dependencies = vec![
        (
            "org.apache.kafka",
            format!("kafka_{scala}"),
            release.to_string(),
        ),
        ("org.slf4j", "slf4j-simple".to_owned(), "1.7.36".to_owned()),
    ];
    if release.at_least("3.3") {
        dependencies.push((
            "org.apache.kafka",
            "kafka-tools".to_owned(),
            release.to_string(),
        ));
    } else {
        // Java has it no more, and the oldest releases need it.
        dependencies.push(("javax.xml.bind", "jaxb-api".to_owned(), "2.3.1".to_owned()));
    }
    let dependencies: String = dependencies
        .iter()
        .map(|(group, artifact, version)| {
            format!(
                "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
                 <version>{version}</version></dependency>\n"
            )
        })
        .collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n<modelVersion>4.0.0</modelVersion>\n\
         <groupId>ktrial</groupId><artifactId>kafka</artifactId><version>1</version>\n\
         <dependencies>\n{dependencies}</dependencies>\n</project>\n"
    )
}

/// Why Maven failed, in a sentence.
fn why(log: &str, release: &Release) -> String {
    let errors = log.lines().filter(|line| line.contains("[ERROR]"));
    let unreachable = [
        "Unknown host",
        "Connection refused",
        "timed out",
        "Network is unreachable",
        "Temporary failure",
        "offline mode",
    ];
    if unreachable.iter().any(|sign| log.contains(sign)) {
        return format!(
            "Maven cannot reach Maven Central to fetch Kafka {release}: look at the network and at \
             Maven's settings.xml, or use --libs DIR"
        );
    }
    if log.contains("Could not find artifact") || log.contains("was not found in") {
        let missing = log.split("Could not find artifact ").nth(1);
        let missing = missing.and_then(|rest| rest.split_whitespace().next());
        let missing = missing.map_or(String::new(), |artifact| {
            format!(" ({artifact} is missing)")
        });
        return format!(
            "Maven Central has no complete Kafka {release}{missing}: the releases are listed at \
             https://kafka.apache.org/downloads"
        );
    }
    let first = errors.map(|line| line.replace("[ERROR]", "")).next();
    let first = first.unwrap_or_else(|| "it said nothing".to_owned());
    format!("Maven failed to fetch Kafka {release}: {}", first.trim())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_asked_for_as_it_was_built() {
        let project = |release: &str| project(&release.parse().unwrap());
        assert!(project("0.10.2.2").contains("kafka_2.11"));
        assert!(project("0.10.2.2").contains("jaxb-api"));
        assert!(project("1.1.1").contains("kafka_2.12"));
        assert!(project("2.8.2").contains("kafka_2.13"));
        assert!(!project("2.8.2").contains("kafka-tools"));
        assert!(project("4.3.1").contains("kafka-tools"));
    }

    #[test]
    fn mavens_failure_is_told_in_a_sentence() {
        let release = "9.9.9".parse().unwrap();
        let missing = "[ERROR] Failed ... Could not find artifact org.apache.kafka:kafka_2.13:jar:9.9.9 in central";
        assert!(
            why(missing, &release)
                .contains("has no complete Kafka 9.9.9 (org.apache.kafka:kafka_2.13:jar:9.9.9")
        );
        let away = "[ERROR] ... Unknown host repo.maven.apache.org";
        assert!(why(away, &release).contains("cannot reach"));
        assert!(
            why("[ERROR] No space left on device\n", &release).ends_with("No space left on device")
        );
    }
}
