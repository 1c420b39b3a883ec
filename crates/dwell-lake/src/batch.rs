//! What readers hand on: events in columns, understood and checked, whatever the file was.

use std::sync::Arc;

use arrow_array::StringArray;
use dwell_core::event::EventKind;
use dwell_core::time::Span;

/// A handful of events from one file, in the order in which they stood there.
#[derive(Debug)]
pub struct EventBatch {
    /// Who: one entry per event.
    pub users: Users,
    /// When it happened: microseconds since 1970 in UTC, clock skew put right; one entry per event.
    pub happened_at: Vec<i64>,
    /// The earliest and the latest of these moments.
    pub range: (i64, i64),
    /// What else is known, one entry per event; `None` when every event is an action of which nothing else is known.
    pub details: Option<Details>,
}

/// Who did it.
#[derive(Debug)]
pub enum Users {
    /// One text per event.
    Plain(StringArray),
    /// One key per event into a list of texts. Batches with the same list share it.
    Dictionary {
        /// The texts.
        values: Arc<StringArray>,
        /// For each event the place of its text.
        keys: Vec<u32>,
    },
}

/// What is known of events besides who and when. All lists are as long as the batch.
#[derive(Debug, Default)]
pub struct Details {
    /// What else is known of each event.
    pub rows: Vec<Detail>,
    /// The message ids, one after the other; [`Detail::message_id`] says which part is whose.
    pub message_ids: String,
}

/// What is known of one event besides who and when. Keys come from the run's [`crate::names::Names`]; 0 is nothing said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Detail {
    /// What it was.
    pub kind: EventKind,
    /// The event's own name (for first and last activity).
    pub name: u32,
    /// How long what plays will go on from here.
    pub remaining: Option<Span>,
    /// Which player.
    pub player: u32,
    /// Which device.
    pub device: u32,
    /// Which platform.
    pub platform: u32,
    /// Which campaign.
    pub campaign: u32,
    /// The value of the column that the lab is split by.
    pub by: u32,
    /// The name of the true session, hashed; 0 when the file knows no truth.
    pub truth: u64,
    /// When it came in, microseconds since 1970 in UTC; `None` when the file does not say.
    pub received_at: Option<i64>,
    /// Where in [`Details::message_ids`] its message id stands, in bytes; empty when it has none.
    pub message_id: (u32, u32),
}

/// Returns the earliest and the latest of moments; of none, the last there is and the first.
#[must_use]
pub fn range_of(moments: &[i64]) -> (i64, i64) {
    // Four at once, so that none waits for the one before.
    let mut ranges = [(i64::MAX, i64::MIN); 4];
    let (fours, rest) = moments.as_chunks::<4>();
    for four in fours {
        for (range, at) in ranges.iter_mut().zip(four) {
            *range = (range.0.min(*at), range.1.max(*at));
        }
    }
    let range = ranges.into_iter().fold((i64::MAX, i64::MIN), |all, one| (all.0.min(one.0), all.1.max(one.1)));
    rest.iter().fold(range, |all, at| (all.0.min(*at), all.1.max(*at)))
}

impl EventBatch {
    /// Puts columns together.
    #[must_use]
    pub fn new(users: Users, happened_at: Vec<i64>, details: Option<Details>) -> Self {
        let range = range_of(&happened_at);
        EventBatch { users, happened_at, range, details }
    }

    /// Returns how many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.happened_at.len()
    }

    /// Says whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.happened_at.is_empty()
    }
}
