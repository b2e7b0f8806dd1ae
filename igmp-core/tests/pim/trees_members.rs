//! Local members: joins towards RPs and sources, and routes.

use igmp_core::{
    SourceWish::{AsAnySource, Exclude, Include},
    pim::{PimJoinState, SptSwitchover},
};

use crate::trees_world::{World, config, group, source, ssm};

/// §4.5.4, Figure 5: JoinDesired(*,G) -> True, Timer Expires, JoinDesired(*,G) -> False.
#[test]
fn a_member_of_any_source_joins_towards_the_rp() {
    let mut world = World::new();
    world.any(3, group(1), true);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 +*"]);
    assert_eq!(world.route(group(1), None), Some((Some(1), &[3][..])));
    world.run_to(59.0);
    assert_eq!(world.said(), Vec::<String>::new());
    world.run_to(60.0);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 +*"]);
    world.any(3, group(1), false);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 -*"]);
    assert_eq!(world.routes.len(), 0);
    world.run_to(300.0);
    assert_eq!(world.said(), Vec::<String>::new());
}

/// §4.8.1: "A router MUST NOT send a (*,G) Join/Prune message", nor one of (S,G,rpt).
#[test]
fn a_source_specific_group_has_no_rp() {
    let mut world = World::new();
    world.wish(3, ssm(1), source(1), Include);
    assert_eq!(world.said(), ["2 to 10.0.2.1: 232.1.0.1 +172.16.0.1"]);
    assert_eq!(world.route(ssm(1), Some(source(1))), Some((Some(2), &[3][..])));
    world.any(3, ssm(1), true);
    world.wish(4, ssm(1), source(1), Exclude);
    assert_eq!(world.said(), Vec::<String>::new());
    assert_eq!(world.routes.len(), 1);
    world.run_to(61.0);
    assert_eq!(world.said(), ["2 to 10.0.2.1: 232.1.0.1 +172.16.0.1"]);
    world.wish(3, ssm(1), source(1), AsAnySource);
    assert_eq!(world.said(), ["2 to 10.0.2.1: 232.1.0.1 -172.16.0.1"]);
    assert_eq!(world.routes.len(), 0);
}

/// §4.2.1, §4.2.2, §4.5.6, §4.5.7: the first packet leads to a Join(S,G), the first one on the source's tree to a
/// Prune(S,G,rpt), and when the Keepalive Timer ends it is the shared tree again.
#[test]
fn the_first_packet_leads_to_the_sources_tree() {
    let mut world = World::new();
    world.any(3, group(1), true);
    world.said();
    world.packet(1, source(1), group(1));
    assert_eq!(world.said(), ["2 to 10.0.2.1: 239.1.0.1 +172.16.0.1"]);
    assert_eq!(world.forwards(1, source(1), group(1)), [3]);
    assert_eq!(world.route(group(1), Some(source(1))), Some((Some(1), &[3][..])));

    world.packet(2, source(1), group(1));
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 -172.16.0.1/rpt"]);
    assert_eq!(world.route(group(1), Some(source(1))), Some((Some(2), &[3][..])));
    assert_eq!(world.forwards(1, source(2), group(1)), [3]);
    world.run_to(60.0);
    assert_eq!(
        world.said(),
        [
            "1 to 10.0.1.1: 239.1.0.1 +* -172.16.0.1/rpt",
            "2 to 10.0.2.1: 239.1.0.1 +172.16.0.1",
        ]
    );

    // Packets until 100 s, so the Keepalive Timer (210 s) ends at 310 s.
    world.around.last_packets.insert((group(1), source(1)), world.now);
    world.run_to(100.0);
    world.around.last_packets.insert((group(1), source(1)), world.now);
    world.run_to(309.9);
    world.said();
    world.run_to(310.1);
    assert_eq!(
        world.said(),
        [
            "1 to 10.0.1.1: 239.1.0.1 +172.16.0.1/rpt",
            "2 to 10.0.2.1: 239.1.0.1 -172.16.0.1",
        ]
    );
    assert_eq!(world.route(group(1), Some(source(1))), None);
    assert_eq!(world.forwards(1, source(1), group(1)), [3]);
}

/// §4.2.1: "An 'infinite threshold' policy".
#[test]
fn the_shared_tree_is_kept_where_that_is_configured() {
    let mut config = config();
    config.spt_switchover = SptSwitchover::Never;
    let mut world = World::with(1, config, 6);
    world.hear(1, 1);
    world.hear(2, 1);
    world.any(3, group(1), true);
    world.said();
    world.packet(1, source(1), group(1));
    assert_eq!(world.said(), Vec::<String>::new());
    assert_eq!(world.routes.len(), 1);
}

/// §4.5.6: "All (*,G) olist interfaces received RPT prunes", or exclude the source.
#[test]
fn what_all_members_exclude_is_pruned_off_the_shared_tree() {
    let mut world = World::new();
    world.any(3, group(1), true);
    world.said();
    world.wish(3, group(1), source(1), Exclude);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 -172.16.0.1/rpt"]);
    assert_eq!(world.route(group(1), Some(source(1))), Some((Some(1), &[][..])));
    world.any(4, group(1), true);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 +172.16.0.1/rpt"]);
    assert_eq!(world.route(group(1), Some(source(1))), Some((Some(1), &[4][..])));
    world.any(4, group(1), false);
    world.said();
    world.run_to(60.0);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 +* -172.16.0.1/rpt"]);
}

/// No neighbour at the next hop: nothing can be sent until one is heard.
#[test]
fn a_join_waits_for_the_neighbor() {
    let mut world = World::with(1, config(), 6);
    world.any(3, group(1), true);
    assert_eq!(world.said(), Vec::<String>::new());
    let joins = world.pim.joins(world.now, (group(0), None), 9);
    assert_eq!(joins[0].state, PimJoinState::Pending);
    world.run_to(100.0);
    world.hear(1, 1);
    assert_eq!(world.said(), ["1 to 10.0.1.1: 239.1.0.1 +*"]);
    let joins = world.pim.joins(world.now, (group(0), None), 9);
    assert_eq!(joins[0].state, PimJoinState::Joined);
}
