//! Every map. What stands in them and who writes it is said in `igmp_wire::abi`.

use aya_ebpf::{
    btf_maps::{Array, HashMap, PerCpuArray, RingBuf},
    macros::btf_map,
};
use igmp_wire::abi::{
    EVENT_RING_LEN, Event, GroupEntry, GroupKey, InterfaceConfig, InterfaceCounters, InterfaceKey,
    InterfaceUsage, MAX_INTERFACES, SourceEntry, SourceKey,
};

/// What to do with IGMP on an interface or VLAN.
#[btf_map]
pub(crate) static INTERFACES: HashMap<InterfaceKey, InterfaceConfig, { MAX_INTERFACES as usize }> =
    HashMap::new();

/// The groups. The agent sets the size at load time.
#[btf_map]
pub(crate) static GROUPS: HashMap<GroupKey, GroupEntry, 65_536> = HashMap::new();

/// The sources whose timer runs. The agent sets the size at load time.
#[btf_map]
pub(crate) static SOURCES: HashMap<SourceKey, SourceEntry, 262_144> = HashMap::new();

/// What limits are held against, by slot.
#[btf_map]
pub(crate) static USAGE: Array<InterfaceUsage, { MAX_INTERFACES as usize }> = Array::new();

/// Counters, by slot.
#[btf_map]
pub(crate) static COUNTERS: PerCpuArray<InterfaceCounters, { MAX_INTERFACES as usize }> = PerCpuArray::new();

/// Events for the agent. The agent may set the size at load time.
#[btf_map]
pub(crate) static EVENTS: RingBuf<Event, EVENT_RING_LEN> = RingBuf::new();

/// How many events found no room.
#[btf_map]
pub(crate) static LOST: Array<u64, 1> = Array::new();
