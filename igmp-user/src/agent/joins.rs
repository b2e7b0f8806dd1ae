//! What is asked of upstream peers, for operators.

use std::net::Ipv4Addr;

use igmp_core::Instant;

use super::{Agent, clock};
use crate::{
    api::Join,
    control::{Filter, JoinPage, RoutePosition},
};

/// How many joins are delivered before the loop serves something else.
const PAGE: usize = 512;

impl Agent {
    /// A part of the table of joins.
    pub(super) fn joins(&self, filter: &Filter, from: Option<RoutePosition>) -> JoinPage {
        let first = from.unwrap_or(RoutePosition {
            group: filter.group.unwrap_or(Ipv4Addr::UNSPECIFIED),
            source: None,
        });
        let mut page = JoinPage::default();
        // One more than fits tells whether there is a next page, and where it begins.
        for (count, join) in self
            .join_rows(clock::now(), first, PAGE + 1)
            .into_iter()
            .enumerate()
        {
            if filter.group.is_some_and(|only| only != join.group_address) {
                break;
            }
            if count == PAGE {
                page.next = Some(RoutePosition {
                    group: join.group_address,
                    source: join.source_address,
                });
                break;
            }
            let wanted = filter.interface.as_ref();
            if wanted.is_none_or(|name| join.interface_name.as_ref() == Some(name)) {
                page.joins.push(join);
            }
        }
        page
    }

    /// At most `limit` joins from `first` on, in order.
    fn join_rows(&self, now: Instant, first: RoutePosition, limit: usize) -> Vec<Join> {
        if self.pim.is_running() {
            self.show_pim_joins(now, first, limit)
        } else {
            self.proxy_joins(now, first.group, limit)
        }
    }
}
