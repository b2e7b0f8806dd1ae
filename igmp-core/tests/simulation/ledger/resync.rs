//! What a router knows otherwise than from frames, or does not know any more.

use core::net::Ipv4Addr;

use igmp_core::{Found, Instant};

use super::Ledger;

impl Ledger {
    /// The core was told of a group from the kernel's map, which knows neither lowered timers nor the sources that an
    /// EXCLUDE record listed: such a record counts as one without. Where events were lost it asks the hosts, and lowers
    /// the timers for it, and a join that may be among them counts as one of this moment.
    pub(crate) fn found(&mut self, found: &Found, now: Instant) {
        let membership = self.terms.membership;
        self.forget_lowerings(Some(found.group));
        if found.incomplete {
            self.may_lower(now, found.group, &[]);
        }
        if found.exclude
            && let Some(index) = self.index(found.group)
        {
            let group = &mut self.groups[index].1;
            let joined = if found.incomplete {
                Some(now)
            } else {
                group.last_exclude
            };
            let until = joined.map_or(Instant::ZERO, |time| time + membership);
            group.may_until = group.may_until.max(until);
            for source in &mut group.sources {
                source.may_until = source.may_until.max(until);
                source.listed = false;
            }
        }
    }

    fn forget_lowerings(&mut self, group: Option<Ipv4Addr>) {
        for (address, entry) in &mut self.groups {
            if group.is_none_or(|group| group == *address) {
                entry.must_lower.clear();
                for source in &mut entry.sources {
                    source.must_lower.clear();
                }
            }
        }
    }

    /// All memberships end now: the interface went down, or the operator cleared them.
    pub(crate) fn end_all(&mut self, now: Instant) {
        for (_, group) in &mut self.groups {
            group.may_until = group.may_until.min(now);
            for source in &mut group.sources {
                source.must_until = source.must_until.min(now);
                source.may_until = source.may_until.min(now);
            }
        }
        self.forget_lowerings(None);
    }

    /// The agent starts anew with the kernel's maps as they were left. `times` says for a group when it was last
    /// reported in EXCLUDE mode, and for a source when it was last asked for, as far as the maps know.
    pub(crate) fn adopted(
        &mut self,
        now: Instant,
        times: impl Fn(Ipv4Addr, Option<Ipv4Addr>) -> Option<Instant>,
    ) {
        let terms = self.terms;
        self.forget_lowerings(None);
        let names = self.names.clone();
        for (address, group) in &mut self.groups {
            let excluded = times(*address, None);
            for (name, source) in names.iter().zip(&mut group.sources) {
                let last = excluded.max(times(*address, Some(*name)));
                source.must_from = now + terms.handling;
                source.must_until = last.map_or(Instant::ZERO, |last| last + terms.membership);
                source.may_lower.clear();
                // Lists of excluded sources are not in the maps.
                let forgotten = group.last_exclude.max(Some(source.covered)).unwrap_or_default();
                source.may_until = source.may_until.max(forgotten + terms.membership);
                source.listed = false;
            }
        }
    }
}
