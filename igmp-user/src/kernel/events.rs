//! The ring through which the XDP program hands over changes.

use std::os::fd::{AsFd, BorrowedFd};

use igmp_wire::abi::Event;

use super::{Kernel, KernelError};

impl Kernel {
    /// The descriptor that becomes readable when there are events.
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Takes up to `max` events out of the ring and returns how many there were. `handle` gets each event and its
    /// sources, four bytes each in network order.
    pub fn drain_events(&mut self, max: usize, handle: &mut impl FnMut(Event, &[u8])) -> usize {
        let mut taken = 0;
        while taken < max
            && let Some(item) = self.events.next()
        {
            taken += 1;
            let Some(event) = Event::from_bytes(&item) else {
                continue;
            };
            // Room is reserved in few sizes, so only what the event says it has is read: what stands behind is left
            // over from events before it.
            let len = usize::from(event.source_count) * 4;
            let sources = item.get(Event::LEN..Event::LEN + len).unwrap_or_default();
            handle(event, sources);
        }
        taken
    }

    /// How many events found no room since the programs were first loaded. When it has grown, it is time for a scan.
    ///
    /// # Errors
    ///
    /// [`KernelError::Map`] where the kernel refuses.
    pub fn lost_events(&self) -> Result<u64, KernelError> {
        self.lost
            .get(&0, 0)
            .map_err(KernelError::map("read the count of lost events"))
    }
}
