//! The host side of an IGMP proxy (RFC 4605 §4.1): a member of all groups that downstream members want.
//!
//! It does on the upstream interface what RFC 9776 §5 and §7.2 ask of a host, with RFC 2236 and RFC 1112 where the querier
//! is older. Like the router side it has no input, output or clock of its own; its random delays come from a seed, so that
//! the same events at the same times have it do the same.
//!
//! | module | holds |
//! |---|---|
//! | `event`, `config` | what goes in |
//! | `action`, `view` | what comes out |
//! | `membership` | what is wanted of a group, and how a change is told from none |
//! | `changes` | State-Change Reports: retransmission and merging (§5.1), unsolicited reports and Leaves (RFC 2236) |
//! | `responses` | answers to specific queries (§5.2) |
//! | `round` | the answer to a General Query, spread over its time |
//! | `compatibility` | older queriers (§7.2.1) |
//! | `hear` | what queries, and reports of other hosts, change |
//! | `send` | the messages that are due |
//! | `packing` | records in as few messages as they fit in (§4.2.17) |
//! | `pace` | how fast changes are told |
//!
//! # Never told
//!
//! Groups of 224.0.0.0/24, which never leave their link (RFC 5771 §4), and to queriers of version 1 and 2 groups of the
//! source-specific range (RFC 9776 §7.2.1).

mod action;
mod changes;
mod compatibility;
mod config;
mod event;
mod hear;
mod membership;
mod pace;
mod packing;
mod responses;
mod round;
mod send;
mod view;

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, btree_map::Entry};

use igmp_wire::address::{is_link_local_group, is_multicast, is_ssm};

pub use self::{
    action::{ReportMessage, ReportRecord, SendReport},
    config::HostConfig,
    event::HostEvent,
    view::{JoinState, JoinView, UpstreamView},
};
use self::{
    changes::{Changes, Pending},
    compatibility::OlderQueriers,
    membership::Membership,
    pace::{MESSAGE, PACKET, Pace},
    responses::Responses,
    round::Round,
};
use crate::{
    InterfaceId,
    mode::FilterMode,
    random::Random,
    subscription::SubscriptionChange,
    time::{Duration, Instant},
};

/// How many messages one call of [`Host::handle_timeout`] asks for, but for long source lists of a single group.
pub const MESSAGE_BATCH: usize = 256;
/// For how long it is remembered, while nothing can be sent, what is wanted no more. Afterwards a router has forgotten it
/// by itself: RFC 9776 §8.4 has 270 s.
const LEAVE_MEMORY: Duration = Duration::from_secs(270);
/// Within what time all groups are told anew when the mode has changed by itself: the Query Response Interval (§8.3).
const RETOLD_WITHIN: Duration = Duration::from_secs(10);

/// The upstream interface.
#[derive(Debug)]
struct Upstream {
    interface: InterfaceId,
    config: HostConfig,
    address: Option<Ipv4Addr>,
    mtu: u32,
    is_up: bool,
}

/// The host side on the upstream interface of a proxy.
///
/// # Contract
///
/// - `now` never goes back from call to call.
/// - [`handle`](Self::handle) sends nothing by itself. [`handle_timeout`](Self::handle_timeout) is called when
///   [`poll_timeout`](Self::poll_timeout) says so, which after an event may be at once. What was handled in between shares
///   packets. Being late or early does no harm.
///
/// No input makes it panic. The work for an event, and that of a call of [`handle_timeout`](Self::handle_timeout), does not
/// grow with the number of groups, but for forgetting what is pending where the Host Compatibility Mode changes.
#[derive(Debug)]
pub struct Host {
    random: Random,
    upstream: Option<Upstream>,
    /// How often the upstream interface came up or changed. What was told before may be known to nobody.
    session: u32,
    /// Since when nothing can be sent.
    silent_since: Option<Instant>,
    /// The version in force.
    mode: u8,
    older: OlderQueriers,
    querier: Option<Ipv4Addr>,
    /// QRV of the last query that named one (§4.1.6).
    qrv: Option<u8>,
    groups: BTreeMap<Ipv4Addr, Membership>,
    /// Length of all Current-State Records, in bytes.
    total_len: usize,
    changes: Changes,
    responses: Responses,
    round: Option<Round>,
    /// From which group on all are to be announced.
    announce: Option<Ipv4Addr>,
    pace: Pace,
}

impl Host {
    /// A host without upstream interface, of which nothing is wanted. `seed` is what its random delays follow from; other
    /// hosts should not have the same.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            upstream: None,
            session: 0,
            silent_since: Some(Instant::ZERO),
            mode: 3,
            older: OlderQueriers::default(),
            querier: None,
            qrv: None,
            groups: BTreeMap::new(),
            total_len: 0,
            changes: Changes::default(),
            responses: Responses::default(),
            round: None,
            announce: None,
            pace: Pace::new(),
        }
    }

    /// Takes in one event.
    pub fn handle(&mut self, now: Instant, event: HostEvent) {
        if self.update_mode(now) {
            self.begin_round(now, RETOLD_WITHIN);
        }
        match event {
            HostEvent::UpstreamUp {
                interface,
                config,
                address,
                mtu,
            } => self.upstream_up(
                now,
                Upstream {
                    interface,
                    config,
                    address,
                    mtu,
                    is_up: true,
                },
            ),
            HostEvent::UpstreamDown => {
                if let Some(upstream) = &mut self.upstream {
                    upstream.is_up = false;
                }
                self.fall_silent(now);
            }
            HostEvent::Subscription(change) => self.subscribe(now, change),
            HostEvent::Query(query) => self.hear_query(now, &query),
            HostEvent::Report(report) => self.hear_report(&report),
        }
    }

    /// Asks for the messages that are due, in order, at most about [`MESSAGE_BATCH`] of them. Without any it does nothing.
    pub fn handle_timeout(&mut self, now: Instant, actions: &mut Vec<SendReport>) {
        if self.update_mode(now) {
            self.begin_round(now, RETOLD_WITHIN);
        }
        self.send_due(now, actions);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next. It may lie in the past: then something is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let end_of_mode = self.end_of_mode();
        let upstream = self.upstream.as_ref()?;
        if !upstream.can_send() {
            return None;
        }
        let changes = match self.announce {
            Some(_) => Some(Instant::ZERO),
            None => self.changes.next(),
        };
        [
            end_of_mode,
            changes.map(|at| at.max(self.pace.ready_at(self.cost()))),
            self.responses.next(),
            self.round.map(|round| round.at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// What is asked of the upstream router, from the group `from` on, ascending, at most `limit` groups.
    pub fn joins(&self, now: Instant, from: Ipv4Addr, limit: usize) -> Vec<JoinView> {
        let can_send = self.upstream.as_ref().is_some_and(Upstream::can_send);
        let state = |group, membership: &Membership| {
            if self.mode < 3 && is_ssm(group) {
                JoinState::Unsupported
            } else if can_send && membership.told_in == self.session {
                JoinState::Joined
            } else {
                JoinState::Pending
            }
        };
        let groups = self.groups.range(from..).take(limit);
        groups
            .map(|(&group, membership)| JoinView {
                group,
                filter_mode: membership.filter_mode,
                sources: membership.sources().collect(),
                up_time: now.since(membership.since),
                state: state(group, membership),
            })
            .collect()
    }

    /// How many groups are wanted.
    pub fn groups_count(&self) -> usize {
        self.groups.len()
    }

    /// The upstream interface, once there has been one.
    pub fn upstream(&self, now: Instant) -> Option<UpstreamView> {
        let upstream = self.upstream.as_ref()?;
        let running = |end: Instant| (end > now).then_some(end);
        Some(UpstreamView {
            interface: upstream.interface,
            is_up: upstream.is_up,
            address: upstream.address,
            querier: self.querier,
            compatibility_mode: self.older.mode(now).min(upstream.config.version),
            older_querier_expiry: [running(self.older.v1), running(self.older.v2)],
            robustness_variable: self.robustness(),
            groups_count: self.groups.len(),
        })
    }

    fn upstream_up(&mut self, now: Instant, upstream: Upstream) {
        let before = self.upstream.as_ref();
        if before.is_none_or(|before| before.interface != upstream.interface) {
            // Nobody on this link has been told anything, not even what is wanted no more.
            self.older = OlderQueriers::default();
            self.querier = None;
            self.qrv = None;
            self.changes.clear();
        }
        let could_send = before.is_some_and(Upstream::can_send);
        let is_same = before.is_some_and(|before| {
            (before.interface, before.address, before.mtu)
                == (upstream.interface, upstream.address, upstream.mtu)
        });
        let can_send = upstream.can_send();
        self.upstream = Some(upstream);
        let is_same_mode = !self.update_mode(now);
        if !can_send {
            self.fall_silent(now);
        } else if !(could_send && is_same && is_same_mode) {
            self.forget_old_leaves(now);
            self.silent_since = None;
            self.responses.clear();
            self.round = None;
            self.session = self.session.wrapping_add(1).max(1);
            self.announce = self.groups.keys().next().copied();
        }
    }

    /// Nothing can be sent from now on. What has changed is remembered for a while, so that it is not lost when the interface
    /// is back soon.
    fn fall_silent(&mut self, now: Instant) {
        self.silent_since.get_or_insert(now);
        self.responses.clear();
        self.round = None;
        self.announce = None;
    }

    fn forget_old_leaves(&mut self, now: Instant) {
        if self
            .silent_since
            .is_some_and(|since| now.since(since) >= LEAVE_MEMORY)
        {
            self.changes.clear();
        }
    }

    fn subscribe(&mut self, now: Instant, change: SubscriptionChange) {
        let group = change.group;
        if !is_multicast(group)
            || is_link_local_group(group)
            || (is_ssm(group) && change.filter_mode == FilterMode::Exclude)
        {
            return;
        }
        let mut entry = match self.groups.entry(group) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => entry.insert_entry(Membership::new(now)),
        };
        let membership = entry.get_mut();
        let was_member = membership.is_member();
        if was_member {
            self.total_len -= membership.record_len();
        }
        let difference = membership.apply(change);
        let is_member = membership.is_member();
        let is_last_reporter = membership.is_last_reporter;
        if is_member {
            self.total_len += membership.record_len();
        } else {
            entry.remove();
            self.responses.cancel(group);
        }

        self.forget_old_leaves(now);
        let robustness = self.robustness();
        match (self.mode, was_member, is_member) {
            (3, ..) => self.changes.merge(now, group, difference, robustness),
            _ if is_ssm(group) => {}
            (_, false, true) => self.changes.set(now, group, Pending::Reports(robustness)),
            // Version 1 knows no Leave, and another host's membership is not to be disturbed.
            (2, true, false) if is_last_reporter => self.changes.set(now, group, Pending::Leave),
            (_, true, false) => self.changes.cancel(group),
            _ => {}
        }
    }

    /// Begins to tell all groups once more, as to a General Query that was received at `started`.
    fn begin_round(&mut self, started: Instant, span: Duration) {
        let (Some((&first, _)), Some((&last, _))) =
            (self.groups.first_key_value(), self.groups.last_key_value())
        else {
            return;
        };
        let amount @ (total, share) = match self.mode {
            3 => (self.total_len, self.room()),
            _ => (self.groups.len(), 1),
        };
        let first = if total > share {
            let offset = self.random.up_to(u64::from(last.to_bits() - first.to_bits()));
            Ipv4Addr::from_bits(first.to_bits() + offset as u32)
        } else {
            first
        };
        let round = Round::new(started, span, first, amount, &mut self.random);
        self.round = Some(match self.round {
            Some(before) => before.merged(round),
            None => round,
        });
    }

    /// Host Compatibility Mode. A change of it cancels whatever is pending (§7.2.1). Answers whether it changed.
    fn update_mode(&mut self, now: Instant) -> bool {
        let newest = self
            .upstream
            .as_ref()
            .map_or(3, |upstream| upstream.config.version);
        let mode = self.older.mode(now).min(newest.clamp(1, 3));
        if mode == self.mode {
            return false;
        }
        self.mode = mode;
        self.changes.clear();
        self.responses.clear();
        self.round = None;
        true
    }

    /// When the mode changes by itself. Not where the configuration asks for it.
    fn end_of_mode(&self) -> Option<Instant> {
        let newest = self
            .upstream
            .as_ref()
            .map_or(3, |upstream| upstream.config.version);
        (self.mode < newest)
            .then(|| self.older.end_of(self.mode))
            .flatten()
    }

    /// Robustness Variable in force (§4.1.6).
    fn robustness(&self) -> u8 {
        let configured = self.upstream.as_ref().map(|upstream| &upstream.config);
        let configured = configured.map_or(2, |config| config.robustness_variable);
        self.qrv.unwrap_or(configured).max(1)
    }

    /// How many bytes of records fit into a packet.
    fn room(&self) -> usize {
        packing::room(self.upstream.as_ref().map_or(0, |upstream| upstream.mtu))
    }

    /// What a message costs.
    fn cost(&self) -> Duration {
        if self.mode == 3 { PACKET } else { MESSAGE }
    }
}

impl Upstream {
    fn can_send(&self) -> bool {
        self.is_up && self.address.is_some()
    }
}
