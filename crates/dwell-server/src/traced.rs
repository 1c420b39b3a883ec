//! What of traces came to a collector and what did not, counted by whoever sends them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Spans since the start, whole ones.
#[derive(Debug, Default)]
pub struct Traced {
    sent: AtomicU64,
    dropped: AtomicU64,
}

impl Traced {
    /// Counts spans that a collector took.
    pub fn send_some(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts spans that found no room, or that no collector took.
    pub fn drop_some(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// Returns how many a collector took.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Returns how many were lost.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
