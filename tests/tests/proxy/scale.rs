//! Many groups at once: all of them are told, in few packets, and one storm of Leaves takes them all away.

use std::{net::Ipv4Addr, thread, time::Duration};

use tests::{
    Frr, Igmpd, Packet, RawSocket,
    packet::{Record, TO_EX, TO_IN},
    stream::site::IGMP,
    wait_for,
};

use crate::scene::Scene;

/// How many records of a group fit into a packet of 1,500 bytes: 1,500 - 24 - 8 in parts of 8.
const RECORDS: usize = 183;
/// How long it may take until everything is known: also for FRR, which looks through a list for each new group.
const LONG: Duration = Duration::from_secs(240);
/// FRR with the timers of RFC 9776 §8, but a General Query each minute. Of 40,000 groups, told twice within two seconds, FRR 8.4.4 knew 15,002 after 150 s: it
/// reads its socket more slowly than they come, and the rest has to wait for its next General Query. A group whose leaves it has
/// not read ends with its Group Membership Interval, which is therefore shorter than what is waited for.
const FRR: &str = "
ip pim rp 10.9.0.1 224.0.0.0/4
interface src0
 ip pim
interface down0
 ip pim
 ip igmp
 ip igmp version 3
 ip igmp query-interval 60
";

fn groups(count: u32) -> impl Iterator<Item = Ipv4Addr> {
    let first = Ipv4Addr::new(239, 16, 0, 0).to_bits();
    (first..first + count).map(Ipv4Addr::from_bits)
}

/// A host on `lan1` says this of many groups.
fn report(scene: &Scene, kind: u8, count: u32) {
    let raw = RawSocket::open(scene.stations[0].host.namespace(), "eth0");
    let records: Vec<Record> = groups(count).map(|group| Record::new(kind, group, &[])).collect();
    for records in records.chunks(RECORDS) {
        raw.send(&Packet::v3_report([10, 1, 1, 66], records));
        // Not faster than the router's interface takes it.
        thread::sleep(Duration::from_micros(500));
    }
}

/// Waits until the proxy asks for this many groups.
#[track_caller]
fn wait_asked(scene: &Scene, count: u32) {
    wait_for(&format!("{count} groups to be asked for"), LONG, || {
        let view = scene.agents[0].proxy("wan0");
        if view.groups_count == count {
            Ok(())
        } else {
            Err(format!("{view:?}"))
        }
    });
}

/// The records of this kind that the proxy sent, and in how many packets.
fn sent(scene: &Scene, kind: u8) -> (usize, usize) {
    let reports = scene
        .topology
        .recording
        .matching(|frame| frame.link.starts_with("wan0") && frame.message()[0] == 0x22);
    let numbers = reports.iter().filter_map(|frame| {
        let records = Record::parse_all(frame.message()).expect("a report");
        let number = records.iter().filter(|record| record.kind == kind).count();
        (number > 0).then_some(number)
    });
    let numbers: Vec<usize> = numbers.collect();
    (numbers.iter().sum(), numbers.len())
}

/// Sees that each group was told Robustness Variable times at least, and 100 and more of them in a packet.
#[track_caller]
fn assert_packed(scene: &Scene, kind: u8, count: u32) {
    wait_for("everything to be told twice", LONG, || {
        let (records, packets) = sent(scene, kind);
        if records >= 2 * count as usize {
            assert!(records >= 100 * packets, "{records} records in {packets} packets");
            println!("{records} records of kind {kind} in {packets} packets");
            Ok(())
        } else {
            Err(format!("{records} records in {packets} packets"))
        }
    });
}

#[track_caller]
fn wait_known(frr: &Frr, count: u32) {
    wait_for(&format!("FRR to know {count} groups"), LONG, || {
        // It answers nothing else while it makes this list.
        thread::sleep(Duration::from_secs(1));
        let known = frr.groups_count();
        if known == u64::from(count) {
            Ok(())
        } else {
            Err(format!("{known}"))
        }
    });
}

#[test]
fn ten_thousand_groups_before_frr() {
    const COUNT: u32 = 10_000;
    let scene = Scene::new(1, 1, false, IGMP);
    let frr = Frr::start(&scene.topology.network, &scene.upstream, FRR);
    report(&scene, TO_EX, COUNT);
    wait_asked(&scene, COUNT);
    assert_packed(&scene, TO_EX, COUNT);
    wait_known(&frr, COUNT);
    report(&scene, TO_IN, COUNT);
    wait_asked(&scene, 0);
    assert_packed(&scene, TO_IN, COUNT);
    wait_known(&frr, 0);
}

#[test]
fn fifty_thousand_groups_before_igmpd() {
    const COUNT: u32 = 50_000;
    let scene = Scene::new(1, 1, true, IGMP);
    let config = format!("{IGMP}\n[interfaces.down0]\nigmp = {{}}\n");
    let upstream = Igmpd::start_on(&scene.topology.network, &scene.upstream, &["down0"], &config);
    let wait_known = |count| {
        wait_for(&format!("{count} groups to be known"), LONG, || {
            let known = upstream.igmp("down0").groups_count;
            if known == count {
                Ok(())
            } else {
                Err(format!("{known}"))
            }
        });
    };
    report(&scene, TO_EX, COUNT);
    wait_asked(&scene, COUNT);
    wait_known(COUNT);
    let known = upstream.groups().into_iter().map(|group| group.group_address);
    assert!(known.eq(groups(COUNT)));
    let joins = scene.agents[0].joins();
    assert!(joins.iter().map(|join| join.group_address).eq(groups(COUNT)));
    assert!(joins.iter().all(|join| join.state == "joined"));
    // The upstream router's own program takes the reports before they could be recorded. Each group twice, a hundred and
    // more in a packet, and besides one answer to each General Query.
    let statistics = scene.agents[0].statistics("wan0");
    let answers = statistics.received.query_v3 * u64::from(COUNT).div_ceil(RECORDS as u64);
    let told = statistics.sent.report_v3.saturating_sub(answers);
    assert!(
        told <= 2 * u64::from(COUNT) / 100,
        "{told} packets, {statistics:?}"
    );
    println!(
        "{} reports, {} queries",
        statistics.sent.report_v3, statistics.received.query_v3
    );
    report(&scene, TO_IN, COUNT);
    wait_asked(&scene, 0);
    wait_known(0);
}
