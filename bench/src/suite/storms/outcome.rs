//! What all turns of a contestant came to.

use std::fmt::{self, Display, Formatter};

use super::{feed::Feed, load::Version, plan::Stage, turn::Outcome, who::Who};
use crate::model::{Figure, Unit};

/// One turn: the groups are learned, and then repeated if all were.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) joins: Outcome,
    pub(crate) refreshes: Option<Outcome>,
}

impl Display for Turn {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (name, outcome) in [
            ("joins", Some(&self.joins)),
            ("refreshes", self.refreshes.as_ref()),
        ] {
            let Some(outcome) = outcome else { continue };
            write!(
                f,
                "{name}: {} known after {:.3} s, process {:.3} s, receive {:.3} s, generator {:.3} s in {:.3} s, \
                 process +{:.1} MB, kernel +{:.1} MB, objects {:.1} MB, refreshed {:?}, dropped {}, {:?}; ",
                outcome.known,
                outcome.elapsed.as_secs_f64(),
                outcome.used.process,
                outcome.used.receive,
                outcome.sent.cpu.as_secs_f64(),
                outcome.sent.duration.as_secs_f64(),
                outcome.process_memory / 1e6,
                outcome.kernel_memory / 1e6,
                outcome.kernel_objects.unwrap_or(0) as f64 / 1e6,
                outcome.refreshed,
                outcome.traffic.receive_drops,
                outcome.losses,
            )?;
        }
        Ok(())
    }
}

/// One contestant and one storm.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) who: Who,
    pub(crate) feed: Feed,
    pub(crate) version: Version,
    pub(crate) groups: u32,
    /// Whether it is left out, since a smaller storm was too much for it.
    pub(crate) is_skipped: bool,
    pub(crate) turns: Vec<Turn>,
    /// Why turns came to nothing.
    pub(crate) failures: Vec<String>,
    /// Whether one of them did so because of the contestant and not of the machine.
    pub(crate) has_failed: bool,
}

impl Case {
    /// A case without turns yet.
    pub(crate) fn new(who: Who, stage: &Stage, is_skipped: bool) -> Self {
        Self {
            who,
            feed: stage.feed,
            version: stage.version,
            groups: stage.groups,
            is_skipped,
            turns: Vec::new(),
            failures: Vec::new(),
            has_failed: false,
        }
    }

    /// Whether a larger storm is not worth its time: this one was left out, failed, was cut short, or was not learned.
    pub(crate) fn is_beaten(&self) -> bool {
        self.is_skipped || self.has_failed || self.joins().any(|joins| joins.lost(self.groups) > 0)
    }

    /// The storms of new groups.
    pub(crate) fn joins(&self) -> impl Iterator<Item = &Outcome> {
        self.turns.iter().map(|turn| &turn.joins)
    }

    /// The storms of refreshes.
    pub(crate) fn refreshes(&self) -> impl Iterator<Item = &Outcome> {
        self.turns.iter().filter_map(|turn| turn.refreshes.as_ref())
    }
}

/// A figure of some outcomes.
pub(crate) fn figure<'a>(
    unit: Unit,
    outcomes: impl Iterator<Item = &'a Outcome>,
    number: impl Fn(&Outcome) -> f64,
) -> Option<Figure> {
    Figure::of(unit, outcomes.map(number))
}
