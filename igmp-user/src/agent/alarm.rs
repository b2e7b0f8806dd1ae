//! The timer that wakes the agent.
//!
//! The runtime's own timers count whole milliseconds and round up, and a group that was left would be forwarded for as
//! much longer. This one is the kernel's, which counts nanoseconds.

use std::{io, os::fd::OwnedFd};

use igmp_core::{Duration, Instant};
use rustix::{
    io::{Errno, read},
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};
use tokio::io::{Interest, unix::AsyncFd};

use super::clock;
use crate::readiness;

/// How far apart wake-ups are in the long run. Many groups have hundreds of deadlines a second at which there is
/// nothing to do but to see that reports came; they cost less together, and none of them is that urgent.
const REST: Duration = Duration::from_millis(4);
/// What may be saved for wake-ups right after one another, such as those for groups that are left at the same time: 64
/// of them.
const SAVINGS: Duration = Duration::from_millis(64 * 4);

/// An alarm clock that goes by `CLOCK_MONOTONIC`, as [`clock`] does.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: AsyncFd<OwnedFd>,
    /// What the timer is set to.
    set_to: Option<Instant>,
    /// It rings no earlier than this. Each time moves it on by [`REST`], and it follows the time by [`SAVINGS`].
    rested: Instant,
}

impl Alarm {
    /// An alarm clock that is not set.
    ///
    /// # Errors
    ///
    /// Where there are no more descriptors to be had.
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self {
            timer: readiness::of(timer, Interest::READABLE)?,
            set_to: None,
            rested: Instant::ZERO,
        })
    }

    /// Waits for a moment, which may have passed: then until whoever else is ready had a turn. May be given up at any
    /// time and called again, for another moment or for the same.
    ///
    /// # Errors
    ///
    /// Where the kernel does not let the timer be set, read or waited for.
    pub(super) async fn at(&mut self, deadline: Instant) -> io::Result<()> {
        let at = deadline.max(self.rested);
        if self.set_to != Some(at) {
            // This forgets that it rang for another moment.
            timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once(at))?;
            self.set_to = Some(at);
        }
        loop {
            let mut readable = self.timer.readable().await?;
            match read(&self.timer, &mut [0; 8]) {
                Ok(_) => {
                    readable.clear_ready();
                    self.set_to = None;
                    let now = clock::now();
                    let least = now.as_nanos().saturating_sub(SAVINGS.as_nanos());
                    self.rested = self.rested.max(Instant::from_nanos(least)) + REST;
                    return Ok(());
                }
                // It was set anew since the runtime saw it ring.
                Err(Errno::AGAIN) => readable.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A timer that rings at one moment.
fn once(at: Instant) -> Itimerspec {
    const BILLION: u64 = 1_000_000_000;
    // Zero would be no moment, but that the timer is not to ring.
    let nanos = at.as_nanos().max(1);
    let zero = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    Itimerspec {
        it_interval: zero,
        it_value: Timespec {
            // A number of nanoseconds in 64 bits has fewer seconds than fit.
            tv_sec: (nanos / BILLION) as i64,
            tv_nsec: (nanos % BILLION) as i64,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use tokio::{select, task::yield_now};

    use super::*;

    /// What a wait that goes on for this long has failed to notice.
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);
    const MILLISECOND: Duration = Duration::from_millis(1);

    async fn patiently(wait: impl Future<Output = io::Result<()>>) {
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("it rings")
            .expect("the kernel has timers");
    }

    #[tokio::test]
    async fn it_rings_at_its_moment_and_not_before() {
        let mut alarm = Alarm::new().expect("a timer");
        for micros in [1, 700, 1_300, 5_000, 20_100] {
            let deadline = clock::now() + Duration::from_nanos(micros * 1_000);
            patiently(alarm.at(deadline)).await;
            assert!(clock::now() >= deadline);
        }
    }

    #[tokio::test]
    async fn a_moment_that_has_passed_is_no_reason_to_wait() {
        let mut alarm = Alarm::new().expect("a timer");
        for deadline in [Instant::ZERO, Instant::from_nanos(1), clock::now()] {
            patiently(alarm.at(deadline)).await;
        }
    }

    #[tokio::test]
    async fn the_last_moment_that_was_named_counts() {
        let mut alarm = Alarm::new().expect("a timer");
        let far = Instant::MAX;
        for _ in 0..3 {
            select! {
                biased;
                _ = alarm.at(far) => panic!("it rang centuries too early"),
                () = yield_now() => {}
            }
        }
        // Earlier than what it was set to.
        let near = clock::now() + MILLISECOND * 5;
        patiently(alarm.at(near)).await;
        assert!(clock::now() >= near);
        // Later than what it was set to, and has rung for meanwhile, which the runtime has seen.
        let near = clock::now() + MILLISECOND;
        select! {
            biased;
            _ = alarm.at(near) => {}
            () = yield_now() => {}
        }
        while clock::now() < near + MILLISECOND {
            yield_now().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let later = clock::now() + MILLISECOND * 20;
        patiently(alarm.at(later)).await;
        assert!(clock::now() >= later);
    }

    #[tokio::test]
    async fn many_moments_share_a_wake_up() {
        let mut alarm = Alarm::new().expect("a timer");
        let began = clock::now();
        let most = |rings: u64| {
            let passed = clock::now().since(began) + SAVINGS + REST;
            assert!(
                rings <= passed.as_nanos() / REST.as_nanos(),
                "{rings} in {passed:?}"
            );
        };
        for rings in 1..=200 {
            patiently(alarm.at(clock::now())).await;
            most(rings);
        }
    }
}
