//! Hosts of all versions: joining, staying, leaving, vanishing.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use tests::{
    Host, Igmpd, Lan, Monitor, PATIENCE,
    json::{Event, FilterMode, Group},
    lan::ROUTER,
    wait_for,
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

/// Group Membership Interval of `lan::QUICK`, in seconds.
const MEMBERSHIP_INTERVAL: f64 = 6.0;
/// Last Member Query Time of `lan::QUICK`.
const LAST_MEMBER_QUERY_TIME: Duration = Duration::from_secs(1);
/// How much later than a timer something may be noticed on a busy machine.
const SLACK: Duration = Duration::from_secs(4);

/// What every any-source membership looks like, whatever the version of the host (RFC 9776 §6.2, §7.3.2).
#[track_caller]
fn assert_any_source(group: &Group, host: &Host, version: u8) {
    assert_eq!(group.filter_mode, FilterMode::Exclude, "{group:?}");
    assert_eq!(group.last_reporter, Some(host.address()), "{group:?}");
    assert_eq!(group.compatibility_mode, version, "{group:?}");
    assert!(!group.is_static, "{group:?}");
    assert!(group.source.is_empty(), "{group:?}");
}

fn is_about(event: &Event, name: &str, group: Ipv4Addr) -> bool {
    event.event == name && event.group_address == Some(group)
}

/// Waits until the group has had members without a break for longer than they last without reports, over at least three
/// queries.
#[track_caller]
fn wait_refreshed(igmpd: &Igmpd, monitor: &Monitor, membership_interval: f64) -> Group {
    igmpd.wait_queries("lan0", 3);
    let group = igmpd.wait_group("the group to be refreshed", PATIENCE, "lan0", GROUP, |group| {
        group.up_time > membership_interval + 0.5
    });
    // Each report sets the timer to the Group Membership Interval, from where it counts down.
    igmpd.wait_group("a timer that was just set", PATIENCE, "lan0", GROUP, |group| {
        let expire = group.expire.expect("a group timer runs in exclude mode");
        assert!(expire > 0.0 && expire <= membership_interval, "{group:?}");
        expire > membership_interval - 0.75
    });
    assert_eq!(monitor.count(|event| event.event == "group-left"), 0);
    group
}

/// Versions 2 and 3 differ in their messages only.
fn a_host_that_leaves(version: u8) {
    let lan = Lan::new();
    let host = lan.host(2);
    host.force_version(version);
    let station = lan.station("station");
    let igmpd = lan.igmpd("");
    let monitor = igmpd.monitor();

    let membership = host.join(GROUP);
    assert_any_source(&igmpd.wait_joined("lan0", GROUP), &host, version);
    let (_, joined) = monitor.wait_for("the join", PATIENCE, |event| {
        is_about(event, "group-joined", GROUP)
    });
    assert_eq!(joined.interface_name, "lan0");
    assert_eq!(joined.reporter, Some(host.address()));
    assert_eq!(joined.reason.as_deref(), Some("report"));
    assert_any_source(
        &wait_refreshed(&igmpd, &monitor, MEMBERSHIP_INTERVAL),
        &host,
        version,
    );

    drop(membership);
    let left_at = Instant::now();
    let (noticed_at, left) = monitor.wait_for("the leave", PATIENCE, |event| {
        is_about(event, "group-left", GROUP)
    });
    assert_eq!(left.reason.as_deref(), Some("leave"));
    let took = noticed_at - left_at;
    // Traffic goes on until the Last Member Query Time is over (RFC 9776 §6.4.2).
    assert!(took >= LAST_MEMBER_QUERY_TIME, "{took:?}");
    assert!(took < LAST_MEMBER_QUERY_TIME + SLACK, "{took:?}");
    assert_eq!(igmpd.group("lan0", GROUP), None);

    // RFC 9776 §4: TTL 1, ToS 0xc0, Router Alert; §4.1.12: General Queries to 224.0.0.1. Timers are those of `QUICK`.
    let queries = station.capture.matching(|seen| seen.kind() == 0x11);
    for query in &queries {
        assert_eq!(
            (query.source, query.ttl, query.tos),
            (ROUTER, 1, 0xc0),
            "{query:?}"
        );
        assert_eq!(query.options, [0x94, 0x04, 0x00, 0x00], "{query:?}");
    }
    let general = queries
        .iter()
        .find(|query| query.destination == Ipv4Addr::new(224, 0, 0, 1))
        .expect("a General Query");
    // Max Resp Code 10 tenths, QRV 2, QQIC 2 s, no sources.
    assert_eq!(general.message[..2], [0x11, 10]);
    assert_eq!(general.message[4..], [0, 0, 0, 0, 2, 2, 0, 0]);
    // Last Member Query Count is 2; S is clear since nobody answered (§6.6.3.1). A version 3 host says that it leaves
    // twice, and the second time may begin the count anew.
    let specific: Vec<_> = queries
        .iter()
        .filter(|query| query.destination == GROUP)
        .collect();
    let most = if version == 2 { 2 } else { 4 };
    assert!((2..=most).contains(&specific.len()), "{queries:#?}");
    for query in specific {
        assert_eq!(query.message[..2], [0x11, 5]);
        assert_eq!(query.message[4..], [239, 1, 1, 1, 2, 2, 0, 0]);
    }
}

#[test]
fn a_version_2_host_that_leaves() {
    a_host_that_leaves(2);
}

#[test]
fn a_version_3_host_that_leaves() {
    a_host_that_leaves(3);
}

fn a_host_that_vanishes(version: u8) {
    let lan = Lan::new();
    let host = lan.host(2);
    host.force_version(version);
    let igmpd = lan.igmpd("");
    let monitor = igmpd.monitor();
    let _membership = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);
    wait_refreshed(&igmpd, &monitor, MEMBERSHIP_INTERVAL);

    lan.unplug(2);
    let expire = igmpd
        .group("lan0", GROUP)
        .and_then(|group| group.expire)
        .expect("a group that was refreshed");
    let read_at = Instant::now();
    let (noticed_at, left) = monitor.wait_for("the timeout", PATIENCE, |event| {
        is_about(event, "group-left", GROUP)
    });
    assert_eq!(left.reason.as_deref(), Some("timeout"));
    let expire = Duration::from_secs_f64(expire);
    let took = noticed_at - read_at;
    assert!(took <= expire + SLACK, "{took:?} and not {expire:?}");
    // The number was read a little before the clock was.
    assert!(took + SLACK >= expire, "{took:?} and not {expire:?}");
    assert_eq!(igmpd.group("lan0", GROUP), None);
}

#[test]
fn a_version_2_host_that_vanishes() {
    a_host_that_vanishes(2);
}

#[test]
fn a_version_3_host_that_vanishes() {
    a_host_that_vanishes(3);
}

// Version 1 hosts answer up to 10 s after a query, whatever it says, and do not leave: they fall silent (RFC 1112
// Appendix I). With a Robustness Variable of 7 the Group Membership Interval is 7·2 + 2·1 = 16 s and outlasts that.
#[test]
fn a_version_1_host_that_falls_silent() {
    let lan = Lan::new();
    let host = lan.host(2);
    host.force_version(1);
    let igmpd = lan.igmpd("robustness-variable = 7");
    let monitor = igmpd.monitor();
    let membership = host.join(GROUP);
    assert_any_source(&igmpd.wait_joined("lan0", GROUP), &host, 1);
    assert_any_source(&wait_refreshed(&igmpd, &monitor, 16.0), &host, 1);

    drop(membership);
    let (_, left) = monitor.wait_for("the timeout", PATIENCE, |event| {
        is_about(event, "group-left", GROUP)
    });
    assert_eq!(left.reason.as_deref(), Some("timeout"));
    let statistics = igmpd.statistics("lan0");
    assert_eq!(statistics.received.leave, 0);
    assert_eq!(statistics.sent.group_query, 0, "no host left");
}

// The querier asks who is still there when one leaves; the other answers (RFC 9776 §6.4.2, RFC 2236 §3).
fn two_hosts_of_which_one_leaves(version: u8) {
    let lan = Lan::new();
    let (leaver, stayer) = (lan.host(2), lan.host(3));
    for host in [&leaver, &stayer] {
        host.force_version(version);
    }
    let igmpd = lan.igmpd("");
    let monitor = igmpd.monitor();
    let _stays = stayer.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);
    let leaves = leaver.join(GROUP);
    // The Leave of a version 2 host that another one has reported for is not sent (RFC 2236 §3), so the leaver has to
    // be the last that reported.
    igmpd.wait_group("a report of the leaver", PATIENCE, "lan0", GROUP, |group| {
        group.last_reporter == Some(leaver.address())
    });
    drop(leaves);
    wait_for("two Group-Specific Queries", PATIENCE, || {
        let sent = igmpd.statistics("lan0").sent;
        if sent.group_query >= 2 {
            Ok(())
        } else {
            Err(format!("{sent:?}"))
        }
    });
    let before = igmpd.group("lan0", GROUP).expect("a member is left");
    let group = igmpd.wait_group(
        "the group to outlive the leave",
        PATIENCE,
        "lan0",
        GROUP,
        |group| group.up_time > before.up_time + MEMBERSHIP_INTERVAL + 0.5,
    );
    assert_any_source(&group, &stayer, version);
    assert_eq!(monitor.count(|event| event.event == "group-left"), 0);
}

#[test]
fn two_version_2_hosts_of_which_one_leaves() {
    two_hosts_of_which_one_leaves(2);
}

#[test]
fn two_version_3_hosts_of_which_one_leaves() {
    two_hosts_of_which_one_leaves(3);
}

// RFC 9776 §7.3.2: the group is in the mode of its oldest host, and returns when that has been silent for the Older
// Host Present Interval, 2·2 + 1 = 5 s here.
#[test]
fn a_group_returns_to_version_3_after_its_last_version_2_host() {
    let lan = Lan::new();
    let (new, old) = (lan.host(2), lan.host(3));
    old.force_version(2);
    let igmpd = lan.igmpd("");
    let _stays = new.join(GROUP);
    igmpd.wait_group("version 3", PATIENCE, "lan0", GROUP, |group| {
        group.compatibility_mode == 3
    });
    let leaves = old.join(GROUP);
    igmpd.wait_group("version 2", PATIENCE, "lan0", GROUP, |group| {
        group.compatibility_mode == 2
    });
    drop(leaves);
    let group = igmpd.wait_group("version 3 again", PATIENCE, "lan0", GROUP, |group| {
        group.compatibility_mode == 3
    });
    assert_any_source(&group, &new, 3);
}

#[test]
fn five_hundred_groups_of_one_host() {
    let lan = Lan::new();
    let host = lan.host(2);
    let igmpd = lan.igmpd("");
    let groups: BTreeSet<_> = (0..500)
        .map(|number| Ipv4Addr::from_bits(0xef02_0000 + number))
        .collect();
    let known = || -> BTreeSet<Ipv4Addr> { igmpd.groups().iter().map(|group| group.group_address).collect() };

    let membership = host.join_all(groups.iter().copied());
    wait_for("all groups", PATIENCE, || {
        let known = known();
        if known == groups {
            Ok(())
        } else {
            Err(format!("{} groups", known.len()))
        }
    });
    assert_eq!(igmpd.igmp("lan0").groups_count, 500);
    igmpd.wait_queries("lan0", 3);
    wait_for("all groups to be refreshed", PATIENCE, || {
        let all = igmpd.groups();
        assert_eq!(all.len(), 500);
        let youngest = all
            .iter()
            .map(|group| group.up_time)
            .fold(f64::INFINITY, f64::min);
        if youngest > MEMBERSHIP_INTERVAL + 0.5 {
            Ok(())
        } else {
            Err(format!("{youngest} s"))
        }
    });
    for group in igmpd.groups() {
        assert_any_source(&group, &host, 3);
    }

    drop(membership);
    wait_for("no group", PATIENCE, || {
        let known = known();
        if known.is_empty() {
            Ok(())
        } else {
            Err(format!("{} groups", known.len()))
        }
    });
}

// 224.0.0.0/24 never leaves its link (RFC 5771 §4), so who listens there is nothing to know.
#[test]
fn link_local_groups_make_no_state() {
    let lan = Lan::new();
    let host = lan.host(2);
    let igmpd = lan.igmpd("");
    let _local = host.join(Ipv4Addr::new(224, 0, 0, 251));
    let before = igmpd.statistics("lan0").received.report_v3;
    // Linux hosts report such groups unless told otherwise.
    wait_for("reports of it", PATIENCE, || {
        let now = igmpd.statistics("lan0").received.report_v3;
        if now > before {
            Ok(())
        } else {
            Err(format!("{now} reports"))
        }
    });
    let _other = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);
    assert_eq!(igmpd.groups().len(), 1);
    let dropped = igmpd.statistics("lan0").dropped;
    assert_eq!(dropped.values().sum::<u64>(), 0, "{dropped:?}");
}

// RFC 8652 `immediate-leave`: the group goes with the leave and not with the end of the query, 10 s later here.
#[test]
fn immediate_leave_does_not_wait() {
    let lan = Lan::new();
    let host = lan.host(2);
    let igmpd = lan.igmpd("immediate-leave = true\nlast-member-query-interval = 5\n");
    let membership = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);
    drop(membership);
    igmpd.wait_left("lan0", GROUP, Duration::from_secs(5));
}

// RFC 9776 §7.3.1: a version 2 interface sends queries of 8 bytes, and its hosts report in version 2.
#[test]
fn a_version_2_interface() {
    let lan = Lan::new();
    let host = lan.host(2);
    let station = lan.station("station");
    let igmpd = lan.igmpd("version = 2");
    // The host hears what the router speaks and follows.
    igmpd.wait_queries("lan0", 1);
    let membership = host.join(GROUP);
    assert_any_source(&igmpd.wait_joined("lan0", GROUP), &host, 2);
    let igmp = igmpd.igmp("lan0");
    assert_eq!(igmp.version, 2);
    drop(membership);
    igmpd.wait_left("lan0", GROUP, PATIENCE);
    let queries = station.capture.matching(|seen| seen.kind() == 0x11);
    assert!(
        queries.iter().all(|query| query.message.len() == 8),
        "{queries:#?}"
    );
    // Linear tenths of a second: 10 for General Queries, 5 for Group-Specific ones.
    assert!(
        queries
            .iter()
            .any(|query| query.message[1] == 10 && query.group().is_unspecified())
    );
    assert!(
        queries
            .iter()
            .any(|query| query.message[1] == 5 && query.group() == GROUP)
    );
}

// RFC 9776 §7.3.1: a version 1 interface sends queries with code 0 and asks for no single group.
#[test]
fn a_version_1_interface() {
    let lan = Lan::new();
    let host = lan.host(2);
    let station = lan.station("station");
    let igmpd = lan.igmpd("version = 1");
    igmpd.wait_queries("lan0", 1);
    let _membership = host.join(GROUP);
    assert_any_source(&igmpd.wait_joined("lan0", GROUP), &host, 1);
    let queries = station.capture.matching(|seen| seen.kind() == 0x11);
    assert!(!queries.is_empty());
    for query in queries {
        assert_eq!(query.message.len(), 8, "{query:?}");
        assert_eq!(query.message[1], 0, "{query:?}");
        assert!(query.options.is_empty(), "version 1 knows no options: {query:?}");
    }
}
