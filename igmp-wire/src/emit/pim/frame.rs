//! Whole frames with PIM messages.

use core::net::Ipv4Addr;

use super::{
    super::{
        Error, EthernetHeader, Ipv4Header,
        writer::{first, split},
    },
    Message,
};
use crate::{
    address::ALL_PIM_ROUTERS,
    ethernet::{Vlan, multicast_mac},
    ipv4::PROTOCOL_PIM,
};

/// An Ethernet frame with a PIM message: to 224.0.0.13, with TTL 1 and without options (RFC 7761 §4.9).
///
/// Don't Fragment is set: what a router sends is no longer than the MTU, since
/// [`JoinPrune::pack`](super::JoinPrune::pack) keeps to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Ethernet source address: that of the interface.
    pub source_mac: [u8; 6],
    /// The VLAN that the frame is sent in.
    pub vlan: Vlan,
    /// IP source address: the interface's primary address, the same in all messages. It is what neighbours know this
    /// router by.
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
            destination: multicast_mac(ALL_PIM_ROUTERS),
            source: self.source_mac,
            vlan: self.vlan,
        }
    }

    /// The IPv4 header.
    pub fn ipv4(&self) -> Ipv4Header {
        Ipv4Header {
            protocol: PROTOCOL_PIM,
            source: self.source,
            destination: ALL_PIM_ROUTERS,
            identification: self.identification,
            router_alert: false,
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
