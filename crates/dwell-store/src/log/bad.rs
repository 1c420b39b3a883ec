//! Builds that are wrong on purpose, so that the tests can show that they would notice. All false in a real build.

/// Files are not synced.
pub(super) const NO_SYNC: bool = cfg!(feature = "bad-no-fsync");

/// Callers are answered before anything is written.
pub(super) const ACKNOWLEDGES_EARLY: bool = cfg!(feature = "bad-ack-early");

/// Folders are not synced.
pub(super) const NO_FOLDER_SYNC: bool = cfg!(feature = "bad-no-dir-fsync");

/// A sync that failed is tried again, and believed.
pub(super) const RETRIES_SYNC: bool = cfg!(feature = "bad-retry-fsync");

/// What was written before there was no room stays.
pub(super) const NO_ROLLBACK: bool = cfg!(feature = "bad-no-rollback");

/// Whatever is wrong with the last segment, it is cut there.
pub(super) const CUTS_MIDDLE: bool = cfg!(feature = "bad-cut-middle");

/// An append of several records is written as two frames.
pub(super) const HALVES: bool = cfg!(feature = "bad-half-append");

/// What is found at opening is shown to readers before it is durable.
pub(super) const NO_SYNC_ON_OPEN: bool = cfg!(feature = "bad-no-sync-on-open");
