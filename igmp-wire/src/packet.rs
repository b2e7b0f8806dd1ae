//! The reader that the parser is written against.

/// How far into a frame anybody looks, in bytes: a jumbo frame of 9,000 bytes of payload, the Ethernet header and two
/// VLAN tags. The verifier needs a bound on every offset into a packet, and this is it.
///
/// A frame may be longer. An IGMP packet that ends within the bound is judged as in any other frame, and one that ends
/// beyond it is refused as malformed ([`ipv4::parse`](crate::ipv4::parse)), in user space as well, so that both always
/// come to the same answer.
pub const MAX_FRAME_LEN: usize = 9_000 + 14 + 8;

/// A frame that can be read at any offset.
///
/// The XDP program implements it over the packet pointers of its context, user space over a byte slice. Reading never
/// fails in any other way than by answering `None`, so the parser built on it cannot panic.
pub trait Packet {
    /// The bytes from `offset` to `offset + N`, or `None` where they are not all within the frame.
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// The one's-complement sum of the `len` bytes at `offset`, not yet inverted, as [`crate::checksum`] defines it.
    /// `None` where they are not all within the frame.
    ///
    /// This is a method of the reader because summing is a loop over the frame, and loops are written differently for
    /// the verifier.
    fn sum(&self, offset: usize, len: usize) -> Option<u16>;

    /// One byte.
    #[inline(always)]
    fn read_u8(&self, offset: usize) -> Option<u8> {
        self.read::<1>(offset).map(|[byte]| byte)
    }

    /// A 16-bit number in network order.
    #[inline(always)]
    fn read_u16(&self, offset: usize) -> Option<u16> {
        self.read(offset).map(u16::from_be_bytes)
    }

    /// A 32-bit number in network order.
    #[inline(always)]
    fn read_u32(&self, offset: usize) -> Option<u32> {
        self.read(offset).map(u32::from_be_bytes)
    }
}

impl Packet for &[u8] {
    #[inline]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.get(offset..)?.first_chunk::<N>().copied()
    }

    fn sum(&self, offset: usize, len: usize) -> Option<u16> {
        Some(crate::checksum::sum(self.get(offset..)?.get(..len)?))
    }
}
