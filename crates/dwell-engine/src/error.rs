//! What can go wrong in a turn.

use dwell_store::{Offset, StoreError};

/// Why the engine cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The log or the books.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the log has dropped cannot be had from where it was kept.
    #[error("{why}")]
    Past {
        /// What is wrong, where, and how to mend it.
        why: String,
    },
    /// A record of the log is none of ours.
    #[error(
        "record {offset} of the log is no event: it was written by a newer version, or by something else; start the version that wrote it"
    )]
    BadRecord {
        /// Which one.
        offset: Offset,
    },
    /// A place in an app's feed that was dropped.
    #[error("the feed begins with number {first}: what came before was older than it is kept, and was dropped")]
    FeedDropped {
        /// With which number it begins.
        first: u64,
    },
    /// What the books hold under a key cannot be read.
    #[error(
        "the books of app {app} hold something unreadable of {what}: {cause}; restore the books from a copy, or remove their folder to make them anew from the log"
    )]
    BadBook {
        /// Whose.
        app: String,
        /// Of which user, or of what.
        what: String,
        /// Why.
        cause: String,
    },
}
