//! What came in lately: by it a repetition is told to who sends it, in whichever body the first one came.
//!
//! Only what the log has made durable is remembered, and only what the engine took or will take as in time: of everything else
//! nobody can say what the engine will make of a second one, and that is accepted. What is told as a duplicate is not kept again.
//! Memory is taken once and does not grow: what came longest ago is forgotten.

mod generation;
mod tail;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dwell_core::event::is_late;
use dwell_core::time::{Span, Timestamp};
use dwell_engine::Record;
use dwell_store::Offset;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use self::generation::{BYTES_FOR_EACH, Generation};

/// So many of the latest events are remembered unless somebody says otherwise.
const USUAL: usize = 500_000;

/// From so many events on they lie in several parts, so that bodies wait less for each other.
const MANY: usize = 1 << 16;

/// In so many, then.
const PARTS: usize = 64;

/// What stands for an event: a hash of all by which the engine compares it, under a seed of this run that nobody knows.
pub(crate) type Fingerprint = u128;

/// See the module.
pub struct Lately {
    seed: u64,
    parts: Box<[Mutex<Part>]>,
    /// Nothing is remembered that lies before this offset.
    begins: AtomicU64,
}

/// Events whose fingerprints lie in one range.
struct Part {
    current: Generation,
    previous: Generation,
    has_turned: bool,
    begins: u64,
}

/// The events of one body, on their way to the log.
pub(crate) struct Heard {
    /// Those that are the same beside each other, in the order of the body.
    all: Vec<One>,
    received_at: Timestamp,
    lateness: Span,
}

struct One {
    fingerprint: Fingerprint,
    /// Which event of the body it is.
    place: usize,
    happened_at: Timestamp,
    /// It says whose an id is. Of two such the earlier one holds, so that one is no repetition of a later one.
    links: bool,
    is_known: bool,
}

impl Default for Lately {
    fn default() -> Self {
        Lately::of(USUAL)
    }
}

impl Lately {
    /// Remembers about so many of the latest events at least, and at most twice as many; with 0 none at all.
    #[must_use]
    pub fn of(events: usize) -> Self {
        let parts = match events {
            0 => 0,
            1..MANY => 1,
            _ => PARTS,
        };
        let part = || Mutex::new(Part::of(events.div_ceil(parts)));
        Lately {
            seed: RandomState::new().hash_one(events),
            parts: (0..parts).map(|_| part()).collect(),
            begins: AtomicU64::new(0),
        }
    }

    /// Returns how many bytes it takes, however much is remembered.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let most = self.parts.first().map_or(0, |part| locked(part).most());
        self.parts.len() * most * 2 * BYTES_FOR_EACH
    }

    /// Returns how many events are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.parts.iter().map(|part| locked(part).count()).sum()
    }

    /// Takes the events of a body that came in at a moment, to an app whose rules call late what is older than this.
    pub(crate) fn hear<'r>(
        &self,
        records: impl Iterator<Item = Record<'r>>,
        received_at: Timestamp,
        lateness: Span,
    ) -> Heard {
        let mut bytes = Vec::new();
        let mut all: Vec<One> = records
            .enumerate()
            .map(|(place, record)| One {
                fingerprint: self.fingerprint(&record, &mut bytes),
                place,
                happened_at: Timestamp::from_micros(record.happened_at),
                links: link_of(&record).is_some(),
                is_known: false,
            })
            .collect();
        all.sort_unstable_by_key(|one| (one.fingerprint, one.place));
        Heard { all, received_at, lateness }
    }

    /// Finds which events are repetitions: of others in the same body, and of what is remembered. Where it is not known from
    /// which offset on nobody is to be erased, nothing that came before is a first one.
    pub(crate) fn tell(&self, heard: &mut Heard, spared_from: Option<Offset>) {
        if let Some(offset) = spared_from {
            self.begin_at(offset);
        }
        let Heard { all, received_at, lateness } = heard;
        let is_late = |at: Timestamp| is_late(at, *received_at, *lateness);
        for (part, of_part) in self.by_part(all) {
            let part = part.filter(|_| spared_from.is_some()).map(locked);
            for same in of_part.chunk_by_mut(|one, other| one.fingerprint == other.fingerprint) {
                let remembered = part.as_ref().and_then(|part| part.find(same[0].fingerprint));
                tell_same(same, remembered.filter(|at| !is_late(*at)), is_late);
            }
        }
    }

    /// Remembers all events of a body that are no repetitions: they are durable, from this offset on.
    pub(crate) fn remember(&self, heard: &mut Heard, offset: Offset) {
        let Heard { all, received_at, lateness } = heard;
        for (part, of_part) in self.by_part(all) {
            let Some(mut part) = part.map(locked) else { return };
            for one in of_part.iter().filter(|one| !one.is_known) {
                if !is_late(one.happened_at, *received_at, *lateness) {
                    part.remember(one.fingerprint, one.happened_at, offset);
                }
            }
        }
    }

    /// Forgets what may lie before an offset: somebody was erased there, and who comes again is a new person.
    fn begin_at(&self, offset: Offset) {
        if offset.number() <= self.begins.load(Ordering::Acquire) {
            return;
        }
        self.parts.iter().for_each(|part| locked(part).begin_at(offset));
        // Only when all have forgotten: until then nobody may find it said that they have.
        self.begins.fetch_max(offset.number(), Ordering::AcqRel);
    }

    /// Returns the events in each part, with the part where there is any.
    fn by_part<'a>(
        &self,
        all: &'a mut [One],
    ) -> impl Iterator<Item = (Option<&Mutex<Part>>, &'a mut [One])> + use<'_, 'a> {
        let number = |one: &One| self.part_of(one.fingerprint);
        let pieces = all.chunk_by_mut(move |one, other| number(one) == number(other));
        pieces.map(move |piece| (piece.first().and_then(|one| self.parts.get(number(one))), piece))
    }

    /// Returns in which part a fingerprint lies: parts are in order of fingerprints.
    fn part_of(&self, fingerprint: Fingerprint) -> usize {
        (((fingerprint >> 64) * self.parts.len() as u128) >> 64) as usize
    }

    /// Returns what stands for an event. The engine compares ids of events within an app, under the id under which they came,
    /// those that were given apart from those that were derived. A link is part of it: who said nothing of it has not said it.
    fn fingerprint(&self, record: &Record<'_>, bytes: &mut Vec<u8>) -> Fingerprint {
        bytes.clear();
        bytes.push(u8::from(record.message_id_is_derived));
        for text in [record.app, record.user, link_of(record).unwrap_or_default(), record.message_id] {
            bytes.extend_from_slice(&(text.len() as u64).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        xxh3_128_with_seed(bytes, self.seed)
    }
}

impl Heard {
    /// Says of each event of the body, in its order, whether it is a repetition.
    pub fn known(&self) -> Vec<bool> {
        let mut known = vec![false; self.all.len()];
        self.all.iter().for_each(|one| known[one.place] = one.is_known);
        known
    }
}

impl Part {
    fn of(events: usize) -> Self {
        Part { current: Generation::of(events), previous: Generation::of(events), has_turned: false, begins: 0 }
    }

    fn most(&self) -> usize {
        self.current.most()
    }

    fn count(&self) -> usize {
        self.current.count() + self.previous.count()
    }

    /// Returns when an event happened that is remembered: of several that are the same, the earliest.
    fn find(&self, fingerprint: Fingerprint) -> Option<Timestamp> {
        let found = [&self.current, &self.previous].map(|generation| generation.find(fingerprint));
        found.into_iter().flatten().min()
    }

    fn remember(&mut self, fingerprint: Fingerprint, happened_at: Timestamp, offset: Offset) {
        if offset.number() < self.begins {
            return;
        }
        if self.current.is_full() {
            std::mem::swap(&mut self.current, &mut self.previous);
            self.current.clear();
            self.has_turned = true;
        }
        self.current.put(fingerprint, happened_at);
    }

    /// Remembers what lay in the log before the start, as long as it makes nothing newer be forgotten.
    fn remember_old(&mut self, fingerprint: Fingerprint, happened_at: Timestamp, offset: Offset) {
        if offset.number() < self.begins || self.has_turned {
            return;
        }
        if !self.previous.is_full() {
            self.previous.put(fingerprint, happened_at);
        } else if !self.current.is_full() {
            self.current.put(fingerprint, happened_at);
        }
    }

    fn begin_at(&mut self, offset: Offset) {
        if self.begins < offset.number() {
            self.begins = offset.number();
            self.current.clear();
            self.previous.clear();
        }
    }
}

/// Tells which of some events that are the same are repetitions, where one that happened at `first` is remembered.
fn tell_same(same: &mut [One], mut first: Option<Timestamp>, is_late: impl Fn(Timestamp) -> bool) {
    for one in same {
        // Lateness is a property of the event alone: a late one is late, however often it comes.
        if is_late(one.happened_at) {
            continue;
        }
        match first {
            Some(at) if !one.links || at <= one.happened_at => one.is_known = true,
            _ => first = Some(one.happened_at),
        }
    }
}

/// Returns the other id of which an event says that it is the same person.
fn link_of<'r>(record: &Record<'r>) -> Option<&'r str> {
    record.link_from.filter(|from| *from != record.user)
}

fn locked(part: &Mutex<Part>) -> MutexGuard<'_, Part> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}
