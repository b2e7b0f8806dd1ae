//! The harness itself: what it says of hosts, switches and peers is true.

use std::net::Ipv4Addr;

use tests::{Capture, Frr, Network, PATIENCE, Packet, RawSocket, capture::Seen, filter::Mode, wait_for};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

#[track_caller]
fn wait_seen(capture: &Capture, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
    wait_for(what, PATIENCE, || {
        let seen = capture.matching(&wanted);
        seen.first()
            .cloned()
            .ok_or_else(|| format!("{:#?}", capture.all()))
    })
}

// Message types: RFC 1112 Appendix I, RFC 2236 §2.1, RFC 9776 §4.
#[test]
fn hosts_speak_the_version_they_are_told() {
    for (version, kind) in [(1, 0x12), (2, 0x16), (3, 0x22)] {
        let network = Network::new();
        let router = network.namespace("router");
        let host = network.host("host", [10, 1, 1, 2], &router, "lan0");
        router.address("lan0", [10, 1, 1, 1].into(), 24);
        host.force_version(version);
        let capture = Capture::open(&router, "lan0");
        let _membership = host.join(GROUP);
        let report = wait_seen(&capture, "a report", |seen| {
            seen.source == host.address()
                && matches!(seen.kind(), 0x12 | 0x16 | 0x22)
                && seen.message.windows(4).any(|bytes| bytes == GROUP.octets())
        });
        assert_eq!(report.kind(), kind, "version {version}");
        assert_eq!(report.ttl, 1);
    }
}

#[test]
fn filters_are_those_of_the_host() {
    let network = Network::new();
    let router = network.namespace("router");
    let host = network.host("host", [10, 1, 1, 2], &router, "lan0");
    router.address("lan0", [10, 1, 1, 1].into(), 24);
    let source = Ipv4Addr::new(192, 0, 2, 1);
    let capture = Capture::open(&router, "lan0");
    let has_record = |kind: u8| {
        let record = [&[kind, 0, 0, 1], &GROUP.octets()[..], &source.octets()].concat();
        move |seen: &Seen| seen.kind() == 0x22 && seen.message.windows(12).any(|bytes| bytes == record)
    };
    let membership = host.join_source(GROUP, source);
    wait_seen(&capture, "ALLOW(source)", has_record(5));
    membership.filter(GROUP, Mode::Exclude, &[source]);
    wait_seen(&capture, "TO_EX(source)", has_record(4));
    membership.filter(GROUP, Mode::Include, &[source]);
    wait_seen(&capture, "TO_IN(source)", has_record(3));
}

#[test]
fn handmade_packets_arrive() {
    let network = Network::new();
    let router = network.namespace("router");
    let host = network.host("host", [10, 1, 1, 2], &router, "lan0");
    let capture = Capture::open(&router, "lan0");
    let packet = Packet::v2_report([10, 1, 1, 77], GROUP);
    RawSocket::open(host.namespace(), "eth0").send(&packet);
    let seen = wait_seen(&capture, "the packet", |seen| seen.source == packet.source);
    assert_eq!((seen.kind(), seen.group(), seen.ttl), (0x16, GROUP, 1));
    assert_eq!(seen.options, [0x94, 0x04, 0x00, 0x00]);
}

// With snooping, a bridge hands reports only to ports that a query came from (RFC 4541 §2.1.1).
#[test]
fn a_snooping_switch_learns_from_queries_and_reports() {
    let network = Network::new();
    let switch = network.switch("switch");
    switch.snoop(3);
    let router = switch.host(&network, "router", [10, 1, 1, 1]);
    let host = switch.host(&network, "host", [10, 1, 1, 2]);
    let query = Packet::general_query(router.address(), 10, 2, 2);
    let raw = RawSocket::open(router.namespace(), "eth0");
    let _membership = host.join(GROUP);
    wait_for("the bridge to learn both ports", PATIENCE, || {
        raw.send(&query);
        let learned = switch.learned();
        let member = learned
            .lines()
            .any(|line| line.contains("port host") && line.contains("239.1.1.1"));
        let querier = learned
            .lines()
            .any(|line| line.contains("router") && !line.contains("grp"));
        if member && querier { Ok(()) } else { Err(learned) }
    });
    switch.unplug("host");
    assert!(!switch.learned().contains("port host"));
}

#[test]
fn frr_queries() {
    let network = Network::new();
    let router = network.namespace("router");
    let host = network.host("host", [10, 1, 1, 2], &router, "lan0");
    router.address("lan0", [10, 1, 1, 1].into(), 24);
    let capture = Capture::open(host.namespace(), "eth0");
    let frr = Frr::start(
        &network,
        &router,
        "interface lan0\n ip igmp\n ip igmp version 3\n ip igmp query-max-response-time 10\n ip igmp query-interval 2\n",
    );
    // 12 bytes are a version 3 query (RFC 9776 §7.1).
    wait_seen(&capture, "a General Query", |seen| {
        seen.kind() == 0x11 && seen.message.len() == 12 && seen.source == Ipv4Addr::new(10, 1, 1, 1)
    });
    let state = frr.show("show ip igmp interface lan0 json");
    assert_eq!(state["lan0"]["querier"], "local", "{state:#}");
}
