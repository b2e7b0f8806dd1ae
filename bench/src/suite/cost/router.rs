//! The router's own program, with maps as an agent would leave them.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use igmp_core::{Instant, Refresh};
use igmp_user::kernel::{Kernel, LoadOptions, MapChange, XdpWish};
use igmp_wire::{
    Refusal,
    abi::{
        ForwardingState, GroupKey, INCOMING_RPF, InterfaceConfig, InterfaceCounters, InterfaceFlags,
        InterfaceKey, Port, PortSet, Prefix, RouteEntry, RouteKey, SourceKey, name,
    },
};

use super::{
    packets::{self, ELSEWHERE, ROUTER, SENDER},
    trial::{self, Verdict},
};

/// The slot of the interface where frames arrive.
pub(super) const SLOT: u32 = 0;
/// The slot of the port where data leaves.
pub(super) const PORT: u32 = 1;
/// The slot of a port whose MTU is small.
pub(super) const NARROW_PORT: u32 = 2;
/// The index of the loopback interface, which is where the kernel says that test runs receive.
const LOOPBACK: u32 = 1;
/// What the kernel allows a redirected frame beyond the MTU.
const REDIRECT_HEADROOM: u32 = 18;
/// Of how many runs one may have become events although events are limited: tokens grow meanwhile.
const MOST_SPARED: u64 = 50;
/// How many times to try anew where too many events were possible.
const MOST_ATTEMPTS: usize = 20;
/// More queries than become events at once, however long there were none.
const MOST_TOKENS: u32 = 30_000;

/// What one run counts.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Count {
    /// For the interface where the frame arrives: exactly this.
    Interface(Box<InterfaceCounters>),
    /// A refusal for the port with this slot.
    Port(u32, Refusal),
    /// A packet of the flow from [`SENDER`] to this group.
    Flow(Ipv4Addr),
    /// A refusal because there are too many events, of which now and then one is let through.
    Rate(Box<InterfaceCounters>),
}

/// What the program is run over, and what is to come of it.
#[derive(Clone, Debug)]
pub(super) struct Work {
    /// The frames, in turn.
    pub(super) frames: Vec<Vec<u8>>,
    /// The verdict on each of them.
    pub(super) verdict: Verdict,
    /// What each run counts.
    pub(super) count: Count,
    /// Whether the interface has as many groups as it may have.
    pub(super) full: bool,
}

/// The loaded programs, with one interface, two ports and some routes.
pub(super) struct Router {
    kernel: Kernel,
}

impl Router {
    /// Loads the programs.
    pub(super) fn load(max_groups: u32) -> Result<Self> {
        let options = LoadOptions {
            max_groups,
            // Room for the events of a measurement of leaves.
            event_ring_len: 1 << 24,
            ..LoadOptions::default()
        };
        let mut router = Self {
            kernel: Kernel::load(&options).context("the router's programs")?,
        };
        router.kernel.attach(LOOPBACK, "lo", XdpWish::Generic)?;
        router.configure(false)?;
        router.forward()?;
        Ok(router)
    }

    fn configure(&mut self, full: bool) -> Result<()> {
        let mut config = InterfaceConfig {
            slot: SLOT,
            flags: InterfaceFlags::IGMP | InterfaceFlags::REQUIRE_ROUTER_ALERT | InterfaceFlags::FORWARD,
            version: 3,
            max_groups: u32::from(full),
            prefix_count: 1,
            ..InterfaceConfig::default()
        };
        if let Some(first) = config.prefixes.first_mut() {
            *first = Prefix {
                address: ROUTER.to_bits(),
                mask: 0xffff_ff00,
            };
        }
        let key = InterfaceKey {
            ifindex: LOOPBACK,
            vlan: 0,
            reserved: 0,
        };
        Ok(self.kernel.set_interface(key, &config)?)
    }

    /// Ports, port sets and where sources are. The number of a port set is the slot of its only port.
    fn forward(&mut self) -> Result<()> {
        for (slot, mtu) in [(PORT, 1_500), (NARROW_PORT, 100)] {
            self.kernel.set_port(
                slot,
                &Port {
                    ifindex: LOOPBACK,
                    mtu,
                    mac: [2, 0, 0, 0, 0, 1],
                    ..Port::default()
                },
            )?;
            let mut set = PortSet {
                count: 1,
                span: slot + 1,
                max_frame_len: mtu + REDIRECT_HEADROOM,
                ..PortSet::default()
            };
            if let Some(first) = set.slots.first_mut() {
                *first = 1 << slot;
            }
            self.kernel.set_port_set(slot, &set, &[(slot, LOOPBACK)])?;
        }
        let network = |address: Ipv4Addr| format!("{address}/32").parse();
        self.kernel
            .set_source_prefix(network(SENDER).context("a prefix")?, SLOT)?;
        self.kernel
            .set_source_prefix(network(ELSEWHERE).context("a prefix")?, PORT)?;
        Ok(())
    }

    /// Leads a group's data to a port.
    pub(super) fn route(&mut self, group: Ipv4Addr, port: u32) -> Result<()> {
        let key = RouteKey {
            group: group.to_bits(),
            source: 0,
        };
        let entry = RouteEntry {
            port_set: port,
            incoming: INCOMING_RPF,
        };
        Ok(self.kernel.set_route(key, entry)?)
    }

    /// Lets routes count.
    pub(super) fn commit(&mut self) -> Result<()> {
        let state = self.kernel.forwarding_state()?;
        let state = ForwardingState {
            generation: state.generation + 1,
            ..state
        };
        let refused = self.kernel.set_forwarding_state(&state)?;
        ensure!(refused == 0, "there was no room for {refused} routes");
        Ok(())
    }

    /// Makes groups known as hosts of their versions and an agent would: by reports of new groups, those of version 3 with 180
    /// each, whose cost in nanoseconds is returned, and by what the agent then does about each.
    pub(super) fn learn(&mut self, groups: &[Ipv4Addr]) -> Result<Vec<f64>> {
        let of_version = |version| move |group: &Ipv4Addr| packets::version_of(*group) == version;
        let newest: Vec<Ipv4Addr> = groups.iter().copied().filter(of_version(3)).collect();
        let mut costs = Vec::new();
        for some in newest.chunks(180) {
            let cost = self.learn_by(packets::v3(some), some)?;
            costs.push(cost / some.len() as f64);
        }
        for version in [1, 2] {
            for group in groups.iter().filter(|group| of_version(version)(group)) {
                let frame = if version == 1 {
                    packets::v1(*group)
                } else {
                    packets::v2(*group)
                };
                self.learn_by(frame, &[*group])?;
            }
        }
        Ok(costs)
    }

    /// Makes groups known by a report of them. Returns what it took, in nanoseconds.
    fn learn_by(&mut self, frame: Vec<u8>, groups: &[Ipv4Addr]) -> Result<f64> {
        let before = self.kernel.counters(SLOT)?.events;
        let cost = trial::run(self.kernel.program(name::PROGRAM)?, &frame, 1, &[Verdict::Drop])?;
        let events = self.kernel.counters(SLOT)?.events - before;
        ensure!(
            events == groups.len() as u64,
            "{} new groups became {events} events",
            groups.len()
        );
        let changes: Vec<MapChange> = groups
            .iter()
            .map(|group| MapChange::GroupMade {
                key: key(*group),
                // What the report has made of it, and what the core wants.
                refresh: Refresh {
                    v1: packets::version_of(*group) == 1,
                    v2: packets::version_of(*group) == 2,
                    v3: true,
                },
            })
            .collect();
        self.tell(&changes)?;
        Ok(cost)
    }

    /// Makes sources of a group known.
    pub(super) fn learn_sources(&mut self, group: Ipv4Addr, sources: &[Ipv4Addr]) -> Result<()> {
        let frame = packets::v3_sources(&[group], sources);
        trial::run(self.kernel.program(name::PROGRAM)?, &frame, 1, &[Verdict::Drop])?;
        let changes: Vec<MapChange> = sources
            .iter()
            .map(|source| MapChange::SetSource {
                key: SourceKey {
                    slot: SLOT,
                    group: group.to_bits(),
                    source: source.to_bits(),
                },
            })
            .chain([MapChange::SetGroup {
                key: key(group),
                refresh: Refresh::default(),
            }])
            .collect();
        self.tell(&changes)
    }

    fn tell(&mut self, changes: &[MapChange]) -> Result<()> {
        let applied = self.kernel.apply(Instant::from_nanos(0), changes)?;
        ensure!(applied.full == 0, "{} entries found no room", applied.full);
        self.kernel.drain_events(usize::MAX, &mut |_, _| {});
        Ok(())
    }

    /// How many groups there are.
    pub(super) fn groups(&self) -> Result<u32> {
        Ok(self.kernel.groups_in_use(SLOT)?)
    }

    /// Runs the program over each of the frames so many times, and tells how many nanoseconds a run took on average.
    ///
    /// # Errors
    ///
    /// When the verdict was another, or anything was counted but what the work counts, as often as it was repeated.
    pub(super) fn measure(&mut self, work: &Work, repeat: u32) -> Result<f64> {
        if work.full {
            self.configure(true)?;
        }
        let mut outcome = self.measure_configured(work, repeat);
        // While this thread waits for a processor, more events become possible.
        let is_limited = matches!(work.count, Count::Rate(_));
        for _ in 0..MOST_ATTEMPTS {
            if outcome.is_ok() || !is_limited {
                break;
            }
            outcome = self.measure_configured(work, repeat);
        }
        if work.full {
            self.configure(false)?;
        }
        outcome
    }

    fn measure_configured(&mut self, work: &Work, repeat: u32) -> Result<f64> {
        let mut verdicts = vec![work.verdict];
        if let Count::Rate(_) = work.count {
            // What is handed over passes.
            verdicts.push(Verdict::Pass);
            // What is saved up is spent first, and then what came in while the ring was emptied.
            let program = self.kernel.program(name::PROGRAM)?;
            for frame in &work.frames {
                trial::run(program, frame, MOST_TOKENS, &verdicts)?;
            }
            self.kernel.drain_events(usize::MAX, &mut |_, _| {});
            let program = self.kernel.program(name::PROGRAM)?;
            for frame in &work.frames {
                trial::run(program, frame, MOST_TOKENS, &verdicts)?;
            }
        }
        let before = self.counted(work)?;
        let program = self.kernel.program(name::PROGRAM)?;
        let mut sum = 0.0;
        for frame in &work.frames {
            sum += trial::run(program, frame, repeat, &verdicts)?;
        }
        let after = self.counted(work)?;
        let runs = u64::from(repeat) * work.frames.len() as u64;
        check(&work.count, before, after, runs)?;
        self.kernel.drain_events(usize::MAX, &mut |_, _| {});
        Ok(sum / work.frames.len() as f64)
    }

    fn counted(&self, work: &Work) -> Result<Counted> {
        let flow = |group: Ipv4Addr| {
            let key = RouteKey {
                group: group.to_bits(),
                source: SENDER.to_bits(),
            };
            self.kernel.flows().get(key).map_or(0, |flow| flow.packets)
        };
        Ok(Counted {
            interface: self.kernel.counters(SLOT)?,
            port: match work.count {
                Count::Port(slot, _) => self.kernel.counters(slot)?,
                _ => InterfaceCounters::default(),
            },
            flow: match work.count {
                Count::Flow(group) => flow(group),
                _ => 0,
            },
        })
    }
}

/// What there is to count, at one moment.
struct Counted {
    interface: InterfaceCounters,
    port: InterfaceCounters,
    flow: u64,
}

fn check(count: &Count, before: Counted, after: Counted, runs: u64) -> Result<()> {
    let mut wanted = before;
    match count {
        Count::Interface(each) => add(&mut wanted.interface, each, runs),
        Count::Port(_, refusal) => {
            let each = refused(*refusal);
            add(&mut wanted.port, &each, runs);
        }
        Count::Flow(_) => wanted.flow += runs,
        Count::Rate(each) => {
            let spared = after.interface.events.saturating_sub(wanted.interface.events);
            ensure!(
                spared <= runs / MOST_SPARED,
                "{spared} of {runs} queries were handed over although there are too many"
            );
            add(&mut wanted.interface, each, runs);
            wanted.interface.events += spared;
            if let Some(dropped) = wanted.interface.dropped.get_mut(Refusal::Rate as usize) {
                *dropped -= spared;
            }
        }
    }
    ensure!(
        wanted.interface == after.interface && wanted.port == after.port && wanted.flow == after.flow,
        "the frame took another path: {runs} runs should have counted up to {:?}, {:?} and {}, and it is {:?}, {:?} and {}",
        wanted.interface,
        wanted.port,
        wanted.flow,
        after.interface,
        after.port,
        after.flow
    );
    Ok(())
}

/// Counters of one refused packet.
pub(super) fn refused(refusal: Refusal) -> InterfaceCounters {
    let mut counters = InterfaceCounters::default();
    if let Some(dropped) = counters.dropped.get_mut(refusal as usize) {
        *dropped = 1;
    }
    counters
}

fn add(to: &mut InterfaceCounters, each: &InterfaceCounters, times: u64) {
    let mut more = *each;
    let InterfaceCounters {
        received,
        dropped,
        refreshed,
        events,
        events_lost,
        forwarded_packets,
        forwarded_bytes,
    } = &mut more;
    let single = [refreshed, events, events_lost, forwarded_packets, forwarded_bytes];
    for number in received.iter_mut().chain(dropped.iter_mut()).chain(single) {
        *number *= times;
    }
    to.add(&more);
}

fn key(group: Ipv4Addr) -> GroupKey {
    GroupKey {
        slot: SLOT,
        group: group.to_bits(),
    }
}
