//! Multicast data: the order in which a packet is judged before it is forwarded.
//!
//! A packet is counted under the first reason that applies:
//!
//! | | what must hold | else |
//! |---|---|---|
//! | 1 | the IPv4 header is there, is one, and the frame holds the packet | [`TooShort`](Refusal::TooShort), [`Malformed`](Refusal::Malformed) |
//! | 2 | the checksum of the header, options included, is right | [`Checksum`](Refusal::Checksum) |
//! | 3 | the source can be a host's, and is not this router's own | [`Source`](Refusal::Source) |
//!
//! What comes next depends on the routes and is up to the caller: members on another interface
//! ([`NoMembers`](Refusal::NoMembers)), the right interface ([`Rpf`](Refusal::Rpf)), TTL ([`Ttl`](Refusal::Ttl)), MTU
//! ([`Mtu`](Refusal::Mtu)).
//!
//! Fragments are packets like any other, since nothing behind the IP header decides where a packet goes. Options are
//! carried along unchanged: a router may leave Record Route and Timestamp alone (RFC 1812 §4.2.2.1 is about unicast),
//! and nobody routes multicast by Source Route.

use core::net::Ipv4Addr;

use crate::{
    Packet, Refusal,
    abi::InterfaceConfig,
    address, checksum,
    ipv4::{MIN_HEADER_LEN, PROTOCOL_UDP},
};

/// The header of a packet to forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the packet in bytes, from the IP header on. The frame may be longer.
    pub total_len: usize,
    /// Length of the IP header in bytes, 20 to 60.
    pub header_len: usize,
    /// Time to live.
    pub ttl: u8,
    /// Protocol number of the payload.
    pub protocol: u8,
    /// Whether this is a fragment.
    pub fragment: bool,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub group: Ipv4Addr,
}

/// Judges the packet whose IPv4 header is at `ip`, in a frame of `frame_len` bytes.
///
/// # Errors
///
/// The first reason of those that the [module](self) lists.
#[inline(always)]
pub fn judge<P: Packet>(
    packet: &P,
    ip: usize,
    frame_len: usize,
    config: &InterfaceConfig,
) -> Result<Header, Refusal> {
    let bytes = packet.read::<MIN_HEADER_LEN>(ip).ok_or(Refusal::TooShort)?;
    let header_len = ((bytes[0] & 0x0f) as usize) * 4;
    let total_len = u16::from_be_bytes([bytes[2], bytes[3]]) as usize;
    if bytes[0] >> 4 != 4 || header_len < MIN_HEADER_LEN || total_len < header_len {
        return Err(Refusal::Malformed);
    }
    if ip + total_len > frame_len {
        return Err(Refusal::TooShort);
    }
    let sum = if header_len == MIN_HEADER_LEN {
        checksum::sum_header(&bytes)
    } else {
        checksum::sum_within(packet, ip, header_len).ok_or(Refusal::TooShort)?
    };
    if !checksum::valid(sum) {
        return Err(Refusal::Checksum);
    }
    let source = Ipv4Addr::new(bytes[12], bytes[13], bytes[14], bytes[15]);
    if !address::is_unicast(source) || config.is_own(source.to_bits()) {
        return Err(Refusal::Source);
    }
    Ok(Header {
        total_len,
        header_len,
        ttl: bytes[8],
        protocol: bytes[9],
        fragment: u16::from_be_bytes([bytes[6], bytes[7]]) & 0x3fff != 0,
        source,
        group: Ipv4Addr::new(bytes[16], bytes[17], bytes[18], bytes[19]),
    })
}

/// Whether all checksums in the packet are there, of one that comes from the other end of a virtual pair: the network
/// stack there leaves computing them to hardware that there is not, and XDP cannot tell the next interface what is
/// missing.
///
/// That is certain of fragments, whose checksums were computed before they were cut, and of UDP with a checksum of its
/// own. A checksum that is to be computed holds the sum of the pseudo header alone; a complete one looks like that once
/// in 65,536 packets, so then the whole packet is summed. What else there is may be a tunnel with something incomplete
/// inside.
#[inline(always)]
pub fn has_complete_checksum<P: Packet>(packet: &P, ip: usize, header: &Header) -> bool {
    if header.fragment {
        return true;
    }
    if header.protocol != PROTOCOL_UDP {
        return false;
    }
    let udp = ip + header.header_len;
    let Some([_, _, _, _, len_high, len_low, sum_high, sum_low]) = packet.read::<8>(udp) else {
        return false;
    };
    let [len, found] = [[len_high, len_low], [sum_high, sum_low]].map(u16::from_be_bytes);
    if found == 0 {
        return false;
    }
    let pseudo = pseudo_header_sum(header, len);
    if found != checksum::fold(pseudo) {
        return true;
    }
    let whole = checksum::sum_within(packet, udp, len as usize).unwrap_or(0);
    checksum::valid(checksum::fold(pseudo + u64::from(whole)))
}

/// The part of [`has_complete_checksum`] that takes no more than a look at the UDP header behind the IP header: whether that is
/// certain of a packet that is no fragment.
#[inline(always)]
pub fn is_certainly_complete(header: &Header, udp: [u8; 8]) -> bool {
    let [_, _, _, _, len_high, len_low, sum_high, sum_low] = udp;
    let [len, found] = [[len_high, len_low], [sum_high, sum_low]].map(u16::from_be_bytes);
    header.protocol == PROTOCOL_UDP && found != 0 && found != checksum::fold(pseudo_header_sum(header, len))
}

/// The sum of the pseudo header of UDP (RFC 768), not folded.
#[inline(always)]
fn pseudo_header_sum(header: &Header, len: u16) -> u64 {
    let [source, group] = [header.source, header.group].map(|address| u64::from(address.to_bits()));
    let words = |number: u64| (number >> 16) + (number & 0xffff);
    words(source) + words(group) + u64::from(PROTOCOL_UDP) + u64::from(len)
}

/// The checksum of a header whose TTL goes down by one, computed from the one before (RFC 1624 §3, equation 3; RFC 1141
/// is the same for this change).
#[inline(always)]
pub const fn checksum_after_hop(checksum: u16, ttl: u8, protocol: u8) -> u16 {
    let old = (ttl as u16) << 8 | protocol as u16;
    let new = (ttl.wrapping_sub(1) as u16) << 8 | protocol as u16;
    !checksum::fold(!checksum as u64 + !old as u64 + new as u64)
}
