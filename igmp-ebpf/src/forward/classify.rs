//! The way through the network stack, for what XDP cannot redirect.
//!
//! XDP has judged the packets that come here and let them pass. They are judged once more, because the routes may have
//! changed since, and because only the way that a packet takes counts it.

use aya_ebpf::{
    bindings::__sk_buff,
    helpers::{bpf_clone_redirect, bpf_redirect},
};
use igmp_wire::{
    Packet, Refusal,
    abi::{InterfaceConfig, InterfaceFlags, MAX_INTERFACES, Port, PortSet},
    address, data,
    ethernet::{ETHERTYPE_IPV4, HEADER_LEN, multicast_mac},
    ipv4,
    packet::{Turn, Walk},
};

use super::{ports, route, skb::SkbPacket};
use crate::{count::Counters, packet, receive::interface};

/// The packet goes on to whatever looks at it next.
const NEXT: i32 = -1;
/// The packet ends here.
const DROP: i32 = 2;

/// The bits of a tag that are the VLAN ID.
const VLAN_MASK: u16 = 0x0fff;

/// Forwards a packet that was received.
#[inline(always)]
pub(crate) fn classify(skb: *mut __sk_buff) -> i32 {
    let packet = SkbPacket::new(skb);
    if packet.ethertype() != ETHERTYPE_IPV4 {
        return NEXT;
    }
    let Some((protocol, destination)) = ipv4::content(&packet, HEADER_LEN) else {
        return NEXT;
    };
    if !address::is_multicast(destination)
        || address::is_link_local_group(destination)
        || protocol == ipv4::PROTOCOL_IGMP
    {
        return NEXT;
    }
    let tag = packet.tag();
    let Some(config) = interface(packet.ifindex(), tag & VLAN_MASK) else {
        return NEXT;
    };
    if !config.has(InterfaceFlags::FORWARD) {
        return NEXT;
    }
    let Some(counters) = Counters::of(config.slot) else {
        return NEXT;
    };
    let local = route::is_local(config, destination);
    match forward(&packet, tag, config, local) {
        Ok(verdict) => verdict,
        Err(refusal) => {
            // XDP has let it pass for the router itself, and has counted it where that was all.
            if local {
                return NEXT;
            }
            counters.dropped(refusal);
            DROP
        }
    }
}

#[inline(always)]
fn forward(
    packet: &SkbPacket,
    tag: u16,
    config: &'static InterfaceConfig,
    local: bool,
) -> Result<i32, Refusal> {
    let header = data::judge(packet, HEADER_LEN, packet.len() as usize, config)?;
    let way = route::find(config, header.source, header.group)?;
    if header.ttl <= 1 {
        return Err(Refusal::Ttl);
    }
    let Some(link) = packet.read::<12>(0) else {
        return Err(Refusal::TooShort);
    };
    let Some(hop) = packet.read::<4>(HEADER_LEN + 8) else {
        return Err(Refusal::TooShort);
    };
    let [ttl, protocol, high, low] = hop;
    let checksum = data::checksum_after_hop(u16::from_be_bytes([high, low]), ttl, protocol);
    let [high, low] = checksum.to_be_bytes();
    if tag != 0 && !packet.untag() {
        return Ok(DROP);
    }
    packet.write(HEADER_LEN as u32 + 8, &[ttl - 1, protocol, high, low]);
    packet.write(0, &multicast_mac(header.group));
    way.count(header.total_len as u64);

    let mut copying = Copying {
        set: way.set,
        incoming: config.slot,
        len: header.total_len as u32,
        last: NO_PORT,
    };
    packet::repeat(packet, way.set.span.min(MAX_INTERFACES), &mut copying);
    let last = copying.last;
    if !local {
        return Ok(match ports::port(last) {
            Some(port) => redirect(packet, last, port, copying.len),
            None => DROP,
        });
    }
    if let Some(port) = ports::port(last) {
        copy(packet, last, port, copying.len);
    }
    // The router's own sockets get the packet as it came.
    packet.write(HEADER_LEN as u32 + 8, &hop);
    packet.write(0, &link);
    if tag != 0 {
        packet.push_tag(tag);
    }
    Ok(NEXT)
}

/// A slot that no port has.
const NO_PORT: u32 = MAX_INTERFACES;

/// A walk over a port set that sends a copy out of each port but the last one, which needs none.
struct Copying {
    set: &'static PortSet,
    incoming: u32,
    /// Length of the packet, from the IP header on.
    len: u32,
    /// The last port so far.
    last: u32,
}

impl Walk<SkbPacket> for Copying {
    #[inline(always)]
    fn turn(&mut self, slot: u32, packet: &SkbPacket) -> Turn {
        if slot == self.incoming || !self.set.contains(slot) {
            return Turn::More;
        }
        let Some(this) = ports::port(slot) else {
            return Turn::More;
        };
        if self.len > this.mtu {
            if let Some(counters) = Counters::of(slot) {
                counters.dropped(Refusal::Mtu);
            }
            return Turn::More;
        }
        if let Some(port) = ports::port(self.last) {
            copy(packet, self.last, port, self.len);
        }
        self.last = slot;
        Turn::More
    }
}

/// Sends a copy of the packet out of a port.
#[inline(always)]
fn copy(packet: &SkbPacket, slot: u32, port: &Port, len: u32) {
    packet.write(6, &port.mac);
    let tagged = port.vlan != 0 && packet.push_tag(port.vlan);
    // SAFETY: the context is that of the running program.
    unsafe { bpf_clone_redirect(packet.skb(), port.ifindex, 0) };
    if tagged {
        packet.untag();
    }
    count(slot, len);
}

/// Sends the packet itself out of a port.
#[inline(always)]
fn redirect(packet: &SkbPacket, slot: u32, port: &Port, len: u32) -> i32 {
    packet.write(6, &port.mac);
    if port.vlan != 0 && !packet.push_tag(port.vlan) {
        return DROP;
    }
    count(slot, len);
    // SAFETY: the helper takes no pointer.
    unsafe { bpf_redirect(port.ifindex, 0) as i32 }
}

#[inline(always)]
fn count(slot: u32, len: u32) {
    if let Some(counters) = Counters::of(slot) {
        counters.forwarded(u64::from(len));
    }
}
