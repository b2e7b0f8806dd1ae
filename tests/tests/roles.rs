//! A router that changes its role by a reload: proxy, PIM router, neither, while a member stays and a sender goes on. The other
//! router serves proxies and PIM neighbors alike.

use std::net::Ipv4Addr;

use tests::{
    Host, Igmpd, PATIENCE, Topology,
    json::Route,
    stream::{Receiver, Sender},
    topology::{Router, end},
    wait_for,
};

const RP: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);
const UPSTREAM: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

/// What every configuration here has, whatever the role.
const IGMP: &str =
    "[igmp]\nquery-max-response-time = 1\nlast-member-query-interval = 0.1\n[interfaces.lan0]\nigmp = {}\n";
const PROXY: &str = "[interfaces.core0]\nproxy-upstream = true\n";
const PIM: &str = "[interfaces.core0.pim]\nhello-interval = 1\n\
                   [pim]\nstatic-rp = [{ address = \"10.9.9.9\", groups = [\"239.0.0.0/8\"] }]\n";
const NEITHER: &str = "[interfaces.core0]\n";

/// sender (10.2.0.2) - upstream, which is the RP - router - member (10.1.0.2).
struct Roles {
    igmpd: Igmpd,
    upstream: Igmpd,
    receiver: Receiver,
    sender: Sender,
    _hosts: [Host; 2],
    _routers: [Router; 2],
    _topology: Topology,
}

impl Roles {
    #[track_caller]
    fn new(role: &str) -> Self {
        let mut topology = Topology::new();
        let beyond = topology.router("upstream");
        let router = topology.router("router");
        let source = topology.host("sender", [10, 2, 0, 2], end(&beyond, "src0", [10, 2, 0, 1]));
        topology.link(end(&beyond, "down0", UPSTREAM), end(&router, "core0", ROUTER));
        let member = topology.host("member", [10, 1, 0, 2], end(&router, "lan0", [10, 1, 0, 1]));
        beyond.loopback(RP);
        router.routes(&[("10.9.9.9/32", UPSTREAM), ("10.2.0.0/24", UPSTREAM)]);
        let config = format!("{IGMP}[interfaces.src0]\n[interfaces.down0]\nigmp = {{}}\n{PIM}")
            .replace("core0", "down0")
            .replace("[interfaces.lan0]\nigmp = {}\n", "");
        let upstream = Igmpd::start(&topology.network, &beyond, &config);
        let igmpd = Igmpd::start(&topology.network, &router, &format!("{IGMP}{role}"));
        upstream.wait_up(&["src0", "down0"]);
        igmpd.wait_up(&["core0", "lan0"]);
        let receiver = Receiver::new(&member);
        receiver.join(GROUP);
        igmpd.wait_joined("lan0", GROUP);
        Self {
            receiver,
            sender: Sender::new(&source, GROUP),
            igmpd,
            upstream,
            _hosts: [source, member],
            _routers: [beyond, router],
            _topology: topology,
        }
    }

    /// Puts the router into another role.
    #[track_caller]
    fn reload(&self, role: &str) {
        self.igmpd.paths().configure(&format!("{IGMP}{role}"));
        let output = self.igmpd.control(&["reload"]);
        assert!(output.status.success(), "{output:?}");
    }

    /// Waits until the group is asked for in this way, and data arrives at the member again; then none is lost or doubled.
    #[track_caller]
    fn wait_role(&mut self, protocol: &str) {
        self.igmpd
            .wait_join("to be joined", PATIENCE, ("*", GROUP), |join| {
                join.is_some_and(|join| join.protocol == protocol && join.state == "joined")
            });
        let Self { sender, receiver, .. } = self;
        let first = sender.sent().end;
        let got = |sender: &Sender| receiver.arrivals(sender.stream(), sender.source(), GROUP);
        wait_for("data to arrive", PATIENCE, || {
            sender.send();
            let all = got(sender).all;
            if all.iter().any(|(sequence, _)| *sequence >= first) {
                Ok(())
            } else {
                Err(format!("{} packets", all.len()))
            }
        });
        // The way of a source may change once more when its first packet has come.
        let settled = sender.send_many(20).end - 1;
        receiver.wait_past(sender.stream(), sender.source(), GROUP, settled);
        let sent = sender.send_many(100);
        receiver.wait_past(sender.stream(), sender.source(), GROUP, sent.end - 1);
        let mut arrived = got(sender);
        arrived.all.retain(|(sequence, _)| sent.contains(sequence));
        arrived.assert_exactly("the member", sent);
    }

    fn any_source(&self) -> Option<Route> {
        self.igmpd.route("*", GROUP)
    }
}

#[test]
fn a_proxy_becomes_a_pim_router_and_a_proxy_again() {
    let mut roles = Roles::new(PROXY);
    roles.wait_role("igmp-proxy");
    assert!(roles.igmpd.interface("core0").proxy_upstream);
    roles.upstream.wait_joined("down0", GROUP);

    roles.reload(PIM);
    roles.igmpd.wait_neighbors("core0", PATIENCE, &[UPSTREAM]);
    roles.upstream.wait_neighbors("down0", PATIENCE, &[ROUTER]);
    roles.wait_role("pim");
    let route = roles.any_source().expect("a route");
    assert_eq!(route.incoming_interface.as_deref(), Some("core0"), "{route:?}");
    assert_eq!(route.outgoing_interface, ["lan0"], "{route:?}");
    assert!(!roles.igmpd.interface("core0").proxy_upstream);
    // The host side has said that it leaves.
    roles.upstream.wait_left("down0", GROUP, PATIENCE);

    roles.reload(PROXY);
    roles.wait_role("igmp-proxy");
    // A goodbye, and not the end of a hold time.
    roles.upstream.wait_neighbors("down0", PATIENCE, &[]);
    assert!(roles.igmpd.neighbors().is_empty());
    roles.igmpd.stop();
}

#[test]
fn pim_is_switched_on_and_off() {
    let mut roles = Roles::new(NEITHER);
    assert!(roles.igmpd.joins().is_empty());
    assert_eq!(roles.igmpd.interface("core0").pim, None);
    let route = roles.any_source().expect("a route of the IGMP router");
    assert_eq!(route.outgoing_interface, ["lan0"]);

    roles.reload(PIM);
    roles.igmpd.wait_neighbors("core0", PATIENCE, &[UPSTREAM]);
    roles.wait_role("pim");
    let pim = roles.igmpd.pim("core0");
    assert_eq!((pim.address, pim.dr), (Some(ROUTER), Some(ROUTER)));
    assert!(pim.is_dr && pim.neighbors_count == 1);

    roles.reload(NEITHER);
    assert!(roles.igmpd.joins().is_empty() && roles.igmpd.neighbors().is_empty());
    assert_eq!(roles.igmpd.interface("core0").pim, None);
    roles.upstream.wait_neighbors("down0", PATIENCE, &[]);
    let route = roles.any_source().expect("a route of the IGMP router again");
    assert_eq!(route.outgoing_interface, ["lan0"]);
    roles.igmpd.stop();
}
