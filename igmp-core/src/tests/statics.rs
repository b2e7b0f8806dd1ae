//! `static-group`, and `clear groups`.

use core::net::Ipv4Addr;

use igmp_wire::igmp::RecordKind::{Allow, IsExclude};

use super::bench::{Bench, GROUP, HOST, INTERFACE, LOWER, OWN, secs, source};
use crate::{
    Event, FilterMode, InterfaceConfig, NotificationKind, Reason, ReportKind::V2, SourceView, StaticGroup,
    time::Duration,
};

fn with(static_groups: Vec<StaticGroup>) -> InterfaceConfig {
    InterfaceConfig {
        static_groups,
        ..InterfaceConfig::default()
    }
}

#[test]
fn a_static_group_is_there_without_a_host() {
    let mut bench = Bench::empty();
    bench.up(
        with(vec![StaticGroup {
            group: GROUP,
            source: None,
        }]),
        Some(OWN),
        1500,
    );
    assert_eq!(
        bench.notes(),
        [(NotificationKind::GroupJoined, None, Reason::Static)]
    );
    bench.run_to(1000.0);
    let view = bench.group().expect("the group is static");
    assert_eq!(
        (view.filter_mode, view.expires, view.is_static),
        (FilterMode::Exclude, None, true)
    );
    assert_eq!((view.up_time, view.last_reporter), (secs(1000.0), None));
    assert_eq!(bench.interface().groups_count, 1);

    // A host comes and goes without anybody noticing a change of the whole.
    bench.report(V2, &[]);
    let view = bench.group().expect("the group is static");
    assert_eq!(
        (view.expires, view.last_reporter),
        (None, Some(HOST)),
        "it does not end"
    );
    assert_eq!(bench.interface().groups_count, 1);
    bench.run_to(1300.0);
    assert_eq!(bench.group().expect("the group is static").expires, None);
    assert_eq!(bench.notes(), []);

    bench.up(with(Vec::new()), Some(OWN), 1500);
    assert_eq!(
        bench.notes(),
        [(NotificationKind::GroupLeft, None, Reason::Static)]
    );
    assert_eq!(bench.state(), "nothing");
}

#[test]
fn static_sources_are_added_to_what_hosts_want() {
    let statics = [1, 2].map(|number| StaticGroup {
        group: GROUP,
        source: Some(source(number)),
    });
    let mut bench = Bench::empty();
    bench.up(with(statics.to_vec()), Some(OWN), 1500);
    assert_eq!(bench.state(), "INCLUDE (1:-,2:-)");
    assert_eq!(
        bench.notes(),
        [
            (NotificationKind::GroupJoined, None, Reason::Static),
            (NotificationKind::SourceAdded, Some(source(1)), Reason::Static),
            (NotificationKind::SourceAdded, Some(source(2)), Reason::Static),
        ]
    );
    bench.record(Allow, &[2, 3]);
    assert_eq!(bench.state(), "INCLUDE (1:-,2:270,3:270)");
    // Excluded by the hosts, wanted by the configuration.
    bench.record(IsExclude, &[1, 4]);
    let view = bench.group().expect("the group has members");
    let excluded = SourceView {
        source: source(4),
        expires: Some(Duration::ZERO),
        up_time: Duration::ZERO,
        forwarding: false,
        is_static: false,
    };
    assert_eq!(
        view.sources,
        [
            SourceView {
                source: source(1),
                forwarding: true,
                is_static: true,
                ..excluded
            },
            SourceView {
                source: source(2),
                expires: None,
                forwarding: true,
                is_static: true,
                ..excluded
            },
            excluded
        ]
    );
    bench.run_to(270.0);
    assert_eq!(bench.state(), "INCLUDE (1:-,2:-)");
}

#[test]
fn a_source_is_told_of_once_whoever_wants_it() {
    let statics = |numbers: &[u16]| {
        let group = |&number: &u16| StaticGroup {
            group: GROUP,
            source: Some(source(number)),
        };
        with(numbers.iter().map(group).collect())
    };
    let mut bench = Bench::new(statics(&[1, 2]));
    bench.up(statics(&[1, 3]), Some(OWN), 1500);
    assert_eq!(
        bench.notes(),
        [
            (NotificationKind::SourceAdded, Some(source(3)), Reason::Static),
            (NotificationKind::SourceRemoved, Some(source(2)), Reason::Static),
        ]
    );
    // A host joins in, and what the configuration wants of the group ends first.
    bench.record(Allow, &[1, 4]);
    assert_eq!(
        bench.notes(),
        [(NotificationKind::SourceAdded, Some(source(4)), Reason::Report)]
    );
    bench.up(statics(&[]), Some(OWN), 1500);
    assert_eq!(
        bench.notes(),
        [(NotificationKind::SourceRemoved, Some(source(3)), Reason::Static)]
    );
    bench.up(statics(&[4]), Some(OWN), 1500);
    assert_eq!(bench.notes(), []);
    bench.run_to(270.0);
    assert_eq!(
        bench.notes(),
        [(NotificationKind::SourceRemoved, Some(source(1)), Reason::Timeout)]
    );
    bench.up(statics(&[]), Some(OWN), 1500);
    assert_eq!(
        bench.notes(),
        [(NotificationKind::GroupLeft, None, Reason::Static)]
    );
}

#[test]
fn groups_are_listed_in_order_and_in_parts() {
    let group = |last| Ipv4Addr::new(239, 1, 1, last);
    let mut bench = Bench::new(with(vec![
        StaticGroup {
            group: group(2),
            source: None,
        },
        StaticGroup {
            group: group(9),
            source: None,
        },
    ]));
    for last in [7, 1, 2, 4] {
        bench.report_for(group(last), V2, &[]);
    }
    let list = |bench: &mut Bench, from, limit| -> Vec<u8> {
        bench
            .router
            .groups(bench.now, INTERFACE, from, limit, &mut bench.kernel)
            .iter()
            .map(|view| view.group.octets()[3])
            .collect()
    };
    assert_eq!(list(&mut bench, Ipv4Addr::UNSPECIFIED, 100), [1, 2, 4, 7, 9]);
    assert_eq!(list(&mut bench, Ipv4Addr::UNSPECIFIED, 2), [1, 2]);
    assert_eq!(list(&mut bench, group(2), 2), [2, 4]);
    assert_eq!(list(&mut bench, group(5), 2), [7, 9]);
    assert_eq!(list(&mut bench, group(10), 2), []);
    assert_eq!(bench.interface().groups_count, 5);
}

#[test]
fn clearing_forgets_and_asks_anew() {
    let mut bench = Bench::new(InterfaceConfig::default());
    bench.run_to(40.0);
    bench.record(Allow, &[1]);
    let other = Ipv4Addr::new(239, 9, 9, 9);
    bench.report_for(other, V2, &[]);
    bench.sent();
    bench.notes();
    bench.event(Event::Clear {
        interface: Some(INTERFACE),
        group: Some(GROUP),
    });
    assert_eq!(bench.state(), "nothing");
    assert_eq!(
        bench.notes(),
        [(NotificationKind::GroupLeft, None, Reason::Clear)]
    );
    assert_eq!(bench.sent(), ["40: v3 Q(239.1.1.1) S"]);
    assert_eq!(bench.interface().groups_count, 1);
    bench.run_to(50.0);
    bench.event(Event::Clear {
        interface: None,
        group: None,
    });
    assert_eq!(bench.interface().groups_count, 0);
    assert_eq!(bench.sent(), ["50: v3 general"]);
    assert!(bench.kernel.groups.is_empty() && bench.kernel.sources.is_empty());
    bench.record(Allow, &[1]);
    assert_eq!(bench.state(), "INCLUDE (1:270)");
}

#[test]
fn clearing_a_group_asks_all_hosts_where_there_is_no_flag_to_spare_other_routers() {
    for version in [1, 2] {
        let mut bench = Bench::new(InterfaceConfig {
            version,
            ..InterfaceConfig::default()
        });
        bench.run_to(40.0);
        bench.report(V2, &[]);
        bench.sent();
        bench.event(Event::Clear {
            interface: None,
            group: Some(GROUP),
        });
        assert_eq!(bench.sent(), [format!("40: v{version} general")]);
        assert_eq!(bench.state(), "nothing");
        // A non-querier asks nobody.
        bench.report(V2, &[]);
        bench.general_query(LOWER);
        bench.event(Event::Clear {
            interface: None,
            group: Some(GROUP),
        });
        assert_eq!(bench.sent(), [""; 0]);
        assert_eq!(bench.state(), "nothing");
    }
}
