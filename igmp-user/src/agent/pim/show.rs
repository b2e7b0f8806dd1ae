//! PIM for operators.

use igmp_core::{
    Instant,
    pim::{NeighborView, PimInterfaceView, PimJoinState, PimJoinView},
};

use crate::{
    agent::{Agent, clock, served::Served},
    api::{
        Join, JoinProtocol, JoinState, Neighbor, Neighbors, PimDropped, PimInterface, PimMessages,
        PimStatistics, Seconds,
    },
    control::RoutePosition,
};

impl Agent {
    /// The neighbours, by the names of their interfaces and then by address.
    pub(in crate::agent) fn show_neighbors(&self) -> Neighbors {
        let now = clock::now();
        let Some(core) = self.pim.core() else {
            return Neighbors::default();
        };
        let mut neighbor: Vec<Neighbor> = core
            .neighbors(now)
            .map(|view| self.show_neighbor(now, &view))
            .collect();
        neighbor.sort_by(|a, b| {
            let key = |neighbor: &Neighbor| neighbor.address;
            (&a.interface_name, key(a)).cmp(&(&b.interface_name, key(b)))
        });
        Neighbors { neighbor }
    }

    fn show_neighbor(&self, now: Instant, view: &NeighborView) -> Neighbor {
        let NeighborView {
            interface,
            address,
            dr_priority,
            generation_id,
            hold_time,
            expires,
            up_time,
        } = *view;
        Neighbor {
            interface_name: self.pim_name(interface).to_owned(),
            address,
            dr_priority,
            generation_id,
            hold_time,
            expire: expires.map(|time| Seconds::until(now, time)),
            up_time: up_time.into(),
        }
    }

    /// At most `limit` joins from `first` on, in order.
    pub(in crate::agent) fn show_pim_joins(
        &self,
        now: Instant,
        first: RoutePosition,
        limit: usize,
    ) -> Vec<Join> {
        let Some(core) = self.pim.core() else {
            return Vec::new();
        };
        core.joins(now, (first.group, first.source), limit)
            .into_iter()
            .map(|view| {
                let PimJoinView {
                    group,
                    source,
                    interface,
                    upstream_neighbor,
                    state,
                    up_time,
                } = view;
                Join {
                    protocol: JoinProtocol::Pim,
                    source_address: source,
                    group_address: group,
                    interface_name: interface.map(|interface| self.pim_name(interface).to_owned()),
                    upstream_neighbor,
                    state: match state {
                        PimJoinState::Joined => JoinState::Joined,
                        PimJoinState::Pending => JoinState::Pending,
                        PimJoinState::Connected => JoinState::Connected,
                        PimJoinState::Pruned => JoinState::Pruned,
                    },
                    up_time: up_time.into(),
                    filter_mode: None,
                    source_list: None,
                }
            })
            .collect()
    }

    /// PIM on an interface, where it is configured.
    pub(in crate::agent) fn show_pim_interface(
        &self,
        now: Instant,
        name: &str,
        served: &Served,
    ) -> Option<PimInterface> {
        let configured = self.config.interfaces.get(name)?.pim.as_ref()?;
        let view = self.pim.core().and_then(|core| core.interface(served.id()?));
        Some(match view {
            Some(PimInterfaceView {
                address,
                dr,
                is_dr,
                dr_priority,
                generation_id,
                neighbors_count,
                next_hello,
                refusals: _,
            }) => PimInterface {
                address,
                dr,
                is_dr,
                dr_priority,
                generation_id,
                neighbors_count: u32::try_from(neighbors_count).unwrap_or(u32::MAX),
                next_hello: next_hello.map(|time| Seconds::until(now, time)),
            },
            None => PimInterface {
                address: None,
                dr: None,
                is_dr: false,
                dr_priority: configured.dr_priority,
                generation_id: None,
                neighbors_count: 0,
                next_hello: None,
            },
        })
    }

    /// What PIM counted on an interface, where it is configured.
    pub(in crate::agent) fn pim_statistics(&self, name: &str, served: &Served) -> Option<PimStatistics> {
        self.config.interfaces.get(name)?.pim.as_ref()?;
        let counted = self.pim.counted(name);
        let by_core = self.pim.core().zip(served.id());
        let by_core = by_core.map(|(core, interface)| core.refusals(interface));
        let by_core = self.pim.refused(name, by_core.unwrap_or_default());
        let unreadable: u64 = counted.refused.iter().sum();
        let mut received = messages(counted.received);
        received.total += unreadable;
        Some(PimStatistics {
            received,
            sent: messages(counted.sent),
            dropped: PimDropped::new(counted.refused, by_core, counted.skipped, counted.lost),
        })
    }
}

fn messages(counted: super::Messages) -> PimMessages {
    let super::Messages {
        hello,
        join_prune,
        assert,
    } = counted;
    PimMessages {
        total: hello + join_prune + assert,
        hello,
        join_prune,
        assert,
    }
}
