//! Which settings of brokers a release documents, asked of the release itself: `KafkaConfig` has a main
//! method that prints the documentation's table. Internal settings are not in it.
//!
//! Source: `kafka.server.KafkaConfig.main`, `ConfigDef.toHtmlTable` and `toHtml`.

use super::Kafka;
use crate::failure::{Failure, Interrupt};
use std::collections::BTreeSet;
use std::fs;

/// The settings, from the cache or from the release.
pub(super) fn of(kafka: &Kafka, interrupt: &Interrupt) -> Result<BTreeSet<String>, Failure> {
    let path = kafka.folder().join("keys.txt");
    if let Ok(text) = fs::read_to_string(&path) {
        return Ok(text.lines().map(str::to_owned).collect());
    }
    let page = kafka.tool_within("kafka.server.KafkaConfig", &[], interrupt)?;
    let keys = documented(&page);
    if keys.is_empty() {
        let why = "the release does not print its settings: are the jars complete?";
        return Err(Failure::Rig(format!("{}: {why}", kafka.libs().display())));
    }
    let lines: Vec<&str> = keys.iter().map(String::as_str).collect();
    let temporary = path.with_extension(format!("{}", std::process::id()));
    let written =
        fs::write(&temporary, lines.join("\n")).and_then(|()| fs::rename(&temporary, &path));
    written.map_err(|error| Failure::Rig(format!("cannot write {}: {error}", path.display())))?;
    Ok(keys)
}

/// The settings of the page: anchors of newer releases, the first column of older ones.
fn documented(page: &str) -> BTreeSet<String> {
    let anchors = page
        .split("<a id=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    let cells = page.split("<tr>").skip(1).filter_map(|row| {
        let cell = row.trim_start().strip_prefix("<td>")?;
        cell.split("</td>").next()
    });
    let plain = |key: &&str| key.contains('.') && !key.contains([' ', '<', '_']);
    anchors
        .chain(cells)
        .filter(plain)
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_page_are_read() {
        let old = "<tr>\n<th>Name</th></tr>\n<tr>\n<td>zookeeper.connect</td><td>...</td></tr>";
        let new = "<h4><a id=\"node.id\"></a><a id=\"brokerconfigs_node.id\" href=\"#x\">node.id</a></h4>";
        assert_eq!(documented(old), ["zookeeper.connect".to_owned()].into());
        assert_eq!(documented(new), ["node.id".to_owned()].into());
    }
}
