//! Limits on what hosts can make the router remember.

use core::net::Ipv4Addr;

use igmp_wire::igmp::RecordKind;

use crate::{
    InterfaceId,
    action::{Action, Notification, NotificationKind, Reason, Warning},
    sources::Sources,
    time::{Duration, Instant},
};

/// How often the same warning is repeated.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Lets something pass once in a while.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Occasional {
    last: Option<Instant>,
}

impl Occasional {
    /// Whether it is time again.
    pub(crate) fn passes(&mut self, now: Instant) -> bool {
        let passes = self.last.is_none_or(|last| now.since(last) >= WARNING_INTERVAL);
        if passes {
            self.last = Some(now);
        }
        passes
    }
}

/// What an interface's limits have refused.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Refused {
    /// How many groups, and reports with sources, were refused.
    pub(crate) count: u64,
    groups: Occasional,
    sources: Occasional,
}

/// Which limit refused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `max-groups`.
    Groups(u32),
    /// `max-group-sources`.
    Sources(u32),
}

impl Refused {
    /// Counts a refusal, and tells of it if that was not done lately.
    pub(crate) fn add(
        &mut self,
        limit: Limit,
        (interface, group, reporter): (InterfaceId, Ipv4Addr, Ipv4Addr),
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        self.count += 1;
        let (occasional, limit, sources) = match limit {
            Limit::Groups(limit) => (&mut self.groups, limit, false),
            Limit::Sources(limit) => (&mut self.sources, limit, true),
        };
        if !occasional.passes(now) {
            return;
        }
        actions.push(Action::Notify(Notification {
            kind: NotificationKind::LimitReached,
            interface,
            group: Some(group),
            source: None,
            reporter: Some(reporter),
            reason: Reason::Limit,
        }));
        actions.push(Action::Warn(Warning::LimitReached {
            interface,
            group,
            limit,
            sources,
        }));
    }
}

/// Takes out of `list` what a group with these sources has no room for, and returns it. Sources that the group has
/// already stay; of the others the lowest addresses are taken.
pub(crate) fn trim(
    list: &mut Vec<Ipv4Addr>,
    kind: RecordKind,
    sources: Option<&Sources>,
    limit: usize,
) -> Vec<Ipv4Addr> {
    let is_known = |source: &Ipv4Addr| sources.is_some_and(|sources| sources.contains(*source));
    let kept = match kind {
        // The list replaces what the group had.
        RecordKind::IsExclude | RecordKind::ToExclude => {
            list.iter().filter(|source| is_known(source)).count()
        }
        RecordKind::IsInclude | RecordKind::ToInclude | RecordKind::Allow | RecordKind::Block => {
            sources.map_or(0, Sources::len)
        }
    };
    let mut room = limit.saturating_sub(kept);
    list.extract_if(.., |source| {
        if is_known(source) {
            return false;
        }
        let refused = room == 0;
        room = room.saturating_sub(1);
        refused
    })
    .collect()
}
