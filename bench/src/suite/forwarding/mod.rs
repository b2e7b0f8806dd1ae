//! Multicast data: what forwarding a packet costs, and how many go through in a second.

mod outcome;
mod rival;
mod site;
#[cfg(test)]
mod tests;
mod turn;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use self::{
    outcome::{Case, Outcomes},
    rival::{Forwarder, Rival},
    turn::Load,
};
use crate::{arguments::Arguments, contestant::attempt, model::Section, patience::Patience, suite::Effort};

/// Frames of a turn through one port; more ports get fewer, so that it takes about as long.
const FRAMES: u64 = 240_000;
/// Turns of each contestant at each case: there are many cases.
const REPETITIONS: usize = 3;
/// How often a turn is tried for which the machine has no CPU time, and how many are taken again in all.
const TRIES: usize = 4;
const PATIENCE: usize = 20;
/// The whole suite begins no further case after this time.
const LIMIT: Duration = Duration::from_secs(220);

const METHOD: [&str; 5] = [
    "One source sends to groups that have a member behind each port. Every packet has to arrive at every port, with what a \
     router changes changed; it is counted there by an XDP program and dropped. Never more than 192 packets are under way, so \
     that no ring overflows, and a turn in which one is missing gives no figure. The routers know all groups before, from \
     reports of the hosts (igmpd, bridge) or from their configuration (smcroute). A bridge does less: it neither counts down \
     the TTL nor makes a new Ethernet header.",
    "**Live frames** are made in the kernel (`BPF_PROG_TEST_RUN`) and redirected into the virtual link, from where they reach \
     native XDP, or become socket buffers, as with a NIC. Through a **packet socket** they arrive as socket buffers, which the \
     kernel copies for XDP; no NIC's driver does that. Sizes are those of frames without the check sequence.",
    "CPU time is that of the kernel thread that polls the incoming device (threaded NAPI, bound to processor 1), in which \
     everything up to handing the packet to the other end of each port happens, plus that of `ksoftirqd` and of the \
     contestant's own process, to the nanosecond. The generator runs on processor 0. Each sink is polled by a thread of its \
     own on processor 1, which is not charged; on processor 0 the wakeups from one to the other would more than double the \
     cost of those that send packets one by one.",
    "Packets per second are those of the whole arrangement: generator, router and sinks share two processors, so with many \
     ports the sinks set the pace.",
    "XDP copies a frame for each port but the last, here. The kernel's routing and the bridge clone a socket buffer instead, and \
     all clones share its bytes; each sink copies them (`skb_pp_cow_data`), and that is not charged. So the more ports there are, \
     the more of its work the bridge leaves to others.",
];

/// Measures forwarding.
///
/// # Errors
///
/// When this router itself cannot be measured.
pub(crate) fn measure(arguments: &Arguments, effort: &Effort) -> Result<Section> {
    let mut section = Section::new("Forwarding", &METHOD);
    let mut outcomes = Outcomes::default();
    let begun = Instant::now();
    let mut patience = Patience::new(PATIENCE);
    let (all_ports, groups): (&[u32], u32) = if effort.quick {
        (&[1, 4], 1)
    } else {
        (&[1, 4, 16, 64], 10_000)
    };
    let rivals: &[Rival] = if effort.quick {
        &[Rival::Igmpd, Rival::Kernel]
    } else {
        &Rival::ALL
    };
    for &ports in all_ports {
        if begun.elapsed() > LIMIT {
            section.remarks.push(format!("{ports} ports: no time was left"));
            continue;
        }
        let mut forwarders = start(
            arguments,
            rivals,
            ports,
            groups,
            &mut outcomes,
            &mut section.remarks,
        );
        for case in Case::all(ports, groups, effort.quick) {
            run(
                &case,
                &mut forwarders,
                effort.repetitions.min(REPETITIONS),
                &mut patience,
                &mut outcomes,
                &mut section.remarks,
            );
        }
    }
    if !outcomes.has(Rival::Igmpd) {
        bail!("igmpd forwarded nothing: {}", section.remarks.join("; "));
    }
    outcomes.report(&mut section, rivals);
    Ok(section)
}

/// Starts all who can serve so many ports.
fn start(
    arguments: &Arguments,
    rivals: &[Rival],
    ports: u32,
    groups: u32,
    outcomes: &mut Outcomes,
    remarks: &mut Vec<String>,
) -> Vec<(Rival, Forwarder)> {
    let mut forwarders = Vec::new();
    for &rival in rivals {
        if let Some(objection) = rival.objection(ports) {
            outcomes.object(rival, ports, objection);
            continue;
        }
        match attempt(|| Forwarder::start(arguments, rival, ports, groups)) {
            Ok(forwarder) => forwarders.push((rival, forwarder)),
            Err(error) => {
                outcomes.object(rival, ports, "failed".to_owned());
                remarks.push(format!("{}, {ports} ports: {error:#}", rival.name()));
            }
        }
    }
    forwarders
}

/// Has all take turns at one case.
fn run(
    case: &Case,
    forwarders: &mut [(Rival, Forwarder)],
    repetitions: usize,
    patience: &mut Patience,
    outcomes: &mut Outcomes,
    remarks: &mut Vec<String>,
) {
    // The first packet of each group finds out where it goes.
    let first = u64::from(case.groups).max(2_000);
    let frames = match case.load {
        Load::Live => (FRAMES * 2 / u64::from(case.ports + 1)).max(first),
        Load::Socket => FRAMES / 8 / u64::from(case.ports),
    };
    let mut remark = |rival: Rival, text: String| {
        let text = format!("{}, {case}: {text}", rival.name());
        if !remarks.contains(&text) {
            remarks.push(text);
        }
    };
    let mut able = Vec::new();
    for (rival, forwarder) in forwarders {
        let warmed = attempt(|| {
            forwarder.site.choose(case.len, case.groups)?;
            turn::send(&mut forwarder.site, case.load, first)
        });
        match warmed {
            Ok(_) => able.push((*rival, forwarder)),
            Err(error) => remark(*rival, format!("{error:#}")),
        }
    }
    for _ in 0..repetitions {
        for (rival, forwarder) in &mut able {
            match patience.undisturbed(TRIES, || turn::take(forwarder, case.load, frames)) {
                Ok(turn) => outcomes.add(*rival, case, &turn),
                Err(error) => remark(*rival, format!("{error:#}")),
            }
        }
    }
}
