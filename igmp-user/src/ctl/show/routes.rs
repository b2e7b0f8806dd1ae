//! `show routes`.

use std::collections::BTreeSet;

use comfy_table::Cell;

use super::{clock, named, or_nothing, plural};
use crate::{
    api::{Route, Routes},
    ctl::style::Style,
};

/// `show routes`
pub(in crate::ctl) fn routes(routes: &Routes, style: Style) -> String {
    let Routes { route } = routes;
    let groups: BTreeSet<_> = route.iter().map(|route| route.group_address).collect();
    // Packets are not totalled: those of a source may count for the route of its group as well.
    let mut text = format!(
        "Total: {} of {}\n",
        plural(route.len(), "route", "routes"),
        plural(groups.len(), "group", "groups"),
    );
    if route.is_empty() {
        return text;
    }
    let mut table = style.table(&[
        "Source", "Group", "Incoming", "Outgoing", ">Packets", ">Bytes", ">Uptime", "Engine",
    ]);
    for route in route {
        table.row(route_row(route).into_iter().map(Cell::new));
    }
    text.push_str(&table.into_text());
    text
}

fn route_row(route: &Route) -> [String; 8] {
    let Route {
        source_address,
        group_address,
        incoming_interface,
        outgoing_interface,
        packets,
        bytes,
        up_time,
        engine,
    } = route;
    [
        source_address.map_or_else(|| "*".to_owned(), |source| source.to_string()),
        named(*group_address),
        or_nothing(incoming_interface.as_ref()),
        outgoing(outgoing_interface),
        packets.to_string(),
        bytes.to_string(),
        clock(*up_time),
        engine.to_string(),
    ]
}

/// How wide the column of outgoing interfaces gets: room for two names of the greatest length.
const OUTGOING_WIDTH: usize = 33;

/// The names, on as many lines as it takes. They are all there: where packets go is what the table is for.
fn outgoing(interfaces: &[String]) -> String {
    if interfaces.is_empty() {
        return "none".to_owned();
    }
    let mut lines = vec![String::new()];
    for (index, name) in interfaces.iter().enumerate() {
        let comma = if index + 1 < interfaces.len() { "," } else { "" };
        let room = OUTGOING_WIDTH.saturating_sub(name.len() + comma.len());
        match lines.last_mut() {
            Some(line) if line.is_empty() => *line = format!("{name}{comma}"),
            Some(line) if line.len() < room => *line = format!("{line} {name}{comma}"),
            _ => lines.push(format!("{name}{comma}")),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::api::{RouteEngine, Seconds};

    fn route(source: Option<[u8; 4]>, group: [u8; 4], outgoing: &[&str]) -> Route {
        Route {
            source_address: source.map(Ipv4Addr::from),
            group_address: group.into(),
            incoming_interface: Some("wan0".to_owned()),
            outgoing_interface: outgoing.iter().map(|&name| name.to_owned()).collect(),
            packets: 200,
            bytes: 45_600,
            up_time: Seconds::new(11.7),
            engine: RouteEngine::Xdp,
        }
    }

    #[test]
    fn routes_are_totalled_and_tabled() {
        let mut through_the_kernel = route(Some([10, 0, 0, 2]), [239, 1, 1, 1], &["lan0"]);
        through_the_kernel.engine = RouteEngine::Kernel;
        through_the_kernel.up_time = Seconds::new(90_061.0);
        let mut blocked = route(Some([192, 0, 2, 7]), [239, 1, 1, 1], &[]);
        blocked.incoming_interface = None;
        blocked.packets = 0;
        blocked.bytes = 0;
        let table = Routes {
            route: vec![
                route(None, [224, 0, 1, 24], &["lan0", "lan0.7"]),
                through_the_kernel,
                blocked,
            ],
        };
        assert_eq!(
            routes(&table, Style::Plain),
            "\
Total: 3 routes of 2 groups
Source     Group                      Incoming  Outgoing      Packets  Bytes      Uptime  Engine
*          224.0.1.24 (microsoft-ds)  wan0      lan0, lan0.7      200  45600    00:00:11  xdp
10.0.0.2   239.1.1.1                  wan0      lan0              200  45600  1d01:01:01  kernel
192.0.2.7  239.1.1.1                  -         none                0      0    00:00:11  xdp
"
        );
        assert_eq!(
            routes(&Routes::default(), Style::Plain),
            "Total: 0 routes of 0 groups\n"
        );
    }

    #[test]
    fn many_outgoing_interfaces_go_on_below() {
        let names: Vec<String> = (1..=12).map(|number| format!("lan{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let table = Routes {
            route: vec![
                route(None, [239, 1, 1, 1], &names),
                route(
                    None,
                    [239, 1, 1, 2],
                    &["enp130s0f1np1.7", "enp130s0f1np1.8", "enp130s0f1np1.9"],
                ),
            ],
        };
        assert_eq!(
            routes(&table, Style::Plain),
            "\
Total: 2 routes of 2 groups
Source  Group      Incoming  Outgoing                           Packets  Bytes    Uptime  Engine
*       239.1.1.1  wan0      lan1, lan2, lan3, lan4, lan5,          200  45600  00:00:11  xdp
                             lan6, lan7, lan8, lan9, lan10,
                             lan11, lan12
*       239.1.1.2  wan0      enp130s0f1np1.7, enp130s0f1np1.8,      200  45600  00:00:11  xdp
                             enp130s0f1np1.9
"
        );
    }

    #[test]
    fn only_the_head_of_the_table_is_set_off_in_colour() {
        let table = Routes {
            route: vec![route(None, [239, 1, 1, 1], &["lan0"])],
        };
        assert!(!routes(&table, Style::Plain).contains('\x1b'));
        let coloured = routes(&table, Style::Coloured);
        let lines: Vec<bool> = coloured.lines().map(|line| line.contains('\x1b')).collect();
        assert_eq!(lines, [false, true, false]);
    }
}
