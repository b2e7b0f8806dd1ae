//! What PIM knows, to look at.

use core::net::Ipv4Addr;

use crate::{
    InterfaceId,
    time::{Duration, Instant},
};

/// PIM on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PimInterfaceView {
    /// The primary address.
    pub address: Option<Ipv4Addr>,
    /// The Designated Router (RFC 7761 §4.3.2), `None` where that would be this router and it has no address.
    pub dr: Option<Ipv4Addr>,
    /// Whether that is this router.
    pub is_dr: bool,
    /// This router's DR Priority.
    pub dr_priority: u32,
    /// The Generation ID that neighbours are told, `None` where nothing can be sent.
    pub generation_id: Option<u32>,
    /// How many neighbours there are.
    pub neighbors_count: usize,
    /// When the next Hello is sent, `None` where nothing can be sent.
    pub next_hello: Option<Instant>,
    /// What was refused.
    pub refusals: PimRefusals,
}

/// How often messages, or parts of them, changed nothing because of what they said, besides those that cannot even be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PimRefusals {
    /// Join/Prune and Assert messages of routers that have not said Hello (RFC 7761 §4.3.1).
    pub unknown_neighbor: u64,
    /// Messages from an address of this router.
    pub own_address: u64,
    /// Messages on an interface without PIM.
    pub not_enabled: u64,
    /// Joins of (\*,G) with another RP than ours (§4.5.1).
    pub rp: u64,
    /// Joins and prunes of groups that must not be told, such as 224.0.0.0/24, or (\*,G) in the source-specific range (§4.8).
    pub group: u64,
    /// Neighbours and entries beyond the limits.
    pub limit: u64,
}

/// A neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighborView {
    /// Where it is.
    pub interface: InterfaceId,
    /// Its primary address.
    pub address: Ipv4Addr,
    /// Its DR Priority, if it tells one.
    pub dr_priority: Option<u32>,
    /// Its Generation ID, if it tells one.
    pub generation_id: Option<u32>,
    /// Its hold time in seconds; 0xffff: for ever.
    pub hold_time: u16,
    /// When it counts as gone if nothing is heard of it, `None` for never.
    pub expires: Option<Instant>,
    /// Since how long it is known.
    pub up_time: Duration,
}

/// What is asked of an upstream neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PimJoinView {
    /// The group.
    pub group: Ipv4Addr,
    /// The source, `None` for (\*,G).
    pub source: Option<Ipv4Addr>,
    /// The interface towards the source or the RP, `None` where there is none.
    pub interface: Option<InterfaceId>,
    /// The upstream neighbour (RPF', RFC 7761 §4.1.6), `None` where there is none: the source is on a connected network,
    /// this router is the RP, or no neighbour is there.
    pub upstream_neighbor: Option<Ipv4Addr>,
    /// What it was told.
    pub state: PimJoinState,
    /// Since how long.
    pub up_time: Duration,
}

/// What an upstream neighbour was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PimJoinState {
    /// It was asked to send: a join is repeated from time to time.
    Joined,
    /// It is to be asked, but there is no neighbour on the way.
    Pending,
    /// Nobody need be asked: the source is on a connected network, or this router is the RP.
    Connected,
    /// It was asked not to send packets of this source down the shared tree ((S,G,rpt)).
    Pruned,
}

/// A route that was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PimRouteView {
    /// The group.
    pub group: Ipv4Addr,
    /// The source, `None` for all that have no route of their own.
    pub source: Option<Ipv4Addr>,
    /// The incoming interface.
    pub incoming: Option<InterfaceId>,
    /// The outgoing interfaces, ascending.
    pub outgoing: Vec<InterfaceId>,
}
