//! Books on a disk, in an embedded store of sorted files. Why this one: `docs/decisions/007-books.md`.
//!
//! The store takes nothing more once a write of its own has failed. Then it is closed, and [`DiskBooks::mend`] opens it
//! again: what it finds is one of the commits, as after a crash.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use fjall::{AbstractTree, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{Books, Borrowed, Changes, Entry, Stack, check};
use crate::disk::means_full;
use crate::error::StoreError;
use crate::log::Offset;

/// Where the offset lies: before every entry.
pub(super) const OFFSET: &[u8] = &[0];
/// What stands before the key of an entry.
pub(super) const ENTRY: u8 = 1;

/// The folder of the store, in that of the books.
const STORE: &str = "store";
/// The same while it is being made.
const MAKING: &str = "making";

/// How much of the store's own log there may be. It is read again at opening: this bounds how long that takes.
const MOST_UNFLUSHED: u64 = 256 << 20;

/// The store makes a commit wait while it has not sorted 4 buffers, or has 30 layers of files, without ever asking whether
/// those who do that have failed meanwhile. A commit adds two buffers at most, and we wait in its place.
const MOST_BUFFERS: usize = 1;
const MOST_LAYERS: usize = 24;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// [`Books`] in a folder.
///
/// The offset lies among the entries, in one sorted tree: the store makes its trees durable one by one, so that an offset
/// in a tree of its own could be older than the entries after a power cut.
pub struct DiskBooks {
    pub(super) folder: PathBuf,
    pub(super) options: BooksOptions,
    /// None from a write that failed until [`DiskBooks::mend`].
    open: RwLock<Option<Open>>,
    /// Held while a commit is under way, so that offsets come in the order in which they are written.
    offset: Mutex<Offset>,
}

/// The store, opened. Clones are the same.
#[derive(Clone)]
pub(super) struct Open {
    pub database: Database,
    pub entries: Keyspace,
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
        let store = folder.join(STORE);
        if !store.is_dir() {
            make(folder, &store, options)?;
        }
        let open = open_store(&store, options).map_err(|error| open_failed(folder, error))?;
        let offset = Mutex::new(open.offset(folder)?);
        Ok(DiskBooks { folder: folder.to_owned(), options, open: RwLock::new(Some(open)), offset })
    }

    /// Opens them again after a commit or a sync that failed. Does nothing if none did.
    ///
    /// They are then as they were after one of the commits: the last that succeeded, or the one that failed. Whoever keeps
    /// something of them must let go of it. Fails with [`StoreError::BooksClosed`] when trying later makes sense.
    pub fn mend(&self) -> Result<(), StoreError> {
        let mut reached = self.reached();
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.is_some() {
            return Ok(());
        }
        let opened = open_store(&self.folder.join(STORE), self.options).map_err(|error| match error {
            // Somebody still reads what was closed.
            fjall::Error::Locked => self.closed("open again", &error),
            other => self.failed("open again")(other),
        })?;
        *reached = opened.offset(&self.folder)?;
        *open = Some(opened);
        Ok(())
    }

    /// Makes these writes as one, of which no two have the same key.
    fn write<'w>(
        &self,
        mut reached: MutexGuard<'_, Offset>,
        offset: Offset,
        writes: impl Iterator<Item = Borrowed<'w>>,
    ) -> Result<(), StoreError> {
        let Open { database, entries } = self.ready()?;
        let mut batch = database.batch();
        for (key, value) in writes {
            match value {
                Some(value) => batch.insert(&entries, entry_key(key), value.clone()),
                None => batch.remove(&entries, entry_key(key)),
            }
        }
        batch.insert(&entries, OFFSET, offset.number().to_be_bytes());
        let committed = batch.commit();
        drop((database, entries));
        committed.map_err(self.closing("write to"))?;
        *reached = offset;
        Ok(())
    }

    fn reached(&self) -> MutexGuard<'_, Offset> {
        self.offset.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn opened(&self) -> Result<Open, StoreError> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        open.clone().ok_or_else(|| StoreError::BooksClosed {
            what: "use",
            path: self.folder.clone(),
            cause: "a write failed, and they are not open again yet".to_owned(),
        })
    }

    /// The store, as soon as a commit would not have to wait in it.
    fn ready(&self) -> Result<Open, StoreError> {
        let open = self.opened()?;
        let waited = open.wait_for_room();
        match waited {
            Ok(()) => Ok(open),
            Err(error) => {
                drop(open);
                Err(self.closing("write to")(error))
            }
        }
    }

    /// Closes the store, which failed, and says what its error means.
    fn closing(&self, what: &'static str) -> impl FnOnce(fjall::Error) -> StoreError {
        move |error| {
            let error = self.failed(what)(error);
            *self.open.write().unwrap_or_else(PoisonError::into_inner) = None;
            error
        }
    }

    pub(super) fn failed(&self, what: &'static str) -> impl Fn(fjall::Error) -> StoreError {
        move |error| {
            if may_pass(&error) {
                return self.closed(what, &error);
            }
            StoreError::Books { what, path: self.folder.clone(), cause: in_words(&error) }
        }
    }

    fn closed(&self, what: &'static str, error: &fjall::Error) -> StoreError {
        StoreError::BooksClosed { what, path: self.folder.clone(), cause: in_words(error) }
    }
}

impl Open {
    fn offset(&self, folder: &Path) -> Result<Offset, StoreError> {
        match self.entries.get(OFFSET).map_err(|error| open_failed(folder, error))? {
            None => Ok(Offset::ZERO),
            Some(bytes) => read_offset(&bytes).ok_or_else(|| StoreError::Books {
                what: "read the offset of",
                path: folder.to_owned(),
                cause: format!("it has {} bytes, not 8: restore the books from a copy", bytes.len()),
            }),
        }
    }

    /// Waits until a commit would not have to, or fails as the store has.
    fn wait_for_room(&self) -> Result<(), fjall::Error> {
        while MOST_BUFFERS < self.entries.tree.sealed_memtable_count() || MOST_LAYERS < self.entries.tree.l0_run_count()
        {
            // Costs nothing where nothing waits, and tells whether the store takes nothing more.
            self.database.persist(PersistMode::Buffer)?;
            std::thread::sleep(BETWEEN_LOOKS);
        }
        Ok(())
    }
}

impl Books for DiskBooks {
    fn load(&self, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let Open { entries, .. } = self.opened()?;
        let mut place = Vec::new();
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            place.clear();
            place.push(ENTRY);
            place.extend_from_slice(key);
            let found = entries.get(&place).map_err(self.failed("read"))?;
            values.push(found.map(|value| value.to_vec()));
        }
        Ok(values)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, most: usize) -> Result<Vec<Entry>, StoreError> {
        let Open { entries, .. } = self.opened()?;
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
        for entry in entries.range(begin..).take(most) {
            let (key, value) = entry.into_inner().map_err(self.failed("read"))?;
            if !key.starts_with(&prefix) {
                break;
            }
            found.push((key[1..].to_vec(), value.to_vec()));
        }
        Ok(found)
    }

    fn commit(&self, changes: &Changes) -> Result<(), StoreError> {
        let reached = self.reached();
        check(changes.offset, changes.keys(), *reached)?;
        self.write(reached, changes.offset, changes.last_of_each_key().into_iter())
    }

    fn commit_all(&self, changes: &Stack) -> Result<(), StoreError> {
        let reached = self.reached();
        check(changes.offset(), changes.writes().map(|(key, _)| key), *reached)?;
        self.write(reached, changes.offset(), changes.writes())
    }

    fn offset(&self) -> Offset {
        *self.reached()
    }

    fn sync(&self) -> Result<Offset, StoreError> {
        // Commits that come while this syncs are durable too, but not promised.
        let reached = self.offset();
        let Open { database, entries } = self.opened()?;
        let synced = database.persist(PersistMode::SyncAll);
        drop((database, entries));
        match synced {
            Ok(()) => Ok(reached),
            Err(error) if is_of_the_disk(&error) => {
                drop(self.closing("sync")(fjall::Error::Poisoned));
                let cause = format!("{error}; check the disk, then start again");
                Err(StoreError::Books { what: "sync", path: self.folder.clone(), cause })
            }
            Err(error) => Err(self.closing("sync")(error)),
        }
    }
}

/// Says whether trying again later makes sense: there was too little of something, room above all, or one of the store's
/// own threads has failed, of which only opening it again tells why. What is not there, or not as it was written, stays so.
fn may_pass(error: &fjall::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, NotFound, UnexpectedEof};
    match error {
        fjall::Error::Poisoned => true,
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => {
            !matches!(error.kind(), InvalidData | InvalidInput | NotFound | UnexpectedEof)
        }
        _ => false,
    }
}

/// Says whether it was the disk that failed, not its room: then what was not synced may be gone, whatever is read.
fn is_of_the_disk(error: &fjall::Error) -> bool {
    matches!(error, fjall::Error::Io(error) if !means_full(error))
}

/// The store's own errors say little else than what they are made of.
fn in_words(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Poisoned => "an earlier write failed".to_owned(),
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => error.to_string(),
        other => other.to_string(),
    }
}

fn open_store(store: &Path, options: BooksOptions) -> Result<Open, fjall::Error> {
    let BooksOptions { cache_bytes, buffer_bytes } = options;
    // The first of several threads of theirs goes round and round while another one sorts layers of files.
    let database = Database::builder(store)
        .cache_size(cache_bytes)
        .max_journaling_size(MOST_UNFLUSHED)
        .worker_threads(1)
        .open()?;
    let tree = || KeyspaceCreateOptions::default().expect_point_read_hits(true).max_memtable_size(buffer_bytes);
    let entries = database.keyspace("books", tree)?;
    Ok(Open { database, entries })
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
    let Open { database, entries } = open_store(&making, options).map_err(|error| open_failed(folder, error))?;
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
        other => StoreError::Books { what: "open", path: folder.to_owned(), cause: in_words(&other) },
    }
}

fn entry_key(key: &[u8]) -> Vec<u8> {
    let mut place = Vec::with_capacity(1 + key.len());
    place.push(ENTRY);
    place.extend_from_slice(key);
    place
}

pub(super) fn read_offset(bytes: &[u8]) -> Option<Offset> {
    Some(Offset::new(u64::from_be_bytes(bytes.try_into().ok()?)))
}
