//! The network of most tests here: a sender, FRR as its router and as the RP, the router under test, and members.

use std::{net::Ipv4Addr, ops::Range};

use tests::{
    Frr, Host, Igmpd, PATIENCE, Topology,
    stream::{Arrivals, Sender, Station, Tap, site::FENCE},
    topology::{Router, end},
    wait_for,
};

/// The sender's address.
pub(crate) const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 2);
/// Another address of the sender.
pub(crate) const OTHER_SOURCE: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 3);
/// The RP's address, on FRR's loopback interface.
pub(crate) const RP: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);
/// FRR's address on `core0`.
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 12, 1);
/// The router's address on `core0`, the higher one.
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 12, 2);
/// An any-source group.
pub(crate) const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
/// A source-specific group.
pub(crate) const SSM: Ipv4Addr = Ipv4Addr::new(232, 1, 1, 1);

/// Keys of a router under test for everything but its interfaces: hosts answer within a second, a leave takes 2 · 0.1 s,
/// and all groups have the RP.
pub(crate) fn defaults(spt_switchover: &str) -> String {
    format!(
        "
[igmp]
query-max-response-time = 1
last-member-query-interval = 0.1

[pim]
spt-switchover = \"{spt_switchover}\"
static-rp = [{{ address = \"{RP}\", groups = [\"224.0.0.0/4\"] }}]
"
    )
}

/// The beginning of FRR's configuration: the RP, and the shortest interval of Join/Prune that it takes, 5 s.
pub(crate) fn frr_defaults() -> String {
    format!("ip pim rp {RP} 224.0.0.0/4\nip pim join-prune-interval 5\nip pim packets 100\n")
}

/// An interface of FRR with PIM and a Hello each second, so that its hold time is 3 s.
pub(crate) fn frr_interface(name: &str) -> String {
    format!("interface {name}\n ip pim\n ip pim hello 1\n")
}

/// A sender at 10.10.0.2 and .3, behind FRR, the RP, which is the neighbor on `core0` of the router, which has members on
/// `lan1`, 10.1.1.0/24, `lan2`, 10.1.2.0/24 and so on.
#[derive(Debug)]
pub(crate) struct Chain {
    /// The members.
    pub(crate) stations: Vec<Station>,
    /// FRR.
    pub(crate) frr: Frr,
    /// What goes over the link between FRR and the router, in both directions.
    pub(crate) core: Tap,
    /// The sender.
    pub(crate) sender: Host,
    /// FRR's namespace.
    pub(crate) peer: Router,
    /// The router's namespace.
    pub(crate) router: Router,
    /// Where all of it lives.
    pub(crate) topology: Topology,
}

impl Chain {
    /// Makes the network and starts FRR.
    #[track_caller]
    pub(crate) fn new(members: u8) -> Self {
        Self::with(members, "")
    }

    /// Makes the network and starts FRR with these further lines of its configuration.
    #[track_caller]
    pub(crate) fn with(members: u8, frr: &str) -> Self {
        let mut topology = Topology::new();
        let peer = topology.peer("frr");
        let router = topology.router("router");
        let sender = topology.host("sender", SOURCE.octets(), end(&peer, "src0", [10, 10, 0, 1]));
        sender
            .namespace()
            .ip(&format!("address add {OTHER_SOURCE}/24 dev eth0"));
        topology.link(end(&peer, "core0", PEER), end(&router, "core0", ROUTER));
        peer.loopback(RP);
        router.routes(&[("10.10.0.0/24", PEER), ("10.9.9.9/32", PEER)]);
        let stations = (1..=members)
            .map(|number| {
                let name = format!("lan{number}");
                let router = end(&router, &name, [10, 1, number, 1]);
                Station::new(topology.host(&format!("host{number}"), [10, 1, number, 2], router))
            })
            .collect();
        let interfaces = ["lo", "src0", "core0"].map(frr_interface).concat();
        let config = format!("{}{interfaces}{frr}", frr_defaults());
        let frr = Frr::start(&topology.network, &peer, &config);
        Self {
            core: Tap::open_both(&peer, "core0"),
            stations,
            frr,
            sender,
            peer,
            router,
            topology,
        }
    }

    /// The configuration of the router under test: PIM on `core0` with a Hello each second, IGMP on all others.
    pub(crate) fn config(&self, spt_switchover: &str) -> String {
        let lans = (1..=self.stations.len()).map(|number| format!("[interfaces.lan{number}]\nigmp = {{}}\n"));
        format!(
            "{}\n[interfaces.core0.pim]\nhello-interval = 1\n{}",
            defaults(spt_switchover),
            lans.collect::<String>()
        )
    }

    /// Starts the router under test, and waits until it and FRR know each other and every member gets what the sender
    /// sends to [`FENCE`].
    #[track_caller]
    pub(crate) fn start(&self) -> Igmpd {
        self.start_with(&self.config("immediate"))
    }

    /// The same with a configuration.
    #[track_caller]
    pub(crate) fn start_with(&self, config: &str) -> Igmpd {
        let igmpd = Igmpd::start(&self.topology.network, &self.router, config);
        self.wait_up(&igmpd);
        self.converge();
        igmpd
    }

    /// Waits until all of the router's interfaces are up and it knows FRR, and FRR it.
    #[track_caller]
    pub(crate) fn wait_up(&self, igmpd: &Igmpd) {
        let lans: Vec<_> = (1..=self.stations.len())
            .map(|number| format!("lan{number}"))
            .collect();
        let mut names: Vec<_> = lans.iter().map(String::as_str).collect();
        names.push("core0");
        igmpd.wait_up(&names);
        igmpd.wait_neighbors("core0", PATIENCE, &[PEER]);
        self.frr.wait_neighbors("core0", PATIENCE, &[ROUTER]);
    }

    /// Lets every member join [`FENCE`] and waits until data of it arrives everywhere.
    #[track_caller]
    pub(crate) fn converge(&self) {
        for station in &self.stations {
            station.receiver.join(FENCE);
        }
        self.wait_fence();
    }

    /// Waits until data of [`FENCE`] arrives everywhere.
    #[track_caller]
    pub(crate) fn wait_fence(&self) {
        let mut fence = self.send_to(FENCE);
        wait_for("data to arrive everywhere", PATIENCE, || {
            fence.send();
            let counts: Vec<_> = self
                .stations
                .iter()
                .map(|station| station.got(&fence).count())
                .collect();
            if counts.iter().all(|count| *count > 0) {
                Ok(())
            } else {
                Err(format!("{counts:?} packets; {:?}", self.frr.mroutes()))
            }
        });
    }

    /// The station on `lan<number>`.
    pub(crate) fn station(&self, number: usize) -> &Station {
        &self.stations[number - 1]
    }

    /// A sender from [`SOURCE`].
    #[track_caller]
    pub(crate) fn send_to(&self, group: Ipv4Addr) -> Sender {
        Sender::new(&self.sender, group)
    }

    /// A sender from [`OTHER_SOURCE`].
    #[track_caller]
    pub(crate) fn send_from_other(&self, group: Ipv4Addr) -> Sender {
        Sender::on(self.sender.namespace(), OTHER_SOURCE, group)
    }

    /// Sends packet by packet until these members get them.
    #[track_caller]
    pub(crate) fn wait_delivered(&self, sender: &mut Sender, members: &[usize]) {
        let first = sender.sent().end;
        wait_for(&format!("data to {} to arrive", sender.group()), PATIENCE, || {
            sender.send();
            let counts: Vec<_> = members
                .iter()
                .map(|number| within(self.station(*number).got(sender), first..u64::MAX).count())
                .collect();
            if counts.iter().all(|count| *count > 0) {
                Ok(())
            } else {
                Err(format!(
                    "{counts:?} packets at {members:?}; {:?}",
                    self.frr.mroutes()
                ))
            }
        });
        self.settle();
    }

    /// Sends some packets, and sees that exactly these members get each of them once and in order, and that not one frame
    /// of them arrives at another.
    #[track_caller]
    pub(crate) fn assert_delivered(&self, sender: &mut Sender, count: u64, members: &[usize]) {
        let sent = sender.send_many(count);
        self.settle();
        for (index, station) in self.stations.iter().enumerate() {
            let number = index + 1;
            let expected = if members.contains(&number) {
                sent.clone()
            } else {
                sent.start..sent.start
            };
            let flow = format!("({},{})", sender.source(), sender.group());
            within(station.got(sender), sent.clone())
                .assert_exactly(&format!("the receiver on lan{number} {flow}"), expected.clone());
            within(station.saw(sender), sent.clone())
                .assert_exactly(&format!("the tap on lan{number} {flow}"), expected);
        }
    }

    /// Waits until everything that was sent before has arrived at all members, if it ever does.
    #[track_caller]
    pub(crate) fn settle(&self) {
        let mut fence = self.send_to(FENCE);
        let last = fence.send_many(3).end - 1;
        for station in &self.stations {
            station.wait_fence(&fence, last);
        }
    }

    /// What went over the link between FRR and the router of a range of a sender's stream.
    pub(crate) fn on_core(&self, sender: &Sender, range: Range<u64>) -> Arrivals {
        let all = self
            .core
            .arrivals(sender.stream(), sender.source(), sender.group());
        within(all, range)
    }
}

/// Those of a range.
pub(crate) fn within(arrivals: Arrivals, range: Range<u64>) -> Arrivals {
    let all = arrivals.all.into_iter();
    Arrivals {
        all: all.filter(|(sequence, _)| range.contains(sequence)).collect(),
    }
}

/// Waits until a packet of a stream has come out of a station's receiver and its tap, which have queues of their own.
#[track_caller]
pub(crate) fn wait_arrived(station: &Station, sender: &Sender, last: u64) {
    station
        .receiver
        .wait_past(sender.stream(), sender.source(), sender.group(), last);
    wait_seen(&station.tap, sender, last);
}

/// Waits until a tap has seen a packet of a stream.
#[track_caller]
pub(crate) fn wait_seen(tap: &Tap, sender: &Sender, last: u64) {
    wait_for("the tap to catch up", PATIENCE, || {
        let seen = tap.arrivals(sender.stream(), sender.source(), sender.group());
        match seen.span() {
            Some((_, highest)) if highest >= last => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}
