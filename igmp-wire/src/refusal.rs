//! Why a packet is refused.

/// A reason to refuse a packet. A refused packet is counted once, under the first reason that applies, and changes no
/// state.
///
/// The discriminant is the index of the reason's counter in
/// [`InterfaceCounters::dropped`](crate::abi::InterfaceCounters), and [`Refusal::name`] is the name that operators see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// Fewer than the 8 bytes of the shortest IGMP message (RFC 2236 §6), or less than the IP header promises.
    TooShort = 0,
    /// The checksum over the whole IP payload (RFC 9776 §4.1.2), or that of the IP header, is wrong.
    Checksum = 1,
    /// The IP TTL is not 1.
    Ttl = 2,
    /// A version 2 or 3 message without the Router Alert option, where the interface requires it (RFC 9776 §9).
    RouterAlert = 3,
    /// The IP source cannot be that of a host or router on this network.
    Source = 4,
    /// The group is not one that may be reported or asked for, or a General Query to a host came by another group than
    /// 224.0.0.1.
    Group = 5,
    /// An any-source report for a group of the source-specific range (RFC 4604 §3).
    SsmRange = 6,
    /// A message type that this interface does not know.
    UnknownType = 7,
    /// The lengths or counts in the IP header or the message contradict each other, or the packet is longer than any
    /// that is looked at ([`MAX_FRAME_LEN`](crate::packet::MAX_FRAME_LEN)).
    Malformed = 8,
    /// A limit on groups or sources is reached.
    Limit = 9,
    /// More messages than the interface is prepared to hand to the agent.
    Rate = 10,
    /// A fragment of an IP packet.
    Fragment = 11,
    /// A tag of a VLAN that is not configured on this interface.
    Vlan = 12,
    /// Multicast data from an interface that is not the one towards its source.
    Rpf = 13,
    /// Multicast data for a group without members.
    NoMembers = 14,
    /// Multicast data that is longer than the egress interface's MTU.
    Mtu = 15,
}

impl Refusal {
    /// How many reasons there are.
    pub const COUNT: usize = 16;

    /// Every reason, in the order of the discriminants.
    pub const ALL: [Self; Self::COUNT] = [
        Self::TooShort,
        Self::Checksum,
        Self::Ttl,
        Self::RouterAlert,
        Self::Source,
        Self::Group,
        Self::SsmRange,
        Self::UnknownType,
        Self::Malformed,
        Self::Limit,
        Self::Rate,
        Self::Fragment,
        Self::Vlan,
        Self::Rpf,
        Self::NoMembers,
        Self::Mtu,
    ];

    /// The name of the reason's counter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooShort => "too-short",
            Self::Checksum => "checksum",
            Self::Ttl => "ttl",
            Self::RouterAlert => "router-alert",
            Self::Source => "source",
            Self::Group => "group",
            Self::SsmRange => "ssm-range",
            Self::UnknownType => "unknown-type",
            Self::Malformed => "malformed",
            Self::Limit => "limit",
            Self::Rate => "rate",
            Self::Fragment => "fragment",
            Self::Vlan => "vlan",
            Self::Rpf => "rpf",
            Self::NoMembers => "no-members",
            Self::Mtu => "mtu",
        }
    }
}
