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

/// Changes that are made together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The log was read up to here to make them. It never falls from one commit to the next.
    pub offset: Offset,
    /// In order: where a key comes twice, the later counts.
    pub(crate) writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
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
        // Stable, so that of one key the later write stays the later.
        self.writes.sort_by(|one, other| one.0.cmp(&other.0));
        self.writes.reverse();
        self.writes.dedup_by(|one, other| one.0 == other.0);
        self.writes.reverse();
    }

    /// Returns what is written under a key: a value, `Some(None)` where it is deleted, `None` where nothing changes. They have
    /// to be in order.
    pub fn find(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let place = self.writes.binary_search_by(|(other, _)| other.as_slice().cmp(key)).ok()?;
        self.writes.get(place).map(|(_, value)| value.as_deref())
    }

    /// The writes that count, in order of their keys.
    fn last_of_each_key(&self) -> Vec<(&[u8], Option<&[u8]>)> {
        let mut writes: Vec<_> = self.writes.iter().map(|(key, value)| (key.as_slice(), value.as_deref())).collect();
        writes.sort_by_key(|(key, _)| *key);
        writes.reverse();
        writes.dedup_by_key(|(key, _)| *key);
        writes.reverse();
        writes
    }
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
