//! What members on single interfaces want, as PIM is told (RFC 7761 §4.1.6).

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp_core::{FilterMode, Instant, InterfaceId, MemberChange, MemberWish, ReportKind, Router, SourceWish};
use igmp_wire::igmp::RecordKind::{Allow, Block, IsExclude, IsInclude, ToExclude, ToInclude};

use crate::{
    bench::{Bench, GROUP, source, wanted, with},
    routes::Silent,
};

/// What members of one group want on one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wishes {
    any_source: bool,
    sources: BTreeMap<Ipv4Addr, SourceWish>,
}

impl Wishes {
    /// Whether packets of a source are to come here.
    fn wants(&self, source: Ipv4Addr) -> bool {
        match self.sources.get(&source) {
            None | Some(SourceWish::AsAnySource) => self.any_source,
            Some(SourceWish::Include) => true,
            Some(SourceWish::Exclude) => false,
        }
    }

    fn is_empty(&self) -> bool {
        !self.any_source && self.sources.is_empty()
    }
}

type Places = BTreeMap<(InterfaceId, Ipv4Addr), Wishes>;

/// What the changes that were told make of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Told(Places);

impl Told {
    /// Carries out the changes of one call. Says what is wrong with them by themselves: they tell nothing that is
    /// known, and lead each source over in one step.
    pub(crate) fn follow(&mut self, changes: &[MemberChange]) -> Result<(), String> {
        let places: BTreeSet<_> = changes
            .iter()
            .map(|change| (change.interface, change.group))
            .collect();
        for place in places {
            let old = self.0.get(&place).cloned().unwrap_or_default();
            let mut between = old.clone();
            let mut states = Vec::new();
            for change in changes
                .iter()
                .filter(|change| (change.interface, change.group) == place)
            {
                let is_news = match change.wish {
                    MemberWish::AnySource(is_wanted) => {
                        core::mem::replace(&mut between.any_source, is_wanted) != is_wanted
                    }
                    MemberWish::Source(address, SourceWish::AsAnySource) => {
                        between.sources.remove(&address).is_some()
                    }
                    MemberWish::Source(address, wish) => between.sources.insert(address, wish) != Some(wish),
                };
                if !is_news {
                    return Err(format!("{change:?} is no news after {old:?}"));
                }
                states.push(between.clone());
            }
            // An address that nobody names stands for all others.
            let unnamed = Ipv4Addr::new(198, 51, 100, 255);
            let named = states
                .iter()
                .chain([&old])
                .flat_map(|wishes| wishes.sources.keys());
            for address in named.chain([&unnamed]) {
                let turns = [&old]
                    .into_iter()
                    .chain(&states)
                    .map(|wishes| wishes.wants(*address));
                let turns: Vec<bool> = turns.collect();
                if turns.windows(2).filter(|pair| pair[0] != pair[1]).count() > 1 {
                    return Err(format!("{address} goes {turns:?} from {old:?} by {changes:?}"));
                }
            }
            self.0.insert(place, between);
        }
        self.0.retain(|_, wishes| !wishes.is_empty());
        Ok(())
    }

    /// Compares with what follows from all groups of a router.
    pub(crate) fn compare(&self, router: &Router, now: Instant) -> Result<(), String> {
        let expected = naive(router, now);
        if self.0 != expected {
            return Err(format!("told of {:?}, expected {expected:?}", self.0));
        }
        Ok(())
    }

    fn of(&self, number: u32) -> String {
        let Some(wishes) = self.0.get(&(InterfaceId(number), GROUP)) else {
            return "nothing".to_owned();
        };
        let any = if wishes.any_source { "any" } else { "named" };
        let sources = wishes.sources.iter().map(|(source, wish)| {
            let sign = match wish {
                SourceWish::Include => '+',
                SourceWish::Exclude => '-',
                SourceWish::AsAnySource => '?',
            };
            format!(" {sign}{}", source.octets()[3])
        });
        format!("{any}{}", sources.collect::<String>())
    }
}

/// `local_receiver_include` and `local_receiver_exclude` by the words of RFC 7761 §4.1.6: a source is included where
/// the group is in INCLUDE mode with it or the timer of a requested source runs, and it is excluded where other sources
/// are wanted and it is not forwarded.
fn naive(router: &Router, now: Instant) -> Places {
    let mut places = Places::new();
    for interface in router.interfaces() {
        for view in router.groups(now, interface, Ipv4Addr::UNSPECIFIED, usize::MAX, &mut Silent) {
            if view.group.octets()[..3] == [224, 0, 0] {
                continue;
            }
            let any_source = view.filter_mode == FilterMode::Exclude;
            let mut sources = BTreeMap::new();
            for listed in view.sources {
                let is_running = listed.expires.is_some_and(|left| left.as_nanos() > 0);
                if listed.is_static || is_running {
                    sources.insert(listed.source, SourceWish::Include);
                } else if any_source && !listed.forwarding {
                    sources.insert(listed.source, SourceWish::Exclude);
                }
            }
            let wishes = Wishes { any_source, sources };
            if !wishes.is_empty() {
                places.insert((interface, view.group), wishes);
            }
        }
    }
    places
}

fn told() -> Bench {
    let mut bench = Bench::new();
    bench.set_member_log(true);
    bench
}

#[test]
fn a_member_of_any_source_excludes_those_that_it_lists() {
    let mut bench = told();
    bench.record(1, IsExclude, &[1, 2]);
    assert_eq!(bench.told.of(1), "any -1 -2");
    assert_eq!(bench.told.of(2), "nothing");
    bench.record(1, ToExclude, &[2]);
    // Source 1 is asked for from now on, by name, until its timer ends (RFC 9776 §6.4.2).
    assert_eq!(bench.told.of(1), "any -2");
    bench.report((1, GROUP), ReportKind::Leave, &[]);
    bench.run_to(3.0);
    assert_eq!(bench.told.of(1), "nothing");
}

#[test]
fn a_member_of_sources_includes_them() {
    let mut bench = told();
    bench.record(2, IsInclude, &[1]);
    bench.record(2, Allow, &[2]);
    assert_eq!(bench.told.of(2), "named +1 +2");
    bench.record(2, Block, &[1]);
    bench.run_to(3.0);
    assert_eq!(bench.told.of(2), "named +2");
    bench.record(2, ToInclude, &[]);
    bench.run_to(6.0);
    assert_eq!(bench.told.of(2), "nothing");
}

/// A host that excludes a source does not keep it from the others of its link.
#[test]
fn a_source_that_anybody_wants_is_not_excluded() {
    let mut bench = told();
    bench.record(1, IsExclude, &[1, 2, 3]);
    assert_eq!(bench.told.of(1), "any -1 -2 -3");
    bench.up(1, with(&[wanted(Some(1))]));
    assert_eq!(bench.told.of(1), "any +1 -2 -3");
    bench.up(1, with(&[wanted(None)]));
    assert_eq!(bench.told.of(1), "any");
    bench.up(1, with(&[]));
    assert_eq!(bench.told.of(1), "any -1 -2 -3");
    bench.down(1);
    assert_eq!(bench.told.of(1), "nothing");
}

/// Each interface speaks for itself.
#[test]
fn interfaces_are_told_apart() {
    let mut bench = told();
    bench.record(1, IsExclude, &[1]);
    bench.record(2, IsInclude, &[1]);
    bench.up(3, with(&[wanted(None)]));
    let all = [1, 2, 3].map(|number| bench.told.of(number));
    assert_eq!(all, ["any -1", "named +1", "any"]);
}

#[test]
fn switching_on_tells_what_there_is() {
    let mut bench = Bench::new();
    bench.record(1, IsExclude, &[1]);
    bench.record(2, Allow, &[5]);
    assert_eq!(bench.router.take_member_changes(), []);
    bench.set_member_log(true);
    assert_eq!([1, 2].map(|number| bench.told.of(number)), ["any -1", "named +5"]);
    // It is on already.
    bench.router.set_member_log(true);
    assert_eq!(bench.router.take_member_changes(), []);
    bench.record(2, Allow, &[6]);
    bench.set_member_log(false);
    bench.record(2, Allow, &[7]);
    bench.set_member_log(true);
    assert_eq!(bench.told.of(2), "named +5 +6 +7");
}

#[test]
fn groups_that_stay_on_their_link_are_not_told() {
    let mut bench = told();
    let group = Ipv4Addr::new(224, 0, 0, 251);
    bench.report((1, group), ReportKind::V2, &[]);
    assert_eq!(bench.told, Told::default());
}

/// A refresh, and a change that is undone at once, are no news.
#[test]
fn nothing_is_told_twice() {
    let mut bench = told();
    bench.record(1, IsExclude, &[1]);
    let report = |router: &mut Router, kind, sources: &[u8]| {
        let event = igmp_core::Event::Report(igmp_core::Report {
            interface: InterfaceId(1),
            time: bench.now,
            reporter: Ipv4Addr::new(10, 0, 1, 101),
            group: GROUP,
            kind: ReportKind::Record(kind),
            sources: sources.iter().copied().map(source).collect(),
        });
        router.handle(bench.now, event, &mut Silent, &mut Vec::new());
        router.take_member_changes()
    };
    assert_eq!(report(&mut bench.router, IsExclude, &[1]), []);
    let change = |wish| MemberChange {
        interface: InterfaceId(1),
        group: GROUP,
        wish: MemberWish::Source(source(1), wish),
    };
    let changes = report(&mut bench.router, Allow, &[1]);
    assert_eq!(changes, [change(SourceWish::Include)]);
    assert_eq!(report(&mut bench.router, Allow, &[1]), []);
}

/// A change on one interface tells nothing of others.
#[test]
fn a_change_tells_of_its_interface_alone() {
    let mut bench = told();
    for number in 1..=3 {
        bench.record(number, IsExclude, &[1, 2]);
    }
    bench.router.handle(
        bench.now,
        igmp_core::Event::InterfaceDown {
            interface: InterfaceId(2),
        },
        &mut Silent,
        &mut Vec::new(),
    );
    let changes = bench.router.take_member_changes();
    assert!(
        changes.iter().all(|change| change.interface == InterfaceId(2)),
        "{changes:?}"
    );
    let wishes: Vec<MemberWish> = changes.into_iter().map(|change| change.wish).collect();
    let unsaid = |number| MemberWish::Source(source(number), SourceWish::AsAnySource);
    assert_eq!(wishes, [MemberWish::AnySource(false), unsaid(1), unsaid(2)]);
}
