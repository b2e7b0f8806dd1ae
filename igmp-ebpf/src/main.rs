//! The XDP programs of the IGMP router.
//!
//! [`igmp_router`] is attached to interfaces: it learns memberships from the reports that arrive there, and forwards
//! multicast data. [`igmp_egress`] runs behind its redirects, once for each port. [`igmp_forward`] is a classifier for
//! what XDP cannot redirect. [`igmp_control`] is never attached and changes the maps in place on behalf of the agent.
//!
//! | module | holds |
//! |---|---|
//! | [`maps`] | every map |
//! | [`packet`] | the reader that the parser of `igmp-wire` runs on |
//! | [`receive`] | from the frame to the verdict |
//! | [`refresh`] | the short way for reports that repeat what is known |
//! | [`report`] | groups and records |
//! | [`sources`] | the sources of a record |
//! | [`query`] | queries of other routers |
//! | [`host`] | what the host side of a proxy hears of other hosts |
//! | [`forward`] | multicast data: where it goes, on both ways |
//! | [`event`] | handing changes to the agent |
//! | [`rate`] | limits on events that others can cause at will |
//! | [`count`] | counters |
//! | [`control`] | commands of the agent |
//! | [`clock`] | the coarse time |
//! | [`atomic`] | atomic operations on map values |

#![no_std]
#![no_main]
#![expect(
    internal_features,
    reason = "the only way to atomic operations on the BPF target"
)]
#![expect(
    clippy::needless_borrows_for_generic_args,
    reason = "a key or value given by value is copied to the stack, of which there are 512 bytes"
)]
#![feature(adt_const_params, core_intrinsics)]

mod atomic;
mod clock;
mod control;
mod count;
mod event;
mod forward;
mod host;
mod maps;
mod packet;
mod query;
mod rate;
mod receive;
mod refresh;
mod report;
mod sources;

// The macros put each function behind one of another kind. They are inlined there, since a call costs each packet as much as a
// look at its headers.
use aya_ebpf::{
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};

/// Learns memberships from IGMP, forwards multicast data, and passes everything else untouched.
#[xdp]
#[inline(always)]
pub(crate) fn igmp_router(context: XdpContext) -> u32 {
    receive::receive(context.ctx)
}

/// Makes a redirected frame one of the port that it leaves from.
#[xdp(map = "devmap")]
#[inline(always)]
pub(crate) fn igmp_egress(context: XdpContext) -> u32 {
    forward::egress(context.ctx)
}

/// Forwards multicast data through the network stack.
#[classifier]
#[inline(always)]
pub(crate) fn igmp_forward(context: TcContext) -> i32 {
    forward::classify(context.skb.skb)
}

/// Carries out the [`Command`](igmp_wire::abi::Command)s that are the packet.
#[xdp]
pub(crate) fn igmp_control(context: XdpContext) -> u32 {
    control::run(context.ctx)
}

/// The kernel takes helpers such as `bpf_loop` from programs with a compatible licence only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
