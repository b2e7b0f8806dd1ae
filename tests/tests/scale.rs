//! Many groups: what they take in the kernel.

use std::{
    fs,
    net::Ipv4Addr,
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
    time::Duration,
};

use aya::maps::{ArrayOfMaps, Map, MapData};
use igmp_wire::abi::{MAX_PORT_SETS, name};
use tests::{
    Host, Igmpd, Network, Packet, RawSocket,
    packet::{Record, TO_EX},
    stream::Handmade,
    wait_for,
};

const GROUPS: u32 = 100_000;
const PATIENCE: Duration = Duration::from_secs(90);
/// Records of 8 bytes in a packet of 1500 bytes with Router Alert: (1500 - 24 - 8) / 8.
const RECORDS: usize = 183;
/// Which of the four networks want the group with this number: four different lists.
const WANTED_BY: [&[usize]; 4] = [&[0], &[1], &[2], &[2, 3]];
/// The most that routes, sources and port sets of all these groups may take. The map of routes takes the memory for all that it
/// has room for at once: 64 bytes for each of 262,144 routes, and 16 for each of as many buckets.
const MOST_BYTES: u64 = 40_000_000;

/// How much memory a map takes, as the kernel says.
fn bytes(map: &MapData) -> u64 {
    let fd = map.fd().as_fd().as_raw_fd();
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).expect("an open descriptor");
    info.lines()
        .find_map(|line| line.strip_prefix("memlock:"))
        .and_then(|bytes| bytes.trim().parse().ok())
        .expect("the kernel tells how much memory a map takes")
}

fn pinned(directory: &Path, map: &str) -> MapData {
    MapData::from_pin(directory.join(map)).expect("igmpd pins its maps")
}

/// The directory of the pins below the one that is configured.
fn pins(igmpd: &Igmpd) -> PathBuf {
    fs::read_dir(&igmpd.paths().pins)
        .expect("igmpd pins its maps")
        .map(|entry| entry.expect("a directory that can be read").path())
        .next()
        .expect("one directory")
}

#[test]
fn groups_with_the_same_ports_share_them() {
    let network = Network::new();
    let router = network.namespace("router");
    let sender = network.host("sender", [10, 0, 0, 2], &router, "wan0");
    router.address("wan0", [10, 0, 0, 1].into(), 24);
    let hosts: Vec<Host> = (1..=4)
        .map(|lan: u8| {
            let name = format!("lan{lan}");
            let host = network.host(&format!("host{lan}"), [10, lan, 0, 2], &router, &name);
            router.address(&name, [10, lan, 0, 1].into(), 24);
            // XDP can redirect to it then, which is what takes maps.
            host.namespace().enter(|| {
                let gro = std::process::Command::new("ethtool")
                    .args(["-K", "eth0", "gro", "on"])
                    .status();
                assert!(gro.expect("ethtool is installed").success());
            });
            host
        })
        .collect();
    let mut igmpd = Igmpd::start(
        &network,
        &router,
        "max-groups = 131072\nmax-entries = 131072\n[interfaces.wan0]\n[interfaces.lan1]\nigmp = {}\n[interfaces.lan2]\nigmp = {}\n\
         [interfaces.lan3]\nigmp = {}\n[interfaces.lan4]\nigmp = {}\n",
    );
    igmpd.wait_up(&["lan1", "lan2", "lan3", "lan4"]);

    let group = |number: u32| Ipv4Addr::from_bits(0xef00_0000 + number);
    for (lan, host) in hosts.iter().enumerate() {
        let raw = RawSocket::open(host.namespace(), "eth0");
        let wanted: Vec<Record> = (0..GROUPS)
            .filter(|number| WANTED_BY[*number as usize % 4].contains(&lan))
            .map(|number| Record::new(TO_EX, group(number), &[]))
            .collect();
        for records in wanted.chunks(RECORDS) {
            raw.send(&Packet::v3_report(host.address(), records));
        }
    }
    // Five memberships for four groups.
    for (lan, count) in [(1, 25_000), (2, 25_000), (3, 50_000), (4, 25_000)] {
        wait_for("all memberships", PATIENCE, || {
            let known = igmpd.igmp(&format!("lan{lan}")).groups_count;
            if known == count {
                Ok(())
            } else {
                Err(format!("{known} of {count} on lan{lan}"))
            }
        });
    }

    // A packet for each group, so that each has a source, too. A frame that finds a queue full is lost as on any network.
    let mut injector = Handmade::new(sender.namespace(), "eth0");
    let forwarded = |igmpd: &Igmpd| {
        let lans = ["lan1", "lan2", "lan3", "lan4"];
        lans.map(|lan| igmpd.statistics(lan).forwarded_packets)
    };
    let before = forwarded(&igmpd);
    for number in 0..GROUPS {
        let datagram = injector.next(sender.address(), group(number));
        injector.send(&datagram);
        if number % 256 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    wait_for("the packets", PATIENCE, || {
        let after = forwarded(&igmpd);
        let counts: Vec<u64> = after
            .iter()
            .zip(before)
            .map(|(after, before)| after - before)
            .collect();
        if counts == [25_000, 25_000, 50_000, 25_000] {
            Ok(())
        } else {
            Err(format!("{counts:?}"))
        }
    });

    let pins = pins(&igmpd);
    let sets = ArrayOfMaps::<_, MapData>::try_from(Map::ArrayOfMaps(pinned(&pins, name::PORT_MAPS)))
        .expect("an array of maps");
    let inner: Vec<MapData> = (0..MAX_PORT_SETS)
        .filter_map(|set| sets.get(&set, 0).ok())
        .collect();
    let outer = [
        name::ROUTES,
        name::FLOWS,
        name::SOURCE_PREFIXES,
        name::PORT_MAPS,
        name::PORT_SETS,
        name::PORTS,
        name::FORWARDING,
        name::LOCAL_GROUPS,
    ]
    .map(|name| (name, bytes(&pinned(&pins, name))));
    let total: u64 = outer.iter().map(|(_, bytes)| bytes).sum::<u64>() + inner.iter().map(bytes).sum::<u64>();
    println!("{} inner maps, {total} bytes in all: {outer:?}", inner.len());
    // Four that are in use, and those of single ports that are made ahead of time.
    assert!((4..=9).contains(&inner.len()), "{} inner maps", inner.len());
    assert!(total < MOST_BYTES, "{total} bytes: {outer:?}");
    igmpd.stop();
}
