//! The agent: one loop that takes what happens, asks the core what it means, and does what the core says.
//!
//! Everything runs in one thread, and no state is shared: events of the ring, changes of the kernel's interfaces, timers,
//! requests of operators and signals are served one after the other. Handlers of the control socket run in between and
//! talk to the loop through channels.
//!
//! | module | holds |
//! |---|---|
//! | `plan` | what the configuration wants, given the kernel's interfaces |
//! | `reconcile` | attaching, detaching, interfaces up and down |
//! | `served`, `slots` | what was done for an interface; the slots of the kernel's maps |
//! | `ring` | taking events out of the ring |
//! | `alarm`, `clock` | waking up in time |
//! | `translate`, `query` | events and frames |
//! | `actions` | what the core wants done |
//! | `resync` | groups that the core was not told of |
//! | `forwarding` | routes, and who carries packets along them |
//! | `pim` | PIM: its messages, neighbours and joins, and the routes that follow |
//! | `proxy` | the host side of an IGMP proxy |
//! | `limits` | telling operators of refusals |
//! | `requests`, `joins`, `reload` | what operators ask for |

mod actions;
mod alarm;
mod clock;
mod forwarding;
mod joins;
mod limits;
mod pim;
mod plan;
mod proxy;
mod query;
mod reconcile;
mod reload;
mod requests;
mod resync;
mod ring;
mod served;
mod signals;
mod slots;
mod throttle;
mod translate;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    future::{pending, ready},
    io,
    os::fd::OwnedFd,
    path::PathBuf,
    sync::Arc,
};

use igmp_core::{Action, Duration, Event, Instant, Router};
use igmp_wire::abi::InterfaceKey;
use tokio::{
    io::{
        Interest,
        unix::{AsyncFd, AsyncFdReadyGuard},
    },
    select,
    sync::{broadcast, mpsc, watch},
    task::yield_now,
};
use tracing::{info, warn};

pub use self::signals::Signals;
use self::{
    alarm::Alarm, forwarding::Forwarding, pim::PimSide, proxy::Proxy, reconcile::Attached, ring::EVENT_BATCH,
    served::Served, signals::Received, slots::Slots, throttle::Throttle,
};
use crate::{
    api::MonitorEvent,
    config::Config,
    control::Request,
    kernel::{Kernel, MapChange},
    netlink::{LocalGroups, RouteAsker, RouteTable, Snapshot},
    readiness,
    sys::PacketSocket,
};

/// How often what nobody announces is looked at: counters of limits, slots to be freed, attachments to try again.
const TICK: Duration = Duration::from_secs(1);

/// What the agent is made of.
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// The file that it was read from, for reloading.
    pub config_path: PathBuf,
    /// The loaded programs and maps.
    pub kernel: Kernel,
    /// Where queries and reports leave.
    pub packets: PacketSocket,
    /// Where operators hear of events.
    pub monitor: broadcast::Sender<Arc<MonitorEvent>>,
    /// Who asks the kernel where sources are.
    pub asker: RouteAsker,
}

/// Where things that happen come from.
pub struct Inputs {
    /// The kernel's interfaces.
    pub interfaces: watch::Receiver<Arc<Snapshot>>,
    /// The kernel's routing table.
    pub routes: watch::Receiver<Arc<RouteTable>>,
    /// Groups that sockets of this machine have joined.
    pub local_groups: watch::Receiver<Arc<LocalGroups>>,
    /// Requests of the control socket.
    pub requests: mpsc::Receiver<Request>,
    /// Signals of the operator.
    pub signals: Signals,
}

/// The agent.
pub struct Agent {
    config: Config,
    config_path: PathBuf,
    kernel: Kernel,
    router: Router,
    packets: PacketSocket,
    monitor: broadcast::Sender<Arc<MonitorEvent>>,
    snapshot: Arc<Snapshot>,
    /// Every interface that the configuration names, and those that carry a VLAN of it.
    interfaces: BTreeMap<String, Served>,
    attached: BTreeMap<u32, Attached>,
    slots: Slots,
    /// Slots that interfaces had under an earlier agent.
    adopted: HashMap<InterfaceKey, u32>,
    /// Room for a batch of events, each with the flags of the entry that its report has made.
    events: Vec<(Event, u8)>,
    /// What the core wants done and is not done yet.
    actions: Vec<Action>,
    /// Which of these the report in question has done already, ascending.
    done: Vec<usize>,
    /// Room for what the kernel has to know of them.
    changes: Vec<MapChange>,
    /// What was last remarked about the kernel's interfaces, so that it is said once.
    remarks: BTreeSet<String>,
    /// The count of lost events when it was last looked at.
    lost_events: u64,
    /// When to search the maps for groups that the core was not told of.
    scan_at: Option<Instant>,
    /// No scan because of lost events is made before.
    scan_after: Instant,
    /// How often they were searched because events were lost.
    resyncs: u64,
    /// Slots that had groups when the last tick came although they are not up.
    leftovers: BTreeSet<u32>,
    /// When to look at what nobody announces.
    tick_at: Instant,
    /// The buffer that frames are made in.
    frame: Vec<u8>,
    send_errors: Throttle,
    /// Messages about maps that are full.
    full_maps: Throttle,
    /// When the first event was handled of which nothing has been carried out yet.
    began: Option<Instant>,
    /// Who carries packets.
    forwarding: Forwarding,
    /// What others find out for it.
    arrivals: Option<forwarding::Arrivals>,
    /// Whether an interface has another querier since forwarding last heard of it.
    querier_changed: bool,
    /// PIM.
    pim: PimSide,
    /// The host side of a proxy.
    proxy: Proxy,
}

impl Agent {
    /// Puts the agent together. Nothing is attached before [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// Where the engine that is configured to carry multicast data cannot be had.
    pub fn new(parts: Parts) -> io::Result<Self> {
        let Parts {
            config,
            config_path,
            kernel,
            packets,
            monitor,
            asker,
        } = parts;
        let (forwarding, arrivals) = Forwarding::new(&config, &kernel, asker)?;
        let router = Router::with_capacity(config.max_groups as usize, config.max_entries as usize);
        Ok(Self {
            config,
            config_path,
            kernel,
            router,
            packets,
            monitor,
            snapshot: Arc::default(),
            interfaces: BTreeMap::new(),
            attached: BTreeMap::new(),
            slots: Slots::new([]),
            adopted: HashMap::new(),
            events: Vec::new(),
            actions: Vec::new(),
            done: Vec::new(),
            changes: Vec::new(),
            remarks: BTreeSet::new(),
            lost_events: 0,
            scan_at: None,
            scan_after: Instant::ZERO,
            resyncs: 0,
            leftovers: BTreeSet::new(),
            tick_at: clock::now(),
            frame: Vec::new(),
            send_errors: Throttle::default(),
            full_maps: Throttle::default(),
            began: None,
            forwarding,
            arrivals: Some(arrivals),
            querier_changed: false,
            pim: PimSide::new(),
            proxy: Proxy::new(),
        })
    }

    /// Attaches and serves until SIGTERM or SIGINT.
    ///
    /// # Errors
    ///
    /// Where the ring of events or the time cannot be waited for, or the kernel's interfaces cannot be followed any more.
    pub async fn run(&mut self, inputs: Inputs) -> io::Result<()> {
        let Inputs {
            mut interfaces,
            mut routes,
            mut local_groups,
            mut requests,
            mut signals,
        } = inputs;
        let ring = readiness::of(self.kernel.event_fd().try_clone_to_owned()?, Interest::READABLE)?;
        let mut alarm = Alarm::new()?;
        let upcalls = match self.upcall_fd() {
            Some(fd) => Some(readiness::of(fd?, Interest::READABLE)?),
            None => None,
        };
        for sentence in &self.config.without_effect {
            warn!("{sentence}");
        }

        let (Some(mut arrivals), Some(mut pim_messages)) = (self.arrivals.take(), self.pim.take_received())
        else {
            return Err(io::Error::other("the agent runs only once"));
        };
        self.snapshot = interfaces.borrow_and_update().clone();
        self.start(
            routes.borrow_and_update().clone(),
            local_groups.borrow_and_update().clone(),
        );
        info!(interfaces = self.interfaces.len(), "igmpd is running");
        // Whether the ring may hold events for which there will be no wakeup.
        let mut more = false;
        loop {
            let deadline = self.deadline();
            select! {
                readable = ring.readable() => {
                    let mut readable = readable?;
                    if self.drain_batch() < EVENT_BATCH {
                        readable.clear_ready();
                        // What arrived between the last look and the clearing is in the ring without a wakeup, and there
                        // are no more wakeups as long as the ring is not empty.
                        more = self.drain_batch() == EVENT_BATCH;
                        self.look_for_lost_events();
                    }
                    self.serve_timers();
                    // Readers of the monitor get their turn before there is more for them.
                    yield_now().await;
                }
                () = ready(()), if more => {
                    more = self.drain_batch() == EVENT_BATCH;
                    self.serve_timers();
                    yield_now().await;
                }
                rang = alarm.at(deadline) => {
                    rang?;
                    self.serve_timers();
                }
                changed = interfaces.changed() => {
                    if changed.is_ok() {
                        self.snapshot = interfaces.borrow_and_update().clone();
                        self.reconcile();
                    } else {
                        // The task that follows the kernel's interfaces has said why it ended.
                        return Err(io::Error::other("the kernel's interfaces cannot be followed any more"));
                    }
                }
                readable = readable(upcalls.as_ref()) => {
                    let mut readable = readable?;
                    if self.answer_upcalls() {
                        readable.clear_ready();
                    }
                    yield_now().await;
                }
                Ok(()) = routes.changed() => {
                    let table = routes.borrow_and_update().clone();
                    self.take_routes(table);
                }
                Ok(()) = local_groups.changed() => {
                    let groups = local_groups.borrow_and_update().clone();
                    self.take_local_groups(groups);
                }
                Some(answer) = arrivals.answers.recv() => self.take_answer(answer),
                Some(reading) = arrivals.readings.recv() => self.take_reading(reading),
                Some(message) = pim_messages.recv() => {
                    self.take_pim(message, &mut pim_messages);
                    self.serve_timers();
                    yield_now().await;
                }
                request = requests.recv() => {
                    if let Some(request) = request {
                        self.answer(request);
                    }
                }
                signal = signals.next() => match signal {
                    Received::Reload => self.reload_on_signal(),
                    Received::Stop(name) => {
                        info!("stopping on {name}");
                        return Ok(());
                    }
                },
            }
        }
    }

    /// Lets go of the kernel; see [`Kernel::release`]. Unless another agent takes over, neighbours hear of it.
    pub fn release(mut self, keep_pins: bool) {
        if !keep_pins {
            self.close_pim();
        }
        self.kernel.release(keep_pins);
    }

    /// Begins to serve, with what an earlier agent left in the kernel if there is anything.
    fn start(&mut self, routes: Arc<RouteTable>, local_groups: Arc<LocalGroups>) {
        self.lost_events = self.kernel.lost_events().unwrap_or(0);
        let found = self.adopt();
        self.begin_forwarding(routes, local_groups);
        self.await_joins();
        self.reconcile();
        self.take_in(found);
        if self.awaits_joins() {
            self.tell_pim_of_earlier_flows();
        } else {
            self.end_adoption_of_routes();
        }
        self.kernel.drop_stale_classifiers();
        self.release_unclaimed();
        self.kernel.drop_stale_links();
    }

    /// Takes one event to the core. What the core wants done about it is done by [`carry_out`](Self::carry_out).
    fn handle(&mut self, event: Event) {
        let now = clock::now();
        self.began.get_or_insert(now);
        self.router
            .handle(now, event, &mut self.kernel, &mut self.actions);
    }

    /// When there is something to do without being asked.
    fn deadline(&self) -> Instant {
        let Self {
            router,
            kernel,
            scan_at,
            tick_at,
            ..
        } = self;
        [
            router.poll_timeout(),
            kernel.next_removal(),
            *scan_at,
            self.forwarding.poll_timeout(),
            self.pim.poll_timeout(),
            self.proxy.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .fold(*tick_at, Instant::min)
    }

    /// Serves what is due.
    fn serve_timers(&mut self) {
        let now = clock::now();
        if self.router.poll_timeout().is_some_and(|due| due <= now) {
            self.router
                .handle_timeout(now, &mut self.kernel, &mut self.actions);
        }
        self.carry_out(now);
        self.finish_removals(now);
        self.serve_forwarding(now);
        self.serve_pim(clock::now());
        self.serve_proxy(clock::now());
        if self.scan_at.is_some_and(|due| due <= now) {
            self.scan();
        }
        if self.tick_at <= now {
            self.tick_at = now + TICK;
            self.tick(now);
        }
    }

    fn tick(&mut self, now: Instant) {
        self.look_for_lost_events();
        self.look_at_limits(now);
        self.tend_forwarding(now);
        self.say_querier(now);
        self.sweep();
        if self.attach_is_due(now) {
            self.reconcile();
        }
    }

    /// Whether anybody listens to [`publish`](Self::publish). Without, there is no need to put together what is told.
    fn has_listeners(&self) -> bool {
        self.monitor.receiver_count() > 0
    }

    /// Tells everybody who listens.
    fn publish(&self, event: MonitorEvent) {
        // It fails where nobody listens.
        let _ = self.monitor.send(Arc::new(event));
    }
}

/// Waits until a descriptor that there may be is readable.
async fn readable(watched: Option<&AsyncFd<OwnedFd>>) -> io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
    match watched {
        Some(watched) => watched.readable().await,
        None => pending().await,
    }
}
