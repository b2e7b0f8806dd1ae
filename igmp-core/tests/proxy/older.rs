//! Queriers of version 1 and 2 (RFC 9776 §7.2, RFC 2236 §3 and §6).

use igmp_core::{HostConfig, ReportKind, host::JoinState};

use crate::bench::{Bench, group};

/// Older Version Querier Present Interval with the defaults: 2 * 125 s + 10 * 10 s (RFC 9776 §8.12).
const PRESENT: f64 = 350.0;

/// A member of groups 1, 2 and 201, the last one source-specific, of which a querier has asked at 10 s. Everything has
/// been answered at 100 s.
fn member(version: u8) -> Bench {
    let mut bench = Bench::new(1);
    bench.exclude(1, &[]);
    bench.include(2, &[3]);
    bench.include(201, &[3]);
    bench.run_to(10.0);
    bench.older_query(version, None, if version == 1 { 0 } else { 100 });
    let sent = bench.run_to(100.0);
    let mut messages: Vec<&str> = sent.iter().map(|(_, sent)| sent.as_str()).collect();
    messages.sort_unstable();
    let expected = if version == 1 {
        ["1 v1", "2 v1"]
    } else {
        ["1 v2", "2 v2"]
    };
    assert_eq!(messages, expected);
    assert!(sent.iter().all(|(at, _)| *at > 10.0 && *at <= 20.0));
    bench
}

fn mode(bench: &Bench) -> u8 {
    bench
        .host
        .upstream(bench.now)
        .expect("an upstream")
        .compatibility_mode
}

fn messages(bench: &mut Bench, second: f64) -> Vec<String> {
    bench.run_to(second).into_iter().map(|(_, sent)| sent).collect()
}

#[test]
fn an_older_general_query_is_answered_in_its_version() {
    for version in [1, 2] {
        let bench = member(version);
        assert_eq!(mode(&bench), version);
        assert_eq!(bench.state(1), Some(JoinState::Joined));
        assert_eq!(bench.state(201), Some(JoinState::Unsupported));
        let destinations: Vec<_> = (bench.sent.iter().rev().take(2))
            .map(|(_, sent)| sent.destination())
            .collect();
        assert!(destinations.contains(&group(1)) && destinations.contains(&group(2)));
    }
}

/// Changes of lists and modes are nothing to them (RFC 4605 §4.1).
#[test]
fn only_the_beginning_and_the_end_are_told() {
    for version in [1, 2] {
        let mut bench = member(version);
        bench.exclude(2, &[5]);
        bench.include(2, &[6]);
        bench.include(201, &[]);
        bench.include(202, &[1]);
        assert_eq!(messages(&mut bench, 130.0), [""; 0]);
        bench.exclude(5, &[]);
        // The first report is repeated within the Unsolicited Report Interval of these versions, 10 s.
        let report = format!("5 v{version}");
        assert_eq!(bench.flush(), [report.as_str()]);
        assert_eq!(messages(&mut bench, 140.0), [report.as_str()]);
        bench.include(5, &[]);
        let leave: &[&str] = if version == 2 { &["5 leave"] } else { &[] };
        assert_eq!(bench.flush(), leave);
        assert_eq!(messages(&mut bench, 200.0), [""; 0]);
    }
}

#[test]
fn the_newest_version_returns_when_the_older_querier_is_gone() {
    for version in [1, 2] {
        let mut bench = member(version);
        assert_eq!(messages(&mut bench, 10.0 + PRESENT - 0.001), [""; 0]);
        assert_eq!(mode(&bench), version);
        // All is told anew, with the lists that the older querier could not hear.
        let sent = bench.run_to(10.0 + PRESENT + 10.0);
        assert_eq!(mode(&bench), 3);
        assert_eq!(sent.len(), 1);
        let records = ["1 IS_EX{}", "2 IS_IN{3}", "201 IS_IN{3}"];
        assert!(
            records.iter().all(|record| sent[0].1.contains(record)),
            "{sent:?}"
        );
        assert_eq!(messages(&mut bench, 1_000.0), [""; 0]);
    }
}

/// 2 * 125 s + 10 times the Max Response Time of the last query.
#[test]
fn the_interval_follows_from_the_query() {
    let mut bench = Bench::new(1);
    bench.older_query(2, None, 50);
    bench.run_to(299.999);
    assert_eq!(mode(&bench), 2);
    bench.run_to(300.0);
    assert_eq!(mode(&bench), 3);
}

#[test]
fn the_oldest_querier_counts() {
    let mut bench = member(2);
    bench.older_query(1, None, 0);
    assert_eq!(mode(&bench), 1);
    bench.run_to(200.0);
    bench.older_query(2, None, 100);
    assert_eq!(mode(&bench), 1);
    bench.run_to(100.0 + PRESENT - 0.001);
    assert_eq!(mode(&bench), 1);
    bench.run_to(100.0 + PRESENT);
    assert_eq!(mode(&bench), 2);
    bench.run_to(200.0 + PRESENT);
    assert_eq!(mode(&bench), 3);
    bench.older_query(1, None, 0);
    bench.query(None, &[], 100);
    assert_eq!(mode(&bench), 1, "a newer query does not change it");
}

/// RFC 9776 §7.2.1: only General Queries do.
#[test]
fn an_older_specific_query_does_not_change_the_mode() {
    let mut bench = Bench::new(1);
    bench.exclude(1, &[4]);
    bench.run_to(10.0);
    bench.older_query(2, Some(1), 10);
    assert_eq!(mode(&bench), 3);
    assert_eq!(messages(&mut bench, 11.0), ["1 IS_EX{4}"]);
}

#[test]
fn a_change_of_the_mode_cancels_what_is_pending() {
    let mut bench = Bench::new(1);
    bench.exclude(1, &[]);
    bench.flush();
    bench.query(Some(1), &[], 255);
    bench.query(None, &[], 255);
    bench.older_query(2, None, 1);
    // Nothing of version 3 is left: neither the repetition nor the answers.
    assert_eq!(messages(&mut bench, 100.0), ["1 v2"]);
}

#[test]
fn a_report_of_another_host_suppresses_an_answer() {
    for version in [1, 2] {
        for specific in [false, true] {
            let mut bench = member(version);
            bench.older_query(version, specific.then_some(1), 100);
            bench.heard(
                if version == 1 {
                    ReportKind::V1
                } else {
                    ReportKind::V2
                },
                1,
            );
            let sent = messages(&mut bench, 200.0);
            assert!(sent.iter().all(|sent| !sent.starts_with("1 ")), "{sent:?}");
            assert_eq!(sent.len(), usize::from(!specific));
            // The other host is the last one that reported: it will leave by itself.
            bench.include(1, &[]);
            assert_eq!(bench.flush(), [""; 0]);
            // Of the other group this host was.
            bench.include(2, &[]);
            let leave: &[&str] = if version == 2 { &["2 leave"] } else { &[] };
            assert_eq!(bench.flush(), leave);
        }
    }
}

/// RFC 2236 §6: reports are ignored in the Idle Member state.
#[test]
fn a_report_that_suppresses_nothing_changes_nothing() {
    let mut bench = member(2);
    bench.heard(ReportKind::V2, 1);
    bench.include(1, &[]);
    assert_eq!(bench.flush(), ["1 leave"]);
}

#[test]
fn a_report_suppresses_the_repetition_of_the_first_one() {
    let mut bench = member(2);
    bench.exclude(7, &[]);
    assert_eq!(bench.flush(), ["7 v2"]);
    bench.heard(ReportKind::V1, 7);
    assert_eq!(messages(&mut bench, 200.0), [""; 0]);
}

/// A version 1 querier does not understand the other host, and own reports that come back say nothing.
#[test]
fn some_reports_suppress_nothing() {
    let mut bench = member(1);
    bench.older_query(1, None, 0);
    bench.heard(ReportKind::V2, 1);
    bench.heard(ReportKind::Leave, 2);
    assert_eq!(messages(&mut bench, 200.0).len(), 2);
    bench.older_query(1, None, 0);
    bench.event(igmp_core::HostEvent::Report(igmp_core::Report {
        interface: crate::bench::WAN,
        time: bench.now,
        reporter: crate::bench::OWN,
        group: group(1),
        kind: ReportKind::V1,
        sources: Vec::new(),
    }));
    assert_eq!(messages(&mut bench, 300.0).len(), 2);
}

/// RFC 2236 §3: a running timer is reset only if the Max Response Time is less than what is left of it.
#[test]
fn a_shorter_query_is_answered_sooner() {
    let mut bench = member(2);
    bench.older_query(2, Some(1), 250);
    bench.older_query(2, Some(1), 1);
    let sent = bench.run_to(200.0);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].0 <= 100.1);
    bench.older_query(2, Some(1), 1);
    bench.older_query(2, Some(1), 250);
    let sent = bench.run_to(300.0);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].0 <= 200.1);
}

/// A version 3 query is a version 2 query to a host of version 2, whose Max Response Time is linear: 200 is 20 s, and not
/// 307 s. Its sources are nothing to it.
#[test]
fn a_version_3_query_is_read_as_an_older_one() {
    for seed in 0..20 {
        let mut bench = Bench::with(
            seed,
            HostConfig {
                version: 2,
                ..HostConfig::default()
            },
        );
        bench.exclude(1, &[]);
        bench.run_to(100.0);
        bench.query(Some(1), &[9], 3_072);
        let sent = bench.run_to(200.0);
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].1, "1 v2");
        assert!(sent[0].0 <= 120.0);
    }
}

#[test]
fn a_configured_version_is_not_exceeded() {
    for version in [1, 2] {
        let config = HostConfig {
            version,
            ..HostConfig::default()
        };
        let mut bench = Bench::with(1, config);
        bench.query(None, &[], 100);
        bench.exclude(1, &[]);
        assert_eq!(bench.flush(), [format!("1 v{version}")]);
        bench.run_to(1_000.0);
        assert_eq!(mode(&bench), version);
        assert!(bench.sent.iter().all(|(_, sent)| sent.version() == version));
    }
}
