//! What members on single interfaces want, for PIM (RFC 7761 §4.1.6: `local_receiver_include`, `local_receiver_exclude`).

use core::net::Ipv4Addr;

use crate::InterfaceId;

/// Hosts of an interface, or the configuration for it, want something else of a group than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberChange {
    /// The interface.
    pub interface: InterfaceId,
    /// The group.
    pub group: Ipv4Addr,
    /// What is wanted now.
    pub wish: MemberWish,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberWish {
    /// Whether any source is wanted: `local_receiver_include(*,G,I)`.
    AnySource(bool),
    /// What is wanted of one source.
    Source(Ipv4Addr, SourceWish),
}

/// What is wanted of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceWish {
    /// Nothing is said of it: it is wanted if any source is.
    #[default]
    AsAnySource,
    /// It is wanted by name: `local_receiver_include(S,G,I)`.
    Include,
    /// Other sources are wanted, but nobody wants this one: `local_receiver_exclude(S,G,I)`.
    Exclude,
}
