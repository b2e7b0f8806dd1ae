//! The lab as a place to look around in.

use std::thread;

use anyhow::{Context, Result};

use super::story::{SHARED, SOON, SOURCES, SPECIFIC, STREAMS, UNWANTED, entries};
use super::{HOST_INTERFACE, Lab, ROUTER, daemon, interrupt};
use crate::command;
use crate::ui;

/// Keeps the lab up, with memberships to look at, until Ctrl-C.
///
/// # Errors
///
/// When a host cannot join, when nothing can be sent, when igmpd ends, or on Ctrl-C.
pub(crate) fn until_interrupted(lab: &mut Lab) -> Result<()> {
    ui::headline("The lab stays up until Ctrl-C");
    let [v1, v2, v3] = &lab.hosts;
    let memberships = [
        v1.join(SHARED, &[])?,
        v2.join(SHARED, &[])?,
        v3.join(SPECIFIC, &SOURCES)?,
    ];
    lab.router
        .wait_for("groups", SOON, "learn the memberships", |answer| {
            entries(answer, "group").len() == 3
        })?;
    let [_, _, v3] = &lab.hosts;
    let ours = std::env::current_exe().context("where this program lies")?;
    println!("The hosts have joined again: {SHARED} on lan1 and lan2, {SPECIFIC} on lan3.");
    println!("The sender goes on, 20 packets a second of each of these:");
    for stream in STREAMS {
        println!("  {stream}");
    }
    println!("From another terminal, as root:");
    for arguments in [
        &["show", "groups"][..],
        &["show", "routes"],
        &["show", "interfaces"],
        &["show", "neighbors"],
        &["show", "joins"],
        &["show", "statistics"],
        &["monitor"],
    ] {
        println!("  {}", command::display(&lab.router.igmpctl(arguments)));
    }
    println!(
        "  ip netns exec {} tcpdump -n -i lan3 igmp",
        lab.router.namespace()
    );
    println!("  ip netns exec {} cat /proc/net/igmp", v3.namespace());
    println!(
        "  ip netns exec {} tcpdump -n -i {HOST_INTERFACE} udp",
        v3.namespace()
    );
    println!(
        "  ip netns exec {} {} join {UNWANTED}",
        v3.namespace(),
        ours.display()
    );
    println!(
        "  ip netns exec {} {} join 232.3.3.3 --source 192.0.2.3",
        v3.namespace(),
        ours.display()
    );
    println!(
        "  tail -f {}",
        daemon::log_file(&lab.directory.0, ROUTER).display()
    );
    loop {
        if interrupt::check().is_err() {
            break;
        }
        lab.router.check_alive()?;
        lab.upstream.check_alive()?;
        lab.sender.send(&STREAMS)?;
        thread::sleep(interrupt::POLL);
    }
    drop(memberships);
    Ok(())
}
