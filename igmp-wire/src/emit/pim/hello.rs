//! Hello messages (RFC 7761 §4.9.2).

use core::net::Ipv4Addr;

use super::super::{Error, writer::Writer};
use crate::pim::{
    ENCODED_UNICAST_LEN, HEADER_LEN, LanPruneDelay, encoded,
    hello::{
        OPTION_ADDRESS_LIST, OPTION_DR_PRIORITY, OPTION_GENERATION_ID, OPTION_HEADER_LEN, OPTION_HOLDTIME,
        OPTION_LAN_PRUNE_DELAY, T_BIT,
    },
};

/// A Hello. A router sends all the options (RFC 7761 §4.3.1); leaving some out is for speaking as another router would.
/// They are written in the order of their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hello<'a> {
    /// Holdtime in seconds: 0 takes leave, and [`HOLDTIME_FOREVER`](crate::pim::HOLDTIME_FOREVER) has no end.
    pub holdtime: Option<u16>,
    /// LAN Prune Delay. Of the Propagation Delay the low 15 bits are written.
    pub lan_prune_delay: Option<LanPruneDelay>,
    /// DR Priority.
    pub dr_priority: Option<u32>,
    /// Generation ID.
    pub generation_id: Option<u32>,
    /// The interface's secondary addresses, without its primary one. Without any there is no Address List.
    pub secondary_addresses: &'a [Ipv4Addr],
}

impl Hello<'_> {
    /// Length in bytes, with the PIM header.
    pub(super) const fn buffer_len(&self) -> usize {
        let Self {
            holdtime,
            lan_prune_delay,
            dr_priority,
            generation_id,
            secondary_addresses,
        } = self;
        let mut len = HEADER_LEN;
        if holdtime.is_some() {
            len += OPTION_HEADER_LEN + 2;
        }
        if lan_prune_delay.is_some() {
            len += OPTION_HEADER_LEN + 4;
        }
        if dr_priority.is_some() {
            len += OPTION_HEADER_LEN + 4;
        }
        if generation_id.is_some() {
            len += OPTION_HEADER_LEN + 4;
        }
        if !secondary_addresses.is_empty() {
            len += OPTION_HEADER_LEN;
        }
        len.saturating_add(secondary_addresses.len().saturating_mul(ENCODED_UNICAST_LEN))
    }

    /// Writes what follows the PIM header.
    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let Self {
            holdtime,
            lan_prune_delay,
            dr_priority,
            generation_id,
            secondary_addresses,
        } = *self;
        if let Some(holdtime) = holdtime {
            put_option(writer, OPTION_HOLDTIME, holdtime.to_be_bytes())?;
        }
        if let Some(LanPruneDelay {
            tracking,
            propagation_delay,
            override_interval,
        }) = lan_prune_delay
        {
            let t_bit = if tracking { T_BIT } else { 0 };
            let [a, b] = (t_bit | propagation_delay & !T_BIT).to_be_bytes();
            let [c, d] = override_interval.to_be_bytes();
            put_option(writer, OPTION_LAN_PRUNE_DELAY, [a, b, c, d])?;
        }
        if let Some(priority) = dr_priority {
            put_option(writer, OPTION_DR_PRIORITY, priority.to_be_bytes())?;
        }
        if let Some(generation_id) = generation_id {
            put_option(writer, OPTION_GENERATION_ID, generation_id.to_be_bytes())?;
        }
        if !secondary_addresses.is_empty() {
            put_header(
                writer,
                OPTION_ADDRESS_LIST,
                secondary_addresses.len() * ENCODED_UNICAST_LEN,
            )?;
        }
        secondary_addresses
            .iter()
            .try_for_each(|address| writer.put(encoded::encode_unicast(*address)))
    }
}

/// Writes an option.
fn put_option<const N: usize>(writer: &mut Writer<'_>, kind: u16, value: [u8; N]) -> Result<(), Error> {
    put_header(writer, kind, N)?;
    writer.put(value)
}

/// Writes type and length of an option. The length is one that a message can have, so that it fits 16 bits.
fn put_header(writer: &mut Writer<'_>, kind: u16, len: usize) -> Result<(), Error> {
    writer.put(kind.to_be_bytes())?;
    writer.put((len as u16).to_be_bytes())
}
