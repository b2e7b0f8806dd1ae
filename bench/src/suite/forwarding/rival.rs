//! Those that forward, each set up in its own way to carry the same groups to the same ports.

use std::{
    fmt::Write,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use tests::Igmpd;

use super::site::{FIRST_GROUP, INCOMING, SOURCE, Site};
use crate::{
    arguments::Arguments,
    contestant::smcroute::{Routes, Smcroute},
};

/// How long learning all groups may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Interfaces of the kernel's multicast routing (`MAXVIFS`), the incoming one among them.
const MAX_VIFS: u32 = 32;

/// Who forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rival {
    /// This router, in native XDP.
    Igmpd,
    /// The kernel's multicast routing with static routes.
    Kernel,
    /// The kernel's bridge with snooping, which leaves packets as they are.
    Bridge,
}

impl Rival {
    /// All of them, in the order in which they take turns.
    pub(super) const ALL: [Self; 3] = [Self::Igmpd, Self::Kernel, Self::Bridge];

    /// The name in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Igmpd => "igmpd",
            Self::Kernel => "kernel routing (smcroute)",
            Self::Bridge => "bridge",
        }
    }

    /// Why it cannot serve so many ports, if it cannot.
    pub(super) fn objection(self, ports: u32) -> Option<String> {
        (self == Self::Kernel && ports >= MAX_VIFS)
            .then(|| format!("impossible: {MAX_VIFS} interfaces at most"))
    }
}

/// Somebody who forwards, in a network of its own.
#[derive(Debug)]
pub(super) struct Forwarder {
    /// The program, where there is one. It goes before the network does.
    program: Option<Program>,
    pub(super) site: Site,
}

#[derive(Debug)]
enum Program {
    Igmpd(Box<Igmpd>),
    Smcroute(Smcroute),
}

impl Forwarder {
    /// Sets somebody up to carry so many groups to each of so many ports.
    ///
    /// # Errors
    ///
    /// When a program is missing, or does not get there in time.
    ///
    /// # Panics
    ///
    /// When namespaces and links cannot be made, or a program does not start.
    pub(super) fn start(arguments: &Arguments, rival: Rival, ports: u32, groups: u32) -> Result<Self> {
        let site = Site::new(arguments, ports, rival != Rival::Bridge)?;
        let program = match rival {
            Rival::Igmpd => Some(Program::Igmpd(Box::new(igmpd(&site, ports, groups)?))),
            Rival::Kernel => Some(Program::Smcroute(kernel(arguments, &site, groups)?)),
            Rival::Bridge => {
                bridge(&site, groups)?;
                None
            }
        };
        Ok(Self { program, site })
    }

    /// The program's process, where there is one.
    pub(super) fn process(&mut self) -> Option<u32> {
        match self.program.as_mut()? {
            Program::Igmpd(igmpd) => Some(igmpd.process().pid()),
            Program::Smcroute(smcroute) => Some(smcroute.pid()),
        }
    }
}

fn igmpd(site: &Site, ports: u32, groups: u32) -> Result<Igmpd> {
    site.address();
    let memberships = ports * groups;
    let mut config = format!(
        "max-groups = {}\n[interfaces.{INCOMING}]\n",
        memberships.max(65_536)
    );
    let mut interfaces = vec![INCOMING];
    for port in &site.ports {
        let _ = writeln!(config, "[interfaces.{port}.igmp]");
        interfaces.push(port);
    }
    let igmpd = Igmpd::start_on(&site.network, &site.router, &interfaces, &config);
    site.join(groups)?;
    wait("igmpd knows all groups", || {
        let known: u32 = igmpd
            .interfaces()
            .iter()
            .filter_map(|interface| Some(interface.igmp.as_ref()?.groups_count))
            .sum();
        (known, memberships)
    })?;
    Ok(igmpd)
}

fn kernel(arguments: &Arguments, site: &Site, groups: u32) -> Result<Smcroute> {
    site.address();
    site.router.sysctl("net/ipv4/ip_forward", "1");
    for scope in ["all", INCOMING] {
        site.router
            .sysctl(&format!("net/ipv4/conf/{scope}/rp_filter"), "0");
    }
    let routes = Routes {
        from: INCOMING,
        source: SOURCE,
        first: FIRST_GROUP,
        count: groups,
        to: &site.ports,
    };
    Smcroute::start(&site.network, &site.router, &arguments.contestants, &routes)
}

fn bridge(site: &Site, groups: u32) -> Result<()> {
    // Without a querier a bridge floods, and for as long as hosts may take to answer it after it has become one.
    let mut lines = String::from(
        "link add br0 type bridge mcast_snooping 1 mcast_hash_max 131072 mcast_query_response_interval 1\n\
         link set br0 type bridge mcast_querier 1\nlink set br0 up\n",
    );
    for port in site.ports.iter().map(String::as_str).chain([INCOMING]) {
        let _ = writeln!(lines, "link set {port} master br0");
    }
    site.router.ip_batch(&lines, &site.network.path("bridge"));
    site.join(groups)?;
    let wanted = site.ports.len() as u32 * groups;
    wait("the bridge knows all groups", || {
        let text = tests::process::run(std::process::Command::new("bridge").args([
            "-n",
            site.router.name(),
            "mdb",
            "show",
            "dev",
            "br0",
        ]));
        let known = text.lines().filter(|line| line.contains(" grp 239.")).count();
        (u32::try_from(known).unwrap_or(u32::MAX), wanted)
    })
}

/// Waits until the first number has become the second.
fn wait(what: &str, mut numbers: impl FnMut() -> (u32, u32)) -> Result<()> {
    let begun = Instant::now();
    loop {
        let (known, wanted) = numbers();
        if known >= wanted {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!("{what}: not within {PATIENCE:?}, {known} of {wanted}");
        }
        thread::sleep(Duration::from_millis(100));
    }
}
