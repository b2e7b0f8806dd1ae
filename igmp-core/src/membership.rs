//! What hosts report, and what becomes of it when they stop.

use core::net::Ipv4Addr;

use igmp_wire::{
    address::{is_link_local_group, is_multicast, is_ssm, is_unicast},
    igmp::RecordKind,
};

use crate::{
    action::{Action, NotificationKind, Reason},
    budget::Budget,
    compat::{self, CompatibilityMode},
    context::{Context, Site},
    event::{Report, ReportKind},
    group::{Group, reason_of},
    interface::Interface,
    limits::{self, Limit},
    liveness::{GroupTimes, Liveness},
    mode::FilterMode,
    parameters::{self, Parameters},
    specific_query::Question,
    table::{self, State},
    time::Instant,
};

impl Interface {
    /// Handles a report or leave.
    pub(crate) fn report<L: Liveness>(&mut self, report: &Report, cx: &mut Context<'_, L>) {
        let parameters = self.parameters();
        let address = report.group;
        let mut list: Vec<Ipv4Addr> = report
            .sources
            .iter()
            .copied()
            .filter(|&source| is_unicast(source))
            .collect();
        list.sort_unstable();
        list.dedup();
        if !is_acceptable(report.kind, address, &parameters) {
            self.give_back(address, inserted(report.kind, &list), cx);
            return;
        }

        // Nearly all groups that are not known have not been lately either, and then there is nothing to find out.
        let is_known = self.groups.contains_key(&address);
        let was_known = is_known || self.removed.contains_key(&address);
        let times = if was_known {
            cx.liveness.group(self.id, address)
        } else {
            GroupTimes::default()
        };
        if is_known {
            self.catch_up(address, &parameters, &times, report.time, Some(report.time), cx);
        }
        // Catching up neither makes a group nor ends one.
        let known = if is_known { self.groups.get(&address) } else { None };

        let mode = known.map_or(CompatibilityMode::V3, |group| group.older().mode(report.time));
        let Some(translation) = compat::translate(report.kind, mode) else {
            self.give_back(address, inserted(report.kind, &list), cx);
            return;
        };
        let kind = translation.kind;
        if !translation.with_sources {
            list.clear();
        }

        let group = known;
        let is_include = group.is_none_or(|group| group.mode.get() == FilterMode::Include);
        // BLOCK in INCLUDE mode is the only row that adds nothing.
        if !(kind == RecordKind::Block && is_include) {
            let sources = group.map(|group| group.sources());
            let most = parameters.max_group_sources;
            let (refused, limit) = limits::trim(&mut list, kind, sources, most, cx.budget);
            self.refuse_sources(report, &refused, limit, is_include, cx);
        }

        let created = match is_known {
            true => None,
            false if !makes_state(kind, &list) => {
                self.give_back(address, inserted(report.kind, &list), cx);
                return;
            }
            false => {
                if let Some(limit) = self.limit_of_groups(cx.budget) {
                    let list = inserted(report.kind, &list);
                    self.refuse_group(address, report.reporter, limit, list, cx);
                    return;
                }
                self.notify_group(
                    address,
                    NotificationKind::GroupJoined,
                    Some(report.reporter),
                    Reason::Report,
                    cx,
                );
                self.insert_group(address, report.reporter, cx);
                let first = cx.actions.len();
                if was_known {
                    self.catch_up(address, &parameters, &times, report.time, Some(report.time), cx);
                }
                Some(first)
            }
        };

        let Some(group) = self.groups.get_mut(&address) else {
            return;
        };
        let site = Site {
            parameters: &parameters,
            group: address,
            statics: self.statics.get(address),
        };
        group.reporter = report.reporter;
        let older = match report.kind {
            ReportKind::V1 => [Some(report.time), None, None],
            ReportKind::V2 => [None, Some(report.time), None],
            ReportKind::Leave | ReportKind::Record(_) => [None; 3],
        };
        group.heard(older, &parameters.older_host_interval);
        let row = table::row(State::of(group.mode.get(), group.sources()), kind, &list);
        group.apply(&site, &row, &times, report.time, cx);
        if let Some(first) = created {
            group.commit(&site, true, cx);
            // The kernel's entry of the group before those of its sources.
            if let Some(of_group) = cx.actions.get_mut(first..) {
                of_group.rotate_right(1);
            }
        }

        if row.ask_group || !row.ask_sources.0.is_empty() {
            let question = Question {
                sources: &row.ask_sources,
                group: row.ask_group,
                time: report.time,
            };
            if parameters.immediate_leave {
                group.leave_at_once(&site, &question, &times, cx);
            } else {
                group.ask(&site, &question, &times, cx);
            }
        }
        if group.is_empty() {
            self.remove_group(address, Reason::Leave, cx);
        } else {
            group.commit(&site, false, cx);
        }
    }

    /// Makes a group without members yet.
    ///
    /// Where the group was removed a moment ago, the kernel may have taken a report for a refresh before it heard of
    /// that, and the entry of then lives on: it is looked at once more.
    pub(crate) fn insert_group<L: Liveness>(
        &mut self,
        address: Ipv4Addr,
        reporter: Ipv4Addr,
        cx: &mut Context<'_, L>,
    ) {
        cx.budget.add_group();
        let mut group = Group::new(cx.now, reporter);
        if let Some(removal) = self.removed.remove(&address)
            && removal.is_recent(cx.now)
        {
            group.timer.base = removal.accounted_for;
            group.recheck = true;
        }
        self.groups.insert(address, group);
    }

    /// Takes into account what the kernel saw of a group up to `until`, in the order in which it happened. `own` is the
    /// time of the report that is being handled: the kernel noted it too, and it says nothing of another report.
    pub(crate) fn catch_up<L: Liveness>(
        &mut self,
        address: Ipv4Addr,
        parameters: &Parameters,
        times: &GroupTimes,
        until: Instant,
        own: Option<Instant>,
        cx: &mut Context<'_, L>,
    ) {
        let Some(group) = self.groups.get_mut(&address) else {
            return;
        };
        let site = Site {
            parameters,
            group: address,
            statics: self.statics.get(address),
        };
        let base = group.timer.base;
        let unheard = (times.last_report.into_iter().flatten())
            .filter(|&time| time > base && time <= until && Some(time) != own)
            .max();
        if group.recheck
            && let Some(last) = unheard
            && (group.mode.get() == FilterMode::Include || !group.sources().is_empty())
        {
            // The kernel took it for a refresh, as it had not been told yet that it would be more than that.
            let row = table::row(
                State::of(group.mode.get(), group.sources()),
                RecordKind::IsExclude,
                &[],
            );
            group.apply(&site, &row, times, last, cx);
        }
        group.settle(&site, times, until);
    }

    /// Serves the group timer and the older-host timers.
    pub(crate) fn group_timer<L: Liveness>(&mut self, address: Ipv4Addr, cx: &mut Context<'_, L>) {
        let parameters = self.parameters();
        let Some(group) = self.groups.get_mut(&address) else {
            return;
        };
        let site = Site {
            parameters: &parameters,
            group: address,
            statics: self.statics.get(address),
        };
        cx.timers.cancel(&mut group.slot, site.group_key());
        let times = cx.liveness.group(self.id, address);
        self.catch_up(address, &parameters, &times, cx.now, None, cx);
        let Some(group) = self.groups.get_mut(&address) else {
            return;
        };
        let site = Site {
            parameters: &parameters,
            group: address,
            statics: self.statics.get(address),
        };
        group.recheck = false;
        if group.mode.get() == FilterMode::Exclude && { group.timer.deadline } <= cx.now {
            let reason = reason_of(&group.timer);
            group.group_timer_ended(&site, cx);
            if group.is_empty() {
                self.remove_group(address, reason, cx);
                return;
            }
        }
        group.commit(&site, false, cx);
    }

    /// Serves a source timer.
    pub(crate) fn source_timer<L: Liveness>(
        &mut self,
        address: Ipv4Addr,
        source_address: Ipv4Addr,
        cx: &mut Context<'_, L>,
    ) {
        let parameters = self.parameters();
        let Some(group) = self.groups.get_mut(&address) else {
            return;
        };
        let site = Site {
            parameters: &parameters,
            group: address,
            statics: self.statics.get(address),
        };
        let Some(source) = group.source_mut(source_address) else {
            return;
        };
        let key = site.source_key(source_address);
        cx.timers.cancel(&mut source.slot, key);
        let Some(timer) = source.timer_mut() else {
            return;
        };
        let time = cx.liveness.source(self.id, address, source_address);
        timer.settle(time.last_report, &parameters.membership_interval, cx.now);
        let deadline = timer.deadline;
        if deadline > cx.now {
            cx.timers.wake_by(&mut source.slot, deadline, key);
            return;
        }
        let reason = reason_of(timer);
        group.source_timer_ended(&site, source_address, reason, cx);
        if group.is_empty() {
            self.remove_group(address, reason, cx);
        }
    }

    /// Sends the next queries of a group's series.
    pub(crate) fn series_timer<L: Liveness>(&mut self, address: Ipv4Addr, cx: &mut Context<'_, L>) {
        let parameters = self.parameters();
        let Some(group) = self.groups.get_mut(&address) else {
            return;
        };
        let site = Site {
            parameters: &parameters,
            group: address,
            statics: self.statics.get(address),
        };
        let times = cx.liveness.group(self.id, address);
        group.transmit(&site, &times, cx);
    }

    /// Refuses sources for which there is no room, and takes back what the kernel may have made of them.
    fn refuse_sources<L: Liveness>(
        &mut self,
        report: &Report,
        refused: &[Ipv4Addr],
        limit: Limit,
        is_include: bool,
        cx: &mut Context<'_, L>,
    ) {
        if refused.is_empty() {
            return;
        }
        let whose = (self.id, report.group, report.reporter);
        let of_kernel = inserted(report.kind, refused);
        // In INCLUDE mode the kernel has all sources of the group and the same limit: it has refused and counted some of
        // the report already.
        if matches!(limit, Limit::Sources(_)) && is_include && !of_kernel.is_empty() {
            self.refused.announce(limit, whose, cx.now, cx.actions);
        } else {
            self.refused.add(limit, whose, cx.now, cx.actions);
        }
        self.disown(report.group, of_kernel, cx);
    }

    /// The limit on groups that is reached, if one is.
    pub(crate) fn limit_of_groups(&self, budget: &Budget) -> Option<Limit> {
        if self.groups.len() >= parameters::limit(self.config.max_groups) {
            Some(Limit::Groups(self.config.max_groups))
        } else if budget.is_out_of_groups() {
            Some(Limit::Groups(limits::shown(budget.max_groups())))
        } else {
            None
        }
    }

    /// Refuses a group for which there is no room, and takes back what the kernel may have made of it.
    pub(crate) fn refuse_group<L: Liveness>(
        &mut self,
        address: Ipv4Addr,
        reporter: Ipv4Addr,
        limit: Limit,
        list: &[Ipv4Addr],
        cx: &mut Context<'_, L>,
    ) {
        self.refused
            .add(limit, (self.id, address, reporter), cx.now, cx.actions);
        self.give_back(address, list, cx);
    }

    /// Takes back what the kernel may have made of a report that changes nothing here: its sources, and the group itself
    /// where it has no members. The XDP program makes the entries before anybody can know what becomes of the report.
    pub(crate) fn give_back<L: Liveness>(
        &self,
        address: Ipv4Addr,
        list: &[Ipv4Addr],
        cx: &mut Context<'_, L>,
    ) {
        self.disown(address, list, cx);
        if !self.groups.contains_key(&address) {
            cx.actions.push(Action::RemoveGroup {
                interface: self.id,
                group: address,
            });
        }
    }

    /// Takes back what the kernel may have made of reported sources, where they are not wanted.
    pub(crate) fn disown<L: Liveness>(&self, address: Ipv4Addr, list: &[Ipv4Addr], cx: &mut Context<'_, L>) {
        let sources = self.groups.get(&address).map(|group| group.sources());
        for source in list {
            let is_wanted = sources
                .and_then(|sources| sources.get(*source))
                .is_some_and(|source| source.timer().is_some());
            if !is_wanted {
                cx.actions.push(Action::RemoveSource {
                    interface: self.id,
                    group: address,
                    source: *source,
                });
            }
        }
    }
}

/// Whether a report counts on this interface at all. The XDP program has judged it already; what is repeated here is
/// what the protocol itself demands.
fn is_acceptable(kind: ReportKind, group: Ipv4Addr, parameters: &Parameters) -> bool {
    if !is_multicast(group) || is_link_local_group(group) {
        return false;
    }
    let any_source = match kind {
        ReportKind::V1 | ReportKind::V2 | ReportKind::Leave => true,
        ReportKind::Record(RecordKind::IsExclude | RecordKind::ToExclude) => true,
        ReportKind::Record(
            RecordKind::IsInclude | RecordKind::ToInclude | RecordKind::Allow | RecordKind::Block,
        ) => false,
    };
    if any_source && is_ssm(group) {
        return false;
    }
    match kind {
        ReportKind::V1 | ReportKind::V2 => true,
        // Only the querier reacts to a Leave (RFC 2236 §3), and a version 1 interface never does (RFC 9776 §7.3.1).
        ReportKind::Leave => parameters.querier && parameters.version >= 2,
        ReportKind::Record(_) => parameters.version >= 3,
    }
}

/// Whether a record turns INCLUDE ({}), which is no state, into state.
fn makes_state(kind: RecordKind, list: &[Ipv4Addr]) -> bool {
    match kind {
        RecordKind::IsExclude | RecordKind::ToExclude => true,
        RecordKind::IsInclude | RecordKind::ToInclude | RecordKind::Allow => !list.is_empty(),
        RecordKind::Block => false,
    }
}

/// Which of these sources the XDP program may have made entries of: none where the record asks for less, or excludes
/// them.
fn inserted(kind: ReportKind, list: &[Ipv4Addr]) -> &[Ipv4Addr] {
    match kind {
        ReportKind::Record(RecordKind::IsInclude | RecordKind::ToInclude | RecordKind::Allow) => list,
        ReportKind::V1
        | ReportKind::V2
        | ReportKind::Leave
        | ReportKind::Record(RecordKind::IsExclude | RecordKind::ToExclude | RecordKind::Block) => &[],
    }
}
