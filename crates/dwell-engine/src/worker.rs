//! The turn: read a batch of the log, load the books of the users in it, step them, and write all of it at once.

mod erase;

use std::ops::RangeInclusive;
use std::sync::Arc;

use dwell_core::time::{Span, Timestamp};
use dwell_store::{Books, Changes, Log, Offset, StoreError};

use crate::book::Fill;
use crate::cache::Cache;
use crate::erased::Erased;
use crate::error::EngineError;
use crate::keys;
use crate::laws::Breaches;
use crate::past::{Found, Past, kept};
use crate::record::Heading;
use crate::restate::Restatement;
use crate::rules::RulesOf;
use crate::sweep::{self, Sweep, Swept};
use crate::trailing::{MostHeld, Trailing};
use crate::turn::{Due, Taken, Turn};
pub use erase::FeedErasure;

/// How many deadlines one turn takes.
const TURN_DEADLINES: usize = 200_000;

/// How many it looks at before it looks at more.
const FIRST_DEADLINES: usize = 64;

/// How many bytes of the log a turn reads at most, with little memory and with much.
const SMALL_TURN: u64 = 64 << 20;
const LARGE_TURN: u64 = 256 << 20;

/// For so many bytes of books in memory a turn is to have one user at most: about as much as one takes while it is under way.
const BYTES_OF_A_USER: u64 = 1 << 10;

/// So few users in a turn are never too many.
const LEAST_USERS: u64 = 1 << 16;

/// How few bytes of the log a turn reads at least, however many users there were in the last one.
const LEAST_TURN: usize = 1 << 20;

/// So many bytes of what turns have written are held, with little memory, before they are committed.
const LEAST_HELD: u64 = 256 << 20;

/// Of the time by which the engine is late, what turns have written is held for a quarter. So whoever asks, and whoever is told,
/// waits for little longer than the engine makes them wait anyway.
const HELD_PART: i64 = 4;

/// The only writer of the books.
pub struct Worker {
    log: Arc<dyn Log>,
    /// Where events are that the log has dropped.
    past: Option<Box<dyn Past>>,
    books: Trailing,
    rules: Arc<dyn RulesOf>,
    options: WorkerOptions,
    cache: Cache,
    /// How many bytes of the log the next turn reads at most.
    turn_bytes: usize,
    /// No deadline is listed before this one. What was deleted before it need not be passed over again.
    first_deadline: Timestamp,
    /// Laws that did not hold since somebody asked.
    breaches: Breaches,
}

/// How much a [`Worker`] takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WorkerOptions {
    /// How many bytes of the log one turn reads at most, if one record is not longer. The turn itself takes several times
    /// as much in memory.
    pub turn_bytes: usize,
    /// A turn reads less when the one before it had more users than these: each takes memory, whatever they did.
    pub turn_users: usize,
    /// How many bytes of books are kept in memory from one turn to the next.
    pub cache_bytes: u64,
    /// On how many threads users are stepped at most.
    pub threads: usize,
    /// Fewer users than these in a turn are not worth another thread.
    pub users_a_thread: usize,
    /// How many events are kept at hand.
    pub fill: Fill,
    /// While so many events wait, what turns write is held until there is much of it or it is old, and nobody waits for the disk.
    pub behind: u64,
    /// So many bytes are held at most, or little more, and what so many turns have written.
    pub held_bytes: usize,
    /// See there.
    pub held_turns: usize,
    /// For so long it is held where it is held at all, and longer where the engine is late by several times as much.
    pub held_for: Span,
}

impl WorkerOptions {
    /// What suits an engine that may keep so many bytes of books: with more memory, it takes larger turns while it is behind, and
    /// holds more of what they have written.
    #[must_use]
    pub fn within(cache_bytes: u64) -> Self {
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        WorkerOptions {
            turn_bytes: bytes((cache_bytes / 2).clamp(SMALL_TURN, LARGE_TURN)),
            turn_users: bytes((cache_bytes / BYTES_OF_A_USER).max(LEAST_USERS)),
            cache_bytes,
            threads: 2,
            users_a_thread: 1_000,
            fill: Fill::default(),
            behind: 20_000,
            held_bytes: bytes((2 * cache_bytes).max(LEAST_HELD)),
            held_turns: 16,
            held_for: Span::from_secs(1),
        }
    }

    /// Returns how many bytes of the log the next turn reads at most, after one that read so many, of so many users: as much as would
    /// have had as many users as a turn may have. It grows to twice as much at once, not more, since the next users may be others.
    fn next_turn(&self, turn_bytes: usize, bytes_read: usize, users: usize) -> usize {
        let suits = (bytes_read as u64).saturating_mul(self.turn_users as u64).checked_div(users as u64);
        let suits = suits.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX);
        suits.min(turn_bytes.saturating_mul(2)).max(LEAST_TURN).min(self.turn_bytes)
    }
}

impl Default for WorkerOptions {
    /// What suits 256 MiB of books.
    fn default() -> Self {
        WorkerOptions::within(256 << 20)
    }
}

/// Events that are not taken since whoever did them was erased.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct PassedOver {
    /// That were found.
    pub here: u64,
    /// That are not where they were kept any more.
    pub gone: u64,
}

/// What a turn did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turned {
    /// How many events were read.
    pub events: u64,
    /// How many deadlines had passed.
    pub deadlines: u64,
    /// How many records could not be had, because the log is damaged there.
    pub lost: u64,
}

impl Turned {
    /// Says whether there was nothing to do.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.events == 0 && self.deadlines == 0 && self.lost == 0
    }
}

impl Worker {
    /// Takes the log and the books that follow it.
    #[must_use]
    pub fn new(log: Arc<dyn Log>, books: Arc<dyn Books>, rules: Arc<dyn RulesOf>, options: WorkerOptions) -> Self {
        let cache = Cache::new(options.cache_bytes, options.threads);
        Worker {
            log,
            past: None,
            books: Trailing::new(books),
            rules,
            options,
            cache,
            turn_bytes: options.turn_bytes.min(SMALL_TURN as usize),
            first_deadline: Timestamp::MIN,
            breaches: Breaches::default(),
        }
    }

    /// Reads from there what the log has dropped. Without it, that is an error.
    #[must_use]
    pub fn with_past(self, past: Box<dyn Past>) -> Self {
        Worker { past: Some(past), ..self }
    }

    /// Takes one turn at `now`: events first, then the deadlines that had passed when the last of them came in.
    ///
    /// After an error nothing has changed since the last turn whose changes reached the books, and it may be tried again:
    /// while many events wait, that may be several turns ago.
    pub fn turn(&mut self, now: Timestamp) -> Result<Turned, EngineError> {
        self.turn_before(None, now)
    }

    /// The same, but that nothing is read from an offset on. It must not have been reached yet: whoever set it does what they set
    /// it for first.
    pub fn turn_before(&mut self, end: Option<Offset>, now: Timestamp) -> Result<Turned, EngineError> {
        let turned = self.try_turn(end, now);
        if turned.is_err() {
            self.let_go();
        }
        turned
    }

    /// Forgets what the books may not hold.
    fn let_go(&mut self) {
        self.books.forget();
        self.cache.clear();
        self.first_deadline = Timestamp::MIN;
    }

    fn try_turn(&mut self, end: Option<Offset>, now: Timestamp) -> Result<Turned, EngineError> {
        let began = now;
        let up_to = |next: Offset| end.map_or(next, |end| end.min(next));
        let found = match self.find_some(end) {
            Err(EngineError::Store(StoreError::Quarantined { offsets })) => return self.skip(up_to(offsets.end)),
            found => found?,
        };
        let (mut events, mut bytes_read) = (Vec::with_capacity(found.len()), 0);
        for (offset, bytes) in found.iter().filter(|(offset, _)| end.is_none_or(|end| *offset < end)) {
            bytes_read += bytes.len();
            events.push(Heading::read(offset, bytes)?);
        }
        let next = up_to(found.next());
        // What was said before a deadline counts, even when it is read after it: while events are read, it is as late as
        // the last of them came in.
        let now = events.last().map_or(now, |last| now.min(Timestamp::from_micros(last.received_at)));
        let (books, first_deadline) = (&self.books, self.first_deadline);
        if events.is_empty() && due(books, first_deadline, now)?.is_empty() {
            return Ok(Turned { events: 0, deadlines: 0, lost: 0 });
        }
        let turn = Turn::new(books, &mut self.cache, self.rules.as_ref(), self.options, &events);
        let taken = turn.take(|| due(books, first_deadline, now), now, next)?;
        let Taken { changes, users, deadlines, first_listed, breaches } = taken;
        self.turn_bytes = self.options.next_turn(self.turn_bytes, bytes_read, users);
        if self.has_caught_up(next) {
            self.books.commit(&changes)?;
        } else {
            let WorkerOptions { held_bytes: bytes, held_turns: turns, held_for, .. } = self.options;
            let time = held_for.max(Span::from_micros(began.since(now).as_micros() / HELD_PART));
            let most = MostHeld { bytes, turns, time };
            self.books.hold(changes, began, most)?;
        }
        self.breaches.append(breaches);
        if deadlines < TURN_DEADLINES {
            // All up to now have rung.
            self.first_deadline = now;
        }
        self.first_deadline = self.first_deadline.min(first_listed.unwrap_or(Timestamp::MAX));
        Ok(Turned { events: events.len() as u64, deadlines: deadlines as u64, lost: 0 })
    }

    /// Reads what comes next, and goes on past what was kept and is nothing: it is no time for bells before the next event is known.
    fn find_some(&mut self, end: Option<Offset>) -> Result<Found, EngineError> {
        loop {
            let from = self.books.offset();
            let found = self.find(from)?;
            let next = end.map_or(found.next(), |end| end.min(found.next()));
            if next <= from || found.iter().next().is_some_and(|(offset, _)| offset < next) {
                return Ok(found);
            }
            self.books.commit(&Changes::up_to(next))?;
        }
    }

    /// Reads from an offset on, out of the log or of what was kept of it.
    fn find(&mut self, from: Offset) -> Result<Found, EngineError> {
        let most = self.turn_bytes;
        match (self.log.read(from, most), &mut self.past) {
            (Err(StoreError::Dropped { first, .. }), Some(past)) => {
                Ok(Found::Past(kept(past.as_mut(), from, first, most)?))
            }
            (records, _) => Ok(Found::Log(records?)),
        }
    }

    /// Returns up to where the log has been read.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.books.offset()
    }

    /// Says whether so many events wait that what turns write is held.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.has_caught_up(self.books.offset())
    }

    fn has_caught_up(&self, offset: Offset) -> bool {
        self.log.next().since(offset) < self.options.behind
    }

    /// Returns the laws that did not hold for what was stated since the last call. What is stated once more after an error
    /// is counted once more.
    pub fn take_breaches(&mut self) -> Breaches {
        std::mem::take(&mut self.breaches)
    }

    /// Makes all turns so far durable by themselves, and returns up to where the log is needed no more.
    pub fn sync(&mut self) -> Result<Offset, EngineError> {
        let synced = self.books.sync();
        if synced.is_err() {
            self.let_go();
        }
        Ok(synced?)
    }

    /// Takes one turn with the events of one app before an offset of the log, and nothing else; says how many are missing.
    pub(crate) fn turn_of(&mut self, app: &str, until: Offset, erased: &Erased) -> Result<PassedOver, EngineError> {
        let turned = self.try_turn_of(app, until, erased);
        if turned.is_err() {
            self.let_go();
        }
        turned
    }

    fn try_turn_of(&mut self, app: &str, until: Offset, erased: &Erased) -> Result<PassedOver, EngineError> {
        let found = match self.find(self.books.offset()) {
            Err(EngineError::Store(StoreError::Quarantined { offsets })) => {
                self.books.wait()?;
                self.books.commit(&Changes::up_to(offsets.end.min(until)))?;
                return Ok(PassedOver::default());
            }
            found => found?,
        };
        let mut passed_over = PassedOver { here: 0, gone: found.removed() };
        let mut events = Vec::new();
        for (offset, bytes) in found.iter().filter(|(offset, _)| *offset < until) {
            let heading = Heading::read(offset, bytes)?;
            if heading.app != app {
                continue;
            }
            match erased.leaves(heading.record()?, offset) {
                Some(record) => events.push(heading.with(record.link_from)),
                None => passed_over.here += 1,
            }
        }
        let turn = Turn::new(&self.books, &mut self.cache, self.rules.as_ref(), self.options, &events);
        let taken = turn.take(|| Ok(Vec::new()), Timestamp::MIN, found.next().min(until))?;
        self.first_deadline = Timestamp::MIN;
        self.books.begin(taken.changes)?;
        self.breaches.append(taken.breaches);
        Ok(passed_over)
    }

    /// Rings for those who are due at `now`, for some of them where there are many, and says for how many.
    pub(crate) fn ring(&mut self, now: Timestamp) -> Result<usize, EngineError> {
        let (books, first) = (&self.books, self.first_deadline);
        let turn = Turn::new(books, &mut self.cache, self.rules.as_ref(), self.options, &[]);
        let taken = turn.take(|| due(books, first, now), now, books.offset())?;
        self.books.commit(&taken.changes)?;
        self.breaches.append(taken.breaches);
        Ok(taken.deadlines)
    }

    /// Returns how many events of its app were counted here, and how many a restatement has found: at least, and with those that
    /// were there once and are gone since whoever did them was erased. Where it is none of these, log and archive do not hold what
    /// is in the books, or the books do not hold what is in these.
    pub fn events_of(&self, restatement: &Restatement) -> Result<(u64, RangeInclusive<u64>), EngineError> {
        restatement.events(&self.books)
    }

    /// Takes over some more of a restatement, at most about so many keys, and says whether all is done. Until then no turn
    /// may be taken. What differs is told in the feed as at `now`.
    pub fn take_over(
        &mut self,
        restatement: &mut Restatement,
        now: Timestamp,
        most: usize,
    ) -> Result<bool, EngineError> {
        self.books.wait()?;
        self.let_go();
        self.breaches.append(restatement.take_breaches());
        restatement.take_over(&self.books, now, most)
    }

    /// Drops what is old from the beginning of an app's feed, at most so many statements. To be called between two turns.
    ///
    /// What was dropped is durable as a turn is. After an error nothing was dropped, and it may be tried again.
    pub fn sweep(&mut self, app: &str, sweep: Sweep, most: usize) -> Result<Swept, EngineError> {
        let swept = self.try_sweep(app, sweep, most);
        if swept.is_err() {
            self.let_go();
        }
        swept
    }

    fn try_sweep(&mut self, app: &str, sweep: Sweep, most: usize) -> Result<Swept, EngineError> {
        let (changes, swept) = sweep::sweep(&self.books, app, sweep, most)?;
        if 0 < swept.dropped {
            self.books.commit(&changes)?;
        }
        Ok(swept)
    }

    fn skip(&self, end: Offset) -> Result<Turned, EngineError> {
        let lost = end.since(self.books.offset());
        self.books.commit(&Changes::up_to(end))?;
        Ok(Turned { events: 0, deadlines: 0, lost })
    }
}

/// Returns who is listed under a deadline that has passed, so many of them at most as one turn takes.
fn due(books: &Trailing, first: Timestamp, now: Timestamp) -> Result<Vec<Due>, EngineError> {
    let (mut due, mut after) = (Vec::new(), keys::before_deadlines(first));
    // Most often few have passed: then few of those to come are looked at.
    let mut page = FIRST_DEADLINES;
    while due.len() < TURN_DEADLINES {
        let most = page.min(TURN_DEADLINES - due.len());
        let mut listed = books.scan(&keys::deadlines(), Some(&after), most)?;
        for (key, _) in &listed {
            match keys::read_deadline(key) {
                Some(one) if one.0 <= now => due.push(one),
                Some(_) => return Ok(due),
                None => {}
            }
        }
        match listed.pop() {
            Some((last, _)) if listed.len() + 1 == most => after = last,
            _ => break,
        }
        page *= 4;
    }
    Ok(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn a_turn_of_too_many_users_is_followed_by_a_smaller_one() {
        let options = WorkerOptions::within(512 << 20);
        assert_eq!((options.turn_bytes, options.turn_users), (256 * MIB, 512 << 10));
        let next = |turn: usize, read: usize, users: usize| options.next_turn(turn * MIB, read * MIB, users) / MIB;
        assert_eq!(next(256, 256, 2 << 20), 64, "four times as many users as there may be");
        assert_eq!(next(64, 64, 512 << 10), 64, "as many as there may be");
        assert_eq!(next(64, 64, 400_000), 83, "a few less");
        assert_eq!(next(64, 64, 1_000), 128, "it grows to twice as much at once");
        assert_eq!(next(256, 256, 1_000), 256, "and never beyond what is allowed");
        assert_eq!(next(64, 0, 0), 128, "nobody at all");
        assert_eq!(next(2, 1, 1 << 30), 1, "it is never next to nothing");
        let small = WorkerOptions { turn_bytes: 1, ..options };
        assert_eq!(small.next_turn(1, 100, 1), 1);
    }
}
