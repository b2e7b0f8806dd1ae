//! From the frame to the verdict.

use aya_ebpf::{
    bindings::{
        xdp_action::{XDP_DROP, XDP_PASS},
        xdp_md,
    },
    helpers::bpf_ktime_get_ns,
    programs::XdpContext,
};
use aya_log_ebpf::debug;
use igmp_wire::{
    Packet, Refusal,
    abi::{InterfaceConfig, InterfaceFlags, InterfaceKey},
    address,
    admit::{self, Envelope, Judgement},
    ethernet::{ETHERTYPE_IPV4, Vlan},
    igmp::Kind,
    ipv4, plain,
};

use crate::{
    count::Counters,
    forward, host,
    maps::{CONFIGS, DEVICES, INTERFACES},
    packet::XdpPacket,
    query, refresh,
    report::{self, Reporter},
};

/// Handles a frame. Frames that are neither IGMP nor multicast data pass untouched.
#[inline(always)]
pub(crate) fn receive(context: *mut xdp_md) -> u32 {
    let packet = XdpPacket::new(context);
    if let Some(verdict) = receive_shortly(&packet) {
        return verdict;
    }
    let Some(content) = admit::open(&packet) else {
        return XDP_PASS;
    };
    if content.protocol == ipv4::PROTOCOL_IGMP {
        return igmp(packet, &content.envelope);
    }
    if address::is_multicast(content.destination) || content.destination.is_unspecified() {
        return forward::receive(packet, &content);
    }
    XDP_PASS
}

/// The short ways, by what the frame begins with.
#[inline(always)]
fn receive_shortly(packet: &XdpPacket) -> Option<u32> {
    const IPV4: u32 = (ETHERTYPE_IPV4 as u32) << 8;
    const REPORT: u32 = IPV4 | plain::VERSION_AND_LEN;
    const DATA: u32 = IPV4 | plain::DATA_VERSION_AND_LEN;
    match packet.read_u32(12)? >> 8 {
        REPORT => refresh::refresh(packet),
        DATA => forward::forward_known(packet),
        _ => None,
    }
}

/// The slot of no interface.
const NO_SLOT: u32 = u32::MAX;

/// The slot of a VLAN of the interface that the packet came in on, or a number that is none.
#[inline(always)]
pub(crate) fn slot(ifindex: u32, vlan: u16) -> u32 {
    if vlan == 0
        && let Some(mark) = DEVICES.get_ptr(ifindex)
    {
        // SAFETY: the pointer is to a value of an array map, which lives as long as the program.
        return unsafe { mark.read_volatile() }.wrapping_sub(1);
    }
    let key = InterfaceKey {
        ifindex,
        vlan,
        reserved: 0,
    };
    // SAFETY: the value stays readable while the program runs, also where the agent replaces it meanwhile.
    unsafe { INTERFACES.get(&key) }.map_or(NO_SLOT, |config| config.slot)
}

/// The configuration for a VLAN of the interface that the packet came in on.
///
/// If the agent changes it meanwhile, this one packet may be judged by the old one, the new one, or some of each.
#[inline(always)]
pub(crate) fn interface(ifindex: u32, vlan: u16) -> Option<&'static InterfaceConfig> {
    CONFIGS.get(slot(ifindex, vlan))
}

#[inline(always)]
fn igmp(packet: XdpPacket, envelope: &Envelope) -> u32 {
    let ifindex = packet.ifindex();
    let configured = match envelope.vlan {
        Vlan::Untagged => interface(ifindex, 0),
        Vlan::Tagged(vlan) => interface(ifindex, vlan),
        Vlan::Stacked(..) => None,
    };
    // What belongs to no configured VLAN is counted where it came in.
    let Some(config) = configured.or_else(|| interface(ifindex, 0)) else {
        return XDP_PASS;
    };
    let Some(counters) = Counters::of(config.slot) else {
        return XDP_PASS;
    };

    let judgement = admit::judge(&packet, envelope.ip, packet.len(), config);
    let to_us = address::is_multicast(judgement.destination)
        || judgement.destination.is_unspecified()
        || config.is_own(judgement.destination.to_bits());
    if !to_us {
        // IGMP between others, such as a multicast traceroute on its way, is not for this router to judge.
        return XDP_PASS;
    }
    counters.received(judgement.kind);
    if configured.is_none() {
        counters.dropped(Refusal::Vlan);
        return XDP_PASS;
    }
    if !config.has(InterfaceFlags::IGMP | InterfaceFlags::HOST) {
        return XDP_PASS;
    }
    match handle(packet, counters, config, &judgement) {
        // Queries pass up as well, since the router's own sockets may need them, and so may other hosts in front of an
        // upstream interface.
        Ok(()) if judgement.kind.is_some_and(Kind::is_query) || config.has(InterfaceFlags::HOST) => XDP_PASS,
        Ok(()) => XDP_DROP,
        Err(refusal) => {
            counters.dropped(refusal);
            // The verifier removes this unless the agent asked for it when it loaded the program.
            debug!(
                &XdpContext::new(packet.context()),
                "refused a packet from {:i} on interface {}: {}",
                judgement.source.to_bits(),
                ifindex,
                refusal.name()
            );
            // Types that are not ours may be somebody else's on this router.
            if refusal == Refusal::UnknownType {
                XDP_PASS
            } else {
                XDP_DROP
            }
        }
    }
}

#[inline(always)]
fn handle(
    packet: XdpPacket,
    counters: Counters,
    config: &InterfaceConfig,
    judgement: &Judgement,
) -> Result<(), Refusal> {
    if let Some(refusal) = judgement.refusal {
        return Err(refusal);
    }
    let Some(kind) = judgement.kind else {
        return Err(Refusal::UnknownType);
    };
    // SAFETY: the helper takes no argument and always succeeds.
    let now = unsafe { bpf_ktime_get_ns() };
    let reporter = Reporter::new(packet, counters, config, judgement.source.to_bits(), now);
    let (offset, len) = (judgement.offset, judgement.len);
    match kind {
        Kind::QueryV1 | Kind::QueryV2 | Kind::QueryV3 => {
            admit::judge_destination(kind, judgement.group, judgement.destination, config)?;
            query::query(&reporter, kind, offset, len)
        }
        Kind::ReportV1 | Kind::ReportV2 | Kind::Leave => {
            admit::judge_old_group(judgement.group)?;
            if config.has(InterfaceFlags::HOST) {
                return host::report(&reporter, kind, judgement.group);
            }
            report::group(&reporter, kind, judgement.group, config.version)
        }
        // A host's answer does not stand for that of another one in version 3 (RFC 9776 §5.2).
        Kind::ReportV3 if config.has(InterfaceFlags::HOST) => Ok(()),
        Kind::ReportV3 => report::records(&reporter, offset, len),
    }
}
