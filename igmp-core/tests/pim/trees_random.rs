//! Random events: routes and what neighbours have been told are what a naive model of RFC 7761 makes of them.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use igmp_core::{
    InterfaceId, PimEvent, SourceWish,
    pim::{Message, PimInterfaceConfig, Target, Towards},
};
use proptest::prelude::*;

use crate::{
    bench::{START, secs},
    trees_model::{Model, Neighbor, Time, Way, number_of},
    trees_world::{
        ANY, Name, OWN, Route, World, any_event, at, config, group, join_prune, message_event, set, ssm, way,
        wish_event,
    },
};

const LINKS: u32 = 5;

/// Two groups with an RP, one without, one source-specific.
fn groups() -> [Ipv4Addr; 4] {
    [group(1), group(2), Ipv4Addr::new(238, 1, 1, 1), ssm(1)]
}

/// Sources behind two prefixes, and one of a connected network.
fn sources() -> [Ipv4Addr; 4] {
    [
        Ipv4Addr::new(172, 16, 0, 1),
        Ipv4Addr::new(172, 17, 0, 1),
        Ipv4Addr::new(172, 17, 0, 2),
        at(5, 77),
    ]
}

const PREFIXES: [[u8; 2]; 3] = [[10, 9], [172, 16], [172, 17]];

/// Something that can happen together with other things. Numbers are places in the lists above.
#[derive(Clone, Debug)]
enum Wish {
    Any(u32, usize, bool),
    Source(u32, usize, usize, SourceWish),
    /// Of router 1 of the link, with Prune(S,G,rpt) of the sources whose bits are set, and a hold time in seconds.
    JoinAny(u32, usize, u8, u16),
    PruneAny(u32, usize),
    Join(u32, usize, usize, u16),
    Prune(u32, usize, usize),
    JoinRpt(u32, usize, usize),
    PruneRpt(u32, usize, usize, u16),
}

#[derive(Clone, Debug)]
enum Step {
    Together(Vec<Wish>),
    /// A packet comes in on RPF_interface(S) or RPF_interface(RP(G)) and is told of.
    Packet(bool, usize, usize),
    /// It is not told of, since the forwarding plane knows it.
    Silent(usize, usize),
    /// A Hello of a router with a DR Priority, perhaps after a restart.
    Hello(u32, u8, u32, bool),
    Goodbye(u32, u8),
    Down(u32),
    Up(u32),
    Ways(usize, Vec<Way>),
    /// Milliseconds.
    Wait(Time),
}

fn wish() -> impl Strategy<Value = Wish> {
    let link = || 1..=LINKS;
    let one_group = || 0..4_usize;
    let one_source = || 0..4_usize;
    let hold_time = || prop_oneof![Just(210_u16), Just(20), Just(2)];
    let source_wish = prop_oneof![
        Just(SourceWish::Include),
        Just(SourceWish::Exclude),
        Just(SourceWish::AsAnySource)
    ];
    prop_oneof![
        4 => (link(), one_group(), any::<bool>()).prop_map(|(link, group, wanted)| Wish::Any(link, group, wanted)),
        4 => (link(), one_source(), one_group(), source_wish)
            .prop_map(|(link, source, group, wish)| Wish::Source(link, source, group, wish)),
        4 => (link(), one_group(), 0_u8..16, hold_time())
            .prop_map(|(link, group, pruned, hold_time)| Wish::JoinAny(link, group, pruned, hold_time)),
        2 => (link(), one_group()).prop_map(|(link, group)| Wish::PruneAny(link, group)),
        3 => (link(), one_source(), one_group(), hold_time())
            .prop_map(|(link, source, group, hold_time)| Wish::Join(link, source, group, hold_time)),
        2 => (link(), one_source(), one_group()).prop_map(|(link, source, group)| Wish::Prune(link, source, group)),
        1 => (link(), one_source(), one_group()).prop_map(|(link, source, group)| Wish::JoinRpt(link, source, group)),
        3 => (link(), one_source(), one_group(), hold_time())
            .prop_map(|(link, source, group, hold_time)| Wish::PruneRpt(link, source, group, hold_time)),
    ]
}

fn ways() -> impl Strategy<Value = Vec<Way>> {
    let way = (
        1..=LINKS,
        prop_oneof![8 => (1_u8..=2).prop_map(Some), 1 => Just(None)],
    );
    prop::collection::vec(way, 0..3)
}

fn step() -> impl Strategy<Value = Step> {
    let link = || 1..=LINKS;
    prop_oneof![
        12 => prop::collection::vec(wish(), 1..4).prop_map(Step::Together),
        5 => (any::<bool>(), 0..4_usize, 0..4_usize)
            .prop_map(|(on_tree, source, group)| Step::Packet(on_tree, source, group)),
        1 => (0..4_usize, 0..4_usize).prop_map(|(source, group)| Step::Silent(source, group)),
        4 => (link(), 1_u8..=2, 0_u32..3, any::<bool>())
            .prop_map(|(link, number, priority, restarts)| Step::Hello(link, number, priority, restarts)),
        1 => (link(), 1_u8..=2).prop_map(|(link, number)| Step::Goodbye(link, number)),
        1 => link().prop_map(Step::Down),
        1 => link().prop_map(Step::Up),
        2 => (0..3_usize, ways()).prop_map(|(prefix, ways)| Step::Ways(prefix, ways)),
        4 => prop_oneof![Just(3_000), 0..5_000_u64, Just(65_000), Just(215_000)].prop_map(Step::Wait),
    ]
}

struct Run {
    world: World,
    model: Model,
    /// What the routers around were told.
    neighbors: BTreeMap<(u32, u8), Neighbor>,
    generation: u32,
    /// When the rules for triggered and for periodic Prune(S,G,rpt) last said different things (§4.5.6, §4.5.7). What a neighbour
    /// knows follows with the next periodic Join(*,G).
    in_doubt: BTreeMap<(Ipv4Addr, Ipv4Addr), Time>,
    routes: BTreeMap<Name, Route>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut run = Self {
            world: World::with(seed, config(), LINKS),
            model: Model::default(),
            neighbors: BTreeMap::new(),
            generation: 0,
            in_doubt: BTreeMap::new(),
            routes: BTreeMap::new(),
        };
        run.world.around.ways.clear();
        run.model.up = (1..=LINKS).collect();
        for (prefix, link) in [(0, 1), (1, 2), (2, 1)] {
            run.ways(prefix, &[(link, Some(1))]);
        }
        for link in 1..=LINKS {
            run.hello(link, 1, 0, true);
        }
        run.hello(1, 2, 0, true);
        run
    }

    fn ways(&mut self, prefix: usize, ways: &[Way]) {
        let prefix = PREFIXES[prefix];
        self.model.ways.insert(prefix, ways.to_vec());
        let towards = if ways.is_empty() {
            Towards::Nowhere
        } else {
            Towards::Ways(ways.iter().map(|&(link, number)| way(link, number)).collect())
        };
        self.world.around.ways.insert(prefix, towards);
        self.world.routes_changed();
    }

    fn hello(&mut self, link: u32, number: u8, priority: u32, restarts: bool) {
        if !self.model.up.contains(&link) {
            return;
        }
        let is_known = self.model.neighbors.contains_key(&(link, number));
        if restarts || !is_known {
            self.generation += 1;
            self.neighbors.insert((link, number), Neighbor::default());
        }
        self.model.neighbors.insert((link, number), priority);
        let generation = if restarts || !is_known {
            self.generation
        } else {
            self.world
                .pim
                .neighbors(self.world.now)
                .find(|view| view.interface == InterfaceId(link) && view.address == at(link, number))
                .and_then(|view| view.generation_id)
                .expect("it is known")
        };
        self.world.hello_with(link, number, generation, priority);
        if restarts && is_known {
            // It is told again within t_override.
            self.follow();
            self.wait(2_600);
        }
    }

    fn together(&mut self, wishes: &[Wish]) {
        let mut events: Vec<PimEvent> = Vec::new();
        for wish in wishes {
            let event = match *wish {
                Wish::Any(link, to, wanted) => {
                    let to = groups()[to];
                    if wanted {
                        self.model.include_any.insert((to, link));
                    } else {
                        self.model.include_any.remove(&(to, link));
                    }
                    any_event(link, to, wanted)
                }
                Wish::Source(link, from, to, wish) => {
                    let (from, to) = (sources()[from], groups()[to]);
                    let name = (from, to, link);
                    self.model.include.remove(&name);
                    self.model.exclude.remove(&name);
                    match wish {
                        SourceWish::Include => self.model.include.insert(name),
                        SourceWish::Exclude => self.model.exclude.insert(name),
                        SourceWish::AsAnySource => false,
                    };
                    wish_event(link, to, from, wish)
                }
                ref message => match self.message(message) {
                    Some(event) => event,
                    None => continue,
                },
            };
            events.push(event);
        }
        self.world.events(events);
    }

    /// Of router 1 of the link, if this router has heard of it.
    fn message(&mut self, wish: &Wish) -> Option<PimEvent> {
        let (link, to) = match *wish {
            Wish::JoinAny(link, to, ..) | Wish::PruneAny(link, to) => (link, to),
            Wish::Join(link, _, to, _) | Wish::Prune(link, _, to) => (link, to),
            Wish::JoinRpt(link, _, to) | Wish::PruneRpt(link, _, to, _) => (link, to),
            Wish::Any(..) | Wish::Source(..) => return None,
        };
        if !self.model.neighbors.contains_key(&(link, 1)) {
            return None;
        }
        let to = groups()[to];
        let ms = |seconds: u16| Time::from(seconds) * 1_000;
        let (joins, prunes, seconds) = match *wish {
            Wish::JoinAny(_, _, bits, seconds) => {
                let pruned: Vec<_> = (sources().into_iter().enumerate())
                    .filter(|(index, _)| bits & (1 << index) != 0)
                    .map(|(_, from)| from)
                    .collect();
                self.model.receive_join_any(link, to, &pruned, ms(seconds));
                let prunes = pruned.into_iter().map(Target::SourceRpt).collect();
                (vec![ANY], prunes, seconds)
            }
            Wish::PruneAny(..) => {
                self.model.receive_prune_any(link, to);
                (vec![], vec![ANY], 210)
            }
            Wish::Join(_, from, _, seconds) => {
                self.model.receive_join(link, sources()[from], to, ms(seconds));
                (vec![Target::Source(sources()[from])], vec![], seconds)
            }
            Wish::Prune(_, from, _) => {
                self.model.receive_prune(link, sources()[from], to);
                (vec![], vec![Target::Source(sources()[from])], 210)
            }
            Wish::JoinRpt(_, from, _) => {
                self.model.receive_join_rpt(link, sources()[from], to);
                (vec![Target::SourceRpt(sources()[from])], vec![], 210)
            }
            Wish::PruneRpt(_, from, _, seconds) => {
                self.model
                    .receive_prune_rpt(link, sources()[from], to, ms(seconds), false);
                (vec![], vec![Target::SourceRpt(sources()[from])], seconds)
            }
            Wish::Any(..) | Wish::Source(..) => return None,
        };
        let message = join_prune(link, OWN, seconds, vec![set(to, &joins, &prunes)]);
        Some(message_event(link, 1, message))
    }

    fn packet(&mut self, on_tree: bool, from: usize, to: usize) {
        let (from, to) = (sources()[from], groups()[to]);
        let iif = if on_tree {
            self.model.rpf_interface(from)
        } else {
            self.model.rpf_interface_of_rp(to)
        };
        let Some(iif) = iif else {
            return;
        };
        if !self.model.is_contested(iif, from, to) {
            self.model.data(iif, from, to);
            self.world.packet(iif, from, to);
        }
    }

    fn silent(&mut self, from: usize, to: usize) {
        let (from, to) = (sources()[from], groups()[to]);
        let Some(iif) = self.model.rpf_interface(from) else {
            return;
        };
        let mut after = self.model.clone();
        // Only what is forwarded along the source's tree has a flow of its own, and only a timer that runs is read.
        if self.model.keeps_alive(from, to)
            && after.data(iif, from, to)
            && !self.model.is_contested(iif, from, to)
        {
            let now = self.world.now;
            let told = after.forwards(iif, from, to) == self.model.forwards(iif, from, to);
            if told
                && after.prune_desired(from, to) == self.model.prune_desired(from, to)
                && self.model.has_tree(from, to)
            {
                self.model = after;
                self.model.seen.insert((from, to));
                self.world.around.last_packets.insert((to, from), now);
            }
        }
    }

    fn wait(&mut self, duration: Time) {
        let end = self.model.now + duration;
        loop {
            let next = self.model.next().filter(|&next| next <= end);
            let at = next.unwrap_or(end).max(self.model.now);
            self.world.run_to(at as f64 / 1_000.0);
            self.model.now = at;
            self.follow();
            if next.is_none() {
                break;
            }
        }
    }

    /// Hands what was sent to the routers around.
    fn follow(&mut self) {
        self.model.settle();
        for (seconds, link, message) in core::mem::take(&mut self.world.sent) {
            let Message::JoinPrune(message) = message else {
                panic!("{message:?}");
            };
            let now = (seconds * 1_000.0).round() as Time;
            if let Some(number) = number_of(link, message.upstream_neighbor) {
                let neighbor = self.neighbors.get_mut(&(link, number));
                neighbor.expect("it was heard").hear(now, &message);
            }
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Together(ref wishes) => self.together(wishes),
            Step::Packet(on_tree, from, to) => self.packet(on_tree, from, to),
            Step::Silent(from, to) => self.silent(from, to),
            Step::Hello(link, number, priority, restarts) => self.hello(link, number, priority, restarts),
            Step::Goodbye(link, number) => {
                if self.model.neighbors.remove(&(link, number)).is_some() {
                    self.world.goodbye(link, number);
                }
            }
            Step::Down(link) => {
                if self.model.up.contains(&link) {
                    self.model.down(link);
                    self.world.down(link);
                }
            }
            Step::Up(link) => {
                self.model.up.insert(link);
                self.world
                    .up_with(link, Some(PimInterfaceConfig::default()), 1500);
            }
            Step::Ways(prefix, ref ways) => self.ways(prefix, ways),
            Step::Wait(duration) => self.wait(duration),
        }
        self.follow();
    }

    fn check(&mut self) {
        for to in groups() {
            for from in sources() {
                for iif in 1..=LINKS {
                    assert_eq!(
                        self.world.forwards(iif, from, to),
                        self.model.forwards(iif, from, to),
                        "{from} to {to} on {iif}: {:?}",
                        self.world.routes
                    );
                }
            }
        }
        let now = self.model.now;
        assert_eq!(self.world.now, START + secs(now as f64 / 1_000.0));
        for to in groups() {
            for from in sources() {
                if self.model.prune_desired(from, to).is_none() {
                    self.in_doubt.insert((from, to), now);
                }
            }
        }
        self.in_doubt.retain(|_, at| now - *at <= 61_000);
        for &(link, number) in self.model.neighbors.keys() {
            let neighbor = &self.neighbors[&(link, number)];
            let place = Some((link, number));
            for to in groups() {
                let joined = self.model.joined_any(to) == place;
                assert_eq!(neighbor.has_any(now, to), joined, "(*,{to}) at {place:?}");
                for from in sources() {
                    let name = format!("({from},{to}) at {place:?}");
                    assert_eq!(
                        neighbor.has(now, from, to),
                        self.model.joined(from, to) == place,
                        "{name}"
                    );
                    let is_certain = joined && !self.in_doubt.contains_key(&(from, to));
                    if let Some(pruned) = self.model.prune_desired(from, to).filter(|_| is_certain) {
                        assert_eq!(neighbor.has_pruned(now, from, to), pruned, "{name}, rpt");
                    }
                }
            }
        }
    }

    /// At no moment between two routes of a group is a source forwarded otherwise than before or after the event.
    fn check_order(&mut self) {
        let changes = core::mem::take(&mut self.world.route_changes);
        let effective = |routes: &BTreeMap<Name, Route>, (to, from): (Ipv4Addr, Ipv4Addr)| {
            let route = routes.get(&(to, Some(from))).or_else(|| routes.get(&(to, None)));
            route.cloned().filter(|(_, outgoing)| !outgoing.is_empty())
        };
        let unknown = Ipv4Addr::new(1, 2, 3, 4);
        let names: Vec<_> = groups()
            .into_iter()
            .flat_map(|to| sources().into_iter().chain([unknown]).map(move |from| (to, from)))
            .collect();
        let before = self.routes.clone();
        for ((to, from), route) in changes {
            match route {
                Some(route) => self.routes.insert((to, from), route),
                None => self.routes.remove(&(to, from)),
            };
            for &name in &names {
                let here = effective(&self.routes, name);
                assert!(
                    here == effective(&before, name) || here == effective(&self.world.routes, name),
                    "{name:?} in between: {here:?}"
                );
            }
        }
        assert_eq!(self.routes, self.world.routes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn routes_and_joins_are_those_of_a_naive_reading(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut run = Run::new(seed);
        for step in &steps {
            run.world.route_changes.clear();
            run.routes = run.world.routes.clone();
            run.step(step);
            // While time passes there is more than one event.
            if !matches!(step, Step::Wait(_) | Step::Hello(..)) {
                run.check_order();
            }
            run.check();
        }
        // Everybody leaves: nothing is left.
        for to in groups() {
            for link in 1..=LINKS {
                run.world.any(link, to, false);
                for from in sources() {
                    run.world.wish(link, to, from, SourceWish::AsAnySource);
                }
            }
        }
        run.world.around.last_packets.clear();
        run.world.run(1_000.0);
        prop_assert_eq!(run.world.pim.joins(run.world.now, (Ipv4Addr::UNSPECIFIED, None), 99), []);
        prop_assert_eq!(run.world.pim.routes((Ipv4Addr::UNSPECIFIED, None), 99), []);
        prop_assert_eq!(run.world.routes.len(), 0);
    }
}
