//! What came out, as tables, plots and goals.

use std::fmt::{self, Display, Formatter};

use super::{
    rival::Rival,
    turn::{Load, Turn},
};
use crate::model::{Bound, Cell, Figure, Goal, Plot, Point, Scale, Section, Series, Table, Unit};

/// How many times the kernel's multicast routing this router is to be.
const GOAL: f64 = 3.0;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// How frames are made.
    pub(super) load: Load,
    /// Egress ports.
    pub(super) ports: u32,
    /// Bytes of a frame.
    pub(super) len: usize,
    /// Groups that take turns.
    pub(super) groups: u32,
}

impl Case {
    /// What is sent through so many ports, where so many groups are known.
    pub(super) fn all(ports: u32, groups: u32, quick: bool) -> Vec<Self> {
        let case = |load, len, groups| Self {
            load,
            ports,
            len,
            groups,
        };
        if quick {
            return vec![case(Load::Live, 64, 1)];
        }
        let mut all = Vec::new();
        for len in [64, 1_400] {
            for groups in [1, groups] {
                all.push(case(Load::Live, len, groups));
            }
        }
        if ports <= 4 {
            all.extend([64, 1_400].map(|len| case(Load::Socket, len, 1)));
        }
        all
    }
}

impl Display for Case {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plural = |count: u32| if count == 1 { "" } else { "s" };
        write!(
            f,
            "{} port{}, {} bytes, {} group{}, {}",
            self.ports,
            plural(self.ports),
            self.len,
            self.groups,
            plural(self.groups),
            self.load.name()
        )
    }
}

/// All turns of one contestant at one case.
#[derive(Clone, Debug)]
struct Outcome {
    rival: Rival,
    case: Case,
    cpu_per_packet: Figure,
    per_cpu_second: Figure,
    per_second: Figure,
}

/// All turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcomes {
    all: Vec<Outcome>,
    objections: Vec<(Rival, u32, String)>,
}

impl Outcomes {
    /// Adds a turn.
    pub(super) fn add(&mut self, rival: Rival, case: &Case, turn: &Turn) {
        let figures = [turn.cpu_per_packet(), turn.per_cpu_second(), turn.per_second()];
        let known = self
            .all
            .iter_mut()
            .find(|outcome| outcome.rival == rival && outcome.case == *case);
        let Some(outcome) = known else {
            let [cpu_per_packet, per_cpu_second, per_second] = figures;
            self.all.push(Outcome {
                rival,
                case: *case,
                cpu_per_packet: Figure::once(Unit::Nanoseconds, cpu_per_packet),
                per_cpu_second: Figure::once(Unit::PerCpuSecond, per_cpu_second),
                per_second: Figure::once(Unit::PerSecond, per_second),
            });
            return;
        };
        let places = [
            &mut outcome.cpu_per_packet,
            &mut outcome.per_cpu_second,
            &mut outcome.per_second,
        ];
        for (place, figure) in places.into_iter().zip(figures) {
            place.samples.push(figure);
        }
    }

    /// Notes why somebody has no figures for so many ports.
    pub(super) fn object(&mut self, rival: Rival, ports: u32, why: String) {
        self.objections.push((rival, ports, why));
    }

    /// Whether somebody has any figure.
    pub(super) fn has(&self, rival: Rival) -> bool {
        self.all.iter().any(|outcome| outcome.rival == rival)
    }

    fn find(&self, rival: Rival, case: &Case) -> Option<&Outcome> {
        self.all
            .iter()
            .find(|outcome| outcome.rival == rival && outcome.case == *case)
    }

    fn ratio(&self, rival: Rival, case: &Case) -> Option<Figure> {
        let own = self.find(Rival::Igmpd, case)?;
        own.per_cpu_second.ratio(&self.find(rival, case)?.per_cpu_second)
    }

    fn cell(&self, rival: Rival, case: &Case, figure: impl Fn(&Outcome) -> Figure) -> Cell {
        if let Some(outcome) = self.find(rival, case) {
            return figure(outcome).into();
        }
        let objection = self
            .objections
            .iter()
            .find(|(who, ports, _)| *who == rival && *ports == case.ports);
        objection.map_or_else(|| None.into(), |(_, _, why)| why.as_str().into())
    }

    /// The cases, in the order in which they were measured, those of live frames first.
    fn cases(&self) -> Vec<Case> {
        let mut cases: Vec<Case> = Vec::new();
        for outcome in &self.all {
            if !cases.contains(&outcome.case) {
                cases.push(outcome.case);
            }
        }
        cases.sort_by_key(|case| case.load == Load::Socket);
        cases
    }

    /// Puts everything into the section.
    pub(super) fn report(&self, section: &mut Section, rivals: &[Rival]) {
        let cases = self.cases();
        section.goals.extend(self.goals(&cases));
        let names: Vec<&str> = rivals.iter().map(|rival| rival.name()).collect();
        let others: Vec<Rival> = rivals
            .iter()
            .copied()
            .filter(|rival| *rival != Rival::Igmpd)
            .collect();
        let ratios: Vec<String> = others
            .iter()
            .map(|rival| format!("igmpd, times {}", rival.name()))
            .collect();
        let mut columns = vec!["what is sent"];
        columns.extend(&names);
        let mut cost = Table::new(
            "CPU time for each packet that arrived at all ports, and how many times as many of them igmpd forwards in the same CPU \
             time.",
            &[
                &columns[..],
                &ratios.iter().map(String::as_str).collect::<Vec<_>>(),
            ]
            .concat(),
        );
        let mut rate = Table::new("Packets that arrived at all ports in each second.", &columns);
        for case in &cases {
            let mut cells: Vec<Cell> = rivals
                .iter()
                .map(|&rival| self.cell(rival, case, |outcome| outcome.cpu_per_packet.clone()))
                .collect();
            cells.extend(others.iter().map(|&rival| Cell::from(self.ratio(rival, case))));
            cost.row(case.to_string(), cells);
            let cells = rivals.iter();
            rate.row(
                case.to_string(),
                cells
                    .map(|&rival| self.cell(rival, case, |outcome| outcome.per_second.clone()))
                    .collect(),
            );
        }
        section.tables.extend([cost, rate]);
        section.plots.push(self.plot(&cases, rivals));
    }

    /// The goal is set for 1 and 4 ports, as NICs do it; which size and how many groups it leaves open, so each counts.
    fn goals(&self, cases: &[Case]) -> Vec<Goal> {
        cases
            .iter()
            .filter(|case| case.load == Load::Live && case.ports <= 4)
            .map(|case| {
                Goal::new(
                    format!(
                        "forwarding.ports-{}-bytes-{}-groups-{}",
                        case.ports, case.len, case.groups
                    ),
                    format!("packets per CPU second, times the kernel's multicast routing: {case}"),
                    Bound::AtLeast(GOAL),
                    self.ratio(Rival::Kernel, case),
                )
            })
            .collect()
    }

    fn plot(&self, cases: &[Case], rivals: &[Rival]) -> Plot {
        let shown = cases
            .iter()
            .filter(|case| case.load == Load::Live && case.len == 64 && case.groups == 1);
        let series = rivals.iter().map(|&rival| Series {
            name: rival.name().to_owned(),
            points: shown
                .clone()
                .filter_map(|case| {
                    Some(Point {
                        x: case.ports.into(),
                        y: self.find(rival, case)?.per_cpu_second.clone(),
                    })
                })
                .collect(),
        });
        Plot {
            file: "forwarding".to_owned(),
            title: "Forwarding: packets per CPU second (64 bytes, live frames)".to_owned(),
            x_label: "egress ports".to_owned(),
            y_label: "packets per CPU second".to_owned(),
            x_scale: Scale::Logarithmic,
            y_scale: Scale::Logarithmic,
            series: series.filter(|series| !series.points.is_empty()).collect(),
            ..Plot::default()
        }
    }
}
