//! The turn: read a batch of the log, load the books of the users in it, step them, and write all of it at once.

use std::collections::HashMap;
use std::sync::Arc;

use dwell_core::time::Timestamp;
use dwell_store::{Books, Changes, Log, Offset, StoreError};

use crate::error::EngineError;
use crate::keys;
use crate::record::Record;
use crate::rules::{AppRules, RulesOf};
use crate::turn::Turn;

/// How many bytes of the log one turn reads.
const TURN_BYTES: usize = 16 << 20;

/// How many deadlines one turn takes.
const TURN_DEADLINES: usize = 2_000;

/// The only writer of the books.
pub struct Worker {
    log: Arc<dyn Log>,
    books: Arc<dyn Books>,
    rules: Arc<dyn RulesOf>,
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
    pub fn new(log: Arc<dyn Log>, books: Arc<dyn Books>, rules: Arc<dyn RulesOf>) -> Self {
        Worker { log, books, rules }
    }

    /// Takes one turn at `now`: events first, then the deadlines that had passed when the last of them came in.
    pub fn turn(&self, now: Timestamp) -> Result<Turned, EngineError> {
        let from = self.books.offset();
        let records = match self.log.read(from, TURN_BYTES) {
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
        let due = self.due(now)?;
        if events.is_empty() && due.is_empty() {
            return Ok(Turned { events: 0, deadlines: 0, lost: 0 });
        }
        let rules = self.rules_of(events.iter().map(|event| event.app).chain(due.iter().map(|(app, _)| app.as_str())));
        let mut turn = Turn::new(self.books.as_ref(), &rules);
        turn.load(&events, &due)?;
        for event in &events {
            turn.observe(event)?;
        }
        for (app, user) in &due {
            turn.advance(app, user, now)?;
        }
        let next = if events.is_empty() { from } else { records.next() };
        self.books.commit(turn.end(next)?)?;
        Ok(Turned { events: events.len() as u64, deadlines: due.len() as u64, lost: 0 })
    }

    /// Returns up to where the log has been read.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.books.offset()
    }

    /// Makes all turns so far durable by themselves, and returns up to where the log is needed no more.
    pub fn sync(&self) -> Result<Offset, EngineError> {
        Ok(self.books.sync()?)
    }

    /// Returns when the next deadline passes.
    pub fn next_deadline(&self) -> Result<Option<Timestamp>, EngineError> {
        let first = self.books.scan(&keys::deadlines(), None, 1)?;
        Ok(first.first().and_then(|(key, _)| keys::read_deadline(key)).map(|(at, _, _)| at))
    }

    fn due(&self, now: Timestamp) -> Result<Vec<(String, String)>, EngineError> {
        let listed = self.books.scan(&keys::deadlines(), None, TURN_DEADLINES)?;
        let read = listed.iter().filter_map(|(key, _)| keys::read_deadline(key));
        Ok(read.take_while(|(at, _, _)| *at <= now).map(|(_, app, user)| (app, user)).collect())
    }

    fn skip(&self, end: Offset) -> Result<Turned, EngineError> {
        let lost = end.since(self.books.offset());
        self.books.commit(Changes::up_to(end))?;
        Ok(Turned { events: 0, deadlines: 0, lost })
    }

    fn rules_of<'a>(&self, apps: impl Iterator<Item = &'a str>) -> HashMap<String, Arc<AppRules>> {
        let mut rules = HashMap::new();
        for app in apps {
            if !rules.contains_key(app) {
                rules.insert(app.to_owned(), self.rules.rules_of(app));
            }
        }
        rules
    }
}
