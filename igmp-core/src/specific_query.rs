//! Group-Specific and Group-and-Source-Specific Queries (RFC 9776 §6.6.3).

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use crate::{
    action::{Action, SendQuery},
    compat::CompatibilityMode,
    context::{Context, Site},
    group::{Group, latest, reason_of},
    liveness::{GroupTimes, Liveness},
    mode::FilterMode,
    sources::Source,
    table::Addresses,
    time::Instant,
    timers::Slot,
};

/// Specific queries of one group that are still to be sent. One schedule serves the group and all of its sources, which
/// merges whatever is asked while an earlier question is still being repeated (§6.4.2).
#[derive(Debug, Default)]
pub(crate) struct Series {
    /// How many more times to send Q(G).
    group_left: u8,
    /// How many more times to ask for each source.
    sources: BTreeMap<Ipv4Addr, u8>,
    /// Where the next transmission is queued.
    pub(crate) slot: Slot,
}

impl Series {
    /// The sources still to be asked for.
    pub(crate) fn sources(&self) -> impl ExactSizeIterator<Item = Ipv4Addr> {
        self.sources.keys().copied()
    }

    /// Asks no more for a source whose timer ended.
    pub(crate) fn forget_source(&mut self, source: Ipv4Addr) {
        self.sources.remove(&source);
    }

    /// Asks no more for the group, whose timer ended.
    pub(crate) fn forget_group(&mut self) {
        self.group_left = 0;
    }
}

/// What a state-change record made worth asking.
pub(crate) struct Question<'a> {
    /// X of Q(G,X). Empty for none.
    pub(crate) sources: &'a Addresses,
    /// Whether to ask for the group as a whole.
    pub(crate) group: bool,
    /// When the record was received.
    pub(crate) time: Instant,
}

impl Group {
    /// Lowers timers and begins to ask, if this router is the one to ask (§6.4.2).
    pub(crate) fn ask<L: Liveness>(
        &mut self,
        site: &Site<'_>,
        question: &Question<'_>,
        times: &GroupTimes,
        cx: &mut Context<'_, L>,
    ) {
        // Version 1 has no specific queries, and an interface without address cannot send any. Timers stay as they are
        // then: nobody would answer.
        let parameters = site.parameters;
        if !parameters.querier || !parameters.can_send || parameters.version < 2 {
            return;
        }
        let interval = &parameters.membership_interval;
        let end = parameters.last_member_end(cx.now);
        let last_report = latest(times);
        let mut series = self.take_series().unwrap_or_default();
        let mut news = false;

        if question.group && self.mode.get() == FilterMode::Exclude {
            // Hosts repeat their leave. As long as the question is open, they are told nothing new by another series.
            let open = self.timer.effective(last_report, interval) <= end;
            if series.group_left == 0 || !open {
                self.timer.lower(last_report, interval, end, question.time);
                series.group_left = parameters.robustness;
                news = true;
            }
        }
        if parameters.version >= 3 {
            cx.prefetch_sources(site, question.sources.0.iter().copied());
            for &address in &question.sources.0 {
                let Some(source) = self.source_mut(address) else {
                    continue;
                };
                let Some(timer) = source.timer_mut() else {
                    continue;
                };
                let last_report = cx
                    .liveness
                    .source(parameters.interface, site.group, address)
                    .last_report;
                if timer.effective(last_report, interval) > end {
                    timer.lower(last_report, interval, end, question.time);
                    let deadline = timer.deadline;
                    cx.timers
                        .wake_by(&mut source.slot, deadline, site.source_key(address));
                    series.sources.insert(address, parameters.robustness);
                    news = true;
                }
            }
        }
        self.set_series(Some(series));
        if news {
            self.transmit(site, times, cx);
        } else {
            self.drop_finished_series(site, cx);
        }
    }

    /// Sends what is due of the group's series and queues the rest.
    pub(crate) fn transmit<L: Liveness>(
        &mut self,
        site: &Site<'_>,
        times: &GroupTimes,
        cx: &mut Context<'_, L>,
    ) {
        let parameters = site.parameters;
        let Some(mut series) = self.take_series() else {
            return;
        };
        cx.timers.cancel(&mut series.slot, site.series_key());
        if !parameters.can_send || parameters.version < 2 {
            self.give_up(site, &series, cx);
            self.set_series(None);
            return;
        }
        let interval = &parameters.membership_interval;
        let end = parameters.last_member_end(cx.now);

        let mut asked_group = false;
        if series.group_left > 0 {
            let answered = self.timer.effective(latest(times), interval) > end;
            if answered && parameters.version == 2 {
                // Without S flag another query would lower the timers of the other routers; a version 2 router stops
                // asking when it got an answer (RFC 2236 §7).
                series.group_left = 0;
            } else {
                series.group_left -= 1;
                asked_group = true;
                send(site, answered, &[], cx);
            }
        }

        if parameters.version < 3 {
            self.give_up_sources(site, &series, cx);
            series.sources.clear();
        }
        let (mut answered, mut open) = (Vec::new(), Vec::new());
        cx.prefetch_sources(site, series.sources());
        series.sources.retain(|&address, left| {
            let Some(timer) = self.sources().get(address).and_then(Source::timer) else {
                return false;
            };
            let last_report = cx
                .liveness
                .source(parameters.interface, site.group, address)
                .last_report;
            let is_answered = timer.effective(last_report, interval) > end;
            let message = if is_answered { &mut answered } else { &mut open };
            message.push(address);
            *left = left.saturating_sub(1);
            *left > 0
        });
        // Q(G) asks for these sources as well (§6.6.3.2, last paragraph).
        if !asked_group {
            send_in_parts(site, true, &answered, cx);
        }
        send_in_parts(site, false, &open, cx);

        if series.group_left > 0 || !series.sources.is_empty() {
            let next = cx.now + parameters.last_member_interval;
            cx.timers.wake_by(&mut series.slot, next, site.series_key());
            self.set_series(Some(series));
        } else {
            self.set_series(None);
        }
    }

    /// Takes back that timers were lowered for questions that cannot be asked any more. Whoever did not hear those that
    /// were asked, or whose answer was lost, stays a member.
    fn give_up<L: Liveness>(&mut self, site: &Site<'_>, series: &Series, cx: &mut Context<'_, L>) {
        if series.group_left > 0 && self.mode.get() == FilterMode::Exclude && self.timer.lowered {
            self.timer.raise(&site.parameters.membership_interval, cx.now);
        }
        self.give_up_sources(site, series, cx);
    }

    /// The same for sources only.
    fn give_up_sources<L: Liveness>(&mut self, site: &Site<'_>, series: &Series, cx: &Context<'_, L>) {
        for address in series.sources() {
            if let Some(source) = self.source_mut(address)
                && let Some(timer) = source.timer_mut()
                && timer.lowered
            {
                timer.raise(&site.parameters.membership_interval, cx.now);
            }
        }
    }

    fn drop_finished_series<L: Liveness>(&mut self, site: &Site<'_>, cx: &mut Context<'_, L>) {
        if let Some(series) = self.series_mut()
            && series.group_left == 0
            && series.sources.is_empty()
        {
            cx.timers.cancel(&mut series.slot, site.series_key());
            self.set_series(None);
        }
    }

    /// Takes a leave at its word: asks once, so that members who remain answer, and ends the timers without waiting for
    /// them (RFC 8652 `immediate-leave`). A report that the kernel saw after the leave keeps what it refreshed.
    pub(crate) fn leave_at_once<L: Liveness>(
        &mut self,
        site: &Site<'_>,
        question: &Question<'_>,
        times: &GroupTimes,
        cx: &mut Context<'_, L>,
    ) {
        let parameters = site.parameters;
        if !parameters.querier || !parameters.can_send || parameters.version < 2 {
            return;
        }
        let interval = &parameters.membership_interval;
        cx.prefetch_sources(site, question.sources.0.iter().copied());
        let mut ended = Vec::new();
        for &address in &question.sources.0 {
            let last_report = cx
                .liveness
                .source(parameters.interface, site.group, address)
                .last_report;
            if let Some(source) = self.source_mut(address)
                && let Some(timer) = source.timer_mut()
            {
                timer.lower(last_report, interval, cx.now, question.time);
                if timer.effective(last_report, interval) <= cx.now {
                    ended.push((address, reason_of(timer)));
                }
            }
        }
        if question.group && self.mode.get() == FilterMode::Exclude {
            send(site, false, &[], cx);
        }
        if parameters.version >= 3 {
            let asked: Vec<_> = ended.iter().map(|&(address, _)| address).collect();
            send_in_parts(site, false, &asked, cx);
        }
        for (address, reason) in ended {
            self.source_timer_ended(site, address, reason, cx);
        }
        if question.group && self.mode.get() == FilterMode::Exclude {
            self.timer.lower(latest(times), interval, cx.now, question.time);
            if self.timer.effective(latest(times), interval) <= cx.now {
                self.group_timer_ended(site, cx);
            }
        }
    }

    /// Lowers timers because of another router's specific query without S flag, received at `time` (§6.6.1). `end` is
    /// when the last of the answers to it is due.
    pub(crate) fn lower_for_query<L: Liveness>(
        &mut self,
        site: &Site<'_>,
        sources: &[Ipv4Addr],
        (end, time): (Instant, Instant),
        times: &GroupTimes,
        cx: &mut Context<'_, L>,
    ) {
        let interval = &site.parameters.membership_interval;
        let interface = site.parameters.interface;
        if sources.is_empty() {
            // Version 1 hosts answer too late, so their memberships are not shortened (RFC 2236 §7 has no such
            // transition from its state "Version 1 Members Present").
            if self.mode.get() == FilterMode::Exclude && self.older().mode(time) != CompatibilityMode::V1 {
                self.timer.lower(latest(times), interval, end, time);
            }
            return;
        }
        cx.prefetch_sources(site, sources.iter().copied());
        for &address in sources {
            if let Some(source) = self.source_mut(address)
                && let Some(timer) = source.timer_mut()
            {
                let last_report = cx.liveness.source(interface, site.group, address).last_report;
                timer.lower(last_report, interval, end, time);
                let deadline = timer.deadline;
                cx.timers
                    .wake_by(&mut source.slot, deadline, site.source_key(address));
            }
        }
    }
}

/// Sends one query for all of `sources`, or several where they do not fit into one packet.
fn send_in_parts<L: Liveness>(
    site: &Site<'_>,
    suppress: bool,
    sources: &[Ipv4Addr],
    cx: &mut Context<'_, L>,
) {
    for part in sources.chunks(site.parameters.sources_per_query.max(1)) {
        send(site, suppress, part, cx);
    }
}

/// Sends one specific query.
pub(crate) fn send<L: Liveness>(
    site: &Site<'_>,
    suppress: bool,
    sources: &[Ipv4Addr],
    cx: &mut Context<'_, L>,
) {
    let parameters = site.parameters;
    cx.actions.push(Action::SendQuery(SendQuery {
        interface: parameters.interface,
        version: parameters.version,
        group: Some(site.group),
        max_response_time: parameters.last_member_interval,
        // Version 2 has no such flag.
        suppress: suppress && parameters.version >= 3,
        qrv: parameters.qrv(),
        query_interval: parameters.query_interval,
        sources: sources.to_vec(),
    }));
}
