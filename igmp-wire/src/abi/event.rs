//! What the XDP program hands to the agent.

use super::byte_layout;
use crate::{ethernet, igmp::query, ipv4, packet::MAX_FRAME_LEN};

/// Most sources that an event of the second size holds. All sizes are powers of two, see the XDP program's `event`.
pub const MEDIUM_EVENT_SOURCES: usize = 64;
/// Most sources that an event of the third size holds: more than fit into an ordinary Ethernet frame.
pub const LARGE_EVENT_SOURCES: usize = 512;
/// Most sources that an event can hold: more than a query can list within [`MAX_FRAME_LEN`]. A record, whose header and
/// whose report's header are longer, cannot list as many.
pub const JUMBO_EVENT_SOURCES: usize = 4_096;

const _: () = assert!(
    (MAX_FRAME_LEN - ethernet::HEADER_LEN - ipv4::MIN_HEADER_LEN - query::V3_HEADER_LEN) / 4
        <= JUMBO_EVENT_SOURCES
);

/// An event in the ring. Its source addresses follow it directly, four bytes each, in network order as received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Event {
    /// When the packet was received, in nanoseconds of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// The interface's slot.
    pub slot: u32,
    /// The group; 0 for a General Query.
    pub group: u32,
    /// IP source of the packet: the reporter, or the other querier.
    pub sender: u32,
    /// How many sources follow.
    pub source_count: u16,
    /// [`EventKind`] as a number.
    pub kind: u8,
    /// Version of a query, 1 to 3; 0 for other kinds.
    pub version: u8,
    /// Max Resp Code of a query as received.
    pub max_resp_code: u8,
    /// S flag and QRV of a query as received.
    pub s_qrv: u8,
    /// QQIC of a query as received.
    pub qqic: u8,
    /// Where the report made the group's entry in the map, and the entry is not pending: its flags. They need not be
    /// written once more where they are as they should be. 0 for anything else.
    pub inserted: u8,
    /// Always 0.
    pub reserved: u32,
}

byte_layout!(Event, 32, {
    time: u64, slot: u32, group: u32, sender: u32, source_count: u16, kind: u8, version: u8,
    max_resp_code: u8, s_qrv: u8, qqic: u8, inserted: u8, reserved: u32,
});

/// What an event is about. The record kinds have the codes of RFC 9776 §4.2.13.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum EventKind {
    /// A group record of this type, codes 1 to 6.
    IsInclude = 1,
    /// See [`RecordKind`](crate::igmp::RecordKind).
    IsExclude = 2,
    /// See [`RecordKind`](crate::igmp::RecordKind).
    ToInclude = 3,
    /// See [`RecordKind`](crate::igmp::RecordKind).
    ToExclude = 4,
    /// See [`RecordKind`](crate::igmp::RecordKind).
    Allow = 5,
    /// See [`RecordKind`](crate::igmp::RecordKind).
    Block = 6,
    /// A version 1 report.
    ReportV1 = 7,
    /// A version 2 report.
    ReportV2 = 8,
    /// A version 2 Leave.
    Leave = 9,
    /// A query of another router.
    Query = 10,
    /// Multicast data of a source, the `sender`, to which the kernel has more than one way: which of them it takes is to
    /// be found out.
    Source = 11,
    /// Multicast data of a source, the `sender`, that goes along the route of its group, and for the first time or once more
    /// after that has changed. Only where [`ForwardingSignals::PACKETS`](super::ForwardingSignals::PACKETS) asks for it.
    Flow = 12,
    /// Multicast data of a source, the `sender`, that is not accepted on the interface it came in on, although packets of
    /// the group leave there or the source is there. Only where
    /// [`ForwardingSignals::PACKETS`](super::ForwardingSignals::PACKETS) asks for it.
    WrongInterface = 13,
}

impl EventKind {
    /// The kind with this number.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::IsInclude,
            2 => Self::IsExclude,
            3 => Self::ToInclude,
            4 => Self::ToExclude,
            5 => Self::Allow,
            6 => Self::Block,
            7 => Self::ReportV1,
            8 => Self::ReportV2,
            9 => Self::Leave,
            10 => Self::Query,
            11 => Self::Source,
            12 => Self::Flow,
            13 => Self::WrongInterface,
            _ => return None,
        })
    }
}

/// The sizes in which room in the ring is reserved: the verifier wants a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventSize {
    /// No sources.
    Small,
    /// Up to [`MEDIUM_EVENT_SOURCES`].
    Medium,
    /// Up to [`LARGE_EVENT_SOURCES`].
    Large,
    /// Up to [`JUMBO_EVENT_SOURCES`].
    Jumbo,
}

impl EventSize {
    /// The smallest size with room for this many sources.
    #[inline(always)]
    pub const fn of(source_count: u16) -> Self {
        match source_count as usize {
            0 => Self::Small,
            1..=MEDIUM_EVENT_SOURCES => Self::Medium,
            count if count <= LARGE_EVENT_SOURCES => Self::Large,
            _ => Self::Jumbo,
        }
    }
}
