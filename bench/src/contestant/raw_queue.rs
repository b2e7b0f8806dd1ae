//! What waits in the raw sockets of a namespace. A daemon that has read all of it is done with what it was sent, which
//! can be seen here without asking, and so without disturbing it.

use ::tests::Namespace;
use anyhow::{Context, Result};

use crate::site::NetFile;

/// The raw sockets of a namespace that receive IGMP.
#[derive(Debug)]
pub(crate) struct RawQueue(NetFile);

/// Their state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Queued {
    /// Sockets.
    pub(crate) sockets: usize,
    /// What waits to be read, in bytes of memory.
    pub(crate) bytes: u64,
    /// Packets that found no room.
    pub(crate) drops: u64,
}

impl RawQueue {
    /// Looks into a namespace.
    ///
    /// # Errors
    ///
    /// When the kernel does not show its raw sockets.
    pub(crate) fn open(namespace: &Namespace) -> Result<Self> {
        NetFile::open(namespace, "raw").map(Self)
    }

    /// What waits now.
    ///
    /// # Errors
    ///
    /// When the kernel shows something else.
    pub(crate) fn look(&mut self) -> Result<Queued> {
        let text = self.0.read()?;
        Queued::parse(&text).with_context(|| format!("/proc/net/raw has lines of another kind: {text}"))
    }
}

impl Queued {
    fn parse(text: &str) -> Option<Self> {
        let mut queued = Self::default();
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // The protocol stands where other sockets have their port.
            if !fields.get(1)?.ends_with(":0002") {
                continue;
            }
            let (_, waiting) = fields.get(4)?.split_once(':')?;
            queued.sockets += 1;
            queued.bytes += u64::from_str_radix(waiting, 16).ok()?;
            queued.drops += fields.last()?.parse::<u64>().ok()?;
        }
        Some(queued)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_for_igmp_are_added_up() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref \
                    pointer drops\n    2: 00000000:0002 00000000:0000 07 00000000:00000300 00:00000000 00000000     0        0 \
                    2091 2 0000000000000000 7\n    2: 0100010A:0002 00000000:0000 07 00000000:00000010 00:00000000 00000000     \
                    0        0 2092 2 0000000000000000 0\n  103: 00000000:0067 00000000:0000 07 00000000:00000999 00:00000000 \
                    00000000     0        0 2093 2 0000000000000000 5\n";
        let wanted = Queued {
            sockets: 2,
            bytes: 0x310,
            drops: 7,
        };
        assert_eq!(Queued::parse(text), Some(wanted));
    }
}
