//! The BPF object and how it is loaded.

use std::{collections::HashMap, path::PathBuf};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Map, MapData, RingBuf},
    programs::{SchedClassifier, Xdp},
};
use aya_log::EbpfLogger;
use igmp_wire::abi::{EVENT_RING_LEN, RefreshEntry, name};
use tracing::warn;

use super::{
    Kernel, KernelError, forwarding::ForwardingMaps, membership::Removals, pins::Pins, refreshes::Refreshes,
};

/// The object that the build embedded; empty where there was none.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/igmp-ebpf"));

/// How much the XDP program itself logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BpfLogLevel {
    /// Nothing; the verifier removes the log statements from the program when it is loaded.
    #[default]
    Off = 0,
    /// Errors.
    Error = 1,
    /// And warnings.
    Warn = 2,
    /// And information.
    Info = 3,
    /// And every packet that is refused.
    Debug = 4,
}

/// What is decided when the object is loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Capacity of the map of groups, all interfaces together.
    pub max_groups: u32,
    /// Capacity of the map of sources.
    pub max_entries: u32,
    /// Size of the event ring in bytes: a power of two and a multiple of the page size.
    pub event_ring_len: u32,
    /// Where maps and links are pinned, so that they outlive a killed igmpd. `None` for nowhere.
    pub pin_path: Option<PathBuf>,
    /// How much the XDP program logs.
    pub log_level: BpfLogLevel,
}

impl LoadOptions {
    /// Capacity of the map of routes: one for each group, and one for each source of which something else holds. With PIM those
    /// that hosts name and those that neighbours or packets do share it; a route that finds no room is logged.
    pub(super) const fn max_routes(&self) -> u32 {
        self.max_groups.saturating_add(self.max_entries)
    }

    /// The size of the table of refreshes, as a power of two: a place for each group.
    const fn refresh_bits(&self) -> u32 {
        RefreshEntry::bits_for(self.max_groups)
    }

    /// The size of the table of refreshes.
    pub(super) const fn max_refreshes(&self) -> u32 {
        1 << self.refresh_bits()
    }
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            max_groups: 65_536,
            max_entries: 262_144,
            event_ring_len: EVENT_RING_LEN as u32,
            pin_path: None,
            log_level: BpfLogLevel::Off,
        }
    }
}

/// The maps in the object.
const MAPS: [&str; 18] = [
    name::INTERFACES,
    name::DEVICES,
    name::CONFIGS,
    name::GROUPS,
    name::SOURCES,
    name::REFRESHES,
    name::USAGE,
    name::COUNTERS,
    name::EVENTS,
    name::LOST,
    name::ROUTES,
    name::FLOWS,
    name::SOURCE_PREFIXES,
    name::PORT_MAPS,
    name::PORT_SETS,
    name::PORTS,
    name::LOCAL_GROUPS,
    name::FORWARDING,
];

impl Kernel {
    /// Loads the programs, and takes over the maps that an earlier igmpd left pinned.
    ///
    /// Pins are not worth failing for: where they cannot be made, a warning says so and the router runs without.
    ///
    /// # Errors
    ///
    /// [`KernelError`] where the object is missing or the kernel refuses it.
    pub fn load(options: &LoadOptions) -> Result<Self, KernelError> {
        if OBJECT.is_empty() {
            return Err(KernelError::NoObject);
        }
        let pins = options
            .pin_path
            .as_deref()
            .and_then(|path| match Pins::open(path, options) {
                Ok(pins) => Some(pins),
                Err(error) => {
                    warn!("{error}; memberships will not survive a restart of igmpd");
                    None
                }
            });
        let adopted = pins.as_ref().is_some_and(Pins::adopted);
        match Self::load_with(options, pins.as_ref()) {
            Ok(mut kernel) => {
                kernel.pins = pins;
                kernel.adopted = adopted;
                if adopted {
                    kernel.free_refreshes();
                }
                Ok(kernel)
            }
            Err(error) => {
                // What an earlier igmpd left goes on working for the next one; what was made just now goes.
                if let Some(pins) = pins
                    && !adopted
                {
                    pins.remove();
                }
                Err(error)
            }
        }
    }

    fn load_with(options: &LoadOptions, pins: Option<&Pins>) -> Result<Self, KernelError> {
        let log_level = options.log_level as u8;
        let refresh_bits = options.refresh_bits();
        let mut loader = EbpfLoader::new();
        loader
            .override_global("AYA_LOG_LEVEL", &log_level, false)
            .map_max_entries(name::GROUPS, options.max_groups)
            .map_max_entries(name::SOURCES, options.max_entries)
            .override_global(name::REFRESH_BITS, &refresh_bits, true)
            .map_max_entries(name::REFRESHES, options.max_refreshes())
            .map_max_entries(name::EVENTS, options.event_ring_len)
            .map_max_entries(name::ROUTES, options.max_routes())
            .map_max_entries(name::FLOWS, options.max_entries);
        let paths: Vec<(&str, PathBuf)> = match pins {
            Some(pins) => MAPS.iter().map(|map| (*map, pins.map(map))).collect(),
            None => Vec::new(),
        };
        for (map, path) in &paths {
            loader.map_pin_path(map, path.as_path());
        }
        let mut ebpf = loader
            .load(OBJECT)
            .map_err(|error| KernelError::Load(Box::new(error)))?;
        for program in [name::PROGRAM, name::EGRESS, name::CONTROL] {
            xdp(&mut ebpf, program)?
                .load()
                .map_err(|error| KernelError::refused(program, error))?;
        }
        classifier(&mut ebpf)?
            .load()
            .map_err(|error| KernelError::refused(name::CLASSIFIER, error))?;
        let logger = match options.log_level {
            BpfLogLevel::Off => None,
            _ => EbpfLogger::init(&mut ebpf)
                .inspect_err(|error| warn!("no log of the XDP program: {error}"))
                .ok(),
        };

        Ok(Self {
            interfaces: typed(&mut ebpf, name::INTERFACES)?,
            devices: typed(&mut ebpf, name::DEVICES)?,
            configs: typed(&mut ebpf, name::CONFIGS)?,
            groups: typed(&mut ebpf, name::GROUPS)?,
            sources: typed(&mut ebpf, name::SOURCES)?,
            refreshes: Refreshes::of(&typed(&mut ebpf, name::REFRESHES)?, refresh_bits)?,
            usage: typed(&mut ebpf, name::USAGE)?,
            counters: typed(&mut ebpf, name::COUNTERS)?,
            events: typed::<RingBuf<MapData>>(&mut ebpf, name::EVENTS)?,
            lost: typed(&mut ebpf, name::LOST)?,
            forwarding: ForwardingMaps::take(&mut ebpf)?,
            ebpf,
            logger,
            links: HashMap::new(),
            classifiers: HashMap::new(),
            pins: None,
            adopted: false,
            removals: Removals::default(),
            prefetched: HashMap::new(),
        })
    }

    /// How many instructions the verifier walked through for each program, to see programs grow.
    ///
    /// # Errors
    ///
    /// [`KernelError::Program`] where the kernel does not tell.
    pub fn verified_instructions(&self) -> Result<Vec<(&'static str, u32)>, KernelError> {
        let count = |program: &'static str| {
            let loaded = self.ebpf.program(program).ok_or(KernelError::Missing(program))?;
            let info = loaded.info().map_err(|source| KernelError::Program {
                program,
                source: Box::new(source),
            })?;
            Ok((program, info.verified_instruction_count().unwrap_or(0)))
        };
        let programs = [name::PROGRAM, name::EGRESS, name::CLASSIFIER, name::CONTROL];
        programs.into_iter().map(count).collect()
    }

    /// The program with this name.
    ///
    /// # Errors
    ///
    /// [`KernelError::Missing`].
    pub fn program(&self, name: &'static str) -> Result<&Xdp, KernelError> {
        let program = self.ebpf.program(name).ok_or(KernelError::Missing(name))?;
        program.try_into().map_err(|_| KernelError::Missing(name))
    }

    /// The program that is attached to interfaces, to attach it.
    pub(super) fn router(&mut self) -> Result<&mut Xdp, KernelError> {
        xdp(&mut self.ebpf, name::PROGRAM)
    }

    /// The classifier, to attach it.
    pub(super) fn classifier(&mut self) -> Result<&mut SchedClassifier, KernelError> {
        classifier(&mut self.ebpf)
    }
}

/// The classifier of the object.
fn classifier(ebpf: &mut Ebpf) -> Result<&mut SchedClassifier, KernelError> {
    let missing = KernelError::Missing(name::CLASSIFIER);
    let Some(program) = ebpf.program_mut(name::CLASSIFIER) else {
        return Err(missing);
    };
    program.try_into().map_err(|_| missing)
}

/// The XDP program with this name.
fn xdp<'a>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut Xdp, KernelError> {
    let program = ebpf.program_mut(name).ok_or(KernelError::Missing(name))?;
    program.try_into().map_err(|_| KernelError::Missing(name))
}

/// Takes a map out of the object, as the type that it is.
pub(super) fn typed<T: TryFrom<Map>>(ebpf: &mut Ebpf, name: &'static str) -> Result<T, KernelError> {
    let map = ebpf.take_map(name).ok_or(KernelError::Missing(name))?;
    T::try_from(map).map_err(|_| KernelError::Missing(name))
}
