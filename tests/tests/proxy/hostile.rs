//! Forged and broken messages on the upstream network: nothing follows from them, and each is counted.

use std::net::Ipv4Addr;

use tests::{
    Igmpd, PATIENCE, Packet,
    json::Join,
    packet::{ALLOW, IS_EX, Record, TO_EX, changed, short},
    stream::site::FENCE,
    wait_for,
};

use crate::{
    common::{GROUP, Proxied, SSM_GROUP},
    queries::specific_query,
};

const QUERIER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

/// What must not change.
fn state(igmpd: &Igmpd) -> (Vec<Join>, (u8, Option<Ipv4Addr>, u8)) {
    let mut joins = igmpd.joins();
    for join in &mut joins {
        join.up_time = 0.0;
    }
    let view = igmpd.proxy("wan0");
    (joins, (view.version, view.querier, view.robustness_variable))
}

#[test]
fn what_is_wrong_changes_nothing_and_is_counted() {
    let proxy = Proxied::new(1);
    let (igmpd, watch) = (&proxy.igmpd, &proxy.upstream);
    proxy.site.join(igmpd, 1, GROUP);
    proxy
        .site
        .station(1)
        .receiver
        .join_source(SSM_GROUP, [192, 0, 2, 1].into());
    watch.raw.send(&Packet::general_query(QUERIER, 1, 2, 125));
    watch.wait_record(&Record::new(IS_EX, GROUP, &[]), 1);
    // Each group is told a second time after a delay of its own, up to a second (RFC 9776 §5.1), which for the first
    // may come after those for the others.
    for group in [FENCE, GROUP] {
        watch.wait_record(&Record::new(TO_EX, group, &[]), 2);
    }
    watch.wait_record(&Record::new(ALLOW, SSM_GROUP, &[[192, 0, 2, 1].into()]), 2);
    let before = state(igmpd);
    watch.mark();

    let forged = Ipv4Addr::new(10, 0, 0, 66);
    // Each would be answered, or make the proxy speak another version, were it right.
    let v3 = || Packet::general_query(forged, 1, 7, 125);
    let v2 = || Packet::new(forged, [224, 0, 0, 1], short(0x11, 1, Ipv4Addr::UNSPECIFIED));
    let v1 = || {
        changed(v2(), |it| {
            it.options.clear();
            it.message[1] = 0;
        })
    };
    let cases = [
        (
            "a version 3 query without Router Alert",
            "router-alert",
            changed(v3(), |it| it.options.clear()),
        ),
        (
            "a version 2 query without Router Alert",
            "router-alert",
            changed(v2(), |it| it.options.clear()),
        ),
        ("a query with TTL 2", "ttl", changed(v3(), |it| it.ttl = 2)),
        ("a query with TTL 0", "ttl", changed(v1(), |it| it.ttl = 0)),
        (
            "a wrong checksum",
            "checksum",
            changed(v3(), |it| it.checksum_error = 1),
        ),
        (
            "a wrong checksum of the header",
            "checksum",
            changed(v2(), |it| it.header_checksum_error = 1),
        ),
        (
            "a General Query to another group",
            "group",
            changed(v3(), |it| it.destination = GROUP),
        ),
        (
            "a version 2 one",
            "group",
            changed(v2(), |it| it.destination = [224, 0, 0, 2].into()),
        ),
        (
            "a version 1 one",
            "group",
            changed(v1(), |it| it.destination = GROUP),
        ),
        (
            "a query of 10 bytes",
            "malformed",
            changed(v3(), |it| it.message.truncate(10)),
        ),
        (
            "a query of 7 bytes",
            "too-short",
            changed(v3(), |it| it.message.truncate(7)),
        ),
        (
            "more sources than there are",
            "malformed",
            changed(specific_query(1, SSM_GROUP, &[forged]), |it| it.message[11] = 9),
        ),
        (
            "sources without a group",
            "malformed",
            changed(specific_query(1, Ipv4Addr::UNSPECIFIED, &[forged]), |it| {
                it.destination = [224, 0, 0, 1].into()
            }),
        ),
        (
            "a query for a group that is none",
            "group",
            changed(specific_query(1, forged, &[]), |it| {
                it.destination = [224, 0, 0, 1].into()
            }),
        ),
        (
            "a query of the proxy itself",
            "source",
            changed(v3(), |it| it.source = [10, 0, 0, 1].into()),
        ),
        (
            "a query from a group",
            "source",
            changed(v3(), |it| it.source = GROUP),
        ),
        ("a fragment", "fragment", changed(v3(), |it| it.fragment = 0x2000)),
        (
            "a version 2 report for a source-specific group",
            "ssm-range",
            Packet::v2_report(forged, SSM_GROUP),
        ),
        (
            "a version 2 report without Router Alert",
            "router-alert",
            changed(Packet::v2_report(forged, GROUP), |it| it.options.clear()),
        ),
    ];
    for (what, reason, packet) in cases {
        let mut expected = igmpd.statistics("wan0").dropped;
        *expected.get_mut(reason).expect("a reason") += 1;
        watch.raw.send(&packet);
        wait_for(&format!("{what} to be counted as {reason}"), PATIENCE, || {
            let dropped = igmpd.statistics("wan0").dropped;
            if dropped == expected {
                Ok(())
            } else {
                Err(format!("{dropped:?}"))
            }
        });
        assert_eq!(state(igmpd), before, "{what}");
    }
    // Reports of others are no news to a host, and no reason to learn anything.
    for packet in [
        Packet::v3_report(forged, &[Record::new(TO_EX, [239, 6, 6, 6], &[])]),
        Packet::leave(forged, GROUP),
        Packet::v2_report(forged, [239, 6, 6, 6]),
    ] {
        watch.raw.send(&packet);
    }
    // What was right is answered, and nothing else was.
    let own = || {
        let said = watch.said().into_iter();
        said.filter(|packet| packet.source == Ipv4Addr::new(10, 0, 0, 1))
            .collect::<Vec<_>>()
    };
    assert_eq!(own(), []);
    watch.raw.send(&specific_query(1, GROUP, &[]));
    watch.wait_record(&Record::new(IS_EX, GROUP, &[]), 1);
    assert_eq!(own().len(), 1);
    assert_eq!(state(igmpd), before);
    assert!(igmpd.groups().iter().all(|group| group.interface_name == "lan1"));
}

/// A flood of queries, which are right, is met by a limit, and the proxy goes on.
#[test]
fn a_flood_of_queries() {
    let proxy = Proxied::new(1);
    let watch = &proxy.upstream;
    proxy.site.join(&proxy.igmpd, 1, GROUP);
    let query = specific_query(100, GROUP, &[]).frame();
    // The kernel's token bucket holds 20,000 and gets 10,000 a second.
    wait_for("a limit", PATIENCE, || {
        for _ in 0..20_000 {
            watch.raw.send_frame(&query);
        }
        let dropped = proxy.igmpd.statistics("wan0").dropped;
        if dropped["rate"] > 0 {
            Ok(())
        } else {
            Err(format!("{dropped:?}"))
        }
    });
    let second = Ipv4Addr::new(239, 1, 1, 2);
    proxy.site.join(&proxy.igmpd, 1, second);
    watch.wait_record(&Record::new(TO_EX, second, &[]), 2);
    // One answer is one to all questions before it (RFC 9776 §5.2).
    let answers = watch.records_of(GROUP);
    let answers = answers.iter().filter(|record| record.kind == IS_EX).count();
    assert!(answers <= 200, "{answers} answers to 20,000 questions and more");
}

/// Queriers that take turns fill neither the log nor the list of events.
#[test]
fn queriers_that_take_turns() {
    let proxy = Proxied::new(1);
    let monitor = proxy.igmpd.monitor();
    let began = std::time::Instant::now();
    let last = Ipv4Addr::new(10, 0, 0, 99);
    for turn in 0..500 {
        let querier = [10, 0, 0, 2 + turn as u8 % 2];
        proxy
            .upstream
            .raw
            .send(&Packet::general_query(querier, 1, 2, 125));
    }
    proxy.upstream.raw.send(&Packet::general_query(last, 1, 2, 125));
    monitor.wait_for("the last of them", PATIENCE, |event| {
        event.event == "querier-changed" && event.reporter == Some(last)
    });
    let changes = monitor.count(|event| event.event == "querier-changed");
    // Looked at once a second.
    let most = began.elapsed().as_secs() as usize + 2;
    assert!(changes <= most, "{changes} events, {most} at most");
    let log = proxy.igmpd.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("upstream querier"))
        .count();
    assert!(lines <= 1, "{log}");
}
