//! The kernel's side of the router, as the agent sees it: programs, links, maps, events.
//!
//! | module | holds |
//! |---|---|
//! | `object` | the BPF object and how it is loaded |
//! | `pins` | what outlives the process in the BPF file system |
//! | `attach` | attaching to interfaces and taking links over |
//! | `classifier` | the same for the classifier |
//! | `forwarding` | routes, port sets and where sources are |
//! | `interfaces` | configuration, usage and counters of interfaces |
//! | `command` | changing entries in place |
//! | `membership` | keeping the kernel's groups and sources in step with the core's |
//! | `refreshes` | where reports that only repeat what is known leave their time |
//! | `scan` | finding what the ring had no room for |
//! | `events` | the ring |
//! | `error` | what can go wrong, in sentences for an operator |

mod attach;
mod classifier;
mod command;
mod error;
mod events;
mod forwarding;
mod interfaces;
mod membership;
mod object;
mod pins;
mod refreshes;
mod scan;

use std::collections::HashMap;

use aya::{
    Ebpf,
    maps::{Array, HashMap as BpfHashMap, MapData, PerCpuArray, RingBuf},
    programs::tc::SchedClassifierLinkId,
};
use aya_log::EbpfLogger;
use igmp_wire::abi::{
    GroupEntry, GroupKey, InterfaceConfig, InterfaceCounters, InterfaceKey, InterfaceUsage, SourceEntry,
    SourceKey,
};

use self::{
    attach::Attachment, forwarding::ForwardingMaps, membership::Removals, pins::Pins, refreshes::Refreshes,
};
pub use self::{
    attach::{XdpMode, XdpWish, program_name},
    error::KernelError,
    forwarding::{Flows, PortSetMaker},
    membership::{Applied, MapChange, refresh_flags},
    object::{BpfLogLevel, LoadOptions},
    scan::{Scan, Search, Seen},
};
use crate::sys::Plain;

/// The loaded programs and maps. Dropping it detaches everything that is not pinned.
pub struct Kernel {
    /// The programs; the maps have been taken out of it.
    ebpf: Ebpf,
    interfaces: BpfHashMap<MapData, Plain<InterfaceKey>, Plain<InterfaceConfig>>,
    devices: Array<MapData, u32>,
    configs: Array<MapData, Plain<InterfaceConfig>>,
    groups: BpfHashMap<MapData, Plain<GroupKey>, Plain<GroupEntry>>,
    sources: BpfHashMap<MapData, Plain<SourceKey>, Plain<SourceEntry>>,
    /// Times of refreshes, which come before those in `groups` where they are later.
    refreshes: Refreshes,
    usage: Array<MapData, Plain<InterfaceUsage>>,
    counters: PerCpuArray<MapData, Plain<InterfaceCounters>>,
    events: RingBuf<MapData>,
    lost: Array<MapData, u64>,
    /// Routes and what belongs to them.
    forwarding: ForwardingMaps,
    /// Reads what the XDP program logs, where that was asked for.
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
    /// Attached interfaces, by index.
    links: HashMap<u32, Attachment>,
    /// Interfaces with the classifier, by index.
    classifiers: HashMap<u32, SchedClassifierLinkId>,
    /// Where maps and links are pinned, if they are.
    pins: Option<Pins>,
    /// Whether the maps are those of an earlier run.
    adopted: bool,
    /// Entries that are on their way out.
    removals: Removals,
    /// Times that were read together and are asked for one by one.
    prefetched: HashMap<(GroupKey, u32), igmp_wire::abi::Command>,
}

impl Kernel {
    /// Whether maps that an earlier igmpd left pinned were taken over, with the memberships in them.
    pub fn adopted(&self) -> bool {
        self.adopted
    }

    /// Whether the maps and links will outlive a killed process.
    pub fn is_pinned(&self) -> bool {
        self.pins.is_some()
    }

    /// Takes the reader of the XDP program's own log, whose descriptor becomes readable when there is something to
    /// [`flush`](EbpfLogger::flush) to the `log` crate. `None` unless `bpf-log-level` asked for one.
    pub fn take_logger(&mut self) -> Option<EbpfLogger<&'static dyn log::Log>> {
        self.logger.take()
    }

    /// Lets go of the kernel. With `keep_pins` the programs stay attached and go on refreshing what they know, until
    /// another igmpd takes over; otherwise everything is detached and nothing stays behind.
    pub fn release(mut self, keep_pins: bool) {
        if let Some(pins) = self.pins.take()
            && !keep_pins
        {
            pins.remove();
        }
    }
}
