//! Beginning and ending PIM as a whole: at the start and the end of the agent, and when another configuration comes into
//! force.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    net::Ipv4Addr,
};

use igmp_core::{
    InterfaceId, Reason,
    pim::{Pim, PimAction, PimConfig, PimEvent},
};
use tracing::info;

use super::{
    Running,
    surroundings::{Around, Places},
};
use crate::agent::{Agent, clock, forwarding::Incoming};

impl Agent {
    /// Begins PIM where it is configured, and ends it where it is not. Returns whether it runs.
    pub(super) fn switch_pim(&mut self) -> bool {
        if !self.config.has_pim() {
            self.end_pim();
            return false;
        }
        let config = self.config.pim.clone();
        match &mut self.pim.running {
            Some(running) if running.config != config => {
                running.config = config.clone();
                running.events.push(PimEvent::Configure(config));
            }
            Some(_) => {}
            None => self.begin_pim(config),
        }
        true
    }

    fn begin_pim(&mut self, config: PimConfig) {
        info!("routes are those of PIM from now on");
        // Nobody can foresee it, and it is another one after each start.
        let seed = RandomState::new().hash_one(0);
        self.pim.running = Some(Box::new(Running {
            core: Pim::new(seed, config.clone()),
            config,
            links: BTreeMap::new(),
            events: Vec::new(),
            actions: Vec::new(),
            places: Places::default(),
            reasons: HashMap::new(),
            replaces_routes: true,
        }));
        // What members want now is told, too.
        self.router.set_member_log(true);
        self.set_forwarding_signals(true);
    }

    /// Ends PIM. Routes are those of the IGMP router again.
    fn end_pim(&mut self) {
        if !self.pim.is_running() {
            return;
        }
        self.close_pim();
        self.withdraw_all();
        if self.awaits_joins() {
            self.stop_awaiting_joins();
        }
        self.pim.running = None;
        self.pim.counts.clear();
        self.pim.retry = None;
        self.router.set_member_log(false);
        self.set_forwarding_signals(false);
        info!("routes are those of the IGMP router from now on");
        let now = clock::now();
        let mut wanted = HashSet::new();
        for route in self.router.routes((Ipv4Addr::UNSPECIFIED, None), usize::MAX) {
            wanted.insert((route.group, route.source));
            let id = (route.group, route.source);
            self.set_route(now, id, Incoming::Rpf, &route.outgoing, Reason::Report);
        }
        self.remove_routes_but(&wanted);
        self.commit_routes();
    }

    /// Tells operators that there are no neighbours any more.
    fn withdraw_all(&mut self) {
        let now = clock::now();
        let Some(running) = &mut self.pim.running else {
            return;
        };
        let (table, activity) = self.forwarding.table_and_activity(self.kernel.flows());
        let mut around = Around {
            places: &running.places,
            table,
            activity,
        };
        let downs = running.links.keys().map(|&slot| PimEvent::InterfaceDown {
            interface: InterfaceId(slot),
        });
        running
            .core
            .handle_all(now, downs, &mut around, &mut running.actions);
        running
            .actions
            .retain(|action| matches!(action, PimAction::Notify(_)));
        self.carry_out_pim(now);
    }

    /// Says goodbye to neighbours. Routes stay until others replace them.
    pub(in crate::agent) fn close_pim(&mut self) {
        let now = clock::now();
        let Some(running) = &mut self.pim.running else {
            return;
        };
        let (table, activity) = self.forwarding.table_and_activity(self.kernel.flows());
        let mut around = Around {
            places: &running.places,
            table,
            activity,
        };
        running.core.close(now, &mut around, &mut running.actions);
        running
            .actions
            .retain(|action| matches!(action, PimAction::Send { .. }));
        self.carry_out_pim(now);
    }

    /// Removes the routes of the IGMP router that PIM has not replaced.
    pub(super) fn replace_routes(&mut self) {
        let Some(running) = &mut self.pim.running else {
            return;
        };
        if !std::mem::take(&mut running.replaces_routes) {
            return;
        }
        let routes = running.core.routes((Ipv4Addr::UNSPECIFIED, None), usize::MAX);
        let wanted = routes
            .into_iter()
            .map(|route| (route.group, route.source))
            .collect();
        self.remove_routes_but(&wanted);
        self.commit_routes();
    }

    /// Removes all routes but these.
    fn remove_routes_but(&mut self, wanted: &HashSet<(Ipv4Addr, Option<Ipv4Addr>)>) {
        let now = clock::now();
        let is_over = |route: &(Ipv4Addr, Option<Ipv4Addr>)| !wanted.contains(route);
        let over: Vec<_> = self.forwarding.route_ids().into_iter().filter(is_over).collect();
        for (group, source) in over {
            self.remove_route(now, group, source, Reason::Leave);
        }
    }
}
