//! A copy of books while they go on.

use std::path::Path;

use fjall::Readable;

use super::disk::{DiskBooks, ENTRY, OFFSET, Open, read_offset};
use super::{Books, Changes};
use crate::error::StoreError;
use crate::log::Offset;

/// How much goes into one commit of the copy.
const PIECE: usize = 1 << 20;
/// How many entries are read at once when the copy is read again.
const PAGE: usize = 1_000;

/// What was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BooksCopied {
    /// Up to where in the log they reach.
    pub offset: Offset,
    /// How many entries there are.
    pub entries: u64,
    /// The CRC-32C over all of them, in order.
    pub crc: u32,
}

impl BooksCopied {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.entries += 1;
        for part in [key, value] {
            self.crc = crc32c::crc32c_append(self.crc, &(part.len() as u64).to_le_bytes());
            self.crc = crc32c::crc32c_append(self.crc, part);
        }
    }
}

impl DiskBooks {
    /// Copies what the books hold at this moment into new books in a folder, durably, and reads the copy again.
    ///
    /// Commits go on meanwhile, and are not in it. Takes room for the whole copy, and keeps what is overwritten meanwhile on
    /// the disk until it is done. Fails if the folder holds books already, or if the copy is not what was copied.
    pub fn copy_to(&self, folder: &Path) -> Result<BooksCopied, StoreError> {
        let Open { database, entries } = self.opened()?;
        let snapshot = database.snapshot();
        let copy = DiskBooks::open(folder, self.options)?;
        let mut written = BooksCopied { offset: Offset::ZERO, entries: 0, crc: 0 };
        if copy.offset() != Offset::ZERO || !copy.scan(b"", None, 1)?.is_empty() {
            return Err(copy.wrong("the folder holds books already: choose an empty one"));
        }
        let mut piece = Changes::up_to(Offset::ZERO);
        let mut size = 0;
        for entry in snapshot.iter(&entries) {
            let (key, value) = entry.into_inner().map_err(self.failed("read"))?;
            if key.as_ref() == OFFSET {
                written.offset = read_offset(&value).ok_or_else(|| self.wrong("their offset cannot be read"))?;
            } else if let Some((&ENTRY, key)) = key.split_first() {
                written.add(key, &value);
                size += key.len() + value.len();
                piece.put(key, value.as_ref());
            }
            if PIECE < size {
                copy.commit(&std::mem::replace(&mut piece, Changes::up_to(Offset::ZERO)))?;
                size = 0;
            }
        }
        // Only with the last piece do they say up to where they reach.
        copy.commit(&Changes { offset: written.offset, ..piece })?;
        copy.sync()?;
        let read = copy.read_all()?;
        if read != written {
            return Err(copy.wrong("the copy is not what was copied: check the disk, then copy again"));
        }
        Ok(read)
    }

    /// Reads all entries, and says what they come to.
    pub fn read_all(&self) -> Result<BooksCopied, StoreError> {
        let mut read = BooksCopied { offset: self.offset(), entries: 0, crc: 0 };
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.scan(b"", after.as_deref(), PAGE)?;
            for (key, value) in &page {
                read.add(key, value);
            }
            match page.into_iter().next_back() {
                Some((key, _)) => after = Some(key),
                None => return Ok(read),
            }
        }
    }

    fn wrong(&self, cause: &str) -> StoreError {
        StoreError::Books { what: "copy", path: self.folder.clone(), cause: cause.to_owned() }
    }
}
