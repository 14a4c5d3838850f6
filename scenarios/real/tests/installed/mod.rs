//! Releases for tests that need them: only what is on this machine already, nothing is downloaded.

use ktrial_real::failure::Interrupt;
use ktrial_real::kafka::{Kafka, Source, Target};
use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The release; or `None`, with a line that says so, where Java, Maven or the jars are missing.
pub(crate) fn kafka(target: &Target, artifacts: &[&str]) -> Option<Arc<Kafka>> {
    let Ok(mut source) = Source::usual() else {
        println!("skipped: no folder for caches");
        return None;
    };
    let release = target.release.to_string();
    if let Some(missing) = missing(&source, &release, artifacts) {
        println!("skipped: {missing} missing");
        return None;
    }
    if !source.cache.join(&release).join("libs").exists() {
        source.cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka");
    }
    let kafka = Kafka::get(&target.release, &source, &Interrupt::default(), &|_| ()).unwrap();
    Some(Arc::new(kafka))
}

/// What this machine lacks to run it without a download.
fn missing(source: &Source, release: &str, artifacts: &[&str]) -> Option<String> {
    if source.programs.java().is_err() || source.programs.maven().is_err() {
        return Some("Java or Maven".to_owned());
    }
    let home = env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let has = |artifact: &&str| {
        let folder = home.join(".m2/repository/org/apache/kafka").join(artifact);
        let jar = format!("{artifact}-{release}.jar");
        folder.join(release).join(jar).exists()
    };
    let jars = source.cache.join(release).join("libs").exists() || artifacts.iter().all(has);
    (!jars).then(|| format!("the jars of Kafka {release}"))
}
