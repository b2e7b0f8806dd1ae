//! Ethernet II headers with up to two VLAN tags.

use crate::Packet;

/// Length of an Ethernet header without tags, in bytes.
pub const HEADER_LEN: usize = 14;
/// Length of one VLAN tag, in bytes.
pub const TAG_LEN: usize = 4;
/// EtherType of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of a customer VLAN tag (IEEE 802.1Q).
pub const ETHERTYPE_VLAN: u16 = 0x8100;
/// EtherType of a service VLAN tag (IEEE 802.1ad).
pub const ETHERTYPE_SERVICE_VLAN: u16 = 0x88a8;

/// The VLAN a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vlan {
    /// No tag, or one that carries a priority only (VLAN ID 0).
    Untagged,
    /// One tag with this VLAN ID, 1 to 4095.
    Tagged(u16),
    /// Two tags, outer and inner VLAN ID.
    Stacked(u16, u16),
}

/// An Ethernet header with its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The VLAN that the tags name.
    pub vlan: Vlan,
    /// The EtherType behind the last tag.
    pub ethertype: u16,
    /// Where the payload begins, in bytes from the start of the frame.
    pub payload: usize,
}

#[inline(always)]
const fn is_tag(ethertype: u16) -> bool {
    ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_SERVICE_VLAN
}

/// Reads an Ethernet header. `None` where the frame ends within it.
///
/// A third tag is not followed: the header's `ethertype` then is that of the tag, so the frame is not IPv4 to us.
#[inline(always)]
pub fn parse<P: Packet>(packet: &P) -> Option<Header> {
    let ethertype = packet.read_u16(12)?;
    if !is_tag(ethertype) {
        return Some(Header {
            vlan: Vlan::Untagged,
            ethertype,
            payload: HEADER_LEN,
        });
    }
    let outer = packet.read_u16(HEADER_LEN)? & 0x0fff;
    let ethertype = packet.read_u16(HEADER_LEN + 2)?;
    if !is_tag(ethertype) {
        let vlan = if outer == 0 {
            Vlan::Untagged
        } else {
            Vlan::Tagged(outer)
        };
        return Some(Header {
            vlan,
            ethertype,
            payload: HEADER_LEN + TAG_LEN,
        });
    }
    let inner = packet.read_u16(HEADER_LEN + TAG_LEN)? & 0x0fff;
    let ethertype = packet.read_u16(HEADER_LEN + TAG_LEN + 2)?;
    Some(Header {
        vlan: Vlan::Stacked(outer, inner),
        ethertype,
        payload: HEADER_LEN + 2 * TAG_LEN,
    })
}

/// The Ethernet address that frames for a multicast group are sent to: 01:00:5e and the low 23 bits of the group
/// (RFC 1112 §6.4). 32 groups share each one.
#[inline]
pub const fn multicast_mac(group: core::net::Ipv4Addr) -> [u8; 6] {
    let [_, b, c, d] = group.octets();
    [0x01, 0x00, 0x5e, b & 0x7f, c, d]
}
