//! People who are erased: between turns, when all events before the erasure's offset have been taken, and none after it.

use std::collections::{BTreeMap, BTreeSet};

use dwell_core::time::Timestamp;
use dwell_store::{Books, Changes, Entry};

use super::Worker;
use crate::book::Under;
use crate::erasure::{Erasing, Mark};
use crate::error::EngineError;
use crate::keys;
use crate::sheet::bad_book;
use crate::statement::{News, Statement, statement_bytes};
use crate::turn::{Turn, read, written};

/// So many books are looked at at once.
const BOOKS_AT_ONCE: usize = 4_096;

/// Where a sweep through the feed of an app stands.
#[derive(Clone, Debug, Default)]
pub struct FeedErasure {
    after: Option<Vec<u8>>,
}

impl Worker {
    /// Returns how far an erasure has come.
    pub fn erasing(&self, number: u64, app: &str) -> Result<Erasing, EngineError> {
        Ok(match self.mark(number, app)? {
            None => Erasing::Asked,
            Some(Mark { is_swept: false, .. }) => Erasing::Books,
            Some(Mark { is_swept: true, .. }) => Erasing::Feed,
        })
    }

    /// Returns all ids of the person who an id is now. Looks through all ids of the app, as often as links lie in a row.
    pub fn ids_of(&mut self, app: &str, id: &str) -> Result<BTreeSet<String>, EngineError> {
        self.books.wait()?;
        let mut now = id.to_owned();
        while let Some(to) = self.link_of(app, &now)? {
            now = to;
        }
        let mut ids = BTreeSet::from([id.to_owned(), now]);
        loop {
            let before = ids.len();
            self.add_linked(app, &mut ids)?;
            if ids.len() == before {
                return Ok(ids);
            }
        }
    }

    /// Erases whoever has these ids, in one commit; where that was done already, nothing happens. Everybody's events before the
    /// erasure must have been taken by now. Numbers of erasures are never used twice. It is told in the feed as at `now`.
    pub fn erase(&mut self, number: u64, app: &str, ids: &BTreeSet<String>, now: Timestamp) -> Result<(), EngineError> {
        self.books.wait()?;
        if self.mark(number, app)?.is_some() {
            return Ok(());
        }
        // What is kept in memory is found anew, without the person.
        self.let_go();
        let offset = self.books.offset();
        let turn = Turn::new(&self.books, &mut self.cache, self.rules.as_ref(), self.options, &[]);
        let erased =
            turn.erase(number, app, ids, (offset, now)).and_then(|taken| Ok(self.books.commit(&taken.changes)?));
        self.let_go();
        erased
    }

    /// Sweeps some of the feed of an app, at most about so many statements: what was told of people before they were erased is
    /// told of nobody. `erasures` are numbers with ids. Says whether all of it was swept.
    pub fn sweep_erased(
        &mut self,
        app: &str,
        erasures: &[(u64, &BTreeSet<String>)],
        sweep: &mut FeedErasure,
        most: usize,
    ) -> Result<bool, EngineError> {
        self.books.wait()?;
        let mut until: BTreeMap<&str, u64> = BTreeMap::new();
        let mut marks = Vec::new();
        for (number, ids) in erasures {
            let Some(mark) = self.mark(*number, app)? else { continue };
            marks.push((*number, mark));
            for id in *ids {
                let until = until.entry(id).or_default();
                *until = mark.first.max(*until);
            }
        }
        let end = marks.iter().map(|(_, mark)| mark.first).max().unwrap_or(0);
        let found = self.books.scan(&keys::feed(app), sweep.after.as_deref(), most)?;
        let mut changes = Changes::up_to(self.books.offset());
        let mut is_end = found.len() < most;
        for (key, bytes) in &found {
            let number = number_of(key);
            is_end |= end <= number;
            let statement = read_statement(app, bytes)?;
            // What told of an earlier erasure of the same id stays until that one ends.
            let is_told = statement.news == News::UserErased;
            if !is_told && until.get(statement.user.as_str()).is_some_and(|until| number < *until) {
                changes.put(key.clone(), blank(&statement));
            }
        }
        if is_end {
            for (number, mark) in marks {
                changes.put(keys::erasure(app, number), written(&Mark { is_swept: true, ..mark }));
            }
        }
        self.books.commit(&changes)?;
        sweep.after = found.into_iter().next_back().map(|(key, _)| key);
        Ok(is_end)
    }

    /// Forgets an erasure whose person is nowhere any more: nothing tells of it from here on, not even by which ids they were
    /// known.
    pub fn forget_erasure(&mut self, number: u64, app: &str) -> Result<(), EngineError> {
        self.books.wait()?;
        let Some(mark) = self.mark(number, app)? else { return Ok(()) };
        let mut changes = Changes::up_to(self.books.offset());
        for told in mark.first..mark.first + mark.told {
            let key = keys::statement(app, told);
            // What is older than the feed is kept may be gone.
            if let Some(bytes) = self.books.load(&[&key])?.pop().flatten() {
                changes.put(key, blank(&read_statement(app, &bytes)?));
            }
        }
        changes.delete(keys::erasure(app, number));
        Ok(self.books.commit(&changes)?)
    }

    fn mark(&self, number: u64, app: &str) -> Result<Option<Mark>, EngineError> {
        let bytes = self.books.load(&[&keys::erasure(app, number)])?.pop().flatten();
        bytes.map(|bytes| read(app, "an erasure", &bytes)).transpose()
    }

    /// Returns which other id an id is now.
    fn link_of(&self, app: &str, id: &str) -> Result<Option<String>, EngineError> {
        let Some(bytes) = self.books.load(&[&keys::book(app, id)])?.pop().flatten() else { return Ok(None) };
        let Under { link, is_moved, .. } = Under::read(&bytes).map_err(bad_book(app, id))?;
        Ok(link.filter(|_| is_moved).map(|link| link.to))
    }

    /// Adds all ids that lead to one of these.
    fn add_linked(&self, app: &str, ids: &mut BTreeSet<String>) -> Result<(), EngineError> {
        let mut after = None;
        loop {
            let found: Vec<Entry> = self.books.scan(&keys::books(app), after.as_deref(), BOOKS_AT_ONCE)?;
            for (key, bytes) in found.iter().filter(|(_, bytes)| !Under::is_book(bytes)) {
                let id = keys::user_of(key).unwrap_or_default();
                let Under { link, is_moved, .. } = Under::read(bytes).map_err(bad_book(app, &id))?;
                if link.filter(|_| is_moved).is_some_and(|link| ids.contains(&link.to)) {
                    ids.insert(id);
                }
            }
            if found.len() < BOOKS_AT_ONCE {
                return Ok(());
            }
            after = found.into_iter().next_back().map(|(key, _)| key);
        }
    }
}

/// Says at the same moment that nothing may be known of what was told.
fn blank(told: &Statement) -> Vec<u8> {
    statement_bytes(told.at, "", &News::Erased)
}

fn read_statement(app: &str, bytes: &[u8]) -> Result<Statement, EngineError> {
    let bad = |cause| EngineError::BadBook { app: app.to_owned(), what: "its feed".to_owned(), cause };
    Statement::read(bytes).map_err(bad)
}

fn number_of(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
