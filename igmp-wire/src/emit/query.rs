//! Membership Queries.

use core::net::Ipv4Addr;

use super::{Error, writer::Writer};
use crate::igmp::{
    MIN_MESSAGE_LEN, float,
    message::TYPE_QUERY,
    query::{QRV_MASK, S_FLAG, V3_HEADER_LEN},
};

/// A query in the format of one version. The version is that of the interface: older hosts of a version 3 network
/// understand version 3 queries (RFC 9776 §7.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query<'a> {
    /// Version 1. There is only the General Query, and hosts answer it within 10 seconds.
    V1,
    /// Version 2.
    V2 {
        /// Max Response Time in tenths of a second, 1 to 255. Anything above becomes 255, and 0 becomes 1 because 0
        /// would make it a version 1 query (RFC 9776 §7.1).
        max_response_time: u32,
        /// The group, or `None` for a General Query.
        group: Option<Ipv4Addr>,
    },
    /// Version 3.
    V3 {
        /// Max Response Time in tenths of a second, 0 to [`float::MAX`], rounded down to what the code can say.
        max_response_time: u32,
        /// The S flag, Suppress Router-Side Processing.
        suppress: bool,
        /// The Robustness Variable. 0 is written for one above 7 (RFC 9776 §4.1.6).
        qrv: u8,
        /// The Query Interval in seconds, 0 to [`float::MAX`], rounded down to what the code can say.
        query_interval: u32,
        /// What the query asks for.
        target: QueryTarget<'a>,
    },
}

/// What a version 3 query asks for: the three variants of RFC 9776 §4.1.11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryTarget<'a> {
    /// General Query: every group.
    General,
    /// Group-Specific Query.
    Group(Ipv4Addr),
    /// Group-and-Source-Specific Query: these sources of the group. Without sources it is a Group-Specific Query.
    Sources(Ipv4Addr, &'a [Ipv4Addr]),
}

impl<'a> QueryTarget<'a> {
    /// The target from its parts. Without a group it is a General Query, whose source list is always empty.
    pub const fn new(group: Option<Ipv4Addr>, sources: &'a [Ipv4Addr]) -> Self {
        match (group, sources) {
            (None, _) => Self::General,
            (Some(group), []) => Self::Group(group),
            (Some(group), _) => Self::Sources(group, sources),
        }
    }

    /// The group, `None` in a General Query.
    pub const fn group(&self) -> Option<Ipv4Addr> {
        match *self {
            Self::General => None,
            Self::Group(group) | Self::Sources(group, _) => Some(group),
        }
    }

    /// The sources asked for.
    pub const fn sources(&self) -> &'a [Ipv4Addr] {
        match *self {
            Self::General | Self::Group(_) => &[],
            Self::Sources(_, sources) => sources,
        }
    }
}

impl Query<'_> {
    /// The group, `None` in a General Query.
    pub const fn group(&self) -> Option<Ipv4Addr> {
        match self {
            Self::V1 => None,
            Self::V2 { group, .. } => *group,
            Self::V3 { target, .. } => target.group(),
        }
    }

    pub(super) const fn buffer_len(&self) -> usize {
        match self {
            Self::V1 | Self::V2 { .. } => MIN_MESSAGE_LEN,
            Self::V3 { target, .. } => V3_HEADER_LEN.saturating_add(size_of_val(target.sources())),
        }
    }

    /// Writes the query with a zero for its checksum.
    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let max_resp_code = match *self {
            Self::V1 => 0,
            Self::V2 {
                max_response_time, ..
            } => max_response_time.clamp(1, 255) as u8,
            Self::V3 {
                max_response_time, ..
            } => float::encode(max_response_time),
        };
        writer.put([TYPE_QUERY, max_resp_code, 0, 0])?;
        writer.put(self.group().unwrap_or(Ipv4Addr::UNSPECIFIED).octets())?;
        if let Self::V3 {
            suppress,
            qrv,
            query_interval,
            target,
            ..
        } = *self
        {
            let s_flag = if suppress { S_FLAG } else { 0 };
            let qrv = if qrv > QRV_MASK { 0 } else { qrv };
            let sources = target.sources();
            writer.put([s_flag | qrv, float::encode(query_interval)])?;
            writer.put((sources.len() as u16).to_be_bytes())?;
            writer.put_addresses(sources)?;
        }
        Ok(())
    }
}
