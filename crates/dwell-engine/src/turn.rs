//! One turn: events are handed out to their users, users are stepped, and all that comes of it is put together.
//!
//! Each user's book is opened once, takes all its events in their order, and is closed again. Users know nothing of each other, so
//! several threads step them, each on a [`Sheet`] of its own. Only a link between two ids makes the events of a user be
//! taken before it, and who took a device from whom is found when all have been stepped.

mod devices;
mod erase;
mod found;
mod links;

use std::collections::HashMap;

use dwell_core::time::Timestamp;
use dwell_store::{Books, Changes, Offset, Value};
use serde::de::DeserializeOwned;

use crate::book::Fill;
use crate::cache::{Cache, Part, part_of};
use crate::error::EngineError;
use crate::gaps::GapPage;
use crate::keys;
use crate::laws::Breaches;
use crate::numbers::Numbers;
use crate::record::Heading;
use crate::rules::RulesOf;
use crate::sheet::{App, LOOKED_AT_TOGETHER, Scene, Sheet, Slot, Tally};
use crate::statement::statement_bytes;
use crate::worker::WorkerOptions;
use found::{Crowd, Found, Index};

/// A deadline that has passed: when, of which app and which user.
pub(crate) type Due = (Timestamp, String, String);

/// What a turn comes to.
pub(crate) struct Taken {
    /// To be committed.
    pub changes: Changes,
    /// Of how many users events were taken.
    pub users: usize,
    /// How many deadlines had passed.
    pub deadlines: usize,
    /// The earliest deadline under which somebody is listed now and was not before.
    pub first_listed: Option<Timestamp>,
    /// Laws that do not hold for what was stated.
    pub breaches: Breaches,
}

/// See the module.
pub(crate) struct Turn<'t> {
    books: &'t dyn Books,
    cache: &'t mut Cache,
    rules: &'t dyn RulesOf,
    options: WorkerOptions,
    events: &'t [Heading<'t>],
    /// When the first of them came in.
    began: Timestamp,
    /// For every event the next one of the same user.
    next: Vec<Option<usize>>,
    apps: Vec<App>,
    /// What is counted of each app so far.
    numbers: Vec<Numbers>,
    app_places: HashMap<String, usize>,
    slots: Vec<Slot>,
    index: Index,
    sheet: Sheet,
}

impl<'t> Turn<'t> {
    /// Begins a turn with these events.
    pub fn new(
        books: &'t dyn Books,
        cache: &'t mut Cache,
        rules: &'t dyn RulesOf,
        options: WorkerOptions,
        events: &'t [Heading<'t>],
    ) -> Self {
        let index = Index::new(cache.count());
        let began = events.iter().map(|event| event.received_at).min().map_or(Timestamp::MIN, Timestamp::from_micros);
        Turn {
            books,
            cache,
            rules,
            options,
            events,
            began,
            next: vec![None; events.len()],
            apps: Vec::new(),
            numbers: Vec::new(),
            app_places: HashMap::new(),
            slots: Vec::new(),
            index,
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
        self.hand_out()?;
        let users = self.slots.len();
        let due = due()?;
        for (at, app, user) in &due {
            let app = self.app(app)?;
            let slot = self.slot(app, user)?;
            self.slots[slot].rung.push(*at);
        }
        self.step(now)?;
        self.hand_over(now)?;
        self.end(now, offset, users, due.len())
    }

    /// Gives each event to its user.
    fn hand_out(&mut self) -> Result<(), EngineError> {
        let app_of = self.apps_of_events()?;
        let threads = self.threads_for(self.events.len());
        let crowd = Crowd { events: self.events, app_of: &app_of, apps: &self.apps, books: self.books };
        let Found { slots, index, of_event } = found::find(crowd, self.cache, threads)?;
        (self.slots, self.index) = (slots, index);
        for (place, id) in of_event.into_iter().enumerate() {
            let event = &self.events[place];
            if event.link_from.is_some() {
                self.link(app_of[place], &event.record()?)?;
            }
            let slot = self.end_of(id as usize)?;
            let waiting = &mut self.slots[slot].waiting;
            *waiting = match *waiting {
                None => Some((place, place)),
                Some((first, last)) => {
                    self.next[last] = Some(place);
                    Some((first, place))
                }
            };
        }
        Ok(())
    }

    fn apps_of_events(&mut self) -> Result<Vec<usize>, EngineError> {
        let events = self.events;
        let mut app_of = Vec::with_capacity(events.len());
        let mut last = None;
        for event in events {
            // Events of one app come in rows.
            let app = match last {
                Some((name, app)) if name == event.app => app,
                _ => self.app(event.app)?,
            };
            last = Some((event.app, app));
            app_of.push(app);
        }
        Ok(app_of)
    }

    /// Returns on how many threads to look after so many users or events.
    fn threads_for(&self, many: usize) -> usize {
        let WorkerOptions { threads, users_a_thread, .. } = self.options;
        threads.min(many / users_a_thread.max(1)).max(1)
    }

    /// Steps all users.
    fn step(&mut self, now: Timestamp) -> Result<(), EngineError> {
        if self.slots.is_empty() {
            return Ok(());
        }
        let scene = Scene {
            books: self.books,
            apps: &self.apps,
            events: self.events,
            next: &self.next,
            fill: self.options.fill,
            began: self.began,
        };
        let threads = self.threads_for(self.slots.len());
        let share = self.slots.len().div_ceil(threads).max(1);
        let offset = self.books.offset();
        let first = std::mem::replace(&mut self.sheet, Sheet::new(offset));
        let sheets = std::iter::once(first).chain(std::iter::repeat_with(|| Sheet::new(offset)));
        let shares: Vec<_> = self.slots.chunks_mut(share).zip(sheets).collect();
        let sheets = on_threads(threads, shares, |(slots, mut sheet)| {
            for some in slots.chunks_mut(LOOKED_AT_TOGETHER) {
                scene.look_at(some);
                some.iter_mut().try_for_each(|slot| sheet.step(scene, slot, now))?;
            }
            Ok(sheet)
        });
        let sheets = sheets.into_iter().collect::<Result<Vec<_>, EngineError>>()?;
        let mut sheets = sheets.into_iter();
        if let Some(first) = sheets.next() {
            self.sheet = first;
        }
        sheets.for_each(|sheet| self.sheet.append(sheet));
        Ok(())
    }

    /// Returns all changes, to be committed with the offset up to which the log was read.
    fn end(mut self, now: Timestamp, offset: Offset, users: usize, deadlines: usize) -> Result<Taken, EngineError> {
        self.put_away();
        let Sheet { mut changes, tallies, points, measured, fresh, first_listed, breaches, .. } =
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
            self.put_tally(app, tally, now, &mut changes)?;
        }
        changes.offset = offset;
        Ok(Taken { changes, users, deadlines, first_listed, breaches })
    }

    /// Puts all books into the cache, and those that changed among the changes.
    fn put_away(&mut self) {
        let threads = self.threads_for(self.slots.len());
        let parts = self.cache.count();
        let mut shares: Vec<Vec<Slot>> = (0..parts).map(|_| Vec::with_capacity(self.slots.len() / parts)).collect();
        for slot in self.slots.drain(..) {
            shares[part_of(slot.hash, parts)].push(slot);
        }
        let (apps, offset) = (&self.apps, self.sheet.changes.offset);
        let shares = shares.into_iter().zip(self.cache.parts()).collect();
        let all = on_threads(threads, shares, |(slots, part): (Vec<Slot>, &mut Part)| {
            let mut changes = Changes::up_to(offset);
            for slot in slots {
                let (fingerprint, app, user, is_changed) =
                    (slot.fingerprint, slot.app, slot.user.clone(), slot.is_changed);
                let Some(bytes) = slot.into_bytes() else { continue };
                if is_changed {
                    changes.put(keys::book(&apps[app].name, &user), bytes.clone());
                }
                part.put(fingerprint, bytes);
            }
            changes
        });
        all.into_iter().for_each(|changes| self.sheet.changes.append(changes));
    }

    /// Writes what is added to an app.
    fn put_tally(
        &mut self,
        app: usize,
        tally: Tally,
        now: Timestamp,
        changes: &mut Changes,
    ) -> Result<(), EngineError> {
        let name = self.apps[app].name.clone();
        let numbers = &mut self.numbers[app];
        for (user, news) in &tally.news {
            changes.put(keys::statement(&name, numbers.next), statement_bytes(now, user, news));
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
        let name = &self.apps[app].name;
        let hash = self.cache.hash(name, id);
        let is_it = |place: usize| self.slots[place].app == app && *self.slots[place].user == *id;
        if let Some(place) = self.index.find(hash, is_it) {
            return Ok(place);
        }
        let key = keys::book(name, id);
        let fingerprint = self.cache.fingerprints()(&key);
        let bytes = match self.cache.part(hash).take(fingerprint) {
            Some(bytes) => Some(bytes),
            None => self.books.load(&[&key])?.pop().flatten().map(Value::from),
        };
        let mut slot = Slot::new(app, id.into(), hash, fingerprint);
        if let Some(bytes) = bytes {
            slot.find(name, bytes)?;
        }
        let place = self.slots.len();
        self.slots.push(slot);
        self.index.put(hash, place);
        Ok(place)
    }

    /// Steps a few users while events are still handed out.
    fn with_scene<T>(&mut self, act: impl FnOnce(&mut Sheet, Scene<'_>, &mut [Slot]) -> T) -> T {
        // What another thread could not find is not put aside.
        let scene = Scene {
            books: self.books,
            apps: &self.apps,
            events: self.events,
            next: &self.next,
            fill: Fill { most: usize::MAX, ..self.options.fill },
            began: self.began,
        };
        act(&mut self.sheet, scene, &mut self.slots)
    }

    fn load(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, EngineError> {
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        Ok(self.books.load(&keys)?)
    }
}

/// Does the work on each of these, the first here and the others on threads of their own, where there is more than one
/// thread to have; what comes of it is in their order.
fn on_threads<T: Send, R: Send>(threads: usize, all: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    if threads == 1 {
        return all.into_iter().map(work).collect();
    }
    let work = &work;
    std::thread::scope(|scope| {
        let mut all = all.into_iter();
        let first = all.next();
        let others: Vec<_> = all.map(|one| scope.spawn(move || work(one))).collect();
        let others = others.into_iter().map(|other| match other.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        first.map(work).into_iter().chain(others).collect()
    })
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
