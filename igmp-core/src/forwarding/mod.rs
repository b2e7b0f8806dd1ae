//! Where packets go: routes, computed from what members on all interfaces want.
//!
//! Any number of origins on an interface says what it wants: the hosts, whose state IGMP keeps, and the configuration.
//! An origin wants any source of a group or not, and of single sources it may say otherwise. Out of an interface goes
//! what any of its origins wants (RFC 9776 §6.3):
//!
//! | | the interfaces where an origin |
//! |---|---|
//! | ports (\*,G) | wants any source of G |
//! | ports (S,G) | wants S of G by name, or wants any source of G and does not block S |
//!
//! A route of a source is needed only where its ports are not those of the group, and one of the group only where it has
//! ports.
//!
//! # Nothing is missed, and nothing is told too soon
//!
//! The state that members leave behind can only be changed together with a note of where it changed ([`Changes`]). When
//! an event is handled completely, [`Forwarding::resolve`] reads for each note what is wanted there now ([`Wishes`]), and
//! tells which routes differ from those told before. What an event changes and changes back is never told of.
//!
//! # Order
//!
//! The routes of a group are told in such an order that each source goes over from its old ports to its new ones in one
//! step, although one route follows the other: first the routes of sources that are needed from now on or change, then
//! that of the group, then the end of those routes of sources that are needed no more. In between no member misses a
//! packet that it wants before and after, and none gets one that it wants neither before nor after.

mod changes;
mod member_log;
mod member_table;
mod members;
mod origins;
mod subscriptions;

use core::net::Ipv4Addr;

use igmp_wire::address::{is_link_local_group, is_multicast};

use self::{
    changes::Change,
    member_log::{MemberDifference, MemberLog},
    member_table::{Kept, MemberTable},
    members::{AnySource, Members, OneSource},
    subscriptions::{Difference, Subscriptions},
};
pub(crate) use self::{
    changes::{Changes, Journal},
    origins::{Origins, Wish, Wishes},
};
use crate::{
    InterfaceId,
    action::Action,
    member::MemberChange,
    mode::FilterMode,
    subscription::{Subscription, SubscriptionChange},
    view::RouteView,
};

/// The members of all groups, as the routes that were told follow from them.
#[derive(Debug, Default)]
pub(crate) struct Forwarding {
    groups: MemberTable,
    /// What a proxy is to ask of its upstream router, where there is one.
    subscriptions: Option<Subscriptions>,
    /// What members on single interfaces want, where PIM asks for it.
    member_log: Option<MemberLog>,
}

impl Forwarding {
    /// Tells which routes are different after the changes, of which none is left then.
    pub(crate) fn resolve(&mut self, changes: &mut Changes, wishes: &impl Wishes, actions: &mut Vec<Action>) {
        let noted = changes.take();
        for changes in noted.chunk_by(|one, other| one.group == other.group) {
            let Some(&Change { group, .. }) = changes.first() else {
                continue;
            };
            // Packets to 224.0.0.0/24 never leave their link (RFC 5771 §4).
            if !is_multicast(group) || is_link_local_group(group) {
                continue;
            }
            let logs = Logs {
                subscriptions: self.subscriptions.as_mut(),
                member_log: self.member_log.as_mut(),
            };
            self.groups.change(group, |members| {
                resolve_group(group, changes, wishes, members, logs, actions);
            });
        }
        changes.give_back(noted);
    }

    /// Begins to keep the membership database of a proxy with this upstream interface, or ceases to. The records that there
    /// are count as changed.
    pub(crate) fn set_upstream(&mut self, upstream: Option<InterfaceId>) {
        let before = self
            .subscriptions
            .as_ref()
            .map(|subscriptions| subscriptions.upstream);
        if before == upstream {
            return;
        }
        let untold = self.take_subscription_changes();
        self.subscriptions = upstream.map(|upstream| Subscriptions::new(upstream, untold));
        if let Some(subscriptions) = &mut self.subscriptions {
            for (group, members) in self.groups.iter() {
                let was = before.and_then(|before| subscriptions::merge(group, &members, before));
                let is = subscriptions::merge(group, &members, subscriptions.upstream);
                if let Some(subscription) = is.or(was.map(|was| Subscription {
                    filter_mode: FilterMode::Include,
                    sources: Vec::new(),
                    ..was
                })) {
                    subscriptions.replace(subscription);
                }
            }
        }
    }

    /// What changed of the membership database since it was last asked for.
    pub(crate) fn take_subscription_changes(&mut self) -> Vec<SubscriptionChange> {
        self.subscriptions
            .as_mut()
            .map_or_else(Vec::new, Subscriptions::take)
    }

    /// Begins to tell what members on single interfaces want, with all that they want now, or ceases to.
    pub(crate) fn set_member_log(&mut self, on: bool) {
        if on == self.member_log.is_some() {
            return;
        }
        self.member_log = on.then(MemberLog::default);
        if let Some(log) = &mut self.member_log {
            for (group, members) in self.groups.iter() {
                log.tell_all(group, &members);
            }
        }
    }

    /// What members want differently since this was last asked for.
    pub(crate) fn take_member_changes(&mut self) -> Vec<MemberChange> {
        self.member_log.as_mut().map_or_else(Vec::new, MemberLog::take)
    }

    /// The records of the membership database from `from` on, ascending.
    pub(crate) fn subscriptions(&self, from: Ipv4Addr) -> impl Iterator<Item = Subscription> {
        let upstream = self
            .subscriptions
            .as_ref()
            .map(|subscriptions| subscriptions.upstream);
        let groups = self.groups.range(from);
        groups.filter_map(move |(group, members)| subscriptions::merge(group, &members, upstream?))
    }

    /// All routes from `from` on, ascending: that of a group before those of its sources.
    pub(crate) fn routes(
        &self,
        (first, from): (Ipv4Addr, Option<Ipv4Addr>),
    ) -> impl Iterator<Item = RouteView> {
        self.groups.range(first).flat_map(move |(group, members)| {
            let from = from.filter(|_| group == first);
            let ports = members.any_source().ports();
            let of_group = (from.is_none() && !ports.is_empty()).then_some((None, ports));
            let with_sources = match members {
                Kept::OneInterface(_) => None,
                Kept::Other(members) => Some(members),
            };
            let of_sources = with_sources.into_iter().flat_map(move |members| {
                let sources = members.sources(from.unwrap_or(Ipv4Addr::UNSPECIFIED));
                sources.filter_map(|(address, source)| {
                    Some((Some(address), source.ports(members.any_source())?))
                })
            });
            let routes = of_group.into_iter().chain(of_sources);
            routes.map(move |(source, outgoing)| RouteView {
                group,
                source,
                outgoing: outgoing.into_vec(),
            })
        })
    }
}

/// Who else than routes is told of what members want.
struct Logs<'a> {
    subscriptions: Option<&'a mut Subscriptions>,
    member_log: Option<&'a mut MemberLog>,
}

/// Takes over what changed of one group, and tells which of its routes are different then.
fn resolve_group(
    group: Ipv4Addr,
    changes: &[Change],
    wishes: &impl Wishes,
    members: &mut Members,
    logs: Logs<'_>,
    actions: &mut Vec<Action>,
) {
    let Logs {
        subscriptions,
        member_log,
    } = logs;
    let (of_all, of_sources) = changes.split_at(changes.partition_point(|change| change.source.is_none()));
    let any_source = |change: &Change| (change.interface, wishes.any_source(change.interface, group));
    let before = members.set_any_source(of_all.iter().map(any_source));

    let mut difference = subscriptions.as_ref().map(|subscriptions| {
        let any_source = [&before, members.any_source()];
        Difference::new(group, subscriptions.upstream, any_source)
    });
    let mut of_members = member_log.is_some().then(MemberDifference::default);
    let mut unneeded = Vec::new();
    let mut compare = |address: Ipv4Addr, [old, new]: [&OneSource; 2], now: &AnySource| {
        if let Some(difference) = &mut difference {
            difference.compare(address, [old, new], [&before, now]);
        }
        if let Some(difference) = &mut of_members {
            difference.compare(address, [old, new], [&before, now]);
        }
        let route = new.ports(now);
        if old.ports(&before) == route {
            return;
        }
        match route {
            Some(outgoing) => actions.push(Action::SetRoute {
                group,
                source: Some(address),
                outgoing,
            }),
            None => unneeded.push(Action::RemoveRoute {
                group,
                source: Some(address),
            }),
        }
    };
    for changes in of_sources.chunk_by(|one, other| one.source == other.source) {
        let Some(address) = changes.first().and_then(|change| change.source) else {
            continue;
        };
        let wish = |change: &Change| (change.interface, wishes.source(change.interface, group, address));
        let [old, new] = members.set_source(address, changes.iter().map(wish));
        compare(address, [&old, &new], members.any_source());
    }
    if before != *members.any_source() {
        for (address, source) in members.sources(Ipv4Addr::UNSPECIFIED) {
            let is_done = of_sources.binary_search_by_key(&Some(address), |change| change.source);
            if is_done.is_err() {
                compare(address, [source, source], members.any_source());
            }
        }
        if !before.has_ports_of(members.any_source()) {
            let outgoing = members.any_source().ports();
            actions.push(if outgoing.is_empty() {
                Action::RemoveRoute { group, source: None }
            } else {
                Action::SetRoute {
                    group,
                    source: None,
                    outgoing,
                }
            });
        }
    }
    actions.append(&mut unneeded);
    if let (Some(subscriptions), Some(difference)) = (subscriptions, difference) {
        subscriptions.tell(difference);
    }
    if let (Some(log), Some(difference)) = (member_log, of_members) {
        log.tell(group, difference, [&before, members.any_source()]);
    }
}
