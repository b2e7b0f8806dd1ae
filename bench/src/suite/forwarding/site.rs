//! The network of one contestant: a generator, the contestant's place, and a sink behind each port.

use std::{
    fmt::Write,
    iter,
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use tests::{
    Namespace, Network, Packet,
    packet::Record,
    stream::{Datagram, Payload},
};

use crate::{
    arguments::Arguments,
    cpu,
    load::{
        live::{Content, Live, Plan, Sent},
        packet_socket::{Frames, PacketSocket},
        sinks::Sinks,
    },
    site,
};

/// The contestant's device where data comes in.
pub(super) const INCOMING: &str = "wan0";
/// The contestant's address there, in 10.0.0.0/24.
pub(super) const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The source of all data.
pub(super) const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// The first group.
pub(super) const FIRST_GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 0, 0);

/// The generator's device.
const GENERATOR: &str = "gen0";
/// Records of a report, which makes a packet of 1,472 bytes.
const RECORDS: usize = 180;
/// CHANGE_TO_EXCLUDE_MODE (RFC 9776 §4.2.14).
const TO_EXCLUDE: u8 = 4;
/// The most packets that are under way. The ring of a virtual device holds 256, of which it may not have given back 16 yet.
const WINDOW: u32 = 192;
/// Frames that the socket sends in one go.
const GO: u64 = 128;
/// Longest time that sending may take.
const LIMIT: Duration = Duration::from_secs(20);

/// A contestant's network.
#[derive(Debug)]
pub(super) struct Site {
    live: Live,
    /// What the socket sends in one go, all of it alike.
    frames: Frames,
    pub(super) network: Network,
    generator: Namespace,
    pub(super) router: Namespace,
    sinks: Namespace,
    /// The contestant's devices with a sink behind each: `lan1` and so on. They have no address yet.
    pub(super) ports: Vec<String>,
    devices: Vec<String>,
    /// The threads that poll [`INCOMING`].
    pub(super) polling: Vec<u32>,
    /// The threads that poll the sinks.
    pub(super) draining: Vec<u32>,
}

impl Site {
    /// Makes the network with so many ports, up to 64. `is_routed` tells whether packets are to arrive as a router sends
    /// them, or unchanged.
    ///
    /// # Errors
    ///
    /// When programs cannot be loaded, or devices do not take their settings.
    ///
    /// # Panics
    ///
    /// When namespaces and links cannot be made.
    pub(super) fn new(arguments: &Arguments, ports: u32, is_routed: bool) -> Result<Self> {
        let earlier = cpu::kernel_threads("napi/")?;
        let network = Network::new();
        let [generator, router, sinks] = ["generator", "router", "sinks"].map(|role| network.namespace(role));
        network.link(&generator, GENERATOR, &router, INCOMING);
        let (names, devices): (Vec<String>, Vec<String>) = (1..=ports)
            .map(|number| (format!("lan{number}"), format!("sink{number}")))
            .unzip();
        let mut lines = String::new();
        for (name, device) in names.iter().zip(&devices) {
            let _ = writeln!(
                lines,
                "link add {name} type veth peer name {device} netns {}",
                sinks.name()
            );
            let _ = writeln!(lines, "link set {name} up");
        }
        router.ip_batch(&lines, &network.path("links"));
        let lines: String = devices
            .iter()
            .map(|device| format!("link set {device} up\n"))
            .collect();
        sinks.ip_batch(&lines, &network.path("links"));
        site::hand_over_all(&generator, GENERATOR)?;
        site::poll_by_thread(&router, INCOMING)?;
        let plan = Plan {
            content: Content::Data,
            frame: frame(64),
            first_group: FIRST_GROUP,
            groups: 1,
            window: Some(WINDOW),
            interval: Duration::ZERO,
        };
        let described = Sinks::new(&sinks, &devices, is_routed)?;
        let live = Live::load(&arguments.object, &generator, GENERATOR, &plan, Some(&described))?;
        // Their work is not to be charged to the contestant. They share its processor, as waking them on another one costs
        // whoever sends packets one by one far more than sending them.
        let line: String = devices
            .iter()
            .map(|device| format!("echo 1 > /sys/class/net/{device}/threaded\n"))
            .collect();
        site::execute(&sinks, &["sh", "-e", "-c", &line])?;
        let mut site = Self {
            live,
            frames: Frames::default(),
            network,
            generator,
            router,
            sinks,
            ports: names,
            devices,
            polling: Vec::new(),
            draining: Vec::new(),
        };
        for (thread, name) in cpu::kernel_threads("napi/")? {
            if earlier.iter().any(|(other, _)| *other == thread) {
                continue;
            }
            if name.starts_with("napi/wan0-") {
                cpu::pin_thread(thread, site::POLL_CPU)?;
                site.polling.push(thread);
            } else {
                cpu::pin_thread(thread, site::POLL_CPU)?;
                site.draining.push(thread);
            }
        }
        ensure!(
            site.polling.len() == 1,
            "{} threads poll {INCOMING}",
            site.polling.len()
        );
        ensure!(
            site.draining.len() == ports as usize,
            "{} threads poll {ports} sinks",
            site.draining.len()
        );
        Ok(site)
    }

    /// Gives the contestant an address on each interface, and each port a network of its own.
    pub(super) fn address(&self) {
        let mut lines = format!("address add {ROUTER}/24 dev {INCOMING}\n");
        for (name, number) in self.ports.iter().zip(1_u8..) {
            let _ = writeln!(lines, "address add 10.1.{number}.1/24 dev {name}");
        }
        self.router.ip_batch(&lines, &self.network.path("addresses"));
    }

    /// Has a host behind each port join so many groups from the first one on.
    ///
    /// # Errors
    ///
    /// When reports cannot be sent.
    pub(super) fn join(&self, groups: u32) -> Result<()> {
        let all: Vec<Record> = (0..groups)
            .map(|index| Record::new(TO_EXCLUDE, FIRST_GROUP.to_bits() + index, &[]))
            .collect();
        for (device, number) in self.devices.iter().zip(1_u8..) {
            let host = Ipv4Addr::new(10, 1, number, 2);
            let reports = all
                .chunks(RECORDS)
                .map(|records| Packet::v3_report(host, records).frame());
            let frames: Frames = reports.collect();
            PacketSocket::open(&self.sinks, device)?.send(&frames)?;
        }
        Ok(())
    }

    /// Chooses the frames to send: how many bytes each has, and how many groups take turns. The socket sends to the first group
    /// only.
    ///
    /// # Errors
    ///
    /// When the generator does not take them.
    pub(super) fn choose(&mut self, len: usize, groups: u32) -> Result<()> {
        let frame = frame(len);
        self.live.change(&frame, groups)?;
        self.frames = iter::repeat_n(frame, GO as usize).collect();
        Ok(())
    }

    /// Sends so many live frames.
    ///
    /// # Errors
    ///
    /// When they cannot be sent.
    pub(super) fn send(&mut self, frames: u64) -> Result<Sent> {
        self.live
            .send(&self.generator, site::GENERATOR_CPU, frames, LIMIT)
    }

    /// Sends at least so many prebuilt frames through a packet socket. It waits after each go until all have arrived.
    ///
    /// # Errors
    ///
    /// When they cannot be sent.
    pub(super) fn send_through_socket(&mut self, frames: u64) -> Result<Sent> {
        let socket = PacketSocket::open(&self.generator, GENERATOR)?;
        let goes = frames.div_ceil(GO);
        let before = self.live.arrived()?;
        let begun = Instant::now();
        for _ in 0..goes {
            let sent = socket.send(&self.frames)?;
            self.live.wait_for_others(sent.frames as u64, LIMIT)?;
        }
        let elapsed = begun.elapsed();
        let arrived = self.live.arrived()?;
        Ok(Sent {
            frames: goes * GO,
            elapsed,
            arrived: arrived
                .iter()
                .zip(&before)
                .map(|(now, before)| now.since(before))
                .collect(),
        })
    }
}

/// A frame of so many bytes, from the Ethernet header on and without the frame check sequence.
fn frame(len: usize) -> Vec<u8> {
    let payload = Payload {
        stream: 0,
        sequence: 0,
    };
    // Ethernet, IPv4 and UDP take 42 bytes.
    let datagram = Datagram::new(SOURCE, FIRST_GROUP, payload).with(|it| it.size = len - 42);
    datagram.frame()
}
