//! What a file of the archive says of itself, and what the data folder says of the archive: by both together it can be shown that
//! nothing is missing.
//!
//! A file stands for a part of the log: it has all events of its app from one offset to another, and says so where readers of
//! Parquet keep what is no column. It begins where the app's file before it ended, so that no file can be missing unseen between
//! two that are there. That none is missing at the end, the note in the data folder says ([`Note`]).

use std::collections::BTreeMap;
use std::ops::Range;

use parquet::file::metadata::KeyValue;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::write::archive::ArchivedRow;

/// How files of the archive are laid out that say what they stand for. Those before said nothing of themselves.
pub const FORMAT: u32 = 2;

/// Under which key a file says it.
pub(crate) const KEY: &str = "dwell.archive";

/// What a file of the archive says of itself. Offsets are those of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Imprint {
    /// [`FORMAT`], or a later one.
    pub format: u32,
    /// From here on the app has no event that is in no file before this one.
    pub since: u64,
    /// Where the part of the log begins that was read for it.
    pub first: u64,
    /// Where it ends: the file has all that the app said from `since` up to here.
    pub next: u64,
    /// When it was written, in microseconds since 1970: of two files that stand for the same part, the later one holds.
    pub written_at: i64,
    /// At which offsets events are missing since whoever did them was erased, in order.
    pub removed: Vec<Range<u64>>,
    /// How many events are in it.
    pub events: u64,
    /// A hash over these, in their order.
    pub digest: String,
}

impl Imprint {
    /// Says for which part of the log a file stands; what is in it is not known yet.
    #[must_use]
    pub fn of(since: u64, part: Range<u64>, written_at: i64) -> Self {
        Imprint {
            format: FORMAT,
            since: since.min(part.start),
            first: part.start,
            next: part.end,
            written_at,
            removed: Vec::new(),
            events: 0,
            digest: String::new(),
        }
    }

    /// Notes that an event is missing since whoever did it was erased.
    pub fn remove(&mut self, offset: u64) {
        let place = self.removed.partition_point(|range| range.end <= offset);
        if self.removed.get(place).is_some_and(|range| range.contains(&offset)) {
            return;
        }
        let before = place.checked_sub(1).and_then(|place| self.removed.get_mut(place));
        match before.filter(|range| range.end == offset) {
            Some(range) => range.end += 1,
            None => self.removed.insert(place, offset..offset + 1),
        }
    }

    /// Returns how many events are missing at these offsets since whoever did them was erased.
    #[must_use]
    pub fn removed_in(&self, offsets: &Range<u64>) -> u64 {
        let common = |range: &Range<u64>| range.end.min(offsets.end).saturating_sub(range.start.max(offsets.start));
        self.removed.iter().map(common).sum()
    }

    pub(crate) fn written(&self) -> KeyValue {
        // Numbers and texts can always be written as JSON.
        KeyValue::new(KEY.to_owned(), serde_json::to_string(self).ok())
    }
}

/// How far the archive has come, as the data folder says.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Note {
    /// Every record of the log before this one is in the archive.
    pub next: u64,
    /// From here on files are known: what came before it, this note says nothing of. Not there in notes of earlier versions.
    #[serde(default)]
    pub begins: Option<u64>,
    /// By app the offset at which its last file ends. It said nothing between there and `next`.
    #[serde(default)]
    pub ends: BTreeMap<String, u64>,
}

impl Note {
    /// Begins at an offset: nothing before it is known.
    #[must_use]
    pub fn beginning(at: u64) -> Self {
        Note { next: at, begins: Some(at), ends: BTreeMap::new() }
    }

    /// Returns the offset from which on an app has no event that is in no file.
    #[must_use]
    pub fn end_of(&self, app: &str) -> u64 {
        let begins = self.begins.unwrap_or(self.next);
        self.ends.get(app).copied().unwrap_or(begins).min(self.next)
    }
}

/// Adds up a hash over events, so that a file that was changed is not taken for what was written.
#[derive(Default)]
pub(crate) struct Digest {
    hash: Xxh3,
    events: u64,
    bytes: Vec<u8>,
}

impl Digest {
    pub fn take(&mut self, row: &ArchivedRow<'_>) {
        let ArchivedRow {
            user_id,
            happened_at,
            kind,
            name,
            message_id,
            derived_message_id,
            received_at,
            remaining,
            player,
            device,
            platform,
            campaign,
            country,
            app_version,
            linked_id,
            offset,
        } = *row;
        self.events += 1;
        self.bytes.clear();
        let numbers = [offset.cast_signed(), happened_at, received_at, i64::from(remaining.is_some())];
        for number in numbers.into_iter().chain(remaining) {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
        let texts = [Some(user_id), Some(kind.word()), name, message_id, derived_message_id, player, device];
        let more = [platform, campaign, country, app_version, linked_id];
        for text in texts.into_iter().chain(more) {
            // Nothing and an empty text are two things.
            let length = text.map_or(u64::MAX, |text| text.len() as u64);
            self.bytes.extend_from_slice(&length.to_le_bytes());
            self.bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
        }
        self.hash.update(&self.bytes);
    }

    /// How many events, and the hash.
    pub fn end(&self) -> (u64, String) {
        (self.events, format!("{:016x}", self.hash.digest()))
    }
}

/// Seconds, as everywhere in files. A number of microseconds below 2^51, which is 71 years, comes back as it was.
pub(crate) fn in_seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// Microseconds of so many seconds.
pub(crate) fn in_micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_removed_is_counted_once_wherever_it_is_asked_for(
            offsets in prop::collection::vec(0u64..60, 0..40),
            (from, to) in (0u64..70, 0u64..70),
        ) {
            let mut imprint = Imprint::of(0, 0..60, 0);
            offsets.iter().for_each(|offset| imprint.remove(*offset));
            let wanted: std::collections::BTreeSet<u64> =
                offsets.into_iter().filter(|offset| (from..to).contains(offset)).collect();
            prop_assert_eq!(imprint.removed_in(&(from..to)), wanted.len() as u64);
        }

        #[test]
        fn how_long_something_plays_comes_back_from_seconds(micros in -(1i64 << 51)..(1i64 << 51)) {
            prop_assert_eq!(in_micros(in_seconds(micros)), micros);
        }
    }

    #[test]
    fn a_note_of_an_earlier_version_says_nothing_of_what_came_before_it() {
        let note: Note = serde_json::from_str("{\"next\":7}").unwrap();
        assert_eq!(note.end_of("app"), 7);
        let note = Note { ends: BTreeMap::from([("app".to_owned(), 5)]), ..Note::beginning(0) };
        let note = Note { next: 9, ..note };
        assert_eq!((note.end_of("app"), note.end_of("new")), (5, 0));
    }
}
