//! Latencies as tables, plots and goals.

use super::{
    generator::SPACING,
    member::Trial,
    scene::{Contestant, LAST_MEMBER_QUERY_TIME},
    turn::{Plan, Turn},
};
use crate::model::{Bound, Cell, Figure, Goal, Plot, Point, Scale, Section, Series, Table, Unit};

/// Percentiles that are shown.
const PERCENTILES: [(&str, f64); 5] = [
    ("p50", 50.0),
    ("p90", 90.0),
    ("p99", 99.0),
    ("p99.9", 99.9),
    ("most", 100.0),
];
/// Points of a plotted distribution.
const POINTS: usize = 200;
/// The least time that a plot with a logarithmic axis shows, in seconds: what is at once is drawn there.
const LEAST: f64 = 5e-6;
/// The most that half and nearly all of the joins may take, as a part of what another router takes.
const AHEAD: f64 = 1.0;
/// The most that nearly all joins may take while nothing else happens, in seconds.
const JOIN_P99: f64 = 0.002;

/// All that one contestant's turns found together.
pub(super) type Pool = (Contestant, Turn);

/// The row of a table, and a line of a plot.
struct Line<'a> {
    name: String,
    trial: &'a Trial,
}

/// Writes down what all turns found.
pub(super) fn describe(section: &mut Section, plan: &Plan, pools: &[Pool]) {
    let joins = lines_of_joins(plan, pools);
    let beyond = beyond(pools);
    let mut leaves = lines_of_leaves(plan, pools);
    section.tables.push(table(
        "From a report to the first packet of data, in which the spacing of the data is contained.",
        "joins",
        &joins,
    ));
    let plotted = leaves.len();
    leaves.extend(beyond.iter().map(|(name, trial)| Line {
        name: name.clone(),
        trial,
    }));
    section.tables.push(table(
        "From a leave to the last packet of data.",
        "leaves",
        &leaves,
    ));
    leaves.truncate(plotted);
    section.tables.push(storms(plan, pools));
    section.tables.push(spacing(pools));
    section.plots = [
        plot("latency-join", "From a report to the first packet", &joins),
        plot("latency-leave", "From a leave to the last packet", &leaves),
    ]
    .into_iter()
    .filter(|plot| !plot.series.is_empty())
    .collect();
    section.goals = goals(plan, pools);
    for line in joins.iter().chain(&leaves) {
        if line.trial.early > 0 {
            section.remarks.push(format!(
                "{}: data of {} groups came before the report.",
                line.name, line.trial.early
            ));
        }
        if line.trial.dry > 0 {
            section.remarks.push(format!(
                "{}: {} groups could not be left, since no data of them came.",
                line.name, line.trial.dry
            ));
        }
    }
}

fn find(pools: &[Pool], wanted: Contestant) -> Option<&Turn> {
    pools
        .iter()
        .find_map(|(contestant, turn)| (*contestant == wanted).then_some(turn))
}

fn lines_of_joins<'a>(plan: &Plan, pools: &'a [Pool]) -> Vec<Line<'a>> {
    let joiners = || {
        pools
            .iter()
            .filter(|(contestant, _)| *contestant != Contestant::ImmediateIgmpd)
    };
    let idle = joiners().map(|(contestant, turn)| Line {
        name: format!("{}, idle", contestant.name()),
        trial: &turn.joins,
    });
    let in_storm = plan.storms.iter().enumerate().flat_map(|(index, rate)| {
        joiners().filter_map(move |(contestant, turn)| {
            let storm = turn.storms.get(index)?;
            let name = format!("{}, while others join {rate} groups/s", contestant.name());
            Some(Line {
                name,
                trial: &storm.joins,
            })
        })
    });
    idle.chain(in_storm).collect()
}

/// A contestant, and how it treats leaves where it is measured for that.
fn name_of_leaver(contestant: Contestant) -> String {
    match contestant {
        Contestant::ImmediateIgmpd => format!("{}, immediate leave", contestant.name()),
        _ => format!("{}, Last Member Query Time 200 ms", contestant.name()),
    }
}

fn lines_of_leaves<'a>(plan: &Plan, pools: &'a [Pool]) -> Vec<Line<'a>> {
    let idle = pools.iter().map(|(contestant, turn)| Line {
        name: name_of_leaver(*contestant),
        trial: &turn.leaves,
    });
    let in_storm = plan.storms.iter().enumerate().flat_map(|(index, rate)| {
        pools.iter().filter_map(move |(contestant, turn)| {
            let name = name_of_leaver(*contestant);
            Some(Line {
                name: format!("{name}, while others join {rate} groups/s"),
                trial: &turn.storms.get(index)?.leaves,
            })
        })
    });
    idle.chain(in_storm).collect()
}

/// What a leave takes longer than the Last Member Query Time.
fn beyond(pools: &[Pool]) -> Vec<(String, Trial)> {
    let asks = |contestant: &Contestant| *contestant != Contestant::ImmediateIgmpd;
    pools
        .iter()
        .filter(|(contestant, _)| asks(contestant))
        .map(|(contestant, turn)| {
            let mut trial = turn.leaves.clone();
            for seconds in &mut trial.seconds {
                *seconds -= LAST_MEMBER_QUERY_TIME.as_secs_f64();
            }
            (format!("{}, beyond these 200 ms", contestant.name()), trial)
        })
        .collect()
}

fn table(caption: &str, what: &str, lines: &[Line<'_>]) -> Table {
    let mut columns = vec!["", what, "not done in 1 s"];
    columns.extend(PERCENTILES.map(|(name, _)| name));
    columns.push("all: median (least–most)");
    let mut table = Table::new(caption, &columns);
    for Line { name, trial } in lines {
        let figure = Figure::of(Unit::Seconds, trial.seconds.iter().copied());
        let mut cells: Vec<Cell> = [trial.tried, trial.not_done]
            .map(|number| Cell::from(Unit::Count.text(number as f64)))
            .to_vec();
        cells.extend(PERCENTILES.map(|(_, percent)| Cell::from(percentile(figure.as_ref(), percent))));
        cells.push(figure.into());
        table.row(name, cells);
    }
    table
}

fn percentile(figure: Option<&Figure>, percent: f64) -> Option<Figure> {
    figure.map(|figure| Figure::once(figure.unit, figure.percentile(percent)))
}

/// What others joined, and what was learned of it.
fn storms(plan: &Plan, pools: &[Pool]) -> Table {
    let columns = [
        "",
        "new groups a second",
        "groups joined by others",
        "of these known",
    ];
    let mut table = Table::new(
        "What others joined in the storms, all repetitions together.",
        &columns,
    );
    for (index, rate) in plan.storms.iter().enumerate() {
        for (contestant, turn) in pools {
            let Some(storm) = turn.storms.get(index) else {
                continue;
            };
            let rates = Figure::of(Unit::PerSecond, storm.rates.iter().copied());
            let numbers = [storm.reported, storm.known].map(|number| Unit::Count.text(number as f64));
            let mut cells = vec![Cell::from(rates)];
            cells.extend(numbers.map(Cell::from));
            table.row(format!("{}, {rate} groups/s", name_of_leaver(*contestant)), cells);
        }
    }
    table
}

/// How far apart the data came at the member, which is how finely latencies are seen.
fn spacing(pools: &[Pool]) -> Table {
    let mut columns = vec!["", "packets"];
    columns.extend(PERCENTILES.map(|(name, _)| name));
    let caption = format!(
        "Time between two packets of data at the member, sent every {}.",
        Unit::Seconds.text(SPACING.as_secs_f64())
    );
    let mut table = Table::new(&caption, &columns);
    for (contestant, turn) in pools {
        let figure = Figure::of(Unit::Seconds, turn.gaps.iter().copied());
        let mut cells = vec![Cell::from(Unit::Count.text(turn.gaps.len() as f64))];
        cells.extend(PERCENTILES.map(|(_, percent)| Cell::from(percentile(figure.as_ref(), percent))));
        let name = match contestant {
            Contestant::ImmediateIgmpd => format!("{}, immediate leave", contestant.name()),
            _ => contestant.name().to_owned(),
        };
        table.row(name, cells);
    }
    table
}

/// The share of joins or leaves that were done by a time.
fn plot(file: &str, title: &str, lines: &[Line<'_>]) -> Plot {
    let series = lines.iter().filter_map(|Line { name, trial }| {
        let figure = Figure::of(Unit::Seconds, trial.seconds.iter().copied())?;
        // What was not done is missing at the top.
        let done = trial.seconds.len() as f64 / trial.tried.max(1) as f64;
        let points = (1..=POINTS).map(|point| {
            let percent = point as f64 * 100.0 / POINTS as f64;
            Point {
                x: figure.percentile(percent).max(LEAST),
                y: Figure::once(Unit::Percent, percent * done),
            }
        });
        Some(Series {
            name: name.clone(),
            points: points.collect(),
        })
    });
    Plot {
        file: file.to_owned(),
        title: title.to_owned(),
        x_label: "seconds".to_owned(),
        y_label: "done by then, %".to_owned(),
        x_scale: Scale::Logarithmic,
        series: series.collect(),
        ..Plot::default()
    }
}

fn goals(plan: &Plan, pools: &[Pool]) -> Vec<Goal> {
    let ours = find(pools, Contestant::Igmpd);
    let theirs = find(pools, Contestant::Frr);
    let ratio = |trial: &dyn Fn(&Turn) -> Option<&Trial>, percent| {
        let of = |turn: Option<&Turn>| {
            let trial = trial(turn?)?;
            // What was never done counts as having taken as long as was waited, and more.
            let late = std::iter::repeat_n(f64::INFINITY, trial.not_done);
            let seconds = trial.seconds.iter().copied().chain(late);
            Some(Figure::of(Unit::Seconds, seconds)?.percentile(percent))
        };
        let ratio = of(ours)? / of(theirs)?;
        ratio.is_finite().then(|| Figure::once(Unit::Ratio, ratio))
    };
    let halves = [("median", "median", 50.0), ("p99", "99th percentile", 99.0)];
    let mut goals = Vec::new();
    let mut ahead = |id: &str, what: &str, trial: &dyn Fn(&Turn) -> Option<&Trial>| {
        for (suffix, name, percent) in halves {
            goals.push(Goal::new(
                format!("latency.{id}-{suffix}"),
                format!("{name} of {what}, times that of FRR"),
                Bound::AtMost(AHEAD),
                ratio(trial, percent),
            ));
        }
    };
    ahead("join", "a join, idle", &|turn| Some(&turn.joins));
    for (index, rate) in plan.storms.iter().enumerate() {
        // What FRR does not serve at all has no ratio.
        let served = theirs
            .and_then(|turn| turn.storms.get(index))
            .is_some_and(|storm| storm.joins.not_done * 100 < storm.joins.tried);
        if served {
            let what = format!("a join, while others join {rate} groups/s");
            ahead(&format!("join-storm-{rate}"), &what, &move |turn| {
                Some(&turn.storms.get(index)?.joins)
            });
        }
    }
    ahead("leave", "a leave with the last-member query", &|turn| {
        Some(&turn.leaves)
    });
    for (index, rate) in plan.storms.iter().enumerate() {
        // And what joined is left, where FRR serves joins.
        let served = theirs
            .and_then(|turn| turn.storms.get(index))
            .is_some_and(|storm| storm.leaves.tried > 0);
        if served {
            let what = format!("a leave with the last-member query, while others join {rate} groups/s");
            ahead(&format!("leave-storm-{rate}"), &what, &move |turn| {
                Some(&turn.storms.get(index)?.leaves)
            });
        }
    }
    goals.push(Goal::new(
        "latency.join-idle",
        "99th percentile of a join, idle",
        Bound::AtMost(JOIN_P99),
        ours.and_then(|turn| Figure::of(Unit::Seconds, turn.joins.seconds.iter().copied()))
            .and_then(|figure| percentile(Some(&figure), 99.0)),
    ));
    goals.push(Goal::new(
        "latency.not-done",
        "joins without data and leaves without end of igmpd",
        Bound::AtMost(0.0),
        ours.map(|turn| {
            let immediate = find(pools, Contestant::ImmediateIgmpd);
            let all = [turn].into_iter().chain(immediate).flat_map(|turn| {
                let storms = turn.storms.iter().flat_map(|storm| [&storm.joins, &storm.leaves]);
                [&turn.joins, &turn.leaves].into_iter().chain(storms)
            });
            Figure::once(
                Unit::Count,
                all.map(|trial| trial.not_done + trial.early + trial.dry)
                    .sum::<usize>() as f64,
            )
        }),
    ));
    goals
}
