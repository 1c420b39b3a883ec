//! What comes out: events as a collector would have received them, and the visits they truly belong to.

use dwell_core::event::{Activity, EventKind, Stamps};
use dwell_core::time::{Span, Timestamp};

/// One event of a person that never was, with what no real event carries: the visit it truly belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SimulatedEvent {
    /// The index of the person; [`crate::user_id`] makes an id of it.
    pub user: u64,
    /// When it truly happened: what Dwell should find when it puts `original` right.
    pub happened_at: Timestamp,
    /// What the device's clock showed when it happened.
    pub original: Timestamp,
    /// What the device's clock showed when it sent the event: on its way the event takes no time.
    pub sent_at: Timestamp,
    /// When it arrived, by our clock. The stream is in this order.
    pub received_at: Timestamp,
    /// What it was.
    pub kind: EventKind,
    /// Its name: of the action, the screen or the page, else the word for its kind.
    pub name: &'static str,
    /// Names the event; a duplicate has the same. [`crate::IdText`] writes it down.
    pub message_id: u128,
    /// Where the app runs: `ios`, `android` or `web`.
    pub platform: &'static str,
    /// The person's first or second device; [`crate::device_id`] makes an id of it.
    pub device: u32,
    /// Which player speaks, 0 for none.
    pub player: u32,
    /// How many seconds into what plays.
    pub position: Option<u32>,
    /// How many seconds long what plays is.
    pub total_length: Option<u32>,
    /// Two letters.
    pub country: &'static str,
    /// The ordinal of the person's visit that it truly belongs to, counted from 1.
    pub true_session: u64,
}

impl SimulatedEvent {
    /// Returns what the rules see of it, with the true moment at which it happened.
    #[must_use]
    pub fn activity(&self) -> Activity {
        let remaining = match (self.position, self.total_length) {
            (Some(position), Some(length)) => Some(Span::from_secs(length.saturating_sub(position))),
            _ => None,
        };
        let platform = match self.platform {
            "ios" => 1,
            "android" => 2,
            _ => 3,
        };
        Activity {
            remaining,
            player: self.player,
            device: self.device,
            platform,
            ..Activity::new(self.happened_at, self.kind)
        }
    }

    /// Returns the times on its record.
    #[must_use]
    pub const fn stamps(&self) -> Stamps {
        Stamps { original: self.original, sent_at: Some(self.sent_at), received_at: Some(self.received_at) }
    }
}

/// One stretch in which a person really was using the app, looking or listening.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrueVisit {
    /// The index of the person.
    pub user: u64,
    /// The person's nth visit, counted from 1.
    pub ordinal: u64,
    /// When it began: with its first event, whether that arrives or not.
    pub started_at: Timestamp,
    /// When the person really left: at the last event or some time after it, since leaving makes no sound.
    pub ended_at: Timestamp,
    /// How much of it something played with the screen away.
    pub listening: Span,
    /// How many of its events arrive, duplicates not counted.
    ///
    /// When none does, nothing can know of the visit: leave it out when you count, though its ordinal is used up.
    pub events: u64,
}
