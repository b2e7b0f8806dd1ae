//! Encoded addresses (RFC 7761 §4.9.1).
//!
//! Each begins with an address family and an encoding type, which decide how long it is. Lengths are known for IPv4 and
//! IPv6 in their native encoding alone. An address of any other kind ends what can be read of a message, and with it
//! the message: there is no telling where the next field begins. Encodings beyond the native one, as those of RFC 5384,
//! are sent to routers only that offer them in their Hellos.

use core::net::Ipv4Addr;

use super::{Refusal, reader::Reader};
use crate::address::{is_link_local_group, is_multicast, is_unicast};

/// Length of an Encoded-Unicast address of IPv4, in bytes.
pub const ENCODED_UNICAST_LEN: usize = 6;
/// Length of an Encoded-Group address of IPv4, in bytes.
pub const ENCODED_GROUP_LEN: usize = 8;
/// Length of an Encoded-Source address of IPv4, in bytes.
pub const ENCODED_SOURCE_LEN: usize = 8;

/// The address family of IPv4, as IANA numbers address families.
pub(crate) const FAMILY_IPV4: u8 = 1;
/// The address family of IPv6.
const FAMILY_IPV6: u8 = 2;
/// The native encoding of an address family.
pub(crate) const ENCODING_NATIVE: u8 = 0;
/// The mask length of a single IPv4 address.
pub(crate) const MASK_LEN: u8 = 32;
/// The Sparse bit of an Encoded-Source address. It is always set in PIM-SM.
const SPARSE: u8 = 0x04;
/// The WildCard bit.
const WILDCARD: u8 = 0x02;
/// The Rendezvous Point Tree bit.
const RPT: u8 = 0x01;

/// What an entry in the list of joined or pruned sources is about: the three kinds of RFC 7761 §4.9.5.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// (\*,G): all sources, along the shared tree of the RP with this address.
    StarG(Ipv4Addr),
    /// (S,G): this source along its shortest-path tree.
    Sg(Ipv4Addr),
    /// (S,G,rpt): this source along the shared tree.
    SgRpt(Ipv4Addr),
}

impl Entry {
    /// The address in the entry: the source, or for (\*,G) the RP.
    pub const fn address(self) -> Ipv4Addr {
        match self {
            Self::StarG(address) | Self::Sg(address) | Self::SgRpt(address) => address,
        }
    }

    /// The bits Sparse, WildCard and RPT.
    const fn bits(self) -> u8 {
        match self {
            Self::StarG(_) => SPARSE | WILDCARD | RPT,
            Self::Sg(_) => SPARSE,
            Self::SgRpt(_) => SPARSE | RPT,
        }
    }

    /// The Encoded-Source address.
    pub(crate) const fn encode(self) -> [u8; ENCODED_SOURCE_LEN] {
        let [a, b, c, d] = self.address().octets();
        [FAMILY_IPV4, ENCODING_NATIVE, self.bits(), MASK_LEN, a, b, c, d]
    }
}

/// The Encoded-Group address of one group.
pub(crate) const fn encode_group(group: Ipv4Addr) -> [u8; ENCODED_GROUP_LEN] {
    let [a, b, c, d] = group.octets();
    [FAMILY_IPV4, ENCODING_NATIVE, 0, MASK_LEN, a, b, c, d]
}

/// The Encoded-Unicast address.
pub(crate) const fn encode_unicast(address: Ipv4Addr) -> [u8; ENCODED_UNICAST_LEN] {
    let [a, b, c, d] = address.octets();
    [FAMILY_IPV4, ENCODING_NATIVE, a, b, c, d]
}

/// Whether a group is one that routers tell each other about: multicast, and not of 224.0.0.0/24, which no router
/// forwards (RFC 5771 §4).
const fn is_routed_group(group: Ipv4Addr) -> bool {
    is_multicast(group) && !is_link_local_group(group)
}

/// Reads an Encoded-Unicast address. `None` for one of IPv6.
pub(super) fn unicast(reader: &mut Reader<'_>) -> Result<Option<Ipv4Addr>, Refusal> {
    let [family, encoding] = reader.take()?;
    address(reader, family, encoding)
}

/// Reads an Encoded-Group address. `None` for what is not a single IPv4 group that may be joined. The bits beside the
/// mask length are ignored: they are for bidirectional PIM and for Bootstrap messages.
pub(super) fn group(reader: &mut Reader<'_>) -> Result<Option<Ipv4Addr>, Refusal> {
    let [family, encoding, _, mask_len] = reader.take()?;
    let group = address(reader, family, encoding)?;
    Ok(group.filter(|group| mask_len == MASK_LEN && is_routed_group(*group)))
}

/// Reads an Encoded-Source address. `None` for what is not a single IPv4 address, and for combinations of bits that no
/// sender of PIM-SM makes. The reserved bits are ignored.
pub(super) fn source(reader: &mut Reader<'_>) -> Result<Option<Entry>, Refusal> {
    let [family, encoding, bits, mask_len] = reader.take()?;
    let address = address(reader, family, encoding)?;
    Ok(address
        .filter(|address| mask_len == MASK_LEN && is_unicast(*address))
        .and_then(|address| {
            [Entry::StarG(address), Entry::Sg(address), Entry::SgRpt(address)]
                .into_iter()
                .find(|entry| entry.bits() == bits & (SPARSE | WILDCARD | RPT))
        }))
}

/// Reads the address itself. `None` for one of IPv6.
fn address(reader: &mut Reader<'_>, family: u8, encoding: u8) -> Result<Option<Ipv4Addr>, Refusal> {
    match (family, encoding) {
        (FAMILY_IPV4, ENCODING_NATIVE) => Ok(Some(Ipv4Addr::from_octets(reader.take()?))),
        (FAMILY_IPV6, ENCODING_NATIVE) => reader.take::<16>().map(|_| None),
        _ => Err(Refusal::Malformed),
    }
}
