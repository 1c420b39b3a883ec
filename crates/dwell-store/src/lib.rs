//! The two durable things of the house.
//!
//! - A [`Log`] keeps opaque records in order and acknowledges an append only when it would survive a power cut. One sync
//!   of the disk serves every caller who came while the one before it was under way. [`DiskLog`] is the real one,
//!   [`MemoryLog`] is for tests.
//! - [`Books`] keep values under keys, and change in atomic batches that say up to which [`Offset`] of the log they
//!   reach. [`DiskBooks`] and [`MemoryBooks`].
//!
//! Books are not synced at every commit, and need not be: after a crash they are as they were after one of their
//! commits, with the offset of that commit, and the log is read again from there. Hence the log may drop only what lies
//! before the offset that [`Books::sync`] returned.
//!
//! What this crate never does: look into a record, ask for the time, or repair in silence. A tail that nobody was
//! promised is cut; anything else that is wrong is named, with its file, bytes and offsets, and opening is refused
//! unless the caller chose otherwise.
//!
//! Where to start: [`Log`], then `log/writer.rs` (what happens before an acknowledgement), then `log/recovery.rs` (what
//! happens after a crash).

#![forbid(unsafe_code)]

mod books;
mod disk;
mod error;
mod log;

pub use books::{Books, BooksCopied, BooksOptions, Changes, DiskBooks, Entry, MemoryBooks, Stack, Value};
#[cfg(feature = "simulation")]
pub use disk::simulated::{Crash, Faults, SimulatedDisk};
pub use disk::{Disk, DiskFile, FolderLock, RealDisk};
pub use error::{Damage, DamageKind, StoreError};
pub use log::{
    Append, Batch, Check, Counts, DiskLog, Log, LogOptions, MemoryLog, Offset, OnDamage, Past, Records, SegmentAbout,
    Verified,
};
