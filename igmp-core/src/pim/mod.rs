//! PIM sparse mode (RFC 7761) as a last-hop and transit router, source-specific multicast (§4.8) included.
//!
//! Like the router side of IGMP it has no input, output or clock of its own; its random delays come from a seed.
//!
//! | module | holds |
//! |---|---|
//! | `event`, `config`, `message`, `surroundings` | what goes in |
//! | `action`, `view` | what comes out |
//! | `links` | interfaces, Hellos, neighbours, the Designated Router (§4.3) |
//! | `trees` | (\*,G), (S,G) and (S,G,rpt) state, upstream and downstream, asserts, and the routes that follow (§4.1, §4.2, §4.5, §4.6) |
//! | `key` | what deadlines belong to |
//!
//! # Not done
//!
//! Register messages (§4.4), the work of a first-hop router for senders of its own networks whose packets have to reach the
//! RP; BSR; (\*,\*,RP), which RFC 7761 has dropped.

mod action;
mod config;
mod context;
mod event;
mod key;
mod links;
mod message;
mod surroundings;
mod trees;
mod view;

use core::net::Ipv4Addr;

pub use self::{
    action::{NeighborDownReason, PimAction, PimNotification, PimWarning},
    config::{PimConfig, PimInterfaceConfig, SptSwitchover, StaticRp},
    event::PimEvent,
    message::{Assert, Hello, JoinPrune, JoinPruneGroup, LanPruneDelay, Message, Target},
    surroundings::{Surroundings, Towards, Way},
    view::{NeighborView, PimInterfaceView, PimJoinState, PimJoinView, PimRefusals, PimRouteView},
};
use self::{context::Context, key::Key, links::Links, trees::Trees};
use crate::{InterfaceId, random::Random, time::Instant, timers::Timers};

/// How many deadlines one call of [`Pim::handle_timeout`] serves at most.
pub const TIMEOUT_BATCH: usize = 1_024;

/// PIM on any number of interfaces.
///
/// # Contract
///
/// - `now` never goes back from call to call.
/// - [`handle_timeout`](Self::handle_timeout) is called when [`poll_timeout`](Self::poll_timeout) says so. Being late or
///   early does no harm.
///
/// No input makes it panic, and the work for an event does not grow with the number of groups, unless the event concerns all
/// of them: a neighbour, an interface or a unicast route that comes or goes.
#[derive(Debug)]
pub struct Pim {
    config: PimConfig,
    random: Random,
    timers: Timers<Key>,
    links: Links,
    trees: Trees,
}

impl Pim {
    /// PIM without interfaces. `seed` is what its random delays and Generation IDs follow from: it has to be another one
    /// after each start.
    pub fn new(seed: u64, config: PimConfig) -> Self {
        Self {
            config,
            random: Random::new(seed),
            timers: Timers::default(),
            links: Links::default(),
            trees: Trees::default(),
        }
    }

    /// Takes in one event. What is to be done about it is appended to `actions`.
    pub fn handle(
        &mut self,
        now: Instant,
        event: PimEvent,
        surroundings: &mut impl Surroundings,
        actions: &mut Vec<PimAction>,
    ) {
        self.handle_all(now, [event], surroundings, actions);
    }

    /// Takes in events that happened together, in their order. What follows from all of them is told once: neighbours hear of
    /// many groups in one message, and of a route that changes more than once only what comes of it.
    pub fn handle_all(
        &mut self,
        now: Instant,
        events: impl IntoIterator<Item = PimEvent>,
        surroundings: &mut impl Surroundings,
        actions: &mut Vec<PimAction>,
    ) {
        let Self {
            config,
            random,
            timers,
            links,
            trees,
        } = self;
        for event in events {
            let configured = if let PimEvent::Configure(new) = &event {
                config.clone_from(new);
                true
            } else {
                false
            };
            let cx = &mut Context {
                now,
                config,
                random,
                timers,
                surroundings,
                actions,
            };
            if configured {
                trees.reconfigure(links, cx);
            }
            match event {
                PimEvent::Configure(_) => {}
                PimEvent::InterfaceUp {
                    interface,
                    config,
                    address,
                    secondary_addresses,
                    mtu,
                } => links.up(interface, config, address, secondary_addresses, mtu, cx),
                PimEvent::InterfaceDown { interface } => links.down(interface, cx),
                PimEvent::Message {
                    interface,
                    sender,
                    message,
                } => match message {
                    Message::Hello(hello) => links.hello(interface, sender, &hello, cx),
                    Message::JoinPrune(message) => {
                        if links.admits(interface, sender) {
                            trees.join_prune(interface, sender, &message, links, cx);
                        } else if links.is_unknown(interface, sender) {
                            trees.overhear_stranger(interface, &message, links, cx);
                        }
                    }
                    Message::Assert(message) => {
                        if links.admits(interface, sender) {
                            trees.assert(interface, sender, &message, links, cx);
                        }
                    }
                },
                PimEvent::Member(change) => trees.member(change, links, cx),
                PimEvent::Packet {
                    interface,
                    source,
                    group,
                } => trees.packet(interface, source, group, links, cx),
                PimEvent::RoutesChanged => trees.routes_changed(links, cx),
            }
            Self::pass_on(links, trees, cx);
        }
        let cx = &mut Context {
            now,
            config,
            random,
            timers,
            surroundings,
            actions,
        };
        trees.resolve(links, cx);
    }

    /// Serves deadlines that have come, at most [`TIMEOUT_BATCH`] of them. Without any it does nothing.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        surroundings: &mut impl Surroundings,
        actions: &mut Vec<PimAction>,
    ) {
        let Self {
            config,
            random,
            timers,
            links,
            trees,
        } = self;
        let due: Vec<Key> = core::iter::from_fn(|| timers.pop_due(now))
            .take(TIMEOUT_BATCH)
            .collect();
        let cx = &mut Context {
            now,
            config,
            random,
            timers,
            surroundings,
            actions,
        };
        for key in due {
            match key {
                Key::Hello(interface) => links.hello_timer(interface, cx),
                Key::Neighbor(interface, address) => links.neighbor_timer(interface, address, cx),
                Key::Tree(key) => trees.timer(key, links, cx),
            }
        }
        Self::pass_on(links, trees, cx);
        trees.resolve(links, cx);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next. It may lie in the past.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Says goodbye on all interfaces, for a clean end: Hellos with hold time 0 (RFC 7761 §4.3.1), after prunes of what
    /// was joined.
    pub fn close(
        &mut self,
        now: Instant,
        surroundings: &mut impl Surroundings,
        actions: &mut Vec<PimAction>,
    ) {
        let Self {
            config,
            random,
            timers,
            links,
            trees,
        } = self;
        let cx = &mut Context {
            now,
            config,
            random,
            timers,
            surroundings,
            actions,
        };
        trees.close(links, cx);
        links.close(cx);
    }

    /// The interfaces that are up and run PIM, ascending.
    pub fn interfaces(&self) -> impl Iterator<Item = InterfaceId> {
        self.links.interfaces()
    }

    /// PIM on one interface, `None` where it does not run.
    pub fn interface(&self, interface: InterfaceId) -> Option<PimInterfaceView> {
        self.links.view(interface)
    }

    /// What was refused on an interface, whether PIM runs there or not.
    pub fn refusals(&self, interface: InterfaceId) -> PimRefusals {
        self.links.refusals(interface)
    }

    /// The neighbours, ascending by interface and address.
    pub fn neighbors(&self, now: Instant) -> impl Iterator<Item = NeighborView> {
        self.links.neighbors(now)
    }

    /// What is asked of upstream neighbours, from `from` on, ascending, at most `limit` entries. (\*,G) comes before its
    /// sources.
    pub fn joins(&self, now: Instant, from: (Ipv4Addr, Option<Ipv4Addr>), limit: usize) -> Vec<PimJoinView> {
        self.trees.joins(now, from, limit, &self.links)
    }

    /// The routes that were told, from `from` on, ascending, at most `limit` of them.
    pub fn routes(&self, from: (Ipv4Addr, Option<Ipv4Addr>), limit: usize) -> Vec<PimRouteView> {
        self.trees.routes(from, limit)
    }

    /// Has trees hear of what happened to links.
    fn pass_on<S: Surroundings>(links: &mut Links, trees: &mut Trees, cx: &mut Context<'_, S>) {
        for change in links.take_changes() {
            trees.link_changed(change, links, cx);
        }
    }
}
