//! What is to be reached.

use serde::{Deserialize, Serialize};

use super::Figure;

/// On which side of a number a goal is met.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    /// At this number or below.
    AtMost(f64),
    /// At this number or above.
    AtLeast(f64),
}

/// Something to be reached. Why one was not is told in `causes.toml`, by `id`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Goal {
    /// A name that stays the same from run to run, such as `cost.v2-refresh-floor`.
    pub(crate) id: String,
    /// What is to be reached, as the beginning of a sentence that the bound ends: `v2 refresh, times its floor`.
    pub(crate) what: String,
    /// Where it is met.
    pub(crate) bound: Bound,
    /// What was measured, whose median counts; `None` where it could not be, which is not met either.
    pub(crate) measured: Option<Figure>,
}

impl Goal {
    /// A goal and what was measured of it.
    pub(crate) fn new(
        id: impl Into<String>,
        what: impl Into<String>,
        bound: Bound,
        measured: Option<Figure>,
    ) -> Self {
        Self {
            id: id.into(),
            what: what.into(),
            bound,
            measured,
        }
    }

    /// Whether it was reached.
    pub(crate) fn is_met(&self) -> bool {
        self.measured.as_ref().is_some_and(|figure| match self.bound {
            Bound::AtMost(most) => figure.median() <= most,
            Bound::AtLeast(least) => figure.median() >= least,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Unit;

    #[test]
    fn the_median_decides() {
        let goal = |bound, samples: &[f64]| {
            Goal::new(
                "id",
                "what",
                bound,
                Figure::of(Unit::Ratio, samples.iter().copied()),
            )
            .is_met()
        };
        assert!(goal(Bound::AtMost(2.0), &[1.0, 2.0, 9.0]));
        assert!(!goal(Bound::AtMost(2.0), &[1.0, 2.1, 9.0]));
        assert!(goal(Bound::AtLeast(3.0), &[3.0]));
        assert!(!goal(Bound::AtLeast(3.0), &[2.9]));
        assert!(!goal(Bound::AtLeast(3.0), &[]));
    }
}
