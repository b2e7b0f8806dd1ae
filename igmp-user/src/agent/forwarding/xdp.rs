//! The engine `xdp`: keeping the maps of forwarding in step with the routes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::Ipv4Addr,
    ops::Bound,
};

use igmp_core::{Instant, InterfaceId};
use igmp_wire::abi::{
    EMPTY_PORT_SET, ForwardingSignals, ForwardingState, INCOMING_ANY, Port, PortSet, PortSetFlags,
    RouteEntry, RouteKey,
};
use smallvec::SmallVec;
use tracing::{error, warn};

use super::{
    earlier::Earlier,
    maker::{Job, Maker},
    port_sets::{KEEP, KEEP_WHEN_FULL, PortSets},
    sources::Difference,
    table::{Incoming, RouteId, Table},
};
use crate::{
    agent::{clock, throttle::Throttle},
    kernel::{Kernel, KernelError},
};

/// What the kernel allows a redirected frame beyond the MTU: the Ethernet header and a VLAN tag.
const REDIRECT_HEADROOM: u32 = 14 + 4;

/// An interface that packets can leave through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::agent) struct PortWanted {
    /// What the kernel is told.
    pub(in crate::agent) port: Port,
    /// Whether XDP can redirect to it.
    pub(in crate::agent) redirect: bool,
}

/// The ports, by slot. Interfaces that nothing may leave through are not among them.
pub(in crate::agent) type Ports = BTreeMap<u32, PortWanted>;

/// The maps of forwarding, and what is in them.
#[derive(Debug, Default)]
pub(super) struct XdpForwarding {
    sets: PortSets,
    pub(super) table: Table,
    ports: Ports,
    /// The upstream interface of a proxy: packets of every group go there, too.
    upstream: Option<u32>,
    state: ForwardingState,
    /// Whether something has changed that known sources are still to hear of.
    changed: bool,
    /// Routes of an earlier agent.
    pub(super) earlier: Earlier,
    local: BTreeSet<(u32, Ipv4Addr)>,
    /// Until when packets leave through ports of which that is known, see [`Port::valid_until`].
    valid_until: BTreeMap<u32, u64>,
    /// For each slot the port set of it alone, which its first member will need.
    prepared: BTreeMap<u32, u32>,
    /// Who makes port sets.
    maker: Option<Maker>,
    /// Port sets of an earlier agent, and since when no route has them any more.
    inherited: Option<(Instant, BTreeSet<u32>)>,
    /// Routes that stay as they were, since there was no number for their port set. They are tried again.
    unplaced: BTreeSet<RouteId>,
    /// Port sets that were not made, since nobody needed them any more before it was their turn.
    withdrawn: BTreeSet<u32>,
    /// Messages about port sets for which there was no number.
    refused: Throttle,
    /// Messages about routes for which the kernel had no room.
    failed: Throttle,
}

/// How a port set is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Urgency {
    /// For the first time, and a route leads there in a moment.
    First,
    /// For the first time, before anybody needs it.
    Ahead,
    /// Once more, with other ports. The one that there is will do until then.
    Again,
}

fn key((group, source): RouteId) -> RouteKey {
    RouteKey {
        group: group.to_bits(),
        source: source.map_or(0, Ipv4Addr::to_bits),
    }
}

fn id(key: RouteKey) -> RouteId {
    let source = (key.source != 0).then(|| Ipv4Addr::from_bits(key.source));
    (Ipv4Addr::from_bits(key.group), source)
}

/// Says what the kernel refused. The next change of the same thing tries again.
fn report(outcome: Result<(), KernelError>) {
    if let Err(error) = outcome {
        error!("forwarding does not follow: {error}");
    }
}

impl XdpForwarding {
    /// Begins with what an earlier agent left in the maps, if there was one: packets go on where they went until the core
    /// says otherwise.
    pub(super) fn adopt(kernel: &Kernel) -> Self {
        let maker = kernel
            .port_set_maker()
            .map_err(io::Error::other)
            .and_then(Maker::start)
            .inspect_err(|error| warn!("port sets are made without a thread of their own: {error}"))
            .ok();
        if !kernel.adopted() {
            return Self {
                maker,
                ..Self::default()
            };
        }
        let in_use = kernel.port_sets_in_use();
        Self {
            maker,
            state: ForwardingState {
                default_port_set: EMPTY_PORT_SET,
                signals: 0,
                ..kernel.forwarding_state().unwrap_or_default()
            },
            changed: true,
            earlier: Earlier::read(kernel),
            local: kernel
                .local_groups()
                .into_iter()
                .map(|key| (key.slot, Ipv4Addr::from_bits(key.group)))
                .collect(),
            sets: PortSets::beginning_after(&in_use),
            inherited: Some((clock::now(), in_use)),
            ..Self::default()
        }
    }

    /// Removes routes of an earlier agent that nobody has confirmed. Returns those that are to be set once more, since they
    /// lead on to where the earlier agent's led.
    pub(super) fn end_adoption(&mut self, kernel: &mut Kernel) -> Vec<RouteId> {
        let (over, widened) = self.earlier.take();
        for key in over {
            report(kernel.remove_route(key));
            self.changed = true;
        }
        widened.into_iter().map(id).collect()
    }

    /// Sets a route. Returns whether there was none before.
    pub(super) fn set_route(
        &mut self,
        kernel: &mut Kernel,
        now: Instant,
        id: RouteId,
        incoming: Incoming,
        outgoing: &[InterfaceId],
    ) -> bool {
        let key = key(id);
        let slots: SmallVec<[u32; 8]> = match self.earlier.confirm(key) {
            [] if self.upstream.is_none() => outgoing.iter().map(|interface| interface.0).collect(),
            beyond => {
                let beyond = beyond.to_vec();
                let outgoing = outgoing.iter().map(|interface| interface.0);
                self.with_upstream(outgoing.chain(beyond)).into()
            }
        };
        let Some((set, is_unmade)) = self.acquire_set(&slots) else {
            if let Some(count) = self.refused.note(now, 1) {
                error!(
                    group = %id.0,
                    count,
                    "there are more different lists of outgoing interfaces than the kernel has room for; routes stay as \
                     they were until there is room"
                );
            }
            self.unplaced.insert(id);
            return false;
        };
        self.unplaced.remove(&id);
        if is_unmade {
            self.make_set(kernel, set, Urgency::First);
        }
        let entry = RouteEntry {
            port_set: set,
            incoming: if self.upstream.is_some() {
                INCOMING_ANY
            } else {
                incoming.in_kernel()
            },
        };
        report(kernel.set_route(key, entry));
        let before = self.table.set(id, set, incoming, now);
        if let Some(before) = before {
            self.release_set(before, now);
        }
        self.changed = true;
        before.is_none()
    }

    /// Removes a route. Returns whether there was one.
    pub(super) fn remove_route(&mut self, kernel: &mut Kernel, now: Instant, id: RouteId) -> bool {
        let key = key(id);
        self.earlier.forget(key);
        report(kernel.remove_route(key));
        self.unplaced.remove(&id);
        self.changed = true;
        let removed = self.table.remove(id);
        if let Some(route) = &removed {
            self.release_set(route.port_set, now);
        }
        removed.is_some()
    }

    /// The number of the set with these slots, which counts one route more, and whether it is to be made. `None` where there
    /// are as many sets as there can be.
    fn acquire_set(&mut self, slots: &[u32]) -> Option<(u32, bool)> {
        let (number, is_new) = self.sets.acquire(slots)?;
        Some((number, self.withdrawn.remove(&number) || is_new))
    }

    /// Counts one route less for a set. Where many sets are to be made, one that has no route any more is left out, so that
    /// those that are needed are made sooner: while members join on many interfaces, most are needed for a moment only.
    fn release_set(&mut self, number: u32, now: Instant) {
        let is_idle = self.sets.release(number, now);
        if is_idle && self.maker.as_ref().is_some_and(|maker| maker.withdraw(number)) {
            self.withdrawn.insert(number);
        }
    }

    /// The next of the routes that stay as they were although there is room for a further port set now.
    pub(super) fn next_unplaced(&self, after: Option<RouteId>) -> Option<RouteId> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.unplaced.range((from, Bound::Unbounded)).next();
        next.copied().filter(|_| self.sets.has_room())
    }

    /// Takes in which interfaces packets can leave through, and which is the upstream interface. Returns whether that is
    /// another one now: then all routes are to be set once more.
    pub(super) fn set_ports(
        &mut self,
        kernel: &mut Kernel,
        now: Instant,
        ports: Ports,
        upstream: Option<u32>,
    ) -> bool {
        let slots: BTreeSet<u32> = self.ports.keys().chain(ports.keys()).copied().collect();
        let before = std::mem::replace(&mut self.ports, ports);
        let mut sets = BTreeSet::new();
        for slot in slots {
            let wanted = self.ports.get(&slot);
            if before.get(&slot) != wanted {
                self.tell_port(kernel, slot);
                sets.extend(self.sets.with_slot(slot));
            }
        }
        for set in sets {
            self.make_set(kernel, set, Urgency::Again);
        }
        let other_upstream = self.upstream != upstream;
        let gone: Vec<u32> = self
            .prepared
            .keys()
            .filter(|slot| other_upstream || !self.ports.contains_key(slot))
            .copied()
            .collect();
        for slot in gone {
            if let Some(set) = self.prepared.remove(&slot) {
                self.sets.release(set, now);
            }
        }
        if other_upstream {
            self.set_upstream(kernel, now, upstream);
        }
        other_upstream
    }

    fn set_upstream(&mut self, kernel: &mut Kernel, now: Instant, upstream: Option<u32>) {
        self.upstream = upstream;
        let own: Vec<u32> = upstream.into_iter().collect();
        if let Some((set, is_unmade)) = self.acquire_set(&own) {
            if is_unmade {
                self.make_set(kernel, set, Urgency::First);
            }
            self.sets.release(self.state.default_port_set, now);
            self.state.default_port_set = set;
            self.changed = true;
        }
    }

    /// Has packets leave through these ports until then unless this is said again, and through others for ever.
    pub(super) fn set_valid_until(&mut self, kernel: &mut Kernel, until: BTreeMap<u32, u64>) {
        let before = std::mem::replace(&mut self.valid_until, until);
        let slots: BTreeSet<u32> = before.keys().chain(self.valid_until.keys()).copied().collect();
        for slot in slots {
            if before.get(&slot) != self.valid_until.get(&slot) {
                self.tell_port(kernel, slot);
            }
        }
    }

    fn tell_port(&self, kernel: &mut Kernel, slot: u32) {
        let port = self.ports.get(&slot).map(|wanted| Port {
            valid_until: self.valid_until.get(&slot).copied().unwrap_or(0),
            ..wanted.port
        });
        report(kernel.set_port(slot, &port.unwrap_or_default()));
    }

    /// Has the programs in the kernel tell of packets that PIM acts on, or not.
    pub(super) fn set_signals(&mut self, on: bool) {
        let signals = if on { ForwardingSignals::PACKETS } else { 0 };
        self.changed |= self.state.signals != signals;
        self.state.signals = signals;
    }

    /// Tells the kernel where sources are.
    pub(super) fn set_sources(&mut self, kernel: &mut Kernel, difference: &Difference) {
        for &(prefix, incoming) in &difference.set {
            report(kernel.set_source_prefix(prefix, incoming));
        }
        for &prefix in &difference.remove {
            report(kernel.remove_source_prefix(prefix));
        }
        self.changed |= !difference.is_empty();
    }

    /// Tells the kernel which groups sockets of the router itself have joined.
    pub(super) fn set_local_groups(&mut self, kernel: &mut Kernel, local: BTreeSet<(u32, Ipv4Addr)>) {
        for &(slot, group) in self.local.difference(&local) {
            report(kernel.set_local_group(slot, group, false));
        }
        for &(slot, group) in local.difference(&self.local) {
            report(kernel.set_local_group(slot, group, true));
        }
        self.local = local;
    }

    /// Lets the programs in the kernel look up anew what they know.
    pub(super) fn look_up_anew(&mut self, kernel: &mut Kernel) {
        self.changed = true;
        self.commit(kernel);
    }

    /// Lets everything that has changed count for sources that are known.
    pub(super) fn commit(&mut self, kernel: &mut Kernel) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        self.state.generation = self.state.generation.wrapping_add(1);
        match kernel.set_forwarding_state(&self.state) {
            Ok(refused) => {
                if let Some(routes) = self.failed.note(clock::now(), refused) {
                    error!(
                        routes,
                        "forwarding does not follow: the kernel has no room for further routes"
                    );
                }
            }
            Err(error) => error!("forwarding does not follow: {error}"),
        }
    }

    /// Makes the port sets of single ports ahead of time, where there are none. The kernel takes tens of
    /// milliseconds for each new set that is redirected to, since it waits for all packets under way; the first member
    /// of a group should not.
    pub(super) fn prepare_sets(&mut self, kernel: &mut Kernel) {
        let without = self.ports.keys().filter(|slot| !self.prepared.contains_key(slot));
        for slot in without.copied().collect::<Vec<u32>>() {
            let slots = self.with_upstream([slot]);
            if let Some((set, is_unmade)) = self.acquire_set(&slots) {
                self.prepared.insert(slot, set);
                if is_unmade {
                    self.make_set(kernel, set, Urgency::Ahead);
                }
            }
        }
    }

    /// Frees port sets that have had no route for long.
    pub(super) fn free_sets(&mut self, kernel: &mut Kernel, now: Instant) {
        let keep = if self.unplaced.is_empty() {
            KEEP
        } else {
            KEEP_WHEN_FULL
        };
        for set in self.sets.take_idle(now, keep) {
            // What was never made has nothing to be taken back.
            if !self.withdrawn.remove(&set) {
                self.empty(kernel, set);
            }
        }
        if let Some((_, sets)) = self.inherited.take_if(|(since, _)| now.since(*since) >= KEEP) {
            for set in sets.into_iter().filter(|&set| !self.sets.contains(set)) {
                self.empty(kernel, set);
            }
        }
    }

    /// The slots that packets of a port set leave through.
    pub(super) fn outgoing(&self, port_set: u32) -> impl Iterator<Item = u32> {
        let slots = self.sets.slots(port_set).iter().copied();
        slots.filter(|slot| self.ports.contains_key(slot))
    }

    fn with_upstream(&self, outgoing: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let slots: BTreeSet<u32> = outgoing.into_iter().chain(self.upstream).collect();
        slots.into_iter().collect()
    }

    /// Makes a port set, or makes it anew.
    fn make_set(&self, kernel: &mut Kernel, number: u32, urgency: Urgency) {
        if number == EMPTY_PORT_SET {
            return;
        }
        let (mut set, devices) = self.describe(number);
        let Some(maker) = &self.maker else {
            report(kernel.set_port_set(number, &set, &devices));
            return;
        };
        if devices.is_empty() {
            self.tell(kernel, number, &set);
            return;
        }
        if urgency != Urgency::Again {
            // Packets may go there in a moment. Until there is something to redirect to, the stack carries them.
            set.flags |= PortSetFlags::STACK;
            self.tell(kernel, number, &set);
            set.flags &= !PortSetFlags::STACK;
        }
        maker.order(Job {
            number,
            set,
            devices,
            urgent: urgency == Urgency::First,
        });
    }

    /// Empties a port set that no route has any more.
    fn empty(&self, kernel: &mut Kernel, number: u32) {
        self.tell(kernel, number, &PortSet::default());
        if let Some(maker) = &self.maker {
            maker.order(Job {
                number,
                set: PortSet::default(),
                devices: Vec::new(),
                urgent: false,
            });
        }
    }

    /// Describes a set to the kernel at once, whatever was ordered for it before.
    fn tell(&self, kernel: &mut Kernel, number: u32, set: &PortSet) {
        let mut tell = || report(kernel.set_port_set(number, set, &[]));
        match &self.maker {
            Some(maker) => maker.instead(number, tell),
            None => tell(),
        }
    }

    /// What the kernel is told of a set, and the devices that are redirected to: none where the stack has to carry packets.
    fn describe(&self, number: u32) -> (PortSet, Vec<(u32, u32)>) {
        let mut set = PortSet {
            max_frame_len: u32::MAX,
            ..PortSet::default()
        };
        let mut devices = Vec::new();
        for slot in self.outgoing(number) {
            let Some(PortWanted { port, redirect }) = self.ports.get(&slot) else {
                continue;
            };
            set.count += 1;
            set.span = set.span.max(slot + 1);
            set.max_frame_len = set.max_frame_len.min(port.mtu + REDIRECT_HEADROOM);
            if let Some(word) = set.slots.get_mut(slot as usize / 64) {
                *word |= 1 << (slot % 64);
            }
            if !redirect {
                set.flags |= PortSetFlags::STACK;
            }
            devices.push((slot, port.ifindex));
        }
        if set.flags & PortSetFlags::STACK != 0 {
            devices.clear();
        }
        (set, devices)
    }
}
