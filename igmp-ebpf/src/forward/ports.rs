//! The ports of a set, one by one.

use igmp_wire::{
    Refusal,
    abi::{MAX_INTERFACES, Port, PortSet},
    packet::{Turn, Walk},
};

use crate::{count::Counters, maps::PORTS, packet};

/// What the kernel allows a redirected frame beyond the MTU: the Ethernet header and a VLAN tag.
const REDIRECT_HEADROOM: u32 = 14 + 4;

/// The port with this slot. `None` where there is no interface.
#[inline(always)]
pub(super) fn port(slot: u32) -> Option<&'static Port> {
    PORTS.get(slot).filter(|port| port.ifindex != 0)
}

/// Counts a frame for each port that the kernel skips because it is too long. Those that it does not skip count for
/// themselves.
#[inline(always)]
pub(super) fn count_skipped(set: &'static PortSet, incoming: u32, frame_len: u32) {
    let mut walk = Skipped {
        set,
        incoming,
        frame_len,
    };
    packet::repeat(&(), set.span.min(MAX_INTERFACES), &mut walk);
}

struct Skipped {
    set: &'static PortSet,
    incoming: u32,
    frame_len: u32,
}

impl Walk<()> for Skipped {
    #[inline(always)]
    fn turn(&mut self, slot: u32, (): &()) -> Turn {
        if slot != self.incoming
            && self.set.contains(slot)
            && let Some(port) = port(slot)
            && port.mtu + REDIRECT_HEADROOM < self.frame_len
            && let Some(counters) = Counters::of(slot)
        {
            counters.dropped(Refusal::Mtu);
        }
        Turn::More
    }
}
