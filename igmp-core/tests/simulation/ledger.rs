//! What a router owes, computed from what its network card has received and from nothing else.
//!
//! The ledger does not know how the core works. It takes down each report and query that reached the router's kernel,
//! lost events included, and derives from RFC 9776 until when a source *must* be forwarded and from when on it *must
//! not*. Between the two the RFC leaves the router its choice, or the order of events that were received within the
//! time that the agent needs is not defined.
//!
//! # Until when a source must be forwarded
//!
//! A report *covers* source S of group G if it asks for S: `IS_EX(x)` and `TO_EX(x)` without S in x, version 1 and 2
//! reports, and `IS_IN(x)`, `TO_IN(x)`, `ALLOW(x)` with S in x. Each of these sets the group timer or S's timer to the Group
//! Membership Interval (tables of §6.4), and while either runs S is forwarded (§6.3): `IS_EX` and `TO_EX` of others can
//! move S from the group timer to a timer of its own with the group timer's value or more, and back, but never stop it.
//! So a cover at *t* obliges the router until *t* + GMI, from *t* + the agent's handling time on.
//!
//! The obligation only gets shorter where a timer is lowered (§6.6.1): by the querier on `BLOCK(x)`, `TO_EX(x)` with S in
//! x, `TO_IN(x)` without S, or a Leave; and by any router on Q(G) or Q(G,x) with the S flag clear. It then ends Last
//! Member Query Time after the lowering unless a later cover renews it. The order is that in which the network card saw
//! the frames, for that is what a router without any handling time would have acted upon.
//!
//! # From when on a source must not be forwarded
//!
//! Without any cover for GMI both timers have run out, with one exception: `IS_EX(x)` with S in x gives an S that is
//! forwarded without a timer of its own one of GMI (§6.4.1), once. Each cover by an EXCLUDE record may delete S's timer
//! and so open the way for that exception again.
//!
//! After a lowering by the querier nothing but another cover, or such an `IS_EX`, keeps S beyond Last Member Query Time.
//! Where an older host is present, leaves, blocks or lists may have to be ignored (§7.3.2), and no such promise is held
//! against the router then.

use core::net::Ipv4Addr;

use igmp_core::{Duration, Event, Found, Instant, Report, ReportKind};
use igmp_wire::igmp::RecordKind;

use crate::scenario::Scenario;

/// The spans of time that the ledger reckons with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Group Membership Interval (§8.4).
    pub(crate) membership: Duration,
    /// Last Member Query Time (§8.10).
    pub(crate) last_member: Duration,
    /// How long after a leave the querier waits for other members: Last Member Query Time, or nothing where the
    /// configuration says so.
    pub(crate) leave: Duration,
    /// Older Host Present Interval (§8.13).
    pub(crate) older_host: Duration,
    /// How long the agent takes at most from a frame or a deadline until the core's state follows.
    pub(crate) handling: Duration,
    /// The version of the interface.
    pub(crate) version: u8,
}

/// What is wrong with a router's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// A source is not forwarded that must be.
    Starved,
    /// A source is forwarded though its last member has been gone for too long.
    Outlived,
    /// The group is known though its last member has been gone for too long.
    GroupOutlived,
}

/// What the core says about a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) known: bool,
    /// For each source of the scenario whether it is forwarded.
    pub(crate) forwards: Vec<bool>,
}

#[derive(Clone, Debug, Default)]
struct Source {
    /// The router must forward from here...
    must_from: Instant,
    /// ...until here, unless the timers were lowered.
    must_until: Instant,
    /// Reasons to lower them since the last cover.
    may_lower: Vec<Lowering>,
    /// The last time the source was covered.
    covered: Instant,
    /// Timers that are never lowered have run out by then.
    may_until: Instant,
    /// Whether the source already has a timer of its own, so that `IS_EX` with it in the list gives it no other.
    listed: bool,
    /// Reasons that leave no choice since the last report that raised a timer again.
    must_lower: Vec<Lowering>,
}

/// A reason to lower timers.
#[derive(Clone, Copy, Debug)]
enum Lowering {
    /// A report, which is the querier's to act upon.
    Report(Instant),
    /// A query of the querier.
    Query(Instant),
}

#[derive(Clone, Debug, Default)]
struct Group {
    /// No timer of the group runs after this.
    may_until: Instant,
    /// Reasons to lower all timers since the last report that raised any.
    must_lower: Vec<Lowering>,
    last_v1: Option<Instant>,
    last_v2: Option<Instant>,
    last_exclude: Option<Instant>,
    /// The last report that listed sources.
    last_list: Option<Instant>,
    sources: Vec<Source>,
}

impl Group {
    /// Whether a version 1 host may be taken to be present.
    fn v1_host(&self, now: Instant, terms: &Terms) -> bool {
        self.last_v1
            .is_some_and(|time| now <= time + terms.older_host + terms.handling)
    }

    /// Whether a version 2 host may be taken to be present.
    fn v2_host(&self, now: Instant, terms: &Terms) -> bool {
        self.last_v2
            .is_some_and(|time| now <= time + terms.older_host + terms.handling)
    }
}

/// The ledger of one router.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    terms: Terms,
    groups: Vec<(Ipv4Addr, Group)>,
    names: Vec<Ipv4Addr>,
    /// When the router became querier or ceased to be, and which.
    roles: Vec<(Instant, bool)>,
}

impl Ledger {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let group = Group {
            sources: vec![Source::default(); scenario.sources.len()],
            ..Group::default()
        };
        Self {
            terms: scenario.terms(),
            groups: scenario
                .groups
                .iter()
                .map(|&address| (address, group.clone()))
                .collect(),
            names: scenario.sources.clone(),
            roles: Vec::new(),
        }
    }

    /// Takes down the role that the router has from now on.
    pub(crate) fn role(&mut self, now: Instant, querier: bool) {
        if self.roles.last().is_none_or(|&(_, last)| last != querier) {
            self.roles.push((now, querier));
        }
    }

    /// Whether the router had the role at any time, or at no other time, from `from` to `to`.
    fn was_querier(&self, from: Instant, to: Instant) -> (bool, bool) {
        let mut ever = false;
        let mut always = true;
        for (index, &(since, querier)) in self.roles.iter().enumerate().rev() {
            let until = self
                .roles
                .get(index + 1)
                .map_or(Instant::from_nanos(u64::MAX), |next| next.0);
            if since <= to && until >= from {
                ever |= querier;
                always &= querier;
            }
            if since < from {
                break;
            }
        }
        (ever, always)
    }

    /// Until when a source must be forwarded, lowered timers considered.
    fn obliged_until(&self, source: &Source) -> Instant {
        let handling = self.terms.handling;
        source
            .may_lower
            .iter()
            .filter_map(|&lowering| match lowering {
                Lowering::Report(time) => self
                    .was_querier(time, time + handling)
                    .0
                    .then(|| time + self.terms.leave),
                Lowering::Query(time) => Some(time + self.terms.last_member),
            })
            .fold(source.must_until, Instant::min)
    }

    /// Whether timers must have been lowered and run out by now.
    fn overdue(&self, now: Instant, lowerings: &[Lowering]) -> bool {
        let handling = self.terms.handling;
        lowerings.iter().any(|&lowering| match lowering {
            Lowering::Report(time) => {
                now > time + self.terms.leave + handling && self.was_querier(time, time + handling).1
            }
            Lowering::Query(time) => {
                now > time + self.terms.last_member + handling && !self.was_querier(time, time + handling).0
            }
        })
    }

    /// Takes down what the kernel accepted, and answers when to look whether the core complies. `querier` is whom the
    /// router takes for the querier.
    pub(crate) fn accepted(&mut self, event: &Event, lost: bool, querier: Option<Ipv4Addr>) -> Vec<Instant> {
        match event {
            Event::Report(report) => self.report(report, lost),
            Event::Query(query) if !query.suppress => {
                let Some(group) = query.group else {
                    return Vec::new();
                };
                self.may_lower(query.time, group, &query.sources);
                if querier == Some(query.querier) && query.sources.is_empty() {
                    self.must_lower(query.time, group);
                }
                vec![query.time + self.terms.last_member + self.terms.handling]
            }
            _ => Vec::new(),
        }
    }

    fn report(&mut self, report: &Report, lost: bool) -> Vec<Instant> {
        use RecordKind::{Allow, Block, IsExclude, IsInclude, ToExclude, ToInclude};

        let terms = self.terms;
        let now = report.time;
        let Some(index) = self.index(report.group) else {
            return Vec::new();
        };
        let obliged: Vec<_> = self.groups[index]
            .1
            .sources
            .iter()
            .map(|source| self.obliged_until(source))
            .collect();
        let group = &mut self.groups[index].1;
        let v1_host = group.v1_host(now, &terms);
        let older_host = v1_host || group.v2_host(now, &terms);

        let listed = |source: &Ipv4Addr| report.sources.contains(source);
        let positive = match report.kind {
            ReportKind::Leave | ReportKind::Record(Block) => false,
            ReportKind::Record(ToInclude) => !report.sources.is_empty(),
            ReportKind::V1
            | ReportKind::V2
            | ReportKind::Record(IsInclude | Allow | IsExclude | ToExclude) => true,
        };
        // Reports that an interface of an older version need not understand oblige to nothing, but may be heeded.
        let understood = match report.kind {
            ReportKind::V1 => true,
            ReportKind::V2 | ReportKind::Leave => terms.version >= 2,
            ReportKind::Record(_) => terms.version >= 3,
        };
        let excludes = matches!(
            report.kind,
            ReportKind::V1 | ReportKind::V2 | ReportKind::Record(IsExclude | ToExclude)
        );
        let ignored = match report.kind {
            ReportKind::Leave | ReportKind::Record(ToInclude) => v1_host || terms.version < 2,
            ReportKind::Record(Block | ToExclude) => older_host,
            _ => false,
        };
        match report.kind {
            ReportKind::V1 => group.last_v1 = Some(now),
            ReportKind::V2 => group.last_v2 = Some(now),
            _ => {}
        }
        if excludes {
            group.last_exclude = Some(now);
        }
        if !report.sources.is_empty() {
            group.last_list = Some(now);
        }
        if positive {
            group.may_until = group.may_until.max(now + terms.membership);
            group.must_lower.clear();
        } else if !matches!(report.kind, ReportKind::Record(Block)) && !ignored && !lost {
            group.must_lower.push(Lowering::Report(now));
        }

        for ((name, source), obliged) in self.names.iter().zip(&mut group.sources).zip(obliged) {
            let covers = match report.kind {
                ReportKind::V1 | ReportKind::V2 => true,
                ReportKind::Record(IsExclude | ToExclude) => !listed(name),
                ReportKind::Record(IsInclude | Allow) => listed(name),
                // In version 1 mode the record is ignored, sources and all (§7.3.2).
                ReportKind::Record(ToInclude) => listed(name) && !v1_host,
                ReportKind::Leave | ReportKind::Record(Block) => false,
            };
            let lowers = match report.kind {
                ReportKind::Leave => true,
                ReportKind::Record(ToInclude) => !listed(name),
                ReportKind::Record(Block | ToExclude) => listed(name),
                _ => false,
            };
            if covers && understood {
                if obliged <= now {
                    source.must_from = now + terms.handling;
                }
                source.must_until = now + terms.membership;
                source.may_lower.clear();
            }
            // A list may be dropped for the sake of an older host, and is not known where its event was lost.
            let ignored_cover = v1_host && report.kind == ReportKind::Record(ToInclude) && listed(name);
            if covers || ignored_cover || (excludes && (older_host || lost)) {
                source.covered = now;
                source.may_until = now + terms.membership;
                source.listed = !excludes;
                source.must_lower.clear();
            } else if excludes && listed(name) {
                source.must_lower.clear();
                if !source.listed && now <= source.may_until + terms.handling {
                    source.may_until = source.may_until.max(now + terms.membership);
                    source.listed = true;
                }
            }
            // What has run out need not be lowered.
            if lowers && now <= source.may_until + terms.handling {
                source.may_lower.push(Lowering::Report(now));
                if !ignored && !lost {
                    source.must_lower.push(Lowering::Report(now));
                }
            }
        }
        vec![
            now + terms.handling,
            now + terms.last_member + terms.handling,
            now + terms.membership + terms.handling,
            now + terms.membership + terms.membership + terms.handling,
        ]
    }

    fn index(&self, group: Ipv4Addr) -> Option<usize> {
        self.groups.iter().position(|(address, _)| *address == group)
    }

    /// Timers of these sources, or of all, may be lowered.
    fn may_lower(&mut self, now: Instant, group: Ipv4Addr, asked: &[Ipv4Addr]) {
        let Some(index) = self.index(group) else {
            return;
        };
        for (name, source) in self.names.iter().zip(&mut self.groups[index].1.sources) {
            if (asked.is_empty() || asked.contains(name)) && now <= source.may_until + self.terms.handling {
                source.may_lower.push(Lowering::Query(now));
            }
        }
    }

    /// The querier asks for the group, and the group timer must be lowered. What that means for the sources is only
    /// clear where none was ever listed.
    fn must_lower(&mut self, now: Instant, group: Ipv4Addr) {
        let terms = self.terms;
        let Some(index) = self.index(group) else {
            return;
        };
        let group = &mut self.groups[index].1;
        let lists = group
            .last_list
            .is_some_and(|time| now <= time + terms.membership + terms.membership + terms.handling);
        if lists || group.v1_host(now, &terms) {
            return;
        }
        group.must_lower.push(Lowering::Query(now));
        for source in &mut group.sources {
            source.must_lower.push(Lowering::Query(now));
        }
    }

    /// The core was told of a group from the kernel's map, which knows neither lowered timers nor the sources that an
    /// EXCLUDE record listed: such a record counts as one without. Where events were lost it asks the hosts, and lowers
    /// the timers for it, and a join that may be among them counts as one of this moment.
    pub(crate) fn found(&mut self, found: &Found, now: Instant) {
        let membership = self.terms.membership;
        self.forget_lowerings(Some(found.group));
        if found.incomplete {
            self.may_lower(now, found.group, &[]);
        }
        if found.exclude
            && let Some(index) = self.index(found.group)
        {
            let group = &mut self.groups[index].1;
            let joined = if found.incomplete {
                Some(now)
            } else {
                group.last_exclude
            };
            let until = joined.map_or(Instant::ZERO, |time| time + membership);
            group.may_until = group.may_until.max(until);
            for source in &mut group.sources {
                source.may_until = source.may_until.max(until);
                source.listed = false;
            }
        }
    }

    fn forget_lowerings(&mut self, group: Option<Ipv4Addr>) {
        for (address, entry) in &mut self.groups {
            if group.is_none_or(|group| group == *address) {
                entry.must_lower.clear();
                for source in &mut entry.sources {
                    source.must_lower.clear();
                }
            }
        }
    }

    /// All memberships end now: the interface went down, or the operator cleared them.
    pub(crate) fn end_all(&mut self, now: Instant) {
        for (_, group) in &mut self.groups {
            group.may_until = group.may_until.min(now);
            for source in &mut group.sources {
                source.must_until = source.must_until.min(now);
                source.may_until = source.may_until.min(now);
            }
        }
        self.forget_lowerings(None);
    }

    /// The agent starts anew with the kernel's maps as they were left. `times` says for a group when it was last
    /// reported in EXCLUDE mode, and for a source when it was last asked for, as far as the maps know.
    pub(crate) fn adopted(
        &mut self,
        now: Instant,
        times: impl Fn(Ipv4Addr, Option<Ipv4Addr>) -> Option<Instant>,
    ) {
        let terms = self.terms;
        self.forget_lowerings(None);
        let names = self.names.clone();
        for (address, group) in &mut self.groups {
            let excluded = times(*address, None);
            for (name, source) in names.iter().zip(&mut group.sources) {
                let last = excluded.max(times(*address, Some(*name)));
                source.must_from = now + terms.handling;
                source.must_until = last.map_or(Instant::ZERO, |last| last + terms.membership);
                source.may_lower.clear();
                // Lists of excluded sources are not in the maps.
                let forgotten = group.last_exclude.max(Some(source.covered)).unwrap_or_default();
                source.may_until = source.may_until.max(forgotten + terms.membership);
                source.listed = false;
            }
        }
    }

    /// Holds what the core says about a group against the ledger.
    pub(crate) fn breach(&self, now: Instant, index: usize, view: &View) -> Option<(Breach, Ipv4Addr)> {
        let handling = self.terms.handling;
        let (address, group) = &self.groups[index];
        if view.known && (now > group.may_until + handling || self.overdue(now, &group.must_lower)) {
            return Some((Breach::GroupOutlived, *address));
        }
        for ((source, &forwarded), &name) in group.sources.iter().zip(&view.forwards).zip(&self.names) {
            if !forwarded && now >= source.must_from && now < self.obliged_until(source) {
                return Some((Breach::Starved, name));
            }
            if forwarded && (now > source.may_until + handling || self.overdue(now, &source.must_lower)) {
                return Some((Breach::Outlived, name));
            }
        }
        None
    }

    /// The ledger's figures for a group, for the report of a breach.
    pub(crate) fn describe(&self, index: usize) -> String {
        let (address, group) = &self.groups[index];
        let mut text = format!(
            "ledger of {address}: known until at most {:.3}\n",
            seconds(group.may_until)
        );
        for (name, source) in self.names.iter().zip(&group.sources) {
            text += &format!(
                "  source {name}: must be forwarded {:.3}..{:.3}, may be until {:.3}, lowered {:?}\n",
                seconds(source.must_from),
                seconds(self.obliged_until(source)),
                seconds(source.may_until),
                source.must_lower,
            );
        }
        text
    }
}

/// Seconds of virtual time.
pub(crate) fn seconds(at: Instant) -> f64 {
    at.since(Instant::ZERO).as_secs_f64()
}
