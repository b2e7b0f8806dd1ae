//! What members on single interfaces want, told as it changes.
//!
//! As with routes, a group's changes come in such an order that each source on each interface goes over in one step:
//! what is wanted by name or excluded from now on, then whether any source is wanted, then what nothing is said of any
//! more.

use core::net::Ipv4Addr;

use super::members::{AnySource, Members, OneSource};
use crate::{
    InterfaceId,
    member::{MemberChange, MemberWish, SourceWish},
};

/// What members want differently since it was last asked for.
#[derive(Debug, Default)]
pub(super) struct MemberLog(Vec<MemberChange>);

impl MemberLog {
    /// Hands over what changed.
    pub(super) fn take(&mut self) -> Vec<MemberChange> {
        core::mem::take(&mut self.0)
    }

    /// Tells all that the members of a group want.
    pub(super) fn tell_all(&mut self, group: Ipv4Addr, members: &Members) {
        let nobody = AnySource::default();
        let mut difference = MemberDifference::default();
        for (address, source) in members.sources(Ipv4Addr::UNSPECIFIED) {
            difference.compare(
                address,
                [&OneSource::default(), source],
                [&nobody, members.any_source()],
            );
        }
        self.tell(group, difference, [&nobody, members.any_source()]);
    }

    /// Tells what became different of a group: of its sources, and with who wanted any source before and who does now.
    pub(super) fn tell(
        &mut self,
        group: Ipv4Addr,
        difference: MemberDifference,
        [before, now]: [&AnySource; 2],
    ) {
        let MemberDifference { said, unsaid } = difference;
        let Self(log) = self;
        let of_source = |(interface, address, wish)| MemberChange {
            interface,
            group,
            wish: MemberWish::Source(address, wish),
        };
        log.extend(said.into_iter().map(of_source));
        let ended = before
            .interfaces()
            .filter(|&interface| now.on(interface).is_empty());
        let begun = now
            .interfaces()
            .filter(|&interface| before.on(interface).is_empty());
        let of_any = |is_wanted| {
            move |interface| MemberChange {
                interface,
                group,
                wish: MemberWish::AnySource(is_wanted),
            }
        };
        log.extend(begun.map(of_any(true)));
        log.extend(ended.map(of_any(false)));
        log.extend(unsaid.into_iter().map(of_source));
    }
}

/// What becomes different of the sources of one group.
#[derive(Debug, Default)]
pub(super) struct MemberDifference {
    /// What is wanted by name or excluded from now on.
    said: Vec<(InterfaceId, Ipv4Addr, SourceWish)>,
    /// What nothing is said of any more.
    unsaid: Vec<(InterfaceId, Ipv4Addr, SourceWish)>,
}

impl MemberDifference {
    /// Takes a source into account: what was said of it and what is, with who wanted any source. It is to be called for
    /// each source where the latter differs.
    pub(super) fn compare(
        &mut self,
        address: Ipv4Addr,
        [old, new]: [&OneSource; 2],
        [before, now]: [&AnySource; 2],
    ) {
        let only_old = old
            .interfaces()
            .filter(|&interface| new.on(interface) == Default::default());
        for interface in new.interfaces().chain(only_old) {
            let wish = source_wish(new, now, interface);
            if wish == source_wish(old, before, interface) {
                continue;
            }
            let list = match wish {
                SourceWish::AsAnySource => &mut self.unsaid,
                SourceWish::Include | SourceWish::Exclude => &mut self.said,
            };
            list.push((interface, address, wish));
        }
    }
}

/// What is wanted of a source on an interface by all origins together. Who blocks it without a wish for other sources
/// excludes nothing.
fn source_wish(source: &OneSource, any_source: &AnySource, interface: InterfaceId) -> SourceWish {
    let (said, any_source) = (source.on(interface), any_source.on(interface));
    if !said.wanted.is_empty() {
        SourceWish::Include
    } else if any_source.is_empty() || said.is_granted(any_source) {
        SourceWish::AsAnySource
    } else {
        SourceWish::Exclude
    }
}
