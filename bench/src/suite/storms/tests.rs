//! Small storms, of which only what was learned is looked at.

use std::time::Duration;

use super::{load::Version, *};
use crate::suite::storms::plan::{Plan, Stage};

fn plan(version: Version, groups: u32, contestants: &[Who]) -> Plan {
    Plan {
        stages: vec![Stage {
            version,
            groups,
            contestants: contestants.to_vec(),
            repetitions: 1,
            limit: Duration::from_secs(10),
        }],
    }
}

#[test]
fn everything_that_was_sent_is_known_and_refreshed() {
    for version in Version::ALL {
        let cases = run(
            &plan(version, 500, &[Who::Igmpd, Who::Bridge]),
            Path::new("/nonexistent"),
        );
        for case in &cases {
            assert_eq!(case.failures, Vec::<String>::new(), "{case:?}");
            let turn = case.turns.first().expect("a turn");
            assert_eq!(turn.joins.known, 500, "{case:?}");
            let refreshes = turn.refreshes.as_ref().expect("all were known");
            assert_eq!(refreshes.known, 500, "{case:?}");
            if case.who == Who::Igmpd {
                assert_eq!(refreshes.refreshed, Some(500), "{case:?}");
                assert!(turn.joins.kernel_objects.is_some_and(|bytes| bytes > 0));
            }
            assert!(turn.joins.used.receive > 0.0, "{case:?}");
        }
        let section = report::section(&cases);
        assert_eq!(section.remarks, Vec::<String>::new());
        assert_eq!(section.tables.len(), 4);
    }
}

#[test]
fn who_is_missing_is_a_remark() {
    let cases = run(
        &plan(Version::V2, 10, &[Who::Igmpproxy, Who::Bridge]),
        Path::new("/nonexistent"),
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
        .start(&mut site, Path::new("/nonexistent"))
        .expect("a bridge");
    site.router.ip("link set br0 type bridge mcast_hash_max 64");
    let load = Load {
        version: Version::V3,
        storm: Storm::Joins,
        groups: 500,
        limit: Duration::from_secs(10),
    };
    let joins = turn::measure(site, contestant.as_mut(), &load).expect("a storm");
    assert!((1..500).contains(&joins.known), "{joins:?}");
    assert_eq!(joins.known + joins.lost(500), 500);
    let mut case = Case::new(Who::Bridge, Version::V3, 500, false);
    case.turns.push(Turn {
        joins,
        refreshes: None,
    });
    assert!(case.is_beaten());
    let section = report::section(&[case]);
    let remark = section.remarks.first().expect("a remark");
    assert!(remark.contains("groups lost"), "{remark}");
}
