//! The Internet checksum (RFC 1071), which IPv4 headers and IGMP messages carry.

/// Folds a sum of 16-bit words into the 16-bit one's-complement sum.
#[inline(always)]
pub const fn fold(sum: u64) -> u16 {
    // Four steps bring any 64-bit sum into 16 bits; a loop would make the verifier follow each turn.
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
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
