//! The last chapter: the router asks another one for what its hosts want, and the data comes back.

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use super::sender::{RouterSide, Stream};
use super::story::{LEAVE, SOON, entries, show, show_line};
use super::traffic::{self, Expectation, Origin};
use super::upstream::{self, CORE};
use super::{Lab, interrupt};
use crate::ui;

/// The sender behind the other router.
pub(super) const FAR: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The other router's interface to it.
pub(super) const FAR_SIDE: RouterSide = RouterSide {
    interface: "src0",
    address: Ipv4Addr::new(198, 51, 100, 254),
};
/// Their network.
pub(super) const FAR_NETWORK: &str = "198.51.100.0/24";
/// A group that is joined from any source, by way of the rendezvous point.
const ANY: Ipv4Addr = Ipv4Addr::new(239, 4, 4, 4);
/// A group that is joined from the sender alone.
const SPECIFIC: Ipv4Addr = Ipv4Addr::new(232, 4, 4, 4);

/// How long neighbours may take to hear each other: both wait up to 5 s before their first Hello (RFC 7761 §4.3.1).
const HELLO: Duration = Duration::from_secs(20);
/// How many packets of each stream are sent.
const PACKETS: u32 = 400;

/// Tells it. Nobody has joined anything before.
///
/// # Errors
///
/// When one of the routers does not do its part in time, or on Ctrl-C.
pub(super) fn tell(lab: &mut Lab) -> Result<()> {
    ui::headline("Another router, and PIM to talk to it");
    println!(
        "Behind {CORE} ({}) is another router, {} ({}): {}.\n\
         It is the rendezvous point {} of {}, and has a sender of its own, {} ({FAR}).\n\
         igmpd is told so by `igmpctl reload`:",
        upstream::CORE_ADDRESS,
        lab.upstream.namespace(),
        upstream::ADDRESS,
        lab.upstream.what(),
        upstream::RP,
        upstream::RP_GROUPS,
        lab.far.namespace(),
    );
    let added = format!(
        "[interfaces.{CORE}]\nxdp-mode = \"native\"\npim = {{}}\n\n{}",
        upstream::static_rp()
    );
    for line in added.lines() {
        println!("{}", format!("    {line}").trim_end());
    }
    print!("{}", lab.router.reload(&format!("{}\n{added}", lab.tables))?);
    lab.router
        .wait_for("neighbors", HELLO, "hear the other router's Hello", |answer| {
            entries(answer, "neighbor")
                .iter()
                .any(|entry| entry["interface-name"] == CORE)
        })?;
    show(lab, "neighbors")?;

    ui::headline("A join travels to the other router");
    println!(
        "The IGMPv2 host joins {ANY}, from any source, and the IGMPv3 host {SPECIFIC} from {FAR}. The router asks for both."
    );
    let [_, v2, v3] = &lab.hosts;
    let any = v2.join(ANY, &[])?;
    let specific = v3.join(SPECIFIC, &[FAR])?;
    lab.router
        .wait_for("joins", SOON, "ask the other router", |answer| {
            is_joined(answer, "*", ANY) && is_joined(answer, &FAR.to_string(), SPECIFIC)
        })?;
    show(lab, "joins")?;
    lab.upstream.wait_for(&[ANY, SPECIFIC], true, SOON)?;
    println!("The other router sends both to this one:");
    show_upstream(lab)?;

    ui::headline("The data comes back");
    println!("With the first packet of {ANY} the router asks for the sender's own tree as well:");
    wake(lab)?;
    show(lab, "joins")?;
    println!(
        "\n{} sends {PACKETS} packets of each stream, 200 a second:\n",
        lab.far.namespace()
    );
    traffic::send(
        lab,
        Origin::Far,
        PACKETS,
        &[
            Expectation::new(stream(ANY), [false, true, false]),
            Expectation::new(stream(SPECIFIC), [false, false, true]),
        ],
        &[(1, &any), (2, &specific)],
    )?;
    println!();
    show(lab, "routes")?;

    ui::headline("Both hosts leave, and the other router is told to stop");
    drop((any, specific));
    lab.router
        .wait_for("joins", LEAVE, "take back what it asked for", |answer| {
            entries(answer, "join").is_empty()
        })?;
    lab.upstream.wait_for(&[ANY, SPECIFIC], false, SOON)?;
    println!("Nothing is asked for any more, and the other router sends nothing more to this one:");
    show_upstream(lab)
}

const fn stream(group: Ipv4Addr) -> Stream {
    Stream { source: FAR, group }
}

/// Sends single packets until the router has joined the tree of the sender.
fn wake(lab: &mut Lab) -> Result<()> {
    let started = Instant::now();
    loop {
        interrupt::check()?;
        lab.router.check_alive()?;
        lab.far.send(&[stream(ANY)])?;
        thread::sleep(interrupt::POLL);
        let answer = lab.router.show("joins")?;
        if is_joined(&answer, &FAR.to_string(), ANY) {
            return Ok(());
        }
        if SOON < started.elapsed() {
            bail!(
                "igmpd did not ask for the tree of {FAR} within {} s: {answer}{}",
                SOON.as_secs(),
                lab.router.log()
            );
        }
    }
}

fn is_joined(answer: &Value, source: &str, group: Ipv4Addr) -> bool {
    let group = group.to_string();
    entries(answer, "join").iter().any(|join| {
        join["source-address"] == source && join["group-address"] == *group && join["state"] == "joined"
    })
}

fn show_upstream(lab: &Lab) -> Result<()> {
    let (line, answer) = lab.upstream.show_routes()?;
    show_line(line);
    for line in answer.trim_end().lines() {
        println!("{}", line.trim_end());
    }
    Ok(())
}
