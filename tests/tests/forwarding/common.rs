//! What several modules need.

use std::{
    net::Ipv4Addr,
    thread,
    time::{Duration, Instant},
};

use tests::{Igmpd, PATIENCE, RawSocket, stream::Site, wait_for};

/// The group of most tests.
pub(crate) const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);

/// Waits in short steps, for what comes true within milliseconds and is waited for a thousand times.
#[track_caller]
pub(crate) fn wait_quickly(what: &str, mut look: impl FnMut() -> bool) {
    let start = Instant::now();
    while !look() {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        thread::sleep(Duration::from_micros(200));
    }
}

/// Does something, and sees that this many packets more are counted as dropped for this reason on an interface, and none for
/// another reason or on another interface.
#[track_caller]
pub(crate) fn assert_counted(igmpd: &Igmpd, interface: &str, reason: &str, count: u64, work: impl FnOnce()) {
    let dropped = || -> Vec<_> {
        let all = igmpd.all_statistics().interface.into_iter();
        all.map(|one| (one.interface_name, one.dropped)).collect()
    };
    let mut expected = dropped();
    let (_, counters) = expected
        .iter_mut()
        .find(|(name, _)| name == interface)
        .expect("an interface of the configuration");
    *counters.get_mut(reason).expect("a reason") += count;
    work();
    wait_for(
        &format!("{count} packets to be counted as {reason} on {interface}"),
        PATIENCE,
        || {
            let seen = dropped();
            if seen == expected {
                return Ok(());
            }
            let differences: Vec<_> = seen
                .iter()
                .zip(&expected)
                .flat_map(|((name, seen), (_, expected))| {
                    seen.iter()
                        .zip(expected)
                        .filter(|(seen, expected)| seen != expected)
                        .map(move |(seen, expected)| format!("{name}: {seen:?}, not {}", expected.1))
                })
                .collect();
            Err(format!("{differences:?}"))
        },
    );
}

/// A packet socket on a station's host, to send reports made by hand.
#[track_caller]
pub(crate) fn reporter(site: &Site, number: usize) -> RawSocket {
    RawSocket::open(site.station(number).host.namespace(), "eth0")
}
