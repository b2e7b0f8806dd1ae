//! What queries, and reports of other hosts, change.

use igmp_wire::{address::is_ssm, igmp::float};

use super::{Host, Upstream};
use crate::{
    event::{Query, Report, ReportKind},
    time::{Duration, Instant},
};

/// Within how long a version 1 query is answered, which cannot say it (RFC 9776 §7.2.1).
const V1_RESPONSE: Duration = Duration::from_secs(10);
/// How many times the Max Response Time of its query an older querier counts beyond the Query Intervals (RFC 9776 §8.12).
const OLDER_QUERIER_RESPONSES: u64 = 10;

impl Host {
    /// Schedules an answer (RFC 9776 §5.2).
    pub(super) fn hear_query(&mut self, now: Instant, query: &Query) {
        let Some(upstream) = &self.upstream else {
            return;
        };
        if upstream.interface != query.interface {
            return;
        }
        if query.group.is_none() {
            self.querier = Some(query.querier);
            // A Group-Specific Query of an older version does not change the mode.
            let rounds =
                upstream.config.query_interval * u64::from(upstream.config.robustness_variable.max(1));
            let responses = linear(query) * OLDER_QUERIER_RESPONSES;
            self.older.heard(query.version, query.time + (rounds + responses));
            self.update_mode(now);
        }
        if query.version == 3 && query.qrv != 0 {
            self.qrv = Some(query.qrv);
        }

        // Who cannot answer knows the querier when an address comes, and everything is announced then.
        if !self.upstream.as_ref().is_some_and(Upstream::can_send) {
            return;
        }
        let max_response = match (self.mode, query.version) {
            (3, 3) => Duration::from_deciseconds(u64::from(float::decode(query.max_resp_code))),
            _ => linear(query),
        };
        match query.group {
            None => self.begin_round(query.time, max_response),
            Some(group) if self.groups.contains_key(&group) => {
                let at = query.time + self.random.delay(max_response);
                if self.mode < 3 {
                    if !is_ssm(group) {
                        self.responses.schedule_older(at, query.time, max_response, group);
                    }
                    return;
                }
                // Rule 1: the answer to a General Query is one to this query as well if it comes first.
                let told = self.round.and_then(|round| round.tells_by(group));
                if told.is_none_or(|told| told > at) {
                    self.responses.schedule(at, group, &query.sources);
                }
            }
            Some(_) => {}
        }
    }

    /// In version 1 and 2 the report of another host stands for that of this one (RFC 2236 §3), if the querier understands
    /// it. In version 3 it does not.
    pub(super) fn hear_report(&mut self, report: &Report) {
        let version = match report.kind {
            ReportKind::V1 => 1,
            ReportKind::V2 => 2,
            ReportKind::Leave | ReportKind::Record(_) => return,
        };
        let Some(upstream) = &self.upstream else {
            return;
        };
        if self.mode == 3
            || version > self.mode
            || upstream.interface != report.interface
            || upstream.address == Some(report.reporter)
        {
            return;
        }
        let Some(membership) = self.groups.get_mut(&report.group) else {
            return;
        };
        let round = self.round.map(|round| round.started);
        let is_delaying = self.responses.contains(report.group)
            || self.changes.has_reports(report.group)
            || round.is_some_and(|started| membership.last_report <= started);
        if is_delaying {
            // It counts as later than the query even where the clock does not tell them apart.
            let after_query = round.map(|started| started + Duration::from_nanos(1));
            membership.last_report = report.time.max(after_query.unwrap_or(Instant::ZERO));
            membership.is_last_reporter = false;
            membership.told_in = self.session;
            self.responses.cancel(report.group);
            self.changes.cancel(report.group);
        }
    }
}

/// The Max Response Time of a query of version 1 or 2, or of one that is read as such.
fn linear(query: &Query) -> Duration {
    match query.version {
        1 => V1_RESPONSE,
        _ => Duration::from_deciseconds(u64::from(query.max_resp_code)),
    }
}
