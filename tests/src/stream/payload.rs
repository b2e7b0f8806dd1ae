//! What numbered packets carry.

use std::sync::atomic::{AtomicU32, Ordering};

/// How each payload begins.
const MAGIC: [u8; 4] = *b"MDAT";
/// Bytes before the filling.
const HEADER_LEN: usize = 16;

static STREAMS: AtomicU32 = AtomicU32::new(1);

/// A number for a stream that no other of this process has.
pub fn new_stream() -> u32 {
    STREAMS.fetch_add(1, Ordering::Relaxed)
}

/// The payload of a packet: which stream, which packet of it, and a filling that follows from both, so that a byte that
/// changed on the way is seen even where nobody checks a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Payload {
    /// The stream.
    pub stream: u32,
    /// The packet's number within it, from 0.
    pub sequence: u64,
}

impl Payload {
    /// The shortest payload, in bytes.
    pub const MIN_LEN: usize = HEADER_LEN;

    /// The payload's bytes, `len` of them but at least [`Self::MIN_LEN`].
    pub fn bytes(&self, len: usize) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend((HEADER_LEN..len).map(|at| self.filling(at)));
        bytes
    }

    /// Reads a payload; `None` where it is none of ours.
    ///
    /// # Panics
    ///
    /// If it is one of ours and was changed: whatever a router does with a packet, its payload is not its business.
    #[track_caller]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(&MAGIC) {
            return None;
        }
        let payload = Self {
            stream: u32::from_be_bytes(*bytes.get(4..)?.first_chunk()?),
            sequence: u64::from_be_bytes(*bytes.get(8..)?.first_chunk()?),
        };
        let changed = (HEADER_LEN..bytes.len()).find(|&at| bytes[at] != payload.filling(at));
        assert_eq!(changed, None, "a byte of {payload:?} was changed on the way");
        Some(payload)
    }

    fn filling(&self, at: usize) -> u8 {
        let mixed = self.sequence.wrapping_mul(31).wrapping_add(at as u64) ^ u64::from(self.stream);
        mixed.to_le_bytes()[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: Payload = Payload {
        stream: 7,
        sequence: 0x0102_0304_0506_0708,
    };

    #[test]
    fn payloads_are_read_back() {
        for len in [0, 16, 17, 1_472] {
            let bytes = PAYLOAD.bytes(len);
            assert_eq!(bytes.len(), len.max(Payload::MIN_LEN));
            assert_eq!(Payload::parse(&bytes), Some(PAYLOAD));
        }
        assert_eq!(Payload::parse(b"something else"), None);
    }

    #[test]
    #[should_panic(expected = "changed on the way")]
    fn a_changed_payload_is_noticed() {
        let mut bytes = PAYLOAD.bytes(100);
        bytes[99] ^= 1;
        Payload::parse(&bytes);
    }
}
