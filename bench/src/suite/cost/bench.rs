//! Router and floors beside each other, running the same cases in turn.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};

use super::{
    cases::{self, Case},
    floor::{Floors, Ground},
    packets::{SENDER, group},
    router::{Router, Work},
    trial::Verdict,
};

/// From so many repetitions on the system call itself does not count, see `trial`.
const LEAST_REPEAT: f64 = 10_000.0;
/// A frame that is redirected has a smaller TTL in each repetition, and 255 at first.
const MOST_HOPS: u32 = 250;
/// Routes that a map has room for beside those of groups.
const FLOOR_FLOWS: u32 = 65_536;
/// Runs that tell roughly how long one takes, before the first that counts.
const ROUGHLY: u32 = 200;

/// What a case took in each round, in nanoseconds a packet.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    /// The router.
    pub(super) router: Vec<f64>,
    /// Its floor.
    pub(super) floor: Vec<f64>,
}

/// Router and floors, loaded, with the same groups.
pub(super) struct Bench {
    router: Router,
    floors: Floors,
    /// How many groups without sources are known, from the first on.
    known: u32,
}

impl Bench {
    /// Loads both, with maps for so many groups, and makes known what the cases need.
    pub(super) fn load(object: &std::path::Path, max_groups: u32) -> Result<Self> {
        let mut bench = Self {
            router: Router::load(max_groups)?,
            floors: Floors::load(object, max_groups, FLOOR_FLOWS)?,
            known: 0,
        };
        bench.learn_up_to(cases::GROUPS)?;
        for (group, sources) in cases::groups_with_sources() {
            bench.router.learn_sources(group, &sources)?;
        }
        for (group, port) in cases::STREAMS {
            bench.router.route(group, port)?;
            bench.floors.learn_flow(group.to_bits(), SENDER.to_bits())?;
        }
        bench.router.commit()?;
        Ok(bench)
    }

    /// Makes groups known until there are so many without sources, and routes for them. Tells what a new group took the
    /// router's program in each report of 180 of them, in nanoseconds.
    pub(super) fn learn_up_to(&mut self, count: u32) -> Result<Vec<f64>> {
        let groups: Vec<Ipv4Addr> = (self.known..count).map(group).collect();
        let costs = self.router.learn(&groups)?;
        for &group in &groups {
            self.router.route(group, super::router::PORT)?;
            self.floors.learn(group.to_bits())?;
        }
        self.router.commit()?;
        self.known = self.known.max(count);
        Ok(costs)
    }

    /// How many groups the router knows.
    pub(super) fn groups(&self) -> Result<u32> {
        self.router.groups()
    }

    /// One round: each case once by the router and once by its floor, for about so many nanoseconds each.
    pub(super) fn round(&mut self, cases: &[Case], time: f64, taken: &mut [Taken]) -> Result<()> {
        for (case, taken) in cases.iter().zip(taken) {
            let (router, floor) = self
                .case(case, time)
                .with_context(|| format!("the cost of {}", case.name))?;
            taken.router.push(router);
            taken.floor.push(floor);
        }
        Ok(())
    }

    fn case(&mut self, case: &Case, time: f64) -> Result<(f64, f64)> {
        let Case { work, ground, .. } = case;
        let roughly = self.router.measure(work, ROUGHLY)?;
        let router = self
            .router
            .measure(work, repeat(time, roughly, work.frames.len(), work.verdict))?;
        let roughly = self.floors.measure(ground, ROUGHLY)?;
        let floor = self
            .floors
            .measure(ground, repeat(time, roughly, ground.frames.len(), ground.verdict))?;
        Ok((router, floor))
    }

    /// Runs both once over each frame of a work and its floor.
    pub(super) fn once(&mut self, work: &Work, ground: &Ground) -> Result<(f64, f64)> {
        Ok((self.router.measure(work, 1)?, self.floors.measure(ground, 1)?))
    }
}

/// How many times to run each of these frames.
fn repeat(time: f64, each: f64, frames: usize, verdict: Verdict) -> u32 {
    if verdict == Verdict::Redirect {
        return MOST_HOPS;
    }
    let fitting = time / (each.max(1.0) * frames as f64);
    if each < 1_000.0 {
        return fitting.max(LEAST_REPEAT) as u32;
    }
    fitting.max(1.0) as u32
}
