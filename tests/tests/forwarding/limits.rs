//! More sources and groups than there is room for: everything is forwarded as it should be all the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use tests::{
    PATIENCE, Packet, RawSocket,
    packet::{Record, TO_EX, TO_IN},
    stream::{Datapath, Handmade, Site},
    wait_for,
};

use crate::common::{GROUP, assert_counted};

/// More sources than the configuration of the test has entries for.
const SOURCES: u8 = 200;

on_datapaths!(more_sources_than_entries: native Native, plain Plain);

fn more_sources_than_entries(datapath: Datapath) {
    let site = Site::new(datapath, 2);
    let igmpd = site.start_with(&site.config("max-entries = 64\n", ""));
    site.join(&igmpd, 1, GROUP);
    let mut made = Handmade::new(site.sender.namespace(), "eth0");
    for _ in 0..3 {
        for last in 10..10 + SOURCES {
            let packet = made.next([10, 0, 0, last], GROUP);
            made.send(&packet);
            if last % 16 == 0 {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }
    }
    site.settle();
    let frames = site.station(1).tap.to(GROUP);
    let mut numbers: Vec<u64> = frames
        .iter()
        .filter_map(|frame| Some(frame.payload()?.sequence))
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..3 * u64::from(SOURCES)).collect::<Vec<_>>());
    assert_eq!(site.station(2).tap.to(GROUP), []);
    // A source of which there is no record leaves the others alone, and can leave like them.
    site.assert_delivered(&mut site.send_to(GROUP), 20, &[1]);
    site.station(1).receiver.leave(GROUP);
    igmpd.wait_left("lan1", GROUP, PATIENCE);
    site.assert_delivered(&mut site.send_to(GROUP), 20, &[]);
}

/// Data to thousands of groups without members leaves nothing behind.
#[test]
fn many_groups_without_members() {
    let site = Site::new(Datapath::Native, 1);
    let igmpd = site.start_with(&site.config("max-entries = 64\n", ""));
    site.join(&igmpd, 1, GROUP);
    let mut made = Handmade::new(site.sender.namespace(), "eth0");
    let groups = 2_000_u16;
    assert_counted(&igmpd, "wan0", "no-members", u64::from(groups), || {
        for number in 0..groups {
            let [high, low] = number.to_be_bytes();
            let packet = made.next([10, 0, 0, 9], Ipv4Addr::new(239, 100, high, low));
            made.send(&packet);
            if number % 16 == 0 {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }
    });
    let mut sender = site.send_to(GROUP);
    site.assert_delivered(&mut sender, 20, &[1]);
    wait_for("the stream's own record", PATIENCE, || {
        let route = igmpd.route("10.0.0.2", GROUP);
        match route {
            Some(route) if route.packets == 20 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

/// Networks with members.
const NETWORKS: u8 = 14;
/// Groups, each of which has members on other networks than any other: more than the kernel has port sets for, 8,191.
const LISTS: u16 = 8_600;
/// As many of them end in the end.
const ENDING: u16 = 2_000;
/// Records of a report that fits into a frame.
const RECORDS: usize = 180;

fn numbered(group: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(239, 50, 0, 0).to_bits() + u32::from(group))
}

/// Whether the group has a member on the network with this number, from 1 on: a bit of the group's number each.
fn has_member(group: u16, network: u8) -> bool {
    group >> (network - 1) & 1 != 0
}

/// Has the members of these groups on each network report them so.
fn report_all(site: &Site, groups: impl Iterator<Item = u16> + Clone, kind: u8) {
    for network in 1..=NETWORKS {
        let socket = RawSocket::open(site.station(usize::from(network)).host.namespace(), "eth0");
        let here = groups.clone().filter(|&group| has_member(group, network));
        let records: Vec<Record> = here
            .map(|group| Record::new(kind, numbered(group), &[]))
            .collect();
        for records in records.chunks(RECORDS) {
            socket.send(&Packet::v3_report([10, 1, network, 2], records));
        }
    }
}

/// Routes that find no port set stay as they were, and follow what members want as soon as others have ended.
#[test]
fn more_lists_of_interfaces_than_port_sets() {
    let site = Site::new(Datapath::Native, NETWORKS);
    let top = "max-groups = 131072\nevent-ring-size = 4194304\n";
    let igmpd = site.start_with(&site.config_with(top, "[igmp]\nimmediate-leave = true\n", "", ""));
    report_all(&site, 1..=LISTS, TO_EX);
    let wrong = || {
        let routes = igmpd.routes().into_iter();
        let shown: BTreeMap<Ipv4Addr, BTreeSet<String>> = routes
            .map(|route| {
                (
                    route.group_address,
                    route.outgoing_interface.into_iter().collect(),
                )
            })
            .collect();
        move |groups: std::ops::RangeInclusive<u16>| {
            let is_wrong = |group: &u16| {
                let wanted: BTreeSet<String> = (1..=NETWORKS)
                    .filter(|&network| has_member(*group, network))
                    .map(|network| format!("lan{network}"))
                    .collect();
                shown.get(&numbered(*group)) != Some(&wanted)
            };
            groups.filter(is_wrong).count()
        }
    };
    let known = |groups: std::ops::RangeInclusive<u16>| {
        let wanted: u32 = groups.map(u16::count_ones).sum::<u32>() + u32::from(NETWORKS);
        wait_for("the memberships to be known", PATIENCE, || {
            let names = (1..=NETWORKS).map(|network| format!("lan{network}"));
            let count: u32 = names.map(|name| igmpd.igmp(&name).groups_count).sum();
            if count == wanted {
                Ok(())
            } else {
                Err(format!("{count} of {wanted}"))
            }
        });
    };
    known(1..=LISTS);
    // What was needed for a moment while members came, one network after the other, makes room for what is needed.
    wait_for("all port sets to be in use", PATIENCE, || {
        let wrong = wrong()(1..=LISTS);
        if wrong < usize::from(LISTS) - 8_100 {
            Ok(wrong)
        } else {
            Err(format!("{wrong} routes are wrong"))
        }
    });
    assert!(wrong()(1..=LISTS) > 0, "there is room for all of them");

    report_all(&site, 1..=ENDING, TO_IN);
    known(ENDING + 1..=LISTS);
    wait_for(
        "all routes to be as members want them",
        PATIENCE,
        || match wrong()(ENDING + 1..=LISTS) {
            0 => Ok(()),
            wrong => Err(format!("{wrong} routes are wrong")),
        },
    );
}
