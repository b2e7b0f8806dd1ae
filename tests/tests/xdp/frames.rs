//! Frames for the XDP program.

use std::net::Ipv4Addr;

use igmp_wire::{
    checksum,
    emit::{Frame, Message, Query, QueryTarget, Record},
    ethernet::Vlan,
    igmp::RecordKind,
};

use crate::harness::HOST;

/// Where the IPv4 header begins in an untagged frame.
pub(crate) const IP: usize = 14;

/// A frame of a host with this message.
pub(crate) fn frame(message: Message<'_>) -> Vec<u8> {
    frame_from(HOST, Vlan::Untagged, message)
}

/// A frame with this source and VLAN.
pub(crate) fn frame_from(source: Ipv4Addr, vlan: Vlan, message: Message<'_>) -> Vec<u8> {
    let frame = Frame {
        source_mac: [2, 0, 0, 0, 0, 2],
        vlan,
        source,
        identification: 0,
        message,
    };
    let mut buffer = vec![0; frame.buffer_len()];
    let len = frame.emit(&mut buffer).expect("the buffer is long enough");
    buffer.truncate(len);
    buffer
}

/// A version 3 report with one record.
pub(crate) fn record(kind: RecordKind, group: Ipv4Addr, sources: &[Ipv4Addr]) -> Vec<u8> {
    record_from(HOST, kind, group, sources)
}

/// A version 3 report with one record, of this host.
pub(crate) fn record_from(
    source: Ipv4Addr,
    kind: RecordKind,
    group: Ipv4Addr,
    sources: &[Ipv4Addr],
) -> Vec<u8> {
    let records = [Record { kind, group, sources }];
    frame_from(source, Vlan::Untagged, Message::ReportV3(&records))
}

/// A version 3 query, general or specific.
pub(crate) fn query(source: Ipv4Addr, group: Option<Ipv4Addr>, sources: &[Ipv4Addr]) -> Vec<u8> {
    let query = Query::V3 {
        max_response_time: 100,
        suppress: false,
        qrv: 2,
        query_interval: 125,
        target: QueryTarget::new(group, sources),
    };
    frame_from(source, Vlan::Untagged, Message::Query(query))
}

/// Writes the checksum of an untagged frame's IP header anew.
pub(crate) fn fix_ip_checksum(frame: &mut [u8]) {
    let len = usize::from(frame[IP] & 0x0f) * 4;
    let header = &mut frame[IP..IP + len];
    header[10..12].fill(0);
    let sum = checksum::finish(checksum::sum(header));
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// Writes the checksum of an untagged frame's IGMP message anew.
pub(crate) fn fix_igmp_checksum(frame: &mut [u8]) {
    let start = IP + usize::from(frame[IP] & 0x0f) * 4;
    let end = IP + usize::from(u16::from_be_bytes([frame[IP + 2], frame[IP + 3]]));
    let message = &mut frame[start..end];
    message[2..4].fill(0);
    let sum = checksum::finish(checksum::sum(message));
    message[2..4].copy_from_slice(&sum.to_be_bytes());
}
