//! The floating code of Max Resp Code and QQIC (RFC 9776 §4.1.1 and §4.1.7).

/// The largest value that the code can carry.
pub const MAX: u32 = 31_744;

/// The value that `code` stands for: tenths of a second for Max Resp Code, seconds for QQIC.
#[inline]
pub const fn decode(code: u8) -> u32 {
    if code < 128 {
        code as u32
    } else {
        let mantissa = (code & 0x0f) as u32 | 0x10;
        let exponent = ((code >> 4) & 0x07) as u32;
        mantissa << (exponent + 3)
    }
}

/// The code of the largest value that is not above `value`. Anything above [`MAX`] becomes [`MAX`].
#[inline]
pub const fn encode(value: u32) -> u8 {
    if value < 128 {
        return value as u8;
    }
    if value >= MAX {
        return 0xff;
    }
    let exponent = value.ilog2() - 7;
    let mantissa = (value >> (exponent + 3)) & 0x0f;
    0x80 | (exponent << 4) as u8 | mantissa as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula as RFC 9776 §4.1.1 has it.
    fn formula(code: u32) -> u32 {
        if code < 128 {
            return code;
        }
        let (exponent, mantissa) = (code / 16 % 8, code % 16);
        (mantissa | 0x10) << (exponent + 3)
    }

    #[test]
    fn all_codes_decode_by_the_formula() {
        for code in 0..=u8::MAX {
            assert_eq!(decode(code), formula(u32::from(code)), "{code:#04x}");
        }
        assert_eq!(decode(u8::MAX), MAX);
    }

    #[test]
    fn all_codes_survive() {
        for code in 0..=u8::MAX {
            assert_eq!(encode(decode(code)), code);
        }
    }

    #[test]
    fn values_are_rounded_down() {
        for value in 0..=MAX {
            let largest = (0..256)
                .filter(|code| formula(*code) <= value)
                .max_by_key(|code| formula(*code));
            assert_eq!(Some(u32::from(encode(value))), largest, "{value}");
        }
    }

    #[test]
    fn values_that_are_too_large() {
        for value in [MAX + 1, 1 << 16, u32::MAX] {
            assert_eq!(encode(value), 0xff);
        }
    }

    #[test]
    fn values_of_the_field() {
        for (value, code, decoded) in [
            (127, 0x7f, 127),
            (128, 0x80, 128),
            (130, 0x80, 128),
            (200, 0x89, 200),
            (255, 0x8f, 248),
            (300, 0x92, 288),
            (600, 0xa2, 576),
            (1_000, 0xaf, 992),
            (3_600, 0xcc, 3_584),
            (31_744, 0xff, 31_744),
        ] {
            assert_eq!((encode(value), decode(code)), (code, decoded));
        }
    }
}
