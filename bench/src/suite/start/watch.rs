//! What is attached, as the kernel tells it.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use rtnetlink::{
    Handle, new_connection,
    packet_route::link::{LinkAttribute, LinkMessage, LinkXdp, XdpAttached},
};
use tokio::runtime::{Builder, Runtime};

use super::site::Contestant;

/// The least time between two looks. A look at many interfaces takes longer, and so does the pause after it: watching
/// has to leave the contestant its processor and its locks.
const LOOK: Duration = Duration::from_millis(1);
/// How many times as long as a look the pause after it is.
const REST: u32 = 4;
/// 224.0.0.22 as `/proc/net/igmp` prints it: what a version 3 router joins on each interface that it serves.
const REPORTS_GROUP: &str = "160000E0";

/// Looks at the interfaces of the namespace that it was made in.
pub(super) struct Watch {
    contestant: Contestant,
    runtime: Runtime,
    links: Handle,
}

impl Watch {
    /// Begins to look, in the way of this contestant.
    ///
    /// # Errors
    ///
    /// When there is no netlink socket to be had.
    pub(super) fn new(contestant: Contestant) -> Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .build()
            .context("cannot wait for the kernel")?;
        let links = runtime.block_on(async {
            let (connection, handle, _) = new_connection().context("cannot open a netlink socket")?;
            tokio::spawn(connection);
            anyhow::Ok(handle)
        })?;
        Ok(Self {
            contestant,
            runtime,
            links,
        })
    }

    /// Looks until `enough` interfaces are attached or `is_over` says so, and returns how many are.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
    pub(super) fn wait(&self, enough: usize, is_over: impl Fn() -> bool) -> Result<usize> {
        loop {
            let began = Instant::now();
            let count = self.count()?;
            if count >= enough || is_over() {
                return Ok(count);
            }
            std::thread::sleep(LOOK.max(began.elapsed() * REST));
        }
    }

    fn count(&self) -> Result<usize> {
        if self.contestant == Contestant::Frr {
            // /proc/net would be that of the process, whose first thread is elsewhere.
            let groups = fs::read_to_string("/proc/thread-self/net/igmp").context("joined groups")?;
            return Ok(groups.matches(REPORTS_GROUP).count());
        }
        self.runtime.block_on(async {
            let mut all = self.links.link().get().execute();
            let mut count = 0;
            while let Some(link) = all.try_next().await.context("the kernel shows no interfaces")? {
                count += usize::from(has_xdp(&link));
            }
            Ok(count)
        })
    }
}

fn has_xdp(link: &LinkMessage) -> bool {
    link.attributes.iter().any(|attribute| {
        matches!(attribute, LinkAttribute::Xdp(all)
            if all.iter().any(|xdp| matches!(xdp, LinkXdp::Attached(how) if *how != XdpAttached::None)))
    })
}
