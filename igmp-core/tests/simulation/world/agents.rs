//! When the agents of routers wake up and act.

use super::{World, happening::Happening};
use crate::{failure::Kind, message::Node};

impl World<'_> {
    pub(super) fn arm_router(&mut self, index: usize) {
        let router = &self.routers[index];
        if !router.alive || router.is_busy() {
            return;
        }
        let deadline = router.deadline();
        let at = if router.has_events() {
            Some(self.now + self.rng.delay(self.scenario.event_delay))
        } else {
            deadline.map(|at| at.max(self.now))
        };
        // An event does not put off a deadline.
        let at = match (at, deadline) {
            (Some(at), Some(deadline)) => Some(at.min(deadline.max(self.now))),
            (at, _) => at,
        };
        let Some(at) = at else {
            return;
        };
        if self
            .armed
            .get(&Node::Router(index))
            .is_none_or(|&armed| at < armed)
        {
            self.armed.insert(Node::Router(index), at);
            let incarnation = router.incarnation;
            self.plan_at(
                at,
                Happening::Wake {
                    router: index,
                    incarnation,
                },
            );
        }
    }

    pub(super) fn wake(&mut self, index: usize, incarnation: u64) {
        let router = &mut self.routers[index];
        if incarnation != router.incarnation || !router.alive || router.is_busy() {
            return;
        }
        self.armed.remove(&Node::Router(index));
        self.tally.events += router.kernel.ring.len() as u64;
        let querier = router.is_querier();
        router.wake(self.now, self.scenario, &mut self.trace);
        let (now, is_querier) = (self.now, router.is_querier());
        if querier != is_querier {
            self.trace
                .note(now, None, || format!("router {index} is querier: {is_querier}"));
        }
        self.after_step(index);
    }

    pub(super) fn act(&mut self, index: usize, incarnation: u64) {
        let router = &mut self.routers[index];
        if incarnation != router.incarnation || !router.alive {
            return;
        }
        let (queries, timers_waited) = router.act(self.now, self.scenario, &mut self.trace);
        let (address, up) = (router.address, router.up);
        for query in queries {
            if up {
                self.send_query(index, address, &query);
            }
        }
        if timers_waited {
            self.look(index);
        }
        self.after_step(index);
    }

    fn after_step(&mut self, index: usize) {
        if let Some(fault) = self.routers[index].routes_fault.take() {
            self.fail(Kind::Routes, None, format!("router {index}: {fault}"));
        }
        let router = &self.routers[index];
        if router.is_busy() {
            let incarnation = router.incarnation;
            let after = self.rng.delay(self.scenario.deciding);
            self.plan(
                after,
                Happening::Act {
                    router: index,
                    incarnation,
                },
            );
        } else {
            self.arm_router(index);
        }
    }
}
