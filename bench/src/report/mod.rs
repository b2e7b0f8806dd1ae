//! Results for people, and the raw numbers behind them.

mod draw;
mod markdown;

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};

pub(crate) use self::markdown::section;
use crate::model::Results;

/// The raw numbers.
const RAW: &str = "results.json";
/// Tables and goals.
const RESULTS: &str = "RESULTS.md";
/// The directory of the plots.
const PLOTS: &str = "plots";
/// Why goals are missed.
const CAUSES: &str = "causes.toml";

/// Why goals are missed, by their names.
pub(crate) type Causes = BTreeMap<String, String>;

/// Writes raw numbers, tables and plots.
///
/// # Errors
///
/// When a file cannot be written, or the causes cannot be read.
pub(crate) fn write(directory: &Path, results: &Results) -> Result<()> {
    let raw = serde_json::to_string_pretty(results).context("results become JSON")?;
    write_file(&directory.join(RAW), &(raw + "\n"))?;
    write_for_people(directory, results)
}

/// Writes tables and plots anew from the raw numbers.
///
/// # Errors
///
/// When there are no raw numbers, or a file cannot be read or written.
pub(crate) fn write_again(directory: &Path) -> Result<()> {
    write_for_people(directory, &read(directory)?)
}

/// The raw numbers of earlier runs; empty where there are none yet.
///
/// # Errors
///
/// When they are not readable, or not ours.
pub(crate) fn read(directory: &Path) -> Result<Results> {
    let path = directory.join(RAW);
    if !path.exists() {
        return Ok(Results::default());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not what this program writes", path.display()))
}

/// Why goals are missed, as far as somebody found out.
///
/// # Errors
///
/// When the file is not readable.
pub(crate) fn causes(directory: &Path) -> Result<Causes> {
    let path = directory.join(CAUSES);
    if !path.exists() {
        return Ok(Causes::new());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} has a sentence for each goal's name", path.display()))
}

fn write_for_people(directory: &Path, results: &Results) -> Result<()> {
    let plots = directory.join(PLOTS);
    fs::create_dir_all(&plots).with_context(|| format!("cannot make {}", plots.display()))?;
    for plot in results.sections.iter().flat_map(|section| &section.plots) {
        write_file(&plots.join(format!("{}.svg", plot.file)), &draw::svg(plot)?)?;
    }
    let text = markdown::results(results, &causes(directory)?);
    write_file(&directory.join(RESULTS), &text)
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
