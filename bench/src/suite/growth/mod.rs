//! What an event costs the agent as the number of groups grows.
//!
//! With each number of groups the same events happen to others among them: groups that are joined, left, or end. What is
//! measured is CPU time for each event, once of the protocol alone and once of a running `igmpd`.
//!
//! | module | holds |
//! |---|---|
//! | [`groups`] | which groups stay, and which come and go among them |
//! | [`core`] | the protocol alone, in this process |
//! | [`agent`] | a running `igmpd` |

mod agent;
mod core;
mod groups;

use std::{collections::BTreeMap, thread, time::Duration};

use anyhow::{Context, Result, ensure};

use self::{agent::Agent, core::Core};
use super::Effort;
use crate::{
    contestant::attempt,
    cpu::{self, Starved, Usage},
    model::{Bound, Figure, Goal, Kind, Plot, Point, Scale, Section, Series, Table, Unit},
    patience::{Patience, judged},
};

/// How many groups there are.
const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// The same for a quick look.
const FEW_SIZES: [u32; 2] = [1_000, 100_000];
/// How many events of a kind there are at a time.
const EVENTS: u32 = 2_000;
/// How often a round of the agent is tried for which the machine has no CPU time, and how many are tried again in all.
const TRIES: usize = 3;
const PATIENCE: usize = 6;
/// The processor of the protocol alone.
const PROCESSOR: usize = 1;
/// The most that an event may cost at the worst size, times that at the best.
const FLAT: f64 = 2.0;

const METHOD: [&str; 2] = [
    "In each round 2,000 groups, all over among those that stay, are joined and left. What is told is CPU time by the \
     events: of the calling thread for the protocol alone (`igmp-core`, in process), of the whole process for `igmpd`. \
     *leave, asked* is a leave with its two group-specific queries and the end of the group; *leave, immediate* with \
     `immediate-leave`; *end* is that of a group that nobody reports any more; *refreshed* is a deadline that finds that the \
     kernel has seen reports.",
    "Load: prebuilt version 2 reports and leaves through a packet socket with the queueing discipline bypassed, into a \
     virtual Ethernet link. That costs nothing here, since only the CPU time of the process `igmpd` counts. Half of the \
     groups that stay are on each of two interfaces. An event is over when the process no longer uses CPU time; what it knows \
     is asked afterwards and must be right.",
];

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// A group gets its first member.
    Join,
    /// It loses it, and this takes effect at once.
    Leave,
    /// It loses it, and hosts are asked twice before this takes effect.
    AskedLeave,
    /// A deadline comes, and there were reports.
    Refresh,
    /// A deadline comes, and there were none.
    Expiry,
}

impl What {
    const ALL: [Self; 5] = [
        Self::Join,
        Self::Leave,
        Self::AskedLeave,
        Self::Refresh,
        Self::Expiry,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Leave => "leave, immediate",
            Self::AskedLeave => "leave, asked",
            Self::Refresh => "refreshed",
            Self::Expiry => "end",
        }
    }

    /// Its part of a goal's name.
    fn id(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Leave => "leave",
            Self::AskedLeave => "asked-leave",
            Self::Refresh => "refresh",
            Self::Expiry => "expiry",
        }
    }
}

/// What events of each kind took, in seconds each.
#[derive(Clone, Debug, Default)]
struct Costs(BTreeMap<What, Vec<f64>>);

impl Costs {
    /// So many events together took this long.
    fn add(&mut self, what: What, time: Duration, events: usize) {
        let each = time.as_secs_f64() / events as f64;
        self.0.entry(what).or_default().push(each);
    }

    /// So many events should have changed so many groups, and changed `count` in this time.
    fn add_all(&mut self, what: What, events: usize, (time, count): (Duration, usize)) -> Result<()> {
        ensure!(count == events, "{what:?}: {count} of {events} groups changed");
        self.add(what, time, events);
        Ok(())
    }

    /// Adds those of another round.
    fn extend(&mut self, other: Self) {
        for (what, costs) in other.0 {
            self.0.entry(what).or_default().extend(costs);
        }
    }

    fn of(&self, what: What) -> Option<Figure> {
        Figure::of(Unit::Seconds, self.0.get(&what)?.iter().copied())
    }
}

/// How much to do.
#[derive(Clone, Copy, Debug)]
struct Extent<'a> {
    sizes: &'a [u32],
    events: u32,
    /// Rounds of the protocol alone, which are short.
    rounds: usize,
    /// Rounds of the agent.
    repetitions: usize,
    /// Whether the agent's timers are waited for.
    with_timers: bool,
    /// Whether a round of the agent counts only if the machine had CPU time for it.
    is_timed: bool,
}

/// Measures how the cost of events grows.
///
/// # Errors
///
/// When the protocol alone cannot be measured, or there is no CPU time to read. An agent that does not get there is a remark.
pub(crate) fn measure(effort: &Effort) -> Result<Section> {
    let extent = if effort.quick {
        Extent {
            sizes: &FEW_SIZES,
            events: EVENTS,
            rounds: 5,
            repetitions: 1,
            with_timers: false,
            is_timed: true,
        }
    } else {
        Extent {
            sizes: &SIZES,
            events: EVENTS,
            rounds: 4 * effort.repetitions,
            repetitions: 3,
            with_timers: true,
            is_timed: true,
        }
    };
    run(&extent)
}

fn run(extent: &Extent<'_>) -> Result<Section> {
    let mut section = Section::new("What an event costs as groups grow", &METHOD);
    let usage = Usage::now()?;
    let core = of_core(extent)?;
    let starved = Usage::now()?.since(usage).starved();
    section
        .remarks
        .extend(starved.map(|starved| format!("igmp-core alone: {starved}")));
    report(
        &mut section,
        "growth.core",
        "igmp-core alone",
        extent.sizes,
        &core,
    );

    let mut agent = Vec::new();
    let outcome = attempt(|| of_agent(extent, &mut agent, &mut section.remarks));
    if let Err(error) = outcome {
        section.remarks.push(format!(
            "igmpd with more groups than {} of these sizes: {error:#}",
            agent.len()
        ));
    }
    report(&mut section, "growth.agent", "igmpd", extent.sizes, &agent);
    Ok(section)
}

/// The protocol alone: routers of all sizes take turns.
fn of_core(extent: &Extent<'_>) -> Result<Vec<Costs>> {
    let work = || {
        if thread::available_parallelism().is_ok_and(|count| count.get() > PROCESSOR) {
            cpu::pin_this_thread(PROCESSOR)?;
        }
        let mut cores: Vec<(Core, Costs)> = extent
            .sizes
            .iter()
            .map(|&size| (Core::new(size, extent.events), Costs::default()))
            .collect();
        for round in 0..=extent.rounds {
            for (core, costs) in &mut cores {
                core.round(costs)?;
                if round == 0 {
                    // The first one finds no memory that it can use again.
                    *costs = Costs::default();
                }
            }
        }
        Ok(cores.into_iter().map(|(_, costs)| costs).collect())
    };
    thread::scope(|scope| scope.spawn(work).join())
        .ok()
        .context("the thread of the protocol panicked")?
}

/// The agent, from size to size as far as it gets.
fn of_agent(extent: &Extent<'_>, all: &mut Vec<Costs>, remarks: &mut Vec<String>) -> Result<()> {
    let mut patience = Patience::new(PATIENCE);
    let mut agent = Agent::start(extent.events);
    for &size in extent.sizes {
        agent.grow(size)?;
        let at_rest = agent.at_rest()?;
        remarks.push(format!(
            "igmpd at rest with {} groups: {} of CPU time a second",
            Unit::Count.text(f64::from(size)),
            Unit::Seconds.text(at_rest)
        ));
        let mut costs = Costs::default();
        for _ in 0..extent.repetitions {
            let mut round = || {
                let mut costs = Costs::default();
                agent.round(&mut costs, extent.with_timers)?;
                Ok(costs)
            };
            let outcome = if extent.is_timed {
                patience.undisturbed(TRIES, || judged(&mut round))
            } else {
                round()
            };
            match outcome {
                Ok(round) => costs.extend(round),
                Err(error) if error.is::<Starved>() => remarks.push(format!(
                    "igmpd with {} groups: {error:#}",
                    Unit::Count.text(f64::from(size))
                )),
                Err(error) => return Err(error),
            }
        }
        all.push(costs);
    }
    let (lost, scans) = agent.lost();
    if lost > 0 || scans > 0 {
        remarks.push(format!(
            "{lost} events found no room in the ring, and igmpd looked through its maps {scans} times"
        ));
    }
    Ok(())
}

/// A table, a plot, and a goal for each kind of event.
fn report(section: &mut Section, id: &str, who: &str, sizes: &[u32], all: &[Costs]) {
    let counts: Vec<String> = sizes
        .iter()
        .map(|&size| Unit::Count.text(f64::from(size)) + " groups")
        .collect();
    let mut columns = vec!["event"];
    columns.extend(counts.iter().map(String::as_str));
    columns.push("worst to best");
    let mut table = Table::new(&format!("CPU time for an event: {who}."), &columns);
    let mut plot = Plot {
        file: id.replace('.', "-"),
        title: format!("CPU time for an event: {who}"),
        kind: Kind::Lines,
        x_label: "groups".to_owned(),
        y_label: "seconds".to_owned(),
        x_scale: Scale::Logarithmic,
        ..Plot::default()
    };
    for what in What::ALL {
        let figures: Vec<Option<Figure>> = (0..sizes.len()).map(|index| all.get(index)?.of(what)).collect();
        if figures.iter().all(Option::is_none) {
            continue;
        }
        let ratio = growth(&figures);
        section.goals.push(Goal::new(
            format!("{id}-{}", what.id()),
            format!(
                "{who}: {}, at the worst number of groups, times the best",
                what.name()
            ),
            Bound::AtMost(FLAT),
            ratio.clone(),
        ));
        let points = sizes.iter().zip(&figures);
        plot.series.push(Series {
            name: what.name().to_owned(),
            points: points
                .filter_map(|(&size, figure)| {
                    Some(Point {
                        x: f64::from(size),
                        y: figure.clone()?,
                    })
                })
                .collect(),
        });
        let cells = figures.into_iter().chain([ratio]).map(Into::into);
        table.row(what.name(), cells.collect());
    }
    section.tables.push(table);
    if !plot.series.is_empty() {
        section.plots.push(plot);
    }
}

/// The greatest of the medians by the least; `None` where one is missing.
fn growth(figures: &[Option<Figure>]) -> Option<Figure> {
    let medians: Option<Vec<f64>> = figures
        .iter()
        .map(|figure| Some(figure.as_ref()?.median()))
        .collect();
    let medians = medians?;
    let most = medians.iter().copied().reduce(f64::max)?;
    let least = medians.iter().copied().reduce(f64::min)?;
    Some(Figure::once(Unit::Ratio, most / least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_knows_what_it_was_told() {
        let extent = Extent {
            sizes: &[100, 1_000],
            events: 100,
            rounds: 1,
            repetitions: 1,
            with_timers: false,
            is_timed: false,
        };
        let mut all = Vec::new();
        let mut remarks = Vec::new();
        of_agent(&extent, &mut all, &mut remarks).expect("every event has its outcome");
        assert_eq!(all.len(), 2);
        assert_eq!(remarks.len(), 2, "{remarks:?}");
        for costs in all {
            for what in [What::Join, What::Leave] {
                assert!(
                    costs.of(what).is_some_and(|figure| figure.median() > 0.0),
                    "{what:?}"
                );
            }
        }
    }

    #[test]
    fn growth_is_from_the_least_median_to_the_greatest() {
        let figure = |samples: &[f64]| Figure::of(Unit::Seconds, samples.iter().copied());
        let ratio = growth(&[figure(&[2.0, 9.0, 3.0]), figure(&[2.0]), figure(&[8.0])]);
        assert_eq!(ratio.map(|ratio| ratio.samples), Some(vec![4.0]));
        assert_eq!(growth(&[figure(&[1.0]), None]), None);
    }
}
