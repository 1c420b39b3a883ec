//! One turn's memory: the books of the users in it, and everything that will be written at its end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use dwell_core::time::Timestamp;
use dwell_core::timeline::Stated;
use dwell_store::{Books, Changes, Offset};
use serde::de::DeserializeOwned;

use crate::book::{Book, Changed, HOUR};
use crate::error::EngineError;
use crate::keys;
use crate::numbers::{Numbers, Series};
use crate::record::Record;
use crate::row::SessionRow;
use crate::rules::AppRules;
use crate::statement::{News, Statement};

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * HOUR;

/// An app and a user's id.
type Who = (String, String);

/// See the module.
pub(crate) struct Turn<'p> {
    books: &'p dyn Books,
    rules: &'p HashMap<String, Arc<AppRules>>,
    /// `None` for users of whom nothing is known, or not any more.
    users: HashMap<Who, Option<Book<'p>>>,
    touched: BTreeSet<Who>,
    aliases: HashMap<Who, Option<String>>,
    new_aliases: Vec<(Who, String)>,
    numbers: BTreeMap<String, Numbers>,
    points: BTreeMap<Vec<u8>, i64>,
    changes: Changes,
}

impl<'p> Turn<'p> {
    /// Begins with nothing loaded.
    pub fn new(books: &'p dyn Books, rules: &'p HashMap<String, Arc<AppRules>>) -> Self {
        Turn {
            books,
            rules,
            users: HashMap::new(),
            touched: BTreeSet::new(),
            aliases: HashMap::new(),
            new_aliases: Vec::new(),
            numbers: BTreeMap::new(),
            points: BTreeMap::new(),
            changes: Changes::up_to(books.offset()),
        }
    }

    /// Loads the books of all users in these events and deadlines, each once.
    pub fn load(&mut self, events: &[Record<'_>], due: &[Who]) -> Result<(), EngineError> {
        let mut ids: Vec<Who> = Vec::new();
        for event in events {
            for id in [Some(event.user), event.link_from].into_iter().flatten() {
                ids.push((event.app.to_owned(), id.to_owned()));
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let keys: Vec<Vec<u8>> = ids.iter().map(|(app, id)| keys::alias(app, id)).collect();
        for (who, value) in ids.iter().zip(self.get(&keys)?) {
            let alias = value.map(|bytes| read::<String>(&who.0, &who.1, &bytes)).transpose()?;
            self.aliases.insert(who.clone(), alias);
        }
        let mut users: Vec<Who> = due.to_vec();
        for (app, id) in &ids {
            users.push((app.clone(), self.who_is(app, id)?));
        }
        users.sort_unstable();
        users.dedup();
        let keys: Vec<Vec<u8>> = users.iter().map(|(app, user)| keys::book(app, user)).collect();
        for (who, value) in users.into_iter().zip(self.get(&keys)?) {
            let book = value.map(|bytes| self.read_book(&who, &bytes)).transpose()?;
            self.users.insert(who, book);
        }
        let apps: Vec<String> = self.rules.keys().cloned().collect();
        let keys: Vec<Vec<u8>> = apps.iter().map(|app| keys::numbers(app)).collect();
        for (app, value) in apps.into_iter().zip(self.get(&keys)?) {
            let numbers = value.map(|bytes| read(&app, "its numbers", &bytes)).transpose()?.unwrap_or_default();
            self.numbers.insert(app, numbers);
        }
        Ok(())
    }

    /// Takes an event.
    pub fn observe(&mut self, event: &Record<'_>) -> Result<(), EngineError> {
        if let Some(from) = event.link_from {
            self.link(event.app, from, event.user)?;
        }
        let Some(rules) = self.rules.get(event.app) else { return Ok(()) };
        let who = (event.app.to_owned(), self.who_is(event.app, event.user)?);
        let Some(kind) = event.event_kind() else { return Ok(()) };
        let (outcome, changed) = self.book(&who, rules)?.observe(event, kind, rules);
        self.numbers.entry(who.0.clone()).or_default().count(outcome);
        self.say(&who, changed);
        Ok(())
    }

    /// Rings for a user; in vain for one who became somebody else in this turn.
    pub fn advance(&mut self, app: &str, user: &str, now: Timestamp) -> Result<(), EngineError> {
        let who = (app.to_owned(), user.to_owned());
        self.load_user(&who)?;
        let Some(Some(book)) = self.users.get_mut(&who) else { return Ok(()) };
        let changed = book.advance(now);
        self.say(&who, changed);
        Ok(())
    }

    /// Returns all changes, to be committed with the offset up to which the log was read.
    pub fn end(mut self, offset: Offset) -> Result<Changes, EngineError> {
        for who in std::mem::take(&mut self.touched) {
            let Some(Some(book)) = self.users.get_mut(&who) else { continue };
            let (before, now) = book.list_anew();
            if before != now {
                before.inspect(|at| self.changes.delete(keys::deadline(*at, &who.0, &who.1)));
                now.inspect(|at| self.changes.put(keys::deadline(*at, &who.0, &who.1), []));
            }
            self.changes.put(keys::book(&who.0, &who.1), book.write());
        }
        for (who, to) in std::mem::take(&mut self.new_aliases) {
            self.changes.put(keys::alias(&who.0, &who.1), written(&to));
        }
        let keys: Vec<Vec<u8>> = self.points.keys().cloned().collect();
        for (key, value) in keys.iter().zip(self.get(&keys)?) {
            let before = value.map(|bytes| read::<i64>("", "a series", &bytes)).transpose()?.unwrap_or(0);
            let now = before + self.points.get(key).copied().unwrap_or(0);
            self.changes.put(key.clone(), written(&now));
        }
        for (app, numbers) in &self.numbers {
            self.changes.put(keys::numbers(app), written(numbers));
        }
        self.changes.offset = offset;
        Ok(self.changes)
    }

    /// Makes two ids one person: what was known under `from` goes on under `to`.
    fn link(&mut self, app: &str, from: &str, to: &str) -> Result<(), EngineError> {
        let Some(rules) = self.rules.get(app) else { return Ok(()) };
        let (from_now, to_now) = (self.who_is(app, from)?, self.who_is(app, to)?);
        // An id that was somebody else before stays theirs: two people who share a device are two people.
        if from_now == to_now || from_now != from {
            return Ok(());
        }
        let who = (app.to_owned(), from.to_owned());
        self.aliases.insert(who.clone(), Some(to_now.clone()));
        self.new_aliases.push((who.clone(), to_now.clone()));
        self.load_user(&who)?;
        let Some(mut other) = self.users.insert(who.clone(), None).flatten() else { return Ok(()) };
        self.forget(&who, other.opened());
        let to = (app.to_owned(), to_now);
        if let (Some(listed), _) = other.list_anew() {
            self.changes.delete(keys::deadline(listed, &who.0, &who.1));
        }
        let (changed, taken_back) = self.book(&to, rules)?.take_over(other);
        for stated in &taken_back {
            self.retract(&who, stated);
        }
        self.say(&to, changed);
        Ok(())
    }

    /// Takes a user off the books.
    fn forget(&mut self, who: &Who, opened: Option<Timestamp>) {
        self.touched.remove(who);
        self.changes.delete(keys::book(&who.0, &who.1));
        let numbers = self.numbers.entry(who.0.clone()).or_default();
        numbers.users -= 1;
        numbers.open -= i64::from(opened.is_some());
        if let Some(opened) = opened {
            self.add(&who.0, Series::Started, floor(opened, MINUTE), -1);
        }
    }

    /// Writes down what changed for a user.
    fn say(&mut self, who: &Who, changed: Changed) {
        let app = who.0.as_str();
        for stated in &changed.retracted {
            self.retract(who, stated);
        }
        for stated in &changed.stated {
            let session = &stated.closed.session;
            self.add(app, Series::Started, floor(session.started_at, MINUTE), 1);
            self.add(app, Series::Ended, floor(session.ended_at, MINUTE), 1);
            let Some(Some(book)) = self.users.get(who) else { continue };
            let row = SessionRow::of(stated, |key| book.text_of(key));
            self.changes.put(keys::session(app, &who.1, stated), written(&row));
            let news = if 0 < row.amended { News::Amended(row) } else { News::Ended(row) };
            self.tell(who, news);
        }
        if changed.opened_before != changed.opened {
            let open = |at: Option<Timestamp>| i64::from(at.is_some());
            self.numbers.entry(app.to_owned()).or_default().open += open(changed.opened) - open(changed.opened_before);
            if let Some(before) = changed.opened_before {
                self.add(app, Series::Started, floor(before, MINUTE), -1);
            }
            if let Some(now) = changed.opened {
                self.add(app, Series::Started, floor(now, MINUTE), 1);
                self.tell(who, News::Started(now.as_micros()));
            }
        }
        if let Some(hour) = changed.hour {
            self.add(app, Series::ActiveByHour, Timestamp::from_micros(hour * HOUR), 1);
        }
        if let Some(day) = changed.day {
            self.add(app, Series::ActiveByDay, Timestamp::from_micros(day * DAY), 1);
        }
        self.touched.insert(who.clone());
    }

    fn retract(&mut self, who: &Who, stated: &Stated) {
        let session = &stated.closed.session;
        self.add(&who.0, Series::Started, floor(session.started_at, MINUTE), -1);
        self.add(&who.0, Series::Ended, floor(session.ended_at, MINUTE), -1);
        self.changes.delete(keys::session(&who.0, &who.1, stated));
        self.tell(who, News::Retracted(stated.id.to_string()));
    }

    fn tell(&mut self, who: &Who, news: News) {
        let numbers = self.numbers.entry(who.0.clone()).or_default();
        let key = keys::statement(&who.0, numbers.next);
        numbers.next += 1;
        self.changes.put(key, written(&Statement { user: who.1.clone(), news }));
    }

    fn add(&mut self, app: &str, series: Series, at: Timestamp, count: i64) {
        *self.points.entry(keys::point(app, series.tag(), at)).or_default() += count;
    }

    /// Returns a user's book, a new one for a new user.
    fn book(&mut self, who: &Who, rules: &'p AppRules) -> Result<&mut Book<'p>, EngineError> {
        self.load_user(who)?;
        let slot = self.users.entry(who.clone()).or_default();
        if slot.is_none() {
            self.numbers.entry(who.0.clone()).or_default().users += 1;
        }
        Ok(slot.get_or_insert_with(|| Book::new(&who.0, &who.1, rules)))
    }

    /// Loads a user who was not expected: somebody whom a link named.
    fn load_user(&mut self, who: &Who) -> Result<(), EngineError> {
        if !self.users.contains_key(who) {
            let value = self.get(&[keys::book(&who.0, &who.1)])?.pop().flatten();
            let book = value.map(|bytes| self.read_book(who, &bytes)).transpose()?;
            self.users.insert(who.clone(), book);
        }
        Ok(())
    }

    /// Returns who an id is now.
    fn who_is(&mut self, app: &str, id: &str) -> Result<String, EngineError> {
        let mut now = id.to_owned();
        // A chain has an end: an id gets an alias once, and only while it is its own.
        loop {
            let who = (app.to_owned(), now.clone());
            if !self.aliases.contains_key(&who) {
                let value = self.get(&[keys::alias(app, &now)])?.pop().flatten();
                let alias = value.map(|bytes| read::<String>(app, &now, &bytes)).transpose()?;
                self.aliases.insert(who.clone(), alias);
            }
            match self.aliases.get(&who).cloned().flatten() {
                Some(next) => now = next,
                None => return Ok(now),
            }
        }
    }

    fn read_book(&self, who: &Who, bytes: &[u8]) -> Result<Book<'p>, EngineError> {
        let bad = |cause| EngineError::BadBook { app: who.0.clone(), what: format!("user {}", who.1), cause };
        let rules = self.rules.get(&who.0).ok_or_else(|| bad("nobody knows its rules".to_owned()))?;
        Book::read(&who.0, &who.1, rules, bytes).map_err(bad)
    }

    fn get(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, EngineError> {
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        Ok(self.books.load(&keys)?)
    }
}

fn floor(at: Timestamp, unit: i64) -> Timestamp {
    Timestamp::from_micros(at.as_micros().div_euclid(unit) * unit)
}

pub(crate) fn read<T: DeserializeOwned>(app: &str, what: &str, bytes: &[u8]) -> Result<T, EngineError> {
    postcard::from_bytes(bytes).map_err(|error| EngineError::BadBook {
        app: app.to_owned(),
        what: what.to_owned(),
        cause: error.to_string(),
    })
}

/// Returns a value's bytes.
pub(crate) fn written(value: &impl serde::Serialize) -> Vec<u8> {
    let written = postcard::to_allocvec(value);
    assert!(written.is_ok(), "a value cannot be written: {:?}", written.err());
    written.unwrap_or_default()
}
