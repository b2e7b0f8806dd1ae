//! PIM version 2 messages (RFC 7761 §4.9): Hello, Join/Prune and Assert.
//!
//! Unlike IGMP, which the XDP program reads, PIM is read in user space alone, from packets that a raw socket delivers
//! whole. [`open`] therefore takes a slice and looks at every byte of it at once: what it returns is in order from the
//! first option to the last address, and going through it cannot fail. Addresses stay in the packet.
//!
//! Sending is in [`emit::pim`](crate::emit::pim).

use core::net::Ipv4Addr;

use reader::Reader;

use crate::{
    address::{ALL_PIM_ROUTERS, is_unicast},
    checksum,
    ipv4::{MIN_HEADER_LEN, PROTOCOL_PIM},
};

pub(crate) mod assert;
pub(crate) mod encoded;
pub(crate) mod hello;
mod join_prune;
mod reader;
mod refusal;

pub use assert::{ASSERT_LEN, Assert, INFINITE_METRIC, INFINITE_METRIC_PREFERENCE};
pub use encoded::{ENCODED_GROUP_LEN, ENCODED_SOURCE_LEN, ENCODED_UNICAST_LEN, Entry};
pub use hello::{HOLDTIME_FOREVER, Hello, LanPruneDelay, SecondaryAddresses};
pub use join_prune::{
    Entries, GROUP_SET_HEADER_LEN, GroupSet, GroupSets, JOIN_PRUNE_HEADER_LEN, JOIN_PRUNE_HOLDTIME_FOREVER,
    JoinPrune, MAX_GROUP_SETS,
};
pub use refusal::Refusal;

/// Length of the header that all PIM messages have, in bytes.
pub const HEADER_LEN: usize = 4;
/// The version of PIM.
pub(crate) const VERSION: u8 = 2;

/// The types of message that there is a use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Type {
    Hello = 0,
    JoinPrune = 3,
    Assert = 5,
}

impl Type {
    const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Hello),
            3 => Some(Self::JoinPrune),
            5 => Some(Self::Assert),
            _ => None,
        }
    }
}

/// A message that came from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Who sent it. It is the address of some host, but need not be one on the link, nor that of a neighbour.
    pub source: Ipv4Addr,
    /// The message.
    pub message: Message<'a>,
}

/// A message that is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A Hello.
    Hello(Hello<'a>),
    /// A Join/Prune.
    JoinPrune(JoinPrune<'a>),
    /// An Assert.
    Assert(Assert),
}

/// Opens an IPv4 packet with its header, as a raw socket of protocol 103 delivers it.
///
/// The TTL may be any: RFC 7761 §4.9 has it sent as 1, but does not ask for a look at it, and the destination is not
/// one that leaves its link. The IPv4 header's checksum is not looked at either, since the kernel did that before it
/// put fragments together and delivered.
///
/// # Errors
///
/// The first that applies, in this order:
///
/// 1. [`Refusal::TooShort`]: there are fewer than the 20 bytes of an IPv4 header.
/// 2. [`Refusal::Malformed`]: the header is not one of IPv4, its lengths cannot be, it is one of a fragment or of
///    another protocol.
/// 3. [`Refusal::TooShort`]: the packet has fewer bytes than its header says, or the message fewer than 4.
/// 4. [`Refusal::Version`], [`Refusal::UnsupportedType`]: before the checksum, which for some types covers only a part
///    of the message.
/// 5. [`Refusal::Destination`]: it is not 224.0.0.13.
/// 6. [`Refusal::Source`]: it is not unicast.
/// 7. [`Refusal::Checksum`].
/// 8. [`Refusal::Malformed`]: what the message holds does not end where the message ends, an option has a length that
///    is not its own, an address is of no use where it stands. Entries of a Join/Prune that are of no use are left out
///    instead; see [`JoinPrune::groups`].
pub fn open(ip_packet: &[u8]) -> Result<Received<'_>, Refusal> {
    let header: &[u8; MIN_HEADER_LEN] = ip_packet.first_chunk().ok_or(Refusal::TooShort)?;
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
    if header[0] >> 4 != 4 || header_len < MIN_HEADER_LEN || total_len < header_len {
        return Err(Refusal::Malformed);
    }
    if fragment || header[9] != PROTOCOL_PIM {
        return Err(Refusal::Malformed);
    }
    let message = ip_packet.get(header_len..total_len).ok_or(Refusal::TooShort)?;
    let source = Ipv4Addr::new(header[12], header[13], header[14], header[15]);
    let destination = Ipv4Addr::new(header[16], header[17], header[18], header[19]);
    let message = open_message(message, source, destination)?;
    Ok(Received { source, message })
}

/// Opens the message behind the IPv4 header.
fn open_message(bytes: &[u8], source: Ipv4Addr, destination: Ipv4Addr) -> Result<Message<'_>, Refusal> {
    let ([version_and_type, ..], content) =
        bytes.split_first_chunk::<HEADER_LEN>().ok_or(Refusal::TooShort)?;
    if version_and_type >> 4 != VERSION {
        return Err(Refusal::Version);
    }
    let message_type = Type::from_code(version_and_type & 0x0f).ok_or(Refusal::UnsupportedType)?;
    if destination != ALL_PIM_ROUTERS {
        return Err(Refusal::Destination);
    }
    if !is_unicast(source) {
        return Err(Refusal::Source);
    }
    if !checksum::valid(checksum::sum(bytes)) {
        return Err(Refusal::Checksum);
    }
    let content = Reader::new(content);
    match message_type {
        Type::Hello => Hello::parse(content, source).map(Message::Hello),
        Type::JoinPrune => JoinPrune::parse(content).map(Message::JoinPrune),
        Type::Assert => Assert::parse(content).map(Message::Assert),
    }
}
