//! What a packet costs in XDP.
//!
//! The kernel runs the router's program over a frame, many times in a row (`BPF_PROG_TEST_RUN`), and so it does with floors:
//! programs that do the least that could have the same effect. Both have maps of the same size with the same groups, and
//! take turns, case by case and round by round. What a run counts is known, and the counters must have gone up by exactly
//! that, times the runs: a packet that took another path is an error and not a figure.
//!
//! | module | holds |
//! |---|---|
//! | [`cases`] | the kinds of packets, and what is to come of each |
//! | [`packets`] | their frames |
//! | [`router`] | the router's own program, and what it counts |
//! | [`floor`] | the floors |
//! | [`mod@bench`] | both beside each other |
//! | [`cold`] | packets whose groups are in no cache |
//! | [`trial`] | one call of the kernel |
//! | [`tables`] | the report |

mod bench;
mod cases;
mod cold;
mod floor;
mod packets;
mod router;
mod tables;
mod trial;

use std::{path::Path, thread};

use ::tests::Network;
use anyhow::{Result, ensure};

use self::{
    bench::{Bench, Taken},
    cold::Deck,
    tables::Measured,
};
use crate::{
    arguments::Arguments,
    cpu::{self, Usage},
    model::Section,
    suite::Effort,
};

/// How many groups many are.
const MANY: u32 = 1_000_000;
/// Room for them, and for those of the cases that are beside them.
const MAX_GROUPS: u32 = MANY + 1_000;
/// The processor that measures; the other one is left to everything else.
const PROCESSOR: usize = 1;

const METHOD: [&str; 3] = [
    "Load: `BPF_PROG_TEST_RUN` runs the program over a prebuilt frame in the kernel, many times in a row, without a device, \
     a driver or a socket buffer. A redirect is decided there and not carried out, so the cost of a forwarded packet is \
     that of the decision. A floor is the least work that could have the same effect on a network where every packet is \
     right: headers, one lookup for each group in a hash map, one store. It judges and counts nothing. The router finds \
     groups that reports only repeat in a table of its own, without the hash map, unless another group has the place.",
    "Router and floor have maps of the same size and the same groups, and take turns. Frames of one kind name 16 groups or \
     more in turn. From 10,000 repetitions on a figure is the CPU time of the calling thread by the runs, below it the \
     kernel's own number, in whole nanoseconds. After each measurement the counters must have gone up by what a packet of \
     the kind counts, times the runs.",
    "The floor of a report with sources looks up and writes as many groups as the report has groups and sources. The floor \
     of unicast and of refused packets is the empty program. The events of leaves go into the ring, which is emptied \
     between measurements.",
];

/// Measures what packets cost.
///
/// # Errors
///
/// When programs cannot be loaded, and when a packet took another path than it should.
pub(crate) fn measure(arguments: &Arguments, effort: &Effort) -> Result<Section> {
    let scale = Scale {
        many: MANY,
        max_groups: MAX_GROUPS,
        rounds: if effort.quick { 3 } else { 2 * effort.repetitions },
        time: if effort.quick { 2e6 } else { 1e7 },
    };
    in_a_quiet_place(|| run(&arguments.object, &scale))
}

/// How much to do.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// How many groups many are.
    many: u32,
    /// Room in the maps.
    max_groups: u32,
    /// How many times everything is measured.
    rounds: usize,
    /// For how many nanoseconds each time.
    time: f64,
}

fn run(object: &Path, scale: &Scale) -> Result<Section> {
    let mut section = Section::new("What a packet costs in XDP", &METHOD);
    let usage = Usage::now()?;
    let cases = cases::all();
    let mut bench = Bench::load(object, scale.max_groups)?;
    let mut few = vec![Taken::default(); cases.len()];
    for _ in 0..scale.rounds {
        bench.round(&cases, scale.time, &mut few)?;
    }
    let new = bench.learn_up_to(scale.many)?;
    ensure!(
        bench.groups()? >= scale.many,
        "the router knows only {} groups",
        bench.groups()?
    );
    let mut many = vec![Taken::default(); cases.len()];
    let mut cold = cold::kinds();
    let mut deck = Deck::new(scale.many);
    for _ in 0..scale.rounds {
        cold::round(&mut bench, &mut deck, &mut cold)?;
        bench.round(&cases, scale.time, &mut many)?;
    }
    let measured = Measured {
        cases: &cases,
        few: &few,
        many: &many,
        cold: &cold,
        new,
        groups: scale.many,
    };
    measured.report(&mut section);
    section.remarks.extend(Usage::now()?.since(usage).starved());
    Ok(section)
}

/// Runs something on one processor, where there is more than one, and in a network namespace with a device for each
/// program to be attached to. No packets come in there. But a program that is attached nowhere is put into the kernel's
/// dispatcher of XDP programs (`bpf_prog_change_xdp`) by each test run and taken out by its end, which takes milliseconds.
fn in_a_quiet_place<T: Send>(task: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let network = Network::new();
    let namespace = network.namespace("cost");
    for [one, other] in floor::DEVICES.as_chunks().0 {
        namespace.ip(&format!("link add {one} type veth peer name {other}"));
    }
    namespace.enter(|| {
        if thread::available_parallelism().is_ok_and(|count| count.get() > PROCESSOR) {
            cpu::pin_this_thread(PROCESSOR)?;
        }
        task()
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use igmp_wire::Refusal;

    use super::{
        cases::{Case, V2_REFRESH},
        router::Count,
        trial::Verdict,
        *,
    };

    const TINY: Scale = Scale {
        many: 10_000,
        max_groups: 12_000,
        rounds: 1,
        time: 1e4,
    };

    #[test]
    fn every_packet_takes_its_path() {
        let object = Arguments::for_tests().object;
        let section = in_a_quiet_place(|| run(&object, &TINY)).expect("every packet takes its path");
        assert!(
            section.goals.iter().all(|goal| goal.measured.is_some()),
            "{:#?}",
            section.goals
        );
        let rows: usize = section.tables.iter().map(|table| table.rows.len()).sum();
        // Each case once, four kinds of records, and five kinds of packets in no cache.
        assert_eq!(rows, cases::all().len() + 4 + 5);
        for reason in Refusal::ALL {
            let mut names = section.tables.iter().flat_map(|table| &table.rows);
            assert!(names.any(|(name, _)| name == reason.name()), "{reason:?}");
        }
    }

    /// What should be a version 2 refresh, changed.
    fn failure(change: impl FnOnce(&mut Case) + Send) -> String {
        let object = Arguments::for_tests().object;
        let outcome = in_a_quiet_place(|| {
            let mut bench = Bench::load(&object, TINY.max_groups)?;
            let mut case = cases::all()
                .into_iter()
                .find(|case| case.name == V2_REFRESH)
                .context("there is a v2 refresh")?;
            change(&mut case);
            bench.round(&[case], TINY.time, &mut [Taken::default()])
        });
        format!("{:#}", outcome.expect_err("the packet took another path"))
    }

    #[test]
    fn another_path_is_no_figure() {
        // Of a group that is known, but asked for by a packet that is refused.
        let text = failure(|case| case.work.frames = vec![packets::unknown(packets::group(0)).frame()]);
        assert!(
            text.contains("the verdict is 2, and [Drop] was expected"),
            "{text}"
        );
        // A group that nobody reported before, so that the first report makes it and the others refresh it.
        let text = failure(|case| case.work.frames = vec![packets::v2([239, 9, 9, 9].into())]);
        assert!(text.contains("the frame took another path"), "{text}");
        // The right packet, but not what it is taken for.
        let text = failure(|case| case.work.count = Count::Interface(Box::default()));
        assert!(text.contains("the frame took another path"), "{text}");
    }

    #[test]
    fn a_floor_that_does_nothing_is_no_figure() {
        let text = failure(|case| case.ground.groups.push(0xef09_0909));
        assert!(text.contains("the floor does not know a group"), "{text}");
        let text = failure(|case| case.ground.frames.truncate(1));
        assert!(
            text.contains("the floor has not written the time of a group"),
            "{text}"
        );
        let text = failure(|case| case.ground.verdict = Verdict::Pass);
        assert!(
            text.contains("the verdict is 1, and [Pass] was expected"),
            "{text}"
        );
    }
}
