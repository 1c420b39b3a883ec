//! The log on a disk: what callers touch. The work is done in `writer.rs`.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
#[cfg(feature = "simulation")]
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use super::queue::{Queue, Request};
use super::recovery::{Recovered, recover};
use super::scan::Scan;
use super::shelf::Shelf;
use super::tail::{Past, Tail};
use super::ticket::{self, Append};
use super::writer::{AROUND, Active, Writer};
use super::{Batch, Counters, Counts, Log, LogOptions, Offset, Records};
use crate::disk::{Disk, FolderLock, RealDisk};
use crate::error::{Damage, StoreError};

/// A [`Log`] in a folder, with a thread of its own that writes.
///
/// Dropping it writes what was appended before, and waits for that.
pub struct DiskLog {
    queue: Arc<Queue>,
    shelf: Arc<Shelf>,
    tail: Arc<Tail>,
    counters: Arc<Counters>,
    damage: Vec<Damage>,
    largest: usize,
    thread: Option<JoinHandle<()>>,
    #[cfg(feature = "simulation")]
    stepped: Option<Mutex<Writer>>,
    /// Given back last, after the writer has ended.
    _lock: Box<dyn FolderLock>,
}

/// One segment, for those who copy or show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentAbout {
    /// Its file.
    pub path: PathBuf,
    /// The records it holds.
    pub offsets: Range<Offset>,
    /// How long its readable part is.
    pub bytes: u64,
    /// Nothing will be added to it.
    pub closed: bool,
}

/// What [`DiskLog::verify`] read and found sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segments.
    pub segments: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
}

impl DiskLog {
    /// Opens the log in a folder of this machine, or makes one.
    pub fn open(folder: &Path, options: LogOptions) -> Result<DiskLog, StoreError> {
        DiskLog::open_on(Arc::new(RealDisk), folder, options)
    }

    /// Opens the log in a folder of some disk.
    pub fn open_on(disk: Arc<dyn Disk>, folder: &Path, options: LogOptions) -> Result<DiskLog, StoreError> {
        let (mut log, writer) = DiskLog::prepare(disk, folder, options)?;
        let thread = std::thread::Builder::new().name("dwell-log".into()).spawn(|| writer.run());
        log.thread = Some(thread.map_err(StoreError::io("start a thread for", folder))?);
        Ok(log)
    }

    /// Opens a log without a thread: nothing is written before [`DiskLog::step`]. For simulations, which must go the same
    /// way each time.
    #[cfg(feature = "simulation")]
    pub fn open_stepped(disk: Arc<dyn Disk>, folder: &Path, options: LogOptions) -> Result<DiskLog, StoreError> {
        let (mut log, writer) = DiskLog::prepare(disk, folder, options)?;
        log.stepped = Some(Mutex::new(writer));
        Ok(log)
    }

    /// Writes what waits, as the thread would have.
    #[cfg(feature = "simulation")]
    pub fn step(&self) {
        let Some(writer) = &self.stepped else { return };
        let mut writer = writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        loop {
            let requests = self.queue.take_now(writer.options.group_bytes);
            if requests.is_empty() {
                break;
            }
            writer.commit(requests);
        }
        writer.seal();
    }

    fn prepare(disk: Arc<dyn Disk>, folder: &Path, options: LogOptions) -> Result<(DiskLog, Writer), StoreError> {
        options.check()?;
        disk.create_folder(folder).map_err(StoreError::io("create", folder))?;
        let lock = disk.lock(folder).map_err(|source| match source.kind() {
            std::io::ErrorKind::WouldBlock => StoreError::Locked { path: folder.to_owned() },
            _ => StoreError::Io { what: "lock", path: folder.to_owned(), source },
        })?;
        let Recovered { manifest, segments, next, open, damage } = recover(&disk, folder, &options)?;
        let active = match (open, segments.last()) {
            (Some(end), Some(last)) => Some(Active::open(Arc::clone(last), end)?),
            (Some(_), None) | (None, _) => None,
        };
        let queue = Arc::new(Queue::with_limit(options.queue_bytes));
        let shelf = Arc::new(Shelf::of(segments));
        let tail = Tail::at(next);
        let counters = Arc::new(Counters::default());
        let log = DiskLog {
            queue: Arc::clone(&queue),
            shelf: Arc::clone(&shelf),
            tail: Arc::clone(&tail),
            counters: Arc::clone(&counters),
            damage,
            largest: options.segment_bytes - AROUND,
            thread: None,
            #[cfg(feature = "simulation")]
            stepped: None,
            _lock: lock,
        };
        let folder = folder.to_owned();
        let writer =
            Writer { disk, folder, options, manifest, shelf, tail, queue, counters, active, next, poisoned: None };
        Ok((log, writer))
    }

    /// What was found damaged and set aside when this was opened. Empty unless quarantine was chosen.
    pub fn damage(&self) -> &[Damage] {
        &self.damage
    }

    /// What was done since this was opened.
    pub fn counts(&self) -> Counts {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { appends, syncs, full, busy } = &*self.counters;
        Counts { appends: read(appends), syncs: read(syncs), full: read(full), busy: read(busy) }
    }

    /// Why nothing is acknowledged any more, if the disk failed. It stays so until the log is opened again.
    pub fn failure(&self) -> Option<Arc<str>> {
        self.queue.failure()
    }

    /// How many bytes wait to be written.
    pub fn waiting_bytes(&self) -> usize {
        self.queue.waiting()
    }

    /// The segments, oldest first.
    pub fn segments(&self) -> Vec<SegmentAbout> {
        let segments = self.shelf.lock();
        let about = segments.iter().map(|segment| {
            let extent = segment.extent();
            SegmentAbout {
                path: segment.path.clone(),
                offsets: segment.first..extent.next,
                bytes: extent.end,
                closed: extent.closed,
            }
        });
        about.collect()
    }

    /// Reads every durable byte and checks it. Appending and reading go on meanwhile.
    ///
    /// All damage is in the one error. A segment that retention drops meanwhile is passed over.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        let segments = self.shelf.lock().clone();
        let mut verified = Verified::default();
        let mut damage = Vec::new();
        for segment in segments {
            let examined = match segment.examine() {
                Err(_) if self.shelf.first().is_some_and(|first| segment.first < first) => continue,
                other => other?,
            };
            damage.extend(examined);
            let extent = segment.extent();
            verified.segments += 1;
            verified.records += extent.next.since(segment.first);
            verified.bytes += extent.end;
        }
        if damage.is_empty() { Ok(verified) } else { Err(StoreError::Damaged(damage)) }
    }

    /// Copies all that is durable at this moment into a folder that has no log, checks every byte of it, and returns which
    /// records the copy holds. Appending goes on meanwhile, and is not in it.
    ///
    /// Fails where a segment is damaged. The caller sees to it that nothing is dropped meanwhile.
    pub fn copy_to(&self, folder: &Path) -> Result<Range<Offset>, StoreError> {
        let segments = self.shelf.lock().clone();
        let with_extents: Vec<_> = segments
            .into_iter()
            .map(|segment| {
                let extent = segment.extent().clone();
                (segment, extent)
            })
            .collect();
        super::copy::copy(&with_extents, folder)
    }

    /// Counts the sound records in the bytes of one segment file. For tools that look at a copy.
    pub fn sound_records(bytes: &[u8], first: Offset, salt: u32) -> u64 {
        Scan::of(bytes, first, salt).next.since(first)
    }
}

impl Log for DiskLog {
    fn append(&self, batch: Batch) -> Append {
        if batch.is_empty() {
            return Append::ready(Ok(self.tail.next()));
        }
        if self.largest < batch.size() {
            return Append::ready(Err(StoreError::TooLarge { bytes: batch.size(), limit: self.largest }));
        }
        let payload_crc = batch.payload_crc();
        let (answer, slot) = ticket::pair();
        match self.queue.push(Request::Append { batch, payload_crc, answer }) {
            Ok(()) => Append::of(slot),
            Err(error) => {
                if matches!(error, StoreError::Busy { .. }) {
                    self.counters.busy.fetch_add(1, Ordering::Relaxed);
                }
                Append::ready(Err(error))
            }
        }
    }

    fn read(&self, from: Offset, most: usize) -> Result<Records, StoreError> {
        self.shelf.read(from, most, self.tail.next())
    }

    fn first(&self) -> Offset {
        self.shelf.first().unwrap_or_else(|| self.tail.next())
    }

    fn next(&self) -> Offset {
        self.tail.next()
    }

    fn wait_past(&self, offset: Offset, longest: Duration) -> Offset {
        self.tail.wait_past(offset, longest)
    }

    fn past(&self, offset: Offset) -> Past {
        Past { tail: Arc::clone(&self.tail), offset }
    }

    fn drop_before(&self, offset: Offset) -> Result<Offset, StoreError> {
        let (answer, slot) = ticket::pair();
        self.queue.push(Request::DropBefore { offset, answer })?;
        #[cfg(feature = "simulation")]
        self.step();
        slot.wait()
    }
}

impl Drop for DiskLog {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has left its callers with the answer that the log is closed.
            drop(thread.join());
        }
        #[cfg(feature = "simulation")]
        if let Some(writer) = self.stepped.take() {
            self.tail.close();
            drop(writer);
        }
    }
}
