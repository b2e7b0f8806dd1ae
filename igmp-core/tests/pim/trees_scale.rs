//! Many groups: the work for an event does not grow with their number.

use std::time::{Duration, Instant};

use igmp_core::{SourceWish::Include, pim::Target};

use crate::trees_world::{ANY, OWN, World, any_event, group, source, ssm, wish_event};

const FEW: u32 = 10_000;
const MANY: u32 = 100_000;

fn world(groups: u32) -> World {
    let mut world = World::new();
    world.hear(4, 1);
    world.events((0..groups).map(|number| any_event(3, group(number), true)));
    world.events((0..groups).map(|number| wish_event(3, ssm(number), source(number % 1_000), Include)));
    assert_eq!(world.routes.len(), 2 * groups as usize);
    world.sent.clear();
    world
}

/// The shortest of several runs of a hundred events each.
fn time_of(world: &mut World, mut event: impl FnMut(&mut World, u32)) -> Duration {
    let mut shortest = Duration::MAX;
    for round in 0..20 {
        let start = Instant::now();
        for number in 0..100 {
            event(world, round * 100 + number);
        }
        shortest = shortest.min(start.elapsed());
    }
    shortest
}

#[test]
fn the_work_for_an_event_does_not_grow_with_the_groups() {
    type Event = (&'static str, fn(&mut World, u32));
    let events: [Event; 5] = [
        ("member", |world, number| {
            world.any(5, group(number * 3), true);
            world.any(5, group(number * 3), false);
        }),
        ("join", |world, number| {
            world.say(4, [1, OWN], group(number * 3), &[ANY], &[]);
            world.say(4, [1, OWN], group(number * 3), &[], &[ANY]);
        }),
        ("join of a source", |world, number| {
            let target = Target::Source(source(number % 1_000));
            world.say(4, [1, OWN], ssm(number * 3), &[target], &[]);
            world.say(4, [1, OWN], ssm(number * 3), &[], &[target]);
        }),
        ("packet", |world, number| {
            world.packet(1, source(1), group(number * 3));
        }),
        ("new group", |world, number| {
            world.any(5, group(5_000_000 + number), true);
        }),
    ];
    let mut few = world(FEW);
    let mut many = world(MANY);
    for (name, event) in events {
        // Caches and the depth of the maps: not ten times as long.
        let mut tries = 0;
        loop {
            let [few, many] = [&mut few, &mut many].map(|world| time_of(world, event));
            if many < few * 4 {
                break;
            }
            tries += 1;
            assert!(
                tries < 5,
                "{name}: {few:?} with {FEW} groups, {many:?} with {MANY}"
            );
        }
    }
}

/// A leave of everything, a neighbour that comes late, a route that changes: all groups in few messages.
#[test]
fn what_concerns_all_groups_takes_few_messages() {
    let mut world = world(MANY);
    let messages = |count: u32| count.div_ceil(73) as usize;
    // An Interface goes away and comes back.
    world.goodbye(1, 1);
    world.sent.clear();
    world.hear(1, 1);
    assert_eq!(world.sent.len(), messages(MANY));
    world.sent.clear();
    world.events((0..MANY).map(|number| any_event(3, group(number), false)));
    world.events((0..MANY).map(|number| {
        wish_event(
            3,
            ssm(number),
            source(number % 1_000),
            igmp_core::SourceWish::AsAnySource,
        )
    }));
    assert_eq!(world.sent.len(), 2 * messages(MANY));
    assert_eq!(world.routes.len(), 0);
    world.sent.clear();
    world.run(1_000.0);
    assert_eq!(world.sent.len(), 0);
    assert_eq!(world.pim.joins(world.now, (group(0), None), 9), []);
    assert_eq!(world.pim.joins(world.now, (ssm(0), None), 9), []);
}

/// One group with very many sources of other routers: a Join(*,G) does not look at all of them.
#[test]
fn a_join_of_a_group_with_many_sources_is_quick() {
    let time = |sources: u32| {
        let mut world = World::new();
        world.hear(4, 1);
        world.hear(5, 1);
        world.say(5, [1, OWN], group(1), &[ANY], &[]);
        world.say(4, [1, OWN], group(1), &[ANY], &[]);
        for first in (0..sources).step_by(100) {
            let targets: Vec<_> = (first..first + 100)
                .map(|number| Target::Source(source(number)))
                .collect();
            world.say(5, [1, OWN], group(1), &targets, &[]);
        }
        assert_eq!(world.routes.len() as u32, sources + 1);
        time_of(&mut world, |world, _| {
            world.say(4, [1, OWN], group(1), &[ANY], &[])
        })
    };
    let mut tries = 0;
    loop {
        let [few, many] = [1_000, 16_000].map(time);
        if many < few * 4 {
            break;
        }
        tries += 1;
        assert!(tries < 5, "{few:?} with few sources, {many:?} with many");
    }
}
