//! Answering operators.

use std::{net::Ipv4Addr, ops::Bound};

use igmp_core::{Action, Event, Instant, InterfaceId, NotificationKind};

use super::{Agent, clock, served::Served};
use crate::{
    api::{
        Cleared, FilterMode, Group, IgmpInterface, Interface, InterfaceStatistics, Interfaces, OperStatus,
        Seconds, Source, Statistics, XdpModeName,
    },
    control::{Filter, Page, Position, Request, RequestError},
    kernel::XdpMode,
};

/// How many groups are delivered before the loop serves something else.
const PAGE: usize = 512;

impl Agent {
    /// Does what an operator asks for, and answers. Who has gone away meanwhile does not hear it.
    pub(super) fn answer(&mut self, request: Request) {
        match request {
            Request::Groups { filter, from, reply } => {
                let _ = reply.send(self.groups(&filter, from));
            }
            Request::Routes { filter, from, reply } => match self.check(&filter) {
                Ok(()) => self.answer_routes(filter, from, reply),
                Err(error) => {
                    let _ = reply.send(Err(error));
                }
            },
            Request::Joins { filter, from, reply } => {
                let _ = reply.send(self.check(&filter).map(|()| self.joins(&filter, from)));
            }
            Request::Interfaces(reply) => {
                let _ = reply.send(self.show_interfaces());
            }
            Request::Neighbors(reply) => {
                let _ = reply.send(self.show_neighbors());
            }
            Request::Statistics(reply) => {
                let _ = reply.send(self.statistics());
            }
            Request::ClearGroups { filter, reply } => {
                let _ = reply.send(self.clear_groups(&filter));
            }
            Request::Reload(reply) => {
                let _ = reply.send(self.reload());
            }
        }
    }

    fn check(&self, filter: &Filter) -> Result<(), RequestError> {
        match &filter.interface {
            Some(name) if !self.interfaces.contains_key(name) => {
                Err(RequestError::NoSuchInterface(name.clone()))
            }
            _ => Ok(()),
        }
    }

    fn groups(&mut self, filter: &Filter, from: Option<Position>) -> Result<Page, RequestError> {
        self.check(filter)?;
        let now = clock::now();
        let mut page = Page::default();
        let begin = from.as_ref().map_or("", |position| &position.interface);
        for (name, served) in self
            .interfaces
            .range::<str, _>((Bound::Included(begin), Bound::Unbounded))
        {
            let wanted = filter.interface.as_ref().is_none_or(|only| only == name);
            let (true, Some(id)) = (wanted, served.id()) else {
                continue;
            };
            let first = match (&from, filter.group) {
                (_, Some(group)) => group,
                (Some(position), None) if position.interface == *name => position.group,
                _ => Ipv4Addr::UNSPECIFIED,
            };
            // One more than fits tells whether there is a next page, and where it begins.
            let limit = if filter.group.is_some() {
                1
            } else {
                PAGE - page.groups.len() + 1
            };
            for view in self.router.groups(now, id, first, limit, &mut self.kernel) {
                if filter.group.is_some_and(|only| only != view.group) {
                    continue;
                }
                if page.groups.len() == PAGE {
                    page.next = Some(Position {
                        interface: name.clone(),
                        group: view.group,
                    });
                    return Ok(page);
                }
                page.groups.push(group(name, view));
            }
        }
        Ok(page)
    }

    fn show_interfaces(&self) -> Interfaces {
        let now = clock::now();
        let interface = self
            .interfaces
            .iter()
            .map(|(name, served)| self.show_interface(now, name, served))
            .collect();
        Interfaces { interface }
    }

    fn show_interface(&self, now: Instant, name: &str, served: &Served) -> Interface {
        let binding = served.wanted.binding.as_ref();
        let mode = binding
            .and_then(|binding| self.attached.get(&binding.ifindex))
            .and_then(|attached| attached.mode());
        let view = served
            .id()
            .filter(|_| served.core.is_some())
            .and_then(|id| self.router.interface(id));
        let configured = served.wanted.igmp.as_ref();
        let igmp = match (view, configured) {
            (Some(view), Some(_)) => Some(IgmpInterface {
                version: view.version,
                querier: view.querier,
                is_querier: view.is_querier,
                other_querier_expire: view.other_querier_expiry.map(|time| Seconds::until(now, time)),
                next_query: view.next_query.map(|time| Seconds::until(now, time)),
                query_interval: view.query_interval.into(),
                robustness_variable: view.robustness_variable,
                groups_count: u32::try_from(view.groups_count).unwrap_or(u32::MAX),
            }),
            (None, Some(igmp)) => Some(IgmpInterface {
                version: igmp.protocol.version,
                querier: None,
                is_querier: false,
                other_querier_expire: None,
                next_query: None,
                query_interval: igmp.protocol.query_interval.into(),
                robustness_variable: igmp.protocol.robustness_variable,
                groups_count: 0,
            }),
            (_, None) => None,
        };
        Interface {
            interface_name: name.to_owned(),
            ifindex: binding.map(|binding| binding.shown_ifindex),
            oper_status: match binding {
                None => OperStatus::NotPresent,
                Some(binding) if binding.up => OperStatus::Up,
                Some(_) => OperStatus::Down,
            },
            address: binding.and_then(|binding| binding.address()),
            xdp_mode: mode.map(|mode| match mode {
                XdpMode::Native => XdpModeName::Native,
                XdpMode::Generic => XdpModeName::Generic,
            }),
            igmp,
            proxy_upstream: self
                .config
                .interfaces
                .get(name)
                .is_some_and(|interface| interface.proxy_upstream),
            proxy: self.show_proxy(now, name),
            pim: self.show_pim_interface(now, name, served),
        }
    }

    fn statistics(&mut self) -> Statistics {
        let carried = self.carried_by_kernel();
        let interface = self
            .interfaces
            .iter()
            .filter_map(|(name, served)| {
                let slot = served.slot?;
                let mut counters = self.kernel.counters(slot).unwrap_or_default();
                // The core refuses what would exceed a limit only once the kernel's report of it has been understood.
                let refused = served.refused_before + self.refused_by_core(InterfaceId(slot));
                if let Some(limit) = counters.dropped.get_mut(igmp_wire::Refusal::Limit as usize) {
                    *limit += refused;
                }
                if let Some(carried) = carried.get(&slot) {
                    counters.add(carried);
                }
                let mut sent = served.sent;
                if served.wanted.host.is_some() {
                    sent.reports.get_or_insert_default();
                }
                Some(InterfaceStatistics {
                    pim: self.pim_statistics(name, served),
                    ..InterfaceStatistics::new(name, &counters, sent)
                })
            })
            .collect();
        Statistics {
            interface,
            resyncs: self.resyncs,
        }
    }

    /// What limits of the core have refused since the interface came up.
    pub(super) fn refused_by_core(&self, interface: InterfaceId) -> u64 {
        self.router
            .interface(interface)
            .map_or(0, |view| view.limit_refusals)
    }

    fn clear_groups(&mut self, filter: &Filter) -> Result<Cleared, RequestError> {
        self.check(filter)?;
        let interface = match &filter.interface {
            None => None,
            Some(name) => match self.interfaces.get(name).and_then(Served::id) {
                Some(id) => Some(id),
                // It is configured and has nothing to clear.
                None => return Ok(Cleared::default()),
            },
        };
        self.handle(Event::Clear {
            interface,
            group: filter.group,
        });
        let groups_cleared = self
            .actions
            .iter()
            .filter(|action| {
                matches!(action, Action::Notify(notification) if notification.kind == NotificationKind::GroupLeft)
            })
            .count() as u64;
        self.carry_out(clock::now());
        Ok(Cleared { groups_cleared })
    }
}

/// A group as operators see it.
fn group(interface_name: &str, view: igmp_core::GroupView) -> Group {
    let igmp_core::GroupView {
        group,
        filter_mode,
        expires,
        up_time,
        last_reporter,
        compatibility_mode,
        is_static,
        sources,
    } = view;
    Group {
        interface_name: interface_name.to_owned(),
        group_address: group,
        filter_mode: match filter_mode {
            igmp_core::FilterMode::Include => FilterMode::Include,
            igmp_core::FilterMode::Exclude => FilterMode::Exclude,
        },
        expire: expires.map(Seconds::from),
        up_time: up_time.into(),
        last_reporter,
        compatibility_mode,
        is_static,
        source: sources
            .into_iter()
            .map(|source| Source {
                source_address: source.source,
                expire: source.expires.map(Seconds::from),
                up_time: source.up_time.into(),
                forwarding: source.forwarding,
            })
            .collect(),
    }
}
