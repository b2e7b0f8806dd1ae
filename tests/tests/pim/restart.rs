//! FRR and the router end, die, and come back.

use std::time::Duration;

use nix::sys::signal::Signal;
use tests::{Igmpd, PATIENCE};

use crate::{
    any_source::wait_joined,
    chain::{Chain, GROUP, PEER, ROUTER, SOURCE, SSM},
};

/// Packets in one go.
const PACKETS: u64 = 100;
/// Packets a second.
const RATE: u32 = 500;
/// What a busy machine takes.
const SLACK: Duration = Duration::from_secs(6);

/// Two members, one of an any-source group and one of a source-specific group, that get all their data.
#[track_caller]
fn converge(chain: &Chain, igmpd: &Igmpd) {
    chain.station(1).receiver.join(GROUP);
    chain.station(2).receiver.join_source(SSM, SOURCE);
    assert_works(chain, igmpd);
}

/// Sees that both are known everywhere and get all their data.
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

/// FRR says goodbye, and its successor knows nothing: it is asked again at once, and not when the next Join is due in a
/// minute.
#[test]
fn frr_stops_and_starts() {
    let mut chain = Chain::new(2);
    let igmpd = chain.start();
    converge(&chain, &igmpd);
    let monitor = igmpd.monitor();
    chain.frr.stop();
    let (_, event) = monitor.wait_for("the neighbor's end", SLACK, |event| {
        event.event == "neighbor-down"
    });
    assert_eq!(event.interface_name, "core0");
    assert_eq!(igmpd.neighbors(), []);
    igmpd.wait_join("to be pending", PATIENCE, ("*", GROUP), |join| {
        join.is_some_and(|join| join.state == "pending")
    });
    chain.frr.start_again(&chain.peer);
    monitor.wait_for("the neighbor's return", SLACK, |event| {
        event.event == "neighbor-up" && event.interface_name == "core0"
    });
    assert_works(&chain, &igmpd);
}

/// FRR dies and its successor is there before anybody noticed: the generation ID tells (RFC 7761 §4.3.1).
#[test]
fn frr_is_killed_and_starts() {
    let mut chain = Chain::new(2);
    let igmpd = chain.start();
    converge(&chain, &igmpd);
    let neighbors = igmpd.neighbors();
    chain.frr.kill();
    chain.frr.start_again(&chain.peer);
    tests::wait_for("another generation ID", PATIENCE, || {
        let now = igmpd.neighbors();
        match (&*now, &*neighbors) {
            ([now], [before]) if now.generation_id != before.generation_id => Ok(()),
            _ => Err(format!("{now:?}")),
        }
    });
    assert_works(&chain, &igmpd);
}

/// The router says goodbye when it is stopped, so FRR need not wait for the hold time, and asks for nothing any more.
#[test]
fn igmpd_stops_and_starts() {
    let chain = Chain::with(2, "interface core0\n ip pim hello 1 100\n");
    let config = chain
        .config("immediate")
        .replace("hello-interval = 1\n", "hello-interval = 20\n");
    let mut igmpd = chain.start_with(&config);
    converge(&chain, &igmpd);
    igmpd.stop();
    chain.frr.wait_neighbors("core0", SLACK, &[]);
    let mut igmpd = follow(&chain, &igmpd);
    assert_works(&chain, &igmpd);
    igmpd.stop();
}

/// The router is killed, and its successor is there before its neighbors have forgotten it: data goes on. The successor has
/// another generation ID, so FRR tells it what it knows, and what FRR was asked for it is asked again.
#[test]
fn igmpd_is_killed_and_starts() {
    let chain = Chain::new(2);
    // Neighbors keep it for 70 s without a Hello.
    let config = chain
        .config("immediate")
        .replace("hello-interval = 1\n", "hello-interval = 20\n");
    let mut igmpd = chain.start_with(&config);
    converge(&chain, &igmpd);
    let generation = igmpd.pim("core0").generation_id;
    let streams = [(GROUP, 1), (SSM, 2)].map(|(group, member)| {
        let mut sender = chain.send_to(group);
        chain.wait_delivered(&mut sender, &[member]);
        let first = sender.sent().end;
        (first, member, sender.start(RATE))
    });
    igmpd.process().signal(Signal::SIGKILL);
    igmpd.process().wait(PATIENCE);
    for (_, _, stream) in &streams {
        stream.wait_more(u64::from(RATE));
    }
    let mut igmpd = follow(&chain, &igmpd);
    assert_ne!(igmpd.pim("core0").generation_id, generation);
    chain.wait_up(&igmpd);
    for (source, group) in [("*", GROUP), (&*SOURCE.to_string(), SSM)] {
        wait_joined(&chain, &igmpd, source, group);
    }
    for (first, member, stream) in streams {
        stream.wait_more(u64::from(RATE));
        let sender = stream.stop();
        chain.settle();
        let got = crate::chain::within(chain.station(member).got(&sender), first..u64::MAX);
        got.assert_exactly("the receiver", first..sender.sent().end);
    }
    assert_works(&chain, &igmpd);
    igmpd.stop();
}

/// Starts another agent with the paths of one that has ended.
#[track_caller]
fn follow(chain: &Chain, ended: &Igmpd) -> Igmpd {
    let mut igmpd = Igmpd::spawn(&chain.router, ended.paths().clone());
    igmpd.wait_ready();
    igmpd.wait_up(&["core0", "lan1", "lan2"]);
    igmpd.wait_neighbors("core0", PATIENCE, &[PEER]);
    chain.frr.wait_neighbors("core0", PATIENCE, &[ROUTER]);
    igmpd
}
