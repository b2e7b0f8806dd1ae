//! Many groups.

use core::net::Ipv4Addr;

use igmp_core::{Action, Event, InterfaceConfig, InterfaceId, Report, ReportKind, Router};
use igmp_wire::igmp::RecordKind;

use crate::{
    bench::{START, source},
    routes::Silent,
};

const GROUPS: u32 = 50_000;

fn report(interface: u32, number: u32, kind: RecordKind, sources: &[u8]) -> Event {
    Event::Report(Report {
        interface: InterfaceId(interface),
        time: START,
        reporter: Ipv4Addr::new(10, 0, interface as u8, 100),
        group: Ipv4Addr::from_bits(0xef01_0000 + number),
        kind: ReportKind::Record(kind),
        sources: sources.iter().copied().map(source).collect(),
    })
}

/// A change tells of the routes of its own group, however many others there are, and of those that differ.
#[test]
fn what_is_told_of_one_group_does_not_grow_with_the_others() {
    let mut router = Router::new();
    let mut actions = Vec::new();
    let mut told = |router: &mut Router, event: Event| {
        actions.clear();
        router.handle(START, event, &mut Silent, &mut actions);
        let routes = actions.iter();
        routes
            .filter(|action| matches!(action, Action::SetRoute { .. } | Action::RemoveRoute { .. }))
            .count()
    };
    for interface in 1..=2 {
        let up = Event::InterfaceUp {
            interface: InterfaceId(interface),
            config: InterfaceConfig::default(),
            address: Some(Ipv4Addr::new(10, 0, interface as u8, 5)),
            mtu: 1500,
        };
        assert_eq!(told(&mut router, up), 0);
    }
    for number in 0..GROUPS {
        assert_eq!(
            told(&mut router, report(1, number, RecordKind::IsExclude, &[])),
            1
        );
    }
    let routes = router.routes((Ipv4Addr::UNSPECIFIED, None), usize::MAX);
    assert_eq!(routes.len(), GROUPS as usize);
    assert_eq!(told(&mut router, report(2, 7, RecordKind::IsExclude, &[])), 1);
    assert_eq!(told(&mut router, report(2, 8, RecordKind::Allow, &[1, 2])), 2);
    assert_eq!(told(&mut router, report(2, 9, RecordKind::IsExclude, &[1, 2])), 3);
    let down = |number| Event::InterfaceDown {
        interface: InterfaceId(number),
    };
    assert_eq!(told(&mut router, down(2)), 1 + 2 + 3);
    assert_eq!(told(&mut router, down(1)), GROUPS as usize);
    assert_eq!(router.routes((Ipv4Addr::UNSPECIFIED, None), usize::MAX), []);
}
