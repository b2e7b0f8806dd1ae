//! Random delays that a seed repeats.

use crate::time::Duration;

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). The delays keep hosts of a
/// link from answering all at once and guard no secret.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `last`, both possible.
    pub(crate) fn up_to(&mut self, last: u64) -> u64 {
        match last.checked_add(1) {
            Some(count) => self.next() % count,
            None => self.next(),
        }
    }

    /// Any number.
    pub(crate) fn number(&mut self) -> u32 {
        // The upper half, which is mixed as well as the lower one.
        (self.next() >> 32) as u32
    }

    /// A span from (0, `limit`]. Never none at all, so that nothing is answered at once.
    pub(crate) fn delay(&mut self, limit: Duration) -> Duration {
        Duration::from_nanos(1 + self.up_to(limit.as_nanos().saturating_sub(1)))
    }
}
