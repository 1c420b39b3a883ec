//! The archive: events leave the log for Parquet files, which any tool can read, before the log may drop them.
//!
//! A thread of its own follows the log, as the engine does. What it reads at once becomes one file for each app in it, named
//! after the first event of all: when it was received and where it stands. A file comes to its place whole and synced; only
//! then is it noted how far the archive has come. After a crash between the two the same files are written again, in place
//! of those that are there. The note lies with the log, not with the archive: a data folder that was restored goes on from
//! its own state, and what it writes again are copies, which whoever reads the archive knows by their message ids.

mod cleaner;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use dwell_core::time::Span;
use dwell_engine::Record;
use dwell_lake::imprint::{Imprint, Note};
use dwell_lake::write::archive::{ArchiveWriter, ArchivedRow};
use dwell_server::erasures::Erasures;
use dwell_store::{DiskLog, Log, Offset, Records, StoreError};
use tracing::{info, warn};

pub use self::cleaner::Cleaner;
use crate::clock::{self, SteadyClock};

/// The folder of the archive, where nothing else is said, in the data folder.
pub const FOLDER: &str = "archive";

/// How far the archive has come, in the data folder.
pub const NOTE: &str = "archive.json";

/// What a file that is not whole yet is called behind its name.
const MAKING: &str = "making";

/// How many bytes of the log go to the archive at once: a file has that much at most.
const MOST_BYTES: usize = 64 << 20;

/// So many events do not wait for others.
const MANY: u64 = 400_000;

/// How often it is looked whether there is something to do.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long the archive is left alone after it could not be written.
const PAUSE: Span = Span::from_secs(30);

/// What the thread needs.
pub struct Archive {
    /// What is read.
    pub log: Arc<DiskLog>,
    /// The data folder.
    pub data: PathBuf,
    /// Where files go.
    pub folder: PathBuf,
    /// How long events wait for others.
    pub every: Span,
    /// Who is erased.
    pub erasures: Arc<Erasures>,
    /// Up to where it has come, for whoever drops events.
    pub reached: Arc<AtomicU64>,
    /// The same by app, as it is noted.
    pub note: Mutex<Note>,
    /// What time it is.
    pub clock: SteadyClock,
    /// Whether to stop.
    pub stop: Arc<AtomicBool>,
}

impl Archive {
    /// Reads how far the archive has come. To be called before anything is dropped.
    pub fn begin(&self) -> anyhow::Result<()> {
        let path = self.data.join(NOTE);
        let mut note = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Note::beginning(self.log.first().number()),
            read => {
                let bytes = read.with_context(|| format!("cannot read {}", path.display()))?;
                serde_json::from_slice(&bytes).with_context(|| {
                    format!("{} is damaged: remove it to write the archive anew from what the log has", path.display())
                })?
            }
        };
        // Of files that an earlier version wrote, nobody knows which there were.
        note.begins.get_or_insert(note.next);
        let end = self.log.next().number();
        if end < note.next {
            warn!(
                next = note.next,
                log_ends_at = end,
                "the archive knows more than the log, which was restored: it goes on from there"
            );
            note.next = end;
            note.ends.values_mut().for_each(|of_app| *of_app = end.min(*of_app));
        }
        self.reached.store(note.next, Ordering::Release);
        *self.note() = note;
        Ok(())
    }

    /// Follows the log until it is told to stop, and takes out of the archive who is erased.
    pub fn run(&self, mut cleaner: Cleaner) {
        let mut since = self.clock.now();
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK_EVERY);
            let now = self.clock.now();
            let waiting = self.log.next().since(self.reached());
            if waiting == 0 {
                since = now;
            } else if MANY <= waiting || since.plus(self.every) <= now {
                since = now;
                if let Err(error) = self.catch_up() {
                    warn!(error = format!("{error:#}"), "the archive waits; the log keeps what it has not got");
                    // Enough to be looked at again after the pause, however few events wait.
                    since = now.plus(PAUSE).minus(self.every);
                    self.rest();
                }
            }
            cleaner.step();
        }
    }

    fn rest(&self) {
        let until = self.clock.now().plus(PAUSE);
        while self.clock.now() < until && !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn note(&self) -> MutexGuard<'_, Note> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reached(&self) -> Offset {
        Offset::new(self.reached.load(Ordering::Acquire))
    }

    /// Takes all that is in the log by now.
    fn catch_up(&self) -> anyhow::Result<()> {
        let end = self.log.next();
        while self.reached() < end && !self.stop.load(Ordering::Relaxed) {
            let mut noted = self.note().clone();
            match self.log.read(self.reached(), MOST_BYTES) {
                // Nobody will ever read them, and retention leaves their file alone.
                Err(StoreError::Quarantined { offsets }) => noted.next = offsets.end.number(),
                // What was dropped while nothing wrote an archive is in no file, whoever said it.
                Err(StoreError::Dropped { first, .. }) => noted = Note::beginning(first.number()),
                read => self.put(&read?, &mut noted)?,
            }
            note(&self.data.join(NOTE), &noted)?;
            self.reached.store(noted.next, Ordering::Release);
            *self.note() = noted;
        }
        Ok(())
    }

    /// Writes a file for each app in these records, and has it noted.
    fn put(&self, records: &Records, noted: &mut Note) -> anyhow::Result<()> {
        let (erased, mut passed_over) = (self.erasures.erased(), HashMap::<&str, u64>::new());
        let mut files: HashMap<&str, (Rows, Imprint)> = HashMap::new();
        let mut named = String::new();
        let (part, now) = (records.first().number()..records.next().number(), clock::now().as_micros());
        for (offset, bytes) in records.iter() {
            let Some(record) = Record::read(bytes) else { bail!("record {offset} of the log cannot be read") };
            let app = record.app;
            if named.is_empty() {
                named = name(record.received_at, offset);
            }
            let (rows, imprint) = match files.get_mut(app) {
                Some(file) => file,
                None => {
                    let rows = Rows::begin(&self.folder.join(app), named.as_ref())?;
                    files.entry(app).or_insert((rows, Imprint::of(noted.end_of(app), part.clone(), now)))
                }
            };
            let Some(record) = erased.leaves(record, offset) else {
                imprint.remove(offset.number());
                *passed_over.entry(app).or_default() += 1;
                continue;
            };
            if let Some(row) = dwell_server::archived(&record, offset) {
                rows.take(&row)?;
            }
        }
        for (app, events) in passed_over {
            self.erasures.have_removed(app, events)?;
        }
        let (apps, events) = (files.len(), records.len());
        for (app, (rows, imprint)) in files {
            rows.end(Some(imprint))?;
            noted.ends.insert(app.to_owned(), part.end);
        }
        noted.next = part.end;
        info!(events, apps, file = named, "events went to the archive");
        Ok(())
    }
}

/// A file on its way.
struct Rows {
    writer: ArchiveWriter,
    file: File,
    making: PathBuf,
    path: PathBuf,
}

impl Rows {
    /// Begins one in a folder, called so once it is whole.
    fn begin(folder: &Path, named: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let path = folder.join(named).with_extension("parquet");
        let making = path.with_extension(MAKING);
        let cannot = || format!("cannot write {}", making.display());
        let file = File::create(&making).with_context(cannot)?;
        let out = file.try_clone().with_context(cannot)?;
        let writer = ArchiveWriter::begin(making.clone(), Box::new(out))?;
        Ok(Rows { writer, file, making, path })
    }

    fn take(&mut self, row: &ArchivedRow<'_>) -> anyhow::Result<()> {
        Ok(self.writer.take(row)?)
    }

    fn end(self, stands_for: Option<Imprint>) -> anyhow::Result<()> {
        self.writer.end(stands_for)?;
        self.file.sync_all().with_context(|| format!("cannot sync {}", self.making.display()))?;
        put_in_place(&self.making, &self.path)
    }
}

/// Names the files of a stretch of the log, so that they lie in its order.
fn name(received_at: i64, offset: Offset) -> String {
    // Times in the log are of our own clock; one that is no date is called like the first of all dates.
    let at = jiff::Timestamp::from_microsecond(received_at).unwrap_or_default();
    format!("{}-{:020}", at.strftime("%Y%m%dT%H%M%SZ"), offset.number())
}

/// Notes how far the archive has come.
fn note(path: &Path, note: &Note) -> anyhow::Result<()> {
    let making = path.with_extension(MAKING);
    let text = serde_json::to_vec(note)?;
    File::create(&making)
        .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
        .with_context(|| format!("cannot write {}", making.display()))?;
    put_in_place(&making, path)
}

/// Gives a file that is whole and synced its name.
fn put_in_place(making: &Path, path: &Path) -> anyhow::Result<()> {
    fs::rename(making, path).with_context(|| format!("cannot move {} to {}", making.display(), path.display()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("cannot sync {}", folder.display()))
}
