//! Packets on their way.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use igmp_core::{InterfaceId, PimEvent, pim::Towards};

use super::{
    Sabotage, World,
    network::{self, Lan, Place, RouterId, interface, place, towards},
};

/// How many routers a packet may pass.
const TTL: u8 = 16;

/// Where a packet went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// By whom it came onto a link each time, `None` for its source.
    pub(crate) copies: BTreeMap<Lan, Vec<Option<RouterId>>>,
    /// The links from which a router has forwarded it to others.
    pub(crate) forwarded_from: BTreeSet<Lan>,
}

impl World {
    /// A host sends a packet, which takes no time.
    pub(crate) fn send(&mut self, source: Ipv4Addr, group: Ipv4Addr) -> Delivery {
        let Place::Lan(first) = place(source) else {
            panic!("{source} is no host");
        };
        let mut delivery = Delivery::default();
        let mut flying = VecDeque::from([(first, None, TTL)]);
        while let Some((lan, from, ttl)) = flying.pop_front() {
            delivery.copies.entry(lan).or_default().push(from);
            for router in self.network.lans[lan].clone() {
                let is_up = self.up.contains(&(router, lan)) && self.nodes[router].up.contains(&lan);
                if Some(router) == from || !is_up || ttl == 0 {
                    continue;
                }
                let outgoing = self.receive(router, lan, source, group);
                let outgoing = outgoing.into_iter().map(network::lan);
                for out in outgoing.filter(|&out| self.up.contains(&(router, out))) {
                    delivery.forwarded_from.insert(lan);
                    flying.push_back((out, Some(router), ttl - 1));
                }
            }
        }
        self.say(|| format!("{source} to {group}: {:?}", delivery.copies));
        delivery
    }

    /// A packet comes in. Answers where it leaves, and tells PIM what the kernel would.
    fn receive(&mut self, router: RouterId, lan: Lan, source: Ipv4Addr, group: Ipv4Addr) -> Vec<InterfaceId> {
        let node = &mut self.nodes[router];
        let is_towards = match towards(&node.table, router, source) {
            // Which of several ways is meant is not known there.
            Towards::Ways(ways) => ways.len() > 1 || ways[0].interface == interface(lan),
            _ => false,
        };
        let fate = node
            .plane
            .packet(self.now, (group, source), interface(lan), is_towards);
        if fate.is_told && self.sabotage != Some(Sabotage::Packets) {
            self.say(|| format!("router {router} sees {source} to {group} on link {lan}"));
            let event = PimEvent::Packet {
                interface: interface(lan),
                source,
                group,
            };
            let actions = self.nodes[router].handle(self.now, [event]);
            self.carry_out(router, actions);
        }
        fate.outgoing
    }
}
