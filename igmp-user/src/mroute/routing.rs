//! The engine: upcalls, routes, and the way to the source.

use std::{collections::BTreeMap, fmt, io, net::Ipv4Addr};

use igmp_core::Instant;

use super::{
    EntryError, Flow, RoutingSocket, Upcall, UpcallKind,
    entries::Entries,
    entry::{Entry, Installed, Path},
    look::{LOOK_INTERVAL, SlotRecord},
    pace::Pace,
    routes::Routes,
    signals::Signals,
    vifs::Vifs,
};

/// How many messages of the kernel are read before the caller gets to do other things.
const RECEIVE_BATCH: usize = 64;

/// Which interface packets of a source must arrive on.
#[derive(Clone, Copy)]
pub enum Rpf<'a> {
    /// The one that this function finds: the slot that the flow's route names, or that of the interface that leads to
    /// its source.
    Lookup(&'a dyn Fn(Flow) -> Option<u32>),
    /// Any: the one that they arrive on (RFC 4605 §4). An entry follows where the flow moves to.
    Arrival,
}

impl fmt::Debug for Rpf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lookup(_) => "Lookup",
            Self::Arrival => "Arrival",
        })
    }
}

/// How reading the kernel's messages ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// There are no more. Wait until the socket is readable.
    Empty,
    /// There may be more. Do other things and come back.
    More,
    /// There may be more, but enough of them were answered for now. Come back at this time, and not before.
    Paused(Instant),
}

/// What the engine counts. Nothing here ever goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoutingCounters {
    /// Entries made.
    pub installed: u64,
    /// Negative entries that were removed to make room.
    pub evicted: u64,
    /// Flows that got no entry because there were as many as allowed, none of them negative. The kernel drops their
    /// packets and asks again after ten seconds.
    pub refused: u64,
    /// Entries that the kernel refused to make or change. Each of them is gone, so that the kernel asks again.
    pub failed: u64,
    /// Messages of the kernel that found no room. It asks again with the flow's next packet.
    pub lost: u64,
}

/// The kernel's multicast routing, driven from the routes of the protocol core.
///
/// Nothing happens by itself. Call [`receive`](Self::receive) when the socket is readable and
/// [`handle_timeout`](Self::handle_timeout) when [`poll_timeout`](Self::poll_timeout) says so.
#[derive(Debug)]
pub struct KernelRouting<S> {
    pub(super) socket: S,
    pub(super) vifs: Vifs,
    pub(super) routes: Routes,
    pub(super) entries: Entries,
    /// What was counted by slot.
    pub(super) slots: BTreeMap<u32, SlotRecord>,
    /// The slots whose interfaces are not served, and the names under which that was reported.
    pub(super) unserved: BTreeMap<u32, String>,
    pub(super) counters: RoutingCounters,
    pub(super) signals: Signals,
    max_entries: usize,
    pace: Pace,
    error: Option<EntryError>,
}

impl<S: RoutingSocket> KernelRouting<S> {
    /// Begins with neither interfaces nor routes. At most `max_entries` flows have an entry at a time.
    pub fn new(socket: S, max_entries: usize) -> Self {
        Self {
            socket,
            vifs: Vifs::new(),
            routes: Routes::default(),
            entries: Entries::default(),
            slots: BTreeMap::new(),
            unserved: BTreeMap::new(),
            counters: RoutingCounters::default(),
            signals: Signals::default(),
            max_entries,
            pace: Pace::new(),
            error: None,
        }
    }

    /// The socket, to wait for messages on.
    pub fn socket(&self) -> &S {
        &self.socket
    }

    /// How many flows have an entry.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no flow has an entry.
    pub fn is_empty(&self) -> bool {
        self.entries.len() == 0
    }

    /// How many flows may have an entry.
    pub fn max_entries(&self) -> usize {
        self.max_entries
    }

    /// What was counted so far.
    pub fn counters(&mut self) -> RoutingCounters {
        if let Ok(lost) = self.socket.lost() {
            self.counters.lost = lost;
        }
        self.counters
    }

    /// The last error that no caller has had yet. How many there were is in [`counters`](Self::counters).
    pub fn take_error(&mut self) -> Option<EntryError> {
        self.error.take()
    }

    /// Sets where packets of a group go, those of one source or of all that have no route of their own. The entries of
    /// the group's flows follow at once, also where `rpf` finds another interface for them than it did so far.
    pub fn set_route(
        &mut self,
        now: Instant,
        group: Ipv4Addr,
        source: Option<Ipv4Addr>,
        outgoing: &[u32],
        rpf: Rpf<'_>,
    ) {
        let changed = self.routes.set(group, source, outgoing);
        self.follow_route(now, group, source, changed, rpf);
    }

    /// Sets where packets of groups without a route go: the upstream interface of a proxy (RFC 4605 §4.3).
    pub fn set_default(&mut self, now: Instant, outgoing: &[u32]) {
        if self.routes.set_default(outgoing) {
            for flow in self.entries.flows() {
                self.refresh(now, flow);
            }
        }
    }

    /// Removes a route. Entries follow as with [`set_route`](Self::set_route).
    pub fn remove_route(&mut self, now: Instant, group: Ipv4Addr, source: Option<Ipv4Addr>, rpf: Rpf<'_>) {
        if self.routes.remove(group, source) {
            self.follow_route(now, group, source, true, rpf);
        }
    }

    /// The way to sources has changed: looks all entries up again.
    pub fn rpf_changed(&mut self, now: Instant, rpf: Rpf<'_>) {
        for flow in self.entries.flows() {
            self.lead_by(now, flow, rpf);
        }
    }

    /// Reads what the kernel asks, and answers it. Reads a bounded number of messages, and answers a bounded number in
    /// a second, so that a flood of new flows does not keep the caller from other work.
    pub fn receive(&mut self, now: Instant, rpf: Rpf<'_>) -> Received {
        for _ in 0..RECEIVE_BATCH {
            if let Err(later) = self.pace.take(now) {
                return Received::Paused(later);
            }
            match self.socket.receive() {
                Ok(Some(upcall)) => self.upcall(now, upcall, rpf),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        self.error = Some(EntryError::Receive(error));
                    }
                    return Received::Empty;
                }
            }
        }
        Received::More
    }

    /// Answers one message of the kernel.
    pub fn upcall(&mut self, now: Instant, upcall: Upcall, rpf: Rpf<'_>) {
        let Upcall {
            kind,
            vif,
            source,
            group,
        } = upcall;
        let flow = Flow { group, source };
        // The virtual interface may be gone since the message was written.
        let Some(arrival) = self.vifs.slot(vif) else {
            return;
        };
        if !is_flow(flow) {
            return;
        }
        match kind {
            UpcallKind::NoCache => self.no_entry(now, flow, arrival, rpf),
            UpcallKind::WrongVif => self.wrong_interface(now, flow, arrival, rpf),
        }
    }

    /// Makes the entry of a flow that the kernel has none for.
    fn no_entry(&mut self, now: Instant, flow: Flow, arrival: u32, rpf: Rpf<'_>) {
        let (incoming, path) = self.resolve(flow, arrival, rpf);
        let Some(installed) = self.plan(flow, incoming, path) else {
            return;
        };
        // Where the engine knows an entry, somebody else removed the kernel's, or the message is an old one.
        self.settle(now, flow);
        let known = self.entries.get(flow).cloned();
        if known.is_none() && !self.make_room(now) {
            self.counters.refused += 1;
            return;
        }
        let mut entry = known.unwrap_or_else(|| Entry::new(now, incoming, path, installed));
        entry.incoming = incoming;
        entry.path = path;
        entry.installed = installed;
        entry.active = now;
        entry.look_at = now + LOOK_INTERVAL;
        if arrival != incoming {
            entry.wrong = Some(arrival);
        } else if entry.has_path() {
            entry.last_packet = Some(now);
        }
        set_negative(&mut entry, now);
        match self.socket.set_entry(flow, installed.parent, installed.outgoing) {
            Ok(()) => {
                self.counters.installed += 1;
                self.entries.insert(flow, entry);
                self.tell_first(now, flow, arrival);
            }
            Err(error) => self.give_up(flow, error),
        }
    }

    /// A packet arrived on another interface than it should have.
    fn wrong_interface(&mut self, now: Instant, flow: Flow, arrival: u32, rpf: Rpf<'_>) {
        let Some(entry) = self.entries.get(flow) else {
            return;
        };
        // The message may be older than the entry as it is now.
        if entry.incoming == arrival {
            return;
        }
        if matches!(rpf, Rpf::Arrival) {
            self.lead(now, flow, arrival, Path::Arrival);
            return;
        }
        if entry.wrong != Some(arrival) {
            if entry.wrong.is_some() {
                self.settle(now, flow);
            }
            self.entries.update(flow, |entry| entry.wrong = Some(arrival));
        }
        self.tell_wrong(flow, arrival);
    }

    /// Which slot packets must arrive on, given where one did.
    fn resolve(&self, flow: Flow, arrival: u32, rpf: Rpf<'_>) -> (u32, Path) {
        match rpf {
            Rpf::Arrival => (arrival, Path::Arrival),
            Rpf::Lookup(lookup) => match lookup(flow) {
                Some(slot) if self.vifs.of(slot).is_some() => (slot, Path::Routed),
                _ => (arrival, Path::None),
            },
        }
    }

    /// What the kernel must be told of a flow that arrives on `incoming`. `None` where that is not served.
    fn plan(&self, flow: Flow, incoming: u32, path: Path) -> Option<Installed> {
        let parent = self.vifs.of(incoming)?;
        let ports = match path {
            Path::Routed | Path::Arrival => self.routes.ports(flow),
            Path::None => &[],
        };
        let elsewhere = ports.iter().copied().filter(|&slot| slot != incoming);
        Some(Installed {
            parent,
            outgoing: self.vifs.set_of(elsewhere),
        })
    }

    /// Brings the entries up to date that a route may concern. `changed` where the route itself is another one.
    fn follow_route(
        &mut self,
        now: Instant,
        group: Ipv4Addr,
        source: Option<Ipv4Addr>,
        changed: bool,
        rpf: Rpf<'_>,
    ) {
        let flows = source.map_or_else(
            || self.entries.flows_of(group),
            |source| vec![Flow { group, source }],
        );
        for flow in flows {
            if self.lead_by(now, flow, rpf) || changed {
                self.watch(now, flow);
            }
        }
    }

    /// Leads the packets of a flow that has an entry as `rpf` and the routes say. Returns whether that was a change.
    fn lead_by(&mut self, now: Instant, flow: Flow, rpf: Rpf<'_>) -> bool {
        let Some(entry) = self.entries.get(flow) else {
            return false;
        };
        let (incoming, path) = self.resolve(flow, entry.incoming, rpf);
        self.lead(now, flow, incoming, path)
    }

    /// Brings the entry of a flow up to date with routes and virtual interfaces.
    pub(super) fn refresh(&mut self, now: Instant, flow: Flow) {
        if let Some(entry) = self.entries.get(flow) {
            self.lead(now, flow, entry.incoming, entry.path);
        }
    }

    /// Makes the packets of a flow that has an entry arrive on `incoming` and leave where they are wanted. Returns
    /// whether they did not so far.
    fn lead(&mut self, now: Instant, flow: Flow, incoming: u32, path: Path) -> bool {
        let Some(entry) = self.entries.get(flow) else {
            return false;
        };
        let Some(installed) = self.plan(flow, incoming, path) else {
            self.remove(now, flow);
            return true;
        };
        if (entry.incoming, entry.path, entry.installed) == (incoming, path, installed) {
            return false;
        }
        // What was counted so far was counted for what the entry was so far.
        self.settle(now, flow);
        if self
            .entries
            .get(flow)
            .is_none_or(|entry| entry.installed != installed)
            && let Err(error) = self.socket.set_entry(flow, installed.parent, installed.outgoing)
        {
            self.give_up(flow, error);
            return true;
        }
        self.entries.update(flow, |entry| {
            if entry.incoming != incoming {
                // Where packets arrived so far is the wrong interface from now on, if any is.
                entry.wrong = Some(entry.incoming);
            }
            entry.incoming = incoming;
            entry.path = path;
            entry.installed = installed;
            set_negative(entry, now);
        });
        true
    }

    /// Removes an entry. With the next packet of its flow the kernel asks again.
    pub(super) fn remove(&mut self, now: Instant, flow: Flow) {
        self.settle(now, flow);
        self.forget(flow);
    }

    /// Makes room for one more entry. `false` where there is none to be had.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.entries.len() < self.max_entries {
            return true;
        }
        let Some(oldest) = self.entries.oldest_negative() else {
            return false;
        };
        self.counters.evicted += 1;
        self.remove(now, oldest);
        self.entries.len() < self.max_entries
    }

    /// The kernel did not take an entry: removes what it has of it, which may be wrong now.
    fn give_up(&mut self, flow: Flow, source: io::Error) {
        self.counters.failed += 1;
        self.error = Some(EntryError::Refused { flow, source });
        self.forget(flow);
    }

    /// Removes an entry without reading its counters.
    pub(super) fn forget(&mut self, flow: Flow) {
        if self.entries.remove(flow).is_some() {
            // It may be gone already, and there is nothing else to do about it.
            let _ = self.socket.remove_entry(flow);
        }
    }
}

/// Whether the kernel may have an entry for these addresses. It forwards nothing of 224.0.0.0/24, and a source of
/// 0.0.0.0 would make an entry for all sources.
fn is_flow(flow: Flow) -> bool {
    let Flow { group, source } = flow;
    let [a, b, c, _] = group.octets();
    group.is_multicast()
        && [a, b, c] != [224, 0, 0]
        && !(source.is_unspecified() || source.is_multicast() || source.is_broadcast())
}

/// Notes since when an entry has led nowhere.
fn set_negative(entry: &mut Entry, now: Instant) {
    entry.negative_since = if entry.refused().is_some() {
        entry.negative_since.or(Some(now))
    } else {
        None
    };
}
