//! What a router owes, computed from what its network card has received and from nothing else.
//!
//! The ledger does not know how the core works. It takes down each report and query that reached the router's kernel,
//! lost events included, and derives from RFC 9776 until when a source *must* be forwarded and from when on it *must
//! not*. Between the two the RFC leaves the router its choice, or the order of events that were received within the
//! time that the agent needs is not defined.
//!
//! # Until when a source must be forwarded
//!
//! A report *covers* source S of group G if it asks for S: `IS_EX(x)` and `TO_EX(x)` without S in x, version 1 and 2
//! reports, and `IS_IN(x)`, `TO_IN(x)`, `ALLOW(x)` with S in x. Each of these sets the group timer or S's timer to the Group
//! Membership Interval (tables of §6.4), and while either runs S is forwarded (§6.3): `IS_EX` and `TO_EX` of others can
//! move S from the group timer to a timer of its own with the group timer's value or more, and back, but never stop it.
//! So a cover at *t* obliges the router until *t* + GMI, from *t* + the agent's handling time on.
//!
//! The obligation only gets shorter where a timer is lowered (§6.6.1): by the querier on `BLOCK(x)`, `TO_EX(x)` with S in
//! x, `TO_IN(x)` without S, or a Leave; and by any router on Q(G) or Q(G,x) with the S flag clear. It then ends Last
//! Member Query Time after the lowering unless a later cover renews it. The order is that in which the network card saw
//! the frames, for that is what a router without any handling time would have acted upon.
//!
//! # From when on a source must not be forwarded
//!
//! Without any cover for GMI both timers have run out, with one exception: `IS_EX(x)` with S in x gives an S that is
//! forwarded without a timer of its own one of GMI (§6.4.1), once. Each cover by an EXCLUDE record may delete S's timer
//! and so open the way for that exception again.
//!
//! After a lowering by the querier nothing but another cover, or such an `IS_EX`, keeps S beyond Last Member Query Time.
//! Where an older host is present, leaves, blocks or lists may have to be ignored (§7.3.2), and no such promise is held
//! against the router then.
//!
//! | module | holds |
//! |---|---|
//! | `account` | what is taken down of a group and its sources |
//! | `received` | what reports and queries add to it |
//! | `resync` | what is known otherwise, or not any more: cleared groups, scans, agents that start anew |
//! | `verdict` | whether the state of a router complies |

mod account;
mod received;
mod resync;
mod verdict;

use core::net::Ipv4Addr;

use igmp_core::{Duration, Instant};

use self::account::{Group, Source};
pub(crate) use self::verdict::{Breach, View};
use crate::scenario::Scenario;

/// The spans of time that the ledger reckons with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Group Membership Interval (§8.4).
    pub(crate) membership: Duration,
    /// Last Member Query Time (§8.10).
    pub(crate) last_member: Duration,
    /// How long after a leave the querier waits for other members: Last Member Query Time, or nothing where the
    /// configuration says so.
    pub(crate) leave: Duration,
    /// Older Host Present Interval (§8.13).
    pub(crate) older_host: Duration,
    /// How long the agent takes at most from a frame or a deadline until the core's state follows.
    pub(crate) handling: Duration,
    /// The version of the interface.
    pub(crate) version: u8,
}

/// The ledger of one router.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    terms: Terms,
    groups: Vec<(Ipv4Addr, Group)>,
    names: Vec<Ipv4Addr>,
    /// When the router became querier or ceased to be, and which.
    roles: Vec<(Instant, bool)>,
}

impl Ledger {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let group = Group {
            sources: vec![Source::default(); scenario.sources.len()],
            ..Group::default()
        };
        Self {
            terms: scenario.terms(),
            groups: scenario
                .groups
                .iter()
                .map(|&address| (address, group.clone()))
                .collect(),
            names: scenario.sources.clone(),
            roles: Vec::new(),
        }
    }

    /// Takes down the role that the router has from now on.
    pub(crate) fn role(&mut self, now: Instant, querier: bool) {
        if self.roles.last().is_none_or(|&(_, last)| last != querier) {
            self.roles.push((now, querier));
        }
    }

    /// Whether the router had the role at any time, or at no other time, from `from` to `to`.
    fn was_querier(&self, from: Instant, to: Instant) -> (bool, bool) {
        let mut ever = false;
        let mut always = true;
        for (index, &(since, querier)) in self.roles.iter().enumerate().rev() {
            let until = self
                .roles
                .get(index + 1)
                .map_or(Instant::from_nanos(u64::MAX), |next| next.0);
            if since <= to && until >= from {
                ever |= querier;
                always &= querier;
            }
            if since < from {
                break;
            }
        }
        (ever, always)
    }

    fn index(&self, group: Ipv4Addr) -> Option<usize> {
        self.groups.iter().position(|(address, _)| *address == group)
    }
}
