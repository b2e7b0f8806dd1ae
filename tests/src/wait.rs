//! Waiting for conditions instead of for times.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long a condition that is not about a timer of the protocol may take to come true. It is long because the machines
/// that run these tests are small and busy, and costs nothing where the condition comes true early.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(100);

/// Looks until `look` answers `Ok`, and returns what it found. An `Err` says what was seen instead.
///
/// # Panics
///
/// When `timeout` is over, with what was seen last.
#[track_caller]
pub fn wait_for<T>(what: &str, timeout: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            // The deadline is read after the look, so that even on a machine that stood still there was one at the end.
            Err(seen) if start.elapsed() >= timeout => {
                panic!("waited {timeout:?} for {what}; last seen: {seen}")
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
