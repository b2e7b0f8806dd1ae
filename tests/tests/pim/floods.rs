//! Too many messages of those that are in order.

use std::{net::Ipv4Addr, time::Duration};

use tests::{
    PATIENCE, Packet,
    pim::{Group, SPARSE, join_prune, plain_hello},
    wait_for,
};

use crate::{
    any_source::wait_joined,
    chain::{GROUP, PEER, ROUTER, SOURCE},
    scene::{ACQUAINTANCE, Scene},
};

/// A neighbor asks for 100,000 groups that nobody sends to: there is a limit to what is kept, it is told, and what was there
/// before goes on.
#[test]
fn a_flood_of_joins_meets_the_limit() {
    const FLOOD: u32 = 100_000;
    const LIMIT: usize = 10_000;
    let mut scene = Scene::new(&format!("max-entries = {LIMIT}"));
    scene.introduce();
    let resident = scene.resident();
    let groups: Vec<Ipv4Addr> = (0..FLOOD)
        .map(|number| Ipv4Addr::from_bits(u32::from_be_bytes([238, 0, 0, 0]) + number))
        .collect();
    for (index, groups) in groups.chunks(50).enumerate() {
        let groups: Vec<_> = groups
            .iter()
            .map(|group| Group::new(*group).join(SPARSE, SOURCE))
            .collect();
        scene
            .raw
            .send(&Packet::pim(ACQUAINTANCE, join_prune(ROUTER, 30, &groups)));
        if index % 16 == 15 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    wait_for("the limit", PATIENCE, || {
        let dropped = scene.dropped();
        if dropped["limit"] > 0 {
            Ok(())
        } else {
            Err(format!("{dropped:?}"))
        }
    });
    let routes = scene.igmpd.routes().len();
    assert!(routes <= LIMIT + 10, "{routes} routes");
    let grown = scene.resident().saturating_sub(resident);
    assert!(grown < 256 << 20, "{grown} bytes more than before");
    // Members of this router's own come and go as before.
    let mut sender = scene.chain.send_to(GROUP);
    scene.chain.assert_delivered(&mut sender, 100, &[1]);
    let late = Ipv4Addr::new(239, 1, 1, 9);
    scene.chain.station(1).receiver.join(late);
    wait_joined(&scene.chain, &scene.igmpd, "*", late);
    scene.chain.wait_delivered(&mut scene.chain.send_to(late), &[1]);
    // Goodbye: what the neighbor asked for runs out within its hold time of 30 s.
    wait_for("the entries to run out", Duration::from_secs(60), || {
        let routes = scene.igmpd.routes().len();
        if routes < 10 {
            Ok(())
        } else {
            Err(format!("{routes}"))
        }
    });
    scene.igmpd.stop();
}

/// A station says Hello from thousands of addresses: so many neighbors are not kept, and the one that was there first is.
#[test]
fn a_flood_of_hellos_meets_the_limit() {
    let scene = Scene::new("");
    for number in 0..5_000_u32 {
        let address = Ipv4Addr::from_bits(u32::from_be_bytes([10, 77, 0, 1]) + number);
        scene.raw.send(&Packet::pim(address, plain_hello(20, number)));
        if number % 16 == 15 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    wait_for("Hellos to be refused", PATIENCE, || {
        let dropped = scene.dropped();
        if dropped["limit"] + dropped["source"] > 4_000 {
            Ok(())
        } else {
            Err(format!("{dropped:?}"))
        }
    });
    let neighbors = scene.igmpd.neighbors();
    assert!(neighbors.len() <= 256, "{} neighbors", neighbors.len());
    assert!(neighbors.iter().any(|neighbor| neighbor.address == PEER));
    wait_joined(&scene.chain, &scene.igmpd, "*", GROUP);
    let mut sender = scene.chain.send_to(GROUP);
    scene.chain.assert_delivered(&mut sender, 100, &[1]);
    // They go as they came.
    scene
        .igmpd
        .wait_neighbors("core0", Duration::from_secs(20) + PATIENCE, &[PEER]);
}
