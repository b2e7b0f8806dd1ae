//! The Internet checksum (RFC 1071), which IPv4 headers and IGMP messages carry.

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
