//! One router with several links, the routers there and its unicast routes, all written down.
//!
//! Link `n` is 10.0.n.0/24. This router is number 10 there, other routers have other numbers.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use igmp_core::{
    Instant, InterfaceId, MemberChange, MemberWish, Pim, PimAction, PimEvent, SourceWish,
    pim::{
        Assert, Hello, JoinPrune, JoinPruneGroup, Message, PimConfig, PimInterfaceConfig, PimWarning,
        StaticRp, Surroundings, Target, Towards, Way,
    },
};

use crate::bench::{START, hello, secs};

/// This router's number on all links.
pub(crate) const OWN: u8 = 10;
/// The RP of 239.0.0.0/8, behind router 1 of link 1.
pub(crate) const RP: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 9);

/// A router of a link.
pub(crate) fn at(link: u32, number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, link as u8, number)
}

/// A group by its number.
pub(crate) fn group(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(239, 1, 0, 0).to_bits() + number)
}

/// A source-specific group by its number.
pub(crate) fn ssm(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(232, 1, 0, 0).to_bits() + number)
}

/// A source that is behind router 1 of link 2.
pub(crate) fn source(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(172, 16, 0, 0).to_bits() + number)
}

/// Unicast routes and the forwarding plane.
#[derive(Debug, Default)]
pub(crate) struct Around {
    /// Prefixes of 16 bits.
    pub(crate) ways: BTreeMap<[u8; 2], Towards>,
    pub(crate) last_packets: BTreeMap<(Ipv4Addr, Ipv4Addr), Instant>,
    /// How often it was asked for a way.
    pub(crate) asked: usize,
}

/// A way with pref 100 and metric 20.
pub(crate) fn way(link: u32, next_hop: Option<u8>) -> Way {
    Way {
        interface: InterfaceId(link),
        next_hop: next_hop.map(|number| at(link, number)),
        preference: 100,
        metric: 20,
    }
}

pub(crate) fn towards(link: u32, next_hop: u8) -> Towards {
    Towards::Ways([way(link, Some(next_hop))].into_iter().collect())
}

impl Surroundings for Around {
    fn towards(&mut self, address: Ipv4Addr) -> Towards {
        self.asked += 1;
        let [a, b, link, number] = address.octets();
        if let Some(towards) = self.ways.get(&[a, b]) {
            return towards.clone();
        }
        if [a, b] == [10, 0] {
            if number == OWN {
                return Towards::Here;
            }
            return Towards::Ways([way(link.into(), None)].into_iter().collect());
        }
        Towards::Nowhere
    }

    fn last_packet(&mut self, group: Ipv4Addr, source: Ipv4Addr) -> Option<Instant> {
        self.last_packets.get(&(group, source)).copied()
    }
}

/// A group, and a source of it or all that have no route of their own.
pub(crate) type Name = (Ipv4Addr, Option<Ipv4Addr>);
/// A route: incoming, outgoing.
pub(crate) type Route = (Option<u32>, Vec<u32>);

/// The router.
pub(crate) struct World {
    pub(crate) pim: Pim,
    pub(crate) now: Instant,
    pub(crate) around: Around,
    /// Joins, prunes and asserts that were sent since they were last taken, with the seconds after the start.
    pub(crate) sent: Vec<(f64, u32, Message)>,
    /// The routes as the forwarding plane has them.
    pub(crate) routes: BTreeMap<Name, Route>,
    /// What was told of routes since it was last taken, in order: `None` ends one.
    pub(crate) route_changes: Vec<(Name, Option<Route>)>,
    pub(crate) warnings: Vec<PimWarning>,
}

pub(crate) fn config() -> PimConfig {
    PimConfig {
        static_rp: vec![StaticRp {
            address: RP,
            group: Ipv4Addr::new(239, 0, 0, 0),
            group_len: 8,
        }],
        ..PimConfig::default()
    }
}

impl World {
    /// A router with these links, all of which run PIM, and no other routers.
    pub(crate) fn with(seed: u64, config: PimConfig, links: u32) -> Self {
        let mut world = Self {
            pim: Pim::new(seed, config),
            now: START,
            around: Around::default(),
            sent: Vec::new(),
            routes: BTreeMap::new(),
            route_changes: Vec::new(),
            warnings: Vec::new(),
        };
        world.around.ways.insert([10, 9], towards(1, 1));
        world.around.ways.insert([172, 16], towards(2, 1));
        for link in 1..=links {
            world.up(link);
        }
        world
    }

    /// A router with six links. The RP is behind router 1 of link 1, sources behind router 1 of link 2.
    pub(crate) fn new() -> Self {
        Self::seeded(1)
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        let mut world = Self::with(seed, config(), 6);
        world.hear(1, 1);
        world.hear(2, 1);
        world
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.now.since(START).as_secs_f64()
    }

    pub(crate) fn event(&mut self, event: PimEvent) {
        self.events([event]);
    }

    pub(crate) fn events(&mut self, events: impl IntoIterator<Item = PimEvent>) {
        let mut actions = Vec::new();
        self.pim
            .handle_all(self.now, events, &mut self.around, &mut actions);
        self.follow(actions);
    }

    pub(crate) fn up(&mut self, link: u32) {
        self.up_with(link, Some(PimInterfaceConfig::default()), 1500);
    }

    pub(crate) fn up_with(&mut self, link: u32, config: Option<PimInterfaceConfig>, mtu: u32) {
        self.event(PimEvent::InterfaceUp {
            interface: InterfaceId(link),
            config,
            address: Some(at(link, OWN)),
            secondary_addresses: Vec::new(),
            mtu,
        });
    }

    pub(crate) fn down(&mut self, link: u32) {
        self.event(PimEvent::InterfaceDown {
            interface: InterfaceId(link),
        });
    }

    pub(crate) fn message(&mut self, link: u32, sender: u8, message: Message) {
        self.event(message_event(link, sender, message));
    }

    /// A Hello of a router that never times out.
    pub(crate) fn hear(&mut self, link: u32, sender: u8) {
        self.hello(link, sender, 77);
    }

    pub(crate) fn hello(&mut self, link: u32, sender: u8, generation_id: u32) {
        self.hello_with(link, sender, generation_id, 0);
    }

    /// This router has DR Priority 1.
    pub(crate) fn hello_with(&mut self, link: u32, sender: u8, generation_id: u32, dr_priority: u32) {
        let hello = Hello {
            hold_time: Some(0xffff),
            generation_id: Some(generation_id),
            dr_priority: Some(dr_priority),
            ..hello()
        };
        self.message(link, sender, Message::Hello(hello));
    }

    pub(crate) fn goodbye(&mut self, link: u32, sender: u8) {
        let hello = Hello {
            hold_time: Some(0),
            ..hello()
        };
        self.message(link, sender, Message::Hello(hello));
    }

    /// A Join/Prune of a router with the usual hold time to another, this one included.
    pub(crate) fn tell(&mut self, link: u32, [sender, to]: [u8; 2], groups: Vec<JoinPruneGroup>) {
        self.message(link, sender, join_prune(link, to, 210, groups));
    }

    /// Of one group.
    pub(crate) fn say(
        &mut self,
        link: u32,
        between: [u8; 2],
        group: Ipv4Addr,
        joins: &[Target],
        prunes: &[Target],
    ) {
        self.tell(link, between, vec![set(group, joins, prunes)]);
    }

    pub(crate) fn assert(&mut self, link: u32, sender: u8, assert: Assert) {
        self.message(link, sender, Message::Assert(assert));
    }

    pub(crate) fn any(&mut self, link: u32, group: Ipv4Addr, wanted: bool) {
        self.event(any_event(link, group, wanted));
    }

    pub(crate) fn wish(&mut self, link: u32, group: Ipv4Addr, source: Ipv4Addr, wish: SourceWish) {
        self.event(wish_event(link, group, source, wish));
    }

    pub(crate) fn packet(&mut self, link: u32, source: Ipv4Addr, group: Ipv4Addr) {
        self.event(PimEvent::Packet {
            interface: InterfaceId(link),
            source,
            group,
        });
    }

    pub(crate) fn routes_changed(&mut self) {
        self.event(PimEvent::RoutesChanged);
    }

    /// Serves deadlines up to `second` after the start.
    pub(crate) fn run_to(&mut self, second: f64) {
        let end = START + secs(second);
        while let Some(next) = self.pim.poll_timeout().filter(|&next| next <= end) {
            self.now = self.now.max(next);
            let mut actions = Vec::new();
            self.pim.handle_timeout(self.now, &mut self.around, &mut actions);
            self.follow(actions);
        }
        self.now = self.now.max(end);
    }

    /// Serves deadlines for so many seconds from now on.
    pub(crate) fn run(&mut self, seconds: f64) {
        self.run_to(self.seconds() + seconds);
    }

    pub(crate) fn close(&mut self) {
        let mut actions = Vec::new();
        self.pim.close(self.now, &mut self.around, &mut actions);
        self.follow(actions);
    }

    /// What was sent since this was last asked, in words: the link, to whom, and for each group what was joined and pruned.
    pub(crate) fn said(&mut self) -> Vec<String> {
        let sent = core::mem::take(&mut self.sent);
        sent.iter()
            .map(|(_, link, message)| words(*link, message))
            .collect()
    }

    /// The route of a group or source.
    pub(crate) fn route(&self, group: Ipv4Addr, source: Option<Ipv4Addr>) -> Option<(Option<u32>, &[u32])> {
        let (incoming, outgoing) = self.routes.get(&(group, source))?;
        Some((*incoming, outgoing))
    }

    /// Where packets of a source to a group that come in on a link are forwarded.
    pub(crate) fn forwards(&self, link: u32, source: Ipv4Addr, group: Ipv4Addr) -> Vec<u32> {
        forwards(&self.routes, link, source, group)
    }

    fn follow(&mut self, actions: Vec<PimAction>) {
        for action in actions {
            match action {
                PimAction::Send {
                    message: Message::Hello(_),
                    ..
                }
                | PimAction::Notify(_) => {}
                PimAction::Send {
                    interface: InterfaceId(link),
                    source,
                    message,
                } => {
                    assert_eq!(source, at(link, OWN));
                    let seconds = self.seconds();
                    self.sent.push((seconds, link, message));
                }
                PimAction::SetRoute {
                    group,
                    source,
                    incoming,
                    outgoing,
                } => {
                    assert!(outgoing.is_sorted_by(|one, other| one < other), "{outgoing:?}");
                    let route = (
                        incoming.map(|InterfaceId(link)| link),
                        outgoing.iter().map(|&InterfaceId(link)| link).collect(),
                    );
                    let before = self.routes.insert((group, source), route.clone());
                    assert_ne!(before.as_ref(), Some(&route), "told twice");
                    self.route_changes.push(((group, source), Some(route)));
                }
                PimAction::RemoveRoute { group, source } => {
                    assert!(self.routes.remove(&(group, source)).is_some(), "there was none");
                    self.route_changes.push(((group, source), None));
                }
                PimAction::Warn(warning) => self.warnings.push(warning),
            }
        }
    }
}

/// Where a forwarding plane with these routes sends a packet.
pub(crate) fn forwards(
    routes: &BTreeMap<Name, Route>,
    link: u32,
    source: Ipv4Addr,
    group: Ipv4Addr,
) -> Vec<u32> {
    let route = routes
        .get(&(group, Some(source)))
        .or_else(|| routes.get(&(group, None)));
    match route {
        Some((Some(incoming), outgoing)) if *incoming == link => {
            outgoing.iter().copied().filter(|&out| out != link).collect()
        }
        _ => Vec::new(),
    }
}

pub(crate) fn message_event(link: u32, sender: u8, message: Message) -> PimEvent {
    PimEvent::Message {
        interface: InterfaceId(link),
        sender: at(link, sender),
        message,
    }
}

pub(crate) fn any_event(link: u32, group: Ipv4Addr, wanted: bool) -> PimEvent {
    PimEvent::Member(MemberChange {
        interface: InterfaceId(link),
        group,
        wish: MemberWish::AnySource(wanted),
    })
}

pub(crate) fn wish_event(link: u32, group: Ipv4Addr, source: Ipv4Addr, wish: SourceWish) -> PimEvent {
    PimEvent::Member(MemberChange {
        interface: InterfaceId(link),
        group,
        wish: MemberWish::Source(source, wish),
    })
}

pub(crate) fn join_prune(link: u32, to: u8, hold_time: u16, groups: Vec<JoinPruneGroup>) -> Message {
    Message::JoinPrune(JoinPrune {
        upstream_neighbor: at(link, to),
        hold_time,
        groups,
    })
}

pub(crate) fn set(group: Ipv4Addr, joins: &[Target], prunes: &[Target]) -> JoinPruneGroup {
    JoinPruneGroup {
        group,
        joins: joins.to_vec(),
        prunes: prunes.to_vec(),
    }
}

/// (\*,G)
pub(crate) const ANY: Target = Target::AnySource { rp: RP };

/// A message in words, such as `1 to 10.0.1.1: 239.1.0.1 +* -172.16.0.1/rpt`.
pub(crate) fn words(link: u32, message: &Message) -> String {
    match message {
        Message::Hello(_) => format!("{link} hello"),
        Message::JoinPrune(message) => {
            let groups: Vec<_> = message.groups.iter().map(group_words).collect();
            format!("{link} to {}: {}", message.upstream_neighbor, groups.join(", "))
        }
        Message::Assert(assert) => {
            let source = assert.source.map_or("*".to_owned(), |source| source.to_string());
            let Assert {
                group,
                rpt,
                metric_preference,
                metric,
                ..
            } = assert;
            let rpt = if *rpt { " rpt" } else { "" };
            format!("{link} assert {group} {source}{rpt} {metric_preference} {metric}")
        }
    }
}

fn group_words(set: &JoinPruneGroup) -> String {
    let joins = set.joins.iter().map(|target| ('+', target));
    let prunes = set.prunes.iter().map(|target| ('-', target));
    let mut words = set.group.to_string();
    for (sign, target) in joins.chain(prunes) {
        words += &match target {
            Target::AnySource { rp } if *rp == RP => format!(" {sign}*"),
            Target::AnySource { rp } => format!(" {sign}*@{rp}"),
            Target::Source(source) => format!(" {sign}{source}"),
            Target::SourceRpt(source) => format!(" {sign}{source}/rpt"),
        };
    }
    words
}
