//! The turn: read a batch of the log, load the books of the users in it, step them, and write all of it at once.

use std::sync::Arc;

use dwell_core::time::Timestamp;
use dwell_store::{Books, Changes, Log, Offset, StoreError};

use crate::book::Fill;
use crate::cache::Cache;
use crate::error::EngineError;
use crate::keys;
use crate::record::Record;
use crate::restate::Restatement;
use crate::rules::RulesOf;
use crate::trailing::Trailing;
use crate::turn::{Due, Taken, Turn};

/// How many deadlines one turn takes.
const TURN_DEADLINES: usize = 50_000;

/// The only writer of the books.
pub struct Worker {
    log: Arc<dyn Log>,
    books: Trailing,
    rules: Arc<dyn RulesOf>,
    options: WorkerOptions,
    cache: Cache,
    /// No deadline is listed before this one. What was deleted before it need not be passed over again.
    first_deadline: Timestamp,
}

/// How much a [`Worker`] takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WorkerOptions {
    /// How many bytes of the log one turn reads at most, if one record is not longer. What the turn itself takes in memory
    /// is about five times as much.
    pub turn_bytes: usize,
    /// How many bytes of books are kept in memory from one turn to the next.
    pub cache_bytes: u64,
    /// On how many threads users are stepped at most.
    pub threads: usize,
    /// Fewer users than these in a turn are not worth another thread.
    pub users_a_thread: usize,
    /// How many events are kept at hand.
    pub fill: Fill,
    /// While so many events wait, what turns write is held until there is much of it, and nobody waits for the disk.
    pub behind: u64,
    /// So many bytes are held at most, or little more, and what so many turns have written.
    pub held_bytes: usize,
    /// See there.
    pub held_turns: usize,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        WorkerOptions {
            turn_bytes: 64 << 20,
            cache_bytes: 256 << 20,
            threads: 2,
            users_a_thread: 1_000,
            fill: Fill::default(),
            behind: 20_000,
            held_bytes: 256 << 20,
            held_turns: 16,
        }
    }
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
        Worker { log, books: Trailing::new(books), rules, options, cache, first_deadline: Timestamp::MIN }
    }

    /// Takes one turn at `now`: events first, then the deadlines that had passed when the last of them came in.
    ///
    /// After an error nothing has changed since the last turn whose changes reached the books, and it may be tried again:
    /// while many events wait, that may be several turns ago.
    pub fn turn(&mut self, now: Timestamp) -> Result<Turned, EngineError> {
        let turned = self.try_turn(now);
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

    fn try_turn(&mut self, now: Timestamp) -> Result<Turned, EngineError> {
        let from = self.books.offset();
        let records = match self.log.read(from, self.options.turn_bytes) {
            Err(StoreError::Quarantined { offsets }) => return self.skip(offsets.end),
            records => records?,
        };
        let mut events = Vec::with_capacity(records.len());
        for (offset, bytes) in records.iter() {
            events.push(Record::read(bytes).ok_or(EngineError::BadRecord { offset })?);
        }
        // What was said before a deadline counts, even when it is read after it: while events are read, it is as late as
        // the last of them came in.
        let now = events.last().map_or(now, |last| now.min(Timestamp::from_micros(last.received_at)));
        let (books, first_deadline) = (&self.books, self.first_deadline);
        if events.is_empty() && due(books, first_deadline, now)?.is_empty() {
            return Ok(Turned { events: 0, deadlines: 0, lost: 0 });
        }
        let next = if events.is_empty() { from } else { records.next() };
        let turn = Turn::new(books, &mut self.cache, self.rules.as_ref(), self.options, &events);
        let taken = turn.take(|| due(books, first_deadline, now), now, next)?;
        let Taken { changes, deadlines, first_listed } = taken;
        if self.log.next().since(next) < self.options.behind {
            self.books.begin(changes)?;
            self.books.wait()?;
        } else {
            self.books.hold(changes, self.options.held_bytes, self.options.held_turns)?;
        }
        if deadlines < TURN_DEADLINES {
            // All up to now have rung.
            self.first_deadline = now;
        }
        self.first_deadline = self.first_deadline.min(first_listed.unwrap_or(Timestamp::MAX));
        Ok(Turned { events: events.len() as u64, deadlines: deadlines as u64, lost: 0 })
    }

    /// Returns up to where the log has been read.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.books.offset()
    }

    /// Makes all turns so far durable by themselves, and returns up to where the log is needed no more.
    pub fn sync(&mut self) -> Result<Offset, EngineError> {
        let synced = self.books.sync();
        if synced.is_err() {
            self.let_go();
        }
        Ok(synced?)
    }

    /// Takes one turn with the events of one app before an offset of the log, and nothing else.
    pub(crate) fn turn_of(&mut self, app: &str, until: Offset) -> Result<(), EngineError> {
        let turned = self.try_turn_of(app, until);
        if turned.is_err() {
            self.let_go();
        }
        turned
    }

    fn try_turn_of(&mut self, app: &str, until: Offset) -> Result<(), EngineError> {
        let records = match self.log.read(self.books.offset(), self.options.turn_bytes) {
            Err(StoreError::Quarantined { offsets }) => {
                self.books.wait()?;
                return Ok(self.books.commit(&Changes::up_to(offsets.end.min(until)))?);
            }
            records => records?,
        };
        let mut events = Vec::new();
        for (offset, bytes) in records.iter().filter(|(offset, _)| *offset < until) {
            let event = Record::read(bytes).ok_or(EngineError::BadRecord { offset })?;
            events.extend((event.app == app).then_some(event));
        }
        let turn = Turn::new(&self.books, &mut self.cache, self.rules.as_ref(), self.options, &events);
        let taken = turn.take(|| Ok(Vec::new()), Timestamp::MIN, records.next().min(until))?;
        self.first_deadline = Timestamp::MIN;
        Ok(self.books.begin(taken.changes)?)
    }

    /// Rings for those who are due at `now`, for some of them where there are many, and says for how many.
    pub(crate) fn ring(&mut self, now: Timestamp) -> Result<usize, EngineError> {
        let (books, first) = (&self.books, self.first_deadline);
        let turn = Turn::new(books, &mut self.cache, self.rules.as_ref(), self.options, &[]);
        let taken = turn.take(|| due(books, first, now), now, books.offset())?;
        self.books.begin(taken.changes)?;
        self.books.wait()?;
        Ok(taken.deadlines)
    }

    /// Returns how many events of its app were counted here, and how many by a restatement: where they differ, the log no longer
    /// holds what is in the books, or the books do not hold what is in the log.
    pub fn events_of(&self, restatement: &Restatement) -> Result<(u64, u64), EngineError> {
        restatement.events(&self.books)
    }

    /// Takes over some more of a restatement, at most about so many keys, and says whether all is done. Until then no turn
    /// may be taken.
    pub fn take_over(&mut self, restatement: &mut Restatement, most: usize) -> Result<bool, EngineError> {
        self.books.wait()?;
        self.let_go();
        restatement.take_over(&self.books, most)
    }

    fn skip(&self, end: Offset) -> Result<Turned, EngineError> {
        let lost = end.since(self.books.offset());
        self.books.commit(&Changes::up_to(end))?;
        Ok(Turned { events: 0, deadlines: 0, lost })
    }
}

/// Returns who is listed under a deadline that has passed.
fn due(books: &Trailing, first: Timestamp, now: Timestamp) -> Result<Vec<Due>, EngineError> {
    let listed = books.scan(&keys::deadlines(), Some(&keys::before_deadlines(first)), TURN_DEADLINES)?;
    let read = listed.iter().filter_map(|(key, _)| keys::read_deadline(key));
    Ok(read.take_while(|(at, _, _)| *at <= now).collect())
}
