//! What must hold.

use core::net::Ipv4Addr;
use std::collections::BTreeSet;

use igmp_core::FilterMode;

use super::{Kind, LINK, Silent, World, chain::LEAVE};
use crate::{
    bench::{secs, source},
    receiver::Record,
};

impl World {
    /// What the querier knows of a group.
    pub(super) fn known(&self, address: Ipv4Addr) -> Record {
        let view = self.querier.group(self.now, LINK, address, &mut Silent);
        view.map_or_else(Record::default, |view| {
            let is_exclude = view.filter_mode == FilterMode::Exclude;
            let listed = view
                .sources
                .iter()
                .filter(|source| source.forwarding != is_exclude);
            (is_exclude, listed.map(|source| source.source).collect())
        })
    }

    /// What the querier can know of what is wanted, by its version.
    pub(super) fn tellable(&self, address: Ipv4Addr, (exclude, listed): &Record) -> Record {
        let is_member = *exclude || !listed.is_empty();
        match (self.version, address.octets()[0]) {
            (3, _) => (*exclude, listed.clone()),
            (_, 232) => Record::default(),
            _ => (is_member, BTreeSet::new()),
        }
    }

    /// What has been wanted for long enough to be told is forwarded.
    pub(super) fn check_nobody_starves(&mut self) -> Result<(), String> {
        // Each of the repetitions comes within the Unsolicited Report Interval, and a querier of an older version has to
        // be known first.
        let (told_within, begin) = match self.version {
            3 => (f64::from(self.robustness - 1) + 0.5, 0.0),
            _ => (f64::from(self.robustness - 1) * 10.0 + 0.5, 2.0 * 20.0 + 5.0),
        };
        let is_settled = self.now.since(self.settled) > secs(told_within + begin);
        if self.kind == Kind::Changing || !self.is_up || !is_settled {
            return Ok(());
        }
        for (&address, (record, since)) in &self.wanted {
            if self.now.since(*since) <= secs(told_within) {
                continue;
            }
            let (exclude, listed) = self.tellable(address, record);
            let (known_exclude, known) = self.known(address);
            let unnamed = Ipv4Addr::new(198, 51, 100, 255);
            for source in (1..=5).map(source).chain([unnamed]) {
                let is_wanted = listed.contains(&source) != exclude;
                let is_forwarded = known.contains(&source) != known_exclude;
                if is_wanted && !is_forwarded {
                    return Err(format!(
                        "{source} to {address} is missing: {record:?} is wanted, {:?} is known",
                        (known_exclude, known)
                    ));
                }
            }
            self.checks += 1;
        }
        Ok(())
    }

    /// Where nothing is lost or overtaken and the version knows leaves, what has not been wanted since the last-member
    /// queries is known no more.
    pub(super) fn check_nothing_outlives(&mut self) -> Result<(), String> {
        let robustness = f64::from(self.robustness);
        let (told_within, begin) = match self.version {
            3 => (robustness - 1.0, 0.0),
            _ => (0.0, 2.0 * 20.0 + 5.0),
        };
        let chained = if self.chain.is_some() { LEAVE } else { 0.0 };
        let queried = secs(told_within + robustness + chained + 0.5);
        let is_settled = self.now.since(self.settled) > secs(begin) + queried;
        if self.loss > 0 || !matches!(self.kind, Kind::Steady(2 | 3) | Kind::Chained(2 | 3)) || !is_settled {
            return Ok(());
        }
        for (&address, (record, since)) in &self.wanted {
            let (expected, known) = (self.tellable(address, record), self.known(address));
            if self.now.since(*since) > queried && expected != known {
                return Err(format!(
                    "of {address} {expected:?} is wanted, {known:?} is still known"
                ));
            }
            self.checks += 1;
        }
        Ok(())
    }

    pub(super) fn check_exact(&self) -> Result<(), String> {
        for (&address, (record, _)) in &self.wanted {
            let (expected, known) = (self.tellable(address, record), self.known(address));
            if expected != known {
                return Err(format!("of {address} {expected:?} is wanted, {known:?} is known"));
            }
        }
        let all = self
            .querier
            .groups(self.now, LINK, Ipv4Addr::UNSPECIFIED, 100, &mut Silent);
        match all.iter().find(|view| !self.wanted.contains_key(&view.group)) {
            Some(view) => Err(format!("{view:?} was never wanted")),
            None => Ok(()),
        }
    }
}
