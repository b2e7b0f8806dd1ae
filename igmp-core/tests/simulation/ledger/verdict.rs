//! Whether the state of a router complies.

use core::net::Ipv4Addr;

use igmp_core::Instant;

use super::{
    Ledger,
    account::{Lowering, Source},
};
use crate::trace::seconds;

/// What is wrong with a router's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// A source is not forwarded that must be.
    Starved,
    /// A source is forwarded though its last member has been gone for too long.
    Outlived,
    /// The group is known though its last member has been gone for too long.
    GroupOutlived,
}

/// What the core says about a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) known: bool,
    /// For each source of the scenario whether it is forwarded.
    pub(crate) forwards: Vec<bool>,
}

impl Ledger {
    /// Until when a source must be forwarded, lowered timers considered.
    pub(super) fn obliged_until(&self, source: &Source) -> Instant {
        let handling = self.terms.handling;
        source
            .may_lower
            .iter()
            .filter_map(|&lowering| match lowering {
                Lowering::Report(time) => self
                    .was_querier(time, time + handling)
                    .0
                    .then(|| time + self.terms.leave),
                Lowering::Query(time) => Some(time + self.terms.last_member),
            })
            .fold(source.must_until, Instant::min)
    }

    /// Whether timers must have been lowered and run out by now.
    fn overdue(&self, now: Instant, lowerings: &[Lowering]) -> bool {
        let handling = self.terms.handling;
        lowerings.iter().any(|&lowering| match lowering {
            Lowering::Report(time) => {
                now > time + self.terms.leave + handling && self.was_querier(time, time + handling).1
            }
            Lowering::Query(time) => {
                now > time + self.terms.last_member + handling && !self.was_querier(time, time + handling).0
            }
        })
    }

    /// Holds what the core says about a group against the ledger.
    pub(crate) fn breach(&self, now: Instant, index: usize, view: &View) -> Option<(Breach, Ipv4Addr)> {
        let handling = self.terms.handling;
        let (address, group) = &self.groups[index];
        if view.known && (now > group.may_until + handling || self.overdue(now, &group.must_lower)) {
            return Some((Breach::GroupOutlived, *address));
        }
        for ((source, &forwarded), &name) in group.sources.iter().zip(&view.forwards).zip(&self.names) {
            if !forwarded && now >= source.must_from && now < self.obliged_until(source) {
                return Some((Breach::Starved, name));
            }
            if forwarded && (now > source.may_until + handling || self.overdue(now, &source.must_lower)) {
                return Some((Breach::Outlived, name));
            }
        }
        None
    }

    /// The ledger's figures for a group, for the report of a breach.
    pub(crate) fn describe(&self, index: usize) -> String {
        let (address, group) = &self.groups[index];
        let mut text = format!(
            "ledger of {address}: known until at most {:.3}\n",
            seconds(group.may_until)
        );
        for (name, source) in self.names.iter().zip(&group.sources) {
            text += &format!(
                "  source {name}: must be forwarded {:.3}..{:.3}, may be until {:.3}, lowered {:?}\n",
                seconds(source.must_from),
                seconds(self.obliged_until(source)),
                seconds(source.may_until),
                source.must_lower,
            );
        }
        text
    }
}
