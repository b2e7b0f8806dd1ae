//! One contestant's turn: everything that is measured between its start and its end.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

use super::{
    generator::{Generator, SPACING},
    member::{Member, Trial},
    scene::{Contestant, Running, Scene},
};
use crate::contestant::attempt;

/// How much is measured in a turn.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Joins while nothing else happens.
    pub(super) joins: u32,
    /// Leaves of groups that were joined then.
    pub(super) leaves: u32,
    /// How many leave at the same time, where a leave takes the Last Member Query Time.
    pub(super) leaves_at_once: u32,
    /// New groups a second that others join meanwhile; a storm each.
    pub(super) storms: Vec<u32>,
    /// Joins during a storm.
    pub(super) joins_in_storm: u32,
    /// Leaves of groups that were joined then, while the storm goes on.
    pub(super) leaves_in_storm: u32,
    /// The longest time for the joins during a storm, and for the leaves.
    pub(super) storm: Duration,
}

/// What a turn found.
#[derive(Clone, Debug, Default)]
pub(super) struct Turn {
    pub(super) joins: Trial,
    pub(super) leaves: Trial,
    /// In the order of the plan.
    pub(super) storms: Vec<Storm>,
    /// Seconds from one packet to the next.
    pub(super) gaps: Vec<f64>,
}

/// Joins and leaves during a storm.
#[derive(Clone, Debug, Default)]
pub(super) struct Storm {
    pub(super) joins: Trial,
    pub(super) leaves: Trial,
    /// New groups a second that others joined indeed, in each turn.
    pub(super) rates: Vec<f64>,
    /// How many that were.
    pub(super) reported: u64,
    /// How many of them the router knew in the end.
    pub(super) known: u64,
}

impl Turn {
    /// Adds what another turn found.
    pub(super) fn extend(&mut self, other: Self) {
        let Self {
            joins,
            leaves,
            storms,
            gaps,
        } = other;
        self.joins.extend(joins);
        self.leaves.extend(leaves);
        self.storms.resize_with(storms.len(), Storm::default);
        for (storm, other) in self.storms.iter_mut().zip(storms) {
            storm.joins.extend(other.joins);
            storm.leaves.extend(other.leaves);
            storm.rates.extend(other.rates);
            storm.reported += other.reported;
            storm.known += other.known;
        }
        self.gaps.extend(gaps);
    }
}

/// Runs a turn. It is a failure of this contestant alone if it panics.
///
/// # Errors
///
/// When the contestant does not start, or fails.
pub(super) fn take(contestant: Contestant, plan: &Plan) -> Result<Turn> {
    // On a thread of its own, since the member is bound to a processor, and what the thread starts later would be as well.
    thread::scope(|scope| scope.spawn(|| attempt(|| run(contestant, plan))).join())
        .unwrap_or_else(|_| Err(anyhow!("it panicked outside of its turn")))
}

fn run(contestant: Contestant, plan: &Plan) -> Result<Turn> {
    let scene = Scene::new();
    let running = scene.start(contestant);
    let generator = Generator::start(&scene)?;
    let all = plan.joins + plan.joins_in_storm * plan.storms.len() as u32;
    if running.answers_upcalls() {
        // The source sends before anybody joins, so that each contestant knows of it.
        for first in 0..all {
            generator.play(first, 1);
            generator.wait_more(SPACING_OF_GROUPS.as_nanos() as u64 / SPACING.as_nanos() as u64);
        }
        scene.wait_mroutes(all as usize)?;
    }
    let mut member = Member::new(&scene, &generator)?;
    let mut turn = Turn::default();
    let whenever = Instant::now() + Duration::from_secs(60);
    let is_immediate = contestant == Contestant::ImmediateIgmpd;
    if is_immediate {
        turn.leaves = member.leave_each(0..plan.leaves, whenever)?;
    } else {
        turn.joins = member.join_each(0..plan.joins, whenever)?;
        turn.leaves = member.leave_in_parts(0..plan.leaves, plan.leaves_at_once, whenever)?;
    }
    let mut first = plan.joins;
    for rate in plan.storms.iter().copied() {
        let groups = first..first + plan.joins_in_storm;
        first = groups.end;
        turn.storms
            .push(storm(&running, &generator, rate, plan.storm, || {
                let leaving = groups.start..groups.start + plan.leaves_in_storm.min(plan.joins_in_storm);
                if is_immediate {
                    let leaves = member.leave_each(leaving, Instant::now() + plan.storm)?;
                    return Ok((Trial::default(), leaves));
                }
                let joins = member.join_each(groups, Instant::now() + plan.storm)?;
                let until = Instant::now() + plan.storm;
                let leaves = member.leave_in_parts(leaving, plan.leaves_at_once, until)?;
                Ok((joins, leaves))
            })?);
    }
    turn.gaps = member.gaps;
    drop(running);
    Ok(turn)
}

/// Has others join so many groups a second while the member does what it does: joins, and then leaves.
fn storm(
    running: &Running,
    generator: &Generator,
    rate: u32,
    rise: Duration,
    member: impl FnOnce() -> Result<(Trial, Trial)>,
) -> Result<Storm> {
    let already = running.known();
    let before = generator.stormed();
    let began = Instant::now();
    generator.storm(rate);
    thread::sleep(rise / 10);
    let (joins, leaves) = member()?;
    generator.storm(0);
    let took = began.elapsed();
    generator.wait_more(1);
    let reported = generator.stormed() - before;
    // Groups that were joined before they were left, as nothing but a leave, come and go.
    let stay = already + joins.tried.saturating_sub(leaves.tried) as u64;
    let known = running.wait_known(stay + reported);
    Ok(Storm {
        rates: vec![reported as f64 / took.as_secs_f64()],
        reported,
        // What was left may still be on its way out.
        known: known.saturating_sub(stay).min(reported),
        joins,
        leaves,
    })
}

/// Time between the first packets of two groups that the kernel has to ask FRR about.
const SPACING_OF_GROUPS: Duration = Duration::from_millis(1);
