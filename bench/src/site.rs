//! The namespaces and links of a measurement: a generator on one end of a virtual Ethernet link, the contestant on the
//! other.

use std::{
    fs::File,
    io::{Read, Seek},
    net::Ipv4Addr,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ::tests::{Namespace, Network};
use anyhow::{Context, Result, bail};

use crate::cpu;

/// The generator's device.
pub(crate) const GENERATOR: &str = "gen0";
/// The contestant's device on the other end.
pub(crate) const LAN: &str = "lan0";
/// The contestant's device towards the rest of the world.
pub(crate) const UPSTREAM: &str = "wan0";
/// The address of the hosts that the generator plays.
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
/// The contestant's address on [`LAN`], in 10.1.0.0/16.
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);

/// The processor of whatever makes the load.
pub(crate) const GENERATOR_CPU: usize = 0;
/// The processor that a device is polled on.
pub(crate) const POLL_CPU: usize = 1;

/// A generator, a contestant's place, and the link between them.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) network: Network,
    pub(crate) generator: Namespace,
    pub(crate) router: Namespace,
    /// Threads that polled devices of this name before there was this site.
    earlier: Vec<u32>,
    upstream: Option<Namespace>,
    _alone: MutexGuard<'static, ()>,
}

/// Held by the one site that there is at a time, as threads of the kernel go by the names of devices alone.
static ALONE: Mutex<()> = Mutex::new(());

/// Waits until nobody else has devices that threads of the kernel poll, and keeps others waiting until it is dropped.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Site {
    /// Waits until there is no other site, and makes both namespaces, and [`GENERATOR`] and [`LAN`] in them with their
    /// addresses. The device of the contestant is polled by a thread of the kernel that is bound to [`POLL_CPU`], so that its
    /// CPU time can be told exactly.
    ///
    /// # Errors
    ///
    /// When the device cannot be polled by a thread.
    ///
    /// # Panics
    ///
    /// When namespaces and links cannot be made.
    pub(crate) fn new() -> Result<Self> {
        let alone = alone();
        let earlier = cpu::napi_threads(LAN)?;
        let network = Network::new();
        let generator = network.namespace("generator");
        let router = network.namespace("router");
        network.link(&generator, GENERATOR, &router, LAN);
        generator.address(GENERATOR, HOST, 16);
        router.address(LAN, ROUTER, 16);
        hand_over_all(&generator, GENERATOR)?;
        poll_by_thread(&router, LAN)?;
        Ok(Self {
            network,
            generator,
            router,
            earlier,
            upstream: None,
            _alone: alone,
        })
    }

    /// Adds [`UPSTREAM`] with 10.2.0.1/24 and somebody at 10.2.0.2 behind it, for contestants that need one.
    pub(crate) fn add_upstream(&mut self) {
        let namespace = self.network.namespace("upstream");
        self.network.link(&self.router, UPSTREAM, &namespace, "eth0");
        self.router.address(UPSTREAM, Ipv4Addr::new(10, 2, 0, 1), 24);
        namespace.address("eth0", Ipv4Addr::new(10, 2, 0, 2), 24);
        self.upstream = Some(namespace);
    }

    /// The threads that poll [`LAN`] now, bound to [`POLL_CPU`]. Attaching a program may have replaced earlier ones, so this
    /// is asked when the contestant runs.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be bound.
    pub(crate) fn poll_threads(&self) -> Result<Vec<u32>> {
        let mut threads = cpu::napi_threads(LAN)?;
        threads.retain(|thread| !self.earlier.contains(thread));
        if threads.is_empty() {
            bail!("no thread of the kernel polls {LAN}");
        }
        for thread in &threads {
            cpu::pin_thread(*thread, POLL_CPU)?;
        }
        Ok(threads)
    }
}

/// Has a virtual device receive in the way of a NIC, with NAPI, in softirqs of the processor that sends to it. A device
/// without it takes no frames that XDP redirects to its other end.
///
/// # Errors
///
/// When the device does not take the setting.
pub(crate) fn poll(namespace: &Namespace, device: &str) -> Result<()> {
    execute(namespace, &["ethtool", "-K", device, "gro", "on"])
}

/// Has a virtual device receive with NAPI in a kernel thread of its own, `napi/DEVICE-ID`.
///
/// # Errors
///
/// When the device does not take the setting.
pub(crate) fn poll_by_thread(namespace: &Namespace, device: &str) -> Result<()> {
    poll(namespace, device)?;
    let line = format!("echo 1 > /sys/class/net/{device}/threaded");
    execute(namespace, &["sh", "-c", &line])
}

/// Has the other end of a virtual link receive with NAPI whatever this end sends. Otherwise it would do so only with what this
/// end might have sent in segments, and not with what could have been a whole one (`veth_skb_is_eligible_for_gro`), which would
/// be received in the sender's own softirq and at the sender's expense.
///
/// # Errors
///
/// When the device does not take the setting.
pub(crate) fn hand_over_all(namespace: &Namespace, device: &str) -> Result<()> {
    execute(namespace, &["ethtool", "-K", device, "tso", "off"])
}

/// Runs a command in the way of `ip netns exec`, which mounts the namespace's own view of `/sys`.
///
/// # Errors
///
/// When it cannot be run, or fails.
pub(crate) fn execute(namespace: &Namespace, command: &[&str]) -> Result<()> {
    let output = Command::new("ip")
        .args(["netns", "exec", namespace.name()])
        .args(command)
        .output()
        .context("cannot run ip")?;
    if !output.status.success() {
        bail!(
            "{} failed: {}",
            command.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// A file below `/proc/net` of a namespace, which can be read again and again from outside.
#[derive(Debug)]
pub(crate) struct NetFile(File);

impl NetFile {
    /// Opens `/proc/net/NAME`.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(crate) fn open(namespace: &Namespace, name: &str) -> Result<Self> {
        // The namespace is chosen when the file is opened.
        let file = namespace
            .enter(|| File::open(format!("/proc/thread-self/net/{name}")))
            .with_context(|| format!("cannot open /proc/net/{name} in {}", namespace.name()))?;
        Ok(Self(file))
    }

    /// What it says now.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub(crate) fn read(&mut self) -> Result<String> {
        let mut text = String::new();
        self.0.rewind().context("cannot read a file of /proc/net again")?;
        self.0
            .read_to_string(&mut text)
            .context("cannot read a file of /proc/net")?;
        Ok(text)
    }
}

/// What a device has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Packets that came in.
    pub(crate) received: u64,
    /// Packets that found no room when they came in.
    pub(crate) receive_drops: u64,
    /// Packets that went out.
    pub(crate) sent: u64,
    /// Packets that could not go out.
    pub(crate) send_drops: u64,
}

impl Traffic {
    /// What was counted since an earlier moment.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            received: self.received - earlier.received,
            receive_drops: self.receive_drops - earlier.receive_drops,
            sent: self.sent - earlier.sent,
            send_drops: self.send_drops - earlier.send_drops,
        }
    }

    fn parse(text: &str, device: &str) -> Option<Self> {
        let line = text
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'))?;
        let numbers: Vec<u64> = line
            .split_whitespace()
            .map_while(|field| field.parse().ok())
            .collect();
        // Bytes, packets, errors, drops and four more of what came in, then the same of what went out.
        let [
            _,
            received,
            _,
            receive_drops,
            _,
            _,
            _,
            _,
            _,
            sent,
            _,
            send_drops,
            ..,
        ] = numbers[..]
        else {
            return None;
        };
        Some(Self {
            received,
            receive_drops,
            sent,
            send_drops,
        })
    }
}

/// The counters of one device.
#[derive(Debug)]
pub(crate) struct Counters {
    file: NetFile,
    device: String,
}

impl Counters {
    /// Opens the counters of a device.
    ///
    /// # Errors
    ///
    /// When the namespace does not show them.
    pub(crate) fn open(namespace: &Namespace, device: &str) -> Result<Self> {
        Ok(Self {
            file: NetFile::open(namespace, "dev")?,
            device: device.to_owned(),
        })
    }

    /// What was counted until now. This costs some microseconds.
    ///
    /// # Errors
    ///
    /// When the device is gone.
    pub(crate) fn read(&mut self) -> Result<Traffic> {
        let text = self.file.read()?;
        Traffic::parse(&text, &self.device).with_context(|| format!("there is no {}", self.device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_one_device_among_others() {
        let text = "Inter-|   Receive\n face |bytes packets\n  lan0: 600 10 0 3 0 0 0 0 120 2 0 1 0 0 0 0\n\
                    lan01: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        let traffic = Traffic::parse(text, "lan0").expect("a line");
        let wanted = Traffic {
            received: 10,
            receive_drops: 3,
            sent: 2,
            send_drops: 1,
        };
        assert_eq!(traffic, wanted);
        assert_eq!(Traffic::parse(text, "lan"), None);
    }
}
