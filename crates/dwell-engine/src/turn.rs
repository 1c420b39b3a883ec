//! One turn: events are handed out to their users, users are stepped, and all that comes of it is put together.
//!
//! Each user's book is opened once, takes all its events in their order, and is closed again. Users know nothing of each other, so
//! several threads step them, each on a [`Sheet`] of its own. Only a link between two ids makes these two users' events be
//! taken before it, and who took a device from whom is found when all have been stepped.

mod devices;

use std::collections::HashMap;

use dwell_core::time::Timestamp;
use dwell_store::{Books, Changes, Offset};
use foldhash::fast::RandomState;
use serde::de::DeserializeOwned;

use crate::book::{Fill, moved, moved_to};
use crate::cache::Cache;
use crate::error::EngineError;
use crate::gaps::GapPage;
use crate::keys;
use crate::numbers::Numbers;
use crate::record::Record;
use crate::rules::RulesOf;
use crate::sheet::{App, Scene, Sheet, Slot, State, Tally};
use crate::worker::WorkerOptions;

/// A deadline that has passed: when, of which app and which user.
pub(crate) type Due = (Timestamp, String, String);

/// What a turn comes to.
pub(crate) struct Taken {
    /// To be committed.
    pub changes: Changes,
    /// How many deadlines had passed.
    pub deadlines: usize,
    /// The earliest deadline under which somebody is listed now and was not before.
    pub first_listed: Option<Timestamp>,
}

/// See the module.
pub(crate) struct Turn<'t> {
    books: &'t dyn Books,
    cache: &'t mut Cache,
    rules: &'t dyn RulesOf,
    options: WorkerOptions,
    events: &'t [Record<'t>],
    /// When the first of them came in, and when the earliest of them happened.
    began: Timestamp,
    first: i64,
    /// For every event the next one of the same user.
    next: Vec<Option<usize>>,
    apps: Vec<App>,
    /// What is counted of each app so far.
    numbers: Vec<Numbers>,
    app_places: HashMap<String, usize>,
    slots: Vec<Slot>,
    places: HashMap<Box<[u8]>, usize, RandomState>,
    /// Where a key is written before it is known whether it is needed.
    key: Vec<u8>,
    sheet: Sheet,
}

impl<'t> Turn<'t> {
    /// Begins a turn with these events.
    pub fn new(
        books: &'t dyn Books,
        cache: &'t mut Cache,
        rules: &'t dyn RulesOf,
        options: WorkerOptions,
        events: &'t [Record<'t>],
    ) -> Self {
        let began = events.iter().map(|event| event.received_at).min().map_or(Timestamp::MIN, Timestamp::from_micros);
        Turn {
            books,
            cache,
            rules,
            options,
            events,
            began,
            first: events.iter().map(|event| event.happened_at).min().unwrap_or(i64::MAX),
            next: vec![None; events.len()],
            apps: Vec::new(),
            numbers: Vec::new(),
            app_places: HashMap::new(),
            slots: Vec::new(),
            places: HashMap::default(),
            key: Vec::new(),
            sheet: Sheet::new(books.offset()),
        }
    }

    /// Takes all events, rings for those who are due at `now`, and returns all changes, to be committed with the offset up
    /// to which the log was read. Who is due is asked as late as possible, since it may have to be waited for.
    pub fn take(
        mut self,
        due: impl FnOnce() -> Result<Vec<Due>, EngineError>,
        now: Timestamp,
        offset: Offset,
    ) -> Result<Taken, EngineError> {
        for place in 0..self.events.len() {
            self.hand_out(place)?;
        }
        let due = due()?;
        for (at, app, user) in &due {
            let app = self.app(app)?;
            let slot = self.slot(app, user)?;
            self.slots[slot].rung.push(*at);
        }
        self.step(now)?;
        self.hand_over(now)?;
        self.end(offset, due.len())
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

    /// Steps all users.
    fn step(&mut self, now: Timestamp) -> Result<(), EngineError> {
        let scene = Scene {
            books: self.books,
            apps: &self.apps,
            events: self.events,
            next: &self.next,
            fill: self.options.fill,
            began: self.began,
        };
        let WorkerOptions { threads, users_a_thread, .. } = self.options;
        let threads = threads.min(self.slots.len() / users_a_thread.max(1)).max(1);
        let share = self.slots.len().div_ceil(threads).max(1);
        let offset = self.books.offset();
        let step_all = |slots: &mut [Slot], mut sheet: Sheet| -> Result<Sheet, EngineError> {
            for slot in slots {
                sheet.step(scene, slot, now)?;
            }
            Ok(sheet)
        };
        let (mine, others) = self.slots.split_at_mut_checked(share).unwrap_or((&mut [], &mut []));
        let sheet = std::mem::replace(&mut self.sheet, Sheet::new(offset));
        let sheets = std::thread::scope(|scope| {
            let others: Vec<_> =
                others.chunks_mut(share).map(|slots| scope.spawn(|| step_all(slots, Sheet::new(offset)))).collect();
            let mine = step_all(mine, sheet);
            let others = others.into_iter().map(|other| match other.join() {
                Ok(sheet) => sheet,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            std::iter::once(mine).chain(others).collect::<Result<Vec<_>, _>>()
        })?;
        let mut sheets = sheets.into_iter();
        if let Some(first) = sheets.next() {
            self.sheet = first;
        }
        sheets.for_each(|sheet| self.sheet.append(sheet));
        Ok(())
    }

    /// Makes two ids one person from here on.
    fn link(&mut self, app: usize, from: &str, to: &str) -> Result<(), EngineError> {
        let from_slot = self.slot(app, from)?;
        let (from_now, to_now) = (self.who_is(app, from)?, self.who_is(app, to)?);
        // An id that was somebody else before stays theirs: two people who share a device are two people.
        if from_now == to_now || from_now != from_slot {
            return Ok(());
        }
        // What another thread could not find is not put aside.
        let fill = Fill { most: usize::MAX, ..self.options.fill };
        let scene = Scene {
            books: self.books,
            apps: &self.apps,
            events: self.events,
            next: &self.next,
            fill,
            began: self.began,
        };
        match self.slots.get_disjoint_mut([from_now, to_now]) {
            Ok([from, to]) => {
                to.was_linked = true;
                self.sheet.link(scene, from, to)
            }
            // They are two, as was just seen.
            Err(_same) => Ok(()),
        }
    }

    /// Returns all changes, to be committed with the offset up to which the log was read.
    fn end(mut self, offset: Offset, deadlines: usize) -> Result<Taken, EngineError> {
        for (key, slot) in std::mem::take(&mut self.places) {
            let Slot { state, is_changed, .. } = &mut self.slots[slot];
            let bytes = match std::mem::replace(state, State::Unknown) {
                State::Book(bytes) => bytes,
                State::Moved(to) => moved(&to).into(),
                State::Unknown => continue,
            };
            if *is_changed {
                self.sheet.changes.put(key.clone(), bytes.clone());
            }
            self.cache.put(key, bytes);
        }
        let Sheet { mut changes, tallies, points, measured, fresh, first_listed, .. } =
            std::mem::replace(&mut self.sheet, Sheet::new(offset));
        for (key, bytes) in fresh {
            changes.put(key, bytes);
        }
        let keys: Vec<Vec<u8>> = points
            .keys()
            .map(|(app, series, at)| keys::point(&self.apps[*app].name, series.tag(), Timestamp::from_micros(*at)))
            .collect();
        for ((key, count), value) in keys.iter().zip(points.values()).zip(self.load(&keys)?) {
            let before = value.map(|bytes| read::<i64>("", "a series", &bytes)).transpose()?.unwrap_or(0);
            changes.put(key.clone(), written(&(before + count)));
        }
        measured.write(&self.apps, |keys| self.load(keys), &mut changes)?;
        for (app, tally) in tallies.into_iter().enumerate() {
            self.put_tally(app, tally, &mut changes)?;
        }
        changes.offset = offset;
        Ok(Taken { changes, deadlines, first_listed })
    }

    /// Writes what is added to an app.
    fn put_tally(&mut self, app: usize, tally: Tally, changes: &mut Changes) -> Result<(), EngineError> {
        let name = self.apps[app].name.clone();
        let numbers = &mut self.numbers[app];
        for statement in tally.news {
            changes.put(keys::statement(&name, numbers.next), written(&statement));
            numbers.next += 1;
        }
        numbers.add(&tally.numbers);
        numbers.sessions_always += tally.gaps.always;
        changes.put(keys::numbers(&name), written(numbers));
        let (numbers, pages): (Vec<u16>, Vec<GapPage>) = tally.gaps.pages().unzip();
        let keys: Vec<Vec<u8>> = numbers.iter().map(|number| keys::page(&name, *number)).collect();
        let before = self.load(&keys)?;
        for ((key, added), before) in keys.into_iter().zip(&pages).zip(before) {
            let mut page: GapPage = before.map(|bytes| read(&name, "the lab", &bytes)).transpose()?.unwrap_or_default();
            page.add(added);
            changes.put(key, written(&page));
        }
        Ok(())
    }

    /// Returns the place of an app.
    fn app(&mut self, name: &str) -> Result<usize, EngineError> {
        if let Some(place) = self.app_places.get(name) {
            return Ok(*place);
        }
        let value = self.load(&[keys::numbers(name)])?.pop().flatten();
        let numbers = value.map(|bytes| read(name, "its numbers", &bytes)).transpose()?.unwrap_or_default();
        self.app_places.insert(name.to_owned(), self.apps.len());
        self.apps.push(App { name: name.into(), rules: self.rules.rules_of(name) });
        self.numbers.push(numbers);
        Ok(self.apps.len() - 1)
    }

    /// Returns the place of an id, with what lies under it in the books.
    fn slot(&mut self, app: usize, id: &str) -> Result<usize, EngineError> {
        keys::write_book(&mut self.key, &self.apps[app].name, id);
        if let Some(place) = self.places.get(self.key.as_slice()) {
            return Ok(*place);
        }
        let bytes = match self.cache.take(&self.key) {
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
        let slot =
            Slot { app, user: id.into(), state, is_changed: false, was_linked: false, waiting: None, rung: Vec::new() };
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

    fn load(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, EngineError> {
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        Ok(self.books.load(&keys)?)
    }
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
