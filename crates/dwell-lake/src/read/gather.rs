//! From the values of one row to an event in a batch, or to a refusal: the same judgement for every format.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use dwell_core::decimal::{number_text, scaled};
use dwell_core::event::{EventKind, PlaybackRate, Stamps, remaining_of};
use dwell_core::id::LONGEST_ID;
use dwell_core::time::{Span, Timestamp};
use dwell_core::words::{EventWords, Meaning, denies_activity, says_live, settle};
use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_64;

use super::columns::Role;
use super::error::ReadError;
use super::moment::{Clock, TimeUnit, micros_of, within};
use super::reject::{Reason, Refusal, Rejection, RejectionSink};
use crate::batch::{Detail, Details, EventBatch, Users};
use crate::names::Names;

/// How many rows there were, and what became of them. `rows = events + rejections`, always.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Rows read.
    pub rows: u64,
    /// Rows handed on as events.
    pub events: u64,
    /// Rows refused.
    pub rejections: u64,
    /// Events that claimed to come from the future, and were taken as happening when they came in.
    pub from_the_future: u64,
}

impl Tally {
    /// Adds what another reader counted.
    pub fn add(&mut self, other: Tally) {
        self.rows += other.rows;
        self.events += other.events;
        self.rejections += other.rejections;
        self.from_the_future += other.from_the_future;
    }
}

/// One value of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Cell<'a> {
    /// Not there, empty or null.
    #[default]
    Nothing,
    /// Text.
    Text(&'a [u8]),
    /// A number as it was written.
    Number(&'a [u8]),
    /// An object or a list.
    Nested(&'a [u8]),
    /// A moment, in a unit since 1970.
    Moment(i64, TimeUnit),
}

impl<'a> Cell<'a> {
    /// Takes text; empty text is nothing.
    pub fn text(text: &'a [u8]) -> Self {
        if text.is_empty() { Cell::Nothing } else { Cell::Text(text) }
    }
}

/// The values of one row, by role.
pub(super) type Row<'a> = [Cell<'a>; Role::COUNT];

/// What all rows of a file have in common.
#[derive(Debug)]
pub(super) struct Frame {
    pub file: Arc<str>,
    /// The names of the columns, by role.
    pub columns: [Option<Arc<str>>; Role::COUNT],
    /// How the times of each column are read; only time roles have one.
    pub clocks: [Option<Clock>; Role::COUNT],
    pub words: EventWords,
    pub names: Arc<Names>,
    pub names_wanted: bool,
    pub batch_rows: usize,
}

impl Frame {
    /// Says whether nothing but who and when can be known of any event.
    pub fn is_plain(&self) -> bool {
        self.columns.iter().enumerate().all(|(place, name)| {
            name.is_none() || matches!(Role::ALL[place], Role::User | Role::AnonymousUser | Role::Time)
        })
    }

    pub fn rejection(&self, line: u64, refusal: Refusal) -> Rejection {
        let column = refusal.role.and_then(|role| self.columns[role as usize].clone());
        Rejection { file: self.file.clone(), line, column, value: refusal.value, reason: refusal.reason }
    }

    fn clock(&self, role: Role) -> Option<&Clock> {
        self.clocks[role as usize].as_ref()
    }
}

/// How many bytes of text a batch holds at most before it is handed on.
const MOST_TEXT: usize = 16 * 1024 * 1024;

/// Gathers the rows of one file into batches.
#[derive(Debug)]
pub(super) struct Gather {
    pub frame: Arc<Frame>,
    pub tally: Tally,
    users: StringBuilder,
    user_bytes: usize,
    happened_at: Vec<i64>,
    detail: DetailGather,
    keys: Keys,
}

impl Gather {
    pub fn new(frame: Arc<Frame>) -> Self {
        Gather {
            frame,
            tally: Tally::default(),
            users: StringBuilder::new(),
            user_bytes: 0,
            happened_at: Vec::new(),
            detail: DetailGather::default(),
            keys: Keys::default(),
        }
    }

    /// Says whether the batch is as large as it should become.
    pub fn is_full(&self) -> bool {
        self.frame.batch_rows <= self.happened_at.len()
            || MOST_TEXT <= self.user_bytes
            || MOST_TEXT <= self.detail.message_ids.len()
    }

    /// Hands over what was gathered; `None` when that is nothing.
    pub fn take(&mut self) -> Option<EventBatch> {
        if self.happened_at.is_empty() {
            return None;
        }
        self.user_bytes = 0;
        let rows = self.happened_at.len();
        let happened_at = std::mem::replace(&mut self.happened_at, Vec::with_capacity(rows));
        let details = self.detail.take(happened_at.len());
        Some(EventBatch::new(Users::Plain(self.users.finish()), happened_at, details))
    }

    /// Counts a refused row and tells of it.
    pub fn refuse(&mut self, line: u64, refusal: Refusal, sink: &mut dyn RejectionSink) -> Result<(), ReadError> {
        self.tally.rows += 1;
        self.tally.rejections += 1;
        let rejection = self.frame.rejection(line, refusal);
        tell(rejection, sink)
    }

    /// Takes one row in, or refuses it.
    pub fn row(&mut self, line: u64, row: &Row<'_>, sink: &mut dyn RejectionSink) -> Result<(), ReadError> {
        match self.judge(row) {
            Ok(()) => {
                self.tally.rows += 1;
                self.tally.events += 1;
                Ok(())
            }
            Err(refusal) => self.refuse(line, refusal, sink),
        }
    }

    /// Takes in a row of which only who and when can be known.
    pub fn plain_row(
        &mut self,
        line: u64,
        user: Cell<'_>,
        time: Cell<'_>,
        sink: &mut dyn RejectionSink,
    ) -> Result<(), ReadError> {
        match self.judge_plain(user, time) {
            Ok(()) => {
                self.tally.rows += 1;
                self.tally.events += 1;
                Ok(())
            }
            Err(refusal) => self.refuse(line, refusal, sink),
        }
    }

    fn judge_plain(&mut self, user: Cell<'_>, time: Cell<'_>) -> Result<(), Refusal> {
        let user = user_text(user, Cell::Nothing)?;
        let at = micros(&self.frame, Role::Time, time)?.ok_or_else(no_time)?;
        self.detail.plain += usize::from(self.detail.rows.is_empty());
        self.push(&user, at);
        Ok(())
    }

    fn push(&mut self, user: &str, at: i64) {
        self.users.append_value(user);
        self.user_bytes += user.len();
        self.happened_at.push(at);
    }

    fn judge(&mut self, row: &Row<'_>) -> Result<(), Refusal> {
        let user = user_text(row[Role::User as usize], row[Role::AnonymousUser as usize])?;
        let stamps = stamps(&self.frame, row)?;
        let happened = stamps.happened();
        let at = within(i128::from(happened.at.as_micros()))
            .map_err(|reason| Refusal::of(Role::OriginalTime, cell_bytes(row[Role::OriginalTime as usize]), reason))?;
        let (detail, message_id) = self.keys.detail(&self.frame, row, stamps)?;
        self.detail.push(detail, &message_id);
        self.tally.from_the_future += u64::from(happened.from_the_future);
        self.push(&user, at);
        Ok(())
    }
}

/// Tells the sink of a refused row, and stops if it has had enough.
pub(super) fn tell(rejection: Rejection, sink: &mut dyn RejectionSink) -> Result<(), ReadError> {
    let kept = rejection.clone();
    match sink.reject(rejection) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(ReadError::Stopped { rejection: Box::new(kept) }),
    }
}

fn cell_bytes(cell: Cell<'_>) -> &[u8] {
    match cell {
        Cell::Nothing | Cell::Moment(..) => b"",
        Cell::Text(text) | Cell::Number(text) | Cell::Nested(text) => text,
    }
}

pub(super) fn no_time() -> Refusal {
    Refusal::of(Role::Time, b"", Reason::MissingTime)
}

/// Returns the text of a user's id: the anonymous one when the user is not said.
pub(super) fn user_text<'a>(user: Cell<'a>, anonymous: Cell<'a>) -> Result<Cow<'a, str>, Refusal> {
    let given = id_text(Role::User, user, Reason::UserTooLong)?;
    if !given.trim_ascii().is_empty() {
        return Ok(given);
    }
    let anonymous = id_text(Role::AnonymousUser, anonymous, Reason::UserTooLong)?;
    if !anonymous.trim_ascii().is_empty() {
        return Ok(anonymous);
    }
    Err(Refusal::of(Role::User, given.as_bytes(), Reason::MissingUser))
}

pub(super) fn id_text(role: Role, cell: Cell<'_>, too_long: Reason) -> Result<Cow<'_, str>, Refusal> {
    let text = text_of(role, cell)?;
    if LONGEST_ID < text.len() { Err(Refusal::of(role, text.as_bytes(), too_long)) } else { Ok(text) }
}

/// Returns a value as text: numbers without a fraction of zero, nothing as nothing.
pub(super) fn text_of(role: Role, cell: Cell<'_>) -> Result<Cow<'_, str>, Refusal> {
    match cell {
        Cell::Nothing => Ok(Cow::Borrowed("")),
        Cell::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(_) => Err(Refusal::of(role, text, Reason::NotUtf8)),
        },
        Cell::Number(number) => Ok(number_text(number)),
        Cell::Nested(text) => Err(Refusal::of(role, text, Reason::Nested)),
        Cell::Moment(number, _) => Ok(Cow::Owned(number.to_string())),
    }
}

/// Reads a time; `None` when nothing is said.
pub(super) fn micros(frame: &Frame, role: Role, cell: Cell<'_>) -> Result<Option<i64>, Refusal> {
    let Some(clock) = frame.clock(role) else {
        return Ok(None);
    };
    let text = match cell {
        Cell::Nothing => return Ok(None),
        Cell::Nested(text) => return Err(Refusal::of(role, text, Reason::Nested)),
        Cell::Moment(number, unit) => {
            let refuse = |reason| Refusal::of(role, number.to_string().as_bytes(), reason);
            return within(micros_of(number, unit)).map(Some).map_err(refuse);
        }
        Cell::Text(text) | Cell::Number(text) => text,
    };
    match clock.micros(text) {
        Ok(micros) => Ok(Some(micros)),
        Err(Reason::MissingTime) => Ok(None),
        Err(reason) => Err(Refusal::of(role, text, reason)),
    }
}

/// Reads the times of a row. A clock is put right only when the row gives the device's own time and when it was sent;
/// what is called the timestamp has been put right by whoever wrote it (Segment, Common fields).
fn stamps(frame: &Frame, row: &Row<'_>) -> Result<Stamps, Refusal> {
    let read = |role: Role| micros(frame, role, row[role as usize]);
    let given = read(Role::Time)?;
    let received_at = read(Role::ReceivedAt)?.map(Timestamp::from_micros);
    let sent_at = read(Role::SentAt)?.map(Timestamp::from_micros);
    let original = read(Role::OriginalTime)?;
    Ok(match (original, sent_at, received_at, given) {
        (Some(original), Some(_), Some(_), _) => {
            Stamps { original: Timestamp::from_micros(original), sent_at, received_at }
        }
        (_, _, _, Some(given)) => Stamps { original: Timestamp::from_micros(given), sent_at: None, received_at },
        (Some(original), _, _, None) => {
            Stamps { original: Timestamp::from_micros(original), sent_at: None, received_at }
        }
        (None, _, _, None) => return Err(no_time()),
    })
}

/// Details of a batch, kept only from the first event on of which something is known.
#[derive(Debug, Default)]
struct DetailGather {
    /// How many events of the batch came before the first with a detail.
    plain: usize,
    rows: Vec<Detail>,
    message_ids: String,
}

impl DetailGather {
    fn push(&mut self, mut detail: Detail, message_id: &str) {
        if self.rows.is_empty() && message_id.is_empty() && detail == NOTHING_KNOWN {
            self.plain += 1;
            return;
        }
        if self.rows.is_empty() {
            self.rows.resize(self.plain, NOTHING_KNOWN);
        }
        let start = self.message_ids.len() as u32;
        self.message_ids.push_str(message_id);
        detail.message_id = if message_id.is_empty() { (0, 0) } else { (start, self.message_ids.len() as u32) };
        self.rows.push(detail);
    }

    fn take(&mut self, rows: usize) -> Option<Details> {
        self.plain = 0;
        if self.rows.is_empty() {
            return None;
        }
        let details = Details {
            rows: std::mem::replace(&mut self.rows, Vec::with_capacity(rows)),
            message_ids: std::mem::take(&mut self.message_ids),
        };
        assert!(details.rows.len() == rows, "every event of the batch has its detail");
        Some(details)
    }
}

/// An action of which nothing else is known.
pub(super) const NOTHING_KNOWN: Detail = Detail {
    kind: EventKind::Action,
    name: 0,
    remaining: None,
    player: 0,
    device: 0,
    platform: 0,
    campaign: 0,
    by: 0,
    truth: 0,
    received_at: None,
    message_id: (0, 0),
};

/// How many different texts of one column are remembered; past that they are looked up again.
const MOST_REMEMBERED: usize = 1 << 18;

/// What the texts of one file mean, each found out once.
#[derive(Debug, Default)]
pub(super) struct Keys {
    events: HashMap<Box<[u8]>, (Meaning, u32)>,
    texts: HashMap<Box<[u8]>, u32>,
}

impl Keys {
    /// Works out what is known of an event besides who and when, and its message id.
    fn detail<'a>(&mut self, frame: &Frame, row: &Row<'a>, stamps: Stamps) -> Result<(Detail, Cow<'a, str>), Refusal> {
        let (meaning, name) = self.event(frame, row[Role::Event as usize])?;
        let message_type = text_of(Role::MessageType, row[Role::MessageType as usize])?;
        let message = if message_type.is_empty() { None } else { frame.words.meaning_of_message(&message_type) };
        let active = !matches!(row[Role::Active as usize], Cell::Text(text) if denies_activity(text));
        let kind = settle(meaning, message, active);
        let mut detail = NOTHING_KNOWN;
        detail.kind = kind;
        detail.name = name;
        detail.remaining = remaining(kind, row)?;
        detail.player = self.key(frame, row, Role::Player)?;
        detail.device = self.key(frame, row, Role::Device)?;
        detail.platform = self.key(frame, row, Role::Platform)?;
        detail.campaign = self.key(frame, row, Role::Campaign)?;
        detail.by = self.key(frame, row, Role::By)?;
        detail.truth = truth(row[Role::Truth as usize])?;
        detail.received_at = stamps.received_at.map(Timestamp::as_micros);
        let message_id = id_text(Role::MessageId, row[Role::MessageId as usize], Reason::MessageIdTooLong)?;
        Ok((detail, message_id))
    }

    fn event(&mut self, frame: &Frame, cell: Cell<'_>) -> Result<(Meaning, u32), Refusal> {
        Ok(self.event_of(frame, &text_of(Role::Event, cell)?))
    }

    /// Returns what the name of an event means, and its key if names are wanted.
    pub fn event_of(&mut self, frame: &Frame, text: &str) -> (Meaning, u32) {
        if text.is_empty() {
            return (Meaning { kind: EventKind::Action, given: false }, 0);
        }
        if let Some(known) = self.events.get(text.as_bytes()) {
            return *known;
        }
        let name = if frame.names_wanted { frame.names.key(text) } else { 0 };
        let mut meaning = frame.words.meaning(text);
        if !frame.names_wanted {
            // Where nobody will ask what it was called, it need not be told from what does the same.
            meaning.kind = meaning.kind.alike();
        }
        let known = (meaning, name);
        if self.events.len() < MOST_REMEMBERED {
            self.events.insert(text.as_bytes().into(), known);
        }
        known
    }

    fn key(&mut self, frame: &Frame, row: &Row<'_>, role: Role) -> Result<u32, Refusal> {
        Ok(self.key_of(frame, &text_of(role, row[role as usize])?))
    }

    /// Returns the key of a text.
    pub fn key_of(&mut self, frame: &Frame, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(key) = self.texts.get(text.as_bytes()) {
            return *key;
        }
        let key = frame.names.key(text);
        if self.texts.len() < MOST_REMEMBERED {
            self.texts.insert(text.as_bytes().into(), key);
        }
        key
    }
}

fn truth(cell: Cell<'_>) -> Result<u64, Refusal> {
    let text = text_of(Role::Truth, cell)?;
    Ok(if text.is_empty() { 0 } else { hash_of_truth(&text) })
}

/// Hashes the name of a true session; 0 is kept for those without.
pub(super) fn hash_of_truth(text: &str) -> u64 {
    xxh3_64(text.as_bytes()).max(1)
}

/// Works out how long what plays will go on. Only signals that something plays are asked: a `position` elsewhere is
/// another thing.
fn remaining(kind: EventKind, row: &Row<'_>) -> Result<Option<Span>, Refusal> {
    if !matches!(kind, EventKind::PlayingStarted | EventKind::PlayingProgress) {
        return Ok(None);
    }
    if matches!(row[Role::Livestream as usize], Cell::Text(text) | Cell::Number(text) if says_live(text)) {
        return Ok(None);
    }
    if let Some(remaining) = seconds(row, Role::Remaining)? {
        return Ok(Some(Span::from_micros(remaining)));
    }
    match (seconds(row, Role::Position)?, seconds(row, Role::TotalLength)?) {
        (Some(position), Some(length)) => {
            Ok(remaining_of(Span::from_micros(position), Span::from_micros(length), rate(row)))
        }
        _ => Ok(None),
    }
}

/// Reads how fast it plays. What is no rate says nothing, whatever it is: it never refuses a row.
fn rate(row: &Row<'_>) -> Option<PlaybackRate> {
    match row[Role::PlaybackRate as usize] {
        Cell::Text(text) | Cell::Number(text) => PlaybackRate::read(text),
        Cell::Nothing | Cell::Nested(_) | Cell::Moment(..) => None,
    }
}

/// Returns a number of seconds as microseconds.
fn seconds(row: &Row<'_>, role: Role) -> Result<Option<i64>, Refusal> {
    let text = match row[role as usize] {
        Cell::Nothing => return Ok(None),
        Cell::Nested(text) => return Err(Refusal::of(role, text, Reason::Nested)),
        Cell::Moment(number, _) => return Err(Refusal::of(role, number.to_string().as_bytes(), Reason::NotANumber)),
        Cell::Text(text) | Cell::Number(text) => text,
    };
    match scaled(text.trim_ascii(), 6).map(i64::try_from) {
        Some(Ok(micros)) if 0 <= micros => Ok(Some(micros)),
        _ => Err(Refusal::of(role, text, Reason::NotANumber)),
    }
}
