//! Whole frames with IGMP messages.

use core::net::Ipv4Addr;

use super::{
    Error, EthernetHeader, Ipv4Header, Message,
    writer::{first, split},
};
use crate::{
    ethernet::{Vlan, multicast_mac},
    ipv4::PROTOCOL_IGMP,
};

/// An Ethernet frame with an IGMP message, as a standard sender sends it: to the addresses that the message goes to,
/// and with the Router Alert option on everything but version 1 (RFC 9776 §4, RFC 2236 §2).
///
/// Frames shorter than Ethernet's minimum are left for the device to pad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Ethernet source address: that of the interface.
    pub source_mac: [u8; 6],
    /// The VLAN that the frame is sent in.
    pub vlan: Vlan,
    /// IP source address: the interface's primary address.
    pub source: Ipv4Addr,
    /// IP identification; see [`Ipv4Header::identification`].
    pub identification: u16,
    /// The message.
    pub message: Message<'a>,
}

impl Frame<'_> {
    /// The Ethernet header.
    pub const fn ethernet(&self) -> EthernetHeader {
        EthernetHeader {
            destination: multicast_mac(self.message.destination()),
            source: self.source_mac,
            vlan: self.vlan,
        }
    }

    /// The IPv4 header.
    pub fn ipv4(&self) -> Ipv4Header {
        Ipv4Header {
            protocol: PROTOCOL_IGMP,
            source: self.source,
            destination: self.message.destination(),
            identification: self.identification,
            router_alert: self.message.kind().carries_router_alert(),
            payload_len: self.message.buffer_len(),
        }
    }

    /// Length in bytes, without padding. `usize::MAX` where the message is too long for any packet.
    pub fn buffer_len(&self) -> usize {
        let headers = self.ethernet().buffer_len() + self.ipv4().buffer_len();
        self.message.buffer_len().saturating_add(headers)
    }

    /// Writes the frame to the beginning of `buffer` and returns its length.
    ///
    /// # Errors
    ///
    /// [`Error::BufferTooSmall`]; [`Error::TooLong`] where the message is longer than
    /// [`MAX_MESSAGE_LEN`](super::MAX_MESSAGE_LEN).
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.message.checked_len()?;
        let len = self.buffer_len();
        let (ethernet, ipv4) = (self.ethernet(), self.ipv4());
        let (ethernet_part, rest) = split(first(buffer, len)?, ethernet.buffer_len())?;
        let (ipv4_part, message_part) = split(rest, ipv4.buffer_len())?;
        ethernet.emit(ethernet_part)?;
        ipv4.emit(ipv4_part)?;
        self.message.emit(message_part)?;
        Ok(len)
    }
}
