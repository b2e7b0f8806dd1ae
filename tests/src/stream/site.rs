//! The network that most tests of forwarding need.

use std::{fmt::Write, net::Ipv4Addr, ops::Range, process::Command};

use super::{Arrivals, Receiver, Sender, Tap};
use crate::{Host, Igmpd, Namespace, Network, PATIENCE, Switch, process, wait_for};

/// A group that every receiver of a [`Site`] is a member of, to see that what was sent before has arrived by now.
pub const FENCE: Ipv4Addr = Ipv4Addr::new(239, 255, 0, 1);
/// The router's address on `wan0`.
pub const WAN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The address of the host on `wan0`.
pub const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Another address of that host.
pub const OTHER_SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);

/// Defaults for the `igmp` tables: the timers of RFC 9776 §8, but hosts answer within a second and a leave takes 2 · 0.1 s.
pub const IGMP: &str = "
[igmp]
query-max-response-time = 1
last-member-query-interval = 0.1
";

/// The ways that data can take through the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datapath {
    /// XDP in native mode, and hosts whose interfaces frames can be redirected to.
    Native,
    /// XDP in native mode, and hosts that leave checksums to be computed and are no target of redirects: virtual Ethernet
    /// as it comes.
    Plain,
    /// XDP in generic mode.
    Generic,
    /// The kernel's multicast routing.
    Kernel,
}

impl Datapath {
    /// Keys for the top of the configuration.
    pub fn top(self) -> &'static str {
        match self {
            Self::Native | Self::Plain | Self::Generic => "",
            Self::Kernel => "forwarding = \"kernel\"\n",
        }
    }

    /// Keys for each interface.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Native | Self::Plain | Self::Kernel => "",
            Self::Generic => "xdp-mode = \"generic\"\n",
        }
    }

    /// The `engine` that `show routes` names.
    pub fn engine(self) -> &'static str {
        match self {
            Self::Native | Self::Plain | Self::Generic => "xdp",
            Self::Kernel => "kernel",
        }
    }
}

/// A router with a sender on `wan0`, 10.0.0.0/24, and receivers on `lan1`, 10.1.1.0/24, `lan2`, 10.1.2.0/24 and so on.
/// In each network the router is number 1 and the host number 2.
#[derive(Debug)]
pub struct Site {
    /// Where files and pins are.
    pub network: Network,
    /// The router's namespace.
    pub router: Namespace,
    /// The host on `wan0`.
    pub sender: Host,
    /// The receivers; the first is on `lan1`.
    pub stations: Vec<Station>,
    datapath: Datapath,
}

/// A host with a receiver and a tap on its interface.
#[derive(Debug)]
pub struct Station {
    /// The host.
    pub host: Host,
    /// Joins [`FENCE`] when an agent starts, and nothing else.
    pub receiver: Receiver,
    /// Sees what arrives at the host.
    pub tap: Tap,
}

impl Station {
    /// Opens receiver and tap on a host.
    #[track_caller]
    pub fn new(host: Host) -> Self {
        receive_on_one_processor(host.namespace(), "eth0");
        let receiver = Receiver::new(&host);
        let tap = Tap::open(host.namespace(), "eth0");
        Self { host, receiver, tap }
    }

    /// Waits until this packet of a sender to [`FENCE`] has come out of both receiver and tap, which have queues of their
    /// own.
    #[track_caller]
    pub fn wait_fence(&self, fence: &Sender, last: u64) {
        self.receiver
            .wait_past(fence.stream(), fence.source(), FENCE, last);
        wait_for("the tap to catch up", PATIENCE, || match self.saw(fence).span() {
            Some((_, highest)) if highest >= last => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }

    /// What the receiver got of a sender's stream.
    pub fn got(&self, sender: &Sender) -> Arrivals {
        self.receiver
            .arrivals(sender.stream(), sender.source(), sender.group())
    }

    /// What arrived at the host of a sender's stream, joined or not.
    pub fn saw(&self, sender: &Sender) -> Arrivals {
        self.tap
            .arrivals(sender.stream(), sender.source(), sender.group())
    }
}

impl Site {
    /// Makes the network with this many receivers, for data that takes this way.
    #[track_caller]
    pub fn new(datapath: Datapath, receivers: u8) -> Self {
        let network = Network::new();
        let router = network.namespace("router");
        let sender = network.host("sender", SOURCE.octets(), &router, "wan0");
        sender
            .namespace()
            .ip(&format!("address add {OTHER_SOURCE}/24 dev eth0"));
        router.address("wan0", WAN, 24);
        receive_on_one_processor(&router, "wan0");
        let stations = (1..=receivers)
            .map(|number| {
                let name = format!("lan{number}");
                let host = network.host(&format!("host{number}"), [10, 1, number, 2], &router, &name);
                router.address(&name, [10, 1, number, 1].into(), 24);
                Station::new(host)
            })
            .collect();
        let site = Self {
            network,
            router,
            sender,
            stations,
            datapath,
        };
        if datapath == Datapath::Native {
            site.compute_checksums();
            for station in &site.stations {
                accept_redirects(&station.host);
            }
        }
        site
    }

    /// Lets the sender compute checksums itself, as a host does whose packets come over a wire.
    #[track_caller]
    pub fn compute_checksums(&self) {
        ethtool(self.sender.namespace(), &["-K", "eth0", "tx", "off"]);
    }

    /// The station on `lan<number>`.
    pub fn station(&self, number: usize) -> &Station {
        &self.stations[number - 1]
    }

    /// A configuration for all interfaces: keys of the top, then further lines at the end, which may be tables.
    pub fn config(&self, top: &str, rest: &str) -> String {
        self.config_with(top, IGMP, "", rest)
    }

    /// A configuration for all interfaces: keys of the top, the `[igmp]` table, keys of `[interfaces.wan0]`, and further
    /// lines at the end.
    pub fn config_with(&self, top: &str, igmp: &str, wan: &str, rest: &str) -> String {
        let interface = self.datapath.interface();
        let mut text = format!(
            "{}{top}\n{igmp}\n[interfaces.wan0]\n{interface}{wan}\n",
            self.datapath.top()
        );
        for number in 1..=self.stations.len() {
            let _ = writeln!(text, "[interfaces.lan{number}]\n{interface}igmp = {{}}");
        }
        text + rest
    }

    /// Starts an agent on all interfaces and waits until every receiver is a member of [`FENCE`].
    #[track_caller]
    pub fn start(&self) -> Igmpd {
        self.start_with(&self.config("", ""))
    }

    /// Starts an agent with this configuration and waits until every receiver is a member of [`FENCE`].
    #[track_caller]
    pub fn start_with(&self, config: &str) -> Igmpd {
        let mut names: Vec<String> = (1..=self.stations.len())
            .map(|number| format!("lan{number}"))
            .collect();
        // Other engines have nothing to do there that XDP would be needed for.
        if self.datapath != Datapath::Kernel && !config.contains("forwarding = \"none\"") {
            names.push("wan0".to_owned());
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let igmpd = Igmpd::start_on(&self.network, &self.router, &names, config);
        // Hosts that join now say so at once; had they joined before, they would wait for a query.
        for station in &self.stations {
            station.receiver.join(FENCE);
        }
        wait_for("all receivers to be known", PATIENCE, || {
            let groups = igmpd.groups();
            let known = groups.iter().filter(|group| group.group_address == FENCE).count();
            if known >= self.stations.len() {
                Ok(())
            } else {
                Err(format!("{known} of {} receivers", self.stations.len()))
            }
        });
        igmpd
    }

    /// Lets a station's receiver join a group, all sources, and waits until the router knows.
    #[track_caller]
    pub fn join(&self, igmpd: &Igmpd, number: usize, group: Ipv4Addr) {
        self.station(number).receiver.join(group);
        igmpd.wait_joined(&format!("lan{number}"), group);
    }

    /// A sender on the host on `wan0`.
    #[track_caller]
    pub fn send_to(&self, group: Ipv4Addr) -> Sender {
        Sender::new(&self.sender, group)
    }

    /// The way of the data.
    pub fn datapath(&self) -> Datapath {
        self.datapath
    }

    /// Waits until everything that was sent before has arrived at all receivers, if it ever does.
    #[track_caller]
    pub fn settle(&self) {
        self.settle_at(&self.stations.iter().collect::<Vec<_>>());
    }

    /// Waits until everything that was sent before has arrived at these receivers, if it ever does: what is sent last goes
    /// through the same queues.
    #[track_caller]
    pub fn settle_at(&self, stations: &[&Station]) {
        let mut fence = self.send_to(FENCE);
        let last = fence.send_many(3).end - 1;
        for station in stations {
            station.wait_fence(&fence, last);
        }
    }

    /// Sends some packets, and sees that exactly these stations get each of them once and in order, and that not one
    /// frame of them arrives at another.
    #[track_caller]
    pub fn assert_delivered(&self, sender: &mut Sender, count: u64, members: &[usize]) {
        let sent = self.send_settled(sender, count);
        for (index, station) in self.stations.iter().enumerate() {
            let number = index + 1;
            let range = |arrivals: Arrivals| Arrivals {
                all: arrivals
                    .all
                    .into_iter()
                    .filter(|(sequence, _)| sent.contains(sequence))
                    .collect(),
            };
            let expected = if members.contains(&number) {
                sent.clone()
            } else {
                sent.start..sent.start
            };
            let who = |what| {
                format!(
                    "the {what} on lan{number} ({} from {})",
                    sender.group(),
                    sender.source()
                )
            };
            range(station.got(sender)).assert_exactly(&who("receiver"), expected.clone());
            range(station.saw(sender)).assert_exactly(&who("tap"), expected);
        }
    }

    /// Sends some packets, and waits until they have arrived wherever they do.
    #[track_caller]
    pub fn send_settled(&self, sender: &mut Sender, count: u64) -> Range<u64> {
        let first = sender.sent().end;
        if self.datapath == Datapath::Kernel {
            // The kernel keeps no more than four packets of a source and group that it has to ask its daemon about.
            sender.send_many(1);
            let flow = format!("({},{})", sender.source(), sender.group());
            wait_for("the daemon's answer", PATIENCE, || {
                let entries = self.router.ip("mroute show");
                let mut lines = entries.lines();
                if lines.any(|line| line.starts_with(&flow) && !line.contains("unresolved")) {
                    Ok(())
                } else {
                    Err(entries)
                }
            });
        }
        sender.send_many(count - (sender.sent().end - first));
        self.settle();
        first..sender.sent().end
    }

    /// Puts a bridge between an interface of the router, which is made here, and hosts to come.
    #[track_caller]
    pub fn switch(&self, name: &str, address: Ipv4Addr) -> Switch {
        let switch = self.network.switch(&format!("switch-{name}"));
        switch.plug(&self.network, "router", &self.router, name);
        self.router.address(name, address, 24);
        switch
    }
}

/// Has one processor take all packets that come in on an interface, as from a network card with one queue. Without NAPI,
/// virtual Ethernet leaves each packet to the processor that sends it (`netif_rx`), and what one processor has queued may be
/// overtaken by what another sends later: senders move from one to the other.
#[track_caller]
pub fn receive_on_one_processor(namespace: &Namespace, interface: &str) {
    // In the way of `ip netns exec`, which mounts the namespace's own view of /sys.
    let line = format!("echo 1 > /sys/class/net/{interface}/queues/rx-0/rps_cpus");
    process::run(Command::new("ip").args(["netns", "exec", namespace.name(), "sh", "-c", &line]));
}

/// Makes a host's interface one that XDP programs of the other end can redirect frames to.
#[track_caller]
pub fn accept_redirects(host: &Host) {
    accept_redirects_on(host.namespace(), "eth0");
}

/// Makes an interface of a namespace one that XDP programs of the other end can redirect frames to.
#[track_caller]
pub fn accept_redirects_on(namespace: &Namespace, interface: &str) {
    ethtool(namespace, &["-K", interface, "gro", "on"]);
}

/// Runs `ethtool` in a namespace.
#[track_caller]
pub fn ethtool(namespace: &Namespace, arguments: &[&str]) {
    namespace.enter(|| process::run(Command::new("ethtool").args(arguments)));
}
