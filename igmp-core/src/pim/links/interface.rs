//! One interface.

use core::net::Ipv4Addr;

use super::{
    super::{
        Hello, Message, NeighborDownReason, PimAction, PimInterfaceConfig, PimInterfaceView, PimNotification,
        PimRefusals, PimWarning, context::Context,
    },
    LinkChange,
    churn::Churn,
    election::{Candidate, designated_router},
    hello::{self, Greeting},
    lan_delay::{self, LanDelay},
    neighbors::{Neighbors, News},
};
use crate::{
    InterfaceId,
    time::{Duration, Instant},
};

/// How often the same is said in the log.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// What the caller says of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) config: Option<PimInterfaceConfig>,
    pub(super) address: Option<Ipv4Addr>,
    pub(super) secondary_addresses: Vec<Ipv4Addr>,
    pub(super) mtu: u32,
}

/// An interface that is up.
#[derive(Debug)]
pub(super) struct Interface {
    id: InterfaceId,
    pub(super) address: Option<Ipv4Addr>,
    secondary_addresses: Vec<Ipv4Addr>,
    pub(super) mtu: u32,
    /// Where it runs.
    pub(super) pim: Option<Running>,
}

/// PIM on an interface.
#[derive(Debug)]
pub(super) struct Running {
    config: PimInterfaceConfig,
    /// Where there is an address to send from.
    greeting: Option<Greeting>,
    pub(super) neighbors: Neighbors,
    /// The neighbour that is the Designated Router, `None` where that is this router.
    dr: Option<Ipv4Addr>,
    /// The Designated Router that operators were told of.
    told_dr: Option<Ipv4Addr>,
    pub(super) lan_delay: LanDelay,
    churn: Churn,
    too_many: Pause,
    conflict: Pause,
}

/// When something was last said in the log.
#[derive(Debug, Default)]
struct Pause(Option<Instant>);

impl Pause {
    /// Whether it may be said once more, which counts as said.
    fn is_over(&mut self, now: Instant) -> bool {
        let is_over = self.0.is_none_or(|last| now.since(last) >= WARNING_INTERVAL);
        if is_over {
            self.0 = Some(now);
        }
        is_over
    }
}

impl Interface {
    pub(super) fn new<S>(id: InterfaceId, settings: Settings, cx: &mut Context<'_, S>) -> Self {
        let mut interface = Self {
            id,
            address: None,
            secondary_addresses: Vec::new(),
            mtu: settings.mtu,
            pim: None,
        };
        interface.reconfigure(settings, cx);
        interface
    }

    /// Takes in what is different. Answers the neighbours that are none any more, as PIM does not run any more.
    pub(super) fn reconfigure<S>(&mut self, settings: Settings, cx: &mut Context<'_, S>) -> Vec<Ipv4Addr> {
        let Settings {
            config,
            address,
            secondary_addresses,
            mtu,
        } = settings;
        let mut gone = Vec::new();
        if config.is_none() || self.address != address {
            self.leave(cx);
        }
        if config.is_none() {
            gone = self.close(cx);
        }
        let is_same_address = self.address == address;
        let is_same_list = self.secondary_addresses == secondary_addresses;
        (self.address, self.secondary_addresses, self.mtu) = (address, secondary_addresses, mtu);
        let Some(config) = config else {
            return gone;
        };

        let pim = self.pim.get_or_insert_with(|| Running {
            config: config.clone(),
            greeting: None,
            neighbors: Neighbors::default(),
            dr: None,
            told_dr: None,
            lan_delay: LanDelay::new(lan_delay::own(&config), core::iter::empty()),
            churn: Churn::default(),
            too_many: Pause::default(),
            conflict: Pause::default(),
        });
        let before = core::mem::replace(&mut pim.config, config);
        match &mut pim.greeting {
            Some(greeting) if address.is_none() => {
                greeting.stop(self.id, cx);
                pim.greeting = None;
            }
            None if address.is_some() => pim.greeting = Some(Greeting::start(self.id, cx)),
            // What neighbours know is outdated. Where they were not told anything yet, they soon will be.
            Some(greeting) if greeting.was_sent() => {
                if before.hello_interval != pim.config.hello_interval {
                    greeting.restart(self.id, pim.config.hello_interval, cx);
                }
                if !is_same_address || !is_same_list || before != pim.config {
                    self.send_hello(cx);
                }
            }
            _ => {}
        }
        self.settle(cx);
        gone
    }

    /// Says goodbye where neighbours know of this router, from the address by which they do (§4.3.1).
    pub(super) fn leave<S>(&mut self, cx: &mut Context<'_, S>) {
        if self.greeting_mut().is_some_and(|greeting| greeting.was_sent())
            && let Some((source, hello)) = self.hello_now()
        {
            cx.actions.push(PimAction::Send {
                interface: self.id,
                source,
                message: Message::Hello(hello::goodbye(hello)),
            });
        }
    }

    /// Says nothing any more.
    pub(super) fn hush<S>(&mut self, cx: &mut Context<'_, S>) {
        let id = self.id;
        if let Some(pim) = &mut self.pim
            && let Some(mut greeting) = pim.greeting.take()
        {
            greeting.stop(id, cx);
        }
    }

    /// What the caller said of it.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            config: self.pim.as_ref().map(|pim| pim.config.clone()),
            address: self.address,
            secondary_addresses: self.secondary_addresses.clone(),
            mtu: self.mtu,
        }
    }

    /// Ends PIM. Answers the neighbours that there were.
    pub(super) fn close<S>(&mut self, cx: &mut Context<'_, S>) -> Vec<Ipv4Addr> {
        let Some(mut pim) = self.pim.take() else {
            return Vec::new();
        };
        if let Some(greeting) = &mut pim.greeting {
            greeting.stop(self.id, cx);
        }
        let addresses: Vec<Ipv4Addr> = pim.neighbors.addresses().collect();
        for &address in &addresses {
            pim.neighbors.remove(self.id, address, cx);
            cx.actions.push(PimAction::Notify(PimNotification::NeighborDown {
                interface: self.id,
                address,
                reason: NeighborDownReason::Interface,
            }));
        }
        addresses
    }

    /// A Hello was heard.
    pub(super) fn hear<S>(
        &mut self,
        sender: Ipv4Addr,
        hello: &Hello,
        refusals: &mut PimRefusals,
        changes: &mut Vec<LinkChange>,
        cx: &mut Context<'_, S>,
    ) {
        let id = self.id;
        let Some(pim) = &mut self.pim else {
            return;
        };
        if pim.neighbors.is_changed_by(sender, hello) && !pim.churn.allows(cx.now) {
            refusals.limit += 1;
            return;
        }
        if hello.hold_time == Some(0) {
            self.forget(sender, NeighborDownReason::Goodbye, changes, cx);
            return;
        }
        let limit = cx.config.max_neighbors;
        if !pim.neighbors.contains(sender) && pim.neighbors.len() >= limit {
            refusals.limit += 1;
            if pim.too_many.is_over(cx.now) {
                cx.actions.push(PimAction::Warn(PimWarning::TooManyNeighbors {
                    interface: id,
                    address: sender,
                    limit,
                }));
            }
            return;
        }

        let heard = pim.neighbors.hear(id, sender, hello, cx);
        refusals.limit += heard.refused as u64;
        let mut others = Vec::new();
        for (address, before) in heard.conflicts {
            others.push(before);
            if pim.conflict.is_over(cx.now) {
                cx.actions.push(PimAction::Warn(PimWarning::AddressConflict {
                    interface: id,
                    address,
                    before,
                    now: sender,
                }));
            }
        }
        let is_unknown_to_it = matches!(heard.news, News::New | News::Restarted);
        if is_unknown_to_it && let Some(greeting) = &mut pim.greeting {
            greeting.trigger(id, cx);
        }
        let mut notify = |notification| cx.actions.push(PimAction::Notify(notification));
        if heard.news == News::Restarted {
            notify(PimNotification::NeighborDown {
                interface: id,
                address: sender,
                reason: NeighborDownReason::Restarted,
            });
        }
        if is_unknown_to_it {
            notify(PimNotification::NeighborUp {
                interface: id,
                address: sender,
            });
        }
        match heard.news {
            News::New | News::Addresses => changes.push(LinkChange::NeighborUp(id, sender)),
            News::Restarted => changes.push(LinkChange::NeighborRestarted(id, sender)),
            News::Nothing => {}
        }
        others.sort_unstable();
        others.dedup();
        changes.extend(
            others
                .into_iter()
                .map(|address| LinkChange::NeighborUp(id, address)),
        );
        self.settle(cx);
    }

    /// The Neighbor Liveness Timer of a neighbour may have ended.
    pub(super) fn neighbor_timer<S>(
        &mut self,
        address: Ipv4Addr,
        changes: &mut Vec<LinkChange>,
        cx: &mut Context<'_, S>,
    ) {
        let id = self.id;
        let pim = self.pim.as_mut();
        if pim.is_some_and(|pim| pim.neighbors.timer(id, address, cx)) {
            self.forget(address, NeighborDownReason::Timeout, changes, cx);
        }
    }

    /// The Hello Timer may have ended.
    pub(super) fn hello_timer<S>(&mut self, cx: &mut Context<'_, S>) {
        let id = self.id;
        let Some(pim) = &mut self.pim else {
            return;
        };
        let interval = pim.config.hello_interval;
        let greeting = pim.greeting.as_mut();
        if greeting.is_some_and(|greeting| greeting.timer(id, interval, cx)) {
            self.send_hello(cx);
        }
    }

    /// Sends a Hello where a neighbour may not know this router yet.
    pub(super) fn greet_first<S>(&mut self, cx: &mut Context<'_, S>) {
        if self.greeting_mut().is_some_and(|greeting| greeting.is_pending()) {
            self.send_hello(cx);
        }
    }

    /// Whether it is an address of this router on this link.
    pub(super) fn is_own(&self, address: Ipv4Addr) -> bool {
        self.address == Some(address) || self.secondary_addresses.contains(&address)
    }

    /// `I_am_DR(I)`, true where PIM does not run.
    pub(super) fn is_dr(&self) -> bool {
        self.pim.as_ref().is_none_or(|pim| pim.dr.is_none())
    }

    pub(super) fn view(&self, refusals: PimRefusals) -> Option<PimInterfaceView> {
        let pim = self.pim.as_ref()?;
        Some(PimInterfaceView {
            address: self.address,
            dr: pim.dr.or(self.address),
            is_dr: self.is_dr(),
            dr_priority: pim.config.dr_priority,
            generation_id: pim.greeting.as_ref().map(|greeting| greeting.generation_id),
            neighbors_count: pim.neighbors.len(),
            next_hello: pim.greeting.as_ref().and_then(Greeting::next),
            refusals,
        })
    }

    fn greeting_mut(&mut self) -> Option<&mut Greeting> {
        self.pim.as_mut()?.greeting.as_mut()
    }

    /// What would be said now, and the address to say it from.
    fn hello_now(&self) -> Option<(Ipv4Addr, Hello)> {
        let (pim, address) = (self.pim.as_ref()?, self.address?);
        let generation_id = pim.greeting.as_ref()?.generation_id;
        let addresses = (address, &*self.secondary_addresses);
        Some((
            address,
            hello::hello(&pim.config, generation_id, addresses, self.mtu),
        ))
    }

    fn send_hello<S>(&mut self, cx: &mut Context<'_, S>) {
        let Some((source, hello)) = self.hello_now() else {
            return;
        };
        if let Some(greeting) = self.greeting_mut() {
            greeting.sent();
        }
        cx.actions.push(PimAction::Send {
            interface: self.id,
            source,
            message: Message::Hello(hello),
        });
    }

    fn forget<S>(
        &mut self,
        address: Ipv4Addr,
        reason: NeighborDownReason,
        changes: &mut Vec<LinkChange>,
        cx: &mut Context<'_, S>,
    ) {
        let pim = self.pim.as_mut();
        if pim.is_some_and(|pim| pim.neighbors.remove(self.id, address, cx)) {
            cx.actions.push(PimAction::Notify(PimNotification::NeighborDown {
                interface: self.id,
                address,
                reason,
            }));
            changes.push(LinkChange::NeighborDown(self.id, address));
            self.settle(cx);
        }
    }

    /// Finds out what follows from the neighbours that there are now.
    fn settle<S>(&mut self, cx: &mut Context<'_, S>) {
        let Some(pim) = &mut self.pim else {
            return;
        };
        let me = self.address.map(|address| Candidate {
            address,
            dr_priority: Some(pim.config.dr_priority),
        });
        pim.dr = designated_router(me, pim.neighbors.candidates());
        let own = lan_delay::own(&pim.config);
        pim.lan_delay = LanDelay::new(own, pim.neighbors.lan_prune_delays());

        let dr = pim.dr.or(self.address);
        if let Some(dr) = dr
            && pim.told_dr != Some(dr)
        {
            cx.actions.push(PimAction::Notify(PimNotification::DrChanged {
                interface: self.id,
                dr,
            }));
        }
        pim.told_dr = dr;
    }
}
