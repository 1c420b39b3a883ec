//! Erases a person: nothing that lies under any of their ids stays in the books, and nobody else's life knows of them.
//!
//! What is counted of the app, by hours, by days and in the ledger of gaps, stays as it was: these are numbers without names.
//! How many users and open sessions there are is what there is now.

use std::collections::BTreeSet;

use dwell_core::time::Timestamp;
use dwell_store::Offset;

use super::{Taken, Turn, written};
use crate::book::Sealed;
use crate::erasure::Mark;
use crate::error::EngineError;
use crate::keys;
use crate::sheet::bad_book;
use crate::statement::News;

/// So many keys are looked for at once.
const KEYS_AT_ONCE: usize = 1_000;

impl Turn<'_> {
    /// Erases whoever has these ids, and returns all changes, to be committed at once. Nothing may have been put into the cache
    /// that the books do not hold.
    pub fn erase(
        mut self,
        number: u64,
        app: &str,
        ids: &BTreeSet<String>,
        (offset, now): (Offset, Timestamp),
    ) -> Result<Taken, EngineError> {
        let place = self.app(app)?;
        let mark = Mark { first: self.numbers[place].next, told: ids.len() as u64, is_swept: false };
        self.sheet.changes.put(keys::erasure(app, number), written(&mark));
        for id in ids {
            self.sheet.tell(place, id, News::UserErased);
        }
        let mut devices = BTreeSet::new();
        for id in ids {
            devices.extend(self.erase_id(place, id)?);
        }
        for device in devices {
            self.forget_on(place, &device, ids)?;
        }
        self.end(now, offset, 0, 0)
    }

    /// Erases what lies under one id, and returns the devices on which its user was seen.
    fn erase_id(&mut self, app: usize, id: &str) -> Result<Vec<String>, EngineError> {
        let name = self.apps[app].name.clone();
        let slot = self.slot(app, id)?;
        let of = &mut self.slots[slot];
        let was_user = of.is_user();
        (of.link, of.is_moved, of.is_changed) = (None, false, false);
        let book = of.book.take();
        let mut devices = Vec::new();
        if let Some(bytes) = book {
            let bad = bad_book(&name, id);
            let sealed = Sealed::read(&bytes).map_err(&bad)?;
            devices = sealed.devices();
            if let Some(at) = sealed.listed() {
                self.sheet.changes.delete(keys::deadline(at, &name, id));
            }
            let rules = self.apps[app].rules.clone();
            let standing = rules.standing_of(id, sealed.texts());
            let is_open = sealed.open(&name, id, &standing).map_err(&bad)?.opened().is_some();
            let numbers = &mut self.sheet.tally(app).numbers;
            numbers.open -= i64::from(is_open);
            numbers.users -= i64::from(was_user);
        }
        self.sheet.changes.delete(keys::book(&name, id));
        self.delete_all(&keys::sessions(&name, id))?;
        self.delete_all(&keys::parts(&name, id))?;
        Ok(devices)
    }

    fn delete_all(&mut self, prefix: &[u8]) -> Result<(), EngineError> {
        let mut after = None;
        loop {
            let found = self.books.scan(prefix, after.as_deref(), KEYS_AT_ONCE)?;
            let is_end = found.len() < KEYS_AT_ONCE;
            after = found.last().map(|(key, _)| key.clone());
            found.into_iter().for_each(|(key, _)| self.sheet.changes.delete(key));
            if is_end {
                return Ok(());
            }
        }
    }
}
