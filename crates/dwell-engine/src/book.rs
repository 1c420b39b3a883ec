//! All we know of one user, and what one event changes.
//!
//! A book holds the latest part of the user's timeline; what lies before it, as far as late events may still change
//! it, lies on the [`Shelf`] in parts of its own, so that an event of now reads and writes little however much the
//! user did. Of each part the book remembers until when it goes and a mark of every name in it: an event that may concern it
//! brings it back.

mod active;
mod devices;
mod leaf;
mod parcel;
mod parts;

use std::collections::{BTreeMap, BTreeSet};

use dwell_core::event::{Activity, Outcome, Weight};
use dwell_core::handover::takes_device;
use dwell_core::lab::live::{Line, Spine};
use dwell_core::policy::Standing;
use dwell_core::time::{Span, Timestamp, Zone};
use dwell_core::timeline::{Stated, Timeline};
use dwell_core::totals::Totals;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use self::active::Active;
use self::active::first_active;
use self::devices::DeviceNote;
pub(crate) use self::devices::{Start, Stir};
pub(crate) use self::leaf::{Paper, Sealed, Under, VERSION, linked};
pub(crate) use self::parcel::Ids;
use crate::error::EngineError;
use crate::facet::Values;
use crate::gaps::GapChanges;
use crate::record::{Record, country_and_version};
use crate::row::OpenSession;
use crate::shelf::Shelf;

/// How much longer than events may be late a user's events are kept: our clock may be set back a little.
pub(crate) const MARGIN: Span = Span::from_minutes(5);

/// Names of events that leave no trace are let go of at least this often.
const TIDY_EVERY: Span = Span::from_hours(24);

/// Microseconds.
pub(crate) const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;

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

/// Names that we made for events without one: under which id each came, and when it happened.
type MadeIds = BTreeMap<(u32, String), i64>;

/// What the engine keeps of a user besides what core keeps.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Rest {
    /// The texts behind keys: key 1 is the first.
    texts: Vec<String>,
    made_ids: MadeIds,
    /// Under which deadline the user is listed: theirs, or an earlier one at which the later will be found.
    listed: Option<i64>,
    /// What lies on the shelf, the earliest part first.
    parts: Vec<PartNote>,
    /// The number of the next part.
    next_part: u32,
    /// On which devices the user was seen.
    devices: Vec<DeviceNote>,
    /// The other ids of the user under which anything came that is not settled, and the key of each.
    ids: Vec<(u32, String)>,
    /// The other ids of the user under which something was settled before they were this user: it lies there still.
    past: Vec<String>,
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
    /// What last started on each device in it.
    devices: Vec<(u32, Start)>,
}

impl PartNote {
    fn may_hold(&self, mark: [u8; 4]) -> bool {
        self.marks.as_chunks::<4>().0.contains(&mark)
    }
}

fn mark_of(name: &str) -> [u8; 4] {
    (xxh3_64(name.as_bytes()) as u32).to_le_bytes()
}

/// What is known of a user.
pub(crate) struct Book<'p> {
    app: &'p str,
    user: &'p str,
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
    /// Devices on which what happened may concern others, from when to when.
    stirred: Vec<(u32, (i64, i64))>,
    /// Who seemed to be alone on a device may not be: whose events are whose has changed in this turn.
    pub stirs_always: bool,
}

/// What an event or a bell changed.
#[derive(Default)]
pub(crate) struct Changed {
    pub retracted: Vec<Stated>,
    pub stated: Vec<Stated>,
    /// Whose beginning was told before, and whose is to be told now, of sessions that are open.
    pub opened_before: Option<Opened>,
    pub opened: Option<Opened>,
    /// Minutes, hours and days in which the user had not been active, or was not after all.
    pub active: Vec<Active>,
}

/// When a session began that may still grow, and the keys of where it comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Opened {
    pub at: Timestamp,
    pub platform: u32,
    pub origin: u32,
}

impl<'p> Book<'p> {
    /// Takes an event, under which id it came, and what the rules see of it.
    pub fn observe(
        &mut self,
        record: &Record<'_>,
        (under, activity): (u32, &Activity),
        zone: &Zone,
        shelf: &mut Shelf<'_>,
    ) -> Result<(Outcome, Changed), EngineError> {
        let received_at = Timestamp::from_micros(record.received_at);
        self.recall(activity, record.message_id, received_at, shelf)?;
        let opened_before = self.opened();
        let made_id = record.message_id_is_derived.then(|| (under, record.message_id.to_owned()));
        if made_id.as_ref().is_some_and(|made_id| self.rest.made_ids.contains_key(made_id)) {
            return Ok((Outcome::Duplicate, Changed { opened_before, opened: opened_before, ..Changed::default() }));
        }
        // The parts that may hold what happened after it are back.
        let others = self.timeline.heard_around(activity.happened_at);
        let effects = self.timeline.observe_under(under, activity, record.session_message_id(), received_at);
        let mut changed = Changed { retracted: effects.retracted, stated: effects.stated, ..Changed::default() };
        let kept = !matches!(effects.outcome, Outcome::Late | Outcome::Duplicate);
        if let Some(made_id) = made_id.filter(|_| kept) {
            self.rest.made_ids.insert(made_id, record.happened_at);
        }
        if kept && activity.kind.weight() != Weight::Silent {
            changed.active = first_active(activity.happened_at, others, zone);
        }
        if kept && takes_device(activity) {
            self.stir(activity.device, record.happened_at);
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

    /// Lets go of what can no longer change, and puts on the shelf what probably will not.
    pub fn tidy(&mut self, now: Timestamp, fill: Fill, shelf: &mut Shelf<'_>) {
        let before = now.minus(self.standing.rules_at(now).allowed_lateness).minus(MARGIN);
        let gone = self.rest.parts.partition_point(|part| part.until <= before.as_micros());
        for part in self.rest.parts.drain(..gone) {
            shelf.remove(part.number);
            devices::let_go(&mut self.rest.devices, part.devices);
        }
        let is_old = |at: Timestamp| at < before;
        let first = self.timeline.entries().next().map(|(activity, _)| activity.happened_at);
        let settled = self.timeline.settled_until().unwrap_or(Timestamp::MIN);
        if self.rest.parts.is_empty() && (first.is_some_and(is_old) || is_old(settled.plus(TIDY_EVERY))) {
            self.settle(before);
        }
        self.put_aside(fill, shelf);
        // What was stated in a part may be retracted as long as the part is there.
        let on_shelf = self.rest.parts.iter().find_map(|part| part.first_started_at).map(Timestamp::from_micros);
        let at_hand = || self.timeline.closed().next().map(|stated| stated.closed.session.started_at);
        self.totals.settle_before(on_shelf.or_else(at_hand));
    }

    /// Returns the beginning of the session that may still grow.
    pub fn opened(&self) -> Option<Opened> {
        let open = self.timeline.open()?;
        Some(Opened { at: open.started_at, platform: open.platform, origin: open.origin })
    }

    /// Returns under which values a session counts whose first activity has these keys.
    pub fn values_of(&self, platform: u32, origin: u32) -> Values {
        let origin = self.text_of(origin);
        let (country, version) = country_and_version(&origin);
        Values([self.text_of(platform), country.to_owned(), version.to_owned()])
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

    /// Forgets the events before a moment. No part may lie on the shelf.
    fn settle(&mut self, before: Timestamp) {
        let earlier = self.timeline.part(before);
        devices::let_go(&mut self.rest.devices, devices::latest_starts(&earlier));
        self.pass(&earlier);
        self.rest.made_ids.retain(|_, happened_at| before.as_micros() <= *happened_at);
        if !self.rest.ids.is_empty() {
            let made = self.rest.made_ids.keys().map(|(under, _)| *under);
            let used: BTreeSet<u32> = self.timeline.ids().chain(made).collect();
            self.rest.ids.retain(|(key, _)| used.contains(key));
        }
    }

    fn note(&mut self, changed: &mut Changed, opened_before: Option<Opened>) {
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

/// Returns the key of a text of another book in this one.
fn key_here(texts: &mut Vec<String>, key: u32, of: &[String]) -> u32 {
    match (key as usize).checked_sub(1).and_then(|place| of.get(place)) {
        Some(text) => key_of(texts, text),
        None => 0,
    }
}

/// Returns the key of an id of a user: the smallest that no other has, from 1 on.
fn key_of_id(ids: &mut Vec<(u32, String)>, id: &str) -> u32 {
    if let Some((key, _)) = ids.iter().find(|(_, known)| known == id) {
        return *key;
    }
    let taken: BTreeSet<u32> = ids.iter().map(|(key, _)| *key).collect();
    let key = (1..).find(|key| !taken.contains(key)).unwrap_or(u32::MAX);
    ids.push((key, id.to_owned()));
    key
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
