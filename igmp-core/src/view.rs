//! What the router knows, to look at.

use core::net::Ipv4Addr;

use crate::{
    InterfaceId,
    group::{Group, latest},
    interface::Interface,
    liveness::Liveness,
    mode::FilterMode,
    parameters::Parameters,
    querier::Role,
    sources::Source,
    static_group::StaticMembers,
    time::{Duration, Instant},
};

/// An interface.
#[derive(Clone, Debug, PartialEq)]
pub struct InterfaceView {
    /// The IGMP version that it runs, 1 to 3.
    pub version: u8,
    /// Its address, if it has one.
    pub address: Option<Ipv4Addr>,
    /// The querier of the link; `None` where that would be this router and it has no address.
    pub querier: Option<Ipv4Addr>,
    /// Whether this router is the querier and able to ask.
    pub is_querier: bool,
    /// When the other querier counts as gone (RFC 9776 §6.6.2). `None` on the querier.
    pub other_querier_expiry: Option<Instant>,
    /// When the next General Query is sent. `None` unless this router is the querier.
    pub next_query: Option<Instant>,
    /// Query Interval in force, which a non-querier takes from the querier (§4.1.7).
    pub query_interval: Duration,
    /// Robustness Variable in force (§4.1.6).
    pub robustness_variable: u8,
    /// How many groups have members, those of the configuration included.
    pub groups_count: usize,
    /// How many groups, and reports with sources, limits have refused.
    pub limit_refusals: u64,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// The group.
    pub group: Ipv4Addr,
    /// The filter mode (§6.2.1).
    pub filter_mode: FilterMode,
    /// What is left of the group timer. `None` in INCLUDE mode, and where the configuration wants the group from any
    /// source.
    pub expires: Option<Duration>,
    /// Since how long the group has members.
    pub up_time: Duration,
    /// The last host that reported it.
    pub last_reporter: Option<Ipv4Addr>,
    /// The version that its hosts are taken to speak, 1 to 3 (§7.3.2), and no newer one than the interface runs.
    pub compatibility_mode: u8,
    /// Whether the configuration wants it.
    pub is_static: bool,
    /// The sources, ascending.
    pub sources: Vec<SourceView>,
}

/// A source of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceView {
    /// The source.
    pub source: Ipv4Addr,
    /// What is left of the source timer, zero for a source that is excluded. `None` where only the configuration wants
    /// it.
    pub expires: Option<Duration>,
    /// Since how long the source is listed.
    pub up_time: Duration,
    /// Whether its traffic is wanted (§6.3).
    pub forwarding: bool,
    /// Whether the configuration wants it by name.
    pub is_static: bool,
}

/// A route: where packets go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteView {
    /// The group.
    pub group: Ipv4Addr,
    /// The source, `None` for all that have no route of their own.
    pub source: Option<Ipv4Addr>,
    /// The interfaces with members, ascending. A packet goes out of all of them but the one that it came in on.
    pub outgoing: Vec<InterfaceId>,
}

impl Interface {
    pub(crate) fn view(&self) -> InterfaceView {
        let parameters = self.parameters();
        let (querier, other_querier_expiry, next_query) = match self.role {
            Role::Querier { next_query, .. } => (self.address, None, next_query),
            Role::NonQuerier {
                querier,
                present_until,
                ..
            } => (Some(querier), Some(present_until), None),
        };
        let only_static = self
            .statics
            .groups(Ipv4Addr::UNSPECIFIED)
            .filter(|group| !self.groups.contains_key(group))
            .count();
        InterfaceView {
            version: parameters.version,
            address: self.address,
            querier,
            is_querier: parameters.querier && parameters.can_send,
            other_querier_expiry,
            next_query,
            query_interval: parameters.query_interval,
            robustness_variable: parameters.robustness,
            groups_count: self.groups.len() + only_static,
            limit_refusals: self.refused.count,
        }
    }

    /// The groups from `from` on, at most `limit` of them.
    pub(crate) fn view_groups<L: Liveness>(
        &self,
        now: Instant,
        from: Ipv4Addr,
        limit: usize,
        liveness: &mut L,
    ) -> Vec<GroupView> {
        let mut addresses: Vec<Ipv4Addr> = self
            .groups
            .range(from)
            .map(|(group, _)| group)
            .take(limit)
            .chain(self.statics.groups(from).take(limit))
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(limit);

        let mut keys = Vec::new();
        for address in &addresses {
            if let Some(group) = self.groups.get(address) {
                keys.push((self.id, *address, None));
                keys.extend(running(group).map(|source| (self.id, *address, Some(source))));
            }
        }
        liveness.prefetch(&keys);

        let parameters = self.parameters();
        addresses
            .into_iter()
            .map(|address| {
                let group = self.groups.get(&address);
                let statics = self.statics.get(address);
                view_group(&parameters, now, address, group, statics, liveness)
            })
            .collect()
    }
}

fn running(group: &Group) -> impl Iterator<Item = Ipv4Addr> {
    group
        .sources()
        .iter()
        .filter(|(_, source)| source.timer().is_some())
        .map(|(address, _)| address)
}

/// The sum of what hosts reported and what the configuration wants.
fn view_group<L: Liveness>(
    parameters: &Parameters,
    now: Instant,
    address: Ipv4Addr,
    group: Option<&Group>,
    statics: Option<&StaticMembers>,
    liveness: &mut L,
) -> GroupView {
    let wants_all = statics.is_some_and(|statics| statics.any_source);
    let mut view = GroupView {
        group: address,
        filter_mode: if wants_all {
            FilterMode::Exclude
        } else {
            FilterMode::Include
        },
        expires: None,
        up_time: statics.map_or(Duration::ZERO, |statics| now.since(statics.since)),
        last_reporter: None,
        compatibility_mode: parameters.version,
        is_static: statics.is_some(),
        sources: Vec::new(),
    };
    if let Some(group) = group {
        let times = liveness.group(parameters.interface, address);
        let mut older = group.older();
        older.heard(times.last_report, &parameters.older_host_interval);
        view.compatibility_mode = (older.mode(now) as u8).min(parameters.version);
        view.up_time = view.up_time.max(now.since(group.since));
        view.last_reporter = Some(times.reporter.unwrap_or(group.reporter));
        if group.mode.get() == FilterMode::Exclude {
            view.filter_mode = FilterMode::Exclude;
            let end = group
                .timer
                .effective(latest(&times), &parameters.membership_interval);
            // Where the configuration wants the group the end of the timer changes nothing.
            view.expires = (!wants_all).then(|| end.since(now));
        }
        for (source, record) in group.sources().iter() {
            let expires = remaining(parameters, now, (address, source), record, liveness);
            view.sources.push(SourceView {
                source,
                expires: Some(expires.unwrap_or(Duration::ZERO)),
                up_time: now.since(record.since),
                forwarding: expires.is_some() || statics.is_some_and(|statics| statics.wants(source)),
                is_static: statics.is_some_and(|statics| statics.sources.contains(&source)),
            });
        }
    }
    if let Some(statics) = statics {
        let known: Vec<Ipv4Addr> = view.sources.iter().map(|view| view.source).collect();
        let more = statics
            .sources
            .iter()
            .filter(|source| known.binary_search(source).is_err());
        view.sources.extend(more.map(|&source| SourceView {
            source,
            expires: None,
            up_time: now.since(statics.since),
            forwarding: true,
            is_static: true,
        }));
        view.sources.sort_unstable_by_key(|view| view.source);
    }
    view
}

/// What is left of a source timer, `None` where it does not run.
fn remaining<L: Liveness>(
    parameters: &Parameters,
    now: Instant,
    (group, source): (Ipv4Addr, Ipv4Addr),
    record: &Source,
    liveness: &mut L,
) -> Option<Duration> {
    let timer = record.timer()?;
    let time = liveness.source(parameters.interface, group, source);
    Some(
        timer
            .effective(time.last_report, &parameters.membership_interval)
            .since(now),
    )
}
