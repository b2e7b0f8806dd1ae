//! The Internet checksum (RFC 1071), which IPv4 headers and IGMP messages carry.

use core::hint::black_box;

use crate::{
    Packet,
    packet::{Turn, Walk},
};

/// Folds a sum of 16-bit words into the 16-bit one's-complement sum.
#[inline(always)]
pub const fn fold(sum: u64) -> u16 {
    // Four steps bring any 64-bit sum into 16 bits; a loop would make the verifier follow each turn.
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}

/// The one's-complement sum of `bytes` as 16-bit words in network order, an odd last byte padded with zero.
///
/// A message with a correct checksum in it sums to `0xffff`; [`valid`] says so.
pub fn sum(bytes: &[u8]) -> u16 {
    let mut total = 0u64;
    let mut words = bytes.chunks_exact(2);
    for word in &mut words {
        if let [high, low] = *word {
            total += u64::from(u16::from_be_bytes([high, low]));
        }
    }
    if let [last] = *words.remainder() {
        total += u64::from(u16::from_be_bytes([last, 0]));
    }
    fold(total)
}

/// The one's-complement sum of an IPv4 header without options, like [`sum`].
#[inline(always)]
pub fn sum_header(bytes: &[u8; 20]) -> u16 {
    u16::from_be(fold(add(*bytes)))
}

/// Bytes that one turn of the summing loop takes, while there are that many.
const CHUNK_LEN: usize = 32;

/// The one's-complement sum of the `len` bytes at `offset` of a frame, like [`sum`]. `None` where they are not all
/// within the frame.
#[inline(always)]
pub fn sum_within<P: Packet>(packet: &P, offset: usize, len: usize) -> Option<u16> {
    let len = packet.forget(len);
    // The lengths of nearly all IGMP messages, and of the header before them, need no loop.
    let total = match len {
        8 => add(packet.read::<8>(offset)?),
        20 => add(packet.read::<20>(offset)?),
        24 => add(packet.read::<24>(offset)?),
        _ => sum_any(packet, offset, len)?,
    };
    // One's-complement sums do not depend on byte order, but for the order of the result (RFC 1071 §2).
    Some(u16::from_be(fold(total)))
}

/// Sums what is of no usual length: whole chunks in one loop, then whole words in another, then the last few bytes.
#[inline(always)]
fn sum_any<P: Packet>(packet: &P, offset: usize, len: usize) -> Option<u64> {
    // The verifier must not know that sums begin with zero: it would follow a zero to the comparison at the end, hold
    // it for significant there, and then tell apart all the sums that the loops can come to.
    let zero = packet.forget(0) as u64;
    let mut chunks = Summing::<CHUNK_LEN> {
        offset,
        total: zero,
        failed: 0,
    };
    packet.repeat((len / CHUNK_LEN) as u32, &mut chunks);
    let rest = len % CHUNK_LEN;
    let mut words = Summing::<4> {
        offset: offset + len - rest,
        total: zero,
        failed: 0,
    };
    packet.repeat((rest / 4) as u32, &mut words);
    if chunks.failed | words.failed != 0 {
        return None;
    }
    let mut total = chunks.total + words.total;
    // A single byte at a variable offset cannot be checked in a way that the verifier understands, so the last bytes
    // are read with those before them, of which there are enough in any packet. The compiler must not see where this
    // offset comes from, or it compares the end of the four bytes with the end of the frame without naming their
    // beginning.
    let last_four = black_box((offset + len).checked_sub(4)?);
    let [_, second, third, last] = packet.read::<4>(last_four)?;
    total += match len % 4 {
        1 => u64::from(u16::from_ne_bytes([last, 0])),
        2 => u64::from(u16::from_ne_bytes([third, last])),
        3 => u64::from(u32::from_ne_bytes([second, third, last, 0])),
        _ => 0,
    };
    Some(total)
}

/// A loop that sums `N` bytes each turn.
struct Summing<const N: usize> {
    offset: usize,
    total: u64,
    failed: u32,
}

impl<P: Packet, const N: usize> Walk<P> for Summing<N> {
    #[inline(always)]
    fn turn(&mut self, index: u32, packet: &P) -> Turn {
        let Some(bytes) = packet.read::<N>(self.offset + index as usize * N) else {
            self.failed = 1;
            return Turn::Done;
        };
        self.total += add(bytes);
        Turn::More
    }
}

/// Sums 16-bit words in native order, four bytes at a time. `N` is a multiple of four.
#[inline(always)]
fn add<const N: usize>(bytes: [u8; N]) -> u64 {
    const { assert!(N.is_multiple_of(4)) };
    let (words, _) = bytes.as_chunks::<4>();
    let mut total = 0;
    for word in words {
        total += u64::from(u32::from_ne_bytes(*word));
    }
    total
}

/// Whether a sum over data that includes its own checksum field is correct.
#[inline(always)]
pub const fn valid(sum: u16) -> bool {
    sum == 0xffff
}

/// The checksum to write into a message that was summed with a zero in its checksum field.
#[inline(always)]
pub const fn finish(sum: u16) -> u16 {
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        // §3: the sum of these words is 0xddf2.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(sum(&bytes), 0xddf2);
        assert_eq!(finish(0xddf2), 0x220d);
    }

    #[test]
    fn an_odd_byte_is_the_upper_half_of_a_word() {
        assert_eq!(sum(&[0x12]), 0x1200);
        assert_eq!(sum(&[0xff, 0xff, 0x12]), 0x1200);
    }

    #[test]
    fn nothing_but_zeros_is_not_valid() {
        assert!(!valid(sum(&[])));
        assert!(!valid(sum(&[0; 8])));
        assert!(valid(sum(&[0xff, 0xff])));
    }

    #[test]
    fn folding_at_the_edges() {
        for (value, folded) in [
            (0, 0),
            (0xffff, 0xffff),
            (0x1_0000, 1),
            (0x1_ffff, 1),
            (0xffff_ffff, 0xffff),
            (0x1_ffff_fffe, 0xffff),
            (u64::MAX, 0xffff),
            (u64::MAX - 1, 0xfffe),
        ] {
            assert_eq!(fold(value), folded, "{value:#x}");
        }
    }
}
