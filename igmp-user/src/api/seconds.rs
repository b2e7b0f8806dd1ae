//! Durations as numbers.

use std::fmt;

use igmp_core::{Duration, Instant};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of time in seconds, to a tenth. Whole numbers are written without decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Seconds(f64);

impl Seconds {
    /// A number of seconds, rounded to a tenth.
    pub fn new(seconds: f64) -> Self {
        Self((seconds * 10.0).round() / 10.0)
    }

    /// How long it is until `time`, 0 where it has passed.
    pub fn until(now: Instant, time: Instant) -> Self {
        time.since(now).into()
    }

    /// How long ago `time` was, 0 where it is still to come.
    pub fn since(now: Instant, time: Instant) -> Self {
        now.since(time).into()
    }

    /// The number of seconds.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl From<Duration> for Seconds {
    fn from(span: Duration) -> Self {
        Self::new(span.as_secs_f64())
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0 >= 0.0 {
            serializer.serialize_u64(self.0 as u64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self)
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1}", self.0)
    }
}
