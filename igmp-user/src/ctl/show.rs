//! Tables for people.

use std::{collections::BTreeSet, fmt::Write};

use comfy_table::Cell;

use super::{style::Style, well_known};
use crate::api::{
    Cleared, FilterMode, Group, Groups, Interfaces, MonitorEvent, OperStatus, Reloaded, Seconds, Source,
    Statistics, XdpModeName,
};

/// What stands where there is nothing.
const NOTHING: &str = "-";

fn or_nothing(value: Option<impl ToString>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| value.to_string())
}

/// Hours, minutes and seconds, and days before them where there are any.
fn clock(span: Seconds) -> String {
    let seconds = span.get().max(0.0) as u64;
    let (days, hours, minutes, seconds) = (
        seconds / 86_400,
        seconds / 3_600 % 24,
        seconds / 60 % 60,
        seconds % 60,
    );
    match days {
        0 => format!("{hours:02}:{minutes:02}:{seconds:02}"),
        _ => format!("{days}d{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// `show groups`
pub(super) fn groups(groups: &Groups, style: Style) -> String {
    let Groups { group } = groups;
    let interfaces: BTreeSet<&str> = group.iter().map(|group| group.interface_name.as_str()).collect();
    let distinct: BTreeSet<_> = group.iter().map(|group| group.group_address).collect();
    let mut text = format!(
        "Total: {} of {} on {}\n",
        plural(group.len(), "membership", "memberships"),
        plural(distinct.len(), "group", "groups"),
        plural(interfaces.len(), "interface", "interfaces"),
    );
    if group.is_empty() {
        return text;
    }
    let mut table = style.table(&[
        "Interface",
        "Group",
        "Mode",
        ">Timer",
        "Sources",
        "Version",
        ">Uptime",
        "Last Reporter",
    ]);
    for group in group {
        table.row(group_row(group).into_iter().map(Cell::new));
    }
    text.push_str(&table.into_text());
    text
}

fn group_row(group: &Group) -> [String; 8] {
    let Group {
        interface_name,
        group_address,
        filter_mode,
        expire,
        up_time,
        last_reporter,
        compatibility_mode,
        is_static,
        source,
    } = group;
    let address = match well_known::name(*group_address) {
        Some(name) => format!("{group_address} ({name})"),
        None => group_address.to_string(),
    };
    let mode = match filter_mode {
        FilterMode::Include => "INCLUDE",
        FilterMode::Exclude => "EXCLUDE",
    };
    let timer = match expire {
        Some(expire) => clock(*expire),
        None if *is_static => "static".to_owned(),
        None => NOTHING.to_owned(),
    };
    [
        interface_name.clone(),
        address,
        mode.to_owned(),
        timer,
        sources(source),
        format!("v{compatibility_mode}"),
        clock(*up_time),
        or_nothing(*last_reporter),
    ]
}

/// How many sources are named before the rest is only counted.
const SOURCES_SHOWN: usize = 3;

/// The sources of a group; those that are excluded have a `!` before them.
fn sources(sources: &[Source]) -> String {
    if sources.is_empty() {
        return "*".to_owned();
    }
    let mut text = String::new();
    for source in sources.iter().take(SOURCES_SHOWN) {
        let separator = if text.is_empty() { "" } else { ", " };
        let excluded = if source.forwarding { "" } else { "!" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{excluded}{}", source.source_address);
    }
    if let Some(more) = sources.len().checked_sub(SOURCES_SHOWN)
        && more > 0
    {
        let _ = write!(text, " and {more} more");
    }
    text
}

/// `show interfaces`
pub(super) fn interfaces(interfaces: &Interfaces, style: Style) -> String {
    let Interfaces { interface } = interfaces;
    let up = interface
        .iter()
        .filter(|interface| interface.oper_status == OperStatus::Up)
        .count();
    let mut text = format!(
        "Total: {}, {up} up\n",
        plural(interface.len(), "interface", "interfaces")
    );
    if interface.is_empty() {
        return text;
    }
    let mut table = style.table(&[
        "Interface",
        "State",
        "Address",
        "XDP",
        "Version",
        "Querier",
        ">Next Query",
        ">Other Querier",
        ">Interval",
        ">Groups",
    ]);
    for interface in interface {
        let state = match interface.oper_status {
            OperStatus::Up => Cell::new("up"),
            OperStatus::Down => style.alarm("down"),
            OperStatus::NotPresent => style.alarm("not present"),
        };
        let xdp = interface.xdp_mode.map(|mode| match mode {
            XdpModeName::Native => "native",
            XdpModeName::Generic => "generic",
        });
        let igmp = interface.igmp.as_ref();
        let querier = igmp.and_then(|igmp| {
            let querier = igmp.querier?;
            Some(if igmp.is_querier {
                format!("{querier} (this router)")
            } else {
                querier.to_string()
            })
        });
        table.row([
            Cell::new(&interface.interface_name),
            state,
            Cell::new(or_nothing(interface.address)),
            Cell::new(or_nothing(xdp)),
            Cell::new(or_nothing(igmp.map(|igmp| format!("v{}", igmp.version)))),
            Cell::new(or_nothing(querier)),
            Cell::new(or_nothing(igmp.and_then(|igmp| igmp.next_query).map(clock))),
            Cell::new(or_nothing(
                igmp.and_then(|igmp| igmp.other_querier_expire).map(clock),
            )),
            Cell::new(or_nothing(
                igmp.map(|igmp| format!("{}s", igmp.query_interval.get())),
            )),
            Cell::new(or_nothing(igmp.map(|igmp| igmp.groups_count))),
        ]);
    }
    text.push_str(&table.into_text());
    text
}

/// `show statistics`
pub(super) fn statistics(statistics: &Statistics, style: Style) -> String {
    let Statistics { interface, resyncs } = statistics;
    let total = |count: fn(&crate::api::InterfaceStatistics) -> u64| interface.iter().map(count).sum::<u64>();
    let mut text = format!(
        "Total: {} received, {} sent, {} dropped, {resyncs} resyncs\n",
        total(|interface| interface.received.total),
        total(|interface| interface.sent.total),
        total(|interface| interface.dropped.total()),
    );
    if interface.is_empty() {
        return text;
    }
    let mut table = style.table(&[
        "Interface",
        ">Queries",
        ">v1",
        ">v2",
        ">v3",
        ">Leaves",
        ">In Kernel",
        ">Events",
        ">Lost",
        ">Sent",
        "Dropped",
    ]);
    for interface in interface {
        let received = &interface.received;
        let queries = received.query_v1 + received.query_v2 + received.query_v3;
        let lost = match interface.events_lost {
            0 => Cell::new(0),
            lost => style.alarm(lost),
        };
        let dropped = match interface.dropped.total() {
            0 => Cell::new(NOTHING),
            _ => style.alarm(interface.dropped),
        };
        table.row([
            Cell::new(&interface.interface_name),
            Cell::new(queries),
            Cell::new(received.report_v1),
            Cell::new(received.report_v2),
            Cell::new(received.report_v3),
            Cell::new(received.leave),
            Cell::new(interface.refreshed_in_kernel),
            Cell::new(interface.events),
            lost,
            Cell::new(interface.sent.total),
            dropped,
        ]);
    }
    text.push_str(&table.into_text());
    text
}

/// `clear groups`
pub(super) fn cleared(cleared: &Cleared) -> String {
    let count = usize::try_from(cleared.groups_cleared).unwrap_or(usize::MAX);
    format!("{} cleared\n", plural(count, "membership", "memberships"))
}

/// `reload`
pub(super) fn reloaded(reloaded: &Reloaded) -> String {
    let Reloaded {
        file,
        interface_changed,
        restart_needed,
    } = reloaded;
    let mut text = match interface_changed.as_slice() {
        [] => format!("read {file}: no interface changed\n"),
        names => format!("read {file}: changed {}\n", names.join(", ")),
    };
    if !restart_needed.is_empty() {
        let keys = restart_needed.join(", ");
        let _ = writeln!(text, "restart igmpd for these to come into force: {keys}");
    }
    text
}

/// A line of `monitor`.
pub(super) fn event(event: &MonitorEvent) -> String {
    let MonitorEvent {
        time,
        event,
        interface_name,
        group_address,
        source_address,
        reporter,
        reason,
    } = event;
    let mut line = format!("{time} {event:<15} {interface_name:<15}");
    if let Some(group) = group_address {
        let _ = write!(line, " group {group}");
        if let Some(name) = well_known::name(*group) {
            let _ = write!(line, " ({name})");
        }
    }
    if let Some(source) = source_address {
        let _ = write!(line, " source {source}");
    }
    if let Some(reporter) = reporter {
        let _ = write!(line, " by {reporter}");
    }
    let _ = writeln!(line, " ({reason})");
    line
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use igmp_wire::abi::InterfaceCounters;

    use super::*;
    use crate::api::{IgmpInterface, Interface, InterfaceStatistics, MonitorEventKind, MonitorReason, Sent};

    fn source(last: u8, forwarding: bool) -> Source {
        Source {
            source_address: Ipv4Addr::new(192, 0, 2, last),
            expire: Some(Seconds::new(0.0)),
            up_time: Seconds::new(1.0),
            forwarding,
        }
    }

    fn group(address: [u8; 4], filter_mode: FilterMode, source: Vec<Source>) -> Group {
        Group {
            interface_name: "lan0".to_owned(),
            group_address: address.into(),
            filter_mode,
            expire: (filter_mode == FilterMode::Exclude).then_some(Seconds::new(258.3)),
            up_time: Seconds::new(11.7),
            last_reporter: Some(Ipv4Addr::new(10, 1, 1, 2)),
            compatibility_mode: 3,
            is_static: false,
            source,
        }
    }

    #[test]
    fn groups_are_totalled_and_tabled() {
        let mut fixed = group([239, 9, 9, 9], FilterMode::Exclude, vec![]);
        fixed.expire = None;
        fixed.is_static = true;
        fixed.last_reporter = None;
        fixed.interface_name = "lan0.7".to_owned();
        fixed.up_time = Seconds::new(90_061.0);
        let table = Groups {
            group: vec![
                group([224, 0, 1, 24], FilterMode::Exclude, vec![source(1, false)]),
                group(
                    [232, 1, 1, 1],
                    FilterMode::Include,
                    (1..=5).map(|last| source(last, true)).collect(),
                ),
                fixed,
            ],
        };
        assert_eq!(
            groups(&table, Style::Plain),
            "\
Total: 3 memberships of 3 groups on 2 interfaces
Interface  Group                      Mode        Timer  Sources                                     Version      Uptime  Last Reporter
lan0       224.0.1.24 (microsoft-ds)  EXCLUDE  00:04:18  !192.0.2.1                                  v3         00:00:11  10.1.1.2
lan0       232.1.1.1                  INCLUDE         -  192.0.2.1, 192.0.2.2, 192.0.2.3 and 2 more  v3         00:00:11  10.1.1.2
lan0.7     239.9.9.9                  EXCLUDE    static  *                                           v3       1d01:01:01  -
"
        );
        assert_eq!(
            groups(&Groups::default(), Style::Plain),
            "Total: 0 memberships of 0 groups on 0 interfaces\n"
        );
    }

    #[test]
    fn colour_is_only_in_coloured_output() {
        let table = Interfaces {
            interface: vec![Interface {
                interface_name: "lan0".to_owned(),
                ifindex: None,
                oper_status: OperStatus::NotPresent,
                address: None,
                xdp_mode: None,
                igmp: None,
                proxy_upstream: false,
                pim: None,
            }],
        };
        assert!(!interfaces(&table, Style::Plain).contains('\x1b'));
        assert!(interfaces(&table, Style::Coloured).contains('\x1b'));
        assert!(interfaces(&table, Style::Plain).contains("not present"));
    }

    #[test]
    fn interfaces_show_who_queries() {
        let table = Interfaces {
            interface: vec![Interface {
                interface_name: "lan0".to_owned(),
                ifindex: Some(4),
                oper_status: OperStatus::Up,
                address: Some(Ipv4Addr::new(10, 1, 1, 1)),
                xdp_mode: Some(XdpModeName::Native),
                igmp: Some(IgmpInterface {
                    version: 3,
                    querier: Some(Ipv4Addr::new(10, 1, 1, 1)),
                    is_querier: true,
                    other_querier_expire: None,
                    next_query: Some(Seconds::new(31.2)),
                    query_interval: Seconds::new(125.0),
                    robustness_variable: 2,
                    groups_count: 1,
                }),
                proxy_upstream: false,
                pim: None,
            }],
        };
        let text = interfaces(&table, Style::Plain);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("Total: 1 interface, 1 up"));
        let words: Vec<&str> = lines.nth(1).expect("a row").split_whitespace().collect();
        assert_eq!(
            words,
            [
                "lan0", "up", "10.1.1.1", "native", "v3", "10.1.1.1", "(this", "router)", "00:00:31", "-",
                "125s", "1"
            ]
        );
    }

    #[test]
    fn statistics_name_what_was_dropped() {
        let mut counters = InterfaceCounters::default();
        counters.dropped[1] = 2;
        counters.dropped[2] = 1;
        counters.received[0] = 3;
        let table = Statistics {
            interface: vec![InterfaceStatistics::new("lan0", &counters, Sent::default())],
            resyncs: 4,
        };
        let text = statistics(&table, Style::Plain);
        assert!(
            text.starts_with("Total: 3 received, 0 sent, 3 dropped, 4 resyncs\n"),
            "{text}"
        );
        assert!(text.ends_with("checksum 2, ttl 1\n"), "{text}");
    }

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
    }
}
