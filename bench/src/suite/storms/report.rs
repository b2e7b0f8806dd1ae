//! Tables, goals and plots of the storms.

use super::{
    feed::Feed,
    load::{Storm, Version},
    outcome::{Case, figure},
    turn::Outcome,
    who::Who,
};
use crate::model::{Bound, Cell, Figure, Goal, Kind, Plot, Point, Scale, Section, Series, Table, Unit};

/// Groups of the storms that goals are about.
const LARGE: u32 = 1_000_000;
/// Groups of the storm that every contestant takes part in.
const SMALL: u32 = 20_000;

/// What was done.
const METHOD: &[&str] = &[
    "One host joins 20,000, 100,000 and 1,000,000 groups at once, each contestant starting anew for each storm; then it sends \
     the same again, which are refreshes, to igmpd and the bridge so often that there are at least 400,000 of version 2 and \
     2,000,000 of version 3. With version 2 that is a report for each group, with version 3 a report for each 50.",
    "The load of most figures is a **packet socket**: prebuilt frames, 64 with each call of `sendmmsg`, past the queueing discipline, into a \
     veth pair. They arrive as socket buffers, of which XDP pays for a copy that no NIC has; the bridge and the daemons take \
     them as they are. The generator has processor 0. The contestant's end of the pair is polled by a kernel thread \
     (threaded NAPI) on processor 1, whose CPU time is exact and counts as receiving. What the socket may have under way fits \
     into the ring of the pair, so the generator waits for the receiver and no frame is lost before it is taken. Daemons \
     run where the scheduler puts them.",
    "The load of the others is **live frames**: a program that `BPF_PROG_TEST_RUN` runs in the kernel makes each report and redirects \
     it into the pair, as the driver of a NIC hands frames to XDP. For the bridge, which is not XDP, the pair makes socket \
     buffers of them, as a driver does. They are sent in chunks of 192, since nothing holds them back where the ring is full.",
    "\"Until known\" is the time from the first frame until the contestant knew the last group, by its own word: igmpd's agent, \
     not only its map; the number of groups of the bridge's port; what FRR shows; what pimd writes; what igmpproxy has joined \
     upstream. A contestant that lost groups has the time until it learned nothing more. A daemon that has emptied its socket \
     is believed to be done after a rest. Kernel memory is what all slabs, vmalloc areas and per-CPU areas grew by; for igmpd \
     also the maps, as the kernel accounts for them. The limits of sockets (`rmem_max`, `optmem_max`, \
     `igmp_max_memberships`) are out of the way, and `mcast_hash_max` of the bridge, whose table grows by itself, is \
     2,097,152; `max-groups` of igmpd is its default of 65,536, or what the storm needs. Refreshes are only sent to \
     contestants that knew all groups.",
];

/// The section of all cases.
pub(crate) fn section(cases: &[Case]) -> Section {
    let mut section = Section::new("Storms of joins, and of refreshes", METHOD);
    section.goals = goals(cases);
    for feed in Feed::ALL {
        for version in Version::ALL {
            let of_both = |case: &&Case| (case.feed, case.version) == (feed, version);
            let cases: Vec<&Case> = cases.iter().filter(of_both).collect();
            let how = format!("{} ({})", version.name(), feed.name());
            section.tables.push(joins(&cases, &how));
            section.tables.push(refreshes(&cases, &how));
        }
    }
    section.plots = plots(cases);
    section.remarks = remarks(cases);
    section
}

fn goals(cases: &[Case]) -> Vec<Goal> {
    let all = Feed::ALL
        .into_iter()
        .flat_map(|feed| Version::ALL.map(|version| (feed, version)));
    all.flat_map(|(feed, version)| goals_of(cases, feed, version))
        .collect()
}

fn goals_of(cases: &[Case], feed: Feed, version: Version) -> Vec<Goal> {
    let id = format!("{}{}", version.id(), feed.suffix());
    let name = format!("{} ({})", version.name(), feed.name());
    let find = |who, groups| {
        let wanted = (who, feed, version, groups);
        cases
            .iter()
            .find(|case| (case.who, case.feed, case.version, case.groups) == wanted)
    };
    let ratio = |one: Option<Figure>, other: Option<Figure>| one?.ratio(&other?);
    // A quick look has no storm of that size.
    let large = cases.iter().map(|case| case.groups).max().unwrap_or(LARGE);
    let size = Unit::Count.text(large.into());
    let (us, bridge) = (find(Who::Igmpd, large), find(Who::Bridge, large));
    let mut goals = vec![
        Goal::new(
            format!("storms.lost-{id}"),
            format!("groups lost of {size}, {name}"),
            Bound::AtMost(0.0),
            us.and_then(|case| figure(Unit::Count, case.joins(), |joins| joins.lost(large) as f64)),
        ),
        Goal::new(
            format!("storms.joins-bridge-{id}"),
            format!("new groups per second with {size}, times the bridge's, {name}"),
            Bound::AtLeast(2.0),
            ratio(us.and_then(rate), bridge.and_then(rate)),
        ),
        Goal::new(
            format!("storms.refreshes-bridge-{id}"),
            format!("refreshes of {size} groups per CPU second, times the bridge's, {name}"),
            Bound::AtLeast(10.0),
            ratio(us.and_then(per_cpu_second), bridge.and_then(per_cpu_second)),
        ),
        Goal::new(
            format!("storms.refreshes-agent-{id}"),
            format!("share of a processor that igmpd uses while {size} groups are refreshed, {name}"),
            Bound::AtMost(1.0),
            us.and_then(|case| figure(Unit::Percent, case.refreshes(), share)),
        ),
    ];
    // Daemons take part with packet sockets alone, and what a group takes does not depend on how it came.
    if feed == Feed::PacketSocket && large == LARGE {
        goals.push(Goal::new(
            format!("storms.joins-frr-{id}"),
            format!("new groups per second with 20,000, times FRR's, {name}"),
            Bound::AtLeast(100.0),
            ratio(
                find(Who::Igmpd, SMALL).and_then(rate),
                find(Who::Frr, SMALL).and_then(rate),
            ),
        ));
        goals.push(Goal::new(
            format!("storms.bytes-{id}"),
            format!("bytes for each of {size} groups, maps and agent together, {name}"),
            Bound::AtMost(400.0),
            us.and_then(|case| {
                figure(Unit::Bytes, case.joins(), |joins| {
                    memory(joins) / f64::from(large)
                })
            }),
        ));
    }
    goals
}

/// New groups a second, of those that were learned.
fn rate(case: &Case) -> Option<Figure> {
    figure(Unit::PerSecond, case.joins(), |joins| {
        joins.known as f64 / joins.elapsed.as_secs_f64()
    })
}

/// Refreshed groups for each second of CPU time.
fn per_cpu_second(case: &Case) -> Option<Figure> {
    figure(Unit::PerCpuSecond, case.refreshes(), |refreshes| {
        refreshes.reported as f64 / refreshes.used.all()
    })
}

/// How much of a processor the contestant's processes used.
fn share(outcome: &Outcome) -> f64 {
    outcome.used.process / outcome.elapsed.as_secs_f64() * 100.0
}

/// What the groups take, in bytes: the contestant's own objects where the kernel accounts for them, else what the kernel grew
/// by; and its processes.
fn memory(outcome: &Outcome) -> f64 {
    let kernel = outcome
        .kernel_objects
        .map_or(outcome.kernel_memory, |bytes| bytes as f64);
    (kernel + outcome.process_memory).max(0.0)
}

pub(super) fn row_name(case: &Case) -> String {
    format!("{}, {}", case.who.name(), Unit::Count.text(case.groups.into()))
}

/// What stands where there is no figure.
fn without(case: &Case) -> &'static str {
    if case.is_skipped { "not tried" } else { "failed" }
}

fn joins(cases: &[&Case], how: &str) -> Table {
    let mut table = Table::new(
        &format!("New groups, {how}"),
        &[
            "contestant, groups",
            "known",
            "lost",
            "until known",
            "new groups",
            "CPU of processes",
            "of it system",
            "CPU of receiving",
            "processes grew by",
            "kernel grew by",
            "own maps",
            "bytes per group",
        ],
    );
    for case in cases {
        let of = |unit, number: &dyn Fn(&Outcome) -> f64| Cell::from(figure(unit, case.joins(), number));
        let mut cells = if case.turns.is_empty() {
            vec![Cell::from(without(case))]
        } else {
            vec![of(Unit::Count, &|joins| joins.known as f64)]
        };
        cells.extend([
            of(Unit::Count, &|joins| joins.lost(case.groups) as f64),
            of(Unit::Seconds, &|joins| joins.elapsed.as_secs_f64()),
            rate(case).into(),
            of(Unit::Seconds, &|joins| joins.used.process),
            of(Unit::Seconds, &|joins| joins.used.system),
            of(Unit::Seconds, &|joins| joins.used.receive),
            of(Unit::Bytes, &|joins| joins.process_memory),
            of(Unit::Bytes, &|joins| joins.kernel_memory),
            figure(
                Unit::Bytes,
                case.joins().filter(|joins| joins.kernel_objects.is_some()),
                |joins| joins.kernel_objects.unwrap_or(0) as f64,
            )
            .into(),
            of(Unit::Bytes, &|joins| memory(joins) / joins.known.max(1) as f64),
        ]);
        table.row(row_name(case), cells);
    }
    table
}

fn refreshes(cases: &[&Case], how: &str) -> Table {
    let mut table = Table::new(
        &format!("The same again as refreshes, {how}"),
        &[
            "contestant, groups",
            "reported",
            "absorbed in",
            "refreshes",
            "for each CPU second",
            "CPU of processes",
            "share of a processor",
            "CPU of receiving",
            "not counted as refreshes",
        ],
    );
    for case in cases {
        let of = |unit, number: &dyn Fn(&Outcome) -> f64| Cell::from(figure(unit, case.refreshes(), number));
        let cells = vec![
            of(Unit::Count, &|refreshes| refreshes.reported as f64),
            of(Unit::Seconds, &|refreshes| refreshes.elapsed.as_secs_f64()),
            of(Unit::PerSecond, &|refreshes| {
                refreshes.reported as f64 / refreshes.elapsed.as_secs_f64()
            }),
            per_cpu_second(case).into(),
            of(Unit::Seconds, &|refreshes| refreshes.used.process),
            of(Unit::Percent, &share),
            of(Unit::Seconds, &|refreshes| refreshes.used.receive),
            figure(
                Unit::Count,
                case.refreshes().filter(|refreshes| refreshes.refreshed.is_some()),
                |refreshes| refreshes.reported as f64 - refreshes.refreshed.unwrap_or(0) as f64,
            )
            .into(),
        ];
        if case.refreshes().next().is_some() {
            table.row(row_name(case), cells);
        }
    }
    table
}

fn plots(cases: &[Case]) -> Vec<Plot> {
    let mut plots = Vec::new();
    for (feed, version) in Feed::ALL
        .into_iter()
        .flat_map(|feed| Version::ALL.map(|version| (feed, version)))
    {
        let of_both = move |case: &&Case| (case.feed, case.version) == (feed, version);
        let mut plot = |file: &str, title: &str, y_label: &str, y: &dyn Fn(&Case) -> Option<Figure>| {
            let series: Vec<Series> = Who::ALL
                .into_iter()
                .map(|who| Series {
                    name: who.name().to_owned(),
                    points: cases
                        .iter()
                        .filter(of_both)
                        .filter(|case| case.who == who)
                        .filter_map(|case| {
                            Some(Point {
                                x: case.groups.into(),
                                y: y(case)?,
                            })
                        })
                        .collect(),
                })
                .filter(|series| !series.points.is_empty())
                .collect();
            if !series.is_empty() {
                plots.push(Plot {
                    file: format!("storms-{file}-{}{}", version.id(), feed.suffix()),
                    title: format!("{title}, {} ({})", version.name(), feed.name()),
                    kind: Kind::Lines,
                    x_label: "groups".to_owned(),
                    y_label: y_label.to_owned(),
                    x_scale: Scale::Logarithmic,
                    y_scale: Scale::Logarithmic,
                    categories: Vec::new(),
                    series,
                });
            }
        };
        // Only who knew all groups has a time until all were known.
        let is_complete = |case: &Case| case.joins().all(|joins| joins.lost(case.groups) == 0);
        plot(
            "known",
            "Time until all new groups are known",
            "seconds",
            &|case| {
                let known = figure(Unit::Seconds, case.joins(), |joins| joins.elapsed.as_secs_f64());
                known.filter(|_| is_complete(case))
            },
        );
        plot("cpu", "CPU time for new groups", "CPU seconds", &|case| {
            let used = figure(Unit::Seconds, case.joins(), |joins| joins.used.all());
            used.filter(|_| is_complete(case))
        });
        plot(
            "refreshes",
            "Refreshes for each CPU second",
            "refreshes",
            &per_cpu_second,
        );
        plot("memory", "Memory, process and kernel", "bytes", &|case| {
            let bytes = figure(Unit::Bytes, case.joins(), |joins| memory(joins).max(1.0));
            bytes.filter(|_| is_complete(case))
        });
    }
    plots
}

/// What figures do not say.
fn remarks(cases: &[Case]) -> Vec<String> {
    let mut remarks = Vec::new();
    for case in cases {
        let name = format!(
            "{}, {}, {}",
            row_name(case),
            case.version.name(),
            case.feed.name()
        );
        remarks.extend(
            case.failures
                .iter()
                .map(|failure| format!("{name}: no figure, {failure}")),
        );
        for turn in &case.turns {
            let storms = [
                (Storm::Joins, Some(&turn.joins)),
                (Storm::Refreshes, turn.refreshes.as_ref()),
            ];
            for (storm, outcome) in storms {
                if let Some(text) = outcome.and_then(|outcome| losses(case, storm, outcome)) {
                    remarks.push(format!("{name}: {text}"));
                }
            }
        }
    }
    remarks.dedup();
    remarks
}

/// What a contestant lost, and where.
fn losses(case: &Case, storm: Storm, outcome: &Outcome) -> Option<String> {
    let mut parts = Vec::new();
    let lost = outcome.lost(case.groups);
    if lost > 0 {
        let when = if outcome.is_cut_short {
            "not known when the time was over"
        } else {
            "lost"
        };
        parts.push(format!("{} groups {when}", Unit::Count.text(lost as f64)));
    }
    if outcome.traffic.receive_drops > 0 {
        parts.push(format!(
            "{} frames found no room in the ring and were sent again",
            outcome.traffic.receive_drops
        ));
    }
    parts.extend(
        outcome
            .losses
            .iter()
            .filter(|(_, number)| *number > 0)
            .map(|(what, number)| format!("{what}: {}", Unit::Count.text(*number as f64))),
    );
    let when = match storm {
        Storm::Joins => "new groups",
        Storm::Refreshes => "refreshes",
    };
    (!parts.is_empty()).then(|| format!("{when}, {}", parts.join(", ")))
}
