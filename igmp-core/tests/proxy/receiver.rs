//! A router that misses nothing and asks nobody: what it has been told is what is wanted.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp_core::host::{ReportMessage, ReportRecord};
use igmp_wire::igmp::RecordKind;

/// Whether a group is in EXCLUDE mode, and its source list.
pub(crate) type Record = (bool, BTreeSet<Ipv4Addr>);

/// What one host has told.
#[derive(Debug, Default)]
pub(crate) struct Receiver(pub(crate) BTreeMap<Ipv4Addr, Record>);

impl Receiver {
    /// Takes in a message. A Current-State Record has to agree with what was told before.
    pub(crate) fn receive(&mut self, message: &ReportMessage) {
        match message {
            ReportMessage::V1(group) | ReportMessage::V2(group) => {
                self.0.insert(*group, (true, BTreeSet::new()));
            }
            ReportMessage::Leave(group) => {
                self.0.remove(group);
            }
            ReportMessage::V3(records) => {
                for record in records {
                    self.take(record);
                }
            }
        }
        self.0
            .retain(|_, (exclude, sources)| *exclude || !sources.is_empty());
    }

    fn take(&mut self, record: &ReportRecord) {
        let listed: BTreeSet<Ipv4Addr> = record.sources.iter().copied().collect();
        let (exclude, sources) = self.0.entry(record.group).or_default();
        match record.kind {
            RecordKind::ToExclude => (*exclude, *sources) = (true, listed),
            RecordKind::ToInclude => (*exclude, *sources) = (false, listed),
            RecordKind::Allow if *exclude => *sources = &*sources - &listed,
            RecordKind::Block if !*exclude => *sources = &*sources - &listed,
            RecordKind::Allow | RecordKind::Block => sources.extend(listed),
            RecordKind::IsExclude => assert!(*exclude && *sources == listed, "{record:?} after {sources:?}"),
            // It may answer for some sources.
            RecordKind::IsInclude if *exclude => assert!(sources.is_disjoint(&listed), "{record:?}"),
            RecordKind::IsInclude => assert!(sources.is_superset(&listed), "{record:?} after {sources:?}"),
        }
    }
}
