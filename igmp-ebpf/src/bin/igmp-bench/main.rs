//! XDP programs that measurements need, and the router does not.
//!
//! They are run by `BPF_PROG_TEST_RUN`, or attached where load is made and taken. The router's own object has none of them.
//!
//! | module | holds |
//! |---|---|
//! | [`floor`] | the least work that could do what the router does |
//! | [`generate`] | load: data and reports |
//! | [`sink`] | where data ends |
//! | [`frame`] | the bytes of a frame |

#![no_std]
#![no_main]

mod floor;
mod frame;
mod generate;
mod sink;

use aya_ebpf::{macros::xdp, programs::XdpContext};

/// Nothing at all: what a run of any program costs.
#[xdp]
pub(crate) fn floor_empty(_context: XdpContext) -> u32 {
    floor::empty()
}

/// The least that refreshes the group of a version 2 report.
#[xdp]
pub(crate) fn floor_group(context: XdpContext) -> u32 {
    floor::group(context.ctx)
}

/// The least that refreshes the groups of a version 3 report.
#[xdp]
pub(crate) fn floor_records(context: XdpContext) -> u32 {
    floor::records(context.ctx)
}

/// The least that sends a packet to where its flow goes.
#[xdp]
pub(crate) fn floor_route(context: XdpContext) -> u32 {
    floor::route(context.ctx)
}

/// Sends datagrams of UDP to multicast groups.
#[xdp]
pub(crate) fn generate_data(context: XdpContext) -> u32 {
    generate::data(context.ctx)
}

/// Sends reports of version 1 or 2.
#[xdp]
pub(crate) fn generate_report(context: XdpContext) -> u32 {
    generate::report(context.ctx)
}

/// Sends reports of version 3.
#[xdp]
pub(crate) fn generate_records(context: XdpContext) -> u32 {
    generate::records(context.ctx)
}

/// Counts and drops what arrives.
#[xdp]
pub(crate) fn sink_count(context: XdpContext) -> u32 {
    sink::count(context.ctx)
}

/// A setting, which is written when the programs are loaded.
#[inline(always)]
fn setting<T: Copy>(place: &T) -> T {
    // Volatile, as the compiler takes what stands there now for all that ever will.
    // SAFETY: the reference is to a constant, readable for ever.
    unsafe { (&raw const *place).read_volatile() }
}

/// The kernel takes some helpers from programs with a compatible licence only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
