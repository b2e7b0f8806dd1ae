//! PIM messages.

use super::{
    super::{
        Error,
        writer::{Writer, first, put_checksum},
    },
    Hello, JoinPrune, MAX_MESSAGE_LEN,
};
use crate::pim::{ASSERT_LEN, Assert, Type, VERSION, assert::RPT_BIT, encoded};

/// A message to write. All of them go to 224.0.0.13, [`ALL_PIM_ROUTERS`](crate::address::ALL_PIM_ROUTERS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A Hello.
    Hello(Hello<'a>),
    /// A Join/Prune.
    JoinPrune(JoinPrune<'a>),
    /// An Assert. Of the metric preference the low 31 bits are written.
    Assert(Assert),
}

impl Message<'_> {
    /// Length in bytes. `usize::MAX` where the length is no number that a `usize` holds; such a message is refused as
    /// too long.
    pub fn buffer_len(&self) -> usize {
        match self {
            Self::Hello(hello) => hello.buffer_len(),
            Self::JoinPrune(join_prune) => join_prune.buffer_len(),
            Self::Assert(_) => ASSERT_LEN,
        }
    }

    /// Writes the message, checksum included, to the beginning of `buffer` and returns its length.
    ///
    /// # Errors
    ///
    /// [`Error::BufferTooSmall`]; [`Error::TooLong`] where the message is longer than [`MAX_MESSAGE_LEN`].
    pub fn emit(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        let len = self.checked_len()?;
        let message = first(buffer, len)?;
        self.write(&mut Writer::new(message))?;
        put_checksum::<2>(message);
        Ok(len)
    }

    /// The length, if a packet can hold it. Within that limit the lengths of options and the numbers of entries fit
    /// their 16 bits.
    pub(super) fn checked_len(&self) -> Result<usize, Error> {
        let len = self.buffer_len();
        if len > MAX_MESSAGE_LEN {
            return Err(Error::TooLong { len });
        }
        Ok(len)
    }

    /// Writes the message with a zero for its checksum.
    fn write(&self, writer: &mut Writer<'_>) -> Result<(), Error> {
        let message_type = match self {
            Self::Hello(_) => Type::Hello,
            Self::JoinPrune(_) => Type::JoinPrune,
            Self::Assert(_) => Type::Assert,
        };
        writer.put([VERSION << 4 | message_type as u8, 0, 0, 0])?;
        match self {
            Self::Hello(hello) => hello.write(writer),
            Self::JoinPrune(join_prune) => join_prune.write(writer),
            Self::Assert(assert) => write_assert(assert, writer),
        }
    }
}

/// Writes what follows the PIM header.
fn write_assert(assert: &Assert, writer: &mut Writer<'_>) -> Result<(), Error> {
    let Assert {
        group,
        source,
        rpt,
        metric_preference,
        metric,
    } = *assert;
    let rpt_bit = if rpt { RPT_BIT } else { 0 };
    writer.put(encoded::encode_group(group))?;
    writer.put(encoded::encode_unicast(source))?;
    writer.put((rpt_bit | metric_preference & !RPT_BIT).to_be_bytes())?;
    writer.put(metric.to_be_bytes())
}
