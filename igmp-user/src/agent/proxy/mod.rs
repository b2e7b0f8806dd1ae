//! The host side of an IGMP proxy (RFC 4605): what downstream members want is told on the upstream interface.
//!
//! What is told, and when, is decided by [`Host`] in the core. Here it gets to know the upstream interface, what members
//! want and what is heard there, and its messages become frames.
//!
//! | module | holds |
//! |---|---|
//! | `link` | the upstream interface as it is |
//! | `frame` | reports as frames |
//! | `leaving` | leaving everything, where the proxy ends |
//! | `view` | what operators see of it |

mod frame;
mod leaving;
mod link;
mod view;

use std::{hash::BuildHasher, hash::RandomState, net::Ipv4Addr};

use igmp_core::{Event, Host, HostEvent, Instant, InterfaceId, Query, Report, SendReport};
use tokio::time::sleep;
use tracing::{info, warn};

use self::{
    leaving::Leaving,
    link::{Link, Upstream, Way},
};
use super::{Agent, clock, throttle::Throttle, translate};
use crate::api::{MonitorEventKind, MonitorReason};

/// What the router side takes for the upstream interface: none that could have members.
const UPSTREAM: InterfaceId = InterfaceId(u32::MAX);

/// The host side and what it was told.
#[derive(Debug)]
pub(super) struct Proxy {
    host: Host,
    /// The upstream interface, where one is configured.
    upstream: Option<Upstream>,
    /// The kernel's interface and VLAN that the upstream interface last was, and its number to the host side. An
    /// interface that is made anew is another link, where nobody knows anything.
    place: Option<(u32, u16)>,
    number: InterfaceId,
    /// Who queries upstream and in which version, as was last said.
    said: (Option<Ipv4Addr>, u8),
    /// Messages about that.
    remarks: Throttle,
    /// What is still to be said where there was an upstream interface.
    leaving: Option<Leaving>,
    /// Room for what is due.
    due: Vec<SendReport>,
}

impl Proxy {
    /// No proxy, as long as no upstream interface is configured.
    pub(super) fn new() -> Self {
        Self {
            host: new_host(),
            upstream: None,
            place: None,
            number: InterfaceId(0),
            said: (None, 3),
            remarks: Throttle::default(),
            leaving: None,
            due: Vec::new(),
        }
    }

    /// When there is something to send.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let leaving = self.leaving.as_ref().map(Leaving::next);
        [self.host.poll_timeout(), leaving].into_iter().flatten().min()
    }

    /// Ends membership of everything, and begins anew without knowing what is wanted.
    fn leave(&mut self, now: Instant) {
        let host = std::mem::replace(&mut self.host, new_host());
        self.place = None;
        self.said = (None, 3);
        if let Some(Upstream {
            name,
            link: Some(link),
            ..
        }) = self.upstream.take()
        {
            self.leaving = Some(Leaving::begin(now, host, name, link.way));
        }
    }

    /// Takes in what the upstream interface is like now.
    fn set(&mut self, now: Instant, wanted: Option<Upstream>) {
        if let Some(Upstream { config, link, .. }) = &wanted {
            let event = match link {
                None => HostEvent::UpstreamDown,
                Some(Link { way, address, mtu }) => {
                    let place = (way.ifindex, way.vlan);
                    if self.place.replace(place) != Some(place) {
                        self.number.0 = self.number.0.wrapping_add(1);
                    }
                    if self
                        .leaving
                        .as_ref()
                        .is_some_and(|leaving| leaving.is_through(*way))
                    {
                        // What is wanted there again is not to be left.
                        self.leaving = None;
                    }
                    HostEvent::UpstreamUp {
                        interface: self.number,
                        config: config.clone(),
                        address: *address,
                        mtu: *mtu,
                    }
                }
            };
            self.host.handle(now, event);
        }
        self.upstream = wanted;
    }
}

/// A host side whose delays nobody foresees (RFC 9776 §5.2).
fn new_host() -> Host {
    // The library draws the keys of its hash function from the operating system.
    Host::new(RandomState::new().hash_one(0))
}

impl Agent {
    /// Brings the host side to what the configuration and the kernel's interfaces say.
    pub(super) fn reconcile_proxy(&mut self) {
        let now = clock::now();
        let wanted = self.wanted_upstream();
        let before = self.proxy.upstream.clone();
        if before == wanted {
            return;
        }
        let name = |upstream: &Option<Upstream>| upstream.as_ref().map(|upstream| upstream.name.clone());
        if name(&before) != name(&wanted) {
            self.stop_proxy(now);
        }
        self.proxy.set(now, wanted.clone());
        self.router.set_upstream(wanted.as_ref().map(|_| UPSTREAM));
        self.tell_upstream();
        self.say_link(&before, &wanted);
    }

    /// Leaves everything, and forgets what is wanted.
    fn stop_proxy(&mut self, now: Instant) {
        self.proxy.leave(now);
        self.router.set_upstream(None);
    }

    /// Tells the host side what members want now.
    pub(super) fn tell_upstream(&mut self) {
        let changes = self.router.take_subscription_changes();
        if changes.is_empty() {
            return;
        }
        let now = clock::now();
        for change in changes {
            self.proxy.host.handle(now, HostEvent::Subscription(change));
        }
    }

    /// Hears what came in on the upstream interface, which has the slot `upstream`. Returns what came in elsewhere.
    pub(super) fn hear_upstream(
        &mut self,
        now: Instant,
        upstream: Option<u32>,
        event: Event,
    ) -> Option<Event> {
        let is_upstream = |interface: InterfaceId| Some(interface.0) == upstream;
        let interface = self.proxy.number;
        let heard = match event {
            Event::Query(query) if is_upstream(query.interface) => {
                HostEvent::Query(Query { interface, ..query })
            }
            Event::Report(report) if is_upstream(report.interface) => {
                HostEvent::Report(Report { interface, ..report })
            }
            other => return Some(other),
        };
        // What was in the ring when the proxy ended is heard by nobody.
        if self.proxy.upstream.is_some() {
            self.proxy.host.handle(now, heard);
        }
        None
    }

    /// Sends what is due upstream.
    pub(super) fn serve_proxy(&mut self, now: Instant) {
        if self.proxy.poll_timeout().is_none_or(|due| now < due) {
            return;
        }
        let mut due = std::mem::take(&mut self.proxy.due);
        self.proxy.host.handle_timeout(now, &mut due);
        if let Some((name, way)) = self.proxy.upstream.as_ref().and_then(Upstream::way) {
            let name = name.to_owned();
            self.send_reports(now, &name, way, &mut due);
        }
        if let Some(mut leaving) = self.proxy.leaving.take() {
            leaving.handle_timeout(now, &mut due);
            self.send_reports(now, &leaving.name, leaving.way, &mut due);
            self.proxy.leaving = (!leaving.is_over(now)).then_some(leaving);
        }
        due.clear();
        self.proxy.due = due;
    }

    fn send_reports(&mut self, now: Instant, name: &str, way: Way, reports: &mut Vec<SendReport>) {
        for report in reports.drain(..) {
            let outcome = frame::frame(&report, way, &mut self.frame)
                .map_err(|error| error.to_string())
                .and_then(|()| {
                    self.packets
                        .send(way.ifindex, &self.frame)
                        .map_err(|error| error.to_string())
                });
            match outcome {
                Ok(()) => {
                    if let Some(served) = self.interfaces.get_mut(name) {
                        frame::count(&mut served.sent, &report);
                    }
                }
                // A change is told several times, and everything again with each query.
                Err(error) => {
                    if let Some(count) = self.send_errors.note(now, 1) {
                        warn!(interface = name, count, "cannot send a report: {error}");
                    }
                }
            }
        }
    }

    /// Leaves everything that was joined upstream, and returns when that is said. To be called when nobody is left who
    /// would forward what comes.
    pub async fn leave_upstream(&mut self) {
        self.stop_proxy(clock::now());
        loop {
            let now = clock::now();
            self.serve_proxy(now);
            let Some(leaving) = &self.proxy.leaving else {
                return;
            };
            sleep(clock::to_std(leaving.next().since(now))).await;
        }
    }

    /// Tells operators that the upstream interface came up or went down, or lacks an address.
    fn say_link(&self, before: &Option<Upstream>, after: &Option<Upstream>) {
        let link = |upstream: &Option<Upstream>| {
            let upstream = upstream.as_ref()?;
            Some((upstream.name.clone(), upstream.link.clone()?))
        };
        let (before, after) = (link(before), link(after));
        let event = |kind, name: &str| {
            self.publish(translate::about_interface(kind, name, MonitorReason::Interface));
        };
        let is_same = before.as_ref().map(|(name, _)| name) == after.as_ref().map(|(name, _)| name);
        if let Some((name, _)) = &before
            && !is_same
        {
            info!(interface = name, "upstream interface down");
            event(MonitorEventKind::InterfaceDown, name);
        }
        let Some((name, link)) = &after else { return };
        if !is_same {
            info!(
                interface = name,
                address = link.address.map(tracing::field::display),
                "upstream interface up"
            );
            event(MonitorEventKind::InterfaceUp, name);
        }
        let had_address = is_same && before.is_some_and(|(_, before)| before.address.is_some());
        if link.address.is_none() && (had_address || !is_same) {
            warn!(
                interface = name,
                "the upstream interface has no IPv4 address, so nothing is joined there until it gets one"
            );
        }
    }

    /// Tells operators that another one queries upstream, or in another version. Who forges queries can have it change with
    /// each, so it is looked at from time to time only.
    pub(super) fn say_querier(&mut self, now: Instant) {
        let (Some(upstream), Some(view)) = (&self.proxy.upstream, self.proxy.host.upstream(now)) else {
            return;
        };
        let is = (view.querier, view.compatibility_mode);
        let was = std::mem::replace(&mut self.proxy.said, is);
        if is == was {
            return;
        }
        if let Some(changes) = self.proxy.remarks.note(now, 1) {
            info!(
                interface = upstream.name,
                querier = view.querier.map(tracing::field::display),
                version = view.compatibility_mode,
                changes,
                "heard the upstream querier"
            );
        }
        let (querier, _) = is;
        if querier != was.0 {
            let mut event = translate::about_interface(
                MonitorEventKind::QuerierChanged,
                &upstream.name,
                MonitorReason::Report,
            );
            event.reporter = querier;
            self.publish(event);
        }
    }
}
