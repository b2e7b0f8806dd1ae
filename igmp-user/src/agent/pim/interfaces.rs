//! Which interfaces PIM knows, and how: those that it runs on, and the router's others, whose members it serves alone.

use std::{collections::HashSet, net::Ipv4Addr, sync::Arc};

use igmp_core::{
    Duration, InterfaceId,
    pim::{PimEvent, PimInterfaceConfig, PimRefusals},
};
use tracing::{error, info};

use super::{
    counters::{Counted, Counters, Messages},
    message::Way,
    socket::Listener,
    surroundings::Places,
};
use crate::{
    agent::{Agent, clock, plan::Binding, served::Served, translate},
    api::{MonitorEventKind, MonitorReason},
    config::Forwarding,
};

/// How long to wait before a socket is opened again where that failed.
const RETRY: Duration = Duration::from_secs(5);

/// An interface that the core was told of.
#[derive(Debug)]
pub(super) struct Link {
    known: Known,
    /// What receives there, where PIM runs.
    listener: Option<Listener>,
    /// How messages leave, where they can.
    pub(super) way: Option<Way>,
}

impl Link {
    /// How often a Hello is sent, where PIM runs.
    pub(super) fn hello_interval(&self) -> Option<Duration> {
        self.known.config.as_ref().map(|config| config.hello_interval)
    }
}

/// What the core was told of an interface.
#[derive(Clone, Debug, PartialEq)]
struct Known {
    /// Its name.
    name: String,
    /// The index of its device.
    ifindex: u32,
    /// How PIM runs there, if it does.
    config: Option<PimInterfaceConfig>,
    /// Its addresses, the primary one first.
    addresses: Vec<Ipv4Addr>,
    /// Its MTU.
    mtu: u32,
}

/// What was counted on an interface.
#[derive(Debug, Default)]
pub(super) struct Counts {
    received: Arc<Counters>,
    pub(super) sent: Messages,
    /// What the core refused before the interface last went down.
    refused_before: PimRefusals,
}

impl Counts {
    /// What was counted.
    pub(super) fn read(&self) -> Counted {
        self.received.read(self.sent)
    }

    /// What the core has refused, of which these since the interface came up.
    pub(super) fn refused(&self, refusals: PimRefusals) -> PimRefusals {
        sum(self.refused_before, refusals)
    }
}

fn sum(a: PimRefusals, b: PimRefusals) -> PimRefusals {
    let PimRefusals {
        unknown_neighbor,
        own_address,
        not_enabled,
        rp,
        group,
        limit,
    } = b;
    PimRefusals {
        unknown_neighbor: a.unknown_neighbor + unknown_neighbor,
        own_address: a.own_address + own_address,
        not_enabled: a.not_enabled + not_enabled,
        rp: a.rp + rp,
        group: a.group + group,
        limit: a.limit + limit,
    }
}

impl Link {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.known.name
    }

    /// Whether PIM runs there, and this is the index of its device.
    pub(super) const fn listens_on(&self, ifindex: u32) -> bool {
        self.listener.is_some() && self.known.ifindex == ifindex
    }
}

impl Known {
    /// Whether this is the same interface, perhaps with another configuration.
    fn is_same_interface(&self, other: &Self) -> bool {
        (&self.name, self.ifindex) == (&other.name, other.ifindex)
    }
}

impl Agent {
    /// Tells PIM of interfaces that are there no more, before others get their slots.
    pub(in crate::agent) fn withdraw_pim(&mut self) {
        let Some(running) = &self.pim.running else { return };
        let gone: Vec<u32> = running
            .links
            .iter()
            .filter(|(slot, link)| {
                let wanted = self.wanted_link(link.name());
                wanted.is_none_or(|(wanted, known)| wanted != **slot || !known.is_same_interface(&link.known))
            })
            .map(|(&slot, _)| slot)
            .collect();
        if gone.is_empty() {
            return;
        }
        if let Some(running) = &mut self.pim.running {
            for slot in &gone {
                let refused = running.core.refusals(InterfaceId(*slot));
                if let Some(link) = running.links.get(slot)
                    && let Some(counts) = self.pim.counts.get_mut(link.name())
                {
                    counts.refused_before = counts.refused(refused);
                }
            }
            running
                .events
                .extend(gone.iter().map(|&slot| PimEvent::InterfaceDown {
                    interface: InterfaceId(slot),
                }));
        }
        // At once, since messages may still leave there.
        self.run_pim();
        for slot in gone {
            let running = self.pim.running.as_mut();
            if let Some(link) = running.and_then(|running| running.links.remove(&slot)) {
                self.say_that_it_runs(link.name(), link.listener.is_some(), false);
            }
        }
    }

    /// Says whether PIM runs on an interface where that has changed.
    fn say_that_it_runs(&self, name: &str, before: bool, now: bool) {
        if before == now {
            return;
        }
        let (verb, event) = if now {
            ("runs", MonitorEventKind::InterfaceUp)
        } else {
            ("does not run any more", MonitorEventKind::InterfaceDown)
        };
        info!(interface = name, "PIM {verb} here");
        // Where IGMP runs as well, it says so.
        let has_igmp = |served: &Served| served.wanted.igmp.is_some();
        if !self.interfaces.get(name).is_some_and(has_igmp) {
            self.publish(translate::about_interface(event, name, MonitorReason::Interface));
        }
    }

    /// Brings PIM to what is configured, and tells it of interfaces that are new or changed. What follows is done by
    /// [`run_pim`](Self::run_pim).
    pub(in crate::agent) fn reconcile_pim(&mut self) {
        if !self.switch_pim() {
            return;
        }
        self.withdraw_pim();
        let names: Vec<String> = self.interfaces.keys().cloned().collect();
        for name in &names {
            if let Some((slot, known)) = self.wanted_link(name) {
                self.tell_link(slot, known);
            }
        }
        let config = &self.config.interfaces;
        self.pim
            .counts
            .retain(|name, _| config.get(name).is_some_and(|interface| interface.pim.is_some()));
        let places = Places {
            own: self.own_addresses(),
            ways: self.ways(),
        };
        if let Some(running) = &mut self.pim.running
            && running.places != places
        {
            running.places = places;
            running.events.push(PimEvent::RoutesChanged);
        }
        self.remark_on_rules();
    }

    /// The addresses of this machine, and those that the configuration gives VLANs without a device.
    fn own_addresses(&self) -> HashSet<Ipv4Addr> {
        let bindings = self.interfaces.values();
        let bindings = bindings.filter_map(|served| served.wanted.binding.as_ref());
        let configured = bindings.flat_map(|binding| binding.addresses.iter().map(ipnet::Ipv4Net::addr));
        self.snapshot.addresses().chain(configured).collect()
    }

    /// What PIM should know of an interface, and its slot, if it should know it at all.
    fn wanted_link(&self, name: &str) -> Option<(u32, Known)> {
        let config = self.config.interfaces.get(name)?;
        let served: &Served = self.interfaces.get(name)?;
        let (slot, binding) = (served.slot?, served.wanted.binding.as_ref()?);
        // Where nothing can be received or sent, no traffic must be attracted.
        let is_attached = self
            .attached
            .get(&binding.ifindex)
            .is_some_and(|attached| attached.mode().is_some());
        if !binding.up || self.config.forwarding == Forwarding::Xdp && !is_attached {
            return None;
        }
        let can_run = binding.mac.is_some() && binding.has_device();
        let known = Known {
            name: name.to_owned(),
            ifindex: binding.shown_ifindex,
            config: config.pim.clone().filter(|_| can_run),
            addresses: binding.addresses.iter().map(ipnet::Ipv4Net::addr).collect(),
            mtu: binding.mtu,
        };
        Some((slot, known))
    }

    /// How messages of an interface leave.
    fn way_of(&self, name: &str) -> Option<Way> {
        let binding: &Binding = self.interfaces.get(name)?.wanted.binding.as_ref()?;
        Some(Way {
            ifindex: binding.ifindex,
            vlan: binding.vlan,
            mac: binding.mac?,
            mtu: binding.mtu,
        })
    }

    /// Tells PIM of an interface, unless it knows it as it is.
    fn tell_link(&mut self, slot: u32, known: Known) {
        let way = self.way_of(&known.name);
        let Some(running) = &mut self.pim.running else {
            return;
        };
        let before = running
            .links
            .remove(&slot)
            .map(|link| (link.known, link.listener));
        let (known_before, listener) = before.unzip();
        let mut listener: Option<Listener> = listener.flatten();
        let was_running = listener.is_some();
        if known.config.is_none() {
            listener = None;
        } else if listener.is_none() {
            let counts = self.pim.counts.entry(known.name.clone()).or_default();
            let started = Listener::start(
                &known.name,
                slot,
                known.ifindex,
                Arc::clone(&counts.received),
                self.pim.messages.clone(),
            );
            match started {
                Ok(started) => listener = Some(started),
                Err(error) => {
                    error!(interface = known.name, "cannot receive PIM messages: {error}");
                    self.pim.retry = Some(clock::now() + RETRY);
                    // A router that hears nobody would take itself for the only one, and serve members that another one
                    // may serve.
                    if known_before.is_some() {
                        running.events.push(PimEvent::InterfaceDown {
                            interface: InterfaceId(slot),
                        });
                    }
                    return;
                }
            }
        }
        let runs = known.config.is_some();
        if known_before.as_ref() != Some(&known) {
            let mut addresses = known.addresses.iter().copied();
            running.events.push(PimEvent::InterfaceUp {
                interface: InterfaceId(slot),
                config: known.config.clone(),
                address: addresses.next(),
                secondary_addresses: addresses.collect(),
                mtu: known.mtu,
            });
        }
        let name = known.name.clone();
        let link = Link { known, listener, way };
        running.links.insert(slot, link);
        self.say_that_it_runs(&name, was_running, runs);
    }
}
