//! Group records in as few messages as they fit in (RFC 9776 §4.2.17).

use igmp_wire::igmp::RecordKind;

use super::{
    action::ReportRecord,
    membership::{RECORD_LEN, SOURCE_LEN},
};
use crate::parameters::{MAX_PACKET, MIN_MTU};

/// What stands before the records of a report, in bytes: an IPv4 header with Router Alert, and the report's own.
const OVERHEAD: u32 = 24 + 8;
const _: () = assert!(
    MIN_MTU as usize >= OVERHEAD as usize + RECORD_LEN + SOURCE_LEN,
    "any packet has room for a record with a source"
);

/// How many bytes of records fit into a packet.
pub(super) fn room(mtu: u32) -> usize {
    (mtu.clamp(MIN_MTU, MAX_PACKET) - OVERHEAD) as usize
}

/// Packs records into messages.
#[derive(Debug)]
pub(super) struct Packing {
    room: usize,
    /// What is left of the message that is begun.
    left: usize,
    messages: Vec<Vec<ReportRecord>>,
}

impl Packing {
    /// Messages with so much room for records each, in bytes.
    pub(super) fn new(room: usize) -> Self {
        Self {
            room,
            left: 0,
            messages: Vec::new(),
        }
    }

    /// How many messages there are, the begun one included.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// How many messages it would be with records of `lens` bytes, too.
    pub(super) fn len_with(&self, lens: impl Iterator<Item = usize>) -> usize {
        let mut left = self.left;
        let mut messages = self.messages.len();
        for len in lens {
            if len <= left {
                left -= len;
            } else {
                messages += len.div_ceil(self.room);
                left = 0;
            }
        }
        messages
    }

    /// Adds a record. One that does not fit into a message of its own is split over several ones, or cut off where its type
    /// is IS_EX or TO_EX: then always the same sources are left out, those at the end.
    pub(super) fn push(&mut self, mut record: ReportRecord) {
        let most = (self.room - RECORD_LEN) / SOURCE_LEN;
        if matches!(record.kind, RecordKind::IsExclude | RecordKind::ToExclude) {
            record.sources.truncate(most);
        }
        while record.sources.len() > most {
            let rest = record.sources.split_off(most);
            let sources = core::mem::replace(&mut record.sources, rest);
            self.add(ReportRecord { sources, ..record });
        }
        self.add(record);
    }

    fn add(&mut self, record: ReportRecord) {
        let len = len(&record);
        match self.messages.last_mut() {
            Some(message) if len <= self.left => {
                message.push(record);
                self.left -= len;
            }
            _ => {
                self.messages.push(vec![record]);
                self.left = self.room.saturating_sub(len);
            }
        }
    }

    /// The messages.
    pub(super) fn finish(self) -> Vec<Vec<ReportRecord>> {
        self.messages
    }
}

/// Length of a record, in bytes.
pub(super) fn len(record: &ReportRecord) -> usize {
    RECORD_LEN + record.sources.len() * SOURCE_LEN
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use igmp_wire::{
        emit::{Message, Record},
        igmp::RecordKind::{self, Allow, IsExclude, IsInclude, ToExclude, ToInclude},
    };
    use proptest::prelude::*;

    use super::{Packing, room};
    use crate::host::action::ReportRecord;

    fn record(kind: RecordKind, last: u8, sources: u32) -> ReportRecord {
        ReportRecord {
            kind,
            group: Ipv4Addr::new(239, 1, 1, last),
            sources: (1..=sources)
                .map(|number| Ipv4Addr::from_bits(0x0a00_0000 + number))
                .collect(),
        }
    }

    fn pack(mtu: u32, records: &[ReportRecord]) -> Vec<Vec<ReportRecord>> {
        let mut packing = Packing::new(room(mtu));
        for record in records {
            packing.push(record.clone());
        }
        packing.finish()
    }

    /// 1500 = 24 + 8 + 183 * 8 + 4.
    #[test]
    fn an_ethernet_packet_holds_183_groups() {
        let records: Vec<_> = (0..=255).map(|last| record(IsExclude, last, 0)).collect();
        let lens: Vec<_> = pack(1500, &records).iter().map(Vec::len).collect();
        assert_eq!(lens, [183, 73]);
    }

    /// 1500 = 24 + 8 + 8 + 365 * 4.
    #[test]
    fn long_lists_are_split_or_cut_off() {
        for kind in [IsInclude, ToInclude, Allow, RecordKind::Block] {
            let whole = record(kind, 1, 800);
            let messages = pack(1500, std::slice::from_ref(&whole));
            let lens: Vec<_> = messages.iter().map(|records| records[0].sources.len()).collect();
            assert_eq!(lens, [365, 365, 70]);
            assert!(
                messages
                    .iter()
                    .flatten()
                    .all(|part| part.kind == kind && part.group == whole.group)
            );
            let parts: Vec<_> = messages
                .into_iter()
                .flatten()
                .flat_map(|part| part.sources)
                .collect();
            assert_eq!(parts, whole.sources);
        }
        for kind in [IsExclude, ToExclude] {
            let whole = record(kind, 1, 800);
            let messages = pack(1500, std::slice::from_ref(&whole));
            assert_eq!(messages.len(), 1);
            assert_eq!(messages[0][0].sources, whole.sources[..365]);
        }
    }

    fn kinds() -> impl Strategy<Value = RecordKind> {
        (1_u8..=6).prop_map(|code| RecordKind::from_code(code).expect("a code of the table"))
    }

    proptest! {
        /// Measured by the encoder.
        #[test]
        fn messages_fit_and_nothing_is_lost(
            mtu in 0_u32..3000,
            records in prop::collection::vec((kinds(), any::<u8>(), 0_u32..900), 1..12),
        ) {
            let records: Vec<_> = records.into_iter().map(|(kind, last, count)| record(kind, last, count)).collect();
            let most = (room(mtu) - 8) / 4;
            let messages = pack(mtu, &records);
            for message in &messages {
                let records: Vec<Record> = message
                    .iter()
                    .map(|record| Record { kind: record.kind, group: record.group, sources: &record.sources })
                    .collect();
                prop_assert!(24 + Message::ReportV3(&records).buffer_len() <= mtu.max(68) as usize);
            }
            let mut parts = messages.into_iter().flatten();
            for whole in records {
                let cuts_off = matches!(whole.kind, IsExclude | ToExclude);
                let end = if cuts_off { whole.sources.len().min(most) } else { whole.sources.len() };
                let mut sources = Vec::new();
                loop {
                    let part = parts.next().expect("a part");
                    prop_assert_eq!((part.kind, part.group), (whole.kind, whole.group));
                    sources.extend(part.sources);
                    if sources.len() >= end {
                        break;
                    }
                }
                prop_assert_eq!(&sources, &whole.sources[..end]);
            }
            prop_assert_eq!(parts.next(), None);
        }
    }
}
