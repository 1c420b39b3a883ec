//! Who is in a turn: the ids of all its events, each with what lies under it in the books.
//!
//! Ids are found on several threads, each with a part of the cache of its own. What comes of it does not depend on that:
//! places are given in the order in which ids come first.

use std::sync::atomic::{AtomicU32, Ordering};

use dwell_store::Books;
use hashbrown::HashTable;

use super::on_threads;
use crate::cache::{Cache, Fingerprint, Part, part_of};
use crate::error::EngineError;
use crate::keys;
use crate::record::Heading;
use crate::sheet::{App, Slot};

/// So many books are asked for at once.
pub(super) const LOADED_AT_ONCE: usize = 1_024;

/// The places of ids by their hashes, in as many parts as the cache has.
pub(super) struct Index(Vec<Places>);

#[derive(Default)]
struct Places {
    known: HashTable<Known>,
    /// The place among all, for the number in this part.
    places: Vec<usize>,
}

struct Known {
    hash: u64,
    number: u32,
}

impl Index {
    /// Begins with nobody.
    pub fn new(parts: usize) -> Self {
        Index((0..parts).map(|_| Places::default()).collect())
    }

    /// Returns the place of an id; `is_it` is asked of those with the same hash.
    pub fn find(&self, hash: u64, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let Places { known, places } = &self.0[part_of(hash, self.0.len())];
        let found = known.find(hash, |known| known.hash == hash && is_it(places[known.number as usize]))?;
        Some(places[found.number as usize])
    }

    /// Puts an id that is not there at a place.
    pub fn put(&mut self, hash: u64, place: usize) {
        let part = part_of(hash, self.0.len());
        let Places { known, places } = &mut self.0[part];
        known.insert_unique(hash, Known { hash, number: places.len() as u32 }, |known| known.hash);
        places.push(place);
    }
}

/// All who were found.
pub(super) struct Found {
    pub slots: Vec<Slot>,
    pub index: Index,
    /// For every event the place of its id.
    pub of_event: Vec<u32>,
}

/// What events are looked at in.
#[derive(Clone, Copy)]
pub(super) struct Crowd<'a> {
    pub events: &'a [Heading<'a>],
    /// For every event the place of its app.
    pub app_of: &'a [usize],
    pub apps: &'a [App],
    pub books: &'a dyn Books,
}

/// Finds the ids of all events, on so many threads at most.
pub(super) fn find(crowd: Crowd<'_>, cache: &mut Cache, threads: usize) -> Result<Found, EngineError> {
    let events = crowd.events.len();
    let hashes = hashes_of(crowd, cache, threads);
    let numbers: Vec<AtomicU32> = (0..events).map(|_| AtomicU32::new(0)).collect();
    let (parts, fingerprints) = (cache.count(), cache.fingerprints());
    let work: Vec<(usize, &mut Part)> = cache.parts().iter_mut().enumerate().collect();
    let found = on_threads(threads, work, |(number, part)| {
        let mine = |hash: u64| part_of(hash, parts) == number;
        find_some(crowd, &hashes, mine, (part, fingerprints), &numbers)
    });
    let mut found = found.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut slots = Vec::with_capacity(found.iter().map(|(slots, _)| slots.len()).sum());
    let mut of_event = Vec::with_capacity(events);
    let mut waiting: Vec<_> = found.iter_mut().map(|(slots, _)| std::mem::take(slots).into_iter()).collect();
    for (hash, number) in hashes.iter().zip(numbers) {
        let part = part_of(*hash, parts);
        let (number, places) = (number.into_inner() as usize, &mut found[part].1.places);
        if number == places.len() {
            places.push(slots.len());
            slots.extend(waiting[part].next());
        }
        of_event.push(places[number] as u32);
    }
    let index = Index(found.into_iter().map(|(_, places)| places).collect());
    Ok(Found { slots, index, of_event })
}

fn hashes_of(crowd: Crowd<'_>, cache: &Cache, threads: usize) -> Vec<u64> {
    let share = crowd.events.len().div_ceil(threads).max(1);
    let shares = crowd.events.chunks(share).zip(crowd.app_of.chunks(share)).collect();
    let hashes = on_threads(threads, shares, |(events, app_of): (&[Heading<'_>], &[usize])| {
        let name = |app: &usize| &crowd.apps[*app].name;
        events.iter().zip(app_of).map(|(event, app)| cache.hash(name(app), event.user)).collect::<Vec<u64>>()
    });
    hashes.concat()
}

/// Finds the ids that are ours, and notes for each of their events which of them it is, in the order in which they come.
fn find_some(
    crowd: Crowd<'_>,
    hashes: &[u64],
    is_mine: impl Fn(u64) -> bool,
    (part, fingerprints): (&mut Part, impl Fn(&[u8]) -> Fingerprint),
    numbers: &[AtomicU32],
) -> Result<(Vec<Slot>, Places), EngineError> {
    let (mut slots, mut known) = (Vec::<Slot>::new(), HashTable::<Known>::new());
    let (mut key, mut missing) = (Vec::new(), Vec::new());
    for (place, hash) in hashes.iter().enumerate() {
        if !is_mine(*hash) {
            continue;
        }
        let (app, user) = (crowd.app_of[place], crowd.events[place].user);
        let is_it = |known: &Known| {
            let slot = &slots[known.number as usize];
            known.hash == *hash && slot.app == app && *slot.user == *user
        };
        let number = match known.find(*hash, is_it) {
            Some(found) => found.number,
            None => {
                let number = slots.len() as u32;
                known.insert_unique(*hash, Known { hash: *hash, number }, |known| known.hash);
                keys::write_book(&mut key, &crowd.apps[app].name, user);
                let fingerprint = fingerprints(&key);
                let mut slot = Slot::new(app, user.into(), *hash, fingerprint);
                match part.take(fingerprint) {
                    Some(bytes) => slot.find(&crowd.apps[app].name, bytes)?,
                    None => missing.push((number, key.clone())),
                }
                slots.push(slot);
                number
            }
        };
        numbers[place].store(number, Ordering::Relaxed);
    }
    for some in missing.chunks(LOADED_AT_ONCE) {
        let keys: Vec<&[u8]> = some.iter().map(|(_, key)| key.as_slice()).collect();
        for ((number, _), bytes) in some.iter().zip(crowd.books.load(&keys)?) {
            if let Some(bytes) = bytes {
                let slot = &mut slots[*number as usize];
                slot.find(&crowd.apps[slot.app].name, bytes.into())?;
            }
        }
    }
    Ok((slots, Places { known, places: Vec::new() }))
}
