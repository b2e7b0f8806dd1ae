//! Names of groups that the IANA has assigned.

use std::{net::Ipv4Addr, sync::LazyLock};

/// The registry's entries, ascending: an address or the first and last of a range, a tab, the name.
const TABLE: &str = include_str!("well-known-groups.tsv");

/// The same, taken apart once: a table of routes or groups asks for every row.
static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| TABLE.lines().filter_map(entry).collect());

/// The first and the last group of a range, and its name.
type Entry = (Ipv4Addr, Ipv4Addr, &'static str);

/// The name of a group in the IANA's registry of IPv4 multicast addresses.
pub(super) fn name(group: Ipv4Addr) -> Option<&'static str> {
    let after = ENTRIES.partition_point(|(first, ..)| *first <= group);
    let (_, last, name) = ENTRIES.get(after.checked_sub(1)?)?;
    (group <= *last).then_some(*name)
}

fn entry(line: &'static str) -> Option<Entry> {
    let (range, name) = line.split_once('\t')?;
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    Some((first.parse().ok()?, last.parse().ok()?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_an_entry_and_they_ascend() {
        let mut before = None;
        for line in TABLE.lines() {
            let (first, last, name) = entry(line).expect(line);
            assert!(first <= last && before < Some(first), "{line}");
            assert!(first.is_multicast() && last.is_multicast(), "{line}");
            assert!(!name.is_empty() && name.trim() == name, "{line}");
            before = Some(last);
        }
    }

    #[test]
    fn groups_have_the_names_of_the_registry() {
        let cases = [
            ([224, 0, 0, 251], Some("mDNS")),
            ([224, 0, 1, 24], Some("microsoft-ds")),
            ([224, 0, 1, 129], Some("PTP-primary")),
            ([224, 0, 12, 5], Some("Microsoft and MSNBC")),
            ([239, 255, 255, 250], Some("SSDP")),
            ([239, 1, 1, 1], None),
            ([232, 1, 1, 1], None),
        ];
        for (group, expected) in cases {
            assert_eq!(name(group.into()), expected, "{group:?}");
        }
    }
}
