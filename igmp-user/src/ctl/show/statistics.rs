//! `show statistics`.

use comfy_table::Cell;
use igmp_wire::Refusal;

use super::plural;
use crate::{
    api::{InterfaceStatistics, PimStatistics, Statistics},
    ctl::style::Style,
};

/// `show statistics`
pub(in crate::ctl) fn statistics(statistics: &Statistics, style: Style) -> String {
    let Statistics { interface, resyncs } = statistics;
    let total = |count: fn(&InterfaceStatistics) -> u64| interface.iter().map(count).sum::<u64>();
    let mut text = format!(
        "Total: {} received, {} sent, {} dropped, {resyncs} resyncs, {} packets and {} bytes forwarded\n",
        total(|interface| interface.received.total),
        total(|interface| interface.sent.total),
        total(|interface| interface.dropped.total()),
        total(|interface| interface.forwarded_packets),
        total(|interface| interface.forwarded_bytes),
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
        ">Forwarded",
        ">Bytes",
        "Dropped",
    ]);
    for interface in interface {
        let received = &interface.received;
        let queries = received.query_v1 + received.query_v2 + received.query_v3;
        let lost = match interface.events_lost {
            0 => Cell::new(0),
            lost => style.alarm(lost),
        };
        let dropped = &interface.dropped;
        // Not to forward what nobody asked for is what a router is for.
        let dropped = if dropped.total() > dropped.get(Refusal::NoMembers) {
            style.alarm(dropped)
        } else {
            Cell::new(dropped)
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
            Cell::new(interface.forwarded_packets),
            Cell::new(interface.forwarded_bytes),
            dropped,
        ]);
    }
    text.push_str(&table.into_text());
    text.push_str(&pim(interface, style));
    text
}

/// The messages of interfaces that run PIM, where there are any.
fn pim(interfaces: &[InterfaceStatistics], style: Style) -> String {
    let rows: Vec<(&str, &PimStatistics)> = interfaces
        .iter()
        .filter_map(|interface| Some((interface.interface_name.as_str(), interface.pim.as_ref()?)))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let total = |count: fn(&PimStatistics) -> u64| rows.iter().map(|(_, pim)| count(pim)).sum::<u64>();
    let mut table = style.table(&[
        "Interface",
        ">Hellos In",
        ">Out",
        ">Joins/Prunes In",
        ">Out",
        ">Asserts In",
        ">Out",
        "Dropped",
    ]);
    for (name, pim) in &rows {
        let PimStatistics {
            received,
            sent,
            dropped,
        } = pim;
        let dropped = match dropped.total() {
            0 => Cell::new(dropped),
            _ => style.alarm(dropped),
        };
        table.row([
            Cell::new(name),
            Cell::new(received.hello),
            Cell::new(sent.hello),
            Cell::new(received.join_prune),
            Cell::new(sent.join_prune),
            Cell::new(received.assert),
            Cell::new(sent.assert),
            dropped,
        ]);
    }
    format!(
        "PIM: {}, {} received, {} sent, {} dropped\n{}",
        plural(rows.len(), "interface", "interfaces"),
        total(|pim| pim.received.total),
        total(|pim| pim.sent.total),
        total(|pim| pim.dropped.total()),
        table.into_text()
    )
}

#[cfg(test)]
mod tests {
    use igmp_wire::abi::InterfaceCounters;

    use super::*;
    use crate::api::{PimDropped, PimMessages, Sent};

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
            text.starts_with(
                "Total: 3 received, 0 sent, 3 dropped, 4 resyncs, 0 packets and 0 bytes forwarded\n"
            ),
            "{text}"
        );
        assert!(text.ends_with("checksum 2, ttl 1\n"), "{text}");
    }

    #[test]
    fn statistics_tell_what_becomes_of_data() {
        let mut incoming = InterfaceCounters::default();
        for (reason, count) in [(Refusal::Rpf, 3), (Refusal::NoMembers, 4), (Refusal::Ttl, 5)] {
            incoming.dropped[reason as usize] = count;
        }
        let mut outgoing = InterfaceCounters::default();
        outgoing.dropped[Refusal::Mtu as usize] = 6;
        outgoing.forwarded_packets = 7;
        outgoing.forwarded_bytes = 9_800;
        let table = Statistics {
            interface: vec![
                InterfaceStatistics::new("wan0", &incoming, Sent::default()),
                InterfaceStatistics::new("lan0", &outgoing, Sent::default()),
            ],
            resyncs: 0,
        };
        assert_eq!(
            statistics(&table, Style::Plain),
            "\
Total: 0 received, 0 sent, 18 dropped, 0 resyncs, 7 packets and 9800 bytes forwarded
Interface  Queries  v1  v2  v3  Leaves  In Kernel  Events  Lost  Sent  Forwarded  Bytes  Dropped
wan0             0   0   0   0       0          0       0     0     0          0      0  ttl 5, rpf 3, no-members 4
lan0             0   0   0   0       0          0       0     0     0          7   9800  mtu 6
"
        );
    }

    #[test]
    fn messages_of_pim_have_a_table_of_their_own() {
        let messages = |hello, join_prune, assert| PimMessages {
            total: hello + join_prune + assert,
            hello,
            join_prune,
            assert,
        };
        let of = |name, pim| InterfaceStatistics {
            pim: Some(pim),
            ..InterfaceStatistics::new(name, &InterfaceCounters::default(), Sent::default())
        };
        let core0 = PimStatistics {
            received: messages(12, 0, 1),
            sent: messages(10, 6, 0),
            dropped: PimDropped::default(),
        };
        let lan0 = PimStatistics {
            received: messages(3, 4, 0),
            sent: messages(8, 0, 0),
            dropped: PimDropped {
                checksum: 2,
                rp: 1,
                ..PimDropped::default()
            },
        };
        let table = Statistics {
            interface: vec![of("core0", core0), of("lan0", lan0)],
            resyncs: 0,
        };
        let text = statistics(&table, Style::Plain);
        let (_, pim) = text.split_at(text.find("PIM").expect("a part about PIM"));
        assert_eq!(
            pim,
            "\
PIM: 2 interfaces, 20 received, 24 sent, 3 dropped
Interface  Hellos In  Out  Joins/Prunes In  Out  Asserts In  Out  Dropped
core0             12   10                0    6           1    0  -
lan0               3    8                4    0           0    0  checksum 2, rp 1
"
        );
    }

    #[test]
    fn data_that_nobody_wants_is_no_alarm() {
        let dropped_for = |reason: Refusal| {
            let mut counters = InterfaceCounters::default();
            counters.dropped[reason as usize] = 1;
            let table = Statistics {
                interface: vec![InterfaceStatistics::new("lan0", &counters, Sent::default())],
                resyncs: 0,
            };
            statistics(&table, Style::Coloured)
                .lines()
                .next_back()
                .is_some_and(|row| row.contains('\x1b'))
        };
        assert!(dropped_for(Refusal::Rpf));
        assert!(!dropped_for(Refusal::NoMembers));
    }
}
