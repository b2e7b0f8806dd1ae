//! `show interfaces`.

use comfy_table::Cell;

use super::{clock, generation_id, or_nothing, plural};
use crate::{
    api::{Interface, Interfaces, OperStatus, PimInterface, XdpModeName},
    ctl::style::Style,
};

/// `show interfaces`
pub(in crate::ctl) fn interfaces(interfaces: &Interfaces, style: Style) -> String {
    let Interfaces { interface } = interfaces;
    let up = interface
        .iter()
        .filter(|interface| interface.oper_status == OperStatus::Up)
        .count();
    let mut text = format!(
        "Total: {}, {up} up\n",
        plural(interface.len(), "interface", "interfaces")
    );
    if interface.is_empty() {
        return text;
    }
    let mut table = style.table(&[
        "Interface",
        "State",
        "Address",
        "XDP",
        "Version",
        "Querier",
        ">Next Query",
        ">Other Querier",
        ">Interval",
        ">Groups",
    ]);
    for interface in interface {
        let state = match interface.oper_status {
            OperStatus::Up => Cell::new("up"),
            OperStatus::Down => style.alarm("down"),
            OperStatus::NotPresent => style.alarm("not present"),
        };
        let xdp = interface.xdp_mode.map(|mode| match mode {
            XdpModeName::Native => "native",
            XdpModeName::Generic => "generic",
        });
        let igmp = interface.igmp.as_ref();
        let proxy = interface.proxy.as_ref();
        let version = igmp
            .map(|igmp| format!("v{}", igmp.version))
            .or_else(|| Some(format!("v{} host", proxy?.version)));
        let querier = igmp.and_then(|igmp| {
            let querier = igmp.querier?;
            Some(if igmp.is_querier {
                format!("{querier} (this router)")
            } else {
                querier.to_string()
            })
        });
        table.row([
            Cell::new(&interface.interface_name),
            state,
            Cell::new(or_nothing(interface.address)),
            Cell::new(or_nothing(xdp)),
            Cell::new(or_nothing(version)),
            Cell::new(or_nothing(querier.or_else(|| Some(proxy?.querier?.to_string())))),
            Cell::new(or_nothing(igmp.and_then(|igmp| igmp.next_query).map(clock))),
            Cell::new(or_nothing(
                igmp.and_then(|igmp| igmp.other_querier_expire).map(clock),
            )),
            Cell::new(or_nothing(
                igmp.map(|igmp| format!("{}s", igmp.query_interval.get())),
            )),
            Cell::new(or_nothing(
                igmp.map(|igmp| igmp.groups_count)
                    .or_else(|| Some(proxy?.groups_count)),
            )),
        ]);
    }
    text.push_str(&table.into_text());
    text.push_str(&pim(interface, style));
    text
}

/// The interfaces that run PIM, where there are any.
fn pim(interfaces: &[Interface], style: Style) -> String {
    let rows: Vec<(&str, &PimInterface)> = interfaces
        .iter()
        .filter_map(|interface| Some((interface.interface_name.as_str(), interface.pim.as_ref()?)))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let neighbors: usize = rows.iter().map(|(_, pim)| pim.neighbors_count as usize).sum();
    let mut table = style.table(&[
        "Interface",
        "Address",
        "DR",
        ">DR Pri",
        ">Neighbors",
        ">Next Hello",
        "Generation ID",
    ]);
    for (name, pim) in &rows {
        let PimInterface {
            address,
            dr,
            is_dr,
            dr_priority,
            generation_id: generation,
            neighbors_count,
            next_hello,
        } = pim;
        let dr = dr.map(|dr| match is_dr {
            true => format!("{dr} (this router)"),
            false => dr.to_string(),
        });
        table.row([
            Cell::new(name),
            Cell::new(or_nothing(*address)),
            Cell::new(or_nothing(dr)),
            Cell::new(dr_priority),
            Cell::new(neighbors_count),
            Cell::new(or_nothing(next_hello.map(clock))),
            Cell::new(or_nothing(generation.map(generation_id))),
        ]);
    }
    format!(
        "PIM: {}, {}\n{}",
        plural(rows.len(), "interface", "interfaces"),
        plural(neighbors, "neighbor", "neighbors"),
        table.into_text()
    )
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::api::{IgmpInterface, ProxyInterface, Seconds};

    #[test]
    fn colour_is_only_in_coloured_output() {
        let table = Interfaces {
            interface: vec![Interface {
                interface_name: "lan0".to_owned(),
                ifindex: None,
                oper_status: OperStatus::NotPresent,
                address: None,
                xdp_mode: None,
                igmp: None,
                proxy_upstream: false,
                proxy: None,
                pim: None,
            }],
        };
        assert!(!interfaces(&table, Style::Plain).contains('\x1b'));
        assert!(interfaces(&table, Style::Coloured).contains('\x1b'));
        assert!(interfaces(&table, Style::Plain).contains("not present"));
    }

    #[test]
    fn interfaces_show_who_queries() {
        let table = Interfaces {
            interface: vec![Interface {
                interface_name: "lan0".to_owned(),
                ifindex: Some(4),
                oper_status: OperStatus::Up,
                address: Some(Ipv4Addr::new(10, 1, 1, 1)),
                xdp_mode: Some(XdpModeName::Native),
                igmp: Some(IgmpInterface {
                    version: 3,
                    querier: Some(Ipv4Addr::new(10, 1, 1, 1)),
                    is_querier: true,
                    other_querier_expire: None,
                    next_query: Some(Seconds::new(31.2)),
                    query_interval: Seconds::new(125.0),
                    robustness_variable: 2,
                    groups_count: 1,
                }),
                proxy_upstream: false,
                proxy: None,
                pim: None,
            }],
        };
        let text = interfaces(&table, Style::Plain);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("Total: 1 interface, 1 up"));
        let words: Vec<&str> = lines.nth(1).expect("a row").split_whitespace().collect();
        assert_eq!(
            words,
            [
                "lan0", "up", "10.1.1.1", "native", "v3", "10.1.1.1", "(this", "router)", "00:00:31", "-",
                "125s", "1"
            ]
        );
    }

    #[test]
    fn interfaces_with_pim_have_a_table_of_their_own() {
        let plain = Interface {
            interface_name: "core0".to_owned(),
            ifindex: Some(5),
            oper_status: OperStatus::Up,
            address: Some(Ipv4Addr::new(10, 0, 0, 2)),
            xdp_mode: Some(XdpModeName::Native),
            igmp: None,
            proxy_upstream: false,
            proxy: None,
            pim: Some(PimInterface {
                address: Some(Ipv4Addr::new(10, 0, 0, 2)),
                dr: Some(Ipv4Addr::new(10, 0, 0, 2)),
                is_dr: true,
                dr_priority: 10,
                generation_id: Some(0x1234_abcd),
                neighbors_count: 1,
                next_hello: Some(Seconds::new(21.4)),
            }),
        };
        let mut other_dr = plain.clone();
        other_dr.interface_name = "lan0".to_owned();
        if let Some(pim) = &mut other_dr.pim {
            pim.address = Some(Ipv4Addr::new(10, 1, 1, 1));
            pim.dr = Some(Ipv4Addr::new(10, 1, 1, 254));
            pim.is_dr = false;
            pim.neighbors_count = 2;
        }
        let down = Interface {
            interface_name: "lan1".to_owned(),
            oper_status: OperStatus::NotPresent,
            ifindex: None,
            address: None,
            xdp_mode: None,
            pim: Some(PimInterface {
                address: None,
                dr: None,
                is_dr: false,
                dr_priority: 1,
                generation_id: None,
                neighbors_count: 0,
                next_hello: None,
            }),
            ..plain.clone()
        };
        let table = Interfaces {
            interface: vec![plain, other_dr, down],
        };
        let text = interfaces(&table, Style::Plain);
        let (_, pim) = text.split_at(text.find("PIM").expect("a part about PIM"));
        assert_eq!(
            pim,
            "\
PIM: 3 interfaces, 3 neighbors
Interface  Address   DR                      DR Pri  Neighbors  Next Hello  Generation ID
core0      10.0.0.2  10.0.0.2 (this router)      10          1    00:00:21  0x1234abcd
lan0       10.1.1.1  10.1.1.254                  10          2    00:00:21  0x1234abcd
lan1       -         -                            1          0           -  -
"
        );
    }

    #[test]
    fn an_upstream_interface_shows_its_host_side() {
        let table = Interfaces {
            interface: vec![Interface {
                interface_name: "wan0".to_owned(),
                ifindex: Some(3),
                oper_status: OperStatus::Up,
                address: Some(Ipv4Addr::new(10, 0, 0, 9)),
                xdp_mode: Some(XdpModeName::Native),
                igmp: None,
                proxy_upstream: true,
                proxy: Some(ProxyInterface {
                    version: 2,
                    querier: Some(Ipv4Addr::new(10, 0, 0, 1)),
                    older_querier_expire: Some(Seconds::new(350.0)),
                    robustness_variable: 2,
                    groups_count: 7,
                }),
                pim: None,
            }],
        };
        let text = interfaces(&table, Style::Plain);
        let row = text.lines().nth(2).expect("a row");
        let words: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(
            words,
            [
                "wan0", "up", "10.0.0.9", "native", "v2", "host", "10.0.0.1", "-", "-", "-", "7"
            ]
        );
    }
}
