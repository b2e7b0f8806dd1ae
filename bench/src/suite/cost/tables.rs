//! What was measured, as tables, plots and goals.

use crate::model::{Bound, Cell, Figure, Goal, Kind, Plot, Point, Scale, Section, Series, Table, Unit};

use super::{
    bench::Taken,
    cases::{self, Case, Topic},
    cold::Cold,
};

/// Everything that was measured.
pub(super) struct Measured<'a> {
    /// The kinds of packets.
    pub(super) cases: &'a [Case],
    /// What they took with few groups in the map.
    pub(super) few: &'a [Taken],
    /// What they took with many.
    pub(super) many: &'a [Taken],
    /// What those took whose groups were in no cache.
    pub(super) cold: &'a [Cold],
    /// What a new group took, in a report of 180 of them.
    pub(super) new: Vec<f64>,
    /// How many groups many are.
    pub(super) groups: u32,
}

impl Taken {
    fn router(&self) -> Option<Figure> {
        Figure::of(Unit::Nanoseconds, self.router.iter().copied())
    }

    fn floor(&self) -> Option<Figure> {
        Figure::of(Unit::Nanoseconds, self.floor.iter().copied())
    }

    fn ratio(&self) -> Option<Figure> {
        self.router()?.ratio(&self.floor()?)
    }

    fn cells(&self) -> [Cell; 3] {
        [self.router().into(), self.floor().into(), self.ratio().into()]
    }
}

/// What one of many records takes: the longest report without one of ten, by how many records it has more.
fn each_record(long: &Taken, short: &Taken) -> Taken {
    let more = f64::from(cases::MOST_RECORDS - 10);
    let each = |long: &[f64], short: &[f64]| {
        long.iter()
            .zip(short)
            .map(|(long, short)| (long - short) / more)
            .collect()
    };
    Taken {
        router: each(&long.router, &short.router),
        floor: each(&long.floor, &short.floor),
    }
}

impl Measured<'_> {
    fn of(&self, name: &str, taken: &[Taken]) -> Taken {
        let index = self.cases.iter().position(|case| case.name == name);
        index
            .and_then(|index| taken.get(index))
            .cloned()
            .unwrap_or_default()
    }

    fn record(&self, taken: &[Taken]) -> Taken {
        let of = |records| self.of(&cases::v3_name(records), taken);
        each_record(&of(cases::MOST_RECORDS), &of(10))
    }

    fn cold_of(&self, records: u32) -> Taken {
        let found = self.cold.iter().find(|cold| cold.records == records);
        found.map(|cold| cold.taken.clone()).unwrap_or_default()
    }

    fn cold_record(&self) -> Taken {
        each_record(&self.cold_of(cases::MOST_RECORDS), &self.cold_of(10))
    }

    /// Fills in all of a section.
    pub(super) fn report(&self, section: &mut Section) {
        section.goals = self.goals();
        section.tables = vec![self.handled(), self.records(), self.cold_table(), self.refused()];
        section.plots = vec![self.bars(), self.lines()];
    }

    fn goals(&self) -> Vec<Goal> {
        let few = self.of(cases::V2_REFRESH, self.few);
        let many = self.of(cases::V2_REFRESH, self.many);
        let groups = Unit::Count.text(f64::from(self.groups));
        let goal = |id: &str, what: String, most, figure| Goal::new(id, what, Bound::AtMost(most), figure);
        vec![
            goal(
                "cost.v2-refresh-ns",
                "a v2 refresh, hot".to_owned(),
                67.0,
                few.router(),
            ),
            goal(
                "cost.v2-refresh-floor",
                "a v2 refresh, times its floor, hot".to_owned(),
                2.0,
                few.ratio(),
            ),
            goal(
                "cost.v2-refresh-floor-many",
                format!("a v2 refresh, times its floor, with {groups} groups"),
                2.0,
                many.ratio(),
            ),
            goal(
                "cost.v3-record-floor",
                "a record of a v3 report, times its floor, hot".to_owned(),
                1.5,
                self.record(self.few).ratio(),
            ),
            goal(
                "cost.v3-record-floor-many",
                format!("a record of a v3 report, times its floor, with {groups} groups"),
                1.5,
                self.record(self.many).ratio(),
            ),
            goal(
                "cost.v3-record-floor-cold",
                format!("a record of a v3 report, times its floor, with {groups} groups in no cache"),
                1.5,
                self.cold_record().ratio(),
            ),
            goal(
                "cost.unicast",
                "a unicast packet, more than the empty program".to_owned(),
                5.0,
                self.unicast(),
            ),
        ]
    }

    /// What the dearer kind of unicast packets takes more than the empty program.
    fn unicast(&self) -> Option<Figure> {
        let mut most: Vec<f64> = Vec::new();
        for name in cases::UNICAST {
            let taken = self.of(name, self.few);
            let more = taken
                .router
                .iter()
                .zip(&taken.floor)
                .map(|(one, other)| one - other);
            most = if most.is_empty() {
                more.collect()
            } else {
                most.iter().zip(more).map(|(one, other)| one.max(other)).collect()
            };
        }
        Figure::of(Unit::Nanoseconds, most)
    }

    fn handled(&self) -> Table {
        let many = format!("with {} groups", Unit::Count.text(f64::from(self.groups)));
        let mut table = Table::new(
            "What is done with a packet, with few groups in the map (all that is needed is in the cache), and then with \
             many (what is needed still is).",
            &[
                "packet",
                "router",
                "floor",
                "ratio",
                &format!("router {many}"),
                &format!("floor {many}"),
                "ratio",
            ],
        );
        for ((case, few), many) in self.cases.iter().zip(self.few).zip(self.many) {
            if case.topic == Topic::Handled {
                table.row(
                    case.name.clone(),
                    few.cells().into_iter().chain(many.cells()).collect(),
                );
            }
        }
        table
    }

    fn records(&self) -> Table {
        let mut table = Table::new(
            "What each further record of a version 3 report takes: (180 records − 10 records) / 170. And what a new group \
             takes with its event, in reports of 180 of them while the map fills.",
            &["record", "router", "floor", "ratio"],
        );
        let groups = Unit::Count.text(f64::from(self.groups));
        table.row("known, hot", self.record(self.few).cells().into());
        table.row(
            format!("known, hot, with {groups} groups"),
            self.record(self.many).cells().into(),
        );
        table.row(
            format!("known, in no cache, with {groups} groups"),
            self.cold_record().cells().into(),
        );
        let new = Figure::of(Unit::Nanoseconds, middle(&self.new));
        table.row("new", vec![new.into(), "–".into(), "–".into()]);
        table
    }

    fn cold_table(&self) -> Table {
        let mut table = Table::new(
            "Packets whose groups are in no cache: each is another one of all groups, and runs once. The time of a single run \
             has the reading of the clock in it and a program that is not warm either.",
            &["packet", "router", "floor", "ratio"],
        );
        for cold in self.cold {
            table.row(cold.name.clone(), cold.taken.cells().into());
        }
        table
    }

    fn refused(&self) -> Table {
        let many = format!("with {} groups", Unit::Count.text(f64::from(self.groups)));
        let mut table = Table::new(
            "What a refused packet takes, by the reason, and the empty program beside it.",
            &["reason", "router", &format!("router {many}"), "empty program"],
        );
        for ((case, few), many) in self.cases.iter().zip(self.few).zip(self.many) {
            if case.topic == Topic::Refused {
                table.row(
                    case.name.clone(),
                    vec![few.router().into(), many.router().into(), few.floor().into()],
                );
            }
        }
        table
    }

    fn bars(&self) -> Plot {
        // Long reports would leave nothing of the others to see.
        let is_short = |case: &Case| {
            case.topic == Topic::Handled
                && !cases::RECORDS
                    .iter()
                    .any(|&n| n > 10 && case.name == cases::v3_name(n))
        };
        let shown: Vec<(&Case, &Taken)> = self
            .cases
            .iter()
            .zip(self.few)
            .filter(|(case, _)| is_short(case))
            .collect();
        let series = |name: &str, of: fn(&Taken) -> Option<Figure>| Series {
            name: name.to_owned(),
            points: shown
                .iter()
                .enumerate()
                .filter_map(|(index, (_, taken))| {
                    Some(Point {
                        x: index as f64,
                        y: of(taken)?,
                    })
                })
                .collect(),
        };
        Plot {
            file: "cost".to_owned(),
            title: "Cost of a packet in XDP, hot".to_owned(),
            kind: Kind::Bars,
            y_label: "nanoseconds".to_owned(),
            categories: shown.iter().map(|(case, _)| case.name.clone()).collect(),
            series: vec![series("router", Taken::router), series("floor", Taken::floor)],
            ..Plot::default()
        }
    }

    fn lines(&self) -> Plot {
        let series = |name: &str, point: &dyn Fn(u32) -> Option<Figure>| Series {
            name: name.to_owned(),
            points: cases::RECORDS
                .into_iter()
                .filter_map(|records| {
                    Some(Point {
                        x: f64::from(records),
                        y: point(records)?,
                    })
                })
                .collect(),
        };
        let hot = |records: u32| self.of(&cases::v3_name(records), self.few);
        Plot {
            file: "cost-records".to_owned(),
            title: "Cost of a version 3 report by its records".to_owned(),
            kind: Kind::Lines,
            x_label: "records".to_owned(),
            y_label: "nanoseconds".to_owned(),
            x_scale: Scale::Linear,
            series: vec![
                series("router, hot", &|records| hot(records).router()),
                series("floor, hot", &|records| hot(records).floor()),
                series("router, in no cache", &|records| self.cold_of(records).router()),
                series("floor, in no cache", &|records| self.cold_of(records).floor()),
            ],
            ..Plot::default()
        }
    }
}

/// All but the twentieth at either end, which was interrupted or came with a page of memory to find.
fn middle(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let cut = sorted.len() / 20;
    sorted.get(cut..sorted.len() - cut).unwrap_or_default().to_vec()
}
