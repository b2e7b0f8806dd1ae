//! The router: all interfaces, and the way in.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use crate::{
    InterfaceId,
    action::{Action, Reason},
    budget::Budget,
    context::{Context, Site},
    deadlines::{Deadlines, Key},
    event::Event,
    forwarding::{Changes, Forwarding, Origins, Wish, Wishes},
    interface::Interface,
    liveness::Liveness,
    member::MemberChange,
    specific_query,
    subscription::{Subscription, SubscriptionChange},
    time::Instant,
    view::{GroupView, InterfaceView, RouteView},
};

/// How many deadlines one call of [`Router::handle_timeout`] serves at most, so that events do not wait for long.
pub const TIMEOUT_BATCH: usize = 1_024;

/// The router side of IGMP on any number of interfaces.
///
/// # Contract
///
/// - `now` never goes back from call to call.
/// - The actions of a call are carried out, in order, before the next call of [`handle_timeout`](Self::handle_timeout).
///   The core looks at the kernel's times once more then, since reports may have come in before the kernel knew of a
///   change.
/// - [`handle_timeout`](Self::handle_timeout) is called when [`poll_timeout`](Self::poll_timeout) says so. Being late
///   or early does no harm.
///
/// No input makes it panic, and the work for an event does not grow with the number of groups.
#[derive(Debug, Default)]
pub struct Router {
    interfaces: BTreeMap<InterfaceId, Interface>,
    timers: Deadlines,
    budget: Budget,
    /// What was touched since routes were last told.
    changes: Changes,
    forwarding: Forwarding,
}

impl Router {
    /// A router without interfaces, and with room for whatever hosts report.
    pub fn new() -> Self {
        Self::default()
    }

    /// A router without interfaces that keeps at most `max_groups` groups with members and `max_sources` sources of
    /// groups, on all interfaces together. Wanted and excluded sources count alike, static groups do not count.
    ///
    /// What exceeds it is refused, and what is known stays as it is. Sources that hosts exclude are refused from half of
    /// `max_sources` on, which leaves them forwarded and the other half to sources that hosts want.
    pub fn with_capacity(max_groups: usize, max_sources: usize) -> Self {
        Self {
            budget: Budget::new(max_groups, max_sources),
            ..Self::default()
        }
    }

    /// Takes in one event. What is to be done about it is appended to `actions`.
    ///
    /// The routes that are different after it come last, [`Action::SetRoute`] and [`Action::RemoveRoute`]: the work for them
    /// grows with the interfaces and sources of the groups that the event changes, and not with the number of groups.
    /// Carried out in order, they lead each source over from its old ports to its new ones in one step.
    ///
    /// Events of an interface that is not up are ignored.
    pub fn handle(
        &mut self,
        now: Instant,
        event: Event,
        liveness: &mut impl Liveness,
        actions: &mut Vec<Action>,
    ) {
        let Self {
            interfaces,
            timers,
            budget,
            changes,
            forwarding,
        } = self;
        let cx = &mut Context {
            now,
            timers,
            liveness,
            budget,
            changes,
            actions,
        };
        match event {
            Event::InterfaceUp {
                interface: id,
                config,
                address,
                mtu,
            } => match interfaces.get_mut(&id) {
                Some(interface) => interface.reconfigure(config, address, mtu, cx),
                None => {
                    let interface = Interface::new(id, config, address, mtu, cx);
                    interfaces.insert(id, interface);
                }
            },
            Event::InterfaceDown { interface } => {
                if let Some(interface) = interfaces.remove(&interface) {
                    interface.close(cx);
                }
            }
            Event::Report(report) => {
                if let Some(interface) = interfaces.get_mut(&report.interface) {
                    interface.report(&report, cx);
                }
            }
            Event::Query(query) => {
                if let Some(interface) = interfaces.get_mut(&query.interface) {
                    interface.query(&query, cx);
                }
            }
            Event::Found(found) => {
                if let Some(interface) = interfaces.get_mut(&found.interface) {
                    interface.found(&found, cx);
                }
            }
            Event::Clear {
                interface: Some(id),
                group,
            } => {
                if let Some(interface) = interfaces.get_mut(&id) {
                    interface.clear(group, cx);
                }
            }
            Event::Clear {
                interface: None,
                group,
            } => {
                for interface in interfaces.values_mut() {
                    interface.clear(group, cx);
                }
            }
        }
        forwarding.resolve(changes, interfaces, actions);
    }

    /// Serves deadlines that have come, at most [`TIMEOUT_BATCH`] of them. Without any it does nothing.
    ///
    /// As with an event, routes come last, when all of these deadlines are served.
    pub fn handle_timeout(&mut self, now: Instant, liveness: &mut impl Liveness, actions: &mut Vec<Action>) {
        let Self {
            interfaces,
            timers,
            budget,
            changes,
            forwarding,
        } = self;
        // All of a batch is taken out first: what is queued anew for this moment is meant for the next call.
        let due: Vec<Key> = core::iter::from_fn(|| timers.pop_due(now))
            .take(TIMEOUT_BATCH)
            .collect();
        if due.is_empty() {
            return;
        }
        let mut keys = Vec::with_capacity(due.len());
        for key in &due {
            match *key {
                Key::Interface(_) => {}
                Key::Group(id, group) | Key::Series(id, group) => keys.push((id, group, None)),
                Key::Source(id, group, source) => keys.push((id, group, Some(source))),
            }
        }
        if !keys.is_empty() {
            liveness.prefetch(&keys);
        }

        let cx = &mut Context {
            now,
            timers,
            liveness,
            budget,
            changes,
            actions,
        };
        for key in due {
            let (Key::Interface(id) | Key::Group(id, _) | Key::Series(id, _) | Key::Source(id, _, _)) = key;
            let Some(interface) = interfaces.get_mut(&id) else {
                continue;
            };
            match key {
                Key::Interface(_) => interface.role_timer(cx),
                Key::Group(_, group) => interface.group_timer(group, cx),
                Key::Series(_, group) => interface.series_timer(group, cx),
                Key::Source(_, group, source) => interface.source_timer(group, source, cx),
            }
        }
        forwarding.resolve(changes, interfaces, actions);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next. It may lie in the past: then some deadlines
    /// of the last batch are still to be served.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The interfaces that are up, ascending.
    pub fn interfaces(&self) -> impl Iterator<Item = InterfaceId> {
        self.interfaces.keys().copied()
    }

    /// Of how many removals interfaces keep a memory.
    #[cfg(test)]
    pub(crate) fn removals(&self) -> usize {
        let interfaces = self.interfaces.values();
        interfaces
            .map(|interface| interface.removals.len().max(interface.removed.len()))
            .sum()
    }

    /// How many groups and sources are counted, and how many there are.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> [(usize, usize); 2] {
        let groups = || {
            self.interfaces
                .values()
                .flat_map(|interface| interface.groups.values())
        };
        let sources = groups().map(|group| group.sources().iter().count()).sum();
        [self.budget.counts(), (groups().count(), sources)]
    }

    /// What is known of an interface.
    pub fn interface(&self, id: InterfaceId) -> Option<InterfaceView> {
        self.interfaces.get(&id).map(Interface::view)
    }

    /// The groups of an interface from `from` on, ascending, at most `limit` of them. A long list is read in parts, so
    /// that the router does not stand still meanwhile.
    pub fn groups(
        &self,
        now: Instant,
        interface: InterfaceId,
        from: Ipv4Addr,
        limit: usize,
        liveness: &mut impl Liveness,
    ) -> Vec<GroupView> {
        self.interfaces
            .get(&interface)
            .map_or_else(Vec::new, |interface| {
                interface.view_groups(now, from, limit, liveness)
            })
    }

    /// The routes that were told, from `from` on, ascending, at most `limit` of them. The route of a group, whose source is
    /// `None`, comes before those of its sources.
    pub fn routes(&self, from: (Ipv4Addr, Option<Ipv4Addr>), limit: usize) -> Vec<RouteView> {
        self.forwarding.routes(from).take(limit).collect()
    }

    /// Begins to keep the membership database of a proxy whose upstream interface is this one (RFC 4605 §4.1), or ceases
    /// to. Members on `upstream` do not count: a router side does not belong there (§3).
    ///
    /// The records that there are become changes of [`take_subscription_changes`](Self::take_subscription_changes), which
    /// is the only work here that grows with the number of groups.
    pub fn set_upstream(&mut self, upstream: Option<InterfaceId>) {
        self.forwarding.set_upstream(upstream);
    }

    /// What changed of the membership database since this was last asked, in order, for
    /// [`HostEvent::Subscription`](crate::HostEvent::Subscription). To be asked after each call while there is an
    /// upstream interface, since changes are kept until then.
    pub fn take_subscription_changes(&mut self) -> Vec<SubscriptionChange> {
        self.forwarding.take_subscription_changes()
    }

    /// The membership database from `from` on, ascending, at most `limit` records. Empty without an upstream interface.
    pub fn subscriptions(&self, from: Ipv4Addr, limit: usize) -> Vec<Subscription> {
        self.forwarding.subscriptions(from).take(limit).collect()
    }

    /// Begins to tell what members on single interfaces want, for PIM (RFC 7761 §4.1.6), or ceases to.
    ///
    /// What they want now becomes changes of [`take_member_changes`](Self::take_member_changes), which is the only work here
    /// that grows with the number of groups. What was not asked for yet is forgotten where this ends.
    pub fn set_member_log(&mut self, on: bool) {
        self.forwarding.set_member_log(on);
    }

    /// What members want differently since this was last asked, in order, for
    /// [`PimEvent::Member`](crate::PimEvent::Member). To be asked after each call while it is switched on, since changes are
    /// kept until then.
    ///
    /// At first nobody wants anything: any source of no group, and of each source [`AsAnySource`](crate::SourceWish). What
    /// is as it was is not told. Of the group's changes by one call each source on each interface goes over in one step.
    pub fn take_member_changes(&mut self) -> Vec<MemberChange> {
        self.forwarding.take_member_changes()
    }

    /// One group of an interface.
    pub fn group(
        &self,
        now: Instant,
        interface: InterfaceId,
        group: Ipv4Addr,
        liveness: &mut impl Liveness,
    ) -> Option<GroupView> {
        self.groups(now, interface, group, 1, liveness)
            .into_iter()
            .find(|view| view.group == group)
    }
}

impl Wishes for BTreeMap<InterfaceId, Interface> {
    fn any_source(&self, interface: InterfaceId, group: Ipv4Addr) -> Origins {
        self.get(&interface)
            .map_or(Origins::NONE, |interface| interface.any_source(group))
    }

    fn source(&self, interface: InterfaceId, group: Ipv4Addr, source: Ipv4Addr) -> Wish {
        self.get(&interface)
            .map_or_else(Wish::default, |interface| interface.wish(group, source))
    }
}

impl Interface {
    /// Forgets memberships and asks for them anew.
    fn clear<L: Liveness>(&mut self, only: Option<Ipv4Addr>, cx: &mut Context<'_, L>) {
        match only {
            None => {
                let addresses: Vec<Ipv4Addr> = self.groups.keys().collect();
                for address in addresses {
                    self.remove_group(address, Reason::Clear, cx);
                }
                self.query_now(cx);
            }
            Some(address) => {
                if !self.groups.contains_key(&address) {
                    return;
                }
                self.remove_group(address, Reason::Clear, cx);
                let parameters = self.parameters();
                // The query is not repeated, so that other routers must not lower their timers for it. Without S flag
                // only a General Query lowers none.
                if parameters.version < 3 {
                    self.query_now(cx);
                } else if parameters.querier && parameters.can_send {
                    let site = Site {
                        parameters: &parameters,
                        group: address,
                        statics: None,
                    };
                    specific_query::send(&site, true, &[], cx);
                }
            }
        }
    }
}
