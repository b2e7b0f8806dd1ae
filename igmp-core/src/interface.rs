//! One interface: its configuration and what it knows.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    InterfaceId,
    action::{Action, Notification, NotificationKind, Reason},
    config::InterfaceConfig,
    context::{Context, Site},
    deadlines::Key,
    dense::DenseMap,
    forwarding::{Origins, Wish},
    group::Group,
    limits::{Occasional, Refused},
    liveness::Liveness,
    mode::FilterMode,
    parameters::{Adopted, Before, Parameters},
    querier::Role,
    sources::Source,
    static_group::{self, StaticMembers, Statics},
    time::{Duration, Instant},
    timers::Slot,
};

/// For how long it is remembered that a group was removed: longer than the kernel's entry may stay on.
const REMOVAL_MEMORY: Duration = Duration::from_secs(1);

/// What is remembered of a group that was removed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Removal {
    /// When that was.
    pub(crate) at: Instant,
    /// Up to when the kernel's times of it are accounted for.
    pub(crate) accounted_for: Instant,
}

impl Removal {
    /// Whether the kernel may still have the entry.
    pub(crate) fn is_recent(&self, now: Instant) -> bool {
        now.since(self.at) < REMOVAL_MEMORY
    }
}

/// The state of an interface (RFC 9776 §6.2).
#[derive(Debug)]
pub(crate) struct Interface {
    pub(crate) id: InterfaceId,
    pub(crate) config: InterfaceConfig,
    pub(crate) address: Option<Ipv4Addr>,
    pub(crate) mtu: u32,
    /// Whether this router or another one is the querier.
    pub(crate) role: Role,
    /// Intervals that were in force before.
    before: Before,
    /// Where the timer of the role is queued.
    pub(crate) slot: Slot,
    /// The groups that hosts reported.
    pub(crate) groups: DenseMap<Ipv4Addr, Group>,
    /// Groups that were removed lately, of which the kernel may still have the entries.
    pub(crate) removed: BTreeMap<Ipv4Addr, Removal>,
    /// When they were removed, in this order, so that each is forgotten without a search.
    pub(crate) removals: VecDeque<(Instant, Ipv4Addr)>,
    /// The groups that the configuration wants.
    pub(crate) statics: Statics,
    /// What limits refused.
    pub(crate) refused: Refused,
    /// Warnings of queries of another version.
    pub(crate) mismatches: Occasional,
}

impl Interface {
    /// An interface that came up: its first General Query goes out at once.
    pub(crate) fn new<L: Liveness>(
        id: InterfaceId,
        config: InterfaceConfig,
        address: Option<Ipv4Addr>,
        mtu: u32,
        cx: &mut Context<'_, L>,
    ) -> Self {
        let mut interface = Self {
            id,
            config,
            address,
            mtu,
            role: Role::silent(),
            before: Before::default(),
            slot: Slot::default(),
            groups: DenseMap::default(),
            removed: BTreeMap::new(),
            removals: VecDeque::new(),
            statics: Statics::default(),
            refused: Refused::default(),
            mismatches: Occasional::default(),
        };
        interface.configure_static_groups(cx);
        interface.start_up(cx);
        interface
    }

    /// Changes what differs from before. Memberships stay.
    pub(crate) fn reconfigure<L: Liveness>(
        &mut self,
        config: InterfaceConfig,
        address: Option<Ipv4Addr>,
        mtu: u32,
        cx: &mut Context<'_, L>,
    ) {
        let old = self.parameters();
        let old_config = core::mem::replace(&mut self.config, config);
        let old_address = core::mem::replace(&mut self.address, address);
        self.mtu = mtu;
        if old_config.static_groups != self.config.static_groups {
            self.configure_static_groups(cx);
        }
        self.reconsider_role(&old_config, old_address, cx);
        self.remember(&old, cx.now);
    }

    /// Remembers what was in force until `at`, for what was reported up to then.
    pub(crate) fn remember(&mut self, old: &Parameters, at: Instant) {
        self.before = old.followed_by(&self.parameters(), at);
    }

    /// What is in force.
    pub(crate) fn parameters(&self) -> Parameters {
        self.parameters_of(self.role.adopted())
    }

    /// What would be in force if the querier had said this.
    pub(crate) fn parameters_of(&self, adopted: Adopted) -> Parameters {
        Parameters::new(
            self.id,
            &self.config,
            adopted,
            self.mtu,
            self.role.is_querier(),
            self.address.is_some(),
            self.before,
        )
    }

    /// Ends everything before the interface is dropped.
    pub(crate) fn close<L: Liveness>(mut self, cx: &mut Context<'_, L>) {
        let parameters = self.parameters();
        cx.timers.cancel(&mut self.slot, Key::Interface(self.id));
        for (address, group) in core::mem::take(&mut self.groups).into_entries() {
            let site = Site {
                parameters: &parameters,
                group: address,
                statics: self.statics.get(address),
            };
            group.dismantle(&site, cx);
            self.notify_group(address, NotificationKind::GroupLeft, None, Reason::Interface, cx);
        }
        let statics = self.statics.replace(self.id, BTreeMap::new(), cx.changes);
        for address in statics.into_keys() {
            self.announce_group(address, NotificationKind::GroupLeft, None, Reason::Interface, cx);
        }
    }

    /// Who wants any source of a group.
    pub(crate) fn any_source(&self, address: Ipv4Addr) -> Origins {
        let hosts = self.groups.get(&address);
        let hosts = hosts.is_some_and(|group| group.mode.get() == FilterMode::Exclude);
        let statics = self.statics.get(address);
        let statics = statics.is_some_and(|members| members.any_source);
        Origins::HOSTS.when(hosts) | Origins::STATIC.when(statics)
    }

    /// What is said of a source of a group.
    pub(crate) fn wish(&self, address: Ipv4Addr, source: Ipv4Addr) -> Wish {
        let hosts = self
            .groups
            .get(&address)
            .and_then(|group| group.sources().get(source));
        let hosts = hosts.map(Source::wish).unwrap_or_default();
        let statics = self.statics.get(address);
        hosts | statics.map(|members| members.wish(source)).unwrap_or_default()
    }

    /// Forgets which groups were removed, where that is long ago.
    pub(crate) fn forget_removals(&mut self, now: Instant) {
        while let Some(&(at, address)) = self.removals.front()
            && now.since(at) >= REMOVAL_MEMORY
        {
            self.removals.pop_front();
            // It may have been removed once more since.
            if self.removed.get(&address).is_some_and(|removal| removal.at == at) {
                self.removed.remove(&address);
            }
        }
    }

    /// Forgets a group.
    pub(crate) fn remove_group<L: Liveness>(
        &mut self,
        address: Ipv4Addr,
        reason: Reason,
        cx: &mut Context<'_, L>,
    ) {
        let parameters = self.parameters();
        if let Some(group) = self.groups.remove(&address) {
            // Whatever was reported before the operator cleared the group is not wanted any more.
            let accounted_for = if reason == Reason::Clear {
                cx.now
            } else {
                group.timer.base
            };
            // Here as well, since on an interface without address no timer of the role runs.
            self.forget_removals(cx.now);
            self.removals.push_back((cx.now, address));
            self.removed.insert(
                address,
                Removal {
                    at: cx.now,
                    accounted_for,
                },
            );
            let site = Site {
                parameters: &parameters,
                group: address,
                statics: self.statics.get(address),
            };
            group.dismantle(&site, cx);
            self.notify_group(address, NotificationKind::GroupLeft, None, reason, cx);
        }
    }

    /// Tells that a group has members or has none, unless the configuration makes it have some anyway.
    pub(crate) fn notify_group<L: Liveness>(
        &self,
        group: Ipv4Addr,
        kind: NotificationKind,
        reporter: Option<Ipv4Addr>,
        reason: Reason,
        cx: &mut Context<'_, L>,
    ) {
        if !self.statics.contains(group) {
            self.announce_group(group, kind, reporter, reason, cx);
        }
    }

    fn announce_group<L: Liveness>(
        &self,
        group: Ipv4Addr,
        kind: NotificationKind,
        reporter: Option<Ipv4Addr>,
        reason: Reason,
        cx: &mut Context<'_, L>,
    ) {
        cx.actions.push(Action::Notify(Notification {
            kind,
            interface: self.id,
            group: Some(group),
            source: None,
            reporter,
            reason,
        }));
    }

    /// Tells which sources the configuration wants by name that it did not before, or does no more, where no host wants
    /// them either. With the end of a group all of its sources end.
    fn notify_static_sources<L: Liveness>(
        &self,
        before: &BTreeMap<Ipv4Addr, StaticMembers>,
        cx: &mut Context<'_, L>,
    ) {
        let none = BTreeSet::new();
        let after = self.statics.groups(Ipv4Addr::UNSPECIFIED);
        let groups: BTreeSet<Ipv4Addr> = before.keys().copied().chain(after).collect();
        for address in groups {
            let hosts = self.groups.get(&address);
            let members = self.statics.get(address);
            if hosts.is_none() && members.is_none() {
                continue;
            }
            let old = before.get(&address).map_or(&none, |members| &members.sources);
            let new = members.map_or(&none, |members| &members.sources);
            let changed = (new
                .difference(old)
                .map(|source| (NotificationKind::SourceAdded, source)))
            .chain(
                old.difference(new)
                    .map(|source| (NotificationKind::SourceRemoved, source)),
            );
            for (kind, source) in changed {
                let running = hosts.and_then(|group| group.sources().get(*source)?.timer());
                if running.is_none() {
                    cx.actions.push(Action::Notify(Notification {
                        kind,
                        interface: self.id,
                        group: Some(address),
                        source: Some(*source),
                        reporter: None,
                        reason: Reason::Static,
                    }));
                }
            }
        }
    }

    fn configure_static_groups<L: Liveness>(&mut self, cx: &mut Context<'_, L>) {
        let mut after = static_group::by_group(&self.config.static_groups, cx.now);
        for (&group, members) in &mut after {
            if let Some(known) = self.statics.get(group) {
                members.since = known.since;
            }
        }
        let before = self.statics.replace(self.id, after, cx.changes);
        for group in self.statics.groups(Ipv4Addr::UNSPECIFIED) {
            if !before.contains_key(&group) && !self.groups.contains_key(&group) {
                self.announce_group(group, NotificationKind::GroupJoined, None, Reason::Static, cx);
            }
        }
        for &group in before.keys() {
            if !self.statics.contains(group) && !self.groups.contains_key(&group) {
                self.announce_group(group, NotificationKind::GroupLeft, None, Reason::Static, cx);
            }
        }
        self.notify_static_sources(&before, cx);
    }
}
