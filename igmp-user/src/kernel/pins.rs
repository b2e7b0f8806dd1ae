//! What outlives the process in the BPF file system.
//!
//! aya opens a pinned map without comparing it with what the object declares, so the directory carries the version of
//! the layout, and size and type of each map are checked here before it is used. It also carries the network namespace,
//! because interface indexes mean nothing in another one.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aya::maps::{MapInfo, MapType};
use igmp_wire::abi::{
    ABI_VERSION, FlowEntry, ForwardingState, GroupEntry, GroupKey, InterfaceConfig, InterfaceCounters,
    InterfaceKey, InterfaceUsage, MAX_DEVICES, MAX_INTERFACES, MAX_LOCAL_GROUPS, MAX_PORT_SETS,
    MAX_SOURCE_PREFIXES, Port, PortSet, RefreshEntry, RouteEntry, RouteKey, SourceEntry, SourceKey, name,
};
use nix::{
    fcntl::{Flock, FlockArg},
    sys::statfs::{BPF_FS_MAGIC, statfs},
};
use tracing::{info, warn};

use super::{KernelError, XdpMode, object::LoadOptions};
use crate::sys;

/// How the names of pinned links of the classifier end.
const CLASSIFIER: &str = "-classifier";

/// A directory of pins that belongs to this process.
#[derive(Debug)]
pub(super) struct Pins {
    directory: PathBuf,
    /// The directory above, which may hold those of other namespaces.
    parent: PathBuf,
    adopted: bool,
    /// Keeps other processes out as long as this one lives.
    _lock: Flock<fs::File>,
}

impl Pins {
    /// Takes the directory of pins below `parent` for this process: makes it, or adopts it, or empties it first where
    /// what it holds does not fit.
    pub(super) fn open(parent: &Path, options: &LoadOptions) -> Result<Self, KernelError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| KernelError::Pin { path, source }
        };
        let existing = parent
            .ancestors()
            .find(|path| path.exists())
            .unwrap_or(Path::new("/"));
        let file_system = statfs(existing)
            .map_err(io::Error::from)
            .map_err(failed(parent))?;
        if file_system.filesystem_type() != BPF_FS_MAGIC {
            let reason = "no BPF file system is mounted there (mount -t bpf bpf /sys/fs/bpf)";
            return Err(failed(parent)(io::Error::other(reason)));
        }
        let namespace = sys::network_namespace_cookie().map_err(failed(parent))?;
        let directory = parent.join(format!("v{ABI_VERSION}-net-{namespace}"));
        fs::create_dir_all(&directory).map_err(failed(&directory))?;
        let handle = fs::File::open(&directory).map_err(failed(&directory))?;
        let lock = Flock::lock(handle, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
            failed(&directory)(match errno {
                nix::errno::Errno::EWOULDBLOCK => io::Error::other("another igmpd uses it"),
                other => other.into(),
            })
        })?;

        let mut pins = Self {
            directory,
            parent: parent.to_owned(),
            adopted: false,
            _lock: lock,
        };
        match pins.check(options) {
            Ok(adopted) => pins.adopted = adopted,
            Err(reason) => {
                warn!(
                    "not taking over {}: {reason}; starting anew",
                    pins.directory.display()
                );
                pins.clear();
            }
        }
        fs::create_dir_all(pins.links()).map_err(failed(&pins.directory))?;
        if pins.adopted {
            info!("taking over the memberships in {}", pins.directory.display());
        }
        Ok(pins)
    }

    /// Whether the maps of an earlier igmpd are here.
    pub(super) fn adopted(&self) -> bool {
        self.adopted
    }

    /// Where a map is pinned.
    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Where links are pinned.
    fn links(&self) -> PathBuf {
        self.directory.join("links")
    }

    /// Where the link of an interface is pinned. The name carries the mode, which a link does not tell.
    pub(super) fn link(&self, ifindex: u32, mode: XdpMode) -> PathBuf {
        self.links().join(format!("{ifindex}-{}", mode.name()))
    }

    /// Where the link of the classifier on an interface is pinned.
    pub(super) fn classifier(&self, ifindex: u32) -> PathBuf {
        self.links().join(format!("{ifindex}{CLASSIFIER}"))
    }

    /// Interfaces whose link of the classifier is pinned.
    pub(super) fn pinned_classifiers(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir(self.links()) else {
            return Vec::new();
        };
        let parse = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_suffix(CLASSIFIER)?.parse().ok();
        entries.flatten().filter_map(parse).collect()
    }

    /// Interfaces whose link is pinned.
    pub(super) fn pinned_links(&self) -> Vec<(u32, XdpMode)> {
        let Ok(entries) = fs::read_dir(self.links()) else {
            return Vec::new();
        };
        let parse = |entry: fs::DirEntry| {
            let name = entry.file_name();
            let (ifindex, mode) = name.to_str()?.split_once('-')?;
            let mode = [XdpMode::Native, XdpMode::Generic]
                .into_iter()
                .find(|known| known.name() == mode)?;
            Some((ifindex.parse().ok()?, mode))
        };
        entries.flatten().filter_map(parse).collect()
    }

    /// Removes all pins, which detaches the programs whose links were held by nothing else.
    pub(super) fn remove(self) {
        self.clear();
        // Directories that others still use stay, and so does one that was there before.
        let _ = fs::remove_dir(&self.directory);
        let _ = fs::remove_dir(&self.parent);
    }

    fn clear(&self) {
        for directory in [self.links(), self.directory.clone()] {
            let Ok(entries) = fs::read_dir(&directory) else {
                continue;
            };
            for entry in entries.flatten() {
                let path = entry.path();
                if path.is_dir() {
                    continue;
                }
                if let Err(error) = fs::remove_file(&path) {
                    warn!("cannot remove {}: {error}", path.display());
                }
            }
        }
        let _ = fs::remove_dir(self.links());
    }

    /// Compares what is pinned with what will be used. `Ok(false)` where nothing is pinned.
    fn check(&self, options: &LoadOptions) -> Result<bool, String> {
        let expected = [
            (
                name::INTERFACES,
                MapType::Hash,
                size_of::<InterfaceKey>(),
                size_of::<InterfaceConfig>(),
                MAX_INTERFACES,
            ),
            (name::DEVICES, MapType::Array, 4, 4, MAX_DEVICES),
            (
                name::CONFIGS,
                MapType::Array,
                4,
                size_of::<InterfaceConfig>(),
                MAX_INTERFACES,
            ),
            (
                name::GROUPS,
                MapType::Hash,
                size_of::<GroupKey>(),
                size_of::<GroupEntry>(),
                options.max_groups,
            ),
            (
                name::SOURCES,
                MapType::Hash,
                size_of::<SourceKey>(),
                size_of::<SourceEntry>(),
                options.max_entries,
            ),
            (
                name::REFRESHES,
                MapType::Array,
                4,
                size_of::<RefreshEntry>(),
                options.max_refreshes(),
            ),
            (
                name::USAGE,
                MapType::Array,
                4,
                size_of::<InterfaceUsage>(),
                MAX_INTERFACES,
            ),
            (
                name::COUNTERS,
                MapType::PerCpuArray,
                4,
                size_of::<InterfaceCounters>(),
                MAX_INTERFACES,
            ),
            (name::EVENTS, MapType::RingBuf, 0, 0, options.event_ring_len),
            (name::LOST, MapType::Array, 4, 8, 2),
            (
                name::ROUTES,
                MapType::Hash,
                size_of::<RouteKey>(),
                size_of::<RouteEntry>(),
                options.max_routes(),
            ),
            (
                name::FLOWS,
                MapType::Hash,
                size_of::<RouteKey>(),
                size_of::<FlowEntry>(),
                options.max_entries,
            ),
            (name::SOURCE_PREFIXES, MapType::LpmTrie, 8, 4, MAX_SOURCE_PREFIXES),
            (name::PORT_MAPS, MapType::ArrayOfMaps, 4, 4, MAX_PORT_SETS),
            (
                name::PORT_SETS,
                MapType::Array,
                4,
                size_of::<PortSet>(),
                MAX_PORT_SETS,
            ),
            (name::PORTS, MapType::Array, 4, size_of::<Port>(), MAX_INTERFACES),
            (
                name::LOCAL_GROUPS,
                MapType::Hash,
                size_of::<GroupKey>(),
                4,
                MAX_LOCAL_GROUPS,
            ),
            (
                name::FORWARDING,
                MapType::Array,
                4,
                size_of::<ForwardingState>(),
                1,
            ),
        ];
        let present = expected
            .iter()
            .filter(|(name, ..)| self.map(name).exists())
            .count();
        if present == 0 {
            return Ok(false);
        }
        for (name, map_type, key, value, entries) in expected {
            let info = MapInfo::from_pin(self.map(name)).map_err(|error| format!("map {name}: {error}"))?;
            let found = (
                info.map_type().ok(),
                info.key_size(),
                info.value_size(),
                info.max_entries(),
            );
            if found != (Some(map_type), key as u32, value as u32, entries) {
                return Err(format!("map {name} is of another size than now configured"));
            }
        }
        Ok(true)
    }
}
