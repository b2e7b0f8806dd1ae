//! Events of the ring as events of the core, and notifications of the core as events for operators.

use std::net::Ipv4Addr;

use igmp_core::{
    Event, Instant, InterfaceId, Notification, NotificationKind, Query, Reason, Report, ReportKind,
};
use igmp_wire::{
    abi::{self, EventKind},
    igmp::{
        RecordKind,
        query::{QRV_MASK, S_FLAG},
    },
};
use jiff::{Timestamp, fmt::temporal::DateTimePrinter};

use crate::api::{MonitorEvent, MonitorEventKind, MonitorReason};

/// What an event of the ring is to the core. `sources` are its addresses, four bytes each. `None` for a kind that does
/// not exist.
pub(super) fn event(event: &abi::Event, sources: &[u8]) -> Option<Event> {
    let interface = InterfaceId(event.slot);
    let time = Instant::from_nanos(event.time);
    let sender = Ipv4Addr::from_bits(event.sender);
    let group = Ipv4Addr::from_bits(event.group);
    let sources = sources
        .chunks_exact(4)
        .filter_map(|bytes| bytes.first_chunk::<4>())
        .map(|&bytes| Ipv4Addr::from(bytes))
        .collect();
    let kind = match EventKind::from_code(event.kind)? {
        EventKind::IsInclude => ReportKind::Record(RecordKind::IsInclude),
        EventKind::IsExclude => ReportKind::Record(RecordKind::IsExclude),
        EventKind::ToInclude => ReportKind::Record(RecordKind::ToInclude),
        EventKind::ToExclude => ReportKind::Record(RecordKind::ToExclude),
        EventKind::Allow => ReportKind::Record(RecordKind::Allow),
        EventKind::Block => ReportKind::Record(RecordKind::Block),
        EventKind::ReportV1 => ReportKind::V1,
        EventKind::ReportV2 => ReportKind::V2,
        EventKind::Leave => ReportKind::Leave,
        // Where a source is, is a question to the kernel and not to the core.
        // Nor is what data does: that is for PIM to know.
        EventKind::Source | EventKind::Flow | EventKind::WrongInterface => return None,
        EventKind::Query => {
            return Some(Event::Query(Query {
                interface,
                time,
                querier: sender,
                version: event.version,
                group: (!group.is_unspecified()).then_some(group),
                max_resp_code: event.max_resp_code,
                suppress: event.s_qrv & S_FLAG != 0,
                qrv: event.s_qrv & QRV_MASK,
                qqic: event.qqic,
                sources,
            }));
        }
    };
    Some(Event::Report(Report {
        interface,
        time,
        reporter: sender,
        group,
        kind,
        sources,
    }))
}

/// What a notification of the core is to an operator.
pub(super) fn notification(notification: &Notification, interface_name: &str) -> MonitorEvent {
    let Notification {
        kind,
        interface: _,
        group,
        source,
        reporter,
        reason,
    } = *notification;
    MonitorEvent {
        time: timestamp(Timestamp::now()),
        event: match kind {
            NotificationKind::GroupJoined => MonitorEventKind::GroupJoined,
            NotificationKind::GroupLeft => MonitorEventKind::GroupLeft,
            NotificationKind::SourceAdded => MonitorEventKind::SourceAdded,
            NotificationKind::SourceRemoved => MonitorEventKind::SourceRemoved,
            NotificationKind::QuerierChanged => MonitorEventKind::QuerierChanged,
            NotificationKind::LimitReached => MonitorEventKind::LimitReached,
        },
        interface_name: interface_name.to_owned(),
        group_address: group,
        source_address: source,
        reporter,
        reason: monitor_reason(reason),
    }
}

/// The reason as operators read it.
const fn monitor_reason(reason: Reason) -> MonitorReason {
    match reason {
        Reason::Report => MonitorReason::Report,
        Reason::Leave => MonitorReason::Leave,
        Reason::Timeout => MonitorReason::Timeout,
        Reason::Static => MonitorReason::Static,
        Reason::Clear => MonitorReason::Clear,
        Reason::Limit => MonitorReason::Limit,
        Reason::Interface => MonitorReason::Interface,
    }
}

/// An event about an interface, which the agent itself has noticed.
pub(super) fn about_interface(
    event: MonitorEventKind,
    interface_name: &str,
    reason: MonitorReason,
) -> MonitorEvent {
    MonitorEvent {
        time: timestamp(Timestamp::now()),
        event,
        interface_name: interface_name.to_owned(),
        group_address: None,
        source_address: None,
        reporter: None,
        reason,
    }
}

/// An event about a route, whose packets come in on an interface, empty where that is not exactly one.
pub(super) fn about_route(
    event: MonitorEventKind,
    interface_name: &str,
    (group, source): (Ipv4Addr, Option<Ipv4Addr>),
    reason: Reason,
) -> MonitorEvent {
    MonitorEvent {
        group_address: Some(group),
        source_address: source,
        ..about_interface(event, interface_name, monitor_reason(reason))
    }
}

/// A time in UTC with six decimals.
fn timestamp(time: Timestamp) -> String {
    DateTimePrinter::new()
        .precision(Some(6))
        .timestamp_to_string(&time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring_event(kind: u8) -> abi::Event {
        abi::Event {
            time: 5,
            slot: 3,
            group: Ipv4Addr::new(239, 1, 1, 1).to_bits(),
            sender: Ipv4Addr::new(10, 1, 1, 2).to_bits(),
            kind,
            ..abi::Event::default()
        }
    }

    #[test]
    fn records_keep_their_kind_and_sources() {
        let codes = [
            (1, RecordKind::IsInclude),
            (2, RecordKind::IsExclude),
            (3, RecordKind::ToInclude),
            (4, RecordKind::ToExclude),
            (5, RecordKind::Allow),
            (6, RecordKind::Block),
        ];
        for (code, kind) in codes {
            let translated = event(&ring_event(code), &[192, 0, 2, 1, 192, 0, 2, 2]).expect("a kind");
            let expected = Event::Report(Report {
                interface: InterfaceId(3),
                time: Instant::from_nanos(5),
                reporter: Ipv4Addr::new(10, 1, 1, 2),
                group: Ipv4Addr::new(239, 1, 1, 1),
                kind: ReportKind::Record(kind),
                sources: vec![Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)],
            });
            assert_eq!(translated, expected);
        }
    }

    #[test]
    fn a_general_query_has_no_group() {
        let mut general = ring_event(10);
        general.group = 0;
        general.version = 3;
        general.s_qrv = 0x0a;
        general.qqic = 125;
        let Some(Event::Query(query)) = event(&general, &[]) else {
            panic!("a query");
        };
        assert_eq!(
            (query.group, query.suppress, query.qrv, query.qqic),
            (None, true, 2, 125)
        );
        assert!(event(&ring_event(0), &[]).is_none());
        assert!(event(&ring_event(11), &[]).is_none());
    }

    #[test]
    fn times_have_six_decimals() {
        let time: Timestamp = "2026-11-22T10:00:00.1234567Z".parse().expect("a time");
        assert_eq!(timestamp(time), "2026-11-22T10:00:00.123456Z");
        let whole: Timestamp = "2026-11-22T10:00:00Z".parse().expect("a time");
        assert_eq!(timestamp(whole), "2026-11-22T10:00:00.000000Z");
    }
}
