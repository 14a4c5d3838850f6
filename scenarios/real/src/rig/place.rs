//! Where the nodes of a cluster are: addresses, ports, networks of their own.
//!
//! Rules:
//! - On the machine's own network a node gets a free port. Ports are taken from below those that the
//!   kernel hands out to outgoing connections (32768 and up, usually): such a connection could take the
//!   port of a broker while that one is down.
//! - Several clusters, of one program or of several, agree by claims: who uses port n listens on n + 1
//!   as long as its cluster exists, and n itself stays free until the broker binds it.
//! - Each program begins its search elsewhere, because others than ktrial make no claims.
//! - A node with a command prefix is in a network of its own: there every port is free.
//!
//! Source: ours.
//! Next: `properties.rs`.

use crate::failure::Failure;
use ktrial_core::NodeId;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process;

/// Ports that are tried.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// The first port in a network of one's own.
const USUAL_PORT: u16 = 9_092;

/// Where a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address it listens at.
    pub address: IpAddr,
    /// The command that runs its process in a network of its own; empty: in that of this program.
    pub prefix: Vec<String>,
    /// Its port, and if it listens at several, the next ones too; `None` = a free one.
    pub port: Option<u16>,
}

impl Default for Place {
    /// On loopback, at a free port.
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            prefix: Vec::new(),
            port: None,
        }
    }
}

/// Where the nodes of a cluster are. Those that are not named are on loopback.
#[derive(Clone, Debug, Default)]
pub struct Places(BTreeMap<NodeId, Place>);

impl Places {
    /// All on loopback.
    pub fn loopback() -> Self {
        Self::default()
    }

    /// Puts a node somewhere.
    pub fn put(&mut self, node: NodeId, place: Place) {
        self.0.insert(node, place);
    }

    /// Where a node is.
    pub fn of(&self, node: NodeId) -> Place {
        self.0.get(&node).cloned().unwrap_or_default()
    }
}

/// The right to listen at some addresses, as long as it exists.
#[derive(Debug, Default)]
pub(super) struct Claims(Vec<TcpListener>);

impl Claims {
    /// As many addresses as a node needs.
    pub(super) fn take(&mut self, place: &Place, count: u16) -> Result<Vec<SocketAddr>, Failure> {
        let own_network = !place.prefix.is_empty();
        let at = |port: u16| SocketAddr::new(place.address, port);
        match place.port {
            None if own_network => Ok((0..count).map(|more| at(USUAL_PORT + more)).collect()),
            None => (0..count).map(|_| self.free(place.address)).collect(),
            Some(first) => {
                let ports = (0..count).map(|more| at(first.saturating_add(more)));
                let addresses: Vec<SocketAddr> = ports.collect();
                if !own_network {
                    addresses
                        .iter()
                        .try_for_each(|address| asked_for(*address))?;
                }
                Ok(addresses)
            }
        }
    }

    /// A port that nobody uses or has claimed.
    fn free(&mut self, address: IpAddr) -> Result<SocketAddr, Failure> {
        let mut last = None;
        let pairs = (PORTS.end - PORTS.start) / 2;
        let first = u16::try_from(process::id() % u32::from(pairs)).unwrap_or(0);
        for place in 0..pairs {
            let port = PORTS.start + 2 * ((first + place) % pairs);
            let claimed = TcpListener::bind((address, port + 1));
            match claimed.and_then(|claim| Ok((claim, TcpListener::bind((address, port))?))) {
                Ok((claim, _)) => {
                    self.0.push(claim);
                    return Ok(SocketAddr::new(address, port));
                }
                // This machine does not have the address: no port will do.
                Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
                    last = Some(error);
                    break;
                }
                Err(error) => last = Some(error),
            }
        }
        let why = last.map(|error| error.to_string()).unwrap_or_default();
        let (first, last) = (PORTS.start, PORTS.end);
        Err(Failure::Rig(format!(
            "no port from {first} to {last} is free at {address}: {why}"
        )))
    }
}

/// A port that was asked for must be free.
fn asked_for(address: SocketAddr) -> Result<(), Failure> {
    TcpListener::bind(address).map(|_| ()).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "the port is taken: choose another, or let a free one be found"
            }
            _ => "choose another address or port",
        };
        Failure::Rig(format!("cannot listen at {address}: {error}: {advice}"))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by a panic")]
mod tests {
    use super::*;

    #[test]
    fn two_clusters_get_different_ports_and_give_them_back() {
        let (mut one, mut two) = (Claims::default(), Claims::default());
        let place = Place::default();
        let first = one.take(&place, 2).unwrap();
        let second = two.take(&place, 2).unwrap();
        assert!(first.iter().all(|address| !second.contains(address)));
        assert_ne!(first[0], first[1]);
        let listening = TcpListener::bind(first[0]);
        assert!(
            listening.is_ok(),
            "the port itself stays free for the broker"
        );
    }

    #[test]
    fn a_taken_port_is_told() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let place = Place {
            port: Some(port),
            ..Place::default()
        };
        let told = Claims::default().take(&place, 1).unwrap_err().to_string();
        assert!(told.contains("the port is taken: choose another"), "{told}");
        let free = Claims::default().take(&Place::default(), 1).unwrap()[0];
        let place = Place {
            port: Some(free.port()),
            ..Place::default()
        };
        assert_eq!(Claims::default().take(&place, 1).unwrap(), [free]);
    }

    #[test]
    fn in_a_network_of_its_own_a_node_has_the_usual_ports() {
        let place = Place {
            address: Ipv4Addr::new(10, 9, 8, 7).into(),
            prefix: vec!["ip".to_owned()],
            port: None,
        };
        let ports = Claims::default().take(&place, 2).unwrap();
        assert_eq!(
            ports.iter().map(SocketAddr::port).collect::<Vec<_>>(),
            [9092, 9093]
        );
    }
}
