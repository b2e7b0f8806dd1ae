//! IGMP messages.

use core::net::Ipv4Addr;

use super::{
    Error, MAX_MESSAGE_LEN, Query, Record,
    writer::{Writer, first, put_checksum},
};
use crate::{
    address::{ALL_ROUTERS, ALL_SYSTEMS, IGMP_ROUTERS},
    igmp::{
        Kind, MIN_MESSAGE_LEN,
        message::{TYPE_LEAVE, TYPE_V1_REPORT, TYPE_V2_REPORT, TYPE_V3_REPORT},
        report,
    },
};

/// A message to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A query.
    Query(Query<'a>),
    /// A version 1 report of this group.
    ReportV1(Ipv4Addr),
    /// A version 2 report of this group.
    ReportV2(Ipv4Addr),
    /// A version 2 Leave of this group.
    Leave(Ipv4Addr),
    /// A version 3 report with these records.
    ReportV3(&'a [Record<'a>]),
}

impl Message<'_> {
    /// What a receiver takes the message for.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Query(Query::V1) => Kind::QueryV1,
            Self::Query(Query::V2 { .. }) => Kind::QueryV2,
            Self::Query(Query::V3 { .. }) => Kind::QueryV3,
            Self::ReportV1(_) => Kind::ReportV1,
            Self::ReportV2(_) => Kind::ReportV2,
            Self::Leave(_) => Kind::Leave,
            Self::ReportV3(_) => Kind::ReportV3,
        }
    }

    /// The IP destination that the message is sent to: 224.0.0.1 for a General Query (RFC 9776 §4.1.12), 224.0.0.2 for
    /// a Leave (RFC 2236 §3), 224.0.0.22 for a version 3 report (RFC 9776 §4.2.15), and the group itself for the
    /// others.
    pub const fn destination(&self) -> Ipv4Addr {
        match *self {
            Self::Query(query) => match query.group() {
                Some(group) => group,
                None => ALL_SYSTEMS,
            },
            Self::ReportV1(group) | Self::ReportV2(group) => group,
            Self::Leave(_) => ALL_ROUTERS,
            Self::ReportV3(_) => IGMP_ROUTERS,
        }
    }

    /// Length in bytes. `usize::MAX` where the length is no number that a `usize` holds; such a message is refused as
    /// too long.
    pub fn buffer_len(&self) -> usize {
        match self {
            Self::Query(query) => query.buffer_len(),
            Self::ReportV1(_) | Self::ReportV2(_) | Self::Leave(_) => MIN_MESSAGE_LEN,
            Self::ReportV3(records) => records.iter().fold(report::HEADER_LEN, |len, record| {
                len.saturating_add(record.buffer_len())
            }),
        }
    }

    /// Writes the message, checksum included, to the beginning of `buffer` and returns its length.
    ///
    /// # Errors
    ///
    /// [`Error::BufferTooSmall`]; [`Error::TooLong`] where the message is longer than [`MAX_MESSAGE_LEN`].
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        let len = self.checked_len()?;
        let message = first(buffer, len)?;
        self.write(&mut Writer::new(message))?;
        put_checksum::<2>(message);
        Ok(len)
    }

    /// The length, if a packet can hold it. Within that limit the numbers of records and sources fit their 16 bits.
    pub(super) fn checked_len(&self) -> Result<usize, Error> {
        let len = self.buffer_len();
        if len > MAX_MESSAGE_LEN {
            return Err(Error::TooLong { len });
        }
        Ok(len)
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let (message_type, group) = match *self {
            Self::Query(query) => return query.write(writer),
            Self::ReportV3(records) => {
                writer.put([TYPE_V3_REPORT, 0, 0, 0, 0, 0])?;
                writer.put((records.len() as u16).to_be_bytes())?;
                return records.iter().try_for_each(|record| record.write(writer));
            }
            Self::ReportV1(group) => (TYPE_V1_REPORT, group),
            Self::ReportV2(group) => (TYPE_V2_REPORT, group),
            Self::Leave(group) => (TYPE_LEAVE, group),
        };
        writer.put([message_type, 0, 0, 0])?;
        writer.put(group.octets())
    }
}
