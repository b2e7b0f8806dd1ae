//! Limits, and floods that run into them.

use std::net::Ipv4Addr;

use tests::{
    Lan, PATIENCE, Packet,
    packet::{ALLOW, Record, TO_EX, TO_IN, changed, short},
    refusal::{MEMBER_OF, Scene, assert_refused, state},
    wait_for,
};

/// A group that nobody is a member of.
const OTHER: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 2);
const CHANNEL: Ipv4Addr = Ipv4Addr::new(232, 1, 1, 1);
/// Where the packets say they are from.
const SENDER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 66);

fn join(group: Ipv4Addr) -> Packet {
    Packet::v3_report(SENDER, &[Record::new(TO_EX, group, &[])])
}

fn leave(group: Ipv4Addr) -> Packet {
    Packet::v3_report(SENDER, &[Record::new(TO_IN, group, &[])])
}

// A limit refuses what is new and never harms what is there.
#[test]
fn limits_of_an_interface() {
    // What was joined by hand has to last without answers to queries, and end soon when it leaves.
    const KEYS: &str = "max-groups = 3
max-group-sources = 2
query-interval = 125
query-max-response-time = 10";
    let Scene { igmpd, station, .. } = &Scene::new(KEYS);
    let monitor = igmpd.monitor();
    let source = |number: u8| Ipv4Addr::new(192, 0, 2, number);
    station.raw.send(&Packet::v3_report(
        SENDER,
        &[
            Record::new(TO_EX, OTHER, &[]),
            Record::new(ALLOW, CHANNEL, &[source(1), source(2)]),
        ],
    ));
    igmpd.wait_joined("lan0", OTHER);
    igmpd.wait_group("two sources", PATIENCE, "lan0", CHANNEL, |group| {
        group.source.len() == 2
    });
    let refused = Ipv4Addr::new(239, 1, 1, 3);
    assert_refused(
        igmpd,
        station,
        vec![
            ("a group too many", "limit", join(refused)),
            (
                "a version 2 group too many",
                "limit",
                Packet::v2_report(SENDER, refused),
            ),
            (
                "a source too many",
                "limit",
                Packet::v3_report(SENDER, &[Record::new(ALLOW, CHANNEL, &[source(3)])]),
            ),
        ],
    );
    let (_, event) = monitor.wait_for("limit-reached", PATIENCE, |event| event.event == "limit-reached");
    assert_eq!(event.reason.as_deref(), Some("limit"));
    igmpd.wait_logged(&["limit", "lan0"]);

    // Many more refusals do not fill the log: it says so once per interval.
    for number in 0..5_000 {
        station.raw.send(&join(Ipv4Addr::from_bits(0xef08_0000 + number)));
    }
    wait_for("all refusals to be counted", PATIENCE, || {
        let dropped = igmpd.statistics("lan0").dropped;
        if dropped["limit"] >= 5_003 {
            Ok(())
        } else {
            Err(format!("{dropped:?}"))
        }
    });
    let lines = igmpd.log().lines().count();
    assert!(lines < 100, "{lines} lines in the log");
    assert_eq!(igmpd.igmp("lan0").groups_count, 3);

    // What ends makes room, a moment later: the map's entry outlives the membership a little. Hosts repeat themselves.
    station.raw.send(&leave(OTHER));
    igmpd.wait_left("lan0", OTHER, PATIENCE);
    wait_for("the group that was refused", PATIENCE, || {
        station.raw.send(&join(refused));
        igmpd
            .group("lan0", refused)
            .map(|_| ())
            .ok_or_else(|| format!("{:?}", igmpd.groups()))
    });
}

#[test]
fn capacity_of_the_maps() {
    let lan = Lan::new();
    let station = lan.station("station");
    let igmpd = lan.igmpd_with("max-groups = 64\n[interfaces.lan0]\nigmp = {}\n");
    for number in 0..100 {
        station.raw.send(&join(Ipv4Addr::from_bits(0xef08_0000 + number)));
    }
    wait_for("36 refusals", PATIENCE, || {
        let dropped = igmpd.statistics("lan0").dropped;
        if dropped["limit"] == 36 {
            Ok(())
        } else {
            Err(format!("{dropped:?}"))
        }
    });
    wait_for("64 groups", PATIENCE, || {
        let count = igmpd.igmp("lan0").groups_count;
        if count == 64 {
            Ok(())
        } else {
            Err(format!("{count} groups"))
        }
    });
    let mut known: Vec<_> = igmpd
        .groups()
        .iter()
        .map(|group| group.group_address.to_bits())
        .collect();
    known.sort_unstable();
    assert!(
        known.into_iter().eq(0xef08_0000..0xef08_0040),
        "the first 64 stay"
    );
}

#[test]
fn floods_do_not_fill_the_log() {
    let Scene { igmpd, station, .. } = &Scene::new("");
    let groups = state(&igmpd.groups());
    let bad = [
        changed(join(OTHER), |packet| packet.checksum_error = 1),
        changed(join(OTHER), |packet| packet.ttl = 9),
        changed(join(OTHER), |packet| packet.message[7] = 9),
        Packet::new(SENDER, OTHER, short(0x99, 0, OTHER)),
        changed(join(OTHER), |packet| packet.vlans = vec![9]),
        Packet::general_query([10, 0, 0, 1], 10, 2, 2),
    ]
    .map(|packet| packet.frame());
    for _ in 0..2_000 {
        for frame in &bad {
            station.raw.send_frame(frame);
        }
    }
    wait_for("the refusals to be counted", PATIENCE, || {
        let dropped = igmpd.statistics("lan0").dropped;
        let expected = ["checksum", "ttl", "malformed", "unknown-type", "vlan", "source"];
        if expected.iter().all(|reason| dropped[*reason] == 2_000) {
            Ok(())
        } else {
            Err(format!("{dropped:?}"))
        }
    });
    assert_eq!(state(&igmpd.groups()), groups);
    let lines = igmpd.log().lines().count();
    assert!(lines < 100, "{lines} lines in the log");
}

// Queries cannot be refreshes, so each wakes the agent. A station that sends nothing else is held back.
#[test]
fn a_flood_of_queries_is_limited() {
    let Scene { igmpd, station, .. } = &Scene::new("");
    // From a higher address, so that the election has nothing to do with it.
    let query = Packet::general_query([10, 1, 1, 250], 10, 2, 2).frame();
    wait_for("queries to be refused", PATIENCE, || {
        for _ in 0..20_000 {
            station.raw.send_frame(&query);
        }
        let dropped = igmpd.statistics("lan0").dropped;
        if dropped["rate"] > 0 {
            Ok(())
        } else {
            Err(format!("{dropped:?}"))
        }
    });
    let igmp = igmpd.igmp("lan0");
    assert!(igmp.is_querier, "{igmp:?}");
    // The member is still there, and another is learned at once.
    assert!(igmpd.group("lan0", MEMBER_OF).is_some());
    station.raw.send(&join(OTHER));
    igmpd.wait_joined("lan0", OTHER);
    let lines = igmpd.log().lines().count();
    assert!(lines < 100, "{lines} lines in the log");
}
