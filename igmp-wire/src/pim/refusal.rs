//! Why a PIM message is refused.

/// A reason to refuse a PIM message. A refused message is counted once, under the first reason that applies, in the
/// order that [`open`](super::open) gives, and changes no state.
///
/// The discriminant is the index of the reason's counter, and [`Refusal::name`] is the name that operators see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// Fewer bytes than an IPv4 header, than the IPv4 header promises, or than the PIM header has.
    TooShort = 0,
    /// The checksum over the PIM message is wrong (RFC 7761 §4.9).
    Checksum = 1,
    /// Another version of PIM than 2 (RFC 7761 §4.9).
    Version = 2,
    /// A type of message that this router has no use for, or that RFC 7761 §4.9 does not know.
    UnsupportedType = 3,
    /// The IP destination is not the one that messages of this type go to (RFC 7761 §4.9).
    Destination = 4,
    /// The IP source cannot be the address of a router on this network.
    Source = 5,
    /// The lengths or counts in the IP header or the message contradict each other, or an address is none that the
    /// message may have in this place.
    Malformed = 6,
}

impl Refusal {
    /// How many reasons there are.
    pub const COUNT: usize = 7;

    /// Every reason, in the order of the discriminants.
    pub const ALL: [Self; Self::COUNT] = [
        Self::TooShort,
        Self::Checksum,
        Self::Version,
        Self::UnsupportedType,
        Self::Destination,
        Self::Source,
        Self::Malformed,
    ];

    /// The name of the reason's counter. A reason that there is for IGMP as well has the name that it has there.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooShort => "too-short",
            Self::Checksum => "checksum",
            Self::Version => "version",
            Self::UnsupportedType => "unsupported-type",
            Self::Destination => "destination",
            Self::Source => "source",
            Self::Malformed => "malformed",
        }
    }
}
