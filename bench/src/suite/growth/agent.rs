//! The whole agent: a running `igmpd`, and what its process uses for what it is sent.

use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use ::tests::{Igmpd, Namespace, Network, Packet, packet};
use anyhow::{Result, bail, ensure};

use super::{
    Costs, What,
    groups::{passing, staying},
};
use crate::{
    cpu,
    load::packet_socket::{Frames, PacketSocket},
};

/// The configuration, besides that of the interfaces. In the ring there is room for all events of a growth at once, since
/// a storm is not what is measured.
const CONFIG: &str = "max-groups = 1048576\nmax-entries = 32768\nevent-ring-size = 67108864";

/// Records of the reports of groups that stay: as many as a frame holds.
const RECORDS: u32 = 180;
/// How long the agent may take for what it was sent.
const PATIENCE: Duration = Duration::from_secs(60);
/// For how long an agent does nothing that has nothing to do.
const QUIET: Duration = Duration::from_millis(60);
/// CPU time that an agent may use meanwhile for this and that.
const MOST_AT_REST: Duration = Duration::from_micros(300);

/// A link with hosts.
#[derive(Clone, Copy, Debug)]
struct Link {
    router: &'static str,
    generator: &'static str,
    /// The third byte of addresses on it.
    network: u8,
    /// Keys of its `igmp` table.
    igmp: &'static str,
}

/// Leaves are asked about.
const ASKING: Link = Link {
    router: "lan0",
    generator: "gen0",
    network: 0,
    igmp: "query-interval = 30000",
};
/// Leaves take effect at once.
const IMMEDIATE: Link = Link {
    router: "lan1",
    generator: "gen1",
    network: 1,
    igmp: "query-interval = 30000\nimmediate-leave = true",
};
/// Groups end after 2 × 1 s + 2 × 0.5 s that nobody reports.
const SHORT: Link = Link {
    router: "lan2",
    generator: "gen2",
    network: 2,
    igmp: "query-interval = 1\nquery-max-response-time = 0.5",
};
/// After how long groups on [`SHORT`] have ended.
const SHORT_LIFE: Duration = Duration::from_millis(3_200);
/// After how long a group has ended that was left on [`ASKING`]: twice the Last Member Query Interval.
const ASKED: Duration = Duration::from_millis(2_200);

impl Link {
    const ALL: [Self; 3] = [ASKING, IMMEDIATE, SHORT];

    fn address(self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 1, self.network, host)
    }
}

/// A running agent, and who sends to it.
pub(super) struct Agent {
    igmpd: Igmpd,
    generator: Namespace,
    _router: Namespace,
    _network: Network,
    /// How many groups stay.
    groups: u32,
    /// How many events of a kind there are at a time.
    events: u32,
}

impl Agent {
    /// Starts an agent without groups.
    ///
    /// # Panics
    ///
    /// When networks cannot be made, or it does not start.
    pub(super) fn start(events: u32) -> Self {
        let network = Network::new();
        let generator = network.namespace("generator");
        let router = network.namespace("router");
        let mut config = CONFIG.to_owned();
        for link in Link::ALL {
            network.link(&generator, link.generator, &router, link.router);
            generator.address(link.generator, link.address(2), 24);
            router.address(link.router, link.address(1), 24);
            config += &format!("\n[interfaces.{}.igmp]\n{}", link.router, link.igmp);
        }
        let igmpd = Igmpd::start_on(&network, &router, &Link::ALL.map(|link| link.router), &config);
        Self {
            igmpd,
            generator,
            _router: router,
            _network: network,
            groups: 0,
            events,
        }
    }

    /// Has hosts join until so many groups stay.
    ///
    /// # Errors
    ///
    /// When the agent does not know them in time.
    pub(super) fn grow(&mut self, groups: u32) -> Result<()> {
        for (link, parity) in [(ASKING, 0), (IMMEDIATE, 1)] {
            let numbers = (self.groups..groups).filter(|number| number % 2 == parity);
            let all: Vec<Ipv4Addr> = numbers.map(staying).collect();
            let frames: Frames = all
                .chunks(RECORDS as usize)
                .map(|groups| {
                    let records: Vec<packet::Record> = groups
                        .iter()
                        .map(|&group| packet::Record::new(packet::TO_EX, group, &[]))
                        .collect();
                    Packet::v3_report(link.address(2), &records).frame()
                })
                .collect();
            self.send(link, &frames)?;
        }
        self.groups = groups;
        let _ = self.settle()?;
        for link in [ASKING, IMMEDIATE] {
            self.wait_known(link, self.stay_on(link))?;
        }
        let _ = self.settle()?;
        Ok(())
    }

    /// CPU time that the agent uses in a second in which nothing happens, in seconds.
    pub(super) fn at_rest(&mut self) -> Result<f64> {
        let before = self.used()?;
        thread::sleep(Duration::from_secs(1));
        Ok((self.used()? - before).as_secs_f64())
    }

    /// Each kind of event once for each passing group; those that wait for timers only if so wished. The agent then knows what
    /// it knew before.
    ///
    /// # Errors
    ///
    /// When groups are not known, or not gone, as they should be.
    pub(super) fn round(&mut self, costs: &mut Costs, with_timers: bool) -> Result<()> {
        self.joins(IMMEDIATE, costs)?;
        self.leaves(IMMEDIATE, What::Leave, Duration::ZERO, costs)?;
        if with_timers {
            self.joins(ASKING, costs)?;
            self.leaves(ASKING, What::AskedLeave, ASKED, costs)?;
            self.joins(SHORT, costs)?;
            self.take(SHORT, What::Expiry, SHORT_LIFE, costs)?;
        }
        Ok(())
    }

    fn joins(&mut self, link: Link, costs: &mut Costs) -> Result<()> {
        let before = self.used()?;
        self.send(link, &self.frames(link, Packet::v2_report))?;
        let used = self.settle_at(link, self.stay_on(link) + self.events)? - before;
        costs.add(What::Join, used, self.events as usize);
        Ok(())
    }

    fn leaves(&mut self, link: Link, what: What, after: Duration, costs: &mut Costs) -> Result<()> {
        let frames = self.frames(link, Packet::leave);
        let before = self.used()?;
        self.send(link, &frames)?;
        self.end(link, what, after, before, costs)
    }

    /// What it takes that groups end by themselves.
    fn take(&mut self, link: Link, what: What, after: Duration, costs: &mut Costs) -> Result<()> {
        let before = self.used()?;
        self.end(link, what, after, before, costs)
    }

    /// Waits until only those groups are there that stay, which is after this time at the earliest.
    fn end(
        &mut self,
        link: Link,
        what: What,
        after: Duration,
        before: Duration,
        costs: &mut Costs,
    ) -> Result<()> {
        // Nobody asks the agent meanwhile, since answers take CPU time as well.
        thread::sleep(after);
        let used = self.settle_at(link, self.stay_on(link))? - before;
        costs.add(what, used, self.events as usize);
        Ok(())
    }

    /// A frame for each passing group.
    fn frames(&self, link: Link, of: fn(Ipv4Addr, Ipv4Addr) -> Packet) -> Frames {
        let groups = passing(self.groups, self.events);
        groups
            .iter()
            .map(|&group| of(link.address(2), group).frame())
            .collect()
    }

    fn send(&self, link: Link, frames: &Frames) -> Result<()> {
        let sent = PacketSocket::open(&self.generator, link.generator)?.send(frames)?;
        ensure!(
            sent.frames == frames.len(),
            "only {} frames could be sent",
            sent.frames
        );
        Ok(())
    }

    /// How many groups stay on a link.
    fn stay_on(&self, link: Link) -> u32 {
        match link.network {
            0 => self.groups.div_ceil(2),
            1 => self.groups / 2,
            _ => 0,
        }
    }

    fn used(&mut self) -> Result<Duration> {
        cpu::of_process(self.igmpd.process().pid())
    }

    /// Waits until the agent does nothing, and tells what it has used until then.
    fn settle(&mut self) -> Result<Duration> {
        let started = Instant::now();
        let mut before = self.used()?;
        loop {
            thread::sleep(QUIET);
            let now = self.used()?;
            if now - before < MOST_AT_REST {
                return Ok(before);
            }
            before = now;
            if started.elapsed() > PATIENCE {
                bail!("igmpd is busy for more than {PATIENCE:?}");
            }
        }
    }

    /// Waits until the agent does nothing and knows so many groups, and tells what it has used until then. Where it only
    /// seemed to do nothing, because it had to wait for a processor, the answers to later questions are in it.
    fn settle_at(&mut self, link: Link, wanted: u32) -> Result<Duration> {
        let used = self.settle()?;
        if self.igmpd.igmp(link.router).groups_count == wanted {
            return Ok(used);
        }
        self.wait_known(link, wanted)?;
        self.settle()
    }

    fn wait_known(&mut self, link: Link, wanted: u32) -> Result<()> {
        let started = Instant::now();
        loop {
            let known = self.igmpd.igmp(link.router).groups_count;
            if known == wanted {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                bail!("igmpd knows {known} groups on {} and not {wanted}", link.router);
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// How many events found no room in the ring, and how often the agent looked through the maps for that.
    pub(super) fn lost(&self) -> (u64, u64) {
        let mut lost = 0;
        for link in Link::ALL {
            lost += self.igmpd.statistics(link.router).events_lost;
        }
        let all = self.igmpd.all_statistics();
        (lost, all.resyncs)
    }
}
