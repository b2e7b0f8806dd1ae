//! The router between two of FRR: what the one below asks for, the one above is asked for.

use std::{net::Ipv4Addr, time::Duration};

use tests::{
    Frr, Host, Igmpd, PATIENCE, Topology,
    stream::{Sender, Station, Tap},
    topology::{Router, end},
    wait_for,
};

use crate::chain::{
    GROUP, PEER, ROUTER, RP, SOURCE, SSM, defaults, frr_defaults, frr_interface, wait_arrived, wait_seen,
    within,
};

/// The router's address towards the FRR below.
const DOWN: Ipv4Addr = Ipv4Addr::new(10, 0, 23, 1);
/// That FRR's address.
const BELOW: Ipv4Addr = Ipv4Addr::new(10, 0, 23, 2);
/// Packets in one go.
const PACKETS: u64 = 100;
/// The hold time of the Joins of the FRR below: 3.5 · 5 s.
const HOLD_TIME: Duration = Duration::from_millis(17_500);
/// How much later something may be noticed on a busy machine.
const SLACK: Duration = Duration::from_secs(6);

/// A sender, FRR, which is the RP, the router, another FRR, and a member.
struct Transit {
    station: Station,
    above: Frr,
    below: Frr,
    /// The link to the FRR above. With the Prune(S,G) before the Prune(*,G), whoever sends them, FRR 8.4 forgets to take the
    /// interface that (S,G) inherited out of its route, so for groups of any source this link is not looked at.
    core: Tap,
    /// The link to the FRR below.
    down: Tap,
    sender: Host,
    router: Router,
    last: Router,
    topology: Topology,
    _peer: Router,
}

impl Transit {
    #[track_caller]
    fn new() -> Self {
        let mut topology = Topology::new();
        let (peer, last) = (topology.peer("above"), topology.peer("below"));
        let router = topology.router("router");
        let sender = topology.host("sender", SOURCE.octets(), end(&peer, "src0", [10, 10, 0, 1]));
        topology.link(end(&peer, "core0", PEER), end(&router, "core0", ROUTER));
        topology.link(end(&router, "down0", DOWN), end(&last, "up0", BELOW));
        let host = topology.host("host", [10, 1, 1, 2], end(&last, "lan1", [10, 1, 1, 1]));
        peer.loopback(RP);
        router.routes(&[("10.10.0.0/24", PEER), ("10.9.9.9/32", PEER)]);
        last.routes(&[("10.10.0.0/24", DOWN), ("10.9.9.9/32", DOWN)]);
        let interfaces: String = ["lo", "src0", "core0"].map(frr_interface).concat();
        let above = Frr::start(
            &topology.network,
            &peer,
            &format!("{}{interfaces}", frr_defaults()),
        );
        let config = format!(
            "{}{}interface lan1\n ip igmp\n ip igmp query-max-response-time 10\n ip pim\n",
            frr_defaults(),
            frr_interface("up0")
        );
        let below = Frr::start(&topology.network, &last, &config);
        Self {
            core: Tap::open_both(&peer, "core0"),
            down: Tap::open(&last, "up0"),
            station: Station::new(host),
            above,
            below,
            sender,
            router,
            last,
            topology,
            _peer: peer,
        }
    }

    #[track_caller]
    fn igmpd(&self) -> Igmpd {
        let config = format!(
            "{}
[interfaces.core0.pim]
hello-interval = 1
[interfaces.down0.pim]
hello-interval = 1
",
            defaults("immediate")
        );
        let igmpd = Igmpd::start_on(&self.topology.network, &self.router, &["core0", "down0"], &config);
        igmpd.wait_neighbors("core0", PATIENCE, &[PEER]);
        igmpd.wait_neighbors("down0", PATIENCE, &[BELOW]);
        self.above.wait_neighbors("core0", PATIENCE, &[ROUTER]);
        self.below.wait_neighbors("up0", PATIENCE, &[DOWN]);
        igmpd
    }

    /// Sends packet by packet until the host gets them, and then more, until it gets each of them once: FRR loses some while it
    /// goes over to the source's tree.
    #[track_caller]
    fn assert_delivered(&self, sender: &mut Sender) {
        let first = sender.sent().end;
        let arrived = |sender: &Sender| within(self.station.got(sender), first..u64::MAX).count();
        wait_for("data to arrive", PATIENCE, || {
            sender.send();
            if arrived(sender) > 0 {
                Ok(())
            } else {
                Err(format!("{:?} {:?}", self.above.mroutes(), self.below.mroutes()))
            }
        });
        wait_for("each packet to arrive once", PATIENCE, || {
            let sent = sender.send_many(PACKETS);
            wait_arrived(&self.station, sender, sent.end - 1);
            let [got, saw] = [self.station.got(sender), self.station.saw(sender)]
                .map(|arrivals| within(arrivals, sent.clone()).faults(sent.clone()));
            if got.is_empty() && saw.is_empty() {
                Ok(())
            } else {
                Err(format!("the receiver: {got}, the host's link: {saw}"))
            }
        });
    }

    /// Waits until FRR's kernel knows that nobody asks for a source-specific group any more, and sees that it does not send.
    #[track_caller]
    fn assert_stopped(&self, sender: &mut Sender) {
        wait_for("FRR's route to the router to be gone", PATIENCE, || {
            match self.above.mroute(&SOURCE.to_string(), sender.group()) {
                Some(mroute) if !mroute.outgoing.is_empty() => Err(format!("{mroute:?}")),
                _ => Ok(()),
            }
        });
        self.assert_not_sent(sender, &self.core);
    }

    /// Sends some packets and sees that none of them goes over a link.
    #[track_caller]
    fn assert_not_sent(&self, sender: &mut Sender, link: &Tap) {
        // What was under way has arrived when what follows it has.
        let at_source = Tap::open_both(self.sender.namespace(), "eth0");
        let sent = sender.send_many(PACKETS);
        wait_seen(&at_source, sender, sent.end - 1);
        let seen = link.arrivals(sender.stream(), SOURCE, sender.group());
        assert_eq!(within(seen, sent).count(), 0, "nobody asked for it");
    }
}

#[test]
fn joins_of_another_router_are_passed_on() {
    let transit = Transit::new();
    let mut igmpd = transit.igmpd();
    let source = SOURCE.to_string();
    let (mut any, mut specific) = (
        Sender::new(&transit.sender, GROUP),
        Sender::new(&transit.sender, SSM),
    );
    transit.station.receiver.join(GROUP);
    transit.above.wait_joined("core0", "*", GROUP);
    transit.station.receiver.join_source(SSM, SOURCE);
    transit.above.wait_joined("core0", &source, SSM);
    transit.assert_delivered(&mut any);
    transit.assert_delivered(&mut specific);
    // FRR below has switched to the source's tree, and so has the router for it.
    transit.above.wait_joined("core0", &source, GROUP);
    transit.assert_delivered(&mut any);
    for (source, group) in [("*", GROUP), (&*source, SSM)] {
        let route = igmpd.route(source, group).expect("a route");
        assert_eq!(route.incoming_interface.as_deref(), Some("core0"), "{route:?}");
        assert_eq!(route.outgoing_interface, ["down0"], "{route:?}");
    }

    transit.station.receiver.leave(GROUP);
    transit.above.wait_pruned("core0", "*", GROUP, PATIENCE);
    transit.above.wait_pruned("core0", &source, GROUP, PATIENCE);
    transit.assert_delivered(&mut specific);
    transit.station.receiver.leave_source(SSM, SOURCE);
    transit.above.wait_pruned("core0", &source, SSM, PATIENCE);
    wait_for("no joins", PATIENCE, || {
        let joins = igmpd.joins();
        if joins.is_empty() {
            Ok(())
        } else {
            Err(format!("{joins:?}"))
        }
    });
    transit.assert_not_sent(&mut any, &transit.down);
    transit.assert_stopped(&mut specific);
    igmpd.stop();
}

/// The FRR below dies without a word: its Joins run out, and are not asked for any more.
#[test]
fn joins_of_a_dead_router_run_out() {
    let mut transit = Transit::new();
    let igmpd = transit.igmpd();
    let source = SOURCE.to_string();
    transit.station.receiver.join(GROUP);
    transit.station.receiver.join_source(SSM, SOURCE);
    transit.above.wait_joined("core0", "*", GROUP);
    transit.above.wait_joined("core0", &source, SSM);
    let (mut any, mut specific) = (
        Sender::new(&transit.sender, GROUP),
        Sender::new(&transit.sender, SSM),
    );
    transit.assert_delivered(&mut any);
    transit.assert_delivered(&mut specific);

    let monitor = igmpd.monitor();
    transit.below.kill();
    // Its Hellos said that it stays for 3 s.
    monitor.wait_for("the neighbor's end", Duration::from_secs(3) + SLACK, |event| {
        event.event == "neighbor-down" && event.interface_name == "down0"
    });
    let timeout = HOLD_TIME + SLACK;
    transit.above.wait_pruned("core0", "*", GROUP, timeout);
    transit.above.wait_pruned("core0", &source, SSM, timeout);
    transit.above.wait_pruned("core0", &source, GROUP, timeout);
    assert_eq!(igmpd.joins(), []);
    transit.assert_not_sent(&mut any, &transit.down);
    transit.assert_stopped(&mut specific);

    // It comes back, and its member too.
    transit.below.start_again(&transit.last);
    monitor.wait_for("the neighbor's return", PATIENCE, |event| {
        event.event == "neighbor-up" && event.interface_name == "down0"
    });
    transit.station.receiver.leave(GROUP);
    transit.station.receiver.join(GROUP);
    transit.above.wait_joined("core0", "*", GROUP);
    transit.assert_delivered(&mut any);
}
