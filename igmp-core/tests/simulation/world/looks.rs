//! Checks while the simulation goes on: what routers owe by what they have received, and members by what they were
//! promised.

use igmp_core::Instant;

use super::{World, happening::Happening};
use crate::{failure::Kind, ledger::Breach, scenario::Weather, trace::seconds};

impl World<'_> {
    pub(super) fn plan_look(&mut self, router: usize, at: Instant) {
        // Looks close to each other are one, a little later.
        const GRAIN: u64 = 100_000_000;
        let at = Instant::from_nanos((at.as_nanos() / GRAIN + 1) * GRAIN);
        if self.looks.insert((router, at)) {
            self.plan_at(at, Happening::Look(router));
        }
    }

    pub(super) fn look(&mut self, index: usize) {
        self.tally.looks += 1;
        let (now, scenario) = (self.now, self.scenario);
        let router = &mut self.routers[index];
        let before = router.views.clone();
        router.look(now, scenario);
        if !router.alive {
            return;
        }
        for (group_index, &group) in scenario.groups.iter().enumerate() {
            let view = &router.views[group_index];
            if before[group_index] != *view {
                self.trace
                    .note(now, Some(group), || format!("router {index} has {view:?}"));
            }
            if let Some((breach, source)) = router.ledger.breach(now, group_index, view) {
                let kind = match breach {
                    Breach::Starved => Kind::Starved,
                    Breach::Outlived => Kind::Outlived,
                    Breach::GroupOutlived => Kind::GroupOutlived,
                };
                let text = format!(
                    "router {index}, source {source}: {view:?}\n{}",
                    router.ledger.describe(group_index)
                );
                self.fail(kind, Some(group), text);
                return;
            }
        }
        // Without the S flag of version 3 a repeated query lowers the timers of the other routers once more though it has
        // been answered, and the answer that they heard may be what keeps hosts quiet. Only the querier can promise then.
        let promises = scenario.config.version != 2 || router.is_querier();
        if scenario.weather == Weather::Fair && promises {
            let starved = self
                .wanted
                .iter()
                .find(|&(&(_, group, source), &from)| now > from && !router.views[group].forwards[source]);
            if let Some((&(host, group, source), &from)) = starved {
                let text = format!(
                    "host {host} is promised {} from {:.3} on, router {index} does not forward it\n{}",
                    scenario.sources[source],
                    seconds(from),
                    router.ledger.describe(group)
                );
                self.fail(Kind::MemberStarved, Some(scenario.groups[group]), text);
            }
        }
    }
}
