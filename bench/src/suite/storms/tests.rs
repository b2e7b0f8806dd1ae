//! Small storms, of which only what was learned is looked at.

use std::{path::Path, time::Duration};

use super::{feed::Feed, load::Version, *};
use crate::suite::storms::plan::{Plan, Stage};

fn plan(feed: Feed, version: Version, groups: u32, contestants: &[Who]) -> Plan {
    Plan {
        stages: vec![Stage {
            feed,
            version,
            groups,
            contestants: contestants.to_vec(),
            repetitions: 1,
            rounds: 3,
            limit: Duration::from_secs(10),
        }],
    }
}

/// What tests run with where they need no object of generators, nor contestants.
fn arguments() -> Arguments {
    Arguments {
        contestants: "/nonexistent".into(),
        ..Arguments::for_tests()
    }
}

#[test]
fn everything_that_was_sent_is_known_and_refreshed() {
    for (feed, version) in Feed::ALL
        .into_iter()
        .flat_map(|feed| Version::ALL.map(|version| (feed, version)))
    {
        let cases = run(
            &plan(feed, version, 500, &[Who::Igmpd, Who::Bridge]),
            &arguments(),
        );
        for case in &cases {
            assert_eq!(case.failures, Vec::<String>::new(), "{case:?}");
            let turn = case.turns.first().expect("a turn");
            assert_eq!(turn.joins.known, 500, "{case:?}");
            let refreshes = turn.refreshes.as_ref().expect("all were known");
            assert_eq!(refreshes.known, 500, "{case:?}");
            if case.who == Who::Igmpd {
                assert_eq!(refreshes.refreshed, Some(1_500), "{case:?}");
                assert!(turn.joins.kernel_objects.is_some_and(|bytes| bytes > 0));
            }
            assert!(turn.joins.used.receive > 0.0, "{case:?}");
        }
        let section = report::section(&cases);
        assert_eq!(section.remarks, Vec::<String>::new());
        assert_eq!(section.tables.len(), 8);
    }
}

#[test]
fn who_is_missing_is_a_remark() {
    let contestants = [Who::Igmpproxy, Who::Bridge];
    let cases = run(
        &plan(Feed::PacketSocket, Version::V2, 10, &contestants),
        &arguments(),
    );
    let section = report::section(&cases);
    let remark = section.remarks.first().expect("a remark");
    assert!(remark.contains("igmpproxy is missing"), "{remark}");
    let bridge = cases.last().expect("two cases");
    assert_eq!(bridge.joins().next().expect("its turn").known, 10);
}

#[test]
fn what_a_receiver_with_limits_lost_is_told() {
    let mut site = Site::new().expect("a site");
    let (site, mut contestant) = Who::Bridge
        .start(&mut site, Path::new("/nonexistent"), 500)
        .expect("a bridge");
    site.router.ip("link set br0 type bridge mcast_hash_max 64");
    let plan = plan(Feed::PacketSocket, Version::V3, 500, &[Who::Bridge]);
    let stage = plan.stages.first().expect("a stage");
    let load = Load {
        feed: stage.feed,
        object: arguments().object,
        version: stage.version,
        storm: Storm::Joins,
        groups: stage.groups,
        rounds: 1,
        limit: stage.limit,
    };
    let joins = turn::measure(site, contestant.as_mut(), &load).expect("a storm");
    assert!((1..500).contains(&joins.known), "{joins:?}");
    assert_eq!(joins.known + joins.lost(500), 500);
    let mut case = Case::new(Who::Bridge, stage, false);
    case.turns.push(Turn {
        joins,
        refreshes: None,
    });
    assert!(case.is_beaten());
    let section = report::section(&[case]);
    let remark = section.remarks.first().expect("a remark");
    assert!(remark.contains("groups lost"), "{remark}");
}
