//! Where packets go, and whether they come from where they should.

use core::net::Ipv4Addr;

use aya_ebpf::{bindings::BPF_NOEXIST, btf_maps::lpm_trie::Key, helpers::bpf_ktime_get_coarse_ns};
use igmp_wire::{
    Refusal,
    abi::{
        EMPTY_PORT_SET, Event, EventKind, FlowDecision, FlowEntry, ForwardingSignals, GroupKey, INCOMING_ANY,
        INCOMING_ASK, INCOMING_NONE, INCOMING_RPF, InterfaceConfig, InterfaceFlags, MAX_INTERFACES, PortSet,
        RouteEntry, RouteKey,
    },
};

use crate::{
    atomic::Shared,
    event,
    maps::{FLOWS, FORWARDING, LOCAL_GROUPS, LOST, PORT_SETS, ROUTES, SOURCE_PREFIXES, USAGE},
    rate,
};

/// Nanoseconds before the agent is told once more that a source sends. It happens only where routes have changed meanwhile,
/// and until the source has a route of its own.
const TOLD_SPACING: u64 = 5_000_000_000;
/// Nanoseconds before another packet of a source is looked at that goes nowhere. Asserts are not sent more often.
const SEEN_SPACING: u64 = 1_000_000_000;

/// The bits of [`FlowEntry::seen`] that tell a slot.
const SEEN_SLOT_MASK: u64 = MAX_INTERFACES as u64 - 1;
const _: () = assert!(MAX_INTERFACES.is_power_of_two());

/// Where a packet goes.
pub(super) struct Way {
    /// The number of the port set.
    pub(super) port_set: u32,
    /// The port set. It has a port besides the interface that the packet came in on.
    pub(super) set: &'static PortSet,
    /// The source's entry, null where there was no room for one.
    flow: *mut FlowEntry,
    /// When the packet came.
    pub(super) now: u64,
    /// It goes nowhere, and is for the program on the way through the stack to look at.
    pub(super) for_stack: bool,
}

impl Way {
    /// The way of a packet whose flow is known.
    #[inline(always)]
    pub(super) const fn known(port_set: u32, set: &'static PortSet, flow: *mut FlowEntry, now: u64) -> Self {
        Self {
            port_set,
            set,
            flow,
            now,
            for_stack: false,
        }
    }

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

/// Finds out where a packet goes that came in on the interface with this slot. `STACK` tells the program on the way through
/// the network stack from the fast one.
///
/// Only on the way through the stack PIM's needs of packets that go nowhere are looked after: the fast program passes one of
/// them on from time to time ([`Way::for_stack`]) and has no more to do with it, since it is as long as it can be.
///
/// # Errors
///
/// [`Refusal::NoMembers`] where no other interface wants it, [`Refusal::Rpf`] where it should have come in on another
/// one.
#[inline(always)]
pub(super) fn find<const STACK: bool>(
    config: &InterfaceConfig,
    source: Ipv4Addr,
    group: Ipv4Addr,
) -> Result<Way, Refusal> {
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
    let mut shared = 0_u32;
    if !flow.is_null() {
        // SAFETY: the pointer is to a value of the FLOWS map; the decision is a single aligned word.
        decision = FlowDecision::from_bits(unsafe { (&raw const (*flow).decision).read_volatile() });
        known = decision.generation == generation;
    }
    if !known {
        (decision, shared) = find_anew(key, generation, state.default_port_set);
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
    let accepted = decision.incoming == config.slot || decision.incoming == INCOMING_ANY;
    let ask = decision.incoming == INCOMING_ASK;
    // SAFETY: as with the generation.
    let signals = unsafe { (&raw const state.signals).read_volatile() } & ForwardingSignals::PACKETS != 0;
    let is_port = u32::from(set.contains(config.slot));
    let is_wanted = set.count != is_port;
    let mut for_stack = false;
    if signals && !(accepted && is_wanted) {
        // PIM looks at what comes in where it should leave, and at what keeps a source alive although it need not go anywhere
        // from here (RFC 7761 §4.2).
        if STACK && accepted {
            keep_alive(config.slot, flow, key, decision, now, shared);
        } else if STACK {
            // Of several ways to the source, PIM has chosen one.
            let towards = interface_towards(key.source);
            let matters = is_port != 0 || towards == config.slot || towards == INCOMING_ASK;
            look_at_wrong(config.slot, flow, key, decision, now, matters);
        } else {
            for_stack = is_unseen(flow, config.slot, now);
        }
        if !for_stack {
            return Err(if accepted {
                Refusal::NoMembers
            } else {
                Refusal::Rpf
            });
        }
    } else if !is_wanted {
        return Err(Refusal::NoMembers);
    }
    if (accepted || ask) && flow.is_null() {
        flow = remember(key, decision, now);
        if ask {
            ask_agent(config.slot, key, now);
        }
    } else if ask && !known {
        ask_agent(config.slot, key, now);
    }
    if !accepted && !for_stack {
        return Err(Refusal::Rpf);
    }
    // Also of a packet that goes nowhere: the program on the way through the stack finds what is written down here already.
    if signals && shared != 0 && accepted {
        tell_flow(config.slot, flow, key, now);
    }
    Ok(Way {
        port_set: decision.port_set,
        set,
        flow,
        now,
        for_stack,
    })
}

/// Whether sockets of the router itself have joined a group on an interface.
#[inline(always)]
pub(super) fn is_local(config: &InterfaceConfig, group: Ipv4Addr) -> bool {
    if !config.has(InterfaceFlags::LOCAL_GROUPS) {
        return false;
    }
    if config.has(InterfaceFlags::ANY_LOCAL) {
        return true;
    }
    let key = GroupKey {
        slot: config.slot,
        group: group.to_bits(),
    };
    LOCAL_GROUPS.get_ptr(&key).is_some()
}

/// Looks for the route of the source, then for that of the group, and for the interface towards the source. Also tells
/// whether the source has no route of its own: a number, since the verifier does not follow a truth value that is merged
/// with others.
#[inline(always)]
fn find_anew(key: RouteKey, generation: u32, default_port_set: u32) -> (FlowDecision, u32) {
    let of_group = RouteKey { source: 0, ..key };
    let own = route(&key);
    let shared = u32::from(own.is_none());
    let route = own.or_else(|| route(&of_group)).unwrap_or(RouteEntry {
        port_set: default_port_set,
        incoming: INCOMING_ANY,
    });
    let mut incoming = route.incoming;
    if incoming == INCOMING_RPF {
        incoming = interface_towards(key.source);
    }
    let decision = FlowDecision {
        generation,
        port_set: route.port_set,
        incoming,
    };
    (decision, shared)
}

/// The slot of the interface towards a source, or one of the values of `INCOMING_*`.
#[inline(always)]
fn interface_towards(source: u32) -> u32 {
    SOURCE_PREFIXES
        .get(&Key::new(32, source.to_be_bytes()))
        .copied()
        .unwrap_or(INCOMING_NONE)
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
        told: 0,
        seen: 0,
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
    tell(slot, key, EventKind::Source, now);
}

/// Tells the agent that a source without a route of its own sends.
#[inline(always)]
fn tell_flow(slot: u32, flow: *mut FlowEntry, key: RouteKey, now: u64) {
    if flow.is_null() {
        tell(slot, key, EventKind::Flow, now);
        return;
    }
    // SAFETY: the pointer is to a value of the FLOWS map that was looked up in this run of the program; the time is a single
    // aligned word.
    let told = unsafe { &raw mut (*flow).told };
    // SAFETY: as above.
    let before = unsafe { told.read_volatile() };
    if (before == 0 || now.wrapping_sub(before) >= TOLD_SPACING) && tell(slot, key, EventKind::Flow, now) {
        // SAFETY: as above.
        unsafe { told.write_volatile(now) };
    }
}

/// Whether it is time to look once more at a packet that goes nowhere.
///
/// The same packet may come in on several interfaces. Those take turns, so that none of them hides what another one shows: the
/// interface whose packet was looked at last waits twice as long.
#[inline(always)]
fn is_unseen(flow: *mut FlowEntry, slot: u32, now: u64) -> bool {
    if flow.is_null() {
        return true;
    }
    // SAFETY: the pointer is to a value of the FLOWS map that was looked up in this run of the program; it is a single aligned
    // word.
    let before = unsafe { (&raw const (*flow).seen).read_volatile() };
    let elapsed = now.wrapping_sub(before);
    let is_same = before & SEEN_SLOT_MASK == u64::from(slot);
    before == 0 || elapsed >= 2 * SEEN_SPACING || (!is_same && elapsed >= SEEN_SPACING)
}

/// Looks at a packet that came in where it should, and that no other interface wants.
#[inline(always)]
fn keep_alive(slot: u32, flow: *mut FlowEntry, key: RouteKey, decision: FlowDecision, now: u64, shared: u32) {
    if shared != 0 {
        tell_flow(slot, flow, key, now);
    }
    if let Some(flow) = seen(flow, slot, key, decision, now) {
        // SAFETY: the pointer is to a value of the FLOWS map that was looked up in this run of the program; the time is a
        // single aligned word.
        unsafe { (&raw mut (*flow).last_packet).write_volatile(now) };
    }
}

/// Looks at a packet that came in where it should not, and tells the agent if it matters. The source is remembered, so that
/// the next ones are dropped without another look.
#[inline(always)]
fn look_at_wrong(
    slot: u32,
    flow: *mut FlowEntry,
    key: RouteKey,
    decision: FlowDecision,
    now: u64,
    matters: bool,
) {
    if !is_unseen(flow, slot, now) {
        return;
    }
    if matters {
        tell(slot, key, EventKind::WrongInterface, now);
    }
    let _ = seen(flow, slot, key, decision, now);
}

/// Notes that a packet that goes nowhere was looked at.
#[inline(always)]
fn seen(
    flow: *mut FlowEntry,
    slot: u32,
    key: RouteKey,
    decision: FlowDecision,
    now: u64,
) -> Option<*mut FlowEntry> {
    let flow = if flow.is_null() {
        remember(key, decision, now)
    } else {
        flow
    };
    if flow.is_null() {
        return None;
    }
    // SAFETY: the pointer is to a value of the FLOWS map that was looked up in this run of the program; the time is a single
    // aligned word.
    unsafe { (&raw mut (*flow).seen).write_volatile(now & !SEEN_SLOT_MASK | u64::from(slot)) };
    Some(flow)
}

/// Hands over an event about data of a source, unless there were too many. Returns whether it was.
#[inline(always)]
fn tell(slot: u32, key: RouteKey, kind: EventKind, now: u64) -> bool {
    let Some(usage) = USAGE.get_ptr_mut(slot) else {
        return false;
    };
    rate::take_spare_token(usage, now)
        && event::hand_small(&Event {
            time: now,
            slot,
            group: key.group,
            sender: key.source,
            kind: kind as u8,
            ..Event::default()
        })
}
