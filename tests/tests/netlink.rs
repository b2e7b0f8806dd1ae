//! What igmpd learns from the kernel through netlink, held against what `ip` and `ethtool` did to it.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use igmp_user::netlink::{self, Link, LocalGroups, RouteTable, RouteVia, Snapshot};
use ipnet::Ipv4Net;
use tests::{Namespace, Network, PATIENCE, process};
use tokio::{sync::watch::Receiver, time::timeout};

/// Runs a future inside a namespace, on a runtime like igmpd's. Other namespaces can be entered meanwhile.
#[track_caller]
fn inside<T: Send>(namespace: &Namespace, work: impl AsyncFnOnce() -> T + Send) -> T {
    namespace.enter(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(work())
    })
}

/// Waits until the state that is followed is as it should be, without any other reason to look than its change.
async fn until<T, U>(what: &str, states: &mut Receiver<Arc<T>>, wanted: impl Fn(&T) -> Option<U>) -> U {
    let mut found = None;
    let waiting = states.wait_for(|state| {
        found = wanted(state);
        found.is_some()
    });
    match timeout(PATIENCE, waiting).await {
        Ok(state) => drop(state.expect("the kernel is followed as long as somebody looks")),
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
    found.expect("what was waited for")
}

fn link<'a>(snapshot: &'a Snapshot, name: &str) -> &'a Link {
    snapshot
        .by_name(name)
        .unwrap_or_else(|| panic!("{name} in {snapshot:?}"))
}

fn ethtool(namespace: &Namespace, arguments: &str) {
    process::run(
        Command::new("ip")
            .args(["netns", "exec", namespace.name(), "ethtool"])
            .args(arguments.split_whitespace()),
    );
}

// veth_xdp_xmit of drivers/net/veth.c: what is redirected to a veth needs the NAPI of its peer, which GRO or an XDP
// program switches on.
#[test]
fn a_veth_is_a_redirect_target_while_its_peer_has_gro() {
    let network = Network::new();
    let router = network.namespace("router");
    let host = network.namespace("host");
    network.link(&router, "lan0", &host, "eth0");
    network.link(&router, "lan1", &host, "eth1");
    inside(&router, async || {
        let mut interfaces = netlink::watch().await.expect("the interfaces");
        let first = interfaces.borrow_and_update().clone();
        assert_eq!(link(&first, "lan0").kind.as_deref(), Some("veth"));
        assert_eq!(link(&first, "lo").kind, None);
        assert!(!link(&first, "lan0").redirect_target);
        let is_target = |snapshot: &Snapshot, wanted: bool| {
            (link(snapshot, "lan0").redirect_target == wanted).then_some(())
        };
        ethtool(&host, "-K eth0 gro on");
        until("a redirect target", &mut interfaces, |now| is_target(now, true)).await;
        assert!(
            !link(&interfaces.borrow(), "lan1").redirect_target,
            "eth1 was not touched"
        );
        ethtool(&host, "-K eth0 gro off");
        until("none", &mut interfaces, |now| is_target(now, false)).await;
    });
}

/// The way to a prefix, or `None` where the table does not have it.
fn via(table: &RouteTable, prefix: &str) -> Option<RouteVia> {
    let prefix: Ipv4Net = prefix.parse().expect("a prefix");
    let at = table.routes.binary_search_by_key(&prefix, |route| route.prefix);
    at.ok().map(|at| table.routes[at].via)
}

/// A router with `lan0` in 10.1.1.0/24 and `lan1` in 10.2.2.0/24, each with a host on the other end.
struct TwoLans {
    network: Network,
    router: Namespace,
    hosts: [Namespace; 2],
}

impl TwoLans {
    fn new() -> Self {
        let network = Network::new();
        let router = network.namespace("router");
        let hosts = ["left", "right"].map(|role| network.namespace(role));
        network.link(&router, "lan0", &hosts[0], "eth0");
        network.link(&router, "lan1", &hosts[1], "eth0");
        router.address("lan0", [10, 1, 1, 1].into(), 24);
        router.address("lan1", [10, 2, 2, 1].into(), 24);
        Self {
            network,
            router,
            hosts,
        }
    }
}

#[test]
fn routes_are_followed() {
    let lans = TwoLans::new();
    let router = &lans.router;
    let [lan0, lan1] = ["lan0", "lan1"].map(|name| RouteVia::Interface(router.index(name)));
    inside(router, async || {
        let mut routes = netlink::watch_routes().await.expect("the routes");
        let first = routes.borrow_and_update().clone();
        assert_eq!(via(&first, "10.1.1.0/24"), Some(lan0));
        assert_eq!(via(&first, "10.2.2.0/24"), Some(lan1));
        assert_eq!(
            first.routes.len(),
            2,
            "addresses and broadcasts are in another table: {first:?}"
        );
        assert!(!first.ask_always);

        let mut expect = async |command: &str, prefix: &str, wanted: Option<RouteVia>| {
            if !command.is_empty() {
                router.ip(command);
            }
            let is_right = |now: &RouteTable| (via(now, prefix) == wanted).then_some(());
            until(&format!("{wanted:?} after {command}"), &mut routes, is_right).await;
        };
        let to = "192.0.2.0/24";
        let add = "route add 192.0.2.0/24";
        expect(&format!("{add} via 10.1.1.2 metric 20"), to, Some(lan0)).await;
        expect(&format!("{add} via 10.2.2.2 metric 10"), to, Some(lan1)).await;
        expect("route del 192.0.2.0/24 metric 10", to, Some(lan0)).await;
        expect(&format!("{add} table 100 via 10.2.2.2"), to, Some(lan0)).await;
        expect(&format!("{add} tos 0x10 via 10.2.2.2"), to, Some(lan0)).await;
        expect(
            "route add unreachable 192.0.2.0/28",
            "192.0.2.0/28",
            Some(RouteVia::None),
        )
        .await;
        expect(
            "route add throw 192.0.2.16/28",
            "192.0.2.16/28",
            Some(RouteVia::Several),
        )
        .await;
        let both = "route replace default nexthop via 10.1.1.2 nexthop via 10.2.2.2";
        expect(both, "0.0.0.0/0", Some(RouteVia::Several)).await;
        expect("nexthop add id 7 via 10.1.1.2 dev lan0", to, Some(lan0)).await;
        expect("route add 198.51.100.0/24 nhid 7", "198.51.100.0/24", Some(lan0)).await;
        expect(
            "nexthop replace id 7 via 10.2.2.2 dev lan1",
            "198.51.100.0/24",
            Some(lan1),
        )
        .await;
        // One end of the default is dead then, and routes through lan1 alone are gone.
        expect("link set lan1 down", "198.51.100.0/24", None).await;
        expect("", "0.0.0.0/0", Some(lan0)).await;
        expect("", "10.2.2.0/24", None).await;
        expect("link set lan0 down", "0.0.0.0/0", None).await;
        assert_eq!(via(&routes.borrow(), "192.0.2.0/28"), Some(RouteVia::None));
    });
}

#[test]
fn routes_without_a_carrier_count_as_long_as_the_kernel_uses_them() {
    let lans = TwoLans::new();
    let router = &lans.router;
    let [lan0, lan1] = ["lan0", "lan1"].map(|name| RouteVia::Interface(router.index(name)));
    router.ip("route add 192.0.2.0/24 via 10.1.1.2 metric 10");
    router.ip("route add 192.0.2.0/24 via 10.2.2.2 metric 20");
    inside(router, async || {
        let mut routes = netlink::watch_routes().await.expect("the routes");
        let asker = netlink::RouteAsker::new().expect("a socket");
        for (ignore, wanted) in [("0", lan0), ("1", lan1)] {
            router.sysctl("net/ipv4/conf/lan0/ignore_routes_with_linkdown", ignore);
            lans.hosts[0].ip("link set eth0 down");
            let is_right = |now: &RouteTable| {
                let is_used = via(now, "192.0.2.0/24") == Some(wanted);
                is_used.then_some(())
            };
            until("the route that is left", &mut routes, is_right).await;
            let asked = asker
                .interface_towards([192, 0, 2, 1].into())
                .await
                .expect("an answer");
            assert_eq!(asked.map(RouteVia::Interface), Some(wanted), "the kernel agrees");
            lans.hosts[0].ip("link set eth0 up");
            let is_back = |now: &RouteTable| (via(now, "192.0.2.0/24") == Some(lan0)).then_some(());
            until("the route that is back", &mut routes, is_back).await;
        }
    });
}

#[test]
fn policy_rules_mean_asking_always() {
    let lans = TwoLans::new();
    let router = &lans.router;
    inside(router, async || {
        let mut routes = netlink::watch_routes().await.expect("the routes");
        for (command, wanted) in [
            ("rule add from 10.1.1.0/24 lookup 100", true),
            ("rule del from 10.1.1.0/24 lookup 100", false),
            ("rule add fwmark 1 lookup main priority 32766", true),
        ] {
            router.ip(command);
            let is_right = |now: &RouteTable| (now.ask_always == wanted).then_some(());
            until(command, &mut routes, is_right).await;
        }
    });
}

#[test]
fn a_namespace_without_routes_has_an_empty_table() {
    let network = Network::new();
    let router = network.namespace("router");
    inside(&router, async || {
        let routes = netlink::watch_routes().await.expect("no routes");
        assert_eq!(*routes.borrow().as_ref(), RouteTable::default());
    });
}

// The kernel needs some seconds for it; what matters is that nothing is missing in the end.
#[test]
fn a_hundred_thousand_routes_are_followed() {
    let lans = TwoLans::new();
    let router = &lans.router;
    let lan1 = RouteVia::Interface(router.index("lan1"));
    inside(router, async || {
        let mut routes = netlink::watch_routes().await.expect("the routes");
        let batch = |verb: &str| -> String {
            (0..100_000_u32)
                .map(|number| {
                    let prefix = Ipv4Addr::from((172 << 24) + (number << 4));
                    format!("route {verb} {prefix}/28 via 10.2.2.2\n")
                })
                .collect()
        };
        router.ip_batch(&batch("add"), &lans.network.path("routes"));
        let has_all = |now: &RouteTable| (now.routes.len() == 100_002).then_some(());
        until("all routes", &mut routes, has_all).await;
        assert_eq!(via(&routes.borrow(), "172.0.0.0/28"), Some(lan1));
        assert_eq!(via(&routes.borrow(), "172.24.105.240/28"), Some(lan1), "the last");
        router.ip("link set lan1 down");
        let has_one = |now: &RouteTable| (now.routes.len() == 1).then_some(());
        until("the routes to be gone", &mut routes, has_one).await;
    });
}

#[test]
fn the_kernel_tells_the_way() {
    let lans = TwoLans::new();
    let router = &lans.router;
    let [lan0, lan1] = ["lan0", "lan1"].map(|name| Some(router.index(name)));
    router.ip("route add 192.0.2.0/24 via 10.1.1.2");
    router.ip("route add unreachable 192.0.2.128/25");
    router.ip("route add 198.51.100.0/24 nexthop via 10.1.1.2 nexthop via 10.2.2.2");
    router.ip("route add default via 10.2.2.2 table 100");
    router.ip("rule add to 203.0.113.0/24 lookup 100");
    inside(router, async || {
        let asker = netlink::RouteAsker::new().expect("a socket");
        for (address, wanted) in [
            ([10, 1, 1, 77], lan0),
            ([10, 2, 2, 77], lan1),
            ([192, 0, 2, 1], lan0),
            ([192, 0, 2, 129], None),
            ([203, 0, 113, 1], lan1),
            // An own address, a broadcast address, no route, this network, a group.
            ([10, 1, 1, 1], None),
            ([10, 1, 1, 255], None),
            ([8, 8, 8, 8], None),
            ([0, 0, 0, 0], None),
            ([239, 1, 1, 1], None),
        ] {
            let address = Ipv4Addr::from(address);
            // Clones are for tasks of their own.
            let clone = asker.clone();
            let answer =
                tokio::spawn(async move { clone.interface_towards(address).await.expect("an answer") });
            assert_eq!(answer.await.expect("no panic"), wanted, "{address}");
        }
        // The kernel's choice spreads over both, and `ip` sees the same.
        let mut chosen = BTreeSet::new();
        for host in 1..=64 {
            let address = Ipv4Addr::new(198, 51, 100, host);
            let answer = asker.interface_towards(address).await.expect("an answer");
            let text = router.ip(&format!("route get {address}"));
            let name = if text.contains("dev lan0") { "lan0" } else { "lan1" };
            assert_eq!(answer, Some(router.index(name)), "{address}: {text}");
            chosen.insert(answer);
        }
        assert_eq!(chosen, BTreeSet::from([lan0, lan1]));
    });
}

#[test]
fn local_groups_are_followed() {
    let network = Network::new();
    let router = network.namespace("router");
    let host = network.host("host", [10, 1, 1, 2], &router, "lan0");
    let eth0 = host.namespace().index("eth0");
    let [any, some, early] = [1, 2, 3].map(|last| Ipv4Addr::new(239, 1, 1, last));
    let _early = host.join(early);
    inside(host.namespace(), async || {
        let mut groups = netlink::watch_local_groups().await.expect("the groups");
        assert_eq!(
            *groups.borrow_and_update().as_ref(),
            LocalGroups::from([(eth0, early)]),
            "224.0.0.1 is left out"
        );
        let mut expect = async |wanted: &[Ipv4Addr]| {
            let wanted: LocalGroups = wanted.iter().map(|group| (eth0, *group)).collect();
            let is_right = |now: &LocalGroups| (*now == wanted).then_some(());
            until(&format!("{wanted:?}"), &mut groups, is_right).await;
        };
        let membership = host.join(any);
        expect(&[any, early]).await;
        let of_a_source = host.join_source(some, [192, 0, 2, 1].into());
        expect(&[any, some, early]).await;
        drop(membership);
        expect(&[some, early]).await;
        let many: Vec<_> = (0..1_000)
            .map(|number| Ipv4Addr::from((232 << 24) + 256 + number))
            .collect();
        let membership = host.join_all(many.iter().copied());
        expect(&[many.as_slice(), &[some, early]].concat()).await;
        drop((membership, of_a_source));
        expect(&[early]).await;
        router.ip("link delete lan0");
        expect(&[]).await;
    });
}

// Half of them may take longer, because the machine may be busy with other things.
#[test]
fn a_local_group_is_seen_within_50_ms() {
    let network = Network::new();
    let router = network.namespace("router");
    let host = network.host("host", [10, 1, 1, 2], &router, "lan0");
    let eth0 = host.namespace().index("eth0");
    inside(host.namespace(), async || {
        let mut groups = netlink::watch_local_groups().await.expect("the groups");
        let mut delays = Vec::new();
        for last in 1..=15 {
            let group = Ipv4Addr::new(239, 1, 1, last);
            let start = Instant::now();
            let membership = host.join(group);
            let is_there = |now: &LocalGroups| now.contains(&(eth0, group)).then_some(());
            until("the group", &mut groups, is_there).await;
            delays.push(start.elapsed());
            drop(membership);
            let is_gone = |now: &LocalGroups| now.is_empty().then_some(());
            until("it to be gone", &mut groups, is_gone).await;
        }
        delays.sort_unstable();
        let median = delays[delays.len() / 2];
        println!("a join is seen after {median:?} (median)");
        assert!(median < Duration::from_millis(50), "{delays:?}");
    });
}
