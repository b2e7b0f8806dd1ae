//! Intervals that change while memberships live (RFC 9776 §6.4: a report sets a timer to the interval of its moment).
//!
//! Group Membership Interval: 2 * 125 + 2 * 10 = 270 s by default, 2 * 20 + 2 * 10 = 60 s with a Query Interval of 20 s.
//! Older Host Present Interval: 260 s and 50 s.

use core::net::Ipv4Addr;

use igmp_wire::igmp::RecordKind::{Allow, IsExclude};

use super::bench::{Bench, LOWER, OWN, START, secs};
use crate::{
    Event, InterfaceConfig, Query,
    ReportKind::{V1, V2},
    interval::{Earlier, Interval},
    time::Duration,
};

/// Asks often.
fn short() -> InterfaceConfig {
    InterfaceConfig {
        query_interval: Duration::from_secs(20),
        ..InterfaceConfig::default()
    }
}

/// A querier says that it asks every `qqic` seconds.
fn hear(bench: &mut Bench, qrv: u8, qqic: u8) {
    let query = Query {
        qrv,
        qqic,
        ..bench.query_from(LOWER)
    };
    bench.event(Event::Query(query));
}

/// A member that was handed over at 1 s and of which only the kernel knows that it answered at 20 s.
fn with_member(config: InterfaceConfig) -> Bench {
    let mut bench = Bench::new(config);
    bench.run_to(1.0);
    bench.record(IsExclude, &[]);
    bench.run_to(20.0);
    bench.record(IsExclude, &[]);
    assert_eq!(bench.handed, 1);
    bench
}

/// What was reported at 20 s lives until 290 s, and a report after the change to the short interval for a minute.
fn lives_as_long_as_it_was_to(mut bench: Bench) {
    let left = (START + secs(290.0)).since(bench.now).as_secs_f64();
    assert_eq!(bench.state(), format!("EXCLUDE {left} (; )"));
    bench.run_to(289.0);
    assert_eq!(bench.state(), "EXCLUDE 1 (; )");
    bench.record(IsExclude, &[]);
    assert_eq!(bench.state(), "EXCLUDE 60 (; )");
    bench.run_to(348.0);
    assert_eq!(bench.state(), "EXCLUDE 1 (; )");
    bench.run_to(349.0);
    assert_eq!(bench.state(), "nothing");
}

#[test]
fn a_shorter_query_interval_of_the_configuration() {
    let mut bench = with_member(InterfaceConfig::default());
    bench.run_to(140.0);
    bench.up(short(), Some(OWN), 1500);
    lives_as_long_as_it_was_to(bench);
}

#[test]
fn a_querier_that_asks_more_often_wins_the_election() {
    let mut bench = with_member(InterfaceConfig::default());
    for second in (140..=360).step_by(20) {
        bench.run_to(f64::from(second));
        hear(&mut bench, 2, 20);
        if second < 290 {
            let left = 290 - second;
            assert_eq!(bench.state(), format!("EXCLUDE {left} (; )"));
        }
    }
    assert_eq!(bench.state(), "nothing");
}

#[test]
fn the_querier_falls_silent_and_this_one_asks_more_often() {
    let mut bench = Bench::new(short());
    hear(&mut bench, 2, 125);
    bench.run_to(1.0);
    bench.record(IsExclude, &[]);
    bench.run_to(20.0);
    bench.record(IsExclude, &[]);
    // Other Querier Present Interval: 255 s.
    bench.run_to(256.0);
    assert!(bench.interface().is_querier);
    assert_eq!(bench.sent(), ["255: v3 general"]);
    lives_as_long_as_it_was_to(bench);
}

#[test]
fn an_address_below_the_querier_and_this_one_asks_more_often() {
    let mut bench = Bench::new(short());
    hear(&mut bench, 2, 125);
    bench.run_to(1.0);
    bench.record(IsExclude, &[]);
    bench.run_to(20.0);
    bench.record(IsExclude, &[]);
    bench.run_to(140.0);
    bench.up(short(), Some(Ipv4Addr::new(10, 0, 0, 1)), 1500);
    assert!(bench.interface().is_querier);
    lives_as_long_as_it_was_to(bench);
}

#[test]
fn a_query_with_the_smallest_values_there_are() {
    let mut bench = with_member(InterfaceConfig::default());
    bench.run_to(140.0);
    // 1 * 1 + 2 * 10 = 21 s.
    hear(&mut bench, 1, 1);
    assert_eq!(bench.state(), "EXCLUDE 150 (; )");
    bench.run_to(145.0);
    assert!(!bench.interface().is_querier);
    assert_eq!(bench.state(), "EXCLUDE 145 (; )");
    bench.run_to(289.0);
    assert_eq!(bench.state(), "EXCLUDE 1 (; )");
    bench.run_to(290.0);
    assert_eq!(bench.state(), "nothing");
}

#[test]
fn a_source_lives_as_long_as_it_was_to() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.run_to(1.0);
    bench.record(Allow, &[1]);
    bench.run_to(20.0);
    bench.record(Allow, &[1]);
    assert_eq!(bench.handed, 1);
    bench.run_to(140.0);
    bench.up(short(), Some(OWN), 1500);
    assert_eq!(bench.state(), "INCLUDE (1:150)");
    bench.run_to(289.0);
    assert_eq!(bench.state(), "INCLUDE (1:1)");
    bench.run_to(290.0);
    assert_eq!(bench.state(), "nothing");
}

#[test]
fn older_hosts_are_present_as_long_as_they_were_to() {
    for (kind, mode) in [(V1, 1), (V2, 2)] {
        let mut bench = Bench::new(InterfaceConfig::default());
        bench.run_to(1.0);
        bench.report(kind, &[]);
        bench.run_to(20.0);
        bench.report(kind, &[]);
        assert_eq!(bench.handed, 1);
        bench.run_to(140.0);
        bench.up(short(), Some(OWN), 1500);
        for second in [150.0, 279.0] {
            bench.run_to(second);
            assert_eq!(bench.mode(), mode, "at {second} s");
        }
        bench.run_to(280.0);
        assert_eq!(bench.mode(), 3);
    }
}

#[test]
fn what_was_in_force_for_a_moment_holds_for_that_moment() {
    let mut bench = with_member(InterfaceConfig::default());
    bench.run_to(30.0);
    hear(&mut bench, 7, 255);
    bench.run_to(31.0);
    hear(&mut bench, 2, 125);
    assert_eq!(bench.state(), "EXCLUDE 259 (; )");
}

#[test]
fn each_interval_holds_for_its_time() {
    let at = |second: u32| START + secs(f64::from(second));
    let mut interval = Interval {
        span: Duration::from_secs(100),
        earlier: Earlier::default(),
    };
    let mut change = |span, second| {
        interval.earlier = interval.followed_by(Duration::from_secs(span), at(second));
        interval.span = Duration::from_secs(span);
        interval
    };
    assert_eq!(change(100, 5).after(at(5)), at(105));
    let shorter = change(50, 10);
    assert_eq!(shorter.after(at(10)), at(110));
    assert_eq!(shorter.after(at(11)), at(61));
    let shortest = change(20, 20);
    assert_eq!(
        [10, 20, 21].map(|second| shortest.after(at(second))),
        [110, 70, 41].map(at)
    );
    // The longer one counts for what was reported before.
    let longer = change(60, 30);
    assert_eq!(
        [10, 20, 30, 31].map(|second| longer.after(at(second))),
        [110, 80, 90, 91].map(at)
    );
    // Nothing that matters is forgotten, however many changes there are.
    for second in 31..=40 {
        change(if second % 2 == 0 { 30 } else { 40 }, second);
    }
    let often = change(1, 41);
    assert!(often.after(at(10)) >= at(110));
    assert!((11..=41).all(|second| often.after(at(second)) >= at(second + 30)));
    // What has run out is.
    for second in 200..=210 {
        change(if second % 2 == 0 { 2 } else { 1 }, second);
    }
    assert!(change(1, 211).after(at(200)) <= at(202));
}
