//! Judging what a router sends by software of others: all its messages go to tshark, which must find nothing wrong.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    process::Command,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::sys::socket::setsockopt;
use socket2::Socket;

use crate::{
    Namespace, Network,
    process::{output, texts},
    raw::{keep_protocols, packet_socket},
    stream::message::{self, PacketIgnoreOutgoing},
};

/// IP protocol numbers of what is recorded.
const IGMP: u8 = 2;
const PIM: u8 = 103;

/// The IGMP and PIM messages that some routers sent, from when each of their links was added on.
///
/// When this is dropped by a test that has not failed, tshark reads them all, and a message that it finds malformed, of a
/// wrong checksum or worth a remark fails the test.
#[derive(Debug)]
pub struct Recording {
    file: PathBuf,
    frames: Arc<Mutex<Vec<Recorded>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// A recorded frame.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// When the kernel got it, since 1970.
    pub at: Duration,
    /// The link it was on, as it was named when it was added.
    pub link: String,
    /// The frame, from its Ethernet header on.
    pub bytes: Vec<u8>,
}

impl Recorded {
    /// The IP protocol.
    pub fn protocol(&self) -> u8 {
        self.bytes[23]
    }

    /// The message behind the IP header, without padding.
    pub fn message(&self) -> &[u8] {
        let header = usize::from(self.bytes[14] & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([self.bytes[16], self.bytes[17]]));
        &self.bytes[14 + header..14 + total]
    }
}

impl Recording {
    /// Begins a recording without a link.
    pub fn new(network: &Network) -> Self {
        Self {
            file: network.path("sent.pcap"),
            frames: Arc::default(),
            stop: Arc::default(),
            threads: Vec::new(),
        }
    }

    /// Adds a link, given the end of it that is not the router's: what arrives there is what the router sends. On the
    /// router's own end some of it would not be seen.
    #[track_caller]
    pub fn add(&mut self, link: &str, namespace: &Namespace, interface: &str) {
        let all = u16::try_from(libc::ETH_P_ALL).expect("an EtherType");
        let socket = packet_socket(namespace, interface, all);
        message::prepare(&socket);
        keep_protocols(&socket, &[IGMP, PIM]);
        setsockopt(&socket, PacketIgnoreOutgoing, &true).expect("a packet socket that listens only");
        let (frames, stop) = (Arc::clone(&self.frames), Arc::clone(&self.stop));
        let link = link.to_owned();
        self.threads
            .push(thread::spawn(move || keep(&link, &socket, &frames, &stop)));
    }

    /// What was recorded so far and `wanted` accepts.
    pub fn matching(&self, wanted: impl Fn(&Recorded) -> bool) -> Vec<Recorded> {
        let frames = lock(&self.frames);
        frames.iter().filter(|frame| wanted(frame)).cloned().collect()
    }

    /// What was recorded of PIM on a link so far: all messages of one type (RFC 7761 §4.9).
    pub fn pim(&self, link: &str, kind: u8) -> Vec<Recorded> {
        self.matching(|frame| {
            frame.protocol() == PIM && frame.link == link && frame.message()[0] == 0x20 | kind
        })
    }

    /// Lets tshark read what was recorded so far.
    ///
    /// # Panics
    ///
    /// If it finds anything wrong, or does not take a message for what it is.
    #[track_caller]
    pub fn assert_well_formed(&self) {
        let frames = lock(&self.frames).clone();
        if frames.is_empty() {
            return;
        }
        fs::write(&self.file, pcap(&frames)).expect("a file in the test's directory can be written");
        let mut command = Command::new("tshark");
        command.args(["-n", "-o", "ip.check_checksum:TRUE", "-T", "fields"]);
        let fields = [
            "frame.number",
            "_ws.malformed",
            "_ws.expert.message",
            "ip.checksum.status",
            "pim.cksum.status",
            "igmp.checksum.status",
            "pim.type",
            "igmp.type",
        ];
        for field in fields {
            command.args(["-e", field]);
        }
        command.arg("-r").arg(&self.file);
        let found = output(&mut command);
        let (text, error) = texts(&found);
        assert!(found.status.success(), "tshark failed: {error}");
        let mut faults = BTreeMap::<String, (usize, String)>::new();
        for (line, frame) in text.lines().zip(&frames) {
            if let Some(fault) = fault(line, frame.protocol()) {
                let (count, _) = faults
                    .entry(format!("on {}: {fault}", frame.link))
                    .or_insert_with(|| (0, hex(&frame.bytes)));
                *count += 1;
            }
        }
        assert_eq!(text.lines().count(), frames.len(), "tshark read every frame");
        assert!(
            faults.is_empty(),
            "tshark on {} messages; each fault with the number of its messages and the first of them: {faults:#?}",
            frames.len()
        );
    }
}

/// What a line of tshark says is wrong with a frame.
fn fault(line: &str, protocol: u8) -> Option<String> {
    const GOOD: &str = "1";
    let fields: Vec<_> = line.split('\t').collect();
    let [_, malformed, remark, ip, pim, igmp, pim_type, igmp_type] = fields[..] else {
        return Some(format!("an unknown line {line:?}"));
    };
    let (checksum, kind) = if protocol == PIM {
        (pim, pim_type)
    } else {
        (igmp, igmp_type)
    };
    let is_right = malformed.is_empty()
        && remark.is_empty()
        && ip.split(',').all(|status| status == GOOD)
        && checksum == GOOD
        && !kind.is_empty();
    (!is_right).then(|| {
        format!("malformed {malformed:?}, remark {remark:?}, IP checksum {ip:?}, checksum {checksum:?}, type {kind:?}")
    })
}

/// A file of packets in the format of libpcap, in microseconds and with Ethernet headers.
fn pcap(frames: &[Recorded]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0xffff, 1_u32] {
        bytes.extend(word.to_le_bytes());
    }
    for frame in frames {
        let len = u32::try_from(frame.bytes.len()).expect("a frame");
        let seconds = u32::try_from(frame.at.as_secs()).unwrap_or(u32::MAX);
        for word in [seconds, frame.at.subsec_micros(), len, len] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(&frame.bytes);
    }
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn keep(link: &str, socket: &Socket, frames: &Mutex<Vec<Recorded>>, stop: &AtomicBool) {
    let mut buffer = vec![0; 1 << 16];
    while !stop.load(Ordering::Relaxed) {
        let Some(received) = message::receive(socket, &mut buffer) else {
            continue;
        };
        let bytes = &buffer[..received.len];
        let is_ip = bytes.len() >= 34 && bytes[12..14] == [0x08, 0x00];
        if is_ip && matches!(bytes[23], IGMP | PIM) {
            lock(frames).push(Recorded {
                at: received.at,
                link: link.to_owned(),
                bytes: bytes.to_vec(),
            });
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic there was printed already.
            let _ = thread.join();
        }
        if !thread::panicking() {
            self.assert_well_formed();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Packet;

    fn recording(network: &Network, packets: &[Packet]) -> Recording {
        let recording = Recording::new(network);
        lock(&recording.frames).extend(packets.iter().map(|packet| Recorded {
            at: Duration::from_secs(1),
            link: "lan0".to_owned(),
            bytes: packet.frame(),
        }));
        recording
    }

    #[test]
    fn tshark_accepts_what_is_right() {
        let network = Network::new();
        let packets = [
            Packet::v2_report([10, 0, 0, 1], [239, 1, 1, 1]),
            Packet::general_query([10, 0, 0, 1], 100, 2, 125),
            Packet::pim([10, 0, 0, 1], crate::pim::hello(&[(1, vec![0, 105])])),
        ];
        drop(recording(&network, &packets));
    }

    #[test]
    fn tshark_finds_what_is_wrong() {
        let network = Network::new();
        let hello = Packet::pim([10, 0, 0, 1], crate::pim::hello(&[(1, vec![0, 105])]));
        let mut checksum = hello.clone();
        checksum.checksum_error = 1;
        let mut cut = hello.clone();
        cut.message.pop();
        for (what, packet) in [("a checksum", checksum), ("a truncated option", cut)] {
            let recording = recording(&network, &[hello.clone(), packet]);
            let check = || recording.assert_well_formed();
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
            assert!(result.is_err(), "{what}");
            lock(&recording.frames).clear();
        }
    }
}
