//! Groups of any source: Join(*,G) to the RP, and what follows from it.

use std::{net::Ipv4Addr, time::Duration};

use tests::{
    Igmpd, PATIENCE,
    filter::Mode,
    json::Join,
    stream::{message::now, site::FENCE},
};

use crate::chain::{Chain, GROUP, OTHER_SOURCE, PEER, SOURCE};

/// Packets in one go.
const PACKETS: u64 = 100;
/// Packets a second.
const RATE: u32 = 200;
/// How long after a leave FRR may still send: the Last Member Query Time of 2 · 0.1 s, no prune-pending time on a link of
/// two routers (RFC 7761 §4.5.1), and what a busy machine takes.
const PRUNE: Duration = Duration::from_secs(3);

/// Whether FRR was asked over `core0`.
fn is_joined(join: Option<&Join>) -> bool {
    join.is_some_and(|join| {
        join.protocol == "pim"
            && join.state == "joined"
            && join.interface_name.as_deref() == Some("core0")
            && join.upstream_neighbor == Some(PEER)
    })
}

/// Waits until the router says that it joined, and FRR that it did.
#[track_caller]
pub(crate) fn wait_joined(chain: &Chain, igmpd: &Igmpd, source: &str, group: Ipv4Addr) {
    igmpd.wait_join("to be joined", PATIENCE, (source, group), is_joined);
    chain.frr.wait_joined("core0", source, group);
}

/// Waits until the router says that it joined nothing, and FRR that nobody did.
#[track_caller]
pub(crate) fn wait_pruned(chain: &Chain, igmpd: &Igmpd, source: &str, group: Ipv4Addr) {
    igmpd.wait_join("not to be joined", PATIENCE, (source, group), |join| {
        join.is_none()
    });
    chain.frr.wait_pruned("core0", source, group, PATIENCE);
}

#[test]
fn joins_of_hosts_travel_and_are_pruned() {
    let chain = Chain::new(2);
    chain.station(1).host.force_version(2);
    let mut igmpd = chain.start();
    let mut sender = chain.send_to(GROUP);
    sender.send_many(PACKETS);
    chain.settle();
    let all = sender.sent();
    assert_eq!(chain.on_core(&sender, all).count(), 0, "nobody asked for it");

    // One member of version 2 on one network, one of version 3 on another: one Join is for both.
    chain.station(1).receiver.join(GROUP);
    assert_eq!(igmpd.wait_joined("lan1", GROUP).compatibility_mode, 2);
    wait_joined(&chain, &igmpd, "*", GROUP);
    chain.wait_delivered(&mut sender, &[1]);
    chain.assert_delivered(&mut sender, PACKETS, &[1]);
    let rp_route = chain.frr.mroute("*", GROUP).expect("FRR has a route");
    assert_eq!(rp_route.outgoing, ["core0"]);
    chain.station(2).receiver.join(GROUP);
    assert_eq!(igmpd.wait_joined("lan2", GROUP).compatibility_mode, 3);
    chain.wait_delivered(&mut sender, &[1, 2]);
    chain.assert_delivered(&mut sender, PACKETS, &[1, 2]);
    chain.station(1).receiver.leave(GROUP);
    igmpd.wait_left("lan1", GROUP, PATIENCE);
    chain.assert_delivered(&mut sender, PACKETS, &[2]);
    let first = sender.sent().end;
    let route = igmpd.route("*", GROUP).expect("a route");
    assert_eq!(route.incoming_interface.as_deref(), Some("core0"));
    assert_eq!(route.outgoing_interface, ["lan2"]);

    // The last member leaves, and FRR stops sending.
    let stream = sender.start(RATE);
    stream.wait_more(50);
    chain.station(2).receiver.leave(GROUP);
    let left = now();
    wait_pruned(&chain, &igmpd, "*", GROUP);
    wait_pruned(&chain, &igmpd, &SOURCE.to_string(), GROUP);
    stream.wait_more(200);
    let last = chain.core.latest(GROUP).expect("data before the leave");
    stream.wait_more(200);
    let sender = stream.stop();
    assert_eq!(
        chain.core.latest(GROUP),
        Some(last),
        "nothing comes after the prune"
    );
    assert!(
        last.saturating_sub(left) < PRUNE,
        "{:?} after the leave",
        last.saturating_sub(left)
    );
    chain
        .station(2)
        .got(&sender)
        .assert_in_order("the receiver on lan2");
    let seen = chain.on_core(&sender, first..u64::MAX);
    seen.assert_in_order("the link to FRR");
    assert_eq!(igmpd.route("*", GROUP), None);
    igmpd.stop();
}

/// Nobody wants one of the sources: the router prunes it off the shared tree (RFC 7761 §4.5.6).
#[test]
fn an_excluded_source_is_pruned_off_the_shared_tree() {
    let chain = Chain::new(2);
    let igmpd = chain.start();
    let receiver = &chain.station(1).receiver;
    receiver.join(GROUP);
    receiver.filter(GROUP, Mode::Exclude, &[OTHER_SOURCE]);
    wait_joined(&chain, &igmpd, "*", GROUP);
    let other = OTHER_SOURCE.to_string();
    let is_pruned = |join: Option<&Join>| {
        join.is_some_and(|join| join.state == "pruned" && join.upstream_neighbor == Some(PEER))
    };
    igmpd.wait_join("to be pruned", PATIENCE, (&other, GROUP), is_pruned);
    let channel = ("core0", other.as_str(), GROUP);
    chain
        .frr
        .wait_channel("FRR to know the Prune(S,G,rpt)", PATIENCE, channel, |channel| {
            channel.is_some_and(tests::frr::Channel::is_rpt_pruned)
        });
    let (mut wanted, mut unwanted) = (chain.send_to(GROUP), chain.send_from_other(GROUP));
    chain.wait_delivered(&mut wanted, &[1]);
    chain.assert_delivered(&mut wanted, PACKETS, &[1]);
    chain.assert_delivered(&mut unwanted, PACKETS, &[]);

    // Another member wants it.
    chain.station(2).receiver.join(GROUP);
    igmpd.wait_joined("lan2", GROUP);
    igmpd.wait_join("not to be pruned", PATIENCE, (&other, GROUP), |join| {
        !is_pruned(join)
    });
    chain
        .frr
        .wait_channel("FRR to know no Prune(S,G,rpt)", PATIENCE, channel, |channel| {
            !channel.is_some_and(tests::frr::Channel::is_rpt_pruned)
        });
    chain.wait_delivered(&mut unwanted, &[2]);
    chain.assert_delivered(&mut unwanted, PACKETS, &[2]);
    chain.assert_delivered(&mut wanted, PACKETS, &[1, 2]);

    // And it alone remains wanted by nobody in particular.
    chain.station(2).receiver.leave(GROUP);
    igmpd.wait_left("lan2", GROUP, PATIENCE);
    igmpd.wait_join("to be pruned again", PATIENCE, (&other, GROUP), is_pruned);
    chain.assert_delivered(&mut unwanted, PACKETS, &[]);
    chain.assert_delivered(&mut wanted, PACKETS, &[1]);
}

/// Groups that come and go one after the other, each asked for and pruned by itself.
#[test]
fn one_group_is_no_matter_of_another() {
    let chain = Chain::new(2);
    let igmpd = chain.start();
    let groups = [1, 2, 3].map(|number| Ipv4Addr::new(239, 1, 2, number));
    let mut senders = groups.map(|group| chain.send_to(group));
    for (index, group) in groups.into_iter().enumerate() {
        chain.station(1 + index % 2).receiver.join(group);
        wait_joined(&chain, &igmpd, "*", group);
        chain.wait_delivered(&mut senders[index], &[1 + index % 2]);
    }
    for (index, group) in groups.into_iter().enumerate() {
        chain.station(1 + index % 2).receiver.leave(group);
        wait_pruned(&chain, &igmpd, "*", group);
        for (other, sender) in senders.iter_mut().enumerate() {
            let members = [1 + other % 2];
            chain.assert_delivered(sender, PACKETS, if other > index { &members } else { &[] });
        }
    }
    let joins = igmpd.joins();
    assert!(joins.iter().all(|join| join.group_address == FENCE), "{joins:?}");
}
