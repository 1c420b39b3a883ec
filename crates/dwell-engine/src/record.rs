//! What lies in the log: one event, as the rules will see it.

use dwell_core::event::{Activity, EventKind};
use dwell_core::time::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// One accepted event. Texts are borrowed where it is written and where it is read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Record<'a> {
    /// The app's id.
    pub app: &'a str,
    /// The user's id, or the anonymous one where the user is not said.
    pub user: &'a str,
    /// Another id of which the event says that it is the same person.
    pub link_from: Option<&'a str>,
    /// Names the event.
    pub message_id: &'a str,
    /// Says that the client gave no name, and we made one of what the event says: it tells a repetition, but no name of
    /// a session is derived from it, since a file would not know it.
    pub message_id_is_derived: bool,
    /// What it is to a session, as its place in [`EventKind::ALL`].
    pub kind: u8,
    /// The event's own name.
    pub name: Option<&'a str>,
    /// When the user did it: microseconds since 1970 in UTC, clock skew put right.
    pub happened_at: i64,
    /// When it came in, likewise.
    pub received_at: i64,
    /// How long what plays will go on, in microseconds.
    pub remaining: Option<i64>,
    /// Which player.
    pub player: Option<&'a str>,
    /// Which device.
    pub device: Option<&'a str>,
    /// Which platform.
    pub platform: Option<&'a str>,
    /// Which campaign brought the user.
    pub campaign: Option<&'a str>,
}

impl<'a> Record<'a> {
    /// Appends the record's bytes, in place of what was in `bytes`.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        let written = postcard::to_extend(self, std::mem::take(bytes));
        // Numbers and texts can always be written to memory.
        assert!(written.is_ok(), "a record cannot be written: {:?}", written.err());
        *bytes = written.unwrap_or_default();
    }

    /// Reads a record; `None` when these bytes are none.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        postcard::from_bytes::<Record<'a>>(bytes).ok().filter(|record| record.event_kind().is_some())
    }

    /// Returns what the event is to a session; `None` for a number that is no kind.
    #[must_use]
    pub fn event_kind(&self) -> Option<EventKind> {
        EventKind::ALL.get(usize::from(self.kind)).copied()
    }

    /// Returns what the rules see, with a key for each text that `key_of` gives.
    pub(crate) fn activity(&self, kind: EventKind, mut key_of: impl FnMut(&str) -> u32) -> Activity {
        let mut key = |text: Option<&str>| text.map_or(0, &mut key_of);
        Activity {
            remaining: self.remaining.map(Span::from_micros),
            player: key(self.player),
            device: key(self.device),
            platform: key(self.platform),
            campaign: key(self.campaign),
            ..Activity::new(Timestamp::from_micros(self.happened_at), kind)
        }
    }

    /// Returns the name that sessions are called by.
    pub(crate) fn session_message_id(&self) -> &'a str {
        if self.message_id_is_derived { "" } else { self.message_id }
    }
}
