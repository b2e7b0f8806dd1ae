//! Telling the messages apart.

/// Length of the shortest message, in bytes (RFC 2236 §6).
pub const MIN_MESSAGE_LEN: usize = 8;
/// Message type of Membership Queries of all versions.
pub const TYPE_QUERY: u8 = 0x11;
/// Message type of a version 1 Membership Report.
pub const TYPE_V1_REPORT: u8 = 0x12;
/// Message type of a version 2 Membership Report.
pub const TYPE_V2_REPORT: u8 = 0x16;
/// Message type of a version 2 Leave Group message.
pub const TYPE_LEAVE: u8 = 0x17;
/// Message type of a version 3 Membership Report.
pub const TYPE_V3_REPORT: u8 = 0x22;

/// What an IGMP message is, before it is judged.
///
/// The discriminant is the index of the kind's counter in
/// [`InterfaceCounters::received`](crate::abi::InterfaceCounters).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Version 1 query: 8 bytes, code 0 (RFC 9776 §7.1).
    QueryV1 = 1,
    /// Version 2 query: 8 bytes, code not 0.
    QueryV2 = 2,
    /// Version 3 query: 12 bytes or more.
    QueryV3 = 3,
    /// Version 1 report.
    ReportV1 = 4,
    /// Version 2 report.
    ReportV2 = 5,
    /// Version 3 report.
    ReportV3 = 6,
    /// Version 2 Leave.
    Leave = 7,
}

/// How many counters of received messages there are: the total, and one for each [`Kind`].
pub const RECEIVED_COUNT: usize = 8;

impl Kind {
    /// The kind of a message from its type, its second byte and its length. `None` for a type that is no membership
    /// message, and for a query of 9 to 11 bytes, which no version has (RFC 9776 §7.1).
    #[inline(always)]
    pub const fn of(kind: u8, code: u8, len: usize) -> Option<Self> {
        match kind {
            TYPE_QUERY if len >= 12 => Some(Self::QueryV3),
            TYPE_QUERY if len != MIN_MESSAGE_LEN => None,
            TYPE_QUERY if code == 0 => Some(Self::QueryV1),
            TYPE_QUERY => Some(Self::QueryV2),
            TYPE_V1_REPORT => Some(Self::ReportV1),
            TYPE_V2_REPORT => Some(Self::ReportV2),
            TYPE_LEAVE => Some(Self::Leave),
            TYPE_V3_REPORT => Some(Self::ReportV3),
            _ => None,
        }
    }

    /// Whether the message is a query of any version.
    #[inline(always)]
    pub const fn is_query(self) -> bool {
        matches!(self, Self::QueryV1 | Self::QueryV2 | Self::QueryV3)
    }

    /// Whether senders put the Router Alert option before it: on everything but version 1 (RFC 9776 §4, RFC 2236 §2).
    #[inline(always)]
    pub const fn carries_router_alert(self) -> bool {
        !matches!(self, Self::QueryV1 | Self::ReportV1)
    }
}
