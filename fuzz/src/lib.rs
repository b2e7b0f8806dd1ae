//! What the fuzz targets have in common: each decoder called with any bytes, and the protocol core told of any events, with
//! assertions on what they answer.
//!
//! ```text
//! cargo +nightly fuzz run frame -- -max_total_time=60
//! ```

#![forbid(unsafe_code)]

pub mod router;

use igmp_wire::{
    abi::{Command, Event, GroupKey, InterfaceConfig, InterfaceFlags, Prefix, SourceEntry, SourceKey},
    admit::{self, Message},
    checksum,
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
    round_trip!(Command, Event, GroupKey, SourceKey, SourceEntry);
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
