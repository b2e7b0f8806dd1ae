//! Many seeds, or a single one.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

fn number_of(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().expect("a number"))
}

/// Runs so many seeds, or those that `PIM_SIM_SEEDS` or `PIM_SIM_SEED` asks for, and adds up what they answer. Where
/// one fails, the message says how to run it alone.
pub(crate) fn run<const N: usize>(
    name: &str,
    seeds: u64,
    run: impl Fn(u64, bool) -> Result<[u64; N], String> + Sync,
) -> [u64; N] {
    if let Some(seed) = number_of("PIM_SIM_SEED") {
        return match run(seed, true) {
            Ok(sums) => sums,
            Err(text) => panic!("{name}: seed {seed}: {text}"),
        };
    }
    let seeds = number_of("PIM_SIM_SEEDS").unwrap_or(seeds);
    let (next, outcome) = (AtomicU64::new(0), Mutex::new(([0; N], Vec::new())));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed, false)));
            let mut outcome = outcome.lock().expect("nobody panics with it");
            match result {
                Ok(Ok(counts)) => {
                    for (sum, count) in outcome.0.iter_mut().zip(counts) {
                        *sum += count;
                    }
                }
                Ok(Err(text)) => outcome.1.push((seed, text)),
                Err(_) => outcome.1.push((seed, "panics".to_owned())),
            }
        }
    };
    let workers = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    let (sums, mut failures) = outcome.into_inner().expect("nobody panics with it");
    failures.sort_unstable();
    if let Some((seed, text)) = failures.first() {
        let all: Vec<u64> = failures.iter().map(|(seed, _)| *seed).collect();
        panic!(
            "{name}: seed {seed}: {text}\n{} of {seeds} seeds fail: {all:?}\n\
             run it alone with PIM_SIM_SEED={seed} cargo test -p igmp-core --test pim {name} -- --nocapture",
            failures.len()
        );
    }
    println!("{name}: {sums:?}");
    sums
}
