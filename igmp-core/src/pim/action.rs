//! What PIM wants done.

use core::net::Ipv4Addr;

use super::Message;
use crate::InterfaceId;

/// An output of [`Pim`](super::Pim). The caller carries them out in order.
#[derive(Clone, Debug, PartialEq)]
pub enum PimAction {
    /// Send a message to 224.0.0.13. It fits into the MTU.
    Send {
        /// The interface.
        interface: InterfaceId,
        /// The IP source: the primary address of the interface, or in a goodbye the one that it had until now.
        source: Ipv4Addr,
        /// The message.
        message: Message,
    },
    /// Where packets come in and go to from now on: only those that come in on `incoming` are accepted, and they go out of
    /// these interfaces but the one that they came in on.
    ///
    /// As with [`Action::SetRoute`](crate::Action::SetRoute), the route of a source takes precedence over that of its group,
    /// and of a group the actions come in such an order that no member misses a packet that it wants before and after.
    SetRoute {
        /// The group.
        group: Ipv4Addr,
        /// The source, `None` for all that have no route of their own.
        source: Option<Ipv4Addr>,
        /// The interface towards the source or the RP (RPF interface), `None` where there is none: then nothing is accepted.
        incoming: Option<InterfaceId>,
        /// The outgoing interfaces (`inherited_olist`, RFC 7761 §4.1.6), ascending.
        outgoing: Vec<InterfaceId>,
    },
    /// The route is no longer needed.
    RemoveRoute {
        /// The group.
        group: Ipv4Addr,
        /// The source, `None` for the route of the group.
        source: Option<Ipv4Addr>,
    },
    /// Tell operators.
    Notify(PimNotification),
    /// Something that an operator should read in the log. The core limits how often it says the same.
    Warn(PimWarning),
}

/// Something that happened, for `igmpctl monitor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PimNotification {
    /// A neighbour was heard for the first time.
    NeighborUp {
        /// Where.
        interface: InterfaceId,
        /// Its primary address.
        address: Ipv4Addr,
    },
    /// A neighbour said goodbye, was not heard for its hold time, or has started anew.
    NeighborDown {
        /// Where.
        interface: InterfaceId,
        /// Its primary address.
        address: Ipv4Addr,
        /// Why.
        reason: NeighborDownReason,
    },
    /// Another router, or this one, is the Designated Router of a link now.
    DrChanged {
        /// The link.
        interface: InterfaceId,
        /// Its primary address.
        dr: Ipv4Addr,
    },
}

/// Why a neighbour is one no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighborDownReason {
    /// It said so: a Hello with hold time 0.
    Goodbye,
    /// Its hold time has ended.
    Timeout,
    /// It has another Generation ID, so that it has lost what it was told. Its [`PimNotification::NeighborUp`] follows.
    Restarted,
    /// The interface went down, or PIM was taken from it.
    Interface,
}

/// Something for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PimWarning {
    /// There are as many neighbours on a link as are allowed, and one more was not taken in.
    TooManyNeighbors {
        /// The link.
        interface: InterfaceId,
        /// The router that was refused.
        address: Ipv4Addr,
        /// The limit.
        limit: usize,
    },
    /// Two neighbours claim the same address. The last one has it (RFC 7761 §4.3.4).
    AddressConflict {
        /// The link.
        interface: InterfaceId,
        /// The address.
        address: Ipv4Addr,
        /// The primary address of the neighbour that had it.
        before: Ipv4Addr,
        /// The primary address of the neighbour that has it now.
        now: Ipv4Addr,
    },
    /// There are as many entries as are allowed, and joins or sources were refused.
    TooManyEntries {
        /// Where the first of them came from.
        interface: InterfaceId,
        /// The group.
        group: Ipv4Addr,
        /// The limit.
        limit: usize,
    },
    /// Another router takes another address for the RP of a group (RFC 7761 §4.5.1).
    RpMismatch {
        /// Where.
        interface: InterfaceId,
        /// The other router.
        neighbor: Ipv4Addr,
        /// The group.
        group: Ipv4Addr,
        /// The RP that it joined.
        theirs: Ipv4Addr,
        /// The RP by this router's configuration, if it has one for the group.
        ours: Option<Ipv4Addr>,
    },
}
