//! Where sources are: from which interface their packets are accepted (RPF).
//!
//! The kernel's routing table decides. Each of its prefixes leads to an interface of the router, to none of them, or by
//! several ways; then the kernel is asked for each source, and its answer stands until the table changes.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    net::Ipv4Addr,
};

use igmp_wire::abi::{INCOMING_ASK, INCOMING_NONE};
use ipnet::Ipv4Net;

use crate::netlink::{NoAnswer, RouteTable, RouteVia};

/// Of how many sources answers of the kernel are kept.
const MAX_ANSWERS: usize = 65_536;
/// How many questions are under way at a time: the kernel's answers have to find room in one socket.
const MAX_QUESTIONS: usize = 32;
/// How often a question is asked that gets no answer.
const ATTEMPTS: u8 = 3;

/// What the programs in the kernel are told, by prefix.
pub(super) type Prefixes = BTreeMap<Ipv4Net, u32>;

/// The interfaces of the router, as routes name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::agent) struct Ways {
    /// Slots, by the kernel's index.
    pub(in crate::agent) slots: HashMap<u32, u32>,
    /// Networks of which the kernel knows nothing: those of VLANs without a device.
    pub(in crate::agent) networks: BTreeMap<Ipv4Net, u32>,
}

/// Where sources are.
#[derive(Debug, Default)]
pub(super) struct Sources {
    ways: Ways,
    /// What was last told.
    told: Prefixes,
    /// Answers of the kernel: the index of the interface towards a source, if there is one.
    answers: HashMap<Ipv4Addr, Option<u32>>,
    /// Questions that wait or are under way, and how often each was asked.
    questions: HashMap<Ipv4Addr, u8>,
    /// Those that wait.
    waiting: VecDeque<Ipv4Addr>,
    /// How many are under way.
    under_way: usize,
}

/// What an answer changes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing.
    Same,
    /// The slot towards this source.
    New(Ipv4Net, u32),
    /// Nobody knows: with the source's next packet it is asked for again.
    Unknown,
}

/// What has changed: what is to be set, and what is to be removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) set: Vec<(Ipv4Net, u32)>,
    pub(super) remove: Vec<Ipv4Net>,
}

impl Difference {
    pub(super) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }
}

impl Sources {
    /// Begins with what an earlier agent told.
    pub(super) fn with_told(told: impl IntoIterator<Item = (Ipv4Net, u32)>) -> Self {
        Self {
            told: told.into_iter().collect(),
            ..Self::default()
        }
    }

    /// What is different now that the kernel's table or the interfaces have changed.
    pub(super) fn update(&mut self, table: &RouteTable, ways: Ways) -> Difference {
        self.ways = ways;
        let mut wanted = Prefixes::new();
        for route in &table.routes {
            let incoming = match route.via {
                RouteVia::Interface(ifindex) => self.slot(Some(ifindex)),
                RouteVia::Several => INCOMING_ASK,
                RouteVia::None => INCOMING_NONE,
            };
            let incoming = if table.ask_always { INCOMING_ASK } else { incoming };
            wanted.insert(route.prefix.trunc(), incoming);
        }
        for (&network, &slot) in &self.ways.networks {
            wanted.insert(network.trunc(), slot);
        }
        // Answers count where there is still something to ask.
        self.answers
            .retain(|&source, _| longest(&wanted, source) == Some(INCOMING_ASK));
        for (&source, &answer) in &self.answers {
            wanted.insert(Ipv4Net::from(source), self.slot(answer));
        }
        let mut difference = Difference::default();
        for (&prefix, &incoming) in &wanted {
            if self.told.get(&prefix) != Some(&incoming) {
                difference.set.push((prefix, incoming));
            }
        }
        let gone: BTreeSet<Ipv4Net> = self.told.keys().copied().collect();
        difference
            .remove
            .extend(gone.into_iter().filter(|prefix| !wanted.contains_key(prefix)));
        self.told = wanted;
        difference
    }

    /// Notes a question for the kernel: where this source is.
    pub(super) fn ask(&mut self, source: Ipv4Addr) {
        if self.answers.len() + self.questions.len() < MAX_ANSWERS && !self.questions.contains_key(&source) {
            self.questions.insert(source, 0);
            self.waiting.push_back(source);
        }
    }

    /// Asks again for all that was asked for, since the kernel may answer otherwise now. Until it does, what it said before
    /// counts.
    pub(super) fn ask_again(&mut self) {
        for &source in self.answers.keys() {
            if self.questions.insert(source, 0).is_none() {
                self.waiting.push_back(source);
            }
        }
    }

    /// The next question, as long as there are not too many under way.
    pub(super) fn next_question(&mut self) -> Option<Ipv4Addr> {
        if self.under_way >= MAX_QUESTIONS {
            return None;
        }
        let source = self.waiting.pop_front()?;
        self.under_way += 1;
        Some(source)
    }

    /// Takes an answer in.
    pub(super) fn answer(&mut self, source: Ipv4Addr, answer: Result<Option<u32>, NoAnswer>) -> Told {
        self.under_way = self.under_way.saturating_sub(1);
        let Some(attempts) = self.questions.get_mut(&source) else {
            return Told::Same;
        };
        let Ok(answer) = answer else {
            *attempts += 1;
            if *attempts < ATTEMPTS {
                self.waiting.push_back(source);
                return Told::Same;
            }
            self.questions.remove(&source);
            return Told::Unknown;
        };
        self.questions.remove(&source);
        self.answers.insert(source, answer);
        let (prefix, slot) = (Ipv4Net::from(source), self.slot(answer));
        if self.told.insert(prefix, slot) == Some(slot) {
            Told::Same
        } else {
            Told::New(prefix, slot)
        }
    }

    /// Forgets the answer for a source that has gone silent. Returns the prefix that is no longer to be told, if it was.
    pub(super) fn forget(&mut self, source: Ipv4Addr) -> Option<Ipv4Net> {
        self.answers.remove(&source)?;
        let prefix = Ipv4Net::from(source);
        self.told.remove(&prefix).map(|_| prefix)
    }

    /// The slot towards a source, for engines that look it up themselves: the longest prefix counts.
    pub(super) fn towards(&self, source: Ipv4Addr) -> u32 {
        longest(&self.told, source).unwrap_or(INCOMING_NONE)
    }

    fn slot(&self, ifindex: Option<u32>) -> u32 {
        ifindex
            .and_then(|ifindex| self.ways.slots.get(&ifindex).copied())
            .unwrap_or(INCOMING_NONE)
    }
}

/// What the longest prefix of a source says.
fn longest(prefixes: &Prefixes, source: Ipv4Addr) -> Option<u32> {
    (0..=32).rev().find_map(|len| {
        let prefix = Ipv4Net::new(source, len).ok()?.trunc();
        prefixes.get(&prefix).copied()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::{NextHops, Route};

    const NEAR: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    const FAR: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 5);

    fn net(text: &str) -> Ipv4Net {
        text.parse().expect("a network")
    }

    fn table(routes: &[(&str, RouteVia)]) -> RouteTable {
        RouteTable {
            routes: routes
                .iter()
                .map(|&(prefix, via)| Route {
                    prefix: net(prefix),
                    via,
                    next_hops: NextHops::new(),
                    preference: 0,
                    metric: 0,
                })
                .collect(),
            ask_always: false,
        }
    }

    /// Interfaces 2 and 3 have slots 0 and 1; 9 is none of the router's.
    fn ways() -> Ways {
        Ways {
            slots: [(2, 0), (3, 1)].into(),
            networks: BTreeMap::new(),
        }
    }

    #[test]
    fn the_longest_prefix_counts() {
        let mut sources = Sources::default();
        let table = table(&[
            ("0.0.0.0/0", RouteVia::Interface(3)),
            ("10.0.0.0/24", RouteVia::Interface(2)),
            ("10.5.0.0/16", RouteVia::Interface(9)),
            ("10.6.0.0/16", RouteVia::None),
        ]);
        assert_eq!(sources.update(&table, ways()).set.len(), 4);
        assert_eq!(sources.towards(NEAR), 0);
        assert_eq!(sources.towards(Ipv4Addr::new(192, 0, 2, 1)), 1);
        assert_eq!(sources.towards(Ipv4Addr::new(10, 5, 0, 1)), INCOMING_NONE);
        assert_eq!(sources.towards(Ipv4Addr::new(10, 6, 0, 1)), INCOMING_NONE);
        assert!(sources.update(&table, ways()).is_empty(), "nothing has changed");
    }

    #[test]
    fn networks_that_the_kernel_does_not_know() {
        let mut sources = Sources::default();
        let mut ways = ways();
        ways.networks.insert(net("10.7.0.1/24"), 5);
        sources.update(&table(&[]), ways);
        assert_eq!(sources.towards(Ipv4Addr::new(10, 7, 0, 9)), 5);
        assert_eq!(sources.towards(NEAR), INCOMING_NONE);
    }

    #[test]
    fn an_answer_stands_until_there_is_another_one() {
        let mut sources = Sources::default();
        let several = table(&[("10.99.0.0/16", RouteVia::Several)]);
        sources.update(&several, ways());
        assert_eq!(sources.towards(FAR), INCOMING_ASK);
        sources.ask(FAR);
        sources.ask(FAR);
        assert_eq!(sources.next_question(), Some(FAR));
        assert_eq!(sources.next_question(), None, "asked once");
        assert_eq!(
            sources.answer(FAR, Ok(Some(3))),
            Told::New(net("10.99.0.5/32"), 1)
        );

        // Something else has changed in the table.
        let more = table(&[
            ("10.99.0.0/16", RouteVia::Several),
            ("172.20.0.0/24", RouteVia::Interface(2)),
        ]);
        sources.ask_again();
        let difference = sources.update(&more, ways());
        assert_eq!((difference.set.len(), difference.remove.len()), (1, 0));
        assert_eq!(sources.towards(FAR), 1, "what was said before counts");
        assert_eq!(sources.next_question(), Some(FAR));
        assert_eq!(
            sources.answer(FAR, Ok(Some(2))),
            Told::New(net("10.99.0.5/32"), 0)
        );

        // One way is left.
        let difference = sources.update(&table(&[("10.99.0.0/16", RouteVia::Interface(3))]), ways());
        assert_eq!(difference.remove, [net("10.99.0.5/32"), net("172.20.0.0/24")]);
        assert_eq!(sources.towards(FAR), 1);
    }

    #[test]
    fn a_question_without_an_answer_is_asked_again_and_then_forgotten() {
        let mut sources = Sources::default();
        sources.update(&table(&[("10.99.0.0/16", RouteVia::Several)]), ways());
        sources.ask(FAR);
        for _ in 1..ATTEMPTS {
            assert_eq!(sources.next_question(), Some(FAR));
            assert_eq!(sources.answer(FAR, Err(NoAnswer)), Told::Same);
        }
        assert_eq!(sources.next_question(), Some(FAR));
        assert_eq!(sources.answer(FAR, Err(NoAnswer)), Told::Unknown);
        assert_eq!(sources.towards(FAR), INCOMING_ASK, "nobody knows");
        sources.ask(FAR);
        assert_eq!(sources.next_question(), Some(FAR), "it can be asked for again");
    }

    #[test]
    fn few_questions_are_under_way() {
        let mut sources = Sources::default();
        for host in 1..=100 {
            sources.ask(Ipv4Addr::new(10, 99, 0, host));
        }
        let asked = std::iter::from_fn(|| sources.next_question()).count();
        assert_eq!(asked, MAX_QUESTIONS);
        sources.answer(Ipv4Addr::new(10, 99, 0, 1), Ok(None));
        assert!(sources.next_question().is_some());
        assert_eq!(sources.next_question(), None);
    }

    #[test]
    fn a_silent_source_takes_no_room() {
        let mut sources = Sources::default();
        sources.update(&table(&[("10.99.0.0/16", RouteVia::Several)]), ways());
        sources.ask(FAR);
        sources.next_question();
        sources.answer(FAR, Ok(Some(2)));
        assert_eq!(sources.forget(FAR), Some(net("10.99.0.5/32")));
        assert_eq!(sources.forget(FAR), None);
        assert_eq!(sources.towards(FAR), INCOMING_ASK);
    }
}
