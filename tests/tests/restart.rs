//! Agents that are killed, and those that come after them or beside them.

use std::{net::Ipv4Addr, time::Duration};

use nix::sys::signal::Signal;
use tests::{
    Igmpd, Lan, PATIENCE, Packet,
    igmpd::is_left_behind,
    packet::{Record, TO_EX},
    wait_for,
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
const OTHER: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 2);

/// Kills the agent without a warning.
#[track_caller]
fn kill(igmpd: &mut Igmpd) {
    igmpd.process().signal(Signal::SIGKILL);
    igmpd.process().wait(PATIENCE);
}

/// Starts another agent with the paths of one that is dead.
#[track_caller]
fn follow(lan: &Lan, dead: &Igmpd) -> Igmpd {
    let mut igmpd = Igmpd::spawn(&lan.router, dead.paths().clone());
    igmpd.wait_ready();
    igmpd.wait_up(&["lan0"]);
    igmpd
}

#[test]
fn a_killed_agent_is_followed_by_another() {
    let lan = Lan::new();
    let (before, after) = (lan.host(2), lan.host(3));
    let mut killed = lan.igmpd("");
    let _of_before = before.join(GROUP);
    killed.wait_joined("lan0", GROUP);
    kill(&mut killed);

    let mut igmpd = follow(&lan, &killed);
    igmpd.wait_joined("lan0", GROUP);
    let _of_after = after.join(OTHER);
    igmpd.wait_joined("lan0", OTHER);
    igmpd.stop();
    assert!(!lan.router.has_xdp("lan0"));
    assert!(!is_left_behind(&igmpd.paths().pins));
}

// XDP goes on learning while no agent lives. Timers are the default ones: what was said once has to last.
#[test]
fn a_join_while_no_agent_lives_is_known_to_the_next() {
    let lan = Lan::new();
    let station = lan.station("station");
    let mut killed = lan.igmpd_with("[interfaces.lan0]\nigmp = {}\n");
    let report = |group| Packet::v3_report([10, 1, 1, 66], &[Record::new(TO_EX, group, &[])]);
    station.raw.send(&report(GROUP));
    killed.wait_joined("lan0", GROUP);
    kill(&mut killed);
    station.raw.send(&report(OTHER));
    let igmpd = follow(&lan, &killed);
    igmpd.wait_joined("lan0", GROUP);
    igmpd.wait_joined("lan0", OTHER);
}

// What the next agent takes over from a dead one still ends when nobody reports it any more.
#[test]
fn a_member_that_left_while_no_agent_lived_times_out() {
    let lan = Lan::new();
    let (stays, leaves) = (lan.host(2), lan.host(3));
    let mut killed = lan.igmpd("");
    let _stays = stays.join(GROUP);
    let membership = leaves.join(OTHER);
    killed.wait_joined("lan0", GROUP);
    killed.wait_joined("lan0", OTHER);
    kill(&mut killed);
    drop(membership);
    let igmpd = follow(&lan, &killed);
    // The Group Membership Interval is 6 s.
    igmpd.wait_left("lan0", OTHER, Duration::from_secs(12));
    assert!(igmpd.group("lan0", GROUP).is_some());
}

// A second agent with the same file by mistake: it says so and ends, and the first does not notice.
#[test]
fn a_second_agent_with_the_same_configuration() {
    let lan = Lan::new();
    let host = lan.host(2);
    let mut first = lan.igmpd("");
    let monitor = first.monitor();
    let _membership = host.join(GROUP);
    first.wait_joined("lan0", GROUP);
    let mut paths = first.paths().clone();
    paths.log = lan.network.path("second.log");
    let socket = paths.socket.display().to_string();
    let mut second = Igmpd::spawn(&lan.router, paths);
    let status = second.process().wait(PATIENCE);
    assert_eq!(status.code(), Some(1));
    assert!(second.log().contains(&socket), "{}", second.log());

    first.wait_queries("lan0", 2);
    assert!(first.group("lan0", GROUP).is_some());
    assert_eq!(monitor.count(|event| event.event == "group-left"), 0);
    assert!(lan.router.has_xdp("lan0"));
    let _more = host.join(OTHER);
    first.wait_joined("lan0", OTHER);
    first.stop();
    assert!(!is_left_behind(&first.paths().pins));
}

// Everything that happened to the interface while no agent lived is found by the next one.
#[test]
fn an_interface_that_was_made_anew_while_no_agent_lived() {
    let lan = Lan::new();
    let host = lan.host(2);
    let mut killed = lan.igmpd("");
    let _membership = host.join(GROUP);
    killed.wait_joined("lan0", GROUP);
    kill(&mut killed);
    lan.router.ip("link delete lan0");
    lan.switch.plug(&lan.network, "router", &lan.router, "lan0");
    lan.router.address("lan0", tests::lan::ROUTER, 24);
    let mut igmpd = follow(&lan, &killed);
    wait_for("a report that comes through the new interface", PATIENCE, || {
        let received = igmpd.statistics("lan0").received;
        if received.report_v3 > 0 {
            Ok(())
        } else {
            Err(format!("{received:?}"))
        }
    });
    igmpd.wait_joined("lan0", GROUP);
    igmpd.stop();
    assert!(!lan.router.has_xdp("lan0"));
    assert!(!is_left_behind(&igmpd.paths().pins));
}
