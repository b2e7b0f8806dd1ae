//! IPv4 headers, as far as a receiver of IGMP looks at them.

use core::net::Ipv4Addr;

use crate::{
    Packet, Refusal,
    packet::MAX_FRAME_LEN,
    packet::{Turn, Walk},
};

/// Length of a header without options, in bytes.
pub const MIN_HEADER_LEN: usize = 20;
/// IP protocol number of IGMP.
pub const PROTOCOL_IGMP: u8 = 2;
/// IP protocol number of PIM (RFC 7761 §4.9).
pub const PROTOCOL_PIM: u8 = 103;
/// IP protocol number of UDP.
pub const PROTOCOL_UDP: u8 = 17;
/// The Router Alert option (RFC 2113 §2.1): copied, number 20, length 4, value 0.
pub const ROUTER_ALERT: [u8; 4] = [0x94, 0x04, 0x00, 0x00];
/// The IP option type of Router Alert.
const OPTION_ROUTER_ALERT: u8 = 0x94;
/// The largest number of option bytes that an IPv4 header can hold.
const MAX_OPTIONS_LEN: usize = 40;

/// What an IPv4 header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where the header begins in the frame, in bytes.
    pub offset: usize,
    /// Length of the header with its options, in bytes, 20 to 60.
    pub header_len: usize,
    /// Length of the payload, in bytes. The frame may be longer (Ethernet padding).
    pub payload_len: usize,
    /// Whether this is a fragment: more are to follow, or the offset is not zero.
    pub fragment: bool,
    /// Time to live.
    pub ttl: u8,
    /// Protocol number of the payload.
    pub protocol: u8,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
}

impl Header {
    /// Where the payload begins in the frame, in bytes.
    #[inline(always)]
    pub const fn payload(&self) -> usize {
        self.offset + self.header_len
    }
}

/// Reads protocol number and destination alone, to tell IGMP and multicast from all other traffic with as little work
/// as possible.
///
/// `None` where the frame is too short or the version is not 4.
#[inline(always)]
pub fn content<P: Packet>(packet: &P, offset: usize) -> Option<(u8, Ipv4Addr)> {
    let bytes = packet.read::<MIN_HEADER_LEN>(offset)?;
    let destination = Ipv4Addr::new(bytes[16], bytes[17], bytes[18], bytes[19]);
    (bytes[0] >> 4 == 4).then_some((bytes[9], destination))
}

/// Reads the header at `offset`.
///
/// # Errors
///
/// [`Refusal::TooShort`] where the frame ends before the header or before the length that the header gives;
/// [`Refusal::Malformed`] where the version, the header length or the total length cannot be, or where the packet is
/// all there but ends beyond [`MAX_FRAME_LEN`]: the verifier lets nobody read that far, so nobody does.
#[inline(always)]
pub fn parse<P: Packet>(packet: &P, offset: usize, frame_len: usize) -> Result<Header, Refusal> {
    let bytes = packet.read::<MIN_HEADER_LEN>(offset).ok_or(Refusal::TooShort)?;
    let header_len = ((bytes[0] & 0x0f) as usize) * 4;
    let total_len = u16::from_be_bytes([bytes[2], bytes[3]]) as usize;
    if bytes[0] >> 4 != 4 || header_len < MIN_HEADER_LEN || total_len < header_len {
        return Err(Refusal::Malformed);
    }
    if offset + total_len > frame_len {
        return Err(Refusal::TooShort);
    }
    if offset + total_len > MAX_FRAME_LEN {
        return Err(Refusal::Malformed);
    }
    Ok(Header {
        offset,
        header_len,
        payload_len: total_len - header_len,
        fragment: u16::from_be_bytes([bytes[6], bytes[7]]) & 0x3fff != 0,
        ttl: bytes[8],
        protocol: bytes[9],
        source: Ipv4Addr::new(bytes[12], bytes[13], bytes[14], bytes[15]),
        destination: Ipv4Addr::new(bytes[16], bytes[17], bytes[18], bytes[19]),
    })
}

/// Whether the header carries the Router Alert option (RFC 2113), at whatever place among its options. The option's
/// value is ignored, as RFC 2113 §2.2 asks. Options behind one whose length cannot be are not looked for, and an option
/// that does not fit into the header is none.
#[inline(always)]
pub fn has_router_alert<P: Packet>(packet: &P, header: &Header) -> bool {
    let first = header.offset + MIN_HEADER_LEN;
    // Nearly every IGMP packet has this option alone, so that case is one comparison.
    if header.header_len >= MIN_HEADER_LEN + 4
        && let Some([OPTION_ROUTER_ALERT, 4, ..]) = packet.read::<4>(first)
    {
        return true;
    }
    let mut walk = OptionWalk {
        first,
        end: header.payload(),
        skip: 0,
        found: 0,
    };
    packet.repeat(MAX_OPTIONS_LEN as u32, &mut walk);
    walk.found != 0
}

/// A walk over the options of a header, byte by byte.
struct OptionWalk {
    /// Where the options begin in the frame.
    first: usize,
    /// Where the options end in the frame.
    end: usize,
    /// How many of the next bytes belong to an option already seen.
    skip: u32,
    /// Not 0 once Router Alert was found.
    found: u32,
}

impl<P: Packet> Walk<P> for OptionWalk {
    #[inline(always)]
    fn turn(&mut self, index: u32, packet: &P) -> Turn {
        let at = self.first + index as usize;
        // The shortest option with a length has two bytes. A single one at the end can only be padding.
        if at + 2 > self.end {
            return Turn::Done;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return Turn::More;
        }
        let Some([kind, len]) = packet.read::<2>(at) else {
            return Turn::Done;
        };
        match kind {
            0 => return Turn::Done,
            1 => {}
            OPTION_ROUTER_ALERT => {
                self.found = u32::from(len == 4 && at + 4 <= self.end);
                return Turn::Done;
            }
            _ if len < 2 => return Turn::Done,
            _ => self.skip = u32::from(len) - 1,
        }
        Turn::More
    }
}
