//! The ways that data can take through the router besides XDP in native mode.

use tests::Igmpd;

use crate::{
    any_source::{wait_joined, wait_pruned},
    chain::{Chain, GROUP, SOURCE, SSM},
};

/// Packets in one go.
const PACKETS: u64 = 50;

/// Joins and leaves by real hosts, and what comes of them.
#[track_caller]
fn members_come_and_go(chain: &Chain, igmpd: &Igmpd, engine: &str) {
    let source = SOURCE.to_string();
    let (mut any, mut specific) = (chain.send_to(GROUP), chain.send_to(SSM));
    chain.station(1).receiver.join(GROUP);
    chain.station(2).receiver.join_source(SSM, SOURCE);
    wait_joined(chain, igmpd, "*", GROUP);
    wait_joined(chain, igmpd, &source, SSM);
    chain.wait_delivered(&mut any, &[1]);
    chain.wait_delivered(&mut specific, &[2]);
    chain.assert_delivered(&mut any, PACKETS, &[1]);
    chain.assert_delivered(&mut specific, PACKETS, &[2]);
    let route = igmpd.route(&source, SSM).expect("a route");
    assert_eq!(route.engine, engine);
    assert_eq!(route.incoming_interface.as_deref(), Some("core0"));
    chain.station(1).receiver.leave(GROUP);
    wait_pruned(chain, igmpd, "*", GROUP);
    chain.assert_delivered(&mut any, PACKETS, &[]);
    chain.assert_delivered(&mut specific, PACKETS, &[2]);
}

#[test]
fn generic_xdp() {
    let chain = Chain::new(2);
    let mut config = chain.config("immediate");
    for name in ["core0", "lan1", "lan2"] {
        let table = format!("[interfaces.{name}");
        let at = config.find(&table).expect("an interface of the configuration");
        // Its own table goes before those in it.
        let keys = format!("[interfaces.{name}]\nxdp-mode = \"generic\"\n");
        if config[at..].starts_with(&format!("{table}]")) {
            config.replace_range(at..at + table.len() + 2, &keys);
        } else {
            config.insert_str(at, &keys);
        }
    }
    let igmpd = chain.start_with(&config);
    assert_eq!(igmpd.interface("core0").xdp_mode.as_deref(), Some("generic"));
    members_come_and_go(&chain, &igmpd, "xdp");
}

#[test]
fn the_kernel() {
    let chain = Chain::new(2);
    let config = format!("forwarding = \"kernel\"\n{}", chain.config("immediate"));
    let igmpd = Igmpd::start(&chain.topology.network, &chain.router, &config);
    igmpd.wait_up(&["lan1", "lan2"]);
    igmpd.wait_neighbors("core0", tests::PATIENCE, &[crate::chain::PEER]);
    chain
        .frr
        .wait_neighbors("core0", tests::PATIENCE, &[crate::chain::ROUTER]);
    chain.converge();
    members_come_and_go(&chain, &igmpd, "kernel");
}
