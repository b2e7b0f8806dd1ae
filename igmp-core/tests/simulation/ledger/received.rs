//! What reports and queries add to the ledger.

use core::net::Ipv4Addr;

use igmp_core::{Event, Instant, Report, ReportKind};
use igmp_wire::igmp::RecordKind;

use super::{Ledger, account::Lowering};

impl Ledger {
    /// Takes down what the kernel accepted, and answers when to look whether the core complies. `querier` is whom the
    /// router takes for the querier.
    pub(crate) fn accepted(&mut self, event: &Event, lost: bool, querier: Option<Ipv4Addr>) -> Vec<Instant> {
        match event {
            Event::Report(report) => self.report(report, lost),
            Event::Query(query) if !query.suppress => {
                let Some(group) = query.group else {
                    return Vec::new();
                };
                self.may_lower(query.time, group, &query.sources);
                if querier == Some(query.querier) && query.sources.is_empty() {
                    self.must_lower(query.time, group);
                }
                vec![query.time + self.terms.last_member + self.terms.handling]
            }
            _ => Vec::new(),
        }
    }

    fn report(&mut self, report: &Report, lost: bool) -> Vec<Instant> {
        use RecordKind::{Allow, Block, IsExclude, IsInclude, ToExclude, ToInclude};

        let terms = self.terms;
        let now = report.time;
        let Some(index) = self.index(report.group) else {
            return Vec::new();
        };
        let obliged: Vec<_> = self.groups[index]
            .1
            .sources
            .iter()
            .map(|source| self.obliged_until(source))
            .collect();
        let group = &mut self.groups[index].1;
        let v1_host = group.v1_host(now, &terms);
        let older_host = v1_host || group.v2_host(now, &terms);

        let listed = |source: &Ipv4Addr| report.sources.contains(source);
        let positive = match report.kind {
            ReportKind::Leave | ReportKind::Record(Block) => false,
            ReportKind::Record(ToInclude) => !report.sources.is_empty(),
            ReportKind::V1
            | ReportKind::V2
            | ReportKind::Record(IsInclude | Allow | IsExclude | ToExclude) => true,
        };
        // Reports that an interface of an older version need not understand oblige to nothing, but may be heeded.
        let understood = match report.kind {
            ReportKind::V1 => true,
            ReportKind::V2 | ReportKind::Leave => terms.version >= 2,
            ReportKind::Record(_) => terms.version >= 3,
        };
        let excludes = matches!(
            report.kind,
            ReportKind::V1 | ReportKind::V2 | ReportKind::Record(IsExclude | ToExclude)
        );
        let ignored = match report.kind {
            ReportKind::Leave | ReportKind::Record(ToInclude) => v1_host || terms.version < 2,
            ReportKind::Record(Block | ToExclude) => older_host,
            _ => false,
        };
        match report.kind {
            ReportKind::V1 => group.last_v1 = Some(now),
            ReportKind::V2 => group.last_v2 = Some(now),
            _ => {}
        }
        if excludes {
            group.last_exclude = Some(now);
        }
        if !report.sources.is_empty() {
            group.last_list = Some(now);
        }
        if positive {
            group.may_until = group.may_until.max(now + terms.membership);
            group.must_lower.clear();
        } else if !matches!(report.kind, ReportKind::Record(Block)) && !ignored && !lost {
            group.must_lower.push(Lowering::Report(now));
        }

        for ((name, source), obliged) in self.names.iter().zip(&mut group.sources).zip(obliged) {
            let covers = match report.kind {
                ReportKind::V1 | ReportKind::V2 => true,
                ReportKind::Record(IsExclude | ToExclude) => !listed(name),
                ReportKind::Record(IsInclude | Allow) => listed(name),
                // In version 1 mode the record is ignored, sources and all (§7.3.2).
                ReportKind::Record(ToInclude) => listed(name) && !v1_host,
                ReportKind::Leave | ReportKind::Record(Block) => false,
            };
            let lowers = match report.kind {
                ReportKind::Leave => true,
                ReportKind::Record(ToInclude) => !listed(name),
                ReportKind::Record(Block | ToExclude) => listed(name),
                _ => false,
            };
            if covers && understood {
                if obliged <= now {
                    source.must_from = now + terms.handling;
                }
                source.must_until = now + terms.membership;
                source.may_lower.clear();
            }
            // A list may be dropped for the sake of an older host, and is not known where its event was lost.
            let ignored_cover = v1_host && report.kind == ReportKind::Record(ToInclude) && listed(name);
            if covers || ignored_cover || (excludes && (older_host || lost)) {
                source.covered = now;
                source.may_until = now + terms.membership;
                source.listed = !excludes;
                source.must_lower.clear();
            } else if excludes && listed(name) {
                source.must_lower.clear();
                if !source.listed && now <= source.may_until + terms.handling {
                    source.may_until = source.may_until.max(now + terms.membership);
                    source.listed = true;
                }
            }
            // What has run out need not be lowered.
            if lowers && now <= source.may_until + terms.handling {
                source.may_lower.push(Lowering::Report(now));
                if !ignored && !lost {
                    source.must_lower.push(Lowering::Report(now));
                }
            }
        }
        vec![
            now + terms.handling,
            now + terms.last_member + terms.handling,
            now + terms.membership + terms.handling,
            now + terms.membership + terms.membership + terms.handling,
        ]
    }

    /// Timers of these sources, or of all, may be lowered.
    pub(super) fn may_lower(&mut self, now: Instant, group: Ipv4Addr, asked: &[Ipv4Addr]) {
        let Some(index) = self.index(group) else {
            return;
        };
        for (name, source) in self.names.iter().zip(&mut self.groups[index].1.sources) {
            if (asked.is_empty() || asked.contains(name)) && now <= source.may_until + self.terms.handling {
                source.may_lower.push(Lowering::Query(now));
            }
        }
    }

    /// The querier asks for the group, and the group timer must be lowered. What that means for the sources is only
    /// clear where none was ever listed.
    fn must_lower(&mut self, now: Instant, group: Ipv4Addr) {
        let terms = self.terms;
        let Some(index) = self.index(group) else {
            return;
        };
        let group = &mut self.groups[index].1;
        let lists = group
            .last_list
            .is_some_and(|time| now <= time + terms.membership + terms.membership + terms.handling);
        if lists || group.v1_host(now, &terms) {
            return;
        }
        group.must_lower.push(Lowering::Query(now));
        for source in &mut group.sources {
            source.must_lower.push(Lowering::Query(now));
        }
    }
}
