//! The engine `kernel`: the multicast routing of the kernel along the routes of PIM.

use tests::{Igmpd, PATIENCE};

use crate::{
    chain::{Chain, GROUP, PEER, ROUTER, SOURCE, SSM},
    source_tree::Triangle,
};

/// Packets in one go.
const PACKETS: u64 = 200;

fn kernel(config: &str) -> String {
    format!("forwarding = \"kernel\"\n{config}")
}

#[test]
fn members_get_what_they_ask_for() {
    let chain = Chain::new(2);
    let config = kernel(&chain.config("immediate"));
    // XDP is only where IGMP is.
    let mut igmpd = Igmpd::start_on(&chain.topology.network, &chain.router, &["lan1", "lan2"], &config);
    igmpd.wait_neighbors("core0", PATIENCE, &[PEER]);
    chain.frr.wait_neighbors("core0", PATIENCE, &[ROUTER]);
    chain.converge();
    chain.station(1).receiver.join(GROUP);
    chain.frr.wait_joined("core0", "*", GROUP);
    let mut sender = chain.send_to(GROUP);
    chain.wait_delivered(&mut sender, &[1]);
    // Its first packet has told of the source.
    igmpd.wait_join("to be joined", PATIENCE, (&SOURCE.to_string(), GROUP), |join| {
        join.is_some_and(|join| join.state == "joined")
    });
    chain.frr.wait_joined("core0", &SOURCE.to_string(), GROUP);
    chain.assert_delivered(&mut sender, PACKETS, &[1]);
    chain.station(2).receiver.join(GROUP);
    chain.wait_delivered(&mut sender, &[1, 2]);
    chain.assert_delivered(&mut sender, PACKETS, &[1, 2]);
    for source in ["*", &SOURCE.to_string()] {
        let route = igmpd.route(source, GROUP).expect("a route");
        assert_eq!(route.incoming_interface.as_deref(), Some("core0"), "{source}");
        assert_eq!(route.outgoing_interface, ["lan1", "lan2"], "{source}");
    }
    for number in [1, 2] {
        chain.station(number).receiver.leave(GROUP);
    }
    chain.frr.wait_pruned("core0", "*", GROUP, PATIENCE);

    chain.station(2).receiver.join_source(SSM, SOURCE);
    chain.frr.wait_joined("core0", &SOURCE.to_string(), SSM);
    let mut sender = chain.send_to(SSM);
    chain.wait_delivered(&mut sender, &[2]);
    chain.assert_delivered(&mut sender, PACKETS, &[2]);
    igmpd.stop();
}

/// The switch to the source's own tree, whose packets come in on another interface: one of them, on the wrong interface
/// so far, is what tells PIM that it is there (Update_SPTbit, RFC 7761 §4.2.2).
#[test]
fn a_source_moves_to_its_own_tree() {
    let mut triangle = Triangle::new();
    let mut igmpd = triangle.igmpd_with(&kernel(""), &["lan1"], "immediate");
    triangle.station.receiver.join(GROUP);
    triangle.rp.wait_joined("core0", "*", GROUP);
    triangle.send_until("the RP to be told", |it| {
        it.rp.channels().iter().any(|channel| {
            channel.interface == "core0" && channel.source == SOURCE.to_string() && channel.is_rpt_pruned()
        })
    });
    let source = SOURCE.to_string();
    triangle.first.wait_joined("core0", &source, GROUP);
    triangle.assert_way(false, true);
    let route = igmpd.route(&source, GROUP).expect("a route of the source");
    assert_eq!(route.incoming_interface.as_deref(), Some("first0"));
    let route = igmpd.route("*", GROUP).expect("a route of the group");
    assert_eq!(route.incoming_interface.as_deref(), Some("rp0"));

    triangle.station.receiver.leave(GROUP);
    triangle.rp.wait_pruned("core0", "*", GROUP, PATIENCE);
    triangle.first.wait_pruned("core0", &source, GROUP, PATIENCE);
    igmpd.stop();
}
