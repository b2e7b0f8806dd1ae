//! IPv4 headers in front of IGMP and PIM messages.

use core::net::Ipv4Addr;

use super::{
    Error,
    writer::{Writer, first, put_checksum},
};
use crate::ipv4::{MIN_HEADER_LEN, ROUTER_ALERT};

/// Length of the longest header that is written: one with the Router Alert option.
pub(super) const MAX_HEADER_LEN: usize = MIN_HEADER_LEN + ROUTER_ALERT.len();

/// The precedence that messages travel with, Internetwork Control. RFC 9776 §4 asks for it, RFC 7761 says nothing, and
/// other PIM routers use it.
const TYPE_OF_SERVICE: u8 = 0xc0;
/// The flag Don't Fragment, as the upper byte of flags and fragment offset.
const DONT_FRAGMENT: u8 = 0x40;
/// No router passes a message on (RFC 9776 §4, RFC 7761 §4.9).
const TTL: u8 = 1;

/// The header of an IPv4 packet that carries an IGMP or PIM message: TTL 1, type of service 0xC0, Don't Fragment, and
/// the Router Alert option where it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Header {
    /// Protocol number of the payload.
    pub protocol: u8,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Identification. Any value will do, the same one each time as well: it has a meaning only in packets that may be
    /// fragmented (RFC 6864 §4.1).
    pub identification: u16,
    /// Whether to add the Router Alert option (RFC 2113).
    pub router_alert: bool,
    /// Length of the payload, in bytes.
    pub payload_len: usize,
}

impl Ipv4Header {
    /// Length in bytes, 24 with the Router Alert option and 20 without.
    pub const fn buffer_len(&self) -> usize {
        if self.router_alert {
            MAX_HEADER_LEN
        } else {
            MIN_HEADER_LEN
        }
    }

    /// Writes the header, checksum included, to the beginning of `buffer` and returns its length.
    ///
    /// # Errors
    ///
    /// [`Error::BufferTooSmall`]; [`Error::TooLong`] where header and payload are more than 65,535 bytes.
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        let len = self.buffer_len();
        let Self {
            protocol,
            source,
            destination,
            identification,
            router_alert,
            payload_len,
        } = *self;
        let total_len = u16::try_from(payload_len.saturating_add(len))
            .map_err(|_| Error::TooLong { len: payload_len })?;
        let header = first(buffer, len)?;
        // 20 and 24 are multiples of four, and 5 and 6 fit the four bits of the header length.
        let version_and_len = 4 << 4 | (len / 4) as u8;

        let mut writer = Writer::new(header);
        writer.put([version_and_len, TYPE_OF_SERVICE])?;
        writer.put(total_len.to_be_bytes())?;
        writer.put(identification.to_be_bytes())?;
        writer.put([DONT_FRAGMENT, 0, TTL, protocol, 0, 0])?;
        writer.put(source.octets())?;
        writer.put(destination.octets())?;
        if router_alert {
            writer.put(ROUTER_ALERT)?;
        }
        put_checksum::<10>(header);
        Ok(len)
    }
}
