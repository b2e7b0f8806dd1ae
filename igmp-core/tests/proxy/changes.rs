//! State-Change Reports (RFC 9776 §5.1).

use core::net::Ipv4Addr;

use igmp_core::{
    FilterMode::{self, Exclude, Include},
    HostConfig, HostEvent, SourceListChange, SubscriptionChange,
};
use igmp_wire::address::IGMP_ROUTERS;

use crate::bench::{Bench, OWN, START, WAN, replaced, secs};

/// A state by its mode and its sources.
type State<'a> = (FilterMode, &'a [u8]);

fn set(bench: &mut Bench, (mode, sources): State<'_>) {
    match mode {
        Exclude => bench.exclude(1, sources),
        Include => bench.include(1, sources),
    }
}

/// The table, row by row, and the non-existent state.
#[test]
fn records_follow_from_the_difference() {
    let rows: [(State<'_>, State<'_>, &str); 10] = [
        ((Include, &[1, 2]), (Include, &[2, 3]), "1 ALLOW{3} 1 BLOCK{1}"),
        ((Include, &[1]), (Include, &[1, 2]), "1 ALLOW{2}"),
        ((Include, &[1, 2]), (Include, &[1]), "1 BLOCK{2}"),
        ((Exclude, &[1, 2]), (Exclude, &[2, 3]), "1 ALLOW{1} 1 BLOCK{3}"),
        ((Exclude, &[1]), (Exclude, &[]), "1 ALLOW{1}"),
        ((Include, &[1, 2]), (Exclude, &[2, 3]), "1 TO_EX{2,3}"),
        ((Exclude, &[1, 2]), (Include, &[2, 3]), "1 TO_IN{2,3}"),
        ((Include, &[]), (Exclude, &[]), "1 TO_EX{}"),
        ((Exclude, &[]), (Include, &[]), "1 TO_IN{}"),
        ((Include, &[1]), (Include, &[]), "1 BLOCK{1}"),
    ];
    for (before, after, expected) in rows {
        let mut bench = Bench::new(1);
        set(&mut bench, before);
        bench.run_to(10.0);
        set(&mut bench, after);
        assert_eq!(bench.flush(), [expected], "{before:?} to {after:?}");
        // It is repeated [Robustness Variable] - 1 times within the Unsolicited Report Interval.
        let again = bench.run_to(11.0);
        assert_eq!(again.len(), 1, "{again:?}");
        assert_eq!(again[0].1, expected);
        assert!(again[0].0 > 10.0);
        assert_eq!(bench.run_to(300.0), []);
    }
}

#[test]
fn nothing_is_told_where_nothing_changes() {
    let mut bench = Bench::new(1);
    bench.exclude(1, &[1]);
    bench.run_to(10.0);
    bench.exclude(1, &[1]);
    bench.include(2, &[]);
    assert_eq!(bench.run_to(300.0), []);
}

#[test]
fn reports_go_from_the_own_address_to_all_version_3_routers() {
    let mut bench = Bench::new(1);
    bench.exclude(1, &[]);
    bench.flush();
    let (at, sent) = &bench.sent[0];
    assert_eq!(*at, START);
    assert_eq!((sent.interface, sent.source), (WAN, OWN));
    assert_eq!((sent.destination(), sent.version()), (IGMP_ROUTERS, 3));
}

/// What is repeated, with a Robustness Variable of so many.
fn robust(robustness_variable: u8) -> Bench {
    Bench::with(
        3,
        HostConfig {
            robustness_variable,
            ..HostConfig::default()
        },
    )
}

#[test]
fn the_robustness_variable_counts_transmissions() {
    for robustness in 1..=7 {
        let mut bench = robust(robustness);
        bench.exclude(1, &[]);
        let sent = bench.run_to(20.0);
        assert_eq!(sent.len(), usize::from(robustness));
        let times: Vec<f64> = sent.iter().map(|(at, _)| *at).collect();
        assert!(
            times
                .windows(2)
                .all(|pair| pair[0] < pair[1] && pair[1] <= pair[0] + 1.0)
        );
    }
}

/// Each source is told as often as the Robustness Variable says after its own last change, and by what it is then.
#[test]
fn differences_are_merged_with_what_is_pending() {
    let mut bench = robust(3);
    bench.include(1, &[1]);
    assert_eq!(bench.flush(), ["1 ALLOW{1}"]);
    bench.include(1, &[1, 2]);
    assert_eq!(bench.flush(), ["1 ALLOW{1,2}"]);
    bench.include(1, &[2]);
    assert_eq!(bench.flush(), ["1 ALLOW{2} 1 BLOCK{1}"]);
    // Source 2 has been told twice, source 1 once since its change.
    let rest: Vec<String> = bench.run_to(20.0).into_iter().map(|(_, sent)| sent).collect();
    assert_eq!(rest, ["1 ALLOW{2} 1 BLOCK{1}", "1 BLOCK{1}"]);
}

/// The next reports after a change of the mode are Filter-Mode-Change records, whatever else changes meanwhile, and then
/// what changed meanwhile is told to the end.
#[test]
fn a_change_of_the_mode_comes_before_changes_of_the_list() {
    let mut bench = robust(3);
    bench.exclude(1, &[]);
    assert_eq!(bench.flush(), ["1 TO_EX{}"]);
    bench.exclude(1, &[1]);
    assert_eq!(bench.flush(), ["1 TO_EX{1}"]);
    let rest: Vec<String> = bench.run_to(20.0).into_iter().map(|(_, sent)| sent).collect();
    assert_eq!(rest, ["1 TO_EX{1}", "1 BLOCK{1}"]);
}

#[test]
fn a_change_of_the_mode_and_back_is_told_by_the_mode_that_is() {
    let mut bench = robust(2);
    bench.exclude(1, &[]);
    assert_eq!(bench.flush(), ["1 TO_EX{}"]);
    bench.include(1, &[3]);
    assert_eq!(bench.flush(), ["1 TO_IN{3}"]);
    bench.exclude(1, &[4]);
    assert_eq!(bench.flush(), ["1 TO_EX{4}"]);
    bench.include(1, &[]);
    assert_eq!(bench.flush(), ["1 TO_IN{}"]);
    let rest: Vec<String> = bench.run_to(20.0).into_iter().map(|(_, sent)| sent).collect();
    assert_eq!(rest, ["1 TO_IN{}"]);
}

#[test]
fn changes_that_happen_together_share_a_packet() {
    let mut bench = Bench::new(1);
    bench.exclude(1, &[]);
    bench.include(2, &[1]);
    bench.exclude(3, &[2]);
    let together = "1 TO_EX{} 2 ALLOW{1} 3 TO_EX{2}";
    assert_eq!(bench.flush(), [together]);
    let again: Vec<String> = bench.run_to(20.0).into_iter().map(|(_, sent)| sent).collect();
    assert_eq!(again, [together]);
}

#[test]
fn parts_of_a_list_change_it() {
    let mut bench = Bench::new(1);
    bench.exclude(1, &[1, 2]);
    bench.run_to(10.0);
    let [first, second, third] = [1, 2, 3].map(crate::bench::source);
    bench.event(HostEvent::Subscription(SubscriptionChange {
        group: crate::bench::group(1),
        filter_mode: Exclude,
        sources: SourceListChange::Changed {
            added: vec![third, second],
            removed: vec![first],
        },
    }));
    assert_eq!(bench.flush(), ["1 ALLOW{1} 1 BLOCK{3}"]);
}

/// 224.0.0.0/24 never leaves its link, and nobody asks for any source in 232.0.0.0/8.
#[test]
fn some_groups_are_never_told() {
    let mut bench = Bench::new(1);
    for group in [
        Ipv4Addr::new(224, 0, 0, 1),
        Ipv4Addr::new(224, 0, 0, 251),
        Ipv4Addr::new(232, 1, 1, 1),
        Ipv4Addr::new(10, 0, 0, 1),
    ] {
        bench.event(replaced(group, Exclude, Vec::new()));
    }
    bench.query(None, &[], 100);
    assert_eq!(bench.run_to(300.0), []);
    assert_eq!(bench.host.joins(bench.now, Ipv4Addr::UNSPECIFIED, 10), []);
}

/// QRV of the last query that has one (§4.1.6).
#[test]
fn the_querier_s_robustness_variable_counts() {
    let mut bench = robust(4);
    bench.query(None, &[], 100);
    assert_eq!(
        bench
            .host
            .upstream(bench.now)
            .expect("an upstream")
            .robustness_variable,
        2
    );
    bench.exclude(1, &[]);
    assert_eq!(bench.run_to(20.0).len(), 2);
}

#[test]
fn the_view_says_what_is_asked_for() {
    let mut bench = Bench::new(1);
    bench.exclude(3, &[2, 1]);
    bench.run_to(5.0);
    bench.include(201, &[4]);
    let joins = bench.host.joins(START + secs(7.0), Ipv4Addr::UNSPECIFIED, 10);
    let shown: Vec<_> = joins
        .iter()
        .map(|join| {
            (
                join.group.octets()[3],
                join.filter_mode,
                join.sources.len(),
                join.up_time,
            )
        })
        .collect();
    assert_eq!(shown, [(201, Include, 1, secs(2.0)), (3, Exclude, 2, secs(7.0))]);
}
