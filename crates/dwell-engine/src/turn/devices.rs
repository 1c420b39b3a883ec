//! Who takes a device from whom: found when all users of a turn have been stepped.
//!
//! On one device, in order, what one person starts may follow on what another started: then the first one's timeline says that
//! the device changed hands. This is worked out anew from the earliest event of the turn on, of those who were there since. Of
//! a device on which one person is alone, nothing is asked.

use std::collections::{BTreeMap, BTreeSet};

use dwell_core::handover::handovers;
use dwell_core::time::Timestamp;

use super::found::LOADED_AT_ONCE;
use super::{Turn, on_threads, written};
use crate::book::{Book, Changed, MARGIN, Start};
use crate::device::{Device, Seen};
use crate::error::EngineError;
use crate::keys;
use crate::sheet::{Scene, Stirred};
use crate::shelf::Shelf;

/// Who stirred a device, by their places, and from when to when.
type Stirring = BTreeMap<usize, (i64, i64)>;

/// The key of a device in the books, and what lies under it.
type Known = (Vec<u8>, Option<Vec<u8>>);

impl Turn<'_> {
    /// Looks at all devices on which anything happened that may concern others.
    pub(super) fn hand_over(&mut self, now: Timestamp) -> Result<(), EngineError> {
        let mut devices: BTreeMap<(usize, String), Stirring> = BTreeMap::new();
        for Stirred { app, user, stir } in std::mem::take(&mut self.sheet.stirred) {
            let slot = self.who_is(app, &user)?;
            let (earliest, latest) =
                devices.entry((app, stir.device)).or_default().entry(slot).or_insert((stir.first, stir.last));
            *earliest = stir.first.min(*earliest);
            *latest = stir.last.max(*latest);
        }
        let known = self.known_of(devices.keys().map(|(app, device)| (*app, device.as_str())))?;
        for (((app, device), stirring), (key, bytes)) in devices.into_iter().zip(known) {
            self.look_at(app, &device, &stirring, (key, bytes), now)?;
        }
        Ok(())
    }

    /// Returns for each of these devices its key and what lies under it in the books.
    fn known_of<'d>(&mut self, devices: impl Iterator<Item = (usize, &'d str)>) -> Result<Vec<Known>, EngineError> {
        let fingerprints = self.cache.fingerprints();
        let mut known: Vec<Known> = Vec::new();
        let mut missing = Vec::new();
        for (app, device) in devices {
            let name = &self.apps[app].name;
            let (key, hash) = (keys::device(name, device), self.cache.hash(name, device));
            let fingerprint = fingerprints(&key);
            let bytes = self.cache.part(hash).get(fingerprint).map(<[u8]>::to_vec);
            if bytes.is_none() {
                missing.push(known.len());
            }
            known.push((key, bytes));
        }
        let threads = self.threads_for(missing.len());
        let share = missing.len().div_ceil(threads).max(1);
        let (books, all) = (self.books, &known);
        let loaded = on_threads(threads, missing.chunks(share).collect(), |places: &[usize]| {
            let mut loaded = Vec::with_capacity(places.len());
            for some in places.chunks(LOADED_AT_ONCE) {
                let keys: Vec<&[u8]> = some.iter().map(|place| all[*place].0.as_slice()).collect();
                loaded.extend(books.load(&keys)?);
            }
            Ok::<_, EngineError>(loaded)
        });
        let loaded = loaded.into_iter().collect::<Result<Vec<_>, _>>()?;
        for (place, bytes) in missing.into_iter().zip(loaded.into_iter().flatten()) {
            known[place].1 = bytes;
        }
        Ok(known)
    }

    fn look_at(
        &mut self,
        app: usize,
        device: &str,
        stirring: &Stirring,
        (key, bytes): Known,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let name = self.apps[app].name.clone();
        let hash = self.cache.hash(&name, device);
        let before = bytes.as_deref();
        let mut known = before.map_or_else(|| Ok(Device::new()), |bytes| Device::read(&name, device, bytes))?;
        if known.is_crowded {
            return Ok(());
        }
        if !self.is_nobody_elses(app, &mut known, stirring)? {
            self.work_out(app, device, &mut known, stirring, now)?;
            if known.is_crowded {
                self.withdraw(app, device, &std::mem::take(&mut known.seen))?;
            }
        }
        let now = written(&known);
        let fingerprint = self.cache.fingerprints()(&key);
        self.cache.part(hash).put(fingerprint, now.clone().into());
        if bytes.as_ref() != Some(&now) {
            self.sheet.changes.put(key, now);
        }
        Ok(())
    }

    /// Forgets that whoever has these ids was on a device, and works out anew who took it from whom of the others.
    pub(super) fn forget_on(&mut self, app: usize, device: &str, ids: &BTreeSet<String>) -> Result<(), EngineError> {
        let name = self.apps[app].name.clone();
        let key = keys::device(&name, device);
        let Some(bytes) = self.books.load(&[&key])?.pop().flatten() else { return Ok(()) };
        let mut known = Device::read(&name, device, &bytes)?;
        known.seen.retain(|seen| !ids.contains(&seen.user));
        if known.is_crowded {
            // Of a crowd nobody is noted.
            return Ok(());
        }
        if !known.seen.is_empty() {
            self.work_out(app, device, &mut known, &Stirring::new(), Timestamp::MIN)?;
            self.sheet.changes.put(key, written(&known));
        } else {
            self.sheet.changes.delete(key);
        }
        Ok(())
    }

    /// Notes who is on a device; says whether that concerns nobody else.
    fn is_nobody_elses(&mut self, app: usize, known: &mut Device, stirring: &Stirring) -> Result<bool, EngineError> {
        let mut all = stirring.iter();
        let (Some((slot, (first, last))), None) = (all.next(), all.next()) else { return Ok(false) };
        let user = self.slots[*slot].user.clone();
        let is_alone = match known.seen.as_slice() {
            [] => true,
            [Seen { user: other, last: None }] => {
                let other = other.clone();
                self.who_is(app, &other)? == *slot
            }
            _ => false,
        };
        if is_alone {
            known.seen = vec![Seen { user: user.to_string(), last: None }];
        }
        Ok(is_alone || known.goes_on(&user, *first, *last))
    }

    /// Works out who took a device from whom, from the earliest of what happened on.
    fn work_out(
        &mut self,
        app: usize,
        device: &str,
        known: &mut Device,
        stirring: &Stirring,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        let from = stirring.values().map(|(first, _)| *first).min().unwrap_or(i64::MIN);
        let mut people: BTreeSet<usize> = stirring.keys().copied().collect();
        let concerned: Vec<String> = known.concerned(from).map(|seen| seen.user.clone()).collect();
        for user in &concerned {
            people.insert(self.who_is(app, user)?);
        }
        known.seen.retain(|seen| !concerned.contains(&seen.user));
        let mut starts: Vec<(Start, usize)> = Vec::new();
        let mut before: Vec<(Start, usize)> = Vec::new();
        // Who took nothing since may be said to have lost it still, by what is another's now.
        let mut taken: BTreeMap<usize, Vec<&Start>> = people.iter().map(|slot| (*slot, vec![])).collect();
        for slot in people {
            let found = self.reopen(slot, |book, shelf| {
                let starts = book.device_key(device).map(|key| book.starts(key, from, shelf)).transpose()?;
                Ok((starts, Changed::default()))
            })?;
            // Who has taken too many devices notes no more of them.
            let Some((since, last_before)) = found.flatten() else { continue };
            let Some(last) = since.last().or(last_before.as_ref()).map(|start| start.at) else { continue };
            let user = self.slots[slot].user.to_string();
            known.seen.retain(|seen| seen.user != user);
            known.seen.push(Seen { user, last: Some(last) });
            starts.extend(since.into_iter().map(|start| (start, slot)));
            before.extend(last_before.map(|start| (start, slot)));
        }
        // Where two did the same in one moment, their ids decide: neither order of arrival nor places do.
        let in_order = |(one, of_one): &(Start, usize), (other, of_other): &(Start, usize)| {
            one.cmp(other).then_with(|| self.slots[*of_one].user.cmp(&self.slots[*of_other].user))
        };
        starts.sort_by(in_order);
        let had_it = before.iter().max_by(|one, other| in_order(one, other)).map(|(_, slot)| *slot);
        for (loser, place) in handovers(had_it, starts.iter().map(|(_, slot)| *slot)) {
            taken.entry(loser).or_default().push(&starts[place].0);
        }
        known.let_go(self.forgotten_before(app, now));
        for (slot, taken) in taken {
            // Who is not noted there is noted when they take it again.
            let is_shared = !matches!(known.seen.as_slice(), [seen] if *seen.user == *self.slots[slot].user);
            self.say_taken(slot, device, is_shared, from, &taken)?;
        }
        Ok(())
    }

    /// Withdraws all that was said of a device which is none.
    fn withdraw(&mut self, app: usize, device: &str, seen: &[Seen]) -> Result<(), EngineError> {
        for Seen { user, .. } in seen {
            let slot = self.who_is(app, user)?;
            self.say_taken(slot, device, false, i64::MIN, &[])?;
        }
        Ok(())
    }

    /// Says to a user when others took a device after them, and whether they share it.
    fn say_taken(
        &mut self,
        slot: usize,
        device: &str,
        is_shared: bool,
        from: i64,
        taken: &[&Start],
    ) -> Result<(), EngineError> {
        let fill = self.options.fill;
        self.reopen(slot, |book, shelf| {
            let Some(key) = book.device_key(device) else { return Ok(((), Changed::default())) };
            book.share(key, is_shared);
            let changed = book.hand_over(key, from, taken, shelf)?;
            book.put_aside(fill, shelf);
            Ok(((), changed))
        })?;
        Ok(())
    }

    /// Returns the moment before which nothing can change any more.
    pub(super) fn forgotten_before(&self, app: usize, now: Timestamp) -> i64 {
        let lateness = self.apps[app].rules.standing_of("", &[]).rules_at(now).allowed_lateness;
        now.minus(lateness).minus(MARGIN).as_micros()
    }

    fn reopen<T>(
        &mut self,
        slot: usize,
        act: impl FnOnce(&mut Book<'_>, &mut Shelf<'_>) -> Result<(T, Changed), EngineError>,
    ) -> Result<Option<T>, EngineError> {
        let fill = self.options.fill;
        let scene = Scene {
            books: self.books,
            apps: &self.apps,
            events: self.events,
            next: &self.next,
            fill,
            began: self.began,
        };
        self.sheet.reopen(scene, &mut self.slots[slot], act)
    }
}
