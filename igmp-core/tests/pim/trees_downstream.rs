//! Joins and prunes of downstream neighbours: the tables of RFC 7761 §4.5.1 to §4.5.3, cell by cell.
//!
//! What is held against the tables is what can be seen from outside: whether packets are forwarded to the interface, when that
//! ends by itself, and what is sent.

use core::net::Ipv4Addr;

use igmp_core::pim::Target;

use crate::trees_world::{ANY, OWN, World, group, join_prune, set, source, ssm};

/// The interface that the tables are about. Routers 1 and 2 are there, so that prunes may be overridden.
const DOWN: u32 = 4;

/// States of Figures 2 and 3.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Jp {
    NoInfo,
    Join,
    PrunePending,
}

/// Columns of Figures 2 and 3.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Column {
    ReceiveJoin,
    ReceivePrune,
    PrunePendingTimerExpires,
    ExpiryTimerExpires,
}

use Column::*;
use Jp::*;

/// Figures 2 and 3: previous state, event, next state, whether a PruneEcho is sent. Timers that do not run in a state do not
/// expire there.
const FIGURES_2_AND_3: [(Jp, Column, Jp, bool); 9] = [
    (NoInfo, ReceiveJoin, Join, false),
    (NoInfo, ReceivePrune, NoInfo, false),
    (Join, ReceiveJoin, Join, false),
    (Join, ReceivePrune, PrunePending, false),
    (Join, ExpiryTimerExpires, NoInfo, false),
    (PrunePending, ReceiveJoin, Join, false),
    (PrunePending, ReceivePrune, PrunePending, false),
    (PrunePending, PrunePendingTimerExpires, NoInfo, true),
    (PrunePending, ExpiryTimerExpires, NoInfo, false),
];

/// A tree that is joined, and how it is called in what is sent.
#[derive(Clone, Copy)]
struct Tree {
    group: Ipv4Addr,
    target: Target,
    /// Where its packets come in.
    incoming: u32,
    name: &'static str,
}

fn trees() -> [Tree; 3] {
    let of = |group, target, incoming, name| Tree {
        group,
        target,
        incoming,
        name,
    };
    [
        of(group(1), ANY, 1, "239.1.0.1 -*"),
        of(group(1), Target::Source(source(1)), 2, "239.1.0.1 -172.16.0.1"),
        of(ssm(1), Target::Source(source(1)), 2, "232.1.0.1 -172.16.0.1"),
    ]
}

impl Tree {
    fn join(&self, world: &mut World, hold_time: u16) {
        let set = set(self.group, &[self.target], &[]);
        world.message(DOWN, 1, join_prune(DOWN, OWN, hold_time, vec![set]));
    }

    fn prune(&self, world: &mut World) {
        world.say(DOWN, [1, OWN], self.group, &[], &[self.target]);
    }

    fn is_forwarded(&self, world: &World) -> bool {
        world
            .forwards(self.incoming, source(1), self.group)
            .contains(&DOWN)
    }

    /// The state, after a look at what comes of it within J/P_Override_Interval (3 s).
    fn state(&self, world: &mut World) -> Jp {
        if !self.is_forwarded(world) {
            return NoInfo;
        }
        world.run(3.01);
        if self.is_forwarded(world) {
            Join
        } else {
            PrunePending
        }
    }
}

fn lan() -> World {
    let mut world = World::new();
    world.hear(DOWN, 1);
    world.hear(DOWN, 2);
    world
}

#[test]
fn figures_2_and_3() {
    for tree in trees() {
        for (before, event, after, echo) in FIGURES_2_AND_3 {
            let mut world = lan();
            // The hold time is shorter than J/P_Override_Interval where it has to end first.
            let hold_time = if event == ExpiryTimerExpires { 2 } else { 210 };
            if before != NoInfo {
                tree.join(&mut world, hold_time);
            }
            if before == PrunePending {
                tree.prune(&mut world);
            }
            world.said();
            match event {
                ReceiveJoin => tree.join(&mut world, 210),
                ReceivePrune => tree.prune(&mut world),
                PrunePendingTimerExpires => world.run(3.0),
                ExpiryTimerExpires => world.run(2.0),
            }
            let said = world.said();
            let echoed = said.contains(&format!("{DOWN} to 10.0.4.10: {}", tree.name));
            assert_eq!(echoed, echo, "{before:?} {event:?} {}: {said:?}", tree.name);
            let state = tree.state(&mut world);
            assert_eq!(state, after, "{before:?} {event:?} {}", tree.name);
        }
    }
}

/// §4.5.1, §4.5.2: "ET is set to the maximum of its current value and the HoldTime from the triggering Join/Prune message."
#[test]
fn a_join_never_shortens_another() {
    for tree in trees() {
        let mut world = lan();
        tree.join(&mut world, 210);
        world.run(50.0);
        tree.join(&mut world, 100);
        world.run(159.9);
        assert!(tree.is_forwarded(&world));
        world.run(0.2);
        assert!(!tree.is_forwarded(&world));
        // 0xffff: "the receiver should hold the state until canceled".
        tree.join(&mut world, 0xffff);
        world.run(1e6);
        assert!(tree.is_forwarded(&world));
        // Until nobody is left who could cancel it.
        world.goodbye(DOWN, 1);
        world.run(1e6);
        assert!(tree.is_forwarded(&world));
        world.goodbye(DOWN, 2);
        world.run(209.0);
        assert!(tree.is_forwarded(&world));
        world.run(2.0);
        assert!(!tree.is_forwarded(&world));
        world.hear(DOWN, 1);
        world.hear(DOWN, 2);
        // 0: "the information is timed out immediately".
        tree.prune(&mut world);
        world.run(3.1);
        tree.join(&mut world, 0);
        assert!(!tree.is_forwarded(&world));
    }
}

/// §4.5.1: the Prune-Pending Timer "is set to zero, causing it to expire immediately", and "a PruneEcho(*,G) need not be sent".
#[test]
fn the_prune_of_a_single_neighbor_takes_effect_at_once() {
    for tree in trees() {
        let mut world = World::new();
        world.hear(DOWN, 1);
        tree.join(&mut world, 210);
        world.said();
        tree.prune(&mut world);
        assert!(!tree.is_forwarded(&world));
        assert_eq!(world.said().len(), 1, "only the prune further up");
        assert_eq!(world.pim.routes((group(0), None), 9), []);
        assert_eq!(world.pim.joins(world.now, (ssm(0), None), 9), []);
    }
}

/// §4.5.1: a prune that another router overrides, and one that nobody does, in time.
#[test]
fn a_prune_can_be_overridden_for_three_seconds() {
    for tree in trees() {
        let mut world = lan();
        tree.join(&mut world, 210);
        tree.prune(&mut world);
        world.run(2.5);
        world.say(DOWN, [2, OWN], tree.group, &[tree.target], &[]);
        world.run(10.0);
        assert!(tree.is_forwarded(&world));
        tree.prune(&mut world);
        world.run(2.0);
        // A second prune does not start the timer anew.
        tree.prune(&mut world);
        world.run(0.9);
        assert!(tree.is_forwarded(&world));
        world.run(0.1);
        assert!(!tree.is_forwarded(&world));
    }
}

/// "If the upstream neighbor address field is not correct, these state transitions in this state machine MUST NOT occur".
#[test]
fn joins_for_others_are_for_others() {
    for tree in trees() {
        let mut world = lan();
        world.say(DOWN, [1, 2], tree.group, &[tree.target], &[]);
        assert!(!tree.is_forwarded(&world));
        tree.join(&mut world, 210);
        world.say(DOWN, [1, 2], tree.group, &[], &[tree.target]);
        world.run(10.0);
        assert!(tree.is_forwarded(&world));
    }
}

/// What several neighbours and members have asked for goes up as one join, and down to all of them.
#[test]
fn transit_merges_all_kinds_of_members() {
    let mut world = lan();
    world.hear(5, 1);
    world.say(DOWN, [1, OWN], group(1), &[ANY], &[]);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 +*"]);
    world.say(5, [1, OWN], group(1), &[ANY], &[]);
    world.any(3, group(1), true);
    assert_eq!(world.said(), Vec::<String>::new());
    assert_eq!(world.forwards(1, source(1), group(1)), [3, 4, 5]);
    world.say(5, [1, OWN], group(1), &[], &[ANY]);
    world.any(3, group(1), false);
    assert_eq!(world.said(), Vec::<String>::new());
    assert_eq!(world.forwards(1, source(1), group(1)), [4]);
    world.down(DOWN);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 -*"]);
    assert_eq!(world.routes.len(), 0);
}

/// States of Figure 4 in which time can pass.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rpt {
    NotPruned,
    Prune,
    Pending,
}

/// Columns of Figure 4. A message ends after the event, unless a Prune(S,G,rpt) follows the Join(*,G) in it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum RptColumn {
    JoinAnySourceThenEnd,
    JoinAnySourceThenPruneRpt,
    JoinRpt,
    PruneRpt,
    RptPrunePendingTimerExpires,
    RptExpiryTimerExpires,
}

use Rpt::*;
use RptColumn::*;

/// Figure 4. The transient states P' and PP' are what the first two columns pass through.
const FIGURE_4: [(Rpt, RptColumn, Rpt); 15] = [
    (NotPruned, JoinAnySourceThenEnd, NotPruned),
    (NotPruned, JoinAnySourceThenPruneRpt, Pending),
    (NotPruned, JoinRpt, NotPruned),
    (NotPruned, PruneRpt, Pending),
    (Prune, JoinAnySourceThenEnd, NotPruned),
    (Prune, JoinAnySourceThenPruneRpt, Prune),
    (Prune, JoinRpt, NotPruned),
    (Prune, PruneRpt, Prune),
    (Prune, RptExpiryTimerExpires, NotPruned),
    (Pending, JoinAnySourceThenEnd, NotPruned),
    (Pending, JoinAnySourceThenPruneRpt, Pending),
    (Pending, JoinRpt, NotPruned),
    (Pending, PruneRpt, Pending),
    (Pending, RptPrunePendingTimerExpires, Prune),
    // "-": the state is Prune-Pending until the Prune-Pending Timer ends.
    (Pending, RptExpiryTimerExpires, Pending),
];

#[test]
fn figure_4() {
    let rpt = Target::SourceRpt(source(1));
    for (before, event, after) in FIGURE_4 {
        let mut world = lan();
        world.any(3, group(1), true);
        world.say(DOWN, [1, OWN], group(1), &[ANY], &[]);
        let is_forwarded = |world: &World| world.forwards(1, source(1), group(1)).contains(&DOWN);
        let prune = |world: &mut World, hold_time| {
            let set = set(group(1), &[], &[rpt]);
            world.message(DOWN, 1, join_prune(DOWN, OWN, hold_time, vec![set]));
        };
        let hold_time = match (before, event) {
            (Pending, RptExpiryTimerExpires) => 1,
            (_, RptExpiryTimerExpires) => 10,
            _ => 210,
        };
        if before != NotPruned {
            prune(&mut world, hold_time);
        }
        if before == Prune {
            world.run(3.0);
            assert!(!is_forwarded(&world));
        }
        match event {
            JoinAnySourceThenEnd => world.say(DOWN, [1, OWN], group(1), &[ANY], &[]),
            JoinAnySourceThenPruneRpt => world.say(DOWN, [1, OWN], group(1), &[ANY], &[rpt]),
            JoinRpt => world.say(DOWN, [1, OWN], group(1), &[rpt], &[]),
            PruneRpt => prune(&mut world, 210),
            RptPrunePendingTimerExpires => world.run(3.0),
            RptExpiryTimerExpires => {
                world.run(f64::from(hold_time) - if before == Prune { 3.0 } else { 0.0 })
            }
        }
        let state = if !is_forwarded(&world) {
            Prune
        } else {
            world.run(3.01);
            // With a hold time of 1 s the Prune state is left at once.
            let was_pending = !is_forwarded(&world) || hold_time == 1;
            if was_pending { Pending } else { NotPruned }
        };
        assert_eq!(state, after, "{before:?} {event:?}");
    }
}

/// "Note: Receiving a Prune(*,G) does not affect the (S,G,rpt) downstream state machine."
#[test]
fn a_prune_of_any_source_leaves_rpt_prunes() {
    let mut world = World::new();
    world.hear(DOWN, 1);
    world.hear(5, 1);
    world.say(5, [1, OWN], group(1), &[ANY], &[]);
    world.say(DOWN, [1, OWN], group(1), &[ANY], &[Target::SourceRpt(source(1))]);
    world.say(DOWN, [1, OWN], group(1), &[], &[ANY]);
    assert_eq!(world.forwards(1, source(2), group(1)), [5]);
    // The members of another router of the link want it now. No message takes the prune back.
    world.any(DOWN, group(1), true);
    assert_eq!(world.forwards(1, source(1), group(1)), [4, 5]);
}

/// §4.5.1: a Join(*,G) with another RP is dropped, a prune is not, and "other source list entries in the same Group-Specific
/// Set should still be processed".
#[test]
fn a_join_with_another_rp_is_dropped() {
    let mut world = World::new();
    world.hear(DOWN, 1);
    let other = Target::AnySource { rp: source(99) };
    world.say(DOWN, [1, OWN], group(1), &[other, Target::Source(source(1))], &[]);
    assert_eq!(world.said(), ["2 to 10.0.2.1: 239.1.0.1 +172.16.0.1"]);
    assert_eq!(world.pim.refusals(igmp_core::InterfaceId(DOWN)).rp, 1);
    assert_eq!(world.warnings.len(), 1);
    for _ in 0..50 {
        world.run(1.0);
        world.say(DOWN, [1, OWN], group(1), &[other], &[]);
    }
    assert_eq!(world.pim.refusals(igmp_core::InterfaceId(DOWN)).rp, 51);
    assert_eq!(world.warnings.len(), 1, "once a minute");
    world.say(DOWN, [1, OWN], group(2), &[ANY], &[]);
    world.said();
    world.say(DOWN, [1, OWN], group(2), &[], &[other]);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.2 -*"]);
}

/// Groups of a link, groups that are none, sources that are none, and (*,G) of source-specific groups.
#[test]
fn what_cannot_be_joined_is_refused() {
    let mut world = World::new();
    world.hear(DOWN, 1);
    let groups = [
        [224, 0, 0, 5],
        [192, 0, 2, 1],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
    ];
    for address in groups {
        for target in [ANY, Target::Source(source(1)), Target::SourceRpt(source(1))] {
            world.say(DOWN, [1, OWN], address.into(), &[target], &[target]);
        }
    }
    for address in [[0, 0, 0, 0], [127, 0, 0, 1], [224, 1, 1, 1], [255, 255, 255, 255]] {
        for target in [Target::Source(address.into()), Target::SourceRpt(address.into())] {
            world.say(DOWN, [1, OWN], group(1), &[target], &[target]);
        }
    }
    for target in [ANY, Target::SourceRpt(source(1))] {
        world.say(DOWN, [1, OWN], ssm(1), &[target], &[target]);
    }
    let refusals = world.pim.refusals(igmp_core::InterfaceId(DOWN));
    assert_eq!(refusals.group, 2 * (4 * 3 + 4 * 2 + 2));
    assert_eq!(world.said(), Vec::<String>::new());
    assert_eq!(world.routes.len(), 0);
}
