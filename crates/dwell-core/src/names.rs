//! Names of events, by which a repetition is known: apart for each id of a user under which they came.

use alloc::collections::BTreeMap;

use crate::name::Name;
use crate::time::Timestamp;

type Known = BTreeMap<Name, Timestamp>;

/// Names of events, and when these happened.
///
/// Two ids that become one person may be two again, each with what came under it. So a name under one id says nothing
/// of an event under another.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Names {
    /// Under the user's own id, which is 0.
    own: Known,
    /// Under others. None of these is empty.
    others: BTreeMap<u32, Known>,
}

impl Names {
    pub fn contains(&self, under: u32, name: &Name) -> bool {
        let known = if under == 0 { Some(&self.own) } else { self.others.get(&under) };
        known.is_some_and(|known| known.contains_key(name))
    }

    /// Adds a name; says whether it is new.
    pub fn insert(&mut self, under: u32, name: Name, at: Timestamp) -> bool {
        let known = if under == 0 { &mut self.own } else { self.others.entry(under).or_default() };
        known.insert(name, at).is_none()
    }

    pub fn remove(&mut self, under: u32, name: &Name) {
        let known = if under == 0 { Some(&mut self.own) } else { self.others.get_mut(&under) };
        if let Some(known) = known {
            known.remove(name);
        }
        self.others.retain(|_, known| !known.is_empty());
    }

    pub fn len(&self) -> usize {
        self.own.len() + self.others.values().map(BTreeMap::len).sum::<usize>()
    }

    /// Returns all names in order: under which id, and when it was.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Name, Timestamp)> {
        let all = core::iter::once((0, &self.own)).chain(self.others.iter().map(|(under, known)| (*under, known)));
        all.flat_map(|(under, known)| known.iter().map(move |(name, at)| (under, name, *at)))
    }

    /// Parts off what happened before a moment.
    pub fn part(&mut self, before: Timestamp) -> Names {
        let mut earlier = Names { own: part(&mut self.own, before), others: BTreeMap::new() };
        self.others.retain(|under, known| {
            let parted = part(known, before);
            if !parted.is_empty() {
                earlier.others.insert(*under, parted);
            }
            !known.is_empty()
        });
        earlier
    }

    /// Puts back what was parted off.
    pub fn join(&mut self, mut earlier: Names) {
        self.own.append(&mut earlier.own);
        for (under, mut known) in earlier.others {
            self.others.entry(under).or_default().append(&mut known);
        }
    }

    /// Takes out all names under some ids.
    pub fn take_out(&mut self, is_taken: impl Fn(u32) -> bool) -> Names {
        let own = if is_taken(0) { core::mem::take(&mut self.own) } else { Known::new() };
        let (others, stay) = core::mem::take(&mut self.others).into_iter().partition(|(under, _)| is_taken(*under));
        self.others = stay;
        Names { own, others }
    }
}

fn part(known: &mut Known, before: Timestamp) -> Known {
    let mut earlier = Known::new();
    known.retain(|name, happened_at| {
        let stays = before <= *happened_at;
        if !stays {
            earlier.insert(name.clone(), *happened_at);
        }
        stays
    });
    earlier
}
