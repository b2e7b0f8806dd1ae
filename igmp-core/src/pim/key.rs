//! What deadlines belong to.

use core::net::Ipv4Addr;

use super::trees::TreeKey;
use crate::InterfaceId;

/// What a deadline belongs to. The order is that in which deadlines of the same instant are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// The Hello Timer of an interface (RFC 7761 §4.3.1).
    Hello(InterfaceId),
    /// The Neighbor Liveness Timer of a neighbour (§4.3.2).
    Neighbor(InterfaceId, Ipv4Addr),
    /// A timer of a tree.
    Tree(TreeKey),
}
