//! Who asks: start-up, General Queries and the election (RFC 9776 §6.6.2, §8.6, §8.7; RFC 2236 §3 and §7).

use core::net::Ipv4Addr;

use igmp_wire::{
    address::is_unicast,
    igmp::{float, query::QRV_MASK},
};

use crate::{
    action::{Action, Notification, NotificationKind, Reason, SendQuery, Warning},
    config::InterfaceConfig,
    context::{Context, Site},
    deadlines::Key,
    event::Query,
    interface::Interface,
    liveness::Liveness,
    parameters::Adopted,
    time::{Duration, Instant},
};

/// The role of this router on an interface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Role {
    /// This router sends queries.
    Querier {
        /// How many more queries follow in the shorter interval of the start-up.
        startup_left: u8,
        /// When the next one is sent; `None` while there is no address to send from.
        next_query: Option<Instant>,
    },
    /// Another router does.
    NonQuerier {
        /// The one with the lowest address.
        querier: Ipv4Addr,
        /// Until when only that one's word counts: no longer than its own says, and no longer than the configuration says,
        /// so that a single query with the largest values does not hide a querier that does ask.
        querier_until: Instant,
        /// When the Other Querier Present timer ends (§8.5), which any router with a lower address than ours restarts.
        present_until: Instant,
        /// What the querier said.
        adopted: Adopted,
    },
}

impl Role {
    /// A querier that has nothing to say yet.
    pub(crate) const fn silent() -> Self {
        Self::Querier {
            startup_left: 0,
            next_query: None,
        }
    }

    pub(crate) const fn is_querier(&self) -> bool {
        matches!(self, Self::Querier { .. })
    }

    /// What was taken over from the querier; nothing where that is this router.
    pub(crate) fn adopted(&self) -> Adopted {
        match self {
            Self::Querier { .. } => Adopted::default(),
            Self::NonQuerier { adopted, .. } => *adopted,
        }
    }
}

impl Interface {
    /// Begins as querier with the queries of the start-up.
    pub(crate) fn start_up<L: Liveness>(&mut self, cx: &mut Context<'_, L>) {
        self.role = Role::Querier {
            startup_left: self.config.robustness_variable.max(1),
            next_query: self.address.map(|_| cx.now),
        };
        self.query_if_due(cx);
    }

    /// Takes over as querier after the other one fell silent: one General Query at once, and no start-up (RFC 2236 §7).
    fn take_over<L: Liveness>(&mut self, cx: &mut Context<'_, L>) {
        let old = self.parameters();
        self.role = Role::Querier {
            startup_left: 0,
            next_query: self.address.map(|_| cx.now),
        };
        self.remember(&old, cx.now);
        self.notify_querier(self.address, Reason::Timeout, cx);
        self.query_if_due(cx);
    }

    /// Follows a change of configuration or address.
    pub(crate) fn reconsider_role<L: Liveness>(
        &mut self,
        old_config: &InterfaceConfig,
        old_address: Option<Ipv4Addr>,
        cx: &mut Context<'_, L>,
    ) {
        let parameters = self.parameters();
        let readdressed = self.address != old_address;
        match &mut self.role {
            Role::Querier { .. } if readdressed && self.address.is_some() => {
                self.notify_querier(self.address, Reason::Interface, cx);
                self.start_up(cx);
            }
            Role::Querier { next_query, .. } if readdressed => *next_query = None,
            Role::Querier { next_query, .. } => {
                // A shorter interval holds from now on, and another version is made known at once.
                if let Some(next) = next_query {
                    *next = (*next).min(cx.now + parameters.query_interval);
                    if self.config.version != old_config.version {
                        *next = cx.now;
                    }
                }
                self.query_if_due(cx);
            }
            Role::NonQuerier { querier, .. } => {
                if self.address.is_some_and(|own| own <= *querier) {
                    self.notify_querier(self.address, Reason::Interface, cx);
                    self.start_up(cx);
                }
            }
        }
    }

    /// Serves the timer of the role.
    pub(crate) fn role_timer<L: Liveness>(&mut self, cx: &mut Context<'_, L>) {
        cx.timers.cancel(&mut self.slot, Key::Interface(self.id));
        self.forget_removals(cx.now);
        match self.role {
            Role::Querier { .. } => self.query_if_due(cx),
            Role::NonQuerier { present_until, .. } if present_until <= cx.now => self.take_over(cx),
            Role::NonQuerier { present_until, .. } => {
                cx.timers
                    .wake_by(&mut self.slot, present_until, Key::Interface(self.id));
            }
        }
    }

    fn query_if_due<L: Liveness>(&mut self, cx: &mut Context<'_, L>) {
        let parameters = self.parameters();
        if let Role::Querier {
            startup_left,
            next_query: Some(next),
        } = &mut self.role
        {
            if *next <= cx.now {
                *startup_left = startup_left.saturating_sub(1);
                *next = cx.now
                    + if *startup_left > 0 {
                        parameters.startup_interval()
                    } else {
                        parameters.query_interval
                    };
                let next = *next;
                self.send_general_query(cx);
                cx.timers.wake_by(&mut self.slot, next, Key::Interface(self.id));
            } else {
                let next = *next;
                cx.timers.wake_by(&mut self.slot, next, Key::Interface(self.id));
            }
        }
    }

    fn send_general_query<L: Liveness>(&self, cx: &mut Context<'_, L>) {
        let parameters = self.parameters();
        cx.actions.push(Action::SendQuery(SendQuery {
            interface: self.id,
            version: parameters.version,
            group: None,
            // In version 1 the field is not there yet, and sent as zero (RFC 9776 §7.3.1).
            max_response_time: match parameters.version {
                1 => Duration::ZERO,
                _ => parameters.response_interval,
            },
            suppress: false,
            qrv: parameters.qrv(),
            query_interval: parameters.query_interval,
            sources: Vec::new(),
        }));
    }

    /// Sends a General Query out of turn, so that what was forgotten is learned anew.
    pub(crate) fn query_now<L: Liveness>(&mut self, cx: &mut Context<'_, L>) {
        if let Role::Querier {
            next_query: Some(next),
            ..
        } = &mut self.role
        {
            *next = cx.now;
            self.query_if_due(cx);
        }
    }

    /// Handles a query of another router.
    pub(crate) fn query<L: Liveness>(&mut self, query: &Query, cx: &mut Context<'_, L>) {
        // 0.0.0.0 is what snooping switches use that are no queriers (RFC 4541 §2.1.1), and our own queries may come
        // back to us.
        if !is_unicast(query.querier) || self.address == Some(query.querier) {
            return;
        }
        match query.group {
            None => {
                self.warn_of_version(query, cx);
                self.elect(query, cx);
            }
            Some(group) if !query.suppress => self.lower_timers(group, query, cx),
            Some(_) => {}
        }
    }

    fn warn_of_version<L: Liveness>(&mut self, query: &Query, cx: &mut Context<'_, L>) {
        if query.version != self.config.version && self.mismatches.passes(cx.now) {
            cx.actions.push(Action::Warn(Warning::VersionMismatch {
                interface: self.id,
                configured: self.config.version,
                heard: query.version,
                querier: query.querier,
            }));
        }
    }

    /// The election (§6.6.2): the lowest address asks. A router without address never does.
    fn elect<L: Liveness>(&mut self, query: &Query, cx: &mut Context<'_, L>) {
        let heard = query.querier;
        if self.address.is_some_and(|own| own < heard) {
            return;
        }
        let said = match query.version {
            3 => Adopted {
                robustness: (query.qrv != 0).then_some(query.qrv.min(QRV_MASK)),
                query_interval: (query.qqic != 0)
                    .then(|| Duration::from_secs(u64::from(float::decode(query.qqic)))),
            },
            _ => Adopted::default(),
        };
        let old = self.parameters();
        let before = match self.role {
            Role::Querier { .. } => None,
            Role::NonQuerier {
                querier,
                querier_until,
                adopted,
                ..
            } => Some((querier, querier_until, adopted)),
        };
        let (querier, adopted) = match before {
            // Somebody with a higher address than the querier asks too. As long as the querier is there, only its word
            // counts.
            Some((querier, until, adopted)) if querier < heard && cx.now < until => (querier, adopted),
            _ => (heard, said),
        };
        self.role = Role::NonQuerier {
            querier,
            querier_until: query.time,
            present_until: query.time,
            adopted,
        };
        self.remember(&old, query.time);
        let configured = self.parameters_of(Adopted::default());
        let end = query.time + self.parameters().other_querier_interval();
        if let Role::NonQuerier {
            querier_until,
            present_until,
            ..
        } = &mut self.role
        {
            *present_until = end;
            *querier_until = match before {
                Some((_, until, _)) if querier != heard => until,
                _ => end.min(query.time + configured.other_querier_interval()),
            };
        }
        cx.timers.cancel(&mut self.slot, Key::Interface(self.id));
        cx.timers.wake_by(&mut self.slot, end, Key::Interface(self.id));
        if before.is_none_or(|(before, ..)| before != querier) {
            self.notify_querier(Some(querier), Reason::Report, cx);
        }
    }

    /// Lowers timers as the sender of a specific query without S flag has done (§6.6.1).
    ///
    /// Its Max Response Time is honoured rather than our own Last Member Query Interval, as in RFC 2236 §3, so that a
    /// querier that is configured otherwise does not lead us to end memberships before it does.
    fn lower_timers<L: Liveness>(&mut self, address: Ipv4Addr, query: &Query, cx: &mut Context<'_, L>) {
        let parameters = self.parameters();
        let deciseconds = match query.version {
            3 => u64::from(float::decode(query.max_resp_code)),
            _ => u64::from(query.max_resp_code),
        };
        let response_time = match deciseconds {
            0 => parameters.last_member_interval,
            _ => Duration::from_deciseconds(deciseconds),
        };
        let end = cx.now + response_time * u64::from(parameters.robustness);
        let mut sources = query.sources.clone();
        sources.sort_unstable();
        sources.dedup();
        if !self.groups.contains_key(&address) {
            return;
        }
        let times = cx.liveness.group(self.id, address);
        self.catch_up(address, &parameters, &times, query.time, None, cx);
        if let Some(group) = self.groups.get_mut(&address) {
            let site = Site {
                parameters: &parameters,
                group: address,
                statics: self.statics.get(address),
            };
            group.lower_for_query(&site, &sources, (end, query.time), &times, cx);
            group.commit(&site, false, cx);
        }
    }

    fn notify_querier<L: Liveness>(
        &self,
        querier: Option<Ipv4Addr>,
        reason: Reason,
        cx: &mut Context<'_, L>,
    ) {
        cx.actions.push(Action::Notify(Notification {
            kind: NotificationKind::QuerierChanged,
            interface: self.id,
            group: None,
            source: None,
            reporter: querier,
            reason,
        }));
    }
}
