//! Asserts: the tables of RFC 7761 §4.6.1 and §4.6.2, and what follows from who has won.

use core::net::Ipv4Addr;

use igmp_core::{
    InterfaceId,
    SourceWish::Include,
    pim::{Assert, Target},
};

use crate::trees_world::{ANY, OWN, World, group, source, towards};

/// The interface that the tables are about, downstream of this router, which has 10.0.4.10 there. Its ways to the RP and the
/// source have preference 100 and metric 20.
const DOWN: u32 = 4;
/// The other routers there: one with a lower address, one with a higher.
const LOW: u8 = 1;
const HIGH: u8 = 20;
/// §4.11
const ASSERT_TIME: f64 = 180.0;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    NoInfo,
    Winner,
    Loser,
}

use State::*;

fn assert_message(source: Option<Ipv4Addr>, rpt: bool, metric_preference: u32, metric: u32) -> Assert {
    Assert {
        group: group(1),
        source,
        rpt,
        metric_preference,
        metric,
    }
}

/// An infinite metric with the RPT bit set (§4.6.4).
fn cancel(source: Option<Ipv4Addr>) -> Assert {
    assert_message(source, true, 0x7fff_ffff, u32::MAX)
}

/// Which of both state machines a test is about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Machine {
    /// Figure 8.
    OneSource,
    /// Figure 9.
    AnySource,
}

use Machine::*;

impl Machine {
    fn source(self) -> Option<Ipv4Addr> {
        (self == OneSource).then_some(source(1))
    }

    /// An assert that this machine is about.
    fn assert(self, metric_preference: u32, metric: u32) -> Assert {
        assert_message(self.source(), self == AnySource, metric_preference, metric)
    }

    /// The assert that this router sends. One that data have led to names their source.
    fn own(self, by_data: bool) -> String {
        match self {
            OneSource => "4 assert 239.1.0.1 172.16.0.1 100 20".to_owned(),
            AnySource if by_data => "4 assert 239.1.0.1 172.16.0.1 rpt 100 20".to_owned(),
            AnySource => "4 assert 239.1.0.1 * rpt 100 20".to_owned(),
        }
    }

    fn canceled(self) -> String {
        match self {
            OneSource => "4 assert 239.1.0.1 172.16.0.1 rpt 2147483647 4294967295".to_owned(),
            AnySource => "4 assert 239.1.0.1 * rpt 2147483647 4294967295".to_owned(),
        }
    }

    fn target(self) -> Target {
        self.source().map_or(ANY, Target::Source)
    }

    /// This router forwards to the interface, since router LOW has joined: CouldAssert.
    fn forwarding(self) -> World {
        let mut world = World::new();
        world.hear(DOWN, LOW);
        world.hear(DOWN, HIGH);
        world.say(DOWN, [LOW, OWN], group(1), &[self.target()], &[]);
        if self == OneSource {
            // SPTbit
            world.packet(2, source(1), group(1));
        }
        assert!(self.is_forwarded(&world));
        world.said();
        world
    }

    fn is_forwarded(self, world: &World) -> bool {
        let incoming = if self == OneSource { 2 } else { 1 };
        world.forwards(incoming, source(1), group(1)).contains(&DOWN)
    }

    /// The interface where data were looked for.
    fn data(self, world: &mut World) {
        world.packet(DOWN, source(1), group(1));
    }

    fn world_in(self, state: State) -> World {
        let mut world = self.forwarding();
        match state {
            NoInfo => {}
            Winner => self.data(&mut world),
            // Not by address.
            Loser => world.assert(DOWN, LOW, self.assert(100, 10)),
        }
        world.run(2.0);
        world.said();
        world
    }

    /// The state, as it is seen from outside: a loser does not forward, a winner cancels when its members leave.
    fn state(self, world: &mut World) -> State {
        if !self.is_forwarded(world) {
            return Loser;
        }
        world.said();
        world.goodbye(DOWN, HIGH);
        world.say(DOWN, [LOW, OWN], group(1), &[], &[self.target()]);
        if world.said().contains(&self.canceled()) {
            Winner
        } else {
            NoInfo
        }
    }
}

/// Something that happens, by name.
type Event = (&'static str, fn(Machine, &mut World));
/// What is sent then: nothing, an assert, an AssertCancel.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sent {
    Nothing,
    Own,
    Cancel,
}
use Sent::*;

const INFERIOR: Event = ("inferior assert", |machine, world| {
    world.assert(DOWN, LOW, machine.assert(100, 30));
});
/// "If all fields are equal, the primary IP address ... is used as a tie-breaker, with the highest IP address winning."
const INFERIOR_BY_ADDRESS: Event = ("inferior assert by its address", |machine, world| {
    world.assert(DOWN, LOW, machine.assert(100, 20));
});
const PREFERRED: Event = ("preferred assert", |machine, world| {
    world.assert(DOWN, HIGH, machine.assert(99, 4000));
});
const PREFERRED_BY_ADDRESS: Event = ("preferred assert by its address", |machine, world| {
    world.assert(DOWN, HIGH, machine.assert(100, 20));
});
const CANCEL: Event = ("assert cancel", |machine, world| {
    world.assert(DOWN, LOW, cancel(machine.source()));
});
const DATA: Event = ("data", |machine, world| machine.data(world));
const ACCEPTABLE_OF_WINNER: Event = ("acceptable assert of the winner", |machine, world| {
    world.assert(DOWN, LOW, machine.assert(100, 15));
});
const ACCEPTABLE_OF_ANOTHER: Event = ("acceptable assert of another, not preferred", |machine, world| {
    world.assert(DOWN, HIGH, machine.assert(100, 15));
});
const INFERIOR_OF_WINNER: Event = ("inferior assert of the winner", |machine, world| {
    world.assert(DOWN, LOW, machine.assert(100, 30));
});
const INFERIOR_OF_ANOTHER: Event = ("inferior assert of another", |machine, world| {
    world.assert(DOWN, HIGH, machine.assert(100, 30));
});
const JOIN: Event = ("join for this router", |machine, world| {
    world.say(DOWN, [HIGH, OWN], group(1), &[machine.target()], &[]);
});
const GENERATION: Event = ("the winner's Generation ID", |_, world| world.hello(DOWN, LOW, 5));
const OTHER_GENERATION: Event = ("another's Generation ID", |_, world| world.hello(DOWN, HIGH, 5));
const GOODBYE: Event = ("the winner is gone", |_, world| world.goodbye(DOWN, LOW));
const NO_MORE_MEMBERS: Event = ("the member leaves", |machine, world| {
    world.goodbye(DOWN, HIGH);
    world.say(DOWN, [LOW, OWN], group(1), &[], &[machine.target()]);
});
/// The interface is upstream now. In Figure 8 that is RPF_interface(S), in Figure 9 RPF_interface(RP(G)).
const UPSTREAM: Event = ("RPF_interface is I", |machine, world| {
    let prefix = if machine == OneSource { [172, 16] } else { [10, 9] };
    world.around.ways.insert(prefix, towards(DOWN, HIGH));
    world.routes_changed();
});
const BETTER_METRIC: Event = ("my_metric is better", |machine, world| {
    let prefix = if machine == OneSource { [172, 16] } else { [10, 9] };
    let link = if machine == OneSource { 2 } else { 1 };
    let way = igmp_core::pim::Way {
        metric: 5,
        ..crate::trees_world::way(link, Some(1))
    };
    let ways = igmp_core::pim::Towards::Ways([way].into_iter().collect());
    world.around.ways.insert(prefix, ways);
    world.routes_changed();
});
const ASSERT_TIMER: Event = ("Assert Timer of a loser", |_, world| world.run(ASSERT_TIME - 2.0));

/// Figures 8 and 9, as far as both are the same: previous state, event, next state, what is sent.
fn table() -> Vec<(State, Event, State, Sent)> {
    vec![
        // In NoInfo State: CouldAssert is true.
        (NoInfo, INFERIOR, Winner, Own),
        (NoInfo, INFERIOR_BY_ADDRESS, Winner, Own),
        (NoInfo, DATA, Winner, Own),
        (NoInfo, PREFERRED, Loser, Nothing),
        (NoInfo, PREFERRED_BY_ADDRESS, Loser, Nothing),
        // An AssertCancel has the RPT bit set.
        (NoInfo, CANCEL, Winner, Own),
        // In I Am Assert Winner State.
        (Winner, INFERIOR, Winner, Own),
        (Winner, INFERIOR_BY_ADDRESS, Winner, Own),
        (Winner, CANCEL, Winner, Own),
        (Winner, PREFERRED, Loser, Nothing),
        (Winner, PREFERRED_BY_ADDRESS, Loser, Nothing),
        (Winner, NO_MORE_MEMBERS, NoInfo, Cancel),
        (Winner, UPSTREAM, NoInfo, Cancel),
        // In I Am Assert Loser State.
        (Loser, PREFERRED, Loser, Nothing),
        (Loser, ACCEPTABLE_OF_WINNER, Loser, Nothing),
        (Loser, ACCEPTABLE_OF_ANOTHER, Loser, Nothing),
        (Loser, INFERIOR_OF_ANOTHER, Loser, Nothing),
        (Loser, INFERIOR_OF_WINNER, NoInfo, Nothing),
        (Loser, CANCEL, NoInfo, Nothing),
        (Loser, ASSERT_TIMER, NoInfo, Nothing),
        (Loser, GENERATION, NoInfo, Nothing),
        (Loser, OTHER_GENERATION, Loser, Nothing),
        (Loser, GOODBYE, NoInfo, Nothing),
        (Loser, BETTER_METRIC, NoInfo, Nothing),
        (Loser, JOIN, NoInfo, Nothing),
        (Loser, DATA, Loser, Nothing),
    ]
}

/// The asserts among what was sent since this was last asked.
fn asserts(world: &mut World) -> Vec<String> {
    let mut said = world.said();
    said.retain(|words| words.contains("assert"));
    said
}

#[test]
fn figures_8_and_9() {
    for machine in [OneSource, AnySource] {
        for (before, (name, event), after, sent) in table() {
            let mut world = machine.world_in(before);
            event(machine, &mut world);
            let expected = match sent {
                Nothing => vec![],
                Own => vec![machine.own(name == "data")],
                Cancel => vec![machine.canceled()],
            };
            assert_eq!(asserts(&mut world), expected, "{machine:?} {before:?} {name}");
            if name != "RPF_interface is I" && name != "the member leaves" {
                assert_eq!(machine.state(&mut world), after, "{machine:?} {before:?} {name}");
            }
        }
    }
}

/// Figure 8 and 9: A1, A3: "Set Assert Timer to (Assert_Time - Assert_Override_Interval)", which is 177 s, and A3 when it
/// expires.
#[test]
fn the_winner_repeats_its_assert() {
    for machine in [OneSource, AnySource] {
        let mut world = machine.forwarding();
        machine.data(&mut world);
        assert_eq!(world.said(), [machine.own(true)]);
        let start = world.seconds();
        // The member stays.
        for _ in 0..3 {
            world.run(100.0);
            world.say(DOWN, [LOW, OWN], group(1), &[machine.target()], &[]);
            if machine == OneSource {
                world.around.last_packets.insert((group(1), source(1)), world.now);
            }
        }
        world.run(60.0);
        let sent = core::mem::take(&mut world.sent);
        let times: Vec<f64> = (sent.iter())
            .filter(|(_, link, _)| *link == DOWN)
            .map(|(at, ..)| at - start)
            .collect();
        assert_eq!(times.len(), 2);
        assert!(
            (times[0] - 177.0).abs() < 1e-6 && (times[1] - 354.0).abs() < 1e-6,
            "{times:?}"
        );
    }
}

/// "Data-triggered PIM-Assert messages ... SHOULD be rate-limited" (§4.2), and so are those that others trigger.
#[test]
fn asserts_are_sent_once_a_second() {
    for machine in [OneSource, AnySource] {
        let mut world = machine.forwarding();
        for _ in 0..1_000 {
            machine.data(&mut world);
            world.assert(DOWN, LOW, machine.assert(100, 30));
            world.run(0.01);
        }
        let sent = world.said().len();
        assert!((10..=12).contains(&sent), "{sent}");
    }
}

/// Figure 8, NoInfo: "Receive Assert with RPTbit set and CouldAssert(S,G,I)": "(S,G) asserts have priority over (*,G) asserts".
#[test]
fn the_sources_tree_wins_over_the_shared_one() {
    let mut world = OneSource.forwarding();
    world.assert(DOWN, HIGH, assert_message(Some(source(1)), true, 0, 0));
    assert_eq!(world.said(), [OneSource.own(false)]);
    assert!(OneSource.is_forwarded(&world));
    // And the other way round: an assert of another's source tree beats any metric of the shared tree.
    let mut world = AnySource.forwarding();
    world.assert(DOWN, LOW, assert_message(Some(source(1)), false, 4_000, 4_000));
    assert_eq!(asserts(&mut world), Vec::<String>::new());
    assert_eq!(world.forwards(1, source(1), group(1)), Vec::<u32>::new());
    assert_eq!(world.forwards(1, source(2), group(1)), [DOWN]);
}

/// §4.6.2: "NO TRANSITION CAN OCCUR in the (*,G) state machine as a result of receiving an Assert message unless the (S,G)
/// assert state machine ... is in the NoInfo state after", nor if it changed.
#[test]
fn an_assert_of_a_source_is_for_one_machine() {
    let mut world = OneSource.world_in(Loser);
    world.say(DOWN, [LOW, OWN], group(1), &[ANY], &[]);
    world.said();
    // (S,G) goes from L to NI; (*,G) would become the winner.
    world.assert(DOWN, LOW, cancel(Some(source(1))));
    assert_eq!(asserts(&mut world), Vec::<String>::new());
    // Now (S,G) is in NoInfo and remains there, since JoinDesired(S,G) was false in between, and with it SPTbit(S,G).
    world.assert(DOWN, LOW, cancel(Some(source(1))));
    assert_eq!(asserts(&mut world), [AnySource.own(false)]);
    // With SPTbit set it wins, and (*,G) is left alone.
    world.packet(2, source(1), group(1));
    world.run(2.0);
    world.assert(DOWN, LOW, cancel(Some(source(1))));
    assert_eq!(asserts(&mut world), [OneSource.own(false)]);
}

/// Nobody is interested: no CouldAssert, no AssertTrackingDesired. No state is made.
#[test]
fn asserts_of_no_interest_leave_nothing() {
    let mut world = World::new();
    world.hear(DOWN, LOW);
    world.any(3, group(1), true);
    world.wish(3, group(1), source(1), Include);
    world.said();
    for source in [None, Some(source(1)), Some(source(2))] {
        for rpt in [false, true] {
            world.assert(DOWN, LOW, assert_message(source, rpt, 1, 1));
        }
    }
    for number in 0..100 {
        world.assert(
            DOWN,
            LOW,
            Assert {
                group: group(number),
                ..cancel(Some(source(number)))
            },
        );
    }
    assert_eq!(world.said(), Vec::<String>::new());
    // The local members' two trees and nothing else.
    assert_eq!(world.pim.joins(world.now, (group(0), None), 1_000).len(), 2);
    assert_eq!(world.routes.len(), 2);
}

/// §4.6, "Summary", items 2 and 3: "The assert winner ... acts as the local DR ... on behalf of IGMP/MLD members", and the DR
/// that has lost is "no longer responsible".
#[test]
fn the_winner_acts_for_local_members() {
    // This router is the DR (the others have priority 0), and loses.
    let mut world = World::new();
    world.hear(DOWN, LOW);
    world.any(DOWN, group(1), true);
    world.any(3, group(2), true);
    assert_eq!(world.forwards(1, source(1), group(1)), [DOWN]);
    world.said();
    world.assert(DOWN, LOW, AnySource.assert(1, 1));
    assert_eq!(world.forwards(1, source(1), group(1)), Vec::<u32>::new());
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 -*"]);
    world.run(ASSERT_TIME);
    assert_eq!(world.forwards(1, source(1), group(1)), [DOWN]);

    // This router is not the DR, forwards because of a join, and wins. When that join goes, the members remain.
    let mut world = World::new();
    let config = igmp_core::pim::PimInterfaceConfig {
        dr_priority: 0,
        ..Default::default()
    };
    world.up_with(DOWN, Some(config), 1500);
    world.hear(DOWN, LOW);
    world.hear(DOWN, HIGH);
    assert!(!world.pim.interface(InterfaceId(DOWN)).expect("it is up").is_dr);
    world.any(DOWN, group(1), true);
    assert_eq!(world.routes.len(), 0);
    world.say(DOWN, [LOW, OWN], group(1), &[ANY], &[]);
    world.packet(DOWN, source(1), group(1));
    world.said();
    world.say(DOWN, [LOW, OWN], group(1), &[], &[ANY]);
    world.run(10.0);
    assert_eq!(world.forwards(1, source(1), group(1)), [DOWN]);
    // The last member leaves.
    world.said();
    world.any(DOWN, group(1), false);
    assert_eq!(
        world.said(),
        [AnySource.canceled(), "1 to 10.0.1.1: 239.1.0.1 -*".to_owned()]
    );
}

/// Figure 8, A6: "If (I is RPF_interface(S)) AND (UpstreamJPState(S,G) == Joined) set SPTbit(S,G) to TRUE": RP and source are
/// behind different routers of one link.
#[test]
fn an_assert_upstream_says_that_the_sources_tree_is_complete() {
    let mut world = World::new();
    world.hear(1, 2);
    world.around.ways.insert([172, 16], towards(1, 2));
    world.any(3, group(1), true);
    world.packet(1, source(1), group(1));
    assert_eq!(
        world.said(),
        [
            "1 to 10.0.1.1: 239.1.0.1 +*",
            "1 to 10.0.1.2: 239.1.0.1 +172.16.0.1"
        ]
    );
    // Which of both trees packets come from cannot be told.
    world.packet(1, source(1), group(1));
    assert_eq!(world.said(), Vec::<String>::new());
    world.assert(1, 2, assert_message(Some(source(1)), false, 100, 20));
    // RPF'(S,G) is the winner, and not RPF'(*,G): PruneDesired(S,G,rpt). "The action is to send a Prune(S,G,rpt) to
    // RPF'(S,G,rpt)" (§4.5.7), which is the winner as well; with the next Join(*,G) it goes to RPF'(*,G).
    assert_eq!(world.said(), ["1 to 10.0.1.2: 239.1.0.1 -172.16.0.1/rpt"]);
    world.run_to(60.0);
    assert!(
        world
            .said()
            .contains(&"1 to 10.0.1.1: 239.1.0.1 +* -172.16.0.1/rpt".to_owned())
    );
}
