//! The network without a router under test: FRR in its place. What fails here is no fault of ours.

use tests::{Frr, PATIENCE, stream::Receiver, wait_for};

use crate::chain::{Chain, GROUP, PEER, ROUTER, SOURCE, SSM, frr_defaults, frr_interface};

/// Packets in one go.
const PACKETS: u64 = 50;

#[test]
fn frr_in_its_place() {
    let chain = Chain::new(2);
    let lans: String = ["lan1", "lan2"]
        .map(|name| format!("interface {name}\n ip igmp\n ip pim\n"))
        .concat();
    let config = format!("{}{}{lans}", frr_defaults(), frr_interface("core0"));
    let last_hop = Frr::start(&chain.topology.network, &chain.router, &config);
    last_hop.wait_neighbors("core0", PATIENCE, &[PEER]);
    chain.frr.wait_neighbors("core0", PATIENCE, &[ROUTER]);
    wait_for("FRR to find the RP", PATIENCE, || {
        let found = last_hop.show("show ip pim rp-info json").to_string();
        if found.contains("\"core0\"") {
            Ok(())
        } else {
            Err(found)
        }
    });
    chain.converge();

    let any: &Receiver = &chain.station(1).receiver;
    any.join(GROUP);
    chain.frr.wait_joined("core0", "*", GROUP);
    let mut sender = chain.send_to(GROUP);
    chain.wait_delivered(&mut sender, &[1]);
    chain.assert_delivered(&mut sender, PACKETS, &[1]);

    chain.station(2).receiver.join_source(SSM, SOURCE);
    chain.frr.wait_joined("core0", &SOURCE.to_string(), SSM);
    let mut sender = chain.send_to(SSM);
    chain.wait_delivered(&mut sender, &[2]);
    chain.assert_delivered(&mut sender, PACKETS, &[2]);

    any.leave(GROUP);
    chain.frr.wait_pruned("core0", "*", GROUP, PATIENCE);
}
