//! Interfaces that come, go, change address and are renamed, while the agent runs.

use std::{collections::BTreeSet, fmt::Write, net::Ipv4Addr};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tests::{Igmpd, Lan, Network, PATIENCE, igmpd::is_left_behind, lan::QUICK, wait_for};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

#[track_caller]
fn wait_status(igmpd: &Igmpd, interface: &str, status: &str) {
    wait_for(&format!("{interface} to be {status}"), PATIENCE, || {
        let interface = igmpd.interface(interface);
        if interface.oper_status == status {
            Ok(())
        } else {
            Err(format!("{interface:?}"))
        }
    });
}

/// Takes `lan0` down and up again in some way: memberships end and are learned anew.
fn down_and_up(down: impl FnOnce(&Lan), up: impl FnOnce(&Lan)) {
    let lan = Lan::new();
    let host = lan.host(2);
    let igmpd = lan.igmpd("");
    let monitor = igmpd.monitor();
    let _membership = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);

    down(&lan);
    wait_status(&igmpd, "lan0", "down");
    monitor.wait_for("interface-down", PATIENCE, |event| {
        event.event == "interface-down" && event.interface_name == "lan0"
    });
    let (_, left) = monitor.wait_for("group-left", PATIENCE, |event| event.event == "group-left");
    assert_eq!(left.reason.as_deref(), Some("interface"));
    assert_eq!(igmpd.groups(), []);

    up(&lan);
    igmpd.wait_up(&["lan0"]);
    monitor.wait_for("interface-up", PATIENCE, |event| {
        event.event == "interface-up" && event.interface_name == "lan0"
    });
    // The host was not told anything; it answers the query that comes with the interface.
    let group = igmpd.wait_joined("lan0", GROUP);
    assert_eq!(group.last_reporter, Some(host.address()));
    assert!(igmpd.igmp("lan0").is_querier);
}

#[test]
fn an_interface_that_the_operator_takes_down() {
    down_and_up(
        |lan| {
            lan.router.ip("link set lan0 down");
        },
        |lan| {
            lan.router.ip("link set lan0 up");
        },
    );
}

#[test]
fn an_interface_that_loses_its_carrier() {
    down_and_up(
        |lan| {
            lan.switch.namespace().ip("link set router down");
        },
        |lan| {
            lan.switch.namespace().ip("link set router up");
        },
    );
}

// However fast it goes, the agent ends up with what is there.
#[test]
fn an_interface_that_flaps() {
    let lan = Lan::new();
    let host = lan.host(2);
    let igmpd = lan.igmpd("");
    let _membership = host.join(GROUP);
    for _ in 0..20 {
        lan.router.ip("link set lan0 down");
        lan.router.ip("link set lan0 up");
    }
    igmpd.wait_up(&["lan0"]);
    igmpd.wait_joined("lan0", GROUP);
    for _ in 0..5 {
        lan.router.ip("link delete lan0");
        lan.switch.plug(&lan.network, "router", &lan.router, "lan0");
        lan.router.address("lan0", tests::lan::ROUTER, 24);
    }
    let index = lan.router.index("lan0");
    wait_for("the last of them", PATIENCE, || {
        let interface = igmpd.interface("lan0");
        if interface.ifindex == Some(index) {
            Ok(())
        } else {
            Err(format!("{interface:?}"))
        }
    });
    igmpd.wait_up(&["lan0"]);
    igmpd.wait_joined("lan0", GROUP);
    assert!(lan.router.has_xdp("lan0"));
}

#[test]
fn an_interface_that_is_deleted_and_made_anew() {
    let lan = Lan::new();
    let host = lan.host(2);
    let igmpd = lan.igmpd("");
    let _membership = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);
    let before = igmpd.interface("lan0").ifindex;

    lan.router.ip("link delete lan0");
    wait_status(&igmpd, "lan0", "not-present");
    assert_eq!(igmpd.groups(), []);
    let gone = igmpd.interface("lan0");
    assert_eq!((gone.ifindex, gone.address, gone.xdp_mode), (None, None, None));

    lan.switch.plug(&lan.network, "router", &lan.router, "lan0");
    lan.router.address("lan0", tests::lan::ROUTER, 24);
    igmpd.wait_up(&["lan0"]);
    igmpd.wait_joined("lan0", GROUP);
    let after = igmpd.interface("lan0");
    assert_eq!(after.ifindex, Some(lan.router.index("lan0")));
    assert_ne!(after.ifindex, before);
    assert!(lan.router.has_xdp("lan0"));
}

#[test]
fn an_interface_that_gets_another_address() {
    let lan = Lan::new();
    let host = lan.host(2);
    let station = lan.station("station");
    let igmpd = lan.igmpd("");
    let monitor = igmpd.monitor();
    let _membership = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);

    let address = Ipv4Addr::new(10, 1, 1, 9);
    lan.router.ip("address delete 10.1.1.1/24 dev lan0");
    wait_for("no address", PATIENCE, || {
        let interface = igmpd.interface("lan0");
        if interface.address.is_none() {
            Ok(())
        } else {
            Err(format!("{interface:?}"))
        }
    });
    lan.router.ip("address add 10.1.1.9/24 dev lan0");
    wait_for("the other address", PATIENCE, || {
        let interface = igmpd.interface("lan0");
        let querier = interface.igmp.as_ref().and_then(|igmp| igmp.querier);
        if interface.address == Some(address) && querier == Some(address) {
            Ok(())
        } else {
            Err(format!("{interface:?}"))
        }
    });
    wait_for("a query from it", PATIENCE, || {
        let queries = station
            .capture
            .matching(|seen| seen.kind() == 0x11 && seen.source == address);
        if queries.is_empty() {
            Err("none".to_owned())
        } else {
            Ok(())
        }
    });
    // Who is a member has nothing to do with the router's address.
    assert!(igmpd.group("lan0", GROUP).is_some());
    assert_eq!(monitor.count(|event| event.event == "group-left"), 0);
}

// The configuration names both: one is there, the other is not, and then it is the other way round.
#[test]
fn an_interface_that_is_renamed() {
    let lan = Lan::new();
    let host = lan.host(2);
    let both = format!("{QUICK}\n[interfaces.lan0]\nigmp = {{}}\n[interfaces.lan9]\nigmp = {{}}\n");
    let igmpd = lan.igmpd_with(&both);
    wait_status(&igmpd, "lan9", "not-present");
    let _membership = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);

    lan.router.ip("link set lan0 down");
    lan.router.ip("link set lan0 name lan9");
    lan.router.ip("link set lan9 up");
    igmpd.wait_up(&["lan9"]);
    wait_status(&igmpd, "lan0", "not-present");
    igmpd.wait_joined("lan9", GROUP);
    assert_eq!(igmpd.group("lan0", GROUP), None);
    assert!(lan.router.has_xdp("lan9"));
}

// What is known of an interface goes with it, and not with its name, which another one may get.
#[test]
fn an_interface_that_takes_the_name_of_another() {
    let network = Network::new();
    let router = network.namespace("router");
    let _first = network.host("first", [10, 1, 1, 2], &router, "lan1");
    router.address("lan1", [10, 1, 1, 1].into(), 24);
    let second = network.host("second", [10, 1, 2, 2], &router, "lan2");
    router.address("lan2", [10, 1, 2, 1].into(), 24);
    let both = format!("{QUICK}\n[interfaces.lan1]\nigmp = {{}}\n[interfaces.lan2]\nigmp = {{}}\n");
    let igmpd = Igmpd::start(&network, &router, &both);
    igmpd.wait_up(&["lan1", "lan2"]);

    router.ip("link set lan1 down");
    router.ip("link set lan1 name other0");
    wait_status(&igmpd, "lan1", "not-present");
    router.ip("link set lan2 down");
    router.ip("link set lan2 name lan1");
    router.ip("link set lan1 up");
    igmpd.wait_up(&["lan1"]);
    wait_status(&igmpd, "lan2", "not-present");
    let _membership = second.join(GROUP);
    igmpd.wait_joined("lan1", GROUP);
}

// A name that the configuration does not know is none of the agent's business.
#[test]
fn an_interface_that_is_renamed_away() {
    let lan = Lan::new();
    let igmpd = lan.igmpd("");
    lan.router.ip("link set lan0 down");
    lan.router.ip("link set lan0 name other0");
    lan.router.ip("link set other0 up");
    wait_status(&igmpd, "lan0", "not-present");
    wait_for("XDP to be detached", PATIENCE, || {
        if lan.router.has_xdp("other0") {
            Err("attached".to_owned())
        } else {
            Ok(())
        }
    });
}

#[test]
fn an_interface_that_appears_later() {
    let network = Network::new();
    let router = network.namespace("router");
    let config = format!("{QUICK}\n[interfaces.lan0]\nigmp = {{}}\n");
    let igmpd = Igmpd::start(&network, &router, &config);
    wait_status(&igmpd, "lan0", "not-present");
    let host = network.host("host", [10, 1, 1, 2], &router, "lan0");
    router.address("lan0", [10, 1, 1, 1].into(), 24);
    igmpd.wait_up(&["lan0"]);
    let _membership = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);
}

#[test]
fn generic_mode_where_it_is_asked_for() {
    let lan = Lan::new();
    let host = lan.host(2);
    let igmpd = lan.igmpd_with("[interfaces.lan0]\nxdp-mode = \"generic\"\nigmp = {}\n");
    assert_eq!(igmpd.interface("lan0").xdp_mode.as_deref(), Some("generic"));
    let _membership = host.join(GROUP);
    igmpd.wait_joined("lan0", GROUP);
}

/// Interfaces at once.
const MANY: u32 = 200;

#[test]
fn two_hundred_interfaces() {
    let network = Network::new();
    let (router, hosts) = (network.namespace("router"), network.namespace("hosts"));
    let (mut links, mut here, mut there) = (String::new(), String::new(), String::new());
    let mut config = String::new();
    for number in 0..MANY {
        let peer = format!("e{number} netns {}", hosts.name());
        let lines = writeln!(links, "link add p{number} type veth peer name {peer}")
            .and_then(|()| writeln!(here, "address add 10.2.{number}.1/24 dev p{number}"))
            .and_then(|()| writeln!(here, "link set p{number} up"))
            .and_then(|()| writeln!(there, "address add 10.2.{number}.2/24 dev e{number}"))
            .and_then(|()| writeln!(there, "link set e{number} up"))
            .and_then(|()| writeln!(config, "[interfaces.p{number}]\nigmp = {{}}"));
        lines.expect("a string takes everything");
    }
    router.ip_batch(&links, &network.path("links"));
    router.ip_batch(&here, &network.path("here"));
    hosts.ip_batch(&there, &network.path("there"));

    let mut igmpd = Igmpd::start(&network, &router, &config);
    let names: Vec<_> = (0..MANY).map(|number| format!("p{number}")).collect();
    igmpd.wait_up(&names.iter().map(String::as_str).collect::<Vec<_>>());

    // One group on each, with another address each.
    hosts.sysctl("net/ipv4/igmp_max_memberships", "1000");
    let socket = hosts
        .enter(|| Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP)))
        .expect("a UDP socket");
    let group = |number: u32| Ipv4Addr::from_bits(0xef09_0000 + number);
    for number in 0..MANY {
        let interface = InterfaceIndexOrAddress::Index(hosts.index(&format!("e{number}")));
        socket
            .join_multicast_v4_n(&group(number), &interface)
            .unwrap_or_else(|error| panic!("e{number}: {error}"));
    }
    let expected: BTreeSet<_> = (0..MANY)
        .map(|number| (format!("p{number}"), group(number)))
        .collect();
    wait_for("a group on each interface", PATIENCE, || {
        let found: BTreeSet<_> = igmpd
            .groups()
            .into_iter()
            .map(|group| (group.interface_name, group.group_address))
            .collect();
        if found == expected {
            Ok(())
        } else {
            Err(format!("{} groups", found.len()))
        }
    });
    for interface in igmpd.interfaces() {
        assert_eq!(interface.xdp_mode.as_deref(), Some("native"), "{interface:?}");
    }

    let pins = igmpd.paths().pins.clone();
    igmpd.stop();
    let links = router.ip("-j link show");
    assert!(!links.contains("\"xdp\""), "{links}");
    assert!(!is_left_behind(&pins), "{}", pins.display());
}
