//! PIM messages made by hand, right or wrong in any field (RFC 7761 §4.9).
//!
//! Like [`packet`](crate::packet), this is not the parser and emitter of the product.

use std::net::Ipv4Addr;

use crate::Packet;

/// Where all routers listen.
pub const ALL_PIM_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);
/// The type of Hello.
pub const HELLO: u8 = 0;
/// The type of Join/Prune.
pub const JOIN_PRUNE: u8 = 3;
/// The type of Assert.
pub const ASSERT: u8 = 5;

/// The flags of an encoded source (RFC 7761 §4.9.1).
pub const SPARSE: u8 = 4;
/// See [`SPARSE`].
pub const WILDCARD: u8 = 2;
/// See [`SPARSE`].
pub const RPT: u8 = 1;

impl Packet {
    /// A PIM message to all routers of the link. PIM knows no Router Alert.
    pub fn pim(source: impl Into<Ipv4Addr>, message: Vec<u8>) -> Self {
        let mut packet = Self::new(source, ALL_PIM_ROUTERS, message);
        packet.protocol = 103;
        packet.options.clear();
        packet
    }
}

/// A message of a type: the header and what follows it.
pub fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[0x20 | kind, 0, 0, 0], body].concat()
}

/// A Hello of some options (RFC 7761 §4.9.2).
pub fn hello(options: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in options {
        body.extend(kind.to_be_bytes());
        body.extend(u16::try_from(value.len()).expect("16 bits").to_be_bytes());
        body.extend(value);
    }
    message(HELLO, &body)
}

/// A Hello of a router that stays for `hold_time` seconds, with a DR priority of 0 and this generation ID.
pub fn plain_hello(hold_time: u16, generation: u32) -> Vec<u8> {
    hello(&[
        (1, hold_time.to_be_bytes().to_vec()),
        (19, vec![0; 4]),
        (20, generation.to_be_bytes().to_vec()),
    ])
}

/// What a Join/Prune message asks for a group.
#[derive(Clone, Debug)]
pub struct Group {
    /// The encoded group.
    pub encoded: [u8; 8],
    /// Encoded sources to join.
    pub joins: Vec<[u8; 8]>,
    /// Encoded sources to prune.
    pub prunes: Vec<[u8; 8]>,
}

impl Group {
    /// A group with nothing asked for.
    pub fn new(group: Ipv4Addr) -> Self {
        let [a, b, c, d] = group.octets();
        Self {
            encoded: [1, 0, 0, 32, a, b, c, d],
            joins: Vec::new(),
            prunes: Vec::new(),
        }
    }

    /// Joins a source.
    #[must_use]
    pub fn join(mut self, flags: u8, source: Ipv4Addr) -> Self {
        self.joins.push(encoded_source(flags, source));
        self
    }

    /// Prunes a source.
    #[must_use]
    pub fn prune(mut self, flags: u8, source: Ipv4Addr) -> Self {
        self.prunes.push(encoded_source(flags, source));
        self
    }
}

/// An encoded source with a mask of 32 bits.
pub fn encoded_source(flags: u8, source: Ipv4Addr) -> [u8; 8] {
    let [a, b, c, d] = source.octets();
    [1, 0, flags, 32, a, b, c, d]
}

/// An encoded unicast address.
pub fn encoded_unicast(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [1, 0, a, b, c, d]
}

/// A Join/Prune message to a neighbor (RFC 7761 §4.9.5) whose counts are right.
pub fn join_prune(neighbor: Ipv4Addr, hold_time: u16, groups: &[Group]) -> Vec<u8> {
    let mut body = encoded_unicast(neighbor).to_vec();
    body.extend([0, u8::try_from(groups.len()).expect("8 bits")]);
    body.extend(hold_time.to_be_bytes());
    let count = |sources: &[[u8; 8]]| u16::try_from(sources.len()).expect("16 bits").to_be_bytes();
    for group in groups {
        body.extend(group.encoded);
        body.extend(count(&group.joins));
        body.extend(count(&group.prunes));
        body.extend(group.joins.iter().chain(&group.prunes).flatten());
    }
    message(JOIN_PRUNE, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of RFC 7761 §4.9.5's layout, and the sizes in it: one (S,G) makes 34 bytes.
    #[test]
    fn a_join_has_its_layout() {
        let group = Group::new([239, 1, 1, 1].into()).join(SPARSE, [10, 0, 0, 2].into());
        let message = join_prune([10, 0, 0, 1].into(), 210, &[group]);
        assert_eq!(message.len(), 34);
        let expected = [
            0x23, 0, 0, 0, 1, 0, 10, 0, 0, 1, 0, 1, 0, 210, 1, 0, 0, 32, 239, 1, 1, 1, 0, 1, 0, 0, 1, 0, 4,
            32, 10, 0, 0, 2,
        ];
        assert_eq!(message, expected);
    }
}
