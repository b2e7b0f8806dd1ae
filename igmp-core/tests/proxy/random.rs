//! Random events: what was told is always what is wanted.

use std::collections::{BTreeMap, BTreeSet};

use igmp_core::{Duration, FilterMode, HostConfig, HostEvent, SourceListChange, SubscriptionChange};
use proptest::prelude::*;

use crate::{
    bench::{Bench, OWN, group, source, sources},
    receiver::{Receiver, Record},
};

#[derive(Clone, Debug)]
enum Step {
    Set(u8, bool, BTreeSet<u8>),
    Toggle(u8, u8),
    Query(Option<u8>, Vec<u8>, u32),
    Down,
    Up(u32),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let listed = prop::collection::btree_set(1_u8..6, 0..5);
    prop_oneof![
        6 => (1_u8..5, any::<bool>(), listed).prop_map(|(group, exclude, listed)| Step::Set(group, exclude, listed)),
        6 => (1_u8..5, 1_u8..6).prop_map(|(group, source)| Step::Toggle(group, source)),
        3 => (prop::option::of(1_u8..6), prop::collection::vec(1_u8..8, 0..3), 0_u32..40)
            .prop_map(|(group, listed, time)| Step::Query(group, listed, time)),
        1 => Just(Step::Down),
        2 => (60_u32..120).prop_map(Step::Up),
        8 => prop_oneof![Just(0), 0_u64..3_000].prop_map(Step::Wait),
    ]
}

fn change(bench: &mut Bench, number: u8, filter_mode: FilterMode, sources: SourceListChange) {
    bench.event(HostEvent::Subscription(SubscriptionChange {
        group: group(number),
        filter_mode,
        sources,
    }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Over a link that loses nothing, on which the interface may go for less time than is remembered.
    #[test]
    fn what_was_told_is_what_is_wanted(
        seed in any::<u64>(),
        robustness_variable in 1_u8..4,
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let config = HostConfig { robustness_variable, ..HostConfig::default() };
        let mut bench = Bench::with(seed, config.clone());
        let mut wanted: BTreeMap<u8, Record> = BTreeMap::new();
        let mut receiver = Receiver::default();
        let mut is_up = true;
        for step in steps.into_iter().chain([Step::Up(1500), Step::Wait(40_000)]) {
            match step {
                Step::Set(number, exclude, listed) => {
                    let listed: Vec<u8> = listed.into_iter().collect();
                    let mode = if exclude { FilterMode::Exclude } else { FilterMode::Include };
                    change(&mut bench, number, mode, SourceListChange::Replaced(sources(&listed)));
                    wanted.insert(number, (exclude, sources(&listed).into_iter().collect()));
                }
                Step::Toggle(number, named) => {
                    let (exclude, listed) = wanted.entry(number).or_default();
                    let mode = if *exclude { FilterMode::Exclude } else { FilterMode::Include };
                    let named = source(named);
                    let (mut added, mut removed) = (vec![], vec![]);
                    if listed.remove(&named) {
                        removed.push(named);
                    } else {
                        listed.insert(named);
                        added.push(named);
                    }
                    change(&mut bench, number, mode, SourceListChange::Changed { added, removed });
                }
                Step::Query(number, listed, time) => bench.query(number, &listed, time),
                Step::Down => {
                    is_up = false;
                    bench.event(HostEvent::UpstreamDown);
                }
                Step::Up(mtu) => {
                    is_up = true;
                    bench.up(config.clone(), Some(OWN), mtu);
                }
                Step::Wait(millis) => {
                    let end = (bench.now + Duration::from_millis(millis)).since(crate::bench::START);
                    let begin = bench.sent.len();
                    bench.run_to(end.as_secs_f64());
                    for (_, sent) in &bench.sent[begin..] {
                        receiver.receive(&sent.message);
                    }
                    // More than a burst is never pending here, so that changes are told at once.
                    if is_up && millis > 100 {
                        let expected: BTreeMap<_, _> = wanted
                            .iter()
                            .filter(|(_, (exclude, listed))| *exclude || !listed.is_empty())
                            .map(|(&number, record)| (group(number), record.clone()))
                            .collect();
                        prop_assert_eq!(&receiver.0, &expected);
                    }
                }
            }
        }
        prop_assert_eq!(bench.host.poll_timeout(), None, "everything has been told");
    }
}
