//! One call of `BPF_PROG_TEST_RUN`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aya::{
    TestRun,
    programs::{TestRunOptions, Xdp},
};
use nix::time::{ClockId, clock_gettime};

/// From so many repetitions on, the CPU time of the calling thread tells more than the kernel's own number, which is a
/// whole number of nanoseconds: what the system call itself takes does not count any more.
const MANY: u32 = 10_000;

/// What a program answers, as the kernel numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Verdict {
    /// `XDP_DROP`.
    Drop = 1,
    /// `XDP_PASS`.
    Pass = 2,
    /// `XDP_REDIRECT`.
    Redirect = 4,
}

/// Runs a program over a frame so many times in a row and tells how many nanoseconds one run took.
///
/// # Errors
///
/// When the kernel refuses, and when the last run had a verdict that is none of these.
pub(super) fn run(program: &Xdp, frame: &[u8], repeat: u32, verdicts: &[Verdict]) -> Result<f64> {
    let options = TestRunOptions {
        data_in: Some(frame),
        repeat,
        ..TestRunOptions::default()
    };
    let before = cpu_time()?;
    let result = program
        .test_run(options)
        .context("the kernel does not run the program")?;
    let used = cpu_time()? - before;
    ensure!(
        verdicts
            .iter()
            .any(|&verdict| verdict as u32 == result.return_value),
        "the verdict is {}, and {verdicts:?} was expected",
        result.return_value
    );
    Ok(if repeat >= MANY {
        used.as_secs_f64() * 1e9 / f64::from(repeat)
    } else {
        result.duration.as_secs_f64() * 1e9
    })
}

fn cpu_time() -> Result<Duration> {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).context("the thread's CPU clock")?;
    Ok(now.into())
}
