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
