//! One contestant's turn: packets sent, what arrived, and the CPU time that it took.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{rival::Forwarder, site::Site};
use crate::{
    cpu::{self, Usage},
    load::live::Sent,
};

/// How frames are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// Frames made in the kernel and handed over as a NIC's driver does.
    Live,
    /// Prebuilt frames through a packet socket, which arrive as socket buffers.
    Socket,
}

impl Load {
    /// The name in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Live => "live frames",
            Self::Socket => "packet socket",
        }
    }
}

/// What one turn brought.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// CPU time of all that forwarded.
    cpu: Duration,
    /// From the first frame until the last one had arrived.
    elapsed: Duration,
    /// Packets that arrived, divided by the number of ports.
    delivered: f64,
}

impl Turn {
    /// CPU time for each packet that arrived at all ports, in nanoseconds.
    pub(super) fn cpu_per_packet(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.delivered
    }

    /// Packets that arrived at all ports in each second of CPU time.
    pub(super) fn per_cpu_second(&self) -> f64 {
        self.delivered / self.cpu.as_secs_f64()
    }

    /// Packets that arrived at all ports in each second.
    pub(super) fn per_second(&self) -> f64 {
        self.delivered / self.elapsed.as_secs_f64()
    }
}

/// Sends so many frames through a forwarder.
///
/// # Errors
///
/// When they cannot be sent, not all of them arrive, the machine was starved, or CPU time cannot be read.
pub(super) fn take(forwarder: &mut Forwarder, load: Load, frames: u64) -> Result<Turn> {
    let clocks = Clocks::of(forwarder)?;
    let usage = Usage::now()?;
    let before = clocks.sum()?;
    let sent = send(&mut forwarder.site, load, frames)?;
    let cpu = clocks.sum()?.saturating_sub(before);
    let usage = Usage::now()?.since(usage);
    // Nothing is lost for want of CPU time: it only takes longer.
    if let Some(loss) = loss(&sent) {
        bail!("{loss}");
    }
    usage.ensure_enough()?;
    let ports = sent.arrived.len() as f64;
    let packets: u64 = sent.arrived.iter().map(|sink| sink.packets).sum();
    Ok(Turn {
        cpu,
        elapsed: sent.elapsed,
        delivered: packets as f64 / ports,
    })
}

/// Sends so many frames, without regard to what comes of it.
///
/// # Errors
///
/// When they cannot be sent.
pub(super) fn send(site: &mut Site, load: Load, frames: u64) -> Result<Sent> {
    match load {
        Load::Live => site.send(frames),
        Load::Socket => site.send_through_socket(frames),
    }
}

/// What did not arrive as it should have, if there is any.
pub(super) fn loss(sent: &Sent) -> Option<String> {
    let wanted = sent.frames * sent.arrived.len() as u64;
    let arrived: u64 = sent.arrived.iter().map(|sink| sink.packets).sum();
    let wrong: u64 = sent.arrived.iter().map(|sink| sink.wrong).sum();
    (arrived != wanted || wrong != 0)
        .then(|| format!("{arrived} of {wanted} packets arrived, and {wrong} that were wrong"))
}

/// The clocks of all threads that work for a contestant.
struct Clocks(Vec<u32>);

impl Clocks {
    /// The thread that polls the incoming device, in which all of the forwarding happens, the contestant's program, and the
    /// threads that finish what softirqs have left, such as freeing.
    fn of(forwarder: &mut Forwarder) -> Result<Self> {
        let mut threads = forwarder.site.polling.clone();
        threads.extend(forwarder.process());
        let soft = cpu::kernel_threads("ksoftirqd/")?;
        threads.extend(soft.into_iter().map(|(thread, _)| thread));
        Ok(Self(threads))
    }

    fn sum(&self) -> Result<Duration> {
        self.0.iter().map(|thread| cpu::of_process(*thread)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::sinks::Arrived;

    #[test]
    fn what_is_missing_is_told() {
        let sent = |packets: [u64; 2]| Sent {
            frames: 10,
            elapsed: Duration::from_secs(1),
            arrived: packets
                .map(|packets| Arrived {
                    packets,
                    ..Arrived::default()
                })
                .into(),
        };
        assert_eq!(loss(&sent([10, 10])), None);
        let text = loss(&sent([10, 7])).expect("three are missing");
        assert!(text.contains("17 of 20"), "{text}");
    }

    #[test]
    fn figures_of_a_turn() {
        let turn = Turn {
            cpu: Duration::from_millis(500),
            elapsed: Duration::from_secs(2),
            delivered: 1_000_000.0,
        };
        assert_eq!(turn.cpu_per_packet(), 500.0);
        assert_eq!(turn.per_cpu_second(), 2_000_000.0);
        assert_eq!(turn.per_second(), 500_000.0);
    }
}
