//! What lies in the log: one event, as the rules will see it.

use dwell_core::event::{Activity, EventKind};
use dwell_core::time::{Span, Timestamp};
use dwell_store::Offset;
use serde::{Deserialize, Serialize};

use crate::error::EngineError;

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
    /// In which country. No rule asks for it.
    #[serde(skip)]
    pub country: Option<&'a str>,
    /// Which version of the app. No rule asks for it.
    #[serde(skip)]
    pub app_version: Option<&'a str>,
}

/// What stands behind a record where anything of it is known: records had none of it once, and are read as they are.
#[derive(Default, Serialize, Deserialize)]
struct Origin<'a> {
    #[serde(borrow)]
    country: Option<&'a str>,
    #[serde(borrow)]
    app_version: Option<&'a str>,
}

/// Stands between country and version where they are one text.
const ORIGIN_BORDER: &str = "\0";

/// Reads country and version of a text that is both; of no text they are empty.
pub(crate) fn country_and_version(origin: &str) -> (&str, &str) {
    origin.split_once(ORIGIN_BORDER).unwrap_or_default()
}

impl<'a> Record<'a> {
    /// Appends the record's bytes, in place of what was in `bytes`.
    pub fn write(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        let mut written = postcard::to_extend(self, std::mem::take(bytes));
        if self.country.is_some() || self.app_version.is_some() {
            let origin = Origin { country: self.country, app_version: self.app_version };
            written = written.and_then(|bytes| postcard::to_extend(&origin, bytes));
        }
        // Numbers and texts can always be written to memory.
        assert!(written.is_ok(), "a record cannot be written: {:?}", written.err());
        *bytes = written.unwrap_or_default();
    }

    /// Reads a record; `None` when these bytes are none.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (mut record, rest) = postcard::take_from_bytes::<Record<'a>>(bytes).ok()?;
        if !rest.is_empty() {
            let Origin { country, app_version } = postcard::from_bytes(rest).ok()?;
            (record.country, record.app_version) = (country, app_version);
        }
        record.event_kind().map(|_| record)
    }

    /// Returns what the event is to a session; `None` for a number that is no kind.
    #[must_use]
    pub fn event_kind(&self) -> Option<EventKind> {
        EventKind::ALL.get(usize::from(self.kind)).copied()
    }

    /// Returns what the rules see, with a key for each text that `key_of` gives; from where it comes has none yet.
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

    /// Returns country and version as the pieces of one text, where either is known.
    pub(crate) fn origin(&self) -> Option<[&'a str; 3]> {
        let (country, version) = (self.country.unwrap_or(""), self.app_version.unwrap_or(""));
        let is_known = !country.is_empty() || !version.is_empty();
        is_known.then_some([country, ORIGIN_BORDER, version])
    }

    /// Returns the name that sessions are called by.
    pub(crate) fn session_message_id(&self) -> &'a str {
        if self.message_id_is_derived { "" } else { self.message_id }
    }
}

/// What hands an event out, read from its record. The rest is read when the event is taken: in a turn of a million events,
/// nothing that was read before would be near any more.
#[derive(Clone, Copy)]
pub(crate) struct Heading<'a> {
    pub app: &'a str,
    pub user: &'a str,
    /// Stands in place of what the record says.
    pub link_from: Option<&'a str>,
    pub received_at: i64,
    offset: Offset,
    bytes: &'a [u8],
}

/// With what a record begins, up to when it came in.
type Beginning<'a> = (&'a str, &'a str, Option<&'a str>, &'a str, bool, u8, Option<&'a str>, i64, i64);

impl<'a> Heading<'a> {
    /// Reads it from the record at an offset of the log.
    pub fn read(offset: Offset, bytes: &'a [u8]) -> Result<Self, EngineError> {
        let beginning = postcard::take_from_bytes::<Beginning<'a>>(bytes);
        let ((app, user, link_from, _, _, _, _, _, received_at), _) =
            beginning.map_err(|_error| EngineError::BadRecord { offset })?;
        Ok(Heading { app, user, link_from, received_at, offset, bytes })
    }

    /// The same with this link in place of its own.
    pub fn with(self, link_from: Option<&'a str>) -> Self {
        Heading { link_from, ..self }
    }

    /// Returns the bytes of the record.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Reads the whole event.
    pub fn record(&self) -> Result<Record<'a>, EngineError> {
        let record = Record::read(self.bytes).ok_or(EngineError::BadRecord { offset: self.offset })?;
        Ok(Record { link_from: self.link_from, ..record })
    }
}

#[cfg(test)]
mod tests {
    use dwell_store::Offset;

    use super::{Heading, Record};
    use crate::error::EngineError;

    fn record<'a>() -> Record<'a> {
        Record {
            app: "app_news",
            user: "ada",
            link_from: None,
            message_id: "1",
            message_id_is_derived: false,
            kind: 4,
            name: Some("tapped"),
            happened_at: 1,
            received_at: 2,
            remaining: None,
            player: None,
            device: None,
            platform: Some("ios"),
            campaign: None,
            country: None,
            app_version: None,
        }
    }

    #[test]
    fn a_record_comes_back_with_all_that_is_known_of_it() {
        for (country, app_version) in [(Some("KR"), None), (None, Some("2.1")), (Some("South Korea"), Some("2.1"))] {
            let written = Record { country, app_version, ..record() };
            let mut bytes = Vec::new();
            written.write(&mut bytes);
            assert_eq!(Record::read(&bytes), Some(written));
            // Cut off anywhere it is no record, but where it would have been whole before countries were known.
            let mut shorter = Vec::new();
            record().write(&mut shorter);
            for end in (0..bytes.len()).filter(|end| *end != shorter.len()) {
                assert_eq!(Record::read(&bytes[..end]), None, "{end}");
            }
        }
    }

    #[test]
    fn a_heading_says_what_its_record_says() {
        let written = Record { link_from: Some("phone"), country: Some("KR"), ..record() };
        let mut bytes = Vec::new();
        written.write(&mut bytes);
        let heading = Heading::read(Offset::new(7), &bytes).unwrap();
        let Heading { app, user, link_from, received_at, .. } = heading;
        assert_eq!((app, user, link_from, received_at), ("app_news", "ada", Some("phone"), 2));
        assert_eq!(heading.record().unwrap(), written);
        assert_eq!(heading.with(None).record().unwrap().link_from, None);
        // Cut off behind what it reads, it is found to be no record when it is taken.
        let cut = Heading::read(Offset::new(7), &bytes[..bytes.len() - 1]).unwrap();
        assert!(matches!(cut.record(), Err(EngineError::BadRecord { offset }) if offset == Offset::new(7)));
        assert!(matches!(Heading::read(Offset::new(7), &bytes[..9]), Err(EngineError::BadRecord { .. })));
    }

    #[test]
    fn a_record_of_the_time_before_countries_is_read_as_it_is() {
        // As it was written then: app, user, no link, id, given, kind, name, times, and four texts of which one is there.
        let old = b"\x08app_news\x03ada\x00\x011\x00\x04\x01\x06tapped\x02\x04\x00\x00\x00\x01\x03ios\x00";
        assert_eq!(Record::read(old), Some(record()));
        let mut bytes = Vec::new();
        record().write(&mut bytes);
        assert_eq!(bytes, old, "what says no country is written as it was");
    }
}
