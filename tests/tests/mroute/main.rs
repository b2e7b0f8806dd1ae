//! The engine `kernel` on a real kernel: who gets data, and what the kernel says it does.
//!
//! What is expected is what members want by RFC 9776 §6.3, and what `ip mroute` shows.

mod engine;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    net::Ipv4Addr,
};

use igmp_core::Duration;
use igmp_user::mroute::{MAX_VIFS, MrouteSocket, OpenError, Refused, RoutingSocket, UpcallKind};
use serde_json::Value;
use tests::{
    Capture, Namespace, Network, PATIENCE,
    stream::{
        Datapath, Sender, Site, Tap,
        site::{FENCE, OTHER_SOURCE, SOURCE},
    },
    wait_for,
};

use self::engine::{Engine, WAN, flow, interface};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
/// An address of a network that no interface of the router belongs to.
const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
/// The network of [`FAR`].
const FAR_NETWORK: [u8; 3] = [192, 0, 2];

/// A site whose receivers have all joined the group, so that the router alone decides who gets data.
fn site(receivers: u8) -> Site {
    let site = Site::new(Datapath::Kernel, receivers);
    for station in &site.stations {
        station.receiver.join(GROUP);
    }
    site
}

/// An entry as `ip mroute` shows it: where packets must arrive and where they leave.
type Shown = (String, Vec<String>);

/// The entries of a group that are resolved, by source.
#[track_caller]
fn ip_mroute(router: &Namespace, group: Ipv4Addr) -> BTreeMap<Ipv4Addr, Shown> {
    let text = router.ip("-j mroute show table all");
    let entries: Vec<Value> = serde_json::from_str(&text).expect("ip -j prints a list");
    let text = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut shown = BTreeMap::new();
    for entry in &entries {
        let of_group = text(entry, "dst") == Some(group.to_string());
        let (Some(source), Some(incoming), true) = (text(entry, "src"), text(entry, "iif"), of_group) else {
            continue;
        };
        let ports = entry.get("multipath").or(entry.get("oifs"));
        let ports = ports.and_then(Value::as_array).into_iter().flatten();
        let mut outgoing: Vec<String> = ports
            .filter_map(|port| text(port, "oif").or(text(port, "dev")))
            .collect();
        outgoing.sort();
        let source = source.parse().expect("a source is an address");
        shown.insert(source, (incoming, outgoing));
    }
    shown
}

fn shown(incoming: &str, outgoing: &[&str]) -> Shown {
    (
        incoming.to_owned(),
        outgoing.iter().map(|&name| name.to_owned()).collect(),
    )
}

/// The interfaces that the kernel's multicast routing serves.
fn served(router: &Namespace) -> Vec<String> {
    let table = router
        .enter(|| std::fs::read_to_string("/proc/thread-self/net/ip_mr_vif"))
        .expect("a kernel with multicast routing");
    let names = table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1));
    names.map(str::to_owned).collect()
}

#[test]
fn data_goes_where_members_are_and_nowhere_else() {
    let site = site(3);
    let engine = Engine::of(&site);
    let mut one = Sender::on(site.sender.namespace(), SOURCE, GROUP);
    let mut other = Sender::on(site.sender.namespace(), OTHER_SOURCE, GROUP);

    engine.begin(&mut one);
    engine.begin(&mut other);
    assert_eq!(engine.entry(SOURCE, GROUP).refused, Some(Refused::NoMembers));
    engine.route(GROUP, None, &[1]);
    site.assert_delivered(&mut one, 50, &[1]);
    site.assert_delivered(&mut other, 50, &[1]);
    engine.route(GROUP, None, &[1, 3]);
    site.assert_delivered(&mut one, 50, &[1, 3]);

    // The host on lan1 excludes one source, that on lan2 includes it.
    engine.route(GROUP, Some(SOURCE), &[2, 3]);
    site.assert_delivered(&mut one, 50, &[2, 3]);
    site.assert_delivered(&mut other, 50, &[1, 3]);
    let expected = BTreeMap::from([
        (SOURCE, shown("wan0", &["lan2", "lan3"])),
        (OTHER_SOURCE, shown("wan0", &["lan1", "lan3"])),
    ]);
    assert_eq!(ip_mroute(&site.router, GROUP), expected);

    // The last members leave.
    engine.remove_route(GROUP, Some(SOURCE));
    engine.route(GROUP, None, &[3]);
    site.assert_delivered(&mut one, 50, &[3]);
    engine.remove_route(GROUP, None);
    site.assert_delivered(&mut one, 50, &[]);
    site.assert_delivered(&mut other, 50, &[]);
    let expected = BTreeMap::from([(SOURCE, shown("wan0", &[])), (OTHER_SOURCE, shown("wan0", &[]))]);
    assert_eq!(ip_mroute(&site.router, GROUP), expected);

    let view = engine.entry(SOURCE, GROUP);
    assert_eq!(view.forwarded.packets, 200, "50 each of the first four times");
    assert_eq!(view.incoming, WAN);
    assert_eq!(
        (view.outgoing, view.refused),
        (Vec::new(), Some(Refused::NoMembers))
    );
    assert_eq!(engine.entry(OTHER_SOURCE, GROUP).forwarded.packets, 100);
    assert_eq!(
        engine.slot_counters(WAN).no_members,
        102,
        "two at the beginning, 50 of each in the end"
    );
    assert_eq!(engine.slot_counters(WAN).rpf, 0);

    engine.route(GROUP, None, &[2]);
    site.assert_delivered(&mut one, 50, &[2]);
}

/// Bytes are those of IP packets, and an interface counts what leaves it.
#[test]
fn what_is_forwarded_is_counted() {
    let site = site(2);
    let engine = Engine::of(&site);
    engine.route(GROUP, None, &[1]);
    let mut sender = site.send_to(GROUP).size(472);
    engine.begin(&mut sender);
    site.settle();
    let (entry, port) = (engine.entry(SOURCE, GROUP), engine.slot_counters(1));
    let elsewhere = engine.slot_counters(2).forwarded;
    sender.send_many(30);
    wait_for("the packets to arrive", PATIENCE, || {
        let seen = site.station(1).saw(&sender);
        let faults = seen.faults(sender.sent());
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    });
    // IP and UDP headers have 28 bytes.
    let after = engine.entry(SOURCE, GROUP).forwarded;
    let counted = (
        after.packets - entry.forwarded.packets,
        after.bytes - entry.forwarded.bytes,
    );
    assert_eq!(counted, (30, 30 * 500));
    let after = engine.slot_counters(1).forwarded;
    let counted = (
        after.packets - port.forwarded.packets,
        after.bytes - port.forwarded.bytes,
    );
    assert_eq!(counted, (30, 30 * 500));
    assert_eq!(engine.slot_counters(2).forwarded, elsewhere);
}

#[test]
fn a_ttl_of_one_ends_here() {
    let site = site(1);
    let engine = Engine::of(&site);
    engine.route(GROUP, None, &[1]);
    let mut last = site.send_to(GROUP).ttl(1);
    let mut more = site.send_to(GROUP).ttl(2);
    engine.begin(&mut last);
    site.assert_delivered(&mut last, 20, &[]);
    site.assert_delivered(&mut more, 20, &[1]);
}

/// What arrives on another interface than that towards the source goes nowhere, and another way is followed.
#[test]
fn the_way_to_the_source_is_followed() {
    let site = site(3);
    let engine = Engine::of(&site);
    let near = site.station(1).host.namespace();
    for namespace in [site.sender.namespace(), near] {
        namespace.ip(&format!("address add {FAR}/32 dev eth0"));
    }
    let mut by_wan = Sender::on(site.sender.namespace(), FAR, GROUP);
    let mut by_lan = Sender::on(near, FAR, GROUP);
    engine.route(GROUP, None, &[2]);

    // Nobody knows the way.
    engine.begin(&mut by_wan);
    site.assert_delivered(&mut by_wan, 20, &[]);
    assert_eq!(engine.entry(FAR, GROUP).refused, Some(Refused::Rpf));
    assert_eq!(engine.slot_counters(WAN).rpf, 21);

    engine.way(FAR_NETWORK, WAN);
    site.assert_delivered(&mut by_wan, 20, &[2]);
    site.assert_delivered(&mut by_lan, 20, &[]);
    assert_eq!(engine.slot_counters(1).rpf, 20);
    assert_eq!(ip_mroute(&site.router, GROUP)[&FAR], shown("wan0", &["lan2"]));

    engine.way(FAR_NETWORK, 1);
    site.assert_delivered(&mut by_lan, 20, &[2]);
    assert_eq!(ip_mroute(&site.router, GROUP)[&FAR], shown("lan1", &["lan2"]));
    site.assert_delivered(&mut by_wan, 20, &[]);
    assert_eq!(engine.slot_counters(WAN).rpf, 41);
    assert_eq!(engine.entry(FAR, GROUP).forwarded.packets, 40);
}

/// RFC 4605 §4: what arrives upstream goes downstream, what arrives downstream goes upstream and to the others. A source
/// that moves is followed.
#[test]
fn a_proxy_follows_a_source_that_moves() {
    let site = site(2);
    let engine = Engine::of(&site);
    let near = site.station(1).host.namespace();
    for namespace in [site.sender.namespace(), near] {
        namespace.ip(&format!("address add {FAR}/32 dev eth0"));
    }
    engine.any_way();
    engine.route(GROUP, None, &[WAN, 2]);
    let upstream = Tap::open(site.sender.namespace(), "eth0");
    let mut by_wan = Sender::on(site.sender.namespace(), FAR, GROUP);
    let mut by_lan = Sender::on(near, FAR, GROUP);
    engine.begin(&mut by_wan);
    site.assert_delivered(&mut by_wan, 20, &[2]);
    wait_for("the proxy to follow the source", PATIENCE, || {
        by_lan.send();
        let arrived = upstream.arrivals(by_lan.stream(), FAR, GROUP).count();
        if arrived > 0 {
            Ok(())
        } else {
            Err("nothing upstream".to_owned())
        }
    });
    site.assert_delivered(&mut by_lan, 20, &[2]);
    assert_eq!(
        ip_mroute(&site.router, GROUP)[&FAR],
        shown("lan1", &["lan2", "wan0"])
    );
}

#[test]
fn an_interface_that_is_made_anew_is_served_again() {
    let site = site(2);
    let engine = Engine::of(&site);
    engine.route(GROUP, None, &[1, 2]);
    let mut sender = site.send_to(GROUP);
    engine.begin(&mut sender);
    site.assert_delivered(&mut sender, 20, &[1, 2]);

    site.router.ip("link delete lan2");
    let sent = sender.send_many(20);
    let mut without = interfaces_without_lan2(&site);
    engine.interfaces(&without);
    assert_eq!(ip_mroute(&site.router, GROUP)[&SOURCE], shown("wan0", &["lan1"]));
    site.settle_at(&[site.station(1)]);
    let got = site.station(1).saw(&sender);
    assert!(got.missing(sent).is_empty(), "who stayed misses nothing");

    let late = site.network.host("late", [10, 1, 2, 3], &site.router, "lan2");
    site.router.address("lan2", [10, 1, 2, 1].into(), 24);
    let tap = Tap::open(late.namespace(), "eth0");
    without.insert(2, interface(&site.router, "lan2"));
    assert!(engine.interfaces(&without).is_empty());
    assert_eq!(
        ip_mroute(&site.router, GROUP)[&SOURCE],
        shown("wan0", &["lan1", "lan2"])
    );
    wait_for("data on the new interface", PATIENCE, || {
        // The interface drops packets until the kernel has noticed its carrier.
        sender.send();
        if tap.to(GROUP).is_empty() {
            Err("none".to_owned())
        } else {
            Ok(())
        }
    });
}

/// All interfaces of a site but `lan2`, which does not exist.
fn interfaces_without_lan2(site: &Site) -> BTreeMap<u32, igmp_user::mroute::VifWanted> {
    let names = [(WAN, "wan0"), (1, "lan1")];
    names
        .map(|(slot, name)| (slot, interface(&site.router, name)))
        .into()
}

#[test]
fn the_thirty_third_interface_is_reported_once() {
    let network = Network::new();
    let router = network.namespace("router");
    let mut lines = String::new();
    for number in 1..=17 {
        let _ = writeln!(lines, "link add a{number} type veth peer name b{number}");
    }
    router.ip_batch(&lines, &network.path("links"));
    let names = (1..=17).flat_map(|number| [format!("a{number}"), format!("b{number}")]);
    let all: BTreeMap<_, _> = (0_u32..)
        .zip(names.map(|name| interface(&router, &name)))
        .collect();
    let engine = Engine::new(&router);

    let sentences: Vec<String> = engine.interfaces(&all).iter().map(ToString::to_string).collect();
    let [first, second] = sentences.as_slice() else {
        panic!("two of 34 interfaces find no room: {sentences:?}");
    };
    assert!(first.contains("a17") && first.contains("32"), "{first}");
    assert!(second.contains("b17") && second.contains("32"), "{second}");
    assert!(engine.interfaces(&all).is_empty(), "once is enough");
    assert_eq!(served(&router).len(), MAX_VIFS);

    let mut fewer = all;
    fewer.remove(&5);
    assert!(engine.interfaces(&fewer).is_empty());
    let names = served(&router);
    assert_eq!(names.len(), MAX_VIFS);
    assert!(
        names.contains(&"a17".to_owned()) && !names.contains(&"b3".to_owned()),
        "{names:?}"
    );
    drop(engine);
    assert!(served(&router).is_empty());
}

#[test]
fn a_flow_that_ended_leaves_the_kernel() {
    let site = site(1);
    let engine = Engine::of(&site);
    engine.route(GROUP, None, &[1]);
    let mut sender = site.send_to(GROUP);
    engine.begin(&mut sender);
    site.assert_delivered(&mut sender, 20, &[1]);
    assert!(engine.routes().iter().any(|view| flow(view).group == GROUP));
    engine.pretend(Duration::from_secs(300));
    assert!(engine.is_empty());
    assert_eq!(ip_mroute(&site.router, GROUP), BTreeMap::new());
    engine.begin(&mut sender);
    engine.begin(&mut site.send_to(FENCE));
    site.assert_delivered(&mut sender, 20, &[1]);
}

#[test]
fn another_daemon_is_named_as_the_reason() {
    let network = Network::new();
    let router = network.namespace("router");
    let first = router.enter(MrouteSocket::open).expect("the first one gets it");
    let error = router
        .enter(MrouteSocket::open)
        .expect_err("a namespace has one daemon");
    assert!(matches!(error, OpenError::InUse), "{error:?}");
    assert!(error.to_string().contains("another program"), "{error}");
    drop(first);
    router.enter(MrouteSocket::open).expect("it is free again");
}

/// A raw IGMP socket gets a copy of all IGMP of the network, which must not fill the queue.
#[test]
fn only_the_kernel_is_heard() {
    let site = Site::new(Datapath::Kernel, 1);
    let mut socket = site.router.enter(MrouteSocket::open).expect("nobody else has it");
    for (vif, name) in [(0, "wan0"), (1, "lan1")] {
        socket
            .add_vif(vif, site.router.index(name))
            .expect("the interface is there");
    }
    let seen = Capture::open(&site.router, "lan1");
    // Version 2 reports go to the group, whose packets a multicast router gets to see.
    site.station(1).host.force_version(2);
    for last in 1..=10 {
        site.station(1).receiver.join(Ipv4Addr::new(239, 9, 9, last));
    }
    wait_for("the reports", PATIENCE, || {
        let groups: BTreeSet<Ipv4Addr> = seen.all().iter().map(|report| report.destination).collect();
        if groups.len() >= 10 {
            Ok(())
        } else {
            Err(format!("{groups:?}"))
        }
    });
    let mut sender = site.send_to(GROUP);
    let upcall = wait_for("the kernel to ask", PATIENCE, || {
        sender.send();
        socket.receive().map_err(|error| error.to_string())
    });
    let upcall = upcall.expect("nothing but the kernel's questions is in the queue");
    assert_eq!((upcall.kind, upcall.vif), (UpcallKind::NoCache, 0));
    assert_eq!((upcall.source, upcall.group), (SOURCE, GROUP));
    assert_eq!(socket.lost().expect("the kernel counts"), 0);
}
