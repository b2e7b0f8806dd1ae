//! What the XDP program and the agent agree on: map keys and values, events, commands, counters, limits.
//!
//! Everything here is `repr(C)`, has no padding that is not a named field, and uses neither `bool` nor Rust enums, so
//! that any bytes that a map can hold are a valid value. Numbers are in native byte order, and IPv4 addresses are numbers
//! ([`Ipv4Addr::to_bits`](core::net::Ipv4Addr::to_bits)), so that they compare as addresses do.
//!
//! Who writes what is part of the agreement. The XDP program inserts groups and sources and writes their times; the
//! agent decides what they mean by setting and clearing flags and by deleting. The agent never overwrites a value that
//! the program may be writing: it sends [`Command`]s, which a program in the kernel carries out in place.

mod command;
mod counters;
mod event;
mod forwarding;
mod interface;
mod membership;
mod refresh;

pub use command::{Command, CommandStatus, MAX_COMMANDS, Operation};
pub use counters::InterfaceCounters;
pub use event::{
    Event, EventKind, EventSize, JUMBO_EVENT_SOURCES, LARGE_EVENT_SOURCES, MEDIUM_EVENT_SOURCES,
};
pub use forwarding::{
    EMPTY_PORT_SET, FlowDecision, FlowEntry, ForwardingSignals, ForwardingState, INCOMING_ANY, INCOMING_ASK,
    INCOMING_NONE, INCOMING_RPF, MAX_LOCAL_GROUPS, MAX_PORT_SETS, MAX_SOURCE_PREFIXES, PORT_WORDS, Port,
    PortSet, PortSetFlags, RouteEntry, RouteKey,
};
pub use interface::{InterfaceConfig, InterfaceFlags, InterfaceKey, InterfaceUsage, MAX_PREFIXES, Prefix};
pub use membership::{
    Change, GroupEntry, GroupFlags, GroupKey, GroupStep, SourceEntry, SourceFlags, SourceKey,
};
pub use refresh::RefreshEntry;

/// Version of this agreement. It is part of the path where maps are pinned, so that an agent never adopts maps of
/// another layout.
pub const ABI_VERSION: u32 = 6;

/// How many interfaces, VLANs included, the router can serve: the slots of the counters.
pub const MAX_INTERFACES: u32 = 1_024;

/// Interfaces whose index is below this are found by their index in an array. Others are found as well, which takes longer.
pub const MAX_DEVICES: u32 = 4_096;

/// Size of the event ring, in bytes, unless it is set at load time. A power of two and a multiple of the page size.
pub const EVENT_RING_LEN: usize = 1 << 20;

/// Names of the maps and programs in the BPF object.
pub mod name {
    /// The XDP program that is attached to interfaces.
    pub const PROGRAM: &str = "igmp_router";
    /// The program that carries out [`Command`](super::Command)s. It is never attached.
    pub const CONTROL: &str = "igmp_control";
    /// The program behind a redirect, which makes a frame one of the port that it leaves from.
    pub const EGRESS: &str = "igmp_egress";
    /// The classifier that forwards what XDP cannot redirect.
    pub const CLASSIFIER: &str = "igmp_forward";
    /// [`InterfaceKey`](super::InterfaceKey) to [`InterfaceConfig`](super::InterfaceConfig).
    pub const INTERFACES: &str = "INTERFACES";
    /// Index of an interface to the slot of what has no VLAN there, and one; 0 where there is none.
    pub const DEVICES: &str = "DEVICES";
    /// Slot to [`InterfaceConfig`](super::InterfaceConfig).
    pub const CONFIGS: &str = "CONFIGS";
    /// [`GroupKey`](super::GroupKey) to [`GroupEntry`](super::GroupEntry).
    pub const GROUPS: &str = "GROUPS";
    /// [Place](super::RefreshEntry::place) to [`RefreshEntry`](super::RefreshEntry).
    pub const REFRESHES: &str = "REFRESHES";
    /// [`SourceKey`](super::SourceKey) to [`SourceEntry`](super::SourceEntry).
    pub const SOURCES: &str = "SOURCES";
    /// Slot to [`InterfaceUsage`](super::InterfaceUsage).
    pub const USAGE: &str = "USAGE";
    /// Slot to [`InterfaceCounters`](super::InterfaceCounters), per CPU.
    pub const COUNTERS: &str = "COUNTERS";
    /// The ring of [`Event`](super::Event)s.
    pub const EVENTS: &str = "EVENTS";
    /// [`RouteKey`](super::RouteKey) to [`RouteEntry`](super::RouteEntry).
    pub const ROUTES: &str = "ROUTES";
    /// [`RouteKey`](super::RouteKey) to [`FlowEntry`](super::FlowEntry).
    pub const FLOWS: &str = "FLOWS";
    /// Prefixes of sources to the slot of the interface towards them: longest match.
    pub const SOURCE_PREFIXES: &str = "SOURCE_PREFIXES";
    /// Number of a port set to the map of devices that packets are redirected to.
    pub const PORT_MAPS: &str = "PORT_MAPS";
    /// Number of a port set to [`PortSet`](super::PortSet).
    pub const PORT_SETS: &str = "PORT_SETS";
    /// Slot to [`Port`](super::Port).
    pub const PORTS: &str = "PORTS";
    /// Groups ([`GroupKey`](super::GroupKey)) that sockets of the router itself have joined.
    pub const LOCAL_GROUPS: &str = "LOCAL_GROUPS";
    /// One [`ForwardingState`](super::ForwardingState).
    pub const FORWARDING: &str = "FORWARDING";
    /// The variable of the object with the size of `REFRESHES`, as a power of two (`u32`), which is set at load time.
    pub const REFRESH_BITS: &str = "REFRESH_BITS";
    /// Two counters: events that could not be handed over since the object was loaded, and sources of data for which
    /// `FLOWS` had no room.
    pub const LOST: &str = "LOST";
}

/// Implements conversion to and from the bytes that stand in a map or a ring, for a struct of plain numbers.
macro_rules! byte_layout {
    ($name:ident, $len:expr, { $($field:ident : $type:ty),+ $(,)? }) => {
        impl $name {
            /// Length in a map or ring, in bytes.
            pub const LEN: usize = $len;

            /// The bytes of this value, in native order.
            pub fn to_bytes(&self) -> [u8; Self::LEN] {
                let mut bytes = [0; Self::LEN];
                let mut at = 0;
                $(
                    let part = self.$field.to_ne_bytes();
                    for (to, from) in bytes.iter_mut().skip(at).zip(part) {
                        *to = from;
                    }
                    at += part.len();
                )+
                let _ = at;
                bytes
            }

            /// The value that these bytes are, or `None` where there are too few. Bytes behind the value are ignored.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                let mut rest = bytes;
                $(
                    let $field = <$type>::from_ne_bytes(*rest.first_chunk()?);
                    rest = rest.get(size_of::<$type>()..)?;
                )+
                let _ = rest;
                Some(Self { $($field),+ })
            }
        }

        const _: () = assert!(size_of::<$name>() == $len);
    };
}
use byte_layout;
