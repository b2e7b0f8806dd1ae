//! Proxies between an upstream router with a source behind it, and hosts.

use std::{fmt::Write, net::Ipv4Addr, time::Duration};

use tests::{
    Frr, Host, Igmpd, PATIENCE,
    frr::igmp::Wishes,
    stream::{Receiver, Sender, Station, Stream},
    topology::{Router, Topology, end},
    wait_for,
};

/// The source, in the network on the other side of the upstream router.
pub(crate) const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
/// Timers of the proxies: Group Membership Interval 2·2 + 2·1 = 6 s, Last Member Query Time 2·0.1 = 0.2 s (RFC 9776 §8).
pub(crate) const QUICK: &str = "
[igmp]
query-interval = 2
query-max-response-time = 1
last-member-query-interval = 0.1
";
/// FRR as rendezvous point and querier. Its Max Response Time is in tenths of a second; the Last Member Query Time is 1 s.
pub(crate) const FRR: &str = "
ip pim rp 10.9.0.1 224.0.0.0/4
interface src0
 ip pim
interface down0
 ip pim
 ip igmp
 ip igmp version 3
 ip igmp query-max-response-time 10
 ip igmp query-interval 5
 ip igmp last-member-query-interval 5
";
/// Packets a second of a stream.
const RATE: u32 = 200;

/// A source, an upstream router, proxies one behind the other, and hosts on `lan1`, `lan2` and so on of the last one.
///
/// A proxy's upstream interface is `wan0`, and the interface towards it is `down0` of the router above.
#[derive(Debug)]
pub(crate) struct Scene {
    /// The agents of the proxies, the one next to the upstream router first.
    pub(crate) agents: Vec<Igmpd>,
    pub(crate) stations: Vec<Station>,
    pub(crate) source: Host,
    pub(crate) proxies: Vec<Router>,
    pub(crate) upstream: Router,
    pub(crate) topology: Topology,
}

impl Scene {
    /// Makes the network, with this many proxies and hosts, and starts the proxies with this `[igmp]` table. The upstream router runs nothing yet;
    /// what it sends is judged as well where it `is_ours`.
    #[track_caller]
    pub(crate) fn new(depth: u8, hosts: u8, is_ours: bool, igmp: &str) -> Self {
        let mut topology = Topology::new();
        let upstream = if is_ours {
            topology.router("upstream")
        } else {
            topology.peer("upstream")
        };
        let source = topology.host("source", SOURCE.octets(), end(&upstream, "src0", [10, 9, 0, 1]));
        let mut proxies: Vec<Router> = Vec::new();
        for number in 0..depth {
            let proxy = topology.router(&format!("proxy{number}"));
            let above = proxies.last().unwrap_or(&upstream);
            topology.link(
                end(above, "down0", [10, 0, number, 1]),
                end(&proxy, "wan0", [10, 0, number, 9]),
            );
            proxies.push(proxy);
        }
        let last = proxies.last().expect("at least one proxy");
        let stations: Vec<Station> = (1..=hosts)
            .map(|number| {
                let name = format!("lan{number}");
                let host = topology.host(
                    &format!("host{number}"),
                    [10, 1, number, 2],
                    end(last, &name, [10, 1, number, 1]),
                );
                Station::new(host)
            })
            .collect();
        let mut scene = Self {
            agents: Vec::new(),
            stations,
            source,
            proxies,
            upstream,
            topology,
        };
        for index in 0..scene.proxies.len() {
            let config = scene.config(index, igmp);
            let agent = Igmpd::start_on(&scene.topology.network, &scene.proxies[index], &["wan0"], &config);
            scene.agents.push(agent);
        }
        scene
    }

    /// The configuration of a proxy.
    fn config(&self, index: usize, igmp: &str) -> String {
        let mut text = format!("{igmp}\n[interfaces.wan0]\nproxy-upstream = true\n");
        if index + 1 < self.proxies.len() {
            text.push_str("[interfaces.down0]\nigmp = {}\n");
        } else {
            for number in 1..=self.stations.len() {
                let _ = writeln!(text, "[interfaces.lan{number}]\nigmp = {{}}");
            }
        }
        text
    }

    /// Starts FRR as the upstream router.
    #[track_caller]
    pub(crate) fn frr(&self) -> Frr {
        Frr::start(&self.topology.network, &self.upstream, FRR)
    }

    /// Starts another agent in the place of the one of a proxy, which has ended.
    #[track_caller]
    pub(crate) fn start_again(&mut self, index: usize) {
        let paths = self.agents[index].paths().clone();
        let mut agent = Igmpd::spawn(&self.proxies[index], paths);
        agent.wait_ready();
        agent.wait_up(&["wan0"]);
        self.agents[index] = agent;
    }

    /// The receiver on `lan<number>`.
    pub(crate) fn receiver(&self, number: usize) -> &Receiver {
        &self.stations[number - 1].receiver
    }

    /// Begins to send to a group.
    #[track_caller]
    pub(crate) fn stream(&self, group: Ipv4Addr) -> Stream {
        Sender::new(&self.source, group).start(RATE)
    }

    /// Waits until data arrives at the host on `lan<number>`.
    #[track_caller]
    pub(crate) fn wait_flow(&self, number: usize, stream: &Stream) {
        let count = || {
            let receiver = self.receiver(number);
            receiver
                .arrivals(stream.stream(), stream.source(), stream.group())
                .count()
        };
        let target = count() + 50;
        wait_for(&format!("data to {}", stream.group()), PATIENCE, || {
            match count() {
                arrived if arrived >= target => Ok(()),
                arrived => Err(format!("{arrived} packets of {} arrived", stream.sent())),
            }
        });
    }

    /// Waits until no data arrives at the host on `lan<number>` any more, joined or not.
    #[track_caller]
    pub(crate) fn wait_dry(&self, number: usize, stream: &Stream, timeout: Duration) {
        let count = || {
            let tap = &self.stations[number - 1].tap;
            tap.arrivals(stream.stream(), stream.source(), stream.group())
                .count()
        };
        wait_for(&format!("no data to {}", stream.group()), timeout, || {
            let before = count();
            stream.wait_more(100);
            let arrived = count() - before;
            if arrived == 0 {
                Ok(())
            } else {
                Err(format!("{arrived} of the last 100 packets"))
            }
        });
    }
}

/// Groups with the sources that are wanted, none for any.
pub(crate) fn wishes(groups: &[(Ipv4Addr, &[Ipv4Addr])]) -> Wishes {
    groups
        .iter()
        .map(|&(group, sources)| (group, sources.iter().copied().collect()))
        .collect()
}
