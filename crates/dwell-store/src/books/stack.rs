//! Changes of several turns, the later on top of the earlier, which are one when they are committed.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Slot;
use std::hash::{BuildHasher, Hasher};

use super::{Borrowed, Changes, Value, WRITE_BYTES, borrowed};
use crate::log::Offset;

/// Changes that are held: of a key that several of them write, the latest write counts.
///
/// They stay as they came, each layer in order of its keys, and an index says where the write of a key lies that counts: so all of
/// them need not be brought into one order each time another layer comes.
pub struct Stack {
    offset: Offset,
    layers: Vec<Layer>,
    index: HashTable<Place>,
    seed: RandomState,
    /// Of keys and values of the writes that count.
    bytes: usize,
}

struct Layer {
    changes: Changes,
    /// Of each write, whether a later layer writes the same key.
    is_stale: Vec<bool>,
}

/// Where a write lies.
struct Place {
    hash: u64,
    layer: u32,
    write: u32,
}

impl Default for Stack {
    fn default() -> Self {
        Stack {
            offset: Offset::ZERO,
            layers: Vec::new(),
            index: HashTable::new(),
            seed: RandomState::default(),
            bytes: 0,
        }
    }
}

impl Stack {
    /// Puts changes on top, which come after all that lie there.
    pub fn put_on(&mut self, mut changes: Changes) {
        changes.put_in_order();
        self.offset = self.offset.max(changes.offset);
        self.index.reserve(changes.writes.len(), |place| place.hash);
        // As many layers or writes as that do not fit into memory.
        let layer = self.layers.len() as u32;
        for (write, (key, value)) in changes.writes.iter().enumerate() {
            self.bytes += key.len() + value.as_ref().map_or(0, |value| value.len());
            let now = Place { hash: hash(&self.seed, key), layer, write: write as u32 };
            let layers = &mut self.layers;
            let is_it = |place: &Place| place.hash == now.hash && layers[place.layer as usize].key(place) == key;
            match self.index.entry(now.hash, is_it, |place| place.hash) {
                Slot::Vacant(free) => {
                    free.insert(now);
                }
                Slot::Occupied(mut known) => {
                    let before = std::mem::replace(known.get_mut(), now);
                    self.bytes -= key.len() + self.layers[before.layer as usize].drop_write(&before);
                }
            }
        }
        let is_stale = vec![false; changes.writes.len()];
        self.layers.push(Layer { changes, is_stale });
    }

    /// Up to where the log was read to make all of them.
    #[must_use]
    pub const fn offset(&self) -> Offset {
        self.offset
    }

    /// How many bytes all of them take in memory, about. A write that no longer counts has let go of its value only.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes + self.layers.iter().map(|layer| layer.is_stale.len()).sum::<usize>() * WRITE_BYTES
    }

    /// Returns what is written under a key: a value, `Some(None)` where it is deleted, `None` where nothing changes.
    #[must_use]
    pub fn find(&self, key: &[u8]) -> Option<Option<&Value>> {
        let hash = hash(&self.seed, key);
        let is_it = |place: &Place| place.hash == hash && self.layers[place.layer as usize].key(place) == key;
        let Place { layer, write, .. } = self.index.find(hash, is_it)?;
        Some(self.layers[*layer as usize].changes.writes[*write as usize].1.as_ref())
    }

    /// Returns what is written under keys that begin so and come after one of them, layer after layer, each in order of its keys
    /// up to and with the key `end`, if there is one; `None` where a key is deleted.
    pub fn range<'c>(
        &'c self,
        prefix: &'c [u8],
        after: Option<&'c [u8]>,
        end: Option<&'c [u8]>,
    ) -> impl Iterator<Item = Borrowed<'c>> {
        self.layers.iter().flat_map(move |Layer { changes, is_stale }| {
            let is_before = |key: &[u8]| key < prefix || after.is_some_and(|after| key <= after);
            let first = changes.writes.partition_point(|(key, _)| is_before(key));
            let rest = changes.writes[first..].iter().zip(&is_stale[first..]);
            let is_in = move |key: &[u8]| key.starts_with(prefix) && end.is_none_or(|end| key <= end);
            rest.take_while(move |((key, _), _)| is_in(key))
                .filter(|(_, stale)| !**stale)
                .map(|(write, _)| borrowed(write))
        })
    }

    /// Returns all writes that count, layer after layer, each in order of its keys.
    pub fn writes(&self) -> impl Iterator<Item = Borrowed<'_>> {
        self.range(&[], None, None)
    }

    /// Returns the same as changes of one turn.
    #[must_use]
    pub fn as_one(&self) -> Changes {
        let owned = |(key, value): Borrowed<'_>| (key.to_vec(), value.cloned());
        Changes { offset: self.offset, writes: self.writes().map(owned).collect() }
    }
}

impl Layer {
    fn key(&self, place: &Place) -> &[u8] {
        &self.changes.writes[place.write as usize].0
    }

    /// Forgets the value of a write that no longer counts, and returns how long it was. Its key stays, for the order.
    fn drop_write(&mut self, place: &Place) -> usize {
        let write = place.write as usize;
        self.is_stale[write] = true;
        self.changes.writes[write].1.take().map_or(0, |value| value.len())
    }
}

fn hash(seed: &RandomState, key: &[u8]) -> u64 {
    let mut hasher = seed.build_hasher();
    hasher.write(key);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::tests::key;
    use super::*;

    proptest! {
        #[test]
        fn of_a_key_the_latest_write_counts(
            turns in prop::collection::vec(prop::collection::vec((key(), prop::option::of(any::<u8>())), 0..30), 0..5),
            prefix in key(),
            after in prop::option::of(key()),
            end in prop::option::of(key()),
        ) {
            let mut expected = BTreeMap::new();
            let (mut stack, mut written) = (Stack::default(), 0);
            for (number, turn) in turns.into_iter().enumerate() {
                let mut changes = Changes::up_to(Offset::new(number as u64));
                for (key, value) in turn {
                    match value {
                        Some(value) => changes.put(key.clone(), [value]),
                        None => changes.delete(key.clone()),
                    }
                    expected.insert(key, value.map(|value| Value::from([value])));
                }
                stack.put_on(changes);
                written += stack.layers.last().map_or(0, |layer| layer.changes.len());
                prop_assert_eq!(stack.offset(), Offset::new(number as u64));
                for (key, value) in &expected {
                    prop_assert_eq!(stack.find(key), Some(value.as_ref()));
                }
            }
            prop_assert_eq!(stack.find(b"nobody"), None);
            let bytes = expected.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, |value| value.len())).sum::<usize>();
            prop_assert_eq!(stack.bytes(), bytes + written * WRITE_BYTES);
            let all = |writes: &mut dyn Iterator<Item = Borrowed<'_>>| {
                let mut all: Vec<_> = writes.map(|(key, value)| (key.to_vec(), value.cloned())).collect();
                all.sort();
                all
            };
            prop_assert_eq!(all(&mut stack.writes()), expected.clone().into_iter().collect::<Vec<_>>());
            let mut one = stack.as_one();
            one.put_in_order();
            prop_assert_eq!(one.writes, expected.clone().into_iter().collect::<Vec<_>>());
            let found = all(&mut stack.range(&prefix, after.as_deref(), end.as_deref()));
            expected.retain(|key, _| {
                key.starts_with(&prefix)
                    && after.as_ref().is_none_or(|after| after < key)
                    && end.as_ref().is_none_or(|end| key <= end)
            });
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
