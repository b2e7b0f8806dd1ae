//! The short way for data of a flow that is known.
//!
//! Whatever else a frame is, or is missing, it has left no trace here, and takes the way that everything takes.

use aya_ebpf::bindings::{BPF_F_EXCLUDE_INGRESS, xdp_action::XDP_PASS};
use igmp_wire::{
    Packet,
    abi::{
        EMPTY_PORT_SET, FlowDecision, INCOMING_ANY, InterfaceConfig, InterfaceFlags, MAX_DEVICES,
        PortSetFlags, RouteKey,
    },
    data, ipv4,
    plain::{self, DATA_WORDS},
};

use super::{receive, route::Way};
use crate::{
    clock,
    maps::{CONFIGS, DEVICES, FLOWS, FORWARDING, PORT_MAPS, PORT_SETS},
    packet::XdpPacket,
};

/// Forwards a packet of a flow of which it is known where it goes. Passes what has nothing to do with multicast. `None` for
/// anything else. The frame is one of IPv4 without tag whose header has no options.
#[inline(always)]
pub(crate) fn forward(packet: &XdpPacket) -> Option<u32> {
    let frame = packet.at::<{ plain::PAYLOAD }>(0)?.cast::<u8>();
    // SAFETY: `at` has checked that the bytes are within the frame.
    let (link, protocol) = unsafe {
        (
            u32::from_be(frame.cast::<u32>().read_unaligned()),
            frame.add(plain::IP + 9).read(),
        )
    };
    if protocol == ipv4::PROTOCOL_IGMP {
        return None;
    }
    // Not sent to the Ethernet address of a group. Nearly all frames end here.
    if link >> 8 != 0x0001_005e {
        return Some(XDP_PASS);
    }
    // SAFETY: as above.
    let words = unsafe { frame.add(plain::IP).cast::<[u32; DATA_WORDS]>().read_unaligned() };
    let frame_len = packet.len();
    let header = plain::data(&words, frame_len)?;

    let ifindex = packet.ifindex();
    if ifindex >= MAX_DEVICES {
        return None;
    }
    // SAFETY: the pointer is to a value of an array map, which lives as long as the program.
    let slot = unsafe { DEVICES.get_ptr(ifindex)?.read_volatile() }.wrapping_sub(1);
    let config = CONFIGS.get(slot)?;
    if !takes_short_way(config) || plain::is_own(config, header.source.to_bits()) {
        return None;
    }
    if config.has(InterfaceFlags::PARTIAL_CHECKSUMS)
        && !header.fragment
        && !data::is_certainly_complete(&header, packet.read::<8>(plain::PAYLOAD)?)
    {
        return None;
    }

    // The generation is read before everything that it vouches for.
    // SAFETY: the reference is to a value of an array map, which lives as long as the program.
    let generation = unsafe { (&raw const FORWARDING.get(0)?.generation).read_volatile() };
    let key = RouteKey {
        group: header.group.to_bits(),
        source: header.source.to_bits(),
    };
    let flow = FLOWS.get_ptr_mut(&key)?;
    // SAFETY: the pointer is to a value of the map, alive while the program runs; the decision is a single aligned word.
    let decision = FlowDecision::from_bits(unsafe { (&raw const (*flow).decision).read_volatile() });
    let is_accepted = decision.incoming == slot || decision.incoming == INCOMING_ANY;
    if decision.generation != generation || !is_accepted || decision.port_set == EMPTY_PORT_SET {
        return None;
    }
    let set = PORT_SETS.get(decision.port_set)?;
    let is_port = set.contains(slot);
    let is_wanted = set.count != u32::from(is_port);
    if !is_wanted || set.flags & PortSetFlags::STACK != 0 || frame_len as u32 > set.max_frame_len {
        return None;
    }
    let map = PORT_MAPS.get(decision.port_set)?;
    receive::rewrite(packet, plain::IP, &header);
    Way::known(decision.port_set, set, flow, clock::now()).count(1, header.total_len as u64);
    // Where there is nothing to leave out, the kernel need not compare each port with the incoming device.
    let exclude = if is_port { BPF_F_EXCLUDE_INGRESS } else { 0 };
    Some(receive::send(map, set, exclude))
}

/// Whether all packets that come in on an interface with this configuration can be forwarded without a look at anything else.
#[inline(always)]
fn takes_short_way(config: &InterfaceConfig) -> bool {
    let others = InterfaceFlags::STACK | InterfaceFlags::LOCAL_GROUPS;
    config.flags & (InterfaceFlags::FORWARD | others) == InterfaceFlags::FORWARD
}
