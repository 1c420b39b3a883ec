//! What goes along when an id turns out to be another person: all that came under it and is not settled.

use std::collections::BTreeSet;

use dwell_core::event::Activity;
use dwell_core::time::{Timestamp, Zone};
use dwell_core::timeline::Portion;

use super::active::differences;
use super::devices::DeviceNote;
use super::{Book, Changed, MadeIds, key_here, key_of_id};

/// Whose events go along.
pub(crate) enum Ids {
    /// Everybody's, the user's own, too: the id of the book is another person now.
    All,
    /// Those of these ids, none of which is the user's own.
    These(BTreeSet<String>),
}

/// See the module. Keys are those of the book that it came from.
pub(crate) struct Parcel {
    /// The id of that book, whose key is 0, and the others.
    user: String,
    ids: Vec<(u32, String)>,
    texts: Vec<String>,
    portion: Portion,
    made_ids: MadeIds,
    devices: Vec<DeviceNote>,
    past: Vec<String>,
}

impl Parcel {
    /// Returns the texts behind keys, from key 1 on.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Says that an id has something under it that was settled before.
    pub fn add_past(&mut self, id: &str) {
        self.past.push(id.to_owned());
    }

    /// Says whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        let Portion { events, silent, .. } = &self.portion;
        events.is_empty() && silent.is_empty() && self.made_ids.is_empty() && self.past.is_empty()
    }
}

impl Book<'_> {
    /// Settles what happened before a moment, so that nothing else can go along. No part may lie on the shelf.
    pub fn settle_before(&mut self, before: Timestamp) {
        self.settle(before);
        self.totals.settle_before(self.timeline.closed().next().map(|stated| stated.closed.session.started_at));
    }

    /// Says whether nothing of what is settled lies here: with the rest taken out, the book is empty.
    pub fn has_nothing_settled(&self) -> bool {
        self.timeline.settled_presence().last().is_none()
    }

    /// Takes out what is not settled of some ids, as if it had never been here.
    pub fn take_out(&mut self, ids: &Ids, zone: &Zone) -> (Parcel, Changed) {
        let opened_before = self.opened();
        let is_taken = |id: &str| match ids {
            Ids::All => true,
            Ids::These(these) => these.contains(id),
        };
        let keys: BTreeSet<u32> = self.rest.ids.iter().filter(|(_, id)| is_taken(id)).map(|(key, _)| *key).collect();
        let goes = |under: u32| matches!(ids, Ids::All) || keys.contains(&under);
        if let Ids::These(_) = ids {
            // Who seems to be alone on a device may be so by what goes along.
            self.stir_all();
        }
        let active = self.active_at_hand(zone);
        let (portion, effects) = self.timeline.take_out(goes);
        let made_ids = std::mem::take(&mut self.rest.made_ids);
        let (made_ids, stay) = made_ids.into_iter().partition(|((under, _), _)| goes(*under));
        self.rest.made_ids = stay;
        let (past, stay) = std::mem::take(&mut self.rest.past).into_iter().partition(|id| is_taken(id));
        self.rest.past = stay;
        let devices = match ids {
            Ids::All => std::mem::take(&mut self.rest.devices),
            Ids::These(_) => Vec::new(),
        };
        let (user, texts) = (self.user.to_owned(), self.rest.texts.clone());
        let parcel = Parcel { user, ids: self.rest.ids.clone(), texts, portion, made_ids, devices, past };
        self.rest.ids.retain(|(key, _)| !goes(*key));
        let mut changed = Changed { retracted: effects.retracted, stated: effects.stated, ..Changed::default() };
        changed.active = differences(&active, &self.active_at_hand(zone));
        self.note(&mut changed, opened_before);
        (parcel, changed)
    }

    /// Takes in what was taken out of another book.
    pub fn take_in(&mut self, parcel: Parcel, zone: &Zone) -> Changed {
        let opened_before = self.opened();
        let Parcel { user, ids, texts, mut portion, made_ids, devices, past } = parcel;
        self.take_over_devices(&devices, &texts);
        for (under, activity, _) in &mut portion.events {
            *under = self.key_of_whose(*under, &user, &ids);
            let Activity { player, device, platform, campaign, origin, .. } = activity;
            for key in [player, device, platform, campaign, origin] {
                *key = key_here(&mut self.rest.texts, *key, &texts);
            }
        }
        for (under, ..) in &mut portion.silent {
            *under = self.key_of_whose(*under, &user, &ids);
        }
        for ((under, name), at) in made_ids {
            let under = self.key_of_whose(under, &user, &ids);
            self.rest.made_ids.insert((under, name), at);
        }
        self.stir_for(&portion);
        self.rest.past.extend(past);
        let own = self.user;
        self.rest.past.retain(|id| id != own);
        let active = self.active_at_hand(zone);
        let effects = self.timeline.take_in(portion);
        let mut changed = Changed { retracted: effects.retracted, stated: effects.stated, ..Changed::default() };
        changed.active = differences(&active, &self.active_at_hand(zone));
        self.note(&mut changed, opened_before);
        changed
    }

    /// Returns the key here of the id that had a key in another book.
    fn key_of_whose(&mut self, under: u32, user: &str, ids: &[(u32, String)]) -> u32 {
        let id = ids.iter().find(|(key, _)| *key == under).map_or(user, |(_, id)| id);
        if id == self.user { 0 } else { key_of_id(&mut self.rest.ids, id) }
    }
}
