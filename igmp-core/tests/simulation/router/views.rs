//! What the core says of its groups.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use igmp_core::Instant;

use super::Router;
use crate::{
    kernel::{Kernel, LINK},
    ledger::View,
    scenario::Scenario,
};

impl Router {
    /// Reads what the core says about each group.
    pub(crate) fn look(&mut self, now: Instant, scenario: &Scenario) {
        for (index, &group) in scenario.groups.iter().enumerate() {
            let view = if self.alive {
                view(&self.core, &mut self.kernel, now, group, &scenario.sources)
            } else {
                View {
                    known: false,
                    forwards: vec![false; scenario.sources.len()],
                }
            };
            self.views[index] = view;
        }
    }

    /// The sources of a group that the core has timers for.
    pub(crate) fn requested(&mut self, now: Instant, group: Ipv4Addr) -> Option<BTreeSet<Ipv4Addr>> {
        let view = self.core.group(now, LINK, group, &mut self.kernel)?;
        Some(
            view.sources
                .iter()
                .filter(|source| source.forwarding)
                .map(|source| source.source)
                .collect(),
        )
    }
}

fn view(
    core: &igmp_core::Router,
    kernel: &mut Kernel,
    now: Instant,
    group: Ipv4Addr,
    sources: &[Ipv4Addr],
) -> View {
    let Some(view) = core.group(now, LINK, group, kernel) else {
        return View {
            known: false,
            forwards: vec![false; sources.len()],
        };
    };
    let exclude = view.filter_mode == igmp_core::FilterMode::Exclude;
    let forwards = sources
        .iter()
        .map(|&source| {
            view.sources
                .iter()
                .find(|entry| entry.source == source)
                .map_or(exclude, |entry| entry.forwarding)
        })
        .collect();
    View {
        known: true,
        forwards,
    }
}
