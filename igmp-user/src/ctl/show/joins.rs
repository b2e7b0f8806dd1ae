//! `show joins`.

use std::collections::BTreeSet;

use comfy_table::Cell;

use super::{clock, named, or_nothing, plural, source_list};
use crate::{
    api::{FilterMode, Join, JoinState, Joins},
    ctl::style::Style,
};

/// `show joins`
pub(in crate::ctl) fn joins(joins: &Joins, style: Style) -> String {
    let Joins { join } = joins;
    let groups: BTreeSet<_> = join.iter().map(|join| join.group_address).collect();
    let mut text = format!(
        "Total: {} of {}\n",
        plural(join.len(), "join", "joins"),
        plural(groups.len(), "group", "groups"),
    );
    if join.is_empty() {
        return text;
    }
    let mut table = style.table(&[
        "Interface",
        "Source",
        "Group",
        "State",
        ">Uptime",
        "Upstream Neighbor",
        "Protocol",
    ]);
    for join in join {
        table.row(row(join, style));
    }
    text.push_str(&table.into_text());
    text
}

fn row(join: &Join, style: Style) -> [Cell; 7] {
    let Join {
        protocol,
        source_address,
        group_address,
        interface_name,
        upstream_neighbor,
        state,
        up_time,
        filter_mode,
        source_list: sources,
    } = join;
    let sources = match (source_address, sources) {
        (Some(source), _) => source.to_string(),
        (None, Some(sources)) => {
            let wanted = *filter_mode == Some(FilterMode::Include);
            source_list(sources.iter().map(|&source| (source, wanted)))
        }
        (None, None) => "*".to_owned(),
    };
    let state = match state {
        JoinState::Pending | JoinState::Unsupported => style.alarm(state),
        JoinState::Joined | JoinState::Pruned | JoinState::Connected => Cell::new(state),
    };
    [
        Cell::new(or_nothing(interface_name.as_ref())),
        Cell::new(sources),
        Cell::new(named(*group_address)),
        state,
        Cell::new(clock(*up_time)),
        Cell::new(or_nothing(*upstream_neighbor)),
        Cell::new(protocol),
    ]
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::api::{JoinProtocol, Seconds};

    fn pim(source: Option<[u8; 4]>, group: [u8; 4], state: JoinState) -> Join {
        Join {
            protocol: JoinProtocol::Pim,
            source_address: source.map(Ipv4Addr::from),
            group_address: group.into(),
            interface_name: Some("core0".to_owned()),
            upstream_neighbor: Some(Ipv4Addr::new(10, 0, 0, 1)),
            state,
            up_time: Seconds::new(11.7),
            filter_mode: None,
            source_list: None,
        }
    }

    fn proxied(group: [u8; 4], filter_mode: FilterMode, last: &[u8], state: JoinState) -> Join {
        Join {
            protocol: JoinProtocol::IgmpProxy,
            interface_name: Some("wan0".to_owned()),
            filter_mode: Some(filter_mode),
            source_list: Some(last.iter().map(|&last| Ipv4Addr::new(192, 0, 2, last)).collect()),
            ..pim(None, group, state)
        }
    }

    #[test]
    fn joins_of_pim_are_totalled_and_tabled() {
        let mut connected = pim(Some([10, 0, 0, 7]), [239, 1, 1, 2], JoinState::Connected);
        connected.upstream_neighbor = None;
        connected.up_time = Seconds::new(90_061.0);
        let mut nowhere = pim(Some([203, 0, 113, 9]), [232, 1, 1, 1], JoinState::Pending);
        nowhere.interface_name = None;
        nowhere.upstream_neighbor = None;
        let table = Joins {
            join: vec![
                pim(None, [224, 0, 1, 24], JoinState::Joined),
                pim(Some([192, 0, 2, 7]), [224, 0, 1, 24], JoinState::Pruned),
                nowhere,
                connected,
            ],
        };
        assert_eq!(
            joins(&table, Style::Plain),
            "\
Total: 4 joins of 3 groups
Interface  Source       Group                      State          Uptime  Upstream Neighbor  Protocol
core0      *            224.0.1.24 (microsoft-ds)  joined       00:00:11  10.0.0.1           pim
core0      192.0.2.7    224.0.1.24 (microsoft-ds)  pruned       00:00:11  10.0.0.1           pim
-          203.0.113.9  232.1.1.1                  pending      00:00:11  -                  pim
core0      10.0.0.7     239.1.1.2                  connected  1d01:01:01  -                  pim
"
        );
        assert_eq!(
            joins(&Joins::default(), Style::Plain),
            "Total: 0 joins of 0 groups\n"
        );
    }

    #[test]
    fn joins_of_the_proxy_name_their_sources() {
        let table = Joins {
            join: vec![
                proxied(
                    [232, 1, 1, 1],
                    FilterMode::Include,
                    &[1, 2, 3, 4, 5],
                    JoinState::Unsupported,
                ),
                proxied([239, 1, 1, 1], FilterMode::Exclude, &[], JoinState::Joined),
                proxied([239, 1, 1, 2], FilterMode::Exclude, &[7], JoinState::Joined),
            ],
        };
        assert_eq!(
            joins(&table, Style::Plain),
            "\
Total: 3 joins of 3 groups
Interface  Source                                      Group      State          Uptime  Upstream Neighbor  Protocol
wan0       192.0.2.1, 192.0.2.2, 192.0.2.3 and 2 more  232.1.1.1  unsupported  00:00:11  10.0.0.1           igmp-proxy
wan0       *                                           239.1.1.1  joined       00:00:11  10.0.0.1           igmp-proxy
wan0       !192.0.2.7                                  239.1.1.2  joined       00:00:11  10.0.0.1           igmp-proxy
"
        );
    }

    #[test]
    fn what_waits_is_set_off_in_colour() {
        let coloured = |state| {
            let table = Joins {
                join: vec![pim(None, [239, 1, 1, 1], state)],
            };
            joins(&table, Style::Coloured)
                .lines()
                .next_back()
                .is_some_and(|row| row.contains('\x1b'))
        };
        assert!(coloured(JoinState::Pending) && coloured(JoinState::Unsupported));
        assert!(!coloured(JoinState::Joined) && !coloured(JoinState::Pruned));
    }
}
