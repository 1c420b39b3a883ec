//! A book as bytes and back.

use std::cmp::Ordering;

use dwell_core::event::Activity;
use dwell_core::lab::live::Spine;
use dwell_core::policy::Standing;
use dwell_core::time::Timestamp;
use dwell_core::timeline::Timeline;
use dwell_core::totals::Totals;
use dwell_store::Value;
use serde::{Deserialize, Serialize};

use super::devices::DeviceNote;
use super::{Book, MadeIds, Rest, key_of, key_of_id};
use crate::gaps::GapChanges;
use crate::link::Link;
use crate::record::Record;
use crate::turn::{written, written_to};

/// What lies in the books under an id. `R` is [`Rest`], borrowed where it is written.
#[derive(Serialize, Deserialize)]
enum Leaf<'a, R> {
    /// The user's book.
    #[serde(borrow)]
    Book(Bytes<'a, R>),
    /// The id is another one now, as version 3 said it.
    MovedInVersion3(&'a str),
    /// A link of the id was heard of.
    Linked(Linked<'a>),
}

#[derive(Serialize, Deserialize)]
struct Linked<'a> {
    version: u8,
    link: Link,
    holds: bool,
    /// A leaf with a book.
    #[serde(borrow, with = "serde_bytes")]
    book: Option<&'a [u8]>,
}

/// What lies under an id, but for what stands in its book.
#[derive(Debug)]
pub(crate) struct Under<'a> {
    /// Of all links of the id that were heard of, the one that comes first.
    pub link: Option<Link>,
    /// Whether the id is another one now.
    pub is_moved: bool,
    /// The book of the user; of an id that moved, what was settled under it before. There is none where that is nothing.
    pub book: Option<&'a [u8]>,
}

impl<'a> Under<'a> {
    /// Says whether these bytes are those of an id of which no link was heard. The first byte tells, so that no book is read
    /// for it.
    pub fn is_book(bytes: &[u8]) -> bool {
        bytes.first() == Some(&0)
    }

    /// The same of a value, which has its first bytes by itself: the others need not be near for it.
    pub fn is_book_value(value: &Value) -> bool {
        !value.is_empty() && value.cmp(&Value::from([1])) == Ordering::Less
    }

    /// Reads what lies under an id; says why when that cannot be read.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        if Under::is_book(bytes) {
            return Ok(Under { link: None, is_moved: false, book: Some(bytes) });
        }
        match postcard::from_bytes::<Leaf<'_, Rest>>(bytes).map_err(|error| error.to_string())? {
            Leaf::Linked(Linked { version: VERSION, link, holds, book }) => {
                Ok(Under { link: Some(link), is_moved: holds, book })
            }
            Leaf::Book(Bytes { version, .. }) | Leaf::Linked(Linked { version, .. }) => Err(other_version(version)),
            Leaf::MovedInVersion3(_) => Err(other_version(3)),
        }
    }
}

/// Returns the bytes that lie under an id of which a link was heard.
pub(crate) fn linked(link: Link, holds: bool, book: Option<&[u8]>) -> Value {
    written(&Leaf::<Rest>::Linked(Linked { version: VERSION, link, holds, book })).into()
}

fn other_version(version: u8) -> String {
    format!("it has version {version}, and this program knows {VERSION}")
}

#[derive(Serialize, Deserialize)]
struct Bytes<'a, R> {
    version: u8,
    #[serde(borrow, with = "serde_bytes")]
    timeline: &'a [u8],
    #[serde(borrow, with = "serde_bytes")]
    totals: &'a [u8],
    #[serde(borrow, with = "serde_bytes")]
    spine: &'a [u8],
    rest: R,
}

/// What books are written on before it is known how long they are; used again and again.
#[derive(Default)]
pub(crate) struct Paper {
    timeline: Vec<u8>,
    totals: Vec<u8>,
    spine: Vec<u8>,
    leaf: Vec<u8>,
}

/// What lies on the shelf under the number of a part.
#[derive(Serialize, Deserialize)]
pub(super) struct PartBytes<'a> {
    pub version: u8,
    #[serde(borrow, with = "serde_bytes")]
    pub timeline: &'a [u8],
    /// Of what lies before it.
    #[serde(borrow, with = "serde_bytes")]
    pub spine: &'a [u8],
    pub made_ids: MadeIds,
}

/// The version of all that is in the books, the feed included.
pub(crate) const VERSION: u8 = 7;

/// A book that was not opened yet: to open it takes the rules, and these may need the texts in it.
pub(crate) struct Sealed<'a> {
    timeline: &'a [u8],
    totals: &'a [u8],
    spine: &'a [u8],
    rest: Rest,
}

impl<'a> Sealed<'a> {
    /// Begins with a user of whom nothing is known.
    pub fn new() -> Self {
        Sealed { timeline: &[], totals: &[], spine: &[], rest: Rest::default() }
    }

    /// Reads a book; says why when the bytes are none.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        match postcard::from_bytes(bytes).map_err(|error| error.to_string())? {
            Leaf::Book(Bytes { version: VERSION, timeline, totals, spine, rest }) => {
                Ok(Sealed { timeline, totals, spine, rest })
            }
            Leaf::Book(Bytes { version, .. }) => Err(other_version(version)),
            Leaf::MovedInVersion3(_) | Leaf::Linked(_) => Err("there is no book".to_owned()),
        }
    }

    /// Returns the key of an id of this user other than the one under which the book lies.
    pub fn under(&mut self, id: &str) -> u32 {
        key_of_id(&mut self.rest.ids, id)
    }

    /// Returns the other ids under which anything came that is not settled, or was settled before they were this user.
    pub fn other_ids(&self) -> impl Iterator<Item = &str> {
        self.rest.ids.iter().map(|(_, id)| id).chain(&self.rest.past).map(String::as_str)
    }

    /// Returns what the rules see of an event, with this user's keys for its texts.
    pub fn activity(&mut self, record: &Record<'_>) -> Option<Activity> {
        let kind = record.event_kind()?;
        let origin = record.origin().map_or(0, |pieces| self.key_of_origin(pieces));
        Some(Activity { origin, ..record.activity(kind, |text| key_of(&mut self.rest.texts, text)) })
    }

    /// Returns the key of a text that comes in pieces, which are put together only where it is new.
    fn key_of_origin(&mut self, [country, border, version]: [&str; 3]) -> u32 {
        let is_it = |text: &String| {
            let rest = text.strip_prefix(country).and_then(|rest| rest.strip_prefix(border));
            rest == Some(version)
        };
        match self.rest.texts.iter().position(is_it) {
            Some(place) => u32::try_from(place + 1).unwrap_or(0),
            None => key_of(&mut self.rest.texts, &[country, border, version].concat()),
        }
    }

    /// Returns the other ids under which something was settled before they were this user.
    pub fn past(&self) -> &[String] {
        &self.rest.past
    }

    /// Returns the deadline under which the user is listed.
    pub fn listed(&self) -> Option<Timestamp> {
        self.rest.listed.map(Timestamp::from_micros)
    }

    /// Returns the ids of the devices on which the user was seen.
    pub fn devices(&self) -> Vec<String> {
        let keys = self.rest.devices.iter().map(DeviceNote::key);
        keys.filter_map(|key| self.rest.texts.get((key as usize).checked_sub(1)?).cloned()).collect()
    }

    /// Gives keys to texts that will be needed.
    pub fn add_texts(&mut self, texts: &[String]) {
        for text in texts {
            key_of(&mut self.rest.texts, text);
        }
    }

    /// Returns the texts behind keys, from key 1 on.
    pub fn texts(&self) -> &[String] {
        &self.rest.texts
    }

    /// Opens the book under the rules that hold for the user.
    pub fn open<'p>(self, app: &'p str, user: &'p str, standing: &'p Standing) -> Result<Book<'p>, String> {
        let timeline = match self.timeline {
            [] => Timeline::new(app, user, standing),
            bytes => Timeline::read(app, user, standing, bytes).map_err(|error| format!("timeline: {error}"))?,
        };
        let totals = match self.totals {
            [] => Totals::default(),
            bytes => Totals::read(bytes).map_err(|error| format!("totals: {error}"))?,
        };
        let spine = match self.spine {
            [] => Spine::default(),
            bytes => Spine::read(bytes).map_err(|error| format!("spine: {error}"))?,
        };
        let mut book = Book {
            app,
            user,
            standing,
            timeline,
            totals,
            rest: self.rest,
            spine,
            told: Vec::new(),
            passed: Vec::new(),
            gaps: GapChanges::default(),
            stirred: Vec::new(),
            stirs_always: false,
        };
        book.told = book.lines();
        Ok(book)
    }
}

impl Book<'_> {
    /// Closes the book: returns its bytes, and what has changed in the ledger of gaps.
    pub fn close(mut self, paper: &mut Paper) -> (Value, GapChanges) {
        self.tell();
        (self.write(paper), self.gaps)
    }

    fn write(&self, paper: &mut Paper) -> Value {
        let Paper { timeline, totals, spine, leaf } = paper;
        [&mut *timeline, totals, spine, leaf].into_iter().for_each(Vec::clear);
        self.timeline.write(timeline);
        self.totals.write(totals);
        self.spine.write(spine);
        let bytes = Leaf::Book(Bytes { version: VERSION, timeline, totals, spine, rest: &self.rest });
        *leaf = written_to(std::mem::take(leaf), &bytes);
        leaf.as_slice().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        let record = Record {
            app: "app",
            user: "ada",
            link_from: Some("phone"),
            message_id: "m",
            message_id_is_derived: false,
            kind: 0,
            name: None,
            happened_at: 5,
            received_at: 7,
            remaining: None,
            player: None,
            device: None,
            platform: None,
            campaign: None,
            country: None,
            app_version: None,
        };
        Link::of(&record, |_| dwell_core::time::Span::from_hours(1)).unwrap().1
    }

    #[test]
    fn what_lies_under_an_id_is_read_as_it_was_written() {
        for (holds, book) in [(true, None), (false, Some(&[0, VERSION, 7][..])), (true, Some(&[0][..]))] {
            let bytes = linked(link(), holds, book);
            let read = Under::read(&bytes).unwrap();
            assert_eq!((read.link, read.is_moved, read.book), (Some(link()), holds, book));
        }
    }

    #[test]
    fn the_first_byte_tells_a_book_from_what_is_none() {
        for rest in [0, 19, 20, 700] {
            for first in [0, 1, 2, 255] {
                let bytes = [vec![first], vec![7; rest]].concat();
                let is_book = (Under::is_book(&bytes), Under::is_book_value(&Value::from(bytes)));
                assert_eq!(is_book, (first == 0, first == 0), "{first} and {rest} more");
            }
        }
        assert!(!Under::is_book_value(&Value::from([])));
    }

    #[test]
    fn what_another_version_wrote_is_refused() {
        let mut bytes = linked(link(), true, None).to_vec();
        bytes[1] = 9;
        let moved = written(&Leaf::<Rest>::MovedInVersion3("ada"));
        let mut before = linked(link(), true, None).to_vec();
        before[1] = 6;
        for (bytes, version) in [(bytes, 9), (moved, 3), (before, 6)] {
            let wanted = format!("it has version {version}, and this program knows 7");
            assert_eq!(Under::read(&bytes).unwrap_err(), wanted);
        }
    }
}
