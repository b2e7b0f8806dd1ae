//! Memberships that were found in the kernel's maps.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use igmp_wire::{
    address::{is_link_local_group, is_multicast, is_ssm, is_unicast},
    igmp::RecordKind,
};

use crate::{
    action::{Action, NotificationKind, Reason},
    compat::CompatibilityMode,
    context::{Context, Site},
    event::Found,
    group::latest,
    interface::Interface,
    limits,
    liveness::{GroupTimes, Liveness},
    mode::FilterMode,
    sources::{Source, Sources},
    specific_query::Question,
    table::{self, Row, Set, State},
    time::Instant,
    timer::Timer,
};

impl Interface {
    /// Handles a group that was found in the kernel's map.
    ///
    /// What is there counts as if it had been reported at the times noted there: the group as `IS_EX({})`, a source as
    /// `ALLOW`, in the order of these times. Where something is missing the doubt is for the hosts: a lost join counts as
    /// one of this moment, and the querier asks whether anybody left.
    pub(crate) fn found<L: Liveness>(&mut self, found: &Found, cx: &mut Context<'_, L>) {
        let parameters = self.parameters();
        let address = found.group;
        let interval = &parameters.membership_interval;
        let is_group = is_multicast(address) && !is_link_local_group(address);
        // A report may have refreshed the entry since it was read, and nobody tells of that.
        let mut last_report = found.last_report;
        let since = cx.liveness.group(self.id, address).last_report;
        for (time, later) in last_report.iter_mut().zip(since) {
            *time = (*time).max(later);
        }
        let times = GroupTimes {
            last_report,
            reporter: Some(found.reporter),
        };

        let joined = if is_group && !is_ssm(address) {
            self.time_of_join(found, &times, cx.now)
                .filter(|&time| interval.after(time) > cx.now)
        } else {
            None
        };
        let mut sources: BTreeMap<Ipv4Addr, Instant> = BTreeMap::new();
        for &(source, time) in &found.sources {
            let time = match joined {
                // Nobody knows which came first, and a source timer that ends before the group timer blocks its source.
                Some(joined) if found.incomplete => time.max(joined),
                // IS_EX({}) came later and deleted the source.
                Some(joined) if time <= joined => continue,
                _ => time,
            };
            if is_group && is_unicast(source) && interval.after(time) > cx.now {
                let known = sources.entry(source).or_insert(time);
                *known = (*known).max(time);
            }
        }
        self.catch_up(address, &parameters, &times, cx.now, None, cx);

        let mut list: Vec<Ipv4Addr> = sources.keys().copied().collect();
        let known = self.groups.get(&address).map(|group| group.sources());
        let most = parameters.max_group_sources;
        let (refused, limit) = limits::trim(&mut list, RecordKind::Allow, known, most, cx.budget);
        if !refused.is_empty() {
            self.refused
                .add(limit, (self.id, address, found.reporter), cx.now, cx.actions);
        }

        let is_known = self.groups.contains_key(&address);
        let listed: Vec<Ipv4Addr> = found.sources.iter().map(|&(source, _)| source).collect();
        if !is_known {
            if joined.is_none() && list.is_empty() {
                self.give_back(address, &listed, cx);
                return;
            }
            if let Some(limit) = self.limit_of_groups(cx.budget) {
                self.refuse_group(address, found.reporter, limit, &listed, cx);
                return;
            }
            self.notify_group(
                address,
                NotificationKind::GroupJoined,
                Some(found.reporter),
                Reason::Report,
                cx,
            );
            self.insert_group(address, found.reporter, cx);
        }
        let first = cx.actions.len();

        let Some(group) = self.groups.get_mut(&address) else {
            return;
        };
        let site = Site {
            parameters: &parameters,
            group: address,
            statics: self.statics.get(address),
        };
        group.reporter = found.reporter;
        group.heard(times.last_report, &parameters.older_host_interval);
        if let Some(time) = joined {
            let row = if found.incomplete {
                lost_join(group.sources())
            } else {
                table::row(
                    State::of(group.mode.get(), group.sources()),
                    RecordKind::IsExclude,
                    &[],
                )
            };
            group.apply(&site, &row, &times, time, cx);
        }
        for source in list {
            let time = sources.get(&source).copied().unwrap_or(cx.now);
            match group.source_mut(source).and_then(Source::timer_mut) {
                Some(timer) => {
                    timer.settle(Some(time), interval, cx.now);
                    // The kernel may have made a new entry, which waits to be acknowledged.
                    cx.actions.push(Action::SetSource {
                        interface: self.id,
                        group: address,
                        source,
                    });
                }
                None => group.start_source(&site, source, Timer::new(time, interval), cx),
            }
        }
        if !is_known {
            // Until the kernel's entry says what refreshes it, that is as it was inserted; what it took for a refresh
            // meanwhile is looked at again.
            group.recheck = true;
        }
        group.commit(&site, true, cx);
        if !is_known && let Some(of_group) = cx.actions.get_mut(first..) {
            of_group.rotate_right(1);
        }

        // Version 1 hosts take longer to answer than anybody would wait, which is why leaves are ignored beside them.
        if found.incomplete && group.older().mode(cx.now) != CompatibilityMode::V1 {
            let wanted = Set::Running(group.sources()) - Set::List(&[]);
            let question = Question {
                sources: &wanted,
                group: group.mode.get() == FilterMode::Exclude,
                time: cx.now,
            };
            group.ask(&site, &question, &times, cx);
            group.commit(&site, false, cx);
        }
        self.disown(address, &listed, cx);
    }

    /// When the group was last asked for in EXCLUDE mode, as far as that is news.
    ///
    /// The kernel notes a time for the group itself only when a report asked for it with nothing excluded, so a time
    /// that is news says as much as `exclude` does.
    fn time_of_join(&self, found: &Found, times: &GroupTimes, now: Instant) -> Option<Instant> {
        let removed = self
            .removed
            .get(&found.group)
            .map(|removal| removal.accounted_for);
        let accounted_for = self
            .groups
            .get(&found.group)
            .map(|group| group.timer.base)
            .or(removed);
        match latest(times) {
            _ if found.exclude && found.incomplete => Some(now),
            Some(time) => accounted_for.is_none_or(|base| time > base).then_some(time),
            // A report that excluded sources leaves no time.
            None => found.exclude.then_some(now),
        }
    }
}

/// What a join in EXCLUDE mode changes that was lost with the sources that it excluded: nothing is excluded, and whatever
/// is wanted by name stays wanted.
fn lost_join(sources: &Sources) -> Row {
    let none = Set::List(&[]);
    Row {
        mode: Some(FilterMode::Exclude),
        gmi: Set::Running(sources) - none,
        delete: Set::Stopped(sources) - none,
        refresh: true,
        ..Row::default()
    }
}
