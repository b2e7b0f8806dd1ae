//! The state of a router and the macros of RFC 7761 §4.1.5, §4.2 and §4.5 as sets, read off the text once more.
//!
//! There are no asserts here: `trees_assert` has them.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use crate::trees_world::{OWN, RP, at};

pub(crate) type Group = Ipv4Addr;
pub(crate) type Source = Ipv4Addr;
pub(crate) type Links = BTreeSet<u32>;
/// Milliseconds after the start.
pub(crate) type Time = u64;

/// J/P_Override_Interval(I)
const OVERRIDE: Time = 3_000;
/// Keepalive_Period
const KEEPALIVE: Time = 210_000;

/// Something a neighbour has said, until when, and until when others may object to a prune of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Held {
    expires: Time,
    prune_pending: Option<Time>,
}

/// A way to a prefix: a link, and the router there unless the prefix is on the link.
pub(crate) type Way = (u32, Option<u8>);

/// `RPF_interface` and `NBR(RPF_interface, MRIB.next_hop)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Rpf {
    pub(crate) interface: Option<u32>,
    pub(crate) neighbor: Option<(u32, u8)>,
    connected: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) now: Time,
    pub(crate) up: Links,
    /// DR Priorities; this router has 1.
    pub(crate) neighbors: BTreeMap<(u32, u8), u32>,
    pub(crate) ways: BTreeMap<[u8; 2], Vec<Way>>,
    pub(crate) include_any: BTreeSet<(Group, u32)>,
    pub(crate) include: BTreeSet<(Source, Group, u32)>,
    pub(crate) exclude: BTreeSet<(Source, Group, u32)>,
    join_any: BTreeMap<(Group, u32), Held>,
    join: BTreeMap<(Source, Group, u32), Held>,
    prune_rpt: BTreeMap<(Source, Group, u32), Held>,
    keepalive: BTreeMap<(Source, Group), Time>,
    spt_bit: BTreeSet<(Source, Group)>,
    /// Whose packets the forwarding plane has seen without telling of them.
    pub(crate) seen: BTreeSet<(Source, Group)>,
}

fn is_ssm(group: Group) -> bool {
    group.octets()[0] == 232
}

fn plus(one: &Links, other: &Links) -> Links {
    one | other
}

fn minus(one: &Links, other: &Links) -> Links {
    one - other
}

impl Model {
    /// Only 239.0.0.0/8 has one.
    pub(crate) fn rp(group: Group) -> Option<Ipv4Addr> {
        (group.octets()[0] == 239).then_some(RP)
    }

    // Events.

    fn has_others(&self, link: u32) -> bool {
        self.neighbors.keys().filter(|&&(at, _)| at == link).count() > 1
    }

    fn received(&self, before: Option<&Held>, hold_time: Time) -> Held {
        let expires = self.now + hold_time;
        Held {
            expires: before.map_or(expires, |before| before.expires.max(expires)),
            prune_pending: None,
        }
    }

    /// A Join(*,G) with these Prune(S,G,rpt).
    pub(crate) fn receive_join_any(&mut self, link: u32, group: Group, pruned: &[Source], hold_time: Time) {
        if Self::rp(group).is_some() {
            let held = self.received(self.join_any.get(&(group, link)), hold_time);
            self.join_any.insert((group, link), held);
            self.prune_rpt
                .retain(|&(source, of, at), _| of != group || at != link || pruned.contains(&source));
        }
        for &source in pruned {
            self.receive_prune_rpt(link, source, group, hold_time, Self::rp(group).is_some());
        }
    }

    pub(crate) fn receive_prune_any(&mut self, link: u32, group: Group) {
        let (now, others) = (self.now, self.has_others(link));
        prune(&mut self.join_any, (group, link), now, others);
    }

    pub(crate) fn receive_join(&mut self, link: u32, source: Source, group: Group, hold_time: Time) {
        let held = self.received(self.join.get(&(source, group, link)), hold_time);
        self.join.insert((source, group, link), held);
    }

    pub(crate) fn receive_prune(&mut self, link: u32, source: Source, group: Group) {
        let (now, others) = (self.now, self.has_others(link));
        prune(&mut self.join, (source, group, link), now, others);
    }

    pub(crate) fn receive_join_rpt(&mut self, link: u32, source: Source, group: Group) {
        self.prune_rpt.remove(&(source, group, link));
    }

    /// `reinstates`: a Join(*,G) stands before it in the message.
    pub(crate) fn receive_prune_rpt(
        &mut self,
        link: u32,
        source: Source,
        group: Group,
        hold_time: Time,
        reinstates: bool,
    ) {
        if is_ssm(group) {
            return;
        }
        let expires = self.now + hold_time;
        let pending = self.has_others(link).then_some(self.now + OVERRIDE);
        match self.prune_rpt.get_mut(&(source, group, link)) {
            None => {
                let held = Held {
                    expires,
                    prune_pending: pending,
                };
                self.prune_rpt.insert((source, group, link), held);
            }
            // In Prune-Pending state a Prune(S,G,rpt) alone is no event.
            Some(held) if held.prune_pending.is_some() && !reinstates => {}
            Some(held) => held.expires = held.expires.max(expires),
        }
    }

    pub(crate) fn down(&mut self, link: u32) {
        self.up.remove(&link);
        self.neighbors.retain(|&(at, _), _| at != link);
        self.join_any.retain(|&(_, at), _| at != link);
        self.join.retain(|&(_, _, at), _| at != link);
        self.prune_rpt.retain(|&(_, _, at), _| at != link);
    }

    /// Whether a packet would start an assert, which is not modelled.
    pub(crate) fn is_contested(&self, iif: u32, source: Source, group: Group) -> bool {
        let mut after = self.clone();
        after.data(iif, source, group);
        let spt_bit = after.has_spt_bit(source, group);
        let is_accepted = if spt_bit {
            self.rpf(source).interface == Some(iif)
        } else {
            self.rpf_of_rp(group).interface == Some(iif)
        };
        !is_accepted && (after.inherited_olist(source, group).contains(&iif))
    }

    /// "On receipt of data from S to G on interface iif". Answers whether the Keepalive Timer was set because of packets that
    /// are forwarded along the source's tree.
    pub(crate) fn data(&mut self, iif: u32, source: Source, group: Group) -> bool {
        if self.seen.contains(&(source, group)) && self.is_spt_at_once(source, group) {
            self.spt_bit.insert((source, group));
        }
        let rpf = self.rpf(source);
        let on_tree = rpf.interface == Some(iif) && !self.inherited_olist(source, group).is_empty();
        let is_kept = on_tree && !is_ssm(group) && (rpf.connected || self.join_desired(source, group));
        if is_kept {
            self.keepalive.insert((source, group), self.now + KEEPALIVE);
        }
        // Update_SPTbit(S,G,iif)
        let of_rp = self.rpf_of_rp(group);
        if rpf.interface == Some(iif)
            && self.join_desired(source, group)
            && (rpf.connected
                || rpf.interface != of_rp.interface
                || self.inherited_olist_rpt(source, group).is_empty()
                || (rpf.neighbor == of_rp.neighbor && rpf.neighbor.is_some()))
        {
            self.spt_bit.insert((source, group));
        }
        // CheckSwitchToSpt(S,G)
        if !(rpf.interface == Some(iif) && self.has_spt_bit(source, group))
            && of_rp.interface == Some(iif)
            && !self.has_spt_bit(source, group)
        {
            let receivers = plus(
                &minus(&self.pim_include_any(group), &self.pim_exclude(source, group)),
                &self.pim_include(source, group),
            );
            if !receivers.is_empty() {
                self.keepalive.insert((source, group), self.now + KEEPALIVE);
            }
        }
        is_kept
    }

    /// When something ends by itself next.
    pub(crate) fn next(&self) -> Option<Time> {
        let held = (self.join_any.values())
            .chain(self.join.values())
            .map(|held| held.expires.min(held.prune_pending.unwrap_or(Time::MAX)));
        let rpt = (self.prune_rpt.values()).map(|held| held.prune_pending.unwrap_or(held.expires));
        held.chain(rpt).chain(self.keepalive.values().copied()).min()
    }

    /// Ends what has ended, and what follows: "set SPTbit(S,G) to FALSE".
    pub(crate) fn settle(&mut self) {
        let now = self.now;
        let holds = |held: &mut Held| held.expires > now && held.prune_pending.is_none_or(|at| at > now);
        self.join_any.retain(|_, held| holds(held));
        self.join.retain(|_, held| holds(held));
        self.prune_rpt.retain(|_, held| {
            held.prune_pending = held.prune_pending.filter(|&at| at > now);
            held.prune_pending.is_some() || held.expires > now
        });
        self.keepalive.retain(|_, at| *at > now);
        let undesired: Vec<_> = (self.spt_bit.iter().copied())
            .filter(|&(source, group)| !self.join_desired(source, group))
            .collect();
        for name in undesired {
            self.spt_bit.remove(&name);
        }
        // "The source is directly connected, in which case the switch to the SPT is a no-op" (§4.2.2).
        let desired = (self.include.iter().map(|&(source, group, _)| (source, group)))
            .chain(self.join.keys().map(|&(source, group, _)| (source, group)))
            .chain(self.keepalive.keys().copied())
            .filter(|&(source, group)| self.rpf(source).connected && self.join_desired(source, group));
        let desired: Vec<_> = desired.collect();
        self.spt_bit.extend(desired);
    }

    // §4.1.5

    fn joins_any(&self, group: Group) -> Links {
        let joins = self.join_any.keys().filter(|&&(of, _)| of == group);
        joins.map(|&(_, link)| link).collect()
    }

    fn joins(&self, source: Source, group: Group) -> Links {
        let joins = self.join.keys();
        let joins = joins.filter(|&&(from, to, _)| (from, to) == (source, group));
        joins.map(|&(_, _, link)| link).collect()
    }

    fn prunes_rpt(&self, source: Source, group: Group) -> Links {
        let prunes = self
            .prune_rpt
            .iter()
            .filter(|&(&(from, to, _), held)| (from, to) == (source, group) && held.prune_pending.is_none());
        prunes.map(|(&(_, _, link), _)| link).collect()
    }

    fn i_am_dr(&self, link: u32) -> bool {
        let mut others = self.neighbors.iter().filter(|&(&(at, _), _)| at == link);
        self.up.contains(&link) && !others.any(|(_, &priority)| priority > 1)
    }

    fn pim_include_any(&self, group: Group) -> Links {
        if is_ssm(group) {
            return Links::new();
        }
        let included = self.include_any.iter().filter(|&&(of, _)| of == group);
        included
            .map(|&(_, link)| link)
            .filter(|&link| self.i_am_dr(link))
            .collect()
    }

    fn local(&self, of: &BTreeSet<(Source, Group, u32)>, source: Source, group: Group) -> Links {
        let local = of.iter().filter(|&&(from, to, _)| (from, to) == (source, group));
        local
            .map(|&(_, _, link)| link)
            .filter(|&link| self.i_am_dr(link))
            .collect()
    }

    fn pim_include(&self, source: Source, group: Group) -> Links {
        self.local(&self.include, source, group)
    }

    fn pim_exclude(&self, source: Source, group: Group) -> Links {
        let mut exclude = self.local(&self.exclude, source, group);
        exclude.retain(|&link| self.include_any.contains(&(group, link)));
        exclude
    }

    pub(crate) fn immediate_olist_any(&self, group: Group) -> Links {
        plus(&self.joins_any(group), &self.pim_include_any(group))
    }

    fn immediate_olist(&self, source: Source, group: Group) -> Links {
        plus(&self.joins(source, group), &self.pim_include(source, group))
    }

    fn inherited_olist_rpt(&self, source: Source, group: Group) -> Links {
        plus(
            &minus(&self.joins_any(group), &self.prunes_rpt(source, group)),
            &minus(&self.pim_include_any(group), &self.pim_exclude(source, group)),
        )
    }

    fn inherited_olist(&self, source: Source, group: Group) -> Links {
        let rpt = self.inherited_olist_rpt(source, group);
        plus(
            &plus(&rpt, &self.joins(source, group)),
            &self.pim_include(source, group),
        )
    }

    fn look(&self, address: Ipv4Addr, is_rp: bool) -> Rpf {
        let [a, b, link, number] = address.octets();
        let ways = match self.ways.get(&[a, b]) {
            Some(ways) => ways.clone(),
            None if [a, b] == [10, 0] => vec![(u32::from(link), None)],
            None => Vec::new(),
        };
        let mut found = Vec::new();
        for (link, next_hop) in ways {
            if !self.up.contains(&link) {
                continue;
            }
            let next_hop = if is_rp {
                next_hop.or(Some(number))
            } else {
                next_hop
            };
            let neighbor = next_hop.map(|number| (link, number));
            found.push(Rpf {
                interface: Some(link),
                neighbor: neighbor.filter(|neighbor| self.neighbors.contains_key(neighbor)),
                connected: next_hop.is_none(),
            });
        }
        let good = found.iter().find(|rpf| rpf.connected || rpf.neighbor.is_some());
        good.or(found.first()).copied().unwrap_or_default()
    }

    fn rpf(&self, source: Source) -> Rpf {
        self.look(source, false)
    }

    fn rpf_of_rp(&self, group: Group) -> Rpf {
        Self::rp(group).map_or(Rpf::default(), |rp| self.look(rp, true))
    }

    pub(crate) fn rpf_interface(&self, source: Source) -> Option<u32> {
        self.rpf(source).interface
    }

    pub(crate) fn rpf_interface_of_rp(&self, group: Group) -> Option<u32> {
        self.rpf_of_rp(group).interface
    }

    // §4.5

    pub(crate) fn join_desired_any(&self, group: Group) -> bool {
        !self.immediate_olist_any(group).is_empty()
    }

    pub(crate) fn join_desired(&self, source: Source, group: Group) -> bool {
        let keepalive = is_ssm(group) || self.keepalive.contains_key(&(source, group));
        !self.immediate_olist(source, group).is_empty()
            || (keepalive && !self.inherited_olist(source, group).is_empty())
    }

    /// Whom (*,G) is joined from.
    pub(crate) fn joined_any(&self, group: Group) -> Option<(u32, u8)> {
        self.rpf_of_rp(group)
            .neighbor
            .filter(|_| self.join_desired_any(group))
    }

    /// Whom (S,G) is joined from.
    pub(crate) fn joined(&self, source: Source, group: Group) -> Option<(u32, u8)> {
        self.rpf(source)
            .neighbor
            .filter(|_| self.join_desired(source, group))
    }

    /// Whether KeepaliveTimer(S,G) is running.
    pub(crate) fn keeps_alive(&self, source: Source, group: Group) -> bool {
        self.keepalive.contains_key(&(source, group))
    }

    /// Whether the SPTbit is set, so that packets of the source's tree are no news.
    pub(crate) fn has_tree(&self, source: Source, group: Group) -> bool {
        self.spt_bit.contains(&(source, group))
    }

    fn has_spt_bit(&self, source: Source, group: Group) -> bool {
        is_ssm(group) || self.spt_bit.contains(&(source, group))
    }

    /// `PruneDesired(S,G,rpt)`, where it is the same as the rule for periodic messages.
    pub(crate) fn prune_desired(&self, source: Source, group: Group) -> Option<bool> {
        let is_spt = self.has_spt_bit(source, group);
        let differs = self.rpf_of_rp(group).neighbor != self.rpf(source).neighbor;
        let is_empty = self.inherited_olist_rpt(source, group).is_empty();
        if is_spt && is_empty && !differs {
            // The first has it pruned, the second does not.
            return None;
        }
        Some(self.join_desired_any(group) && (is_empty || (is_spt && differs)))
    }

    // §4.2

    /// Whether the first packet of the source's tree sets the SPTbit, for what is known before it comes.
    fn is_spt_at_once(&self, source: Source, group: Group) -> bool {
        let rpf = self.rpf(source);
        self.join_desired(source, group)
            && (rpf.connected
                || self.inherited_olist_rpt(source, group).is_empty()
                || (rpf.neighbor == self.rpf_of_rp(group).neighbor && rpf.neighbor.is_some()))
    }

    /// Where packets are forwarded to. What is known to set the SPTbit with the first packet of the source's tree is taken for
    /// granted.
    pub(crate) fn forwards(&self, iif: u32, source: Source, group: Group) -> Vec<u32> {
        let rpf = self.rpf(source);
        let of_rp = self.rpf_of_rp(group);
        let olist = if self.has_spt_bit(source, group) || self.is_spt_at_once(source, group) {
            if rpf.interface == Some(iif) {
                self.inherited_olist(source, group)
            } else {
                Links::new()
            }
        } else if of_rp.interface == Some(iif) {
            let rpt = self.inherited_olist_rpt(source, group);
            if rpf.interface == Some(iif) && self.join_desired(source, group) {
                // Packets of both trees come in here, and those who want the source alone are not left without.
                plus(&rpt, &self.immediate_olist(source, group))
            } else {
                rpt
            }
        } else {
            Links::new()
        };
        olist.into_iter().filter(|&link| link != iif).collect()
    }
}

fn prune<K: Ord>(of: &mut BTreeMap<K, Held>, key: K, now: Time, has_others: bool) {
    if !has_others {
        of.remove(&key);
    } else if let Some(held) = of.get_mut(&key) {
        held.prune_pending = held.prune_pending.or(Some(now + OVERRIDE));
    }
}

/// What an upstream neighbour makes of the joins and prunes that it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Neighbor {
    any: BTreeMap<Group, Time>,
    one: BTreeMap<(Source, Group), Time>,
    pruned: BTreeMap<(Source, Group), Time>,
}

impl Neighbor {
    pub(crate) fn hear(&mut self, now: Time, message: &igmp_core::pim::JoinPrune) {
        use igmp_core::pim::Target;
        let expires = now + 1_000 * Time::from(message.hold_time);
        for set in &message.groups {
            let group = set.group;
            for join in &set.joins {
                match *join {
                    Target::AnySource { rp } => {
                        assert_eq!(Some(rp), Model::rp(group));
                        self.any.insert(group, expires);
                        self.pruned.retain(|&(_, of), _| of != group);
                    }
                    Target::Source(source) => {
                        self.one.insert((source, group), expires);
                    }
                    Target::SourceRpt(source) => {
                        self.pruned.remove(&(source, group));
                    }
                }
            }
            for prune in &set.prunes {
                match *prune {
                    Target::AnySource { .. } => {
                        self.any.remove(&group);
                        self.pruned.retain(|&(_, of), _| of != group);
                    }
                    Target::Source(source) => {
                        self.one.remove(&(source, group));
                    }
                    Target::SourceRpt(source) => {
                        self.pruned.insert((source, group), expires);
                    }
                }
            }
        }
    }

    pub(crate) fn has_any(&self, now: Time, group: Group) -> bool {
        self.any.get(&group).is_some_and(|&at| at > now)
    }

    pub(crate) fn has(&self, now: Time, source: Source, group: Group) -> bool {
        self.one.get(&(source, group)).is_some_and(|&at| at > now)
    }

    pub(crate) fn has_pruned(&self, now: Time, source: Source, group: Group) -> bool {
        self.pruned.get(&(source, group)).is_some_and(|&at| at > now)
    }
}

/// Who is meant by an address of a link, unless it is this router.
pub(crate) fn number_of(link: u32, address: Ipv4Addr) -> Option<u8> {
    (0..=255).find(|&number| number != OWN && at(link, number) == address)
}
