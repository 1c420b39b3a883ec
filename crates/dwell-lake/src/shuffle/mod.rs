//! Events in order of arrival become events user by user, in memory as far as it goes and on disk beyond.
//!
//! Every thread has a [`Shuffler`]: it gives each event's user a place and appends the event, a few bytes, to the
//! buffer of its partition. Now and then the buffers become a [`run::Run`]: the partitions one after another, in
//! memory or, when the memory that was allowed is used up, in a temporary file. [`crate::sweep`] then takes one
//! partition after the other from all runs.

pub mod bundles;
pub mod narrow;
pub mod run;
pub mod users;
pub mod wide;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use arrow_array::StringArray;
use hashbrown::HashSet;

use crate::batch::{Details, EventBatch, Users};
use crate::handover::DeviceUsers;
use run::{Layout, Run, SpillFile};
use users::{AllUsers, PartitionUsers, Place, Ranges, Scratch, Stretch};

/// How many bytes of events a thread gathers before it makes a run of them.
const RUN_BYTES: usize = 12 << 20;

/// Likewise, how many events of which only who and when are known.
const RUN_EVENTS: usize = 1 << 20;

/// How large a partition should be: its events fit the cache of a core.
pub const EVENTS_PER_PARTITION: u64 = 150_000;

/// What could not be put aside.
#[derive(Debug, thiserror::Error)]
pub enum ShuffleError {
    /// The temporary file.
    #[error(
        "cannot write events aside to a temporary file in {directory}: {source}; free space there, point TMPDIR elsewhere, or allow more with --memory"
    )]
    Spill {
        /// Where.
        directory: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The temporary file.
    #[error("cannot read back events from a temporary file: {0}")]
    Unspill(std::io::Error),
}

/// All events of a run of the program, by partitions of users.
#[derive(Debug)]
pub struct Shuffle {
    users: OnceLock<AllUsers>,
    partitions_wanted: usize,
    memory_allowed: u64,
    memory_used: AtomicU64,
    runs: Mutex<Vec<Run>>,
    spill: Mutex<Option<SpillFile>>,
    devices: Mutex<DeviceUsers>,
    events: AtomicU64,
    first: AtomicI64,
    last: AtomicI64,
    received: AtomicI64,
}

impl Shuffle {
    /// Begins with no events, knowing between which users those of all stretches of the log lie; `None` when they lie
    /// anywhere, so that this would not help.
    pub(crate) fn in_order(stretches: Vec<Stretch>, memory_allowed: u64) -> Option<Self> {
        let ranges = Ranges::from_stretches(stretches, EVENTS_PER_PARTITION)?;
        Some(Shuffle { users: AllUsers::new(ranges).into(), ..Shuffle::new(0, memory_allowed) })
    }

    /// Begins with no events. `events_expected` sets the number of partitions; `memory_allowed` is in bytes, for
    /// events alone.
    #[must_use]
    pub fn new(events_expected: u64, memory_allowed: u64) -> Self {
        let partitions_wanted = events_expected.div_ceil(EVENTS_PER_PARTITION).clamp(1, 1024) as usize;
        Shuffle {
            users: OnceLock::new(),
            partitions_wanted,
            memory_allowed,
            memory_used: AtomicU64::new(0),
            runs: Mutex::default(),
            spill: Mutex::default(),
            devices: Mutex::default(),
            events: AtomicU64::new(0),
            first: AtomicI64::new(i64::MAX),
            last: AtomicI64::new(i64::MIN),
            received: AtomicI64::new(i64::MIN),
        }
    }

    /// Returns how many events are in it.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Returns the earliest and the latest moment of all events, microseconds since 1970 in UTC.
    pub fn time_range(&self) -> Option<(i64, i64)> {
        let (first, last) = (self.first.load(Ordering::Relaxed), self.last.load(Ordering::Relaxed));
        (first <= last).then_some((first, last))
    }

    /// Returns how many bytes of events lie in memory.
    pub fn in_memory(&self) -> u64 {
        self.memory_used.load(Ordering::Relaxed)
    }

    /// Returns how many bytes of events lie in temporary files.
    pub fn spilled(&self) -> u64 {
        self.spill.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |file| file.length())
    }

    /// Ends the gathering. All shufflers must have been flushed.
    pub fn group(self) -> Grouped {
        let time_range = self.time_range();
        let told_until = time_range.map(|(_, last)| last.max(self.received.load(Ordering::Relaxed)));
        let mut runs = self.runs.into_inner().unwrap_or_else(PoisonError::into_inner);
        runs.sort_by_key(|run| run.number);
        let users = self.users.into_inner().map_or_else(Vec::new, AllUsers::into_partitions);
        let shared_devices = self.devices.into_inner().unwrap_or_else(PoisonError::into_inner).into_shared();
        Grouped { users, runs, time_range, told_until, shared_devices }
    }

    fn note(&self, batch: &EventBatch) {
        self.first.fetch_min(batch.range.0, Ordering::Relaxed);
        self.last.fetch_max(batch.range.1, Ordering::Relaxed);
        self.events.fetch_add(batch.len() as u64, Ordering::Relaxed);
    }

    fn keep(&self, mut run: Run) -> Result<(), ShuffleError> {
        let bytes = run.bytes();
        if self.memory_allowed < self.memory_used.fetch_add(bytes, Ordering::Relaxed) + bytes {
            self.memory_used.fetch_sub(bytes, Ordering::Relaxed);
            let mut spill = self.spill.lock().unwrap_or_else(PoisonError::into_inner);
            let file = match &mut *spill {
                Some(file) => file,
                nothing => nothing.insert(SpillFile::create()?),
            };
            run.spill(file)?;
        }
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).push(run);
        Ok(())
    }
}

/// All events by partitions of users, ready to be swept as often as is needed.
#[derive(Debug)]
pub struct Grouped {
    pub(crate) users: Vec<PartitionUsers>,
    pub(crate) runs: Vec<Run>,
    time_range: Option<(i64, i64)>,
    told_until: Option<i64>,
    /// Devices that several users name.
    pub(crate) shared_devices: HashSet<u32>,
}

impl Grouped {
    pub(crate) fn from_parts(users: Vec<PartitionUsers>, runs: Vec<Run>) -> Self {
        Grouped { users, runs, time_range: None, told_until: None, shared_devices: HashSet::default() }
    }

    /// Brings what runs have of a partition on disk into memory, run after run.
    pub(crate) fn bring(&self, partition: usize, room: &mut Vec<u8>) -> Result<(), ShuffleError> {
        room.clear();
        self.runs.iter().try_for_each(|run| run.bring(partition, room))
    }

    /// Returns how many partitions there are; in their order, users come in the order of their ids.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.users.len()
    }

    /// Returns how many users there are.
    #[must_use]
    pub fn users(&self) -> u64 {
        self.users.iter().map(|users| users.count() as u64).sum()
    }

    /// Returns the latest moment that the log knows of: when an event happened or came in, microseconds since 1970 in UTC.
    #[must_use]
    pub const fn told_until(&self) -> Option<i64> {
        self.told_until
    }

    /// Returns the earliest and the latest moment of all events, microseconds since 1970 in UTC.
    #[must_use]
    pub const fn time_range(&self) -> Option<(i64, i64)> {
        self.time_range
    }
}

/// Takes the events of one thread.
#[derive(Debug)]
pub struct Shuffler<'s> {
    shuffle: &'s Shuffle,
    /// Events of which only who and when are known, as texts.
    narrow: narrow::Gathered,
    /// Likewise, as keys into lists of users.
    bundles: bundles::Gathered,
    /// Where the list that came last begins there, if it has come there yet.
    list: Option<usize>,
    /// By partition: events of which more is known.
    wide: Vec<Buffer>,
    wide_bytes: usize,
    devices: DeviceUsers,
    /// Runs are put in this order again, so that a log in order of time stays nearly so for every user.
    number: (u64, u64),
    dictionary: Option<(std::sync::Arc<StringArray>, Vec<Place>)>,
    places: Vec<Place>,
    scratch: Scratch,
}

#[derive(Clone, Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    events: u32,
}

impl<'s> Shuffler<'s> {
    /// Begins with nothing gathered.
    #[must_use]
    pub fn new(shuffle: &'s Shuffle) -> Self {
        Shuffler {
            shuffle,
            narrow: narrow::Gathered::default(),
            bundles: bundles::Gathered::default(),
            list: None,
            wide: Vec::new(),
            wide_bytes: 0,
            devices: DeviceUsers::default(),
            number: (0, 0),
            dictionary: None,
            places: Vec::new(),
            scratch: Scratch::default(),
        }
    }

    /// Says that what comes next stands at this place among all input: a part of a file, say.
    pub fn begin_part(&mut self, part: u64) -> Result<(), ShuffleError> {
        self.flush()?;
        self.number = (part, 0);
        Ok(())
    }

    /// Takes a batch.
    pub fn take(&mut self, batch: &EventBatch) -> Result<(), ShuffleError> {
        if batch.is_empty() {
            return Ok(());
        }
        let users = self.shuffle.users.get_or_init(|| {
            let ids = match &batch.users {
                Users::Plain(ids) => ids,
                Users::Dictionary { values, .. } => values.as_ref(),
            };
            let mut sample: Vec<&str> = ids.iter().flatten().collect();
            AllUsers::new(Ranges::from_sample(&mut sample, self.shuffle.partitions_wanted))
        });
        self.shuffle.note(batch);
        match &batch.users {
            Users::Plain(ids) => {
                let mut places = std::mem::take(&mut self.places);
                users.places(ids, &mut self.scratch, &mut places);
                let done = match &batch.details {
                    Some(details) => {
                        self.append_wide(batch, details, places.iter().copied());
                        Ok(())
                    }
                    None => self.append_narrow(batch, &places),
                };
                self.places = places;
                done?;
            }
            Users::Dictionary { values, keys } => {
                let known = self.dictionary.take().filter(|(known, _)| std::sync::Arc::ptr_eq(known, values));
                let (values, places) = known.unwrap_or_else(|| {
                    let mut places = std::mem::take(&mut self.places);
                    users.places(values, &mut self.scratch, &mut places);
                    self.list = None;
                    (values.clone(), places)
                });
                match &batch.details {
                    Some(details) => self.append_wide(batch, details, keys.iter().map(|key| places[*key as usize])),
                    None => self.append_keys(batch, keys, &places),
                }
                self.dictionary = Some((values, places));
            }
        }
        let is_full = RUN_BYTES <= self.wide_bytes || RUN_EVENTS <= self.narrow.events() + self.bundles.events();
        if is_full { self.flush() } else { Ok(()) }
    }

    /// Appends as long as all moments are whole in the unit; where one is not, goes on in the next smaller unit.
    fn append_narrow(&mut self, batch: &EventBatch, places: &[Place]) -> Result<(), ShuffleError> {
        let mut done = 0;
        self.narrow.divide(self.partitions());
        if self.narrow.events() == 0 {
            self.narrow.reserve(RUN_EVENTS + batch.len());
        }
        while done < batch.len() {
            let events = places.iter().copied().zip(batch.happened_at.iter().copied());
            done += self.narrow.take(events.skip(done));
            if done < batch.len() {
                self.flush()?;
                let smaller = narrow::UNITS.into_iter().find(|unit| *unit < self.narrow.unit());
                self.narrow.count_in(smaller.unwrap_or(1));
            }
        }
        Ok(())
    }

    fn append_keys(&mut self, batch: &EventBatch, keys: &[u32], places: &[Place]) {
        if self.bundles.events() == 0 {
            self.bundles.reserve(RUN_EVENTS + keys.len());
        }
        let first = *self.list.get_or_insert_with(|| self.bundles.add_list(places));
        self.bundles.take(first, keys, &batch.happened_at, batch.range);
    }

    fn append_wide(&mut self, batch: &EventBatch, details: &Details, places: impl Iterator<Item = Place>) {
        self.wide.resize(self.partitions(), Buffer::default());
        for ((place, at), detail) in places.zip(&batch.happened_at).zip(&details.rows) {
            self.devices.note(detail.device, place);
            let buffer = &mut self.wide[place.partition as usize];
            let length = buffer.bytes.len();
            let (start, end) = detail.message_id;
            let message_id = details.message_ids.get(start as usize..end as usize).unwrap_or_default();
            wide::write(place.local, *at, detail, message_id, &mut buffer.bytes);
            buffer.events += 1;
            self.wide_bytes += buffer.bytes.len() - length;
        }
    }

    /// Returns how many partitions there are, now that it is known.
    fn partitions(&self) -> usize {
        self.shuffle.users.get().map_or(0, AllUsers::partitions)
    }

    /// Makes runs of what was gathered.
    pub fn flush(&mut self) -> Result<(), ShuffleError> {
        if self.narrow.events() != 0 {
            let narrow::LaidOut { shape, bytes, ends } = self.narrow.lay_out();
            self.keep(Layout::Narrow(shape), bytes, ends)?;
        }
        if self.bundles.events() != 0 {
            let bundles::LaidOut { shape, bytes, ends } = self.bundles.lay_out(self.partitions());
            self.list = None;
            self.keep(Layout::Bundles(shape), bytes, ends)?;
        }
        if self.wide_bytes != 0 {
            let mut bytes = Vec::with_capacity(self.wide_bytes);
            let mut ends = Vec::with_capacity(self.wide.len());
            for buffer in &mut self.wide {
                bytes.extend_from_slice(&buffer.bytes);
                ends.push((bytes.len() as u64, std::mem::take(&mut buffer.events)));
                buffer.bytes.clear();
            }
            self.wide_bytes = 0;
            self.shuffle.devices.lock().unwrap_or_else(PoisonError::into_inner).take(&mut self.devices);
            self.keep(Layout::Wide, bytes, ends)?;
        }
        Ok(())
    }

    fn keep(&mut self, layout: Layout, bytes: Vec<u8>, ends: Vec<(u64, u32)>) -> Result<(), ShuffleError> {
        let run = Run::new(self.number, layout, bytes, ends);
        self.number.1 += 1;
        self.shuffle.keep(run)
    }
}

#[cfg(test)]
mod tests;
