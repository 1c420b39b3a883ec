//! All we know of one user, and what one event changes.

use std::collections::{BTreeMap, BTreeSet};

use dwell_core::event::{EventKind, Outcome, Weight};
use dwell_core::time::{Span, Timestamp};
use dwell_core::timeline::{Stated, Timeline};
use dwell_core::totals::Totals;
use serde::{Deserialize, Serialize};

use crate::record::Record;
use crate::row::OpenSession;
use crate::rules::AppRules;
use crate::turn::written;

/// How much longer than events may be late a user's events are kept: our clock may be set back a little.
const MARGIN: Span = Span::from_minutes(5);

/// What is known of a user.
pub(crate) struct Book<'p> {
    pub timeline: Timeline<'p>,
    pub totals: Totals,
    rest: Rest,
}

/// What the engine keeps of a user besides what core keeps.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Rest {
    /// The texts behind keys: key 1 is the first.
    texts: Vec<String>,
    /// Names that we made for events without one, and when these happened.
    made_ids: BTreeMap<String, i64>,
    /// Hours and days since 1970 in which the user was active, as far back as events may still come.
    hours: BTreeSet<i64>,
    days: BTreeSet<i64>,
    /// Under which deadline the user is listed.
    deadline: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Bytes<'a> {
    version: u8,
    timeline: &'a [u8],
    totals: &'a [u8],
    rest: Rest,
}

const VERSION: u8 = 1;

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
    /// Begins with a user of whom nothing is known.
    pub fn new(app: &str, user: &str, rules: &'p AppRules) -> Self {
        Book { timeline: Timeline::new(app, user, &rules.standing), totals: Totals::default(), rest: Rest::default() }
    }

    /// Reads a book; says why when the bytes are none.
    pub fn read(app: &str, user: &str, rules: &'p AppRules, bytes: &[u8]) -> Result<Self, String> {
        let Bytes { version, timeline, totals, rest } =
            postcard::from_bytes(bytes).map_err(|error| error.to_string())?;
        if version != VERSION {
            return Err(format!("it has version {version}, and this program knows {VERSION}"));
        }
        let timeline =
            Timeline::read(app, user, &rules.standing, timeline).map_err(|error| format!("timeline: {error}"))?;
        let totals = Totals::read(totals).map_err(|error| format!("totals: {error}"))?;
        Ok(Book { timeline, totals, rest })
    }

    /// Returns the book's bytes.
    pub fn write(&self) -> Vec<u8> {
        let (mut timeline, mut totals) = (Vec::new(), Vec::new());
        self.timeline.write(&mut timeline);
        self.totals.write(&mut totals);
        written(&Bytes { version: VERSION, timeline: &timeline, totals: &totals, rest: self.rest.clone() })
    }

    /// Takes an event.
    pub fn observe(&mut self, record: &Record<'_>, kind: EventKind, rules: &AppRules) -> (Outcome, Changed) {
        let opened_before = self.opened();
        let happened_at = Timestamp::from_micros(record.happened_at);
        if record.message_id_is_derived && self.rest.made_ids.contains_key(record.message_id) {
            return (Outcome::Duplicate, Changed { opened_before, opened: opened_before, ..Changed::default() });
        }
        let activity = record.activity(kind, |text| key_of(&mut self.rest.texts, text));
        let received_at = Timestamp::from_micros(record.received_at);
        let effects = self.timeline.observe(&activity, record.session_message_id(), received_at);
        let mut changed = Changed { retracted: effects.retracted, stated: effects.stated, ..Changed::default() };
        let kept = !matches!(effects.outcome, Outcome::Late | Outcome::Duplicate);
        if kept && record.message_id_is_derived {
            self.rest.made_ids.insert(record.message_id.to_owned(), record.happened_at);
        }
        if kept && kind.weight() != Weight::Silent {
            let (hour, day) = (happened_at.as_micros().div_euclid(HOUR), rules.zone.day_of(happened_at));
            changed.hour = self.rest.hours.insert(hour).then_some(hour);
            changed.day = self.rest.days.insert(day).then_some(day);
        }
        self.settle(received_at, rules);
        self.note(&mut changed, opened_before);
        (effects.outcome, changed)
    }

    /// Closes the open session when its deadline has passed.
    pub fn advance(&mut self, now: Timestamp) -> Changed {
        let opened_before = self.opened();
        let mut changed = Changed { stated: self.timeline.advance(now).into_iter().collect(), ..Changed::default() };
        self.note(&mut changed, opened_before);
        changed
    }

    /// Takes over the events of another id of the same person. What was settled there is only added up.
    pub fn take_over(&mut self, mut other: Book<'p>) -> (Changed, Vec<Stated>) {
        let opened_before = self.opened();
        let settled = self.timeline.settled_until().max(other.timeline.settled_until());
        if let Some(settled) = settled {
            self.timeline.settle(settled);
            other.timeline.settle(settled);
        }
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
        self.rest.hours.append(&mut other.rest.hours);
        self.rest.days.append(&mut other.rest.days);
        self.note(&mut all, opened_before);
        (all, taken_back)
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

    /// Returns the deadline under which the user is listed, and the one under which they should be.
    pub fn list_anew(&mut self) -> (Option<Timestamp>, Option<Timestamp>) {
        let now = self.timeline.deadline();
        let before = std::mem::replace(&mut self.rest.deadline, now.map(Timestamp::as_micros));
        (before.map(Timestamp::from_micros), now)
    }

    /// Lets go of what can no longer change: what would come before it is late.
    fn settle(&mut self, now: Timestamp, rules: &AppRules) {
        let lateness = rules.standing.rules_at(now).allowed_lateness;
        let before = now.minus(lateness).minus(MARGIN);
        if self.timeline.settled_until() < Some(before) {
            self.timeline.settle(before);
            let micros = before.as_micros();
            self.rest.made_ids.retain(|_, happened_at| micros <= *happened_at);
            self.rest.hours.retain(|hour| micros.div_euclid(HOUR) <= *hour);
            let day = rules.zone.day_of(before);
            self.rest.days.retain(|other| day <= *other);
        }
    }

    fn note(&mut self, changed: &mut Changed, opened_before: Option<Timestamp>) {
        for stated in &changed.retracted {
            self.totals.take_back(stated);
        }
        for stated in &changed.stated {
            self.totals.add(stated);
        }
        self.totals.settle(&self.timeline);
        changed.opened_before = opened_before;
        changed.opened = self.opened();
    }
}

/// Microseconds.
pub(crate) const HOUR: i64 = 3_600_000_000;

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
