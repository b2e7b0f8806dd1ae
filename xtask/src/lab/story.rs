//! What the lab shows: hosts join and leave, and after each step what the router knows and who receives what is sent.
//! Nothing here waits for a fixed time; each step ends when the router has done its part, or fails when it has not in
//! time.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::sender::{RouterSide, Stream};
use super::traffic::{self, Expectation, Origin};
use super::{HOST_INTERFACE, Lab, ROUTER, beyond, router};
use crate::command;
use crate::ui;

/// A group each of the three hosts joins, from any source.
pub(super) const SHARED: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
/// A group the version 2 host alone joins.
const OWN: Ipv4Addr = Ipv4Addr::new(239, 2, 2, 2);
/// A group of the source-specific range, for the version 3 host.
pub(super) const SPECIFIC: Ipv4Addr = Ipv4Addr::new(232, 1, 1, 1);
/// A group that no host joins.
pub(super) const UNWANTED: Ipv4Addr = Ipv4Addr::new(239, 3, 3, 3);
/// The router's link to the sender.
pub(super) const UPLINK: RouterSide = RouterSide {
    interface: "wan0",
    address: Ipv4Addr::new(192, 0, 2, 254),
};
/// The addresses of the sender.
pub(super) const SOURCES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];

/// How long igmpd may take to start on a busy machine: the kernel verifies the XDP program first.
const START: Duration = Duration::from_secs(30);
/// How long the router may take to see what a host sends at once.
pub(super) const SOON: Duration = Duration::from_secs(10);
/// How long a leave may take: two Last Member Query Intervals, with time to spare.
pub(super) const LEAVE: Duration = Duration::from_secs(10);
/// How long the next general query and the answers to it may take: a Query Interval and a maximum response time.
const ROUND: Duration = Duration::from_secs(20);
/// How long a group may outlive its last report: the Group Membership Interval, with time to spare.
const TIMEOUT: Duration = Duration::from_secs(40);

/// What is sent: each group from the first address, and the source-specific one from the second as well.
pub(super) const STREAMS: [Stream; 5] = [
    stream(0, SHARED),
    stream(0, OWN),
    stream(0, SPECIFIC),
    stream(1, SPECIFIC),
    stream(0, UNWANTED),
];

/// How many packets of each stream are sent at a time: two seconds of them.
const PACKETS: u32 = 400;

const fn stream(source: usize, group: Ipv4Addr) -> Stream {
    Stream {
        source: SOURCES[source],
        group,
    }
}

/// Tells the story, from the start of igmpd to the last leave.
///
/// # Errors
///
/// When the router does not do its part in time, or on Ctrl-C.
pub(crate) fn tell(lab: &mut Lab) -> Result<()> {
    ui::headline("A sender, a router and three hosts, each in a network namespace of its own");
    println!(
        "The sender {} has the addresses {} and {}; its {HOST_INTERFACE} is linked to the router's {} ({}).",
        lab.sender.namespace(),
        SOURCES[0],
        SOURCES[1],
        lab.sender.router_side().interface,
        lab.sender.router_side().address,
    );
    for host in &lab.hosts {
        println!(
            "The host {} speaks IGMPv{}; its {HOST_INTERFACE} ({}) is linked to the router's {} ({}).",
            host.namespace(),
            host.version(),
            host.address(),
            host.router_interface(),
            host.router_address(),
        );
    }
    println!(
        "igmpd runs in {} with {}.",
        lab.router.namespace(),
        router::configuration_file(&lab.directory.0, ROUTER).display()
    );
    lab.router.wait_for(
        "interfaces",
        START,
        "bring up its four interfaces with native XDP",
        |answer| {
            let interfaces = entries(answer, "interface");
            let ready = |interface: &&Value| {
                interface["oper-status"] == "up"
                    && interface["xdp-mode"] == "native"
                    && (interface["interface-name"] == UPLINK.interface
                        || interface["igmp"]["is-querier"] == true)
            };
            interfaces.iter().filter(ready).count() == 4
        },
    )?;
    println!("Its XDP program is attached to each link in native mode, and it is the querier of the hosts:");
    show(lab, "interfaces")?;

    ui::headline("Every host joins a group, from any source");
    println!(
        "Each host joins {SHARED}, and the IGMPv2 host {OWN} too: their kernels report it, each in its version."
    );
    let [v1, v2, v3] = &lab.hosts;
    let v1_shared = v1.join(SHARED, &[])?;
    let v2_shared = v2.join(SHARED, &[])?;
    let v2_own = v2.join(OWN, &[])?;
    let v3_shared = v3.join(SHARED, &[])?;
    lab.router
        .wait_for("groups", SOON, "learn the four memberships", |answer| {
            [
                ("lan1", SHARED, 1),
                ("lan2", SHARED, 2),
                ("lan2", OWN, 2),
                ("lan3", SHARED, 3),
            ]
            .iter()
            .all(|(interface, group, version)| {
                find(answer, interface, *group).is_some_and(|entry| {
                    entry["filter-mode"] == "exclude" && entry["compatibility-mode"] == *version
                })
            })
        })?;
    show(lab, "groups")?;

    ui::headline("The IGMPv3 host asks for one sender alone");
    let [_, _, v3] = &lab.hosts;
    println!(
        "It joins {SPECIFIC} from {} with MCAST_JOIN_SOURCE_GROUP.",
        SOURCES[0]
    );
    let specific = v3.join(SPECIFIC, &SOURCES[..1])?;
    wait_for_sources(lab, &SOURCES[..1], SOON, "learn the source")?;
    show(lab, "groups")?;

    ui::headline("Streams reach the hosts that want them, and no other");
    println!(
        "The sender sends {PACKETS} packets of each stream, 200 a second. What reached each host's interface:\n"
    );
    traffic::send(
        lab,
        Origin::Near,
        PACKETS,
        &[
            Expectation::new(STREAMS[0], [true, true, true]),
            Expectation::new(STREAMS[1], [false, true, false]),
            Expectation::new(STREAMS[2], [false, false, true]),
            Expectation::new(STREAMS[3], [false, false, false]),
            Expectation::new(STREAMS[4], [false, false, false]),
        ],
        &[
            (0, &v1_shared),
            (1, &v2_shared),
            (1, &v2_own),
            (2, &v3_shared),
            (2, &specific),
        ],
    )?;
    println!("\nEach host's sockets have read the same packets, in order and once. The routes behind it:");
    show(lab, "routes")?;

    ui::headline("The IGMPv1 host leaves, and says nothing");
    println!(
        "IGMPv1 has no leave message: the router keeps {SHARED} on lan1 until its timer is up. More of that below."
    );
    drop(v1_shared);

    ui::headline("The IGMPv2 host leaves a group");
    println!(
        "It sends a leave; the router asks twice whether anyone else wants {OWN}, hears nothing, and forgets it."
    );
    drop(v2_own);
    let took = lab
        .router
        .wait_for("groups", LEAVE, "forget the group that was left", |answer| {
            find(answer, "lan2", OWN).is_none()
        })?;
    println!("That took {:.1} s.", took.as_secs_f32());
    show(lab, "groups")?;

    ui::headline("The IGMPv3 host changes to another sender");
    println!(
        "It asks for {} too and then blocks {}: the router asks the network for that one alone, and forgets it.",
        SOURCES[1], SOURCES[0]
    );
    specific.add_source(SOURCES[1])?;
    wait_for_sources(lab, &SOURCES, SOON, "learn the second source")?;
    specific.drop_source(SOURCES[0])?;
    wait_for_sources(lab, &SOURCES[1..], LEAVE, "forget the source that was blocked")?;
    show(lab, "groups")?;

    ui::headline("The same streams, after the leaves");
    println!(
        "Of {SHARED} the router does not know yet that nobody on lan1 reads it: version 1 has no way to say so.\n"
    );
    traffic::send(
        lab,
        Origin::Near,
        PACKETS,
        &[
            Expectation::new(STREAMS[0], [true, true, true]).unread_by(0),
            Expectation::new(STREAMS[1], [false, false, false]),
            Expectation::new(STREAMS[2], [false, false, false]),
            Expectation::new(STREAMS[3], [false, false, true]),
            Expectation::new(STREAMS[4], [false, false, false]),
        ],
        &[(1, &v2_shared), (2, &v3_shared), (2, &specific)],
    )?;
    println!();
    show(lab, "routes")?;

    general_query(lab)?;

    ui::headline("The IGMPv3 host leaves the source-specific group");
    println!("Nobody wants a source of {SPECIFIC} any more, so the group goes as well.");
    drop(specific);
    lab.router
        .wait_for("groups", LEAVE, "forget the group that was left", |answer| {
            find(answer, "lan3", SPECIFIC).is_none()
        })?;

    ui::headline("The group of the silent IGMPv1 host times out");
    println!(
        "That takes up to 24 s from its last report: two query intervals and twice the maximum response time."
    );
    lab.router.wait_for(
        "groups",
        TIMEOUT,
        "let the group of the version 1 host time out",
        |answer| find(answer, "lan1", SHARED).is_none(),
    )?;
    println!("Nobody on lan1 has reported {SHARED} for a Group Membership Interval. What is left:");
    show(lab, "groups")?;
    println!("And who receives it now:\n");
    traffic::send(
        lab,
        Origin::Near,
        PACKETS / 2,
        &[Expectation::new(STREAMS[0], [false, true, true])],
        &[(1, &v2_shared), (2, &v3_shared)],
    )?;
    println!();
    show(lab, "statistics")?;

    drop((v2_shared, v3_shared));
    lab.router
        .wait_for("groups", LEAVE, "forget the last groups", |answer| {
            entries(answer, "group").is_empty()
        })?;
    println!("The last two hosts have left as well, and the router knows no group any more.");
    beyond::tell(lab)
}

/// Shows that a general query and the answers to it are no work for igmpd.
fn general_query(lab: &mut Lab) -> Result<()> {
    ui::headline("A general query goes round");
    println!(
        "The hosts answer it with what the router knows already, so that their reports never leave the kernel:"
    );
    let before = lab.router.show("statistics")?;
    let counters = |answer: &Value, interface: &str| {
        let entry = entries(answer, "interface")
            .iter()
            .find(|entry| entry["interface-name"] == interface)
            .cloned();
        let entry = entry.unwrap_or_default();
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        (
            number(&entry["sent"]["general-query"]),
            number(&entry["refreshed-in-kernel"]),
            number(&entry["events"]),
        )
    };
    lab.router.wait_for(
        "statistics",
        ROUND,
        "ask, and refresh in the kernel what was answered",
        |answer| {
            ["lan2", "lan3"].iter().all(|interface| {
                let (queries_before, refreshed_before, _) = counters(&before, interface);
                let (queries, refreshed, _) = counters(answer, interface);
                queries_before < queries && refreshed_before < refreshed
            })
        },
    )?;
    let after = lab.router.show("statistics")?;
    for interface in ["lan2", "lan3"] {
        let (queries_before, refreshed_before, events_before) = counters(&before, interface);
        let (queries, refreshed, events) = counters(&after, interface);
        println!(
            "  {interface}: general queries sent: {}, refreshed in the kernel: {}, events for igmpd: {}",
            queries - queries_before,
            refreshed.saturating_sub(refreshed_before),
            events.saturating_sub(events_before),
        );
    }
    Ok(())
}

fn wait_for_sources(lab: &mut Lab, sources: &[Ipv4Addr], limit: Duration, what_for: &str) -> Result<()> {
    let wanted: Vec<String> = sources.iter().map(ToString::to_string).collect();
    lab.router.wait_for("groups", limit, what_for, |answer| {
        find(answer, "lan3", SPECIFIC).is_some_and(|entry| {
            let known: Vec<&str> = entries(entry, "source")
                .iter()
                .filter_map(|source| source["source-address"].as_str())
                .collect();
            entry["filter-mode"] == "include" && known == wanted
        })
    })?;
    Ok(())
}

/// Runs `igmpctl show WHAT` for the reader, under the command line that shows the same.
pub(super) fn show(lab: &Lab, what: &str) -> Result<()> {
    show_line(&format!("igmpctl show {what}"));
    // Its own standard output is ours, so that it sees a terminal where there is one.
    command::check(lab.router.igmpctl(&["show", what]).stdin(Stdio::null()))
}

/// Says which command's output follows.
pub(super) fn show_line(line: &str) {
    if ui::is_colourful() {
        println!("\x1b[2m# {line}\x1b[0m");
    } else {
        println!("# {line}");
    }
}

/// The list under this key; empty when there is none.
pub(super) fn entries<'a>(answer: &'a Value, key: &str) -> &'a [Value] {
    answer[key].as_array().map_or(&[], Vec::as_slice)
}

fn find<'a>(answer: &'a Value, interface: &str, group: Ipv4Addr) -> Option<&'a Value> {
    let group = group.to_string();
    entries(answer, "group")
        .iter()
        .find(|entry| entry["interface-name"] == interface && entry["group-address"] == *group)
}
