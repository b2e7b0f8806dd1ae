//! Start-up, General Queries and the election (RFC 9776 §6.6.2, §4.1.6, §4.1.7, §8.6, §8.7).

use super::bench::{Bench, GROUP, HIGHER, INTERFACE, LOWER, OWN, START, secs};
use crate::{
    Action, Event, InterfaceConfig, NotificationKind, Query, Reason, ReportKind, SendQuery, Warning,
    time::{Duration, Instant},
};
use igmp_wire::igmp::RecordKind;

#[test]
fn start_up_queries_then_one_every_query_interval() {
    let mut bench = Bench::empty();
    bench.up(InterfaceConfig::default(), Some(OWN), 1500);
    bench.run_to(300.0);
    // Startup Query Interval 125 / 4, Startup Query Count 2.
    let expected = [
        "0: v3 general",
        "31.25: v3 general",
        "156.25: v3 general",
        "281.25: v3 general",
    ];
    assert_eq!(bench.sent(), expected);
}

#[test]
fn as_many_start_up_queries_as_the_robustness_variable() {
    let mut bench = Bench::empty();
    let config = InterfaceConfig {
        robustness_variable: 4,
        query_interval: Duration::from_secs(20),
        ..InterfaceConfig::default()
    };
    bench.up(config, Some(OWN), 1500);
    bench.run_to(60.0);
    let expected = [
        "0: v3 general",
        "5: v3 general",
        "10: v3 general",
        "15: v3 general",
        "35: v3 general",
        "55: v3 general",
    ];
    assert_eq!(bench.sent(), expected);
}

fn first_query(config: InterfaceConfig) -> SendQuery {
    let mut bench = Bench::empty();
    let mut actions = Vec::new();
    let event = Event::InterfaceUp {
        interface: INTERFACE,
        config,
        address: Some(OWN),
        mtu: 1500,
    };
    bench.router.handle(START, event, &mut bench.kernel, &mut actions);
    let mut queries = actions.into_iter().filter_map(|action| match action {
        Action::SendQuery(query) => Some(query),
        _ => None,
    });
    queries.next().expect("a query at once")
}

#[test]
fn general_queries_of_each_version() {
    let config = |version| InterfaceConfig {
        version,
        query_response_interval: Duration::from_secs(7),
        robustness_variable: 3,
        ..InterfaceConfig::default()
    };
    let expected = SendQuery {
        interface: INTERFACE,
        version: 3,
        group: None,
        max_response_time: Duration::from_secs(7),
        suppress: false,
        qrv: 3,
        query_interval: Duration::from_secs(125),
        sources: Vec::new(),
    };
    assert_eq!(first_query(config(3)), expected);
    let version2 = SendQuery {
        version: 2,
        ..expected.clone()
    };
    assert_eq!(first_query(config(2)), version2);
    // RFC 9776 §7.3.1: Max Resp Time is zero in version 1.
    let version1 = SendQuery {
        version: 1,
        max_response_time: Duration::ZERO,
        ..expected
    };
    assert_eq!(first_query(config(1)), version1);
}

#[test]
fn a_lower_address_silences_the_querier_until_it_has_been_absent() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.run_to(10.0);
    bench.general_query(LOWER);
    let view = bench.interface();
    assert_eq!(
        (view.querier, view.is_querier, view.next_query),
        (Some(LOWER), false, None)
    );
    // Other Querier Present Interval: 2 * 125 + 10 / 2.
    assert_eq!(view.other_querier_expiry, Some(START + secs(265.0)));
    assert_eq!(
        bench.notes(),
        [(NotificationKind::QuerierChanged, None, Reason::Report)]
    );
    bench.run_to(264.9);
    assert!(bench.sent().is_empty());
    // RFC 2236 §7: one General Query at once, no start-up.
    bench.run_to(400.0);
    assert_eq!(bench.sent(), ["265: v3 general", "390: v3 general"]);
    assert_eq!(
        bench.notes(),
        [(NotificationKind::QuerierChanged, None, Reason::Timeout)]
    );
    assert!(bench.interface().is_querier);
}

#[test]
fn each_general_query_of_a_lower_address_restarts_the_timer() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.general_query(LOWER);
    bench.run_to(200.0);
    bench.general_query(LOWER);
    assert_eq!(bench.interface().other_querier_expiry, Some(START + secs(455.0)));
    bench.run_to(454.0);
    assert!(bench.sent().is_empty());
    bench.run_to(455.0);
    assert_eq!(bench.sent(), ["455: v3 general"]);
    assert_eq!(bench.notes().len(), 2, "one change there, one back");
}

#[test]
fn what_does_not_take_part_in_the_election() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.general_query(HIGHER);
    bench.general_query(core::net::Ipv4Addr::UNSPECIFIED);
    bench.general_query(OWN);
    // RFC 9776 counts General Queries only.
    bench.specific_query(LOWER, &[], false);
    let view = bench.interface();
    assert_eq!((view.querier, view.is_querier), (Some(OWN), true));
    bench.run_to(32.0);
    assert_eq!(bench.sent(), ["31.25: v3 general"]);
}

#[test]
fn the_lowest_of_several_is_the_querier() {
    let middle = core::net::Ipv4Addr::new(10, 0, 0, 3);
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.general_query(middle);
    assert_eq!(bench.interface().querier, Some(middle));
    bench.general_query(LOWER);
    assert_eq!(bench.interface().querier, Some(LOWER));
    bench.run_to(100.0);
    bench.general_query(middle);
    assert_eq!(bench.interface().querier, Some(LOWER));
    assert_eq!(bench.interface().other_querier_expiry, Some(START + secs(355.0)));
    // The lowest fell silent, and the other one is still there.
    bench.run_to(300.0);
    bench.general_query(middle);
    assert_eq!(bench.interface().querier, Some(middle));
    assert!(bench.sent().is_empty());
}

#[test]
fn a_non_querier_adopts_what_the_querier_says_and_the_querier_its_own() {
    let mut bench = Bench::new(InterfaceConfig::default());
    let said = Query {
        qrv: 5,
        qqic: 60,
        ..bench.query_from(LOWER)
    };
    bench.event(Event::Query(said.clone()));
    let view = bench.interface();
    assert_eq!(
        (view.robustness_variable, view.query_interval),
        (5, Duration::from_secs(60))
    );
    // 5 * 60 + 5.
    assert_eq!(view.other_querier_expiry, Some(START + secs(305.0)));
    // Group Membership Interval 5 * 60 + 2 * 10.
    bench.record(RecordKind::IsExclude, &[]);
    assert_eq!(bench.state(), "EXCLUDE 320 (; )");

    // A querier of a higher address is not listened to.
    let other = Query {
        qrv: 7,
        qqic: 7,
        ..bench.query_from(core::net::Ipv4Addr::new(10, 0, 0, 3))
    };
    bench.event(Event::Query(other));
    assert_eq!(bench.interface().robustness_variable, 5);

    // Nothing said: own values (§4.1.6, §4.1.7).
    bench.event(Event::Query(Query {
        qrv: 0,
        qqic: 0,
        ..said.clone()
    }));
    let view = bench.interface();
    assert_eq!(
        (view.robustness_variable, view.query_interval),
        (2, Duration::from_secs(125))
    );

    // Version 2 has no such fields.
    bench.event(Event::Query(said.clone()));
    bench.event(Event::Query(Query {
        version: 2,
        ..said.clone()
    }));
    assert_eq!(bench.interface().robustness_variable, 2);

    // The floating code, at its worst.
    bench.event(Event::Query(Query {
        qrv: 7,
        qqic: 255,
        ..said
    }));
    assert_eq!(bench.interface().query_interval, Duration::from_secs(31_744));
    bench.run_to(31_744.0 * 7.0 + 5.0);
    let view = bench.interface();
    assert!(view.is_querier);
    assert_eq!(
        (view.robustness_variable, view.query_interval),
        (2, Duration::from_secs(125))
    );
}

#[test]
fn a_querier_that_was_heard_once_does_not_hide_one_that_asks() {
    let middle = core::net::Ipv4Addr::new(10, 0, 0, 3);
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.general_query(middle);
    bench.run_to(1.0);
    let once = Query {
        qrv: 7,
        qqic: 255,
        ..bench.query_from(LOWER)
    };
    bench.event(Event::Query(once));
    for second in [125.0, 250.0] {
        bench.run_to(second);
        bench.general_query(middle);
        assert_eq!(bench.interface().querier, Some(LOWER));
    }
    // Other Querier Present Interval of the configuration: 255 s, so until 256 s.
    bench.run_to(375.0);
    bench.general_query(middle);
    let view = bench.interface();
    assert_eq!(
        (view.querier, view.robustness_variable, view.query_interval),
        (Some(middle), 2, Duration::from_secs(125))
    );
    assert_eq!(view.other_querier_expiry, Some(START + secs(630.0)));
    assert!(bench.sent().is_empty());
}

#[test]
fn an_interface_without_address_is_silent_and_keeps_memberships() {
    let mut bench = Bench::empty();
    bench.up(InterfaceConfig::default(), None, 1500);
    bench.record(RecordKind::IsExclude, &[]);
    bench.run_to(100.0);
    assert!(bench.sent().is_empty());
    let view = bench.interface();
    assert_eq!(
        (view.querier, view.is_querier, view.next_query),
        (None, false, None)
    );
    bench.record(RecordKind::ToInclude, &[]);
    assert_eq!(bench.state(), "EXCLUDE 170 (; )", "nobody can be asked");

    bench.up(InterfaceConfig::default(), Some(OWN), 1500);
    bench.run_to(132.0);
    assert_eq!(bench.sent(), ["100: v3 general", "131.25: v3 general"]);
    assert_eq!(bench.state(), "EXCLUDE 138 (; )");

    bench.up(InterfaceConfig::default(), None, 1500);
    bench.run_to(269.0);
    assert!(bench.sent().is_empty());
    assert_eq!(bench.state(), "EXCLUDE 1 (; )");
    bench.run_to(270.0);
    assert_eq!(bench.state(), "nothing");
}

#[test]
fn a_new_address_is_held_against_the_querier() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.general_query(LOWER);
    bench.notes();
    bench.run_to(5.0);
    bench.up(InterfaceConfig::default(), Some(HIGHER), 1500);
    assert!(!bench.interface().is_querier);
    let lowest = core::net::Ipv4Addr::new(10, 0, 0, 1);
    bench.up(InterfaceConfig::default(), Some(lowest), 1500);
    let change = (NotificationKind::QuerierChanged, None, Reason::Interface);
    assert_eq!(bench.notes(), [change]);
    assert_eq!(bench.interface().querier, Some(lowest));
    assert_eq!(bench.sent(), ["5: v3 general"]);
    // A querier makes its new address known.
    bench.run_to(6.0);
    bench.up(InterfaceConfig::default(), Some(OWN), 1500);
    assert_eq!(bench.sent(), ["6: v3 general"]);
    assert_eq!(bench.interface().querier, Some(OWN));
    assert_eq!(bench.notes(), [change]);
    bench.up(InterfaceConfig::default(), Some(OWN), 1400);
    assert_eq!(bench.notes(), []);
}

#[test]
fn a_change_of_configuration_keeps_memberships_and_role() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.run_to(40.0);
    bench.record(RecordKind::IsExclude, &[]);
    bench.sent();
    let shorter = InterfaceConfig {
        query_interval: Duration::from_secs(20),
        ..InterfaceConfig::default()
    };
    bench.up(shorter.clone(), Some(OWN), 1500);
    assert_eq!(bench.state(), "EXCLUDE 270 (; )");
    assert!(bench.sent().is_empty());
    bench.run_to(80.0);
    assert_eq!(bench.sent(), ["60: v3 general", "80: v3 general"]);
    // The same again changes nothing.
    bench.up(shorter.clone(), Some(OWN), 1500);
    bench.run_to(99.0);
    assert!(bench.sent().is_empty());
    bench.up(
        InterfaceConfig {
            version: 2,
            ..shorter
        },
        Some(OWN),
        1500,
    );
    assert_eq!(bench.sent(), ["99: v2 general"]);
    assert_eq!(bench.interface().version, 2);
}

#[test]
fn queries_of_another_version_are_warned_of_once_in_a_while() {
    let mut bench = Bench::new(InterfaceConfig::default());
    for second in 0..70 {
        bench.run_to(f64::from(second));
        let query = Query {
            version: 2,
            ..bench.query_from(LOWER)
        };
        bench.event(Event::Query(query));
    }
    let warning = Warning::VersionMismatch {
        interface: INTERFACE,
        configured: 3,
        heard: 2,
        querier: LOWER,
    };
    assert_eq!(bench.warnings, [warning.clone(), warning]);
    assert!(
        !bench.interface().is_querier,
        "no automatic change of version, but it counts"
    );
}

#[test]
fn a_spurious_timeout_does_nothing() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.record(RecordKind::Allow, &[1]);
    bench.run_to(3.0);
    let next = bench.router.poll_timeout();
    let mut actions = Vec::new();
    for _ in 0..3 {
        bench
            .router
            .handle_timeout(bench.now, &mut bench.kernel, &mut actions);
    }
    assert_eq!(actions, []);
    assert_eq!(bench.router.poll_timeout(), next);
    let mut idle = crate::Router::new();
    idle.handle_timeout(Instant::MAX, &mut bench.kernel, &mut actions);
    assert_eq!(actions, []);
    assert_eq!(idle.poll_timeout(), None);
}

#[test]
fn an_interface_that_goes_down_takes_everything_with_it() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.record(RecordKind::IsExclude, &[1, 2]);
    bench.record(RecordKind::Block, &[7]);
    bench.notes();
    bench.event(Event::InterfaceDown { interface: INTERFACE });
    assert_eq!(
        bench.notes(),
        [(NotificationKind::GroupLeft, None, Reason::Interface)]
    );
    assert_eq!(bench.router.poll_timeout(), None);
    assert_eq!(bench.router.interfaces().count(), 0);
    assert!(bench.kernel.groups.is_empty() && bench.kernel.sources.is_empty());
    // What was on its way is ignored.
    let report = bench.report_at(bench.now, GROUP, ReportKind::V2, &[]);
    bench.event(Event::Report(report));
    bench.general_query(LOWER);
    assert_eq!(bench.router.poll_timeout(), None);
}
