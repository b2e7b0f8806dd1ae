//! The floors: the least work that could do the same, made for the purpose.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use aya::{
    Ebpf, EbpfLoader,
    maps::{DevMap, HashMap, MapData},
    programs::{Xdp, XdpMode},
};
use nix::time::{ClockId, clock_gettime};

use super::trial::{self, Verdict};

/// The slot that the floors put into the keys of groups.
const SLOT: u32 = 0;
/// Length of a group's entry in bytes: three times, and four words.
const ENTRY: usize = 40;
/// Length of a flow's entry in bytes: seven words of eight bytes, all 0 for the first port.
const FLOW: usize = 56;
/// The index of the loopback interface, which is where the kernel says that test runs receive.
const LOOPBACK: u32 = 1;

/// Devices that floors are attached to, see the suite's `measure`.
pub(super) const DEVICES: [&str; 4] = ["floor0", "floor1", "floor2", "floor3"];

/// A floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Floor {
    /// Nothing at all.
    Empty,
    /// Reads the group of a version 2 report, looks it up, writes the time.
    Group,
    /// The same for each record of a version 3 report.
    Records,
    /// Looks up the flow, takes one from the TTL, redirects.
    Route,
}

impl Floor {
    const ALL: [Self; 4] = [Self::Empty, Self::Group, Self::Records, Self::Route];

    fn program(self) -> &'static str {
        match self {
            Self::Empty => "floor_empty",
            Self::Group => "floor_group",
            Self::Records => "floor_records",
            Self::Route => "floor_route",
        }
    }

    /// Which of the three times in a group's entry it writes; `None` where it writes none.
    fn time(self) -> Option<usize> {
        match self {
            Self::Group => Some(1),
            Self::Records => Some(2),
            Self::Empty | Self::Route => None,
        }
    }
}

/// What a floor is run over, and what is to come of it.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    /// The floor.
    pub(super) floor: Floor,
    /// The frames, in turn.
    pub(super) frames: Vec<Vec<u8>>,
    /// Its verdict on each of them.
    pub(super) verdict: Verdict,
    /// The groups whose time it writes.
    pub(super) groups: Vec<u32>,
}

/// The loaded floors.
pub(super) struct Floors {
    ebpf: Ebpf,
    groups: HashMap<MapData, [u8; 8], [u8; ENTRY]>,
    flows: HashMap<MapData, [u8; 8], [u8; FLOW]>,
    /// Kept, because programs do not keep what a map of devices holds from being looked at by others.
    _ports: DevMap<MapData>,
}

impl Floors {
    /// Loads the floors, with maps for so many groups and flows.
    pub(super) fn load(object: &Path, max_groups: u32, max_flows: u32) -> Result<Self> {
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("FLOOR_GROUPS", max_groups)
            .map_max_entries("FLOOR_FLOWS", max_flows)
            .load_file(object)
            .with_context(|| format!("cannot load the floors from {}", object.display()))?;
        for (floor, device) in Floor::ALL.into_iter().zip(DEVICES) {
            let program = ebpf
                .program_mut(floor.program())
                .with_context(|| format!("there is no {}", floor.program()))?;
            let program: &mut Xdp = program.try_into().context("floors are XDP programs")?;
            program.load().context("the kernel refuses a floor")?;
            program
                .attach(device, XdpMode::Skb)
                .with_context(|| format!("cannot attach a floor to {device}"))?;
        }
        let mut map = |name: &'static str| {
            ebpf.take_map(name)
                .with_context(|| format!("there is no map {name}"))
        };
        let mut ports = DevMap::try_from(map("FLOOR_PORTS")?)?;
        ports.set(0, LOOPBACK, None, 0).context("a port for the floor")?;
        Ok(Self {
            groups: HashMap::try_from(map("FLOOR_GROUPS")?)?,
            flows: HashMap::try_from(map("FLOOR_FLOWS")?)?,
            _ports: ports,
            ebpf,
        })
    }

    /// Makes a group known.
    pub(super) fn learn(&mut self, group: u32) -> Result<()> {
        self.groups
            .insert(group_key(group), [0; ENTRY], 0)
            .context("a group for the floor")
    }

    /// Makes a flow known.
    pub(super) fn learn_flow(&mut self, group: u32, source: u32) -> Result<()> {
        self.flows
            .insert(words(group, source), [0; FLOW], 0)
            .context("a flow for the floor")
    }

    /// Runs a floor over each of its frames so many times, and tells how many nanoseconds a run took on average.
    ///
    /// # Errors
    ///
    /// When the verdict was another, or when not every group has a time of these runs afterwards.
    pub(super) fn measure(&self, ground: &Ground, repeat: u32) -> Result<f64> {
        let program = self
            .ebpf
            .program(ground.floor.program())
            .context("the floor is loaded")?;
        let program: &Xdp = program.try_into().context("floors are XDP programs")?;
        let started = clock_gettime(ClockId::CLOCK_MONOTONIC).context("the time")?;
        let mut sum = 0.0;
        for frame in &ground.frames {
            sum += trial::run(program, frame, repeat, &[ground.verdict])?;
        }
        let started = started.tv_sec() as u64 * 1_000_000_000 + started.tv_nsec() as u64;
        if let Some(index) = ground.floor.time() {
            for &group in &ground.groups {
                let entry = self
                    .groups
                    .get(&group_key(group), 0)
                    .context("the floor does not know a group")?;
                let at = index * 8;
                let time = entry.get(at..).and_then(<[u8]>::first_chunk);
                let time = time.map_or(0, |bytes| u64::from_ne_bytes(*bytes));
                ensure!(time >= started, "the floor has not written the time of a group");
            }
        }
        Ok(sum / ground.frames.len() as f64)
    }
}

fn group_key(group: u32) -> [u8; 8] {
    words(SLOT, group)
}

fn words(first: u32, second: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    let (head, tail) = bytes.split_at_mut(4);
    head.copy_from_slice(&first.to_ne_bytes());
    tail.copy_from_slice(&second.to_ne_bytes());
    bytes
}
