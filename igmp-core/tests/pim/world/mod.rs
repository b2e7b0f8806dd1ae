//! A small world on virtual time: routers, links that lose, delay, double and reorder what routers say, hosts that want
//! groups, and senders whose packets go from router to router as the forwarding planes were told.
//!
//! | module | holds |
//! |---|---|
//! | `network` | what is connected to what, and unicast routes |
//! | `node` | a router |
//! | `plane` | its forwarding plane |
//! | `data` | packets on their way |
//! | `check` | what is true when nothing has changed for long |

mod check;
mod data;
pub(crate) mod network;
mod node;
mod plane;

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp_core::{
    Duration, Instant, Pim, PimAction, PimEvent,
    pim::{Message, PimConfig, PimInterfaceConfig},
};

pub(crate) use self::{data::Delivery, node::Wishes};
use self::{
    network::{Lan, Network, RouterId, UpInterfaces, interface, lan, tables},
    node::Node,
};
use crate::{
    bench::{START, secs},
    rng::Rng,
};

/// How well links carry what routers say. Shares are per mille.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quality {
    pub(crate) loss: u64,
    pub(crate) duplication: u64,
    /// The longest delay.
    pub(crate) delay: Duration,
}

impl Quality {
    /// Nothing is lost or doubled.
    pub(crate) const CALM: Self = Self {
        loss: 0,
        duplication: 0,
        delay: Duration::from_millis(20),
    };
}

/// Something that does not work, which checks have to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Goodbyes do not arrive.
    Goodbyes,
    /// Nor do Asserts.
    Asserts,
    /// Nor do prunes.
    Prunes,
    /// Joins arrive once and are not repeated.
    Refreshes,
    /// The forwarding plane tells of no packets.
    Packets,
    /// Unicast routes change without a word.
    Routes,
}

/// Something that will happen.
#[derive(Clone, Debug)]
enum Happening {
    Message {
        to: RouterId,
        on: Lan,
        sender: Ipv4Addr,
        message: Message,
    },
    /// A router hears how unicast routes are.
    Routes(RouterId),
    /// IGMP of a router hears what the hosts of a link want.
    Members(RouterId, Lan, Ipv4Addr),
    /// A router starts.
    Start(RouterId),
    /// A router is configured anew.
    Configure(RouterId),
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) rng: Rng,
    pub(crate) network: Network,
    pub(crate) config: PimConfig,
    /// How PIM runs on each interface of each router, `None` for not at all.
    pub(crate) interfaces: BTreeMap<(RouterId, Lan), Option<PimInterfaceConfig>>,
    pub(crate) quality: Quality,
    pub(crate) nodes: Vec<Node>,
    /// Which interfaces are up.
    pub(crate) up: UpInterfaces,
    pub(crate) wishes: BTreeMap<(Lan, Ipv4Addr), Wishes>,
    /// What does not work.
    pub(crate) sabotage: Option<Sabotage>,
    /// What will happen, by time and number.
    queue: BTreeMap<(Instant, u64), Happening>,
    count: u64,
    /// Whether to say what happens.
    pub(crate) trace: bool,
    /// How many messages were sent, and how many did not arrive.
    pub(crate) messages: [u64; 2],
}

impl World {
    /// A network where all is up and all routers start now.
    pub(crate) fn new(seed: u64, network: Network, config: PimConfig) -> Self {
        let mut world = Self {
            now: START,
            rng: Rng::new(seed),
            config,
            interfaces: BTreeMap::new(),
            quality: Quality::CALM,
            nodes: Vec::new(),
            up: UpInterfaces::new(),
            wishes: BTreeMap::new(),
            sabotage: None,
            queue: BTreeMap::new(),
            count: 0,
            trace: false,
            messages: [0, 0],
            network,
        };
        for router in 0..world.network.routers {
            for lan in world.network.lans_of(router) {
                world.up.insert((router, lan));
                world
                    .interfaces
                    .insert((router, lan), Some(PimInterfaceConfig::default()));
            }
        }
        for (router, table) in tables(&world.network, &world.up).into_iter().enumerate() {
            world.nodes.push(Node::new(router, table));
        }
        world
    }

    pub(crate) fn start_all(&mut self) {
        for router in 0..self.network.routers {
            self.start(router);
        }
    }

    pub(crate) fn say(&self, text: impl FnOnce() -> String) {
        if self.trace {
            println!("{:10.3} {}", self.seconds(), text());
        }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.now.since(START).as_secs_f64()
    }

    /// PIM of a router that runs.
    pub(crate) fn pim(&self, router: RouterId) -> &Pim {
        self.nodes[router].pim.as_ref().expect("it runs")
    }

    /// A router starts, with nothing known but its configuration.
    pub(crate) fn start(&mut self, router: RouterId) {
        if self.nodes[router].pim.is_some() {
            return;
        }
        self.say(|| format!("router {router} starts"));
        let seed = self.rng.next();
        self.nodes[router].start(seed, self.config.clone());
        let lans: Vec<Lan> = self
            .network
            .lans_of(router)
            .filter(|&lan| self.up.contains(&(router, lan)))
            .collect();
        for lan in lans {
            self.interface_up(router, lan);
        }
    }

    /// A router stops, cleanly or not, and starts again a while later.
    pub(crate) fn restart(&mut self, router: RouterId, clean: bool, pause: Duration) {
        if self.nodes[router].pim.is_none() {
            return;
        }
        self.say(|| format!("router {router} ends, clean: {clean}"));
        if clean {
            let actions = self.nodes[router].close(self.now);
            self.carry_out(router, actions);
        }
        self.nodes[router].crash();
        self.later(pause, Happening::Start(router));
    }

    /// An interface goes down or comes up.
    pub(crate) fn flap(&mut self, router: RouterId, lan: Lan, is_up: bool) {
        if self.up.contains(&(router, lan)) == is_up {
            return;
        }
        self.say(|| format!("router {router}, link {lan} up: {is_up}"));
        if is_up {
            self.up.insert((router, lan));
            if self.nodes[router].pim.is_some() {
                self.interface_up(router, lan);
            }
        } else {
            self.up.remove(&(router, lan));
            let actions = self.nodes[router].interface_down(self.now, lan);
            self.carry_out(router, actions);
        }
        self.routes_change();
    }

    /// A link costs something else.
    pub(crate) fn reprice(&mut self, lan: Lan, cost: u32) {
        self.say(|| format!("link {lan} costs {cost}"));
        self.network.costs[lan] = cost;
        self.routes_change();
    }

    /// A router has another address on a link, by which unicast routes do not know it.
    pub(crate) fn renumber(&mut self, router: RouterId, lan: Lan, address: Ipv4Addr) {
        self.say(|| format!("router {router} is {address} on link {lan}"));
        self.nodes[router].addresses.insert(lan, address);
        self.reconfigure(router, lan);
    }

    /// Another configuration holds for PIM. Each router hears of it by and by.
    pub(crate) fn configure(&mut self, config: PimConfig) {
        if config == self.config {
            return;
        }
        self.say(|| format!("{config:?}"));
        self.config = config;
        for router in 0..self.network.routers {
            self.later_within(5.0, Happening::Configure(router));
        }
    }

    /// A router runs PIM on an interface as it is configured now.
    pub(crate) fn reconfigure(&mut self, router: RouterId, lan: Lan) {
        if self.nodes[router].up.contains(&lan) {
            self.interface_up(router, lan);
        }
    }

    fn interface_up(&mut self, router: RouterId, lan: Lan) {
        let config = self.interfaces[&(router, lan)].clone();
        let actions = self.nodes[router].interface_up(self.now, lan, config);
        self.carry_out(router, actions);
        let groups: Vec<Ipv4Addr> = self
            .wishes
            .keys()
            .filter(|(at, _)| *at == lan)
            .map(|(_, group)| *group)
            .collect();
        for group in groups {
            // Hosts answer a query within Max Response Time.
            self.later_within(10.0, Happening::Members(router, lan, group));
        }
    }

    /// Each router hears of it by and by.
    fn routes_change(&mut self) {
        for router in 0..self.network.routers {
            self.later_within(2.0, Happening::Routes(router));
        }
    }

    /// The hosts of a link want something of a group from now on.
    pub(crate) fn want(&mut self, lan: Lan, group: Ipv4Addr, wishes: Wishes) {
        self.say(|| format!("link {lan} wants of {group} {wishes:?}"));
        self.wishes.insert((lan, group), wishes);
        for router in self.network.lans[lan].clone() {
            self.later_within(0.5, Happening::Members(router, lan, group));
        }
    }

    fn later_within(&mut self, seconds: f64, happening: Happening) {
        let delay = self.rng.delay(secs(seconds));
        self.later(delay, happening);
    }

    fn later(&mut self, delay: Duration, happening: Happening) {
        self.count += 1;
        self.queue.insert((self.now + delay, self.count), happening);
    }

    fn carry_out(&mut self, router: RouterId, actions: Vec<PimAction>) {
        for action in actions {
            if let Err(text) = self.nodes[router].plane.follow(&action) {
                panic!("{:.3}: router {router}: {text}", self.seconds());
            }
            match action {
                PimAction::Send {
                    interface,
                    source,
                    message,
                } => self.transmit(router, lan(interface), source, message),
                action => self.say(|| format!("router {router}: {action:?}")),
            }
        }
    }

    fn transmit(&mut self, router: RouterId, on: Lan, sender: Ipv4Addr, mut message: Message) {
        let is_goodbye = matches!(&message, Message::Hello(hello) if hello.hold_time == Some(0));
        assert!(is_goodbye || sender == self.nodes[router].address(on));
        check::fits(&message, 1500);
        if !self.is_let_through(&mut message, is_goodbye) {
            return;
        }
        if !self.up.contains(&(router, on)) {
            return;
        }
        self.say(|| format!("router {router} on link {on} {message:?}"));
        for to in self.network.lans[on].clone() {
            if to == router || !self.up.contains(&(to, on)) {
                continue;
            }
            self.messages[0] += 1;
            let mut copies = 1;
            if self.rng.chance(self.quality.loss) {
                self.messages[1] += 1;
                copies = 0;
                self.say(|| format!("  lost to router {to}"));
            } else if self.rng.chance(self.quality.duplication) {
                copies = 2;
            }
            for _ in 0..copies {
                let delay = self.rng.delay(self.quality.delay);
                let message = message.clone();
                self.later(
                    delay,
                    Happening::Message {
                        to,
                        on,
                        sender,
                        message,
                    },
                );
            }
        }
    }

    fn is_let_through(&self, message: &mut Message, is_goodbye: bool) -> bool {
        match (self.sabotage, message) {
            (Some(Sabotage::Goodbyes), _) => !is_goodbye,
            (Some(Sabotage::Asserts), Message::Assert(_)) => false,
            (Some(Sabotage::Prunes), Message::JoinPrune(message)) => {
                for group in &mut message.groups {
                    group.prunes.clear();
                }
                true
            }
            // Those that follow from Join Timers come with whole seconds.
            (Some(Sabotage::Refreshes), Message::JoinPrune(_)) => {
                !self.now.as_nanos().is_multiple_of(1_000_000_000)
            }
            _ => true,
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Message {
                to,
                on,
                sender,
                message,
            } => {
                if !self.up.contains(&(to, on)) || self.interfaces[&(to, on)].is_none() {
                    return;
                }
                let event = PimEvent::Message {
                    interface: interface(on),
                    sender,
                    message,
                };
                let actions = self.nodes[to].handle(self.now, [event]);
                self.carry_out(to, actions);
            }
            Happening::Routes(router) => {
                let table = tables(&self.network, &self.up).swap_remove(router);
                if self.nodes[router].table != table {
                    self.say(|| format!("router {router} has other unicast routes"));
                    self.nodes[router].table = table;
                    if self.sabotage == Some(Sabotage::Routes) {
                        return;
                    }
                    let actions = self.nodes[router].handle(self.now, [PimEvent::RoutesChanged]);
                    self.carry_out(router, actions);
                }
            }
            Happening::Members(router, lan, group) => {
                let wishes = self.wishes.get(&(lan, group)).cloned().unwrap_or_default();
                let actions = self.nodes[router].members(self.now, lan, group, &wishes);
                self.carry_out(router, actions);
            }
            Happening::Start(router) => self.start(router),
            Happening::Configure(router) => {
                let config = self.config.clone();
                let actions = self.nodes[router].handle(self.now, [PimEvent::Configure(config)]);
                self.carry_out(router, actions);
            }
        }
    }

    /// Lets so much time pass.
    pub(crate) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let timeouts = self
                .nodes
                .iter()
                .filter_map(|node| Some((node.pim.as_ref()?.poll_timeout()?, node.id)));
            let timeout = timeouts.min();
            let next = self.queue.first_key_value().map(|((at, _), _)| *at);
            let Some(at) = next.into_iter().chain(timeout.map(|(at, _)| at)).min() else {
                break;
            };
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            if next == Some(at) {
                let (_, happening) = self.queue.pop_first().expect("it was seen");
                self.happen(happening);
            } else if let Some((_, router)) = timeout {
                let actions = self.nodes[router].handle_timeout(self.now);
                self.carry_out(router, actions);
            }
        }
        self.now = end;
    }

    /// From now on nothing is lost, and all comes up again.
    pub(crate) fn calm(&mut self) {
        self.say(|| "calm".to_owned());
        self.quality = Quality::CALM;
        self.queue
            .retain(|_, happening| !matches!(happening, Happening::Start(_)));
        for router in 0..self.network.routers {
            let lans: Vec<Lan> = self.network.lans_of(router).collect();
            for lan in lans {
                self.flap(router, lan, true);
            }
            self.start(router);
        }
    }

    /// The routers of a link that run PIM there.
    pub(crate) fn pim_routers(&self, lan: Lan) -> BTreeSet<RouterId> {
        let routers = self.network.lans[lan].iter().copied();
        routers
            .filter(|&router| self.interfaces[&(router, lan)].is_some())
            .collect()
    }
}
