//! Measuring again what the machine had no CPU time for.

use std::{thread, time::Duration};

use anyhow::Result;

use crate::{
    contestant::attempt,
    cpu::{Starved, Usage},
};

/// How long to wait before the next try: whoever takes the CPU time has his bursts.
const PAUSE: Duration = Duration::from_secs(3);

/// How often a suite tries again what was starved, all its turns together, so that it ends even where nothing can be
/// measured.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    pause: Duration,
    /// How many more tries there are.
    left: usize,
}

impl Patience {
    /// So many further tries for a suite.
    pub(crate) fn new(tries: usize) -> Self {
        Self {
            pause: PAUSE,
            left: tries,
        }
    }

    /// Does a contestant's turn, and again, some time later, where it fails for being [`Starved`]: at most `tries`
    /// times.
    ///
    /// # Errors
    ///
    /// Those of [`attempt`]; [`Starved`] where the last try was starved as well.
    pub(crate) fn undisturbed<T>(&mut self, tries: usize, mut turn: impl FnMut() -> Result<T>) -> Result<T> {
        let mut further = tries.saturating_sub(1);
        loop {
            match attempt(&mut turn) {
                Err(error) if error.is::<Starved>() && further > 0 && self.left > 0 => {
                    further -= 1;
                    self.left -= 1;
                    thread::sleep(self.pause);
                }
                outcome => return outcome,
            }
        }
    }
}

/// Does something for which the whole machine is needed.
///
/// # Errors
///
/// [`Starved`] where there was too little CPU time meanwhile, and its own errors.
pub(crate) fn judged<T>(turn: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = Usage::now()?;
    let outcome = turn();
    // What fails for want of CPU time has not failed by itself.
    Usage::now()?.since(before).ensure_enough()?;
    outcome
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, bail};

    use super::*;

    fn impatient(tries: usize) -> Patience {
        Patience {
            pause: Duration::ZERO,
            left: tries,
        }
    }

    /// What a machine tells whose hypervisor took half of the CPU time of two seconds.
    fn starve() -> Result<()> {
        let usage = Usage {
            user: 1.0,
            steal: 1.0,
            ..Usage::default()
        };
        Ok(usage.ensure_enough()?)
    }

    #[test]
    fn what_was_starved_is_done_again() {
        let mut calls = 0;
        let outcome = impatient(10).undisturbed(4, || {
            calls += 1;
            if calls <= 2 {
                starve().context("joins")?;
            }
            Ok(calls)
        });
        assert_eq!(outcome.expect("the third one is fine"), 3);
    }

    #[test]
    fn what_is_always_starved_ends_and_says_so() {
        let mut patience = impatient(5);
        let mut calls = 0;
        // Three further tries, then the two that are left, then none.
        for all in [4, 7, 8] {
            let error = patience
                .undisturbed(4, || {
                    calls += 1;
                    starve()
                })
                .expect_err("there is never enough");
            assert!(error.is::<Starved>(), "{error:#}");
            assert_eq!(calls, all);
        }
    }

    #[test]
    fn other_failures_are_not_tried_again() {
        let mut calls = 0;
        let error = impatient(10)
            .undisturbed::<()>(4, || {
                calls += 1;
                bail!("gone")
            })
            .expect_err("it failed");
        assert_eq!((error.to_string().as_str(), calls), ("gone", 1));
    }
}
