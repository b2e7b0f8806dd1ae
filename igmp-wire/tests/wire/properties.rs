//! Properties of generated messages and frames.

use std::net::Ipv4Addr;

use igmp_wire::{
    Packet, Refusal,
    abi::{InterfaceConfig, InterfaceFlags},
    admit::{self, Message},
    checksum, emit,
    emit::{Frame, Query, QueryTarget, Record},
    ethernet::{self, Vlan},
    igmp::{Kind, RecordKind, float},
    ipv4,
};
use proptest::{collection::vec, option, prelude::*};

use crate::{
    build::{self, Ip, addresses, config, frame, judge, records, with_checksum},
    model::{self, Verdict},
};

/// A message with its lists owned.
#[derive(Clone, Debug)]
enum Owned {
    V1,
    V2(u32, Option<Ipv4Addr>),
    V3 {
        max_response_time: u32,
        suppress: bool,
        qrv: u8,
        query_interval: u32,
        group: Option<Ipv4Addr>,
        sources: Vec<Ipv4Addr>,
    },
    ReportV1(Ipv4Addr),
    ReportV2(Ipv4Addr),
    Leave(Ipv4Addr),
    ReportV3(Vec<(RecordKind, Ipv4Addr, Vec<Ipv4Addr>)>),
}

impl Owned {
    fn with<T>(&self, use_it: impl FnOnce(emit::Message<'_>) -> T) -> T {
        let records: Vec<_>;
        use_it(match self {
            Self::V1 => emit::Message::Query(Query::V1),
            Self::V2(max_response_time, group) => emit::Message::Query(Query::V2 {
                max_response_time: *max_response_time,
                group: *group,
            }),
            Self::V3 {
                max_response_time,
                suppress,
                qrv,
                query_interval,
                group,
                sources,
            } => emit::Message::Query(Query::V3 {
                max_response_time: *max_response_time,
                suppress: *suppress,
                qrv: *qrv,
                query_interval: *query_interval,
                target: QueryTarget::new(*group, sources),
            }),
            Self::ReportV1(group) => emit::Message::ReportV1(*group),
            Self::ReportV2(group) => emit::Message::ReportV2(*group),
            Self::Leave(group) => emit::Message::Leave(*group),
            Self::ReportV3(owned) => {
                records = owned
                    .iter()
                    .map(|(kind, group, sources)| Record {
                        kind: *kind,
                        group: *group,
                        sources,
                    })
                    .collect();
                emit::Message::ReportV3(&records)
            }
        })
    }

    fn frame(&self, vlan: Vlan, source: Ipv4Addr, identification: u16) -> Vec<u8> {
        self.with(|message| {
            let frame = Frame {
                source_mac: [2, 0, 0, 0, 0, 1],
                vlan,
                source,
                identification,
                message,
            };
            let mut buffer = vec![0xa5; frame.buffer_len()];
            assert_eq!(frame.emit(&mut buffer), Ok(buffer.len()));
            buffer
        })
    }
}

/// A group that may be reported without sources.
fn group() -> impl Strategy<Value = Ipv4Addr> {
    (0xe000_0002..=0xefff_ffff_u32)
        .prop_filter("any-source", |bits| bits >> 24 != 232)
        .prop_map(Ipv4Addr::from_bits)
}

fn record_kind() -> impl Strategy<Value = RecordKind> {
    (1..=6_u8).prop_map(|code| RecordKind::from_code(code).expect("codes are 1 to 6"))
}

fn message() -> impl Strategy<Value = Owned> {
    let sources = || vec(any::<Ipv4Addr>(), 0..12);
    let v3 = (
        0..=float::MAX,
        any::<bool>(),
        0..=7_u8,
        0..=float::MAX,
        option::of(group()),
        sources(),
    );
    prop_oneof![
        Just(Owned::V1),
        (1..=255_u32, option::of(group())).prop_map(|(time, group)| Owned::V2(time, group)),
        v3.prop_map(
            |(max_response_time, suppress, qrv, query_interval, group, sources)| Owned::V3 {
                max_response_time,
                suppress,
                qrv,
                query_interval,
                sources: if group.is_some() { sources } else { Vec::new() },
                group,
            }
        ),
        group().prop_map(Owned::ReportV1),
        group().prop_map(Owned::ReportV2),
        group().prop_map(Owned::Leave),
        vec((record_kind(), group(), sources()), 0..12).prop_map(Owned::ReportV3),
    ]
}

fn vlan() -> impl Strategy<Value = Vlan> {
    prop_oneof![
        Just(Vlan::Untagged),
        (1..4096_u16).prop_map(Vlan::Tagged),
        (0..4096_u16, 0..4096_u16).prop_map(|(outer, inner)| Vlan::Stacked(outer, inner)),
    ]
}

/// The answer of the crate in the words of the model.
fn verdict(frame: &[u8], config: &InterfaceConfig) -> Verdict {
    let envelope = admit::envelope(&frame)?;
    let admission = admit::admit(&frame, envelope.ip, frame.len(), config);
    let outcome = match admission.outcome {
        Ok(Message::Report(walk)) => admit::fits(&frame, &walk),
        outcome => outcome.map(|_| ()),
    };
    Some((admission.kind, outcome))
}

/// Interfaces of all versions, with all flags and with none to two networks.
fn any_config() -> impl Strategy<Value = InterfaceConfig> {
    let host = prop_oneof![Just(0), Just(InterfaceFlags::HOST)];
    (1..=3_u32, 0..8_u32, host, 0..=2_u32).prop_map(|(version, flags, host, prefix_count)| {
        let mut config = InterfaceConfig {
            version,
            flags: flags | host,
            prefix_count,
            ..config()
        };
        config.prefixes[1].address = Ipv4Addr::new(10, 0, 0, 1).to_bits();
        config.prefixes[1].mask = 0xff00_0000;
        config
    })
}

/// IP headers that are mostly right, with some that are wrong in one or more ways.
fn header() -> impl Strategy<Value = Ip> {
    let rarely = |chance| proptest::bool::weighted(chance);
    let source = prop_oneof![
        4 => Just([192, 0, 2, 10]),
        1 => Just([0, 0, 0, 0]),
        1 => Just([192, 0, 2, 254]),
        1 => Just([10, 2, 3, 4]),
        1 => any::<[u8; 4]>(),
    ];
    let options = prop_oneof![
        6 => Just(build::ROUTER_ALERT.to_vec()),
        1 => Just(Vec::new()),
        // Bytes that options are made of, so that many are nearly right.
        3 => vec(prop_oneof![Just(0x94), Just(4), Just(1), Just(0), Just(2), Just(3), any::<u8>()], 0..=40),
    ];
    let lengths = (
        option::weighted(0.05, 0..16_u8),
        option::weighted(0.05, 0..120_u16),
    );
    let fragment = prop_oneof![8 => Just(0), 1 => Just(0x4000), 1 => any::<u16>()];
    let ttl = prop_oneof![12 => Just(1), 1 => any::<u8>()];
    (source, options, lengths, fragment, ttl, rarely(0.95)).prop_map(
        |(source, options, (header_words, total_len), fragment, ttl, right_checksum)| Ip {
            header_words,
            total_len,
            fragment,
            ttl,
            source: source.into(),
            options,
            right_checksum,
            ..Ip::default()
        },
    )
}

/// The bytes of messages, some changed behind the back of the checksum and some before it is computed.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    let cut = option::weighted(0.2, any::<prop::sample::Index>());
    // The first byte of the group, which decides whether it is one and of which range.
    let group = option::weighted(0.2, prop_oneof![Just(232), Just(224), any::<u8>()]);
    (
        message(),
        changes,
        group,
        cut,
        vec(any::<u8>(), 0..6),
        proptest::bool::weighted(0.9),
    )
        .prop_map(|(message, changes, group, cut, more, right_checksum)| {
            let mut bytes = message.with(|message| {
                let mut buffer = vec![0xa5; message.buffer_len()];
                assert_eq!(message.emit(&mut buffer), Ok(buffer.len()));
                buffer
            });
            for (index, value) in changes {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
            if let Some(group) = group {
                bytes[4] = group;
            }
            bytes.extend(more);
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if right_checksum {
                with_checksum(&bytes)
            } else {
                bytes
            }
        })
}

fn tags() -> impl Strategy<Value = Vec<(u16, u16)>> {
    vec((prop_oneof![Just(0x8100), Just(0x88a8)], any::<u16>()), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_048))]

    #[test]
    fn frames_round_trip(message in message(), vlan in vlan(), identification: u16) {
        let source = Ipv4Addr::new(192, 0, 2, 10);
        let bytes = message.frame(vlan, source, identification);
        let link = ethernet::parse(&&bytes[..]).expect("the header is there");
        prop_assert_eq!(link.vlan, vlan);
        let header = ipv4::parse(&&bytes[..], link.payload, bytes.len()).expect("it is a packet");
        prop_assert_eq!((header.payload() + header.payload_len, header.ttl), (bytes.len(), 1));
        prop_assert_eq!(header.header_len, if ipv4::has_router_alert(&&bytes[..], &header) { 24 } else { 20 });
        prop_assert_eq!(build::checksum(&bytes[link.payload..header.payload()]), 0);
        prop_assert_eq!(build::checksum(&bytes[header.payload()..]), 0);
        // Where Ethernet and IP send it belongs together.
        prop_assert_eq!(&bytes[..3], &[0x01, 0x00, 0x5e]);
        prop_assert_eq!(bytes[3], header.destination.octets()[1] & 0x7f);
        prop_assert_eq!(&bytes[4..6], &header.destination.octets()[2..]);

        let admission = judge(&bytes, &config());
        prop_assert_eq!(admission.source, source);
        prop_assert_eq!(admission.kind, Some(message.with(|message| message.kind())));
        match (&message, admission.outcome.expect("accepted")) {
            (Owned::V1, Message::Query(query)) => {
                prop_assert_eq!((query.version, query.max_resp_code), (1, 0));
                prop_assert_eq!(header.destination, Ipv4Addr::new(224, 0, 0, 1));
            }
            (Owned::V2(time, group), Message::Query(query)) => {
                prop_assert_eq!((query.version, u32::from(query.max_resp_code)), (2, *time));
                prop_assert_eq!(query.group, group.unwrap_or(Ipv4Addr::UNSPECIFIED));
                prop_assert_eq!(header.destination, group.unwrap_or(Ipv4Addr::new(224, 0, 0, 1)));
            }
            (Owned::V3 { max_response_time, suppress, qrv, query_interval, group, sources }, Message::Query(query)) => {
                prop_assert_eq!((query.version, query.suppress, query.qrv), (3, *suppress, *qrv));
                prop_assert_eq!(query.max_resp_code, float::encode(*max_response_time));
                prop_assert_eq!(query.qqic, float::encode(*query_interval));
                prop_assert_eq!(query.group, group.unwrap_or(Ipv4Addr::UNSPECIFIED));
                prop_assert_eq!(&addresses(&bytes, query.sources, query.source_count), sources);
                prop_assert_eq!(header.destination, group.unwrap_or(Ipv4Addr::new(224, 0, 0, 1)));
            }
            (Owned::ReportV1(group), Message::Group { kind: Kind::ReportV1, group: found })
            | (Owned::ReportV2(group), Message::Group { kind: Kind::ReportV2, group: found }) => {
                prop_assert_eq!((*group, *group), (found, header.destination));
            }
            (Owned::Leave(group), Message::Group { kind: Kind::Leave, group: found }) => {
                prop_assert_eq!(*group, found);
                prop_assert_eq!(header.destination, Ipv4Addr::new(224, 0, 0, 2));
            }
            (Owned::ReportV3(expected), Message::Report(_)) => {
                let found: Vec<_> = records(&bytes, &config())
                    .into_iter()
                    .map(|(record, sources)| (RecordKind::from_code(record.code).expect("known"), record.group, sources))
                    .collect();
                prop_assert_eq!(&found, expected);
                prop_assert_eq!(header.destination, Ipv4Addr::new(224, 0, 0, 22));
            }
            (message, found) => prop_assert!(false, "{message:?} became {found:?}"),
        }
    }

    #[test]
    fn packets_with_defects_are_judged_as_by_the_model(
        header in header(), payload in payload(), tags in tags(), padding in 0..8_usize, config in any_config(),
    ) {
        let mut bytes = frame(&tags, &header.packet(&payload));
        bytes.resize(bytes.len() + padding, 0xa5);
        let found = verdict(&bytes, &config);
        prop_assert_eq!(found, model::verdict(&bytes, &config));
        prop_assert_eq!(found, verdict(&bytes, &config));
    }

    #[test]
    fn cut_and_changed_frames_are_judged_as_by_the_model(
        message in message(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        config in any_config(),
    ) {
        let mut bytes = message.frame(Vlan::Untagged, Ipv4Addr::new(192, 0, 2, 10), 0);
        for (index, value) in changes {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        prop_assert_eq!(verdict(&bytes, &config), model::verdict(&bytes, &config));
        bytes.truncate(cut.index(bytes.len()));
        prop_assert_eq!(verdict(&bytes, &config), model::verdict(&bytes, &config));
    }

    #[test]
    fn arbitrary_bytes_are_judged_as_by_the_model(bytes in vec(any::<u8>(), 0..200), config in any_config()) {
        prop_assert_eq!(verdict(&bytes, &config), model::verdict(&bytes, &config));
        // The same bytes where an IGMP packet could be.
        let bytes = frame(&[], &bytes);
        prop_assert_eq!(verdict(&bytes, &config), model::verdict(&bytes, &config));
    }

    #[test]
    fn checksums_agree_with_a_naive_one(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(checksum::finish(checksum::sum(&bytes)), build::checksum(&bytes));
    }

    #[test]
    fn folding_keeps_the_sum(sum: u64) {
        // A one's-complement sum is a remainder by 65,535, of which 0 has two forms; only the sum 0 folds to 0.
        let folded = checksum::fold(sum);
        prop_assert_eq!(u64::from(folded) % 65_535, sum % 65_535);
        prop_assert_eq!(folded == 0, sum == 0);
    }

    #[test]
    fn reading_stays_within_the_frame(bytes in vec(any::<u8>(), 0..40), offset: usize, near in 0..48_usize) {
        let packet = &bytes[..];
        prop_assert_eq!(packet.read_u32(offset.max(40)), None);
        let expected = bytes.get(near..near + 4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
        prop_assert_eq!(packet.read_u32(near), expected);
        let expected = bytes.get(near..near + 2).map(|two| u16::from_be_bytes([two[0], two[1]]));
        prop_assert_eq!(packet.read_u16(near), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn long_sums_agree_with_a_naive_one(byte: u8, len in 0..65_536_usize) {
        let bytes = vec![byte; len];
        prop_assert_eq!(checksum::finish(checksum::sum(&bytes)), build::checksum(&bytes));
    }
}

/// The generated frames are worth something only if they reach every rule.
#[test]
fn generated_packets_meet_every_refusal() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let strategy = (header(), payload(), any_config());
    let mut met = [0_u32; Refusal::COUNT];
    let mut accepted = 0;
    for _ in 0..4_000 {
        let (header, payload, config) = strategy
            .new_tree(&mut runner)
            .expect("nothing is filtered out")
            .current();
        match verdict(&header.frame(&payload), &config) {
            Some((_, Ok(()))) => accepted += 1,
            Some((_, Err(refusal))) => met[refusal as usize] += 1,
            None => {}
        }
    }
    assert!(accepted > 100, "{accepted}");
    for refusal in [
        Refusal::TooShort,
        Refusal::Checksum,
        Refusal::Ttl,
        Refusal::RouterAlert,
        Refusal::Source,
        Refusal::Group,
        Refusal::SsmRange,
        Refusal::UnknownType,
        Refusal::Malformed,
        Refusal::Fragment,
    ] {
        assert!(met[refusal as usize] > 0, "{refusal:?}: {met:?}");
    }
}
