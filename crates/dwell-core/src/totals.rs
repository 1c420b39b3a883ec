//! What all closed sessions of one user come to, kept by adding what is stated and taking back what is retracted.
//!
//! Both are exact, so that the totals are those of the sessions that are so, whatever was said on the way (law L7). Sums
//! go round at their end: even what does not fit comes back when it is taken back. What is first and what is latest
//! cannot be taken back from a single number; so the sessions that may still be retracted are kept, which are those
//! that [`Timeline::closed`] lists, and [`Totals::settle`] lets go of the others.

use alloc::vec::Vec;

use crate::bytes::{BadSnapshot, Flaw, Reader, Writer};
use crate::engagement::Parts;
use crate::time::{Span, Timestamp};
use crate::timeline::{Stated, Timeline};

/// The form that is written. Bytes of any other are refused.
const VERSION: u8 = 1;

/// The fewest bytes of a session that is kept.
const SMALLEST_BOUNDS: usize = 2;

/// Where a session lies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Bounds {
    started_at: Timestamp,
    ended_at: Timestamp,
}

impl Bounds {
    fn of(stated: &Stated) -> Self {
        let session = &stated.closed.session;
        Bounds { started_at: session.started_at, ended_at: session.ended_at }
    }
}

/// Where the sessions lie that are no longer kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Settled {
    first: Timestamp,
    latest: Bounds,
}

impl Settled {
    fn new(bounds: Bounds) -> Self {
        Settled { first: bounds.started_at, latest: bounds }
    }

    fn and(self, other: Settled) -> Self {
        let started_at = self.latest.started_at.max(other.latest.started_at);
        let ended_at = self.latest.ended_at.max(other.latest.ended_at);
        Settled { first: self.first.min(other.first), latest: Bounds { started_at, ended_at } }
    }
}

/// The totals of one user's closed sessions. An open one is not among them: it has not ended.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    sessions: u64,
    activities: u64,
    /// Microseconds of length, foreground, playing and idle time.
    length: u64,
    parts: [u64; 3],
    settled: Option<Settled>,
    /// The sessions that may still be retracted, in order.
    kept: Vec<Bounds>,
}

impl Totals {
    /// Adds a session that was stated.
    pub fn add(&mut self, stated: &Stated) {
        self.count(stated, u64::wrapping_add);
        let bounds = Bounds::of(stated);
        let place = self.kept.partition_point(|other| *other <= bounds);
        self.kept.insert(place, bounds);
    }

    /// Takes back a session that was added and is retracted.
    ///
    /// One that [`Totals::settle`] let go of is never retracted; if it is all the same, sums follow, and what is first
    /// and latest stays.
    pub fn take_back(&mut self, stated: &Stated) {
        self.count(stated, u64::wrapping_sub);
        if let Ok(place) = self.kept.binary_search(&Bounds::of(stated)) {
            self.kept.remove(place);
        }
    }

    /// Lets go of the sessions that can no longer be retracted, when a timeline has been settled: call it after
    /// [`Timeline::settle`], with the timeline that states these sessions.
    pub fn settle(&mut self, timeline: &Timeline<'_>) {
        self.settle_before(timeline.closed().next().map(|stated| stated.closed.session.started_at));
    }

    /// Lets go of the sessions that began before the first one that may still be retracted, or of all where none may: for
    /// whoever keeps a timeline in parts ([`Timeline::part`]).
    pub fn settle_before(&mut self, first: Option<Timestamp>) {
        let count = first.map_or(self.kept.len(), |first| self.kept.partition_point(|kept| kept.started_at < first));
        for bounds in self.kept.drain(..count) {
            let settled = Settled::new(bounds);
            self.settled = Some(self.settled.map_or(settled, |before| before.and(settled)));
        }
    }

    /// Adds the totals of another user who turns out to be the same person.
    ///
    /// Their sessions count as they were stated, also where they overlap, until the one timeline of both retracts them.
    pub fn merge(&mut self, other: &Totals) {
        self.sessions = self.sessions.wrapping_add(other.sessions);
        self.activities = self.activities.wrapping_add(other.activities);
        self.length = self.length.wrapping_add(other.length);
        for (part, more) in self.parts.iter_mut().zip(other.parts) {
            *part = part.wrapping_add(more);
        }
        self.settled = match (self.settled, other.settled) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        };
        self.kept.extend(&other.kept);
        self.kept.sort_unstable();
    }

    /// Returns how many sessions there are.
    #[must_use]
    pub const fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Returns how many activities they hold.
    #[must_use]
    pub const fn activities(&self) -> u64 {
        self.activities
    }

    /// Returns their length together.
    #[must_use]
    pub const fn length(&self) -> Span {
        span(self.length)
    }

    /// Returns the mean of their lengths, whole microseconds; `None` without a session.
    #[must_use]
    pub fn mean_length(&self) -> Option<Span> {
        self.length.checked_div(self.sessions).map(span)
    }

    /// Returns their foreground, playing and idle time.
    #[must_use]
    pub const fn parts(&self) -> Parts {
        let [foreground, playing, idle] = self.parts;
        Parts { foreground: span(foreground), playing: span(playing), idle: span(idle) }
    }

    /// Returns when the first of them began.
    #[must_use]
    pub fn first_started_at(&self) -> Option<Timestamp> {
        let kept = self.kept.first().map(|bounds| bounds.started_at);
        self.settled.map(|settled| settled.first).into_iter().chain(kept).min()
    }

    /// Returns when the latest of them began.
    #[must_use]
    pub fn latest_started_at(&self) -> Option<Timestamp> {
        let kept = self.kept.last().map(|bounds| bounds.started_at);
        self.settled.map(|settled| settled.latest.started_at).into_iter().chain(kept).max()
    }

    /// Returns when the last of them to end ended.
    #[must_use]
    pub fn latest_ended_at(&self) -> Option<Timestamp> {
        let kept = self.kept.iter().map(|bounds| bounds.ended_at);
        self.settled.map(|settled| settled.latest.ended_at).into_iter().chain(kept).max()
    }

    /// Appends the totals as bytes. The same totals give the same bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.byte(VERSION);
        writer.number(self.sessions);
        writer.number(self.activities);
        writer.number(self.length);
        self.parts.into_iter().for_each(|part| writer.number(part));
        writer.byte(u8::from(self.settled.is_some()));
        writer.stand_at(self.latest_started_at().unwrap_or(Timestamp::from_micros(0)));
        if let Some(Settled { first, latest }) = self.settled {
            writer.moment(first);
            writer.moment(latest.started_at);
            writer.moment(latest.ended_at);
        }
        writer.number(self.kept.len() as u64);
        for bounds in &self.kept {
            writer.moment(bounds.started_at);
            writer.later(bounds.started_at, bounds.ended_at);
        }
    }

    /// Reads what [`Totals::write`] wrote. No bytes make it panic, or take more than ten times their
    /// length in memory.
    pub fn read(bytes: &[u8]) -> Result<Totals, BadSnapshot> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(reader.bad(Flaw::Version));
        }
        let mut totals = Totals {
            sessions: reader.number(u64::MAX)?,
            activities: reader.number(u64::MAX)?,
            length: reader.number(u64::MAX)?,
            ..Totals::default()
        };
        for part in &mut totals.parts {
            *part = reader.number(u64::MAX)?;
        }
        let has_settled = match reader.byte()? {
            0 => false,
            1 => true,
            _ => return Err(reader.bad(Flaw::Word)),
        };
        reader.stand_at_what_is_said()?;
        if has_settled {
            let first = reader.moment()?;
            let latest = Bounds { started_at: reader.moment()?, ended_at: reader.moment()? };
            totals.settled = Some(Settled { first, latest });
        }
        let count = reader.count(SMALLEST_BOUNDS)?;
        totals.kept.reserve_exact(count);
        for _ in 0..count {
            let started_at = reader.moment()?;
            totals.kept.push(Bounds { started_at, ended_at: reader.later(started_at)? });
        }
        reader.end()?;
        if totals.kept.is_sorted() { Ok(totals) } else { Err(reader.bad(Flaw::Order)) }
    }

    /// Counts a session in or out of the sums.
    fn count(&mut self, stated: &Stated, change: fn(u64, u64) -> u64) {
        let session = &stated.closed.session;
        let micros = |span: Span| span.as_micros() as u64;
        self.sessions = change(self.sessions, 1);
        self.activities = change(self.activities, session.activities);
        self.length = change(self.length, micros(session.length()));
        let Parts { foreground, playing, idle } = session.parts;
        for (sum, part) in self.parts.iter_mut().zip([foreground, playing, idle]) {
            *sum = change(*sum, micros(part));
        }
    }
}

/// Returns microseconds as a span, or the longest there is.
const fn span(micros: u64) -> Span {
    Span::from_micros(if micros <= i64::MAX as u64 { micros as i64 } else { i64::MAX })
}
