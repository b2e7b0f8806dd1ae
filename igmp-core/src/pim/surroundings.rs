//! What PIM asks the rest of the router.

use core::net::Ipv4Addr;

use smallvec::SmallVec;

use crate::{InterfaceId, time::Instant};

/// The unicast routing table (the MRIB of RFC 7761 §2.1) and the forwarding plane, as far as PIM looks at them.
pub trait Surroundings {
    /// The way to an address.
    fn towards(&mut self, address: Ipv4Addr) -> Towards;

    /// When the last packet of a source to a group was forwarded, `None` if there has been none for long. Keepalive Timers
    /// (RFC 7761 §4.1) are lazy: they ask when they would end.
    fn last_packet(&mut self, group: Ipv4Addr, source: Ipv4Addr) -> Option<Instant>;
}

/// The way to an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Towards {
    /// No route leads there, or through none of this router's interfaces.
    #[default]
    Nowhere,
    /// It is an address of this machine.
    Here,
    /// Through one of these, which are equally good. Never empty.
    Ways(SmallVec<[Way; 1]>),
}

/// A way to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The interface (`RPF_interface`, RFC 7761 §4.1.6).
    pub interface: InterfaceId,
    /// The gateway (`MRIB.next_hop`), `None` where the address is on the interface's own network.
    pub next_hop: Option<Ipv4Addr>,
    /// How good the routing protocol is (`MRIB.pref`, the administrative distance), for asserts. 31 bits, less is better.
    pub preference: u32,
    /// How good the way is (`MRIB.metric`). Less is better.
    pub metric: u32,
}
