//! Routes as an agent has them, and a naive reading of what they must be.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp_core::{Action, FilterMode, GroupView, Instant, InterfaceId, Router};

// Whether something is forwarded does not depend on what a kernel has seen.
#[path = "../silent/mod.rs"]
mod silent;

pub(crate) use self::silent::Silent;

/// A route's group and source, `None` for all that have no route of their own.
pub(crate) type Route = (Ipv4Addr, Option<Ipv4Addr>);

/// Ports of routes.
pub(crate) type Ports = BTreeMap<Route, Vec<InterfaceId>>;

/// No host names this address, so that it stands for all sources that nobody names.
const UNNAMED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 255);

/// How many looks at a source's ports the check of one call may take, as it looks at each source after each action.
const LOOKS: usize = 20_000;

/// What the actions have made of an agent's routes.
#[derive(Debug, Default)]
pub(crate) struct Routes(pub(crate) Ports);

impl Routes {
    /// Carries out the actions of one call, those of other kinds aside. Says what is wrong with them by themselves: they
    /// tell nothing twice and nothing that is known, and lead each source from its old ports to its new ones in one step.
    pub(crate) fn follow(&mut self, actions: &[Action]) -> Result<(), String> {
        let mut steps = vec![];
        for action in actions {
            let (route, outgoing) = match action {
                Action::SetRoute {
                    group,
                    source,
                    outgoing,
                } => ((*group, *source), Some(outgoing.to_vec())),
                Action::RemoveRoute { group, source } => ((*group, *source), None),
                _ => continue,
            };
            if route.0.octets()[..3] == [224, 0, 0] || !route.0.is_multicast() {
                return Err(format!("{action:?} of a group that is not forwarded"));
            }
            let is_ascending = outgoing
                .iter()
                .all(|ports| ports.is_sorted_by(|one, other| one < other));
            if !is_ascending || (route.1.is_none() && outgoing.as_ref().is_some_and(Vec::is_empty)) {
                return Err(format!("{action:?} has no such ports"));
            }
            if self.0.get(&route) == outgoing.as_ref() || steps.iter().any(|(other, _)| *other == route) {
                return Err(format!("{action:?} is no news to {self:?}"));
            }
            steps.push((route, outgoing));
        }

        let groups: BTreeSet<_> = steps.iter().map(|((group, _), _)| *group).collect();
        for group in groups {
            let steps = steps.iter().filter(|(route, _)| route.0 == group);
            let all = (group, None)..=(group, Some(Ipv4Addr::BROADCAST));
            let old: Ports = (self.0.range(all))
                .map(|(route, ports)| (*route, ports.clone()))
                .collect();
            for (route, outgoing) in steps.clone() {
                self.set(*route, outgoing.clone());
            }
            let named = old.keys().chain(steps.clone().map(|(route, _)| route));
            let sources: BTreeSet<_> = named
                .map(|(_, source)| source.unwrap_or(UNNAMED))
                .chain([UNNAMED])
                .collect();
            if sources.len() * steps.clone().count() > LOOKS {
                continue;
            }
            let old = Self(old);
            let mut between = Self(old.0.clone());
            for (route, outgoing) in steps {
                between.set(*route, outgoing.clone());
                for &source in &sources {
                    let [old, between, new] = [&old, &between, self].map(|routes| routes.of(group, source));
                    if between != old && between != new {
                        return Err(format!(
                            "{source} to {group} goes from {old:?} to {between:?} on its way to {new:?}: {actions:?}"
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Compares with what the router says of its groups, and of its routes.
    pub(crate) fn compare(&self, router: &Router, now: Instant) -> Result<(), String> {
        let expected = naive(router, now);
        if self.0 != expected {
            return Err(format!("told of {:?}, expected {expected:?}", self.0));
        }
        let all = router.routes((Ipv4Addr::UNSPECIFIED, None), usize::MAX);
        let shown: Ports = all
            .into_iter()
            .map(|route| ((route.group, route.source), route.outgoing))
            .collect();
        if self.0 != shown {
            return Err(format!("told of {:?}, shown {shown:?}", self.0));
        }
        Ok(())
    }

    /// Where packets go.
    fn of(&self, group: Ipv4Addr, source: Ipv4Addr) -> &[InterfaceId] {
        let route = self.0.get(&(group, Some(source)));
        let route = route.or_else(|| self.0.get(&(group, None)));
        route.map_or(&[], Vec::as_slice)
    }

    fn set(&mut self, route: Route, outgoing: Option<Vec<InterfaceId>>) {
        match outgoing {
            Some(outgoing) => self.0.insert(route, outgoing),
            None => self.0.remove(&route),
        };
    }
}

/// The routes that follow from what a router says of its groups, interface by interface (RFC 9776 §6.3 Table 7).
fn naive(router: &Router, now: Instant) -> Ports {
    let mut groups: BTreeMap<Ipv4Addr, Vec<(InterfaceId, GroupView)>> = BTreeMap::new();
    for interface in router.interfaces() {
        for view in router.groups(now, interface, Ipv4Addr::UNSPECIFIED, usize::MAX, &mut Silent) {
            groups.entry(view.group).or_default().push((interface, view));
        }
    }
    let mut routes = Ports::new();
    for (group, views) in groups {
        if group.octets()[..3] == [224, 0, 0] {
            continue;
        }
        let named: BTreeSet<_> = views
            .iter()
            .flat_map(|(_, view)| view.sources.iter().map(|source| source.source))
            .collect();
        let ports = |source: Ipv4Addr| -> Vec<InterfaceId> {
            let wants =
                |view: &GroupView| match view.sources.binary_search_by_key(&source, |listed| listed.source) {
                    Ok(index) => view.sources[index].forwarding,
                    Err(_) => view.filter_mode == FilterMode::Exclude,
                };
            (views.iter().filter(|(_, view)| wants(view)))
                .map(|(interface, _)| *interface)
                .collect()
        };
        let of_group = ports(UNNAMED);
        for source in named {
            if ports(source) != of_group {
                routes.insert((group, Some(source)), ports(source));
            }
        }
        if !of_group.is_empty() {
            routes.insert((group, None), of_group);
        }
    }
    routes
}
