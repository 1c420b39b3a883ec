//! Whose events are not to be taken any more, and up to where: what erasures say to all who read the log or the archive.

use std::collections::HashMap;

use dwell_store::Offset;

use crate::record::Record;

/// The ids of people who were erased, each with the offset before which nothing of it is to be taken.
///
/// What comes at that offset or later is a new person's. The engine itself needs none of this: it takes all events, and erases
/// when it has come to the offset.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Erased(HashMap<String, HashMap<String, Offset>>);

impl Erased {
    /// Adds an id of an app. Of two erasures the later one holds.
    pub fn add(&mut self, app: &str, id: &str, before: Offset) {
        let ids = self.0.entry(app.to_owned()).or_default();
        let known = ids.entry(id.to_owned()).or_insert(before);
        *known = before.max(*known);
    }

    /// Says whether anybody was erased in an app.
    #[must_use]
    pub fn is_any_of(&self, app: &str) -> bool {
        self.0.contains_key(app)
    }

    /// Says whether what came under an id at an offset is not to be taken.
    #[must_use]
    pub fn holds(&self, app: &str, id: &str, offset: Offset) -> bool {
        self.0.get(app).and_then(|ids| ids.get(id)).is_some_and(|before| offset < *before)
    }

    /// Returns what is to be taken of a record: nothing of theirs, and of another person's not that it names them.
    #[must_use]
    pub fn leaves<'a>(&self, mut record: Record<'a>, offset: Offset) -> Option<Record<'a>> {
        if self.holds(record.app, record.user, offset) {
            return None;
        }
        record.link_from = record.link_from.filter(|id| !self.holds(record.app, id, offset));
        Some(record)
    }
}
