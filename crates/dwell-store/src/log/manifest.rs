//! Which segments there must be: the file `manifest`, so that a segment that is missing is missed.
//!
//! ```text
//! slot = magic u64, version u32, salt u32, sequence u64, first offset u64, last offset u64, zero u32, crc u32   (48 bytes)
//! ```
//!
//! It has two slots in two pages, written in turn: a crash can only tear the one that is being written, and writing needs
//! no new room on a full disk. `first` and `last` are the first offsets of the oldest and of the newest segment. A segment
//! is created durably before it is written here, gets records only after that, and is removed only after it was struck out.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::frame::{VERSION, u32_at, u64_at};
use super::{Offset, bad};
use crate::disk::{Disk, DiskFile, read_up_to, write_all_at};
use crate::error::StoreError;

/// Its name.
pub(super) const NAME: &str = "manifest";

const MAGIC: u64 = u64::from_le_bytes(*b"DWELLMAN");
const SLOT: usize = 48;
/// Slots lie in pages of their own.
const APART: u64 = 4096;
const SLOTS: u64 = 2;

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub salt: u32,
    pub first: Offset,
    pub last: Offset,
}

/// The open file.
pub(super) struct ManifestFile {
    file: Arc<dyn DiskFile>,
    pub path: PathBuf,
    sequence: u64,
    pub says: Manifest,
}

/// What was found.
pub(super) enum Found {
    Absent,
    Damaged,
    Valid(ManifestFile),
}

impl ManifestFile {
    pub fn find(disk: &dyn Disk, folder: &Path, names: &[String]) -> Result<Found, StoreError> {
        let path = folder.join(NAME);
        if !names.iter().any(|name| name == NAME) {
            return Ok(Found::Absent);
        }
        let file = disk.open(&path).map_err(StoreError::io("open", &path))?;
        let mut best: Option<(u64, Manifest)> = None;
        for slot in 0..SLOTS {
            let mut bytes = [0; SLOT];
            let read = read_up_to(&*file, &mut bytes, slot * APART).map_err(StoreError::io("read", &path))?;
            if read < SLOT || !is_sound(&bytes) {
                continue;
            }
            let found = u32_at(&bytes, 8);
            if found != VERSION {
                return Err(StoreError::Version { path, found, known: VERSION });
            }
            let sequence = u64_at(&bytes, 16);
            if best.is_none_or(|(best, _)| best < sequence) {
                let first = Offset::new(u64_at(&bytes, 24));
                let last = Offset::new(u64_at(&bytes, 32));
                best = Some((sequence, Manifest { salt: u32_at(&bytes, 12), first, last }));
            }
        }
        Ok(match best {
            None => Found::Damaged,
            Some((sequence, says)) => Found::Valid(ManifestFile { file, path, sequence, says }),
        })
    }

    /// Makes a new one, with both slots written and durable. There must be none.
    pub fn create(disk: &dyn Disk, folder: &Path, says: Manifest) -> Result<ManifestFile, StoreError> {
        let path = folder.join(NAME);
        let file = disk.create(&path).map_err(StoreError::io("create", &path))?;
        let mut manifest = ManifestFile { file, path, sequence: 0, says };
        manifest.write(says)?;
        manifest.write(says)?;
        if !bad::NO_FOLDER_SYNC {
            disk.sync_folder(folder).map_err(StoreError::io("sync", folder))?;
        }
        Ok(manifest)
    }

    /// Says the same again, in the same slot, so that it is durable for sure.
    ///
    /// After a sync that failed, in a process that is no more, the system may show a slot that never reached the disk. The
    /// other slot is the one that did, and must not be touched before.
    pub fn affirm(&mut self) -> Result<(), StoreError> {
        self.put(self.sequence, self.says)
    }

    /// Says something else, durably.
    pub fn write(&mut self, says: Manifest) -> Result<(), StoreError> {
        self.put(self.sequence + 1, says)
    }

    fn put(&mut self, sequence: u64, says: Manifest) -> Result<(), StoreError> {
        let mut bytes = [0; SLOT];
        bytes[0..8].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&says.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&sequence.to_le_bytes());
        bytes[24..32].copy_from_slice(&says.first.number().to_le_bytes());
        bytes[32..40].copy_from_slice(&says.last.number().to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..44]);
        bytes[44..48].copy_from_slice(&crc.to_le_bytes());
        write_all_at(&*self.file, &mut [IoSlice::new(&bytes)], (sequence % SLOTS) * APART)
            .map_err(StoreError::io("write", &self.path))?;
        if !bad::NO_SYNC {
            self.file.sync().map_err(StoreError::io("sync", &self.path))?;
        }
        self.sequence = sequence;
        self.says = says;
        Ok(())
    }
}

fn is_sound(bytes: &[u8; SLOT]) -> bool {
    u64_at(bytes, 0) == MAGIC && u32_at(bytes, 44) == crc32c::crc32c(&bytes[..44])
}
