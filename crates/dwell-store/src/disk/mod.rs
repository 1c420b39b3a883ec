//! The calls that the log makes on a disk, and nothing else, so that a simulated one can stand in.

mod real;
#[cfg(feature = "simulation")]
pub(crate) mod simulated;

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

pub use real::RealDisk;

/// Folders and files, as the log needs them.
pub trait Disk: Send + Sync {
    /// Creates a folder, and those above it, durably. It may exist.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Takes the folder for the caller alone, until the lock is dropped. `WouldBlock` if somebody has it.
    fn lock(&self, folder: &Path) -> io::Result<Box<dyn FolderLock>>;

    /// Returns the names in a folder, in order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Creates a file that must not exist. It is not durable before [`Disk::sync_folder`].
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file that exists.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;

    /// Removes a file. It may come back after a crash, before [`Disk::sync_folder`].
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes durable which files are in a folder.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Returns how long it is.
    fn length(&self) -> io::Result<u64>;

    /// Reads from a place; fewer bytes than asked for at the end of the file, or at any time.
    fn read_at(&self, into: &mut [u8], place: u64) -> io::Result<usize>;

    /// Writes at a place; perhaps fewer bytes than given. One writer at a time.
    fn write_at(&self, parts: &[IoSlice<'_>], place: u64) -> io::Result<usize>;

    /// Cuts it, or lengthens it with zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Makes what was written durable, and the length with it.
    fn sync(&self) -> io::Result<()>;
}

/// A folder that is taken. Dropping it gives the folder back.
pub trait FolderLock: Send + Sync {}

/// The most parts that go into one call.
const MOST_PARTS: usize = 1024;

/// Writes all parts at a place, in as few calls as there can be.
pub(crate) fn write_all_at(file: &dyn DiskFile, parts: &mut [IoSlice<'_>], mut place: u64) -> io::Result<()> {
    let mut left = parts;
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        let now = left.len().min(MOST_PARTS);
        match file.write_at(&left[..now], place) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                place += written as u64;
                IoSlice::advance_slices(&mut left, written);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads until the buffer is full or the file ends, and returns how much was read.
pub(crate) fn read_up_to(file: &dyn DiskFile, into: &mut [u8], place: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], place + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Says whether an error means that there is no room, so that trying again later makes sense.
pub(crate) fn means_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}
