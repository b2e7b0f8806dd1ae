//! Reading and writing packets: `cargo bench -p igmp-wire`.

use std::{hint::black_box, net::Ipv4Addr};

use criterion::{BenchmarkId, Criterion, Throughput};
use igmp_wire::{
    abi::{InterfaceConfig, InterfaceFlags, Prefix},
    admit::{self, Admission, Message as Admitted},
    checksum, data,
    emit::{Frame, Message, Query, QueryTarget, Record},
    ethernet::Vlan,
    igmp::RecordKind,
};

const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const HOST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
/// How many records a report has.
const RECORDS: [usize; 3] = [1, 10, 180];

fn config() -> InterfaceConfig {
    let mut config = InterfaceConfig {
        flags: InterfaceFlags::IGMP | InterfaceFlags::REQUIRE_ROUTER_ALERT | InterfaceFlags::FORWARD,
        version: 3,
        prefix_count: 1,
        ..InterfaceConfig::default()
    };
    config.prefixes[0] = Prefix {
        address: ROUTER.to_bits(),
        mask: 0xffff_ff00,
    };
    config
}

fn frame(message: Message<'_>) -> Frame<'_> {
    Frame {
        source_mac: [2, 0, 0, 0, 0, 1],
        vlan: Vlan::Untagged,
        source: HOST,
        identification: 0,
        message,
    }
}

fn bytes(message: Message<'_>) -> Vec<u8> {
    let mut buffer = vec![0; 1_514];
    let len = frame(message).emit(&mut buffer).expect("it fits into a frame");
    buffer.truncate(len);
    buffer
}

fn records(count: usize) -> Vec<Record<'static>> {
    let group = |index| Ipv4Addr::from_bits(GROUP.to_bits() + index as u32);
    let record = |index| Record {
        kind: RecordKind::IsExclude,
        group: group(index),
        sources: &[],
    };
    (0..count).map(record).collect()
}

fn query() -> Message<'static> {
    Message::Query(Query::V3 {
        max_response_time: 100,
        suppress: false,
        qrv: 2,
        query_interval: 125,
        target: QueryTarget::General,
    })
}

/// From the frame to the message.
fn admitted(frame: &[u8], config: &InterfaceConfig) -> Admission {
    let content = admit::open(&frame).expect("the frame has IPv4 in it");
    admit::admit(&frame, content.envelope.ip, frame.len(), config)
}

fn admission(criterion: &mut Criterion) {
    let config = config();
    let mut group = criterion.benchmark_group("admit");
    let mut broken = bytes(Message::ReportV2(GROUP));
    if let Some(last) = broken.last_mut() {
        *last ^= 1;
    }
    let packets = [
        ("v1 report", bytes(Message::ReportV1(GROUP)), true),
        ("v2 report", bytes(Message::ReportV2(GROUP)), true),
        ("leave", bytes(Message::Leave(GROUP)), true),
        ("v3 query", bytes(query()), true),
        ("wrong checksum", broken, false),
    ];
    for (name, packet, is_right) in packets {
        assert_eq!(admitted(&packet, &config).outcome.is_ok(), is_right, "{name}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| admitted(black_box(&packet), &config))
        });
    }
    for count in RECORDS {
        let packet = bytes(Message::ReportV3(&records(count)));
        assert_eq!(walked(&packet, &config), count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("v3 records", count), |bencher| {
            bencher.iter(|| walked(black_box(&packet), &config));
        });
    }
    group.finish();
}

/// How many records a report has that may be applied.
fn walked(frame: &[u8], config: &InterfaceConfig) -> usize {
    let Ok(Admitted::Report(mut walk)) = admitted(frame, config).outcome else {
        return 0;
    };
    if admit::fits(&frame, &walk).is_err() {
        return 0;
    }
    let mut count = 0;
    while let Ok(Some(record)) = walk.next(&frame) {
        count += usize::from(admit::judge_record(&record).is_ok());
    }
    count
}

fn forwarding(criterion: &mut Criterion) {
    let config = config();
    // An IPv4 header as RFC 791 has it: 28 bytes of UDP from the host to the group.
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 16, 17, 0, 0];
    packet.extend(HOST.octets());
    packet.extend(GROUP.octets());
    let sum = checksum::finish(checksum::sum(&packet));
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.resize(28, 0);
    let packet = packet.as_slice();
    data::judge(&packet, 0, packet.len(), &config).expect("a right packet");
    criterion.bench_function("judge data", |bencher| {
        bencher.iter(|| data::judge(black_box(&packet), 0, packet.len(), &config));
    });
}

fn emission(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("emit");
    let mut buffer = vec![0; 1_514];
    let general = frame(query());
    group.bench_function("general query", |bencher| {
        bencher.iter(|| black_box(&general).emit(black_box(&mut buffer)));
    });
    for count in RECORDS {
        let records = records(count);
        let report = frame(Message::ReportV3(&records));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("v3 records", count), |bencher| {
            bencher.iter(|| black_box(&report).emit(black_box(&mut buffer)));
        });
    }
    group.finish();
}

fn checksums(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    for len in [8, 64, 1_448] {
        let bytes: Vec<u8> = (0..len).map(|index| index as u8).collect();
        let bytes = bytes.as_slice();
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("of a slice", len), |bencher| {
            bencher.iter(|| checksum::sum(black_box(bytes)));
        });
        // The way of the XDP program, which cannot take a slice.
        group.bench_function(BenchmarkId::new("within a packet", len), |bencher| {
            bencher.iter(|| checksum::sum_within(black_box(&bytes), 0, len));
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    admission(&mut criterion);
    forwarding(&mut criterion);
    emission(&mut criterion);
    checksums(&mut criterion);
    criterion.final_summary();
}
