//! Version 3 Membership Reports and their group records (RFC 9776 §4.2).

use core::net::Ipv4Addr;

use crate::{Packet, Refusal};

/// Length of a report without records, in bytes.
pub const HEADER_LEN: usize = 8;
/// Length of a group record without sources and auxiliary data, in bytes.
pub const RECORD_HEADER_LEN: usize = 8;

/// The type of a group record (RFC 9776 §4.2.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RecordKind {
    /// MODE_IS_INCLUDE, `IS_IN(x)`.
    IsInclude = 1,
    /// MODE_IS_EXCLUDE, `IS_EX(x)`.
    IsExclude = 2,
    /// CHANGE_TO_INCLUDE_MODE, `TO_IN(x)`.
    ToInclude = 3,
    /// CHANGE_TO_EXCLUDE_MODE, `TO_EX(x)`.
    ToExclude = 4,
    /// ALLOW_NEW_SOURCES, `ALLOW(x)`.
    Allow = 5,
    /// BLOCK_OLD_SOURCES, `BLOCK(x)`.
    Block = 6,
}

impl RecordKind {
    /// The kind with this code. `None` for codes that RFC 9776 does not define; such a record is skipped and the rest
    /// of the report is processed (§4.2.13).
    #[inline(always)]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::IsInclude),
            2 => Some(Self::IsExclude),
            3 => Some(Self::ToInclude),
            4 => Some(Self::ToExclude),
            5 => Some(Self::Allow),
            6 => Some(Self::Block),
            _ => None,
        }
    }
}

/// One group record. The source addresses stay in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The code of the record's type; [`RecordKind::from_code`] gives its meaning.
    pub code: u8,
    /// The group.
    pub group: Ipv4Addr,
    /// How many source addresses follow.
    pub source_count: u16,
    /// Where the source addresses begin in the frame, in bytes.
    pub sources: usize,
}

/// Steps through the records of a report, one call of [`next`](Self::next) for each.
///
/// It is not an iterator because the verifier accepts a long walk only as a callback of `bpf_loop`, which keeps its
/// state between turns in a place like this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordWalk {
    /// Where the next record begins in the frame.
    offset: usize,
    /// Where the message ends in the frame.
    end: usize,
    /// How many records are still to come.
    remaining: u16,
}

impl RecordWalk {
    /// Begins the walk over the report of `len` bytes at `offset`. `len` is the length of an IPv4 payload.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] where the number of records cannot fit into the message.
    #[inline(always)]
    pub fn new<P: Packet>(packet: &P, offset: usize, len: usize) -> Result<Self, Refusal> {
        let [.., count_high, count_low] = packet.read::<HEADER_LEN>(offset).ok_or(Refusal::TooShort)?;
        let remaining = u16::from_be_bytes([count_high, count_low]);
        if HEADER_LEN + remaining as usize * RECORD_HEADER_LEN > len {
            return Err(Refusal::Malformed);
        }
        Ok(Self {
            offset: offset + HEADER_LEN,
            end: offset + len,
            remaining,
        })
    }

    /// How many records are still to come.
    #[inline(always)]
    pub const fn remaining(&self) -> u16 {
        self.remaining
    }

    /// The next record, or `None` after the last. Auxiliary data is stepped over (RFC 9776 §4.2.11), and so is
    /// whatever follows the last record (§4.2.12).
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] where the record does not fit into the message.
    #[inline(always)]
    pub fn next<P: Packet>(&mut self, packet: &P) -> Result<Option<Record>, Refusal> {
        if self.remaining == 0 {
            return Ok(None);
        }
        let sources = self.offset + RECORD_HEADER_LEN;
        if sources > self.end {
            return Err(Refusal::Malformed);
        }
        let [code, aux_words, count_high, count_low, a, b, c, d] = packet
            .read::<RECORD_HEADER_LEN>(self.offset)
            .ok_or(Refusal::Malformed)?;
        let source_count = u16::from_be_bytes([count_high, count_low]);
        let next = sources + (source_count as usize + aux_words as usize) * 4;
        if next > self.end {
            return Err(Refusal::Malformed);
        }
        self.offset = next;
        self.remaining -= 1;
        Ok(Some(Record {
            code,
            group: Ipv4Addr::new(a, b, c, d),
            source_count,
            sources,
        }))
    }
}
