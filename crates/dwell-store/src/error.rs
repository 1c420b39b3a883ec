//! What can go wrong, where, and what mends it.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use crate::log::Offset;

/// Every way in which the log or the books can refuse.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too much is waiting to be written. Nothing of this append was kept.
    #[error("the log is busy: {waiting} bytes wait and at most {limit} may; send again shortly")]
    Busy {
        /// Bytes that wait already.
        waiting: usize,
        /// The bound of the queue.
        limit: usize,
    },
    /// There was no room on the disk. Nothing of this append was kept, and later ones work once there is room.
    #[error("no room on the disk for {}: free some space, then send again ({cause})", path.display())]
    Full {
        /// The file that could not grow.
        path: PathBuf,
        /// What the system said.
        cause: Arc<str>,
    },
    /// The disk failed to keep something. Whether this append was kept is not known until the log is opened again.
    #[error("the log stopped acknowledging, because the disk failed: {cause}; check the disk, then start again")]
    Poisoned {
        /// What the system said, about which file.
        cause: Arc<str>,
    },
    /// The log was closed before this was written.
    #[error("the log is closed")]
    Closed,
    /// One append, or one record of it, is larger than a segment may be.
    #[error("an append of {bytes} bytes is larger than the {limit} that fit into a segment: send less at once")]
    TooLarge {
        /// Its size as it would lie in the log.
        bytes: usize,
        /// The largest size.
        limit: usize,
    },
    /// Another process, or another part of this one, has the folder open.
    #[error("{} is open elsewhere: stop the other process, or choose another folder", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// Something that was durable is not as it was written. Nothing was cut or changed.
    #[error("{}", in_words(.0))]
    Damaged(Vec<Damage>),
    /// These records are damaged and were set aside when the log was opened. Reading goes on after them.
    #[error("records {} to {} are quarantined: go on reading at {}", offsets.start, offsets.end, offsets.end)]
    Quarantined {
        /// The records that cannot be had.
        offsets: Range<Offset>,
    },
    /// These records were dropped by retention.
    #[error("record {asked} was dropped: the log begins at {first}")]
    Dropped {
        /// Where reading was to begin.
        asked: Offset,
        /// The oldest record there is.
        first: Offset,
    },
    /// There is no such record yet.
    #[error("record {asked} is not written yet: the log ends before {next}")]
    Beyond {
        /// Where reading was to begin.
        asked: Offset,
        /// The offset that the next record will get.
        next: Offset,
    },
    /// The file was written by a version that is not known here.
    #[error("{} has format version {found}, and {known} is known here: use the version of Dwell that wrote it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
        /// What is understood.
        known: u32,
    },
    /// A bound in the options makes no sense.
    #[error("{name} is {value}, and must be from {least} to {most}")]
    Option {
        /// The option.
        name: &'static str,
        /// What was asked for.
        value: usize,
        /// The least that works.
        least: usize,
        /// The most that works.
        most: usize,
    },
    /// The system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The embedded store under the books refused.
    #[error("cannot {what} the books in {}: {cause}", path.display())]
    Books {
        /// What was tried, as a verb.
        what: &'static str,
        /// The folder of the books.
        path: PathBuf,
        /// What the store said.
        cause: String,
    },
    /// The books could not be written, and were closed. Nothing is lost: they can be opened again, see
    /// [`DiskBooks::mend`](crate::DiskBooks::mend), and the log is read again from where they are then.
    #[error("cannot {what} the books in {}: {cause}; free some space: they are tried again by themselves", path.display())]
    BooksClosed {
        /// What was tried, as a verb.
        what: &'static str,
        /// The folder of the books.
        path: PathBuf,
        /// What the store or the system said.
        cause: String,
    },
    /// A commit of books would go back in the log.
    #[error("the books reach {reached} and a commit says {given}: offsets of commits never fall")]
    Backwards {
        /// Up to where the books reach.
        reached: Offset,
        /// What the commit says.
        given: Offset,
    },
}

impl StoreError {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.into();
        move |source| StoreError::Io { what, path, source }
    }

    /// Says whether the same can succeed later without anybody starting anything again.
    pub fn passes_by_itself(&self) -> bool {
        matches!(self, StoreError::Busy { .. } | StoreError::Full { .. } | StoreError::BooksClosed { .. })
    }
}

/// One thing that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What it is.
    pub kind: DamageKind,
    /// The file, which may be missing.
    pub path: PathBuf,
    /// The bytes of the file that cannot be trusted.
    pub bytes: Range<u64>,
    /// The records that cannot be had because of it. Empty if all can.
    pub offsets: Range<Offset>,
}

/// What is wrong with a part of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The beginning of a segment is not what was written.
    Header,
    /// Records are not what was written.
    Records,
    /// A closed segment does not end as it was closed.
    Footer,
    /// A segment is not there.
    Missing,
    /// There is a segment with records that the manifest does not know.
    Unknown,
    /// The list of what segments there are is not what was written.
    Manifest,
}

impl DamageKind {
    fn words(self) -> &'static str {
        match self {
            DamageKind::Header => "its header is damaged",
            DamageKind::Records => "records are damaged",
            DamageKind::Footer => "its footer is damaged",
            DamageKind::Missing => "the segment is missing",
            DamageKind::Unknown => "it holds records that the manifest does not know",
            DamageKind::Manifest => "the manifest is damaged",
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{}: {} (bytes {} to {}",
            self.path.display(),
            self.kind.words(),
            self.bytes.start,
            self.bytes.end
        )?;
        if self.offsets.is_empty() {
            write!(out, ", no record lost)")
        } else {
            write!(out, ", records {} to {})", self.offsets.start, self.offsets.end)
        }
    }
}

fn in_words(damage: &[Damage]) -> String {
    let each: Vec<String> = damage.iter().map(Damage::to_string).collect();
    format!(
        "the log is damaged and was left as it is: {}; restore these files from a copy, or open with quarantine to go on \
         without these records",
        each.join("; ")
    )
}
