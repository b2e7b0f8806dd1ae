//! Taking events out of the ring.

use std::{collections::BTreeSet, net::Ipv4Addr};

use igmp_core::{Action, Event, NotificationKind};
use igmp_wire::abi::{EventKind, GroupKey};
use tracing::error;

use super::{Agent, clock, translate};
use crate::kernel::{MapChange, refresh_flags};

/// How many events are taken out of the ring before timers and requests get their turn.
pub(super) const EVENT_BATCH: usize = 1_024;

impl Agent {
    /// Takes a batch of events out of the ring and serves it. Returns how many there were.
    pub(super) fn drain_batch(&mut self) -> usize {
        let mut events = std::mem::take(&mut self.events);
        let mut unlocated = BTreeSet::new();
        let mut packets = Vec::new();
        let taken = self.kernel.drain_events(EVENT_BATCH, &mut |event, sources| {
            match EventKind::from_code(event.kind) {
                Some(EventKind::Source) => {
                    unlocated.insert(Ipv4Addr::from_bits(event.sender));
                }
                Some(EventKind::Flow | EventKind::WrongInterface) => packets.push((
                    event.slot,
                    Ipv4Addr::from_bits(event.sender),
                    Ipv4Addr::from_bits(event.group),
                )),
                _ => {}
            }
            let inserted = event.inserted;
            events.extend(translate::event(&event, sources).map(|event| (event, inserted)));
        });
        if !unlocated.is_empty() {
            self.ask_for(unlocated);
        }
        for (slot, source, group) in packets {
            self.pim_packet(slot, source, group);
        }
        // Read after the events, so that none is later.
        let now = clock::now();
        let upstream = self.upstream();
        let mut unserved = Vec::new();
        // Events of an interface come in long rows.
        let mut last = None;
        for (event, inserted) in events.drain(..) {
            if inserted != 0
                && let Event::Report(report) = &event
            {
                let is_up = match last {
                    Some((interface, is_up)) if interface == report.interface => is_up,
                    _ => self.is_up(report.interface),
                };
                last = Some((report.interface, is_up));
                if !is_up {
                    // The program had begun with it when the interface went down, and nobody else would find the entry.
                    let key = GroupKey {
                        slot: report.interface.0,
                        group: report.group.to_bits(),
                    };
                    unserved.push(MapChange::RemoveGroup { key });
                    continue;
                }
            }
            let Some(event) = self.hear_upstream(now, upstream, event) else {
                continue;
            };
            let first = self.actions.len();
            self.router
                .handle(now, event, &mut self.kernel, &mut self.actions);
            self.note_done(first, u32::from(inserted));
        }
        self.events = events;
        self.carry_out(now);
        if let Err(error) = self.kernel.apply(now, &unserved) {
            error!("the kernel's maps do not follow: {error}");
        }
        taken
    }

    /// Notes which of the actions from `first` on is done, as the group that they are about has an entry with these flags.
    pub(super) fn note_done(&mut self, first: usize, flags: u32) {
        if flags != 0
            && let Some(actions) = self.actions.get(first..)
            && let Some(index) = done_by_report(actions, flags)
        {
            self.done.push(first + index);
        }
    }

    /// Takes everything out of the ring that is in it now.
    pub(super) fn drain_ring(&mut self) {
        // Under a flood the ring never becomes empty; what it can hold at a time has been seen after so many batches.
        let batches = self.config.event_ring_size as usize / igmp_wire::abi::Event::LEN / EVENT_BATCH + 1;
        for _ in 0..batches {
            if self.drain_batch() < EVENT_BATCH {
                return;
            }
        }
    }
}

/// Which of the actions about a report is done, since the report has made the group's entry with these flags. Only a group
/// that is new to the core counts: of another the core may have told the kernel something else since.
fn done_by_report(actions: &[Action], flags: u32) -> Option<usize> {
    let Some(Action::Notify(notification)) = actions.first() else {
        return None;
    };
    if notification.kind != NotificationKind::GroupJoined {
        return None;
    }
    let is_told = |action: &Action| matches!(action, Action::SetGroup { .. });
    let index = actions.iter().position(is_told)?;
    let Some(Action::SetGroup { refresh, .. }) = actions.get(index) else {
        return None;
    };
    (refresh_flags(*refresh) == flags).then_some(index)
}

#[cfg(test)]
mod tests {
    use igmp_core::{InterfaceId, Notification, Reason, Refresh};
    use igmp_wire::abi::GroupFlags;

    use super::*;

    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
    const INTERFACE: InterfaceId = InterfaceId(3);

    fn notify(kind: NotificationKind) -> Action {
        Action::Notify(Notification {
            kind,
            interface: INTERFACE,
            group: Some(GROUP),
            source: None,
            reporter: None,
            reason: Reason::Report,
        })
    }

    fn set(refresh: Refresh) -> Action {
        Action::SetGroup {
            interface: INTERFACE,
            group: GROUP,
            refresh,
        }
    }

    const V2: Refresh = Refresh {
        v1: false,
        v2: true,
        v3: true,
    };
    const FLAGS: u32 = GroupFlags::REFRESH_V2 | GroupFlags::REFRESH_V3;

    #[test]
    fn a_new_group_whose_entry_is_as_it_should_be_is_done() {
        let actions = [notify(NotificationKind::GroupJoined), set(V2)];
        assert_eq!(done_by_report(&actions, FLAGS), Some(1));
    }

    #[test]
    fn other_flags_are_to_be_written() {
        let v3 = Refresh { v2: false, ..V2 };
        let actions = [notify(NotificationKind::GroupJoined), set(v3)];
        assert_eq!(done_by_report(&actions, FLAGS), None);
        let actions = [notify(NotificationKind::GroupJoined), set(Refresh::default())];
        assert_eq!(done_by_report(&actions, FLAGS), None);
    }

    /// Of a group that the core knew it may have told the kernel something since the report.
    #[test]
    fn a_known_group_is_to_be_written() {
        assert_eq!(done_by_report(&[set(V2)], FLAGS), None);
        assert_eq!(done_by_report(&[], FLAGS), None);
        let actions = [notify(NotificationKind::SourceRemoved), set(V2)];
        assert_eq!(done_by_report(&actions, FLAGS), None);
    }
}
