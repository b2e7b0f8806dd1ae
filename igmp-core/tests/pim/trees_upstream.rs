//! What upstream neighbours are told: the tables of RFC 7761 §4.5.4, §4.5.5 and §4.5.7.

use core::net::Ipv4Addr;

use igmp_core::{
    SourceWish::Include,
    pim::{Assert, Target},
};

use crate::trees_world::{ANY, OWN, World, at, group, join_prune, set, source, towards};

/// A tree that this router has joined for members of link 3.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Tree {
    AnySource,
    OneSource,
}

impl Tree {
    /// The link towards the RP or the source. Router 1 there is RPF'.
    fn link(self) -> u32 {
        match self {
            Self::AnySource => 1,
            Self::OneSource => 2,
        }
    }

    fn target(self) -> Target {
        match self {
            Self::AnySource => ANY,
            Self::OneSource => Target::Source(source(1)),
        }
    }

    fn set_member(self, world: &mut World, wanted: bool) {
        match self {
            Self::AnySource => world.any(3, group(1), wanted),
            Self::OneSource => {
                let wish = if wanted {
                    Include
                } else {
                    igmp_core::SourceWish::AsAnySource
                };
                world.wish(3, group(1), source(1), wish);
            }
        }
    }

    /// Joins or prunes it to a router of the link.
    fn words(self, sign: char, to: Ipv4Addr) -> String {
        let link = to.octets()[2];
        match self {
            Self::AnySource => format!("{link} to {to}: 239.1.0.1 {sign}*"),
            Self::OneSource => format!("{link} to {to}: 239.1.0.1 {sign}172.16.0.1"),
        }
    }

    fn lan(self) -> World {
        self.seeded(1)
    }

    fn seeded(self, seed: u64) -> World {
        let mut world = World::seeded(seed);
        for number in [2, 3] {
            world.hear(self.link(), number);
        }
        self.set_member(&mut world, true);
        assert_eq!(world.said(), [self.words('+', at(self.link(), 1))]);
        world
    }

    /// When the next join goes to RPF', in seconds from now on. Nothing else is sent until then.
    fn next_join(self, world: &mut World) -> f64 {
        let start = world.seconds();
        while world.sent.is_empty() {
            world.run(0.01);
            assert!(world.seconds() < start + 300.0, "no join at all");
        }
        let at_second = world.sent[0].0 - start;
        assert_eq!(world.said(), [self.words('+', at(self.link(), 1))]);
        at_second
    }
}

const TREES: [Tree; 2] = [Tree::AnySource, Tree::OneSource];
/// t_override is rand(0, Effective_Override_Interval), of which the default is 2.5 s (§4.11).
const OVERRIDE: f64 = 2.5;

/// Figures 5 and 6, first part.
#[test]
fn join_desired_comes_and_goes() {
    for tree in TREES {
        let mut world = tree.lan();
        for round in 1..=5 {
            world.run_to(60.0 * f64::from(round));
            assert_eq!(world.said(), [tree.words('+', at(tree.link(), 1))]);
        }
        tree.set_member(&mut world, false);
        assert_eq!(world.said(), [tree.words('-', at(tree.link(), 1))]);
        // Cancel Join Timer.
        world.run(1_000.0);
        assert_eq!(world.said(), Vec::<String>::new());
    }
}

/// §4.11: "The Holdtime specified in a Join/Prune message should be set to (3.5 * t_periodic)."
#[test]
fn the_hold_time_is_three_and_a_half_periods() {
    for (period, hold_time) in [(60.0, 210), (10.0, 35), (1.0, 4), (30_000.0, 0xfffe)] {
        let mut config = crate::trees_world::config();
        config.join_prune_interval = crate::bench::secs(period);
        let mut world = World::with(1, config, 6);
        world.hear(1, 1);
        world.any(3, group(1), true);
        let igmp_core::pim::Message::JoinPrune(message) = &world.sent[0].2 else {
            panic!("a join");
        };
        assert_eq!(message.hold_time, hold_time);
        assert_eq!(message.upstream_neighbor, at(1, 1));
    }
}

/// "Timer Expires: Send Join; set Join Timer to t_periodic". It may end up to a sixtieth of t_periodic earlier, so that many
/// trees share messages.
#[test]
fn joins_are_periodic() {
    for tree in TREES {
        for offset in [0.0, 0.3, 0.999] {
            let mut world = World::new();
            world.run_to(offset);
            tree.set_member(&mut world, true);
            world.said();
            for _ in 0..3 {
                let next = tree.next_join(&mut world);
                assert!((58.99..=60.01).contains(&next), "{next}");
            }
        }
    }
}

/// "See Join to RPF': Increase Join Timer to t_joinsuppress", the minimum of t_suppressed = rand(1.1 * t_periodic, 1.4 *
/// t_periodic) and the hold time.
#[test]
fn a_join_of_another_suppresses() {
    for tree in TREES {
        let mut delays = Vec::new();
        for seed in 0..30 {
            let mut world = tree.seeded(seed);
            world.run_to(20.0);
            world.say(tree.link(), [2, 1], group(1), &[tree.target()], &[]);
            delays.push(tree.next_join(&mut world));
        }
        assert!(
            delays.iter().all(|delay| (66.0..=84.02).contains(delay)),
            "{delays:?}"
        );
        assert!(delays.iter().any(|delay| *delay < 72.0) && delays.iter().any(|delay| *delay > 78.0));

        let mut world = tree.lan();
        world.run_to(50.0);
        let hold = |hold_time| {
            let set = set(group(1), &[tree.target()], &[]);
            join_prune(tree.link(), 1, hold_time, vec![set])
        };
        // "If the Join Timer is set to expire in more than t_joinsuppress seconds, leave it unchanged."
        world.message(tree.link(), 2, hold(5));
        world.run_to(54.0);
        world.message(tree.link(), 2, hold(20));
        let next = tree.next_join(&mut world);
        assert!((next - 20.0).abs() < 0.02, "{next}");
    }
}

/// Joins to another neighbour than RPF', and those with another RP, suppress nothing.
#[test]
fn only_the_same_join_suppresses() {
    for tree in TREES {
        let mut world = tree.lan();
        world.run_to(50.0);
        world.say(tree.link(), [2, 3], group(1), &[tree.target()], &[]);
        world.say(tree.link(), [2, 1], group(2), &[tree.target()], &[]);
        let other = Target::AnySource { rp: source(7) };
        world.say(
            tree.link(),
            [2, 1],
            group(1),
            &[other, Target::Source(source(7))],
            &[],
        );
        let next = tree.next_join(&mut world);
        assert!((next - 10.0).abs() < 0.02, "{next}");
    }
}

/// "See Prune to RPF': Decrease Join Timer to t_override", and what else has that effect.
#[test]
fn prunes_of_others_are_overridden() {
    let rpt = Target::SourceRpt(source(1));
    for tree in TREES {
        let mut prunes = vec![tree.target()];
        if tree == Tree::OneSource {
            // "See Prune(S,G,rpt) to RPF'(S,G)", "See Prune(*,G) to RPF'(S,G)".
            prunes.extend([rpt, ANY]);
        }
        for prune in prunes {
            let mut delays = Vec::new();
            for seed in 0..30 {
                let mut world = tree.seeded(seed);
                world.run_to(10.0);
                world.say(tree.link(), [2, 1], group(1), &[], &[prune]);
                delays.push(tree.next_join(&mut world));
            }
            assert!(
                delays.iter().all(|delay| (0.0..=OVERRIDE + 0.02).contains(delay)),
                "{delays:?}"
            );
            assert!(delays.iter().any(|delay| *delay < 1.0) && delays.iter().any(|delay| *delay > 1.5));
        }
        // Not those to others. "If the Join Timer is set to expire in less than t_override seconds, leave it unchanged."
        let mut world = tree.lan();
        world.run_to(30.0);
        world.say(tree.link(), [2, 3], group(1), &[], &[tree.target()]);
        world.run_to(59.99);
        world.say(tree.link(), [2, 1], group(1), &[], &[tree.target()]);
        assert!(tree.next_join(&mut world) < 0.02);
        // A PruneEcho of RPF' itself.
        world.say(tree.link(), [1, 1], group(1), &[], &[tree.target()]);
        assert!(tree.next_join(&mut world) < OVERRIDE);
    }
}

/// A router that has not said Hello here is no neighbour of this router's (§4.3.1), but it may be one of RPF', which then
/// acts on its prune. Its joins are not relied upon.
#[test]
fn prunes_of_strangers_are_overridden_too() {
    for tree in TREES {
        let mut world = tree.lan();
        world.run_to(10.0);
        world.say(tree.link(), [9, 1], group(1), &[], &[tree.target()]);
        assert!(tree.next_join(&mut world) < OVERRIDE + 0.02);

        let mut world = tree.lan();
        world.run_to(10.0);
        world.say(tree.link(), [9, 1], group(1), &[tree.target()], &[]);
        let next = tree.next_join(&mut world);
        assert!((next - 50.0).abs() < 0.02, "{next}");
        // Nor are its prunes to others any matter.
        world.say(tree.link(), [9, 3], group(1), &[], &[tree.target()]);
        let next = tree.next_join(&mut world);
        assert!((next - 60.0).abs() < 0.02, "{next}");
    }
}

/// "RPF' GenID changes: Decrease Join Timer to t_override"
#[test]
fn a_neighbor_that_restarts_is_told_again() {
    for tree in TREES {
        let mut world = tree.lan();
        world.run_to(10.0);
        world.hello(tree.link(), 2, 999);
        world.run_to(20.0);
        assert_eq!(world.said(), Vec::<String>::new());
        world.hello(tree.link(), 1, 999);
        assert!(tree.next_join(&mut world) < OVERRIDE);
    }
}

/// "RPF' changes not due to an Assert: Send Join to new next hop; send Prune to old next hop; set Join Timer to t_periodic"
#[test]
fn another_way_is_joined_and_the_old_one_pruned() {
    for tree in TREES {
        let mut world = tree.lan();
        world.run_to(30.0);
        let prefix = if tree == Tree::AnySource {
            [10, 9]
        } else {
            [172, 16]
        };
        // Another neighbour of the link.
        world.around.ways.insert(prefix, towards(tree.link(), 2));
        world.routes_changed();
        let mut said = world.said();
        said.sort();
        assert_eq!(
            said,
            [
                tree.words('-', at(tree.link(), 1)),
                tree.words('+', at(tree.link(), 2)),
            ]
        );
        // Another link.
        world.hear(5, 7);
        world.around.ways.insert(prefix, towards(5, 7));
        world.routes_changed();
        assert_eq!(
            world.said(),
            [tree.words('-', at(tree.link(), 2)), tree.words('+', at(5, 7))]
        );
        let group_or_source = (tree == Tree::OneSource).then_some(source(1));
        assert_eq!(world.route(group(1), group_or_source), Some((Some(5), &[3][..])));
        world.run_to(89.0);
        assert_eq!(world.said(), Vec::<String>::new());
        world.run_to(90.0);
        assert_eq!(world.said(), [tree.words('+', at(5, 7))]);
        // No way at all, then one without a neighbour, then with.
        world.around.ways.remove(&prefix);
        world.routes_changed();
        assert_eq!(world.said(), [tree.words('-', at(5, 7))]);
        assert_eq!(world.route(group(1), group_or_source), Some((None, &[3][..])));
        world.around.ways.insert(prefix, towards(6, 3));
        world.routes_changed();
        world.run(100.0);
        assert_eq!(world.said(), Vec::<String>::new());
        world.hear(6, 3);
        assert_eq!(world.said(), [tree.words('+', at(6, 3))]);
        // A neighbour that is gone hears no prune.
        world.goodbye(6, 3);
        world.run(100.0);
        assert_eq!(world.said(), Vec::<String>::new());
    }
}

/// Nothing is sent for routes that change elsewhere, and each address is asked for once.
#[test]
fn other_routes_may_change() {
    let mut world = World::new();
    for number in 0..100 {
        world.any(3, group(number), true);
    }
    world.said();
    world.around.asked = 0;
    world.around.ways.insert([1, 1], towards(3, 3));
    world.routes_changed();
    assert_eq!(world.said(), Vec::<String>::new());
    assert_eq!(world.around.asked, 1);
}

fn assert_of(rpt: bool, source: Option<Ipv4Addr>, metric: u32) -> Assert {
    Assert {
        group: group(1),
        source,
        rpt,
        metric_preference: 1,
        metric,
    }
}

/// "RPF' changes due to an Assert: Decrease Join Timer to t_override". Nothing is pruned.
#[test]
fn the_winner_of_an_assert_is_joined() {
    for tree in TREES {
        let mut world = tree.lan();
        world.run_to(10.0);
        let (rpt, source) = match tree {
            Tree::AnySource => (true, None),
            Tree::OneSource => (false, Some(source(1))),
        };
        world.assert(tree.link(), 2, assert_of(rpt, source, 5));
        world.run(OVERRIDE);
        assert_eq!(world.said(), [tree.words('+', at(tree.link(), 2))]);
        // "this transition does not occur if an Assert is active and the upstream interface does not change"
        let prefix = if tree == Tree::AnySource {
            [10, 9]
        } else {
            [172, 16]
        };
        world.around.ways.insert(prefix, towards(tree.link(), 3));
        world.routes_changed();
        assert_eq!(world.said(), Vec::<String>::new());
        // The winner is gone.
        world.goodbye(tree.link(), 2);
        world.run(OVERRIDE);
        assert_eq!(world.said(), [tree.words('+', at(tree.link(), 3))]);
    }
}

/// §4.7.1: "the one with the longest mask is the mapping to use". Another RP is joined, the old one pruned.
#[test]
fn the_rp_is_that_of_the_longest_prefix() {
    use igmp_core::pim::StaticRp;
    let rp = |last, group: [u8; 4], group_len| StaticRp {
        address: Ipv4Addr::new(10, 9, 9, last),
        group: group.into(),
        group_len,
    };
    let mut config = crate::trees_world::config();
    config.static_rp = vec![
        rp(1, [224, 0, 0, 0], 4),
        rp(9, [239, 0, 0, 0], 8),
        rp(2, [239, 1, 0, 0], 24),
        rp(3, [239, 1, 0, 0], 24),
        rp(4, [239, 1, 0, 77], 32),
        rp(5, [232, 0, 0, 0], 8),
    ];
    let mut world = World::with(1, config.clone(), 6);
    world.hear(1, 1);
    let expected = [
        ([225, 1, 1, 1], "+*@10.9.9.1"),
        ([239, 2, 1, 1], "+*"),
        ([239, 1, 1, 0], "+*"),
        ([239, 1, 0, 1], "+*@10.9.9.3"),
        ([239, 1, 0, 77], "+*@10.9.9.4"),
    ];
    for (address, words) in expected {
        let address = Ipv4Addr::from(address);
        world.any(3, address, true);
        assert_eq!(world.said(), [format!("1 to 10.0.1.1: {address} {words}")]);
    }
    // Never one of the source-specific range (§4.8.1).
    world.any(3, [232, 1, 1, 1].into(), true);
    assert_eq!(world.said(), Vec::<String>::new());

    // Another RP behind the same neighbour, then one behind another, then none.
    config.static_rp.remove(4);
    world.event(igmp_core::PimEvent::Configure(config.clone()));
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.77 +*@10.9.9.3"]);
    config.static_rp.retain(|rp| rp.group_len != 24);
    config.static_rp.push(StaticRp {
        address: source(9),
        group: group(0),
        group_len: 24,
    });
    world.hear(2, 1);
    world.event(igmp_core::PimEvent::Configure(config.clone()));
    assert_eq!(
        world.said(),
        [
            "1 to 10.0.1.1: 239.1.0.1 -*@10.9.9.3, 239.1.0.77 -*@10.9.9.3",
            "2 to 10.0.2.1: 239.1.0.1 +*@172.16.0.9, 239.1.0.77 +*@172.16.0.9",
        ]
    );
    config.static_rp.clear();
    world.event(igmp_core::PimEvent::Configure(config));
    let said = world.said();
    assert_eq!(said.len(), 2);
    assert!(said.iter().all(|words| !words.contains('+')), "{said:?}");
    assert_eq!(world.route(group(1), None), Some((None, &[3][..])));
}

/// A router of link 3 has members of any source, but router 5 of link 4 is the one whose prunes are seen. RPF' of both is
/// router 1 of link 1.
fn shared_tree() -> World {
    let mut world = World::new();
    for number in [2, 3] {
        world.hear(1, number);
    }
    world.any(3, group(1), true);
    world.said();
    world
}

const JOIN_RPT: &str = "1 to 10.0.1.1: 239.1.0.1 +172.16.0.1/rpt";
const PRUNE_RPT: &str = "1 to 10.0.1.1: 239.1.0.1 -172.16.0.1/rpt";

/// Figure 7: NotPruned, "See Prune(S,G,rpt)" and "See Prune(S,G) to RPF'(S,G,rpt)": OT = min(OT, t_override), "Override Timer
/// expires: Send Join(S,G,rpt); leave OT unset".
#[test]
fn rpt_prunes_of_others_are_overridden() {
    for target in [Target::SourceRpt(source(1)), Target::Source(source(1))] {
        let mut world = shared_tree();
        world.run_to(10.0);
        world.say(1, [2, 1], group(1), &[], &[target]);
        world.run(OVERRIDE);
        assert_eq!(world.said(), [JOIN_RPT]);
        world.run(40.0);
        assert_eq!(world.said(), Vec::<String>::new());
        // Nothing is left of it.
        assert_eq!(world.pim.joins(world.now, (group(0), None), 9).len(), 1);

        // "See Join(S,G,rpt) to RPF'(S,G,rpt): Cancel OT"
        world.run_to(61.0);
        world.said();
        world.say(1, [2, 1], group(1), &[], &[target]);
        world.say(1, [3, 1], group(1), &[Target::SourceRpt(source(1))], &[]);
        world.run(OVERRIDE);
        assert_eq!(world.said(), Vec::<String>::new());
        // Prunes to others are no matter.
        world.say(1, [2, 3], group(1), &[], &[target]);
        world.run(OVERRIDE);
        assert_eq!(world.said(), Vec::<String>::new());
    }
}

/// Figure 7: RPTNotJoined -> P without a message, P -> NJ and NP -> NJ without one, NP -> P with a prune, P -> NP with a join.
#[test]
fn figure_7() {
    use igmp_core::SourceWish::{AsAnySource, Exclude};
    let mut world = World::new();
    // RPTNotJoined, PruneDesired -> True: "sending a Prune(S,G,rpt) is handled by the rules for sending the Join(*,G)".
    world.events([
        crate::trees_world::any_event(3, group(1), true),
        crate::trees_world::wish_event(3, group(1), source(1), Exclude),
    ]);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 +* -172.16.0.1/rpt"]);
    // Pruned: prunes of others are welcome.
    world.say(1, [2, 1], group(1), &[], &[Target::SourceRpt(source(1))]);
    world.run(OVERRIDE);
    assert_eq!(world.said(), Vec::<String>::new());
    // PruneDesired -> False
    world.wish(3, group(1), source(1), AsAnySource);
    assert_eq!(world.said(), [JOIN_RPT]);
    // NotPruned, PruneDesired -> True: and cancel OT.
    world.hear(1, 2);
    world.say(1, [2, 1], group(1), &[], &[Target::SourceRpt(source(1))]);
    world.wish(3, group(1), source(1), Exclude);
    assert_eq!(world.said(), [PRUNE_RPT]);
    world.run(OVERRIDE);
    assert_eq!(world.said(), Vec::<String>::new());
    // Pruned, RPTJoinDesired -> False
    world.any(3, group(1), false);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 -*"]);
    // RPTNotJoined, inherited_olist(S,G,rpt) -> non-NULL
    world.any(5, group(1), true);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 +*"]);
    // NotPruned, RPTJoinDesired -> False: and cancel OT.
    world.say(1, [2, 1], group(1), &[], &[Target::SourceRpt(source(1))]);
    world.any(5, group(1), false);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 -*"]);
    world.run(100.0);
    assert_eq!(world.said(), Vec::<String>::new());
}

/// §4.5.6, third case, and Figure 7: "RPF'(S,G,rpt) -> RPF'(*,G): OT = min(OT, t_override)".
#[test]
fn an_assert_on_the_shared_tree_is_followed_and_left_again() {
    let mut world = shared_tree();
    world.run_to(10.0);
    // Another router of the link has the source's own tree.
    world.assert(1, 2, assert_of(false, Some(source(1)), 5));
    world.run_to(60.0);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 +* -172.16.0.1/rpt"]);
    // No override while RPF'(S,G,rpt) != RPF'(*,G) (§4.6.5, item 5).
    world.say(1, [3, 2], group(1), &[], &[Target::SourceRpt(source(1))]);
    world.run(OVERRIDE);
    assert_eq!(world.said(), Vec::<String>::new());
    // AssertCancel(S,G) (§4.6.4).
    let cancel = Assert {
        rpt: true,
        metric_preference: 0x7fff_ffff,
        metric: u32::MAX,
        ..assert_of(true, Some(source(1)), 0)
    };
    world.assert(1, 2, cancel);
    world.run(OVERRIDE);
    assert_eq!(world.said(), [JOIN_RPT]);
    world.run_to(120.0);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 +*"]);
}

/// Everything that was joined is pruned at a clean end.
#[test]
fn the_end_prunes_all() {
    let mut world = World::new();
    for number in 1..=3 {
        world.any(3, group(number), true);
    }
    world.wish(3, group(2), source(1), Include);
    world.said();
    world.close();
    assert_eq!(
        world.said(),
        [
            "1 to 10.0.1.1: 239.1.0.1 -*, 239.1.0.2 -*, 239.1.0.3 -*",
            "2 to 10.0.2.1: 239.1.0.2 -172.16.0.1",
        ]
    );
}

/// The RP is this router, or a neighbour on a connected network; a source is on a connected network.
#[test]
fn the_way_may_end_here_or_on_the_link() {
    use igmp_core::pim::{PimJoinState, StaticRp};
    let mut config = crate::trees_world::config();
    config.static_rp[0].address = at(1, 5);
    config.static_rp.push(StaticRp {
        address: at(2, OWN),
        group: group(2),
        group_len: 32,
    });
    let mut world = World::with(1, config, 6);
    world.hear(1, 5);
    world.any(3, group(1), true);
    assert_eq!(world.said(), ["1 to 10.0.1.5: 239.1.0.1 +*@10.0.1.5"]);
    world.any(3, group(2), true);
    assert_eq!(world.said(), Vec::<String>::new());
    let joins = world.pim.joins(world.now, (group(2), None), 1);
    assert_eq!(joins[0].state, PimJoinState::Connected);
    assert_eq!(joins[0].upstream_neighbor, None);
    // A source of a connected network needs nobody.
    world.packet(5, at(5, 77), group(2));
    assert_eq!(world.forwards(5, at(5, 77), group(2)), [3]);
    assert_eq!(world.said(), Vec::<String>::new());
}
