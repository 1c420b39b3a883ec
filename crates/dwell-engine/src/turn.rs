//! One turn's memory: the users in it, and everything that will be written at its end.
//!
//! Events are handed out to their users first. Each user's book is then opened once, takes all its events in their order, and
//! is closed again. Only a link between two ids makes these two users' events be taken before it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use dwell_core::time::Timestamp;
use dwell_core::timeline::Stated;
use dwell_store::{Books, Changes, Offset};
use foldhash::fast::RandomState;
use serde::de::DeserializeOwned;

use crate::book::{Book, Changed, Fill, HOUR, Paper, Sealed, moved, moved_to};
use crate::cache::Cache;
use crate::error::EngineError;
use crate::gaps::{GapChanges, GapPage};
use crate::keys;
use crate::numbers::{Numbers, Series};
use crate::record::Record;
use crate::row::SessionRow;
use crate::rules::{AppRules, RulesOf};
use crate::shelf::Shelf;
use crate::statement::{News, Statement};

const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * HOUR;

/// A deadline that has passed: when, of which app and which user.
pub(crate) type Due = (Timestamp, String, String);

/// What a turn comes to.
pub(crate) struct Taken {
    /// To be committed.
    pub changes: Changes,
    /// The earliest deadline under which somebody is listed now and was not before.
    pub first_listed: Option<Timestamp>,
}

/// See the module.
pub(crate) struct Turn<'t> {
    books: &'t dyn Books,
    cache: &'t mut Cache,
    rules: &'t dyn RulesOf,
    fill: Fill,
    events: &'t [Record<'t>],
    /// For every event the next one of the same user.
    next: Vec<Option<usize>>,
    apps: Vec<App>,
    app_places: HashMap<String, usize>,
    slots: Vec<Slot>,
    places: HashMap<Box<[u8]>, usize, RandomState>,
    points: BTreeMap<(usize, Series, i64), i64>,
    /// Parts of books that were put on the shelf in this turn.
    fresh: HashMap<Vec<u8>, Vec<u8>>,
    changes: Changes,
    first_listed: Option<Timestamp>,
    paper: Paper,
    /// Where a key is written before it is known whether it is needed.
    key: Vec<u8>,
}

/// An app that occurs in the turn.
struct App {
    name: Arc<str>,
    rules: Arc<AppRules>,
    numbers: Numbers,
    gaps: GapChanges,
}

/// A user who occurs in the turn.
struct Slot {
    app: usize,
    user: Arc<str>,
    state: State,
    is_changed: bool,
    was_cached: bool,
    /// The first and the last of their events that were not taken yet.
    waiting: Option<(usize, usize)>,
    /// The deadlines under which they were found.
    rung: Vec<Timestamp>,
}

enum State {
    Unknown,
    Book(Box<[u8]>),
    Moved(Arc<str>),
}

impl<'t> Turn<'t> {
    /// Begins a turn with these events.
    pub fn new(
        books: &'t dyn Books,
        cache: &'t mut Cache,
        rules: &'t dyn RulesOf,
        fill: Fill,
        events: &'t [Record<'t>],
    ) -> Self {
        Turn {
            books,
            cache,
            rules,
            fill,
            events,
            next: vec![None; events.len()],
            apps: Vec::new(),
            app_places: HashMap::new(),
            slots: Vec::new(),
            places: HashMap::default(),
            points: BTreeMap::new(),
            fresh: HashMap::new(),
            changes: Changes::up_to(books.offset()),
            first_listed: None,
            paper: Paper::default(),
            key: Vec::new(),
        }
    }

    /// Takes all events, rings for those who are due at `now`, and returns all changes, to be committed with the offset up
    /// to which the log was read.
    pub fn take(mut self, due: &[Due], now: Timestamp, offset: Offset) -> Result<Taken, EngineError> {
        for place in 0..self.events.len() {
            self.hand_out(place)?;
        }
        for (at, app, user) in due {
            let app = self.app(app)?;
            let slot = self.slot(app, user)?;
            self.slots[slot].rung.push(*at);
        }
        for slot in 0..self.slots.len() {
            self.step(slot, now)?;
        }
        self.end(offset)
    }

    /// Gives an event to its user.
    fn hand_out(&mut self, place: usize) -> Result<(), EngineError> {
        let event = &self.events[place];
        let app = self.app(event.app)?;
        if let Some(from) = event.link_from {
            self.link(app, from, event.user)?;
        }
        let slot = self.who_is(app, event.user)?;
        let waiting = &mut self.slots[slot].waiting;
        *waiting = match *waiting {
            None => Some((place, place)),
            Some((first, last)) => {
                self.next[last] = Some(place);
                Some((first, place))
            }
        };
        Ok(())
    }

    /// Opens a user's book, takes the events that wait for it, rings when they are due at `now`, and closes it.
    fn step(&mut self, slot: usize, now: Timestamp) -> Result<(), EngineError> {
        let waiting = self.slots[slot].waiting.take();
        let rung = std::mem::take(&mut self.slots[slot].rung);
        if waiting.is_none() && rung.is_empty() {
            return Ok(());
        }
        let app = self.slots[slot].app;
        let user = self.slots[slot].user.clone();
        let rules = self.apps[app].rules.clone();
        let app_name = self.apps[app].name.clone();
        let state = std::mem::replace(&mut self.slots[slot].state, State::Unknown);
        let bad = bad_book(&app_name, &user);
        let mut sealed = match &state {
            State::Book(bytes) => Sealed::read(bytes).map_err(&bad)?,
            State::Unknown if waiting.is_some() => {
                self.apps[app].numbers.users += 1;
                Sealed::new()
            }
            State::Unknown | State::Moved(_) => {
                // Nobody is there any more.
                self.slots[slot].state = state;
                for at in rung {
                    self.changes.delete(keys::deadline(at, &app_name, &user));
                }
                return Ok(());
            }
        };
        let mut activities = Vec::new();
        let mut place = waiting.map(|(first, _)| first);
        while let Some(this) = place {
            let event = &self.events[this];
            activities.extend(sealed.activity(event).map(|activity| (event, activity)));
            place = self.next[this];
        }
        let standing = rules.standing_of(&user, sealed.texts());
        let mut book = sealed.open(&app_name, &user, &standing).map_err(&bad)?;
        for (event, activity) in &activities {
            let (outcome, changed) = book.observe(event, activity, &rules.zone, &mut self.shelf(&app_name, &user))?;
            self.apps[app].numbers.count(outcome);
            self.say(app, &user, &book, changed);
        }
        if !rung.is_empty() {
            let changed = book.advance(now);
            self.say(app, &user, &book, changed);
        }
        if let Some(latest) = activities.iter().map(|(event, _)| event.received_at).max() {
            let fill = self.fill;
            let mut shelf = self.shelf(&app_name, &user);
            book.tidy(Timestamp::from_micros(latest), &rules.zone, fill, &mut shelf);
        }
        self.list(&app_name, &user, &mut book, &rung);
        self.put(app, slot, book);
        Ok(())
    }

    /// Makes two ids one person: what was known under `from` goes on under `to`.
    fn link(&mut self, app: usize, from: &str, to: &str) -> Result<(), EngineError> {
        let from_slot = self.slot(app, from)?;
        let (from_now, to_now) = (self.who_is(app, from)?, self.who_is(app, to)?);
        // An id that was somebody else before stays theirs: two people who share a device are two people.
        if from_now == to_now || from_now != from_slot {
            return Ok(());
        }
        // What was said before the link is taken before it.
        self.step(from_now, Timestamp::MIN)?;
        self.step(to_now, Timestamp::MIN)?;
        let to = self.slots[to_now].user.clone();
        let before = std::mem::replace(&mut self.slots[from_now].state, State::Moved(to.clone()));
        self.slots[from_now].is_changed = true;
        let State::Book(other_bytes) = before else { return Ok(()) };
        let app_name = self.apps[app].name.clone();
        let rules = self.apps[app].rules.clone();
        let bytes = match std::mem::replace(&mut self.slots[to_now].state, State::Unknown) {
            State::Book(bytes) => Some(bytes),
            State::Unknown | State::Moved(_) => {
                self.apps[app].numbers.users += 1;
                None
            }
        };
        let bad = bad_book(&app_name, &to);
        let mut sealed = bytes.as_deref().map_or_else(|| Ok(Sealed::new()), Sealed::read).map_err(&bad)?;
        let bad_other = bad_book(&app_name, from);
        let other = Sealed::read(&other_bytes).map_err(&bad_other)?;
        sealed.add_texts(other.texts());
        let standing = rules.standing_of(&to, sealed.texts());
        let mut book = sealed.open(&app_name, &to, &standing).map_err(&bad)?;
        let other_standing = rules.standing_of(from, other.texts());
        let mut other = other.open(&app_name, from, &other_standing).map_err(&bad_other)?;
        other.recall_all(&mut self.shelf(&app_name, from))?;
        book.recall_all(&mut self.shelf(&app_name, &to))?;
        self.forget(app, from, &mut other);
        let (changed, taken_back) = book.take_over(other);
        for stated in &taken_back {
            self.retract(app, from, stated);
        }
        self.say(app, &to, &book, changed);
        self.list(&app_name, &to, &mut book, &[]);
        self.put(app, to_now, book);
        Ok(())
    }

    /// Closes a book.
    fn put(&mut self, app: usize, slot: usize, book: Book<'_>) {
        let (bytes, gaps) = book.close(&mut self.paper);
        self.apps[app].gaps.merge(gaps);
        self.slots[slot].state = State::Book(bytes);
        self.slots[slot].is_changed = true;
    }

    /// Takes a user's open session and deadline off what is counted and listed.
    fn forget(&mut self, app: usize, user: &str, book: &mut Book<'_>) {
        let opened = book.opened();
        let numbers = &mut self.apps[app].numbers;
        numbers.users -= 1;
        numbers.open -= i64::from(opened.is_some());
        if let Some(opened) = opened {
            self.add(app, Series::Started, floor(opened, MINUTE), -1);
        }
        if let (Some(listed), _) = book.list_anew(true) {
            self.changes.delete(keys::deadline(listed, &self.apps[app].name, user));
        }
    }

    /// Lists a user under the deadline at which they are to be looked at.
    fn list(&mut self, app: &str, user: &str, book: &mut Book<'_>, rung: &[Timestamp]) {
        let (before, now) = book.list_anew(!rung.is_empty());
        for at in rung.iter().copied().chain(before).filter(|at| Some(*at) != now) {
            self.changes.delete(keys::deadline(at, app, user));
        }
        if let Some(at) = now.filter(|at| Some(*at) != before) {
            self.changes.put(keys::deadline(at, app, user), []);
            self.first_listed = Some(self.first_listed.map_or(at, |first| first.min(at)));
        }
    }

    /// Returns all changes, to be committed with the offset up to which the log was read.
    fn end(mut self, offset: Offset) -> Result<Taken, EngineError> {
        for (key, slot) in std::mem::take(&mut self.places) {
            let Slot { state, is_changed, was_cached, .. } = &mut self.slots[slot];
            let bytes = match std::mem::replace(state, State::Unknown) {
                State::Book(bytes) => bytes,
                State::Moved(to) => moved(&to).into(),
                State::Unknown => continue,
            };
            if *is_changed {
                self.changes.put(key.clone(), bytes.clone());
            }
            if *is_changed || !*was_cached {
                self.cache.put(key, bytes);
            }
        }
        for (key, bytes) in std::mem::take(&mut self.fresh) {
            self.changes.put(key, bytes);
        }
        let points = std::mem::take(&mut self.points);
        let keys: Vec<Vec<u8>> = points
            .keys()
            .map(|(app, series, at)| keys::point(&self.apps[*app].name, series.tag(), Timestamp::from_micros(*at)))
            .collect();
        for ((key, count), value) in keys.iter().zip(points.values()).zip(self.load(&keys)?) {
            let before = value.map(|bytes| read::<i64>("", "a series", &bytes)).transpose()?.unwrap_or(0);
            self.changes.put(key.clone(), written(&(before + count)));
        }
        for app in &mut self.apps {
            app.numbers.sessions_always += app.gaps.always;
            let (numbers, pages): (Vec<u16>, Vec<GapPage>) = app.gaps.pages().unzip();
            let keys: Vec<Vec<u8>> = numbers.iter().map(|number| keys::page(&app.name, *number)).collect();
            let before = self.books.load(&keys.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
            for ((key, changes), before) in keys.into_iter().zip(&pages).zip(before) {
                let mut page: GapPage =
                    before.map(|bytes| read(&app.name, "the lab", &bytes)).transpose()?.unwrap_or_default();
                page.add(changes);
                self.changes.put(key, written(&page));
            }
            self.changes.put(keys::numbers(&app.name), written(&app.numbers));
        }
        self.changes.offset = offset;
        Ok(Taken { changes: self.changes, first_listed: self.first_listed })
    }

    /// Writes down what changed for a user.
    fn say(&mut self, app: usize, user: &str, book: &Book<'_>, changed: Changed) {
        for stated in &changed.retracted {
            self.retract(app, user, stated);
        }
        for stated in &changed.stated {
            let session = &stated.closed.session;
            self.add(app, Series::Started, floor(session.started_at, MINUTE), 1);
            self.add(app, Series::Ended, floor(session.ended_at, MINUTE), 1);
            let row = SessionRow::of(stated, |key| book.text_of(key));
            self.changes.put(keys::session(&self.apps[app].name, user, stated), written(&row));
            let news = if 0 < row.amended { News::Amended(row) } else { News::Ended(row) };
            self.tell(app, user, news);
        }
        if changed.opened_before != changed.opened {
            let open = |at: Option<Timestamp>| i64::from(at.is_some());
            self.apps[app].numbers.open += open(changed.opened) - open(changed.opened_before);
            if let Some(before) = changed.opened_before {
                self.add(app, Series::Started, floor(before, MINUTE), -1);
            }
            if let Some(now) = changed.opened {
                self.add(app, Series::Started, floor(now, MINUTE), 1);
                self.tell(app, user, News::Started(now.as_micros()));
            }
        }
        if let Some(hour) = changed.hour {
            self.add(app, Series::ActiveByHour, Timestamp::from_micros(hour * HOUR), 1);
        }
        if let Some(day) = changed.day {
            self.add(app, Series::ActiveByDay, Timestamp::from_micros(day * DAY), 1);
        }
    }

    fn retract(&mut self, app: usize, user: &str, stated: &Stated) {
        let session = &stated.closed.session;
        self.add(app, Series::Started, floor(session.started_at, MINUTE), -1);
        self.add(app, Series::Ended, floor(session.ended_at, MINUTE), -1);
        self.changes.delete(keys::session(&self.apps[app].name, user, stated));
        self.tell(app, user, News::Retracted(stated.id.to_string()));
    }

    fn tell(&mut self, app: usize, user: &str, news: News) {
        let App { name, numbers, .. } = &mut self.apps[app];
        let key = keys::statement(name, numbers.next);
        numbers.next += 1;
        self.changes.put(key, written(&Statement { user: user.to_owned(), news }));
    }

    fn add(&mut self, app: usize, series: Series, at: Timestamp, count: i64) {
        *self.points.entry((app, series, at.as_micros())).or_default() += count;
    }

    /// Returns the place of an app.
    fn app(&mut self, name: &str) -> Result<usize, EngineError> {
        if let Some(place) = self.app_places.get(name) {
            return Ok(*place);
        }
        let value = self.load(&[keys::numbers(name)])?.pop().flatten();
        let numbers = value.map(|bytes| read(name, "its numbers", &bytes)).transpose()?.unwrap_or_default();
        self.app_places.insert(name.to_owned(), self.apps.len());
        self.apps.push(App {
            name: name.into(),
            rules: self.rules.rules_of(name),
            numbers,
            gaps: GapChanges::default(),
        });
        Ok(self.apps.len() - 1)
    }

    /// Returns the place of an id, with what lies under it in the books.
    fn slot(&mut self, app: usize, id: &str) -> Result<usize, EngineError> {
        keys::write_book(&mut self.key, &self.apps[app].name, id);
        if let Some(place) = self.places.get(self.key.as_slice()) {
            return Ok(*place);
        }
        let cached = self.cache.get(&self.key).map(Box::from);
        let was_cached = cached.is_some();
        let bytes = match cached {
            Some(bytes) => Some(bytes),
            None => self.books.load(&[&self.key])?.pop().flatten().map(Vec::into_boxed_slice),
        };
        let state = match bytes {
            None => State::Unknown,
            Some(bytes) => match moved_to(&bytes) {
                Some(to) => State::Moved(to.into()),
                None => State::Book(bytes),
            },
        };
        let slot = Slot { app, user: id.into(), state, is_changed: false, was_cached, waiting: None, rung: Vec::new() };
        self.slots.push(slot);
        self.places.insert(self.key.as_slice().into(), self.slots.len() - 1);
        Ok(self.slots.len() - 1)
    }

    /// Returns the place of who an id is now.
    fn who_is(&mut self, app: usize, id: &str) -> Result<usize, EngineError> {
        let mut slot = self.slot(app, id)?;
        // A chain has an end: an id moves once, and only while it is its own.
        while let State::Moved(to) = &self.slots[slot].state {
            let to = to.clone();
            slot = self.slot(app, &to)?;
        }
        Ok(slot)
    }

    fn shelf<'a>(&'a mut self, app: &'a str, user: &'a str) -> Shelf<'a> {
        Shelf { books: self.books, app, user, fresh: &mut self.fresh, changes: &mut self.changes }
    }

    fn load(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, EngineError> {
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        Ok(self.books.load(&keys)?)
    }
}

fn bad_book<'a>(app: &'a str, user: &'a str) -> impl Fn(String) -> EngineError + 'a {
    move |cause| EngineError::BadBook { app: app.to_owned(), what: format!("user {user}"), cause }
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
    written_to(Vec::with_capacity(128), value)
}

/// Appends a value's bytes.
pub(crate) fn written_to(bytes: Vec<u8>, value: &impl serde::Serialize) -> Vec<u8> {
    let written = postcard::to_extend(value, bytes);
    assert!(written.is_ok(), "a value cannot be written: {:?}", written.err());
    written.unwrap_or_default()
}
