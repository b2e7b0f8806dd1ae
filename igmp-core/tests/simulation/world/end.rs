//! Checks of what is left once all has settled.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp_core::Instant;

use super::World;
use crate::{failure::Kind, trace::seconds};

/// What is seen while nothing changes any more.
#[derive(Default)]
pub(super) struct Watched {
    /// Who sent General Queries, and when.
    pub(super) general: Vec<(Ipv4Addr, Instant)>,
    pub(super) specific: u64,
    /// Events that each router had lost when the watch began.
    pub(super) lost: Vec<u64>,
    /// Events of each router and group when the watch began.
    pub(super) events: Vec<BTreeMap<Ipv4Addr, u64>>,
}

impl World<'_> {
    pub(super) fn check_end(&mut self) {
        for index in 0..self.routers.len() {
            self.look(index);
        }
        if self.failure.is_some() {
            return;
        }
        self.check_querier();
        self.check_forwarding();
        self.check_maps();
        self.check_quiet();
    }

    /// One querier, the router with the lowest address, whom all others know; it alone queries, at its pace.
    fn check_querier(&mut self) {
        let Some(lowest) = self.routers.iter().map(|router| router.address).min() else {
            return;
        };
        for index in 0..self.routers.len() {
            let router = &self.routers[index];
            let (is_querier, querier) = (router.is_querier(), router.querier());
            if is_querier != (router.address == lowest) || querier != Some(lowest) {
                let text = format!(
                    "router {index} ({}) is querier: {is_querier}, takes {querier:?} for it; it should be {lowest}",
                    router.address
                );
                self.fail(Kind::Querier, None, text);
            }
        }
        let Some(watched) = &self.watching else {
            return;
        };
        let general = watched.general.clone();
        if let Some((other, at)) = general.iter().find(|(source, _)| *source != lowest) {
            let text = format!("{other} sent a General Query at {:.3}", seconds(*at));
            self.fail(Kind::Querier, None, text);
        }
        let interval = self.scenario.config.query_interval;
        let late = self.scenario.handling();
        let even = general.windows(2).all(|pair| match pair {
            [(_, first), (_, second)] => {
                let gap = second.since(*first);
                gap + late >= interval && gap <= interval + late
            }
            _ => true,
        });
        if general.len() < 2 || !even {
            let times: Vec<_> = general.iter().map(|(_, at)| seconds(*at)).collect();
            self.fail(
                Kind::Querier,
                None,
                format!("General Queries at {times:?}, {interval:?} apart"),
            );
        }
    }

    /// A source is forwarded if and only if some host wants it (RFC 9776 §3.2, merged over the hosts as over sockets).
    ///
    /// Where the ring has no room for what hosts say even in peace, lists of excluded sources never reach the core, and
    /// it forwards them.
    fn check_forwarding(&mut self) {
        let scenario = self.scenario;
        for (group_index, &group) in scenario.groups.iter().enumerate() {
            for (source_index, &source) in scenario.sources.iter().enumerate() {
                let wanted = (0..self.hosts.len()).any(|host| self.counts(host, group, source));
                for index in 0..self.routers.len() {
                    let router = &self.routers[index];
                    let forwarded = router.views[group_index].forwards[source_index];
                    if forwarded != wanted && (wanted || router.kernel.lost == self.lost_at_rest[index]) {
                        let hosts: Vec<_> = self.hosts.iter().map(|host| host.filter(group)).collect();
                        let text = format!(
                            "in the end router {index} has {:?}, source {source} wanted: {wanted}; hosts want {hosts:?}",
                            router.views[group_index]
                        );
                        self.fail(Kind::Forwarding, Some(group), text);
                    }
                }
            }
        }
    }

    /// The kernel's maps hold what the core knows and nothing else, and no event waits.
    fn check_maps(&mut self) {
        let scenario = self.scenario;
        for index in 0..self.routers.len() {
            for &group in &scenario.groups {
                let now = self.now;
                let router = &mut self.routers[index];
                let requested = router.requested(now, group);
                let entry = router.kernel.groups.get(&group);
                let sources: BTreeSet<_> = router
                    .kernel
                    .sources
                    .keys()
                    .filter(|&&(of, source)| of == group && !router.is_leaving(of, Some(source)))
                    .map(|&(_, source)| source)
                    .collect();
                let kept = entry.is_some() && !router.is_leaving(group, None);
                if requested.is_some() != kept || requested.clone().unwrap_or_default() != sources {
                    let text = format!(
                        "in the end router {index} has timers for {requested:?}, its kernel {entry:?} and {sources:?}"
                    );
                    self.fail(Kind::Maps, Some(group), text);
                }
            }
        }
    }

    /// Nobody asks after the leave of nobody, and where all members of a group say the same kind of thing, the kernel
    /// refreshes what they say without an event.
    fn check_quiet(&mut self) {
        let scenario = self.scenario;
        let Some(watched) = self.watching.take() else {
            return;
        };
        // Where the ring overflows even with what a steady network has to say, the agent has reason to ask.
        let lossless =
            (self.routers.iter().zip(&watched.lost)).all(|(router, &lost)| router.kernel.lost == lost);
        if watched.specific > 0 && lossless {
            let text = format!("{} specific queries while nothing changed", watched.specific);
            self.fail(Kind::Noise, None, text);
        }
        for &group in &scenario.groups {
            let filters: Vec<_> = self
                .hosts
                .iter()
                .map(|host| (host.mode(), host.filter(group)))
                .filter(|(_, filter)| filter.is_member())
                .collect();
            let any_source = filters
                .iter()
                .all(|(mode, filter)| *mode < 3 || (filter.exclude && filter.sources.is_empty()));
            let included = filters.iter().all(|(mode, filter)| *mode == 3 && !filter.exclude);
            // A version 2 host that mostly keeps quiet because a version 1 host was faster is news each time it is not.
            let rivals = [1, 2].map(|older| filters.iter().any(|&(mode, _)| mode == older));
            if (!any_source && !included) || rivals == [true, true] {
                continue;
            }
            for index in 0..self.routers.len() {
                let after = self.routers[index].kernel.events.get(&group).copied();
                let before = watched.events[index].get(&group).copied();
                if after != before {
                    let text = format!(
                        "router {index}: {} events while nothing changed; hosts want {filters:?}",
                        after.unwrap_or_default() - before.unwrap_or_default()
                    );
                    self.fail(Kind::Noise, Some(group), text);
                }
            }
        }
    }
}
