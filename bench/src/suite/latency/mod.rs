//! How long a join and a leave take: from a report to the first packet, and from a leave to the last.
//!
//! | module | holds |
//! |---|---|
//! | [`scene`] | source, router and member, and the contestants between them |
//! | [`generator`] | data that flows all the time, and a storm of other joins |
//! | [`member`] | reports, and when data came |
//! | [`turn`] | one contestant's turn |
//! | [`outcome`] | tables, plots and goals |

mod generator;
mod member;
mod outcome;
mod scene;
#[cfg(test)]
mod tests;
mod turn;

use std::time::Duration;

use anyhow::Result;

use self::{
    outcome::Pool,
    scene::Contestant,
    turn::{Plan, Turn},
};
use super::Effort;
use crate::{
    arguments::Arguments,
    model::Section,
    patience::{Patience, judged},
};

/// How often a turn is tried for which the machine has no CPU time, and how many are taken again in all. A turn takes
/// long.
const TRIES: usize = 2;
const PATIENCE: usize = 5;

const METHOD: &[&str] = &[
    "A source, a router and a member in namespaces of their own, in a row. The source sends a packet of 200 bytes every \
     50 µs to the group in question, from before anybody joins, as a thread on processor 0 that sleeps in between. The \
     member, on processor 1, sends a version 3 report for a new group and reads the clock right before; the kernel stamps \
     the first packet that arrives (SO_TIMESTAMPNS), so that nobody has to wake up for it to be seen. A latency contains \
     the wait for the next packet of the source, 25 µs in the mean, the same for all. Frames are socket buffers of a packet \
     socket, complete with their checksums.",
    "A leave is a report of TO_IN with no sources. Its latency ends with the last packet that arrives. Where the router \
     asks the last member, 20 groups are left at the same time and get a packet every millisecond each, which is the \
     resolution; the Last Member Query Time is 2 · 0.1 s for both, and no leave can be much quicker than that without breaking \
     RFC 9776, so there is no goal for it. FRR 8.4 has no immediate leave, so it is measured of igmpd alone.",
    "In a storm others on the member's link join new groups at a steady rate, a report for each, sent in between the \
     data. FRR is first hop, last hop and rendezvous point; before its turn begins, the kernel has asked it about \
     every (S,G), so that a join only has to add an interface. Half of the groups that were joined in a storm are left while it goes on. A join is not done if no packet came within 1 s; such \
     joins and leaves are counted, and are the worst of a percentile that a goal compares.",
];

/// Measures both contestants in turn.
///
/// # Errors
///
/// When the machine does not tell its CPU time.
pub(crate) fn measure(_arguments: &Arguments, effort: &Effort) -> Result<Section> {
    let (repetitions, plan) = if effort.quick {
        let plan = Plan {
            joins: 100,
            leaves: 20,
            leaves_at_once: 20,
            storms: vec![1_000],
            joins_in_storm: 50,
            leaves_in_storm: 20,
            storm: Duration::from_secs(1),
        };
        (1, plan)
    } else {
        let plan = Plan {
            joins: 400,
            leaves: 340,
            leaves_at_once: 20,
            storms: vec![1_000, 20_000, 50_000],
            joins_in_storm: 200,
            leaves_in_storm: 100,
            storm: Duration::from_secs(3),
        };
        // Enough for percentiles over 1,000 joins and leaves.
        (3, plan)
    };
    run(&plan, repetitions, &Contestant::ALL)
}

fn run(plan: &Plan, repetitions: usize, contestants: &[Contestant]) -> Result<Section> {
    let mut section = Section::new("Latency of a join and of a leave", METHOD);
    let mut pools: Vec<Pool> = contestants
        .iter()
        .map(|contestant| (*contestant, Turn::default()))
        .collect();
    let mut patience = Patience::new(PATIENCE);
    for repetition in 1..=repetitions {
        for (contestant, pool) in &mut pools {
            match patience.undisturbed(TRIES, || judged(|| turn::take(*contestant, plan))) {
                Ok(turn) => pool.extend(turn),
                Err(error) => section.remarks.push(format!(
                    "{}, repetition {repetition}: nothing counted: {error:#}",
                    contestant.name()
                )),
            }
        }
    }
    outcome::describe(&mut section, plan, &pools);
    Ok(section)
}
