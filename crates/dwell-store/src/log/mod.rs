//! An append-only log of opaque records.

mod bad;
mod batch;
mod copy;
mod disk_log;
mod frame;
mod manifest;
mod memory;
mod queue;
mod recovery;
mod scan;
mod segment;
mod shelf;
mod tail;
mod ticket;
mod writer;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

pub use batch::{Batch, Records};
pub use disk_log::{DiskLog, SegmentAbout, Verified};
pub use memory::MemoryLog;
pub use tail::Past;
pub use ticket::Append;

use crate::error::StoreError;

/// The number of a record: the first has 0, and there are no gaps but where damage was set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(u64);

impl Offset {
    /// The first offset of any log.
    pub const ZERO: Offset = Offset(0);

    /// The offset with this number.
    pub const fn new(number: u64) -> Offset {
        Offset(number)
    }

    /// Its number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The offset so many records later.
    pub const fn plus(self, records: u64) -> Offset {
        Offset(self.0.saturating_add(records))
    }

    /// How many records lie between an earlier offset and this one.
    pub const fn since(self, earlier: Offset) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Records in order, kept.
pub trait Log: Send + Sync {
    /// Appends records together, and returns at once: the answer is ready when they are durable.
    ///
    /// The answer is the offset of the first record; the others follow it without a gap. An answer of
    /// [`StoreError::Busy`], [`StoreError::Full`] or [`StoreError::TooLarge`] means that nothing was kept. After any other
    /// error it is not known whether they were, and the same records must be told apart when they are sent again.
    fn append(&self, batch: Batch) -> Append;

    /// Reads durable records from an offset, up to so many bytes, but at least one if there is one.
    ///
    /// Empty at the end of the log. An error where reading can not go on is given only when nothing was read before it.
    fn read(&self, from: Offset, most: usize) -> Result<Records, StoreError>;

    /// The oldest record there is.
    fn first(&self) -> Offset;

    /// The offset after the last durable record.
    fn next(&self) -> Offset;

    /// Blocks until there is a durable record at this offset, for so long at most, and returns [`Log::next`].
    ///
    /// Returns early when the log is closed or has stopped acknowledging: nothing will come.
    fn wait_past(&self, offset: Offset, longest: Duration) -> Offset;

    /// The same to be awaited. Ready at once if the record is there.
    fn past(&self, offset: Offset) -> Past;

    /// Lets go of records before an offset, in large pieces: some of them may stay. Returns the oldest that did.
    ///
    /// Records from the offset on always stay. Blocks until it is done, behind the appends that wait.
    fn drop_before(&self, offset: Offset) -> Result<Offset, StoreError>;
}

/// What to believe of closed segments at opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// That they are sound, if they begin and end as they must. Damage inside is found when it is read, or by
    /// [`DiskLog::verify`]. Opening takes as long as there are segments.
    Ends,
    /// Nothing: every byte is read and checked.
    All,
}

/// What to do about damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDamage {
    /// Do not open, change nothing, and say what is damaged.
    Refuse,
    /// Open, and keep the damaged records away from readers: [`StoreError::Quarantined`]. Must be chosen at every
    /// opening, for as long as the damaged segments are there. Nothing damaged is changed or removed.
    Quarantine,
}

/// Bounds and choices of a [`DiskLog`].
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The largest a segment gets. An append must fit into one.
    pub segment_bytes: usize,
    /// What may wait to be written. Beyond it appends are refused as [`StoreError::Busy`].
    pub queue_bytes: usize,
    /// What is written with one sync.
    pub group_bytes: usize,
    /// What to believe at opening.
    pub check: Check,
    /// What to do about damage.
    pub on_damage: OnDamage,
    /// What makes the frames of a new log unlike those of any other. Drawn by [`LogOptions::default`]; give one where
    /// the same bytes are to come out each time.
    pub salt: u32,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions {
            segment_bytes: 64 << 20,
            queue_bytes: 64 << 20,
            group_bytes: 8 << 20,
            check: Check::Ends,
            on_damage: OnDamage::Refuse,
            salt: drawn(),
        }
    }
}

impl LogOptions {
    /// The least that a segment may hold.
    const LEAST: usize = 256;
    /// Places in a segment are written as 32 bits, and recovery reads a segment as a whole.
    const MOST: usize = 1 << 30;

    fn check(&self) -> Result<(), StoreError> {
        let bounds = [
            ("segment_bytes", self.segment_bytes, LogOptions::LEAST, LogOptions::MOST),
            ("queue_bytes", self.queue_bytes, 1, usize::MAX),
            ("group_bytes", self.group_bytes, 1, usize::MAX),
        ];
        for (name, value, least, most) in bounds {
            if value < least || most < value {
                return Err(StoreError::Option { name, value, least, most });
            }
        }
        Ok(())
    }
}

/// A number that nobody knows, from the seeds of the standard library's hash tables.
fn drawn() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish() as u32
}

/// What a [`DiskLog`] has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Appends that were acknowledged.
    pub appends: u64,
    /// Syncs of segments. Fewer than appends when callers come together.
    pub syncs: u64,
    /// Appends that found no room on the disk.
    pub full: u64,
    /// Appends that found the queue full.
    pub busy: u64,
}

#[derive(Default)]
struct Counters {
    appends: AtomicU64,
    syncs: AtomicU64,
    full: AtomicU64,
    busy: AtomicU64,
}
