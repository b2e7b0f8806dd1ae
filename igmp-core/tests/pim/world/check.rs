//! What is true when nothing has changed for long.

use core::net::Ipv4Addr;

use igmp_core::pim::Message;

use super::{
    Delivery, World,
    network::{Place, place},
};

/// Whether a message fits into the MTU, by the formats of RFC 7761 §4.9.
pub(super) fn fits(message: &Message, mtu: usize) {
    let content = match message {
        Message::Hello(hello) => 4 + 30 + 4 + 6 * hello.secondary_addresses.len(),
        Message::JoinPrune(message) => {
            let groups = message.groups.iter();
            let groups = groups.map(|group| 8 + 4 + 8 * (group.joins.len() + group.prunes.len()));
            4 + 6 + 4 + groups.sum::<usize>()
        }
        Message::Assert(_) => 4 + 8 + 6 + 8,
    };
    assert!(20 + content <= mtu, "{message:?} takes {} bytes", 20 + content);
}

impl World {
    /// All routers of each link know each other and nobody else, and agree on the Designated Router (RFC 7761 §4.3.2).
    pub(crate) fn check_links(&self) -> Result<(), String> {
        for lan in 0..self.network.lans.len() {
            let routers: Vec<_> = self.pim_routers(lan).into_iter().collect();
            let rank = |router: &usize| {
                let config = self.interfaces[&(*router, lan)].as_ref();
                (
                    config.map(|config| config.dr_priority),
                    self.nodes[*router].address(lan),
                )
            };
            let expected = routers.iter().map(rank).max().map(|(_, address)| address);
            for &router in &routers {
                let pim = self.pim(router);
                let view = pim.interface(super::interface(lan)).ok_or("PIM does not run")?;
                if view.dr != expected || view.is_dr != (expected == Some(self.nodes[router].address(lan))) {
                    return Err(format!(
                        "link {lan}: router {router} takes {:?} for the DR, not {expected:?}",
                        view.dr
                    ));
                }
                let known: Vec<Ipv4Addr> = (pim.neighbors(self.now))
                    .filter(|neighbor| neighbor.interface == super::interface(lan))
                    .map(|neighbor| neighbor.address)
                    .collect();
                let others = routers.iter().filter(|&&other| other != router);
                let mut others: Vec<Ipv4Addr> = others.map(|&other| self.nodes[other].address(lan)).collect();
                others.sort_unstable();
                if known != others {
                    return Err(format!(
                        "link {lan}: router {router} knows {known:?}, not {others:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// A packet came once to each link where it is wanted, at most once to each other one, and to none for nothing.
    pub(crate) fn check_delivery(
        &self,
        source: Ipv4Addr,
        group: Ipv4Addr,
        delivery: &Delivery,
    ) -> Result<(), String> {
        for lan in 0..self.network.lans.len() {
            let copies = delivery.copies.get(&lan).map_or(&[][..], Vec::as_slice);
            let is_wanted = (self.wishes.get(&(lan, group))).is_some_and(|wishes| wishes.wants(source));
            let is_needed =
                is_wanted || delivery.forwarded_from.contains(&lan) || place(source) == Place::Lan(lan);
            if (is_wanted && copies.is_empty()) || copies.len() > 1 || (!is_needed && !copies.is_empty()) {
                return Err(format!(
                    "{:.3}: {source} to {group} came to link {lan} by {copies:?}, wanted there: {is_wanted}: {delivery:?}",
                    self.seconds()
                ));
            }
        }
        Ok(())
    }

    /// What routers were told and what they say they told is the same.
    pub(crate) fn check_views(&self) -> Result<(), String> {
        for node in &self.nodes {
            let Some(pim) = &node.pim else {
                continue;
            };
            let shown = pim.routes((Ipv4Addr::UNSPECIFIED, None), usize::MAX);
            let shown: Vec<_> = (shown.into_iter())
                .map(|route| ((route.group, route.source), (route.incoming, route.outgoing)))
                .collect();
            let told: Vec<_> = (node.plane.routes.iter())
                .map(|(key, route)| (*key, (route.incoming, route.outgoing.clone())))
                .collect();
            if shown != told {
                return Err(format!("router {} shows {shown:?}, told {told:?}", node.id));
            }
        }
        Ok(())
    }

    /// Nobody wants anything any more, and nothing is left of it.
    pub(crate) fn check_nothing_left(&self) -> Result<(), String> {
        for node in &self.nodes {
            let Some(pim) = &node.pim else {
                continue;
            };
            let joins = pim.joins(self.now, (Ipv4Addr::UNSPECIFIED, None), usize::MAX);
            if !node.plane.routes.is_empty() || !joins.is_empty() {
                return Err(format!(
                    "router {} still has {:?} and {joins:?}",
                    node.id, node.plane.routes
                ));
            }
        }
        Ok(())
    }
}
