//! On which devices a user was seen: what a book notes of them, so that most events need not ask who else was there.

use dwell_core::event::Activity;
use dwell_core::handover::takes_device;
use dwell_core::name::Name;
use dwell_core::time::Timestamp;
use dwell_core::timeline::{Portion, Timeline};
use serde::{Deserialize, Serialize};

use super::{Book, Changed, key_here};
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

impl DeviceNote {
    /// Returns the key of its id.
    pub(super) fn key(&self) -> u32 {
        self.key
    }
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
    fn of((activity, name): (&Activity, &Name)) -> Option<(u32, Start)> {
        let at = activity.happened_at.as_micros();
        takes_device(activity)
            .then(|| (activity.device, Start { at, message_id: (*name.text()).to_owned(), kind: activity.kind as u8 }))
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
        // Whether others were seen on a new one is not known before all have been stepped.
        let is_alone = |note: &DeviceNote| !note.is_shared && self.stirred.iter().all(|(key, _)| *key != device);
        match self.rest.devices.iter().find(|note| note.key == device) {
            Some(note) if !self.stirs_always && is_alone(note) => {}
            _ => self.stir_anyway(device, at),
        }
    }

    /// Notes that what started on devices is this user's now.
    pub(super) fn stir_for(&mut self, portion: &Portion) {
        let starts = portion.events.iter().filter_map(|(_, activity, name)| Start::of((activity, name)));
        for (device, start) in starts {
            self.stir_anyway(device, start.at);
        }
    }

    /// Notes that all that started on devices may concern others now.
    pub(super) fn stir_all(&mut self) {
        let settled = self.timeline.settled_until().unwrap_or(Timestamp::MIN).as_micros();
        for key in self.rest.devices.iter().map(|note| note.key).collect::<Vec<_>>() {
            let (mut first, mut last) = (settled, settled);
            for start in self.starts_at_hand(key) {
                (first, last) = (first.min(start.at), last.max(start.at));
            }
            self.stir_anew(key, first);
            self.stir_anew(key, last);
        }
    }

    fn stir_anyway(&mut self, device: u32, at: i64) {
        if self.rest.devices.iter().all(|note| note.key != device) {
            if MOST_DEVICES <= self.rest.devices.len() {
                return;
            }
            self.rest.devices.push(DeviceNote { key: device, is_shared: false, let_go: None });
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
    pub(super) fn take_over_devices(&mut self, notes: &[DeviceNote], texts: &[String]) {
        for note in notes {
            let key = key_here(&mut self.rest.texts, note.key, texts);
            match self.rest.devices.iter_mut().find(|mine| mine.key == key) {
                Some(mine) => {
                    mine.is_shared |= note.is_shared;
                    mine.let_go = mine.let_go.take().max(note.let_go.clone());
                }
                None => self.rest.devices.push(DeviceNote { key, ..note.clone() }),
            }
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
