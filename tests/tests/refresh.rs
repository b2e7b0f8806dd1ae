//! In a steady network the kernel refreshes, and the agent sleeps.

use std::net::Ipv4Addr;

use tests::{Igmpd, Lan, PATIENCE, json::InterfaceStatistics, wait_for};

/// Groups of the host.
const GROUPS: u32 = 500;

/// Waits for one General Query after another until nothing but reports and refreshes was counted between two of them.
#[track_caller]
fn wait_settled(igmpd: &Igmpd) -> InterfaceStatistics {
    let mut before = igmpd.statistics("lan0");
    wait_for("the state to settle", PATIENCE, || {
        igmpd.wait_queries("lan0", 2);
        let now = igmpd.statistics("lan0");
        let new = now.events - before.events;
        before = now;
        if new == 0 {
            Ok(before.clone())
        } else {
            Err(format!("{new} events in two rounds"))
        }
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
    let settled = wait_settled(&igmpd);

    // Three rounds, and the answers to the third, which is all there once the fourth query went out.
    igmpd.wait_queries("lan0", 4);
    // Counters are read while they count, so they are compared when they agree with each other.
    let now = wait_for("each report to be counted as a refresh", PATIENCE, || {
        let now = igmpd.statistics("lan0");
        let reports = now.received.report_v3 - settled.received.report_v3;
        let refreshed = now.refreshed_in_kernel - settled.refreshed_in_kernel;
        if reports == refreshed {
            Ok(now)
        } else {
            Err(format!("{reports} reports, {refreshed} refreshes"))
        }
    });
    assert_eq!(now.events, settled.events, "events");
    assert_eq!(now.events_lost, 0);
    assert_eq!(now.dropped, settled.dropped);
    // 500 records of 8 bytes take three packets of 1500 bytes, which hold 183 each.
    let reports = now.received.report_v3 - settled.received.report_v3;
    assert!(reports >= 9, "{reports} reports in three rounds");
    // What the host sent in all is what XDP saw.
    let sent = || {
        let from_host = station
            .capture
            .matching(|seen| seen.kind() == 0x22 && seen.source == host.address());
        from_host.len() as u64
    };
    wait_for("the reports that were sent to be received", PATIENCE, || {
        let (received, sent) = (igmpd.statistics("lan0").received.report_v3, sent());
        if received == sent {
            Ok(())
        } else {
            Err(format!("{received} of {sent}"))
        }
    });

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
    let settled = wait_settled(&igmpd);
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
