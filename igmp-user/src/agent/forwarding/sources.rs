//! Where sources are: from which interface their packets are accepted (RPF).
//!
//! The kernel's routing table decides. Each of its prefixes leads to an interface of the router, to none of them, or by
//! several ways; then the kernel is asked for each source, and its answer stands until the table changes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::Ipv4Addr,
};

use igmp_core::Instant;
use igmp_wire::abi::{INCOMING_ASK, INCOMING_NONE};
use ipnet::Ipv4Net;

use crate::netlink::{RouteTable, RouteVia};

/// Of how many sources answers of the kernel are kept.
const MAX_ANSWERS: usize = 65_536;

/// What the programs in the kernel are told, by prefix.
pub(super) type Prefixes = BTreeMap<Ipv4Net, u32>;

/// The interfaces of the router, as routes name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ways {
    /// Slots, by the kernel's index.
    pub(super) slots: HashMap<u32, u32>,
    /// Networks of which the kernel knows nothing: those of VLANs without a device.
    pub(super) networks: BTreeMap<Ipv4Net, u32>,
}

/// Where sources are.
#[derive(Debug, Default)]
pub(super) struct Sources {
    ways: Ways,
    /// What was last told.
    told: Prefixes,
    /// Answers of the kernel: the index of the interface towards a source, if there is one.
    answers: HashMap<Ipv4Addr, Option<u32>>,
    /// Questions without an answer so far, since when.
    asked: HashMap<Ipv4Addr, Instant>,
}

/// What has changed: what is to be set, and what is to be removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) set: Vec<(Ipv4Net, u32)>,
    pub(super) remove: Vec<Ipv4Net>,
}

impl Difference {
    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}

impl Sources {
    /// Begins with what an earlier agent told.
    pub(super) fn with_told(told: impl IntoIterator<Item = (Ipv4Net, u32)>) -> Self {
        Self {
            told: told.into_iter().collect(),
            ..Self::default()
        }
    }

    /// What is different now that the kernel's table or the interfaces have changed.
    pub(super) fn update(&mut self, table: &RouteTable, ways: Ways) -> Difference {
        self.ways = ways;
        let mut wanted = Prefixes::new();
        for route in &table.routes {
            let incoming = match route.via {
                RouteVia::Interface(ifindex) => self.slot(Some(ifindex)),
                RouteVia::Several => INCOMING_ASK,
                RouteVia::None => INCOMING_NONE,
            };
            let incoming = if table.ask_always { INCOMING_ASK } else { incoming };
            wanted.insert(route.prefix.trunc(), incoming);
        }
        for (&network, &slot) in &self.ways.networks {
            wanted.insert(network.trunc(), slot);
        }
        for (&source, &answer) in &self.answers {
            wanted.insert(Ipv4Net::from(source), self.slot(answer));
        }
        let mut difference = Difference::default();
        for (&prefix, &incoming) in &wanted {
            if self.told.get(&prefix) != Some(&incoming) {
                difference.set.push((prefix, incoming));
            }
        }
        let gone: BTreeSet<Ipv4Net> = self.told.keys().copied().collect();
        difference
            .remove
            .extend(gone.into_iter().filter(|prefix| !wanted.contains_key(prefix)));
        self.told = wanted;
        difference
    }

    /// Whether the kernel is to be asked for this source: nobody does so already.
    pub(super) fn ask(&mut self, source: Ipv4Addr, now: Instant) -> bool {
        if self.asked.contains_key(&source) || self.answers.len() + self.asked.len() >= MAX_ANSWERS {
            return false;
        }
        self.asked.insert(source, now);
        true
    }

    /// Takes an answer in. Returns what to tell.
    pub(super) fn answer(&mut self, source: Ipv4Addr, answer: Option<u32>) -> Option<(Ipv4Net, u32)> {
        self.asked.remove(&source)?;
        self.answers.insert(source, answer);
        let told = (Ipv4Net::from(source), self.slot(answer));
        (self.told.insert(told.0, told.1) != Some(told.1)).then_some(told)
    }

    /// Forgets all answers, since the kernel may answer otherwise now. Returns the sources that it was asked for.
    pub(super) fn forget_answers(&mut self) -> Vec<Ipv4Addr> {
        self.asked.clear();
        std::mem::take(&mut self.answers).into_keys().collect()
    }

    /// The slot towards a source, for engines that look it up themselves: the longest prefix counts.
    pub(super) fn towards(&self, source: Ipv4Addr) -> u32 {
        (0..=32)
            .rev()
            .find_map(|len| {
                let prefix = Ipv4Net::new(source, len).ok()?.trunc();
                self.told.get(&prefix).copied()
            })
            .unwrap_or(INCOMING_NONE)
    }

    fn slot(&self, ifindex: Option<u32>) -> u32 {
        ifindex
            .and_then(|ifindex| self.ways.slots.get(&ifindex).copied())
            .unwrap_or(INCOMING_NONE)
    }
}
