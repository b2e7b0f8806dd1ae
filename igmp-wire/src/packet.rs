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
pub trait Packet: Sized {
    /// The bytes from `offset` to `offset + N`, or `None` where they are not all within the frame.
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// Calls `walk` with this frame up to `turns` times, until it says that it is done.
    ///
    /// Every loop of the parser is one of these, because loops are written differently for the verifier: it follows an
    /// ordinary loop turn by turn, with every path through each turn, while a callback of `bpf_loop` is looked at once.
    #[inline(always)]
    fn repeat<W: Walk<Self>>(&self, turns: u32, walk: &mut W) {
        for index in 0..turns {
            if walk.turn(index, self) == Turn::Done {
                return;
            }
        }
    }

    /// The number as it is. To be put where several paths meet that brought different numbers: the verifier then
    /// forgets which of them it was, and follows what comes next once and not once for each.
    #[inline(always)]
    fn forget(&self, number: usize) -> usize {
        number
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

/// Whether a walk goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// There is more to come.
    More,
    /// The walk is at its end.
    Done,
}

/// A walk through a frame: what one turn of a loop does, and what it keeps between turns.
pub trait Walk<P> {
    /// Takes one turn; `index` counts them from 0.
    ///
    /// An offset that grows by the same amount each turn is computed from `index` and not kept: the verifier takes a
    /// number that it can follow from turn to turn for a new case each time, and never comes to an end.
    fn turn(&mut self, index: u32, packet: &P) -> Turn;
}

impl Packet for &[u8] {
    #[inline]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.get(offset..)?.first_chunk::<N>().copied()
    }
}
