//! Multicast forwarding as the programs in the kernel know it.
//!
//! The agent decides where packets of a group go ([`RouteEntry`]) and from which interface packets of a source are
//! accepted. The programs in the kernel keep what they found out about each source of a group in a [`FlowEntry`], which
//! is good as long as the agent has not changed anything: each change raises the generation in [`ForwardingState`], and
//! what was found out in an earlier generation is looked up anew with the next packet.

use super::{MAX_INTERFACES, byte_layout};

/// How many different port sets there can be. Routes with the same ports share one.
pub const MAX_PORT_SETS: u32 = 8_192;

/// The port set without ports, which needs no map: routes that block a source have it.
pub const EMPTY_PORT_SET: u32 = 0;

/// How many groups the router's own sockets may have joined, all interfaces together, without the router taking their
/// packets for nobody's.
pub const MAX_LOCAL_GROUPS: u32 = 4_096;

/// How many prefixes the router can know to tell where sources are.
pub const MAX_SOURCE_PREFIXES: u32 = 1 << 21;

/// Where packets of a source come in, for a source that is accepted on every interface.
pub const INCOMING_ANY: u32 = 0xffff;

/// Where packets of a source come in, for a source that is accepted nowhere: no route leads there.
pub const INCOMING_NONE: u32 = 0xfffe;

/// Where packets of a source come in, as far as one has to ask the kernel: there is more than one way.
pub const INCOMING_ASK: u32 = 0xfffd;

/// Where packets of a route come in: on the interface towards their source.
pub const INCOMING_RPF: u32 = 0xfffc;

const _: () = assert!(MAX_INTERFACES < INCOMING_RPF && MAX_PORT_SETS <= 0xffff);

/// Key of the `ROUTES` and `FLOWS` maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct RouteKey {
    /// The group.
    pub group: u32,
    /// The source, or 0 for every source without a route of its own.
    pub source: u32,
}

byte_layout!(RouteKey, 8, { group: u32, source: u32 });

/// Value of the `ROUTES` map. The agent writes it, the programs in the kernel read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct RouteEntry {
    /// The port set that packets go to.
    pub port_set: u32,
    /// The slot of the interface that packets come in on, [`INCOMING_ANY`], [`INCOMING_NONE`] or [`INCOMING_RPF`].
    pub incoming: u32,
}

byte_layout!(RouteEntry, 8, { port_set: u32, incoming: u32 });

/// Value of the `FLOWS` map: a source that sends to a group. The programs in the kernel write it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FlowEntry {
    /// Packets forwarded.
    pub packets: u64,
    /// Their bytes, from the IP header on.
    pub bytes: u64,
    /// When the last one came, in nanoseconds of the coarse `CLOCK_MONOTONIC`.
    pub last_packet: u64,
    /// When the first one came.
    pub since: u64,
    /// What was found out: a [`FlowDecision`] in one word, so that no other CPU sees half of it.
    pub decision: u64,
    /// When the agent was last told that the source sends: [`EventKind::Flow`](super::EventKind::Flow). 0 for never.
    pub told: u64,
    /// When a packet that goes nowhere was last looked at, see
    /// [`EventKind::WrongInterface`](super::EventKind::WrongInterface), and in the low ten bits the slot that it came in on. 0
    /// for never.
    pub seen: u64,
}

byte_layout!(FlowEntry, 56, {
    packets: u64, bytes: u64, last_packet: u64, since: u64, decision: u64, told: u64, seen: u64,
});

/// Where packets of a flow come in and go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowDecision {
    /// The generation in which this was found out.
    pub generation: u32,
    /// The port set.
    pub port_set: u32,
    /// The slot of the interface, or [`INCOMING_ANY`].
    pub incoming: u32,
}

impl FlowDecision {
    /// The decision in one word. Of port set and slot the low 16 bits count, which are all there are.
    #[inline(always)]
    pub const fn to_bits(self) -> u64 {
        (self.generation as u64) << 32
            | ((self.port_set & 0xffff) as u64) << 16
            | (self.incoming & 0xffff) as u64
    }

    /// The decision that a word holds.
    #[inline(always)]
    pub const fn from_bits(bits: u64) -> Self {
        Self {
            generation: (bits >> 32) as u32,
            port_set: (bits >> 16) as u32 & 0xffff,
            incoming: bits as u32 & 0xffff,
        }
    }
}

/// Words of the bitmap of a [`PortSet`].
pub const PORT_WORDS: usize = MAX_INTERFACES as usize / 64;

/// Value of the `PORT_SETS` map, by the number of the set. The agent writes it; a set that is in use never changes its
/// members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct PortSet {
    /// How many ports there are.
    pub count: u32,
    /// The highest slot in the set and one, so that nobody looks further.
    pub span: u32,
    /// The longest frame that every port takes, in bytes from the Ethernet header on, as the kernel counts when it
    /// redirects.
    pub max_frame_len: u32,
    /// Bits of [`PortSetFlags`].
    pub flags: u32,
    /// The slots: bit `slot % 64` of word `slot / 64`.
    pub slots: [u64; PORT_WORDS],
}

/// Bits of [`PortSet::flags`].
pub struct PortSetFlags;

impl PortSetFlags {
    /// Some port cannot be redirected to by XDP, so that packets take the way through the network stack.
    pub const STACK: u32 = 1;
}

impl PortSet {
    /// Whether a port is in the set.
    #[inline(always)]
    pub fn contains(&self, slot: u32) -> bool {
        self.slots
            .get(slot as usize / 64)
            .is_some_and(|word| word >> (slot % 64) & 1 != 0)
    }
}

/// Value of the `PORTS` array, by slot: where packets leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Port {
    /// Until when packets leave here, in nanoseconds of `CLOCK_MONOTONIC`, unless the agent puts it off; 0 for ever. Neighbours
    /// forget a router of which they hear no more, and another one takes over (RFC 7761 §4.3.2).
    pub valid_until: u64,
    /// The kernel's index of the interface, 0 where there is none.
    pub ifindex: u32,
    /// Longest IP packet that the interface takes, in bytes.
    pub mtu: u32,
    /// VLAN ID of the tag that frames carry there, 0 for none.
    pub vlan: u16,
    /// The interface's Ethernet address.
    pub mac: [u8; 6],
}

/// Value of the only entry of the `FORWARDING` array. The agent writes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct ForwardingState {
    /// Raised after each change of routes or of where sources are.
    pub generation: u32,
    /// The port set of packets for which there is no route: that of the upstream interface of a proxy (RFC 4605 §4.3), or
    /// the empty one.
    pub default_port_set: u32,
    /// Bits of [`ForwardingSignals`].
    pub signals: u32,
}

byte_layout!(ForwardingState, 12, { generation: u32, default_port_set: u32, signals: u32 });

/// Bits of [`ForwardingState::signals`]: what the agent wants to be told of.
pub struct ForwardingSignals;

impl ForwardingSignals {
    /// Packets that PIM acts on (RFC 7761 §4.2): events of the kinds [`Flow`](super::EventKind::Flow) and
    /// [`WrongInterface`](super::EventKind::WrongInterface). Of each source at most one in a while, see the programs in
    /// the kernel.
    pub const PACKETS: u32 = 1;
}

const _: () = assert!(size_of::<PortSet>() == 16 + 8 * PORT_WORDS);
const _: () = assert!(size_of::<Port>() == 24);

impl Port {
    /// Whether nothing may leave here any more at a time of `CLOCK_MONOTONIC`.
    #[inline(always)]
    pub const fn is_over(&self, now: u64) -> bool {
        self.valid_until != 0 && now > self.valid_until
    }
}
