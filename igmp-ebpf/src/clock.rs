//! The coarse time, asked for once a tick.

use aya_ebpf::helpers::{bpf_jiffies64, bpf_ktime_get_coarse_ns};

use crate::maps::CLOCKS;

/// A tick, and the coarse time that was told in it.
#[repr(C)]
pub(crate) struct Clock {
    jiffies: u64,
    now: u64,
}

/// Nanoseconds of the coarse `CLOCK_MONOTONIC`, or what they were a tick ago. The number of ticks is a load, while the time is
/// a call.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // SAFETY: the helper takes no argument and always succeeds.
    let jiffies = unsafe { bpf_jiffies64() };
    let Some(clock) = CLOCKS.get_ptr_mut(0) else {
        return ask();
    };
    // SAFETY: the pointer is to this CPU's value of a per-CPU array, which no other program run on this CPU touches meanwhile,
    // and which lives as long as the map.
    let clock = unsafe { &mut *clock };
    if clock.jiffies != jiffies {
        clock.jiffies = jiffies;
        clock.now = ask();
    }
    clock.now
}

#[inline(always)]
fn ask() -> u64 {
    // SAFETY: the helper takes no argument and always succeeds.
    unsafe { bpf_ktime_get_coarse_ns() }
}
