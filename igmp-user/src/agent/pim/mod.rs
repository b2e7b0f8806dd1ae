//! PIM: telling the core what happens to it, and doing what it wants done.
//!
//! While any interface of the configuration has PIM, routes are those of PIM, and those of the IGMP router are not applied:
//! the IGMP router tells PIM what members want ([`MemberChange`](igmp_core::MemberChange)), and PIM knows where packets come
//! in.
//!
//! | module | holds |
//! |---|---|
//! | `socket` | where messages are received |
//! | `message` | messages of the network and of the core |
//! | `interfaces` | which interfaces PIM knows, and how |
//! | `switch` | beginning and ending PIM as a whole |
//! | `adoption` | beginning where an earlier agent was killed |
//! | `surroundings` | ways to sources and RPs |
//! | `lifetime` | for how long packets are forwarded without an agent |
//! | `actions` | what the core wants done |
//! | `counters`, `show` | what was received, refused and sent; PIM for operators |

mod actions;
mod adoption;
mod counters;
mod interfaces;
mod lifetime;
mod message;
mod show;
mod socket;
mod surroundings;
mod switch;

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
};

use igmp_core::{
    Instant, InterfaceId, Reason,
    pim::{Pim, PimAction, PimConfig, PimEvent, PimRefusals},
};
use tokio::sync::mpsc;
use tracing::warn;

pub(super) use self::socket::Received;
use self::{
    counters::{Counted, Messages},
    interfaces::{Counts, Link},
    surroundings::{Around, Places},
};
use super::{Agent, clock, throttle::Throttle};

/// How many messages may wait for the agent. Each interface has a queue of its own before that.
const MESSAGES: usize = 128;
/// How much is served before timers and requests get their turn: messages, and entries of Join/Prune messages.
const BATCH: usize = 512;

/// PIM, where it runs, and what outlives it.
pub(super) struct PimSide {
    running: Option<Box<Running>>,
    /// For the tasks that receive.
    messages: mpsc::Sender<Received>,
    /// What they receive, until the loop takes it.
    received: Option<mpsc::Receiver<Received>>,
    /// What was counted, by the names of interfaces.
    counts: BTreeMap<String, Counts>,
    /// Until when routes of an earlier agent hold that nobody has confirmed.
    adoption_ends: Option<Instant>,
    /// When to try again to listen where that failed.
    retry: Option<Instant>,
    /// Whether the kernel has routing rules that PIM does not go by, so that it is said once.
    has_rules: bool,
    /// Messages about what could not be sent.
    send_errors: Throttle,
}

/// PIM while it runs.
struct Running {
    core: Pim,
    /// What the core was told for all interfaces.
    config: PimConfig,
    /// The interfaces that the core was told of, by slot.
    links: BTreeMap<u32, Link>,
    /// What the core is still to be told.
    events: Vec<PimEvent>,
    /// What is still to be done.
    actions: Vec<PimAction>,
    /// Where things are.
    places: Places,
    /// Why members of groups want something else, which the IGMP router has said, until PIM has heard of it.
    reasons: HashMap<Ipv4Addr, Reason>,
    /// Whether there may be routes of the IGMP router, which PIM replaces.
    replaces_routes: bool,
}

impl PimSide {
    /// Without PIM.
    pub(super) fn new() -> Self {
        let (messages, received) = mpsc::channel(MESSAGES);
        Self {
            running: None,
            messages,
            received: Some(received),
            counts: BTreeMap::new(),
            adoption_ends: None,
            retry: None,
            has_rules: false,
            send_errors: Throttle::default(),
        }
    }

    /// What arrives on all interfaces, for [`Agent::take_pim`]. There is one receiver.
    pub(super) fn take_received(&mut self) -> Option<mpsc::Receiver<Received>> {
        self.received.take()
    }

    /// Whether routes are those of PIM.
    pub(super) const fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The state machines.
    pub(super) fn core(&self) -> Option<&Pim> {
        self.running.as_ref().map(|running| &running.core)
    }

    /// When there is something to do without being asked.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let running = self.running.as_ref()?;
        let core = running.core.poll_timeout();
        [core, self.retry, self.adoption_ends].into_iter().flatten().min()
    }

    /// Notes why members of a group want something else.
    pub(super) fn note_reason(&mut self, group: Ipv4Addr, reason: Reason) {
        if let Some(running) = &mut self.running {
            running.reasons.insert(group, reason);
        }
    }

    /// What the core has refused on an interface, of which these since it came up.
    fn refused(&self, name: &str, since: PimRefusals) -> PimRefusals {
        self.counts
            .get(name)
            .map_or(since, |counts| counts.refused(since))
    }

    /// What was counted on an interface.
    fn counted(&self, name: &str) -> Counted {
        self.counts.get(name).map(Counts::read).unwrap_or_default()
    }
}

impl Agent {
    /// Takes in messages that arrived: this one, and those that wait behind it.
    pub(super) fn take_pim(&mut self, first: Received, queue: &mut mpsc::Receiver<Received>) {
        let Some(running) = &mut self.pim.running else {
            return;
        };
        let mut work = 0;
        let mut next = Some(first);
        while let Some(received) = next {
            work += received.work();
            running.receive(received);
            next = if work < BATCH { queue.try_recv().ok() } else { None };
        }
        self.run_pim();
    }

    /// Takes in that the programs in the kernel saw a packet of a source of which PIM should know.
    pub(super) fn pim_packet(&mut self, slot: u32, source: Ipv4Addr, group: Ipv4Addr) {
        if let Some(running) = &mut self.pim.running {
            running.events.push(PimEvent::Packet {
                interface: InterfaceId(slot),
                source,
                group,
            });
        }
    }

    /// Takes in that the kernel's routes have changed.
    pub(super) fn pim_routes_changed(&mut self) {
        if let Some(running) = &mut self.pim.running {
            running.events.push(PimEvent::RoutesChanged);
        }
        self.remark_on_rules();
        self.run_pim();
    }

    /// Says so where the kernel may know better ways than PIM.
    pub(super) fn remark_on_rules(&mut self) {
        let has_rules = self.pim.is_running() && self.forwarding.table().ask_always;
        if has_rules && !self.pim.has_rules {
            warn!(
                "there are routing rules (ip rule), and PIM does not go by them: ways to sources and to rendezvous points are \
                 those of the table main"
            );
        }
        self.pim.has_rules = has_rules;
    }

    /// Tells PIM what it has not heard of yet, and does what follows.
    pub(super) fn run_pim(&mut self) {
        let Some(running) = &mut self.pim.running else {
            return;
        };
        let members = self.router.take_member_changes();
        running.events.extend(members.into_iter().map(PimEvent::Member));
        if !running.events.is_empty() {
            let now = clock::now();
            let events = std::mem::take(&mut running.events);
            let (table, activity) = self.forwarding.table_and_activity(self.kernel.flows());
            let mut around = Around {
                places: &running.places,
                table,
                activity,
            };
            running
                .core
                .handle_all(now, events, &mut around, &mut running.actions);
            self.carry_out_pim(now);
        }
        if let Some(running) = &mut self.pim.running {
            running.reasons.clear();
        }
    }

    /// Serves what is due.
    pub(super) fn serve_pim(&mut self, now: Instant) {
        let Some(running) = &mut self.pim.running else {
            return;
        };
        if running.core.poll_timeout().is_some_and(|due| due <= now) {
            let (table, activity) = self.forwarding.table_and_activity(self.kernel.flows());
            let mut around = Around {
                places: &running.places,
                table,
                activity,
            };
            running
                .core
                .handle_timeout(now, &mut around, &mut running.actions);
            self.carry_out_pim(now);
        }
        if self.pim.adoption_ends.is_some_and(|due| due <= now) {
            self.stop_awaiting_joins();
        }
        if self.pim.retry.is_some_and(|due| due <= now) {
            self.pim.retry = None;
            self.reconcile_pim();
            self.run_pim();
        }
    }
}

impl Running {
    /// Notes a message, unless it is one of an interface that PIM runs on no more.
    fn receive(&mut self, received: Received) {
        let Received {
            slot,
            ifindex,
            sender,
            message,
        } = received;
        if self.links.get(&slot).is_some_and(|link| link.listens_on(ifindex)) {
            self.events.push(PimEvent::Message {
                interface: InterfaceId(slot),
                sender,
                message,
            });
        }
    }
}
