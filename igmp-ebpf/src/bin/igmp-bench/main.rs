//! XDP programs that measurements need, and the router does not.
//!
//! They are run by `BPF_PROG_TEST_RUN`, or attached where load is made and taken. The router's own object has none of them.
//!
//! | module | holds |
//! |---|---|
//! | [`floor`] | the least work that could do what the router does |

#![no_std]
#![no_main]

mod floor;

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

/// The kernel takes some helpers from programs with a compatible licence only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
