//! Data is accepted on the interface towards its source alone, and that follows the kernel's routing table.

use std::{net::Ipv4Addr, thread, time::Duration};

use tests::{
    Host, Igmpd, PATIENCE,
    stream::{Arrivals, Datapath, Handmade, Receiver, Site, site::SOURCE},
    wait_for,
};

use crate::common::{GROUP, assert_counted};

/// A source in a network that the router reaches over other routers.
const REMOTE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
/// The routers towards it, on `wan0` and `wan1`.
const UPLINKS: [Ipv4Addr; 2] = [SOURCE, Ipv4Addr::new(10, 8, 0, 2)];

// Forged data of a source elsewhere, of another network here, and of a network that nobody knows.
on_datapaths!(wrong_interfaces: native Native, plain Plain, generic Generic);

fn wrong_interfaces(datapath: Datapath) {
    let site = Site::new(datapath, 3);
    let igmpd = site.start();
    for number in [1, 2, 3] {
        site.join(&igmpd, number, GROUP);
    }
    let on_lan1 = site.station(1).host.namespace();
    let on_wan0 = site.sender.namespace();
    let cases = [
        ("lan1", on_lan1, SOURCE),
        ("lan1", on_lan1, [10, 1, 2, 2].into()),
        ("lan1", on_lan1, [192, 0, 2, 1].into()),
        ("wan0", on_wan0, [10, 1, 1, 2].into()),
        ("wan0", on_wan0, [192, 0, 2, 1].into()),
    ];
    for (interface, namespace, source) in cases {
        let mut forged = Handmade::new(namespace, "eth0");
        assert_counted(&igmpd, interface, "rpf", 20, || {
            for _ in 0..20 {
                let packet = forged.next(source, GROUP);
                forged.send(&packet);
            }
        });
        site.settle();
        for number in [1, 2, 3] {
            let seen = site.station(number).tap.arrivals(forged.stream(), source, GROUP);
            assert_eq!(seen, Arrivals::default(), "{source} on {interface}");
        }
    }
    // The same from where it belongs.
    let mut real = Handmade::new(on_wan0, "eth0");
    for _ in 0..20 {
        let packet = real.next(SOURCE, GROUP);
        real.send(&packet);
    }
    site.settle();
    for number in [1, 2, 3] {
        let seen = site.station(number).tap.arrivals(real.stream(), SOURCE, GROUP);
        seen.assert_exactly("who joined", 0..20);
    }
}

/// A site whose router has two ways to [`REMOTE`]: what passes for the routers there are two hosts that send what they
/// would forward.
struct Uplinks {
    site: Site,
    _other: Host,
    links: [Handmade; 2],
    igmpd: Igmpd,
}

impl Uplinks {
    /// With these routes, arguments of `ip route add`.
    fn new(datapath: Datapath, routes: &[&str]) -> Self {
        let site = Site::new(datapath, 1);
        let other = site
            .network
            .host("other", UPLINKS[1].octets(), &site.router, "wan1");
        site.router.address("wan1", [10, 8, 0, 1].into(), 24);
        for route in routes {
            site.router.ip(&format!("route add {route}"));
        }
        let links = [&site.sender, &other].map(|host| Handmade::new(host.namespace(), "eth0"));
        let wan1 = format!("[interfaces.wan1]\n{}", datapath.interface());
        let igmpd = site.start_with(&site.config("", &wan1));
        igmpd.wait_up(&["wan1"]);
        site.join(&igmpd, 1, GROUP);
        Self {
            site,
            _other: other,
            links,
            igmpd,
        }
    }

    fn receiver(&self) -> &Receiver {
        &self.site.station(1).receiver
    }

    /// How many packets of a source were delivered of those over each link.
    fn came(&self, source: Ipv4Addr) -> [u64; 2] {
        [0, 1].map(|link| {
            let stream = self.links[link].stream();
            let arrivals = self.receiver().arrivals(stream, source, GROUP);
            u64::try_from(arrivals.count()).expect("few")
        })
    }

    /// Sends packets of a source over both links.
    fn send(&mut self, source: Ipv4Addr, count: usize) {
        for _ in 0..count {
            for link in &mut self.links {
                let packet = link.next(source, GROUP);
                link.send(&packet);
            }
        }
    }

    /// Sends a packet of a source over each link, and returns how many were delivered of each.
    fn probe(&mut self, source: Ipv4Addr) -> [u64; 2] {
        let before = self.came(source);
        self.send(source, 1);
        self.site.settle();
        let after = self.came(source);
        [after[0] - before[0], after[1] - before[1]]
    }

    /// Waits until packets of a source are accepted on one link, then sees that no packet is lost there, and that none is
    /// accepted on the other.
    #[track_caller]
    fn assert_accepted(&mut self, source: Ipv4Addr, accepted: [bool; 2]) {
        let expected = accepted.map(u64::from);
        wait_for(
            &format!("{source} to be accepted as {accepted:?}"),
            PATIENCE,
            || {
                let came = self.probe(source);
                if came == expected {
                    Ok(())
                } else {
                    Err(format!("{came:?}"))
                }
            },
        );
        let refused = |this: &Self| ["wan0", "wan1"].map(|name| this.igmpd.statistics(name).dropped["rpf"]);
        let before = (self.came(source), refused(self));
        self.send(source, 20);
        let difference = |now: [u64; 2], before: [u64; 2]| [now[0] - before[0], now[1] - before[1]];
        wait_for("each packet to be delivered or refused", PATIENCE, || {
            let came = difference(self.came(source), before.0);
            let refused = difference(refused(self), before.1);
            let accepted = expected.map(|count| count * 20);
            if came == accepted && refused == accepted.map(|count| 20 - count) {
                Ok(())
            } else {
                Err(format!("{came:?} delivered, {refused:?} refused, of {source}"))
            }
        });
    }
}

on_datapaths!(routes_that_change: native Native, plain Plain, generic Generic);

fn routes_that_change(datapath: Datapath) {
    let [first, second] = UPLINKS;
    let mut uplinks = Uplinks::new(datapath, &[&format!("10.9.0.0/24 via {first}")]);
    let route = |uplinks: &Uplinks, arguments: &str| uplinks.site.router.ip(&format!("route {arguments}"));
    uplinks.assert_accepted(REMOTE, [true, false]);
    route(&uplinks, &format!("replace 10.9.0.0/24 via {second}"));
    uplinks.assert_accepted(REMOTE, [false, true]);
    // The longest prefix wins, whichever came last.
    route(&uplinks, &format!("add 10.9.0.2/32 via {first}"));
    uplinks.assert_accepted(REMOTE, [true, false]);
    uplinks.assert_accepted([10, 9, 0, 3].into(), [false, true]);
    route(&uplinks, "delete 10.9.0.2/32");
    uplinks.assert_accepted(REMOTE, [false, true]);
    // Among equal prefixes the lowest metric.
    route(&uplinks, &format!("add 10.9.0.0/24 via {first} metric 10"));
    uplinks.assert_accepted(REMOTE, [false, true]);
    route(&uplinks, "delete 10.9.0.0/24 metric 0");
    uplinks.assert_accepted(REMOTE, [true, false]);
    // Nothing, then the default.
    route(&uplinks, "delete 10.9.0.0/24");
    uplinks.assert_accepted(REMOTE, [false, false]);
    route(&uplinks, &format!("add default via {second}"));
    uplinks.assert_accepted(REMOTE, [false, true]);
    // A route that says that there is no way.
    route(&uplinks, "add unreachable 10.9.0.0/16");
    uplinks.assert_accepted(REMOTE, [false, false]);
    route(&uplinks, "delete unreachable 10.9.0.0/16");
    uplinks.assert_accepted(REMOTE, [false, true]);
}

/// Of several ways of the same cost the kernel takes one for each address, and `ip route get` tells which.
#[test]
fn equal_cost_routes() {
    let [first, second] = UPLINKS;
    let both = format!("10.9.0.0/24 nexthop via {first} nexthop via {second}");
    let mut uplinks = Uplinks::new(Datapath::Plain, &[&both]);
    // Three sources for each way.
    let mut chosen: [Vec<Ipv4Addr>; 2] = Default::default();
    for last in 2..=254 {
        let source = Ipv4Addr::new(10, 9, 0, last);
        let answer = uplinks.site.router.ip(&format!("route get {source}"));
        let link = usize::from(answer.contains("dev wan1"));
        if chosen[link].len() < 3 {
            chosen[link].push(source);
        }
        if chosen.iter().all(|sources| sources.len() == 3) {
            break;
        }
    }
    for (sources, accepted) in chosen.iter().zip([[true, false], [false, true]]) {
        assert_eq!(sources.len(), 3, "{chosen:?}");
        for &source in sources {
            uplinks.assert_accepted(source, accepted);
        }
    }
    // When one way goes, all take the other.
    uplinks
        .site
        .router
        .ip(&format!("route replace 10.9.0.0/24 via {second}"));
    for sources in &chosen {
        uplinks.assert_accepted(sources[0], [false, true]);
    }
}

/// What the kernel said of a source counts while it is asked again, as it is after each change of its table.
#[test]
fn changes_that_do_not_concern_a_source() {
    let [first, second] = UPLINKS;
    let both = format!("10.9.0.0/24 nexthop via {first} nexthop via {second}");
    let mut uplinks = Uplinks::new(Datapath::Plain, &[&both]);
    let answer = uplinks.site.router.ip(&format!("route get {REMOTE}"));
    let link = usize::from(answer.contains("dev wan1"));
    uplinks.assert_accepted(REMOTE, [link == 0, link == 1]);
    let before = uplinks.came(REMOTE)[link];
    for number in 0..20 {
        let route = format!("route add 172.20.{number}.0/24 dev lan1");
        uplinks.site.router.ip(&route);
        for _ in 0..50 {
            let packet = uplinks.links[link].next(REMOTE, GROUP);
            uplinks.links[link].send(&packet);
            thread::sleep(Duration::from_millis(1));
        }
    }
    wait_for("all of them", PATIENCE, || {
        let came = uplinks.came(REMOTE)[link] - before;
        if came == 1_000 {
            Ok(())
        } else {
            Err(format!("{came} of 1,000"))
        }
    });
}

/// A way that goes down takes its routes with it.
#[test]
fn an_uplink_that_goes_down() {
    let [first, second] = UPLINKS;
    let routes = [
        format!("10.9.0.0/24 via {first} metric 1"),
        format!("10.9.0.0/24 via {second} metric 2"),
    ];
    let mut uplinks = Uplinks::new(Datapath::Plain, &[&routes[0], &routes[1]]);
    uplinks.assert_accepted(REMOTE, [true, false]);
    uplinks.site.router.ip("link set wan0 down");
    let mut sent = 0;
    wait_for("data over the other uplink", PATIENCE, || {
        let link = &mut uplinks.links[1];
        let packet = link.next(REMOTE, GROUP);
        link.send(&packet);
        sent += 1;
        let stream = link.stream();
        let arrivals = uplinks.receiver().arrivals(stream, REMOTE, GROUP);
        if arrivals.count() > 0 {
            Ok(())
        } else {
            Err(format!("none of {sent} packets"))
        }
    });
}

/// A network that becomes directly connected while the router runs.
#[test]
fn an_address_that_is_added() {
    let mut uplinks = Uplinks::new(Datapath::Plain, &[]);
    uplinks.assert_accepted(REMOTE, [false, false]);
    uplinks.site.router.ip("address add 10.9.0.1/24 dev wan1");
    uplinks.assert_accepted(REMOTE, [false, true]);
    uplinks.site.router.ip("address delete 10.9.0.1/24 dev wan1");
    uplinks.assert_accepted(REMOTE, [false, false]);
}
