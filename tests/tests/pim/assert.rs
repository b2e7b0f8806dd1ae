//! Two routers that both send to one LAN, because routers further down have asked one of them each: an Assert decides
//! (RFC 7761 §4.6).

use std::{net::Ipv4Addr, time::Duration};

use tests::{
    Frr, Igmpd, PATIENCE, Topology,
    frr::Channel,
    stream::{Sender, Station, Tap},
    topology::{Router, end},
    wait_for,
};

use crate::chain::{GROUP, PEER, RP, SOURCE, SSM, defaults, frr_defaults, frr_interface, within};

/// Packets in one go.
const PACKETS: u64 = 200;
/// The two routers on the LAN that lead to the source: the one under test, and FRR.
const OURS: Ipv4Addr = Ipv4Addr::new(10, 0, 50, 1);
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 0, 50, 2);

/// Those further down.
const BELOW: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 50, 11), Ipv4Addr::new(10, 0, 50, 12)];

/// A sender behind FRR, the RP; a network with it, the router under test and another FRR; a LAN of these two and two more
/// of FRR, each of which has one of the two as its way to everything; and a member behind each of those.
struct Diamond {
    members: [Station; 2],
    /// What goes over the LAN in the middle.
    lan: Tap,
    sender: Sender,
    source_host: tests::Host,
    up: Frr,
    theirs: Frr,
    below: [Frr; 2],
    ours: Router,
    _routers: [Router; 4],
    _switches: [tests::Switch; 2],
    topology: Topology,
}

impl Diamond {
    #[track_caller]
    fn new() -> Self {
        let mut topology = Topology::new();
        let (core, lan) = (topology.network.switch("core"), topology.network.switch("lan"));
        let (up, theirs) = (topology.peer("up"), topology.peer("theirs"));
        let (left, right) = (topology.peer("left"), topology.peer("right"));
        let ours = topology.router("ours");
        let sender = topology.host("sender", SOURCE.octets(), end(&up, "src0", [10, 10, 0, 1]));
        topology.plug(&core, "above", end(&up, "core0", PEER));
        up.loopback(RP);
        for (router, role, core_address, address) in [
            (&ours, "ours", [10, 0, 12, 11], OURS),
            (&theirs, "theirs", [10, 0, 12, 12], THEIRS),
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
        let members = [below(&left, "left", 1, OURS), below(&right, "right", 2, THEIRS)];
        let start = |router: &Router, names: &[&str], rest: &str| {
            let interfaces: String = names.iter().map(|name| frr_interface(name)).collect();
            let config = format!("{}{interfaces}{rest}", frr_defaults());
            Frr::start(&topology.network, router, &config)
        };
        let frr_up = start(&up, &["lo", "src0", "core0"], "");
        let frr_theirs = start(&theirs, &["core0", "lan0"], "");
        let member_side = "interface lan0\n ip igmp\n ip pim\n";
        let frr_below = [&left, &right].map(|router| start(router, &["up0"], member_side));
        Self {
            members,
            lan: Tap::open(lan.namespace(), "br0"),
            sender: Sender::new(&sender, SSM),
            source_host: sender,
            up: frr_up,
            theirs: frr_theirs,
            below: frr_below,
            ours,
            _routers: [up, theirs, left, right],
            _switches: [core, lan],
            topology,
        }
    }

    /// Starts the router under test.
    #[track_caller]
    fn igmpd(&self) -> Igmpd {
        let config = format!(
            "{}
[interfaces.core0.pim]
hello-interval = 1
[interfaces.lan0.pim]
hello-interval = 1
",
            defaults("immediate")
        );
        let igmpd = Igmpd::start_on(&self.topology.network, &self.ours, &["core0", "lan0"], &config);
        igmpd.wait_neighbors("core0", PATIENCE, &[PEER, [10, 0, 12, 12].into()]);
        igmpd.wait_neighbors("lan0", PATIENCE, &[THEIRS, BELOW[0], BELOW[1]]);
        igmpd
    }

    /// Waits until all routers on the LAN know each other.
    #[track_caller]
    fn wait_neighbors(&self) {
        self.theirs
            .wait_neighbors("lan0", PATIENCE, &[OURS, BELOW[0], BELOW[1]]);
        self.below[0].wait_neighbors("up0", PATIENCE, &[OURS, THEIRS, BELOW[1]]);
        self.below[1].wait_neighbors("up0", PATIENCE, &[OURS, THEIRS, BELOW[0]]);
        self.up.wait_neighbors(
            "core0",
            PATIENCE,
            &[[10, 0, 12, 11].into(), [10, 0, 12, 12].into()],
        );
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
            member
                .receiver
                .wait_past(self.sender.stream(), SOURCE, group, sent.end - 1);
            within(member.got(&self.sender), sent.clone()).assert_exactly(name, sent.clone());
        }
        within(
            self.lan.arrivals(self.sender.stream(), SOURCE, group),
            sent.clone(),
        )
        .assert_exactly("the LAN", sent);
    }
}

#[test]
fn an_assert_ends_with_one_forwarder() {
    let mut diamond = Diamond::new();
    let igmpd = diamond.igmpd();
    diamond.wait_neighbors();
    let source = SOURCE.to_string();
    for member in &diamond.members {
        member.receiver.join_source(SSM, SOURCE);
    }
    // Each of the two was asked by one of those below.
    igmpd.wait_join("to be joined", PATIENCE, (&source, SSM), |join| {
        join.is_some_and(|join| join.state == "joined")
    });
    diamond.theirs.wait_joined("lan0", &source, SSM);
    diamond.up.wait_joined("core0", &source, SSM);
    diamond.assert_one_forwarder();
    let link = format!("lan0 of {}", diamond.ours.name());
    assert!(
        !diamond.topology.recording.pim(&link, 5).is_empty(),
        "an Assert was sent"
    );

    for member in &diamond.members {
        member.receiver.leave_source(SSM, SOURCE);
    }
    diamond.up.wait_pruned("core0", &source, SSM, PATIENCE);
}

/// The same on the shared tree, which Asserts for the source's own tree follow on.
#[test]
fn an_assert_for_a_group_of_any_source() {
    let mut diamond = Diamond::new();
    let igmpd = diamond.igmpd();
    diamond.wait_neighbors();
    diamond.sender = Sender::new(&diamond.source_host, GROUP);
    for member in &diamond.members {
        member.receiver.join(GROUP);
    }
    igmpd.wait_join("to be joined", PATIENCE, ("*", GROUP), |join| {
        join.is_some_and(|join| join.state == "joined")
    });
    diamond.theirs.wait_joined("lan0", "*", GROUP);
    diamond.assert_one_forwarder();
    for member in &diamond.members {
        member.receiver.leave(GROUP);
    }
    diamond.up.wait_pruned("core0", "*", GROUP, PATIENCE);
    let channels = diamond.up.channels();
    assert!(!channels.iter().any(Channel::is_joined), "{channels:?}");
}

/// FRR in the router's place: what fails here is no fault of ours.
#[test]
fn frr_ends_with_one_forwarder() {
    let mut diamond = Diamond::new();
    let interfaces: String = ["core0", "lan0"].map(frr_interface).concat();
    let config = format!("{}{interfaces}", frr_defaults());
    let _ours = Frr::start(&diamond.topology.network, &diamond.ours, &config);
    diamond.wait_neighbors();
    for member in &diamond.members {
        member.receiver.join_source(SSM, SOURCE);
    }
    diamond.theirs.wait_joined("lan0", &SOURCE.to_string(), SSM);
    diamond.assert_one_forwarder();
}
