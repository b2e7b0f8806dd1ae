//! Join storms, and the same again as refreshes, absorbed end to end.

mod feed;
mod load;
mod outcome;
mod plan;
mod report;
mod turn;
mod who;

use anyhow::{Context, Result};

use self::{
    load::Storm,
    outcome::{Case, Turn},
    plan::Plan,
    turn::Load,
    who::Who,
};
use crate::{
    arguments::Arguments, cpu::Starved, model::Section, patience::Patience, site::Site, suite::Effort,
};

/// How often a turn is tried for which the machine has no CPU time. Daemons take too long for more than one further
/// try.
const TRIES: usize = 4;
const DAEMON_TRIES: usize = 2;
/// How many turns are taken again in all.
const PATIENCE: usize = 40;

/// Runs all storms of a full or a quick look.
///
/// # Errors
///
/// When the kernel's limits cannot be raised.
pub(crate) fn measure(arguments: &Arguments, effort: &Effort) -> Result<Section> {
    let _limits = plan::Limits::raise()?;
    let cases = run(&Plan::new(effort), arguments);
    Ok(report::section(&cases))
}

/// Runs the storms of a plan: within each repetition the contestants take turns.
fn run(plan: &Plan, arguments: &Arguments) -> Vec<Case> {
    let mut patience = Patience::new(PATIENCE);
    let mut cases: Vec<Case> = Vec::new();
    for stage in &plan.stages {
        let first = cases.len();
        for who in stage.contestants.iter().copied() {
            // Who lost its way in a smaller storm is not worth the time of a larger one.
            let is_beaten = cases.iter().any(|case| {
                (case.who, case.version, case.feed) == (who, stage.version, stage.feed) && case.is_beaten()
            });
            cases.push(Case::new(who, stage, is_beaten));
        }
        for repetition in 0..stage.repetitions {
            for case in cases.iter_mut().skip(first) {
                if case.is_skipped || (repetition > 0 && !case.who.is_quick()) {
                    continue;
                }
                let tries = if case.who.is_quick() { TRIES } else { DAEMON_TRIES };
                match patience.undisturbed(tries, || turn(case.who, stage, arguments)) {
                    Ok(turn) => {
                        eprintln!("  {}: {turn}", report::row_name(case));
                        case.turns.push(turn);
                    }
                    Err(error) => {
                        eprintln!("  {}: {error:#}", report::row_name(case));
                        case.has_failed |= !error.is::<Starved>();
                        case.failures.push(format!("{error:#}"));
                    }
                }
            }
        }
    }
    cases
}

/// One contestant's turn: it starts, learns the groups, and has them repeated.
fn turn(who: Who, stage: &plan::Stage, arguments: &Arguments) -> Result<Turn> {
    let mut site = Site::new()?;
    let (site, mut contestant) = who.start(&mut site, &arguments.contestants, stage.groups)?;
    let mut load = Load {
        feed: stage.feed,
        object: arguments.object.clone(),
        version: stage.version,
        storm: Storm::Joins,
        groups: stage.groups,
        rounds: 1,
        limit: stage.limit,
    };
    let joins = turn::measure(site, contestant.as_mut(), &load).context("joins")?;
    load.storm = Storm::Refreshes;
    load.rounds = if who.is_quick() { stage.rounds } else { 1 };
    // Groups that are not known are joined by what should be a repetition, which then is no repetition.
    let refreshes = if joins.lost(load.groups) == 0 {
        Some(turn::measure(site, contestant.as_mut(), &load).context("refreshes")?)
    } else {
        None
    };
    Ok(Turn { joins, refreshes })
}

#[cfg(test)]
mod tests;
