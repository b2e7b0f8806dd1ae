//! The configuration file: what is accepted, and what each mistake is answered with.

use std::{net::Ipv4Addr, path::Path};

use igmp_core::{
    Duration,
    pim::{SptSwitchover, StaticRp},
};

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("igmpd.toml"), text).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    assert_eq!(parse(text).expect_err("must be refused"), expected);
}

/// Every key that the documentation shows, with its value there.
const DOCUMENTED: &str = r#"
control-socket = "/run/igmpd.sock"
bpf-pin-path   = "/sys/fs/bpf/igmpd"
metrics-listen = "127.0.0.1:9465"
forwarding     = "xdp"
bpf-log-level  = "off"
max-groups     = 65536
max-entries    = 262144

[igmp]
version = 3
query-interval = 125
query-max-response-time = 10
last-member-query-interval = 1
robustness-variable = 2
require-router-alert = true
verify-source-subnet = false
immediate-leave = false
max-groups = 0
max-group-sources = 0

[interfaces.lan0.igmp]
query-interval = 60
static-group = [{ group = "239.9.9.9" }, { group = "232.1.1.1", source = "192.0.2.7" }]

[interfaces.wan0]
xdp-mode = "auto"
proxy-upstream = true

[interfaces."lan0.7"]
parent = "lan0"
vlan = 7
address = "10.7.0.1/24"
igmp = {}


[interfaces.core0.pim]
dr-priority = 1
hello-interval = 30

[pim]
static-rp = [{ address = "10.9.9.9", groups = ["224.0.0.0/4"] }]
spt-switchover = "immediate"
join-prune-interval = 60
"#;

#[test]
fn every_documented_key_is_accepted() {
    let config = parse(DOCUMENTED).expect("the documented file is right");
    let lan0 = config.interfaces["lan0"].igmp.as_ref().expect("lan0 speaks IGMP");
    assert_eq!(lan0.protocol.query_interval, Duration::from_secs(60));
    assert_eq!(lan0.protocol.query_response_interval, Duration::from_secs(10));
    assert_eq!(
        lan0.protocol.static_groups,
        [
            igmp_core::StaticGroup {
                group: Ipv4Addr::new(232, 1, 1, 1),
                source: Some(Ipv4Addr::new(192, 0, 2, 7)),
            },
            igmp_core::StaticGroup {
                group: Ipv4Addr::new(239, 9, 9, 9),
                source: None,
            },
        ]
    );
    let vlan = config.interfaces["lan0.7"]
        .vlan
        .as_ref()
        .expect("lan0.7 is a VLAN");
    assert_eq!((vlan.parent.as_str(), vlan.id), ("lan0", 7));
    assert!(config.interfaces["wan0"].igmp.is_none());
    assert!(config.has_pim());
    assert_eq!(
        config.pim.static_rp,
        [StaticRp {
            address: Ipv4Addr::new(10, 9, 9, 9),
            group: Ipv4Addr::new(224, 0, 0, 0),
            group_len: 4,
        }]
    );
}

#[test]
fn what_is_written_of_pim_is_what_the_core_gets() {
    let config = parse(
        "max-entries = 1000\n[pim]\nspt-switchover = \"never\"\njoin-prune-interval = 18724\nstatic-rp = [\n\
         { address = \"10.0.0.1\", groups = [\"239.0.0.0/8\", \"224.0.1.0/24\"] },\n\
         { address = \"10.0.0.2\", groups = [\"239.1.0.0/16\"] },\n]\n\
         [interfaces.a.pim]\ndr-priority = 4294967295\nhello-interval = 1.5\n[interfaces.b]\npim = {}\n",
    )
    .expect("right");
    let PimConfig {
        static_rp,
        spt_switchover,
        max_entries,
        join_prune_interval,
        keepalive_period,
        assert_time,
        ..
    } = config.pim;
    let of = |address: [u8; 4], group: [u8; 4], group_len| StaticRp {
        address: address.into(),
        group: group.into(),
        group_len,
    };
    assert_eq!(
        static_rp,
        [
            of([10, 0, 0, 1], [239, 0, 0, 0], 8),
            of([10, 0, 0, 1], [224, 0, 1, 0], 24),
            of([10, 0, 0, 2], [239, 1, 0, 0], 16),
        ]
    );
    assert_eq!(spt_switchover, SptSwitchover::Never);
    assert_eq!(max_entries, 1_000);
    assert_eq!(join_prune_interval, Duration::from_secs(18_724));
    // RFC 7761 §4.11
    assert_eq!(keepalive_period, Duration::from_secs(210));
    assert_eq!(assert_time, Duration::from_secs(180));
    let a = config.interfaces["a"].pim.as_ref().expect("a speaks PIM");
    assert_eq!(
        (a.dr_priority, a.hello_interval),
        (u32::MAX, Duration::from_millis(1_500))
    );
    let b = config.interfaces["b"].pim.as_ref().expect("b speaks PIM");
    // RFC 7761 §4.3.2 and §4.11
    assert_eq!((b.dr_priority, b.hello_interval), (1, Duration::from_secs(30)));
    assert_eq!(b.propagation_delay, Duration::from_millis(500));
    assert_eq!(b.override_interval, Duration::from_millis(2_500));
}

#[test]
fn the_documented_values_are_the_defaults() {
    let shown = parse(DOCUMENTED).expect("the documented file is right");
    let empty = parse("").expect("an empty file is right");
    assert_eq!(empty.control_socket, shown.control_socket);
    assert_eq!(empty.bpf_pin_path, shown.bpf_pin_path);
    assert_eq!(empty.bpf_log_level, shown.bpf_log_level);
    assert_eq!(
        (empty.max_groups, empty.max_entries),
        (shown.max_groups, shown.max_entries)
    );
    // An event of 40 bytes for each second group, in a power of two from 1 to 64 MiB.
    assert_eq!(empty.event_ring_size, 2 << 20);
    for (max_groups, size) in [
        (1_000, 1 << 20),
        (131_072, 4 << 20),
        (1_048_576, 32 << 20),
        (16_777_216, 64 << 20),
    ] {
        let config = parse(&format!("max-groups = {max_groups}")).expect("the key is right");
        assert_eq!(config.event_ring_size, size, "{max_groups}");
    }
    let written = shown.interfaces["lan0.7"]
        .igmp
        .as_ref()
        .expect("lan0.7 speaks IGMP");
    assert_eq!(*written, Igmp::default());
    assert_eq!(shown.interfaces["core0"].pim, Some(PimInterfaceConfig::default()));
    let without_rp = PimConfig {
        static_rp: Vec::new(),
        ..shown.pim
    };
    assert_eq!(without_rp, empty.pim);
    assert_eq!(empty.pim, PimConfig::default());
}

#[test]
fn interfaces_inherit_what_they_do_not_set() {
    let config = parse(
        "[igmp]\nversion = 2\nquery-interval = 0.5\nquery-max-response-time = 0.1\ngroup-membership-interval = \"rfc3376\"\n\
         [interfaces.a]\nigmp = {}\n[interfaces.b.igmp]\nversion = 3\ngroup-membership-interval = \"rfc9776\"\n",
    )
    .expect("right");
    let a = &config.interfaces["a"].igmp.as_ref().expect("a").protocol;
    let b = &config.interfaces["b"].igmp.as_ref().expect("b").protocol;
    assert_eq!(a.query_interval, Duration::from_millis(500));
    assert_eq!((a.version, b.version), (2, 3));
    assert!(a.rfc3376_group_membership_interval);
    assert!(!b.rfc3376_group_membership_interval);
    assert_eq!(b.query_response_interval, Duration::from_millis(100));
}

#[test]
fn mistakes_are_named_with_line_and_key() {
    let cases: &[(&str, &str)] = &[
        (
            "[interfaces.lan0.igmp]\nversion = 3\nquery-interval = 0\n",
            "igmpd.toml:3: interfaces.lan0.igmp.query-interval: must be between 0.1 and 31744 seconds, not 0",
        ),
        (
            "[interfaces.\"lan0.7\"]\nparent = \"lan0\"\nvlan = 4095\n",
            "igmpd.toml:3: interfaces.\"lan0.7\".vlan: must be between 1 and 4094, not 4095",
        ),
        (
            "[igmp]\nversion = 4\n",
            "igmpd.toml:2: igmp.version: must be between 1 and 3, not 4",
        ),
        (
            "[igmp]\nrobustness-variable = 0\n",
            "igmpd.toml:2: igmp.robustness-variable: must be between 1 and 7, not 0",
        ),
        (
            "[igmp]\nquery-max-response-time = 1024\nquery-interval = 2000\n",
            "igmpd.toml:2: igmp.query-max-response-time: must be between 0.1 and 1023 seconds, not 1024",
        ),
        (
            "[igmp]\nlast-member-query-interval = 0.05\n",
            "igmpd.toml:2: igmp.last-member-query-interval: must be between 0.1 and 1023 seconds, not 0.05",
        ),
        (
            "\n\n[interfaces.lan0.igmp]\nquery-interval = 10\n",
            "igmpd.toml:4: interfaces.lan0.igmp.query-interval: query-max-response-time (10 s) must be less than \
             query-interval (10 s)",
        ),
        (
            "[interfaces.lan0.igmp]\nversion = 2\nquery-max-response-time = 30\n",
            "igmpd.toml:3: interfaces.lan0.igmp.query-max-response-time: version 2 carries at most 25.5 seconds, \
             not 30",
        ),
        (
            "max-groups = 0\n",
            "igmpd.toml:1: max-groups: must be between 1 and 16777216, not 0",
        ),
        (
            "event-ring-size = 5000\n",
            "igmpd.toml:1: event-ring-size: must be a power of two, not 5000",
        ),
        (
            "bpf-pin-path = \"pins\"\n",
            "igmpd.toml:1: bpf-pin-path: must be an absolute path",
        ),
        (
            "[interfaces.lan0]\nproxy-upstream = true\nigmp = {}\n",
            "igmpd.toml:2: interfaces.lan0.proxy-upstream: the upstream interface has a host side only: remove its \
             igmp table (RFC 4605 section 3)",
        ),
        (
            "[interfaces.a]\nproxy-upstream = true\n[interfaces.b]\nproxy-upstream = true\n",
            "igmpd.toml:4: interfaces.b.proxy-upstream: a is the upstream interface already, and a proxy has one \
             (RFC 4605 section 3)",
        ),
        (
            "[interfaces.a]\nvlan = 7\n",
            "igmpd.toml:2: interfaces.a.vlan: needs the parent that carries the tagged frames",
        ),
        (
            "[interfaces.a]\nparent = \"lan0\"\n",
            "igmpd.toml:2: interfaces.a.parent: needs a vlan beside it",
        ),
        (
            "[interfaces.a]\naddress = \"10.0.0.1/24\"\n",
            "igmpd.toml:2: interfaces.a.address: is for VLANs of a parent; the address of any other interface is the \
             kernel's",
        ),
        (
            "[interfaces.a]\nparent = \"lan0\"\nvlan = 7\nxdp-mode = \"native\"\n",
            "igmpd.toml:4: interfaces.a.xdp-mode: the XDP program runs on the parent: write it into the parent's table",
        ),
        (
            "[interfaces.a]\nparent = \"lan0\"\nvlan = 7\n[interfaces.b]\nparent = \"lan0\"\nvlan = 7\n",
            "igmpd.toml:6: interfaces.b.vlan: VLAN 7 of lan0 is a already",
        ),
        (
            "[interfaces.lan0.igmp]\nstatic-group = [\n  { group = \"239.1.1.1\" },\n  { group = \"10.0.0.1\" },\n]\n",
            "igmpd.toml:4: interfaces.lan0.igmp.static-group[1].group: 10.0.0.1 is not a multicast group",
        ),
        (
            "[interfaces.lan0.igmp]\nstatic-group = [{ group = \"224.0.0.5\" }]\n",
            "igmpd.toml:2: interfaces.lan0.igmp.static-group[0].group: 224.0.0.5 is of 224.0.0.0/24, which never \
             leaves its link and has no members",
        ),
        (
            "[interfaces.lan0.igmp]\nversion = 2\nstatic-group = [{ group = \"239.1.1.1\", source = \"10.0.0.1\" }]\n",
            "igmpd.toml:3: interfaces.lan0.igmp.static-group[0].source: needs version 3, and this interface runs \
             version 2",
        ),
        (
            "[interfaces.lan0.igmp]\nstatic-group = [{ group = \"232.1.1.1\" }]\n",
            "igmpd.toml:2: interfaces.lan0.igmp.static-group[0].group: 232.1.1.1 is source-specific (232.0.0.0/8) and \
             needs a source",
        ),
        (
            "[igmp]\nstatic-group = [{ group = \"239.1.1.1\" }]\n",
            "igmpd.toml:2: igmp.static-group: belongs to one interface: write it into [interfaces.NAME.igmp]",
        ),
        (
            "[interfaces.\"a-name-that-is-too-long\"]\nigmp = {}\n",
            "igmpd.toml:1: interfaces.a-name-that-is-too-long: \"a-name-that-is-too-long\" cannot be the name of an \
             interface",
        ),
        (
            "[pim]\nstatic-rp = [{ address = \"10.9.9.9\", groups = [\"10.0.0.0/8\"] }]\n",
            "igmpd.toml:2: pim.static-rp[0].groups[0]: 10.0.0.0/8 is not a range of multicast groups",
        ),
        (
            "[pim]\nstatic-rp = [{ address = \"10.9.9.9\", groups = [\"224.0.0.0/3\"] }]\n",
            "igmpd.toml:2: pim.static-rp[0].groups[0]: 224.0.0.0/3 is not a range of multicast groups",
        ),
        (
            "[pim]\nstatic-rp = [\n  { address = \"239.9.9.9\", groups = [\"239.0.0.0/8\"] },\n]\n",
            "igmpd.toml:3: pim.static-rp[0].address: 239.9.9.9 is not the address of a host",
        ),
        (
            "[pim]\nstatic-rp = [{ address = \"10.9.9.9\", groups = [] }]\n",
            "igmpd.toml:2: pim.static-rp[0].groups: names no groups that the rendezvous point serves",
        ),
        (
            "[pim]\nstatic-rp = [{ address = \"10.9.9.9\", groups = [\"239.1.1.1/8\"] }]\n",
            "igmpd.toml:2: pim.static-rp[0].groups[0]: 239.1.1.1/8 has bits beyond the length of its prefix: 239.0.0.0/8 \
             is meant",
        ),
        (
            "[pim]\nstatic-rp = [{ address = \"10.9.9.9\", groups = [\"239.0.0.0/8\", \"232.1.0.0/16\"] }]\n",
            "igmpd.toml:2: pim.static-rp[0].groups[1]: 232.1.0.0/16 is source-specific (232.0.0.0/8), and such groups \
             have no rendezvous point",
        ),
        (
            "[pim]\nstatic-rp = [{ address = \"10.9.9.9\", groups = [\"224.0.0.0/24\"] }]\n",
            "igmpd.toml:2: pim.static-rp[0].groups[0]: 224.0.0.0/24 is of 224.0.0.0/24, which never leaves its link and \
             has no rendezvous point",
        ),
        (
            "[pim]\nstatic-rp = [\n  { address = \"10.9.9.9\", groups = [\"239.0.0.0/8\"] },\n  \
             { address = \"10.8.8.8\", groups = [\n    \"239.0.0.0/8\",\n  ] },\n]\n",
            "igmpd.toml:5: pim.static-rp[1].groups[0]: 239.0.0.0/8 has the rendezvous point 10.9.9.9 already, and there \
             is one for a range",
        ),
        (
            "[pim]\nstatic-rp = [{ address = \"10.9.9.9\", groups = [\"239.0.0.0/8\", \"239.0.0.0/8\"] }]\n",
            "igmpd.toml:2: pim.static-rp[0].groups[1]: 239.0.0.0/8 is listed twice",
        ),
        (
            "[pim]\njoin-prune-interval = 0.5\n",
            "igmpd.toml:2: pim.join-prune-interval: must be between 1 and 18724 seconds, not 0.5",
        ),
        (
            "[interfaces.core0.pim]\nhello-interval = 18725\n",
            "igmpd.toml:2: interfaces.core0.pim.hello-interval: must be between 1 and 18724 seconds, not 18725",
        ),
        (
            "[interfaces.core0.pim]\ndr-priority = 4294967296\n",
            "igmpd.toml:2: interfaces.core0.pim.dr-priority: must be between 0 and 4294967295, not 4294967296",
        ),
    ];
    for (text, expected) in cases {
        refused(text, expected);
    }
}

#[test]
fn every_value_out_of_range_is_reported_at_once() {
    refused(
        "max-groups = -1\n[igmp]\nversion = 9\n",
        "igmpd.toml:1: max-groups: must be between 1 and 16777216, not -1\n\
         igmpd.toml:3: igmp.version: must be between 1 and 3, not 9",
    );
}

/// The wording of these is the parser's; what matters is that place and key are right.
#[test]
fn the_parsers_own_errors_name_line_and_key() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "[igmp]\nversion = 3\ncolour = 1\n",
            "igmpd.toml:3: igmp.colour:",
            "unknown field `colour`",
        ),
        (
            "[interfaces.lan0]\nxdp-mode = \"fast\"\n",
            "igmpd.toml:2: interfaces.lan0.xdp-mode:",
            "unknown variant `fast`",
        ),
        (
            "[interfaces.lan0.igmp]\nquery-interval = \"60\"\n",
            "igmpd.toml:2: interfaces.lan0.igmp.query-interval:",
            "expected a number of seconds",
        ),
        (
            "[igmp]\nversion = true\n",
            "igmpd.toml:2: igmp.version:",
            "expected i64",
        ),
        (
            "[interfaces.lan0]\nigmp = {}\n\n[interfaces.lan0]\nigmp = {}\n",
            "igmpd.toml:4:",
            "duplicate key",
        ),
        (
            "[igmp]\nversion = 3\nversion = 2\n",
            "igmpd.toml:3: version:",
            "duplicate key",
        ),
        (
            "metrics-listen = \"everywhere\"\n",
            "igmpd.toml:1: metrics-listen:",
            "invalid socket address",
        ),
        (
            "[pim]\nspt-switchover = \"infinity\"\n",
            "igmpd.toml:2: pim.spt-switchover:",
            "unknown variant `infinity`, expected `immediate` or `never`",
        ),
        (
            "[pim]\nstatic-rp = [{ address = \"10.9.9.9\" }]\n",
            "igmpd.toml:2: pim.static-rp",
            "missing field `groups`",
        ),
        (
            "[interfaces.core0.pim]\nhold-time = 105\n",
            "igmpd.toml:2: interfaces.core0.pim.hold-time:",
            "unknown field `hold-time`",
        ),
        ("[igmp\n", "igmpd.toml:1:", "unclosed table"),
    ];
    for (text, place, wording) in cases {
        let error = parse(text).expect_err("must be refused");
        assert!(
            error.starts_with(place),
            "{text:?}: {error:?} does not begin with {place:?}"
        );
        assert!(
            error.contains(wording),
            "{text:?}: {error:?} does not say {wording:?}"
        );
        assert_eq!(error.lines().count(), 1, "{error:?} is one line");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Config::load(Path::new("/nonexistent/igmpd.toml")).expect_err("there is no such file");
    assert_eq!(
        error.to_string(),
        "/nonexistent/igmpd.toml: cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn what_has_no_effect_is_said_only_where_it_is_asked_for() {
    for text in [
        "[interfaces.lan0]\nigmp = {}\n",
        "forwarding = \"none\"\n",
        "[interfaces.wan0]\nproxy-upstream = true\n",
        "[interfaces.core0]\npim = {}\n[pim]\nspt-switchover = \"never\"\n",
    ] {
        let config = parse(text).expect("right");
        assert!(
            config.without_effect.is_empty(),
            "{text:?}: {:?}",
            config.without_effect
        );
    }
    let all = parse(DOCUMENTED).expect("right");
    assert_eq!(
        all.without_effect,
        [
            "interfaces.wan0.proxy-upstream (line 28) has no effect: PIM runs because of interfaces.core0.pim (line 37), \
             and a router is a proxy or speaks PIM (RFC 4605 section 1.2)",
            "metrics-listen = \"127.0.0.1:9465\": this version exports no metrics",
        ]
    );
}

#[test]
fn a_router_with_pim_is_no_proxy() {
    let proxy = "[interfaces.wan0]\nproxy-upstream = true\n";
    assert!(parse(proxy).expect("right").interfaces["wan0"].proxy_upstream);
    let both = parse(&format!("{proxy}[interfaces.\"lan0.7\"]\npim = {{}}\n")).expect("right");
    assert!(!both.interfaces["wan0"].proxy_upstream);
    assert_eq!(
        both.without_effect,
        [
            "interfaces.wan0.proxy-upstream (line 2) has no effect: PIM runs because of interfaces.\"lan0.7\".pim (line 4), \
          and a router is a proxy or speaks PIM (RFC 4605 section 1.2)"
        ]
    );
    let idle = parse(&format!("{proxy}[pim]\nspt-switchover = \"never\"\n")).expect("right");
    assert!(idle.interfaces["wan0"].proxy_upstream && !idle.has_pim());
    assert_eq!(
        idle.without_effect,
        ["[pim] has no effect: no interface has a table pim"]
    );
}

#[test]
fn the_list_of_rendezvous_points_has_an_end() {
    let file = |ranges: u32| {
        let ranges: Vec<String> = (0..ranges)
            .map(|range| format!("\"239.{}.{}.0/24\"", range / 256, range % 256))
            .collect();
        format!(
            "[pim]\nstatic-rp = [{{ address = \"10.9.9.9\", groups = [{}] }}]\n",
            ranges.join(", ")
        )
    };
    assert_eq!(parse(&file(256)).expect("right").pim.static_rp.len(), 256);
    refused(
        &file(257),
        "igmpd.toml:2: pim.static-rp: at most 256 ranges of groups may have a rendezvous point, not 257",
    );
}
