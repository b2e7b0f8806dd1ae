//! The clock that the XDP program stamps reports with.

use igmp_core::{Duration, Instant};
use rustix::time::{ClockId, clock_gettime};

/// What `CLOCK_MONOTONIC` says.
pub(super) fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    // The clock begins with the machine, so it is never negative.
    Instant::from_nanos(time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs())
}

/// The same span for the runtime's timers.
pub(super) fn to_std(span: Duration) -> std::time::Duration {
    std::time::Duration::from_nanos(span.as_nanos())
}
