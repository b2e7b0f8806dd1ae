//! `show groups`.

use std::collections::BTreeSet;

use comfy_table::Cell;

use super::{NOTHING, clock, named, or_nothing, plural, source_list};
use crate::{
    api::{FilterMode, Group, Groups},
    ctl::style::Style,
};

/// `show groups`
pub(in crate::ctl) fn groups(groups: &Groups, style: Style) -> String {
    let Groups { group } = groups;
    let interfaces: BTreeSet<&str> = group.iter().map(|group| group.interface_name.as_str()).collect();
    let distinct: BTreeSet<_> = group.iter().map(|group| group.group_address).collect();
    let mut text = format!(
        "Total: {} of {} on {}\n",
        plural(group.len(), "membership", "memberships"),
        plural(distinct.len(), "group", "groups"),
        plural(interfaces.len(), "interface", "interfaces"),
    );
    if group.is_empty() {
        return text;
    }
    let mut table = style.table(&[
        "Interface",
        "Group",
        "Mode",
        ">Timer",
        "Sources",
        "Version",
        ">Uptime",
        "Last Reporter",
    ]);
    for group in group {
        table.row(group_row(group).into_iter().map(Cell::new));
    }
    text.push_str(&table.into_text());
    text
}

fn group_row(group: &Group) -> [String; 8] {
    let Group {
        interface_name,
        group_address,
        filter_mode,
        expire,
        up_time,
        last_reporter,
        compatibility_mode,
        is_static,
        source,
    } = group;
    let mode = match filter_mode {
        FilterMode::Include => "INCLUDE",
        FilterMode::Exclude => "EXCLUDE",
    };
    let timer = match expire {
        Some(expire) => clock(*expire),
        None if *is_static => "static".to_owned(),
        None => NOTHING.to_owned(),
    };
    [
        interface_name.clone(),
        named(*group_address),
        mode.to_owned(),
        timer,
        source_list(
            source
                .iter()
                .map(|source| (source.source_address, source.forwarding)),
        ),
        format!("v{compatibility_mode}"),
        clock(*up_time),
        or_nothing(*last_reporter),
    ]
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::api::{Seconds, Source};

    fn source(last: u8, forwarding: bool) -> Source {
        Source {
            source_address: Ipv4Addr::new(192, 0, 2, last),
            expire: Some(Seconds::new(0.0)),
            up_time: Seconds::new(1.0),
            forwarding,
        }
    }

    fn group(address: [u8; 4], filter_mode: FilterMode, source: Vec<Source>) -> Group {
        Group {
            interface_name: "lan0".to_owned(),
            group_address: address.into(),
            filter_mode,
            expire: (filter_mode == FilterMode::Exclude).then_some(Seconds::new(258.3)),
            up_time: Seconds::new(11.7),
            last_reporter: Some(Ipv4Addr::new(10, 1, 1, 2)),
            compatibility_mode: 3,
            is_static: false,
            source,
        }
    }

    #[test]
    fn groups_are_totalled_and_tabled() {
        let mut fixed = group([239, 9, 9, 9], FilterMode::Exclude, vec![]);
        fixed.expire = None;
        fixed.is_static = true;
        fixed.last_reporter = None;
        fixed.interface_name = "lan0.7".to_owned();
        fixed.up_time = Seconds::new(90_061.0);
        let table = Groups {
            group: vec![
                group([224, 0, 1, 24], FilterMode::Exclude, vec![source(1, false)]),
                group(
                    [232, 1, 1, 1],
                    FilterMode::Include,
                    (1..=5).map(|last| source(last, true)).collect(),
                ),
                fixed,
            ],
        };
        assert_eq!(
            groups(&table, Style::Plain),
            "\
Total: 3 memberships of 3 groups on 2 interfaces
Interface  Group                      Mode        Timer  Sources                                     Version      Uptime  Last Reporter
lan0       224.0.1.24 (microsoft-ds)  EXCLUDE  00:04:18  !192.0.2.1                                  v3         00:00:11  10.1.1.2
lan0       232.1.1.1                  INCLUDE         -  192.0.2.1, 192.0.2.2, 192.0.2.3 and 2 more  v3         00:00:11  10.1.1.2
lan0.7     239.9.9.9                  EXCLUDE    static  *                                           v3       1d01:01:01  -
"
        );
        assert_eq!(
            groups(&Groups::default(), Style::Plain),
            "Total: 0 memberships of 0 groups on 0 interfaces\n"
        );
    }
}
