//! The link between the proxy and its querier: what is lost, when the rest arrives, and what it is there.

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use igmp_core::{
    Action, Duration, Event, HostEvent, Instant, InterfaceId, Query, Report, ReportKind, SendQuery,
    SendReport, host::ReportMessage,
};
use igmp_wire::igmp::float;

use super::{LINK, Packet, Silent, WINDOW, World};
use crate::bench::{OWN, QUERIER, WAN, describe};

impl World {
    pub(super) fn send_queries(&mut self, actions: Vec<Action>) {
        for action in actions {
            if let Action::SendQuery(query) = action {
                let group = query.group;
                self.transmit(Packet::Query(query), &[group]);
            }
        }
    }

    pub(super) fn send_reports(&mut self, actions: Vec<SendReport>) {
        for action in actions {
            let groups: Vec<Option<Ipv4Addr>> = match &action.message {
                ReportMessage::V1(group) | ReportMessage::V2(group) | ReportMessage::Leave(group) => {
                    vec![Some(*group)]
                }
                ReportMessage::V3(records) => records.iter().map(|record| Some(record.group)).collect(),
            };
            self.transmit(Packet::Report(action), &groups);
        }
    }

    pub(super) fn transmit(&mut self, packet: Packet, groups: &[Option<Ipv4Addr>]) {
        let is_lost = !self.is_up || (self.rng.chance(self.loss) && self.may_lose(groups));
        if is_lost {
            self.lost += 1;
            for group in groups {
                self.losses.entry(*group).or_default().push_back(self.now);
            }
        }
        self.say(|| {
            let text = match &packet {
                Packet::Report(report) => describe(&report.message),
                Packet::Query(query) => format!("{query:?}"),
            };
            format!("{}{text}", if is_lost { "LOST " } else { "" })
        });
        if !is_lost {
            // A bad link confuses the order, too. A Leave of version 2 that overtakes a report ends nothing.
            let delay = match self.loss {
                0 => Duration::from_millis(5),
                _ => (self.rng).span(Duration::from_nanos(1_000), Duration::from_millis(20)),
            };
            self.count += 1;
            self.link.insert((self.now + delay, self.count), packet);
        }
    }

    /// Whether another loss still leaves what the Robustness Variable covers. A General Query is about all groups.
    pub(super) fn may_lose(&mut self, groups: &[Option<Ipv4Addr>]) -> bool {
        for times in self.losses.values_mut() {
            times.retain(|time| self.now.since(*time) < WINDOW);
        }
        let losses = |group: &Option<Ipv4Addr>| self.losses.get(group).map_or(0, VecDeque::len);
        let most = usize::from(self.robustness) - 1;
        let worst = self.losses.values().map(VecDeque::len).max().unwrap_or(0);
        groups.iter().all(|group| match group {
            Some(_) => losses(group) + losses(&None) < most,
            None => worst + losses(group) < most,
        })
    }

    /// A packet arrives.
    pub(super) fn deliver(&mut self, packet: Packet) {
        match packet {
            Packet::Query(query) => {
                let query = heard(query, self.now);
                self.host.handle(self.now, HostEvent::Query(query));
            }
            Packet::Report(report) => {
                assert_eq!(report.source, OWN);
                // What the querier's version does not know it ignores.
                if report.version() > self.version {
                    return;
                }
                for event in events(report, self.now, LINK) {
                    let mut actions = Vec::new();
                    self.querier.handle(self.now, event, &mut Silent, &mut actions);
                    self.send_queries(actions);
                }
            }
        }
    }
}

/// A query of the querier, as it is heard on an upstream interface.
pub(super) fn heard(query: SendQuery, now: Instant) -> Query {
    let deciseconds = query.max_response_time.as_deciseconds();
    Query {
        interface: WAN,
        time: now,
        querier: QUERIER,
        version: query.version,
        group: query.group,
        max_resp_code: match query.version {
            1 => 0,
            2 => deciseconds as u8,
            _ => float::encode(deciseconds as u32),
        },
        suppress: query.suppress,
        qrv: query.qrv,
        qqic: float::encode(20),
        sources: query.sources,
    }
}

/// A report of the proxy, as it is heard on an interface of a router.
pub(super) fn events(report: SendReport, now: Instant, interface: InterfaceId) -> Vec<Event> {
    let records = match report.message {
        ReportMessage::V1(group) => vec![(group, ReportKind::V1, Vec::new())],
        ReportMessage::V2(group) => vec![(group, ReportKind::V2, Vec::new())],
        ReportMessage::Leave(group) => vec![(group, ReportKind::Leave, Vec::new())],
        ReportMessage::V3(records) => records
            .into_iter()
            .map(|record| (record.group, ReportKind::Record(record.kind), record.sources))
            .collect(),
    };
    let event = |(group, kind, sources)| {
        Event::Report(Report {
            interface,
            time: now,
            reporter: OWN,
            group,
            kind,
            sources,
        })
    };
    records.into_iter().map(event).collect()
}
