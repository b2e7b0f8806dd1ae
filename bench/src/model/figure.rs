//! A number that was measured several times.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Nanoseconds.
    Nanoseconds,
    /// Seconds; shown in milli- and microseconds where they are few.
    Seconds,
    /// So many a second.
    PerSecond,
    /// So many a second of CPU time.
    PerCpuSecond,
    /// Bytes.
    Bytes,
    /// Things of any kind.
    Count,
    /// One number divided by another.
    Ratio,
    /// Hundredths.
    Percent,
}

/// The outcomes of repeating one measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) unit: Unit,
    /// In the order in which they were measured; never empty.
    pub(crate) samples: Vec<f64>,
}

impl Figure {
    /// A figure of these outcomes; `None` where there is none.
    pub(crate) fn of(unit: Unit, samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let samples: Vec<f64> = samples.into_iter().collect();
        (!samples.is_empty()).then_some(Self { unit, samples })
    }

    /// A figure of a single outcome.
    pub(crate) fn once(unit: Unit, sample: f64) -> Self {
        Self {
            unit,
            samples: vec![sample],
        }
    }

    /// The middle one of the outcomes, or the mean of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let (low, high) = ((sorted.len() - 1) / 2, sorted.len() / 2);
        f64::midpoint(at(&sorted, low), at(&sorted, high))
    }

    /// The outcome that so many hundredths of all are no greater than (nearest rank).
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let sorted = self.sorted();
        let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
        at(&sorted, rank.saturating_sub(1))
    }

    /// The least outcome.
    pub(crate) fn min(&self) -> f64 {
        self.samples.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// The greatest outcome.
    pub(crate) fn max(&self) -> f64 {
        self.samples.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// How many times another one's each outcome is. Outcomes of the same repetition are compared where both have as
    /// many, so that a machine whose speed drifts slows both alike; else the medians.
    pub(crate) fn ratio(&self, to: &Self) -> Option<Self> {
        if self.samples.len() == to.samples.len() {
            let pairs = self.samples.iter().zip(&to.samples);
            return Self::of(
                Unit::Ratio,
                pairs
                    .map(|(one, other)| one / other)
                    .filter(|ratio| ratio.is_finite()),
            );
        }
        let ratio = self.median() / to.median();
        ratio.is_finite().then(|| Self::once(Unit::Ratio, ratio))
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

fn at(sorted: &[f64], index: usize) -> f64 {
    sorted
        .get(index.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

/// The median, and the least and greatest outcome where there are several.
impl Display for Figure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.unit.show(f, self.median())?;
        if self.samples.len() > 1 {
            f.write_str(" (")?;
            self.unit.show(f, self.min())?;
            f.write_str("–")?;
            self.unit.show(f, self.max())?;
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl Unit {
    fn show(self, f: &mut Formatter<'_>, number: f64) -> fmt::Result {
        match self {
            Self::Nanoseconds => write!(f, "{} ns", digits(number)),
            Self::Seconds if number.abs() < 0.001 => write!(f, "{} µs", digits(number * 1e6)),
            Self::Seconds if number.abs() < 1.0 => write!(f, "{} ms", digits(number * 1e3)),
            Self::Seconds => write!(f, "{} s", digits(number)),
            Self::PerSecond => write!(f, "{}/s", scaled(number)),
            Self::PerCpuSecond => write!(f, "{}/CPU s", scaled(number)),
            Self::Bytes if number.abs() >= 1e6 => write!(f, "{} MB", digits(number / 1e6)),
            Self::Bytes => write!(f, "{} B", digits(number)),
            Self::Count => write!(f, "{}", grouped(number)),
            Self::Ratio => write!(f, "{}×", digits(number)),
            Self::Percent => write!(f, "{} %", digits(number)),
        }
    }

    /// A number of this unit for people.
    pub(crate) fn text(self, number: f64) -> String {
        Figure::once(self, number).to_string()
    }
}

/// Three significant digits, and no fewer than the number has before its point.
fn digits(number: f64) -> String {
    let magnitude = number.abs();
    let decimals = match magnitude {
        _ if magnitude >= 99.95 => 0,
        _ if magnitude >= 9.995 => 1,
        _ => 2,
    };
    format!("{number:.decimals$}")
}

/// With k or M where that is shorter.
fn scaled(number: f64) -> String {
    match number.abs() {
        magnitude if magnitude >= 1e6 => format!("{} M", digits(number / 1e6)),
        magnitude if magnitude >= 1e3 => format!("{} k", digits(number / 1e3)),
        _ => digits(number),
    }
}

/// A whole number in groups of three digits.
fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < -0.5 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(samples: &[f64]) -> Figure {
        Figure::of(Unit::Ratio, samples.iter().copied()).expect("some outcomes")
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(figure(&[9.0, 1.0, 5.0]).median(), 5.0);
        assert_eq!(figure(&[4.0, 1.0, 2.0, 100.0]).median(), 3.0);
        assert_eq!(figure(&[7.0]).median(), 7.0);
        assert!(Figure::of(Unit::Ratio, []).is_none());
    }

    #[test]
    fn percentiles_by_nearest_rank() {
        let hundred = figure(&(1..=100).map(f64::from).collect::<Vec<_>>());
        assert_eq!(hundred.percentile(50.0), 50.0);
        assert_eq!(hundred.percentile(99.0), 99.0);
        assert_eq!(hundred.percentile(99.9), 100.0);
        assert_eq!(hundred.percentile(0.0), 1.0);
    }

    #[test]
    fn ratios_are_of_the_same_repetition() {
        let ratio = figure(&[2.0, 9.0]).ratio(&figure(&[1.0, 3.0])).expect("a ratio");
        assert_eq!(ratio.samples, [2.0, 3.0]);
        let ratio = figure(&[2.0, 4.0, 9.0]).ratio(&figure(&[2.0])).expect("a ratio");
        assert_eq!(ratio.samples, [2.0]);
        assert_eq!(figure(&[1.0]).ratio(&figure(&[0.0])), None);
    }

    #[test]
    fn numbers_for_people() {
        assert_eq!(Unit::Nanoseconds.text(31.4), "31.4 ns");
        assert_eq!(Unit::Seconds.text(0.000_25), "250 µs");
        assert_eq!(Unit::Seconds.text(0.0125), "12.5 ms");
        assert_eq!(Unit::Seconds.text(99.96), "100 s");
        assert_eq!(Unit::PerSecond.text(1_234_567.0), "1.23 M/s");
        assert_eq!(Unit::Count.text(1_000_000.0), "1,000,000");
        assert_eq!(Unit::Count.text(999.0), "999");
        assert_eq!(Unit::Bytes.text(382.0), "382 B");
        let figure = Figure::of(Unit::Nanoseconds, [5.0, 7.0, 6.0]).expect("some outcomes");
        assert_eq!(figure.to_string(), "6.00 ns (5.00 ns–7.00 ns)");
    }
}
