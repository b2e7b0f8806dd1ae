//! The routes of the forwarding plane (RFC 7761 §4.2).

use core::net::Ipv4Addr;

use super::{
    olist::{Macros, Olist},
    tree::{Group, Source},
};
use crate::{
    InterfaceId,
    pim::{PimAction, links::Links},
};

/// A route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Route {
    /// The interface that packets are accepted on.
    pub(super) incoming: Option<InterfaceId>,
    /// Where they go, ascending.
    pub(super) outgoing: Olist,
}

/// The route of packets that have no route of their own.
fn of_any_source(macros: &Macros<'_>, group: &Group) -> Option<Route> {
    let outgoing = macros.immediate_olist_any();
    (!outgoing.is_empty()).then_some(Route {
        incoming: group.any.rpf.interface,
        outgoing,
    })
}

/// The route of a source, unless it has the one of the group.
///
/// Where the very first packet from the source's own tree would set the SPTbit, and nothing but that packet is missing, it has to
/// be accepted: the route is that of the source's tree from the beginning.
fn of_source(
    macros: &Macros<'_>,
    group: &Group,
    source: &Source,
    of_any_source: Option<&Route>,
) -> Option<Route> {
    let is_joined = source.tree.upstream.is_joined();
    let route = if macros.spt_bit || (is_joined && macros.is_spt_at_once()) {
        Route {
            incoming: source.tree.rpf.interface,
            outgoing: macros.inherited_olist(),
        }
    } else {
        let is_shared_interface = is_joined && source.tree.rpf.interface == group.any.rpf.interface;
        Route {
            incoming: group.any.rpf.interface,
            outgoing: match is_shared_interface {
                true => macros.olist_of_shared_interface(),
                false => macros.inherited_olist_rpt(),
            },
        }
    };
    let is_needed = match of_any_source {
        _ if is_joined => true,
        Some(any) => *any != route,
        None => !route.outgoing.is_empty(),
    };
    is_needed.then_some(route)
}

/// Tells which routes of a group are different: those of all sources, or of these only unless that of the group is different,
/// too. Each source goes over to its new route in one step: first the routes of sources that begin or change, then that of the
/// group, then the end of those that are needed no more.
pub(super) fn tell(
    address: Ipv4Addr,
    group: &mut Group,
    only: Option<&[Ipv4Addr]>,
    links: &Links,
    actions: &mut Vec<PimAction>,
) {
    let unknown = Source::default();
    let of_any = of_any_source(&Macros::new(&group.any, &unknown, group.is_ssm, links), group);
    let is_any_changed = of_any != group.any.told;
    let route = |source: &Source| {
        let macros = Macros::new(&group.any, source, group.is_ssm, links);
        of_source(&macros, group, source, of_any.as_ref())
    };
    let changed: Vec<(Ipv4Addr, Option<Route>)> = match only {
        Some(only) if !is_any_changed => {
            let sources = only
                .iter()
                .filter_map(|address| group.sources.get_key_value(address));
            sources
                .map(|(&address, source)| (address, source, route(source)))
                .filter(|(_, source, route)| *route != source.tree.told)
                .map(|(address, _, route)| (address, route))
                .collect()
        }
        _ => (group.sources.iter())
            .map(|(&address, source)| (address, source, route(source)))
            .filter(|(_, source, route)| *route != source.tree.told)
            .map(|(address, _, route)| (address, route))
            .collect(),
    };
    let mut unneeded = Vec::new();
    for (source, route) in changed {
        match &route {
            Some(route) => actions.push(set(address, Some(source), route)),
            None => unneeded.push(PimAction::RemoveRoute {
                group: address,
                source: Some(source),
            }),
        }
        if let Some(source) = group.sources.get_mut(&source) {
            source.tree.told = route;
        }
    }
    if is_any_changed {
        actions.push(match &of_any {
            Some(route) => set(address, None, route),
            None => PimAction::RemoveRoute {
                group: address,
                source: None,
            },
        });
        group.any.told = of_any;
    }
    actions.append(&mut unneeded);
}

fn set(group: Ipv4Addr, source: Option<Ipv4Addr>, route: &Route) -> PimAction {
    PimAction::SetRoute {
        group,
        source,
        incoming: route.incoming,
        outgoing: route.outgoing.to_vec(),
    }
}
