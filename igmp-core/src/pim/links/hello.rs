//! When Hellos are sent, and what they say (RFC 7761 §4.3.1).

use core::net::Ipv4Addr;

use super::{
    super::{Hello, PimInterfaceConfig, context::Context, key::Key},
    lan_delay,
};
use crate::{
    InterfaceId,
    time::{Duration, Instant},
    timers::Slot,
};

/// `Triggered_Hello_Delay` (§4.11).
const TRIGGERED_HELLO_DELAY: Duration = Duration::from_secs(5);
/// A hold time that never ends (§4.9.2). It is not told.
pub(super) const FOREVER: u16 = 0xffff;

/// What a Hello takes in a packet besides secondary addresses: an IPv4 header without options, that of PIM, and the
/// options Holdtime, LAN Prune Delay, DR Priority and Generation ID (§4.9.2).
const FIXED_LEN: usize = 20 + 4 + 6 + 8 + 8 + 8;
/// What the Address List option takes besides the addresses.
const ADDRESS_LIST_HEADER_LEN: usize = 4;
/// What an address takes there (Encoded-Unicast, §4.9.1).
const ADDRESS_LEN: usize = 6;

/// The Hello Timer of an interface, and what was said there.
#[derive(Debug)]
pub(super) struct Greeting {
    /// The Generation ID.
    pub(super) generation_id: u32,
    /// The Hello Timer: when the next periodic Hello is due.
    periodic: Option<Instant>,
    /// When a Hello is due because of a new neighbour.
    triggered: Option<Instant>,
    /// Whether a Hello was sent. With each change of the address one is.
    was_sent: bool,
    slot: Slot,
}

impl Greeting {
    /// PIM starts on an interface that has an address: `HT(I)` begins with a random delay.
    pub(super) fn start<S>(interface: InterfaceId, cx: &mut Context<'_, S>) -> Self {
        let mut greeting = Self {
            generation_id: cx.random.number(),
            periodic: Some(cx.now + cx.random.delay(TRIGGERED_HELLO_DELAY)),
            triggered: None,
            was_sent: false,
            slot: Slot::default(),
        };
        greeting.wake(interface, cx);
        greeting
    }

    /// PIM ends there.
    pub(super) fn stop<S>(&mut self, interface: InterfaceId, cx: &mut Context<'_, S>) {
        (self.periodic, self.triggered) = (None, None);
        cx.timers.cancel(&mut self.slot, Key::Hello(interface));
    }

    /// Whether neighbours may know of this router.
    pub(super) fn was_sent(&self) -> bool {
        self.was_sent
    }

    /// When the next Hello is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.periodic.into_iter().chain(self.triggered).min()
    }

    /// A neighbour does not know this router: it is to hear of it soon. The Hello Timer goes on as it was.
    pub(super) fn trigger<S>(&mut self, interface: InterfaceId, cx: &mut Context<'_, S>) {
        if self.triggered.is_none() {
            self.triggered = Some(cx.now + cx.random.delay(TRIGGERED_HELLO_DELAY));
            self.wake(interface, cx);
        }
    }

    /// Whether a neighbour may not know this router by the address that it has now.
    pub(super) fn is_pending(&self) -> bool {
        !self.was_sent || self.triggered.is_some()
    }

    /// A Hello is sent now, as a neighbour would have it anyway by then.
    pub(super) fn sent(&mut self) {
        self.triggered = None;
        self.was_sent = true;
    }

    /// The time of periodic Hellos begins anew, since they tell of another hold time.
    pub(super) fn restart<S>(&mut self, interface: InterfaceId, interval: Duration, cx: &mut Context<'_, S>) {
        self.periodic = Some(cx.now + interval);
        self.wake(interface, cx);
    }

    /// The deadline has come. Says whether a Hello is due.
    pub(super) fn timer<S>(
        &mut self,
        interface: InterfaceId,
        interval: Duration,
        cx: &mut Context<'_, S>,
    ) -> bool {
        self.slot = Slot::default();
        let is_due = self.next().is_some_and(|next| next <= cx.now);
        if self.periodic.is_some_and(|periodic| periodic <= cx.now) {
            self.periodic = Some(cx.now + interval);
        }
        self.triggered = self.triggered.filter(|&triggered| triggered > cx.now);
        self.wake(interface, cx);
        is_due
    }

    fn wake<S>(&mut self, interface: InterfaceId, cx: &mut Context<'_, S>) {
        if let Some(next) = self.next() {
            cx.timers.wake_by(&mut self.slot, next, Key::Hello(interface));
        }
    }
}

/// How long neighbours are to remember this router: 3.5 times Hello_Period (§4.11). Neither 0, which is a goodbye, nor
/// for ever.
fn hold_time(config: &PimInterfaceConfig) -> u16 {
    let seconds = (config.hello_interval * 7 / 2).as_nanos().div_ceil(1_000_000_000);
    u16::try_from(seconds).map_or(FOREVER - 1, |seconds| seconds.clamp(1, FOREVER - 1))
}

/// What this router says. Of its secondary addresses as many as fit into the MTU are told.
pub(super) fn hello(
    config: &PimInterfaceConfig,
    generation_id: u32,
    (address, secondary): (Ipv4Addr, &[Ipv4Addr]),
    mtu: u32,
) -> Hello {
    let room = usize::try_from(mtu).unwrap_or(usize::MAX);
    let room = room.saturating_sub(FIXED_LEN + ADDRESS_LIST_HEADER_LEN) / ADDRESS_LEN;
    Hello {
        hold_time: Some(hold_time(config)),
        lan_prune_delay: Some(lan_delay::own(config)),
        dr_priority: Some(config.dr_priority),
        generation_id: Some(generation_id),
        // The primary address must not be among them (§4.3.4).
        secondary_addresses: secondary
            .iter()
            .copied()
            .filter(|&other| other != address)
            .take(room)
            .collect(),
    }
}

/// The same with hold time 0, as a goodbye.
pub(super) fn goodbye(hello: Hello) -> Hello {
    Hello {
        hold_time: Some(0),
        ..hello
    }
}
