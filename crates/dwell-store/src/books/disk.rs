//! Books on a disk, in an embedded store of sorted files. Why this one: `docs/decisions/007-books.md`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Books, Changes, Entry, check};
use crate::error::StoreError;
use crate::log::Offset;

/// Where the offset lies: before every entry.
const OFFSET: &[u8] = &[0];
/// What stands before the key of an entry.
const ENTRY: u8 = 1;

/// The folder of the store, in that of the books.
const STORE: &str = "store";
/// The same while it is being made.
const MAKING: &str = "making";

/// How much of the store's own log there may be. It is read again at opening: this bounds how long that takes.
const MOST_UNFLUSHED: u64 = 256 << 20;

/// [`Books`] in a folder.
///
/// The offset lies among the entries, in one sorted tree: the store makes its trees durable one by one, so that an offset
/// in a tree of its own could be older than the entries after a power cut.
pub struct DiskBooks {
    folder: PathBuf,
    database: Database,
    entries: Keyspace,
    /// Held while a commit is under way, so that offsets come in the order in which they are written.
    offset: Mutex<Offset>,
}

/// How much memory [`DiskBooks`] take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BooksOptions {
    /// What may be kept in memory of what lies on disk.
    pub cache_bytes: u64,
    /// Changes that are gathered in memory before they are sorted into files. About three times as much may lie in
    /// memory while that is done. Taken when the books are made, and kept for as long as they last.
    pub buffer_bytes: u64,
}

impl Default for BooksOptions {
    fn default() -> Self {
        BooksOptions { cache_bytes: 256 << 20, buffer_bytes: 64 << 20 }
    }
}

impl DiskBooks {
    /// Opens the books in a folder, or makes them.
    pub fn open(folder: &Path, options: BooksOptions) -> Result<DiskBooks, StoreError> {
        std::fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
        let failed = |error| open_failed(folder, error);
        let store = folder.join(STORE);
        if !store.is_dir() {
            make(folder, &store, options)?;
        }
        let (database, entries) = open_store(&store, options).map_err(failed)?;
        let offset = match entries.get(OFFSET).map_err(failed)? {
            None => Offset::ZERO,
            Some(bytes) => read_offset(&bytes).ok_or_else(|| StoreError::Books {
                what: "read the offset of",
                path: folder.to_owned(),
                cause: format!("it has {} bytes, not 8: restore the books from a copy", bytes.len()),
            })?,
        };
        Ok(DiskBooks { folder: folder.to_owned(), database, entries, offset: Mutex::new(offset) })
    }

    fn reached(&self) -> MutexGuard<'_, Offset> {
        self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, what: &'static str) -> impl Fn(fjall::Error) -> StoreError {
        let path = self.folder.clone();
        move |error| StoreError::Books { what, path: path.clone(), cause: error.to_string() }
    }
}

impl Books for DiskBooks {
    fn load(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let mut place = Vec::new();
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            place.clear();
            place.push(ENTRY);
            place.extend_from_slice(key);
            let found = self.entries.get(&place).map_err(self.failed("read"))?;
            values.push(found.map(|value| value.to_vec()));
        }
        Ok(values)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Vec<Entry>, StoreError> {
        let prefix = entry_key(prefix);
        let begin = match after.map(entry_key) {
            // The least key that is greater than another is the same with a zero after it.
            Some(mut after) if prefix <= after => {
                after.push(0);
                after
            }
            Some(_) | None => prefix.clone(),
        };
        let mut found = Vec::new();
        for entry in self.entries.range(begin..).take(most) {
            let (key, value) = entry.into_inner().map_err(self.failed("read"))?;
            if !key.starts_with(&prefix) {
                break;
            }
            found.push((key[1..].to_vec(), value.to_vec()));
        }
        Ok(found)
    }

    fn commit(&self, changes: Changes) -> Result<(), StoreError> {
        let mut reached = self.reached();
        check(&changes, *reached)?;
        let offset = changes.offset;
        let mut batch = self.database.batch();
        for (key, value) in changes.last_of_each_key() {
            match value {
                Some(value) => batch.insert(&self.entries, entry_key(&key), value),
                None => batch.remove(&self.entries, entry_key(&key)),
            }
        }
        batch.insert(&self.entries, OFFSET, offset.number().to_be_bytes());
        batch.commit().map_err(self.failed("write to"))?;
        *reached = offset;
        Ok(())
    }

    fn offset(&self) -> Offset {
        *self.reached()
    }

    fn sync(&self) -> Result<Offset, StoreError> {
        // Commits that come while this syncs are durable too, but not promised.
        let reached = self.offset();
        self.database.persist(PersistMode::SyncAll).map_err(self.failed("sync"))?;
        Ok(reached)
    }
}

fn open_store(store: &Path, options: BooksOptions) -> Result<(Database, Keyspace), fjall::Error> {
    let BooksOptions { cache_bytes, buffer_bytes } = options;
    let database = Database::builder(store).cache_size(cache_bytes).max_journaling_size(MOST_UNFLUSHED).open()?;
    let tree = || KeyspaceCreateOptions::default().expect_point_read_hits(true).max_memtable_size(buffer_bytes);
    let entries = database.keyspace("books", tree)?;
    Ok((database, entries))
}

/// Makes an empty store aside, and moves it to its place when it is whole.
///
/// The store does not open again what a crash left of its own making.
fn make(folder: &Path, store: &Path, options: BooksOptions) -> Result<(), StoreError> {
    let making = folder.join(MAKING);
    match std::fs::remove_dir_all(&making) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(StoreError::Io { what: "remove", path: making, source: error });
        }
        Ok(()) | Err(_) => {}
    }
    let (database, entries) = open_store(&making, options).map_err(|error| open_failed(folder, error))?;
    let synced = database.persist(PersistMode::SyncAll);
    drop(entries);
    drop(database);
    synced.map_err(|error| open_failed(folder, error))?;
    sync_all(&making)?;
    std::fs::rename(&making, store).map_err(StoreError::io("rename", &making))?;
    sync_one(folder)
}

/// Makes a folder durable with all that is in it.
fn sync_all(folder: &Path) -> Result<(), StoreError> {
    for entry in std::fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let path = entry.map_err(StoreError::io("list", folder))?.path();
        if path.is_dir() { sync_all(&path)? } else { sync_one(&path)? }
    }
    sync_one(folder)
}

fn sync_one(path: &Path) -> Result<(), StoreError> {
    std::fs::File::open(path).and_then(|file| file.sync_all()).map_err(StoreError::io("sync", path))
}

fn open_failed(folder: &Path, error: fjall::Error) -> StoreError {
    match error {
        fjall::Error::Locked => StoreError::Locked { path: folder.to_owned() },
        other => StoreError::Books { what: "open", path: folder.to_owned(), cause: other.to_string() },
    }
}

fn entry_key(key: &[u8]) -> Vec<u8> {
    let mut place = Vec::with_capacity(1 + key.len());
    place.push(ENTRY);
    place.extend_from_slice(key);
    place
}

fn read_offset(bytes: &[u8]) -> Option<Offset> {
    Some(Offset::new(u64::from_be_bytes(bytes.try_into().ok()?)))
}
