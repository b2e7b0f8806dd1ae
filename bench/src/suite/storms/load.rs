//! The storms themselves: reports for groups that follow one another.

use std::net::Ipv4Addr;

use ::tests::{
    Packet,
    packet::{IS_EX, Record, TO_EX},
};

use crate::{load::packet_socket::Frames, site::HOST};

/// The first group of each storm.
pub(crate) const FIRST_GROUP: Ipv4Addr = Ipv4Addr::new(239, 0, 0, 0);
/// Records of a report of version 3.
pub(crate) const RECORDS: usize = 50;

/// The version of the reports, and with it how many groups one of them names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// A report for each group.
    V2,
    /// [`RECORDS`] groups in a report.
    V3,
}

/// Whether the groups are new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Storm {
    /// Hosts join.
    Joins,
    /// The same hosts answer a query.
    Refreshes,
}

impl Version {
    pub(crate) const ALL: [Self; 2] = [Self::V2, Self::V3];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V2 => "version 2",
            Self::V3 => "version 3, 50 records a report",
        }
    }

    /// The name in IDs of goals and names of files.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V3 => "v3",
        }
    }

    /// Reports for so many groups.
    pub(crate) fn frames(self, storm: Storm, groups: u32) -> Frames {
        let all = (0..groups).map(group);
        match self {
            Self::V2 => all.map(|group| Packet::v2_report(HOST, group).frame()).collect(),
            Self::V3 => {
                // A host that joins changes its filter mode to EXCLUDE with no source, and then has that state (RFC 9776 §5).
                let kind = match storm {
                    Storm::Joins => TO_EX,
                    Storm::Refreshes => IS_EX,
                };
                let records: Vec<Record> = all.map(|group| Record::new(kind, group, &[])).collect();
                records
                    .chunks(RECORDS)
                    .map(|records| Packet::v3_report(HOST, records).frame())
                    .collect()
            }
        }
    }
}

/// The group of this number.
fn group(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST_GROUP.to_bits() + number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_names_each_group_once() {
        let frames = Version::V3.frames(Storm::Joins, 101);
        assert_eq!(frames.len(), 3);
        let mut seen = Vec::new();
        for frame in frames.iter() {
            // Behind the headers of Ethernet and IPv4 with Router Alert.
            let records = Record::parse_all(frame.get(38..).expect("a message"));
            // Padding to the least length of a frame is behind the records, and makes the lengths disagree.
            if let Some(records) = records {
                seen.extend(records.into_iter().map(|record| (record.kind, record.group)));
            }
        }
        let wanted = (0..100).map(|number| (TO_EX, group(number)));
        assert!(seen.into_iter().eq(wanted));
        assert_eq!(Version::V2.frames(Storm::Refreshes, 101).len(), 101);
    }
}
