//! Limits on events that others can cause at will.

use igmp_wire::abi::InterfaceUsage;

/// Most events a second and interface. A querier whose members leave in a storm sends a few thousand queries.
const EVENT_RATE: u64 = 10_000;
/// Most events at once.
const EVENT_BURST: u32 = 20_000;
/// Nanoseconds in which one more event is allowed.
const EVENT_SPACING: u64 = 1_000_000_000 / EVENT_RATE;

/// Takes a token, if there is one.
#[inline(always)]
pub(crate) fn take_token(usage: *mut InterfaceUsage, now: u64) -> bool {
    take_token_above(usage, now, 0)
}

/// Takes a token for what is less important, if half of all are left for the rest.
#[inline(always)]
pub(crate) fn take_spare_token(usage: *mut InterfaceUsage, now: u64) -> bool {
    take_token_above(usage, now, EVENT_BURST / 2)
}

/// Takes a token, if there are more than `least`. CPUs that do so at once may take the same one, which lets a few more
/// events through.
#[inline(always)]
fn take_token_above(usage: *mut InterfaceUsage, now: u64, least: u32) -> bool {
    // SAFETY: the pointer is to a value of an array map, which lives as long as the program. The two fields are read and
    // written as single words.
    unsafe {
        let tokens = &raw mut (*usage).query_tokens;
        let refill = &raw mut (*usage).query_refill;
        let earned = now.wrapping_sub(refill.read_volatile()) / EVENT_SPACING;
        let mut left = tokens.read_volatile();
        if earned > 0 {
            refill.write_volatile(now);
            let sum = u64::from(left) + earned;
            left = if sum > u64::from(EVENT_BURST) {
                EVENT_BURST
            } else {
                sum as u32
            };
        }
        if left <= least {
            // What was earned is kept.
            tokens.write_volatile(left);
            return false;
        }
        tokens.write_volatile(left - 1);
        true
    }
}
