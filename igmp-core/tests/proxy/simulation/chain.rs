//! Another proxy, between the one whose hosts come and go and the one on the link that loses packets. Nothing is lost on the
//! way to it.

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use igmp_core::{
    Action, Duration, Event, Host, HostConfig, HostEvent, Instant, InterfaceConfig, InterfaceId, Router,
    SubscriptionChange,
};

use super::{
    Packet, Silent,
    link::{events, heard},
};
use crate::bench::{OWN, WAN};

/// The downstream interface of the other proxy.
const DOWN: InterfaceId = InterfaceId(2);
/// How long packets are under way.
const DELAY: Duration = Duration::from_millis(5);
/// How long the other proxy asks whether anybody is left: Last Member Query Time (RFC 9776 §8.8), and the repetition of
/// what it is told.
pub(super) const LEAVE: f64 = 2.0 * 1.0 + 1.0;

/// The host side of the first proxy and the router side of the second one.
pub(super) struct Chain {
    host: Host,
    router: Router,
    under_way: VecDeque<(Instant, Packet)>,
}

impl Chain {
    pub(super) fn new(now: Instant, seed: u64) -> Self {
        let mut host = Host::new(seed);
        let up = HostEvent::UpstreamUp {
            interface: WAN,
            config: HostConfig::default(),
            address: Some(OWN),
            mtu: 1500,
        };
        host.handle(now, up);
        let mut chain = Self {
            host,
            router: Router::new(),
            under_way: VecDeque::new(),
        };
        chain.router.set_upstream(Some(WAN));
        let up = Event::InterfaceUp {
            interface: DOWN,
            config: InterfaceConfig {
                query_interval: Duration::from_secs(20),
                query_response_interval: Duration::from_secs(5),
                ..InterfaceConfig::default()
            },
            address: Some(Ipv4Addr::new(10, 8, 0, 1)),
            mtu: 1500,
        };
        chain.route(now, up);
        chain
    }

    /// What the first proxy is told by its hosts.
    pub(super) fn subscribe(&mut self, now: Instant, change: SubscriptionChange) {
        self.host.handle(now, HostEvent::Subscription(change));
    }

    /// What the second one has to tell.
    pub(super) fn take_changes(&mut self) -> Vec<SubscriptionChange> {
        self.router.take_subscription_changes()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let arrival = self.under_way.front().map(|&(at, _)| at);
        let times = [arrival, self.host.poll_timeout(), self.router.poll_timeout()];
        times.into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, packet)) = self.under_way.pop_front_if(|(at, _)| *at <= now) {
            match packet {
                Packet::Query(query) => self.host.handle(now, HostEvent::Query(heard(query, now))),
                Packet::Report(report) => {
                    for event in events(report, now, DOWN) {
                        self.route(now, event);
                    }
                }
            }
        }
        let mut actions = Vec::new();
        self.router.handle_timeout(now, &mut Silent, &mut actions);
        self.send_queries(now, actions);
        let mut reports = Vec::new();
        self.host.handle_timeout(now, &mut reports);
        let reports = reports
            .into_iter()
            .map(|report| (now + DELAY, Packet::Report(report)));
        self.under_way.extend(reports);
    }

    fn route(&mut self, now: Instant, event: Event) {
        let mut actions = Vec::new();
        self.router.handle(now, event, &mut Silent, &mut actions);
        self.send_queries(now, actions);
    }

    fn send_queries(&mut self, now: Instant, actions: Vec<Action>) {
        for action in actions {
            if let Action::SendQuery(query) = action {
                self.under_way.push_back((now + DELAY, Packet::Query(query)));
            }
        }
    }
}
