//! Limits on what hosts can make the router remember.

use core::net::Ipv4Addr;

use igmp_wire::igmp::RecordKind;

use crate::{
    InterfaceId,
    action::{Action, Notification, NotificationKind, Reason, Warning},
    budget::Budget,
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
    capacity: Occasional,
}

/// Which limit refused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `max-groups`, of the interface or of all of them.
    Groups(u32),
    /// `max-group-sources`.
    Sources(u32),
    /// The sources of all interfaces.
    Capacity(u32),
}

impl Refused {
    /// Counts a refusal, and tells of it if that was not done lately.
    pub(crate) fn add(
        &mut self,
        limit: Limit,
        whose: (InterfaceId, Ipv4Addr, Ipv4Addr),
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        self.count += 1;
        self.announce(limit, whose, now, actions);
    }

    /// Tells of a refusal if that was not done lately.
    pub(crate) fn announce(
        &mut self,
        limit: Limit,
        (interface, group, reporter): (InterfaceId, Ipv4Addr, Ipv4Addr),
        now: Instant,
        actions: &mut Vec<Action>,
    ) {
        let occasional = match limit {
            Limit::Groups(_) => &mut self.groups,
            Limit::Sources(_) => &mut self.sources,
            Limit::Capacity(_) => &mut self.capacity,
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
        actions.push(Action::Warn(match limit {
            Limit::Groups(limit) => Warning::LimitReached {
                interface,
                group,
                limit,
                sources: false,
            },
            Limit::Sources(limit) => Warning::LimitReached {
                interface,
                group,
                limit,
                sources: true,
            },
            Limit::Capacity(limit) => Warning::CapacityReached {
                interface,
                group,
                limit,
            },
        }));
    }
}

/// A limit as operators are told of it.
pub(crate) fn shown(limit: usize) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

/// Takes out of `list` what there is no room for, in a group with these sources or on all interfaces together, and
/// returns it with the limit that was met. Sources that the group has already stay; of the others the lowest addresses
/// are taken.
///
/// A source that is refused changes as little as can be: one that was to be excluded goes on being forwarded, and the
/// group timer is set as it would have been.
pub(crate) fn trim(
    list: &mut Vec<Ipv4Addr>,
    kind: RecordKind,
    sources: Option<&Sources>,
    max_group_sources: usize,
    budget: &Budget,
) -> (Vec<Ipv4Addr>, Limit) {
    let is_known = |source: &Ipv4Addr| sources.is_some_and(|sources| sources.contains(*source));
    let len = sources.map_or(0, Sources::len);
    let (kept, room_of_all) = match kind {
        // The list replaces what the group had. What it had is still there while the list is taken in, and may even
        // stay, so that it makes no room on the whole.
        RecordKind::IsExclude | RecordKind::ToExclude => {
            let kept = list.iter().filter(|source| is_known(source)).count();
            (kept, budget.room_for_excluded())
        }
        RecordKind::Block => (len, budget.room_for_excluded()),
        RecordKind::IsInclude | RecordKind::ToInclude | RecordKind::Allow => (len, budget.room_for_wanted()),
    };
    let room_of_group = max_group_sources.saturating_sub(kept);
    let limit = if room_of_all < room_of_group {
        Limit::Capacity(shown(budget.max_sources()))
    } else {
        Limit::Sources(shown(max_group_sources))
    };
    let mut room = room_of_group.min(room_of_all);
    let refused = list
        .extract_if(.., |source| {
            if is_known(source) {
                return false;
            }
            let refused = room == 0;
            room = room.saturating_sub(1);
            refused
        })
        .collect();
    (refused, limit)
}
