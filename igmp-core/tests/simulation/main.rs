//! A simulation of whole links on virtual time: routers, hosts of all versions, and a network that loses, delays, doubles
//! and reorders what they say.
//!
//! Each number is a seed and stands for a scenario. Where a seed fails, the message says how to run it alone and see
//! everything that happened:
//!
//! ```text
//! IGMP_SIM_SEED=1234 cargo test -p igmp-core --test simulation -- --nocapture
//! ```
//!
//! `IGMP_SIM_SEEDS=100000` runs more of them.
//!
//! | module | holds |
//! |---|---|
//! | `scenario`, `rng` | what a seed stands for |
//! | `world` | what happens, in the order of time, and the checks |
//! | `host`, `router`, `kernel` | those on the link; a router is a core with an agent and a kernel |
//! | `link`, `message` | the network between them, and what is said on it |
//! | `ledger` | what a router owes by what it has received |
//! | `routes` | where a router sends packets, as it was told and as it follows from what is known of its groups |
//! | `failure`, `trace` | what a check found, and what led to it |
//! | `sabotage` | faults that the checks have to find |

mod failure;
mod host;
mod kernel;
mod ledger;
mod link;
mod message;
mod rng;
mod router;
#[path = "../routes/mod.rs"]
mod routes;
mod sabotage;
mod scenario;
mod trace;
mod world;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use failure::{Failure, Kind};
use sabotage::Sabotage;
use scenario::Scenario;
use trace::seconds;
use world::{Tally, World};

/// How many seeds are run where nothing else is asked for.
const SEEDS: u64 = 1_200;
/// Within how many seeds a fault is to be found.
const FAULT_SEEDS: u64 = 400;
/// How many lines of the trace a failure shows.
const SHOWN: usize = 40;

fn number_of(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number: {value}")),
    )
}

fn run(seed: u64, sabotage: Option<Sabotage>) -> Result<Tally, Failure> {
    World::new(&Scenario::draw(seed, sabotage), false).run().0
}

/// Runs a seed once more to say what happened.
fn explain(seed: u64, failure: &Failure) -> String {
    let scenario = Scenario::draw(seed, None);
    let (_, trace) = World::new(&scenario, true).run();
    format!(
        "seed {seed} fails at {:.3} s: {:?}{}\n{}\n{scenario:?}\nlast of the trace:\n{}\n\
         run it alone with IGMP_SIM_SEED={seed} cargo test -p igmp-core --test simulation -- --nocapture",
        seconds(failure.at),
        failure.kind,
        failure
            .group
            .map(|group| format!(" of {group}"))
            .unwrap_or_default(),
        failure.text,
        trace.last(failure.group, SHOWN).join("\n"),
    )
}

#[test]
fn members_get_their_traffic_and_no_group_outlives_them() {
    if let Some(seed) = number_of("IGMP_SIM_SEED") {
        let scenario = Scenario::draw(seed, None);
        println!("{scenario:#?}");
        let (result, trace) = World::new(&scenario, true).run();
        for line in trace.last(None, usize::MAX) {
            println!("{line}");
        }
        if let Err(failure) = result {
            panic!("{}", explain(seed, &failure));
        }
        return;
    }
    let seeds = number_of("IGMP_SIM_SEEDS").unwrap_or(SEEDS);
    let begin = Instant::now();
    let next = AtomicU64::new(0);
    let work = || {
        let (mut sum, mut failures) = (Tally::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return (sum, failures);
            }
            match run(seed, None) {
                Ok(tally) => {
                    sum.frames += tally.frames;
                    sum.events += tally.events;
                    sum.looks += tally.looks;
                    sum.virtual_time = sum.virtual_time + tally.virtual_time;
                }
                Err(failure) => failures.push((seed, failure)),
            }
        }
    };
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let results: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a seed panics"))
            .collect()
    });
    let mut failures = Vec::new();
    let mut total = Tally::default();
    for (tally, failed) in results {
        total.frames += tally.frames;
        total.events += tally.events;
        total.looks += tally.looks;
        total.virtual_time = total.virtual_time + tally.virtual_time;
        failures.extend(failed);
    }
    println!(
        "{seeds} seeds in {:.1} s: {:.0} hours, {} frames, {} events, {} looks",
        begin.elapsed().as_secs_f64(),
        total.virtual_time.as_secs_f64() / 3600.0,
        total.frames,
        total.events,
        total.looks
    );
    failures.sort_by_key(|(seed, _)| *seed);
    if let Some((seed, failure)) = failures.first() {
        let list: Vec<_> = failures
            .iter()
            .map(|(seed, failure)| format!("{seed}: {:?}", failure.kind))
            .collect();
        panic!(
            "{}\n{} of {seeds} seeds fail: {}",
            explain(*seed, failure),
            failures.len(),
            list.join(", "),
        );
    }
}

/// A check is worth something if it can fail: each fault that is put in is found, and by a check that is about it.
#[test]
fn every_fault_is_found() {
    use Kind::{Forwarding, GroupOutlived, Maps, MemberStarved, Noise, Outlived, Querier, Routes, Starved};

    let faults: [(Sabotage, &[Kind]); 14] = [
        (Sabotage::DropRefreshes, &[Starved, MemberStarved]),
        (Sabotage::IgnoreLeaves, &[Outlived, GroupOutlived]),
        (
            Sabotage::DeafToQueries,
            &[Querier, Starved, Outlived, GroupOutlived],
        ),
        (Sabotage::DeleteNewer, &[Starved, Maps]),
        (Sabotage::NoResync, &[Starved, Outlived, GroupOutlived]),
        (Sabotage::NoGeneralQueries, &[MemberStarved, Querier]),
        (Sabotage::NoSpecificQueries, &[MemberStarved]),
        (Sabotage::ShortMemberships, &[Starved, MemberStarved]),
        (Sabotage::LongMemberships, &[Outlived, GroupOutlived]),
        (Sabotage::KeepSources, &[Maps, Outlived]),
        (Sabotage::RefreshAlways, &[Starved, Outlived, Forwarding]),
        (Sabotage::RefreshNever, &[Noise]),
        (Sabotage::KeepRoutes, &[Routes]),
        (Sabotage::LoseBlocks, &[Routes]),
    ];
    for (sabotage, expected) in faults {
        let mut kinds = Vec::new();
        let found = (0..FAULT_SEEDS).any(|seed| match run(seed, Some(sabotage)) {
            Ok(_) => false,
            Err(failure) => {
                kinds.push(failure.kind);
                expected.contains(&failure.kind)
            }
        });
        println!("{sabotage:?}: {kinds:?}");
        assert!(
            found,
            "{sabotage:?} is not found by any of {expected:?}, only {kinds:?}"
        );
    }
}

/// A scenario is the same whenever it is run, or a seed could not be replayed.
#[test]
fn a_seed_repeats_itself() {
    for seed in 0..8 {
        let whole = || {
            let (_, trace) = World::new(&Scenario::draw(seed, None), true).run();
            trace.last(None, usize::MAX).join("\n")
        };
        assert_eq!(whole(), whole(), "seed {seed}");
    }
}
