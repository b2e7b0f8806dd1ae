//! Doing what the core wants done.

use igmp_core::{Action, Event, Found, Instant, NotificationKind, Refresh, SendQuery};
use igmp_wire::abi::GroupFlags;

use super::{REFRESH, Router, Work};
use crate::{sabotage::Sabotage, scenario::Scenario, trace::Trace};

impl Router {
    /// The agent carries out what was decided and answers which queries it sends. It then serves timers if they waited, and
    /// answers whether they did.
    pub(crate) fn act(
        &mut self,
        now: Instant,
        scenario: &Scenario,
        trace: &mut Trace,
    ) -> (Vec<SendQuery>, bool) {
        let Work::Acting {
            mut decided,
            mut actions,
        } = core::mem::replace(&mut self.work, Work::Idle)
        else {
            return (Vec::new(), false);
        };
        let mut queries = Vec::new();
        while !actions.is_empty() {
            let mut refreshed = Vec::new();
            for action in core::mem::take(&mut actions) {
                match action {
                    Action::SendQuery(query) => queries.push(query),
                    change => refreshed.extend(self.change(now, decided, &change, scenario)),
                }
            }
            for found in refreshed {
                self.tell(now, Event::Found(found), &mut actions, trace);
            }
            decided = now;
        }
        let timers_waited = core::mem::take(&mut self.timers_wait);
        if timers_waited {
            let mut actions = Vec::new();
            self.core.handle_timeout(now, &mut self.kernel, &mut actions);
            self.follow_routes(now, &mut actions, 0);
            self.decided(now, actions);
        }
        (queries, timers_waited)
    }

    /// A group that is new to the core, and whose report has made its entry with the flags that the core wants, needs no
    /// command. Those that this event led to begin at `first`.
    pub(super) fn leave_out_what_is_done(
        &self,
        first: usize,
        inserted: u32,
        actions: &mut Vec<Action>,
        scenario: &Scenario,
    ) {
        let joined = |action: &Action| match action {
            Action::Notify(notification) => notification.kind == NotificationKind::GroupJoined,
            _ => false,
        };
        if inserted == 0 || !actions.get(first).is_some_and(joined) {
            return;
        }
        let is_set = |action: &Action| matches!(action, Action::SetGroup { .. });
        let Some(index) = actions
            .iter()
            .skip(first)
            .position(is_set)
            .map(|index| first + index)
        else {
            return;
        };
        let Action::SetGroup { group, refresh, .. } = actions[index] else {
            return;
        };
        let removes = |action: &Action| matches!(*action, Action::RemoveGroup { group: removed, .. } if removed == group);
        let is_leaving = self.is_leaving(group, None) || actions[..first].iter().any(removes);
        if refresh_flags(refresh, scenario.sabotage) == inserted && !is_leaving {
            actions.remove(index);
        }
    }

    /// Changes the kernel's maps. Answers what is to be removed although a report refreshed it after the core decided: the
    /// core is to hear of that before anything that comes later.
    fn change(
        &mut self,
        now: Instant,
        decided: Instant,
        action: &Action,
        scenario: &Scenario,
    ) -> Option<Found> {
        match *action {
            Action::SetGroup { group, refresh, .. } => {
                let set = refresh_flags(refresh, scenario.sabotage);
                let clear = (REFRESH & !set) | GroupFlags::PENDING | GroupFlags::EXCLUDE;
                self.kernel.upsert_group(group, clear, set);
                self.removals.remove(&(group, None));
                None
            }
            Action::RemoveGroup { group, .. } => {
                self.kernel.change_group(group, REFRESH, 0);
                self.begin_removal(now, decided, (group, None))
            }
            Action::SetSource { group, source, .. } => {
                self.kernel.upsert_source(group, source);
                self.removals.remove(&(group, Some(source)));
                None
            }
            Action::RemoveSource { group, source, .. } => {
                if scenario.sabotage == Some(Sabotage::KeepSources) {
                    return None;
                }
                self.kernel.retire_source(group, source);
                self.begin_removal(now, decided, (group, Some(source)))
            }
            Action::SetRoute { .. }
            | Action::RemoveRoute { .. }
            | Action::SendQuery(_)
            | Action::Notify(_)
            | Action::Warn(_) => None,
        }
    }
}

fn refresh_flags(refresh: Refresh, sabotage: Option<Sabotage>) -> u32 {
    let Refresh { v1, v2, v3 } = refresh;
    [
        (v1, GroupFlags::REFRESH_V1),
        (v2, GroupFlags::REFRESH_V2),
        (v3, GroupFlags::REFRESH_V3),
    ]
    .into_iter()
    .filter_map(|(on, flag)| {
        let on = match sabotage {
            Some(Sabotage::RefreshAlways) => true,
            Some(Sabotage::RefreshNever) => false,
            _ => on,
        };
        on.then_some(flag)
    })
    .sum()
}
