//! What local members want.

use super::{Trees, rp};
use crate::{
    MemberChange, MemberWish, SourceWish,
    pim::{Surroundings, context::Context, links::Links},
};

impl Trees {
    /// Members want something else. In the source-specific range there is no wish for any source (RFC 7761 §4.8.1).
    pub(in crate::pim) fn member<S: Surroundings>(
        &mut self,
        change: MemberChange,
        links: &mut Links,
        cx: &mut Context<'_, S>,
    ) {
        let MemberChange {
            interface,
            group,
            wish,
        } = change;
        if !rp::is_routable(group) {
            return;
        }
        let (source, wish) = match wish {
            MemberWish::AnySource(_) if igmp_wire::address::is_ssm(group) => return,
            MemberWish::AnySource(true) => (None, SourceWish::Include),
            MemberWish::AnySource(false) => (None, SourceWish::AsAnySource),
            MemberWish::Source(source, wish) => (Some(source), wish),
        };
        let id = (group, source);
        let port = if wish == SourceWish::AsAnySource {
            self.tree_mut(id).and_then(|tree| tree.ports.get_mut(interface))
        } else {
            Some(self.entry(id, links, cx).ports.entry(interface))
        };
        if let Some(port) = port.filter(|port| port.wish != wish) {
            port.wish = wish;
            self.dirty.note(group, source);
        }
    }
}
