//! Questions about now, answered from the books.

use std::sync::Arc;

use dwell_core::engagement::Engagement;
use dwell_core::lab::ledger::GapLedger;
use dwell_core::time::{Span, Timestamp};
use dwell_core::totals::Totals;
use dwell_store::{Books, Offset};
use serde::de::DeserializeOwned;

use crate::book::{Sealed, moved_to};
use crate::error::EngineError;
use crate::gaps::GapPage;
use crate::keys;
use crate::numbers::{Numbers, Series};
use crate::quarter::{LENGTHS, LengthCounts, QUARTERS, Quarter};
use crate::row::{OpenSession, SessionRow};
use crate::rules::RulesOf;
use crate::statement::Statement;
use crate::turn::read;

/// Reads the books; it never writes.
#[derive(Clone)]
pub struct Desk {
    books: Arc<dyn Books>,
    rules: Arc<dyn RulesOf>,
}

/// What is known of a user.
#[derive(Clone, Debug)]
pub struct UserView {
    /// Their id; another one than was asked for when that became this person.
    pub user: String,
    /// What all closed sessions come to.
    pub totals: Totals,
    /// The session that may still grow.
    pub open: Option<OpenSession>,
    /// Whether they are there.
    pub presence: Engagement,
    /// When they were last heard of.
    pub last_seen_at: Option<Timestamp>,
}

/// A page of a list, and what to ask the next page after; `None` at the end.
pub type Page<T> = (Vec<T>, Option<Vec<u8>>);

impl Desk {
    /// Takes the books that a [`crate::Worker`] writes.
    #[must_use]
    pub fn new(books: Arc<dyn Books>, rules: Arc<dyn RulesOf>) -> Self {
        Desk { books, rules }
    }

    /// Returns up to where the log has been read.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.books.offset()
    }

    /// Returns what is known of a user at `now`; `None` for one who was never heard of.
    pub fn user(&self, app: &str, id: &str, now: Timestamp) -> Result<Option<UserView>, EngineError> {
        let user = self.who_is(app, id)?;
        let Some(bytes) = self.get(&keys::book(app, &user))? else { return Ok(None) };
        let rules = self.rules.rules_of(app);
        let bad = |cause| EngineError::BadBook { app: app.to_owned(), what: format!("user {user}"), cause };
        let sealed = Sealed::read(&bytes).map_err(bad)?;
        let standing = rules.standing_of(&user, sealed.texts());
        let book = sealed.open(app, &user, &standing).map_err(bad)?;
        let open = book.open_session().filter(|open| now < Timestamp::from_micros(open.deadline));
        let (presence, last_seen_at) = (book.timeline.presence_at(now), book.timeline.last());
        Ok(Some(UserView { totals: book.totals.clone(), open, presence, last_seen_at, user }))
    }

    /// Returns a user's closed sessions in order of their starts.
    pub fn sessions(
        &self,
        app: &str,
        id: &str,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Page<SessionRow>, EngineError> {
        let user = self.who_is(app, id)?;
        self.page(&keys::sessions(app, &user), after, most, |_, bytes| read(app, "a session", bytes))
    }

    /// Returns the ids of an app's users, in order. A page may be shorter than asked for, or empty, and have a next one.
    pub fn users(&self, app: &str, after: Option<&[u8]>, most: usize) -> Result<Page<String>, EngineError> {
        let bad = |what| EngineError::BadBook { app: app.to_owned(), what, cause: "its key is broken".to_owned() };
        let user_of = |key: &[u8]| keys::user_of(key).ok_or_else(|| bad("a user".to_owned()));
        let (found, next) = self.page(&keys::books(app), after, most, |key, bytes| {
            if moved_to(bytes).is_some() { Ok(None) } else { user_of(key).map(Some) }
        })?;
        Ok((found.into_iter().flatten().collect(), next))
    }

    /// Returns what is counted of an app.
    pub fn numbers(&self, app: &str) -> Result<Numbers, EngineError> {
        let bytes = self.get(&keys::numbers(app))?;
        Ok(bytes.map(|bytes| read(app, "its numbers", &bytes)).transpose()?.unwrap_or_default())
    }

    /// Returns the ledger of an app's gaps: how many sessions there are under every timeout, and how long they are
    /// together, up to the events that have been read.
    pub fn lab(&self, app: &str) -> Result<GapLedger, EngineError> {
        let mut ledger = GapLedger::default();
        let always = self.numbers(app)?.sessions_always;
        ledger.add_always(u64::try_from(always).unwrap_or(0));
        for (key, bytes) in self.books.scan(&keys::pages(app), None, usize::from(u16::MAX))? {
            let number = key.last_chunk::<2>().map_or(0, |bytes| u16::from_be_bytes(*bytes));
            read::<GapPage>(app, "the lab", &bytes)?.put_into(number, &mut ledger);
        }
        Ok(ledger)
    }

    /// Returns a series from a moment on and before another, without its zeros, at most so many places.
    pub fn series(
        &self,
        app: &str,
        series: Series,
        (from, to): (Timestamp, Timestamp),
        most: usize,
    ) -> Result<Vec<(Timestamp, i64)>, EngineError> {
        // The page begins after a key: the one just before `from`.
        let before = keys::point(app, series.tag(), from.minus(Span::from_micros(1)));
        let found = self.books.scan(&keys::series(app, series.tag()), Some(&before), most)?;
        let mut places = Vec::new();
        for (key, bytes) in found {
            let Some(at) = keys::moment_at_end(&key).filter(|at| *at < to) else { break };
            let count: i64 = read(app, "a series", &bytes)?;
            if count != 0 {
                places.push((at, count));
            }
        }
        Ok(places)
    }

    /// Returns the sums of quarters of an hour from a moment on and before another, those without anything left out.
    pub fn quarters(
        &self,
        app: &str,
        (from, to): (Timestamp, Timestamp),
        most: usize,
    ) -> Result<Vec<(Timestamp, Quarter)>, EngineError> {
        self.measured(app, QUARTERS, (from, to), most)
    }

    /// Returns how many closed sessions were about how long, by the day on which the user was last seen, in the app's zone:
    /// the moment is midnight in UTC of that date.
    pub fn lengths(
        &self,
        app: &str,
        (from, to): (Timestamp, Timestamp),
        most: usize,
    ) -> Result<Vec<(Timestamp, LengthCounts)>, EngineError> {
        self.measured(app, LENGTHS, (from, to), most)
    }

    fn measured<T: DeserializeOwned>(
        &self,
        app: &str,
        tag: u8,
        (from, to): (Timestamp, Timestamp),
        most: usize,
    ) -> Result<Vec<(Timestamp, T)>, EngineError> {
        let before = keys::point(app, tag, from.minus(Span::from_micros(1)));
        let found = self.books.scan(&keys::series(app, tag), Some(&before), most)?;
        let mut places = Vec::new();
        for (key, bytes) in found {
            let Some(at) = keys::moment_at_end(&key).filter(|at| *at < to) else { break };
            places.push((at, read(app, "what sessions come to", &bytes)?));
        }
        Ok(places)
    }

    /// Returns the statements of an app's session feed from a number on, each with its number.
    pub fn feed(&self, app: &str, from: u64, most: usize) -> Result<Vec<(u64, Statement)>, EngineError> {
        let before = from.checked_sub(1).map(|number| keys::statement(app, number));
        let found = self.books.scan(&keys::feed(app), before.as_deref(), most)?;
        let number = |key: &[u8]| key.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        found.iter().map(|(key, bytes)| Ok((number(key), read(app, "its feed", bytes)?))).collect()
    }

    fn page<T>(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        most: usize,
        read: impl Fn(&[u8], &[u8]) -> Result<T, EngineError>,
    ) -> Result<Page<T>, EngineError> {
        let after = after.map(|rest| [prefix, rest].concat());
        let found = self.books.scan(prefix, after.as_deref(), most)?;
        let next = if found.len() == most { found.last().map(|(key, _)| key[prefix.len()..].to_vec()) } else { None };
        let rows = found.iter().map(|(key, bytes)| read(key, bytes)).collect::<Result<_, _>>()?;
        Ok((rows, next))
    }

    /// Returns who each of these ids is now, where that is another one.
    pub fn who_are(&self, app: &str, ids: &[&str]) -> Result<Vec<Option<String>>, EngineError> {
        let keys: Vec<Vec<u8>> = ids.iter().map(|id| keys::book(app, id)).collect();
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let now = |book: Option<Vec<u8>>| {
            let moved = book.as_deref().and_then(moved_to).map(|to| self.who_is(app, to));
            moved.transpose()
        };
        self.books.load(&keys)?.into_iter().map(now).collect()
    }

    /// Returns who an id is now.
    fn who_is(&self, app: &str, id: &str) -> Result<String, EngineError> {
        let mut now = id.to_owned();
        while let Some(bytes) = self.get(&keys::book(app, &now))? {
            match moved_to(&bytes) {
                Some(to) => now = to.to_owned(),
                None => break,
            }
        }
        Ok(now)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.books.load(&[key])?.pop().flatten())
    }
}
