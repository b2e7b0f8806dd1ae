//! Hello messages (RFC 7761 §4.9.2).

use core::net::Ipv4Addr;

use super::{Refusal, encoded, reader::Reader};
use crate::address::is_unicast;

/// Length of type and length in front of an option's value, in bytes.
pub(crate) const OPTION_HEADER_LEN: usize = 4;
/// The option Holdtime.
pub(crate) const OPTION_HOLDTIME: u16 = 1;
/// The option LAN Prune Delay.
pub(crate) const OPTION_LAN_PRUNE_DELAY: u16 = 2;
/// The option DR Priority.
pub(crate) const OPTION_DR_PRIORITY: u16 = 19;
/// The option Generation ID.
pub(crate) const OPTION_GENERATION_ID: u16 = 20;
/// The option Address List.
pub(crate) const OPTION_ADDRESS_LIST: u16 = 24;
/// The T bit, in front of the 15 bits of the Propagation Delay.
pub(crate) const T_BIT: u16 = 0x8000;

/// The Holdtime of a neighbour that never times out.
pub const HOLDTIME_FOREVER: u16 = 0xffff;

/// The option LAN Prune Delay: what the sender has configured for its side of the link (RFC 7761 §4.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LanPruneDelay {
    /// The T bit, Tracking support: the sender can do without the suppression of Joins.
    pub tracking: bool,
    /// Propagation Delay in milliseconds, 0 to 32,767.
    pub propagation_delay: u16,
    /// Override Interval in milliseconds.
    pub override_interval: u16,
}

/// A Hello. Options that RFC 7761 does not define are ignored (§4.9.2).
///
/// RFC 7761 says nothing about an option that is there twice. The last one holds, as with FRRouting's pimd, but the
/// addresses of several Address Lists add up: pimd sends its IPv4 and its IPv6 addresses in a list each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Holdtime in seconds: for how long the sender is a neighbour. 0 takes leave, and [`HOLDTIME_FOREVER`] has no end.
    /// Where it is missing, the default of RFC 7761 §4.11 is meant, 105 seconds.
    pub holdtime: Option<u16>,
    /// LAN Prune Delay.
    pub lan_prune_delay: Option<LanPruneDelay>,
    /// DR Priority. Where one neighbour does not send it, nobody's counts (RFC 7761 §4.3.2).
    pub dr_priority: Option<u32>,
    /// Generation ID, which changes when the sender has lost what it knew.
    pub generation_id: Option<u32>,
    /// The IP source of the message.
    source: Ipv4Addr,
    /// All the options.
    options: Reader<'a>,
}

impl<'a> Hello<'a> {
    /// Reads the options of a Hello from `source`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Malformed`] where the options do not end with the message, or a value does not have the length that
    /// its option has.
    pub(super) fn parse(options: Reader<'a>, source: Ipv4Addr) -> Result<Self, Refusal> {
        let mut hello = Self {
            holdtime: None,
            lan_prune_delay: None,
            dr_priority: None,
            generation_id: None,
            source,
            options,
        };
        let mut reader = options;
        while !reader.is_empty() {
            let (kind, value) = option(&mut reader)?;
            match kind {
                OPTION_HOLDTIME => hello.holdtime = Some(u16::from_be_bytes(exactly(value)?)),
                OPTION_LAN_PRUNE_DELAY => {
                    let [a, b, c, d] = exactly(value)?;
                    let delay = u16::from_be_bytes([a, b]);
                    hello.lan_prune_delay = Some(LanPruneDelay {
                        tracking: delay & T_BIT != 0,
                        propagation_delay: delay & !T_BIT,
                        override_interval: u16::from_be_bytes([c, d]),
                    });
                }
                OPTION_DR_PRIORITY => hello.dr_priority = Some(u32::from_be_bytes(exactly(value)?)),
                OPTION_GENERATION_ID => hello.generation_id = Some(u32::from_be_bytes(exactly(value)?)),
                OPTION_ADDRESS_LIST => {
                    let mut list = Reader::new(value);
                    while !list.is_empty() {
                        encoded::unicast(&mut list)?;
                    }
                }
                _ => {}
            }
        }
        Ok(hello)
    }

    /// The sender's secondary addresses. Left out are what cannot be the address of a router, IPv6, and the sender's
    /// primary address, which does not belong there (RFC 7761 §4.3.4). An address that is there twice comes twice.
    pub const fn secondary_addresses(&self) -> SecondaryAddresses<'a> {
        SecondaryAddresses {
            source: self.source,
            options: self.options,
            list: Reader::new(&[]),
        }
    }
}

/// The secondary addresses in a Hello; see [`Hello::secondary_addresses`].
#[derive(Clone, Debug)]
pub struct SecondaryAddresses<'a> {
    source: Ipv4Addr,
    /// The options behind the list.
    options: Reader<'a>,
    /// The rest of the list.
    list: Reader<'a>,
}

impl Iterator for SecondaryAddresses<'_> {
    type Item = Ipv4Addr;

    /// The next one. Nothing here is malformed: it was all read once.
    fn next(&mut self) -> Option<Ipv4Addr> {
        loop {
            while self.list.is_empty() {
                if let (OPTION_ADDRESS_LIST, value) = option(&mut self.options).ok()? {
                    self.list = Reader::new(value);
                }
            }
            let address = encoded::unicast(&mut self.list).ok()?;
            if let Some(address) = address.filter(|address| is_unicast(*address) && *address != self.source) {
                return Some(address);
            }
        }
    }
}

/// The type and the value of the next option.
fn option<'a>(reader: &mut Reader<'a>) -> Result<(u16, &'a [u8]), Refusal> {
    let [a, b, c, d] = reader.take()?;
    let value = reader.take_slice(usize::from(u16::from_be_bytes([c, d])))?;
    Ok((u16::from_be_bytes([a, b]), value))
}

/// A value that has to have this length.
fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], Refusal> {
    value.try_into().map_err(|_| Refusal::Malformed)
}
