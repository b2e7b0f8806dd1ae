//! What operators see of data: routes, counters, and events.

use std::net::Ipv4Addr;

use tests::{
    Igmpd, PATIENCE,
    filter::Mode,
    json::{Event, Route},
    stream::{
        Datapath, Sender, Site,
        site::{FENCE, OTHER_SOURCE, SOURCE},
    },
    wait_for,
};

use crate::common::GROUP;

/// Packets in one go.
const PACKETS: u64 = 50;
/// Bytes of an IP packet of the senders here: headers of IP and UDP, and 200 of payload.
const LEN: u64 = 20 + 8 + 200;

/// The routes of the tests' own groups.
fn routes(igmpd: &Igmpd) -> Vec<Route> {
    let mut routes = igmpd.routes();
    routes.retain(|route| route.group_address != FENCE);
    routes
}

on_datapaths!(show_routes: native Native, plain Plain, generic Generic);

fn show_routes(datapath: Datapath) {
    let site = Site::new(datapath, 4);
    let igmpd = site.start();
    assert_eq!(routes(&igmpd), []);
    site.join(&igmpd, 1, GROUP);
    site.join(&igmpd, 3, GROUP);
    let low = Ipv4Addr::new(232, 1, 1, 1);
    site.station(2).receiver.join_source(low, SOURCE);
    igmpd.wait_joined("lan2", low);
    site.station(4).receiver.join(GROUP);
    site.station(4)
        .receiver
        .filter(GROUP, Mode::Exclude, &[OTHER_SOURCE]);
    igmpd.wait_group("the excluded source", PATIENCE, "lan4", GROUP, |group| {
        let mut sources = group.source.iter();
        sources.any(|source| source.source_address == OTHER_SOURCE && !source.forwarding)
    });
    let mut to_all = site.send_to(GROUP);
    let mut excluded = Sender::on(site.sender.namespace(), OTHER_SOURCE, GROUP);
    let mut specific = site.send_to(low);
    site.assert_delivered(&mut to_all, PACKETS, &[1, 3, 4]);
    site.assert_delivered(&mut excluded, 2 * PACKETS, &[1, 3]);
    site.assert_delivered(&mut specific, 3 * PACKETS, &[2]);

    // Sorted by group, then source, addresses as numbers and `*` first.
    let expected = [
        ("10.0.0.2", low, &["lan2"][..], 3 * PACKETS),
        ("*", GROUP, &["lan1", "lan3", "lan4"], PACKETS),
        // A source that sends is listed with what it sent, also where it goes the way of all others.
        ("10.0.0.2", GROUP, &["lan1", "lan3", "lan4"], PACKETS),
        ("10.0.0.3", GROUP, &["lan1", "lan3"], 2 * PACKETS),
    ];
    let found = routes(&igmpd);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (route, (source, group, outgoing, packets)) in found.iter().zip(expected) {
        assert_eq!(route.source_address, source);
        assert_eq!(route.group_address, group);
        assert_eq!(route.outgoing_interface, outgoing, "{route:?}");
        assert_eq!(route.incoming_interface.as_deref(), Some("wan0"), "{route:?}");
        assert_eq!(
            (route.packets, route.bytes),
            (packets, packets * LEN),
            "{route:?}"
        );
        assert_eq!(route.engine, "xdp");
        assert!(route.up_time > 0.0 && route.up_time < 60.0, "{route:?}");
    }
}

on_datapaths!(counters: native Native, plain Plain, generic Generic);

fn counters(datapath: Datapath) {
    let site = Site::new(datapath, 3);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    let forwarded = |name: &str| {
        let statistics = igmpd.statistics(name);
        (statistics.forwarded_packets, statistics.forwarded_bytes)
    };
    let names = ["wan0", "lan1", "lan2", "lan3"];
    let before = names.map(forwarded);
    let mut sender = site.send_to(GROUP);
    let sent = sender.send_many(PACKETS);
    let receiver = &site.station(1).receiver;
    receiver.wait_past(sender.stream(), sender.source(), GROUP, sent.end - 1);
    wait_for("the counters", PATIENCE, || {
        let after = names.map(forwarded);
        let difference = |index: usize| (after[index].0 - before[index].0, after[index].1 - before[index].1);
        let seen = [0, 1, 2, 3].map(difference);
        if seen == [(0, 0), (PACKETS, PACKETS * LEN), (0, 0), (0, 0)] {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        }
    });
    let dropped = igmpd.statistics("wan0").dropped;
    assert!(dropped.values().all(|&count| count == 0), "{dropped:?}");
}

fn is_route(event: &Event, name: &str, group: Ipv4Addr, source: Option<Ipv4Addr>) -> bool {
    event.event == name && event.group_address == Some(group) && event.source_address == source
}

/// `monitor` shows routes that come and go, once each.
#[test]
fn events() {
    let site = Site::new(Datapath::Plain, 2);
    let igmpd = site.start();
    let monitor = igmpd.monitor();
    site.join(&igmpd, 1, GROUP);
    let (_, added) = monitor.wait_for("the route", PATIENCE, |event| {
        is_route(event, "route-added", GROUP, None)
    });
    assert!(["", "wan0"].contains(&added.interface_name.as_str()), "{added:?}");
    // Another member is another port of the same route.
    site.join(&igmpd, 2, GROUP);
    let low = Ipv4Addr::new(232, 1, 1, 1);
    site.station(2).receiver.join_source(low, SOURCE);
    let (_, added) = monitor.wait_for("the source's route", PATIENCE, |event| {
        is_route(event, "route-added", low, Some(SOURCE))
    });
    assert_eq!(added.interface_name, "wan0", "{added:?}");
    site.station(2).receiver.leave_source(low, SOURCE);
    monitor.wait_for("the source's route to go", PATIENCE, |event| {
        is_route(event, "route-removed", low, Some(SOURCE))
    });
    site.station(1).receiver.leave(GROUP);
    igmpd.wait_left("lan1", GROUP, PATIENCE);
    assert_eq!(
        monitor.count(|event| is_route(event, "route-removed", GROUP, None)),
        0
    );
    site.station(2).receiver.leave(GROUP);
    monitor.wait_for("the route to go", PATIENCE, |event| {
        is_route(event, "route-removed", GROUP, None)
    });
    let count = |name, group, source| monitor.count(|event| is_route(event, name, group, source));
    assert_eq!(count("route-added", GROUP, None), 1);
    assert_eq!(count("route-removed", GROUP, None), 1);
    assert_eq!(count("route-added", low, Some(SOURCE)), 1);
    assert_eq!(count("route-removed", low, Some(SOURCE)), 1);
    assert_eq!(routes(&igmpd), []);
}

/// The table for people.
#[test]
fn a_table() {
    let site = Site::new(Datapath::Plain, 1);
    let igmpd = site.start();
    site.join(&igmpd, 1, GROUP);
    let output = igmpd.control(&["show", "routes"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    for word in ["239.1.1.1", "lan1", "*"] {
        assert!(text.contains(word), "{word} is not in:\n{text}");
    }
}
