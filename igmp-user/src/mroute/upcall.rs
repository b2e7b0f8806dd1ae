//! What the kernel asks.

use std::net::Ipv4Addr;

/// A message of the kernel to the multicast routing daemon (`struct igmpmsg` of linux/mroute.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upcall {
    /// What it is about.
    pub kind: UpcallKind,
    /// The virtual interface that the packet arrived on.
    pub vif: u16,
    /// The packet's source.
    pub source: Ipv4Addr,
    /// The packet's group.
    pub group: Ipv4Addr,
}

/// What an [`Upcall`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpcallKind {
    /// `IGMPMSG_NOCACHE`: there is no entry for the packet, which waits for one.
    NoCache,
    /// `IGMPMSG_WRONGVIF`: the entry says that the packet should have arrived on another virtual interface.
    WrongVif,
}

impl Upcall {
    /// How much of a message is looked at: the IP header whose fields the kernel writes over.
    pub const LEN: usize = 20;

    /// Reads a message. `None` where it is another one: an IGMP packet of the network, which any raw IGMP socket gets a
    /// copy of and which has a protocol where messages have 0, or a whole packet for PIM.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let message: &[u8; Self::LEN] = bytes.first_chunk()?;
        let [
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            kind,
            protocol,
            vif,
            vif_high,
            addresses @ ..,
        ] = *message;
        if protocol != 0 {
            return None;
        }
        let kind = match kind {
            1 => UpcallKind::NoCache,
            2 => UpcallKind::WrongVif,
            _ => return None,
        };
        let [s0, s1, s2, s3, g0, g1, g2, g3] = addresses;
        Some(Self {
            kind,
            vif: u16::from_le_bytes([vif, vif_high]),
            source: Ipv4Addr::new(s0, s1, s2, s3),
            group: Ipv4Addr::new(g0, g1, g2, g3),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout of `struct igmpmsg`: two words, type, zero, interface low and high, source, destination.
    const MESSAGE: [u8; 28] = [
        0x45, 0, 0, 28, 1, 2, 3, 4, 1, 0, 31, 1, 10, 0, 0, 9, 239, 1, 2, 3, 1, 0, 0, 0, 0, 0, 0, 0,
    ];

    #[test]
    fn messages_are_told_from_packets() {
        let expected = Upcall {
            kind: UpcallKind::NoCache,
            vif: 256 + 31,
            source: Ipv4Addr::new(10, 0, 0, 9),
            group: Ipv4Addr::new(239, 1, 2, 3),
        };
        assert_eq!(Upcall::parse(&MESSAGE), Some(expected));

        let mut wrong_vif = MESSAGE;
        wrong_vif[8] = 2;
        let kind = UpcallKind::WrongVif;
        assert_eq!(Upcall::parse(&wrong_vif), Some(Upcall { kind, ..expected }));

        for (what, at, value) in [
            ("an IGMP packet", 9, 2),
            ("a whole packet", 8, 3),
            ("nothing", 8, 0),
        ] {
            let mut other = MESSAGE;
            other[at] = value;
            assert_eq!(Upcall::parse(&other), None, "{what}");
        }
        for len in 0..Upcall::LEN {
            assert_eq!(Upcall::parse(&MESSAGE[..len]), None, "{len} bytes");
        }
    }
}
