//! Ten thousand groups.

use std::{
    collections::BTreeSet,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use tests::{Igmpd, frr::Channel, wait_for};

use crate::chain::{Chain, SOURCE};

/// How many groups there are.
const GROUPS: u32 = 10_000;
/// What two machines need for that many groups.
const LONG: Duration = Duration::from_secs(60);

fn groups(first: Ipv4Addr) -> impl Iterator<Item = Ipv4Addr> {
    (0..GROUPS).map(move |number| Ipv4Addr::from_bits(first.to_bits() + number))
}

/// As many at a time as the kernel has room for in one socket (`optmem_max`).
fn chunks(groups: &BTreeSet<Ipv4Addr>) -> impl Iterator<Item = Vec<Ipv4Addr>> {
    let all: Vec<_> = groups.iter().copied().collect();
    let chunks: Vec<_> = all.chunks(1_000).map(<[Ipv4Addr]>::to_vec).collect();
    chunks.into_iter()
}

/// Waits until FRR knows exactly these joins, besides that of the fence.
#[track_caller]
fn wait_channels(chain: &Chain, source: &str, expected: &BTreeSet<Ipv4Addr>) {
    let what = format!("FRR to know {} joins", expected.len());
    wait_for(&what, LONG, || {
        let all = chain.frr.channels();
        let found: BTreeSet<_> = all
            .iter()
            .filter(|channel| channel.interface == "core0" && channel.source == source)
            .filter(|channel| Channel::is_joined(channel) && channel.group.octets()[1] == 7)
            .map(|channel| channel.group)
            .collect();
        if found == *expected {
            Ok(())
        } else {
            Err(format!("{}", found.len()))
        }
    });
}

#[track_caller]
fn wait_joins(igmpd: &Igmpd, count: usize) {
    wait_for(&format!("{count} joins"), LONG, || {
        let joins = igmpd.joins();
        let of_members = joins
            .iter()
            .filter(|join| join.group_address.octets()[1] == 7 && join.state == "joined");
        let found = of_members.count();
        if found == count {
            Ok(())
        } else {
            Err(format!("{found}"))
        }
    });
}

/// FRR 8.4 knows all of them: it has no limit of its own here, and its socket holds what comes at once.
#[test]
fn ten_thousand_groups_of_any_source() {
    let chain = Chain::new(1);
    let mut igmpd = chain.start();
    let all: BTreeSet<_> = groups([239, 7, 0, 0].into()).collect();
    let host = &chain.station(1).host;
    let memberships: Vec<_> = chunks(&all).map(|groups| host.join_all(groups)).collect();
    wait_joins(&igmpd, all.len());
    wait_channels(&chain, "*", &all);
    let messages = chain.topology.recording.pim(&link(&chain), 3).len();
    // A Join(*,G) takes 20 of 1,500 bytes; some travel alone, since members do not join all at once.
    assert!(messages < all.len() / 5, "{messages} messages");

    let last = *all.last().expect("groups");
    let mut sender = chain.send_to(last);
    sender.send_many(10);
    let start = Instant::now();
    drop(memberships);
    wait_channels(&chain, "*", &BTreeSet::new());
    wait_joins(&igmpd, 0);
    println!("{GROUPS} groups were left within {:?}", start.elapsed());
    igmpd.stop();
}

#[test]
fn ten_thousand_source_specific_groups() {
    let chain = Chain::new(1);
    let mut igmpd = chain.start();
    let all: BTreeSet<_> = groups([232, 7, 0, 0].into()).collect();
    let host = &chain.station(1).host;
    let memberships: Vec<_> = chunks(&all)
        .map(|groups| {
            let mut groups = groups.into_iter();
            let membership = host.join_source(groups.next().expect("groups"), SOURCE);
            for group in groups {
                membership.add_source(group, SOURCE);
            }
            membership
        })
        .collect();
    wait_joins(&igmpd, all.len());
    wait_channels(&chain, &SOURCE.to_string(), &all);
    drop(memberships);
    wait_channels(&chain, &SOURCE.to_string(), &BTreeSet::new());
    wait_joins(&igmpd, 0);
    igmpd.stop();
}

/// What the recording calls the link to FRR.
fn link(chain: &Chain) -> String {
    format!("core0 of {}", chain.router.name())
}
