//! Names of events, by which a repetition is known: apart for each id of a user under which they came.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::name::Name;
use crate::time::Timestamp;

/// More names than these lie in a tree.
const FEW: usize = 64;

/// Names under one id, in order, each with its moment. Most often they are few, and made anew for every event: then a list is
/// faster than a tree.
#[derive(Clone, Debug)]
enum Known {
    Few(Vec<(Name, Timestamp)>),
    Many(BTreeMap<Name, Timestamp>),
}

impl Default for Known {
    fn default() -> Self {
        Known::Few(Vec::new())
    }
}

impl PartialEq for Known {
    fn eq(&self, other: &Known) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Known {}

impl Known {
    fn len(&self) -> usize {
        match self {
            Known::Few(few) => few.len(),
            Known::Many(many) => many.len(),
        }
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn iter(&self) -> impl Iterator<Item = (&Name, &Timestamp)> {
        let (few, many) = match self {
            Known::Few(few) => (Some(few.iter().map(|(name, at)| (name, at))), None),
            Known::Many(many) => (None, Some(many.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }

    fn contains(&self, name: &Name) -> bool {
        match self {
            Known::Few(few) => few.binary_search_by(|(known, _)| known.cmp(name)).is_ok(),
            Known::Many(many) => many.contains_key(name),
        }
    }

    /// Puts a name at a moment; says whether it is new.
    fn insert(&mut self, name: Name, at: Timestamp) -> bool {
        if let Known::Few(few) = self
            && FEW <= few.len()
        {
            *self = Known::Many(core::mem::take(few).into_iter().collect());
        }
        match self {
            Known::Few(few) => match few.binary_search_by(|(known, _)| known.cmp(&name)) {
                Ok(place) => {
                    few[place].1 = at;
                    false
                }
                Err(place) => {
                    if few.is_empty() {
                        few.reserve(8);
                    }
                    few.insert(place, (name, at));
                    true
                }
            },
            Known::Many(many) => many.insert(name, at).is_none(),
        }
    }

    fn remove(&mut self, name: &Name) {
        match self {
            Known::Few(few) => few.retain(|(known, _)| known != name),
            Known::Many(many) => drop(many.remove(name)),
        }
    }

    /// Parts off what happened before a moment.
    fn part(&mut self, before: Timestamp) -> Known {
        let is_earlier = |at: &Timestamp| *at < before;
        match self {
            Known::Few(few) => Known::Few(few.extract_if(.., |(_, at)| is_earlier(at)).collect()),
            Known::Many(many) => {
                let (earlier, stay) = core::mem::take(many).into_iter().partition(|(_, at)| is_earlier(at));
                *many = stay;
                Known::Many(earlier)
            }
        }
    }

    /// Puts others in, of which none is here.
    fn append(&mut self, other: Known) {
        match other {
            Known::Few(few) => {
                for (name, at) in few {
                    self.insert(name, at);
                }
            }
            Known::Many(mut many) => {
                let mine = core::mem::take(self);
                match mine {
                    Known::Few(few) => many.extend(few),
                    Known::Many(mut mine) => many.append(&mut mine),
                }
                *self = Known::Many(many);
            }
        }
    }
}

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
        known.is_some_and(|known| known.contains(name))
    }

    /// Adds a name; says whether it is new.
    pub fn insert(&mut self, under: u32, name: Name, at: Timestamp) -> bool {
        let known = if under == 0 { &mut self.own } else { self.others.entry(under).or_default() };
        known.insert(name, at)
    }

    pub fn remove(&mut self, under: u32, name: &Name) {
        let known = if under == 0 { Some(&mut self.own) } else { self.others.get_mut(&under) };
        if let Some(known) = known {
            known.remove(name);
        }
        self.others.retain(|_, known| !known.is_empty());
    }

    pub fn len(&self) -> usize {
        self.own.len() + self.others.values().map(Known::len).sum::<usize>()
    }

    /// Returns all names in order: under which id, and when it was.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Name, Timestamp)> {
        let all = core::iter::once((0, &self.own)).chain(self.others.iter().map(|(under, known)| (*under, known)));
        all.flat_map(|(under, known)| known.iter().map(move |(name, at)| (under, name, *at)))
    }

    /// Parts off what happened before a moment.
    pub fn part(&mut self, before: Timestamp) -> Names {
        let mut earlier = Names { own: self.own.part(before), others: BTreeMap::new() };
        self.others.retain(|under, known| {
            let parted = known.part(before);
            if !parted.is_empty() {
                earlier.others.insert(*under, parted);
            }
            !known.is_empty()
        });
        earlier
    }

    /// Puts back what was parted off.
    pub fn join(&mut self, earlier: Names) {
        self.own.append(earlier.own);
        for (under, known) in earlier.others {
            self.others.entry(under).or_default().append(known);
        }
    }

    /// Takes out all names under some ids.
    pub fn take_out(&mut self, is_taken: impl Fn(u32) -> bool) -> Names {
        let own = if is_taken(0) { core::mem::take(&mut self.own) } else { Known::default() };
        let (others, stay) = core::mem::take(&mut self.others).into_iter().partition(|(under, _)| is_taken(*under));
        self.others = stay;
        Names { own, others }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn few_and_many_are_known_alike(
            steps in prop::collection::vec((0..4_u8, 0..2_u32, 0..140_u32, 0..50_i64), 0..400),
        ) {
            // Beside a plain map under (id, name).
            let mut names = Names::default();
            let mut plain: BTreeMap<(u32, Name), Timestamp> = BTreeMap::new();
            for (step, under, number, at) in steps {
                let name = Name::of(&format!("name {number}"));
                let at = Timestamp::from_micros(at);
                match step {
                    0 if number < 20 => {
                        names.remove(under, &name);
                        plain.remove(&(under, name));
                    }
                    1 if number < 3 => {
                        let earlier = names.part(at);
                        let (before, stay) = core::mem::take(&mut plain).into_iter().partition(|(_, other)| *other < at);
                        plain = stay;
                        let before: BTreeMap<(u32, Name), Timestamp> = before;
                        prop_assert_eq!(earlier.len(), before.len());
                        if under == 0 {
                            names.join(earlier);
                            plain.extend(before);
                        }
                    }
                    _ => {
                        let is_new = names.insert(under, name.clone(), at);
                        prop_assert_eq!(is_new, plain.insert((under, name), at).is_none());
                    }
                }
                let all: Vec<(u32, Name, Timestamp)> = names.iter().map(|(under, name, at)| (under, name.clone(), at)).collect();
                let expected: Vec<_> = plain.iter().map(|((under, name), at)| (*under, name.clone(), *at)).collect();
                prop_assert_eq!((names.len(), all), (expected.len(), expected));
                let asked = Name::of(&format!("name {}", number / 2));
                prop_assert_eq!(names.contains(under, &asked), plain.contains_key(&(under, asked)));
            }
        }
    }
}
