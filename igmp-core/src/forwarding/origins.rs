//! Who may want traffic on an interface, and what.

use core::{net::Ipv4Addr, ops::BitOr};

use crate::InterfaceId;

/// A set of origins: who on an interface says what it wants. Each speaks for itself, and what any of them wants is
/// forwarded there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origins(u8);

impl Origins {
    /// Nobody.
    pub(crate) const NONE: Self = Self(0);
    /// The hosts, whose reports IGMP has merged into one state (RFC 9776 §6.2).
    pub(crate) const HOSTS: Self = Self(1);
    /// The configuration.
    pub(crate) const STATIC: Self = Self(1 << 1);

    /// This set if `is_member`, else nobody.
    pub(crate) fn when(self, is_member: bool) -> Self {
        if is_member { self } else { Self::NONE }
    }

    /// Whether it is nobody.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// A bit for each of them.
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// The set that has these bits.
    pub(crate) const fn of_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Those who are not in `other`.
    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Origins {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What is said of one source. Who says nothing of it wants it if and only if it wants any source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Who wants the source by name.
    pub(crate) wanted: Origins,
    /// Who wants other sources but not this one.
    pub(crate) blocked: Origins,
}

impl Wish {
    /// Whether the source is forwarded where these want any source.
    pub(crate) fn is_granted(self, any_source: Origins) -> bool {
        !self.wanted.is_empty() || !any_source.without(self.blocked).is_empty()
    }
}

impl BitOr for Wish {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self {
            wanted: self.wanted | other.wanted,
            blocked: self.blocked | other.blocked,
        }
    }
}

/// What is wanted where: the state from which routes follow.
pub(crate) trait Wishes {
    /// Who wants any source of a group on an interface.
    fn any_source(&self, interface: InterfaceId, group: Ipv4Addr) -> Origins;

    /// What is said of a source of a group on an interface.
    fn source(&self, interface: InterfaceId, group: Ipv4Addr, source: Ipv4Addr) -> Wish;
}
