//! How long a start takes.

mod site;
#[cfg(test)]
mod tests;
mod watch;

use anyhow::Result;

use self::site::{Contestant, Site, Start};
use super::Effort;
use crate::{
    arguments::Arguments,
    contestant::attempt,
    model::{Cell, Figure, Kind, Plot, Point, Section, Series, Table, Unit},
    patience::{Patience, judged},
};

/// How often many interfaces are started: each takes seconds.
const MANY: usize = 3;
/// How often a start is tried for which the machine has no CPU time, and how many are tried again in all.
const TRIES: usize = 3;
const PATIENCE: usize = 8;

const METHOD: &[&str] = &[
    "Time from exec of the program (of zebra, for FRR, after which pimd starts as soon as zebra has its socket) to the \
     first General Query on the wire, stamped by the kernel at the hosts' end of the link, to the first query on every \
     interface, and until every interface is attached: for igmpd an XDP program on each, looked for every few milliseconds; \
     for FRR membership of 224.0.0.22 on each. Interfaces are virtual Ethernet pairs with an address, up before the start. \
     No other traffic.",
];

/// Measures starts with one and with many interfaces.
///
/// # Errors
///
/// None; what fails becomes a remark.
pub(crate) fn measure(_arguments: &Arguments, effort: &Effort) -> Result<Section> {
    if effort.quick {
        run(&[(1, 1), (20, 1)])
    } else {
        run(&[(1, effort.repetitions), (200, MANY)])
    }
}

/// Starts with so many interfaces, each so many times.
fn run(counts: &[(usize, usize)]) -> Result<Section> {
    let mut section = Section::new("Start", METHOD);
    let mut table = Table::new(
        "From exec until the router is there.",
        &[
            "",
            "first query",
            "first query on every interface",
            "all attached",
            "queries seen on",
            "attached",
        ],
    );
    let mut plot = Plot {
        file: "start".to_owned(),
        title: "From exec to the first query on every interface".to_owned(),
        kind: Kind::Bars,
        y_label: "seconds".to_owned(),
        categories: counts.iter().map(|(count, _)| interfaces(*count)).collect(),
        series: Contestant::ALL
            .iter()
            .map(|contestant| Series {
                name: contestant.name().to_owned(),
                points: Vec::new(),
            })
            .collect(),
        ..Plot::default()
    };
    let mut patience = Patience::new(PATIENCE);
    for (place, (count, repetitions)) in counts.iter().copied().enumerate() {
        let mut starts = [Vec::new(), Vec::new()];
        let site = attempt(|| Ok(Site::new(count)))?;
        for repetition in 1..=repetitions {
            for (contestant, starts) in Contestant::ALL.into_iter().zip(&mut starts) {
                match patience.undisturbed(TRIES, || judged(|| site.start(contestant))) {
                    Ok(start) => starts.push(start),
                    Err(error) => section.remarks.push(format!(
                        "{} with {}, repetition {repetition}: failed: {error:#}",
                        contestant.name(),
                        interfaces(count)
                    )),
                }
            }
        }
        for (index, (contestant, starts)) in Contestant::ALL.into_iter().zip(&starts).enumerate() {
            if starts.is_empty() {
                continue;
            }
            let name = format!("{}, {}", contestant.name(), interfaces(count));
            table.row(name, cells(starts, count));
            if let (Some(series), Some(y)) = (plot.series.get_mut(index), every_query(starts, count)) {
                series.points.push(Point { x: place as f64, y });
            }
        }
    }
    section.tables.push(table);
    plot.series.retain(|series| !series.points.is_empty());
    if !plot.series.is_empty() {
        section.plots.push(plot);
    }
    Ok(section)
}

fn interfaces(count: usize) -> String {
    match count {
        1 => "1 interface".to_owned(),
        _ => format!("{count} interfaces"),
    }
}

/// Seconds until every interface had its query; `None` where in a repetition one had none.
fn every_query(starts: &[Start], count: usize) -> Option<Figure> {
    let last: Option<Vec<f64>> = starts
        .iter()
        .map(|start| {
            start
                .queries
                .last()
                .copied()
                .filter(|_| start.queries.len() >= count)
        })
        .collect();
    Figure::of(Unit::Seconds, last?)
}

fn cells(starts: &[Start], count: usize) -> Vec<Cell> {
    let first = Figure::of(
        Unit::Seconds,
        starts.iter().filter_map(|start| start.queries.first().copied()),
    );
    let attached: Option<Vec<f64>> = starts.iter().map(|start| start.attached).collect();
    let attached = attached.and_then(|all| Figure::of(Unit::Seconds, all));
    let least = |of: &dyn Fn(&Start) -> usize| {
        let least = starts.iter().map(of).min().unwrap_or(0);
        Cell::from(format!("{least} of {count}"))
    };
    vec![
        first.into(),
        every_query(starts, count).into(),
        attached.into(),
        least(&|start| start.queries.len()),
        least(&|start| start.attached_count),
    ]
}
