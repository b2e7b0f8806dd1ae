//! A source, a router and a member, and the contestants between them.

use std::{
    fs,
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use tests::{
    Frr, Host, Igmpd, Namespace, Network,
    stream::site::{accept_redirects, ethtool},
    wait_for,
};

/// The address of the source, on the router's `wan0`.
pub(super) const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// The address of the member, on the router's `lan1`.
pub(super) const MEMBER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 2);
const WAN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const LAN: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);
/// The Last Member Query Time of both contestants: two intervals of 0.1 s.
pub(super) const LAST_MEMBER_QUERY_TIME: Duration = Duration::from_millis(200);
/// How long a contestant may take to learn what was reported.
const LEARN: Duration = Duration::from_secs(1);
/// How long a contestant may take until it is ready to serve.
const START: Duration = Duration::from_secs(20);

/// The file that igmpd is configured by.
const IGMPD: &str = include_str!("../../../contestants/latency/igmpd.toml");
/// The file that FRR's pimd is configured by.
const FRR: &str = include_str!("../../../contestants/latency/pimd.conf");

/// Who routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contestant {
    /// This router, with the last-member query.
    Igmpd,
    /// This router, with immediate leave.
    ImmediateIgmpd,
    /// FRR's zebra and pimd, which tell the kernel what to forward.
    Frr,
    /// Nobody.
    #[cfg(test)]
    Nobody,
}

impl Contestant {
    /// Those that are measured, in the order of their turns.
    pub(super) const ALL: [Self; 3] = [Self::Igmpd, Self::Frr, Self::ImmediateIgmpd];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Igmpd | Self::ImmediateIgmpd => "igmpd",
            Self::Frr => "FRR pimd",
            #[cfg(test)]
            Self::Nobody => "nobody",
        }
    }
}

/// Three namespaces in a row: source, router, member.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) source: Host,
    pub(super) member: Host,
    pub(super) router: Namespace,
    network: Network,
}

/// A contestant at work, until it is dropped.
#[derive(Debug)]
pub(super) enum Running {
    Igmpd(Igmpd),
    Frr(Frr),
    #[cfg(test)]
    Nobody,
}

impl Scene {
    /// Makes the namespaces. Both hosts' interfaces take part as those of a real machine do: the source computes its
    /// checksums, and XDP can redirect to the member.
    pub(super) fn new() -> Self {
        let network = Network::new();
        let router = network.namespace("router");
        let source = network.host("source", SOURCE.octets(), &router, "wan0");
        let member = network.host("member", MEMBER.octets(), &router, "lan1");
        router.address("wan0", WAN, 24);
        router.address("lan1", LAN, 24);
        ethtool(source.namespace(), &["-K", "eth0", "tx", "off"]);
        accept_redirects(&member);
        Self {
            source,
            member,
            router,
            network,
        }
    }

    /// Starts a contestant and waits until it is the querier on `lan1` and has interfaces to forward between.
    pub(super) fn start(&self, contestant: Contestant) -> Running {
        match contestant {
            Contestant::Igmpd | Contestant::ImmediateIgmpd => {
                let config = if contestant == Contestant::ImmediateIgmpd {
                    IGMPD.replace("immediate-leave = false", "immediate-leave = true")
                } else {
                    IGMPD.to_owned()
                };
                Running::Igmpd(Igmpd::start_on(
                    &self.network,
                    &self.router,
                    &["wan0", "lan1"],
                    &config,
                ))
            }
            Contestant::Frr => {
                let frr = Frr::start(&self.network, &self.router, FRR);
                wait_for("FRR to be querier and designated router", START, || {
                    let querier = frr.show("show ip igmp interface lan1 json");
                    let routers = [("wan0", WAN), ("lan1", LAN)]
                        .map(|(name, address)| frr.designated_router(name) == Some(address));
                    if querier["lan1"]["querier"] == "local" && routers == [true, true] {
                        Ok(())
                    } else {
                        Err(format!("{querier} {routers:?}"))
                    }
                });
                Running::Frr(frr)
            }
            #[cfg(test)]
            Contestant::Nobody => Running::Nobody,
        }
    }

    /// Waits until the kernel knows so many (S,G) by way of FRR, which it asked for when their data came first.
    ///
    /// # Errors
    ///
    /// When there are fewer in the end.
    pub(super) fn wait_mroutes(&self, count: usize) -> Result<()> {
        let began = Instant::now();
        let mut resolved = 0;
        while began.elapsed() < START {
            // This thread alone is in the namespace, so /proc/net is that of another. The kernel prints -1 for the incoming interface of what it still asks about.
            let cache = self
                .router
                .enter(|| fs::read_to_string("/proc/thread-self/net/ip_mr_cache"));
            let lines = cache.unwrap_or_default();
            let source = format!("{:08X}", u32::from_ne_bytes(SOURCE.octets()));
            resolved = lines
                .lines()
                .filter_map(|line| {
                    let mut fields = line.split_whitespace();
                    Some((fields.nth(1)?, fields.next()?))
                })
                .filter(|(origin, incoming)| *origin == source && *incoming != "-1")
                .count();
            if resolved >= count {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("the kernel knows {resolved} of {count} multicast routes")
    }
}

impl Running {
    /// Whether data that nobody wants leads to an entry of the kernel.
    pub(super) fn answers_upcalls(&self) -> bool {
        matches!(self, Self::Frr(_))
    }

    /// How many groups it knows on `lan1`.
    pub(super) fn known(&self) -> u64 {
        match self {
            Self::Igmpd(igmpd) => igmpd.igmp("lan1").groups_count.into(),
            Self::Frr(frr) => frr.groups_count(),
            #[cfg(test)]
            Self::Nobody => 0,
        }
    }

    /// How many groups it knows on `lan1`, when these are all, or a while later.
    pub(super) fn wait_known(&self, all: u64) -> u64 {
        let began = Instant::now();
        loop {
            let known = self.known();
            if known >= all || began.elapsed() > LEARN {
                return known;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}
