//! The XDP program by itself, fed with frames through `BPF_PROG_TEST_RUN`.
//!
//! Each [`Xdp`] has programs and maps of its own, so tests run side by side. Frames arrive on the loopback interface,
//! because that is where the kernel says a test run's frames come from.

use std::{collections::HashMap, net::Ipv4Addr, time::Duration};

use aya::{
    TestRun,
    maps::{Array, Map, MapData, MapInfo},
    programs::TestRunOptions,
};
use igmp_core::{Duration as Span, Instant};
use igmp_user::{
    kernel::{Kernel, LoadOptions},
    sys::Plain,
};
use igmp_wire::{
    Refusal,
    abi::{
        Event, GroupEntry, GroupKey, InterfaceConfig, InterfaceCounters, InterfaceFlags, InterfaceKey,
        Prefix, RefreshEntry, SourceEntry, SourceKey, name,
    },
    igmp::Kind,
};
use nix::time::{ClockId, clock_gettime};

/// The index of the loopback interface in every network namespace.
pub(crate) const IFINDEX: u32 = 1;
/// The slot of the interface under test.
pub(crate) const SLOT: u32 = 3;
/// The slot of its VLAN 7, where a test configures one.
pub(crate) const VLAN_SLOT: u32 = 4;
/// The router's address.
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);
/// A host's address.
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 2);

/// The verdict of the program, as the kernel numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// `XDP_DROP`.
    Drop,
    /// `XDP_PASS`.
    Pass,
    /// `XDP_REDIRECT`.
    Redirect,
}

/// The programs, loaded, with one interface configured.
pub(crate) struct Xdp {
    /// The maps, and everything else that the agent would use.
    pub(crate) kernel: Kernel,
    /// The last counters that were looked at, by slot.
    seen: HashMap<u32, InterfaceCounters>,
}

/// The configuration that an interface has by default: IGMPv3, Router Alert required, 10.1.1.1/24.
pub(crate) fn default_config() -> InterfaceConfig {
    let mut config = InterfaceConfig {
        slot: SLOT,
        flags: InterfaceFlags::IGMP | InterfaceFlags::REQUIRE_ROUTER_ALERT,
        version: 3,
        prefix_count: 1,
        ..InterfaceConfig::default()
    };
    config.prefixes[0] = Prefix {
        address: ROUTER.to_bits(),
        mask: 0xffff_ff00,
    };
    config
}

impl Xdp {
    /// Loads the programs and configures one interface by default.
    pub(crate) fn new() -> Self {
        Self::with(&LoadOptions::default(), &default_config())
    }

    /// Loads the programs with a configuration.
    pub(crate) fn with(options: &LoadOptions, config: &InterfaceConfig) -> Self {
        let mut kernel = Kernel::load(options).expect("the programs load (this needs root)");
        kernel
            .set_interface(key(0), config)
            .expect("the interface is configured");
        Self {
            kernel,
            seen: HashMap::new(),
        }
    }

    /// Replaces the configuration of the interface, or of one of its VLANs.
    pub(crate) fn configure(&mut self, vlan: u16, config: &InterfaceConfig) {
        self.kernel
            .set_interface(key(vlan), config)
            .expect("the interface is configured");
    }

    /// Feeds a frame and returns the verdict. A frame that is not redirected must come out as it went in.
    pub(crate) fn receive(&mut self, frame: &[u8]) -> Verdict {
        let (verdict, output) = self.forward(frame);
        if verdict != Verdict::Redirect {
            assert_eq!(output, frame, "the program changed the frame");
        }
        verdict
    }

    /// Feeds a frame and returns the verdict and the frame as it came out.
    pub(crate) fn forward(&mut self, frame: &[u8]) -> (Verdict, Vec<u8>) {
        let (verdict, output) = self.run(name::PROGRAM, frame, 1);
        let verdict = match verdict {
            1 => Verdict::Drop,
            2 => Verdict::Pass,
            4 => Verdict::Redirect,
            other => panic!("verdict {other}"),
        };
        (verdict, output)
    }

    /// Feeds a frame many times and returns how long one run took.
    pub(crate) fn time(&mut self, frame: &[u8], runs: u32) -> Duration {
        let program = self.kernel.program(name::PROGRAM).expect("the program is there");
        let options = TestRunOptions {
            data_in: Some(frame),
            repeat: runs,
            ..TestRunOptions::default()
        };
        program.test_run(options).expect("the program runs").duration
    }

    fn run(&self, program: &'static str, frame: &[u8], repeat: u32) -> (u32, Vec<u8>) {
        let program = self.kernel.program(program).expect("the program is there");
        let mut output = vec![0xa5; frame.len() + 64];
        let options = TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut output),
            repeat,
            ..TestRunOptions::default()
        };
        let result = program.test_run(options).expect("the program runs");
        output.truncate(result.data_size_out as usize);
        (result.return_value, output)
    }

    /// What was counted since the last call.
    pub(crate) fn counted(&mut self) -> Counted {
        self.counted_in(SLOT)
    }

    /// What was counted for a slot since the last call.
    pub(crate) fn counted_in(&mut self, slot: u32) -> Counted {
        let now = self.kernel.counters(slot).expect("counters are readable");
        let seen = self.seen.insert(slot, now).unwrap_or_default();
        let mut delta = now;
        for (value, before) in delta.received.iter_mut().zip(seen.received) {
            *value -= before;
        }
        for (value, before) in delta.dropped.iter_mut().zip(seen.dropped) {
            *value -= before;
        }
        delta.refreshed -= seen.refreshed;
        delta.events -= seen.events;
        delta.events_lost -= seen.events_lost;
        delta.forwarded_packets -= seen.forwarded_packets;
        delta.forwarded_bytes -= seen.forwarded_bytes;
        Counted(delta)
    }

    /// What was counted since the last call for the interface and its VLAN together.
    pub(crate) fn counted_in_both(&mut self) -> Counted {
        let mut both = self.counted_in(SLOT);
        both.0.add(&self.counted_in(VLAN_SLOT).0);
        both
    }

    /// Takes all events out of the ring.
    pub(crate) fn events(&mut self) -> Vec<(Event, Vec<Ipv4Addr>)> {
        let mut events = Vec::new();
        self.kernel.drain_events(usize::MAX, &mut |event, sources| {
            let sources = sources.chunks_exact(4).map(|bytes| {
                let octets: [u8; 4] = bytes.try_into().expect("chunks of four");
                Ipv4Addr::from(octets)
            });
            events.push((event, sources.collect()));
        });
        events
    }

    /// The entry of a group.
    pub(crate) fn group(&self, group: Ipv4Addr) -> Option<GroupEntry> {
        self.kernel.group_entry(group_key(group))
    }

    /// The table of refreshes, as somebody else sees it.
    pub(crate) fn refreshes(&self) -> Array<MapData, Plain<RefreshEntry>> {
        let program = self.kernel.program(name::PROGRAM).expect("the program is there");
        let info = program.info().expect("the kernel tells of programs");
        let maps = info.map_ids().expect("the kernel tells of their maps");
        let id = maps.into_iter().flatten().find(|id| {
            let info = MapInfo::from_id(*id).expect("the kernel tells of maps");
            info.name_as_str() == Some(name::REFRESHES)
        });
        let map = MapData::from_id(id.expect("the program uses the table")).expect("the map is there");
        Array::try_from(Map::Array(map)).expect("it is an array of such entries")
    }

    /// The entry of a source.
    pub(crate) fn source(&self, group: Ipv4Addr, source: Ipv4Addr) -> Option<SourceEntry> {
        self.kernel.source_entry(source_key(group, source))
    }
}

impl Default for Xdp {
    fn default() -> Self {
        Self::new()
    }
}

/// Counters of a short while, with names for what tests ask.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counted(pub(crate) InterfaceCounters);

impl Counted {
    /// Messages received: the total, and those of a kind.
    pub(crate) fn received(&self, kind: Kind) -> (u64, u64) {
        (self.0.received[0], self.0.received[kind as usize])
    }

    /// The reasons for which packets were dropped, with how many each.
    pub(crate) fn dropped(&self) -> HashMap<Refusal, u64> {
        Refusal::ALL
            .into_iter()
            .map(|refusal| (refusal, self.0.dropped[refusal as usize]))
            .filter(|&(_, count)| count > 0)
            .collect()
    }
}

/// The clock that the XDP program stamps reports with.
pub(crate) fn now() -> Instant {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("there is a clock");
    Instant::from_nanos(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

/// Long after any packet that is being handled now.
pub(crate) fn later() -> Instant {
    now() + Span::from_secs(1)
}

/// The key of a group on the interface under test.
pub(crate) fn group_key(group: Ipv4Addr) -> GroupKey {
    GroupKey {
        slot: SLOT,
        group: group.to_bits(),
    }
}

/// The key of a source on the interface under test.
pub(crate) fn source_key(group: Ipv4Addr, source: Ipv4Addr) -> SourceKey {
    SourceKey {
        slot: SLOT,
        group: group.to_bits(),
        source: source.to_bits(),
    }
}

/// The key of the interface, or of one of its VLANs.
pub(crate) fn key(vlan: u16) -> InterfaceKey {
    InterfaceKey {
        ifindex: IFINDEX,
        vlan,
        reserved: 0,
    }
}
