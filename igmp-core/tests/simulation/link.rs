//! The link: who gets which frame, and when.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp_core::{Duration, Instant};

use crate::{
    message::{Frame, Message, Node},
    rng::Rng,
    scenario::{LinkQuality, Scenario, Weather},
};

/// The link's state.
///
/// In fair weather it keeps the promise that the Robustness Variable stands for, counted for each router by itself:
///
/// - Of the rounds of General Queries, each a query and its answers, fewer in a row than the Robustness Variable fail.
/// - Of the rounds of specific queries of one group one may fail in a while, and none where the Robustness Variable is 2:
///   the answer to the last query of a series comes up to Last Member Query Interval after it, which is when the timer
///   ends, so that delays alone can make it come too late. What the series must get through is the last but one. In
///   version 2 none may fail: there the querier stops asking when it has got an answer itself (RFC 2236 §7).
/// - Of the reports in which a host says that something has changed, fewer in a row than the Robustness Variable are lost,
///   for each of the groups named.
/// - Reports that make other hosts keep quiet are heard by hosts only if every router got them.
pub(crate) struct Link {
    quality: LinkQuality,
    fair: bool,
    robustness: u8,
    version: u8,
    last_member: Duration,
    routers: usize,
    /// For each query of fair weather the routers that its round succeeds for.
    rounds: Vec<BTreeSet<usize>>,
    failed_rounds: Vec<u8>,
    failed_specific: BTreeMap<(usize, Ipv4Addr), Instant>,
    failed_reports: BTreeMap<(Node, usize, Ipv4Addr), u8>,
    failed_queries: BTreeMap<(Node, usize), u8>,
    /// Nodes that are cut off from the others, but not from each other.
    pub(crate) island: BTreeSet<Node>,
}

impl Link {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            quality: scenario.link,
            fair: scenario.weather == Weather::Fair,
            robustness: scenario.config.robustness_variable,
            version: scenario.config.version,
            last_member: scenario.last_member(),
            routers: scenario.routers.len(),
            rounds: Vec::new(),
            failed_rounds: vec![0; scenario.routers.len()],
            failed_specific: BTreeMap::new(),
            failed_reports: BTreeMap::new(),
            failed_queries: BTreeMap::new(),
            island: BTreeSet::new(),
        }
    }

    /// From now on nothing is lost, doubled or held up.
    pub(crate) fn calm(&mut self) {
        self.quality.loss = 0;
        self.quality.duplication = 0;
        self.quality.straggling = 0;
        self.island.clear();
    }

    /// Takes a query into account and numbers it.
    pub(crate) fn number(&mut self, now: Instant, group: Option<Ipv4Addr>, rng: &mut Rng) -> usize {
        let mut good = BTreeSet::new();
        for router in 0..self.routers {
            let bad = self.fair && rng.chance(self.quality.loss) && self.may_fail(now, router, group);
            if !bad {
                good.insert(router);
            }
            match (group, bad) {
                (None, true) => self.failed_rounds[router] += 1,
                (None, false) => self.failed_rounds[router] = 0,
                (Some(group), true) => {
                    self.failed_specific.insert((router, group), now);
                }
                (Some(_), false) => {}
            }
        }
        self.rounds.push(good);
        self.rounds.len() - 1
    }

    fn may_fail(&self, now: Instant, router: usize, group: Option<Ipv4Addr>) -> bool {
        match group {
            None => self.failed_rounds[router] + 1 < self.robustness,
            Some(group) => {
                self.version == 3
                    && self.robustness > 2
                    && self
                        .failed_specific
                        .get(&(router, group))
                        .is_none_or(|&last| now > last + self.last_member * 2)
            }
        }
    }

    /// Who gets a frame, and how much later.
    pub(crate) fn deliver(&mut self, frame: &Frame, nodes: &[Node], rng: &mut Rng) -> Vec<(Node, Duration)> {
        let mut arrivals = Vec::new();
        let mut all_routers = true;
        for &to in nodes {
            let deaf = matches!(to, Node::Host(_)) && !frame.message.concerns_hosts();
            if to == frame.from || deaf || self.island.contains(&to) != self.island.contains(&frame.from) {
                continue;
            }
            let lost = match to {
                Node::Router(router) => {
                    let lost = self.lost_to_router(frame, router, rng);
                    all_routers &= !lost;
                    lost
                }
                Node::Host(_) => self.lost_to_host(frame, all_routers, rng),
            };
            if lost {
                continue;
            }
            arrivals.push((to, self.delay(rng)));
            if rng.chance(self.quality.duplication) {
                arrivals.push((to, self.delay(rng)));
            }
        }
        arrivals
    }

    fn lost_to_router(&mut self, frame: &Frame, router: usize, rng: &mut Rng) -> bool {
        let lost = rng.chance(self.quality.loss);
        if !self.fair {
            return lost;
        }
        if !frame.answers.is_empty() {
            let promised = frame
                .answers
                .iter()
                .any(|&query| self.rounds[query].contains(&router));
            return lost && !promised;
        }
        match &frame.message {
            Message::Query(query) if query.group.is_none() => {
                let failed = self.failed_queries.entry((frame.from, router)).or_default();
                if lost && *failed + 1 < self.robustness {
                    *failed += 1;
                    return true;
                }
                *failed = 0;
                false
            }
            // A leave is sent once, and neither it nor a specific query is promised to arrive.
            Message::Query(_) | Message::Leave(_) => lost,
            message => {
                let groups = message.groups();
                let mut lost = lost;
                for &group in &groups {
                    let failed = self
                        .failed_reports
                        .entry((frame.from, router, group))
                        .or_default();
                    lost &= *failed + 1 < self.robustness;
                }
                for &group in &groups {
                    let failed = self
                        .failed_reports
                        .entry((frame.from, router, group))
                        .or_default();
                    *failed = if lost { *failed + 1 } else { 0 };
                }
                lost
            }
        }
    }

    /// Routers come first among the nodes, so it is known whether all of them got the frame.
    fn lost_to_host(&self, frame: &Frame, all_routers: bool, rng: &mut Rng) -> bool {
        let lost = rng.chance(self.quality.loss);
        if !self.fair {
            return lost;
        }
        match frame.query {
            Some(query) => lost && self.rounds[query].is_empty(),
            None => lost || (frame.message.suppresses() && !all_routers),
        }
    }

    fn delay(&self, rng: &mut Rng) -> Duration {
        let delay = rng.span(self.quality.delay_min, self.quality.delay_max);
        if rng.chance(self.quality.straggling) {
            delay + rng.delay(self.quality.straggle_max)
        } else {
            delay
        }
    }
}
