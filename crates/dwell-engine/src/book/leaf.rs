//! A book as bytes and back.

use std::collections::BTreeMap;

use dwell_core::event::Activity;
use dwell_core::lab::live::Spine;
use dwell_core::policy::Standing;
use dwell_core::timeline::Timeline;
use dwell_core::totals::Totals;
use serde::{Deserialize, Serialize};

use super::{Book, Rest, key_of};
use crate::gaps::GapChanges;
use crate::record::Record;
use crate::turn::{written, written_to};

/// What lies in the books under a user's id. `R` is [`Rest`], borrowed where it is written.
#[derive(Serialize, Deserialize)]
enum Leaf<'a, R> {
    /// The user's book.
    #[serde(borrow)]
    Book(Bytes<'a, R>),
    /// Nothing any more: the id is another one now.
    Moved(&'a str),
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
    pub made_ids: BTreeMap<String, i64>,
}

pub(super) const VERSION: u8 = 3;

/// Returns who an id is now, when these bytes under it say that it moved.
pub(crate) fn moved_to(bytes: &[u8]) -> Option<&str> {
    // The first byte says which of the two it is, so that a book is not read for it.
    match postcard::take_from_bytes::<u8>(bytes) {
        Ok((1, _)) => match postcard::from_bytes::<Leaf<'_, Rest>>(bytes) {
            Ok(Leaf::Moved(to)) => Some(to),
            Ok(Leaf::Book(_)) | Err(_) => None,
        },
        Ok(_) | Err(_) => None,
    }
}

/// Returns the bytes that lie under an id that moved.
pub(crate) fn moved(to: &str) -> Vec<u8> {
    written(&Leaf::<Rest>::Moved(to))
}

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
            Leaf::Book(Bytes { version, .. }) => {
                Err(format!("it has version {version}, and this program knows {VERSION}"))
            }
            Leaf::Moved(to) => Err(format!("it moved to {to}")),
        }
    }

    /// Returns what the rules see of an event, with this user's keys for its texts.
    pub fn activity(&mut self, record: &Record<'_>) -> Option<Activity> {
        let kind = record.event_kind()?;
        Some(record.activity(kind, |text| key_of(&mut self.rest.texts, text)))
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
    pub fn open<'p>(self, app: &str, user: &str, standing: &'p Standing) -> Result<Book<'p>, String> {
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
            app: app.to_owned(),
            user: user.to_owned(),
            standing,
            timeline,
            totals,
            rest: self.rest,
            spine,
            told: Vec::new(),
            passed: Vec::new(),
            gaps: GapChanges::default(),
            stirred: Vec::new(),
        };
        book.told = book.lines();
        Ok(book)
    }
}

impl Book<'_> {
    /// Closes the book: returns its bytes, and what has changed in the ledger of gaps.
    pub fn close(mut self, paper: &mut Paper) -> (Box<[u8]>, GapChanges) {
        self.tell();
        (self.write(paper), self.gaps)
    }

    fn write(&self, paper: &mut Paper) -> Box<[u8]> {
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
