//! What the fuzz targets have in common: each decoder called with any bytes, and the protocol core told of any events,
//! with assertions on what they answer.
//!
//! ```text
//! cargo +nightly fuzz run frame -- -max_total_time=60
//! ```

#![forbid(unsafe_code)]

mod pim;
pub mod router;

pub use pim::pim;

use igmp_wire::{
    Refusal,
    abi::{
        Command, Event, FlowEntry, ForwardingState, GroupKey, InterfaceConfig, InterfaceFlags, Prefix,
        RouteEntry, RouteKey, SourceEntry, SourceKey,
    },
    admit::{self, Message},
    checksum,
    data::{self, Header},
    ethernet,
    igmp::{Kind, MIN_MESSAGE_LEN, RecordWalk, query},
    ipv4,
};

/// A version 3 interface with the address 192.0.2.254/24 that requires nothing it need not, so that more frames get
/// through to the later checks.
fn config() -> InterfaceConfig {
    let mut config = InterfaceConfig {
        version: 3,
        flags: InterfaceFlags::IGMP,
        prefix_count: 1,
        ..InterfaceConfig::default()
    };
    config.prefixes[0] = Prefix {
        address: 0xc000_02fe,
        mask: 0xffff_ff00,
    };
    config
}

/// A frame from the driver to the last record, as it is and with right checksums, which bytes by chance never have.
pub fn frame(frame: &[u8]) {
    let Some(envelope) = admit::envelope(&frame) else {
        return;
    };
    judge(frame, envelope.ip);
    if let Some(repaired) = repair(frame, envelope.ip) {
        judge(&repaired, envelope.ip);
    }
}

fn judge(frame: &[u8], ip: usize) {
    let config = config();
    let admission = admit::admit(&frame, ip, frame.len(), &config);
    assert_eq!(admission, admit::admit(&frame, ip, frame.len(), &config));
    match admission.outcome {
        Ok(Message::Query(found)) => sources_are_within(frame, found.sources, found.source_count),
        Ok(Message::Report(walk)) if admit::fits(&frame, &walk).is_ok() => records(frame, walk),
        Ok(Message::Report(_) | Message::Group { .. }) | Err(_) => {}
    }
}

/// The frame with the checksums of the IPv4 header and of its payload put right, where there is room for both.
fn repair(frame: &[u8], ip: usize) -> Option<Vec<u8>> {
    let header = ipv4::parse(&frame, ip, frame.len()).ok()?;
    let mut repaired = frame.to_vec();
    let (before, payload) = repaired.split_at_mut(header.payload());
    let payload = payload.get_mut(..header.payload_len)?;
    put_checksum(payload, 2)?;
    put_checksum(before.get_mut(ip..)?, 10)?;
    Some(repaired)
}

fn put_checksum(bytes: &mut [u8], at: usize) -> Option<()> {
    bytes.get_mut(at..at + 2)?.fill(0);
    let value = checksum::finish(checksum::sum(bytes)).to_be_bytes();
    bytes.get_mut(at..at + 2)?.copy_from_slice(&value);
    Some(())
}

/// A frame of multicast data, as it is and with the right checksum of its IPv4 header.
pub fn data(frame: &[u8]) {
    let ip = ethernet::HEADER_LEN;
    let Err(Refusal::Checksum) = hop(frame, ip) else {
        return;
    };
    let mut repaired = frame.to_vec();
    let header_len = frame.get(ip).map_or(0, |first| usize::from(first & 0x0f) * 4);
    let repaired_header = repaired
        .get_mut(ip..ip + header_len)
        .and_then(|header| put_checksum(header, 10));
    assert!(repaired_header.is_some(), "what was summed is there");
    assert_ne!(hop(&repaired, ip).err(), Some(Refusal::Checksum));
}

/// Judges a packet, lets it take a hop, and judges it again.
fn hop(frame: &[u8], ip: usize) -> Result<Header, Refusal> {
    let config = config();
    let header = data::judge(&frame, ip, frame.len(), &config)?;
    assert!((20..=60).contains(&header.header_len) && header.header_len <= header.total_len);
    assert!(ip + header.total_len <= frame.len());
    let complete = data::has_complete_checksum(&frame, ip, &header);
    if header.ttl > 1 {
        let mut forwarded = frame.to_vec();
        if let Some([ttl, protocol, high, low]) = forwarded.get_mut(ip + 8..ip + 12) {
            let sum = data::checksum_after_hop(u16::from_be_bytes([*high, *low]), *ttl, *protocol);
            *ttl -= 1;
            [*high, *low] = sum.to_be_bytes();
        }
        let packet = &forwarded[..];
        let after = Header {
            ttl: header.ttl - 1,
            ..header
        };
        assert_eq!(data::judge(&packet, ip, packet.len(), &config), Ok(after));
        assert_eq!(data::has_complete_checksum(&packet, ip, &after), complete);
    }
    Ok(header)
}

/// A message as a query of each version.
pub fn query(message: &[u8]) {
    for kind in [Kind::QueryV1, Kind::QueryV2, Kind::QueryV3] {
        if let Ok(found) = query::parse(&message, kind, 0, message.len()) {
            sources_are_within(message, found.sources, found.source_count);
        }
    }
}

/// A message as a version 3 report.
pub fn report(message: &[u8]) {
    if message.len() < MIN_MESSAGE_LEN {
        assert!(RecordWalk::new(&message, 0, message.len()).is_err());
    } else if let Ok(walk) = RecordWalk::new(&message, 0, message.len())
        && admit::fits(&message, &walk).is_ok()
    {
        records(message, walk);
    }
}

/// What user space reads from maps and the ring.
pub fn abi(bytes: &[u8]) {
    macro_rules! round_trip {
        ($($type:ident),+) => {$(
            match $type::from_bytes(bytes) {
                Some(value) => assert_eq!(Some(&value.to_bytes()[..]), bytes.get(..$type::LEN)),
                None => assert!(bytes.len() < $type::LEN),
            }
        )+};
    }
    round_trip!(
        Command,
        Event,
        GroupKey,
        SourceKey,
        SourceEntry,
        RouteKey,
        RouteEntry,
        FlowEntry,
        ForwardingState
    );
}

/// Walks a report whose records fit.
fn records(packet: &[u8], mut walk: RecordWalk) {
    let announced = walk.remaining();
    let mut seen = 0;
    while let Ok(Some(record)) = walk.next(&packet) {
        sources_are_within(packet, record.sources, record.source_count);
        // Whatever the judgement, it is one.
        let _ = admit::judge_record(&record);
        seen += 1;
    }
    assert_eq!(seen, announced);
}

fn sources_are_within(packet: &[u8], sources: usize, count: u16) {
    assert!(count == 0 || sources + usize::from(count) * 4 <= packet.len());
}
