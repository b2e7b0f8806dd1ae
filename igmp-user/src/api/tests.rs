//! The JSON against the documented examples, word for word.

use std::net::Ipv4Addr;

use igmp_wire::abi::InterfaceCounters;
use serde_json::{Value, json};

use super::*;

#[track_caller]
fn same<T>(value: &T, documented: Value)
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug,
{
    assert_eq!(serde_json::to_value(value).expect("serialises"), documented);
    assert_eq!(
        serde_json::from_value::<T>(documented).expect("deserialises"),
        *value
    );
}

#[test]
fn groups() {
    let value = Groups {
        group: vec![Group {
            interface_name: "lan0".to_owned(),
            group_address: Ipv4Addr::new(239, 1, 1, 1),
            filter_mode: FilterMode::Exclude,
            expire: Some(Seconds::new(258.3)),
            up_time: Seconds::new(11.7),
            last_reporter: Some(Ipv4Addr::new(10, 1, 1, 2)),
            compatibility_mode: 3,
            is_static: false,
            source: vec![Source {
                source_address: Ipv4Addr::new(192, 0, 2, 1),
                expire: Some(Seconds::new(258.3)),
                up_time: Seconds::new(11.7),
                forwarding: true,
            }],
        }],
    };
    same(
        &value,
        json!({"group": [{"interface-name": "lan0", "group-address": "239.1.1.1", "filter-mode": "exclude",
            "expire": 258.3, "up-time": 11.7, "last-reporter": "10.1.1.2", "compatibility-mode": 3, "static": false,
            "source": [{"source-address": "192.0.2.1", "expire": 258.3, "up-time": 11.7, "forwarding": true}]}]}),
    );
}

#[test]
fn interfaces() {
    let value = Interfaces {
        interface: vec![Interface {
            interface_name: "lan0".to_owned(),
            ifindex: Some(4),
            oper_status: OperStatus::Up,
            address: Some(Ipv4Addr::new(10, 1, 1, 1)),
            xdp_mode: Some(XdpModeName::Native),
            igmp: Some(IgmpInterface {
                version: 3,
                querier: Some(Ipv4Addr::new(10, 1, 1, 1)),
                is_querier: true,
                other_querier_expire: None,
                next_query: Some(Seconds::new(31.2)),
                query_interval: Seconds::new(125.0),
                robustness_variable: 2,
                groups_count: 1,
            }),
            proxy_upstream: false,
            proxy: None,
            pim: None,
        }],
    };
    same(
        &value,
        json!({"interface": [{"interface-name": "lan0", "ifindex": 4, "oper-status": "up", "address": "10.1.1.1",
            "xdp-mode": "native", "igmp": {"version": 3, "querier": "10.1.1.1", "is-querier": true,
            "other-querier-expire": null, "next-query": 31.2, "query-interval": 125, "robustness-variable": 2,
            "groups-count": 1}, "proxy-upstream": false, "pim": null}]}),
    );
}

#[test]
fn interfaces_with_pim() {
    let value = PimInterface {
        address: Some(Ipv4Addr::new(10, 0, 0, 2)),
        dr: Some(Ipv4Addr::new(10, 0, 0, 2)),
        is_dr: true,
        dr_priority: 1,
        generation_id: Some(4_294_967_295),
        neighbors_count: 1,
        next_hello: Some(Seconds::new(21.4)),
    };
    same(
        &value,
        json!({"address": "10.0.0.2", "dr": "10.0.0.2", "is-dr": true, "dr-priority": 1, "generation-id": 4_294_967_295_u32,
            "neighbors-count": 1, "next-hello": 21.4}),
    );
}

#[test]
fn neighbors() {
    let value = Neighbors {
        neighbor: vec![Neighbor {
            interface_name: "core0".to_owned(),
            address: Ipv4Addr::new(10, 0, 0, 1),
            dr_priority: Some(1),
            generation_id: Some(1),
            hold_time: 105,
            expire: Some(Seconds::new(92.1)),
            up_time: Seconds::new(40.0),
        }],
    };
    same(
        &value,
        json!({"neighbor": [{"interface-name": "core0", "address": "10.0.0.1", "dr-priority": 1, "generation-id": 1,
            "hold-time": 105, "expire": 92.1, "up-time": 40}]}),
    );
}

/// Each reason stands under its own name, and what is refused on the way in is in the order of the discriminants.
#[test]
fn statistics_of_pim() {
    let refusals = igmp_core::pim::PimRefusals {
        unknown_neighbor: 8,
        own_address: 9,
        not_enabled: 10,
        rp: 11,
        group: 12,
        limit: 13,
    };
    let messages = PimMessages {
        total: 6,
        hello: 1,
        join_prune: 2,
        assert: 3,
    };
    let value = PimStatistics {
        received: messages,
        sent: PimMessages::default(),
        dropped: PimDropped::new([1, 2, 3, 4, 5, 6, 7], refusals, 14, 15),
    };
    let documented = json!({"received": {"total": 6, "hello": 1, "join-prune": 2, "assert": 3},
        "sent": {"total": 0, "hello": 0, "join-prune": 0, "assert": 0},
        "dropped": {"too-short": 1, "checksum": 2, "version": 3, "unsupported-type": 4, "destination": 5, "source": 6,
            "malformed": 7, "unknown-neighbor": 8, "own-address": 9, "not-enabled": 10, "rp": 11, "group": 12, "limit": 13,
            "skipped": 14, "overflow": 15}});
    for (name, count) in value.dropped.iter() {
        assert_eq!(documented["dropped"][name], count, "{name}");
    }
    assert_eq!(value.dropped.total(), 120);
    same(&value, documented);
}

#[test]
fn statistics() {
    let value = Statistics {
        interface: vec![InterfaceStatistics::new(
            "lan0",
            &InterfaceCounters::default(),
            Sent::default(),
        )],
        resyncs: 0,
    };
    same(
        &value,
        json!({"interface": [{"interface-name": "lan0",
            "received": {"total": 0, "query-v1": 0, "query-v2": 0, "query-v3": 0, "report-v1": 0, "report-v2": 0,
                "report-v3": 0, "leave": 0},
            "sent": {"total": 0, "general-query": 0, "group-query": 0, "group-source-query": 0},
            "dropped": {"too-short": 0, "checksum": 0, "ttl": 0, "router-alert": 0, "source": 0, "group": 0,
                "ssm-range": 0, "unknown-type": 0, "malformed": 0, "limit": 0, "rate": 0, "fragment": 0, "vlan": 0,
                "rpf": 0, "no-members": 0, "mtu": 0},
            "refreshed-in-kernel": 0, "events": 0, "events-lost": 0, "forwarded-packets": 0, "forwarded-bytes": 0}],
            "resyncs": 0}),
    );
}

/// The host side stands beside what is documented for all.
#[test]
fn an_upstream_interface() {
    let value = ProxyInterface {
        version: 2,
        querier: Some(Ipv4Addr::new(10, 0, 0, 1)),
        older_querier_expire: Some(Seconds::new(31.2)),
        robustness_variable: 2,
        groups_count: 7,
    };
    same(
        &value,
        json!({"version": 2, "querier": "10.0.0.1", "older-querier-expire": 31.2, "robustness-variable": 2,
            "groups-count": 7}),
    );
}

/// What the upstream interface of a proxy sends stands beside what is documented for all.
#[test]
fn statistics_of_a_proxy() {
    let sent = Sent {
        total: 3,
        reports: Some(SentReports {
            report_v3: 2,
            leave: 1,
            ..SentReports::default()
        }),
        ..Sent::default()
    };
    same(
        &sent,
        json!({"total": 3, "general-query": 0, "group-query": 0, "group-source-query": 0,
            "report-v1": 0, "report-v2": 0, "report-v3": 2, "leave": 1}),
    );
}

#[test]
fn routes() {
    let any_source = Route {
        source_address: None,
        group_address: Ipv4Addr::new(239, 1, 1, 1),
        incoming_interface: Some("wan0".to_owned()),
        outgoing_interface: vec!["lan0".to_owned()],
        packets: 0,
        bytes: 0,
        up_time: Seconds::new(11.7),
        engine: RouteEngine::Xdp,
    };
    let blocked = Route {
        source_address: Some(Ipv4Addr::new(192, 0, 2, 7)),
        incoming_interface: None,
        outgoing_interface: Vec::new(),
        engine: RouteEngine::Kernel,
        ..any_source.clone()
    };
    same(
        &Routes {
            route: vec![any_source, blocked],
        },
        json!({"route": [
            {"source-address": "*", "group-address": "239.1.1.1", "incoming-interface": "wan0",
                "outgoing-interface": ["lan0"], "packets": 0, "bytes": 0, "up-time": 11.7, "engine": "xdp"},
            {"source-address": "192.0.2.7", "group-address": "239.1.1.1", "incoming-interface": null,
                "outgoing-interface": [], "packets": 0, "bytes": 0, "up-time": 11.7, "engine": "kernel"},
        ]}),
    );
}

#[test]
fn joins() {
    let pim = Join {
        protocol: JoinProtocol::Pim,
        source_address: None,
        group_address: Ipv4Addr::new(239, 1, 1, 1),
        interface_name: Some("core0".to_owned()),
        upstream_neighbor: Some(Ipv4Addr::new(10, 0, 0, 1)),
        state: JoinState::Joined,
        up_time: Seconds::new(3.0),
        filter_mode: None,
        source_list: None,
    };
    let proxied = Join {
        protocol: JoinProtocol::IgmpProxy,
        interface_name: Some("wan0".to_owned()),
        filter_mode: Some(FilterMode::Exclude),
        source_list: Some(vec![Ipv4Addr::new(192, 0, 2, 7)]),
        ..pim.clone()
    };
    same(
        &Joins {
            join: vec![pim, proxied],
        },
        json!({"join": [
            {"protocol": "pim", "source-address": "*", "group-address": "239.1.1.1", "interface-name": "core0",
                "upstream-neighbor": "10.0.0.1", "state": "joined", "up-time": 3},
            {"protocol": "igmp-proxy", "source-address": "*", "group-address": "239.1.1.1", "interface-name": "wan0",
                "upstream-neighbor": "10.0.0.1", "state": "joined", "up-time": 3, "filter-mode": "exclude",
                "source-list": ["192.0.2.7"]},
        ]}),
    );
}

#[test]
fn a_source_is_an_address_or_any() {
    let text = json!({"source-address": "lan0", "group-address": "239.1.1.1", "incoming-interface": null,
        "outgoing-interface": [], "packets": 0, "bytes": 0, "up-time": 0, "engine": "xdp"});
    let error = serde_json::from_value::<Route>(text).expect_err("lan0 is no source");
    assert!(error.to_string().contains("an IPv4 address or *"), "{error}");
}

/// Each counter of the kernel stands under its own name: counted here by position, as the layout documents them.
#[test]
fn counters_are_under_their_names() {
    let mut counters = InterfaceCounters::default();
    for (index, count) in counters.received.iter_mut().enumerate() {
        *count = 100 + index as u64;
    }
    for (index, count) in counters.dropped.iter_mut().enumerate() {
        *count = 200 + index as u64;
    }
    let statistics = InterfaceStatistics::new("a", &counters, Sent::default());
    let value = serde_json::to_value(&statistics).expect("serialises");
    let received = [
        "total",
        "query-v1",
        "query-v2",
        "query-v3",
        "report-v1",
        "report-v2",
        "report-v3",
        "leave",
    ];
    for (index, name) in received.into_iter().enumerate() {
        assert_eq!(value["received"][name], 100 + index as u64, "{name}");
    }
    let dropped = [
        "too-short",
        "checksum",
        "ttl",
        "router-alert",
        "source",
        "group",
        "ssm-range",
        "unknown-type",
        "malformed",
        "limit",
        "rate",
        "fragment",
        "vlan",
        "rpf",
        "no-members",
        "mtu",
    ];
    for (index, name) in dropped.into_iter().enumerate() {
        assert_eq!(value["dropped"][name], 200 + index as u64, "{name}");
    }
}

#[test]
fn monitor() {
    let value = MonitorEvent {
        time: "2026-11-22T10:00:00.123456Z".to_owned(),
        event: MonitorEventKind::GroupJoined,
        interface_name: "lan0".to_owned(),
        group_address: Some(Ipv4Addr::new(239, 1, 1, 1)),
        source_address: None,
        reporter: Some(Ipv4Addr::new(10, 1, 1, 2)),
        reason: MonitorReason::Report,
    };
    same(
        &value,
        json!({"time": "2026-11-22T10:00:00.123456Z", "event": "group-joined", "interface-name": "lan0",
            "group-address": "239.1.1.1", "source-address": null, "reporter": "10.1.1.2", "reason": "report"}),
    );
}

#[test]
fn durations_are_tenths_of_seconds() {
    let cases = [
        (0.0, "0"),
        (125.0, "125"),
        (31.25, "31.3"),
        (0.04, "0"),
        (0.1, "0.1"),
        (259.96, "260"),
    ];
    for (seconds, expected) in cases {
        let text = serde_json::to_string(&Seconds::new(seconds)).expect("serialises");
        assert_eq!(text, expected);
    }
}
