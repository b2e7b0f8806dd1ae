//! More sources and groups than there is room for: everything is forwarded as it should be all the same.

use std::net::Ipv4Addr;

use tests::{
    PATIENCE,
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
