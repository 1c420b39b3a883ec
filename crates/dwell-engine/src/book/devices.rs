//! On which devices a user was seen: what a book notes of them, so that most events need not ask who else was there.

use std::collections::{BTreeMap, BTreeSet};

use dwell_core::event::Activity;
use dwell_core::handover::takes_device;
use dwell_core::time::Timestamp;
use dwell_core::timeline::Timeline;
use serde::{Deserialize, Serialize};

use super::{Book, Changed, Rest, key_here, put_in_place};
use crate::error::EngineError;
use crate::shelf::Shelf;

/// On more devices than these nobody is looked for: it is no person who has so many.
const MOST_DEVICES: usize = 64;

/// What a book notes of a device.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct DeviceNote {
    /// The key of its id.
    key: u32,
    /// Others were seen on it.
    is_shared: bool,
    /// What last started on it of what is not kept any more.
    let_go: Option<Start>,
}

/// What happened on a device that may concern others.
#[derive(Clone, Debug)]
pub(crate) struct Stir {
    pub device: String,
    /// The first and the last of it: microseconds since 1970 in UTC.
    pub first: i64,
    pub last: i64,
}

/// An event with which somebody takes a device. Their order is that of events.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// Microseconds since 1970 in UTC.
    pub at: i64,
    pub message_id: String,
    /// What it was, as its place in [`EventKind::ALL`](dwell_core::event::EventKind::ALL).
    kind: u8,
}

impl Start {
    /// Returns the start that an event is, if it is one, and on which device.
    fn of((activity, message_id): (&Activity, &str)) -> Option<(u32, Start)> {
        let at = activity.happened_at.as_micros();
        takes_device(activity)
            .then(|| (activity.device, Start { at, message_id: message_id.to_owned(), kind: activity.kind as u8 }))
    }
}

/// Returns what last started on each device in a part of a life.
pub(super) fn latest_starts(part: &Timeline<'_>) -> Vec<(u32, Start)> {
    let mut latest: Vec<(u32, Start)> = Vec::new();
    for (device, start) in part.events().filter_map(Start::of) {
        match latest.iter_mut().find(|(other, _)| *other == device) {
            Some((_, last)) => *last = start,
            None => latest.push((device, start)),
        }
    }
    latest
}

/// Notes what last started on devices, of what is let go of.
pub(super) fn let_go(notes: &mut [DeviceNote], latest: Vec<(u32, Start)>) {
    for (device, start) in latest {
        for note in notes.iter_mut().filter(|note| note.key == device) {
            note.let_go = note.let_go.take().max(Some(start.clone()));
        }
    }
}

impl Book<'_> {
    /// Takes what happened on devices and may concern others.
    pub fn stirred(&mut self) -> Vec<Stir> {
        let stirred = std::mem::take(&mut self.stirred).into_iter();
        stirred.map(|(key, (first, last))| Stir { device: self.text_of(key), first, last }).collect()
    }

    /// Notes that something started on a device.
    pub(super) fn stir(&mut self, device: u32, at: i64) {
        if device == 0 {
            return;
        }
        match self.rest.devices.iter().find(|note| note.key == device) {
            // Whether others were seen on a new one is not known before all have been stepped.
            Some(note) if !note.is_shared && self.stirred.iter().all(|(key, _)| *key != device) => return,
            Some(_) => {}
            None if MOST_DEVICES <= self.rest.devices.len() => return,
            None => self.rest.devices.push(DeviceNote { key: device, is_shared: false, let_go: None }),
        }
        self.stir_anew(device, at);
    }

    fn stir_anew(&mut self, device: u32, at: i64) {
        match self.stirred.iter_mut().find(|(key, _)| *key == device) {
            Some((_, (first, last))) => (*first, *last) = (at.min(*first), at.max(*last)),
            None => self.stirred.push((device, (at, at))),
        }
    }

    /// Notes the devices of another id of the same person.
    pub(super) fn take_over_devices(&mut self, other: &Rest) {
        for note in &other.devices {
            let key = key_here(&mut self.rest.texts, note.key, &other.texts);
            match self.rest.devices.iter_mut().find(|mine| mine.key == key) {
                Some(mine) => {
                    mine.is_shared |= note.is_shared;
                    mine.let_go = mine.let_go.take().max(note.let_go.clone());
                }
                None => self.rest.devices.push(DeviceNote { key, ..note.clone() }),
            }
        }
    }

    /// Takes over when others took devices after another id of the same person, whose events are here by now. Only what one did
    /// after the other is no handover any more; for third people nothing changes.
    pub(super) fn take_over_handovers(&mut self, other: &Book<'_>, all: &mut Changed) {
        let mut devices: BTreeMap<u32, Vec<(Timestamp, String)>> = BTreeMap::new();
        for (activity, message_id) in self.timeline.handovers() {
            devices.entry(activity.device).or_default().push((activity.happened_at, message_id.to_owned()));
        }
        for (activity, message_id) in other.timeline.handovers() {
            let device = key_here(&mut self.rest.texts, activity.device, &other.rest.texts);
            devices.entry(device).or_default().push((activity.happened_at, message_id.to_owned()));
        }
        for (device, mut taken) in devices {
            let own: BTreeSet<(i64, String)> =
                self.starts_at_hand(device).map(|start| (start.at, start.message_id)).collect();
            taken.retain(|(at, message_id)| !own.contains(&(at.as_micros(), message_id.clone())));
            let taken: Vec<(Timestamp, &str)> = taken.iter().map(|(at, message_id)| (*at, &**message_id)).collect();
            let effects = self.timeline.hand_over(device, Timestamp::MIN, &taken);
            put_in_place(all, effects.retracted, effects.stated);
        }
    }

    /// Returns the key of a device on which the user was seen.
    pub fn device_key(&self, device: &str) -> Option<u32> {
        self.rest.devices.iter().map(|note| note.key).find(|key| self.has_text(*key, device))
    }

    /// Notes whether others were seen on a device.
    pub fn share(&mut self, device: u32, is_shared: bool) {
        for note in self.rest.devices.iter_mut().filter(|note| note.key == device) {
            note.is_shared = is_shared;
        }
    }

    /// Returns with what the user took a device from a moment on, in order, and with what last before it. Of what is not kept
    /// any more, the last is known, and only when it was.
    pub fn starts(
        &mut self,
        device: u32,
        from: i64,
        shelf: &mut Shelf<'_>,
    ) -> Result<(Vec<Start>, Option<Start>), EngineError> {
        self.recall_since(from, shelf)?;
        let is_before = |start: &Start| start.at < from;
        if !self.starts_at_hand(device).any(|start| is_before(&start)) {
            let mut on_shelf = self.rest.parts.iter().rev().flat_map(|part| &part.devices);
            if let Some(at) = on_shelf.find(|(key, _)| *key == device).map(|(_, start)| start.at) {
                self.recall_since(at, shelf)?;
            }
        }
        let let_go = self.rest.devices.iter().find(|note| note.key == device).and_then(|note| note.let_go.clone());
        let all = let_go.into_iter().chain(self.starts_at_hand(device));
        let (before, starts): (Vec<Start>, Vec<Start>) = all.partition(is_before);
        Ok((starts, before.into_iter().next_back()))
    }

    /// Says when others took a device after the user, from a moment on, in place of what was said of that before.
    pub fn hand_over(
        &mut self,
        device: u32,
        from: i64,
        taken: &[&Start],
        shelf: &mut Shelf<'_>,
    ) -> Result<Changed, EngineError> {
        self.recall_since(from, shelf)?;
        let opened_before = self.opened();
        let handovers: Vec<(Timestamp, &str)> =
            taken.iter().map(|start| (Timestamp::from_micros(start.at), &*start.message_id)).collect();
        let effects = self.timeline.hand_over(device, Timestamp::from_micros(from), &handovers);
        let mut changed = Changed { retracted: effects.retracted, stated: effects.stated, ..Changed::default() };
        self.note(&mut changed, opened_before);
        Ok(changed)
    }

    fn starts_at_hand(&self, device: u32) -> impl Iterator<Item = Start> {
        self.timeline.events().filter_map(Start::of).filter(move |(key, _)| *key == device).map(|(_, start)| start)
    }

    fn has_text(&self, key: u32, text: &str) -> bool {
        (key as usize).checked_sub(1).and_then(|place| self.rest.texts.get(place)).is_some_and(|known| known == text)
    }
}
