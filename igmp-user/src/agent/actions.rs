//! Doing what the core wants done.

use std::{collections::HashMap, net::Ipv4Addr};

use igmp_core::{Action, Event, Found, Instant, Notification, NotificationKind, Reason, SendQuery, Warning};
use igmp_wire::abi::{GroupKey, SourceKey};
use tracing::{error, warn};

use super::{Agent, clock, forwarding::Incoming, query, translate};
use crate::kernel::{Applied, MapChange};

impl Agent {
    /// Carries out what the core has asked for. `now` is the time that it was given.
    ///
    /// The kernel's maps are first: a host that answers a query must find them as the core thinks they are.
    pub(super) fn carry_out(&mut self, now: Instant) {
        self.carry_out_all(now);
        self.run_pim();
        self.tell_upstream();
    }

    fn carry_out_all(&mut self, now: Instant) {
        self.kernel.forget_times();
        // Of reports after the first of its decisions the core may not know.
        let now = self.began.take().map_or(now, |began| began.min(now));
        let refreshed = self.carry_out_once(now);
        if refreshed.is_empty() {
            return;
        }
        for found in refreshed {
            self.handle(Event::Found(found));
        }
        // Once is enough: what the core decides against its better knowledge, such as a source beyond a limit, comes up
        // again in the second step of the removal, a little later each time.
        self.carry_out_once(now);
    }

    /// Returns what is to be removed although a report refreshed it after `now`.
    fn carry_out_once(&mut self, now: Instant) -> Vec<Found> {
        let mut actions = std::mem::take(&mut self.actions);
        if actions.is_empty() {
            return Vec::new();
        }
        let mut changes = std::mem::take(&mut self.changes);
        let mut done = self.done.drain(..).peekable();
        for (index, action) in actions.iter().enumerate() {
            let is_done = done.next_if_eq(&index).is_some();
            changes.extend(map_change(action, is_done));
        }
        drop(done);
        let outcome = self.kernel.apply(now, &changes);
        changes.clear();
        self.changes = changes;
        let Applied { refreshed, full } = outcome.unwrap_or_else(|error| {
            error!("the kernel's maps do not follow: {error}");
            Applied::default()
        });
        if let Some(entries) = self.full_maps.note(now, full) {
            // The agent's own state is not affected; reports of these become events again and again.
            warn!(
                entries,
                "the kernel's maps are full, and igmpd alone knows of some groups or sources; raise max-groups or max-entries"
            );
        }
        // Routes change because of what members of their groups did, which is told before.
        let mut reasons: HashMap<Ipv4Addr, Reason> = HashMap::new();
        let has_pim = self.pim.is_running();
        let needs_reasons = has_pim || self.has_listeners();
        for action in actions.drain(..) {
            match action {
                // What members want is told to PIM, and its routes hold.
                Action::SetRoute { .. } | Action::RemoveRoute { .. } if has_pim => {}
                Action::SetRoute {
                    group,
                    source,
                    outgoing,
                } => {
                    let reason = reasons.get(&group).copied().unwrap_or(Reason::Report);
                    self.set_route(now, (group, source), Incoming::Rpf, &outgoing, reason);
                }
                Action::RemoveRoute { group, source } => {
                    let reason = reasons.get(&group).copied().unwrap_or(Reason::Leave);
                    self.remove_route(now, group, source, reason);
                }
                Action::SendQuery(query) => self.send(now, &query),
                Action::Notify(notification) => {
                    if needs_reasons && let Some(group) = notification.group {
                        reasons.insert(group, notification.reason);
                        self.pim.note_reason(group, notification.reason);
                    }
                    self.querier_changed |= notification.kind == NotificationKind::QuerierChanged;
                    self.notify(&notification);
                }
                Action::Warn(warning) => self.warn(&warning),
                Action::SetGroup { .. }
                | Action::RemoveGroup { .. }
                | Action::SetSource { .. }
                | Action::RemoveSource { .. } => {}
            }
        }
        // What is done is nothing new, so that the room for it can be used again.
        self.actions = actions;
        self.commit_routes();
        if std::mem::take(&mut self.querier_changed) {
            self.reconcile_forwarding();
        }
        refreshed
    }

    /// Deletes from the kernel's maps what nobody refreshed any more, and tells the core of what somebody did.
    pub(super) fn finish_removals(&mut self, now: Instant) {
        if self.kernel.next_removal().is_none_or(|due| now < due) {
            return;
        }
        match self.kernel.finish_removals(now) {
            Ok(found) => {
                for found in found {
                    self.handle(Event::Found(found));
                }
                self.carry_out(now);
            }
            Err(error) => error!("the kernel's maps do not follow: {error}"),
        }
    }

    /// Sends the queries that are due where interfaces came up, before whatever else is to be done.
    pub(super) fn send_first_queries(&mut self) {
        let now = clock::now();
        if self.router.poll_timeout().is_some_and(|due| due <= now) {
            self.router
                .handle_timeout(now, &mut self.kernel, &mut self.actions);
        }
        let is_query = |action: &mut Action| matches!(action, Action::SendQuery(_));
        let queries: Vec<Action> = self.actions.extract_if(.., is_query).collect();
        for query in &queries {
            if let Action::SendQuery(query) = query {
                self.send(now, query);
            }
        }
    }

    fn send(&mut self, now: Instant, query: &SendQuery) {
        let Some(name) = self.slots.owner(query.interface.0) else {
            return;
        };
        let Some(served) = self.interfaces.get_mut(name) else {
            return;
        };
        let Some(binding) = &served.wanted.binding else {
            return;
        };
        let (Some(mac), Some(address)) = (binding.mac, binding.address()) else {
            return;
        };
        let outcome = query::frame(query, mac, binding.vlan, address, &mut self.frame)
            .map_err(|error| error.to_string())
            .and_then(|()| {
                self.packets
                    .send(binding.ifindex, &self.frame)
                    .map_err(|error| error.to_string())
            });
        match outcome {
            Ok(()) => query::count(&mut served.sent, query),
            // The protocol repeats every query, so one that is lost is no harm.
            Err(error) => {
                if let Some(count) = self.send_errors.note(now, 1) {
                    warn!(interface = name, count, "cannot send a query: {error}");
                }
            }
        }
    }

    fn notify(&self, notification: &Notification) {
        if self.has_listeners()
            && let Some(name) = self.slots.owner(notification.interface.0)
        {
            self.publish(translate::notification(notification, name));
        }
    }

    fn warn(&self, warning: &Warning) {
        let name = |interface: &igmp_core::InterfaceId| self.slots.owner(interface.0).unwrap_or_default();
        match warning {
            Warning::VersionMismatch {
                interface,
                configured,
                heard,
                querier,
            } => warn!(
                interface = name(interface),
                %querier,
                "the querier speaks version {heard} of IGMP and this interface version {configured}; all routers of a \
                 network have to run the same version (RFC 9776 section 7.3.1)"
            ),
            Warning::LimitReached {
                interface,
                group,
                limit,
                sources: false,
            } => warn!(
                interface = name(interface),
                %group,
                "max-groups ({limit}) is reached, and further groups are refused"
            ),
            Warning::LimitReached {
                interface,
                group,
                limit,
                sources: true,
            } => warn!(
                interface = name(interface),
                %group,
                "max-group-sources ({limit}) is reached, and further sources of the group are refused"
            ),
            Warning::CapacityReached {
                interface,
                group,
                limit,
            } => warn!(
                interface = name(interface),
                %group,
                "no room for further sources, which are refused: all interfaces together have max-entries ({limit}), and \
                 excluded ones may take half of it"
            ),
        }
    }
}

/// What the kernel has to know of an action, which a report may have done already.
fn map_change(action: &Action, is_done: bool) -> Option<MapChange> {
    let group_key = |interface: igmp_core::InterfaceId, group: Ipv4Addr| GroupKey {
        slot: interface.0,
        group: group.to_bits(),
    };
    let source_key = |interface: igmp_core::InterfaceId, group: Ipv4Addr, source: Ipv4Addr| SourceKey {
        slot: interface.0,
        group: group.to_bits(),
        source: source.to_bits(),
    };
    Some(match *action {
        Action::SetGroup {
            interface,
            group,
            refresh,
        } => {
            let key = group_key(interface, group);
            if is_done {
                MapChange::GroupMade { key, refresh }
            } else {
                MapChange::SetGroup { key, refresh }
            }
        }
        Action::RemoveGroup { interface, group } => MapChange::RemoveGroup {
            key: group_key(interface, group),
        },
        Action::SetSource {
            interface,
            group,
            source,
        } => MapChange::SetSource {
            key: source_key(interface, group, source),
        },
        Action::RemoveSource {
            interface,
            group,
            source,
        } => MapChange::RemoveSource {
            key: source_key(interface, group, source),
        },
        Action::SetRoute { .. }
        | Action::RemoveRoute { .. }
        | Action::SendQuery(_)
        | Action::Notify(_)
        | Action::Warn(_) => return None,
    })
}
