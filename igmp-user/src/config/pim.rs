//! `[pim]` and `[interfaces.NAME.pim]`.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::Ipv4Addr,
    ops::RangeInclusive,
};

use igmp_core::pim::{PimConfig, PimInterfaceConfig, SptSwitchover, StaticRp};
use igmp_wire::address;
use ipnet::Ipv4Net;

use super::{
    Interface,
    check::{Checker, duration, in_table, path},
    file,
    place::dotted,
};

/// Range of Hello Interval and of Join/Prune Interval in seconds: the Holdtime of 3.5 times as much fits into 16 bits, of
/// which the largest number means for ever (RFC 7761 §4.9.2, §4.9.5).
const INTERVAL: RangeInclusive<f64> = 1.0..=18_724.0;
/// How many ranges of groups may have a rendezvous point. Each new group is compared with all of them.
const MAX_RANGES: usize = 256;
/// Source-specific groups (RFC 4607 §1), which need no rendezvous point.
const SSM: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(232, 0, 0, 0), 8);
/// Groups that never leave their link (RFC 5771 §4).
const LINK_LOCAL: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 24);

impl Checker<'_> {
    /// `[pim]`, with the capacity that `max-entries` gives.
    pub(super) fn pim(&mut self, pim: file::Pim, max_entries: u32) -> PimConfig {
        let file::Pim {
            static_rp,
            spt_switchover,
            join_prune_interval,
        } = pim;
        let defaults = PimConfig::default();
        PimConfig {
            static_rp: self.static_rps(static_rp.unwrap_or_default()),
            spt_switchover: match spt_switchover {
                None => defaults.spt_switchover,
                Some(file::SptSwitchover::Immediate) => SptSwitchover::Immediate,
                Some(file::SptSwitchover::Never) => SptSwitchover::Never,
            },
            join_prune_interval: duration(self.seconds(
                &path(&["pim", "join-prune-interval"]),
                join_prune_interval,
                INTERVAL,
                defaults.join_prune_interval.as_secs_f64(),
            )),
            max_entries: max_entries as usize,
            ..defaults
        }
    }

    /// `[interfaces.NAME.pim]`.
    pub(super) fn pim_interface(&mut self, table: &[String], pim: &file::PimInterface) -> PimInterfaceConfig {
        let file::PimInterface {
            dr_priority,
            hello_interval,
        } = pim;
        let defaults = PimInterfaceConfig::default();
        PimInterfaceConfig {
            dr_priority: self.number(
                &in_table(table, "dr-priority"),
                *dr_priority,
                0..=u32::MAX.into(),
                defaults.dr_priority,
            ),
            hello_interval: duration(self.seconds(
                &in_table(table, "hello-interval"),
                *hello_interval,
                INTERVAL,
                defaults.hello_interval.as_secs_f64(),
            )),
            ..defaults
        }
    }

    fn static_rps(&mut self, list: Vec<file::StaticRp>) -> Vec<StaticRp> {
        let table = path(&["pim", "static-rp"]);
        let mut static_rp = Vec::new();
        // Routers that do not agree on the rendezvous point of a group lose its packets, so a range has one only: to choose
        // among several takes the hash function of RFC 7761 §4.7.2, in all routers alike.
        let mut ranges: BTreeMap<Ipv4Net, Ipv4Addr> = BTreeMap::new();
        for (index, file::StaticRp { address, groups }) in list.into_iter().enumerate() {
            let element = in_table(&table, &format!("[{index}]"));
            if !address::is_unicast(address) {
                self.refuse(
                    &in_table(&element, "address"),
                    format!("{address} is not the address of a host"),
                );
            }
            let list = in_table(&element, "groups");
            if groups.is_empty() {
                self.refuse(&list, "names no groups that the rendezvous point serves");
            }
            for (position, range) in groups.into_iter().enumerate() {
                let mistake = match ranges.entry(range) {
                    Entry::Occupied(of) if *of.get() == address => Some(format!("{range} is listed twice")),
                    Entry::Occupied(of) => Some(format!(
                        "{range} has the rendezvous point {} already, and there is one for a range",
                        of.get()
                    )),
                    Entry::Vacant(free) => {
                        free.insert(address);
                        mistake_in_range(range)
                    }
                };
                match mistake {
                    Some(reason) => self.refuse(&in_table(&list, &format!("[{position}]")), reason),
                    None => static_rp.push(StaticRp {
                        address,
                        group: range.network(),
                        group_len: range.prefix_len(),
                    }),
                }
            }
        }
        if static_rp.len() > MAX_RANGES {
            self.refuse(
                &table,
                format!(
                    "at most {MAX_RANGES} ranges of groups may have a rendezvous point, not {}",
                    static_rp.len()
                ),
            );
        }
        static_rp
    }

    /// A proxy's members are told upstream by IGMP alone, so a router is a proxy or speaks PIM: where the file asks for both,
    /// PIM runs. Returns what has no effect.
    pub(super) fn proxy_or_pim(
        &self,
        interfaces: &mut BTreeMap<String, Interface>,
        has_table: bool,
    ) -> Vec<String> {
        let mut sentences = Vec::new();
        let Some((speaker, _)) = interfaces.iter().find(|(_, interface)| interface.pim.is_some()) else {
            if has_table {
                sentences.push("[pim] has no effect: no interface has a table pim".to_owned());
            }
            return sentences;
        };
        let pim = self.with_line(&path(&["interfaces", speaker, "pim"]));
        for (name, interface) in interfaces {
            if std::mem::take(&mut interface.proxy_upstream) {
                let proxy = self.with_line(&path(&["interfaces", name, "proxy-upstream"]));
                sentences.push(format!(
                    "{proxy} has no effect: PIM runs because of {pim}, and a router is a proxy or speaks PIM (RFC 4605 \
                     section 1.2)"
                ));
            }
        }
        sentences
    }

    /// A key and its line.
    fn with_line(&self, key: &[String]) -> String {
        let line = self.places.line_of(key);
        let line = line.map(|line| format!(" (line {line})")).unwrap_or_default();
        format!("{}{line}", dotted(key))
    }
}

/// Why a range of groups cannot have a rendezvous point.
fn mistake_in_range(range: Ipv4Net) -> Option<String> {
    if !address::is_multicast(range.network()) || range.prefix_len() < 4 {
        return Some(format!("{range} is not a range of multicast groups"));
    }
    if range.addr() != range.network() {
        return Some(format!(
            "{range} has bits beyond the length of its prefix: {} is meant",
            range.trunc()
        ));
    }
    if SSM.contains(&range) {
        return Some(format!(
            "{range} is source-specific (232.0.0.0/8), and such groups have no rendezvous point"
        ));
    }
    if LINK_LOCAL.contains(&range) {
        return Some(format!(
            "{range} is of 224.0.0.0/24, which never leaves its link and has no rendezvous point"
        ));
    }
    None
}
