//! Names that old ZooKeeper clients ask for on a newer Java.
//!
//! Rule: the client of ZooKeeper 3.4.13 and 3.4.14, which Kafka 2.0 to 2.3 has, cuts the name of a server
//! out of the text of its address. Since Java 14 that text is `127.0.0.1/<unresolved>:2181`, and the
//! client asks for the address of `127.0.0.1/<unresolved>`. A file of hosts can say what that is. The
//! JVM looks nowhere else then, so the machine's own name is in it too.
//!
//! Source: `StaticHostProvider.getHostString` of ZooKeeper 3.4.13; JDK-8225499.
//! Next: `node.rs`.

use super::node::Node;
use super::properties::Role;
use crate::kafka::Release;
use std::fmt::Write as _;
use std::fs;

/// The first release with that client, and the first without.
const CONCERNED: [&str; 2] = ["2.0", "2.4"];

/// The file of hosts that a cluster of this release needs, if it needs one.
pub(super) fn hosts<'a>(
    release: &Release,
    nodes: impl Iterator<Item = &'a Node>,
) -> Option<String> {
    let [first, fixed] = CONCERNED;
    if !release.at_least(first) || release.at_least(fixed) {
        return None;
    }
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut text = format!("127.0.0.1 localhost {}\n", name.trim());
    let servers = nodes.filter(|node| node.role == Role::ZooKeeper);
    for address in servers.filter_map(|node| node.addresses.first()) {
        let address = address.ip();
        let _ = writeln!(text, "{address} {address}/<unresolved>");
    }
    Some(text)
}
