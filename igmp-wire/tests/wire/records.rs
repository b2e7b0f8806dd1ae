//! Group records of version 3 reports.

use std::net::Ipv4Addr;

use igmp_wire::{
    Refusal,
    abi::Change,
    admit::{Message, judge_record},
    igmp::{Record, RecordKind, RecordWalk},
};

use crate::build::{Ip, config, judge, records, refusal, with_checksum};

const GROUP: [u8; 4] = [239, 1, 2, 3];

/// A record with as many words of auxiliary data as it says.
fn record(code: u8, group: [u8; 4], sources: &[[u8; 4]], aux_words: u8) -> Vec<u8> {
    let mut record = vec![code, aux_words];
    record.extend((sources.len() as u16).to_be_bytes());
    record.extend(group);
    record.extend(sources.concat());
    record.extend(vec![0xee; usize::from(aux_words) * 4]);
    record
}

/// A report that says it has `count` records.
fn report(count: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let mut message = vec![0x22, 0, 0, 0, 0, 0];
    message.extend(count.to_be_bytes());
    message.extend(records.concat());
    with_checksum(&message)
}

fn frame(count: u16, records: &[Vec<u8>]) -> Vec<u8> {
    Ip::default().frame(&report(count, records))
}

#[test]
fn auxiliary_data_is_stepped_over() {
    let source = [192, 0, 2, 1];
    let frame = frame(
        3,
        &[
            record(5, GROUP, &[source], 1),
            record(1, [239, 1, 2, 4], &[], 255),
            record(6, [239, 1, 2, 5], &[source], 0),
        ],
    );
    let found: Vec<_> = records(&frame, &config())
        .into_iter()
        .map(|(record, sources)| (record.code, record.group.octets(), sources))
        .collect();
    let source = vec![Ipv4Addr::from(source)];
    assert_eq!(
        found,
        [
            (5, GROUP, source.clone()),
            (1, [239, 1, 2, 4], vec![]),
            (6, [239, 1, 2, 5], source),
        ]
    );
}

#[test]
fn auxiliary_data_that_does_not_fit() {
    let mut long = record(4, GROUP, &[], 2);
    long[1] = 3;
    assert_eq!(refusal(&frame(1, &[long]), &config()), Some(Refusal::Malformed));
}

#[test]
fn sources_that_do_not_fit() {
    for count in [2, 3, 0x4000, 0xffff_u16] {
        let mut long = record(4, GROUP, &[[192, 0, 2, 1]], 0);
        long[2..4].copy_from_slice(&count.to_be_bytes());
        assert_eq!(refusal(&frame(1, &[long]), &config()), Some(Refusal::Malformed));
    }
}

#[test]
fn number_of_records() {
    let two = [record(4, GROUP, &[], 0), record(4, [239, 1, 2, 4], &[], 0)];
    assert_eq!(records(&frame(2, &two), &config()).len(), 2);
    // What follows the last record is additional data (RFC 9776 §4.2.12).
    assert_eq!(records(&frame(1, &two), &config()).len(), 1);
    assert_eq!(records(&frame(0, &two), &config()).len(), 0);
    for count in [3, 4, u16::MAX] {
        assert_eq!(refusal(&frame(count, &two), &config()), Some(Refusal::Malformed));
    }
    assert_eq!(refusal(&frame(0, &[]), &config()), None);
    assert_eq!(refusal(&frame(1, &[]), &config()), Some(Refusal::Malformed));
}

#[test]
fn as_many_records_as_a_packet_holds() {
    // 183 records fill 1,500 bytes: (1,500 - 24 - 8) / 8.
    let all: Vec<_> = (0..183)
        .map(|last| record(4, [239, 9, 9, last], &[], 0))
        .collect();
    let frame = frame(183, &all);
    assert_eq!(frame.len(), 14 + 24 + 8 + 183 * 8);
    let groups: Vec<_> = records(&frame, &config())
        .into_iter()
        .map(|(record, _)| record.group.octets()[3])
        .collect();
    assert_eq!(groups, (0..183).collect::<Vec<_>>());
}

#[test]
fn unknown_types_are_skipped_and_the_rest_is_read() {
    for code in [0, 7, 128, 255] {
        let source = [192, 0, 2, 1];
        let frame = frame(
            2,
            &[
                record(code, GROUP, &[source], 1),
                record(4, [239, 1, 2, 4], &[], 0),
            ],
        );
        let found = records(&frame, &config());
        assert_eq!(judge_record(&found[0].0), Ok(Change::Nothing));
        assert_eq!(judge_record(&found[1].0), Ok(Change::AnySource { version: 3 }));
    }
}

#[test]
fn a_refused_walk_stays_where_it_is() {
    let good = record(4, GROUP, &[], 0);
    let mut bad = record(5, GROUP, &[], 0);
    bad[3] = 1;
    let frame = frame(2, &[good, bad]);
    let Ok(Message::Report(mut walk)) = judge(&frame, &config()).outcome else {
        panic!("the number of records is right");
    };
    let packet = &frame[..];
    assert_eq!(walk.remaining(), 2);
    assert!(matches!(walk.next(&packet), Ok(Some(Record { code: 4, .. }))));
    for _ in 0..3 {
        assert_eq!(walk.remaining(), 1);
        assert_eq!(walk.next(&packet), Err(Refusal::Malformed));
    }
}

#[test]
fn a_walk_beyond_the_frame() {
    // The length comes from an IP header that was compared with the frame; a wrong one is refused all the same.
    let message = report(1, &[record(4, GROUP, &[], 0)]);
    let packet = &message[..message.len() - 1];
    let mut walk = RecordWalk::new(&packet, 0, message.len()).expect("the header is there");
    assert_eq!(walk.next(&packet), Err(Refusal::Malformed));
    assert_eq!(RecordWalk::new(&&message[..7], 0, 16), Err(Refusal::TooShort));
}

#[test]
fn record_codes() {
    let known = [
        RecordKind::IsInclude,
        RecordKind::IsExclude,
        RecordKind::ToInclude,
        RecordKind::ToExclude,
        RecordKind::Allow,
        RecordKind::Block,
    ];
    for code in 0..=u8::MAX {
        let expected = usize::from(code)
            .checked_sub(1)
            .and_then(|index| known.get(index));
        assert_eq!(RecordKind::from_code(code), expected.copied());
        if let Some(kind) = expected {
            assert_eq!(*kind as u8, code);
        }
    }
}

/// What a record changes, by RFC 9776 §4.2.13 and §6.4, with RFC 4604 §3.1 for the source-specific range.
fn expected(code: u8, group: Ipv4Addr, source_count: u16) -> Result<Change, Refusal> {
    if !(1..=6).contains(&code) {
        return Ok(Change::Nothing);
    }
    let [first, second, third, fourth] = group.octets();
    if !(224..=239).contains(&first) || [first, second, third, fourth] == [224, 0, 0, 1] {
        return Err(Refusal::Group);
    }
    let exclude = code == 2 || code == 4;
    if first == 232 && exclude {
        return Err(Refusal::SsmRange);
    }
    if [first, second, third] == [224, 0, 0] {
        return Ok(Change::Nothing);
    }
    Ok(match (code, source_count > 0) {
        (2 | 4, false) => Change::AnySource { version: 3 },
        (2 | 4, true) => Change::ExcludeList,
        (1 | 5, false) | (6, false) => Change::Nothing,
        (1 | 5, true) => Change::Include,
        (3, false) | (6, true) => Change::Less,
        (3, true) => Change::ToInclude,
        _ => unreachable!("codes are 1 to 6 here"),
    })
}

#[test]
fn what_records_change() {
    let groups = [
        [0, 0, 0, 0],
        [192, 0, 2, 1],
        [223, 255, 255, 255],
        [224, 0, 0, 0],
        [224, 0, 0, 1],
        [224, 0, 0, 2],
        [224, 0, 0, 251],
        [224, 0, 0, 255],
        [224, 0, 1, 0],
        [231, 255, 255, 255],
        [232, 0, 0, 0],
        [232, 255, 255, 255],
        [233, 0, 0, 0],
        [239, 255, 255, 255],
        [240, 0, 0, 0],
        [255, 255, 255, 255],
    ];
    for code in 0..=u8::MAX {
        for group in groups.map(Ipv4Addr::from) {
            for source_count in [0, 1, 2, u16::MAX] {
                let record = Record {
                    code,
                    group,
                    source_count,
                    sources: 0,
                };
                assert_eq!(
                    judge_record(&record),
                    expected(code, group, source_count),
                    "{record:?}"
                );
            }
        }
    }
}
