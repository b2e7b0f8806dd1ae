//! Every map. What stands in them and who writes it is said in `igmp_wire::abi`.

use aya_ebpf::{
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    btf_maps::{Array, ArrayOfMaps, DevMapHash, HashMap, LpmTrie, PerCpuArray, RingBuf},
    macros::btf_map,
};
use igmp_wire::abi::{
    EVENT_RING_LEN, Event, FlowEntry, ForwardingState, GroupEntry, GroupKey, InterfaceConfig,
    InterfaceCounters, InterfaceKey, InterfaceUsage, MAX_DEVICES, MAX_INTERFACES, MAX_LOCAL_GROUPS,
    MAX_PORT_SETS, MAX_SOURCE_PREFIXES, Port, PortSet, RefreshEntry, RouteEntry, RouteKey, SourceEntry,
    SourceKey,
};

use crate::clock::Clock;

/// What to do with IGMP on an interface or VLAN.
#[btf_map]
pub(crate) static INTERFACES: HashMap<InterfaceKey, InterfaceConfig, { MAX_INTERFACES as usize }> =
    HashMap::new();

/// The slot of what has no VLAN on the interface with an index, and one. A look-up here is a load, while one by a key costs
/// as much as all judging of a report.
#[btf_map]
pub(crate) static DEVICES: Array<u32, { MAX_DEVICES as usize }> = Array::new();

/// What to do with IGMP, by slot.
#[btf_map]
pub(crate) static CONFIGS: Array<InterfaceConfig, { MAX_INTERFACES as usize }> = Array::new();

/// The groups. The agent sets the size at load time.
#[btf_map]
pub(crate) static GROUPS: HashMap<GroupKey, GroupEntry, 65_536> = HashMap::new();

/// Times of refreshes. The agent sets the size at load time, and reads and writes entries as memory of its own.
#[btf_map]
pub(crate) static REFRESHES: Array<RefreshEntry, 65_536, { BPF_F_MMAPABLE as usize }> = Array::new();

/// The size of [`REFRESHES`], as a power of two. The agent sets it at load time.
#[unsafe(no_mangle)]
static REFRESH_BITS: u32 = 16;

/// The size of [`REFRESHES`], as a power of two.
#[inline(always)]
pub(crate) fn refresh_bits() -> u32 {
    // SAFETY: the pointer is to a variable that nobody writes while the program runs. What stands in the object is not what
    // it is at run time, so the compiler must not believe it.
    unsafe { (&raw const REFRESH_BITS).read_volatile() }
}

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

/// How many events found no room, and how many sources.
#[btf_map]
pub(crate) static LOST: Array<u64, 2> = Array::new();

/// Where packets go. The agent sets the size at load time. Routes come and go with groups, many at once, and memory that is
/// there already halves what it takes to set one.
#[btf_map]
pub(crate) static ROUTES: HashMap<RouteKey, RouteEntry, 327_680> = HashMap::new();

/// What was found out about sources that send to groups. The agent sets the size at load time.
#[btf_map]
pub(crate) static FLOWS: HashMap<RouteKey, FlowEntry, 262_144, { BPF_F_NO_PREALLOC as usize }> =
    HashMap::new();

/// Slots of the interfaces towards sources, by prefix.
#[btf_map]
pub(crate) static SOURCE_PREFIXES: LpmTrie<[u8; 4], u32, { MAX_SOURCE_PREFIXES as usize }> = LpmTrie::new();

/// The devices of each port set. The size of the inner maps is that of their sets; the one here only lends its type.
#[btf_map]
pub(crate) static PORT_MAPS: ArrayOfMaps<DevMapHash<1>, { MAX_PORT_SETS as usize }> = ArrayOfMaps::new();

/// What else there is to know of each port set.
#[btf_map]
pub(crate) static PORT_SETS: Array<PortSet, { MAX_PORT_SETS as usize }> = Array::new();

/// Where packets leave, by slot.
#[btf_map]
pub(crate) static PORTS: Array<Port, { MAX_INTERFACES as usize }> = Array::new();

/// Groups that sockets of the router itself have joined.
#[btf_map]
pub(crate) static LOCAL_GROUPS: HashMap<GroupKey, u32, { MAX_LOCAL_GROUPS as usize }> = HashMap::new();

/// The generation of all the above.
#[btf_map]
pub(crate) static FORWARDING: Array<ForwardingState, 1> = Array::new();

/// The coarse time of the tick, for each CPU.
#[btf_map]
pub(crate) static CLOCKS: PerCpuArray<Clock, 1> = PerCpuArray::new();
