//! The one who writes: groups of appends, each with one write and one sync, and what to do when the disk refuses.
//!
//! Everything here runs on one thread. Nothing is acknowledged before the sync that covers it has returned without an
//! error. After a sync that failed nothing is ever acknowledged again: the system may have let go of what it could not
//! write, and a second sync would then succeed without having written it.

use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::frame::{HEAD, Head, Kind, SegmentHeader, chained, segment_name};
use super::manifest::{Manifest, ManifestFile};
use super::queue::{Queue, Request};
use super::recovery::{OpenEnd, create_segment};
use super::segment::Segment;
use super::shelf::Shelf;
use super::tail::Tail;
use super::ticket::Answer;
use super::{Batch, Counters, LogOptions, Offset, bad};
use crate::disk::{Disk, DiskFile, means_full, write_all_at};
use crate::error::StoreError;

/// After a group of at least so many appends, there is company to wait for: so much, before the next is written. A sync
/// costs the same for one as for many; who appends alone never waits. PostgreSQL's `commit_delay` is the same.
const COMPANY: usize = 3;
const GATHERING: Duration = Duration::from_millis(2);

/// What must fit into a segment beside its frames: the header, a seal after the last group, the footer.
pub(super) const AROUND: usize = 3 * HEAD;

pub(super) struct Writer {
    pub disk: Arc<dyn Disk>,
    pub folder: PathBuf,
    pub options: LogOptions,
    pub manifest: ManifestFile,
    pub shelf: Arc<Shelf>,
    pub tail: Arc<Tail>,
    pub queue: Arc<Queue>,
    pub counters: Arc<Counters>,
    /// The segment that takes records. There is none after one was closed, until the next is made.
    pub active: Option<Active>,
    /// The offset of the next record.
    pub next: Offset,
    /// Why nothing is acknowledged any more.
    pub poisoned: Option<Arc<str>>,
}

/// A segment that grows.
pub(super) struct Active {
    segment: Arc<Segment>,
    file: Arc<dyn DiskFile>,
    length: u64,
    synced: u64,
    chain: u32,
    sealed: bool,
}

/// Lets nobody wait for a writer that has panicked.
struct PanicGuard {
    queue: Arc<Queue>,
    tail: Arc<Tail>,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.queue.poison("the writer panicked, which is a mistake in Dwell".into());
            self.tail.close();
        }
    }
}

/// An append on its way.
struct Pending {
    batch: Batch,
    payload_crc: u32,
    answer: Option<Answer<Offset>>,
    offset: Offset,
}

impl Active {
    pub fn open(segment: Arc<Segment>, end: OpenEnd) -> Result<Active, StoreError> {
        let file = segment.file()?;
        Ok(Active { segment, file, length: end.length, synced: end.length, chain: end.chain, sealed: false })
    }
}

impl Writer {
    /// Writes until the queue is closed and empty.
    pub fn run(mut self) {
        let _guard = PanicGuard { queue: Arc::clone(&self.queue), tail: Arc::clone(&self.tail) };
        while let Some(requests) = self.queue.take(self.options.group_bytes) {
            let is_in_company = COMPANY <= requests.len();
            self.commit(requests);
            if is_in_company {
                std::thread::sleep(GATHERING);
            }
            if self.queue.is_empty() {
                self.seal();
            }
        }
        self.finish();
    }

    /// Makes the last seal durable, so that the next opening knows that all of it was.
    pub fn finish(&mut self) {
        self.seal();
        if self.poisoned.is_none()
            && let Some(active) = &self.active
            && let Err(error) = active.file.sync()
        {
            let path = active.segment.path.clone();
            self.poison(&StoreError::Io { what: "sync", path, source: error });
        }
        self.tail.close();
    }

    /// Does what was asked for, in order.
    pub fn commit(&mut self, requests: Vec<Request>) {
        let mut run = Vec::new();
        let mut size = 0;
        for request in requests {
            if let Some(cause) = &self.poisoned {
                let cause = Arc::clone(cause);
                request.refuse(|| StoreError::Poisoned { cause });
                continue;
            }
            match request {
                Request::Append { batch, payload_crc, answer } => {
                    if !self.has_room(size + batch.size()) {
                        self.write(std::mem::take(&mut run));
                        size = 0;
                        if let Err(error) = self.make_room(batch.size()) {
                            answer.give(Err(self.refusal(error)));
                            continue;
                        }
                    }
                    size += batch.size();
                    run.push(Pending { batch, payload_crc, answer: Some(answer), offset: self.next });
                }
                Request::DropBefore { offset, answer } => {
                    self.write(std::mem::take(&mut run));
                    size = 0;
                    answer.give(self.drop_before(offset));
                }
            }
        }
        self.write(run);
    }

    fn has_room(&self, size: usize) -> bool {
        // The header is in the length already.
        let around = AROUND - HEAD;
        self.active.as_ref().is_some_and(|active| active.length as usize + size + around <= self.options.segment_bytes)
    }

    /// Writes appends that fit into the segment, syncs once, and answers all of them.
    fn write(&mut self, mut run: Vec<Pending>) {
        if run.is_empty() {
            return;
        }
        if let Some(cause) = &self.poisoned {
            refuse_all(run, || StoreError::Poisoned { cause: Arc::clone(cause) });
            return;
        }
        if bad::ACKNOWLEDGES_EARLY {
            let mut next = self.next;
            for pending in &mut run {
                pending.acknowledge(next);
                next = next.plus(pending.batch.len() as u64);
            }
        }
        match self.write_group(&mut run) {
            Ok(()) => run.into_iter().for_each(|mut pending| pending.acknowledge(pending.offset)),
            Err(error) => match self.refusal(error) {
                StoreError::Full { path, cause } => {
                    self.counters.full.fetch_add(run.len() as u64, Ordering::Relaxed);
                    refuse_all(run, || StoreError::Full { path: path.clone(), cause: Arc::clone(&cause) });
                }
                other => {
                    let cause: Arc<str> = self.poisoned.clone().unwrap_or_else(|| other.to_string().into());
                    refuse_all(run, || StoreError::Poisoned { cause: Arc::clone(&cause) });
                }
            },
        }
    }

    fn write_group(&mut self, run: &mut [Pending]) -> Result<(), StoreError> {
        let Some(active) = &mut self.active else { return Err(StoreError::Closed) };
        let salt = active.segment.salt;
        // Segments are shorter than 2^31 bytes, see LogOptions.
        let synced = active.synced as u32;
        let mut next = self.next;
        let mut chain = active.chain;
        let mut length = active.length;
        let mut places = Vec::with_capacity(run.len());
        if bad::HALVES {
            return self.write_halves(run);
        }
        for pending in run.iter_mut() {
            pending.offset = next;
            places.push((next, length));
            chain = chained(chain, pending.batch.finish(next, synced, pending.payload_crc, salt));
            next = next.plus(pending.batch.len() as u64);
            length += pending.batch.size() as u64;
        }
        let mut parts: Vec<IoSlice<'_>> = run.iter().map(|pending| IoSlice::new(pending.batch.bytes())).collect();
        let file = Arc::clone(&active.file);
        write_all_at(&*file, &mut parts, active.length).map_err(StoreError::io("write", &active.segment.path))?;
        self.sync_active()?;
        let Some(active) = &mut self.active else { return Err(StoreError::Closed) };
        active.length = length;
        active.synced = length;
        active.chain = chain;
        active.sealed = false;
        self.next = next;
        active.segment.publish(length, next, &places);
        self.tail.move_to(next);
        self.counters.appends.fetch_add(run.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// The wrong way, for the build `bad-half-append`: every append becomes two frames.
    fn write_halves(&mut self, run: &mut [Pending]) -> Result<(), StoreError> {
        let mut next = self.next;
        let Some(active) = &mut self.active else { return Err(StoreError::Closed) };
        for pending in run.iter_mut() {
            pending.offset = next;
            let records: Vec<&[u8]> = pending.batch.iter().collect();
            let (one, other) = records.split_at(records.len() / 2);
            for half in [one, other].into_iter().filter(|half| !half.is_empty()) {
                let mut half: Batch = half.iter().collect();
                let crc = half.payload_crc();
                let crc = half.finish(next, active.synced as u32, crc, active.segment.salt);
                write_all_at(&*active.file, &mut [IoSlice::new(half.bytes())], active.length)
                    .map_err(StoreError::io("write", &active.segment.path))?;
                active.chain = chained(active.chain, crc);
                active.length += half.size() as u64;
                next = next.plus(half.len() as u64);
            }
        }
        self.sync_active()?;
        let Some(active) = &mut self.active else { return Err(StoreError::Closed) };
        active.synced = active.length;
        active.sealed = false;
        self.next = next;
        active.segment.publish(active.length, next, &[]);
        self.tail.move_to(next);
        Ok(())
    }

    fn sync_active(&mut self) -> Result<(), StoreError> {
        let Some(active) = &self.active else { return Err(StoreError::Closed) };
        if bad::NO_SYNC {
            return Ok(());
        }
        self.counters.syncs.fetch_add(1, Ordering::Relaxed);
        let synced = match active.file.sync() {
            Err(_) if bad::RETRIES_SYNC => active.file.sync(),
            other => other,
        };
        // A failed sync poisons whatever its reason, want of room among them.
        synced.map_err(|source| self.poison(&StoreError::Io { what: "sync", path: self.active_path(), source }))
    }

    /// Says up to where the segment is durable, when nothing else is to be written.
    pub fn seal(&mut self) {
        let Some(active) = &mut self.active else { return };
        if active.sealed || self.poisoned.is_some() || active.synced != active.length || active.length == HEAD as u64 {
            return;
        }
        let mut bytes = [0; HEAD];
        let crc = Head::write(
            &mut bytes,
            Kind::Frame,
            [0, 0, active.synced as u32],
            self.next,
            crc32c::crc32c(&[]),
            active.segment.salt,
        );
        match write_all_at(&*active.file, &mut [IoSlice::new(&bytes)], active.length) {
            Ok(()) => {
                active.chain = chained(active.chain, crc);
                active.length += HEAD as u64;
                active.sealed = true;
            }
            Err(source) => {
                let path = active.segment.path.clone();
                // Whoever waits is told by the queue, or the next append finds room again.
                self.refusal(StoreError::Io { what: "write", path, source });
            }
        }
    }

    /// Turns an error of the disk into what the callers are told, after rolling back or poisoning.
    fn refusal(&mut self, error: StoreError) -> StoreError {
        match error {
            StoreError::Io { path, source, .. } if means_full(&source) && self.poisoned.is_none() => {
                match self.roll_back() {
                    Ok(()) => StoreError::Full { path, cause: source.to_string().into() },
                    Err(error) => self.poison(&error),
                }
            }
            StoreError::Poisoned { cause } => StoreError::Poisoned { cause },
            other => self.poison(&other),
        }
    }

    /// Takes back what a refused write left, durably.
    fn roll_back(&mut self) -> Result<(), StoreError> {
        let Some(active) = &self.active else { return Ok(()) };
        if bad::NO_ROLLBACK {
            return Ok(());
        }
        active.file.set_length(active.length).map_err(StoreError::io("cut", &active.segment.path))?;
        active.file.sync().map_err(StoreError::io("sync", &active.segment.path))
    }

    /// Stops acknowledging, for good.
    fn poison(&mut self, error: &StoreError) -> StoreError {
        let cause: Arc<str> = self.poisoned.get_or_insert_with(|| error.to_string().into()).clone();
        self.queue.poison(Arc::clone(&cause));
        self.tail.close();
        StoreError::Poisoned { cause }
    }

    /// Closes the segment and begins another, so that a frame of this size fits.
    fn make_room(&mut self, size: usize) -> Result<(), StoreError> {
        if let Some(cause) = &self.poisoned {
            return Err(StoreError::Poisoned { cause: Arc::clone(cause) });
        }
        if self.has_room(size) {
            return Ok(());
        }
        self.close_active()?;
        self.begin_segment()
    }

    fn close_active(&mut self) -> Result<(), StoreError> {
        let Some(active) = &self.active else { return Ok(()) };
        let mut footer = [0; HEAD];
        let end = active.length;
        Head::write(
            &mut footer,
            Kind::Footer,
            [0, end as u32, active.synced as u32],
            self.next,
            active.chain,
            active.segment.salt,
        );
        write_all_at(&*active.file, &mut [IoSlice::new(&footer)], end)
            .map_err(StoreError::io("write", &active.segment.path))?;
        self.sync_active()?;
        if let Some(active) = self.active.take() {
            active.segment.publish(end, self.next, &[]);
            active.segment.close();
        }
        Ok(())
    }

    fn begin_segment(&mut self) -> Result<(), StoreError> {
        let path = self.folder.join(segment_name(self.next));
        let names = self.disk.list(&self.folder).map_err(StoreError::io("list", &self.folder))?;
        if names.contains(&segment_name(self.next)) {
            // An earlier attempt had no room.
            self.disk.remove(&path).map_err(StoreError::io("remove", &path))?;
        }
        let says = self.manifest.says;
        let segment =
            match create_segment(&self.disk, &self.folder, SegmentHeader { salt: says.salt, first: self.next }) {
                Err(error) if is_sync(&error) => return Err(self.poison(&error)),
                other => other?,
            };
        let announced = self.manifest.write(Manifest { last: self.next, ..says });
        match announced {
            Err(error) if is_sync(&error) => return Err(self.poison(&error)),
            other => other?,
        }
        self.shelf.lock().push(Arc::clone(&segment));
        self.active = Some(Active::open(segment, OpenEnd { length: HEAD as u64, chain: 0 })?);
        Ok(())
    }

    /// Drops whole segments that lie before an offset, and returns the first offset that is left.
    fn drop_before(&mut self, offset: Offset) -> Result<Offset, StoreError> {
        let segments = self.shelf.lock().clone();
        let last = segments.len().saturating_sub(1);
        let dropped = segments.windows(2).take_while(|pair| pair[1].first <= offset).count().min(last);
        let Some(first) = segments.get(dropped).map(|segment| segment.first) else { return Ok(self.next) };
        if dropped == 0 {
            return Ok(first);
        }
        let says = self.manifest.says;
        if let Err(error) = self.manifest.write(Manifest { first, ..says }) {
            return Err(match error {
                StoreError::Io { what: "write", path, source } if means_full(&source) => {
                    StoreError::Full { path, cause: source.to_string().into() }
                }
                other => self.poison(&other),
            });
        }
        self.shelf.lock().drain(..dropped);
        for segment in &segments[..dropped] {
            self.disk.remove(&segment.path).map_err(StoreError::io("remove", &segment.path))?;
        }
        if !bad::NO_FOLDER_SYNC {
            self.disk.sync_folder(&self.folder).map_err(StoreError::io("sync", &self.folder))?;
        }
        Ok(first)
    }

    fn active_path(&self) -> PathBuf {
        self.active.as_ref().map_or_else(|| self.folder.clone(), |active| active.segment.path.clone())
    }
}

impl Pending {
    fn acknowledge(&mut self, offset: Offset) {
        if let Some(answer) = self.answer.take() {
            answer.give(Ok(offset));
        }
    }
}

fn refuse_all(run: Vec<Pending>, why: impl Fn() -> StoreError) {
    for answer in run.into_iter().filter_map(|pending| pending.answer) {
        answer.give(Err(why()));
    }
}

/// Says whether it was a sync that failed. Nothing that was written before is certain then.
fn is_sync(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { what: "sync", .. })
}
