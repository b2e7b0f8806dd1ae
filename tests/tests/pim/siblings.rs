//! Two routers under test that have the same upstream neighbor on one network, each with a member of its own: what one does
//! not want any more the other one still wants.

use std::net::Ipv4Addr;

use tests::{
    Frr, Host, Igmpd, PATIENCE, Switch, Topology,
    stream::{Sender, Station},
    topology::{Router, end},
    wait_for,
};

use crate::chain::{
    GROUP, PEER, RP, SOURCE, SSM, defaults, frr_defaults, frr_interface, wait_arrived, within,
};

/// Packets a second.
const RATE: u32 = 200;
/// The addresses of the two on the common network.
const LEFT: Ipv4Addr = Ipv4Addr::new(10, 0, 12, 11);
const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 0, 12, 12);

/// A sender behind FRR, the RP; a network of it and two routers under test; and a member behind each of these.
struct Siblings {
    members: [Station; 2],
    agents: [Igmpd; 2],
    up: Frr,
    sender: Host,
    _routers: [Router; 3],
    _core: Switch,
    _topology: Topology,
}

impl Siblings {
    #[track_caller]
    fn new() -> Self {
        let mut topology = Topology::new();
        let core = topology.network.switch("core");
        let up = topology.peer("above");
        let (left, right) = (topology.router("left"), topology.router("right"));
        let sender = topology.host("sender", SOURCE.octets(), end(&up, "src0", [10, 10, 0, 1]));
        topology.plug(&core, "above", end(&up, "core0", PEER));
        up.loopback(RP);
        let mut member = |router: &Router, role: &str, number: u8, address: Ipv4Addr| {
            topology.plug(&core, role, end(router, "core0", address));
            router.routes(&[("10.10.0.0/24", PEER), ("10.9.9.9/32", PEER)]);
            let router = end(router, "lan1", [10, 1, number, 1]);
            Station::new(topology.host(&format!("host{number}"), [10, 1, number, 2], router))
        };
        let members = [member(&left, "left", 1, LEFT), member(&right, "right", 2, RIGHT)];
        let interfaces: String = ["lo", "src0", "core0"].map(frr_interface).concat();
        let frr = Frr::start(&topology.network, &up, &format!("{}{interfaces}", frr_defaults()));
        let config = format!(
            "{}\n[interfaces.core0.pim]\nhello-interval = 1\n[interfaces.lan1]\nigmp = {{}}\n",
            defaults("immediate")
        );
        let agents = [&left, &right]
            .map(|router| Igmpd::start_on(&topology.network, router, &["core0", "lan1"], &config));
        frr.wait_neighbors("core0", PATIENCE, &[LEFT, RIGHT]);
        for (igmpd, other) in agents.iter().zip([RIGHT, LEFT]) {
            igmpd.wait_neighbors("core0", PATIENCE, &[PEER, other]);
        }
        Self {
            members,
            agents,
            up: frr,
            sender,
            _routers: [up, left, right],
            _core: core,
            _topology: topology,
        }
    }

    /// Both members join, one leaves, and the other one gets every packet all the time: its router hears the Prune and
    /// overrides it before FRR's J/P_Override_Interval of 3 s is over (RFC 7761 §4.5.4, §4.5.5).
    #[track_caller]
    fn one_leaves(&self, group: Ipv4Addr, source: &str, join: impl Fn(&Station), leave: impl Fn(&Station)) {
        for (member, igmpd) in self.members.iter().zip(&self.agents) {
            join(member);
            igmpd.wait_join("to be joined", PATIENCE, (source, group), |join| {
                join.is_some_and(|join| join.state == "joined")
            });
        }
        self.up.wait_joined("core0", source, group);
        let mut sender = Sender::new(&self.sender, group);
        wait_for("data to arrive", PATIENCE, || {
            sender.send();
            let counts = [0, 1].map(|number: usize| self.members[number].got(&sender).count());
            if counts.iter().all(|count| *count > 0) {
                Ok(())
            } else {
                Err(format!("{counts:?}"))
            }
        });
        let [leaving, staying] = &self.members;
        let first = sender.send_many(3).end;
        wait_arrived(staying, &sender, first - 1);
        let stream = sender.start(RATE);
        stream.wait_more(u64::from(RATE));
        leave(leaving);
        self.agents[0].wait_join("not to be joined", PATIENCE, (source, group), |join| {
            join.is_none()
        });
        // More than the three seconds after which FRR would stop.
        stream.wait_more(u64::from(RATE) * 5);
        let sender = stream.stop();
        wait_arrived(staying, &sender, sender.sent().end - 1);
        let sent = first..sender.sent().end;
        within(staying.got(&sender), sent.clone()).assert_exactly("who stays", sent.clone());
        within(staying.saw(&sender), sent.clone()).assert_exactly("the link of who stays", sent);
        self.up.wait_joined("core0", source, group);
        leave(staying);
        self.up.wait_pruned("core0", source, group, PATIENCE);
    }
}

#[test]
fn a_prune_is_overridden() {
    let siblings = Siblings::new();
    siblings.one_leaves(
        SSM,
        &SOURCE.to_string(),
        |member| member.receiver.join_source(SSM, SOURCE),
        |member| member.receiver.leave_source(SSM, SOURCE),
    );
    siblings.one_leaves(
        GROUP,
        "*",
        |member| member.receiver.join(GROUP),
        |member| member.receiver.leave(GROUP),
    );
}
