//! Packets that were seen (RFC 7761 §4.2).

use core::net::Ipv4Addr;

use igmp_wire::address::is_unicast;

use super::{Trees, assert::AssertEvent, olist::Macros, rp, tree::Source};
use crate::{
    InterfaceId,
    pim::{SptSwitchover, Surroundings, context::Context, links::Links},
};

impl Trees {
    /// "On receipt of data from S to G on interface iif", as far as it changes state. Nothing is kept of what nobody wants.
    pub(in crate::pim) fn packet<S: Surroundings>(
        &mut self,
        iif: InterfaceId,
        source: Ipv4Addr,
        address: Ipv4Addr,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        if !rp::is_routable(address) || !is_unicast(source) {
            return;
        }
        self.catch_up(address, source, links, cx);
        let Some(group) = self.groups.get(&address) else {
            return;
        };
        let unknown;
        let state = match group.sources.get(&source) {
            Some(state) => state,
            None => {
                let mut nothing = Source::default();
                nothing.tree.rpf = self.rpf.look(source, links, cx.surroundings);
                unknown = nothing;
                &unknown
            }
        };
        let mut macros = Macros::new(&group.any, state, group.is_ssm, links);
        let is_towards_source = state.tree.rpf.interface == Some(iif);
        let is_active = state.tree.rpf.is_connected || state.tree.upstream.is_joined();
        // In the source-specific range the Keepalive Timer counts as running anyway (§4.8.2).
        let mut restarts_keepalive =
            !group.is_ssm && is_towards_source && is_active && !macros.is_inherited_olist_null();
        macros.keepalive |= restarts_keepalive;

        let sets_spt_bit = !macros.spt_bit && macros.update_spt_bit(iif);
        macros.spt_bit |= sets_spt_bit;

        let mut contested = None;
        if is_towards_source && macros.spt_bit {
            // Forwarded along the source's tree.
        } else if group.any.rpf.interface == Some(iif) && !macros.spt_bit {
            // CheckSwitchToSpt(S,G)
            restarts_keepalive |=
                cx.config.spt_switchover == SptSwitchover::Immediate && macros.has_local_receivers();
        } else if macros.spt_bit && macros.is_in_inherited_olist(iif) {
            contested = Some(Some(source));
        } else if !macros.spt_bit && macros.is_in_inherited_olist_rpt(iif) {
            contested = Some(None);
        }

        let id = (address, Some(source));
        if restarts_keepalive {
            self.restart_keepalive(iif, address, source, links, cx);
        }
        if sets_spt_bit
            && let Some(state) = self
                .groups
                .get_mut(&address)
                .and_then(|group| group.sources.get_mut(&source))
        {
            state.spt_bit = true;
            self.dirty.note(id.0, id.1);
        }
        if let Some(contested) = contested {
            self.contest(
                iif,
                (address, contested),
                AssertEvent::Data,
                Some(source),
                links,
                cx,
            );
        }
    }

    /// Sets SPTbit(S,G) where the packet that would do so has come: of packets that have a route of their own from the
    /// beginning the forwarding plane does not tell, but it keeps the time of the last one.
    pub(super) fn catch_up<S: Surroundings>(
        &mut self,
        address: Ipv4Addr,
        source: Ipv4Addr,
        links: &Links,
        cx: &mut Context<'_, S>,
    ) {
        let Some(group) = self.groups.get_mut(&address) else {
            return;
        };
        let Some(state) = group.sources.get_mut(&source) else {
            return;
        };
        let macros = Macros::new(&group.any, state, group.is_ssm, links);
        let is_missing = !macros.spt_bit && state.tree.upstream.is_joined() && macros.is_spt_at_once();
        if is_missing && cx.surroundings.last_packet(address, source).is_some() {
            state.spt_bit = true;
            self.dirty.note(address, Some(source));
        }
    }

    /// Sets KeepaliveTimer(S,G) to Keepalive_Period.
    fn restart_keepalive<S: Surroundings>(
        &mut self,
        iif: InterfaceId,
        group: Ipv4Addr,
        source: Ipv4Addr,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        let id = (group, Some(source));
        if self.admit(iif, id, links, cx).is_none() {
            return;
        }
        let at = cx.now + cx.config.keepalive_period;
        let state = self.source(group, source, links, cx);
        let was_running = state.keepalive.replace(at).is_some();
        super::tree::wake(&mut state.tree, id, at, cx.timers);
        if !was_running {
            self.dirty.note(id.0, id.1);
        }
    }
}
