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
    let Some([0x01, 0x00, 0x5e, _]) = packet.read::<4>(0) else {
        return NEXT;
    };
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
    let way = route::find::<true>(config, header.source, header.group)?;
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
    let tagged = packet.is_tagged();
    if tagged && !packet.untag() {
        return Ok(DROP);
    }
    packet.write(HEADER_LEN as u32 + 8, &[ttl - 1, protocol, high, low]);
    packet.write(0, &multicast_mac(header.group));
    let load = Load::of(packet, &header);
    way.count(u64::from(load.packets), u64::from(load.bytes));

    let mut copying = Copying {
        set: way.set,
        incoming: config.slot,
        load,
        now: way.now,
        last: NO_PORT,
    };
    packet::repeat(packet, way.set.span.min(MAX_INTERFACES), &mut copying);
    let last = copying.last;
    if !local {
        return Ok(match ports::port(last) {
            Some(port) => redirect(packet, last, port, load),
            None => DROP,
        });
    }
    if let Some(port) = ports::port(last) {
        copy(packet, last, port, load);
    }
    // The router's own sockets get the packet as it came.
    packet.write(HEADER_LEN as u32 + 8, &hop);
    packet.write(0, &link);
    if tagged {
        packet.push_tag(tag);
    }
    Ok(NEXT)
}

/// Length of a UDP header in bytes.
const UDP_HEADER_LEN: u32 = 8;

/// What there is to carry.
#[derive(Clone, Copy)]
struct Load {
    /// How many packets it will be in the end.
    packets: u32,
    /// Their bytes together, from the IP header on.
    bytes: u32,
    /// The longest of them, from the IP header on.
    longest: u32,
}

impl Load {
    #[inline(always)]
    fn of(packet: &SkbPacket, header: &data::Header) -> Self {
        let total_len = header.total_len as u32;
        let (packets, size) = packet.segments();
        if size == 0 {
            return Self {
                packets: 1,
                bytes: total_len,
                longest: total_len,
            };
        }
        // Each packet gets the headers that are there once now.
        let headers = header.header_len as u32 + UDP_HEADER_LEN;
        Self {
            packets,
            bytes: total_len + packets.wrapping_sub(1) * headers,
            longest: headers + size,
        }
    }
}

/// A slot that no port has.
const NO_PORT: u32 = MAX_INTERFACES;

/// A walk over a port set that sends a copy out of each port but the last one, which needs none.
struct Copying {
    set: &'static PortSet,
    incoming: u32,
    load: Load,
    /// When the packet came.
    now: u64,
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
        if this.is_over(self.now) {
            return Turn::More;
        }
        if self.load.longest > this.mtu {
            if let Some(counters) = Counters::of(slot) {
                counters.dropped_many(Refusal::Mtu, u64::from(self.load.packets));
            }
            return Turn::More;
        }
        if let Some(port) = ports::port(self.last) {
            copy(packet, self.last, port, self.load);
        }
        self.last = slot;
        Turn::More
    }
}

/// Sends a copy of the packet out of a port.
#[inline(always)]
fn copy(packet: &SkbPacket, slot: u32, port: &Port, load: Load) {
    packet.write(6, &port.mac);
    let tagged = port.vlan != 0 && packet.push_tag(port.vlan);
    // SAFETY: the context is that of the running program.
    unsafe { bpf_clone_redirect(packet.skb(), port.ifindex, 0) };
    if tagged {
        packet.untag();
    }
    count(slot, load);
}

/// Sends the packet itself out of a port.
#[inline(always)]
fn redirect(packet: &SkbPacket, slot: u32, port: &Port, load: Load) -> i32 {
    packet.write(6, &port.mac);
    if port.vlan != 0 && !packet.push_tag(port.vlan) {
        return DROP;
    }
    count(slot, load);
    // SAFETY: the helper takes no pointer.
    unsafe { bpf_redirect(port.ifindex, 0) as i32 }
}

#[inline(always)]
fn count(slot: u32, load: Load) {
    if let Some(counters) = Counters::of(slot) {
        counters.forwarded(u64::from(load.packets), u64::from(load.bytes));
    }
}
