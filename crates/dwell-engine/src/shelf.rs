//! Where parts of books lie that are seldom needed.

use std::collections::HashMap;

use dwell_store::{Books, Changes};

use crate::error::EngineError;
use crate::keys;

/// The shelf of one user, within one turn.
pub(crate) struct Shelf<'a> {
    pub books: &'a dyn Books,
    pub app: &'a str,
    pub user: &'a str,
    /// Parts that were put here in this turn, and are not in the books yet.
    pub fresh: &'a mut HashMap<Vec<u8>, Vec<u8>>,
    pub changes: &'a mut Changes,
}

impl Shelf<'_> {
    /// Puts a part here, under a number that none has.
    pub fn put(&mut self, number: u32, bytes: Vec<u8>) {
        self.fresh.insert(keys::part(self.app, self.user, number), bytes);
    }

    /// Takes a part away.
    pub fn take(&mut self, number: u32) -> Result<Vec<u8>, EngineError> {
        let key = keys::part(self.app, self.user, number);
        if let Some(bytes) = self.fresh.remove(&key) {
            return Ok(bytes);
        }
        let bytes = self.books.load(&[&key])?.pop().flatten().ok_or_else(|| EngineError::BadBook {
            app: self.app.to_owned(),
            what: format!("user {}, part {number}", self.user),
            cause: "it is not there".to_owned(),
        })?;
        self.changes.delete(key);
        Ok(bytes)
    }

    /// Removes a part unread.
    pub fn remove(&mut self, number: u32) {
        let key = keys::part(self.app, self.user, number);
        if self.fresh.remove(&key).is_none() {
            self.changes.delete(key);
        }
    }
}
