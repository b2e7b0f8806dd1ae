//! A host (RFC 9776 §5 and §7.2, RFC 2236 §3 and §6, RFC 1112 Appendix I).
//!
//! | module | holds |
//! |---|---|
//! | `membership` | what it wants of a group, and what it has yet to say about it |
//! | `reports` | the messages it says it with |

mod membership;
mod reports;

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp_core::{Duration, Instant};
use igmp_wire::igmp::float;

pub(crate) use self::{membership::Filter, reports::Outgoing};
use self::{
    membership::{Membership, Response},
    reports::{answer, change_records, current_state, older_report, unsolicited},
};
use crate::{
    message::{Message, Query},
    rng::Rng,
};

/// Unsolicited Report Interval of version 3 (RFC 9776 §8.11).
pub(crate) const UNSOLICITED_V3: Duration = Duration::from_secs(1);
/// Unsolicited Report Interval of versions 1 and 2 (RFC 2236 §8.10).
pub(crate) const UNSOLICITED_V2: Duration = Duration::from_secs(10);
/// Within how long a query of version 1 is answered (RFC 1112 Appendix I).
pub(crate) const V1_RESPONSE: Duration = Duration::from_secs(10);
/// Older Version Querier Present Interval of a version 3 host with the defaults that RFC 9776 §8.12 recommends.
const OLDER_QUERIER_PRESENT: Duration = Duration::from_secs(350);
/// Version 1 Router Present Timeout of a version 2 host (RFC 2236 §8.11).
const V1_ROUTER_PRESENT: Duration = Duration::from_secs(400);

/// A host.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) address: Ipv4Addr,
    /// The newest version it speaks.
    pub(crate) version: u8,
    robustness: u8,
    mode: u8,
    v1_querier_until: Instant,
    v2_querier_until: Instant,
    groups: BTreeMap<Ipv4Addr, Membership>,
    /// The pending response to a General Query of version 3.
    general: Option<(Instant, Vec<usize>)>,
    /// When the next State-Change Report is due.
    change: Option<Instant>,
}

impl Host {
    pub(crate) fn new(address: Ipv4Addr, version: u8, robustness: u8) -> Self {
        Self {
            address,
            version,
            robustness,
            mode: version,
            v1_querier_until: Instant::ZERO,
            v2_querier_until: Instant::ZERO,
            groups: BTreeMap::new(),
            general: None,
            change: None,
        }
    }

    /// Host Compatibility Mode: the version that it speaks at present.
    pub(crate) fn mode(&self) -> u8 {
        self.mode
    }

    pub(crate) fn filter(&self, group: Ipv4Addr) -> Filter {
        self.groups
            .get(&group)
            .map_or_else(Filter::default, |membership| membership.filter.clone())
    }

    /// It is switched off without a word.
    pub(crate) fn vanish(&mut self) {
        *self = Self::new(self.address, self.version, self.robustness);
    }

    /// Changes what it wants of a group.
    pub(crate) fn set_filter(
        &mut self,
        now: Instant,
        group: Ipv4Addr,
        filter: Filter,
        rng: &mut Rng,
    ) -> Vec<Outgoing> {
        self.update_mode(now);
        let membership = self.groups.entry(group).or_default();
        let before = core::mem::replace(&mut membership.filter, filter);
        let mut out = Vec::new();
        if self.mode == 3 {
            let after = &membership.filter;
            if before.exclude != after.exclude {
                membership.mode_left = self.robustness;
                membership.source_left.clear();
            } else {
                for &source in before.sources.symmetric_difference(&after.sources) {
                    membership.source_left.insert(source, self.robustness);
                }
            }
            let records = change_records(group, membership);
            if !records.is_empty() {
                out.push(unsolicited(Message::ReportV3(records)));
            }
            if membership.has_changes() {
                let at = now + rng.delay(UNSOLICITED_V3);
                self.change = Some(self.change.map_or(at, |earlier| earlier.min(at)));
            }
        } else {
            match (before.is_member(), membership.filter.is_member()) {
                (false, true) => {
                    out.push(unsolicited(older_report(self.mode, group)));
                    membership.unsolicited =
                        (self.robustness > 1).then(|| (now + rng.delay(UNSOLICITED_V2), self.robustness - 1));
                }
                (true, false) => {
                    membership.unsolicited = None;
                    membership.response = None;
                    if self.mode == 2 {
                        out.push(unsolicited(Message::Leave(group)));
                    }
                }
                _ => {}
            }
        }
        self.forget_finished();
        out
    }

    /// Hears a query.
    pub(crate) fn hear_query(&mut self, now: Instant, query: &Query, number: usize, rng: &mut Rng) {
        let code = u64::from(query.max_resp_code);
        if query.group.is_none() {
            let present = if self.version == 3 {
                OLDER_QUERIER_PRESENT
            } else {
                V1_ROUTER_PRESENT
            };
            match query.version {
                1 => self.v1_querier_until = now + present,
                2 => self.v2_querier_until = now + present,
                _ => {}
            }
        }
        self.update_mode(now);
        // A version 1 host knows queries to 224.0.0.1 only.
        if self.mode == 1 && query.group.is_some() {
            return;
        }
        let max_response = match (self.mode, query.version) {
            (1, _) | (_, 1) => V1_RESPONSE,
            (3, 3) => Duration::from_deciseconds(u64::from(float::decode(query.max_resp_code))),
            _ => Duration::from_deciseconds(code),
        };
        let at = now + rng.delay(max_response);
        if self.mode < 3 {
            self.schedule_older(at, query.group, number);
        } else {
            self.schedule(at, query, number);
        }
    }

    /// RFC 2236 §3: a running timer is only ever made shorter.
    fn schedule_older(&mut self, at: Instant, group: Option<Ipv4Addr>, number: usize) {
        for (&address, membership) in &mut self.groups {
            if group.is_some_and(|group| group != address) || !membership.filter.is_member() {
                continue;
            }
            let response = membership.response.get_or_insert_with(|| Response {
                at,
                sources: BTreeSet::new(),
                answers: Vec::new(),
            });
            response.at = response.at.min(at);
            response.answers.push(number);
        }
    }

    /// The five rules of RFC 9776 §5.2.
    fn schedule(&mut self, at: Instant, query: &Query, number: usize) {
        if let Some((pending, answers)) = &mut self.general
            && *pending <= at
        {
            answers.push(number);
            return;
        }
        let Some(group) = query.group else {
            let mut answers = self.general.take().map_or_else(Vec::new, |(_, answers)| answers);
            answers.push(number);
            self.general = Some((at, answers));
            return;
        };
        let Some(membership) = self.groups.get_mut(&group) else {
            return;
        };
        if !membership.filter.is_member() {
            return;
        }
        let asked: BTreeSet<_> = query.sources.iter().copied().collect();
        match &mut membership.response {
            None => {
                membership.response = Some(Response {
                    at,
                    sources: asked,
                    answers: vec![number],
                });
            }
            Some(response) => {
                if asked.is_empty() || response.sources.is_empty() {
                    response.sources.clear();
                } else {
                    response.sources.extend(asked);
                }
                response.at = response.at.min(at);
                response.answers.push(number);
            }
        }
    }

    /// Hears the version 1 or 2 report of another host. Hosts that speak version 3 do not keep quiet for it.
    pub(crate) fn hear_report(&mut self, now: Instant, group: Ipv4Addr, version: u8) {
        self.update_mode(now);
        // To a version 1 host a version 2 report is an unknown type.
        if self.mode == 3 || (self.version == 1 && version == 2) {
            return;
        }
        if let Some(membership) = self.groups.get_mut(&group) {
            membership.response = None;
            membership.unsolicited = None;
        }
    }

    /// When it has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let general = self.general.as_ref().map(|(at, _)| *at);
        let groups = self.groups.values().flat_map(|membership| {
            let response = membership.response.as_ref().map(|response| response.at);
            let unsolicited = membership.unsolicited.map(|(at, _)| at);
            response.into_iter().chain(unsolicited)
        });
        general.into_iter().chain(self.change).chain(groups).min()
    }

    /// Does what is due.
    pub(crate) fn fire(&mut self, now: Instant, rng: &mut Rng) -> Vec<Outgoing> {
        self.update_mode(now);
        let mut out = Vec::new();
        if let Some((_, answers)) = self.general.take_if(|(at, _)| *at <= now) {
            let records: Vec<_> = self
                .groups
                .iter()
                .filter(|(_, membership)| membership.filter.is_member())
                .map(|(&group, membership)| current_state(group, &membership.filter))
                .collect();
            if !records.is_empty() {
                out.push(Outgoing {
                    message: Message::ReportV3(records),
                    answers,
                });
            }
        }
        for (&group, membership) in &mut self.groups {
            if let Some(response) = membership.response.take_if(|response| response.at <= now)
                && let Some(message) = answer(self.mode, group, &membership.filter, &response.sources)
            {
                out.push(Outgoing {
                    message,
                    answers: response.answers,
                });
            }
            if let Some((_, left)) = membership.unsolicited.take_if(|(at, _)| *at <= now) {
                out.push(unsolicited(older_report(self.mode, group)));
                membership.unsolicited = (left > 1).then(|| (now + rng.delay(UNSOLICITED_V2), left - 1));
            }
        }
        if self.change.take_if(|at| *at <= now).is_some() {
            let mut records = Vec::new();
            for (&group, membership) in &mut self.groups {
                records.extend(change_records(group, membership));
            }
            if !records.is_empty() {
                out.push(unsolicited(Message::ReportV3(records)));
            }
            if self.groups.values().any(Membership::has_changes) {
                self.change = Some(now + rng.delay(UNSOLICITED_V3));
            }
        }
        self.forget_finished();
        out
    }

    /// RFC 9776 §7.2.1: a change of the mode cancels all pending responses and repetitions.
    fn update_mode(&mut self, now: Instant) {
        let mode = if self.version == 1 || self.v1_querier_until > now {
            1
        } else if self.version == 2 || self.v2_querier_until > now {
            2
        } else {
            3
        };
        if mode == self.mode {
            return;
        }
        self.mode = mode;
        self.general = None;
        self.change = None;
        for membership in self.groups.values_mut() {
            membership.response = None;
            membership.unsolicited = None;
            membership.mode_left = 0;
            membership.source_left.clear();
        }
        self.forget_finished();
    }

    fn forget_finished(&mut self) {
        self.groups
            .retain(|_, membership| membership.filter.is_member() || membership.has_changes());
    }
}
