//! All we know of one user, and what one event changes.
//!
//! A book holds the latest part of the user's timeline; what lies before it, as far as late events may still change
//! it, lies on the [`Shelf`] in parts of its own, so that an event of now reads and writes little however much the
//! user did. Of each part the book remembers until when it goes and a mark of every name in it: an event that may concern it
//! brings it back.

use std::collections::BTreeMap;

use dwell_core::event::{Activity, Outcome, Weight, is_late};
use dwell_core::lab::live::{Line, Spine};
use dwell_core::policy::Standing;
use dwell_core::time::{Span, Timestamp, Zone};
use dwell_core::timeline::{Stated, Timeline};
use dwell_core::totals::Totals;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::EngineError;
use crate::gaps::GapChanges;
use crate::record::Record;
use crate::row::OpenSession;
use crate::shelf::Shelf;
use crate::turn::{written, written_to};

/// How much longer than events may be late a user's events are kept: our clock may be set back a little.
const MARGIN: Span = Span::from_minutes(5);

/// Names of events that leave no trace are let go of at least this often.
const TIDY_EVERY: Span = Span::from_hours(24);

/// Microseconds.
pub(crate) const HOUR: i64 = 3_600_000_000;

/// How many events a book holds before some of them are put on the shelf.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fill {
    /// A book with more than so many is divided.
    pub most: usize,
    /// So many of the latest stay in it.
    pub keep: usize,
    /// So many at most go into one part.
    pub part: usize,
}

impl Default for Fill {
    fn default() -> Self {
        Fill { most: 16, keep: 6, part: 64 }
    }
}

/// What the engine keeps of a user besides what core keeps.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Rest {
    /// The texts behind keys: key 1 is the first.
    texts: Vec<String>,
    /// Names that we made for events without one, and when these happened.
    made_ids: BTreeMap<String, i64>,
    /// Hours and days since 1970 in which the user was active, as far back as events may still come, in order.
    hours: Vec<i64>,
    days: Vec<i64>,
    /// Under which deadline the user is listed: theirs, or an earlier one at which the later will be found.
    listed: Option<i64>,
    /// What lies on the shelf, the earliest part first.
    parts: Vec<PartNote>,
    /// The number of the next part.
    next_part: u32,
}

/// What a book remembers of a part on the shelf.
#[derive(Serialize, Deserialize)]
struct PartNote {
    number: u32,
    /// Every event in it happened before this.
    until: i64,
    /// When the first session began that was stated in it.
    first_started_at: Option<i64>,
    /// Four bytes for every name in it.
    #[serde(with = "serde_bytes")]
    marks: Vec<u8>,
}

impl PartNote {
    fn may_hold(&self, mark: [u8; 4]) -> bool {
        self.marks.as_chunks::<4>().0.contains(&mark)
    }
}

fn mark_of(name: &str) -> [u8; 4] {
    (xxh3_64(name.as_bytes()) as u32).to_le_bytes()
}

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
struct PartBytes<'a> {
    version: u8,
    #[serde(borrow, with = "serde_bytes")]
    timeline: &'a [u8],
    /// Of what lies before it.
    #[serde(borrow, with = "serde_bytes")]
    spine: &'a [u8],
    made_ids: BTreeMap<String, i64>,
}

const VERSION: u8 = 2;

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
        };
        book.told = book.lines();
        Ok(book)
    }
}

/// What is known of a user.
pub(crate) struct Book<'p> {
    app: String,
    user: String,
    standing: &'p Standing,
    /// The latest part of it.
    pub timeline: Timeline<'p>,
    pub totals: Totals,
    rest: Rest,
    /// What lies before that part comes to in the ledger of gaps.
    spine: Spine,
    /// The lines that the ledger holds of the spine and what lies after it.
    told: Vec<Line>,
    /// Lines of what was put aside since then: they stay.
    passed: Vec<Line>,
    /// What has changed in the ledger.
    gaps: GapChanges,
}

/// What an event or a bell changed.
#[derive(Default)]
pub(crate) struct Changed {
    pub retracted: Vec<Stated>,
    pub stated: Vec<Stated>,
    /// Whose beginning was told before, and whose is to be told now, of sessions that are open.
    pub opened_before: Option<Timestamp>,
    pub opened: Option<Timestamp>,
    /// An hour and a day in which the user had not been seen.
    pub hour: Option<i64>,
    pub day: Option<i64>,
}

impl<'p> Book<'p> {
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

    /// Takes an event, and what the rules see of it.
    pub fn observe(
        &mut self,
        record: &Record<'_>,
        activity: &Activity,
        zone: &Zone,
        shelf: &mut Shelf<'_>,
    ) -> Result<(Outcome, Changed), EngineError> {
        let received_at = Timestamp::from_micros(record.received_at);
        self.recall(activity, record.message_id, received_at, shelf)?;
        let opened_before = self.opened();
        if record.message_id_is_derived && self.rest.made_ids.contains_key(record.message_id) {
            return Ok((Outcome::Duplicate, Changed { opened_before, opened: opened_before, ..Changed::default() }));
        }
        let effects = self.timeline.observe(activity, record.session_message_id(), received_at);
        let mut changed = Changed { retracted: effects.retracted, stated: effects.stated, ..Changed::default() };
        let kept = !matches!(effects.outcome, Outcome::Late | Outcome::Duplicate);
        if kept && record.message_id_is_derived {
            self.rest.made_ids.insert(record.message_id.to_owned(), record.happened_at);
        }
        if kept && activity.kind.weight() != Weight::Silent {
            let hour = record.happened_at.div_euclid(HOUR);
            changed.hour = put_in(&mut self.rest.hours, hour).then_some(hour);
            let day = zone.day_of(activity.happened_at);
            changed.day = put_in(&mut self.rest.days, day).then_some(day);
        }
        self.note(&mut changed, opened_before);
        Ok((effects.outcome, changed))
    }

    /// Closes the open session when its deadline has passed.
    pub fn advance(&mut self, now: Timestamp) -> Changed {
        let opened_before = self.opened();
        let mut changed = Changed { stated: self.timeline.advance(now).into_iter().collect(), ..Changed::default() };
        self.note(&mut changed, opened_before);
        changed
    }

    /// Brings back everything that lies on the shelf.
    pub fn recall_all(&mut self, shelf: &mut Shelf<'_>) -> Result<(), EngineError> {
        self.recall_from(0, shelf)
    }

    /// Takes over the events of another id of the same person. What was settled there is only added up.
    ///
    /// Of both, no part may lie on the shelf: see [`Book::recall_all`].
    pub fn take_over(&mut self, mut other: Book<'_>) -> (Changed, Vec<Stated>) {
        let opened_before = self.opened();
        let settled = self.timeline.settled_until().max(other.timeline.settled_until());
        if let Some(settled) = settled {
            self.settle(settled);
            other.settle(settled);
        }
        // In the ledger, what was settled there stays another one's.
        other.tell();
        let stays = other.settled_lines();
        other.gaps.replace(&other.told, &stays);
        self.gaps.merge(std::mem::take(&mut other.gaps));
        let mut all = Changed::default();
        let taken_back: Vec<Stated> = other.timeline.closed().cloned().collect();
        for stated in &taken_back {
            other.totals.take_back(stated);
        }
        self.totals.merge(&other.totals);
        for (activity, message_id) in other.timeline.entries() {
            let mut activity = *activity;
            let texts = &other.rest.texts;
            for key in [&mut activity.player, &mut activity.device, &mut activity.platform, &mut activity.campaign] {
                if let Some(text) = (*key as usize).checked_sub(1).and_then(|place| texts.get(place)) {
                    *key = key_of(&mut self.rest.texts, text);
                }
            }
            // It was in time when it came.
            let effects = self.timeline.observe(&activity, message_id, activity.happened_at);
            put_in_place(&mut all, effects.retracted, effects.stated);
        }
        self.rest.made_ids.append(&mut other.rest.made_ids);
        for hour in other.rest.hours {
            put_in(&mut self.rest.hours, hour);
        }
        for day in other.rest.days {
            put_in(&mut self.rest.days, day);
        }
        self.note(&mut all, opened_before);
        (all, taken_back)
    }

    /// Lets go of what can no longer change, and puts on the shelf what probably will not.
    pub fn tidy(&mut self, now: Timestamp, zone: &Zone, fill: Fill, shelf: &mut Shelf<'_>) {
        let before = now.minus(self.standing.rules_at(now).allowed_lateness).minus(MARGIN);
        let gone = self.rest.parts.partition_point(|part| part.until <= before.as_micros());
        for part in self.rest.parts.drain(..gone) {
            shelf.remove(part.number);
        }
        let is_old = |at: Timestamp| at < before;
        let first = self.timeline.entries().next().map(|(activity, _)| activity.happened_at);
        let settled = self.timeline.settled_until().unwrap_or(Timestamp::MIN);
        if self.rest.parts.is_empty() && (first.is_some_and(is_old) || is_old(settled.plus(TIDY_EVERY))) {
            self.settle(before);
            self.rest.made_ids.retain(|_, happened_at| before.as_micros() <= *happened_at);
        }
        let (hour, day) = (before.as_micros().div_euclid(HOUR), zone.day_of(before));
        self.rest.hours.drain(..self.rest.hours.partition_point(|other| *other < hour));
        self.rest.days.drain(..self.rest.days.partition_point(|other| *other < day));
        self.put_aside(fill, shelf);
        // What was stated in a part may be retracted as long as the part is there.
        let on_shelf = self.rest.parts.iter().find_map(|part| part.first_started_at).map(Timestamp::from_micros);
        let at_hand = || self.timeline.closed().next().map(|stated| stated.closed.session.started_at);
        self.totals.settle_before(on_shelf.or_else(at_hand));
    }

    /// Returns the beginning of the session that may still grow.
    pub fn opened(&self) -> Option<Timestamp> {
        self.timeline.open().map(|open| open.started_at)
    }

    /// Returns what is known of the session that may still grow.
    pub fn open_session(&self) -> Option<OpenSession> {
        let open = self.timeline.open()?;
        Some(OpenSession {
            ordinal: open.ordinal,
            started_at: open.started_at.as_micros(),
            last_seen_at: open.ended_at.as_micros(),
            deadline: self.timeline.deadline()?.as_micros(),
            activities: open.activities,
            foreground_time: open.parts.foreground.as_micros(),
            playing_time: open.parts.playing.as_micros(),
            idle_time: open.parts.idle.as_micros(),
        })
    }

    /// Returns the text behind a key.
    pub fn text_of(&self, key: u32) -> String {
        (key as usize).checked_sub(1).and_then(|place| self.rest.texts.get(place)).cloned().unwrap_or_default()
    }

    /// Returns the deadline under which the user is listed, and the one under which they are to be from now on.
    ///
    /// A deadline that moves later is not listed anew with every event: when the earlier one rings, the later is found.
    /// `has_rung` says that this is so now.
    pub fn list_anew(&mut self, has_rung: bool) -> (Option<Timestamp>, Option<Timestamp>) {
        let listed = self.rest.listed.map(Timestamp::from_micros);
        let now = match (listed, self.timeline.deadline()) {
            (Some(listed), Some(deadline)) if listed <= deadline && !has_rung => Some(listed),
            (_, deadline) => deadline,
        };
        self.rest.listed = now.map(Timestamp::as_micros);
        (listed, now)
    }

    /// Brings back the parts that an event may concern.
    fn recall(
        &mut self,
        activity: &Activity,
        name: &str,
        received_at: Timestamp,
        shelf: &mut Shelf<'_>,
    ) -> Result<(), EngineError> {
        if self.rest.parts.is_empty() {
            return Ok(());
        }
        let lateness = self.standing.rules_at(activity.happened_at).allowed_lateness;
        if is_late(activity.happened_at, received_at, lateness) {
            return Ok(());
        }
        let happened_at = activity.happened_at.as_micros();
        let mark = mark_of(name);
        let concerns = |part: &PartNote| happened_at < part.until || (!name.is_empty() && part.may_hold(mark));
        let first = self.rest.parts.iter().position(concerns).unwrap_or(self.rest.parts.len());
        self.recall_from(first, shelf)
    }

    /// Brings back a part and all later ones.
    fn recall_from(&mut self, first: usize, shelf: &mut Shelf<'_>) -> Result<(), EngineError> {
        if first == self.rest.parts.len() {
            return Ok(());
        }
        self.tell();
        for part in self.rest.parts.drain(first..).rev() {
            let bytes = shelf.take(part.number)?;
            let bad = |cause| EngineError::BadBook {
                app: self.app.clone(),
                what: format!("user {}, part {}", self.user, part.number),
                cause,
            };
            let PartBytes { version, timeline, spine, mut made_ids } =
                postcard::from_bytes(&bytes).map_err(|error| bad(error.to_string()))?;
            if version != VERSION {
                return Err(bad(format!("it has version {version}, and this program knows {VERSION}")));
            }
            let earlier = Timeline::read(&self.app, &self.user, self.standing, timeline)
                .map_err(|error| bad(error.to_string()))?;
            let spine = Spine::read(spine).map_err(|error| bad(error.to_string()))?;
            self.timeline.join(earlier);
            self.spine = spine;
            self.rest.made_ids.append(&mut made_ids);
        }
        // The ledger holds them still: from here on they are told of again.
        self.told = self.lines();
        Ok(())
    }

    /// Puts all but the latest events on the shelf, when there are many.
    fn put_aside(&mut self, fill: Fill, shelf: &mut Shelf<'_>) {
        let Fill { most, keep, part } = fill;
        loop {
            let count = self.timeline.entries().len();
            if count <= most {
                return;
            }
            let moments = || self.timeline.entries().map(|(activity, _)| activity.happened_at);
            let first = moments().next();
            // Events of one moment stay together.
            let Some(cut) =
                moments().take(count - keep + 1).skip((count - keep).min(part)).find(|at| Some(*at) != first)
            else {
                return;
            };
            let mut spine = Vec::new();
            self.spine.write(&mut spine);
            let earlier = self.timeline.part(cut);
            self.pass(&earlier);
            let made_ids = std::mem::take(&mut self.rest.made_ids);
            let (made_ids, stay): (BTreeMap<_, _>, BTreeMap<_, _>) =
                made_ids.into_iter().partition(|(_, at)| *at < cut.as_micros());
            self.rest.made_ids = stay;
            let names = earlier.names().chain(made_ids.keys().map(String::as_str));
            let note = PartNote {
                number: self.rest.next_part,
                until: cut.as_micros(),
                first_started_at: earlier.closed().next().map(|stated| stated.closed.session.started_at.as_micros()),
                marks: names.flat_map(mark_of).collect(),
            };
            let mut timeline = Vec::new();
            earlier.write(&mut timeline);
            shelf.put(
                note.number,
                written(&PartBytes { version: VERSION, timeline: &timeline, spine: &spine, made_ids }),
            );
            self.rest.next_part = self.rest.next_part.wrapping_add(1);
            self.rest.parts.push(note);
        }
    }

    /// Forgets the events before a moment.
    fn settle(&mut self, before: Timestamp) {
        let earlier = self.timeline.part(before);
        self.pass(&earlier);
    }

    /// Takes the spine over what was parted off.
    fn pass(&mut self, earlier: &Timeline<'p>) {
        let mut presence = earlier.settled_presence().clone();
        for (activity, _) in earlier.entries() {
            self.spine.follow(&mut presence, activity, self.standing, &mut |line| self.passed.push(line));
        }
    }

    /// Returns the lines of the spine and all that lies after it.
    fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::with_capacity(2 * self.timeline.entries().len());
        let entries = self.timeline.entries().map(|(activity, _)| activity);
        self.spine.tell(self.timeline.settled_presence(), entries, self.standing, &mut |line| lines.push(line));
        lines
    }

    /// Returns the lines of the spine alone.
    fn settled_lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        self.spine.tell(self.timeline.settled_presence(), [], self.standing, &mut |line| lines.push(line));
        lines
    }

    /// Tells the ledger of gaps what has changed.
    fn tell(&mut self) {
        let after = self.lines();
        let mut now = std::mem::take(&mut self.passed);
        now.extend_from_slice(&after);
        self.gaps.replace(&self.told, &now);
        self.told = after;
    }

    fn note(&mut self, changed: &mut Changed, opened_before: Option<Timestamp>) {
        for stated in &changed.retracted {
            self.totals.take_back(stated);
        }
        for stated in &changed.stated {
            self.totals.add(stated);
        }
        changed.opened_before = opened_before;
        changed.opened = self.opened();
    }
}

/// Puts a number in its place in a list; says whether it was not there.
fn put_in(list: &mut Vec<i64>, number: i64) -> bool {
    match list.binary_search(&number) {
        Ok(_) => false,
        Err(place) => {
            list.insert(place, number);
            true
        }
    }
}

/// Puts newer changes after older ones: what was stated and then retracted was never said.
fn put_in_place(all: &mut Changed, retracted: Vec<Stated>, stated: Vec<Stated>) {
    for gone in retracted {
        match all.stated.iter().position(|said| said.id == gone.id) {
            Some(place) => {
                all.stated.remove(place);
            }
            None => all.retracted.push(gone),
        }
    }
    all.stated.extend(stated);
}

/// Returns the key of a text: its place in the list, counted from 1.
fn key_of(texts: &mut Vec<String>, text: &str) -> u32 {
    if text.is_empty() {
        return 0;
    }
    let place = texts.iter().position(|known| known == text).unwrap_or_else(|| {
        texts.push(text.to_owned());
        texts.len() - 1
    });
    u32::try_from(place + 1).unwrap_or(0)
}
