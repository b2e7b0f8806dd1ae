//! IGMP packets made by hand, right or wrong in any field; those of [PIM](crate::pim) are made of them.
//!
//! This is not the parser and emitter of the product: a fault of theirs must not hide here as its own counterpart.

use std::net::Ipv4Addr;

/// The Router Alert option (RFC 2113 §2.1).
pub const ROUTER_ALERT: [u8; 4] = [0x94, 0x04, 0x00, 0x00];

/// Record types of version 3 reports (RFC 9776 §4.2.13).
pub const IS_IN: u8 = 1;
/// See [`IS_IN`].
pub const IS_EX: u8 = 2;
/// See [`IS_IN`].
pub const TO_IN: u8 = 3;
/// See [`IS_IN`].
pub const TO_EX: u8 = 4;
/// See [`IS_IN`].
pub const ALLOW: u8 = 5;
/// See [`IS_IN`].
pub const BLOCK: u8 = 6;

/// An IPv4 packet with an IGMP or PIM message. [`Packet::frame`] fills in lengths and checksums as they should be, unless
/// they were given.
#[derive(Clone, Debug)]
pub struct Packet {
    /// VLAN IDs of the tags, the outer one first.
    pub vlans: Vec<u16>,
    /// IP source.
    pub source: Ipv4Addr,
    /// IP destination.
    pub destination: Ipv4Addr,
    /// IP time to live.
    pub ttl: u8,
    /// IP protocol.
    pub protocol: u8,
    /// IP options, a multiple of four bytes.
    pub options: Vec<u8>,
    /// The 16 bits with the fragment flags and offset.
    pub fragment: u16,
    /// The IP header's total length, where it is not to be right.
    pub total_len: Option<u16>,
    /// What to add to the right checksum of the IP header.
    pub header_checksum_error: u16,
    /// The message. Its checksum is in bytes 2 and 3.
    pub message: Vec<u8>,
    /// What to add to the right checksum of the message.
    pub checksum_error: u16,
}

impl Packet {
    /// A packet as hosts and routers send it: TTL 1 and Router Alert.
    pub fn new(source: impl Into<Ipv4Addr>, destination: impl Into<Ipv4Addr>, message: Vec<u8>) -> Self {
        Self {
            vlans: Vec::new(),
            source: source.into(),
            destination: destination.into(),
            ttl: 1,
            protocol: 2,
            options: ROUTER_ALERT.to_vec(),
            fragment: 0,
            total_len: None,
            header_checksum_error: 0,
            message,
            checksum_error: 0,
        }
    }

    /// A version 1 report. Version 1 knows no Router Alert (RFC 1112 Appendix I).
    pub fn v1_report(source: impl Into<Ipv4Addr>, group: impl Into<Ipv4Addr>) -> Self {
        let group = group.into();
        let mut packet = Self::new(source, group, short(0x12, 0, group));
        packet.options.clear();
        packet
    }

    /// A version 2 report (RFC 2236 §2).
    pub fn v2_report(source: impl Into<Ipv4Addr>, group: impl Into<Ipv4Addr>) -> Self {
        let group = group.into();
        Self::new(source, group, short(0x16, 0, group))
    }

    /// A version 2 Leave, which goes to all routers (RFC 2236 §9).
    pub fn leave(source: impl Into<Ipv4Addr>, group: impl Into<Ipv4Addr>) -> Self {
        Self::new(source, [224, 0, 0, 2], short(0x17, 0, group.into()))
    }

    /// A version 3 report (RFC 9776 §4.2) of these records.
    pub fn v3_report(source: impl Into<Ipv4Addr>, records: &[Record]) -> Self {
        let count = u16::try_from(records.len()).expect("a report counts its records in 16 bits");
        let mut message = vec![0x22, 0, 0, 0, 0, 0];
        message.extend(count.to_be_bytes());
        message.extend(records.iter().flat_map(Record::bytes));
        Self::new(source, [224, 0, 0, 22], message)
    }

    /// A version 3 General Query (RFC 9776 §4.1) with a Max Resp Code of tenths of a second and a QQIC of seconds.
    pub fn general_query(source: impl Into<Ipv4Addr>, max_resp_code: u8, qrv: u8, qqic: u8) -> Self {
        let mut message = short(0x11, max_resp_code, Ipv4Addr::UNSPECIFIED);
        message.extend([qrv, qqic, 0, 0]);
        Self::new(source, [224, 0, 0, 1], message)
    }

    /// The bytes of the frame, padded to Ethernet's minimum.
    pub fn frame(&self) -> Vec<u8> {
        let [_, b, c, d] = self.destination.octets();
        let mut frame = if self.destination.is_multicast() {
            vec![0x01, 0x00, 0x5e, b & 0x7f, c, d]
        } else {
            vec![0xff; 6]
        };
        // A source address of the locally administered kind that no interface here has.
        frame.extend([0x02, 0x00, 0x00, 0xee, 0x00, 0x01]);
        for vlan in &self.vlans {
            frame.extend([0x81, 0x00]);
            frame.extend(vlan.to_be_bytes());
        }
        frame.extend([0x08, 0x00]);
        frame.extend(self.ip_header());
        frame.extend(self.message_with_checksum());
        if frame.len() < 60 {
            frame.resize(60, 0);
        }
        frame
    }

    fn ip_header(&self) -> Vec<u8> {
        let len = 20 + self.options.len();
        let total = self.total_len.unwrap_or_else(|| {
            u16::try_from(len + self.message.len()).expect("an IPv4 packet has at most 65535 bytes")
        });
        let mut header = vec![
            0x40 | u8::try_from(len / 4).expect("an IPv4 header has at most 60 bytes"),
            0xc0,
        ];
        header.extend(total.to_be_bytes());
        header.extend([0, 0]);
        header.extend(self.fragment.to_be_bytes());
        header.extend([self.ttl, self.protocol, 0, 0]);
        header.extend(self.source.octets());
        header.extend(self.destination.octets());
        header.extend(&self.options);
        write_checksum(&mut header, 10, self.header_checksum_error);
        header
    }

    fn message_with_checksum(&self) -> Vec<u8> {
        let mut message = self.message.clone();
        if message.len() >= 4 {
            write_checksum(&mut message, 2, self.checksum_error);
        }
        message
    }
}

/// A group record of a version 3 report (RFC 9776 §4.2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The record type.
    pub kind: u8,
    /// The group.
    pub group: Ipv4Addr,
    /// The sources.
    pub sources: Vec<Ipv4Addr>,
    /// Auxiliary data, in words of 32 bits.
    pub auxiliary: Vec<u32>,
}

impl Record {
    /// A record without auxiliary data.
    pub fn new(kind: u8, group: impl Into<Ipv4Addr>, sources: &[Ipv4Addr]) -> Self {
        Self {
            kind,
            group: group.into(),
            sources: sources.to_vec(),
            auxiliary: Vec::new(),
        }
    }

    /// The records of a version 3 report, from its type on. `None` where it does not hold together, and where its count and
    /// its length do not agree.
    pub fn parse_all(message: &[u8]) -> Option<Vec<Self>> {
        let (header, mut rest) = message.split_first_chunk::<8>()?;
        let [0x22, _, _, _, _, _, high, low] = *header else {
            return None;
        };
        let mut records = Vec::new();
        for _ in 0..u16::from_be_bytes([high, low]) {
            let ([kind, words, high, low, a, b, c, d], behind) = rest.split_first_chunk::<8>()?;
            let sources = usize::from(u16::from_be_bytes([*high, *low]));
            let (sources, behind) = behind.split_at_checked(sources * 4)?;
            let (auxiliary, behind) = behind.split_at_checked(usize::from(*words) * 4)?;
            let numbers = |bytes: &[u8]| -> Vec<u32> {
                bytes
                    .chunks_exact(4)
                    .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
                    .collect()
            };
            records.push(Self {
                kind: *kind,
                group: Ipv4Addr::new(*a, *b, *c, *d),
                sources: numbers(sources).into_iter().map(Ipv4Addr::from_bits).collect(),
                auxiliary: numbers(auxiliary),
            });
            rest = behind;
        }
        rest.is_empty().then_some(records)
    }

    fn bytes(&self) -> Vec<u8> {
        let auxiliary =
            u8::try_from(self.auxiliary.len()).expect("a record counts its auxiliary words in 8 bits");
        let count = u16::try_from(self.sources.len()).expect("a record counts its sources in 16 bits");
        let mut bytes = vec![self.kind, auxiliary];
        bytes.extend(count.to_be_bytes());
        bytes.extend(self.group.octets());
        bytes.extend(self.sources.iter().flat_map(Ipv4Addr::octets));
        bytes.extend(self.auxiliary.iter().flat_map(|word| word.to_be_bytes()));
        bytes
    }
}

/// A packet changed by hand.
pub fn changed(mut packet: Packet, change: impl FnOnce(&mut Packet)) -> Packet {
    change(&mut packet);
    packet
}

/// A message of 8 bytes: type, code, room for the checksum, group.
pub fn short(kind: u8, code: u8, group: Ipv4Addr) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(group.octets());
    message
}

/// Writes the Internet checksum (RFC 1071) of `bytes` at `at`, wrong by `error`.
fn write_checksum(bytes: &mut [u8], at: usize, error: u16) {
    bytes[at..at + 2].fill(0);
    let sum: u64 = bytes
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    let mut folded = sum;
    while folded > 0xffff {
        folded = (folded & 0xffff) + (folded >> 16);
    }
    let checksum = !u16::try_from(folded).expect("folded to 16 bits");
    bytes[at..at + 2].copy_from_slice(&checksum.wrapping_add(error).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    // Checksums of known messages, computed by others.
    #[test]
    fn known_messages() {
        let group = [239, 1, 2, 3];
        let cases = [
            (Packet::v1_report([10, 0, 0, 1], group), "1200fcfaef010203"),
            (Packet::v2_report([10, 0, 0, 1], group), "1600f8faef010203"),
            (Packet::leave([10, 0, 0, 1], group), "1700f7faef010203"),
            (
                Packet::v3_report([10, 0, 0, 1], &[Record::new(TO_EX, group, &[])]),
                "2200e8f90000000104000000ef010203",
            ),
            (
                Packet::general_query([10, 0, 0, 1], 100, 2, 125),
                "1164ec1e00000000027d0000",
            ),
        ];
        for (packet, message) in cases {
            assert_eq!(hex(&packet.message_with_checksum()), message);
        }
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let mut second = Record::new(
            IS_IN,
            [232, 1, 2, 3],
            &[[10, 0, 0, 1].into(), [10, 0, 0, 2].into()],
        );
        second.auxiliary = vec![7];
        let records = vec![Record::new(TO_EX, [239, 1, 2, 3], &[]), second];
        let message = Packet::v3_report([10, 0, 0, 1], &records).message;
        assert_eq!(Record::parse_all(&message), Some(records));
        assert_eq!(Record::parse_all(&message[..message.len() - 1]), None);
        assert_eq!(Record::parse_all(&[&message[..], &[0]].concat()), None);
    }

    #[test]
    fn frames_are_padded_and_tagged() {
        let mut packet = Packet::v2_report([10, 0, 0, 1], [239, 129, 2, 3]);
        assert_eq!(packet.frame().len(), 60);
        // RFC 1112 §6.4: the low 23 bits of the group.
        assert_eq!(hex(&packet.frame()[..6]), "01005e010203");
        packet.vlans = vec![7];
        assert_eq!(hex(&packet.frame()[12..18]), "810000070800");
    }
}
