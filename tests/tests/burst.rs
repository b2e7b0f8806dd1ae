//! More changes at once than there is room to hand over.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use nix::sys::signal::Signal;
use tests::{
    Lan, Packet, RawSocket,
    packet::{Record, TO_EX},
    wait_for,
};

/// Joins in one go.
const JOINS: u32 = 50_000;
/// How long the agent may take for them all on a busy machine.
const BURST_PATIENCE: Duration = Duration::from_secs(60);
/// Records of 8 bytes in a packet of 1500 bytes with Router Alert: (1500 - 24 - 8) / 8.
const RECORDS: usize = 183;

// The agent is stopped while the joins come, so that the ring of 64 KiB overflows for certain: an event takes 32 bytes
// and more, and there are 50,000. Timers are the default ones, so that nothing ends by itself meanwhile.
#[test]
fn a_burst_that_the_ring_cannot_hold_is_found_in_the_maps() {
    let lan = Lan::new();
    let host = lan.host(2);
    let mut igmpd = lan.igmpd_with("event-ring-size = 65536\n[interfaces.lan0]\nigmp = {}\n");
    assert_eq!(igmpd.all_statistics().resyncs, 0);
    let groups: Vec<_> = (0..JOINS)
        .map(|number| Ipv4Addr::from_bits(0xef00_0000 + number))
        .collect();
    let raw = RawSocket::open(host.namespace(), "eth0");

    igmpd.process().signal(Signal::SIGSTOP);
    for groups in groups.chunks(RECORDS) {
        let records: Vec<_> = groups
            .iter()
            .map(|group| Record::new(TO_EX, *group, &[]))
            .collect();
        raw.send(&Packet::v3_report(host.address(), &records));
    }
    igmpd.process().signal(Signal::SIGCONT);

    wait_for("all groups", BURST_PATIENCE, || {
        let count = igmpd.igmp("lan0").groups_count;
        if count == JOINS {
            Ok(())
        } else {
            Err(format!("{count} groups"))
        }
    });
    let statistics = igmpd.all_statistics();
    let lan0 = igmpd.statistics("lan0");
    assert!(statistics.resyncs >= 1, "{statistics:?}");
    assert!(lan0.events_lost > 0, "{lan0:?}");
    assert_eq!(lan0.received.report_v3, u64::from(JOINS).div_ceil(RECORDS as u64));
    assert_eq!(lan0.dropped.values().sum::<u64>(), 0, "{lan0:?}");
    let known: BTreeSet<_> = igmpd.groups().iter().map(|group| group.group_address).collect();
    assert!(
        known.iter().eq(groups.iter()),
        "{} of {JOINS} groups",
        known.len()
    );
    igmpd.stop();
}
