//! The short judgement of plain packets accepts nothing that the whole one refuses, and all packets of its shape.

use std::net::Ipv4Addr;

use igmp_wire::{
    abi::{InterfaceConfig, InterfaceFlags, Prefix},
    address,
    admit::{self, Message},
    data,
    igmp::Kind,
    plain::{self, DATA_WORDS, Named, WORDS},
};
use proptest::{collection::vec, prelude::*};

use crate::build::with_checksum;

/// Where the IPv4 header begins in an untagged frame.
const IP: usize = 14;
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);

/// An untagged frame with Router Alert and both checksums right.
fn frame(source: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let mut header = vec![0x46, 0xc0, 0, 0, 0, 0, 0x40, 0, 1, 2, 0, 0];
    header[2..4].copy_from_slice(&(24 + message.len() as u16).to_be_bytes());
    header.extend(source.octets());
    header.extend([224, 0, 0, 22, 0x94, 4, 0, 0]);
    let sum = crate::build::checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = vec![1, 0, 0x5e, 0, 0, 22, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend(header);
    frame.extend(with_checksum(message));
    frame
}

/// A version 3 report of records without sources.
fn report(records: &[(u8, Ipv4Addr)]) -> Vec<u8> {
    let mut message = vec![0x22, 0, 0, 0, 0, 0];
    message.extend((records.len() as u16).to_be_bytes());
    for (code, group) in records {
        message.extend([*code, 0, 0, 0]);
        message.extend(group.octets());
    }
    message
}

fn config(flags: u32, version: u32, prefix_count: u32) -> InterfaceConfig {
    let mut config = InterfaceConfig {
        flags,
        version,
        prefix_count,
        ..InterfaceConfig::default()
    };
    config.prefixes[0] = Prefix {
        address: ROUTER.to_bits(),
        mask: 0xffff_ff00,
    };
    config.prefixes[1] = Prefix {
        address: Ipv4Addr::new(192, 0, 2, 1).to_bits(),
        mask: 0xffff_ff80,
    };
    config
}

/// What the short way says as a whole: the source, and the groups that are named.
fn judge(frame: &[u8], config: &InterfaceConfig) -> Option<(u32, Vec<u32>)> {
    if frame.get(12..IP)? != [8, 0] {
        return None;
    }
    let word = |at: usize| Some(u32::from_ne_bytes(frame.get(at..at + 4)?.try_into().ok()?));
    let mut words = [0; WORDS];
    for (index, place) in words.iter_mut().enumerate() {
        *place = word(plain::IP + 4 * index)?;
    }
    let report = plain::report(&words, frame.len())?;
    let (mut sum, mut difference, mut groups) = (report.sum, 0, Vec::new());
    for index in 0..report.records as usize {
        let [first, group] = [0, 4].map(|offset| word(plain::RECORDS + 8 * index + offset));
        difference |= plain::difference(first?);
        sum += u64::from(first?) + u64::from(group?);
        groups.push(u32::from_be(group?));
    }
    if report.records == 0 {
        groups.push(report.group);
    }
    let is_right = difference == 0
        && plain::is_intact(sum)
        && plain::is_accepted(config, report.source, report.records != 0)
        && groups.iter().all(|&group| plain::named(group) != Named::Other);
    is_right.then_some((report.source, groups))
}

/// What the whole judgement says of reports whose groups are all accepted: the same.
fn judge_wholly(frame: &[u8], config: &InterfaceConfig) -> Option<(u32, Vec<u32>)> {
    if !config.has(InterfaceFlags::IGMP) || config.has(InterfaceFlags::HOST) {
        return None;
    }
    let envelope = admit::envelope(&frame)?;
    let admission = admit::admit(&frame, envelope.ip, frame.len(), config);
    let groups = match admission.outcome.ok()? {
        Message::Group {
            kind: Kind::ReportV2,
            group,
        } => vec![group.to_bits()],
        Message::Report(mut records) => {
            admit::fits(&frame, &records).ok()?;
            let mut groups = Vec::new();
            while let Ok(Some(record)) = records.next(&frame) {
                admit::judge_record(&record).ok()?;
                if record.source_count != 0 || !matches!(record.code, 2 | 4) {
                    return None;
                }
                groups.push(record.group.to_bits());
            }
            groups
        }
        _ => return None,
    };
    Some((admission.source.to_bits(), groups))
}

fn configs() -> impl Strategy<Value = InterfaceConfig> {
    let verify = InterfaceFlags::VERIFY_SOURCE_SUBNET | InterfaceFlags::REQUIRE_ROUTER_ALERT;
    let flags = prop::sample::select(vec![
        InterfaceFlags::IGMP,
        InterfaceFlags::IGMP | verify,
        InterfaceFlags::IGMP | verify | InterfaceFlags::FORWARD,
        InterfaceFlags::HOST | InterfaceFlags::IGMP,
        InterfaceFlags::HOST,
        0,
    ]);
    (flags, 1_u32..4, 0_u32..3).prop_map(|(flags, version, prefixes)| config(flags, version, prefixes))
}

fn sources() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        6 => (0_u8..4).prop_map(|last| Ipv4Addr::new(10, 1, 1, last)),
        2 => prop::sample::select(vec![1, 2, 127, 128]).prop_map(|last| Ipv4Addr::new(192, 0, 2, last)),
        1 => Just(Ipv4Addr::UNSPECIFIED),
        1 => any::<u32>().prop_map(Ipv4Addr::from_bits),
    ]
}

fn groups() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        20 => (0_u32..1 << 24).prop_map(|low| Ipv4Addr::from_bits(0xef00_0000 | low)),
        2 => (0_u32..4).prop_map(|low| Ipv4Addr::from_bits(0xe000_0000 | low)),
        1 => any::<u32>().prop_map(Ipv4Addr::from_bits),
    ]
}

fn messages() -> impl Strategy<Value = Vec<u8>> {
    let version_2 = groups().prop_map(|group| [&[0x16, 0, 0, 0], &group.octets()[..]].concat());
    let code = prop_oneof![30 => prop::sample::select(vec![2_u8, 4]), 1 => 0_u8..8];
    let version_3 = vec((code, groups()), 0..20).prop_map(|records| report(&records));
    prop_oneof![version_2, version_3]
}

/// A byte to change, and whether the checksums are mended after it.
fn changes() -> impl Strategy<Value = Option<(usize, u8, bool)>> {
    prop::option::weighted(0.7, (12_usize..80, any::<u8>(), any::<bool>()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_short_judgement_is_the_whole_one(
        config in configs(),
        source in sources(),
        message in messages(),
        change in changes(),
        tail in prop::option::weighted(0.2, 1_usize..20),
    ) {
        let mut frame = frame(source, &message);
        if let Some((at, value, mend)) = change
            && at < frame.len()
        {
            frame[at] = value;
            if mend && frame[IP] == 0x46 {
                frame[IP + 10..IP + 12].fill(0);
                let sum = crate::build::checksum(&frame[IP..IP + 24]);
                frame[IP + 10..IP + 12].copy_from_slice(&sum.to_be_bytes());
                let message = with_checksum(&frame[IP + 24..]);
                frame[IP + 24..].copy_from_slice(&message);
            }
        }
        if let Some(len) = tail {
            frame.extend(std::iter::repeat_n(0xee, len));
        }
        let short = judge(&frame, &config);
        let whole = judge_wholly(&frame, &config);
        if short.is_some() {
            prop_assert_eq!(&short, &whole);
        }
        // What nobody changed is of the shape, but for a report without records.
        if change.is_none() && message.len() > 8 || (change.is_none() && message[0] == 0x16) {
            prop_assert_eq!(short, whole);
        }
    }
}

/// What the short way says of a data packet.
fn judge_data(frame: &[u8], config: &InterfaceConfig) -> Option<data::Header> {
    let header = frame.get(IP..IP + 4 * DATA_WORDS)?;
    let mut words = [0; DATA_WORDS];
    for (word, bytes) in words.iter_mut().zip(header.as_chunks::<4>().0) {
        *word = u32::from_ne_bytes(*bytes);
    }
    plain::data(&words, frame.len()).filter(|header| !plain::is_own(config, header.source.to_bits()))
}

/// What the whole judgement says of it, where the packet can go on to another network at all.
fn judge_data_wholly(frame: &[u8], config: &InterfaceConfig) -> Option<data::Header> {
    let header = data::judge(&frame, IP, frame.len(), config).ok()?;
    let can_go_on = header.header_len == 20
        && header.ttl > 1
        && header.protocol != 2
        && address::is_multicast(header.group)
        && !address::is_link_local_group(header.group);
    can_go_on.then_some(header)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn the_short_judgement_of_data_is_the_whole_one(
        config in configs(),
        source in sources(),
        group in groups(),
        ttl in prop::sample::select(vec![0_u8, 1, 2, 64, 255]),
        len in 0_usize..30,
        change in prop::option::weighted(0.7, (0_usize..20, any::<u8>(), any::<bool>())),
        cut in prop::option::weighted(0.1, 0_usize..60),
    ) {
        let mut header = [0x45, 0, 0, 20 + len as u8, 0, 0, 0x40, 0, ttl, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        header[12..16].copy_from_slice(&source.octets());
        header[16..].copy_from_slice(&group.octets());
        let mend = |header: &mut [u8; 20]| {
            header[10..12].fill(0);
            let sum = crate::build::checksum(header);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
        };
        mend(&mut header);
        if let Some((at, value, is_mended)) = change {
            header[at] = value;
            if is_mended {
                mend(&mut header);
            }
        }
        let mut frame = [&[1, 0, 0x5e, 1, 1, 1, 2, 0, 0, 0, 0, 1, 8, 0][..], &header, &vec![0x5a; len]].concat();
        if let Some(cut) = cut {
            frame.truncate(cut);
        }
        prop_assert_eq!(judge_data(&frame, &config), judge_data_wholly(&frame, &config));
    }
}

/// The groups of RFC 9776 §4.2.13 and §5, RFC 5771 §4 and RFC 4604 §3 that are no memberships.
#[test]
fn groups_by_range() {
    for (group, expected) in [
        ([224, 0, 0, 0], Named::LinkLocal),
        ([224, 0, 0, 1], Named::Other),
        ([224, 0, 0, 2], Named::LinkLocal),
        ([224, 0, 0, 251], Named::LinkLocal),
        ([224, 0, 1, 0], Named::Group),
        ([231, 255, 255, 255], Named::Group),
        ([232, 0, 0, 0], Named::Other),
        ([232, 255, 255, 255], Named::Other),
        ([233, 0, 0, 0], Named::Group),
        ([239, 255, 255, 255], Named::Group),
        ([240, 0, 0, 0], Named::Other),
        ([223, 255, 255, 255], Named::Other),
        ([0, 0, 0, 0], Named::Other),
    ] {
        assert_eq!(plain::named(u32::from_be_bytes(group)), expected, "{group:?}");
    }
}

/// As many records as are looked at, and one more.
#[test]
fn as_many_records_as_a_packet_of_1500_bytes_holds() {
    let config = config(InterfaceFlags::IGMP, 3, 1);
    for (count, is_plain) in [(1, true), (183, true), (184, false)] {
        let records: Vec<(u8, Ipv4Addr)> = (0..count)
            .map(|low| (2, Ipv4Addr::from_bits(0xef00_0000 | low)))
            .collect();
        let frame = frame(Ipv4Addr::new(10, 1, 1, 2), &report(&records));
        assert_eq!(judge(&frame, &config).is_some(), is_plain, "{count} records");
    }
    assert_eq!(24 + 8 + 8 * 183, 1_496);
}
