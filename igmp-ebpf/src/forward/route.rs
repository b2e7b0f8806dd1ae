//! Where packets go, and whether they come from where they should.

use core::net::Ipv4Addr;

use aya_ebpf::{bindings::BPF_NOEXIST, btf_maps::lpm_trie::Key, helpers::bpf_ktime_get_coarse_ns};
use igmp_wire::{
    Refusal,
    abi::{
        EMPTY_PORT_SET, Event, EventKind, FlowDecision, FlowEntry, GroupKey, INCOMING_ANY, INCOMING_ASK,
        INCOMING_NONE, INCOMING_RPF, InterfaceConfig, InterfaceFlags, PortSet, RouteEntry, RouteKey,
    },
};

use crate::{
    atomic::Shared,
    event,
    maps::{FLOWS, FORWARDING, LOCAL_GROUPS, LOST, PORT_SETS, ROUTES, SOURCE_PREFIXES, USAGE},
    rate,
};

/// Where a packet goes.
pub(super) struct Way {
    /// The number of the port set.
    pub(super) port_set: u32,
    /// The port set. It has a port besides the interface that the packet came in on.
    pub(super) set: &'static PortSet,
    /// The source's entry, null where there was no room for one.
    flow: *mut FlowEntry,
    /// When the packet came.
    now: u64,
}

impl Way {
    /// Counts packets of so many bytes together for the route.
    #[inline(always)]
    pub(super) fn count(&self, packets: u64, bytes: u64) {
        if self.flow.is_null() {
            return;
        }
        // SAFETY: the pointer is to a value of the FLOWS map that was looked up in this run of the program. The two
        // counters are changed by atomic operations only, and the time is a single aligned word.
        unsafe {
            Shared::new(&raw mut (*self.flow).packets).add(packets);
            Shared::new(&raw mut (*self.flow).bytes).add(bytes);
            (&raw mut (*self.flow).last_packet).write_volatile(self.now);
        }
    }
}

/// Finds out where a packet goes that came in on the interface with this slot.
///
/// # Errors
///
/// [`Refusal::NoMembers`] where no other interface wants it, [`Refusal::Rpf`] where it should have come in on another
/// one.
#[inline(always)]
pub(super) fn find(config: &InterfaceConfig, source: Ipv4Addr, group: Ipv4Addr) -> Result<Way, Refusal> {
    let key = RouteKey {
        group: group.to_bits(),
        source: source.to_bits(),
    };
    let Some(state) = FORWARDING.get(0) else {
        return Err(Refusal::NoMembers);
    };
    // Before everything that it vouches for: what is found out next is at least as new.
    // SAFETY: the reference is to a value of an array map, which lives as long as the program.
    let generation = unsafe { (&raw const state.generation).read_volatile() };
    // SAFETY: the helper takes no argument and always succeeds.
    let now = unsafe { bpf_ktime_get_coarse_ns() };

    let mut flow = FLOWS.get_ptr_mut(&key).unwrap_or(core::ptr::null_mut());
    let mut decision = FlowDecision::from_bits(0);
    let mut known = false;
    if !flow.is_null() {
        // SAFETY: the pointer is to a value of the FLOWS map; the decision is a single aligned word.
        decision = FlowDecision::from_bits(unsafe { (&raw const (*flow).decision).read_volatile() });
        known = decision.generation == generation;
    }
    if !known {
        decision = find_anew(key, generation, state.default_port_set);
        if !flow.is_null() {
            // SAFETY: as above.
            unsafe { (&raw mut (*flow).decision).write_volatile(decision.to_bits()) };
        }
    }
    if decision.port_set == EMPTY_PORT_SET {
        return Err(Refusal::NoMembers);
    }
    let Some(set) = PORT_SETS.get(decision.port_set) else {
        return Err(Refusal::NoMembers);
    };
    if set.count == u32::from(set.contains(config.slot)) {
        return Err(Refusal::NoMembers);
    }
    let accepted = decision.incoming == config.slot || decision.incoming == INCOMING_ANY;
    let ask = decision.incoming == INCOMING_ASK;
    if (accepted || ask) && flow.is_null() {
        flow = remember(key, decision, now);
        if ask {
            ask_agent(config.slot, key, now);
        }
    } else if ask && !known {
        ask_agent(config.slot, key, now);
    }
    if !accepted {
        return Err(Refusal::Rpf);
    }
    Ok(Way {
        port_set: decision.port_set,
        set,
        flow,
        now,
    })
}

/// Whether sockets of the router itself have joined a group on an interface.
#[inline(always)]
pub(super) fn is_local(config: &InterfaceConfig, group: Ipv4Addr) -> bool {
    if !config.has(InterfaceFlags::LOCAL_GROUPS) {
        return false;
    }
    let key = GroupKey {
        slot: config.slot,
        group: group.to_bits(),
    };
    LOCAL_GROUPS.get_ptr(&key).is_some()
}

/// Looks for the route of the source, then for that of the group, and for the interface towards the source.
#[inline(always)]
fn find_anew(key: RouteKey, generation: u32, default_port_set: u32) -> FlowDecision {
    let of_group = RouteKey { source: 0, ..key };
    let route = route(&key).or_else(|| route(&of_group)).unwrap_or(RouteEntry {
        port_set: default_port_set,
        incoming: INCOMING_ANY,
    });
    let mut incoming = route.incoming;
    if incoming == INCOMING_RPF {
        incoming = SOURCE_PREFIXES
            .get(&Key::new(32, key.source.to_be_bytes()))
            .copied()
            .unwrap_or(INCOMING_NONE);
    }
    FlowDecision {
        generation,
        port_set: route.port_set,
        incoming,
    }
}

#[inline(always)]
fn route(key: &RouteKey) -> Option<RouteEntry> {
    // SAFETY: the value is copied at once. The agent replaces values and never changes them, so it is one that was good a
    // moment ago.
    unsafe { ROUTES.get(key).copied() }
}

/// Makes an entry for a source that nobody knows yet. Null where there is no room: its packets are forwarded without one.
#[inline(always)]
fn remember(key: RouteKey, decision: FlowDecision, now: u64) -> *mut FlowEntry {
    let entry = FlowEntry {
        packets: 0,
        bytes: 0,
        last_packet: now,
        since: now,
        decision: decision.to_bits(),
    };
    if FLOWS.insert(&key, &entry, u64::from(BPF_NOEXIST)).is_err()
        && let Some(full) = LOST.get_ptr_mut(1)
    {
        // SAFETY: the pointer is to a value of an array map, which lives as long as the program.
        unsafe { Shared::new(full) }.add(1);
    }
    FLOWS.get_ptr_mut(&key).unwrap_or(core::ptr::null_mut())
}

/// Asks the agent for the interface towards a source to which there is more than one way.
#[inline(always)]
fn ask_agent(slot: u32, key: RouteKey, now: u64) {
    let Some(usage) = USAGE.get_ptr_mut(slot) else {
        return;
    };
    if rate::take_token(usage, now) {
        event::hand_small(&Event {
            time: now,
            slot,
            group: key.group,
            sender: key.source,
            kind: EventKind::Source as u8,
            ..Event::default()
        });
    }
}
