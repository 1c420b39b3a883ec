//! Whose an id is: what was said of it, and what follows from that for all (SESSION.md, section 1).

use std::cmp::Ordering;

use dwell_core::event::is_late;
use dwell_core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::record::Record;

/// Says that an id is another one.
///
/// Of all links of one id the smallest holds, in the order of their fields: one that came late only where no other is there.
/// So it does not matter which of them is heard of first. Where links that hold lead round in a circle, the greatest of
/// these does not hold.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    is_late: bool,
    /// Microseconds since 1970 in UTC.
    happened_at: i64,
    message_id: String,
    /// Which id it is.
    pub to: String,
}

impl Link {
    /// Returns the link that an event says, if it says one, and of which id.
    pub fn of<'a>(record: &Record<'a>, allowed_lateness: impl FnOnce(Timestamp) -> Span) -> Option<(&'a str, Link)> {
        let from = record.link_from.filter(|from| *from != record.user)?;
        let (happened_at, received_at) = (record.happened_at, Timestamp::from_micros(record.received_at));
        let at = Timestamp::from_micros(happened_at);
        let link = Link {
            is_late: is_late(at, received_at, allowed_lateness(at)),
            happened_at,
            message_id: record.message_id.to_owned(),
            to: record.user.to_owned(),
        };
        Some((from, link))
    }

    /// Says whether a link takes the place of what was known of an id before.
    pub fn is_before(&self, known: Option<&Link>) -> bool {
        known.is_none_or(|known| self.cmp(known) == Ordering::Less)
    }
}
