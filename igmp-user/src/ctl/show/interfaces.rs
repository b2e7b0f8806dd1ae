//! `show interfaces`.

use comfy_table::Cell;

use super::{clock, or_nothing, plural};
use crate::{
    api::{Interfaces, OperStatus, XdpModeName},
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
    text
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::api::{IgmpInterface, Interface, ProxyInterface, Seconds};

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
