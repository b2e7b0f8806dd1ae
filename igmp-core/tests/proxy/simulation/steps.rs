//! What happens: hosts, interfaces and the querier change.

use core::net::Ipv4Addr;

use igmp_core::{Event, FilterMode, HostEvent, InterfaceId, Report, ReportKind};
use igmp_wire::igmp::RecordKind;

use super::{GROUPS, Kind, Silent, World, chain::Chain};
use crate::bench::{group, source};

impl World {
    /// Something happens.
    pub(super) fn step(&mut self) {
        match self.rng.below(20) {
            0 => {
                let interface = self.rng.between(2, 3) as u32;
                self.configure(interface);
            }
            1 => {
                let interface = InterfaceId(self.rng.between(2, 3) as u32);
                let event = Event::InterfaceDown { interface };
                self.downstream
                    .handle(self.now, event, &mut Silent, &mut Vec::new());
                self.configure(interface.0);
            }
            2 | 3 if self.kind == Kind::Changing => {
                self.version = self.rng.between(1, 3) as u8;
                self.say(|| format!("querier of version {}", self.version));
                self.configure_querier();
            }
            2 | 3 if self.kind == Kind::Flapping => {
                self.is_up = !self.is_up;
                self.say(|| format!("up: {}", self.is_up));
                if self.is_up {
                    self.configure_host();
                } else {
                    self.host.handle(self.now, HostEvent::UpstreamDown);
                }
            }
            4 if self.kind == Kind::Flapping && self.is_up => {
                self.mtu = *self.rng.pick(&[68, 100, 1500]);
                self.configure_host();
            }
            _ => self.report(),
        }
    }

    pub(super) fn report(&mut self) {
        let number = *self.rng.pick(&GROUPS);
        let kinds = [
            RecordKind::IsInclude,
            RecordKind::IsExclude,
            RecordKind::ToInclude,
            RecordKind::ToExclude,
            RecordKind::Allow,
            RecordKind::Block,
        ];
        let kind = *self.rng.pick(&kinds);
        // The XDP program refuses these.
        if number > 200 && matches!(kind, RecordKind::IsExclude | RecordKind::ToExclude) {
            return;
        }
        let count = self.rng.below(4);
        let sources = (0..count).map(|_| source(self.rng.between(1, 5) as u8)).collect();
        let interface = self.rng.between(2, 3) as u32;
        let event = Event::Report(Report {
            interface: InterfaceId(interface),
            time: self.now,
            reporter: Ipv4Addr::new(10, interface as u8, 0, 100),
            group: group(number),
            kind: ReportKind::Record(kind),
            sources,
        });
        self.downstream
            .handle(self.now, event, &mut Silent, &mut Vec::new());
    }

    /// Hands over to the host what is wanted differently.
    pub(super) fn hand_over(&mut self) {
        for change in self.downstream.take_subscription_changes() {
            let (number, address) = (change.group.octets()[3], change.group);
            self.say(|| format!("{number} {change:?}"));
            match &mut self.chain {
                Some(chain) => chain.subscribe(self.now, change),
                None => self.host.handle(self.now, HostEvent::Subscription(change)),
            }
            let record = self
                .downstream
                .subscriptions(address, 1)
                .into_iter()
                .find(|one| one.group == address);
            let record = record.map(|record| {
                (
                    record.filter_mode == FilterMode::Exclude,
                    record.sources.into_iter().collect(),
                )
            });
            self.wanted
                .insert(address, (record.unwrap_or_default(), self.now));
        }
        for change in self.chain.as_mut().map_or_else(Vec::new, Chain::take_changes) {
            self.say(|| format!("chained {change:?}"));
            self.host.handle(self.now, HostEvent::Subscription(change));
        }
    }
}
