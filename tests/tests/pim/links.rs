//! Links that fail and return, and addresses that change.

use std::{net::Ipv4Addr, time::Duration};

use tests::{Igmpd, Namespace, PATIENCE};

use crate::{
    any_source::wait_joined,
    chain::{Chain, GROUP, PEER, ROUTER, SOURCE, SSM},
};

/// Packets in one go.
const PACKETS: u64 = 100;
/// What a busy machine takes.
const SLACK: Duration = Duration::from_secs(6);
/// Another address of the router on `core0`.
const MOVED: Ipv4Addr = Ipv4Addr::new(10, 0, 12, 7);

#[track_caller]
fn converge(chain: &Chain, igmpd: &Igmpd) {
    chain.station(1).receiver.join(GROUP);
    chain.station(2).receiver.join_source(SSM, SOURCE);
    assert_works(chain, igmpd);
}

#[track_caller]
fn assert_works(chain: &Chain, igmpd: &Igmpd) {
    wait_joined(chain, igmpd, "*", GROUP);
    wait_joined(chain, igmpd, &SOURCE.to_string(), SSM);
    chain.wait_fence();
    for (group, member) in [(GROUP, 1), (SSM, 2)] {
        let mut sender = chain.send_to(group);
        chain.wait_delivered(&mut sender, &[member]);
        chain.assert_delivered(&mut sender, PACKETS, &[member]);
    }
}

/// Takes the link to FRR down at one end and up again, the kernel forgetting the routes over it where that is the router's.
#[track_caller]
fn flap(chain: &Chain, igmpd: &Igmpd, side: &Namespace) {
    let monitor = igmpd.monitor();
    side.ip("link set core0 down");
    monitor.wait_for("the neighbor's end", SLACK, |event| {
        event.event == "neighbor-down"
    });
    igmpd.wait_neighbors("core0", PATIENCE, &[]);
    igmpd.wait_join("not to be joined", PATIENCE, ("*", GROUP), |join| {
        join.is_none_or(|join| join.state != "joined")
    });
    side.ip("link set core0 up");
    chain
        .router
        .routes(&[("10.10.0.0/24", PEER), ("10.9.9.9/32", PEER)]);
    chain.wait_up(igmpd);
    monitor.wait_for("the neighbor's return", SLACK, |event| {
        event.event == "neighbor-up"
    });
    assert_works(chain, igmpd);
}

#[test]
fn a_link_fails_on_either_side() {
    let chain = Chain::new(2);
    let mut igmpd = chain.start();
    converge(&chain, &igmpd);
    flap(&chain, &igmpd, &chain.router);
    flap(&chain, &igmpd, &chain.peer);
    igmpd.stop();
}

/// A member's link fails: the group is pruned, and joined when the member is there again.
#[test]
fn the_link_of_a_member_fails() {
    let chain = Chain::new(2);
    let igmpd = chain.start();
    converge(&chain, &igmpd);
    chain.router.ip("link set lan2 down");
    chain.frr.wait_pruned("core0", &SOURCE.to_string(), SSM, PATIENCE);
    chain.router.ip("link set lan2 up");
    // A host whose carrier returns says at once what it is a member of.
    assert_works(&chain, &igmpd);
}

/// The router's address changes: a goodbye from the old one, a Hello from the new one (RFC 7761 §4.3.1), and Joins from
/// there.
#[test]
fn the_routers_address_changes() {
    let chain = Chain::new(2);
    let igmpd = chain.start();
    converge(&chain, &igmpd);
    chain.router.ip(&format!("address add {MOVED}/24 dev core0"));
    chain.router.ip(&format!("address del {ROUTER}/24 dev core0"));
    // A new first address of the network; the kernel may have taken routes with the old one.
    chain.router.ip(&format!("address replace {MOVED}/24 dev core0"));
    chain
        .router
        .routes(&[("10.10.0.0/24", PEER), ("10.9.9.9/32", PEER)]);
    chain.frr.wait_neighbors("core0", PATIENCE, &[MOVED]);
    igmpd.wait_neighbors("core0", PATIENCE, &[PEER]);
    assert_eq!(igmpd.pim("core0").address, Some(MOVED));
    assert_works(&chain, &igmpd);
}

/// FRR's address changes, and the routes over it with it.
#[test]
fn the_peers_address_changes() {
    let chain = Chain::new(2);
    let igmpd = chain.start();
    converge(&chain, &igmpd);
    let moved = Ipv4Addr::new(10, 0, 12, 9);
    chain.peer.ip(&format!("address del {PEER}/24 dev core0"));
    chain.peer.ip(&format!("address add {moved}/24 dev core0"));
    chain
        .router
        .routes(&[("10.10.0.0/24", moved), ("10.9.9.9/32", moved)]);
    tests::wait_for("the neighbor at its new address", PATIENCE, || {
        let neighbors = igmpd.neighbors();
        if neighbors.iter().any(|neighbor| neighbor.address == moved) {
            Ok(())
        } else {
            Err(format!("{neighbors:?}"))
        }
    });
    let source = SOURCE.to_string();
    for (source, group) in [("*", GROUP), (&*source, SSM)] {
        igmpd.wait_join("to be joined there", PATIENCE, (source, group), |join| {
            join.is_some_and(|join| join.state == "joined" && join.upstream_neighbor == Some(moved))
        });
        chain.frr.wait_joined("core0", source, group);
    }
    chain.wait_fence();
    for (group, member) in [(GROUP, 1), (SSM, 2)] {
        let mut sender = chain.send_to(group);
        chain.wait_delivered(&mut sender, &[member]);
        chain.assert_delivered(&mut sender, PACKETS, &[member]);
    }
}
