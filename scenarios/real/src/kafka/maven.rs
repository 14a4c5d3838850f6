//! A release's jars from Maven's central repository.
//!
//! | release | artifact |
//! |---|---|
//! | before 1.0 | `kafka_2.11` |
//! | 1.0 to 2.3 | `kafka_2.12` |
//! | 2.4 and later | `kafka_2.13` |
//! | 3.3 and later | `kafka-tools` too, which by and by took the tools over from it |
//!
//! Rules:
//! - One logger, `slf4j-simple`: which one is found first when there are several depends on the order
//!   of the class path.
//! - `jaxb-api` for releases before 3.0: they use `javax.xml.bind`, which Java 11 took out.
//! - Maven keeps what it has downloaded in its own repository, so that an interrupted download resumes.
//!
//! Source: ours, tried with 0.10.2.2, 0.11.0.3, 1.1.1, 2.0.1, 2.8.2, 3.3.2, 3.9.1 and 4.3.1.
//! Next: `keys.rs`.

use super::{Process, Programs, Release, trouble};
use crate::failure::{Failure, Interrupt};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The longest that a download may take.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(1_800);
/// Loggers that are left out.
const OTHER_LOGGERS: [&str; 3] = ["slf4j-log4j12", "slf4j-reload4j", "log4j-slf4j-impl"];

/// Puts a release's jars into `libs`, which is made.
pub(super) fn download(
    release: &Release,
    libs: &Path,
    programs: &Programs,
    interrupt: &Interrupt,
    tell: &dyn Fn(&str),
) -> Result<(), Failure> {
    let maven = programs.maven()?;
    tell(&format!(
        "getting Kafka {release} from Maven's central repository"
    ));
    fs::create_dir_all(libs).map_err(|error| trouble("make", libs, &error))?;
    let pom = libs.with_extension("pom.xml");
    fs::write(&pom, project(release)).map_err(|error| trouble("write", &pom, &error))?;
    let mut command = Command::new(maven);
    // -U: a release that was missing the last time may have been published since.
    command
        .args(["-B", "-U", "-f"])
        .arg(&pom)
        .arg("dependency:copy-dependencies");
    let mut into = std::ffi::OsString::from("-DoutputDirectory=");
    into.push(libs);
    command.arg(into);
    let arrived = Cell::new(0_u32);
    let done = Process::run(command, LONGEST_DOWNLOAD, interrupt, &|line| {
        let jar = line.split(' ').find(|word| word.ends_with(".jar"));
        if let Some(jar) = jar.filter(|_| line.contains("Downloaded from ")) {
            arrived.set(arrived.get() + 1);
            let name = jar.rsplit('/').next().unwrap_or(jar);
            tell(&format!(
                "getting Kafka {release}: {} jars, {name}",
                arrived.get()
            ));
        }
    });
    let _ = fs::remove_file(&pom);
    let done = done?;
    if !done.status.success() {
        return Err(Failure::Rig(sentence(
            release,
            &(done.stdout + &done.stderr),
        )));
    }
    Ok(())
}

/// The artifact that holds a release's brokers.
fn artifact(release: &Release) -> &'static str {
    match () {
        () if release.at_least("2.4") => "kafka_2.13",
        () if release.at_least("1.0") => "kafka_2.12",
        () => "kafka_2.11",
    }
}

/// A project that has a release's artifacts as its dependencies.
fn project(release: &Release) -> String {
    let mut wanted = vec![("org.apache.kafka", artifact(release), release.to_string())];
    if release.at_least("3.3") {
        wanted.push(("org.apache.kafka", "kafka-tools", release.to_string()));
    }
    if !release.at_least("3.0") {
        wanted.push(("javax.xml.bind", "jaxb-api", "2.3.1".to_owned()));
    }
    wanted.push(("org.slf4j", "slf4j-simple", "1.7.36".to_owned()));
    let without: String = OTHER_LOGGERS
        .iter()
        .map(|logger| {
            format!("<exclusion><groupId>*</groupId><artifactId>{logger}</artifactId></exclusion>")
        })
        .collect();
    let wanted: String = wanted
        .iter()
        .map(|(group, artifact, version)| {
            format!(
                "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
                 <version>{version}</version><exclusions>{without}</exclusions></dependency>\n"
            )
        })
        .collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>ktrial</groupId><artifactId>kafka</artifactId><version>1</version>\n\
         <dependencies>\n{wanted}</dependencies></project>\n"
    )
}

/// What Maven says at length, in one sentence that also says what to do.
fn sentence(release: &Release, output: &str) -> String {
    let says = |texts: &[&str]| texts.iter().any(|text| output.contains(text));
    let missing = |artifact: &str| {
        let name = format!("org.apache.kafka:{artifact}:jar:{release}");
        let alone = [
            format!("Could not find artifact {name}"),
            format!("{name} was not found"),
            format!("Failure to find {name}"),
            format!("{name} (absent)"),
        ];
        alone.iter().any(|text| output.contains(text))
    };
    let unreachable = [
        "Unknown host",
        "UnknownHostException",
        "Temporary failure in name resolution",
        "Connection refused",
        "Network is unreachable",
        "No route to host",
        "onnect timed out",
        "Connection timed out",
        "offline mode",
    ];
    if says(&["No space left on device"]) {
        return format!(
            "there is no room for the jars of Kafka {release}: make room, or --cache DIR"
        );
    }
    if says(&unreachable) {
        return format!(
            "Maven's central repository cannot be reached to get Kafka {release}: connect this machine to \
             the network (behind a proxy: ~/.m2/settings.xml), or name the `libs` folder of an unpacked \
             Kafka, --libs DIR"
        );
    }
    if missing(artifact(release)) {
        return format!(
            "Maven's central repository has no Kafka {release}: choose one that it has \
             (https://central.sonatype.com/artifact/org.apache.kafka/{})",
            artifact(release)
        );
    }
    if missing("kafka-tools") || says(&["Could not find artifact org.apache.kafka:"]) {
        return format!("Kafka {release} is only partly published: choose the release before it");
    }
    let first = output
        .lines()
        .find_map(|line| line.strip_prefix("[ERROR] "));
    let first = first.unwrap_or("it says nothing");
    let first: String = first.chars().take(300).collect();
    format!("Maven could not get Kafka {release}: {first}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;

    fn release(text: &str) -> Release {
        text.parse().unwrap()
    }

    #[test]
    fn a_release_is_in_the_artifacts_of_its_time() {
        for (text, core, tools, jaxb) in [
            ("0.10.2.2", "kafka_2.11", false, true),
            ("0.11.0.3", "kafka_2.11", false, true),
            ("1.1.1", "kafka_2.12", false, true),
            ("2.3.1", "kafka_2.12", false, true),
            ("2.4.0", "kafka_2.13", false, true),
            ("3.2.3", "kafka_2.13", false, false),
            ("3.3.2", "kafka_2.13", true, false),
            ("4.3.1", "kafka_2.13", true, false),
        ] {
            let project = project(&release(text));
            let has = |artifact: &str| project.contains(&format!("<artifactId>{artifact}<"));
            assert!(has(core) && has("slf4j-simple"), "{text}");
            assert_eq!(
                (has("kafka-tools"), has("jaxb-api")),
                (tools, jaxb),
                "{text}"
            );
        }
    }

    #[test]
    fn mavens_output_becomes_a_sentence() {
        let said = |output: &str| sentence(&release("4.4.0"), output);
        let head = "[ERROR] Failed to execute goal on project kafka: ";
        let missing = |artifact: &str| {
            format!(
                "{head}Could not find artifact org.apache.kafka:{artifact}:jar:4.4.0 in central"
            )
        };
        assert!(said(&missing("kafka_2.13")).contains("has no Kafka 4.4.0"));
        assert!(said(&missing("kafka-tools")).contains("only partly published"));
        let away =
            format!("{head}Could not transfer artifact x: repo.maven.apache.org: Unknown host");
        assert!(said(&away).contains("cannot be reached"));
        assert!(said("java.io.IOException: No space left on device").contains("no room"));
        assert_eq!(
            said("[ERROR] odd\n[ERROR] more"),
            "Maven could not get Kafka 4.4.0: odd"
        );
    }
}
