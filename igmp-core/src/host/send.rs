//! The messages that are due.

use core::{net::Ipv4Addr, ops::Bound};

use igmp_wire::address::is_ssm;

use super::{
    Host, MESSAGE_BATCH,
    action::{ReportMessage, SendReport},
    changes::{Pending, announcement, records},
    packing::{Packing, len},
    responses::{self, current_state},
    round::Round,
};
use crate::{InterfaceId, time::Instant};

/// How many groups are looked at before what they need is sent.
const GROUP_BATCH: usize = 256;
/// How many groups a call looks at for each kind of message, however many of them a packet has room for.
const GROUPS_PER_CALL: usize = 8_192;

/// Where messages go to.
struct Outbox<'a> {
    interface: InterfaceId,
    source: Ipv4Addr,
    actions: &'a mut Vec<SendReport>,
    /// How many more may be sent in this call.
    left: usize,
}

impl Outbox<'_> {
    fn send(&mut self, message: ReportMessage) {
        self.left = self.left.saturating_sub(1);
        self.actions.push(SendReport {
            interface: self.interface,
            source: self.source,
            message,
        });
    }

    fn send_packed(&mut self, packing: Packing) {
        for records in packing.finish() {
            self.send(ReportMessage::V3(records));
        }
    }
}

impl Host {
    /// Sends what is due.
    pub(super) fn send_due(&mut self, now: Instant, actions: &mut Vec<SendReport>) {
        let Some(upstream) = self.upstream.as_ref().filter(|upstream| upstream.can_send()) else {
            return;
        };
        let Some(source) = upstream.address else {
            return;
        };
        let mut outbox = Outbox {
            interface: upstream.interface,
            source,
            actions,
            left: MESSAGE_BATCH,
        };
        if self.mode == 3 {
            self.send_changes(now, &mut outbox);
            self.send_responses(now, &mut outbox);
        } else {
            self.send_older_changes(now, &mut outbox);
            self.send_older_responses(now, &mut outbox);
        }
        self.send_round(now, &mut outbox);
    }

    /// Makes changes of groups that are to be announced, as many as are sent next.
    fn announce_some(&mut self, now: Instant) {
        let Some(from) = self.announce else {
            return;
        };
        let robustness = self.robustness();
        let mut groups = self.groups.range(from..);
        for (&group, membership) in groups.by_ref().take(GROUP_BATCH) {
            match self.mode {
                3 => self
                    .changes
                    .merge(now, group, announcement(membership), robustness),
                _ if is_ssm(group) => {}
                _ => self.changes.set(now, group, Pending::Reports(robustness)),
            }
        }
        self.announce = groups.next().map(|(&group, _)| group);
    }

    /// State-Change Reports (RFC 9776 §5.1).
    fn send_changes(&mut self, now: Instant, outbox: &mut Outbox<'_>) {
        let allowance = self.pace.allowance(now, self.cost()).min(outbox.left);
        if allowance == 0 {
            return;
        }
        let Some(upstream) = &self.upstream else {
            return;
        };
        let again = now + self.random.delay(upstream.config.unsolicited_report_interval);
        // What has changed of these groups besides is told along with them.
        self.announce_some(now);
        let mut packing = Packing::new(self.room());
        for _ in 0..GROUPS_PER_CALL {
            if self.changes.first_due(now).is_none() {
                self.announce_some(now);
            }
            let Some((group, pending)) = self.changes.first_due(now) else {
                break;
            };
            let records = match pending {
                Pending::Records {
                    mode_left,
                    sources_left,
                } => records(group, self.groups.get(&group), *mode_left, sources_left),
                Pending::Reports(_) | Pending::Leave => Vec::new(),
            };
            if packing.len() > 0 && packing.len_with(records.iter().map(len)) > allowance {
                break;
            }
            for record in records {
                packing.push(record);
            }
            self.changes.told(group, again);
            if let Some(membership) = self.groups.get_mut(&group) {
                membership.told_in = self.session;
            }
        }
        self.pace.spend(packing.len(), self.cost());
        outbox.send_packed(packing);
    }

    /// Answers to specific queries (RFC 9776 §5.2).
    fn send_responses(&mut self, now: Instant, outbox: &mut Outbox<'_>) {
        let mut packing = Packing::new(self.room());
        for _ in 0..GROUPS_PER_CALL {
            if packing.len() >= outbox.left {
                break;
            }
            let Some((group, asked)) = self.responses.pop_due(now) else {
                break;
            };
            let membership = self.groups.get(&group);
            if let Some(record) =
                membership.and_then(|membership| responses::record(group, membership, &asked))
            {
                packing.push(record);
            }
        }
        outbox.send_packed(packing);
    }

    /// Unsolicited reports and Leaves (RFC 2236 §3).
    fn send_older_changes(&mut self, now: Instant, outbox: &mut Outbox<'_>) {
        let cost = self.cost();
        let Some(upstream) = &self.upstream else {
            return;
        };
        let interval = upstream.config.older_unsolicited_report_interval;
        let allowance = self.pace.allowance(now, cost).min(outbox.left);
        for _ in 0..allowance {
            if self.changes.first_due(now).is_none() {
                self.announce_some(now);
            }
            let Some((group, pending)) = self.changes.first_due(now) else {
                break;
            };
            match pending {
                Pending::Leave => outbox.send(ReportMessage::Leave(group)),
                Pending::Reports(_) | Pending::Records { .. } => self.send_older_report(now, group, outbox),
            }
            self.changes.told(group, now + self.random.delay(interval));
            self.pace.spend(1, cost);
        }
    }

    fn send_older_responses(&mut self, now: Instant, outbox: &mut Outbox<'_>) {
        while outbox.left > 0
            && let Some((group, _)) = self.responses.pop_due(now)
        {
            self.send_older_report(now, group, outbox);
        }
    }

    fn send_older_report(&mut self, now: Instant, group: Ipv4Addr, outbox: &mut Outbox<'_>) {
        let Some(membership) = self.groups.get_mut(&group) else {
            return;
        };
        membership.last_report = now;
        membership.is_last_reporter = true;
        membership.told_in = self.session;
        outbox.send(match self.mode {
            1 => ReportMessage::V1(group),
            _ => ReportMessage::V2(group),
        });
    }

    /// The next messages of the answer to a General Query.
    fn send_round(&mut self, now: Instant, outbox: &mut Outbox<'_>) {
        let mut looks = MESSAGE_BATCH;
        while outbox.left > 0
            && looks > 0
            && let Some(mut round) = self.round
            && round.at <= now
        {
            looks -= 1;
            let (last, amount) = if self.mode == 3 {
                self.tell_packet(round.cursor, round.stop(), outbox)
            } else {
                self.tell_older(now, &round, outbox)
            };
            let goes_on = match last {
                Some(last) => {
                    round.told(last, amount, &mut self.random);
                    true
                }
                None => round.wrap(),
            };
            self.round = goes_on.then_some(round);
        }
    }

    /// Sends a packet of Current-State Records. Answers the last group in it and what it amounts to.
    fn tell_packet(
        &mut self,
        from: Ipv4Addr,
        stop: Option<Ipv4Addr>,
        outbox: &mut Outbox<'_>,
    ) -> (Option<Ipv4Addr>, usize) {
        let mut packing = Packing::new(self.room());
        let (mut last, mut amount) = (None, 0);
        for (&group, membership) in self.groups.range_mut(bounds(from, stop)) {
            let record = current_state(group, membership);
            if packing.len() > 0 && packing.len_with([len(&record)].into_iter()) > 1 {
                break;
            }
            packing.push(record);
            membership.told_in = self.session;
            last = Some(group);
            amount += membership.record_len();
        }
        outbox.send_packed(packing);
        (last, amount)
    }

    /// Sends the next report of version 1 or 2. Answers the last group that was looked at and how many there were.
    fn tell_older(
        &mut self,
        now: Instant,
        round: &Round,
        outbox: &mut Outbox<'_>,
    ) -> (Option<Ipv4Addr>, usize) {
        let (mut last, mut amount) = (None, 0);
        let groups = self.groups.range(bounds(round.cursor, round.stop()));
        for (&group, membership) in groups.take(GROUP_BATCH) {
            last = Some(group);
            amount += 1;
            // A report since the query, of this host or of another one, has answered it.
            if !is_ssm(group) && membership.last_report <= round.started {
                self.send_older_report(now, group, outbox);
                break;
            }
        }
        (last, amount)
    }
}

/// The groups from `from` on and before `stop`.
fn bounds(from: Ipv4Addr, stop: Option<Ipv4Addr>) -> (Bound<Ipv4Addr>, Bound<Ipv4Addr>) {
    match stop {
        // An empty range, which must not end before it begins.
        Some(stop) => (Bound::Included(from.min(stop)), Bound::Excluded(stop)),
        None => (Bound::Included(from), Bound::Unbounded),
    }
}
