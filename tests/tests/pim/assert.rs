//! Two routers that both send to one LAN, because routers further down have asked one of them each: an Assert decides
//! (RFC 7761 §4.6).

use std::{net::Ipv4Addr, time::Duration};

use tests::{
    Frr, Host, Igmpd, PATIENCE, Packet, RawSocket, Switch, Topology,
    pim::{ASSERT, Group, SPARSE, encoded_unicast, join_prune, message, plain_hello},
    stream::{Sender, Station, Tap},
    topology::{Router, end},
    wait_for,
};

use crate::{
    chain::{
        GROUP, PEER, RP, SOURCE, SSM, defaults, frr_defaults, frr_interface, wait_arrived, wait_seen, within,
    },
    scene::Scene,
};

/// Packets in one go.
const PACKETS: u64 = 200;
/// The two routers on the LAN that lead to the source: the one under test, and the other.
const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 50, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 50, 1);
/// Those further down.
const BELOW: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 50, 11), Ipv4Addr::new(10, 0, 50, 12)];

/// A sender behind FRR, the RP; a network with it and two more routers; a LAN of these two and two of FRR, each of which has
/// one of the two as its way to everything; and a member behind each of those.
struct Diamond {
    members: [Station; 2],
    /// What goes over the LAN in the middle.
    lan: Tap,
    sender: Sender,
    source_host: Host,
    up: Frr,
    below: [Frr; 2],
    ours: Router,
    other: Router,
    _routers: [Router; 3],
    _switches: [Switch; 2],
    topology: Topology,
}

impl Diamond {
    #[track_caller]
    fn new(other: impl FnOnce(&Topology) -> Router) -> Self {
        let mut topology = Topology::new();
        let (core, lan) = (topology.network.switch("core"), topology.network.switch("lan"));
        let (up, left, right) = (
            topology.peer("above"),
            topology.peer("left"),
            topology.peer("right"),
        );
        let (ours, other) = (topology.router("ours"), other(&topology));
        let sender = topology.host("sender", SOURCE.octets(), end(&up, "src0", [10, 10, 0, 1]));
        topology.plug(&core, "above", end(&up, "core0", PEER));
        up.loopback(RP);
        for (router, role, core_address, address) in [
            (&ours, "ours", [10, 0, 12, 12], OURS),
            (&other, "other", [10, 0, 12, 11], OTHER),
        ] {
            topology.plug(&core, role, end(router, "core0", core_address));
            topology.plug(&lan, role, end(router, "lan0", address));
            router.routes(&[("10.10.0.0/24", PEER), ("10.9.9.9/32", PEER)]);
        }
        let mut below = |router: &Router, role: &str, number: u8, via: Ipv4Addr| {
            topology.plug(&lan, role, end(router, "up0", [10, 0, 50, 10 + number]));
            router.routes(&[("10.10.0.0/24", via), ("10.9.9.9/32", via)]);
            let router = end(router, "lan0", [10, 1, number, 1]);
            Station::new(topology.host(&format!("host{number}"), [10, 1, number, 2], router))
        };
        let members = [below(&left, "left", 1, OURS), below(&right, "right", 2, OTHER)];
        let start = |router: &Router, names: &[&str], rest: &str| {
            let interfaces: String = names.iter().map(|name| frr_interface(name)).collect();
            let config = format!("{}{interfaces}{rest}", frr_defaults());
            Frr::start(&topology.network, router, &config)
        };
        let frr_up = start(&up, &["lo", "src0", "core0"], "");
        let member_side = "interface lan0\n ip igmp\n ip pim\n";
        let frr_below = [&left, &right].map(|router| start(router, &["up0"], member_side));
        Self {
            members,
            lan: Tap::open(lan.namespace(), "br0"),
            sender: Sender::new(&sender, SSM),
            source_host: sender,
            up: frr_up,
            below: frr_below,
            ours,
            other,
            _routers: [up, left, right],
            _switches: [core, lan],
            topology,
        }
    }

    /// Starts a router under test.
    #[track_caller]
    fn igmpd(&self, router: &Router) -> Igmpd {
        let config = format!(
            "{}
[interfaces.core0.pim]
hello-interval = 1
[interfaces.lan0.pim]
hello-interval = 1
",
            defaults("immediate")
        );
        Igmpd::start_on(&self.topology.network, router, &["core0", "lan0"], &config)
    }

    /// Waits until all routers on the LAN know each other.
    #[track_caller]
    fn wait_neighbors(&self, agents: &[(&Igmpd, Ipv4Addr)]) {
        for (igmpd, others) in agents {
            igmpd.wait_neighbors("lan0", PATIENCE, &[*others, BELOW[0], BELOW[1]]);
        }
        self.below[0].wait_neighbors("up0", PATIENCE, &[OTHER, OURS, BELOW[1]]);
        self.below[1].wait_neighbors("up0", PATIENCE, &[OTHER, OURS, BELOW[0]]);
        let both = [[10, 0, 12, 11].into(), [10, 0, 12, 12].into()];
        self.up.wait_neighbors("core0", PATIENCE, &both);
    }

    /// How many Asserts were sent to the LAN by a router under test.
    fn asserts(&self, router: &Router) -> usize {
        let link = format!("lan0 of {}", router.name());
        self.topology.recording.pim(&link, ASSERT).len()
    }

    /// Sends until each packet goes over the LAN once, and then some more, each of which both members must get once.
    #[track_caller]
    fn assert_one_forwarder(&mut self) {
        let group = self.sender.group();
        let both_sent = |it: &Self| {
            let all = it.lan.arrivals(it.sender.stream(), SOURCE, group);
            !all.duplicates().is_empty()
        };
        wait_for("one forwarder", PATIENCE, || {
            let sent = self.sender.send_many(10);
            std::thread::sleep(Duration::from_millis(100));
            let on_lan = within(
                self.lan.arrivals(self.sender.stream(), SOURCE, group),
                sent.clone(),
            );
            let faults: String = self
                .members
                .iter()
                .map(|member| within(member.got(&self.sender), sent.clone()).faults(sent.clone()))
                .chain([on_lan.faults(sent.clone())])
                .collect();
            if faults.is_empty() { Ok(()) } else { Err(faults) }
        });
        assert!(both_sent(self), "both sent before they knew of each other");
        let sent = self.sender.send_many(PACKETS);
        for (member, name) in self.members.iter().zip(["left", "right"]) {
            wait_arrived(member, &self.sender, sent.end - 1);
            within(member.got(&self.sender), sent.clone()).assert_exactly(name, sent.clone());
        }
        wait_seen(&self.lan, &self.sender, sent.end - 1);
        let on_lan = self.lan.arrivals(self.sender.stream(), SOURCE, group);
        within(on_lan, sent.clone()).assert_exactly("the LAN", sent);
    }
}

/// Waits until a router under test has joined.
#[track_caller]
fn wait_joined(igmpd: &Igmpd, source: &str, group: Ipv4Addr) {
    igmpd.wait_join("to be joined", PATIENCE, (source, group), |join| {
        join.is_some_and(|join| join.state == "joined")
    });
}

#[test]
fn two_routers_end_with_one_forwarder() {
    let mut diamond = Diamond::new(|topology| topology.router("other"));
    let (ours, other) = (diamond.igmpd(&diamond.ours), diamond.igmpd(&diamond.other));
    diamond.wait_neighbors(&[(&ours, OTHER), (&other, OURS)]);
    let source = SOURCE.to_string();
    for member in &diamond.members {
        member.receiver.join_source(SSM, SOURCE);
    }
    for igmpd in [&ours, &other] {
        wait_joined(igmpd, &source, SSM);
    }
    diamond.assert_one_forwarder();
    assert!(diamond.asserts(&diamond.ours) > 0, "the higher address wins");

    for member in &diamond.members {
        member.receiver.leave_source(SSM, SOURCE);
    }
    diamond.up.wait_pruned("core0", &source, SSM, PATIENCE);
    for igmpd in [&ours, &other] {
        igmpd.wait_join("not to be joined", PATIENCE, (&source, SSM), |join| {
            join.is_none()
        });
    }
}

/// The same on the shared tree, and then on that of the source.
#[test]
fn two_routers_end_with_one_forwarder_of_any_source() {
    let mut diamond = Diamond::new(|topology| topology.router("other"));
    let (ours, other) = (diamond.igmpd(&diamond.ours), diamond.igmpd(&diamond.other));
    diamond.wait_neighbors(&[(&ours, OTHER), (&other, OURS)]);
    diamond.sender = Sender::new(&diamond.source_host, GROUP);
    for member in &diamond.members {
        member.receiver.join(GROUP);
    }
    for igmpd in [&ours, &other] {
        wait_joined(igmpd, "*", GROUP);
    }
    diamond.assert_one_forwarder();
    for member in &diamond.members {
        member.receiver.leave(GROUP);
    }
    diamond.up.wait_pruned("core0", "*", GROUP, PATIENCE);
}

/// FRR 8.4 answers data on an outgoing interface only after it has set its SPT bit, which may take minutes; it does obey
/// Asserts, and with the lower address and equal metrics it has to (RFC 7761 §4.6.3).
#[test]
fn frr_obeys_an_assert() {
    let mut diamond = Diamond::new(|topology| topology.peer("other"));
    let interfaces: String = ["core0", "lan0"].map(frr_interface).concat();
    let config = format!("{}{interfaces}", frr_defaults());
    let other = Frr::start(&diamond.topology.network, &diamond.other, &config);
    let ours = diamond.igmpd(&diamond.ours);
    diamond.wait_neighbors(&[(&ours, OTHER)]);
    let source = SOURCE.to_string();
    for member in &diamond.members {
        member.receiver.join_source(SSM, SOURCE);
    }
    wait_joined(&ours, &source, SSM);
    other.wait_joined("lan0", &source, SSM);
    diamond.assert_one_forwarder();
    assert!(diamond.asserts(&diamond.ours) > 0);
}

/// A neighbor with a better way to the source asserts (RFC 7761 §4.6): the router stops sending there, and asks that one, as
/// those below do; when the neighbor takes it back, the router sends again.
#[test]
fn a_better_assert_silences_until_it_is_cancelled() {
    let scene = Scene::new("");
    let topology = &scene.chain.topology;
    let below = topology.peer("below");
    topology.network.link(&scene.chain.router, "down0", &below, "up0");
    scene.chain.router.address("down0", [10, 0, 23, 1].into(), 24);
    below.address("up0", [10, 0, 23, 2].into(), 24);
    let config = format!(
        "{}[interfaces.down0.pim]\nhello-interval = 1\n",
        scene.chain.config("immediate")
    );
    scene.igmpd.paths().configure(&config);
    let output = scene.igmpd.control(&["reload"]);
    assert!(output.status.success(), "{output:?}");
    scene.igmpd.wait_up(&["down0"]);
    let raw = RawSocket::open(&below, "up0");
    let (asker, better) = (Ipv4Addr::new(10, 0, 23, 2), Ipv4Addr::new(10, 0, 23, 3));
    for address in [asker, better] {
        raw.send(&Packet::pim(address, plain_hello(600, 7)));
    }
    scene.igmpd.wait_neighbors("down0", PATIENCE, &[asker, better]);
    let tap = Tap::open(&below, "up0");
    let group = Group::new(SSM).join(SPARSE, SOURCE);
    raw.send(&Packet::pim(
        asker,
        join_prune([10, 0, 23, 1].into(), 600, &[group]),
    ));
    let outgoing = |expected: &[&str]| {
        wait_for(&format!("the group to go to {expected:?}"), PATIENCE, || {
            let route = scene.igmpd.route(&SOURCE.to_string(), SSM);
            match &route {
                Some(found) if found.outgoing_interface == expected => Ok(()),
                _ => Err(format!("{route:?}")),
            }
        });
    };
    outgoing(&["down0", "lan1"]);
    let mut sender = scene.chain.send_to(SSM);
    sender.send_many(20);
    wait_seen(&tap, &sender, 19);

    let assert = |metric: [u8; 8]| {
        let mut body = Group::new(SSM).encoded.to_vec();
        body.extend(encoded_unicast(SOURCE));
        body.extend(metric);
        Packet::pim(better, message(ASSERT, &body))
    };
    // Metric preference 0 and metric 0 with the higher address: nobody is better.
    raw.send(&assert([0; 8]));
    outgoing(&["lan1"]);
    let silent = sender.send_many(20);
    scene.chain.settle();
    assert_eq!(
        within(tap.arrivals(sender.stream(), SOURCE, SSM), silent).count(),
        0
    );
    // An AssertCancel (RFC 7761 §4.6.4): all ones, with the RPT bit.
    raw.send(&assert([0xff; 8]));
    outgoing(&["down0", "lan1"]);
    let last = sender.send_many(20).end - 1;
    wait_seen(&tap, &sender, last);
}
