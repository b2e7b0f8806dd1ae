//! Membership Queries (RFC 9776 §4.1).

use core::net::Ipv4Addr;

use super::message::Kind;
use crate::{Packet, Refusal, address};

/// Length of a version 3 query without sources, in bytes.
pub const V3_HEADER_LEN: usize = 12;
/// The S flag in the byte that also holds QRV (RFC 9776 §4.1.5).
pub const S_FLAG: u8 = 0x08;
/// The bits of QRV (RFC 9776 §4.1.6).
pub const QRV_MASK: u8 = 0x07;

/// The fixed part of a query. The source addresses stay in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// The version of the format, 1 to 3.
    pub version: u8,
    /// Max Resp Code as received: linear tenths of a second in version 2, the floating code in version 3, 0 in version
    /// 1.
    pub max_resp_code: u8,
    /// The group asked for, 0.0.0.0 in a General Query.
    pub group: Ipv4Addr,
    /// Suppress Router-Side Processing. Always false in versions 1 and 2.
    pub suppress: bool,
    /// Querier's Robustness Variable, 0 where it is not given.
    pub qrv: u8,
    /// Querier's Query Interval Code, 0 where it is not given.
    pub qqic: u8,
    /// How many source addresses follow.
    pub source_count: u16,
    /// Where the source addresses begin in the frame, in bytes.
    pub sources: usize,
}

/// Reads the query of `len` bytes at `offset`, of the version that [`Kind::of`] told from its length. `len` is the
/// length of an IPv4 payload. What follows the sources is ignored (RFC 9776 §4.1.10).
///
/// # Errors
///
/// [`Refusal::Malformed`] where the sources do not fit into the message, or sources are listed without a group (RFC
/// 9776 §4.1.11 knows no such query); [`Refusal::Group`] where the group is neither 0.0.0.0 nor multicast (RFC 2236
/// §6). Version 1 leaves its group field to be ignored (RFC 1112 Appendix I).
#[inline(always)]
pub fn parse<P: Packet>(packet: &P, kind: Kind, offset: usize, len: usize) -> Result<Query, Refusal> {
    let version = match kind {
        Kind::QueryV1 => 1,
        Kind::QueryV2 => 2,
        _ => 3,
    };
    let [_, max_resp_code, _, _, a, b, c, d] = packet.read::<8>(offset).ok_or(Refusal::TooShort)?;
    let group = if version == 1 {
        Ipv4Addr::UNSPECIFIED
    } else {
        Ipv4Addr::new(a, b, c, d)
    };
    let mut query = Query {
        version,
        max_resp_code,
        group,
        suppress: false,
        qrv: 0,
        qqic: 0,
        source_count: 0,
        sources: offset + V3_HEADER_LEN,
    };
    if version == 3 {
        let [flags, qqic, count_high, count_low] = packet.read::<4>(offset + 8).ok_or(Refusal::TooShort)?;
        query.suppress = flags & S_FLAG != 0;
        query.qrv = flags & QRV_MASK;
        query.qqic = qqic;
        query.source_count = u16::from_be_bytes([count_high, count_low]);
        if V3_HEADER_LEN + query.source_count as usize * 4 > len {
            return Err(Refusal::Malformed);
        }
    }
    if query.group.is_unspecified() {
        if query.source_count > 0 {
            return Err(Refusal::Malformed);
        }
    } else if !address::is_multicast(query.group) {
        return Err(Refusal::Group);
    }
    Ok(query)
}
