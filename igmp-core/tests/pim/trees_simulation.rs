//! Whole trees in simulation: networks of several routers, hosts that come and go, interfaces and routers that fail,
//! and unicast routes that change. When nothing has changed for a while, each member gets each packet once and nobody
//! else any, and when nobody wants anything any more, nothing is left.
//!
//! A few packets may be doubled or late even then. There are constellations in which RFC 7761 itself does not come to
//! rest: where the winner of an assert forwards a source only because of a join of the router that forwards the shared
//! tree's packets there, and itself prunes the source off the shared tree there, the third router must not override
//! that prune (§4.5.7), so that both go on to lose their reasons once in each Join/Prune interval. What is wrong for
//! good is found by most of a source's packets being wrong.
//!
//! Senders of any-source groups are on the RP's own networks, as nobody registers them there (RFC 7761 §4.4).
//!
//! ```text
//! PIM_SIM_SEED=1234 cargo test -p igmp-core --test pim trees_simulation -- --nocapture
//! ```

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use igmp_core::{
    Duration, SourceWish,
    pim::{PimConfig, PimInterfaceConfig, SptSwitchover, StaticRp},
};

use crate::{
    bench::secs,
    seeds,
    world::{
        Quality, Sabotage, Wishes, World,
        network::{self, Lan, Network, RouterId, host, loopback},
    },
};

/// How many seeds of each kind are run where nothing else is asked for.
const SEEDS: u64 = 60;
/// How many changes there are, at most 15 s apart.
const CHANGES: usize = 40;
/// Longer than hold times of joins (210 s), Keepalive_Period (210 s) and Assert_Time (180 s).
const QUIET: f64 = 450.0;

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Hosts come and go, on links that lose nothing.
    Members,
    /// Messages are lost, late and doubled besides.
    Loss,
    /// Interfaces fail, and unicast routes change with them.
    Flaps,
    /// Routers restart.
    Restarts,
    /// The configuration changes, in one router after the other.
    Configuration,
}

/// A group and those who send to it.
#[derive(Clone, Debug)]
struct Stream {
    group: Ipv4Addr,
    sources: Vec<Ipv4Addr>,
}

struct Scene {
    world: World,
    kind: Kind,
    streams: Vec<Stream>,
    packets: u64,
    copies: u64,
    /// Of what was looked at: the packets of each source, those that did not go where they should, and how.
    looked_at: BTreeMap<(Ipv4Addr, Ipv4Addr), (u64, u64, String)>,
}

fn network(world_seed: u64) -> Network {
    match world_seed % 10 {
        0 => Network::line(2),
        1 => Network::line(4),
        2 => Network::diamond(),
        3 => Network::parallel(2),
        4 => Network::parallel(3),
        5 => Network::fan(2),
        6 => Network::fan(3),
        7 => Network::ring(4),
        8 => Network::random(world_seed),
        _ => Network::new(&[&[0], &[0, 1], &[1, 2, 3], &[2, 3, 4], &[4], &[1]]),
    }
}

impl Scene {
    fn new(seed: u64, kind: Kind, trace: bool) -> Self {
        let mut network = network(seed);
        network.secondary_next_hops = seed % 4 == 3;
        let mut world = World::new(seed, network, PimConfig::default());
        world.trace = trace;
        let rp = world.rng.below(world.network.routers as u64) as RouterId;
        let own: Vec<Lan> = world.network.lans_of(rp).collect();
        let address = if world.rng.chance(500) {
            loopback(rp)
        } else {
            network::address(*world.rng.pick(&own), rp)
        };
        world.config = PimConfig {
            static_rp: vec![StaticRp {
                address,
                group: Ipv4Addr::new(239, 0, 0, 0),
                group_len: 8,
            }],
            spt_switchover: match world.rng.chance(700) {
                true => SptSwitchover::Immediate,
                false => SptSwitchover::Never,
            },
            ..PimConfig::default()
        };
        world.say(|| {
            format!(
                "RP {address}, {:?}, {:?}",
                world.config.spt_switchover, world.network
            )
        });
        for lan in 0..world.network.lans.len() {
            let routers = world.network.lans[lan].clone();
            for &router in &routers {
                let config = PimInterfaceConfig {
                    dr_priority: world.rng.below(2) as u32,
                    ..PimInterfaceConfig::default()
                };
                // A link with one router needs no PIM.
                let config = Some(config).filter(|_| routers.len() > 1 || world.rng.chance(700));
                world.interfaces.insert((router, lan), config);
            }
        }
        let streams = (1..=3).map(|number: u8| {
            let is_ssm = number == 3;
            let sources = (1..=2).map(|source| {
                let lan = match is_ssm {
                    true => world.rng.below(world.network.lans.len() as u64) as Lan,
                    false => *world.rng.pick(&own),
                };
                host(lan, number * 10 + source)
            });
            let first = if is_ssm { 232 } else { 239 };
            Stream {
                group: Ipv4Addr::new(first, 1, 1, number),
                sources: sources.collect(),
            }
        });
        let streams = streams.collect();
        Self {
            world,
            kind,
            streams,
            packets: 0,
            copies: 0,
            looked_at: BTreeMap::new(),
        }
    }

    /// The hosts of a link want something else of a group.
    fn change_members(&mut self) {
        let world = &mut self.world;
        let stream = world.rng.pick(&self.streams).clone();
        let lan = world.rng.below(world.network.lans.len() as u64) as Lan;
        let mut wishes = Wishes::default();
        let is_ssm = stream.group.octets()[0] == 232;
        if world.rng.chance(650) {
            wishes.any_source = !is_ssm && world.rng.chance(600);
            for &source in &stream.sources {
                if world.rng.chance(400) {
                    let exclude = wishes.any_source && world.rng.chance(500);
                    let wish = if exclude {
                        SourceWish::Exclude
                    } else {
                        SourceWish::Include
                    };
                    wishes.sources.insert(source, wish);
                }
            }
        }
        world.want(lan, stream.group, wishes);
    }

    fn change_something(&mut self) {
        let world = &mut self.world;
        let router = world.rng.below(world.network.routers as u64) as RouterId;
        let lans: Vec<Lan> = world.network.lans_of(router).collect();
        let lan = *world.rng.pick(&lans);
        match (self.kind, world.rng.below(6)) {
            (Kind::Flaps, 0) => world.flap(router, lan, false),
            (Kind::Flaps, 1) => world.flap(router, lan, true),
            (Kind::Flaps, 2) => {
                let cost = world.rng.between(1, 3) as u32;
                world.reprice(lan, cost);
            }
            (Kind::Restarts, 0) => {
                let (clean, pause) = (world.rng.chance(500), world.rng.delay(secs(30.0)));
                world.restart(router, clean, pause);
            }
            (Kind::Configuration, 0) => {
                let mut config = world.config.clone();
                for rp in &mut config.static_rp {
                    rp.address = loopback(router);
                }
                config.spt_switchover = *world.rng.pick(&[SptSwitchover::Immediate, SptSwitchover::Never]);
                world.configure(config);
            }
            _ => self.change_members(),
        }
    }

    /// All sources send every few seconds for so long. What is wrong with their packets is noted where it is to be
    /// looked at.
    fn send_for(&mut self, seconds: f64, is_checked: bool) -> Result<(), String> {
        let end = self.world.now + secs(seconds);
        while self.world.now < end {
            let pause = self.world.rng.span(secs(0.5), secs(8.0));
            self.world.run_for(pause);
            for stream in self.streams.clone() {
                for source in stream.sources {
                    let delivery = self.world.send(source, stream.group);
                    self.packets += 1;
                    self.copies += delivery
                        .copies
                        .values()
                        .map(|copies| copies.len() as u64)
                        .sum::<u64>();
                    if is_checked {
                        let entry = self.looked_at.entry((stream.group, source)).or_default();
                        entry.0 += 1;
                        if let Err(text) = self.world.check_delivery(source, stream.group, &delivery) {
                            entry.1 += 1;
                            entry.2 = text;
                        }
                    }
                }
            }
            self.world.check_views()?;
        }
        Ok(())
    }

    fn run(mut self) -> Result<[u64; 5], String> {
        let world = &mut self.world;
        if self.kind != Kind::Members {
            world.quality = Quality {
                loss: *world.rng.pick(&[0, 100, 300]),
                duplication: 50,
                delay: Duration::from_millis(*world.rng.pick(&[10, 300, 1_000])),
            };
        }
        world.start_all();
        if world.rng.chance(500) {
            world.run_for(secs(10.0));
        }
        let config = world.config.clone();
        for _ in 0..CHANGES {
            self.change_something();
            let pause = self.world.rng.delay(secs(15.0)).as_secs_f64();
            self.send_for(pause, false)?;
        }
        self.world.configure(config);
        self.world.calm();
        self.send_for(QUIET, false)?;
        self.world.check_links()?;
        self.send_for(300.0, true)?;
        let [mut looked_at, mut wrong] = [0, 0];
        for (packets, faults, text) in self.looked_at.values() {
            if faults * 5 > *packets {
                return Err(format!("{faults} of {packets} packets are wrong: {text}"));
            }
            looked_at += packets;
            wrong += faults;
        }

        let wanted: Vec<_> = self.world.wishes.keys().copied().collect();
        for (lan, group) in wanted {
            self.world.want(lan, group, Wishes::default());
        }
        self.send_for(60.0, false)?;
        self.world.run_for(secs(QUIET));
        self.world.check_nothing_left()?;
        Ok([
            self.packets,
            self.copies,
            self.world.messages[0],
            looked_at,
            wrong,
        ])
    }
}

fn simulate(kind: Kind) {
    let [packets, copies, messages, looked_at, wrong] =
        seeds::run("trees_simulation", SEEDS, |seed, trace| {
            Scene::new(seed, kind, trace)
                .run()
                .map_err(|text| format!("{kind:?}: {text}"))
        });
    assert!(packets > 0 && copies > packets && messages > 0);
    assert!(
        wrong * 500 <= looked_at,
        "{wrong} of {looked_at} packets are wrong"
    );
}

/// A check is worth something if it can fail.
#[test]
fn what_does_not_work_is_found() {
    let faults = [
        (Sabotage::Asserts, Kind::Members),
        (Sabotage::Prunes, Kind::Members),
        (Sabotage::Refreshes, Kind::Members),
        (Sabotage::Packets, Kind::Members),
        (Sabotage::Routes, Kind::Flaps),
    ];
    for (sabotage, kind) in faults {
        let is_found = (0..40).any(|seed| {
            let mut scene = Scene::new(seed, kind, false);
            scene.world.sabotage = Some(sabotage);
            scene.run().is_err()
        });
        assert!(is_found, "{sabotage:?}");
    }
}

#[test]
fn members_come_and_go() {
    simulate(Kind::Members);
}

#[test]
fn messages_are_lost() {
    simulate(Kind::Loss);
}

#[test]
fn interfaces_fail_and_routes_change() {
    simulate(Kind::Flaps);
}

#[test]
fn the_configuration_changes() {
    simulate(Kind::Configuration);
}

#[test]
fn routers_restart() {
    simulate(Kind::Restarts);
}
