//! The network without a router under test: FRR in its place. What fails here is no fault of ours.

use std::net::Ipv4Addr;

use tests::{
    Frr, PATIENCE, Packet, RawSocket,
    pim::{Group, RPT, SPARSE, WILDCARD, join_prune, plain_hello},
    wait_for,
};

use crate::chain::{Chain, GROUP, PEER, ROUTER, RP, SOURCE, SSM, frr_defaults, frr_interface};

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

    chain.station(1).receiver.join(GROUP);
    chain.frr.wait_joined("core0", "*", GROUP);
    let mut sender = chain.send_to(GROUP);
    chain.wait_delivered(&mut sender, &[1]);
    chain.assert_delivered(&mut sender, PACKETS, &[1]);

    chain.station(2).receiver.join_source(SSM, SOURCE);
    chain.frr.wait_joined("core0", &SOURCE.to_string(), SSM);
    let mut sender = chain.send_to(SSM);
    chain.wait_delivered(&mut sender, &[2]);
    chain.assert_delivered(&mut sender, PACKETS, &[2]);
}

/// How many groups FRR takes at once: all of ten thousand, in messages as full as they can be, one right after the other.
#[test]
fn frr_knows_ten_thousand_groups() {
    let chain = Chain::new(0);
    let raw = RawSocket::open(&chain.router, "core0");
    let any = SPARSE | WILDCARD | RPT;
    raw.send(&Packet::pim(ROUTER, plain_hello(600, 1)));
    chain.frr.wait_neighbors("core0", PATIENCE, &[ROUTER]);
    let groups: Vec<_> = (0..10_000)
        .map(|number| Group::new(Ipv4Addr::from_bits(0xef07_0000 + number)))
        .collect();
    let send = |change: fn(Group, u8) -> Group| {
        // 72 of 20 bytes and 34 of headers are 1,474 bytes.
        for groups in groups.chunks(72) {
            let groups: Vec<_> = groups.iter().map(|group| change(group.clone(), any)).collect();
            raw.send(&Packet::pim(ROUTER, join_prune(PEER, 210, &groups)));
        }
    };
    let count = || {
        let channels = chain.frr.channels();
        channels.iter().filter(|channel| channel.is_joined()).count()
    };
    let start = std::time::Instant::now();
    send(|group, flags| group.join(flags, RP));
    wait_for("FRR to know all groups", PATIENCE, || match count() {
        10_000 => Ok(()),
        other => Err(format!("{other}")),
    });
    println!("joined in {:?}", start.elapsed());
    let start = std::time::Instant::now();
    send(|group, flags| group.prune(flags, RP));
    wait_for("FRR to forget all groups", PATIENCE, || match count() {
        0 => Ok(()),
        other => Err(format!("{other}")),
    });
    println!("left in {:?}", start.elapsed());
}
