//! Upstream routers of older versions, and other hosts whose reports stand for the proxy's (RFC 2236, RFC 9776 §7.2).

use std::net::Ipv4Addr;

use tests::{
    PATIENCE, Packet,
    packet::{Record, TO_EX, short},
    stream::site::{FENCE, IGMP},
    wait_for,
};

use crate::common::{GROUP, Proxied, SSM_GROUP, Watch};

const QUERIER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const OTHER_HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);
const SECOND: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 2);
const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Message types (RFC 2236 §2.1).
const V1_REPORT: u8 = 0x12;
const V2_REPORT: u8 = 0x16;
const LEAVE: u8 = 0x17;

/// A version 2 query with a Max Response Time of tenths of a second, a General Query for no group.
fn v2_query(max_response_time: u8, group: Option<Ipv4Addr>) -> Packet {
    let destination = group.unwrap_or([224, 0, 0, 1].into());
    let group = group.unwrap_or(Ipv4Addr::UNSPECIFIED);
    Packet::new(QUERIER, destination, short(0x11, max_response_time, group))
}

/// A version 1 query, without Router Alert.
fn v1_query() -> Packet {
    let mut packet = v2_query(0, None);
    packet.options.clear();
    packet
}

/// A proxy with members that has heard such a query.
fn under(query: &Packet, version: u8) -> Proxied {
    let proxy = Proxied::new(1);
    for group in [GROUP, SECOND] {
        proxy.site.join(&proxy.igmpd, 1, group);
    }
    proxy.site.station(1).receiver.join_source(SSM_GROUP, SOURCE);
    proxy.igmpd.wait_joined("lan1", SSM_GROUP);
    proxy.upstream.wait_record(&Record::new(TO_EX, SECOND, &[]), 2);
    proxy.upstream.mark();
    proxy.upstream.raw.send(query);
    wait_for("the older version", PATIENCE, || {
        let view = proxy.igmpd.proxy("wan0");
        if view.version == version {
            Ok(())
        } else {
            Err(format!("{view:?}"))
        }
    });
    proxy
}

#[track_caller]
fn assert_answered(watch: &Watch, kind: u8) {
    for group in [FENCE, GROUP, SECOND] {
        let report = watch.wait_short(kind, group);
        assert_eq!((report.destination, report.ttl), (group, 1));
        // Version 1 knows no Router Alert.
        assert_eq!(report.options.is_empty(), kind == V1_REPORT);
    }
}

#[test]
fn a_version_2_querier() {
    let proxy = under(&v2_query(10, None), 2);
    let watch = &proxy.upstream;
    assert_answered(watch, V2_REPORT);
    // Source-specific groups cannot be asked for (RFC 9776 §7.2.1).
    let joins = proxy.igmpd.joins();
    let state = |group| {
        let mut of_group = joins.iter().filter(|join| join.group_address == group);
        of_group.next().map(|join| join.state.as_str())
    };
    assert_eq!(state(SSM_GROUP), Some("unsupported"));
    assert_eq!(state(GROUP), Some("joined"));
    // RFC 2236 §3: Leaves go to all routers.
    watch.mark();
    proxy.site.station(1).receiver.leave(SECOND);
    let leave = watch.wait_short(LEAVE, SECOND);
    assert_eq!(leave.destination, Ipv4Addr::new(224, 0, 0, 2));
    // A new member is reported at once.
    let third = Ipv4Addr::new(239, 1, 1, 3);
    proxy.site.join(&proxy.igmpd, 1, third);
    watch.wait_short(V2_REPORT, third);
    let said = watch.said();
    assert!(
        said.iter()
            .all(|packet| packet.kind() != 0x22 && packet.group() != SSM_GROUP)
    );
}

#[test]
fn a_version_1_querier() {
    let proxy = under(&v1_query(), 1);
    assert_answered(&proxy.upstream, V1_REPORT);
    // Version 1 knows no Leave: the router notices by itself.
    proxy.upstream.mark();
    proxy.site.station(1).receiver.leave(SECOND);
    proxy.igmpd.wait_left("lan1", SECOND, PATIENCE);
    wait_for("the join to be gone", PATIENCE, || {
        let joins = proxy.igmpd.joins();
        if joins.iter().any(|join| join.group_address == SECOND) {
            Err(format!("{joins:?}"))
        } else {
            Ok(())
        }
    });
    assert!(
        proxy
            .upstream
            .said()
            .iter()
            .all(|packet| packet.kind() == V1_REPORT)
    );
}

/// RFC 2236 §3: who hears the report of another host does not send its own, and who was not the last to report sends no
/// Leave.
#[test]
fn other_hosts_reports_stand_for_the_proxys() {
    let proxy = under(&v2_query(1, None), 2);
    let watch = &proxy.upstream;
    assert_answered(watch, V2_REPORT);
    // After unsolicited reports that are still to come, since they could be mistaken for answers: in version 2 what is
    // announced is announced again within 10 s.
    watch.mark();
    watch.raw.send(&v2_query(40, None));
    watch.raw.send(&Packet::v2_report(OTHER_HOST, GROUP));
    watch.wait_short(V2_REPORT, SECOND);
    watch.wait_short(V2_REPORT, FENCE);
    watch.raw.send(&v2_query(1, Some(SECOND)));
    wait_for("an answer to the last question", PATIENCE, || {
        let count = watch.short(V2_REPORT, SECOND).len();
        if count >= 2 {
            Ok(())
        } else {
            Err(format!("{count}"))
        }
    });
    let own = |group| {
        let reports = watch.short(V2_REPORT, group).into_iter();
        reports.filter(|report| report.source != OTHER_HOST).count()
    };
    assert_eq!(own(GROUP), 0);
    for group in [GROUP, SECOND] {
        proxy.site.station(1).receiver.leave(group);
        proxy.igmpd.wait_left("lan1", group, PATIENCE);
    }
    watch.wait_short(LEAVE, SECOND);
    assert_eq!(watch.short(LEAVE, GROUP), []);
}

/// The configured version is the newest that is spoken. The one of RFC 9776 §8.12 with a Query Interval of 1 s, Robustness
/// Variable 1 and a Max Response Time of 0.1 s lasts 2 s.
#[test]
fn version_3_again() {
    let igmp = format!("{IGMP}query-interval = 1.1\nrobustness-variable = 1\n");
    let proxy = Proxied::with(1, &igmp);
    let watch = &proxy.upstream;
    watch.raw.send(&v2_query(1, None));
    watch.wait_short(V2_REPORT, FENCE);
    wait_for("version 3", PATIENCE, || {
        let view = proxy.igmpd.proxy("wan0");
        if view.version == 3 && view.older_querier_expire.is_none() {
            Ok(())
        } else {
            Err(format!("{view:?}"))
        }
    });
    watch.mark();
    proxy.site.join(&proxy.igmpd, 1, GROUP);
    watch.wait_record(&Record::new(TO_EX, GROUP, &[]), 1);

    let proxy = Proxied::with(1, &format!("{IGMP}version = 2\n"));
    proxy.site.join(&proxy.igmpd, 1, GROUP);
    proxy.upstream.wait_short(V2_REPORT, GROUP);
    assert_eq!(proxy.upstream.records(), []);
}
