//! Who takes part, how often, and how it is started.

use std::path::Path;

use anyhow::Result;

use crate::{
    contestant::{
        Contestant, bridge::Snooping, frr::FrrPimd, igmpd::Router, igmpproxy::Igmpproxy, pimd::Pimd,
    },
    site::{LAN, Site},
};

/// The configuration of igmpd.
const IGMPD: &str = include_str!("../../../contestants/igmpd.toml");

/// The number of groups that igmpd has room for by default, or more, as somebody would configure it who expects so many.
fn room(groups: u32) -> u32 {
    groups.max(65_536)
}

/// Those that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// This router.
    Igmpd,
    /// The kernel's bridge.
    Bridge,
    /// FRRouting's pimd.
    Frr,
    /// The pimd of troglobit.
    Pimd,
    /// igmpproxy.
    Igmpproxy,
}

impl Who {
    pub(crate) const ALL: [Self; 5] = [Self::Igmpd, Self::Bridge, Self::Frr, Self::Pimd, Self::Igmpproxy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Igmpd => "igmpd",
            Self::Bridge => "bridge",
            Self::Frr => "FRR pimd",
            Self::Pimd => "troglobit pimd",
            Self::Igmpproxy => "igmpproxy",
        }
    }

    /// Whether it learns in softirqs, so that a storm is over in a moment. The others read every report in a daemon.
    pub(crate) fn is_quick(self) -> bool {
        matches!(self, Self::Igmpd | Self::Bridge)
    }

    /// Starts it on a site, for so many groups.
    ///
    /// # Errors
    ///
    /// When it is missing.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub(crate) fn start<'a>(
        self,
        site: &'a mut Site,
        contestants: &Path,
        groups: u32,
    ) -> Result<(&'a Site, Box<dyn Contestant + 'a>)> {
        if matches!(self, Self::Pimd | Self::Igmpproxy) {
            site.add_upstream();
        }
        let site: &'a Site = site;
        let (network, router) = (&site.network, &site.router);
        let contestant: Box<dyn Contestant + 'a> = match self {
            Self::Igmpd => {
                let config = format!("max-groups = {}\n{IGMPD}", room(groups));
                Box::new(Router::start(network, router, LAN, &config))
            }
            Self::Bridge => Box::new(Snooping::start(router, LAN)),
            Self::Frr => Box::new(FrrPimd::start(network, router, LAN)?),
            Self::Pimd => Box::new(Pimd::start(site, contestants)?),
            Self::Igmpproxy => Box::new(Igmpproxy::start(network, router, contestants)?),
        };
        Ok((site, contestant))
    }
}
