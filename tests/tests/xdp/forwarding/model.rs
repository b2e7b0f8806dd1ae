//! A second, naive implementation of forwarding, over whole slices. It shares nothing with the product but the names of
//! refusals.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use igmp_wire::Refusal;
use tests::stream::datagram::sum;

use super::bench::{HEADROOM, after_hop};
use crate::harness::Verdict;

/// Where packets of a source or route come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Slot(u32),
    Any,
    Nowhere,
}

/// An interface or VLAN.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interface {
    pub(super) slot: u32,
    pub(super) forward: bool,
    pub(super) stack: bool,
    pub(super) partial_checksums: bool,
    pub(super) local_groups: bool,
    pub(super) own: Ipv4Addr,
}

/// A route: its port set, and where packets come in; `None` for the interface towards their source.
pub(super) type Route = (u32, Option<Incoming>);

/// What the router knows.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    /// By VLAN ID, 0 for untagged frames.
    pub(super) interfaces: BTreeMap<u16, Interface>,
    pub(super) routes: BTreeMap<(Ipv4Addr, Option<Ipv4Addr>), Route>,
    /// Slots of each set, and whether it takes the way through the stack.
    pub(super) sets: BTreeMap<u32, (BTreeSet<u32>, bool)>,
    pub(super) mtus: BTreeMap<u32, u32>,
    pub(super) prefixes: Vec<(Ipv4Addr, u32, Incoming)>,
    pub(super) default_set: u32,
    pub(super) local: BTreeSet<(u32, Ipv4Addr)>,
}

/// What becomes of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) verdict: Verdict,
    pub(super) output: Vec<u8>,
    pub(super) refusals: BTreeMap<(u32, Refusal), u64>,
    /// The source, the group and the length of a packet that was forwarded.
    pub(super) forwarded: Option<(Ipv4Addr, Ipv4Addr, u64)>,
}

fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1])
}

fn address(bytes: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3])
}

/// The VLAN IDs of a frame and where its payload begins; `None` where it is not IPv4, however many tags it has.
fn link(frame: &[u8]) -> Option<(Vec<u16>, usize)> {
    let (mut vlans, mut at) = (Vec::new(), 12);
    loop {
        if frame.len() < at + 2 {
            return None;
        }
        match word(frame, at) {
            0x8100 | 0x88a8 if frame.len() >= at + 4 => vlans.push(word(frame, at + 2) as u16 & 0xfff),
            0x0800 => return Some((vlans, at + 2)),
            _ => return None,
        }
        at += 4;
    }
}

impl World {
    /// What becomes of a frame; `None` for IGMP, which is judged elsewhere.
    pub(super) fn judge(&self, frame: &[u8]) -> Option<Outcome> {
        let pass = Outcome {
            verdict: Verdict::Pass,
            output: frame.to_vec(),
            refusals: BTreeMap::new(),
            forwarded: None,
        };
        let Some((vlans, ip)) = link(frame) else {
            return Some(pass);
        };
        let packet = &frame[ip..];
        let readable = packet.len() >= 20 && packet[0] >> 4 == 4;
        if readable && packet[9] == 2 {
            return None;
        }
        // What goes to one station, or to all, is for the stack to judge.
        let to_a_group = frame.starts_with(&[0x01, 0x00, 0x5e]);
        let ours = match readable {
            true => {
                let group = address(packet, 16);
                to_a_group && group.is_multicast() && group.octets()[..3] != [224, 0, 0]
            }
            false => to_a_group,
        };
        // VLAN 0 is none, but two tags are two tags.
        let vlan = match vlans[..] {
            [] => 0,
            [vlan] => vlan,
            _ => return Some(pass),
        };
        let Some(interface) = self.interfaces.get(&vlan).filter(|it| ours && it.forward) else {
            return Some(pass);
        };
        Some(match self.forward(frame, ip, vlans.len(), interface) {
            Ok(outcome) => outcome,
            Err(refusal) => {
                let local = matches!(refusal, Refusal::NoMembers | Refusal::Ttl | Refusal::Rpf)
                    && self.is_local(interface, address(packet, 16));
                let counted = !(local && refusal == Refusal::NoMembers);
                Outcome {
                    verdict: if local { Verdict::Pass } else { Verdict::Drop },
                    refusals: counted
                        .then_some(((interface.slot, refusal), 1))
                        .into_iter()
                        .collect(),
                    ..pass
                }
            }
        })
    }

    fn is_local(&self, interface: &Interface, group: Ipv4Addr) -> bool {
        interface.local_groups && self.local.contains(&(interface.slot, group))
    }

    fn forward(
        &self,
        frame: &[u8],
        ip: usize,
        tags: usize,
        interface: &Interface,
    ) -> Result<Outcome, Refusal> {
        let packet = &frame[ip..];
        if packet.len() < 20 {
            return Err(Refusal::TooShort);
        }
        let (header_len, total_len) = (usize::from(packet[0] & 15) * 4, word(packet, 2));
        if packet[0] >> 4 != 4 || header_len < 20 || total_len < header_len {
            return Err(Refusal::Malformed);
        }
        if packet.len() < total_len {
            return Err(Refusal::TooShort);
        }
        if sum(&packet[..header_len]) != 0xffff {
            return Err(Refusal::Checksum);
        }
        let (source, group) = (address(packet, 12), address(packet, 16));
        if matches!(source.octets()[0], 0 | 127 | 224..) || source == interface.own {
            return Err(Refusal::Source);
        }
        let route = (self.routes.get(&(group, Some(source))))
            .or_else(|| self.routes.get(&(group, None)))
            .copied()
            .unwrap_or((self.default_set, Some(Incoming::Any)));
        let (ports, needs_stack) = self.sets.get(&route.0).cloned().unwrap_or_default();
        if ports.iter().all(|&port| port == interface.slot) {
            return Err(Refusal::NoMembers);
        }
        let incoming = route.1.unwrap_or_else(|| self.towards(source));
        if incoming != Incoming::Any && incoming != Incoming::Slot(interface.slot) {
            return Err(Refusal::Rpf);
        }
        if packet[8] <= 1 {
            return Err(Refusal::Ttl);
        }
        let pass = Outcome {
            verdict: Verdict::Pass,
            output: frame.to_vec(),
            refusals: BTreeMap::new(),
            forwarded: None,
        };
        let partial = interface.partial_checksums && !has_complete_checksum(packet, header_len);
        if interface.stack || needs_stack || partial || self.is_local(interface, group) {
            return Ok(pass);
        }
        let too_small = |port: &u32| (self.mtus[port] + HEADROOM) < frame.len() as u32;
        let skipped = ports
            .iter()
            .filter(|&port| *port != interface.slot && too_small(port));
        Ok(Outcome {
            verdict: Verdict::Redirect,
            output: after_hop(frame, tags),
            refusals: skipped.map(|&port| ((port, Refusal::Mtu), 1)).collect(),
            forwarded: Some((source, group, total_len as u64)),
        })
    }

    /// The longest prefix with the source in it.
    fn towards(&self, source: Ipv4Addr) -> Incoming {
        let contains = |network: Ipv4Addr, len: u32| {
            let differing = network.to_bits() ^ source.to_bits();
            u64::from(differing) >> (32 - len) == 0
        };
        (self.prefixes.iter())
            .filter(|(network, len, _)| contains(*network, *len))
            .max_by_key(|(_, len, _)| *len)
            .map_or(Incoming::Nowhere, |(.., incoming)| *incoming)
    }
}

/// Whether it is certain that no checksum is missing: in fragments, and in UDP whose checksum is not the sum of the pseudo
/// header, or happens to be right.
fn has_complete_checksum(packet: &[u8], header_len: usize) -> bool {
    let udp = &packet[header_len..];
    if word(packet, 6) & 0x3fff != 0 {
        return true;
    }
    if packet[9] != 17 || udp.len() < 8 {
        return false;
    }
    let pseudo = [&packet[12..20], &[0, 17], &udp[4..6]].concat();
    let field = word(udp, 6);
    if field == 0 {
        return false;
    }
    if field != usize::from(sum(&pseudo)) {
        return true;
    }
    udp.get(..word(udp, 4))
        .is_some_and(|udp| sum(&[&pseudo[..], udp].concat()) == 0xffff)
}
