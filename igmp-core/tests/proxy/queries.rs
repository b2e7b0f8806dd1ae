//! Answers to queries of version 3 (RFC 9776 §5.2).

use crate::bench::{Bench, Sent};

/// A host that has told what it wants: group 1 from any source but 1 and 2, group 2 from sources 3 and 4.
fn member(seed: u64) -> Bench {
    let mut bench = Bench::new(seed);
    bench.exclude(1, &[1, 2]);
    bench.include(2, &[3, 4]);
    bench.run_to(10.0);
    bench
}

fn one(sent: Vec<Sent>) -> Sent {
    let [sent] = sent.try_into().expect("one message");
    sent
}

#[test]
fn a_general_query_is_answered_once_with_all_groups() {
    let mut times = Vec::new();
    for seed in 0..200 {
        let mut bench = member(seed);
        bench.query(None, &[], 100);
        let (at, sent) = one(bench.run_to(300.0));
        let mut records: Vec<&str> = sent.split(' ').collect();
        records.sort_unstable();
        assert_eq!(records, ["1", "2", "IS_EX{1,2}", "IS_IN{3,4}"]);
        assert!(at > 10.0 && at <= 20.0);
        times.push(at);
    }
    // Spread over all of the Max Response Time.
    for tenth in 0..10 {
        let (low, high) = (10.0 + f64::from(tenth), 11.0 + f64::from(tenth));
        let count = times.iter().filter(|&&at| at > low && at <= high).count();
        assert!((5..=40).contains(&count), "{count} of 200 in {low} to {high}");
    }
}

#[test]
fn a_specific_query_is_answered_for_its_group() {
    for (number, asked, answer) in [
        (1, &[][..], Some("1 IS_EX{1,2}")),
        (2, &[], Some("2 IS_IN{3,4}")),
        // INCLUDE (A), asked for B: IS_IN (A*B). EXCLUDE (A): IS_IN (B-A).
        (2, &[4, 5], Some("2 IS_IN{4}")),
        (1, &[2, 3], Some("1 IS_IN{3}")),
        (2, &[5], None),
        (1, &[1], None),
        (3, &[], None),
        (3, &[1], None),
    ] {
        let mut bench = member(1);
        bench.query(Some(number), asked, 10);
        let sent = bench.run_to(300.0);
        assert_eq!(sent.first().map(|(_, sent)| sent.as_str()), answer);
        assert!(sent.len() <= 1);
        assert!(sent.iter().all(|(at, _)| *at > 10.0 && *at <= 11.0));
    }
}

/// Rule 1: what a General Query has pending comes first, so that a specific query needs no answer of its own.
#[test]
fn a_general_answer_that_comes_first_is_the_answer() {
    let (mut with_own, mut without) = (0, 0);
    for seed in 0..200 {
        let mut bench = member(seed);
        bench.query(None, &[], 20);
        bench.query(Some(2), &[], 20);
        let sent = bench.run_to(300.0);
        let general = sent.iter().position(|(_, sent)| sent.contains("1 IS_EX"));
        match (sent.len(), general) {
            (1, Some(0)) => without += 1,
            (2, Some(1)) => with_own += 1,
            other => panic!("{other:?}: {sent:?}"),
        }
    }
    assert!(with_own > 50 && without > 50, "{with_own} and {without}");
}

/// Rules 1 and 2: of two General Queries the earlier answer counts.
#[test]
fn general_queries_are_answered_together() {
    for seed in 0..200 {
        let mut bench = member(seed);
        bench.query(None, &[], 100);
        bench.query(None, &[], 5);
        let (at, _) = one(bench.run_to(300.0));
        assert!(at > 10.0 && at <= 10.5);
        let mut bench = member(seed);
        bench.query(None, &[], 5);
        bench.query(None, &[], 100);
        let (at, _) = one(bench.run_to(300.0));
        assert!(at > 10.0 && at <= 10.5);
    }
}

/// Rules 4 and 5.
#[test]
fn specific_queries_of_a_group_are_answered_together() {
    for seed in 0..50 {
        for (queries, answer) in [
            (&[&[3][..], &[4, 5]][..], "2 IS_IN{3,4}"),
            (&[&[3], &[]], "2 IS_IN{3,4}"),
            (&[&[], &[3]], "2 IS_IN{3,4}"),
        ] {
            let mut bench = member(seed);
            for asked in queries {
                bench.query(Some(2), asked, 10);
            }
            assert_eq!(one(bench.run_to(300.0)).1, answer);
        }
        // The whole group of EXCLUDE mode differs from the sources asked for.
        let mut bench = member(seed);
        bench.query(Some(1), &[3], 10);
        bench.query(Some(1), &[], 1);
        let (at, sent) = one(bench.run_to(300.0));
        assert_eq!(sent, "1 IS_EX{1,2}");
        assert!(at <= 10.1);
    }
}

/// Whoever asks for more sources than are remembered hears of all.
#[test]
fn a_flood_of_asked_sources_is_answered_for_the_group() {
    let mut bench = member(1);
    let mut query = |from: u32| {
        bench.event(igmp_core::HostEvent::Query(igmp_core::Query {
            interface: crate::bench::WAN,
            time: bench.now,
            querier: crate::bench::QUERIER,
            version: 3,
            group: Some(crate::bench::group(1)),
            max_resp_code: 10,
            suppress: false,
            qrv: 2,
            qqic: 125,
            sources: (0..366).map(|number| (from + number).into()).collect(),
        }));
    };
    for from in 0..4 {
        query(0x0a00_0000 + from * 366);
    }
    assert_eq!(one(bench.run_to(300.0)).1, "1 IS_EX{1,2}");
}

#[test]
fn an_answer_tells_what_is_wanted_when_it_is_sent() {
    let mut bench = member(1);
    bench.query(Some(2), &[3, 5], 10);
    bench.include(2, &[4, 5]);
    assert_eq!(bench.flush(), ["2 ALLOW{5} 2 BLOCK{3}"]);
    let sent: Vec<String> = bench.run_to(300.0).into_iter().map(|(_, sent)| sent).collect();
    assert_eq!(sent.iter().filter(|sent| *sent == "2 IS_IN{5}").count(), 1);
    // A group that was left is not answered for.
    bench.query(Some(2), &[], 10);
    bench.include(2, &[]);
    let sent = bench.run_to(400.0);
    assert!(
        sent.iter().all(|(_, sent)| sent.starts_with("2 BLOCK")),
        "{sent:?}"
    );
}

/// Version 3 hosts do not keep quiet for others (RFC 9776 §7.2.2 leaves it open for older reports).
#[test]
fn reports_of_others_do_not_suppress() {
    let mut bench = member(1);
    bench.query(Some(1), &[], 10);
    bench.heard(igmp_core::ReportKind::V2, 1);
    assert_eq!(one(bench.run_to(300.0)).1, "1 IS_EX{1,2}");
}
