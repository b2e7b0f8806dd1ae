//! What is known of one group on one interface (RFC 9776 §6.2).

use core::net::Ipv4Addr;

use crate::{
    action::{Action, Notification, NotificationKind, Reason, Refresh},
    compat::OlderHosts,
    context::{Context, Site},
    interval::Interval,
    liveness::{GroupTimes, Liveness},
    mode::{FilterMode, Mode},
    sources::{Source, Sources},
    specific_query::Series,
    table::Row,
    time::Instant,
    timer::Timer,
    timers::Slot,
};

/// A group record (RFC 9776 §6.2.1).
#[derive(Debug)]
pub(crate) struct Group {
    /// The filter mode.
    pub(crate) mode: Mode,
    /// The group timer. In INCLUDE mode it does not run, and only `base` has a meaning: reports with nothing excluded
    /// that the kernel saw up to there are accounted for.
    pub(crate) timer: Timer,
    /// When the version 2 host present timer ends, as in [`OlderHosts`].
    v2_until: Instant,
    /// Since when there is this record.
    pub(crate) since: Instant,
    /// What the record of hardly any group has.
    extra: Option<Box<Extra>>,
    /// Where the record is queued.
    pub(crate) slot: Slot,
    /// The last host that reported something of which the kernel told.
    pub(crate) reporter: Ipv4Addr,
    /// What the kernel was told about refreshing.
    told: Told,
    /// Whether to look once more at the kernel's times, because a report may have been taken for a mere refresh after
    /// it had ceased to be one and before the kernel knew.
    pub(crate) recheck: bool,
}

// There may be a million groups. In the map an empty place is told from a record without a byte more.
const _: () = assert!(size_of::<Group>() <= 56 && size_of::<Option<Group>>() == size_of::<Group>());

/// The parts of a group record that nearly every group goes without: it is wanted from any source, by hosts of version 2
/// or 3, and nobody is leaving.
#[derive(Debug, Default)]
struct Extra {
    /// When the version 1 host present timer ends, as in [`OlderHosts`].
    v1_until: Instant,
    /// The source records: A in INCLUDE mode, X and Y in EXCLUDE mode.
    sources: Sources,
    /// Specific queries still to be sent.
    series: Option<Series>,
}

impl Extra {
    fn is_empty(&self) -> bool {
        self.v1_until == Instant::ZERO && self.sources.is_empty() && self.series.is_none()
    }
}

/// A [`Refresh`] in one byte.
#[derive(Clone, Copy, Debug, Default)]
struct Told(u8);

impl From<Refresh> for Told {
    fn from(Refresh { v1, v2, v3 }: Refresh) -> Self {
        Self(u8::from(v1) | u8::from(v2) << 1 | u8::from(v3) << 2)
    }
}

impl From<Told> for Refresh {
    fn from(Told(bits): Told) -> Self {
        Self {
            v1: bits & 1 != 0,
            v2: bits & 2 != 0,
            v3: bits & 4 != 0,
        }
    }
}

/// The latest of the kernel's times for a group.
pub(crate) fn latest(times: &GroupTimes) -> Option<Instant> {
    times.last_report.into_iter().flatten().max()
}

impl Group {
    /// A record without members, INCLUDE ({}).
    pub(crate) fn new(now: Instant, reporter: Ipv4Addr) -> Self {
        Self {
            mode: Mode::new(),
            timer: Timer {
                deadline: Instant::ZERO,
                base: Instant::ZERO,
                lowered: false,
            },
            v2_until: Instant::ZERO,
            since: now,
            extra: None,
            slot: Slot::default(),
            reporter,
            told: Told::default(),
            recheck: false,
        }
    }

    /// Whether nobody wants anything: INCLUDE ({}), which is no state.
    pub(crate) fn is_empty(&self) -> bool {
        self.mode.get() == FilterMode::Include && self.sources().is_empty()
    }

    /// The source records: A in INCLUDE mode, X and Y in EXCLUDE mode.
    pub(crate) fn sources(&self) -> &Sources {
        static NONE: Sources = Sources::none();
        self.extra.as_ref().map_or(&NONE, |extra| &extra.sources)
    }

    /// A source record.
    pub(crate) fn source_mut(&mut self, address: Ipv4Addr) -> Option<&mut Source> {
        self.extra.as_mut()?.sources.get_mut(address)
    }

    /// The specific queries still to be sent.
    pub(crate) fn series_mut(&mut self) -> Option<&mut Series> {
        self.extra.as_mut()?.series.as_mut()
    }

    /// Takes out the specific queries still to be sent, to be followed by [`set_series`](Self::set_series).
    pub(crate) fn take_series(&mut self) -> Option<Series> {
        self.extra.as_mut()?.series.take()
    }

    /// Sets the specific queries still to be sent.
    pub(crate) fn set_series(&mut self, series: Option<Series>) {
        if series.is_some() {
            self.extra.get_or_insert_default().series = series;
        } else if let Some(extra) = &mut self.extra {
            extra.series = None;
            self.tidy();
        }
    }

    /// The older-host-present timers.
    pub(crate) fn older(&self) -> OlderHosts {
        OlderHosts {
            v1: self.extra.as_ref().map_or(Instant::ZERO, |extra| extra.v1_until),
            v2: self.v2_until,
        }
    }

    /// Takes reports into account that came at these times, of versions 1, 2 and 3.
    pub(crate) fn heard(&mut self, last_report: [Option<Instant>; 3], present_interval: &Interval) {
        let mut older = self.older();
        older.heard(last_report, present_interval);
        self.v2_until = older.v2;
        if older.v1 != Instant::ZERO {
            self.extra.get_or_insert_default().v1_until = older.v1;
        }
    }

    /// Gives back the memory for what the record does not have any more.
    fn tidy(&mut self) {
        if self.extra.as_ref().is_some_and(|extra| extra.is_empty()) {
            self.extra = None;
        }
    }

    /// Which reports change nothing but the time.
    ///
    /// Version 1 and 2 reports do so only while their host timer runs: the first one changes the compatibility mode. A
    /// specific query that is under way is no reason to have reports handed over, since each transmission reads the
    /// kernel's times anew to find out whether somebody answered.
    fn refreshable(&self, now: Instant) -> Refresh {
        let any_source = self.mode.get() == FilterMode::Exclude && self.sources().is_empty();
        let older = self.older();
        Refresh {
            v1: any_source && older.v1 > now,
            v2: any_source && older.v2 > now,
            v3: any_source,
        }
    }

    /// Takes the kernel's times into account as far as they are no later than `until`.
    pub(crate) fn settle(&mut self, site: &Site<'_>, times: &GroupTimes, until: Instant) {
        self.timer
            .settle(latest(times), &site.parameters.membership_interval, until);
        self.heard(times.last_report, &site.parameters.older_host_interval);
    }

    /// Carries out a row of the state tables for a record that was received at `time`, but for its queries.
    pub(crate) fn apply<L: Liveness>(
        &mut self,
        site: &Site<'_>,
        row: &Row,
        times: &GroupTimes,
        time: Instant,
        cx: &mut Context<'_, L>,
    ) {
        let interval = &site.parameters.membership_interval;
        let group_timer = Timer {
            deadline: self.timer.effective(latest(times), interval),
            base: time,
            lowered: self.timer.lowered,
        };
        for &source in &row.gmi.0 {
            self.start_source(site, source, Timer::new(time, interval), cx);
        }
        for &source in &row.group_timer.0 {
            self.start_source(site, source, group_timer, cx);
        }
        for &source in &row.zero.0 {
            self.stop_source(site, source, Reason::Report, cx);
            let journal = &mut site.journal(cx.changes);
            let sources = &mut self.extra.get_or_insert_default().sources;
            sources.get_or_insert(source, cx.now, cx.budget, journal);
        }
        for &source in &row.delete.0 {
            match self.asked_for_after(site, source, time, cx) {
                Some(later) => self.start_source(site, source, Timer::new(later, interval), cx),
                None => self.delete_source(site, source, Reason::Report, cx),
            }
        }
        if let Some(mode) = row.mode {
            self.mode.set(mode, &mut site.journal(cx.changes));
        }
        if row.refresh {
            self.timer = Timer::new(time, interval);
        }
    }

    /// When the kernel saw a source asked for after `time`, which it took for a refresh of a timer that was to be deleted.
    fn asked_for_after<L: Liveness>(
        &self,
        site: &Site<'_>,
        address: Ipv4Addr,
        time: Instant,
        cx: &mut Context<'_, L>,
    ) -> Option<Instant> {
        self.sources().get(address)?.timer()?;
        let seen = cx.liveness.source(site.parameters.interface, site.group, address);
        seen.last_report.filter(|&last| last > time)
    }

    /// Sets a source timer, and makes the source a wanted one if it was not.
    pub(crate) fn start_source<L: Liveness>(
        &mut self,
        site: &Site<'_>,
        address: Ipv4Addr,
        timer: Timer,
        cx: &mut Context<'_, L>,
    ) {
        let journal = &mut site.journal(cx.changes);
        let sources = &mut self.extra.get_or_insert_default().sources;
        let source = sources.get_or_insert(address, cx.now, cx.budget, journal);
        let started = source.start(address, timer, journal);
        cx.timers
            .wake_by(&mut source.slot, timer.deadline, site.source_key(address));
        if started {
            cx.actions.push(Action::SetSource {
                interface: site.parameters.interface,
                group: site.group,
                source: address,
            });
            self.notify_source(site, address, NotificationKind::SourceAdded, Reason::Report, cx);
        }
    }

    /// Ends a source timer and keeps the record: the source becomes one of Y.
    pub(crate) fn stop_source<L: Liveness>(
        &mut self,
        site: &Site<'_>,
        address: Ipv4Addr,
        reason: Reason,
        cx: &mut Context<'_, L>,
    ) {
        let Some(source) = self.source_mut(address) else {
            return;
        };
        cx.timers.cancel(&mut source.slot, site.source_key(address));
        if source.stop(address, &mut site.journal(cx.changes)) {
            if let Some(series) = self.series_mut() {
                series.forget_source(address);
            }
            cx.actions.push(Action::RemoveSource {
                interface: site.parameters.interface,
                group: site.group,
                source: address,
            });
            self.notify_source(site, address, NotificationKind::SourceRemoved, reason, cx);
        }
    }

    /// Forgets a source.
    pub(crate) fn delete_source<L: Liveness>(
        &mut self,
        site: &Site<'_>,
        address: Ipv4Addr,
        reason: Reason,
        cx: &mut Context<'_, L>,
    ) {
        self.stop_source(site, address, reason, cx);
        if let Some(extra) = &mut self.extra {
            let journal = &mut site.journal(cx.changes);
            extra.sources.remove(address, cx.budget, journal);
            self.tidy();
        }
    }

    /// Does what the end of a source timer demands (§6.3): in INCLUDE mode the source is forgotten, in EXCLUDE mode it
    /// is excluded from now on.
    pub(crate) fn source_timer_ended<L: Liveness>(
        &mut self,
        site: &Site<'_>,
        address: Ipv4Addr,
        reason: Reason,
        cx: &mut Context<'_, L>,
    ) {
        match self.mode.get() {
            FilterMode::Include => self.delete_source(site, address, reason, cx),
            FilterMode::Exclude => self.stop_source(site, address, reason, cx),
        }
    }

    /// Does what the end of the group timer demands (§6.5): the group returns to INCLUDE mode with the sources that are
    /// wanted, of which there may be none.
    pub(crate) fn group_timer_ended<L: Liveness>(&mut self, site: &Site<'_>, cx: &mut Context<'_, L>) {
        let journal = &mut site.journal(cx.changes);
        self.mode.set(FilterMode::Include, journal);
        if let Some(extra) = &mut self.extra {
            extra.sources.retain_running(cx.budget, journal);
            if let Some(series) = &mut extra.series {
                series.forget_group();
            }
            self.tidy();
        }
    }

    /// Tells the kernel if something changed for it, and queues the record for its next deadline. `anew` says that the
    /// kernel waits to hear of the group.
    pub(crate) fn commit<L: Liveness>(&mut self, site: &Site<'_>, anew: bool, cx: &mut Context<'_, L>) {
        let before = Refresh::from(self.told);
        let refresh = self.refreshable(cx.now);
        if anew || refresh != before {
            self.told = refresh.into();
            cx.actions.push(Action::SetGroup {
                interface: site.parameters.interface,
                group: site.group,
                refresh,
            });
        }
        if (before.v1 && !refresh.v1) || (before.v2 && !refresh.v2) || (before.v3 && !refresh.v3) {
            self.recheck = true;
        }
        self.queue(site, cx);
    }

    fn queue<L: Liveness>(&mut self, site: &Site<'_>, cx: &mut Context<'_, L>) {
        let key = site.group_key();
        if self.recheck {
            cx.timers.wake_by(&mut self.slot, cx.now, key);
        }
        if self.mode.get() == FilterMode::Exclude {
            cx.timers.wake_by(&mut self.slot, self.timer.deadline, key);
        }
        // The end of an older-host timer matters to the kernel only while reports of that version refresh the group.
        let refresh = Refresh::from(self.told);
        if (refresh.v1 || refresh.v2)
            && let Some(end) = self.older().next_end(cx.now)
        {
            cx.timers.wake_by(&mut self.slot, end, key);
        }
    }

    /// Takes the record out of the index and out of the kernel, before it is dropped.
    pub(crate) fn dismantle<L: Liveness>(mut self, site: &Site<'_>, cx: &mut Context<'_, L>) {
        let interface = site.parameters.interface;
        let journal = &mut site.journal(cx.changes);
        // INCLUDE ({}), as if it had never been: no timer runs any more.
        self.mode.set(FilterMode::Include, journal);
        if let Some(extra) = &mut self.extra {
            for (address, source) in extra.sources.iter_mut() {
                cx.timers.cancel(&mut source.slot, site.source_key(address));
                if source.stop(address, journal) {
                    cx.actions.push(Action::RemoveSource {
                        interface,
                        group: site.group,
                        source: address,
                    });
                }
            }
            extra.sources.retain_running(cx.budget, journal);
            if let Some(series) = &mut extra.series {
                cx.timers.cancel(&mut series.slot, site.series_key());
            }
        }
        cx.budget.remove_group();
        cx.timers.cancel(&mut self.slot, site.group_key());
        cx.actions.push(Action::RemoveGroup {
            interface,
            group: site.group,
        });
    }

    fn notify_source<L: Liveness>(
        &self,
        site: &Site<'_>,
        source: Ipv4Addr,
        kind: NotificationKind,
        reason: Reason,
        cx: &mut Context<'_, L>,
    ) {
        if site.wants_statically(source) {
            return;
        }
        cx.actions.push(Action::Notify(Notification {
            kind,
            interface: site.parameters.interface,
            group: Some(site.group),
            source: Some(source),
            reporter: (reason == Reason::Report).then_some(self.reporter),
            reason,
        }));
    }
}

/// Why something ends whose timer is this one.
pub(crate) fn reason_of(timer: &Timer) -> Reason {
    if timer.lowered {
        Reason::Leave
    } else {
        Reason::Timeout
    }
}
