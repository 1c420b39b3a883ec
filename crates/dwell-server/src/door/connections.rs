//! What became of connections, counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// Everything that was counted at the door since it was opened.
#[derive(Debug, Default)]
pub struct Connections {
    accepted: AtomicU64,
    ended: AtomicU64,
    refused: AtomicU64,
    slow: [AtomicU64; Slow::ALL.len()],
    unread: [AtomicU64; UNREAD.len()],
}

/// What somebody took too long for, by the word of the configuration that says how long it may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slow {
    /// The first byte of a connection, TLS included.
    FirstByte,
    /// All of a header.
    Header,
    /// All of a body. It is the only one that is answered before the connection is closed.
    Body,
    /// The next request.
    Idle,
}

impl Slow {
    /// All of them.
    pub const ALL: [Slow; 4] = [Slow::FirstByte, Slow::Header, Slow::Body, Slow::Idle];

    /// Returns the word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Slow::FirstByte => "first_byte",
            Slow::Header => "header",
            Slow::Body => "body",
            Slow::Idle => "idle",
        }
    }
}

/// What hyper says by itself to a request whose head it does not understand. What is none of these is `other`.
const UNREAD: [&str; 4] = ["400", "414", "431", "other"];

impl Connections {
    /// Counts one that found a place.
    pub(super) fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one of these whose place is free again.
    pub(super) fn end(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one that found none.
    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one that is closed because somebody took too long.
    pub(crate) fn time_out(&self, slow: Slow) {
        if let Some((_, count)) = Slow::ALL.iter().zip(&self.slow).find(|(other, _)| **other == slow) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a request whose head was not understood, by the digits of the status that it was answered with.
    pub(super) fn leave_unread(&self, status: &str) {
        let place = UNREAD.iter().position(|known| *known == status).unwrap_or(UNREAD.len() - 1);
        if let Some(count) = self.unread.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns how many have a place now.
    #[must_use]
    pub fn open(&self) -> u64 {
        // Those that ended are read first: who ends in between was accepted, too.
        let ended = self.ended.load(Ordering::Acquire);
        self.accepted().saturating_sub(ended)
    }

    /// Returns how many found a place so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// Returns how many found none so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Returns how many were closed so far because somebody took too long, and for what.
    #[must_use]
    pub fn timed_out(&self) -> [(&'static str, u64); Slow::ALL.len()] {
        let [first, header, body, idle] = &self.slow;
        let of = |slow: Slow, count: &AtomicU64| (slow.word(), count.load(Ordering::Relaxed));
        [of(Slow::FirstByte, first), of(Slow::Header, header), of(Slow::Body, body), of(Slow::Idle, idle)]
    }

    /// Returns how many requests were answered so far without having been understood, by the status.
    pub fn unread(&self) -> impl Iterator<Item = (&'static str, u64)> {
        UNREAD.iter().zip(&self.unread).map(|(status, count)| (*status, count.load(Ordering::Relaxed)))
    }
}
