//! Entries of the kernel's maps that the agent was not told of.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp_core::{Event, Found, Instant};
use igmp_wire::abi::{GroupEntry, GroupFlags, SourceFlags};

use super::{REFRESH, Router};
use crate::{
    kernel::{LINK, time},
    routes::Routes,
    scenario::Scenario,
};

impl Router {
    /// The agent starts again and adopts what is in the maps.
    pub(crate) fn restart(&mut self, now: Instant, scenario: &Scenario) {
        self.alive = true;
        self.core = igmp_core::Router::new();
        self.routes = Routes::default();
        self.starting = true;
        self.timers_wait = false;
        self.lost_seen = self.kernel.lost;
        self.removals.clear();
        self.announce(scenario);
        let Self { kernel, ledger, .. } = self;
        ledger.adopted(now, |group, source| match source {
            None => kernel
                .groups
                .get(&group)
                .and_then(|entry| entry.last_report.into_iter().max())
                .and_then(time),
            Some(source) => kernel
                .sources
                .get(&(group, source))
                .and_then(|entry| time(entry.last_report)),
        });
        // What waits in the ring was meant for an agent that knew what came before it. The maps already have whatever it
        // added to memberships; of what it took away the hosts are asked.
        let unheard: BTreeSet<_> = kernel
            .ring
            .drain(..)
            .filter_map(|(event, _)| match event {
                Event::Report(report) => Some(report.group),
                _ => None,
            })
            .collect();
        for mut found in self.scan(true) {
            found.incomplete |= unheard.contains(&found.group);
            self.control.push_back(Event::Found(found));
        }
    }

    /// Goes through the maps for entries that the agent was not told of, or not completely; with `all`, for every entry,
    /// since a new agent was told of none.
    pub(super) fn scan(&mut self, all: bool) -> Vec<Found> {
        let marks = GroupFlags::PENDING | GroupFlags::LOST;
        let mut groups: BTreeMap<Ipv4Addr, Vec<(Ipv4Addr, Instant)>> = BTreeMap::new();
        for (&group, entry) in &self.kernel.groups {
            if all || entry.flags & marks != 0 {
                groups.insert(group, Vec::new());
            }
        }
        for (&(group, source), entry) in &self.kernel.sources {
            if all || entry.flags & SourceFlags::PENDING != 0 {
                let time = Instant::from_nanos(entry.last_report);
                groups.entry(group).or_default().push((source, time));
            }
        }
        groups
            .into_iter()
            .filter_map(|(group, sources)| {
                let entry = self.kernel.change_group(group, marks, 0)?;
                Some(describe(group, &entry, sources, all))
            })
            .collect()
    }
}

pub(super) fn nothing_of(group: Ipv4Addr) -> Found {
    Found {
        interface: LINK,
        group,
        exclude: false,
        incomplete: false,
        last_report: [None; 3],
        reporter: Ipv4Addr::UNSPECIFIED,
        sources: Vec::new(),
    }
}

/// What a scan says about a group. After a restart, a group that was reported in EXCLUDE mode and that no report may
/// refresh had sources excluded, or none of its timers runs any more: the maps do not say, so the hosts are to be asked.
fn describe(group: Ipv4Addr, entry: &GroupEntry, sources: Vec<(Ipv4Addr, Instant)>, adopting: bool) -> Found {
    let was_reported = entry.last_report.iter().any(|&time| time != 0);
    let refreshable = entry.flags & REFRESH != 0;
    Found {
        exclude: entry.flags & (GroupFlags::EXCLUDE | GroupFlags::LOST_JOIN) != 0
            || refreshable
            || (adopting && was_reported),
        incomplete: entry.flags & GroupFlags::LOST != 0 || (adopting && was_reported && !refreshable),
        last_report: entry.last_report.map(time),
        reporter: Ipv4Addr::from_bits(entry.reporter),
        sources,
        ..nothing_of(group)
    }
}
