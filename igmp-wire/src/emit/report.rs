//! Group records of version 3 reports.

use core::net::Ipv4Addr;

use super::{Error, writer::Writer};
use crate::igmp::{RecordKind, report::RECORD_HEADER_LEN};

/// A group record, without auxiliary data as RFC 9776 §4.2.11 wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The type of the record.
    pub kind: RecordKind,
    /// The group.
    pub group: Ipv4Addr,
    /// The sources.
    pub sources: &'a [Ipv4Addr],
}

impl Record<'_> {
    /// Length in bytes, 8 and 4 for each source. With it a sender that splits a report by the MTU can count.
    pub const fn buffer_len(&self) -> usize {
        RECORD_HEADER_LEN.saturating_add(size_of_val(self.sources))
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let Self { kind, group, sources } = *self;
        writer.put([kind as u8, 0])?;
        writer.put((sources.len() as u16).to_be_bytes())?;
        writer.put(group.octets())?;
        writer.put_addresses(sources)
    }
}
