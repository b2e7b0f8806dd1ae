//! Reports and data packets of the commonest shape, judged with little work.
//!
//! Nearly all reports are alike: no tag, Router Alert as the only option of the IPv4 header, sent to a group, one group without
//! further bytes or some records of version 3 that exclude nothing. Then everything stands at a known place, and whether all is
//! right is told by a handful of comparisons.
//!
//! So does everything in a data packet without tag and without options.
//!
//! These functions answer for such packets alone, and what they accept, [`admit`](crate::admit) and [`data`](mod@crate::data)
//! accept. Of everything else, whatever is wrong or different with it, they say nothing, and it is judged from the beginning.

use core::net::Ipv4Addr;

use crate::{
    abi::{InterfaceConfig, InterfaceFlags},
    address, checksum, data,
    igmp::{
        message::{TYPE_V2_REPORT, TYPE_V3_REPORT},
        report::{HEADER_LEN, RECORD_HEADER_LEN},
    },
    ipv4,
};

/// Where the IPv4 header begins in such a frame.
pub const IP: usize = 14;
/// Where the message begins.
pub const MESSAGE: usize = IP + IP_LEN;
/// Where the records of a version 3 report begin.
pub const RECORDS: usize = MESSAGE + HEADER_LEN;
/// 32-bit words of the IPv4 header and of the 8 bytes that each message has.
pub const WORDS: usize = (IP_LEN + HEADER_LEN) / 4;
/// Most records that are looked at here: as many as a packet of 1,500 bytes holds.
pub const MAX_RECORDS: u32 = 183;

/// The first byte of the IPv4 header: its version, and its length in 32-bit words.
pub const VERSION_AND_LEN: u32 = 0x46;

/// Length of the IPv4 header in bytes.
const IP_LEN: usize = 24;

/// What such a report says before its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// IP source.
    pub source: u32,
    /// The group of a version 2 report; of a version 3 report the second word of the message.
    pub group: u32,
    /// How many records there are, 1 to [`MAX_RECORDS`]; 0 in a version 2 report.
    pub records: u32,
    /// The sum of the message's 32-bit words in native order so far, not folded: of all of a version 2 report, and of a
    /// version 3 report without its records.
    pub sum: u64,
}

/// Judges the beginning of a frame of `frame_len` bytes, of which this is the IPv4 header with the 8 bytes behind it, as words in
/// native order. The frame's EtherType is that of IPv4.
///
/// The checksum of the message is not judged, since the records are part of it; see [`is_intact`].
#[inline(always)]
pub fn report(words: &[u32; WORDS], frame_len: usize) -> Option<Report> {
    let [length, fragment, hop, source, destination, option, kind, group] = *words;
    // Version 4 with six words, no fragment, TTL 1 and protocol IGMP, a group as destination, Router Alert of four bytes.
    let shape = (length ^ word(VERSION_AND_LEN << 24)) & word(0xff00_0000)
        | fragment & word(0x0000_3fff)
        | (hop ^ word(0x0102_0000)) & word(0xffff_0000)
        | (destination ^ word(0xe000_0000)) & word(0xf000_0000)
        | (option ^ word(0x9404_0000)) & word(0xffff_0000);
    if shape != 0 {
        return None;
    }
    let header = [length, fragment, hop, source, destination, option];
    if !is_intact(header.into_iter().map(u64::from).sum()) {
        return None;
    }
    let total_len = (u32::from_be(length) & 0xffff) as usize;
    let group = u32::from_be(group);
    let [message_type, ..] = kind.to_ne_bytes();
    let records = match message_type {
        TYPE_V2_REPORT => 0,
        TYPE_V3_REPORT => group & 0xffff,
        _ => return None,
    };
    if (records == 0 && message_type == TYPE_V3_REPORT) || records > MAX_RECORDS {
        return None;
    }
    if total_len != IP_LEN + HEADER_LEN + records as usize * RECORD_HEADER_LEN || IP + total_len > frame_len {
        return None;
    }
    Some(Report {
        source: u32::from_be(source),
        group,
        records,
        sum: u64::from(kind) + u64::from(words[WORDS - 1]),
    })
}

/// 32-bit words of the IPv4 header of a data packet.
pub const DATA_WORDS: usize = ipv4::MIN_HEADER_LEN / 4;
/// Where the payload of a data packet begins.
pub const PAYLOAD: usize = IP + ipv4::MIN_HEADER_LEN;
/// The first byte of the IPv4 header of a data packet.
pub const DATA_VERSION_AND_LEN: u32 = 0x45;

/// Judges the beginning of a frame of `frame_len` bytes, of which this is the IPv4 header as words in native order. The frame's
/// EtherType is that of IPv4. What is accepted is for a group beyond the link and has a TTL to go on with.
///
/// Whether the source is the router itself is not judged; see [`is_own`].
#[inline(always)]
pub fn data(words: &[u32; DATA_WORDS], frame_len: usize) -> Option<data::Header> {
    let [length, fragment, hop, source, group] = *words;
    let shape = (length ^ word(DATA_VERSION_AND_LEN << 24)) & word(0xff00_0000)
        | (group ^ word(0xe000_0000)) & word(0xf000_0000);
    if shape != 0 || !is_intact(words.iter().map(|&word| u64::from(word)).sum()) {
        return None;
    }
    let total_len = (u32::from_be(length) & 0xffff) as usize;
    let [ttl, protocol, ..] = hop.to_ne_bytes();
    let [source, group] = [source, group].map(|word| Ipv4Addr::from_bits(u32::from_be(word)));
    if total_len < ipv4::MIN_HEADER_LEN || IP + total_len > frame_len {
        return None;
    }
    if ttl <= 1
        || protocol == ipv4::PROTOCOL_IGMP
        || address::is_link_local_group(group)
        || !address::is_unicast(source)
    {
        return None;
    }
    Some(data::Header {
        total_len,
        header_len: ipv4::MIN_HEADER_LEN,
        ttl,
        protocol,
        fragment: fragment & word(0x0000_3fff) != 0,
        source,
        group,
    })
}

/// Whether an address is one of the router's own on an interface with this configuration.
#[inline(always)]
pub fn is_own(config: &InterfaceConfig, address: u32) -> bool {
    for (index, prefix) in config.prefixes.iter().enumerate() {
        if index as u32 >= config.prefix_count {
            break;
        }
        if prefix.address == address {
            return true;
        }
    }
    false
}

/// Whether a header or message is intact whose 32-bit words, in native order, have this sum.
#[inline(always)]
pub const fn is_intact(sum: u64) -> bool {
    // The order of bytes changes neither 0xffff nor what folds to it (RFC 1071 §2).
    checksum::valid(checksum::fold(sum))
}

/// Whether an interface with this configuration accepts a report of this version from `source`.
#[inline(always)]
pub fn is_accepted(config: &InterfaceConfig, source: u32, is_version_3: bool) -> bool {
    let handled = config.flags & (InterfaceFlags::IGMP | InterfaceFlags::HOST) == InterfaceFlags::IGMP;
    if !handled || (is_version_3 && config.version < 3) {
        return false;
    }
    if source == 0 {
        return true;
    }
    if !address::is_unicast(Ipv4Addr::from_bits(source)) {
        return false;
    }
    let mut is_on_link = config.prefix_count == 0 || !config.has(InterfaceFlags::VERIFY_SOURCE_SUBNET);
    for (index, prefix) in config.prefixes.iter().enumerate() {
        if index as u32 >= config.prefix_count {
            break;
        }
        if prefix.address == source {
            return false;
        }
        is_on_link |= prefix.contains(source);
    }
    is_on_link
}

/// What is different in a record, given its first word in native order, from one that only names its group: 0 for `IS_EX({})`
/// and `TO_EX({})` without auxiliary data. Of several records the results can be combined by `|`.
#[inline(always)]
pub const fn difference(first_word: u32) -> u32 {
    // Type, length of auxiliary data, and two bytes with the number of sources. The types are 2 and 4, which are 0 and 2 when
    // two are taken off.
    u32::from_le(first_word).wrapping_sub(2) & !2
}

/// What a report asks for by naming a group and excluding nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// Membership.
    Group,
    /// Nothing that anybody keeps: a group of 224.0.0.0/24.
    LinkLocal,
    /// Something that is to be refused.
    Other,
}

/// Looks at the group that is named.
#[inline(always)]
pub const fn named(group: u32) -> Named {
    let address = Ipv4Addr::from_bits(group);
    if !address::is_multicast(address) || address::is_ssm(address) || group == address::ALL_SYSTEMS.to_bits()
    {
        Named::Other
    } else if address::is_link_local_group(address) {
        Named::LinkLocal
    } else {
        Named::Group
    }
}

/// A number in network order as it stands in a word that was read in native order.
#[inline(always)]
const fn word(number: u32) -> u32 {
    number.to_be()
}
