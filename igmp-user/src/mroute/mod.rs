//! The forwarding engine `kernel`: the IPv4 multicast routing of Linux (net/ipv4/ipmr.c), driven from the same routes
//! as the engine `xdp`, for interfaces that XDP cannot redirect to.
//!
//! The kernel asks about every flow, a source and a group, that it has no entry for, and holds up to four of its
//! packets back meanwhile. [`KernelRouting`] answers with an entry: the interface that packets of the source must
//! arrive on, and those that they leave on. From then on the kernel forwards by itself, and drops what arrives
//! elsewhere. A flow that nobody wants gets a *negative* entry, which leads nowhere, so that the kernel does not ask
//! again for every packet. Routes that change, interfaces that come and go and another way to the source change the
//! entries of the flows concerned; an entry whose flow has ended is removed after [`IDLE`].
//!
//! The kernel has room for [`MAX_VIFS`] interfaces, and forgets everything when the socket is closed.
//!
//! | module | holds |
//! |---|---|
//! | `socket` | what is asked of the kernel, as a trait, and the socket that does it |
//! | `upcall` | what the kernel asks |
//! | `routing` | the engine: upcalls, routes, the way to the source |
//! | `interfaces` | interfaces that come and go |
//! | `look` | counters, and flows that have ended |
//! | `signals` | packets that PIM acts on |
//! | `entry`, `entries` | an entry, and their indexes |
//! | `routes`, `vifs`, `pace` | the routes; virtual interfaces; how fast upcalls are answered |
//!
//! # What differs from the engine `xdp`
//!
//! At the beginning of a flow packets may be lost: those beyond four that arrive before the answer, and one that
//! arrives at the very moment at which the entry is made and waits for an answer that was given (`ipmr_mfc_add` looks
//! for waiting packets only once).
//!
//! The kernel counts neither packets whose TTL is too low nor those that are longer than an MTU (it splits them up,
//! unless their header forbids that). An entry counts all packets alike, so the bytes of a flow whose packets arrive on
//! the right and on a wrong interface are a share by packets.
//!
//! When the last packet of a source came is known as exactly as counters are looked at: it may be up to 70 seconds less
//! long ago than it seems to be, so a Keepalive Timer of PIM (RFC 7761 §4.11, 210 s) may run that much longer.

mod entries;
mod entry;
mod error;
mod interfaces;
mod look;
mod pace;
mod routes;
mod routing;
mod signals;
mod socket;
mod upcall;
mod vifs;

#[cfg(test)]
mod tests;

pub use self::{
    entry::{Refused, RouteView},
    error::{EntryError, InterfaceError, OpenError},
    look::{IDLE, SlotCounters},
    routing::{KernelRouting, Received, RoutingCounters, Rpf},
    socket::{EntryCounters, Flow, MrouteSocket, RoutingSocket, Traffic},
    upcall::{Upcall, UpcallKind},
    vifs::{VifSet, VifWanted},
};
pub use crate::sys::mroute::MAX_VIFS;
