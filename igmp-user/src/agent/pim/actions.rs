//! Doing what PIM wants done.

use std::{io, net::Ipv4Addr};

use igmp_core::{
    Instant, InterfaceId, Reason,
    pim::{Message, NeighborDownReason, PimAction, PimNotification, PimWarning},
};
use tracing::warn;

use crate::{
    agent::{Agent, forwarding::Incoming, translate},
    api::{MonitorEvent, MonitorEventKind, MonitorReason},
};

impl Agent {
    /// Carries out what PIM has asked for. `now` is the time that it was given.
    pub(super) fn carry_out_pim(&mut self, now: Instant) {
        let Some(running) = &mut self.pim.running else {
            return;
        };
        let actions = std::mem::take(&mut running.actions);
        for action in actions {
            self.carry_out_pim_action(now, action);
        }
        self.commit_routes();
        self.replace_routes();
    }

    fn carry_out_pim_action(&mut self, now: Instant, action: PimAction) {
        let reason_of = |group, otherwise| {
            let running = self.pim.running.as_ref();
            let reason = running.and_then(|running| running.reasons.get(&group));
            reason.copied().unwrap_or(otherwise)
        };
        match action {
            PimAction::Send {
                interface,
                source,
                message,
            } => self.send_pim(now, interface, source, &message),
            PimAction::SetRoute {
                group,
                source,
                incoming,
                outgoing,
            } => {
                let reason = reason_of(group, Reason::Report);
                self.set_route(now, (group, source), Incoming::of(incoming), &outgoing, reason);
            }
            PimAction::RemoveRoute { group, source } => {
                let reason = reason_of(group, Reason::Leave);
                self.remove_route(now, group, source, reason);
            }
            PimAction::Notify(notification) => self.notify_pim(&notification),
            PimAction::Warn(warning) => self.warn_pim(&warning),
        }
    }

    fn send_pim(&mut self, now: Instant, interface: InterfaceId, source: Ipv4Addr, message: &Message) {
        let Some(running) = &self.pim.running else { return };
        let Some(link) = running.links.get(&interface.0) else {
            return;
        };
        let Some(way) = link.way else { return };
        let packets = &self.packets;
        let outcome = way.frames(source, message, &mut self.frame, &mut |frame| {
            packets.send(way.ifindex, frame)
        });
        match outcome {
            Ok(()) => {
                if let Some(counts) = self.pim.counts.get_mut(link.name()) {
                    counts.sent.count(message);
                }
            }
            // A goodbye comes too late where the link is down already.
            Err(error) if is_gone(&error) => {}
            // The protocol repeats every message but that, so one that is lost is no harm.
            Err(error) => {
                if let Some(count) = self.pim.send_errors.note(now, 1) {
                    warn!(
                        interface = link.name(),
                        count, "cannot send a PIM message: {error}"
                    );
                }
            }
        }
    }

    /// The name that an interface has for operators.
    pub(super) fn pim_name(&self, interface: InterfaceId) -> &str {
        let running = self.pim.running.as_ref();
        let link = running.and_then(|running| running.links.get(&interface.0));
        link.map_or("", |link| link.name())
    }

    fn notify_pim(&self, notification: &PimNotification) {
        let (event, interface, reporter, reason) = match *notification {
            PimNotification::NeighborUp { interface, address } => (
                MonitorEventKind::NeighborUp,
                interface,
                address,
                MonitorReason::Report,
            ),
            PimNotification::NeighborDown {
                interface,
                address,
                reason,
            } => (
                MonitorEventKind::NeighborDown,
                interface,
                address,
                match reason {
                    NeighborDownReason::Goodbye => MonitorReason::Leave,
                    NeighborDownReason::Restarted => MonitorReason::Report,
                    NeighborDownReason::Timeout => MonitorReason::Timeout,
                    NeighborDownReason::Interface => MonitorReason::Interface,
                },
            ),
            PimNotification::DrChanged { interface, dr } => {
                (MonitorEventKind::DrChanged, interface, dr, MonitorReason::Report)
            }
        };
        self.publish(MonitorEvent {
            reporter: Some(reporter),
            ..translate::about_interface(event, self.pim_name(interface), reason)
        });
    }

    fn warn_pim(&self, warning: &PimWarning) {
        match warning {
            PimWarning::TooManyNeighbors {
                interface,
                address,
                limit,
            } => warn!(
                interface = self.pim_name(*interface),
                %address,
                "there are {limit} PIM neighbours here, and no more are taken in"
            ),
            PimWarning::AddressConflict {
                interface,
                address,
                before,
                now,
            } => warn!(
                interface = self.pim_name(*interface),
                %address,
                "the PIM neighbours {before} and {now} both say that this is their address"
            ),
            PimWarning::TooManyEntries {
                interface,
                group,
                limit,
            } => warn!(
                interface = self.pim_name(*interface),
                %group,
                "PIM has {limit} entries because of neighbours and of packets (max-entries), and further ones are refused"
            ),
            PimWarning::RpMismatch {
                interface,
                neighbor,
                group,
                theirs,
                ours: Some(ours),
            } => warn!(
                interface = self.pim_name(*interface),
                %neighbor,
                %group,
                "the neighbour joins the group at the RP {theirs}, and static-rp says {ours}; all routers need the same RP"
            ),
            PimWarning::RpMismatch {
                interface,
                neighbor,
                group,
                theirs,
                ours: None,
            } => warn!(
                interface = self.pim_name(*interface),
                %neighbor,
                %group,
                "the neighbour joins the group at the RP {theirs}, and static-rp has none for it; all routers need the same \
                 RP"
            ),
        }
    }
}

/// Whether nothing can leave because the interface is down, or there is none any more.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENETDOWN | libc::ENXIO | libc::ENODEV)
    )
}
