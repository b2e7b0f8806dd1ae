//! Ethernet II headers in front of IPv4.

use super::{
    Error,
    writer::{Writer, first},
};
use crate::ethernet::{ETHERTYPE_IPV4, ETHERTYPE_SERVICE_VLAN, ETHERTYPE_VLAN, HEADER_LEN, TAG_LEN, Vlan};

/// The Ethernet header of an IPv4 packet, with the tags of its VLAN.
///
/// A single tag and the inner of two are customer tags (0x8100), the outer of two is a service tag (0x88a8). Their
/// priority is 0. Of a VLAN ID the low 12 bits are written; ID 0 makes a tag that is of no VLAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EthernetHeader {
    /// Destination address.
    pub destination: [u8; 6],
    /// Source address.
    pub source: [u8; 6],
    /// The VLAN, which decides how many tags there are.
    pub vlan: Vlan,
}

impl EthernetHeader {
    /// Length in bytes: 14, 18 or 22.
    pub const fn buffer_len(&self) -> usize {
        HEADER_LEN
            + match self.vlan {
                Vlan::Untagged => 0,
                Vlan::Tagged(_) => TAG_LEN,
                Vlan::Stacked(..) => 2 * TAG_LEN,
            }
    }

    /// Writes the header to the beginning of `buffer` and returns its length.
    ///
    /// # Errors
    ///
    /// [`Error::BufferTooSmall`].
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        let len = self.buffer_len();
        let Self {
            destination,
            source,
            vlan,
        } = *self;
        let mut writer = Writer::new(first(buffer, len)?);
        writer.put(destination)?;
        writer.put(source)?;
        let mut tag = |ethertype: u16, id: u16| {
            writer.put(ethertype.to_be_bytes())?;
            writer.put((id & 0x0fff).to_be_bytes())
        };
        match vlan {
            Vlan::Untagged => {}
            Vlan::Tagged(id) => tag(ETHERTYPE_VLAN, id)?,
            Vlan::Stacked(outer, inner) => {
                tag(ETHERTYPE_SERVICE_VLAN, outer)?;
                tag(ETHERTYPE_VLAN, inner)?;
            }
        }
        writer.put(ETHERTYPE_IPV4.to_be_bytes())?;
        Ok(len)
    }
}
