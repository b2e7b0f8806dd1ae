//! Frames to run programs over, made by hand.

use std::net::Ipv4Addr;

use tests::{
    Packet,
    packet::{IS_EX, IS_IN, Record, short},
    stream::{Datagram, Payload},
};

/// The router's address on the interface where all frames arrive.
pub(super) const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);
/// A host on it.
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 2);
/// A sender of data on it.
pub(super) const SENDER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 3);
/// A sender of data behind another interface.
pub(super) const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

/// The first group.
const FIRST_GROUP: u32 = 0xe100_0000;
/// How many groups in a row have hosts of the same version.
const BLOCK: u32 = 1_024;
/// The first group with hosts of version 2.
pub(super) const FIRST_V2: u32 = 3 * BLOCK;
/// The first group with hosts of version 1.
pub(super) const FIRST_V1: u32 = 7 * BLOCK;

/// The group with this number, from 225.0.0.0 on.
pub(super) fn group(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST_GROUP + number)
}

/// The version that the hosts of a group speak: 3 mostly.
pub(super) fn version_of(group: Ipv4Addr) -> u8 {
    match (group.to_bits() - FIRST_GROUP) / BLOCK % 8 {
        3 => 2,
        7 => 1,
        _ => 3,
    }
}

/// A source of groups with this number.
pub(super) fn source(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0xc000_0200 + number)
}

/// A version 1 report.
pub(super) fn v1(group: Ipv4Addr) -> Vec<u8> {
    Packet::v1_report(HOST, group).frame()
}

/// A version 2 report.
pub(super) fn v2(group: Ipv4Addr) -> Vec<u8> {
    Packet::v2_report(HOST, group).frame()
}

/// A version 2 Leave.
pub(super) fn leave(group: Ipv4Addr) -> Vec<u8> {
    Packet::leave(HOST, group).frame()
}

/// A version 3 report that asks for these groups, whatever the source.
pub(super) fn v3(groups: &[Ipv4Addr]) -> Vec<u8> {
    let records: Vec<Record> = groups
        .iter()
        .map(|&group| Record::new(IS_EX, group, &[]))
        .collect();
    Packet::v3_report(HOST, &records).frame()
}

/// A version 3 report that asks for these sources of these groups.
pub(super) fn v3_sources(groups: &[Ipv4Addr], sources: &[Ipv4Addr]) -> Vec<u8> {
    let records: Vec<Record> = groups
        .iter()
        .map(|&group| Record::new(IS_IN, group, sources))
        .collect();
    Packet::v3_report(HOST, &records).frame()
}

/// A General Query of another router, by RFC 9776 §4.1.
pub(super) fn query() -> Vec<u8> {
    Packet::general_query(HOST, 100, 2, 125).frame()
}

/// A message of eight bytes of a type that nobody knows.
pub(super) fn unknown(group: Ipv4Addr) -> Packet {
    Packet::new(HOST, group, short(0x30, 0, group))
}

/// A data packet to a group, with so many bytes of UDP payload and the greatest TTL.
pub(super) fn data(source: Ipv4Addr, group: Ipv4Addr, size: usize) -> Vec<u8> {
    let payload = Payload {
        stream: 1,
        sequence: 1,
    };
    Datagram::new(source, group, payload)
        .with(|packet| {
            packet.ttl = u8::MAX;
            packet.size = size;
        })
        .frame()
}

/// A packet to the router itself, of the protocol with this number.
pub(super) fn unicast(protocol: u8) -> Vec<u8> {
    let mut packet = Packet::new(HOST, ROUTER, vec![0; 26]);
    packet.protocol = protocol;
    packet.ttl = 64;
    packet.options.clear();
    packet.frame()
}

/// An ARP request (RFC 826), which is no IP packet.
pub(super) fn arp() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([0x02, 0, 0, 0xee, 0, 1]);
    frame.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
    frame.extend([0x02, 0, 0, 0xee, 0, 1]);
    frame.extend(HOST.octets());
    frame.extend([0; 6]);
    frame.extend(ROUTER.octets());
    frame.resize(60, 0);
    frame
}
