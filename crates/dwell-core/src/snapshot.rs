//! A [`Timeline`] as bytes: what a live engine keeps of a user from one event to the next.
//!
//! Numbers take as many bytes as they need, moments are distances from the user's last activity, and what follows from the
//! rest is not written. What a change of the rules does to the state is not decided here: the state is read as it was,
//! and whoever reads it says what holds from now on. The same state gives the same bytes.

use alloc::vec::Vec;
use core::cmp::Ordering;

pub use crate::bytes::{BadSnapshot, Flaw};
use crate::bytes::{Reader, Writer};
use crate::engagement::Parts;
use crate::event::{Activity, EventKind};
use crate::id::SessionId;
use crate::name::Name;
use crate::names::Names;
use crate::policy::{Decided, Source, Standing};
use crate::presence::{Ground, Presence};
use crate::session::{ClosedSession, EndReason, Session, Sessionizer};
use crate::time::{Span, Timeout, Timestamp};
use crate::timeline::{Entry, Stated, Timeline};

/// The form that is written. Bytes of any other are refused.
const VERSION: u8 = 4;

/// More than any user does, and far from where counting would end.
const MOST_EVENTS: u64 = 1 << 48;
/// Likewise of sessions, and of how often one is amended.
const MOST_SESSIONS: u64 = 1 << 31;
const MOST_KEYS: u64 = u32::MAX as u64;

/// The fewest bytes that each takes: a number of them is believed only when there are as many bytes.
const SMALLEST_ENTRY: usize = 3;
const SMALLEST_NAME: usize = 3;
const SMALLEST_STATED: usize = 32;
const SMALLEST_PLAYER: usize = 2;
const SMALLEST_KEY: usize = 1;

/// What is written of a timeline.
const HAS_SETTLED: u8 = 1;
const LIVE_IS_BASE: u8 = 1 << 1;
const HAS_RUNG: u8 = 1 << 2;
const HAS_BELL: u8 = 1 << 3;
const HAS_TAKEN_BACK: u8 = 1 << 4;

/// What is written of a sessionizer; three bits in between say what forces a break.
const WAS_HEARD: u8 = 1;
const REACHES_FURTHER: u8 = 1 << 1;
const IS_BACKGROUND: u8 = 1 << 2;
const HAS_PLAYERS: u8 = 1 << 3;
const FORCED_SHIFT: u8 = 4;
const IS_OPEN: u8 = 1 << 7;

/// What is written of an entry, above the four bits of its kind. Without keys it has those of the entry before.
const HAS_REMAINING: u8 = 1 << 4;
const HAS_PLAYER: u8 = 1 << 5;
const HAS_KEYS: u8 = 1 << 6;
const IS_HANDOVER: u8 = 1 << 7;
const KIND: u8 = 0b1111;

/// Beside the source of a timeout: only a longer silence reaches it.
const IS_EXCLUSIVE: u8 = 1 << 4;

impl<'p> Timeline<'p> {
    /// Appends the whole state but for the names of app and user, and the rules.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        writer.byte(VERSION);
        let has_settled = self.settled_until != Timestamp::MIN;
        let has_bell = self.now != Timestamp::MIN;
        let flags = writer.len();
        writer.byte(
            flag(has_settled, HAS_SETTLED)
                | flag(self.rung.is_some(), HAS_RUNG)
                | flag(has_bell, HAS_BELL)
                | flag(self.taken_back.is_some(), HAS_TAKEN_BACK),
        );
        writer.stand_at(self.last().unwrap_or(Timestamp::from_micros(0)));
        let base = writer.len();
        if has_settled {
            write_sessionizer(&mut writer, &self.base, self.settled);
        }
        let live = writer.len();
        write_sessionizer(&mut writer, &self.live, self.settled);
        if writer.drop_repeated(base, live) {
            writer.mark(flags, LIVE_IS_BASE);
        }
        if has_settled {
            writer.number(self.settled);
            writer.moment(self.settled_until);
            writer.name(&self.settled_first);
        }
        write_entries(&mut writer, &self.entries);
        self.write_other_names(&mut writer);
        writer.number(self.stated.len() as u64);
        for stated in self.stated.iter().chain(&self.rung).chain(&self.taken_back) {
            write_stated(&mut writer, stated, self.settled);
        }
        if has_bell {
            writer.moment(self.now);
        }
    }

    /// Reads what [`Timeline::write`] wrote of this user of this app. No bytes make it panic, or take more than fifty times
    /// their length in memory.
    ///
    /// The sessions stated so far stay as they were stated, whatever `standing` says now; it decides what comes, and,
    /// when an event amends, everything that is not settled.
    pub fn read(
        app: &'p str,
        user: &'p str,
        standing: &'p Standing,
        bytes: &[u8],
    ) -> Result<Timeline<'p>, BadSnapshot> {
        let mut reader = Reader::new(bytes);
        if reader.byte()? != VERSION {
            return Err(reader.bad(Flaw::Version));
        }
        let flags = reader.byte()?;
        let has = |bit| flags & bit != 0;
        if flags & !(HAS_SETTLED | LIVE_IS_BASE | HAS_RUNG | HAS_BELL | HAS_TAKEN_BACK) != 0 {
            return Err(reader.bad(Flaw::Word));
        }
        reader.stand_at_what_is_said()?;
        let mut timeline = Timeline::new(app, user, standing);
        // Places are told from the settled on: `count_places` puts them right.
        if has(HAS_SETTLED) {
            timeline.base = read_sessionizer(&mut reader, standing)?;
        }
        timeline.live =
            if has(LIVE_IS_BASE) { timeline.base.clone() } else { read_sessionizer(&mut reader, standing)? };
        if has(HAS_SETTLED) {
            timeline.settled = reader.number(MOST_EVENTS)?;
            timeline.settled_until = reader.moment()?;
            timeline.settled_first = reader.name()?;
        }
        timeline.entries = read_entries(&mut reader)?;
        timeline.known = read_names(&mut reader, &timeline.entries)?;
        let count = reader.count(SMALLEST_STATED)?;
        timeline.stated.reserve_exact(count);
        for _ in 0..count {
            timeline.stated.push(read_stated(&mut reader)?);
        }
        timeline.rung = if has(HAS_RUNG) { Some(read_stated(&mut reader)?) } else { None };
        timeline.taken_back = if has(HAS_TAKEN_BACK) { Some(read_stated(&mut reader)?) } else { None };
        if has(HAS_BELL) {
            timeline.now = reader.moment()?;
        }
        reader.end()?;
        timeline.count_places();
        Ok(timeline)
    }

    /// Makes places that were told from the settled on places from the first event on.
    fn count_places(&mut self) {
        let settled = self.settled;
        self.base.seen = settled;
        self.live.seen = settled + self.entries.len() as u64;
        let told = self.stated.iter_mut().chain(&mut self.rung).chain(&mut self.taken_back);
        let open = [&mut self.base.open, &mut self.live.open].into_iter().flatten();
        for session in told.map(|stated| &mut stated.closed.session).chain(open) {
            session.first = session.first.wrapping_add(settled);
            session.last = session.last.wrapping_add(settled);
        }
    }

    /// Writes the names that are known and are those of no entry.
    fn write_other_names(&self, writer: &mut Writer<'_>) {
        let is_an_entry = |under: u32, name: &Name, at: Timestamp| {
            let place = |entry: &Entry| (entry.activity.happened_at, &entry.message_id).cmp(&(at, name));
            // Handovers of the same name may lie beside it, and what came under another id.
            let first = self.entries.partition_point(|entry| place(entry) == Ordering::Less);
            let mut alike = self.entries[first..].iter().take_while(|entry| place(entry) == Ordering::Equal);
            alike.any(|entry| entry.under == under && is_named(entry))
        };
        let named = self.entries.iter().filter(|entry| is_named(entry)).count();
        // Most often there are none, and nothing is looked for.
        let others: Vec<_> = if named == self.known.len() {
            Vec::new()
        } else {
            self.known.iter().filter(|(under, name, at)| !is_an_entry(*under, name, *at)).collect()
        };
        writer.number(others.len() as u64);
        for (under, name, at) in others {
            writer.number(under.into());
            writer.name(name);
            writer.moment(at);
        }
    }
}

const fn flag(is_set: bool, bit: u8) -> u8 {
    if is_set { bit } else { 0 }
}

/// Says whether an entry's name is known for its sake.
fn is_named(entry: &Entry) -> bool {
    !entry.message_id.is_empty() && !entry.is_handover
}

fn write_entries(writer: &mut Writer<'_>, entries: &[Entry]) {
    writer.number(entries.len() as u64);
    let mut before = (0, Activity::new(writer.anchor(), EventKind::Silent));
    for (place, entry) in entries.iter().enumerate() {
        let Activity { happened_at, kind, remaining, player, device, platform, campaign, origin } = entry.activity;
        let keys = |under, of: &Activity| [under, of.device, of.platform, of.campaign, of.origin];
        let has_keys = keys(entry.under, &entry.activity) != keys(before.0, &before.1);
        let head = flag(remaining.is_some(), HAS_REMAINING) | flag(player != 0, HAS_PLAYER) | flag(has_keys, HAS_KEYS);
        writer.byte(kind as u8 | head | flag(entry.is_handover, IS_HANDOVER));
        if place == 0 {
            writer.moment(happened_at);
        } else {
            writer.later(before.1.happened_at, happened_at);
        }
        if let Some(remaining) = remaining {
            writer.span(remaining);
        }
        if player != 0 {
            writer.number(player.into());
        }
        if has_keys {
            [entry.under, device, platform, campaign, origin].into_iter().for_each(|key| writer.number(key.into()));
        }
        writer.name(&entry.message_id);
        before = (entry.under, entry.activity);
    }
}

fn read_entries(reader: &mut Reader<'_>) -> Result<Vec<Entry>, BadSnapshot> {
    let count = reader.count(SMALLEST_ENTRY)?;
    let mut entries: Vec<Entry> = Vec::with_capacity(count);
    let mut before = Activity::new(Timestamp::MIN, EventKind::Silent);
    let mut under = 0;
    for place in 0..count {
        let head = reader.byte()?;
        let is_handover = head & IS_HANDOVER != 0;
        let kind = EventKind::ALL.get(usize::from(head & KIND));
        let Some(kind) = kind.filter(|kind| !is_handover || **kind == EventKind::UserChanged) else {
            return Err(reader.bad(Flaw::Word));
        };
        let happened_at = if place == 0 { reader.moment()? } else { reader.later(before.happened_at)? };
        let mut activity = Activity { happened_at, kind: *kind, remaining: None, player: 0, ..before };
        if head & HAS_REMAINING != 0 {
            activity.remaining = Some(reader.span()?);
        }
        if head & HAS_PLAYER != 0 {
            activity.player = read_key(reader)?;
        }
        if head & HAS_KEYS != 0 {
            under = read_key(reader)?;
            for key in [&mut activity.device, &mut activity.platform, &mut activity.campaign, &mut activity.origin] {
                *key = read_key(reader)?;
            }
        }
        before = activity;
        let entry = Entry { under, activity, message_id: reader.name()?, is_handover };
        if entries.last().is_some_and(|last| last.order(&entry) == Ordering::Greater) {
            return Err(reader.bad(Flaw::Order));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn read_names(reader: &mut Reader<'_>, entries: &[Entry]) -> Result<Names, BadSnapshot> {
    let mut names = Names::default();
    for _ in 0..reader.count(SMALLEST_NAME)? {
        if !names.insert(read_key(reader)?, reader.name()?, reader.moment()?) {
            return Err(reader.bad(Flaw::Twice));
        }
    }
    for entry in entries.iter().filter(|entry| is_named(entry)) {
        if !names.insert(entry.under, entry.message_id.clone(), entry.activity.happened_at) {
            return Err(reader.bad(Flaw::Twice));
        }
    }
    Ok(names)
}

fn write_sessionizer(writer: &mut Writer<'_>, sessionizer: &Sessionizer<'_>, settled: u64) {
    let Presence { last, reach, ground, players, device, forced } = &sessionizer.presence;
    let reaches_further = *reach != last.unwrap_or(Timestamp::MIN);
    writer.number(sessionizer.sessions.into());
    writer.byte(
        flag(last.is_some(), WAS_HEARD)
            | flag(reaches_further, REACHES_FURTHER)
            | flag(*ground == Ground::Background, IS_BACKGROUND)
            | flag(!players.is_empty(), HAS_PLAYERS)
            | forced.map_or(0, |reason| 1 + reason as u8) << FORCED_SHIFT
            | flag(sessionizer.open.is_some(), IS_OPEN),
    );
    if let Some(last) = last {
        writer.moment(*last);
        writer.number((*device).into());
    }
    if reaches_further {
        writer.moment(*reach);
    }
    if !players.is_empty() {
        writer.number(players.len() as u64);
        for (player, until) in players {
            writer.number((*player).into());
            writer.moment(*until);
        }
    }
    if let Some(open) = &sessionizer.open {
        write_session(writer, open, settled);
    }
}

/// Reads all but how much was seen.
fn read_sessionizer<'p>(reader: &mut Reader<'_>, standing: &'p Standing) -> Result<Sessionizer<'p>, BadSnapshot> {
    let mut sessionizer = Sessionizer::new(standing);
    sessionizer.sessions = reader.number(MOST_SESSIONS)? as u32;
    let flags = reader.byte()?;
    let has = |bit| flags & bit != 0;
    let forced = flags >> FORCED_SHIFT & 0b111;
    let presence = &mut sessionizer.presence;
    if forced != 0 {
        presence.forced = Some(read_word(reader, &EndReason::ALL, forced - 1)?);
    }
    if has(WAS_HEARD) {
        presence.last = Some(reader.moment()?);
        presence.device = read_key(reader)?;
    }
    presence.reach = match presence.last {
        _ if has(REACHES_FURTHER) => reader.moment()?,
        Some(last) => last,
        None => Timestamp::MIN,
    };
    presence.ground = if has(IS_BACKGROUND) { Ground::Background } else { Ground::Foreground };
    if has(HAS_PLAYERS) {
        let count = reader.count(SMALLEST_PLAYER)?;
        presence.players.reserve_exact(count);
        for _ in 0..count {
            presence.players.push((read_key(reader)?, reader.moment()?));
        }
    }
    if has(IS_OPEN) {
        sessionizer.open = Some(read_session(reader)?);
    }
    Ok(sessionizer)
}

fn write_stated(writer: &mut Writer<'_>, stated: &Stated, settled: u64) {
    let Stated { id, closed, amended } = stated;
    writer.raw(id.as_bytes());
    writer.byte(closed.reason as u8);
    writer.number((*amended).into());
    write_session(writer, &closed.session, settled);
}

fn read_stated(reader: &mut Reader<'_>) -> Result<Stated, BadSnapshot> {
    let id = SessionId::from_bytes(reader.raw()?);
    let reason = reader.byte()?;
    let reason = read_word(reader, &EndReason::ALL, reason)?;
    let amended = reader.number(MOST_SESSIONS)? as u32;
    Ok(Stated { id, closed: ClosedSession { session: read_session(reader)?, reason }, amended })
}

fn write_session(writer: &mut Writer<'_>, session: &Session, settled: u64) {
    let Session {
        ordinal,
        started_at,
        ended_at,
        first,
        last,
        activities,
        parts,
        decided,
        platforms,
        devices,
        campaign,
        platform,
        origin,
    } = session;
    writer.number((*ordinal).into());
    writer.moment(*started_at);
    writer.later(*started_at, *ended_at);
    writer.signed(first.wrapping_sub(settled) as i64);
    let places = last.wrapping_sub(*first);
    writer.number(places);
    // Most often everything between the first and the last is part of it, and the parts are its length (law L6).
    writer.number(places.wrapping_add(1).wrapping_sub(*activities));
    writer.span(parts.playing);
    writer.span(parts.idle);
    writer.signed(parts.foreground.as_micros().wrapping_sub(rest_of(session.length().as_micros(), parts)));
    writer.number(decided.timeout.as_secs().into());
    let is_exclusive = decided.timeout == decided.timeout.exclusive();
    writer.byte(decided.source as u8 | flag(is_exclusive, IS_EXCLUSIVE));
    write_keys(writer, platforms);
    write_keys(writer, devices);
    [campaign, platform, origin].into_iter().for_each(|key| writer.number((*key).into()));
}

/// Reads a session whose places are told from the settled on.
fn read_session(reader: &mut Reader<'_>) -> Result<Session, BadSnapshot> {
    let ordinal = reader.number(MOST_SESSIONS)? as u32;
    let started_at = reader.moment()?;
    let ended_at = reader.later(started_at)?;
    let first = reader.signed()? as u64;
    let places = reader.number(MOST_EVENTS)?;
    let Some(activities) = (places + 1).checked_sub(reader.number(MOST_EVENTS)?) else {
        return Err(reader.bad(Flaw::Number));
    };
    let mut parts = Parts { playing: reader.span()?, idle: reader.span()?, ..Parts::default() };
    let rest = rest_of(ended_at.since(started_at).as_micros(), &parts);
    parts.foreground = Span::from_micros(rest.wrapping_add(reader.signed()?));
    let seconds = reader.number(u64::MAX)?;
    let Ok(timeout) = Timeout::from_secs(seconds) else { return Err(reader.bad(Flaw::Number)) };
    let source = reader.byte()?;
    let timeout = if source & IS_EXCLUSIVE != 0 { timeout.exclusive() } else { timeout };
    let decided = Decided { timeout, source: read_word(reader, &Source::ALL, source & !IS_EXCLUSIVE)? };
    let (platforms, devices) = (read_keys(reader)?, read_keys(reader)?);
    let last = first.wrapping_add(places);
    let (campaign, platform, origin) = (read_key(reader)?, read_key(reader)?, read_key(reader)?);
    Ok(Session {
        ordinal,
        started_at,
        ended_at,
        first,
        last,
        activities,
        parts,
        decided,
        platforms,
        devices,
        campaign,
        platform,
        origin,
    })
}

/// Returns what of a length is neither playing nor idle.
const fn rest_of(length: i64, parts: &Parts) -> i64 {
    length.wrapping_sub(parts.playing.as_micros()).wrapping_sub(parts.idle.as_micros())
}

/// Writes keys, which are in order and none of them 0.
fn write_keys(writer: &mut Writer<'_>, keys: &[u32]) {
    writer.number(keys.len() as u64);
    let mut before = 0;
    for key in keys {
        writer.number((key - before).into());
        before = *key;
    }
}

fn read_keys(reader: &mut Reader<'_>) -> Result<Vec<u32>, BadSnapshot> {
    let count = reader.count(SMALLEST_KEY)?;
    let mut keys = Vec::with_capacity(count);
    let mut before: u32 = 0;
    for _ in 0..count {
        match before.checked_add(read_key(reader)?) {
            Some(key) if before < key => keys.push(key),
            _ => return Err(reader.bad(Flaw::Order)),
        }
        before = keys.last().copied().unwrap_or(before);
    }
    Ok(keys)
}

fn read_key(reader: &mut Reader<'_>) -> Result<u32, BadSnapshot> {
    Ok(reader.number(MOST_KEYS)? as u32)
}

fn read_word<T: Copy>(reader: &Reader<'_>, all: &[T], place: u8) -> Result<T, BadSnapshot> {
    all.get(usize::from(place)).copied().ok_or_else(|| reader.bad(Flaw::Word))
}
