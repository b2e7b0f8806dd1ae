//! What happens to PIM.

use core::net::Ipv4Addr;

use super::{Message, PimConfig, PimInterfaceConfig};
use crate::{InterfaceId, member::MemberChange};

/// An input of [`Pim::handle`](super::Pim::handle).
#[derive(Clone, Debug, PartialEq)]
pub enum PimEvent {
    /// Another configuration holds for all interfaces.
    Configure(PimConfig),
    /// An interface came up, or its configuration, addresses or MTU changed.
    InterfaceUp {
        /// The interface.
        interface: InterfaceId,
        /// How PIM runs there. Without it, this router sends nothing there and takes itself for the only one that serves
        /// the members of the link.
        config: Option<PimInterfaceConfig>,
        /// The primary address, from which messages are sent. Without it nothing is.
        address: Option<Ipv4Addr>,
        /// The other addresses of the interface, which neighbours are told of (Address List, RFC 7761 §4.3.4).
        secondary_addresses: Vec<Ipv4Addr>,
        /// Its MTU in bytes, to split messages by.
        mtu: u32,
    },
    /// An interface went down, vanished or is no longer configured.
    InterfaceDown {
        /// The interface.
        interface: InterfaceId,
    },
    /// A message was received.
    Message {
        /// Where.
        interface: InterfaceId,
        /// The IP source.
        sender: Ipv4Addr,
        /// The message.
        message: Message,
    },
    /// Members on an interface want something else, from
    /// [`Router::take_member_changes`](crate::Router::take_member_changes).
    Member(MemberChange),
    /// Packets of a source were seen of which that was not known, or packets came in on an interface where an assert or the
    /// source's own tree may follow from them (RFC 7761 §4.2). It may be told more than once, and now and then it may not
    /// be told: then a later packet will.
    Packet {
        /// Where they came in.
        interface: InterfaceId,
        /// The source.
        source: Ipv4Addr,
        /// The group.
        group: Ipv4Addr,
    },
    /// Unicast routes have changed: [`Surroundings::towards`](super::Surroundings::towards) may answer otherwise for any
    /// address.
    RoutesChanged,
}
