//! What two neighbors say of themselves is what the other one knows of them.

use std::net::Ipv4Addr;

use tests::{PATIENCE, wait_for};

use crate::chain::{Chain, PEER, ROUTER, SOURCE, SSM};

#[test]
fn neighbors_know_what_the_other_says() {
    let chain = Chain::with(1, "interface core0\n ip pim drpriority 17\n");
    let config = chain.config("immediate");
    let config = config.replace(
        "hello-interval = 1\n",
        "hello-interval = 1\ndr-priority = 4000000000\n",
    );
    let igmpd = chain.start_with(&config);
    let neighbors = igmpd.neighbors();
    let [neighbor] = &*neighbors else {
        panic!("FRR alone: {neighbors:?}")
    };
    let frr = chain.frr.show("show ip pim interface core0 json");
    let frr = &frr["core0"];
    assert_eq!(neighbor.interface_name, "core0");
    assert_eq!(neighbor.address, PEER);
    assert_eq!(neighbor.dr_priority, Some(17));
    assert_eq!(
        neighbor.generation_id.map(u64::from),
        frr["helloGenerationId"].as_u64(),
        "{frr:#}"
    );
    assert_eq!(
        u64::from(neighbor.hold_time),
        frr["holdTime"].as_u64().expect("a number")
    );
    assert!(
        neighbor
            .expire
            .is_some_and(|expire| expire <= f64::from(neighbor.hold_time))
    );

    let pim = igmpd.pim("core0");
    assert_eq!(pim.address, Some(ROUTER));
    assert_eq!(pim.dr, Some(ROUTER));
    assert!(pim.is_dr);
    assert_eq!(pim.dr_priority, 4_000_000_000);
    assert_eq!(pim.neighbors_count, 1);
    // At the beginning within Triggered_Hello_Delay (RFC 7761 §4.11), 5 s, and then each second.
    assert!(pim.next_hello.is_some_and(|next| next <= 5.0), "{pim:?}");
    assert_eq!(frr["drAddress"], ROUTER.to_string());
    let known = chain.frr.show("show ip pim neighbor json");
    let known = &known["core0"][ROUTER.to_string()];
    assert_eq!(known["drPriority"].as_u64(), Some(4_000_000_000), "{known:#}");
    // 3.5 times the interval (RFC 7761 §4.11), which Hellos tell in whole seconds.
    assert_eq!(known["holdTimeMax"].as_u64(), Some(4), "{known:#}");
}

/// The route to the source leads to an address of the neighbor that is not the one that it speaks from: it has told that the
/// other one is its own too (RFC 7761 §4.3.4), and is asked at the one that it speaks from. And it is told of the router's.
#[test]
fn a_next_hop_is_another_address_of_the_neighbor() {
    let second_peer = Ipv4Addr::new(10, 0, 12, 101);
    let second = Ipv4Addr::new(10, 0, 12, 102);
    let chain = Chain::new(1);
    chain.peer.ip(&format!("address add {second_peer}/24 dev core0"));
    chain.router.ip(&format!("address add {second}/24 dev core0"));
    let igmpd = chain.start();
    chain.router.routes(&[("10.10.0.0/24", second_peer)]);
    chain.station(1).receiver.join_source(SSM, SOURCE);
    let source = SOURCE.to_string();
    igmpd.wait_join("to be joined", PATIENCE, (&source, SSM), |join| {
        join.is_some_and(|join| join.state == "joined" && join.upstream_neighbor == Some(PEER))
    });
    chain.frr.wait_joined("core0", &source, SSM);
    let mut sender = chain.send_to(SSM);
    chain.wait_delivered(&mut sender, &[1]);
    chain.assert_delivered(&mut sender, 50, &[1]);
    wait_for("FRR to know the router's other address", PATIENCE, || {
        let known = chain.frr.text("show ip pim secondary");
        if known.contains(&second.to_string()) {
            Ok(())
        } else {
            Err(known)
        }
    });
}
