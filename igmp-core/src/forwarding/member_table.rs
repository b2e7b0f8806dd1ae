//! The members of all groups.
//!
//! Nearly every group has its members on one interface, and they want any source. There may be a million of those, so they
//! are kept by themselves, in a few bytes each.

use core::{net::Ipv4Addr, num::NonZeroU8, ops::Deref};

use super::{members::Members, origins::Origins};
use crate::{InterfaceId, dense::DenseMap};

/// The members of a group that are all on one interface and want any source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OneInterface {
    interface: InterfaceId,
    /// The bits of [`Origins`].
    origins: NonZeroU8,
}

const _: () = assert!(size_of::<Option<OneInterface>>() == 8);

impl OneInterface {
    /// These members, if they are of this kind.
    fn of(members: &Members) -> Option<Self> {
        let (interface, origins) = members.only_any_source()?;
        let origins = NonZeroU8::new(origins.bits())?;
        Some(Self { interface, origins })
    }

    fn members(self) -> Members {
        let mut members = Members::default();
        let origins = Origins::of_bits(self.origins.get());
        members.set_any_source([(self.interface, origins)].into_iter());
        members
    }
}

/// The members of a group, as they are kept.
pub(super) enum Kept<'a> {
    /// On one interface.
    OneInterface(Members),
    /// On several, or with something to say of single sources.
    Other(&'a Members),
}

impl Deref for Kept<'_> {
    type Target = Members;

    fn deref(&self) -> &Members {
        match self {
            Self::OneInterface(members) => members,
            Self::Other(members) => members,
        }
    }
}

/// The members of all groups that have any, by group.
#[derive(Debug, Default)]
pub(super) struct MemberTable {
    one_interface: DenseMap<Ipv4Addr, OneInterface>,
    others: DenseMap<Ipv4Addr, Members>,
}

impl MemberTable {
    /// Changes the members of a group, of which there may be none before or after.
    pub(super) fn change(&mut self, group: Ipv4Addr, change: impl FnOnce(&mut Members)) {
        if let Some(members) = self.others.get_mut(&group) {
            change(members);
            let one = OneInterface::of(members);
            if one.is_some() || members.is_empty() {
                self.others.remove(&group);
            }
            if let Some(one) = one {
                self.one_interface.insert(group, one);
            }
            return;
        }
        let before = self.one_interface.get(&group).copied();
        let mut members = before.map_or_else(Members::default, OneInterface::members);
        change(&mut members);
        let one = OneInterface::of(&members);
        match one {
            Some(one) => {
                self.one_interface.insert(group, one);
            }
            None if before.is_some() => {
                self.one_interface.remove(&group);
            }
            None => {}
        }
        if one.is_none() && !members.is_empty() {
            self.others.insert(group, members);
        }
    }

    /// The groups from `from` on that have members, ascending.
    pub(super) fn range(&self, from: Ipv4Addr) -> impl Iterator<Item = (Ipv4Addr, Kept<'_>)> {
        let mut one_interface = self.one_interface.range(from).peekable();
        let mut others = self.others.range(from).peekable();
        core::iter::from_fn(move || {
            let other = others.peek().map(|&(group, _)| group);
            match one_interface.next_if(|&(group, _)| other.is_none_or(|other| group < other)) {
                Some((group, one)) => Some((group, Kept::OneInterface(one.members()))),
                None => {
                    let other = others.next();
                    other.map(|(group, members)| (group, Kept::Other(members)))
                }
            }
        })
    }

    /// All groups that have members, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Ipv4Addr, Kept<'_>)> {
        self.range(Ipv4Addr::UNSPECIFIED)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::forwarding::Wish;

    #[derive(Clone, Debug)]
    enum Step {
        AnySource(u32, u32, u8),
        Source(u32, u32, u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..4_u32, 0..3_u32, 0..4_u8).prop_map(|(group, at, bits)| Step::AnySource(group, at, bits)),
            (0..4_u32, 0..3_u32, 0..4_u8).prop_map(|(group, at, bits)| Step::Source(group, at, bits)),
        ]
    }

    proptest! {
        /// Whoever says something is there, whichever way the group goes between the two kinds, and each group once.
        #[test]
        fn it_keeps_who_said_what(steps in vec(step(), 0..60), from in 0..5_u32) {
            const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
            let mut table = MemberTable::default();
            // By group and interface, of any source and of one.
            let mut model: BTreeMap<(u32, u32), (u8, u8)> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::AnySource(group, at, bits) => {
                        model.entry((group, at)).or_default().0 = bits;
                        table.change(Ipv4Addr::from_bits(group), |members| {
                            members.set_any_source([(InterfaceId(at), Origins::of_bits(bits))].into_iter());
                        });
                    }
                    Step::Source(group, at, bits) => {
                        model.entry((group, at)).or_default().1 = bits;
                        let wanted = Origins::of_bits(bits);
                        let wish = Wish { wanted, blocked: Origins::NONE };
                        table.change(Ipv4Addr::from_bits(group), |members| {
                            members.set_source(SOURCE, [(InterfaceId(at), wish)].into_iter());
                        });
                    }
                }
            }
            model.retain(|_, said| *said != (0, 0));
            let mut seen = Vec::new();
            for (group, members) in table.range(Ipv4Addr::from_bits(from)) {
                prop_assert!(!members.is_empty());
                let of_source = members.sources(Ipv4Addr::UNSPECIFIED).next().map(|(_, source)| source.clone());
                for at in 0..3 {
                    let id = InterfaceId(at);
                    let wanted = of_source.as_ref().map_or(Origins::NONE, |source| source.on(id).wanted);
                    let said = (members.any_source().on(id).bits(), wanted.bits());
                    if said != (0, 0) {
                        seen.push(((group.to_bits(), at), said));
                    }
                }
            }
            prop_assert!(table.iter().map(|(group, _)| group).is_sorted_by(|one, other| one < other));
            prop_assert!(seen.iter().copied().eq(model.into_iter().filter(|((group, _), _)| *group >= from)));
        }
    }
}
