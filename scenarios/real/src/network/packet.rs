//! IPv4 packets, as far as the switch looks into them: who sends, to whom, on which connection; and the
//! packets that reset a connection.
//!
//! Rule: a connection is reset towards the receiver with the number of the packet that it will never get,
//! and towards the sender with the number that this packet acknowledged: what each awaits next. Where the
//! number does not fit (something else was lost before), the kernel ignores the reset, sends again, and is
//! reset by the other end, which has forgotten the connection.
//!
//! Simplified: no IPv6, no fragments (TCP sends none).
//!
//! Source: RFC 791, RFC 9293 3.10.7 (which resets are accepted), RFC 5961 3.2 (only the exact number).
//!
//! Next: `rule.rs`.

use std::net::Ipv4Addr;

/// Bytes of the header of IP, without options.
const IP: usize = 20;
/// Bytes of the header of TCP, without options.
const TCP: usize = 20;
/// IP's number of TCP.
const PROTOCOL_TCP: u8 = 6;
/// TCP's flags, in byte 13 of its header.
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// A whole IPv4 packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet(Vec<u8>);

/// One direction of a connection: addresses and ports of sender and receiver, protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flow {
    addresses: [u8; 8],
    ports: [u8; 4],
    protocol: u8,
}

impl Packet {
    /// What was read from a device; `None` if it is no IPv4.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let version = bytes.first()? >> 4;
        (version == 4 && bytes.len() >= IP).then(|| Self(bytes.to_vec()))
    }

    /// To whom it goes.
    pub(super) fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.four(16))
    }

    /// On what it travels.
    pub(super) fn flow(&self) -> Flow {
        let mut addresses = [0; 8];
        addresses.copy_from_slice(&self.0[12..IP]);
        let ports = self.payload().first_chunk().copied().unwrap_or_default();
        Flow {
            addresses,
            ports,
            protocol: self.0[9],
        }
    }

    /// All of it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The packets that reset its connection: one to its receiver, one to its sender. `None` if it is not of
    /// TCP, or itself closes or resets the connection.
    pub(super) fn resets(&self) -> Option<[Self; 2]> {
        let tcp = self.payload();
        if self.0[9] != PROTOCOL_TCP || tcp.len() < TCP || tcp[13] & (FIN | RST) != 0 {
            return None;
        }
        let (flags, data) = (
            tcp[13],
            tcp.len().checked_sub(usize::from(tcp[12] >> 4) * 4)?,
        );
        let (sequence, acknowledged) = (number(tcp, 4), number(tcp, 8));
        let flow = self.flow();
        let length = u32::try_from(data).ok()? + u32::from(flags & SYN != 0);
        let onward = reset(flow, sequence, acknowledged, flags & ACK);
        let expected = if flags & ACK == 0 { 0 } else { acknowledged };
        let back = reset(
            flow.reversed(),
            expected,
            sequence.wrapping_add(length),
            ACK,
        );
        Some([onward, back])
    }

    /// What is behind the header of IP.
    fn payload(&self) -> &[u8] {
        let header = usize::from(self.0[0] & 0x0f) * 4;
        self.0.get(header..).unwrap_or_default()
    }

    fn four(&self, at: usize) -> [u8; 4] {
        self.0[at..].first_chunk().copied().unwrap_or_default()
    }
}

impl Flow {
    fn reversed(self) -> Self {
        let (mut addresses, mut ports) = (self.addresses, self.ports);
        addresses.rotate_left(4);
        ports.rotate_left(2);
        Self {
            addresses,
            ports,
            ..self
        }
    }
}

/// A number of four bytes in a header.
fn number(header: &[u8], at: usize) -> u32 {
    let bytes = header[at..].first_chunk().copied();
    u32::from_be_bytes(bytes.unwrap_or_default())
}

/// A reset with these numbers.
fn reset(flow: Flow, sequence: u32, acknowledged: u32, ack: u8) -> Packet {
    const TOTAL: u8 = 40;
    const MOST_HOPS: u8 = 64;
    let mut ip = vec![0; IP];
    (ip[0], ip[3], ip[8], ip[9]) = (0x45, TOTAL, MOST_HOPS, PROTOCOL_TCP);
    ip[12..].copy_from_slice(&flow.addresses);
    let sum = checksum(&[&ip]);
    ip[10..12].copy_from_slice(&sum);

    let mut tcp = [0; TCP];
    tcp[..4].copy_from_slice(&flow.ports);
    tcp[4..8].copy_from_slice(&sequence.to_be_bytes());
    tcp[8..12].copy_from_slice(&acknowledged.to_be_bytes());
    (tcp[12], tcp[13]) = (0x50, RST | ack);
    let pseudo = [0, PROTOCOL_TCP, 0, 20];
    let sum = checksum(&[&flow.addresses, &pseudo, &tcp]);
    tcp[16..18].copy_from_slice(&sum);
    ip.extend(tcp);
    Packet(ip)
}

/// The checksum of IP and TCP over parts of even length.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let pairs = parts.iter().flat_map(|part| part.as_chunks::<2>().0);
    let mut sum: u32 = pairs.map(|pair| u32::from(u16::from_be_bytes(*pair))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [_, _, high, low] = (!sum).to_be_bytes();
    [high, low]
}

#[cfg(test)]
impl Packet {
    /// A packet of TCP from one address to another with these flags and so many bytes of data; the port
    /// tells connections apart.
    pub(super) fn fake(ends: [Ipv4Addr; 2], port: u8, flags: u8, data: usize) -> Self {
        let mut bytes = vec![0; IP + TCP];
        (bytes[0], bytes[9], bytes[IP + 1]) = (0x45, PROTOCOL_TCP, port);
        bytes[12..16].copy_from_slice(&ends[0].octets());
        bytes[16..20].copy_from_slice(&ends[1].octets());
        (bytes[IP + 12], bytes[IP + 13]) = (0x50, flags);
        bytes[IP + 7] = 7;
        bytes[IP + 11] = 9;
        bytes.resize(IP + TCP + data, 0);
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
    const B: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

    #[test]
    fn what_is_no_ipv4_is_refused() {
        assert_eq!(Packet::read(&[]), None);
        assert_eq!(Packet::read(&[0x60; 40]), None, "IPv6");
        assert_eq!(Packet::read(&[0x45; 19]), None, "cut short");
        assert!(Packet::read(&[0x45; 20]).is_some());
    }

    /// The header of an example that is often printed, with its well-known sum.
    #[test]
    fn the_checksum_is_that_of_the_internet() {
        let header = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0x00,
            0x01, 0xc0, 0xa8, 0x00, 0xc7,
        ];
        assert_eq!(checksum(&[&header]), [0xb8, 0x61]);
    }

    #[test]
    fn both_ends_are_reset_with_the_number_that_they_await() {
        let sent = Packet::fake([A, B], 1, ACK, 100);
        let [onward, back] = sent.resets().unwrap();
        assert_eq!(onward.flow(), sent.flow());
        assert_eq!((onward.destination(), back.destination()), (B, A));
        assert_eq!(number(onward.payload(), 4), 7, "the number of what is lost");
        assert_eq!(
            number(back.payload(), 4),
            9,
            "the number that it acknowledged"
        );
        assert_eq!(number(back.payload(), 8), 107);
        assert_eq!([onward.payload()[13], back.payload()[13]], [RST | ACK; 2]);
        for packet in [onward, back] {
            assert_eq!(packet.bytes().len(), IP + TCP);
            assert_eq!(checksum(&[&packet.bytes()[..IP]]), [0, 0]);
        }
    }

    #[test]
    fn a_lost_handshake_is_refused_and_a_close_is_not_reset() {
        let [_, back] = Packet::fake([A, B], 1, SYN, 0).resets().unwrap();
        assert_eq!(number(back.payload(), 4), 0);
        assert_eq!(number(back.payload(), 8), 8);
        assert_eq!(Packet::fake([A, B], 1, FIN | ACK, 0).resets(), None);
        assert_eq!(Packet::fake([A, B], 1, RST, 0).resets(), None);
    }
}
