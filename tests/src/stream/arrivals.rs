//! The numbers of a stream in the order in which they arrived.

use std::{collections::BTreeMap, ops::Range, time::Duration};

/// What arrived of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrivals {
    /// Sequence numbers in the order of their arrival, each with the kernel's time of it since 1970.
    pub all: Vec<(u64, Duration)>,
}

impl Arrivals {
    /// How many packets came, each counted as often as it came.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The numbers of a range that never came.
    pub fn missing(&self, sent: Range<u64>) -> Vec<u64> {
        let times = self.times();
        sent.filter(|sequence| !times.contains_key(sequence)).collect()
    }

    /// The numbers that came more than once.
    pub fn duplicates(&self) -> Vec<u64> {
        let times = self.times().into_iter();
        times
            .filter_map(|(sequence, count)| (count > 1).then_some(sequence))
            .collect()
    }

    /// The numbers that came after a higher one.
    pub fn out_of_order(&self) -> Vec<u64> {
        let mut highest = None;
        let mut late = Vec::new();
        for &(sequence, _) in &self.all {
            if highest.is_some_and(|highest| sequence < highest) {
                late.push(sequence);
            }
            highest = highest.max(Some(sequence));
        }
        late
    }

    /// The lowest and the highest number.
    pub fn span(&self) -> Option<(u64, u64)> {
        let numbers = || self.all.iter().map(|&(sequence, _)| sequence);
        numbers().min().zip(numbers().max())
    }

    /// Sees that exactly the packets of this range came, each once, in order.
    ///
    /// # Panics
    ///
    /// If not, with the numbers that are wrong.
    #[track_caller]
    pub fn assert_exactly(&self, who: &str, sent: Range<u64>) {
        let faults = self.faults(sent.clone());
        assert!(faults.is_empty(), "{who} should have packets {sent:?}: {faults}");
    }

    /// Sees that exactly the packets of this range came, each once, in any order.
    ///
    /// # Panics
    ///
    /// If not, with the numbers that are wrong.
    #[track_caller]
    pub fn assert_all(&self, who: &str, sent: Range<u64>) {
        let (missing, twice) = (self.missing(sent.clone()), self.duplicates());
        assert!(missing.is_empty(), "{who} misses packets: {missing:?}");
        assert!(twice.is_empty(), "{who} has packets more than once: {twice:?}");
        assert!(self.times().into_keys().all(|sequence| sent.contains(&sequence)));
    }

    /// Sees that no packet came twice and none late, whichever came.
    ///
    /// # Panics
    ///
    /// If not, with the numbers that are wrong.
    #[track_caller]
    pub fn assert_in_order(&self, who: &str) {
        let (twice, late) = (self.duplicates(), self.out_of_order());
        assert!(twice.is_empty(), "{who} has packets more than once: {twice:?}");
        assert!(late.is_empty(), "{who} has packets out of order: {late:?}");
    }

    /// What is wrong where exactly the packets of a range should have come; empty where nothing is.
    pub fn faults(&self, sent: Range<u64>) -> String {
        let foreign: Vec<u64> = self.times().into_keys().filter(|s| !sent.contains(s)).collect();
        let parts = [
            ("missing", self.missing(sent)),
            ("more than once", self.duplicates()),
            ("out of order", self.out_of_order()),
            ("not of these", foreign),
        ];
        let some = parts.iter().filter(|(_, numbers)| !numbers.is_empty());
        some.map(|(what, numbers)| {
            let first: Vec<_> = numbers.iter().take(20).collect();
            format!("{} {what}: {first:?}; ", numbers.len())
        })
        .collect()
    }

    fn times(&self) -> BTreeMap<u64, usize> {
        let mut times = BTreeMap::new();
        for &(sequence, _) in &self.all {
            *times.entry(sequence).or_default() += 1;
        }
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[u64]) -> Arrivals {
        let all = numbers
            .iter()
            .map(|&sequence| (sequence, Duration::ZERO))
            .collect();
        Arrivals { all }
    }

    #[test]
    fn what_is_as_it_should_be() {
        assert_eq!(of(&[3, 4, 5]).faults(3..6), "");
        assert_eq!(of(&[]).faults(0..0), "");
    }

    #[test]
    fn each_fault_is_seen() {
        assert_eq!(of(&[0, 1, 3]).missing(0..5), [2, 4]);
        assert_eq!(of(&[0, 1, 1, 0]).duplicates(), [0, 1]);
        assert_eq!(of(&[0, 2, 1, 3]).out_of_order(), [1]);
        assert_eq!(of(&[5, 2]).span(), Some((2, 5)));
        assert_eq!(of(&[0, 7]).faults(0..1), "1 not of these: [7]; ");
    }
}
