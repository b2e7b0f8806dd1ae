//! Source-specific groups: Join(S,G) towards the source, and never anything of the RP's (RFC 7761 §4.8).

use std::net::Ipv4Addr;

use tests::PATIENCE;

use crate::{
    any_source::{wait_joined, wait_pruned},
    chain::{Chain, GROUP, OTHER_SOURCE, SOURCE, SSM},
};

/// Packets in one go.
const PACKETS: u64 = 100;

#[test]
fn sources_are_joined_one_by_one() {
    let chain = Chain::new(2);
    let mut igmpd = chain.start();
    let (source, other) = (SOURCE.to_string(), OTHER_SOURCE.to_string());
    let (mut from_source, mut from_other) = (chain.send_to(SSM), chain.send_from_other(SSM));
    chain.station(1).receiver.join_source(SSM, SOURCE);
    wait_joined(&chain, &igmpd, &source, SSM);
    chain.wait_delivered(&mut from_source, &[1]);
    chain.assert_delivered(&mut from_source, PACKETS, &[1]);
    chain.assert_delivered(&mut from_other, PACKETS, &[]);
    let unwanted = chain.on_core(&from_other, from_other.sent());
    assert_eq!(unwanted.count(), 0, "FRR was asked for one source alone");
    let route = igmpd.route(&source, SSM).expect("a route");
    assert_eq!(route.incoming_interface.as_deref(), Some("core0"));
    assert_eq!(route.outgoing_interface, ["lan1"]);

    // A second source at the same host, and a second host with the first source.
    chain.station(1).receiver.join_source(SSM, OTHER_SOURCE);
    wait_joined(&chain, &igmpd, &other, SSM);
    chain.station(2).receiver.join_source(SSM, SOURCE);
    chain.wait_delivered(&mut from_other, &[1]);
    chain.wait_delivered(&mut from_source, &[1, 2]);
    chain.assert_delivered(&mut from_other, PACKETS, &[1]);
    chain.assert_delivered(&mut from_source, PACKETS, &[1, 2]);

    chain.station(1).receiver.leave_source(SSM, OTHER_SOURCE);
    wait_pruned(&chain, &igmpd, &other, SSM);
    chain.assert_delivered(&mut from_other, PACKETS, &[]);
    chain.assert_delivered(&mut from_source, PACKETS, &[1, 2]);
    chain.station(1).receiver.leave_source(SSM, SOURCE);
    chain.station(2).receiver.leave_source(SSM, SOURCE);
    wait_pruned(&chain, &igmpd, &source, SSM);
    let sent = from_source.send_many(PACKETS);
    chain.settle();
    assert_eq!(chain.on_core(&from_source, sent).count(), 0, "FRR stopped");
    let routes = igmpd.routes();
    assert!(
        routes.iter().all(|route| route.group_address != SSM),
        "{routes:?}"
    );
    igmpd.stop();
}

/// A member of any source in the range of source-specific groups asks for nothing that there is.
#[test]
fn any_source_of_a_source_specific_group_is_not_asked_for() {
    let chain = Chain::new(2);
    let igmpd = chain.start();
    chain.station(2).host.force_version(2);
    for number in [1, 2] {
        chain.station(number).receiver.join(SSM);
    }
    // What was asked for later has arrived.
    for number in [1, 2] {
        chain.station(number).receiver.join(GROUP);
        igmpd.wait_joined(&format!("lan{number}"), GROUP);
    }
    wait_joined(&chain, &igmpd, "*", GROUP);
    let joins = igmpd.joins();
    assert!(joins.iter().all(|join| join.group_address != SSM), "{joins:?}");
    let channels = chain.frr.channels();
    assert!(
        channels.iter().all(|channel| channel.group != SSM),
        "{channels:?}"
    );
    let mut sender = chain.send_to(SSM);
    chain.assert_delivered(&mut sender, PACKETS, &[]);
}

/// A single source of a group outside of the range is joined towards the source too, without the RP.
#[test]
fn one_source_of_an_any_source_group() {
    let chain = Chain::new(1);
    let igmpd = chain.start();
    let source = SOURCE.to_string();
    chain.station(1).receiver.join_source(GROUP, SOURCE);
    wait_joined(&chain, &igmpd, &source, GROUP);
    let (mut wanted, mut unwanted) = (chain.send_to(GROUP), chain.send_from_other(GROUP));
    chain.wait_delivered(&mut wanted, &[1]);
    chain.assert_delivered(&mut wanted, PACKETS, &[1]);
    chain.assert_delivered(&mut unwanted, PACKETS, &[]);
    let sources: Vec<Ipv4Addr> = igmpd
        .joins()
        .into_iter()
        .filter(|join| join.group_address == GROUP)
        .filter_map(|join| join.source_address.parse().ok())
        .collect();
    assert_eq!(sources, [SOURCE]);
    igmpd.wait_join("not to be joined", PATIENCE, ("*", GROUP), |join| join.is_none());
    chain.station(1).receiver.leave_source(GROUP, SOURCE);
    wait_pruned(&chain, &igmpd, &source, GROUP);
}
