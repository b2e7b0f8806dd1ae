//! `show neighbors`.

use std::collections::BTreeSet;

use comfy_table::Cell;

use super::{clock, generation_id, or_nothing, plural};
use crate::{
    api::{Neighbor, Neighbors},
    ctl::style::Style,
};

/// `show neighbors`
pub(in crate::ctl) fn neighbors(neighbors: &Neighbors, style: Style) -> String {
    let Neighbors { neighbor } = neighbors;
    let interfaces: BTreeSet<&str> = neighbor
        .iter()
        .map(|neighbor| neighbor.interface_name.as_str())
        .collect();
    let mut text = format!(
        "Total: {} on {}\n",
        plural(neighbor.len(), "neighbor", "neighbors"),
        plural(interfaces.len(), "interface", "interfaces"),
    );
    if neighbor.is_empty() {
        return text;
    }
    let mut table = style.table(&[
        "Interface",
        "Neighbor",
        ">Uptime",
        ">Expires",
        ">Holdtime",
        ">DR Pri",
        "Generation ID",
    ]);
    for neighbor in neighbor {
        table.row(row(neighbor).into_iter().map(Cell::new));
    }
    text.push_str(&table.into_text());
    text
}

fn row(neighbor: &Neighbor) -> [String; 7] {
    let Neighbor {
        interface_name,
        address,
        dr_priority,
        generation_id: generation,
        hold_time,
        expire,
        up_time,
    } = neighbor;
    [
        interface_name.clone(),
        address.to_string(),
        clock(*up_time),
        expire.map_or_else(|| "never".to_owned(), clock),
        match *hold_time {
            u16::MAX => "forever".to_owned(),
            seconds => format!("{seconds}s"),
        },
        or_nothing(*dr_priority),
        or_nothing(generation.map(generation_id)),
    ]
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::api::Seconds;

    #[test]
    fn neighbors_are_totalled_and_tabled() {
        let frr = Neighbor {
            interface_name: "core0".to_owned(),
            address: Ipv4Addr::new(10, 0, 0, 1),
            dr_priority: Some(1),
            generation_id: Some(0x00c0_ffee),
            hold_time: 105,
            expire: Some(Seconds::new(92.1)),
            up_time: Seconds::new(40.0),
        };
        let plain = Neighbor {
            interface_name: "lan0".to_owned(),
            address: Ipv4Addr::new(10, 1, 1, 254),
            dr_priority: None,
            generation_id: None,
            hold_time: 65_535,
            expire: None,
            up_time: Seconds::new(90_061.0),
        };
        let table = Neighbors {
            neighbor: vec![frr, plain],
        };
        assert_eq!(
            neighbors(&table, Style::Plain),
            "\
Total: 2 neighbors on 2 interfaces
Interface  Neighbor        Uptime   Expires  Holdtime  DR Pri  Generation ID
core0      10.0.0.1      00:00:40  00:01:32      105s       1  0x00c0ffee
lan0       10.1.1.254  1d01:01:01     never   forever       -  -
"
        );
        assert_eq!(
            neighbors(&Neighbors::default(), Style::Plain),
            "Total: 0 neighbors on 0 interfaces\n"
        );
    }
}
