//! `show statistics`: PIM on an interface.

use std::fmt;

use igmp_core::pim::PimRefusals;
use igmp_wire::pim::Refusal;
use serde::{Deserialize, Serialize};

use super::statistics::reasons;

/// PIM messages of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PimStatistics {
    /// Messages received. `total` has those as well that cannot be read.
    pub received: PimMessages,
    /// Messages sent.
    pub sent: PimMessages,
    /// What changed nothing, by reason.
    pub dropped: PimDropped,
}

/// PIM messages by their type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PimMessages {
    /// All of them.
    pub total: u64,
    /// Hellos (RFC 7761 §4.9.2).
    pub hello: u64,
    /// Join/Prune messages (§4.9.5).
    pub join_prune: u64,
    /// Asserts (§4.9.6).
    pub assert: u64,
}

/// What changed nothing, by reason. The first seven are those of [`Refusal`], for which a message as a whole is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PimDropped {
    /// [`Refusal::TooShort`]
    pub too_short: u64,
    /// [`Refusal::Checksum`]
    pub checksum: u64,
    /// [`Refusal::Version`]
    pub version: u64,
    /// [`Refusal::UnsupportedType`]
    pub unsupported_type: u64,
    /// [`Refusal::Destination`]
    pub destination: u64,
    /// [`Refusal::Source`]
    pub source: u64,
    /// [`Refusal::Malformed`]
    pub malformed: u64,
    /// Join/Prune and Assert messages of routers that have not said Hello.
    pub unknown_neighbor: u64,
    /// Messages from an address of this router.
    pub own_address: u64,
    /// Messages where PIM does not run.
    pub not_enabled: u64,
    /// Joins of any source with another rendezvous point than this router's.
    pub rp: u64,
    /// Joins and prunes of groups that cannot be joined so.
    pub group: u64,
    /// Neighbours and entries beyond the limits.
    pub limit: u64,
    /// Entries of Join/Prune messages that a receiver has to pass over (RFC 7761 §4.9.5.1).
    pub skipped: u64,
    /// Messages for which the socket had no room.
    pub overflow: u64,
}

impl PimDropped {
    /// Puts together what was refused on the way in, what the state machines refused, the entries that were passed over,
    /// and the messages that were lost.
    pub fn new(refused: [u64; Refusal::COUNT], by_core: PimRefusals, skipped: u64, overflow: u64) -> Self {
        let of = |reason: Refusal| refused.get(reason as usize).copied().unwrap_or(0);
        let PimRefusals {
            unknown_neighbor,
            own_address,
            not_enabled,
            rp,
            group,
            limit,
        } = by_core;
        Self {
            too_short: of(Refusal::TooShort),
            checksum: of(Refusal::Checksum),
            version: of(Refusal::Version),
            unsupported_type: of(Refusal::UnsupportedType),
            destination: of(Refusal::Destination),
            source: of(Refusal::Source),
            malformed: of(Refusal::Malformed),
            unknown_neighbor,
            own_address,
            not_enabled,
            rp,
            group,
            limit,
            skipped,
            overflow,
        }
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        let Self {
            too_short,
            checksum,
            version,
            unsupported_type,
            destination,
            source,
            malformed,
            unknown_neighbor,
            own_address,
            not_enabled,
            rp,
            group,
            limit,
            skipped,
            overflow,
        } = *self;
        [
            (Refusal::TooShort.name(), too_short),
            (Refusal::Checksum.name(), checksum),
            (Refusal::Version.name(), version),
            (Refusal::UnsupportedType.name(), unsupported_type),
            (Refusal::Destination.name(), destination),
            (Refusal::Source.name(), source),
            (Refusal::Malformed.name(), malformed),
            ("unknown-neighbor", unknown_neighbor),
            ("own-address", own_address),
            ("not-enabled", not_enabled),
            ("rp", rp),
            ("group", group),
            ("limit", limit),
            ("skipped", skipped),
            ("overflow", overflow),
        ]
        .into_iter()
    }

    /// How often something was dropped, whatever the reason.
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, count)| count).sum()
    }
}

impl fmt::Display for PimDropped {
    /// The reasons that occurred, or a dash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        reasons(f, self.iter())
    }
}
