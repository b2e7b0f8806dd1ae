//! Specific queries, sent and received (RFC 9776 §6.6.1 and §6.6.3; RFC 2236 §3).

use igmp_wire::igmp::RecordKind::{Allow, Block, IsExclude, IsInclude, ToExclude, ToInclude};

use super::bench::{Bench, LOWER, OWN, source};
use crate::{Action, Event, InterfaceConfig, NotificationKind, Query, Reason, ReportKind, time::Duration};

#[test]
fn a_leave_is_asked_about_twice_and_then_believed() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.run_to(40.0);
    bench.record(IsExclude, &[]);
    bench.sent();
    bench.notes();
    bench.run_to(50.0);
    bench.record(ToInclude, &[]);
    assert_eq!(bench.state(), "EXCLUDE 2 (; )");
    bench.run_to(51.9);
    assert_eq!(bench.sent(), ["50: v3 Q(239.1.1.1)", "51: v3 Q(239.1.1.1)"]);
    assert_eq!(bench.notes(), []);
    bench.run_to(52.0);
    assert_eq!(bench.state(), "nothing");
    assert_eq!(
        bench.notes(),
        [(NotificationKind::GroupLeft, None, Reason::Leave)]
    );
    assert!(bench.kernel.groups.is_empty());
    bench.run_to(60.0);
    assert!(bench.sent().is_empty());
}

#[test]
fn last_member_query_count_and_interval_are_those_in_force() {
    let mut bench = Bench::new(InterfaceConfig {
        robustness_variable: 3,
        last_member_query_interval: Duration::from_millis(500),
        ..InterfaceConfig::default()
    });
    bench.record(IsExclude, &[]);
    bench.record(ToInclude, &[]);
    assert_eq!(bench.state(), "EXCLUDE 1.5 (; )");
    bench.run_to(5.0);
    assert_eq!(
        bench.sent(),
        ["0: v3 Q(239.1.1.1)", "0.5: v3 Q(239.1.1.1)", "1: v3 Q(239.1.1.1)"]
    );
}

/// §6.6.3.1: the S flag tells other routers not to lower what an answer has raised.
#[test]
fn an_answer_sets_the_s_flag_of_what_is_still_to_be_sent() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.record(IsExclude, &[]);
    bench.run_to(10.0);
    bench.record(ToInclude, &[]);
    bench.run_to(10.4);
    let handed = bench.handed;
    bench.record(IsExclude, &[]);
    assert_eq!(bench.handed, handed, "the kernel takes the answer as a refresh");
    bench.run_to(20.0);
    assert_eq!(bench.sent(), ["10: v3 Q(239.1.1.1)", "11: v3 Q(239.1.1.1) S"]);
    assert_eq!(bench.state(), "EXCLUDE 260.4 (; )");
}

#[test]
fn a_repeated_leave_does_not_prolong_the_question() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.record(IsExclude, &[]);
    bench.record(ToInclude, &[]);
    bench.run_to(0.7);
    bench.record(ToInclude, &[]);
    bench.run_to(3.0);
    assert_eq!(bench.sent(), ["0: v3 Q(239.1.1.1)", "1: v3 Q(239.1.1.1)"]);
    assert_eq!(bench.state(), "nothing");
}

#[test]
fn a_leave_after_an_answer_is_asked_about_anew() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.record(IsExclude, &[]);
    bench.record(ToInclude, &[]);
    bench.run_to(0.3);
    bench.record(IsExclude, &[]);
    bench.run_to(0.5);
    bench.record(ToInclude, &[]);
    assert_eq!(bench.state(), "EXCLUDE 2 (; )");
    bench.run_to(2.4);
    assert_eq!(
        bench.sent(),
        [
            "0: v3 Q(239.1.1.1)",
            "0.5: v3 Q(239.1.1.1)",
            "1.5: v3 Q(239.1.1.1)"
        ]
    );
    bench.run_to(2.5);
    assert_eq!(bench.state(), "nothing");
}

/// §6.4.2: what is asked while another question is open is merged with it.
#[test]
fn questions_about_sources_are_merged() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.record(Allow, &[1, 2, 3]);
    bench.record(Block, &[1]);
    bench.run_to(0.5);
    bench.record(Block, &[2]);
    bench.run_to(1.9);
    let expected = [
        "0: v3 Q(239.1.1.1,{1})",
        "0.5: v3 Q(239.1.1.1,{1,2})",
        "1.5: v3 Q(239.1.1.1,{2})",
    ];
    assert_eq!(bench.sent(), expected);
    bench.run_to(5.0);
    assert_eq!(bench.state(), "INCLUDE (3:265)");
    let notes = bench.notes();
    assert_eq!(
        notes[notes.len() - 2..],
        [
            (NotificationKind::SourceRemoved, Some(source(1)), Reason::Leave),
            (NotificationKind::SourceRemoved, Some(source(2)), Reason::Leave)
        ]
    );
}

/// §6.6.3.2: sources that were answered for go into a message of their own, with the S flag.
#[test]
fn answered_and_unanswered_sources_go_into_two_messages() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.record(Allow, &[1, 2, 3]);
    bench.record(Block, &[1, 2, 3]);
    bench.run_to(0.5);
    bench.record(IsInclude, &[2]);
    bench.run_to(3.0);
    let expected = [
        "0: v3 Q(239.1.1.1,{1,2,3})",
        "1: v3 Q(239.1.1.1,{2}) S",
        "1: v3 Q(239.1.1.1,{1,3})",
    ];
    assert_eq!(bench.sent(), expected);
    assert_eq!(bench.state(), "INCLUDE (2:267.5)");
}

/// §6.6.3.2, last paragraph: the message with S flag is left out when Q(G) goes out as well.
#[test]
fn a_query_for_the_group_makes_the_answered_sources_unnecessary() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.record(Allow, &[1, 2]);
    bench.record(IsExclude, &[1, 2]);
    assert_eq!(bench.state(), "EXCLUDE 270 (1:270,2:270; )");
    bench.record(ToInclude, &[]);
    bench.run_to(0.5);
    bench.record(IsInclude, &[2]);
    bench.run_to(1.5);
    let expected = [
        "0: v3 Q(239.1.1.1)",
        "0: v3 Q(239.1.1.1,{1,2})",
        "1: v3 Q(239.1.1.1)",
        "1: v3 Q(239.1.1.1,{1})",
    ];
    assert_eq!(bench.sent(), expected);
    bench.run_to(2.0);
    assert_eq!(bench.state(), "INCLUDE (2:268.5)");
}

#[test]
fn a_source_that_is_already_asked_about_is_not_asked_about_more() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.record(Allow, &[1]);
    bench.record(Block, &[1]);
    bench.run_to(0.5);
    bench.record(Block, &[1]);
    bench.run_to(1.5);
    bench.record(Block, &[1]);
    bench.run_to(2.0);
    assert_eq!(bench.sent(), ["0: v3 Q(239.1.1.1,{1})", "1: v3 Q(239.1.1.1,{1})"]);
    assert_eq!(bench.state(), "nothing");
}

#[test]
fn a_query_that_exceeds_the_mtu_is_split() {
    for (mtu, per_query) in [(1500, 366), (576, 135)] {
        let mut bench = Bench::empty();
        bench.up(InterfaceConfig::default(), Some(OWN), mtu);
        let sources: Vec<u16> = (1..=400).collect();
        bench.record(Allow, &sources);
        let report = bench.report_at(
            bench.now,
            super::bench::GROUP,
            ReportKind::Record(Block),
            &sources,
        );
        let mut actions = Vec::new();
        bench
            .router
            .handle(bench.now, Event::Report(report), &mut bench.kernel, &mut actions);
        let sizes: Vec<usize> = actions
            .iter()
            .filter_map(|action| match action {
                Action::SendQuery(query) => Some(query.sources.len()),
                _ => None,
            })
            .collect();
        let mut expected = vec![per_query; 400 / per_query];
        expected.push(400 % per_query);
        assert_eq!(sizes, expected);
    }
}

/// RFC 2236 §3 and RFC 9776 §6.4.2: who is not the querier asks nothing, and does not react to a Leave.
#[test]
fn a_non_querier_leaves_it_to_the_querier() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.report(ReportKind::V2, &[]);
    bench.general_query(LOWER);
    bench.run_to(10.0);
    bench.report(ReportKind::Leave, &[]);
    assert_eq!(bench.state(), "EXCLUDE 260 (; )");
    bench.specific_query(LOWER, &[], true);
    assert_eq!(bench.state(), "EXCLUDE 260 (; )", "the S flag suppresses it");
    bench.specific_query(LOWER, &[], false);
    assert_eq!(bench.state(), "EXCLUDE 2 (; )");
    bench.run_to(11.0);
    bench.specific_query(LOWER, &[], false);
    assert_eq!(bench.state(), "EXCLUDE 1 (; )", "never raised");
    bench.run_to(12.0);
    assert_eq!(bench.state(), "nothing");
    assert!(bench.sent().is_empty());
}

#[test]
fn a_specific_query_lowers_the_timers_of_its_sources() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.general_query(LOWER);
    bench.record(Allow, &[1, 2]);
    bench.specific_query(LOWER, &[1, 9], true);
    assert_eq!(bench.state(), "INCLUDE (1:270,2:270)");
    bench.specific_query(LOWER, &[1, 9], false);
    assert_eq!(bench.state(), "INCLUDE (1:2,2:270)");
    bench.run_to(0.5);
    bench.record(IsInclude, &[1]);
    bench.run_to(5.0);
    assert_eq!(bench.state(), "INCLUDE (1:265.5,2:265)");
}

/// RFC 2236 §3: a non-querier waits for as long as the querier lets hosts take.
#[test]
fn the_response_time_of_the_query_counts_in_each_format() {
    // Code 0x89 is linear in version 2 and (16 + 9) << 3 in version 3, in tenths of a second.
    for (version, code, left) in [
        (2, 0x89, 27.4),
        (3, 0x89, 40.0),
        (3, 20, 4.0),
        (2, 20, 4.0),
        (3, 0, 2.0),
    ] {
        let mut bench = Bench::new(InterfaceConfig::default());
        bench.record(IsExclude, &[]);
        bench.general_query(LOWER);
        let query = Query {
            version,
            group: Some(super::bench::GROUP),
            max_resp_code: code,
            ..bench.query_from(LOWER)
        };
        bench.event(Event::Query(query));
        assert_eq!(bench.state(), format!("EXCLUDE {left} (; )"));
    }
}

/// RFC 2236 §3: a change of role does not stop a series of queries.
#[test]
fn who_loses_the_election_finishes_what_it_began() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.record(IsExclude, &[]);
    bench.record(ToInclude, &[]);
    bench.general_query(LOWER);
    bench.run_to(2.0);
    assert_eq!(bench.sent(), ["0: v3 Q(239.1.1.1)", "1: v3 Q(239.1.1.1)"]);
    assert_eq!(bench.state(), "nothing");
}

#[test]
fn immediate_leave_asks_once_and_does_not_wait() {
    let config = InterfaceConfig {
        immediate_leave: true,
        ..InterfaceConfig::default()
    };
    let mut bench = Bench::new(config);
    bench.record(IsExclude, &[]);
    bench.notes();
    bench.record(ToInclude, &[]);
    assert_eq!(bench.state(), "nothing");
    assert_eq!(
        bench.notes(),
        [(NotificationKind::GroupLeft, None, Reason::Leave)]
    );

    bench.record(Allow, &[1, 2]);
    bench.record(Block, &[1]);
    assert_eq!(bench.state(), "INCLUDE (2:270)");
    bench.record(ToExclude, &[2]);
    assert_eq!(bench.state(), "EXCLUDE 270 (; 2)");
    bench.record(IsInclude, &[3]);
    bench.record(ToInclude, &[]);
    assert_eq!(bench.state(), "nothing");
    bench.run_to(10.0);
    let expected = [
        "0: v3 Q(239.1.1.1)",
        "0: v3 Q(239.1.1.1,{1})",
        "0: v3 Q(239.1.1.1,{2})",
        "0: v3 Q(239.1.1.1)",
        "0: v3 Q(239.1.1.1,{3})",
    ];
    assert_eq!(bench.sent(), expected);
    assert!(bench.kernel.groups.is_empty() && bench.kernel.sources.is_empty());
}

/// RFC 9776 §7.3.1 and RFC 2236 §7.
#[test]
fn a_version_2_interface_asks_in_its_own_format_until_somebody_answers() {
    let config = InterfaceConfig {
        version: 2,
        ..InterfaceConfig::default()
    };
    let mut bench = Bench::new(config);
    bench.report(ReportKind::V2, &[]);
    bench.report(ReportKind::Leave, &[]);
    bench.run_to(1.5);
    bench.report(ReportKind::V2, &[]);
    bench.run_to(10.0);
    bench.report(ReportKind::Leave, &[]);
    bench.run_to(10.5);
    bench.report(ReportKind::V2, &[]);
    bench.run_to(20.0);
    assert_eq!(
        bench.sent(),
        ["0: v2 Q(239.1.1.1)", "1: v2 Q(239.1.1.1)", "10: v2 Q(239.1.1.1)"]
    );
    assert_eq!(bench.state(), "EXCLUDE 260.5 (; )");
    // A version 3 report is an unknown message to a version 2 router.
    bench.report_for(
        core::net::Ipv4Addr::new(239, 9, 9, 9),
        ReportKind::Record(IsExclude),
        &[],
    );
    assert_eq!(bench.interface().groups_count, 1);
}

#[test]
fn a_version_1_interface_ignores_leaves() {
    let config = InterfaceConfig {
        version: 1,
        ..InterfaceConfig::default()
    };
    let mut bench = Bench::new(config);
    bench.report(ReportKind::V1, &[]);
    bench.report(ReportKind::Leave, &[]);
    bench.run_to(100.0);
    assert_eq!(bench.sent(), ["31.25: v1 general"]);
    assert_eq!(bench.state(), "EXCLUDE 170 (; )");
}

/// Whoever was not asked a second time, or whose answer was lost, is not cut off.
#[test]
fn a_question_that_cannot_be_repeated_ends_no_membership() {
    let version = |version| InterfaceConfig {
        version,
        ..InterfaceConfig::default()
    };
    for (config, address, of_group) in [
        (version(3), None, "EXCLUDE 270 (; )"),
        (version(1), Some(OWN), "EXCLUDE 270 (; )"),
        // Version 2 goes on asking for the group.
        (version(2), Some(OWN), "EXCLUDE 1 (; )"),
    ] {
        let mut bench = Bench::new(InterfaceConfig::default());
        bench.record(IsExclude, &[]);
        bench.run_to(10.0);
        bench.record(ToInclude, &[]);
        bench.run_to(10.5);
        bench.up(config.clone(), address, 1500);
        bench.run_to(11.0);
        assert_eq!(bench.state(), of_group, "version {}", config.version);

        let mut bench = Bench::new(InterfaceConfig::default());
        bench.record(Allow, &[1, 2]);
        bench.run_to(10.0);
        bench.record(Block, &[1]);
        assert_eq!(bench.state(), "INCLUDE (1:2,2:260)");
        bench.run_to(10.5);
        bench.up(config.clone(), address, 1500);
        bench.run_to(11.0);
        assert_eq!(
            bench.state(),
            "INCLUDE (1:270,2:259)",
            "version {}",
            config.version
        );
        bench.run_to(30.0);
        assert_eq!(bench.state(), "INCLUDE (1:251,2:240)");
    }
}

/// No IPv4 packet is longer than 65,535 bytes, whatever an interface would take, and none need be shorter than 68.
#[test]
fn a_query_has_as_many_sources_as_a_packet_holds() {
    let all: Vec<u16> = (0..16_400).collect();
    let most = |mtu| {
        let mut bench = Bench::empty();
        bench.up(InterfaceConfig::default(), Some(OWN), mtu);
        bench.record(Allow, &all);
        bench.sent();
        bench.record(Block, &all);
        let sent = bench.sent();
        let counts = sent.iter().map(|query| query.split(',').count() - 1);
        counts.max()
    };
    // Before them there are 24 bytes of the IPv4 header with Router Alert, and 12 of the query.
    assert_eq!(most(1500), Some(366));
    assert_eq!(most(0), Some(8));
    assert_eq!(most(u32::MAX), Some(16_374));
}
