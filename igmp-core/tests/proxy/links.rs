//! An upstream interface that goes, comes and changes.

use core::net::Ipv4Addr;

use igmp_core::{HostConfig, HostEvent, InterfaceId, host::JoinState};

use crate::bench::{Bench, OWN};

fn messages(bench: &mut Bench, second: f64) -> Vec<String> {
    bench.run_to(second).into_iter().map(|(_, sent)| sent).collect()
}

/// A host that has told what it wants.
fn member() -> Bench {
    let mut bench = Bench::new(1);
    bench.exclude(1, &[1]);
    bench.include(2, &[3, 4]);
    bench.run_to(10.0);
    bench
}

const ALL: &str = "1 TO_EX{1} 2 ALLOW{3,4}";

#[test]
fn everything_is_announced_when_the_interface_returns() {
    let mut bench = member();
    bench.event(HostEvent::UpstreamDown);
    assert_eq!(bench.state(1), Some(JoinState::Pending));
    bench.query(None, &[], 10);
    assert_eq!(messages(&mut bench, 20.0), [""; 0]);
    assert_eq!(bench.host.poll_timeout(), None);
    bench.up(HostConfig::default(), Some(OWN), 1500);
    assert_eq!(bench.state(1), Some(JoinState::Pending));
    assert_eq!(bench.flush(), [ALL]);
    assert_eq!(bench.state(1), Some(JoinState::Joined));
    assert_eq!(messages(&mut bench, 100.0), [ALL]);
}

/// What changed meanwhile is told as well, and what is wanted no more.
#[test]
fn a_short_absence_loses_no_leave() {
    let mut bench = member();
    bench.event(HostEvent::UpstreamDown);
    bench.include(1, &[]);
    bench.include(2, &[4]);
    bench.exclude(3, &[]);
    bench.run_to(20.0);
    bench.up(HostConfig::default(), Some(OWN), 1500);
    assert_eq!(bench.flush(), ["1 TO_IN{} 2 ALLOW{4} 2 BLOCK{3} 3 TO_EX{}"]);
}

/// After the Group Membership Interval of the router there is nothing to leave, and nothing is remembered.
#[test]
fn a_long_absence_is_forgotten() {
    let mut bench = member();
    bench.event(HostEvent::UpstreamDown);
    bench.include(1, &[]);
    bench.run_to(280.0);
    bench.up(HostConfig::default(), Some(OWN), 1500);
    assert_eq!(messages(&mut bench, 300.0), ["2 ALLOW{3,4}"; 2]);
}

#[test]
fn another_address_or_mtu_has_everything_announced() {
    let other = Ipv4Addr::new(10, 9, 0, 77);
    let mut bench = member();
    bench.up(HostConfig::default(), Some(other), 1500);
    assert_eq!(bench.flush(), [ALL]);
    assert_eq!(bench.sent.last().expect("a report").1.source, other);
    bench.run_to(20.0);
    bench.up(HostConfig::default(), Some(other), 1400);
    assert_eq!(bench.flush(), [ALL]);
    bench.run_to(30.0);
    bench.up(HostConfig::default(), Some(other), 1400);
    assert_eq!(messages(&mut bench, 100.0), [""; 0]);
}

/// PPP: the address goes and another one comes, with the interface up or a new one.
#[test]
fn nothing_is_sent_without_an_address() {
    let mut bench = member();
    bench.up(HostConfig::default(), None, 1500);
    bench.exclude(3, &[]);
    assert_eq!(messages(&mut bench, 20.0), [""; 0]);
    bench.up(HostConfig::default(), Some(OWN), 1500);
    // What has waited longest comes first.
    assert_eq!(bench.flush(), [format!("3 TO_EX{{}} {ALL}")]);
    bench.run_to(30.0);
    bench.event(HostEvent::UpstreamDown);
    bench.include(3, &[]);
    bench.run_to(40.0);
    bench.event(HostEvent::UpstreamUp {
        interface: InterfaceId(12),
        config: HostConfig::default(),
        address: Some(OWN),
        mtu: 1492,
    });
    // On another link nobody has to be told of a leave.
    assert_eq!(bench.flush(), [ALL]);
    assert_eq!(bench.sent.last().expect("a report").1.interface, InterfaceId(12));
}

/// The querier of a link that was away for a moment is the same one.
#[test]
fn the_mode_outlives_a_short_absence() {
    let mut bench = member();
    bench.older_query(2, None, 100);
    bench.run_to(30.0);
    bench.event(HostEvent::UpstreamDown);
    bench.run_to(40.0);
    bench.up(HostConfig::default(), Some(OWN), 1500);
    assert_eq!(bench.flush(), ["1 v2", "2 v2"]);
    bench.run_to(50.0);
    bench.event(HostEvent::UpstreamDown);
    bench.run_to(400.0);
    bench.up(HostConfig::default(), Some(OWN), 1500);
    assert_eq!(bench.flush(), [ALL]);
}

#[test]
fn what_another_interface_hears_does_not_count() {
    let mut bench = member();
    bench.event(HostEvent::Query(igmp_core::Query {
        interface: InterfaceId(1),
        time: bench.now,
        querier: OWN,
        version: 2,
        group: None,
        max_resp_code: 100,
        suppress: false,
        qrv: 0,
        qqic: 0,
        sources: Vec::new(),
    }));
    assert_eq!(messages(&mut bench, 100.0), [""; 0]);
}

/// A change of what the configuration allows is a change of the mode.
#[test]
fn another_version_has_everything_announced() {
    let mut bench = member();
    let config = HostConfig {
        version: 2,
        ..HostConfig::default()
    };
    bench.up(config, Some(OWN), 1500);
    assert_eq!(bench.flush(), ["1 v2", "2 v2"]);
    bench.run_to(30.0);
    bench.up(HostConfig::default(), Some(OWN), 1500);
    assert_eq!(bench.flush(), [ALL]);
}

/// A querier is known before the address that answers it.
#[test]
fn a_querier_counts_before_there_is_an_address() {
    let mut bench = member();
    bench.up(HostConfig::default(), None, 1500);
    bench.older_query(2, None, 100);
    assert_eq!(messages(&mut bench, 20.0), [""; 0]);
    bench.up(HostConfig::default(), Some(OWN), 1500);
    assert_eq!(bench.flush(), ["1 v2", "2 v2"]);
}
