//! Results as they are measured and kept.

mod figure;
mod goal;
mod plot;
mod table;

use serde::{Deserialize, Serialize};

pub(crate) use self::figure::{Figure, Unit};
pub(crate) use self::goal::{Bound, Goal};
pub(crate) use self::plot::{Kind, Plot, Point, Scale, Series};
pub(crate) use self::table::{Cell, Table};

use crate::machine::Machine;

/// All that was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Where and with what.
    pub(crate) machine: Machine,
    /// One for each suite that has been run, in the order of the suites.
    pub(crate) sections: Vec<Section>,
}

/// What one suite measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Section {
    /// The suite's name on the command line.
    pub(crate) suite: String,
    /// When it was measured, in seconds since 1970 (UTC), and in which revision of the source tree.
    pub(crate) measured: String,
    /// The headline.
    pub(crate) title: String,
    /// What was done and how the load was made, in paragraphs.
    pub(crate) method: Vec<String>,
    /// What is to be reached, and whether it was.
    pub(crate) goals: Vec<Goal>,
    /// The numbers.
    pub(crate) tables: Vec<Table>,
    /// The same for the eye.
    pub(crate) plots: Vec<Plot>,
    /// What went wrong: contestants that were missing or failed, measurements without enough CPU.
    pub(crate) remarks: Vec<String>,
}

impl Section {
    /// A section with nothing measured yet.
    pub(crate) fn new(title: &str, method: &[&str]) -> Self {
        Self {
            title: title.to_owned(),
            method: method.iter().map(|paragraph| (*paragraph).to_owned()).collect(),
            ..Self::default()
        }
    }
}
