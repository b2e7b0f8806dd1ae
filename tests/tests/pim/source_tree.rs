//! The switch from the RP's tree to the source's own (RFC 7761 §4.2.1), where the RP is not on the way to the source.

use std::net::Ipv4Addr;

use tests::{
    Frr, Host, Igmpd, PATIENCE, Topology,
    frr::Channel,
    stream::{Arrivals, Sender, Station, Tap},
    topology::{Router, end},
    wait_for,
};

use crate::chain::{
    GROUP, RP, SOURCE, SSM, defaults, frr_defaults, frr_interface, wait_arrived, wait_seen, within,
};

/// FRR's address on the link between the RP and the router.
const RP_CORE: Ipv4Addr = Ipv4Addr::new(10, 0, 13, 1);
/// FRR's address on the link between the source's first router and this one.
const FIRST_CORE: Ipv4Addr = Ipv4Addr::new(10, 0, 23, 1);
/// Packets in one go.
const PACKETS: u64 = 200;

/// A sender behind FRR, which registers it with another FRR, the RP. The router has a link to each of them: `rp0` is the
/// way to the RP, `first0` that to the source.
pub(crate) struct Triangle {
    pub(crate) station: Station,
    pub(crate) rp: Frr,
    pub(crate) first: Frr,
    /// The link to the RP.
    pub(crate) shared: Tap,
    /// The link to the source's first router.
    pub(crate) own: Tap,
    pub(crate) sender: Sender,
    sender_host: Host,
    pub(crate) router: Router,
    pub(crate) topology: Topology,
    _peers: [Router; 2],
}

impl Triangle {
    #[track_caller]
    pub(crate) fn new() -> Self {
        let mut topology = Topology::new();
        let (rp, first) = (topology.peer("rp"), topology.peer("first"));
        let router = topology.router("router");
        let sender = topology.host("sender", SOURCE.octets(), end(&first, "src0", [10, 10, 0, 1]));
        topology.link(
            end(&rp, "first0", [10, 0, 12, 1]),
            end(&first, "rp0", [10, 0, 12, 2]),
        );
        topology.link(end(&rp, "core0", RP_CORE), end(&router, "rp0", [10, 0, 13, 2]));
        topology.link(
            end(&first, "core0", FIRST_CORE),
            end(&router, "first0", [10, 0, 23, 2]),
        );
        let host = topology.host("host", [10, 1, 1, 2], end(&router, "lan1", [10, 1, 1, 1]));
        rp.loopback(RP);
        rp.routes(&[("10.10.0.0/24", [10, 0, 12, 2].into())]);
        first.routes(&[("10.9.9.9/32", [10, 0, 12, 1].into())]);
        router.routes(&[("10.9.9.9/32", RP_CORE), ("10.10.0.0/24", FIRST_CORE)]);
        let start = |router: &Router, names: &[&str]| {
            let interfaces: String = names.iter().map(|name| frr_interface(name)).collect();
            Frr::start(
                &topology.network,
                router,
                &format!("{}{interfaces}", frr_defaults()),
            )
        };
        let frr_rp = start(&rp, &["lo", "first0", "core0"]);
        let frr_first = start(&first, &["src0", "rp0", "core0"]);
        frr_rp.wait_neighbors("first0", PATIENCE, &[[10, 0, 12, 2].into()]);
        frr_first.wait_neighbors("rp0", PATIENCE, &[[10, 0, 12, 1].into()]);
        Self {
            station: Station::new(host),
            shared: Tap::open_both(&rp, "core0"),
            own: Tap::open_both(&first, "core0"),
            sender: Sender::new(&sender, GROUP),
            sender_host: sender,
            rp: frr_rp,
            first: frr_first,
            router,
            topology,
            _peers: [rp, first],
        }
    }

    #[track_caller]
    fn igmpd(&self, spt_switchover: &str) -> Igmpd {
        self.igmpd_with("", &["rp0", "first0", "lan1"], spt_switchover)
    }

    /// The same with these keys before all tables, and XDP on these interfaces.
    #[track_caller]
    pub(crate) fn igmpd_with(&self, keys: &str, xdp: &[&str], spt_switchover: &str) -> Igmpd {
        let config = format!(
            "{keys}{}
[interfaces.rp0.pim]
hello-interval = 1
[interfaces.first0.pim]
hello-interval = 1
[interfaces.lan1]
igmp = {{}}
",
            defaults(spt_switchover)
        );
        let igmpd = Igmpd::start_on(&self.topology.network, &self.router, xdp, &config);
        igmpd.wait_neighbors("rp0", PATIENCE, &[RP_CORE]);
        igmpd.wait_neighbors("first0", PATIENCE, &[FIRST_CORE]);
        self.rp
            .wait_neighbors("core0", PATIENCE, &[[10, 0, 13, 2].into()]);
        self.first
            .wait_neighbors("core0", PATIENCE, &[[10, 0, 23, 2].into()]);
        igmpd
    }

    /// Sends packet by packet until a condition holds.
    #[track_caller]
    pub(crate) fn send_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        wait_for(what, PATIENCE, || {
            self.sender.send();
            if is_so(self) {
                Ok(())
            } else {
                let [host, shared, own] = self.counts();
                Err(format!(
                    "{host} packets at the host, {shared} from the RP, {own} from the source's router; {:?} {:?}",
                    self.rp.channels(),
                    self.first.channels()
                ))
            }
        });
    }

    fn counts(&self) -> [usize; 3] {
        [
            self.station.got(&self.sender),
            self.seen(&self.shared),
            self.seen(&self.own),
        ]
        .map(|arrivals| arrivals.count())
    }

    fn seen(&self, tap: &Tap) -> Arrivals {
        tap.arrivals(self.sender.stream(), SOURCE, self.sender.group())
    }

    /// Sends some packets and sees that the host gets each of them once, and over which links they came.
    #[track_caller]
    pub(crate) fn assert_way(&mut self, over_shared: bool, over_own: bool) {
        let sent = self.sender.send_many(PACKETS);
        wait_arrived(&self.station, &self.sender, sent.end - 1);
        within(self.station.got(&self.sender), sent.clone()).assert_exactly("the receiver", sent.clone());
        within(self.station.saw(&self.sender), sent.clone()).assert_exactly("the host's link", sent.clone());
        for (name, tap, is_way) in [
            ("the RP's link", &self.shared, over_shared),
            ("the link of the source's router", &self.own, over_own),
        ] {
            let expected = if is_way {
                wait_seen(tap, &self.sender, sent.end - 1);
                sent.clone()
            } else {
                sent.start..sent.start
            };
            within(self.seen(tap), sent.clone()).assert_exactly(name, expected);
        }
    }
}

#[test]
fn the_first_packet_moves_a_source_to_its_own_tree() {
    let mut triangle = Triangle::new();
    let mut igmpd = triangle.igmpd("immediate");
    let source = SOURCE.to_string();
    triangle.station.receiver.join(GROUP);
    triangle.rp.wait_joined("core0", "*", GROUP);
    let joins = igmpd.joins();
    assert!(
        joins.iter().all(|join| join.source_address == "*"),
        "nobody knows of the source yet: {joins:?}"
    );
    triangle.send_until("data on the source's own tree", |it| {
        it.first
            .channels()
            .iter()
            .any(|channel| channel.group == GROUP && channel.is_joined())
            && it.seen(&it.own).count() > 0
    });
    igmpd.wait_join("to be joined", PATIENCE, (&source, GROUP), |join| {
        join.is_some_and(|join| {
            join.state == "joined"
                && join.interface_name.as_deref() == Some("first0")
                && join.upstream_neighbor == Some(FIRST_CORE)
        })
    });
    // Now that the data comes over the source's own tree, the RP is told not to send it (RFC 7761 §4.5.6).
    triangle.send_until("the RP to be told", |it| {
        it.rp.channels().iter().any(|channel| {
            channel.interface == "core0" && channel.source == SOURCE.to_string() && channel.is_rpt_pruned()
        })
    });
    triangle.rp.wait_joined("core0", "*", GROUP);
    let route = igmpd.route(&source, GROUP).expect("a route of the source");
    assert_eq!(route.incoming_interface.as_deref(), Some("first0"));
    triangle.assert_way(false, true);

    triangle.station.receiver.leave(GROUP);
    triangle.rp.wait_pruned("core0", "*", GROUP, PATIENCE);
    triangle.first.wait_pruned("core0", &source, GROUP, PATIENCE);
    igmpd.stop();
}

#[test]
fn a_router_that_never_switches_stays_on_the_shared_tree() {
    let mut triangle = Triangle::new();
    let mut igmpd = triangle.igmpd("never");
    triangle.station.receiver.join(GROUP);
    triangle.rp.wait_joined("core0", "*", GROUP);
    triangle.send_until("data on the shared tree", |it| {
        it.station.got(&it.sender).count() > 0 && is_native(&it.rp)
    });
    triangle.assert_way(true, false);
    let joins = igmpd.joins();
    assert!(joins.iter().all(|join| join.source_address == "*"), "{joins:?}");
    let channels = triangle.first.channels();
    assert!(
        channels.iter().all(|channel| channel.interface != "core0"),
        "{channels:?}"
    );
    triangle.station.receiver.leave(GROUP);
    triangle.rp.wait_pruned("core0", "*", GROUP, PATIENCE);
    igmpd.stop();
}

/// Whether the RP gets the source's data as it is, and not in Registers any more.
fn is_native(rp: &Frr) -> bool {
    rp.upstream(&SOURCE.to_string(), GROUP)
        .is_some_and(|upstream| upstream.is_joined && upstream.spt_bit)
}

/// The unicast route to the source moves from one neighbor to another, and back: the one is asked, the other told to stop
/// (RFC 7761 §4.5.5, "RPF'(S,G) changes not due to an Assert").
#[test]
fn joins_follow_the_route_to_the_source() {
    let mut triangle = Triangle::new();
    let mut igmpd = triangle.igmpd("immediate");
    let source = SOURCE.to_string();
    triangle.sender = Sender::new(&triangle.sender_host, SSM);
    triangle.station.receiver.join_source(SSM, SOURCE);
    triangle.first.wait_joined("core0", &source, SSM);
    triangle.send_until("data", |it| it.station.got(&it.sender).count() > 0);
    triangle.assert_way(false, true);
    for (via, is_shared) in [(RP_CORE, true), (FIRST_CORE, false)] {
        triangle.router.routes(&[("10.10.0.0/24", via)]);
        igmpd.wait_join(
            "to be joined at the other one",
            PATIENCE,
            (&source, SSM),
            |join| join.is_some_and(|join| join.state == "joined" && join.upstream_neighbor == Some(via)),
        );
        let (asked, told) = if is_shared {
            (&triangle.rp, &triangle.first)
        } else {
            (&triangle.first, &triangle.rp)
        };
        asked.wait_joined("core0", &source, SSM);
        told.wait_pruned("core0", &source, SSM, PATIENCE);
        let seen = triangle.station.got(&triangle.sender).count();
        triangle.send_until("data over the other link", |it| {
            it.station.got(&it.sender).count() > seen
        });
        triangle.assert_way(is_shared, !is_shared);
    }
    igmpd.stop();
}

/// FRR in the router's place: what fails here is no fault of ours.
#[test]
fn frr_moves_a_source_to_its_own_tree() {
    let mut triangle = Triangle::new();
    let interfaces: String = ["rp0", "first0"].map(frr_interface).concat();
    let config = format!(
        "{}{interfaces}interface lan1\n ip igmp\n ip pim\n",
        frr_defaults()
    );
    let _last = Frr::start(&triangle.topology.network, &triangle.router, &config);
    triangle
        .rp
        .wait_neighbors("core0", PATIENCE, &[[10, 0, 13, 2].into()]);
    triangle
        .first
        .wait_neighbors("core0", PATIENCE, &[[10, 0, 23, 2].into()]);
    triangle.station.receiver.join(GROUP);
    triangle.rp.wait_joined("core0", "*", GROUP);
    triangle.send_until("the RP to be told", |it| {
        it.rp.channels().iter().any(Channel::is_rpt_pruned) && it.seen(&it.own).count() > 0
    });
    triangle.assert_way(false, true);
}
