//! `monitor`.

use std::fmt::Write;

use super::{NOTHING, named};
use crate::api::{MonitorEvent, MonitorEventKind};

/// A line of `monitor`.
pub(in crate::ctl) fn event(event: &MonitorEvent) -> String {
    let MonitorEvent {
        time,
        event,
        interface_name,
        group_address,
        source_address,
        reporter,
        reason,
    } = event;
    // A route may have no one interface that packets come in on.
    let place = if interface_name.is_empty() {
        NOTHING
    } else {
        interface_name
    };
    let mut line = format!("{time} {event:<15} {place:<15}");
    if let Some(group) = group_address {
        let _ = write!(line, " group {}", named(*group));
    }
    if let Some(source) = source_address {
        let _ = write!(line, " source {source}");
    }
    if let Some(reporter) = reporter {
        let who = match event {
            MonitorEventKind::NeighborUp | MonitorEventKind::NeighborDown => "neighbor",
            MonitorEventKind::DrChanged => "to",
            _ => "by",
        };
        let _ = write!(line, " {who} {reporter}");
    }
    let _ = writeln!(line, " ({reason})");
    line
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::api::MonitorReason;

    #[test]
    fn events_are_lines() {
        let mut joined = MonitorEvent {
            time: "2026-11-22T10:00:00.123456Z".to_owned(),
            event: MonitorEventKind::GroupJoined,
            interface_name: "lan0".to_owned(),
            group_address: Some(Ipv4Addr::new(224, 0, 1, 24)),
            source_address: None,
            reporter: Some(Ipv4Addr::new(10, 1, 1, 2)),
            reason: MonitorReason::Report,
        };
        assert_eq!(
            event(&joined),
            "2026-11-22T10:00:00.123456Z group-joined    lan0            group 224.0.1.24 (microsoft-ds) by 10.1.1.2 \
             (report)\n"
        );
        joined.group_address = None;
        joined.reporter = None;
        joined.event = MonitorEventKind::InterfaceDown;
        joined.reason = MonitorReason::Interface;
        assert_eq!(
            event(&joined),
            "2026-11-22T10:00:00.123456Z interface-down  lan0            (interface)\n"
        );
        let mut route = MonitorEvent {
            time: "2026-11-22T10:00:00.123456Z".to_owned(),
            event: MonitorEventKind::RouteAdded,
            interface_name: "wan0".to_owned(),
            group_address: Some(Ipv4Addr::new(232, 1, 1, 1)),
            source_address: Some(Ipv4Addr::new(192, 0, 2, 7)),
            reporter: None,
            reason: MonitorReason::Report,
        };
        assert_eq!(
            event(&route),
            "2026-11-22T10:00:00.123456Z route-added     wan0            group 232.1.1.1 source 192.0.2.7 (report)\n"
        );
        let mut neighbor = MonitorEvent {
            time: "2026-11-22T10:00:00.123456Z".to_owned(),
            event: MonitorEventKind::NeighborDown,
            interface_name: "core0".to_owned(),
            group_address: None,
            source_address: None,
            reporter: Some(Ipv4Addr::new(10, 0, 0, 1)),
            reason: MonitorReason::Timeout,
        };
        assert_eq!(
            event(&neighbor),
            "2026-11-22T10:00:00.123456Z neighbor-down   core0           neighbor 10.0.0.1 (timeout)\n"
        );
        neighbor.event = MonitorEventKind::DrChanged;
        neighbor.reason = MonitorReason::Report;
        assert_eq!(
            event(&neighbor),
            "2026-11-22T10:00:00.123456Z dr-changed      core0           to 10.0.0.1 (report)\n"
        );
        route.event = MonitorEventKind::RouteRemoved;
        route.interface_name = String::new();
        route.source_address = None;
        route.reason = MonitorReason::Leave;
        assert_eq!(
            event(&route),
            "2026-11-22T10:00:00.123456Z route-removed   -               group 232.1.1.1 (leave)\n"
        );
    }
}
