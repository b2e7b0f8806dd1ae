//! Prebuilt frames through a packet socket, many with each call, past the queueing discipline.
//!
//! On the other end of a virtual link these frames arrive as socket buffers without the headroom that XDP wants, so the
//! kernel copies each of them before an XDP program sees it, which the driver of a NIC does not do.

use std::{
    io::IoSlice,
    ops::AddAssign,
    os::fd::AsRawFd,
    thread,
    time::{Duration, Instant},
};

use ::tests::Namespace;
use anyhow::{Context, Result};
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    libc, setsockopt_impl, sockopt_impl,
    sys::socket::{
        LinkAddr, MsgFlags, MultiHeaders, SockaddrStorage, bind, sendmmsg, setsockopt, sockopt::SndBuf,
    },
};
use socket2::{Domain, Socket, Type};

use crate::{cpu, site::GENERATOR_CPU};

/// Frames of one call.
const BATCH: usize = 64;

/// Room for frames that the receiver has not taken yet, in bytes; the kernel doubles it. A frame of the least size counts
/// as 768 bytes at least, so that at most 170 wait, and the ring of a virtual device, which holds 256, cannot overflow.
const ROOM: usize = 65_536;

sockopt_impl!(
    /// Frames go to the driver, past the queueing discipline.
    PacketQdiscBypass,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_QDISC_BYPASS,
    bool
);

/// Frames that lie one behind the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// Where each one ends.
    ends: Vec<usize>,
}

impl Frames {
    /// Adds a frame.
    pub(crate) fn push(&mut self, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Each one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| self.bytes.get(start..*end).unwrap_or_default())
    }
}

impl<F: AsRef<[u8]>> FromIterator<F> for Frames {
    fn from_iter<I: IntoIterator<Item = F>>(frames: I) -> Self {
        let mut all = Self::default();
        for frame in frames {
            all.push(frame.as_ref());
        }
        all
    }
}

/// What came of sending.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sent {
    /// Frames that the driver took.
    pub(crate) frames: usize,
    /// How often there was no room, so that a frame had to be sent again.
    pub(crate) refused: usize,
    /// From the first to the last.
    pub(crate) duration: Duration,
    /// CPU time of the sending thread, which waits while the receiver is busy.
    pub(crate) cpu: Duration,
}

impl AddAssign for Sent {
    fn add_assign(&mut self, other: Self) {
        let Self {
            frames,
            refused,
            duration,
            cpu,
        } = other;
        self.frames += frames;
        self.refused += refused;
        self.duration += duration;
        self.cpu += cpu;
    }
}

/// A packet socket that sends out of one device.
#[derive(Debug)]
pub(crate) struct PacketSocket(Socket);

impl PacketSocket {
    /// Opens a socket for a device of a namespace. The sender waits for the receiver before its ring overflows.
    ///
    /// # Errors
    ///
    /// When there is no such device.
    pub(crate) fn open(namespace: &Namespace, device: &str) -> Result<Self> {
        let address = namespace
            .enter(|| link_address(device))
            .with_context(|| format!("there is no {device} in {}", namespace.name()))?;
        // Protocol 0 receives nothing.
        let socket = namespace
            .enter(|| Socket::new(Domain::PACKET, Type::RAW, None))
            .context("cannot open a packet socket")?;
        bind(socket.as_raw_fd(), &address).with_context(|| format!("cannot send out of {device}"))?;
        setsockopt(&socket, PacketQdiscBypass, &true).context("cannot bypass the queueing discipline")?;
        setsockopt(&socket, SndBuf, &ROOM).context("cannot limit what is under way")?;
        Ok(Self(socket))
    }

    /// Sends all frames as fast as the other end takes them, on [`GENERATOR_CPU`].
    ///
    /// # Errors
    ///
    /// When the device goes away.
    pub(crate) fn send(&self, frames: &Frames) -> Result<Sent> {
        // A thread of its own, since the binding to a processor stays with the thread.
        thread::scope(|scope| scope.spawn(|| self.send_here(frames)).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn send_here(&self, frames: &Frames) -> Result<Sent> {
        cpu::pin_this_thread(GENERATOR_CPU)?;
        let slices: Vec<[IoSlice<'_>; 1]> = frames.iter().map(|frame| [IoSlice::new(frame)]).collect();
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        let addresses = [None; BATCH];
        let mut sent = Sent::default();
        let cpu_before = cpu::of_this_thread()?;
        let started = Instant::now();
        while let Some(rest) = slices.get(sent.frames..).filter(|rest| !rest.is_empty()) {
            let batch = rest.iter().take(BATCH);
            let outcome = sendmmsg(
                self.0.as_raw_fd(),
                &mut headers,
                batch,
                addresses,
                [],
                MsgFlags::empty(),
            );
            match outcome {
                Ok(results) => sent.frames += results.count(),
                Err(Errno::ENOBUFS) => {
                    sent.refused += 1;
                    thread::yield_now();
                }
                Err(error) => return Err(error).context("cannot send"),
            }
        }
        sent.duration = started.elapsed();
        sent.cpu = cpu::of_this_thread()? - cpu_before;
        Ok(sent)
    }
}

/// The link-level address of a device of this thread's namespace, ready for use.
fn link_address(device: &str) -> Result<LinkAddr> {
    getifaddrs()
        .context("cannot list addresses")?
        .filter(|entry| entry.interface_name == device)
        .find_map(|entry| entry.address?.as_link_addr().copied())
        .context("no link-level address")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::tests::{PATIENCE, wait_for};

    use crate::site::{Counters, GENERATOR, LAN, Site};

    #[test]
    fn frames_keep_their_bounds() {
        let frames: Frames = [&b"one"[..], b"", b"three"].into_iter().collect();
        assert_eq!(frames.len(), 3);
        assert!(frames.iter().eq([&b"one"[..], b"", b"three"]));
    }

    #[test]
    fn every_frame_arrives() {
        let site = Site::new().expect("a site");
        let mut counters = Counters::open(&site.router, LAN).expect("counters");
        let socket = PacketSocket::open(&site.generator, GENERATOR).expect("a socket");
        // A type of its own (IEEE Std 802 local experimental), which nobody answers.
        let mut frame = [0xff; 60];
        frame[12..14].copy_from_slice(&[0x88, 0xb5]);
        let frames: Frames = std::iter::repeat_n(frame, 5_000).collect();
        let before = counters.read().expect("counters");
        let sent = socket.send(&frames).expect("frames can be sent");
        assert_eq!(sent.frames, 5_000);
        wait_for("the frames", PATIENCE, || {
            let traffic = counters.read().expect("counters").since(before);
            // Neighbor discovery is off, but an ARP or two may be among them.
            if traffic.received >= 5_000 {
                Ok(())
            } else {
                Err(format!("{traffic:?}, {sent:?}"))
            }
        });
        assert!(!site.poll_threads().expect("a thread").is_empty());
    }
}
