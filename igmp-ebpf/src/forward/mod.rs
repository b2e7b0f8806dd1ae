//! Forwarding multicast data.
//!
//! There are two ways. On the fast one XDP changes what all copies have in common and redirects the frame to a port
//! set; the kernel makes the copies, and [`egress()`] makes each one a frame of its port. The other one is for what XDP
//! cannot redirect: the frame passes on, and [`classify()`] clones it in the network stack.
//!
//! Where packets go is found out by [`route`] for both. What was found out already about a packet of the commonest shape is all
//! that [`known`] needs.

mod classify;
mod egress;
mod known;
mod ports;
mod receive;
mod route;
mod skb;

pub(crate) use self::{
    classify::classify, egress::egress, known::forward as forward_known, receive::receive,
};
