//! Random sequences of everything against the rules in one sentence: a packet that arrives on the interface towards its
//! source leaves on the interfaces that want it, other packets leave nowhere.

use std::collections::BTreeSet;

use super::*;

/// A generator of numbers that are random enough (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // Small numbers would begin alike, and zero would stay zero.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn slot(&mut self) -> u32 {
        1 + self.below(SLOTS.into()) as u32
    }

    fn source(&mut self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.slot() as u8, 0, 1 + self.below(2) as u8)
    }

    fn slots(&mut self) -> Vec<u32> {
        let bits = self.below(1 << SLOTS);
        (1..=SLOTS).filter(|slot| bits >> (slot - 1) & 1 == 1).collect()
    }
}

const SLOTS: u32 = 6;
/// Room for more flows than there are.
const PLENTY: usize = 1_000;

/// What the test did so far, as the rules see it.
#[derive(Default)]
struct World {
    routes: BTreeMap<Option<Ipv4Addr>, Vec<u32>>,
    served: BTreeSet<u32>,
    /// By how much the way to a source is turned.
    turn: u32,
}

impl World {
    fn towards(&self, source: Ipv4Addr) -> Option<u32> {
        let slot = u32::from(source.octets()[1]) + self.turn;
        // One network of seven is nowhere.
        Some(slot % (SLOTS + 1)).filter(|&slot| slot != 0)
    }

    fn expected(&self, arrival: u32, source: Ipv4Addr) -> Vec<u32> {
        if !self.served.contains(&arrival) || self.towards(source) != Some(arrival) {
            return Vec::new();
        }
        let route = self.routes.get(&Some(source)).or_else(|| self.routes.get(&None));
        let ports = route.into_iter().flatten().copied();
        ports
            .filter(|&port| port != arrival && self.served.contains(&port))
            .collect()
    }
}

fn run(seed: u64, room: usize) {
    let mut random = Random::new(seed);
    let mut bench = Bench::with_room(SLOTS, room);
    let mut world = World {
        served: (1..=SLOTS).collect(),
        ..World::default()
    };
    let mut forwarded = 0;
    for step in 0..400 {
        match random.below(10) {
            0 | 1 => {
                let ports = random.slots();
                let source = (random.below(2) == 0).then(|| random.source());
                let towards = |flow: Flow| world.towards(flow.source);
                bench.route_by(source, &ports, Rpf::Lookup(&towards));
                world.routes.insert(source, ports);
            }
            2 => {
                let source = (random.below(3) != 0).then(|| random.source());
                let towards = |flow: Flow| world.towards(flow.source);
                bench.no_route_by(source, Rpf::Lookup(&towards));
                world.routes.remove(&source);
            }
            3 => {
                world.served = random.slots().into_iter().collect();
                for slot in 1..=SLOTS {
                    // Some vanish with their interface, others are only not wanted.
                    if !world.served.contains(&slot) && random.below(2) == 0 {
                        bench.kernel().unregister(ifindex(slot));
                    } else {
                        bench.kernel().interfaces.insert(ifindex(slot));
                    }
                }
                let served = wanted(world.served.iter().copied());
                assert!(bench.interfaces(&served).is_empty(), "seed {seed}, step {step}");
            }
            4 => {
                world.turn = random.below(7) as u32;
                let towards = |flow: Flow| world.towards(flow.source);
                bench.routing.rpf_changed(bench.now, Rpf::Lookup(&towards));
            }
            5 => bench.pass(Duration::from_secs(random.below(400))),
            _ => {}
        }
        for _ in 0..3 {
            let source = random.source();
            let right = world.towards(source).filter(|_| random.below(2) == 0);
            let arrival = right.unwrap_or_else(|| random.slot());
            let towards = |flow: Flow| world.towards(flow.source);
            let left = bench.packet_by(arrival, source, Rpf::Lookup(&towards));
            let expected = world.expected(arrival, source);
            // Without room for it a flow waits in the kernel.
            let refused = room < PLENTY && left.is_empty();
            assert!(
                left == expected || refused,
                "seed {seed}, step {step}: {source} on slot {arrival}: {left:?} and not {expected:?}"
            );
            forwarded += u64::from(!left.is_empty());
        }
        if step % 10 == 0 {
            bench.kernel().expire_unresolved();
        }
        assert!(bench.routing.len() <= room);
        assert_eq!(
            bench.kernel().cached(),
            bench.routing.len(),
            "seed {seed}, step {step}"
        );
        assert!(bench.routing.entries.is_consistent(), "seed {seed}, step {step}");
    }
    assert!(forwarded > 50, "seed {seed} tests little");
}

#[test]
fn any_sequence_of_changes_keeps_the_rules() {
    for seed in 0..100 {
        run(seed, PLENTY);
    }
}

#[test]
fn without_room_nothing_goes_where_it_should_not() {
    for seed in 0..50 {
        run(seed, 4);
    }
}

/// Packets that are dropped are counted, each once.
#[test]
fn every_packet_is_counted_once() {
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let mut bench = Bench::new(SLOTS);
        let (mut sent, mut forwarded) = (0, 0);
        for _ in 0..300 {
            if random.below(4) == 0 {
                let ports = random.slots();
                let source = (random.below(2) == 0).then(|| random.source());
                bench.route(source, &ports);
            }
            let (arrival, source) = (random.slot(), random.source());
            sent += 1;
            forwarded += u64::from(!bench.packet(arrival, source).is_empty());
        }
        let total: u64 = bench.views().iter().map(|view| view.forwarded.packets).sum();
        assert_eq!(total, forwarded, "seed {seed}");
        let dropped: u64 = (1..=SLOTS)
            .filter_map(|slot| bench.routing.slot_counters(slot))
            .map(|counted| counted.rpf + counted.no_members)
            .sum();
        assert_eq!(dropped + forwarded, sent, "seed {seed}");
    }
}
