//! Interfaces as the XDP program knows them.

/// How many prefixes of an interface the XDP program knows, to tell foreign sources from its own network's.
pub const MAX_PREFIXES: usize = 8;

/// Key of the `INTERFACES` map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct InterfaceKey {
    /// The kernel's index of the interface that the XDP program is attached to.
    pub ifindex: u32,
    /// VLAN ID of the tag that frames carry there, 0 for untagged frames.
    pub vlan: u16,
    /// Always 0.
    pub reserved: u16,
}

/// A network that an interface is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Prefix {
    /// The router's own address in this network.
    pub address: u32,
    /// The network mask.
    pub mask: u32,
}

impl Prefix {
    /// Whether `address` is in this network.
    #[inline(always)]
    pub const fn contains(self, address: u32) -> bool {
        (address ^ self.address) & self.mask == 0
    }
}

/// What is switched on for an interface; bits of [`InterfaceConfig::flags`].
pub struct InterfaceFlags;

impl InterfaceFlags {
    /// IGMP messages on this interface are processed. Without it they are counted and passed on.
    pub const IGMP: u32 = 1;
    /// Version 2 and 3 messages need the Router Alert option.
    pub const REQUIRE_ROUTER_ALERT: u32 = 1 << 1;
    /// Reports and leaves need a source of one of the interface's prefixes, or 0.0.0.0.
    pub const VERIFY_SOURCE_SUBNET: u32 = 1 << 2;
    /// Multicast data is forwarded from here. Without it, it passes to the network stack untouched.
    pub const FORWARD: u32 = 1 << 3;
    /// What is to be forwarded from here takes the way through the network stack. In generic mode the kernel makes the copies
    /// of a redirect with `skb_clone`, whose data is shared, and nothing promises that a program behind the redirect
    /// writes into its own; what a classifier writes is copied first.
    pub const STACK: u32 = 1 << 4;
    /// Sockets of the router itself have joined groups here.
    pub const LOCAL_GROUPS: u32 = 1 << 5;
    /// Packets may come in before their UDP checksum was computed, as from the other end of a virtual Ethernet pair.
    pub const PARTIAL_CHECKSUMS: u32 = 1 << 6;
    /// They may be any groups: there are more than [`MAX_LOCAL_GROUPS`](super::MAX_LOCAL_GROUPS).
    pub const ANY_LOCAL: u32 = 1 << 7;
    /// The host side of a proxy runs on this interface, and no router side: queries are handed over, and the version 1 and 2
    /// reports of other hosts, which stand for its own.
    pub const HOST: u32 = 1 << 8;
}

/// Value of the `INTERFACES` map, and by slot of the `CONFIGS` array. The agent writes both, the XDP program reads them: from
/// the map the slot where nothing else tells it, from the array all the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct InterfaceConfig {
    /// Index into `USAGE` and `COUNTERS`, and the interface's part of group and source keys. Below
    /// [`MAX_INTERFACES`](super::MAX_INTERFACES).
    pub slot: u32,
    /// Bits of [`InterfaceFlags`].
    pub flags: u32,
    /// The IGMP version that the interface runs, 1 to 3.
    pub version: u32,
    /// Most groups that may have members here, 0 for no limit but the map's.
    pub max_groups: u32,
    /// Most sources that a group may have here, 0 for no limit but the map's.
    pub max_group_sources: u32,
    /// How many of `prefixes` are in use.
    pub prefix_count: u32,
    /// The interface's networks, the primary address first.
    pub prefixes: [Prefix; MAX_PREFIXES],
}

impl InterfaceConfig {
    /// Whether a bit of [`InterfaceFlags`] is set.
    #[inline(always)]
    pub const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether `address` is in one of the interface's networks.
    #[inline(always)]
    pub fn is_on_link(&self, address: u32) -> bool {
        // The unused prefixes are skipped by count and not by their zero mask, which would contain every address.
        self.prefixes
            .iter()
            .enumerate()
            .any(|(index, prefix)| (index as u32) < self.prefix_count && prefix.contains(address))
    }

    /// Whether `address` is one of the router's own on this interface.
    #[inline(always)]
    pub fn is_own(&self, address: u32) -> bool {
        self.prefixes
            .iter()
            .enumerate()
            .any(|(index, prefix)| (index as u32) < self.prefix_count && prefix.address == address)
    }
}

/// Value of the `USAGE` map: what the limits of an interface are held against. Programs in the kernel count it up and
/// down; the agent only reads it, and zeroes it when the slot gets a new owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct InterfaceUsage {
    /// Groups of this interface in the `GROUPS` map.
    pub groups: u32,
    /// Tokens left for events of queries; see `QUERY_EVENT_RATE` in the XDP program.
    pub query_tokens: u32,
    /// When tokens were last added, in nanoseconds of `CLOCK_MONOTONIC`.
    pub query_refill: u64,
}

const _: () = assert!(size_of::<InterfaceKey>() == 8);
const _: () = assert!(size_of::<InterfaceConfig>() == 24 + 8 * MAX_PREFIXES);
const _: () = assert!(size_of::<InterfaceUsage>() == 16);
