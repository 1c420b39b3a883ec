//! Books without a disk, for tests.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Books, Changes, Entry, check};
use crate::error::StoreError;
use crate::log::Offset;

/// [`Books`] in memory. They are gone when they are dropped.
#[derive(Default)]
pub struct MemoryBooks {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    values: BTreeMap<Vec<u8>, Vec<u8>>,
    offset: Offset,
}

impl MemoryBooks {
    /// Starts without any value.
    pub fn new() -> MemoryBooks {
        MemoryBooks::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books for MemoryBooks {
    fn load(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let kept = self.kept();
        Ok(keys.iter().map(|key| kept.values.get(*key).cloned()).collect())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Vec<Entry>, StoreError> {
        let kept = self.kept();
        let begin = match after {
            Some(after) if prefix <= after => Bound::Excluded(after),
            Some(_) | None => Bound::Included(prefix),
        };
        let found = kept.values.range::<[u8], _>((begin, Bound::Unbounded));
        let found = found.take_while(|(key, _)| key.starts_with(prefix)).take(most);
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn commit(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut kept = self.kept();
        check(changes.offset, changes.keys(), kept.offset)?;
        for (key, value) in &changes.writes {
            match value {
                Some(value) => kept.values.insert(key.clone(), value.to_vec()),
                None => kept.values.remove(key),
            };
        }
        kept.offset = changes.offset;
        Ok(())
    }

    fn offset(&self) -> Offset {
        self.kept().offset
    }

    fn sync(&self) -> Result<Offset, StoreError> {
        Ok(self.offset())
    }
}
