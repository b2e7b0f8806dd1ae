//! Many groups in few messages, and how much there may be (RFC 7761 §4.9.5).

use igmp_core::{
    InterfaceId,
    SourceWish::{AsAnySource, Exclude, Include},
    pim::{JoinPrune, Message, PimInterfaceConfig, PimWarning, Target},
};

use crate::trees_world::{
    ANY, OWN, World, any_event, config, group, join_prune, set, source, ssm, wish_event,
};

/// What was sent since this was last asked: only joins and prunes.
fn messages(world: &mut World) -> Vec<JoinPrune> {
    let sent = core::mem::take(&mut world.sent);
    let messages = sent.into_iter().map(|(_, _, message)| match message {
        Message::JoinPrune(message) => message,
        message => panic!("{message:?}"),
    });
    messages.collect()
}

/// Length of the IP packet, from the figures of §4.9: IPv4 header, PIM header, Encoded-Unicast upstream neighbour, a word; for
/// each group Encoded-Group and a word; Encoded-Sources.
fn len(message: &JoinPrune) -> usize {
    let groups = message.groups.iter();
    let lens = groups.map(|set| 8 + 4 + 8 * (set.joins.len() + set.prunes.len()));
    20 + 4 + 6 + 4 + lens.sum::<usize>()
}

/// (1500 - 34) / 20 = 73 groups to a packet.
#[test]
fn a_thousand_groups_share_fourteen_messages() {
    let mut world = World::new();
    world.events((0..1_000).map(|number| any_event(3, group(number), true)));
    let sent = messages(&mut world);
    assert_eq!(sent.len(), 14);
    assert!(sent.iter().all(|message| len(message) <= 1500));
    let groups: Vec<_> = sent.iter().flat_map(|message| &message.groups).collect();
    assert_eq!(groups.len(), 1_000);
    assert!(
        groups
            .iter()
            .all(|set| set.joins == [ANY] && set.prunes.is_empty())
    );

    // One after the other, over 50 s: the periodic joins gather within a second each.
    let mut world = World::new();
    for number in 0..1_000 {
        world.any(3, group(number), true);
        world.run(0.05);
    }
    world.run_to(59.0);
    world.sent.clear();
    for round in 1..=3 {
        world.run_to(59.5 + 60.0 * f64::from(round));
        let sent = messages(&mut world);
        assert_eq!(
            sent.iter().map(|message| message.groups.len()).sum::<usize>(),
            1_000
        );
        assert!(sent.len() <= 51, "{} messages", sent.len());
    }

    let mut world = World::new();
    world.events((0..1_000).map(|number| any_event(3, group(number), true)));
    world.sent.clear();
    world.events((0..1_000).map(|number| any_event(3, group(number), false)));
    assert_eq!(messages(&mut world).len(), 14);
    assert_eq!(world.routes.len(), 0);
}

/// A group with a Join(*,G) "MUST include an (S,G,rpt) Pruned source list entry for every source", "MUST NOT be split", and
/// of those that do not fit "the first N (numerically smallest in network byte order) IP addresses" are chosen (§4.9.5.2).
#[test]
fn rpt_prunes_stay_with_their_join() {
    let mut world = World::new();
    let exclude = |count| {
        (1..=count)
            .rev()
            .map(|number| wish_event(3, group(1), source(number), Exclude))
    };
    world.events([any_event(3, group(1), true)].into_iter().chain(exclude(300)));
    let sent = messages(&mut world);
    assert_eq!(sent.len(), 1);
    // (1500 - 34 - 12) / 8 = 181
    let prunes: Vec<_> = (1..=180)
        .map(|number| Target::SourceRpt(source(number)))
        .collect();
    assert_eq!(sent[0].groups, [set(group(1), &[ANY], &prunes)]);
    assert!(len(&sent[0]) <= 1500);

    // Two groups that do not fit into one message.
    let mut world = World::new();
    let exclude = |number| {
        let sources = 1..=100;
        sources.map(move |source_number| wish_event(3, group(number), source(source_number), Exclude))
    };
    world.events(
        [any_event(3, group(1), true), any_event(3, group(2), true)]
            .into_iter()
            .chain(exclude(1))
            .chain(exclude(2)),
    );
    let sent = messages(&mut world);
    assert_eq!(sent.len(), 2);
    assert!(sent.iter().all(|message| message.groups[0].prunes.len() == 100));
}

/// Single sources may be split: "the information may be split into multiple messages".
#[test]
fn many_sources_are_split() {
    let mut world = World::new();
    world.events((1..=1_000).map(|number| wish_event(3, ssm(1), source(number), Include)));
    let sent = messages(&mut world);
    assert_eq!(sent.len(), 6);
    assert!(sent.iter().all(|message| len(message) <= 1500));
    let joins: Vec<_> = (sent.iter())
        .flat_map(|message| message.groups.iter().flat_map(|set| set.joins.clone()))
        .collect();
    let expected: Vec<_> = (1..=1_000).map(|number| Target::Source(source(number))).collect();
    assert_eq!(joins, expected);
    // "Each Join/Prune message SHOULD NOT contain more than one group-specific set for the same IP multicast address."
    assert!(sent.iter().all(|message| message.groups.len() == 1));
    world.run_to(60.0);
    assert_eq!(messages(&mut world).len(), 6);
}

/// The number of groups is eight bits wide, whatever the MTU; and any MTU has room for a group.
#[test]
fn messages_fit_whatever_the_mtu() {
    for mtu in [0, 68, 100, 576, 1_280, 9_000, 65_535, u32::MAX] {
        let mut world = World::new();
        world.up_with(1, Some(PimInterfaceConfig::default()), mtu);
        let exclude = (1..=50).map(|number| wish_event(3, group(7), source(number), Exclude));
        world.events(
            (0..600)
                .map(|number| any_event(3, group(number), true))
                .chain(exclude),
        );
        let sent = messages(&mut world);
        for message in &sent {
            assert!(len(message) <= mtu.clamp(68, 65_535) as usize, "{mtu}");
            assert!(message.groups.len() <= 255);
        }
        let groups = sent.iter().flat_map(|message| &message.groups);
        assert_eq!(groups.filter(|set| set.joins == [ANY]).count(), 600, "{mtu}");
    }
}

/// (*,G) and (S,G) of one group to one neighbour, and what is said twice within an event.
#[test]
fn one_group_is_one_set() {
    let mut world = World::new();
    world
        .around
        .ways
        .insert([172, 16], crate::trees_world::towards(1, 1));
    world.events([
        any_event(3, group(1), true),
        wish_event(4, group(1), source(1), Include),
        wish_event(3, group(1), source(2), Exclude),
        wish_event(4, group(2), source(1), Include),
        wish_event(4, group(2), source(1), AsAnySource),
        any_event(4, group(3), true),
        any_event(4, group(3), false),
    ]);
    assert_eq!(
        world.said(),
        ["1 to 10.0.1.1: 239.1.0.1 +* +172.16.0.1 -172.16.0.2/rpt"]
    );
    world.events([any_event(3, group(1), false), any_event(3, group(1), true)]);
    assert_eq!(world.said(), Vec::<String>::new());
}

/// Joins of other routers beyond the limit are refused and counted, and said once a minute; what is known is refreshed; local
/// members do not count.
#[test]
fn a_flood_of_joins_meets_the_limit() {
    const LIMIT: usize = 1_000;
    let mut config = config();
    config.max_entries = LIMIT;
    let mut world = World::with(1, config, 6);
    world.hear(1, 1);
    world.hear(2, 1);
    world.hear(4, 1);
    let flood = |world: &mut World| {
        for first in (0..100_000_u32).step_by(100) {
            let sets = (first..first + 100).map(|number| {
                let target = match number % 3 {
                    0 => ANY,
                    1 => Target::Source(source(number)),
                    _ => Target::SourceRpt(source(number)),
                };
                let (joins, prunes) = if number % 3 == 2 {
                    (vec![], vec![target])
                } else {
                    (vec![target], vec![])
                };
                set(group(number), &joins, &prunes)
            });
            world.message(4, 1, join_prune(4, OWN, 210, sets.collect()));
        }
    };
    flood(&mut world);
    let limit = InterfaceId(4);
    assert_eq!(world.pim.refusals(limit).limit, 99_000);
    assert_eq!(
        world.warnings,
        [PimWarning::TooManyEntries {
            interface: limit,
            group: group(1_000),
            limit: LIMIT,
        }]
    );
    let joins = world.pim.joins(world.now, (group(0), None), 1_000_000).len();
    assert!((660..=670).contains(&joins), "{joins}");
    // Local members are IGMP's business.
    world.any(3, group(99_999), true);
    assert_eq!(world.forwards(1, source(1), group(99_999)), [3]);
    // But their sources that packets tell of are entries.
    world.packet(1, source(1), group(99_999));
    assert_eq!(world.pim.refusals(limit).limit, 99_000);
    assert_eq!(world.pim.refusals(InterfaceId(1)).limit, 1);
    // What is known is refreshed.
    world.run(200.0);
    flood(&mut world);
    assert_eq!(world.pim.refusals(limit).limit, 198_000);
    assert_eq!(world.warnings.len(), 2);
    world.run(200.0);
    assert_eq!(
        world.pim.joins(world.now, (group(0), None), 1_000_000).len(),
        joins + 1
    );
    // And when it has ended, there is room again, and nothing left.
    world.run(100.0);
    assert_eq!(world.pim.joins(world.now, (group(0), None), 1_000_000).len(), 1);
    assert_eq!(world.routes.len(), 1);
    world.say(4, [1, OWN], group(50_000), &[ANY], &[]);
    assert_eq!(world.forwards(1, source(1), group(50_000)), [4]);
}

/// One group has room for 16,384 sources.
#[test]
fn a_flood_of_sources_meets_the_limit_of_a_group() {
    let mut world = World::new();
    world.hear(4, 1);
    world.any(3, group(2), true);
    for first in (0..20_000).step_by(100) {
        let targets: Vec<_> = (first..first + 100)
            .map(|number| Target::Source(source(number)))
            .collect();
        world.say(4, [1, OWN], group(1), &targets, &[]);
        world.say(4, [1, OWN], group(2), &[Target::Source(source(first))], &[]);
    }
    assert_eq!(world.routes.len(), 16_384 + 200 + 1);
    assert_eq!(world.pim.refusals(InterfaceId(4)).limit, 20_000 - 16_384);
    assert_eq!(world.warnings.len(), 1);
}

/// Messages to other routers make entries too (Override Timers), and packets and asserts.
#[test]
fn overheard_prunes_and_packets_meet_the_limit() {
    let mut config = config();
    config.max_entries = 10;
    let mut world = World::with(1, config, 6);
    for number in [1, 2] {
        world.hear(1, number);
    }
    world.any(3, group(1), true);
    world.said();
    for number in 0..1_000 {
        world.say(1, [2, 1], group(1), &[], &[Target::SourceRpt(source(number))]);
        world.packet(1, source(5_000 + number), group(1));
        world.assert(
            1,
            2,
            igmp_core::pim::Assert {
                group: group(1),
                source: Some(source(9_000 + number)),
                rpt: false,
                metric_preference: 0,
                metric: 0,
            },
        );
    }
    let refused = world.pim.refusals(InterfaceId(1)).limit;
    assert_eq!(refused, 3_000 - 10);
    world.run(1_000.0);
    assert_eq!(world.pim.joins(world.now, (group(0), None), 1_000).len(), 1);
    // Unknown groups take nothing.
    for number in 0..1_000 {
        world.packet(1, source(number), group(100 + number));
    }
    assert_eq!(world.pim.refusals(InterfaceId(1)).limit, refused);
}
