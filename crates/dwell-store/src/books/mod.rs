//! Values under keys that change together with an offset of the log.

mod copy;
mod disk;
mod memory;

pub use copy::BooksCopied;
pub use disk::{BooksOptions, DiskBooks};
pub use memory::MemoryBooks;

use crate::error::StoreError;
use crate::log::Offset;

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

    /// Up to where in the log the last commit reaches. [`Offset::ZERO`] before the first.
    fn offset(&self) -> Offset;

    /// Makes every commit durable, and returns the offset they reach. The log may drop what lies before it.
    fn sync(&self) -> Result<Offset, StoreError>;
}

/// A key, and its value or that it is deleted.
type Write = (Vec<u8>, Option<Vec<u8>>);

/// The beginning of the key of a write, and which write it is.
struct Head {
    bytes: u128,
    place: u32,
}

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
    pub fn put(&mut self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
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

    /// Leaves only the writes that count, in order of their keys, so that [`Changes::find`] finds them.
    pub fn put_in_order(&mut self) {
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

    /// Returns what is written under a key: a value, `Some(None)` where it is deleted, `None` where nothing changes. They have
    /// to be in order.
    pub fn find(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let place = self.writes.binary_search_by(|(other, _)| other.as_slice().cmp(key)).ok()?;
        self.writes.get(place).map(|(_, value)| value.as_deref())
    }

    /// Puts later changes on top of these: of a key that both write, the later write counts. Both have to be in order, and so
    /// is what comes of it.
    #[must_use]
    pub fn under(self, later: Changes) -> Changes {
        let mut writes = Vec::with_capacity(self.writes.len() + later.writes.len());
        let mut earlier = self.writes.into_iter().peekable();
        for write in later.writes {
            while let Some(before) = earlier.next_if(|before| before.0 < write.0) {
                writes.push(before);
            }
            drop(earlier.next_if(|same| same.0 == write.0));
            writes.push(write);
        }
        writes.extend(earlier);
        Changes { offset: self.offset.max(later.offset), writes }
    }

    /// How many bytes keys and values have, all together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
    }

    /// Returns what is written under keys that begin so and come after one of them, in order; `None` where a key is deleted. They
    /// have to be in order.
    pub fn range<'c>(
        &'c self,
        prefix: &'c [u8],
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = (&'c [u8], Option<&'c [u8]>)> {
        let is_before = |key: &[u8]| key < prefix || after.is_some_and(|after| key <= after);
        let first = self.writes.partition_point(|(key, _)| is_before(key));
        self.writes[first..].iter().take_while(move |(key, _)| key.starts_with(prefix)).map(borrowed)
    }

    /// The writes that count, in order of their keys.
    fn last_of_each_key(&self) -> Vec<(&[u8], Option<&[u8]>)> {
        if self.writes.is_sorted_by(|(one, _), (other, _)| one < other) {
            return self.writes.iter().map(borrowed).collect();
        }
        self.in_order().iter().map(|head| borrowed(&self.writes[head.place as usize])).collect()
    }
}

fn borrowed((key, value): &Write) -> (&[u8], Option<&[u8]>) {
    (key, value.as_deref())
}

/// The longest a key may be.
const LONGEST_KEY: usize = 32 << 10;

/// Refuses a commit that goes back, or has a key that is too long.
fn check(changes: &Changes, reached: Offset) -> Result<(), StoreError> {
    if changes.offset < reached {
        return Err(StoreError::Backwards { reached, given: changes.offset });
    }
    match changes.writes.iter().map(|(key, _)| key.len()).max() {
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
    fn key() -> impl Strategy<Value = Vec<u8>> {
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
                expected.insert(key, value.map(|value| vec![value]));
            }
            let counted = |changes: &Changes| -> Vec<Write> {
                let owned = |(key, value): (&[u8], Option<&[u8]>)| (key.to_vec(), value.map(<[u8]>::to_vec));
                changes.last_of_each_key().into_iter().map(owned).collect()
            };
            let expected: Vec<Write> = expected.into_iter().collect();
            prop_assert_eq!(counted(&changes), expected.clone());
            changes.put_in_order();
            prop_assert_eq!(&changes.writes, &expected);
            prop_assert_eq!(counted(&changes), expected.clone());
            for (key, value) in &expected {
                prop_assert_eq!(changes.find(key), Some(value.as_deref()));
            }
        }

        #[test]
        fn later_changes_count_before_earlier_ones(
            runs in prop::collection::vec(prop::collection::vec((key(), prop::option::of(any::<u8>())), 0..30), 1..4),
            prefix in key(),
            after in prop::option::of(key()),
        ) {
            let mut expected = std::collections::BTreeMap::new();
            let mut all = Changes::up_to(Offset::ZERO);
            for (number, run) in runs.into_iter().enumerate() {
                let mut changes = Changes::up_to(Offset::new(number as u64));
                for (key, value) in run {
                    match value {
                        Some(value) => changes.put(key.clone(), [value]),
                        None => changes.delete(key.clone()),
                    }
                    expected.insert(key, value.map(|value| vec![value]));
                }
                changes.put_in_order();
                all = all.under(changes);
                prop_assert_eq!(all.offset, Offset::new(number as u64));
            }
            let bytes = expected.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum::<usize>();
            prop_assert_eq!(all.bytes(), bytes);
            prop_assert_eq!(&all.writes, &expected.clone().into_iter().collect::<Vec<_>>());
            let is_in = |key: &Vec<u8>| key.starts_with(&prefix) && after.as_ref().is_none_or(|after| after < key);
            expected.retain(|key, _| is_in(key));
            let found: Vec<Write> =
                all.range(&prefix, after.as_deref()).map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect();
            prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
