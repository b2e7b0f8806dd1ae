//! What a proxy is to ask of its upstream router for all of these interfaces together (RFC 4605 §4.1).

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp_core::{
    Duration, FilterMode, GroupView, Instant, InterfaceConfig, InterfaceId, ReportKind, Router,
    SourceListChange, Subscription, SubscriptionChange,
};
use igmp_wire::igmp::RecordKind::{Allow, IsExclude, IsInclude, ToInclude};

use crate::{
    bench::{Bench, GROUP, source, wanted, with},
    routes::Silent,
};

/// A membership record: whether it is in EXCLUDE mode, and its source list.
type Record = (bool, BTreeSet<Ipv4Addr>);

/// What the changes that were told make of a membership database.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Database(BTreeMap<Ipv4Addr, Record>);

impl Database {
    /// Carries out changes. Says what is wrong with them by themselves.
    pub(crate) fn follow(&mut self, changes: Vec<SubscriptionChange>) -> Result<(), String> {
        for change in changes {
            let text = format!("{change:?} after {self:?}");
            let (exclude, sources) = self.0.entry(change.group).or_default();
            let is_exclude = change.filter_mode == FilterMode::Exclude;
            match change.sources {
                SourceListChange::Replaced(list) => *sources = list.into_iter().collect(),
                SourceListChange::Changed { added, removed } => {
                    let is_news = added.into_iter().all(|source| sources.insert(source))
                        && removed.into_iter().all(|source| sources.remove(&source));
                    if !is_news || is_exclude != *exclude {
                        return Err(text);
                    }
                }
            }
            *exclude = is_exclude;
            self.0
                .retain(|_, (exclude, sources)| *exclude || !sources.is_empty());
        }
        Ok(())
    }

    /// Compares with what follows from all groups of a router.
    pub(crate) fn compare(&self, router: &Router, now: Instant, upstream: InterfaceId) -> Result<(), String> {
        let expected = naive(router, now, upstream);
        if self.0 != expected {
            return Err(format!("told of {:?}, expected {expected:?}", self.0));
        }
        let shown = router
            .subscriptions(Ipv4Addr::UNSPECIFIED, usize::MAX)
            .into_iter();
        let shown: BTreeMap<Ipv4Addr, Record> = shown
            .map(|record: Subscription| {
                let is_exclude = record.filter_mode == FilterMode::Exclude;
                (record.group, (is_exclude, record.sources.into_iter().collect()))
            })
            .collect();
        if self.0 != shown {
            return Err(format!("told of {:?}, shown {shown:?}", self.0));
        }
        Ok(())
    }

    fn of(&self, group: Ipv4Addr) -> String {
        let Some((exclude, sources)) = self.0.get(&group) else {
            return "none".to_owned();
        };
        let sources: Vec<u8> = sources.iter().map(|source| source.octets()[3]).collect();
        format!("{} {sources:?}", if *exclude { "EXCLUDE" } else { "INCLUDE" })
    }
}

/// RFC 9776 §3.2 by its lists, with the preparation of RFC 4605 §4.1.
fn naive(router: &Router, now: Instant, upstream: InterfaceId) -> BTreeMap<Ipv4Addr, Record> {
    let mut groups: BTreeMap<Ipv4Addr, Vec<Record>> = BTreeMap::new();
    for interface in router.interfaces().filter(|interface| *interface != upstream) {
        for view in router.groups(now, interface, Ipv4Addr::UNSPECIFIED, usize::MAX, &mut Silent) {
            if view.group.octets()[..3] != [224, 0, 0] {
                groups.entry(view.group).or_default().push(prepare(&view));
            }
        }
    }
    let merge = |records: Vec<Record>| -> Record {
        let includes = records.iter().filter(|(exclude, _)| !exclude);
        let union: BTreeSet<_> = includes.flat_map(|(_, list)| list).copied().collect();
        let excludes = records.iter().filter(|(exclude, _)| *exclude);
        let intersection = excludes
            .map(|(_, list)| list.clone())
            .reduce(|one, other| &one & &other);
        match intersection {
            Some(intersection) => (true, &intersection - &union),
            None => (false, union),
        }
    };
    let merged = groups.into_iter().map(|(group, records)| (group, merge(records)));
    merged
        .filter(|(_, (exclude, sources))| *exclude || !sources.is_empty())
        .collect()
}

/// A subscription without timers. In EXCLUDE mode it lists those sources only whose timers do not run, and in the
/// source-specific range any source is not asked for (RFC 9776 §6.4).
fn prepare(view: &GroupView) -> Record {
    let is_exclude = view.filter_mode == FilterMode::Exclude && view.group.octets()[0] != 232;
    let listed = view.sources.iter().filter(|source| {
        if view.group.octets()[0] == 232 {
            return source.is_static || source.expires.is_some_and(|left| left > Duration::ZERO);
        }
        source.forwarding != is_exclude
    });
    (is_exclude, listed.map(|source| source.source).collect())
}

fn proxy() -> Bench {
    let mut bench = Bench::new();
    bench.set_upstream(Some(9));
    bench
}

/// The example of RFC 9776 §3.2: sources a to f are 1 to 6.
#[test]
fn members_are_merged_as_in_the_example() {
    let mut bench = proxy();
    bench.record(1, IsExclude, &[1, 2, 3, 4]);
    assert_eq!(bench.database.of(GROUP), "EXCLUDE [1, 2, 3, 4]");
    bench.record(2, IsExclude, &[2, 3, 4, 5]);
    assert_eq!(bench.database.of(GROUP), "EXCLUDE [2, 3, 4]");
    bench.record(3, IsInclude, &[4, 5, 6]);
    assert_eq!(bench.database.of(GROUP), "EXCLUDE [2, 3]");
    bench.up(4, with(&[wanted(None)]));
    assert_eq!(bench.database.of(GROUP), "EXCLUDE []");
}

/// The other example there.
#[test]
fn members_of_sources_are_merged_as_in_the_example() {
    let mut bench = proxy();
    bench.record(1, IsInclude, &[1, 2, 3]);
    bench.record(2, IsInclude, &[2, 3, 4]);
    bench.record(3, IsInclude, &[5, 6]);
    assert_eq!(bench.database.of(GROUP), "INCLUDE [1, 2, 3, 4, 5, 6]");
    bench.down(1);
    assert_eq!(bench.database.of(GROUP), "INCLUDE [2, 3, 4, 5, 6]");
}

/// The example of RFC 4605 §4.1.
#[test]
fn an_older_member_wants_any_source() {
    let mut bench = proxy();
    bench.record(2, Allow, &[1, 2]);
    assert_eq!(bench.database.of(GROUP), "INCLUDE [1, 2]");
    bench.report((1, GROUP), ReportKind::V2, &[]);
    assert_eq!(bench.database.of(GROUP), "EXCLUDE []");
    bench.report((1, GROUP), ReportKind::Leave, &[]);
    bench.run_to(2.0);
    assert_eq!(bench.database.of(GROUP), "INCLUDE [1, 2]");
    bench.record(2, ToInclude, &[]);
    bench.run_to(4.0);
    assert_eq!(bench.database.of(GROUP), "none");
}

/// A source whose timer runs is not on the EXCLUDE list until it ends.
#[test]
fn requested_sources_are_not_excluded() {
    let mut bench = proxy();
    bench.record(1, Allow, &[1]);
    bench.run_to(10.0);
    bench.record(1, IsExclude, &[1, 2]);
    assert_eq!(bench.database.of(GROUP), "EXCLUDE [2]");
    bench.run_to(270.0);
    assert_eq!(bench.database.of(GROUP), "EXCLUDE [1, 2]");
    bench.run_to(280.0);
    assert_eq!(bench.database.of(GROUP), "none");
}

#[test]
fn groups_that_stay_on_their_link_are_not_asked_for() {
    let mut bench = proxy();
    let group = Ipv4Addr::new(224, 0, 0, 251);
    bench.report((1, group), ReportKind::V2, &[]);
    assert_eq!(bench.database.of(group), "none");
}

#[test]
fn source_specific_groups_are_asked_for_by_source_alone() {
    let mut bench = proxy();
    let group = Ipv4Addr::new(232, 1, 1, 1);
    let config = InterfaceConfig {
        static_groups: [None, Some(source(3))]
            .map(|source| igmp_core::StaticGroup { group, source })
            .to_vec(),
        ..InterfaceConfig::default()
    };
    bench.up(1, config);
    assert_eq!(bench.database.of(group), "INCLUDE [3]");
    bench.report((2, group), ReportKind::Record(Allow), &[4]);
    assert_eq!(bench.database.of(group), "INCLUDE [3, 4]");
}

#[test]
fn members_on_the_upstream_interface_do_not_count() {
    let mut bench = Bench::new();
    bench.record(1, IsExclude, &[1]);
    bench.record(2, IsInclude, &[1]);
    bench.set_upstream(Some(1));
    assert_eq!(bench.database.of(GROUP), "INCLUDE [1]");
    bench.record(1, Allow, &[7]);
    assert_eq!(bench.database.of(GROUP), "INCLUDE [1]");
    bench.set_upstream(Some(2));
    assert_eq!(bench.database.of(GROUP), "EXCLUDE [1]");
    bench.down(1);
    assert_eq!(bench.database.of(GROUP), "none");
}
