//! What neighbours are told.

use core::net::Ipv4Addr;

use super::{
    Trees,
    olist::Macros,
    packing::{Packing, Told, room},
    rpf::Hop,
};
use crate::{
    pim::{JoinPrune, Message, Surroundings, Target, context::Context, links::Links},
    time::Duration,
};

/// The longest hold time that ends (RFC 7761 §4.9.5).
const MAX_HOLD_TIME: u64 = 0xfffe;

/// For how long a join holds, in seconds: 3.5 * t_periodic (§4.11).
fn hold_time(join_prune_interval: Duration) -> u16 {
    let nanos = (join_prune_interval * 7 / 2).as_nanos();
    let seconds = nanos.div_ceil(1_000_000_000).clamp(1, MAX_HOLD_TIME);
    seconds.try_into().unwrap_or(u16::MAX - 1)
}

impl Trees {
    /// Sends what has accumulated.
    pub(super) fn send<S: Surroundings>(&mut self, links: &mut Links, cx: &mut Context<'_, S>) {
        for (interface, assert) in self.asserts.take() {
            links.send(interface, Message::Assert(assert), cx);
        }
        let told = self.outbox.take();
        for told in told.chunk_by(|one, other| one.hop == other.hop) {
            let Some(&Told { hop, .. }) = told.first() else {
                continue;
            };
            if !hears(hop, links) {
                continue;
            }
            let mut packing = Packing::new(room(links.mtu(hop.interface)));
            for told in told.chunk_by(|one, other| one.group == other.group) {
                self.pack(told, links, &mut packing);
            }
            for groups in packing.finish() {
                let message = JoinPrune {
                    upstream_neighbor: hop.neighbor,
                    hold_time: hold_time(cx.config.join_prune_interval),
                    groups,
                };
                links.send(hop.interface, Message::JoinPrune(message), cx);
            }
        }
    }

    /// Packs what a neighbour is told of one group, (\*,G) first. With a Join(\*,G) goes each Prune(S,G,rpt) (§4.5.6), and a
    /// Join(S,G,rpt) would say nothing more; neither does say anything beside a Prune(\*,G) (§4.9.5.1).
    fn pack(&self, told: &[Told], links: &Links, packing: &mut Packing) {
        let Some(first) = told.first() else {
            return;
        };
        let said = |told: &Told| (told.target, told.is_join);
        if !matches!(first.target, Target::AnySource { .. }) {
            let single: Vec<_> = told.iter().map(said).collect();
            packing.push(first.group, &[], &single);
            return;
        }
        let rest = told.iter().skip(1);
        let single = rest
            .filter(|told| !matches!(told.target, Target::SourceRpt(_)))
            .map(said);
        if first.is_join {
            let mut shared = vec![said(first)];
            shared.extend(
                self.pruned_with_join(first.group, links)
                    .map(|source| (Target::SourceRpt(source), false)),
            );
            let single: Vec<_> = single.collect();
            packing.push(first.group, &shared, &single);
        } else {
            let single: Vec<_> = [said(first)].into_iter().chain(single).collect();
            packing.push(first.group, &[], &single);
        }
    }

    /// The sources that are pruned with each Join(\*,G), ascending.
    fn pruned_with_join(&self, group: Ipv4Addr, links: &Links) -> impl Iterator<Item = Ipv4Addr> {
        let group = self.groups.get(&group);
        let sources = group.into_iter().flat_map(|group| {
            (group.sources.iter()).filter(|(_, source)| {
                Macros::new(&group.any, source, group.is_ssm, links).is_pruned_with_join()
            })
        });
        sources.map(|(&address, _)| address)
    }
}

/// Whether there is a neighbour that listens, or this router talks to itself in a PruneEcho.
fn hears(hop: Hop, links: &Links) -> bool {
    let Hop { interface, neighbor } = hop;
    let is_known =
        links.neighbor(interface, neighbor).is_some() || links.address(interface) == Some(neighbor);
    is_known && links.can_send(interface)
}
