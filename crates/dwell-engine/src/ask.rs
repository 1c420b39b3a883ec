//! Questions about now, answered from the books.

use std::collections::HashMap;
use std::sync::Arc;

use dwell_core::engagement::Engagement;
use dwell_core::lab::ledger::GapLedger;
use dwell_core::phases::Phase;
use dwell_core::time::{Span, Timestamp};
use dwell_core::totals::Totals;
use dwell_store::{Books, Changes, Offset};
use serde::de::DeserializeOwned;

use crate::book::{Book, Sealed, Under};
use crate::error::EngineError;
use crate::facet::{DayValues, Facet};
use crate::gaps::GapPage;
use crate::keys;
use crate::numbers::{Numbers, Series};
use crate::quarter::{LENGTHS, LengthCounts, QUARTERS, Quarter};
use crate::row::{OpenSession, SessionRow};
use crate::rules::RulesOf;
use crate::sheet::bad_book;
use crate::shelf::Shelf;
use crate::statement::Statement;
use crate::sweep;
use crate::turn::read;

/// Through so many links nobody is led who is led to an end.
const MOST_LINKS: usize = 1 << 16;

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

/// How often a book is read whose parts are being moved.
const READINGS: usize = 5;

/// Phases in order of time, and the moment from which on none is missing; `None` is from the beginning.
pub type Phases = (Option<Timestamp>, Vec<Phase>);

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
        let (user, bytes) = self.who_is(app, id)?;
        let Some(bytes) = bytes else { return Ok(None) };
        let rules = self.rules.rules_of(app);
        let sealed = Sealed::read(&bytes).map_err(bad_book(app, &user))?;
        let past: Vec<String> = sealed.past().to_vec();
        let standing = rules.standing_of(&user, sealed.texts());
        let book = sealed.open(app, &user, &standing).map_err(bad_book(app, &user))?;
        let open = book.open_session().filter(|open| now < Timestamp::from_micros(open.deadline));
        let presence = book.timeline.presence_at(now);
        let (mut totals, mut last_seen_at) = (book.totals.clone(), book.timeline.last());
        for id in past {
            let before = self.past_book(app, &id, |book| (book.totals.clone(), book.timeline.last()))?;
            let Some((totals_before, seen_before)) = before else { continue };
            totals.merge(&totals_before);
            last_seen_at = last_seen_at.max(seen_before);
        }
        Ok(Some(UserView { totals, open, presence, last_seen_at, user }))
    }

    /// Returns what of a user's latest sessions was foreground, playing and idle, and when, in order; the open one up to `now`.
    ///
    /// Of what is settled no events are kept: of a session that begins before the moment that comes with them, phases are
    /// missing. `None` is a user who was never heard of.
    pub fn phases(&self, app: &str, id: &str, now: Timestamp) -> Result<Option<Phases>, EngineError> {
        for _ in 1..READINGS {
            let offset = self.offset();
            match self.read_phases(app, id, now) {
                // A part was put elsewhere while the book was read.
                Err(EngineError::BadBook { .. }) if self.offset() != offset => {}
                read => return read,
            }
        }
        self.read_phases(app, id, now)
    }

    fn read_phases(&self, app: &str, id: &str, now: Timestamp) -> Result<Option<Phases>, EngineError> {
        let (user, bytes) = self.who_is(app, id)?;
        let Some(bytes) = bytes else { return Ok(None) };
        let rules = self.rules.rules_of(app);
        let sealed = Sealed::read(&bytes).map_err(bad_book(app, &user))?;
        let past: Vec<String> = sealed.past().to_vec();
        let standing = rules.standing_of(&user, sealed.texts());
        let mut book = sealed.open(app, &user, &standing).map_err(bad_book(app, &user))?;
        // What this would change is never written: the worker's shelf stays as it is.
        let (mut fresh, mut changes) = (HashMap::new(), Changes::up_to(self.offset()));
        let mut shelf = Shelf { books: &*self.books, app, user: &user, fresh: &mut fresh, changes: &mut changes };
        book.recall_all(&mut shelf)?;
        let mut known_from = book.timeline.settled_until();
        for id in past {
            let settled = self.past_book(app, &id, |book| book.timeline.settled_until())?;
            known_from = known_from.max(settled.flatten());
        }
        Ok(Some((known_from, book.timeline.phases(now))))
    }

    /// Returns what to ask [`Desk::sessions`] after for those that began at a moment or later.
    #[must_use]
    pub fn before_sessions(from: Timestamp) -> Vec<u8> {
        keys::moment(from).to_vec()
    }

    /// Returns a user's closed sessions in order of their starts.
    pub fn sessions(
        &self,
        app: &str,
        id: &str,
        after: Option<&[u8]>,
        most: usize,
    ) -> Result<Page<SessionRow>, EngineError> {
        let (user, bytes) = self.who_is(app, id)?;
        let row = |_: &[u8], bytes: &[u8]| read(app, "a session", bytes);
        let sealed = bytes.as_deref().map(Sealed::read).transpose().map_err(bad_book(app, &user))?;
        let past = sealed.map(|sealed| sealed.past().to_vec()).unwrap_or_default();
        let own = keys::sessions(app, &user);
        if past.is_empty() {
            return self.page(&own, after, most, row);
        }
        // What was settled under another id lies there still. What a key has behind the user is in order of starts for all.
        let mut found = Vec::new();
        for prefix in std::iter::once(own).chain(past.iter().map(|id| keys::sessions(app, id))) {
            let (rows, _) =
                self.page(&prefix, after, most, |key, bytes| Ok((key[prefix.len()..].to_vec(), row(key, bytes)?)))?;
            found.extend(rows);
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found.truncate(most);
        let next = if found.len() == most { found.last().map(|(rest, _)| rest.clone()) } else { None };
        Ok((found.into_iter().map(|(_, row)| row).collect(), next))
    }

    /// Returns the ids of an app's users, in order. A page may be shorter than asked for, or empty, and have a next one.
    pub fn users(&self, app: &str, after: Option<&[u8]>, most: usize) -> Result<Page<String>, EngineError> {
        let bad = |what| EngineError::BadBook { app: app.to_owned(), what, cause: "its key is broken".to_owned() };
        let user_of = |key: &[u8]| keys::user_of(key).ok_or_else(|| bad("a user".to_owned()));
        let (found, next) = self.page(&keys::books(app), after, most, |key, bytes| {
            let is_moved =
                !Under::is_book(bytes) && Under::read(bytes).map_err(bad_book(app, &user_of(key)?))?.is_moved;
            if is_moved { Ok(None) } else { user_of(key).map(Some) }
        })?;
        Ok((found.into_iter().flatten().collect(), next))
    }

    /// Returns the ids of an app that became another person's, in order. A page may be shorter than asked for, or empty, and
    /// have a next one.
    pub fn moved(&self, app: &str, after: Option<&[u8]>, most: usize) -> Result<Page<String>, EngineError> {
        let bad = |what| EngineError::BadBook { app: app.to_owned(), what, cause: "its key is broken".to_owned() };
        let (found, next) = self.page(&keys::books(app), after, most, |key, bytes| {
            let id = keys::user_of(key).ok_or_else(|| bad("a user".to_owned()))?;
            let is_moved = !Under::is_book(bytes) && Under::read(bytes).map_err(bad_book(app, &id))?.is_moved;
            Ok(is_moved.then_some(id))
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
        self.measured(&keys::series(app, QUARTERS), app, (from, to), most)
    }

    /// Returns the same of the sessions that count under a value of a facet, an empty one where nothing was said; `None` are
    /// all that have no place of their own on their day.
    pub fn quarters_of(
        &self,
        app: &str,
        (facet, value): (Facet, Option<&str>),
        (from, to): (Timestamp, Timestamp),
        most: usize,
    ) -> Result<Vec<(Timestamp, Quarter)>, EngineError> {
        self.measured(&keys::value_series(app, facet.quarters(), value), app, (from, to), most)
    }

    /// Returns what days come to by the values of a facet, in the app's zone: the moment is midnight in UTC of that date.
    pub fn days_by(
        &self,
        app: &str,
        facet: Facet,
        (from, to): (Timestamp, Timestamp),
        most: usize,
    ) -> Result<Vec<(Timestamp, DayValues)>, EngineError> {
        self.measured(&keys::series(app, facet.days()), app, (from, to), most)
    }

    /// Returns how many closed sessions were about how long, by the day on which the user was last seen, in the app's zone:
    /// the moment is midnight in UTC of that date.
    pub fn lengths(
        &self,
        app: &str,
        (from, to): (Timestamp, Timestamp),
        most: usize,
    ) -> Result<Vec<(Timestamp, LengthCounts)>, EngineError> {
        self.measured(&keys::series(app, LENGTHS), app, (from, to), most)
    }

    fn measured<T: DeserializeOwned>(
        &self,
        series: &[u8],
        app: &str,
        (from, to): (Timestamp, Timestamp),
        most: usize,
    ) -> Result<Vec<(Timestamp, T)>, EngineError> {
        let before = [series, &keys::moment(from.minus(Span::from_micros(1)))].concat();
        let found = self.books.scan(series, Some(&before), most)?;
        let mut places = Vec::new();
        for (key, bytes) in found {
            let Some(at) = keys::moment_at_end(&key).filter(|at| *at < to) else { break };
            places.push((at, read(app, "what sessions come to", &bytes)?));
        }
        Ok(places)
    }

    /// Returns the statements of an app's session feed from a number on, each with its number, without gaps.
    ///
    /// Where the feed begins later by now, that is an error and never a gap: see [`Desk::feed_first`].
    pub fn feed(&self, app: &str, from: u64, most: usize) -> Result<Vec<(u64, Statement)>, EngineError> {
        let first = self.feed_first(app)?;
        if from < first {
            return Err(EngineError::FeedDropped { first });
        }
        let found = sweep::page(&*self.books, app, from, most)?;
        match found.first() {
            // Dropped between the two reads.
            Some((number, _)) if *number != from => Err(EngineError::FeedDropped { first: *number }),
            Some(_) | None => Ok(found),
        }
    }

    /// Returns the number with which an app's feed begins: that of the oldest statement that is kept, or of the next one
    /// where none is.
    pub fn feed_first(&self, app: &str) -> Result<u64, EngineError> {
        sweep::first(&*self.books, app)
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
        let now = |(id, bytes): (&&str, Option<Vec<u8>>)| {
            let Some(bytes) = bytes else { return Ok(None) };
            let Under { link, is_moved, .. } = Under::read(&bytes).map_err(bad_book(app, id))?;
            link.filter(|_| is_moved).map(|link| Ok(self.who_is(app, &link.to)?.0)).transpose()
        };
        ids.iter().zip(self.books.load(&keys)?).map(now).collect()
    }

    /// Returns who an id is now, and their book.
    fn who_is(&self, app: &str, id: &str) -> Result<(String, Option<Vec<u8>>), EngineError> {
        let mut now = id.to_owned();
        // Links that hold lead to an end. Between two reads they may have changed, so that we were led round.
        for _ in 0..MOST_LINKS {
            let Some(bytes) = self.get(&keys::book(app, &now))? else { return Ok((now, None)) };
            let Under { link, is_moved, book } = Under::read(&bytes).map_err(bad_book(app, &now))?;
            match link.filter(|_| is_moved) {
                Some(link) => now = link.to,
                None => return Ok((now, book.map(<[u8]>::to_vec))),
            }
        }
        Ok((now, None))
    }

    /// Reads what is left under an id that is another one now.
    fn past_book<T>(&self, app: &str, id: &str, read: impl FnOnce(&Book<'_>) -> T) -> Result<Option<T>, EngineError> {
        let bad = bad_book(app, id);
        let Some(bytes) = self.get(&keys::book(app, id))? else { return Ok(None) };
        let Some(before) = Under::read(&bytes).map_err(&bad)?.book else { return Ok(None) };
        let sealed = Sealed::read(before).map_err(&bad)?;
        let rules = self.rules.rules_of(app);
        let standing = rules.standing_of(id, sealed.texts());
        Ok(Some(read(&sealed.open(app, id, &standing).map_err(&bad)?)))
    }

    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.books.load(&[key])?.pop().flatten())
    }
}
