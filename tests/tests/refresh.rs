//! In a steady network the kernel refreshes, and the agent sleeps.

use std::net::Ipv4Addr;

use tests::{Host, Igmpd, Lan, PATIENCE, capture::Seen, json::InterfaceStatistics, lan::Station, wait_for};

/// Groups of the host.
const GROUPS: u32 = 500;

/// Waits for one General Query after another until there was no event between two of them.
#[track_caller]
fn wait_settled(igmpd: &Igmpd) {
    let mut before = igmpd.statistics("lan0").events;
    wait_for("the state to settle", PATIENCE, || {
        igmpd.wait_queries("lan0", 2);
        let now = igmpd.statistics("lan0").events;
        let new = now - before;
        before = now;
        if new == 0 {
            Ok(())
        } else {
            Err(format!("{new} events in two rounds"))
        }
    });
}

/// The router's counters, and how many group records the host had sent when they were read. Both are read while they
/// grow, so they are taken when the router has received exactly the reports that were sent.
#[track_caller]
fn snapshot(igmpd: &Igmpd, station: &Station, host: &Host) -> (InterfaceStatistics, u64) {
    wait_for("reports that were sent to be received", PATIENCE, || {
        let statistics = igmpd.statistics("lan0");
        let sent = station
            .capture
            .matching(|seen| seen.kind() == 0x22 && seen.source == host.address());
        let received = statistics.received.report_v3;
        if received != sent.len() as u64 {
            return Err(format!("{received} of {}", sent.len()));
        }
        // Number of Group Records (RFC 9776 §4.2.4).
        let records = |seen: &Seen| u64::from(u16::from_be_bytes([seen.message[6], seen.message[7]]));
        Ok((statistics, sent.iter().map(records).sum()))
    })
}

#[test]
fn a_steady_network_causes_no_event() {
    let lan = Lan::new();
    let host = lan.host(2);
    let station = lan.station("station");
    let igmpd = lan.igmpd("");
    let _membership = host.join_all((0..GROUPS).map(|number| Ipv4Addr::from_bits(0xef02_0000 + number)));
    wait_for("all groups", PATIENCE, || {
        let count = igmpd.igmp("lan0").groups_count;
        if count == GROUPS {
            Ok(())
        } else {
            Err(format!("{count} groups"))
        }
    });
    wait_settled(&igmpd);
    let (before, records_before) = snapshot(&igmpd, &station, &host);

    // Three rounds, and the answers to the third, which are all there once the fourth query went out.
    igmpd.wait_queries("lan0", 4);
    let (now, records_now) = snapshot(&igmpd, &station, &host);
    assert_eq!(now.events, before.events, "events");
    assert_eq!(now.events_lost, 0);
    assert_eq!(now.dropped, before.dropped);
    // Each record repeated what is known of one group, and was a refresh.
    let records = records_now - records_before;
    assert!(
        records >= 3 * u64::from(GROUPS),
        "{records} records in three rounds"
    );
    assert_eq!(now.refreshed_in_kernel - before.refreshed_in_kernel, records);

    // The refreshes are worth something: the groups are older than the Group Membership Interval and have not ended.
    let groups = igmpd.groups();
    assert_eq!(groups.len(), GROUPS as usize);
    for group in groups {
        assert!(group.up_time > 6.0, "{group:?}");
    }
}

#[test]
fn source_timers_are_refreshed_too() {
    let lan = Lan::new();
    let host = lan.host(2);
    let igmpd = lan.igmpd("");
    let group = Ipv4Addr::new(232, 1, 1, 1);
    let membership = host.join_source(group, Ipv4Addr::new(192, 0, 2, 1));
    for number in 2..=100 {
        membership.add_source(group, Ipv4Addr::new(192, 0, 2, number));
    }
    igmpd.wait_group("all sources", PATIENCE, "lan0", group, |group| {
        group.source.len() == 100
    });
    wait_settled(&igmpd);
    let settled = igmpd.statistics("lan0");
    igmpd.wait_queries("lan0", 4);
    let now = igmpd.statistics("lan0");
    assert_eq!(now.events, settled.events, "events");
    assert!(
        now.refreshed_in_kernel >= settled.refreshed_in_kernel + 3,
        "{now:?}"
    );
    let found = igmpd.group("lan0", group).expect("a group with members");
    assert_eq!(found.source.len(), 100);
    assert!(
        found
            .source
            .iter()
            .all(|source| source.forwarding && source.up_time > 6.0),
        "{found:?}"
    );
}
