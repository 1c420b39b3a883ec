//! A small file that is read as a whole and replaced as a whole, by several processes.
//!
//! Whoever reads it sees the state before a change or after it, never between; after a crash there is the old file or
//! the new one. Changes wait for each other at a file of its own: the one that it guards is replaced, and a lock on what
//! was replaced would keep out nobody.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often a command looks whether it may change a file, and how long it waits between: ten seconds in all.
const TRIES: u32 = 500;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// Why a file could not be read or replaced.
///
/// It is as it was before, but for one case: when the folder cannot be synced, the new file is in its place, and nobody
/// knows whether it will be after a power cut.
#[derive(thiserror::Error, Debug)]
pub enum FileError {
    /// The machine refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is larger than any that we would write.
    #[error("{} would have {bytes} bytes, and at most {most} are read", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        most: u64,
    },
    /// Somebody else is changing the file, and does not finish.
    #[error("{} is held by another command; try again when it is done", path.display())]
    Busy {
        /// The file by which commands wait for each other.
        path: PathBuf,
    },
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> FileError {
    move |source| FileError::Io { doing, path: path.to_owned(), source }
}

/// By what a changed file is known without reading it.
///
/// The file is never written in place, so that each version has a number of its own on the disk; that, its time and its
/// length would all have to agree by chance for a change to be overlooked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    modified: SystemTime,
    length: u64,
    number: u64,
}

impl Seen {
    fn of(metadata: &std::fs::Metadata) -> std::io::Result<Self> {
        Ok(Seen { modified: metadata.modified()?, length: metadata.len(), number: number(metadata) })
    }
}

#[cfg(unix)]
fn number(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn number(_: &std::fs::Metadata) -> u64 {
    0
}

/// Looks which version of a file is there, if any.
pub fn look(path: &Path) -> Result<Option<Seen>, FileError> {
    match std::fs::metadata(path).and_then(|metadata| Seen::of(&metadata)) {
        Ok(seen) => Ok(Some(seen)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("look at", path)(error)),
    }
}

/// Reads a file of at most so many bytes; `None` where there is none.
pub fn read(path: &Path, most: u64) -> Result<Option<(Vec<u8>, Seen)>, FileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path)(error)),
    };
    let seen = file.metadata().and_then(|metadata| Seen::of(&metadata)).map_err(failed("look at", path))?;
    check_size(path, seen.length, most)?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(failed("read", path))?;
    Ok(Some((bytes, seen)))
}

fn check_size(path: &Path, bytes: u64, most: u64) -> Result<(), FileError> {
    if bytes <= most {
        return Ok(());
    }
    Err(FileError::TooLarge { path: path.to_owned(), bytes, most })
}

/// Waits until nobody else changes a file, and says so in a file beside it. It may be changed until the answer is dropped.
pub fn lock(path: &Path) -> Result<File, FileError> {
    let path = path.with_extension("lock");
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    let file = private(&mut options).open(&path).map_err(failed("open", &path))?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN_TRIES),
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
        }
    }
    Err(FileError::Busy { path })
}

/// Puts other bytes in place of a file, durably. Nobody but the owner may read it.
pub fn replace(path: &Path, bytes: &[u8], most: u64) -> Result<Seen, FileError> {
    let prepared = prepare(path, bytes, most)?;
    std::fs::rename(&prepared, path).map_err(failed("put a new file in place of", path))?;
    sync_folder(folder_of(path))?;
    std::fs::metadata(path).and_then(|metadata| Seen::of(&metadata)).map_err(failed("look at", path))
}

/// Writes the bytes beside the file. The name is always the same, so that crashes leave no more than one behind.
pub(crate) fn prepare(path: &Path, bytes: &[u8], most: u64) -> Result<PathBuf, FileError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let path = PathBuf::from(name);
    check_size(&path, bytes.len() as u64, most)?;
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    let mut file = private(&mut options).open(&path).map_err(failed("open", &path))?;
    file.write_all(bytes).map_err(failed("write", &path))?;
    file.sync_all().map_err(failed("sync", &path))?;
    Ok(path)
}

/// Makes a folder, and those above it that are missing. Each is known to the one above it when this returns.
pub fn make_folder(folder: &Path) -> Result<(), FileError> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    make_folder(folder_of(folder))?;
    match std::fs::create_dir(folder) {
        Ok(()) => {}
        // Another command made it a moment ago.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(error) => return Err(failed("make the folder", folder)(error)),
    }
    sync_folder(folder_of(folder))
}

fn folder_of(path: &Path) -> &Path {
    let above = path.parent().unwrap_or(Path::new(""));
    if above.as_os_str().is_empty() { Path::new(".") } else { above }
}

/// Lets nobody but the owner read what is opened.
#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Makes names in a folder survive a power cut.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> Result<(), FileError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

/// Windows knows no such thing.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<(), FileError> {
    Ok(())
}
