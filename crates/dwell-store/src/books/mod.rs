//! Values under keys that change together with an offset of the log.

mod copy;
mod disk;
mod memory;
mod stack;

pub use copy::BooksCopied;
pub use disk::{BooksOptions, DiskBooks};
pub use memory::MemoryBooks;
pub use stack::Stack;

use crate::error::StoreError;
use crate::log::Offset;

/// What lies under a key, in the store's own form: clones are the same bytes in memory, so that whoever keeps a value and the store that
/// writes it need not have a copy each.
pub type Value = fjall::Slice;

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Values under keys, in the order of the keys' bytes.
///
/// After a crash the books are exactly as they were after one of their commits, the last synced one or a later one. What
/// [`Books::offset`] says then belongs to that commit, so that reading the log from there brings back the rest.
pub trait Books: Send + Sync {
    /// Returns the values of these keys, in the same order. `None` where there is none.
    fn load(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Returns entries whose keys begin so, in order of their keys, so many at most.
    ///
    /// `after` is the last key of the page before; the first page has none.
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Vec<Entry>, StoreError>;

    /// Makes all of these changes, or none. Later loads see them; they are durable after [`Books::sync`].
    ///
    /// One caller at a time commits: the engine is the only writer of its books.
    fn commit(&self, changes: &Changes) -> Result<(), StoreError>;

    /// The same with the changes of several turns, as one commit.
    fn commit_all(&self, changes: &Stack) -> Result<(), StoreError> {
        self.commit(&changes.as_one())
    }

    /// Up to where in the log the last commit reaches. [`Offset::ZERO`] before the first.
    fn offset(&self) -> Offset;

    /// Makes every commit durable, and returns the offset they reach. The log may drop what lies before it.
    fn sync(&self) -> Result<Offset, StoreError>;
}

/// A key, and its value or that it is deleted.
type Write = (Vec<u8>, Option<Value>);

/// The beginning of the key of a write, and which write it is.
struct Head {
    bytes: u128,
    place: u32,
}

/// What a write takes in memory beside key and value: its place among the changes, in the index over them, and in the store's own
/// batch when they are committed. About, and from above.
const WRITE_BYTES: usize = 128;

/// Changes that are made together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The log was read up to here to make them. It never falls from one commit to the next.
    pub offset: Offset,
    /// In order: where a key comes twice, the later counts.
    pub(crate) writes: Vec<Write>,
}

impl Changes {
    /// Starts without any change but the offset.
    pub fn up_to(offset: Offset) -> Changes {
        Changes { offset, writes: Vec::new() }
    }

    /// Puts a value under a key.
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Value>) {
        self.writes.push((key.into(), Some(value.into())));
    }

    /// Deletes a key and its value, if there are any.
    pub fn delete(&mut self, key: impl Into<Vec<u8>>) {
        self.writes.push((key.into(), None));
    }

    /// Adds all changes of another one, after these.
    pub fn append(&mut self, mut other: Changes) {
        self.writes.append(&mut other.writes);
        self.offset = self.offset.max(other.offset);
    }

    /// How many puts and deletes there are.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Leaves only the writes that count, in order of their keys.
    fn put_in_order(&mut self) {
        let heads = self.in_order();
        self.writes = heads.iter().map(|head| std::mem::take(&mut self.writes[head.place as usize])).collect();
    }

    /// Finds the writes that count, in order of their keys.
    fn in_order(&self) -> Vec<Head> {
        let key = |head: &Head| &self.writes[head.place as usize].0;
        let mut heads = self.heads();
        heads.sort_unstable_by(|one, other| {
            // The later of two writes comes first, and is the one that stays.
            one.bytes.cmp(&other.bytes).then_with(|| key(one).cmp(key(other))).then(other.place.cmp(&one.place))
        });
        heads.dedup_by(|next, kept| key(next) == key(kept));
        heads
    }

    /// Returns of each write the first bytes of its key, beyond what all keys with the same first byte have in common: what
    /// decides, most often, which of two comes first, without a look at where they lie.
    fn heads(&self) -> Vec<Head> {
        let mut common: [Option<(usize, usize)>; 256] = [None; 256];
        for (place, (key, _)) in self.writes.iter().enumerate() {
            let Some(tag) = key.first() else { continue };
            let (first, length) = common[usize::from(*tag)].get_or_insert((place, key.len()));
            let same = key.iter().zip(&self.writes[*first].0).take(*length).take_while(|(one, other)| one == other);
            *length = same.count();
        }
        let head = |(place, (key, _)): (usize, &Write)| {
            let mut bytes = [0; 16];
            if let Some(tag) = key.first() {
                let common = common[usize::from(*tag)].map_or(0, |(_, length)| length);
                let rest = &key[common..];
                let known = rest.len().min(15);
                bytes[0] = *tag;
                bytes[1..=known].copy_from_slice(&rest[..known]);
            }
            // As many changes as that do not fit into memory.
            Head { bytes: u128::from_be_bytes(bytes), place: place as u32 }
        };
        self.writes.iter().enumerate().map(head).collect()
    }

    /// How many bytes all of them take in memory, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let beside = self.writes.len() * WRITE_BYTES;
        beside
            + self
                .writes
                .iter()
                .map(|(key, value)| key.len() + value.as_ref().map_or(0, |value| value.len()))
                .sum::<usize>()
    }

    /// The keys of all writes.
    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.writes.iter().map(|(key, _)| key.as_slice())
    }

    /// The writes that count, in order of their keys.
    fn last_of_each_key(&self) -> Vec<Borrowed<'_>> {
        if self.writes.is_sorted_by(|(one, _), (other, _)| one < other) {
            return self.writes.iter().map(borrowed).collect();
        }
        self.in_order().iter().map(|head| borrowed(&self.writes[head.place as usize])).collect()
    }
}

/// A write that lies elsewhere.
type Borrowed<'w> = (&'w [u8], Option<&'w Value>);

fn borrowed((key, value): &Write) -> Borrowed<'_> {
    (key, value.as_ref())
}

/// The longest a key may be.
const LONGEST_KEY: usize = 32 << 10;

/// Refuses a commit that goes back, or has a key that is too long.
fn check<'k>(offset: Offset, keys: impl Iterator<Item = &'k [u8]>, reached: Offset) -> Result<(), StoreError> {
    if offset < reached {
        return Err(StoreError::Backwards { reached, given: offset });
    }
    match keys.map(<[u8]>::len).max() {
        Some(value) if LONGEST_KEY < value => {
            Err(StoreError::Option { name: "the length of a key", value, least: 0, most: LONGEST_KEY })
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Keys that have much in common, and those that have nothing.
    pub(super) fn key() -> impl Strategy<Value = Vec<u8>> {
        let tail = prop::collection::vec(prop::sample::select(vec![0, 1, b'a', 255]), 0..4);
        let middle =
            prop::sample::select(vec!["", "u", "uapp-with-a-long-name", "uapp-with-a-long-name-of-a-user-", "s"]);
        (middle, tail).prop_map(|(middle, tail)| [middle.as_bytes(), &tail].concat())
    }

    proptest! {
        #[test]
        fn in_order_the_last_write_of_each_key_is_left(
            writes in prop::collection::vec((key(), prop::option::of(any::<u8>())), 0..60)
        ) {
            let mut changes = Changes::up_to(Offset::ZERO);
            let mut expected = std::collections::BTreeMap::new();
            for (key, value) in writes {
                match value {
                    Some(value) => changes.put(key.clone(), [value]),
                    None => changes.delete(key.clone()),
                }
                expected.insert(key, value.map(|value| [value].into()));
            }
            let counted = |changes: &Changes| -> Vec<Write> {
                let owned = |(key, value): Borrowed<'_>| (key.to_vec(), value.cloned());
                changes.last_of_each_key().into_iter().map(owned).collect()
            };
            let expected: Vec<Write> = expected.into_iter().collect();
            prop_assert_eq!(counted(&changes), expected.clone());
            changes.put_in_order();
            prop_assert_eq!(&changes.writes, &expected);
            prop_assert_eq!(counted(&changes), expected.clone());
        }
    }
}
