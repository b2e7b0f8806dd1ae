//! The engine on the kernel of a [`Site`]'s router, without an agent: the test says what members want.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time,
};

use igmp_core::{Duration, Instant};
use igmp_user::mroute::{
    Flow, InterfaceError, KernelRouting, MrouteSocket, Received, RouteView, Rpf, SlotCounters, VifWanted,
};
use tests::{
    Namespace, PATIENCE,
    stream::{Sender, Site, site::FENCE},
    wait_for,
};

/// The slot of `wan0`. That of `lan<n>` is n.
pub(crate) const WAN: u32 = 0;

/// How long the kernel's questions may wait for the thread that answers them.
const PAUSE: time::Duration = time::Duration::from_micros(200);

/// Which interface leads to which network of 24 bits. `None`: any interface will do.
type Ways = Option<BTreeMap<[u8; 3], u32>>;

struct State {
    routing: KernelRouting<MrouteSocket>,
    ways: Ways,
}

/// The engine, and a thread that answers what the kernel asks.
pub(crate) struct Engine {
    state: Arc<Mutex<State>>,
    began: time::Instant,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// Takes over the multicast routing of a namespace, without any interface.
    pub(crate) fn new(router: &Namespace) -> Self {
        let socket = router
            .enter(MrouteSocket::open)
            .expect("nobody drives multicast routing in a new namespace");
        let state = Arc::new(Mutex::new(State {
            routing: KernelRouting::new(socket, 1_000),
            ways: Some(BTreeMap::new()),
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let began = time::Instant::now();
        let thread = thread::spawn({
            let (state, stop) = (Arc::clone(&state), Arc::clone(&stop));
            move || answer(&state, began, &stop)
        });
        Self {
            state,
            began,
            stop,
            thread: Some(thread),
        }
    }

    /// The engine for all interfaces of a site, with the ways to their networks and everybody a member of [`FENCE`].
    pub(crate) fn of(site: &Site) -> Self {
        let engine = Self::new(&site.router);
        assert!(engine.interfaces(&interfaces(site)).is_empty());
        engine.way([10, 0, 0], WAN);
        let lans: Vec<u32> = (1..).take(site.stations.len()).collect();
        for &lan in &lans {
            engine.way([10, 1, lan as u8], lan);
        }
        engine.route(FENCE, None, &lans);
        for station in &site.stations {
            station.receiver.join(FENCE);
        }
        // New interfaces drop packets until the kernel has noticed that they have a carrier.
        let mut fence = site.send_to(FENCE);
        wait_for("all receivers to be reached", PATIENCE, || {
            engine.begin(&mut fence);
            let unreached = site
                .stations
                .iter()
                .filter(|station| station.got(&fence).count() == 0)
                .count();
            if unreached == 0 {
                Ok(())
            } else {
                Err(format!("{unreached} of them are not"))
            }
        });
        engine
    }

    /// Sends one packet of a flow, and waits until there is an entry for it. The kernel keeps few packets while it waits
    /// for an answer, and loses what arrives at the very moment at which the entry is made.
    #[track_caller]
    pub(crate) fn begin(&self, sender: &mut Sender) {
        sender.send();
        wait_for("the kernel to have an entry", PATIENCE, || {
            let routes = self.routes();
            let found = routes
                .iter()
                .any(|view| (view.source, view.group) == (sender.source(), sender.group()));
            if found { Ok(()) } else { Err(format!("{routes:?}")) }
        });
    }

    /// The time that the engine knows.
    pub(crate) fn now(&self) -> Instant {
        now(self.began)
    }

    pub(crate) fn interfaces(&self, wanted: &BTreeMap<u32, VifWanted>) -> Vec<InterfaceError> {
        let now = self.now();
        lock(&self.state).routing.set_interfaces(now, wanted)
    }

    pub(crate) fn route(&self, group: Ipv4Addr, source: Option<Ipv4Addr>, outgoing: &[u32]) {
        let now = self.now();
        let State { routing, ways } = &mut *lock(&self.state);
        with_rpf(ways, |rpf| routing.set_route(now, group, source, outgoing, rpf));
    }

    pub(crate) fn remove_route(&self, group: Ipv4Addr, source: Option<Ipv4Addr>) {
        let now = self.now();
        let State { routing, ways } = &mut *lock(&self.state);
        with_rpf(ways, |rpf| routing.remove_route(now, group, source, rpf));
    }

    /// From now on this interface leads to a network.
    pub(crate) fn way(&self, network: [u8; 3], slot: u32) {
        self.change_ways(|ways| {
            ways.get_or_insert_default().insert(network, slot);
        });
    }

    /// From now on any interface will do.
    pub(crate) fn any_way(&self) {
        self.change_ways(|ways| *ways = None);
    }

    fn change_ways(&self, change: impl FnOnce(&mut Ways)) {
        let now = self.now();
        let State { routing, ways } = &mut *lock(&self.state);
        change(ways);
        with_rpf(ways, |rpf| routing.rpf_changed(now, rpf));
    }

    /// Tells the engine that this much time has passed.
    pub(crate) fn pretend(&self, span: Duration) {
        let then = self.now() + span;
        let routing = &mut lock(&self.state).routing;
        while let Some(due) = routing.poll_timeout().filter(|&due| due <= then) {
            routing.handle_timeout(due);
        }
    }

    pub(crate) fn routes(&self) -> Vec<RouteView> {
        let now = self.now();
        lock(&self.state).routing.routes(now, None, usize::MAX)
    }

    /// The entry of a flow.
    #[track_caller]
    pub(crate) fn entry(&self, source: Ipv4Addr, group: Ipv4Addr) -> RouteView {
        let routes = self.routes();
        let found = routes
            .iter()
            .find(|view| (view.source, view.group) == (source, group));
        found
            .unwrap_or_else(|| panic!("no entry of {source} to {group} in {routes:?}"))
            .clone()
    }

    #[track_caller]
    pub(crate) fn slot_counters(&self, slot: u32) -> SlotCounters {
        let now = self.now();
        let routing = &mut lock(&self.state).routing;
        routing.read_counters(now);
        routing.slot_counters(slot).expect("the slot is served")
    }

    /// The flow of the last entry, for the time being.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.state).routing.is_empty()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of it has been printed, and a test that needs it fails by itself.
            let _ = thread.join();
        }
    }
}

/// All interfaces of a site's router, by slot.
pub(crate) fn interfaces(site: &Site) -> BTreeMap<u32, VifWanted> {
    let lans = (1..=site.stations.len()).map(|number| format!("lan{number}"));
    (0_u32..)
        .zip(std::iter::once("wan0".to_owned()).chain(lans))
        .map(|(slot, name)| (slot, interface(&site.router, &name)))
        .collect()
}

/// An interface as it is now.
pub(crate) fn interface(router: &Namespace, name: &str) -> VifWanted {
    VifWanted {
        ifindex: router.index(name),
        name: name.to_owned(),
    }
}

/// The flow of an entry.
pub(crate) fn flow(view: &RouteView) -> Flow {
    Flow {
        group: view.group,
        source: view.source,
    }
}

fn answer(state: &Mutex<State>, began: time::Instant, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let State { routing, ways } = &mut *lock(state);
        let received = with_rpf(ways, |rpf| routing.receive(now(began), rpf));
        if received != Received::More {
            thread::sleep(PAUSE);
        }
    }
}

fn with_rpf<T>(ways: &Ways, work: impl FnOnce(Rpf<'_>) -> T) -> T {
    match ways {
        Some(ways) => work(Rpf::Lookup(&|flow| {
            let [a, b, c, _] = flow.source.octets();
            ways.get(&[a, b, c]).copied()
        })),
        None => work(Rpf::Arrival),
    }
}

fn now(began: time::Instant) -> Instant {
    let nanos = u64::try_from(began.elapsed().as_nanos()).expect("a test ends within centuries");
    // Not at zero, where a machine's clock has long been past.
    Instant::from_nanos(nanos) + Duration::from_secs(1_000)
}
