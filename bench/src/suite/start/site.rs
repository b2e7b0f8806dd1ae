//! A router with many interfaces, and what is to be seen of its start from outside.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use socket2::Socket;
use tests::{
    Frr, Igmpd, Namespace, Network,
    igmpd::Paths,
    raw::{keep_protocols, packet_socket_on_all},
    stream::message::{self, now},
};

use super::watch::Watch;

/// How long a start may take.
const LIMIT: Duration = Duration::from_secs(8);

/// Who starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contestant {
    /// This router.
    Igmpd,
    /// FRR's zebra and pimd.
    Frr,
}

impl Contestant {
    pub(super) const ALL: [Self; 2] = [Self::Igmpd, Self::Frr];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Igmpd => "igmpd",
            Self::Frr => "FRR zebra and pimd",
        }
    }
}

/// What was seen of a start.
#[derive(Clone, Debug, Default)]
pub(super) struct Start {
    /// Seconds from exec to the first General Query on each interface that had one, sorted.
    pub(super) queries: Vec<f64>,
    /// Seconds from exec until all interfaces were attached.
    pub(super) attached: Option<f64>,
    /// How many were attached when all were or the time was over.
    pub(super) attached_count: usize,
}

/// A namespace with many interfaces, the other ends of which are all in another.
#[derive(Debug)]
pub(super) struct Site {
    count: usize,
    router: Namespace,
    hosts: Namespace,
    network: Network,
}

enum Running {
    Igmpd(Igmpd),
    Frr(Frr),
}

impl Site {
    /// Makes interfaces `lan0`, `lan1` and so on with addresses, all up.
    pub(super) fn new(count: usize) -> Self {
        let network = Network::new();
        let (router, hosts) = (network.namespace("router"), network.namespace("hosts"));
        let mut lines = String::new();
        let mut up = String::new();
        for number in 0..count {
            let (high, low) = (number / 250, number % 250);
            let _ = write!(
                lines,
                "link add lan{number} type veth peer name host{number} netns {}\n\
                 address add 10.{high}.{low}.1/24 dev lan{number}\nlink set lan{number} up\n",
                hosts.name()
            );
            let _ = writeln!(up, "link set host{number} up");
        }
        router.ip_batch(&lines, &network.path("router.batch"));
        hosts.ip_batch(&up, &network.path("hosts.batch"));
        Self {
            count,
            router,
            hosts,
            network,
        }
    }

    /// Starts a contestant, looks until every interface is attached and has had its first query, and stops it again.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell what there is.
    pub(super) fn start(&self, contestant: Contestant) -> Result<Start> {
        let queries = self.listen()?;
        let is_over = AtomicBool::new(false);
        let config = self.config(contestant);
        let paths = Paths::new(&self.network);
        if contestant == Contestant::Igmpd {
            paths.configure(&config);
        }
        let (started, began) = (now(), Instant::now());
        let mut running = match contestant {
            Contestant::Igmpd => Running::Igmpd(Igmpd::spawn(&self.router, paths)),
            Contestant::Frr => Running::Frr(Frr::spawn(&self.network, &self.router, &config)),
        };
        let found = thread::scope(|scope| {
            let watch = || {
                let count = Watch::new(contestant)?.wait(self.count, || is_over.load(Ordering::Relaxed))?;
                Ok((count, now().saturating_sub(started)))
            };
            let watcher = scope.spawn(move || self.router.enter(watch));
            let first = first_queries(&queries, self.count, began);
            // Who has sent a query on each interface has attached to it; if not, it has as long as the queries had.
            while !watcher.is_finished() && began.elapsed() < LIMIT {
                thread::sleep(Duration::from_millis(10));
            }
            is_over.store(true, Ordering::Relaxed);
            let watched: Result<(usize, Duration)> = watcher
                .join()
                .unwrap_or_else(|_| Err(anyhow!("the watcher panicked")));
            let (attached_count, at) = watched?;
            let mut start = Start {
                attached: (attached_count >= self.count).then_some(at.as_secs_f64()),
                attached_count,
                ..Start::default()
            };
            start.queries = first
                .into_values()
                .map(|at| at.saturating_sub(started).as_secs_f64())
                .collect();
            start.queries.sort_by(f64::total_cmp);
            anyhow::Ok(start)
        });
        match &mut running {
            Running::Igmpd(igmpd) => igmpd.stop(),
            Running::Frr(frr) => frr.stop(),
        }
        found
    }

    fn config(&self, contestant: Contestant) -> String {
        (0..self.count).fold(String::new(), |mut text, number| {
            let _ = match contestant {
                Contestant::Igmpd => writeln!(text, "[interfaces.lan{number}]\nigmp = {{}}"),
                Contestant::Frr => writeln!(text, "interface lan{number}\n ip igmp\n ip igmp version 3"),
            };
            text
        })
    }

    /// A socket that sees IGMP on all hosts' interfaces.
    fn listen(&self) -> Result<Socket> {
        let ip = u16::try_from(nix::libc::ETH_P_IP).context("an EtherType")?;
        let socket = packet_socket_on_all(&self.hosts, ip);
        message::prepare(&socket);
        keep_protocols(&socket, &[2]);
        Ok(socket)
    }
}

/// When the first General Query came in on each interface, by the kernel's clock.
fn first_queries(socket: &Socket, count: usize, began: Instant) -> BTreeMap<usize, Duration> {
    let mut first = BTreeMap::new();
    let mut buffer = vec![0; 2048];
    while first.len() < count && began.elapsed() < LIMIT {
        let Some(received) = message::receive(socket, &mut buffer) else {
            continue;
        };
        let frame = buffer.get(..received.len).unwrap_or_default();
        if is_general_query(frame)
            && let Some(interface) = received.interface
        {
            first.entry(interface).or_insert(received.at);
        }
    }
    first
}

/// Whether a frame without a tag is a General Query (RFC 9776 §4.1): type 0x11, to no group.
fn is_general_query(frame: &[u8]) -> bool {
    let Some(ip) = frame.get(14..) else {
        return false;
    };
    let header = ip.first().map_or(0, |byte| usize::from(byte & 0x0f) * 4);
    ip.get(header..header + 8)
        .is_some_and(|message| message.first() == Some(&0x11) && message.ends_with(&[0; 4]))
}
