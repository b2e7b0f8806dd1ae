//! The routers of a link (RFC 7761 §4.3.2, §4.3.4).

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use super::{
    super::{Hello, LanPruneDelay, NeighborView, context::Context, key::Key},
    election::Candidate,
    hello::FOREVER,
};
use crate::{
    InterfaceId,
    time::{Duration, Instant},
    timers::Slot,
};

/// `Default_Hello_Holdtime` in seconds (§4.11), for who tells none.
const DEFAULT_HOLD_TIME: u16 = 105;
/// How many secondary addresses of a neighbour are remembered.
pub(super) const MAX_SECONDARY_ADDRESSES: usize = 256;

/// What is known of a neighbour.
#[derive(Debug)]
struct Neighbor {
    hold_time: u16,
    dr_priority: Option<u32>,
    generation_id: Option<u32>,
    lan_prune_delay: Option<LanPruneDelay>,
    /// Ascending.
    secondary_addresses: Vec<Ipv4Addr>,
    since: Instant,
    /// The Neighbor Liveness Timer `NLT(N,I)`, `None` where it never ends.
    expires: Option<Instant>,
    slot: Slot,
}

/// What was new about a Hello.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) news: News,
    /// Those of its addresses that were another neighbour's, and whose.
    pub(super) conflicts: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// How many of its addresses were too many.
    pub(super) refused: usize,
}

/// How a neighbour is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Now for the first time.
    New,
    /// It has another Generation ID.
    Restarted,
    /// With other addresses.
    Addresses,
    /// With the same.
    Nothing,
}

/// All neighbours of an interface.
#[derive(Debug, Default)]
pub(super) struct Neighbors {
    by_address: BTreeMap<Ipv4Addr, Neighbor>,
    /// Whose secondary address it is: primary addresses by secondary ones.
    by_secondary: BTreeMap<Ipv4Addr, Ipv4Addr>,
}

impl Neighbors {
    pub(super) fn len(&self) -> usize {
        self.by_address.len()
    }

    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        self.by_address.contains_key(&address)
    }

    /// `NBR(I, A)`. Who uses an address as the source of its messages has it before anybody who only lists it.
    pub(super) fn primary_address(&self, address: Ipv4Addr) -> Option<Ipv4Addr> {
        if self.contains(address) {
            return Some(address);
        }
        self.by_secondary.get(&address).copied()
    }

    /// Whether a Hello says anything else than what is known of its sender.
    pub(super) fn is_changed_by(&self, address: Ipv4Addr, hello: &Hello) -> bool {
        let Some(known) = self.by_address.get(&address) else {
            return hello.hold_time != Some(0);
        };
        let mut secondary_addresses = listed(address, hello);
        secondary_addresses.truncate(MAX_SECONDARY_ADDRESSES);
        hello.hold_time == Some(0)
            || hello.generation_id != known.generation_id
            || hello.dr_priority != known.dr_priority
            || hello.lan_prune_delay != known.lan_prune_delay
            || secondary_addresses != known.secondary_addresses
    }

    /// Takes in a Hello that is no goodbye. What was known of its sender is replaced.
    pub(super) fn hear<S>(
        &mut self,
        interface: InterfaceId,
        address: Ipv4Addr,
        hello: &Hello,
        cx: &mut Context<'_, S>,
    ) -> Heard {
        let mut secondary_addresses = listed(address, hello);
        let refused = secondary_addresses.len().saturating_sub(MAX_SECONDARY_ADDRESSES);
        secondary_addresses.truncate(MAX_SECONDARY_ADDRESSES);

        let known = self.by_address.get(&address);
        let news = match known {
            None => News::New,
            Some(known) if hello.generation_id.is_some() && hello.generation_id != known.generation_id => {
                News::Restarted
            }
            Some(known) if known.secondary_addresses != secondary_addresses => News::Addresses,
            Some(_) => News::Nothing,
        };
        let since = known
            .filter(|_| news != News::Restarted)
            .map_or(cx.now, |known| known.since);
        let slot = known.map(|known| known.slot).unwrap_or_default();
        let conflicts = if known.is_some_and(|known| known.secondary_addresses == secondary_addresses) {
            Vec::new()
        } else {
            self.assign(address, &secondary_addresses)
        };

        let hold_time = hello.hold_time.unwrap_or(DEFAULT_HOLD_TIME);
        let mut neighbor = Neighbor {
            hold_time,
            dr_priority: hello.dr_priority,
            generation_id: hello.generation_id,
            lan_prune_delay: hello.lan_prune_delay,
            secondary_addresses,
            since,
            expires: (hold_time != FOREVER).then(|| cx.now + Duration::from_secs(hold_time.into())),
            slot,
        };
        if let Some(expires) = neighbor.expires {
            cx.timers
                .wake_by(&mut neighbor.slot, expires, Key::Neighbor(interface, address));
        }
        self.by_address.insert(address, neighbor);
        Heard {
            news,
            conflicts,
            refused,
        }
    }

    /// Makes these the secondary addresses of a neighbour. Answers those that others had, and who: only the last one
    /// keeps an address.
    fn assign(&mut self, primary: Ipv4Addr, addresses: &[Ipv4Addr]) -> Vec<(Ipv4Addr, Ipv4Addr)> {
        self.withdraw(primary);
        let mut conflicts = Vec::new();
        for &address in addresses {
            let Some(before) = self.by_secondary.insert(address, primary) else {
                continue;
            };
            if let Some(other) = self.by_address.get_mut(&before) {
                other.secondary_addresses.retain(|&listed| listed != address);
            }
            conflicts.push((address, before));
        }
        conflicts
    }

    fn withdraw(&mut self, primary: Ipv4Addr) {
        let Some(neighbor) = self.by_address.get(&primary) else {
            return;
        };
        for secondary in &neighbor.secondary_addresses {
            self.by_secondary.remove(secondary);
        }
    }

    /// The Neighbor Liveness Timer may have ended. Says whether it has.
    pub(super) fn timer<S>(
        &mut self,
        interface: InterfaceId,
        address: Ipv4Addr,
        cx: &mut Context<'_, S>,
    ) -> bool {
        let Some(neighbor) = self.by_address.get_mut(&address) else {
            return false;
        };
        neighbor.slot = Slot::default();
        match neighbor.expires {
            Some(expires) if expires <= cx.now => true,
            Some(expires) => {
                cx.timers
                    .wake_by(&mut neighbor.slot, expires, Key::Neighbor(interface, address));
                false
            }
            None => false,
        }
    }

    /// Forgets a neighbour. Says whether there was one.
    pub(super) fn remove<S>(
        &mut self,
        interface: InterfaceId,
        address: Ipv4Addr,
        cx: &mut Context<'_, S>,
    ) -> bool {
        self.withdraw(address);
        let Some(mut neighbor) = self.by_address.remove(&address) else {
            return false;
        };
        cx.timers
            .cancel(&mut neighbor.slot, Key::Neighbor(interface, address));
        true
    }

    /// The primary addresses, ascending.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.by_address.keys().copied()
    }

    pub(super) fn candidates(&self) -> impl Iterator<Item = Candidate> + Clone {
        self.by_address.iter().map(|(&address, neighbor)| Candidate {
            address,
            dr_priority: neighbor.dr_priority,
        })
    }

    pub(super) fn lan_prune_delays(&self) -> impl Iterator<Item = Option<LanPruneDelay>> {
        self.by_address.values().map(|neighbor| neighbor.lan_prune_delay)
    }

    pub(super) fn views(&self, interface: InterfaceId, now: Instant) -> impl Iterator<Item = NeighborView> {
        self.by_address
            .iter()
            .map(move |(&address, neighbor)| NeighborView {
                interface,
                address,
                dr_priority: neighbor.dr_priority,
                generation_id: neighbor.generation_id,
                hold_time: neighbor.hold_time,
                expires: neighbor.expires,
                up_time: now.since(neighbor.since),
            })
    }
}

/// The other addresses that a Hello lists, ascending and each once.
fn listed(address: Ipv4Addr, hello: &Hello) -> Vec<Ipv4Addr> {
    let mut listed = hello.secondary_addresses.clone();
    listed.retain(|&secondary| secondary != address);
    listed.sort_unstable();
    listed.dedup();
    listed
}
