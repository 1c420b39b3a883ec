//! From files to events by user: several files, or several parts of one, at once.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::EventBatch;
use crate::in_order::InOrder;
use crate::log::Log;
use crate::names::Names;
use crate::read::{
    self, EventFile, FileFormat, Options, ParquetFile, Plan, ReadError, Rejection, RejectionSink, Source, Tally,
};
use crate::shuffle::users::Stretch;
use crate::shuffle::{Shuffle, ShuffleError, Shuffler};

/// A thread takes row groups of about so many rows at once, so that what it gathers is in order of time.
const ROWS_AT_ONCE: u64 = 1 << 20;

/// An event of a text takes about so many bytes, compressed ones less: only to choose the number of partitions.
const BYTES_PER_EVENT: u64 = 64;

/// How many events to expect of standard input.
const EVENTS_OF_A_STREAM: u64 = 10_000_000;

/// Why events could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The memory beyond memory.
    #[error(transparent)]
    Shuffle(#[from] ShuffleError),
}

/// A file that is open, and what was understood of it.
pub struct Input {
    /// What to call it.
    pub name: Arc<str>,
    /// What was understood of it.
    pub plan: Plan,
    inner: InputFile,
}

impl Input {
    fn row_groups(&self) -> Option<&ParquetFile> {
        match &self.inner {
            InputFile::RowGroups(file) => Some(file),
            InputFile::Stream(_) => None,
        }
    }
}

enum InputFile {
    Stream(Mutex<Option<EventFile>>),
    RowGroups(ParquetFile),
}

/// Everything that was asked to be read, open and understood.
pub struct Inputs {
    /// The files, in order.
    pub files: Vec<Input>,
    /// The texts behind the keys in events.
    pub names: Arc<Names>,
    size: u64,
    events_expected: u64,
}

/// What was loaded.
#[derive(Debug)]
pub struct Loaded<'i> {
    /// The events by user.
    pub log: Log<'i>,
    /// Rows read, and what became of them.
    pub tally: Tally,
    /// Bytes of events that lie in memory.
    pub in_memory: u64,
    /// Bytes of events that lie in temporary files, for lack of memory.
    pub spilled: u64,
}

impl Inputs {
    /// Opens all files: whatever is wrong with one of them is known before the work starts.
    pub fn open(patterns: &[String], options: &Options) -> Result<Self, ReadError> {
        let names = Arc::new(Names::default());
        let mut inputs = Inputs { files: Vec::new(), names: names.clone(), size: 0, events_expected: 0 };
        for source in read::expand(patterns)? {
            let input = open(&source, options, &names)?;
            match &input.inner {
                InputFile::RowGroups(file) => {
                    let rows = (0..file.row_groups()).map(|group| file.row_group_rows(group)).sum::<u64>();
                    inputs.events_expected = inputs.events_expected.saturating_add(rows);
                }
                InputFile::Stream(file) => {
                    let size = lock(file).as_ref().and_then(EventFile::size_hint);
                    inputs.size += size.unwrap_or(0);
                    inputs.events_expected += size.map_or(EVENTS_OF_A_STREAM, |size| size / BYTES_PER_EVENT);
                }
            }
            inputs.files.push(input);
        }
        Ok(inputs)
    }

    /// Returns how many steps [`Inputs::load`] will take: bytes of texts and rows of Parquet.
    #[must_use]
    pub fn steps(&self) -> u64 {
        let rows = |input: &Input| match &input.inner {
            InputFile::RowGroups(file) => (0..file.row_groups()).map(|group| file.row_group_rows(group)).sum(),
            InputFile::Stream(_) => 0,
        };
        self.size + self.files.iter().map(rows).sum::<u64>()
    }

    /// Reads nothing yet, if all files promise to lie in order of users and nothing but who and when is known: then
    /// sweeps can read them as they lie. What is said of rows is their promise, too, and holds if a sweep comes to its
    /// end; should it end with [`crate::sweep::SweepError::NotAsPromised`], ask [`Inputs::load`].
    #[must_use]
    pub fn as_it_lies(&self) -> Option<Loaded<'_>> {
        let files: Option<Vec<&ParquetFile>> = self.files.iter().map(Input::row_groups).collect();
        let in_order = InOrder::of(&files?)?;
        let tally = Tally { rows: in_order.rows(), events: in_order.rows(), ..Tally::default() };
        Some(Loaded { log: Log::InOrder(in_order), tally, in_memory: 0, spilled: 0 })
    }

    /// Reads everything on so many threads, with so many bytes of memory for events; what is beyond goes to a
    /// temporary file. Refused rows go to `sink`, and `progress` hears of every step.
    pub fn load(
        &self,
        threads: usize,
        memory: u64,
        sink: &mut (dyn RejectionSink + Send),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Loaded<'_>, LoadError> {
        let in_order = self.stretches().and_then(|stretches| Shuffle::in_order(stretches, memory));
        let shuffle = in_order.unwrap_or_else(|| Shuffle::new(self.events_expected, memory));
        let parts = self.parts();
        let work = Work {
            inputs: self,
            parts: &parts,
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            steps: AtomicU64::new(0),
            sink: Mutex::new(sink),
            progress,
        };
        let tallies: Result<Vec<Tally>, LoadError> = std::thread::scope(|scope| {
            let (work, shuffle) = (&work, &shuffle);
            let threads: Vec<_> = (0..threads.clamp(1, parts.len().max(1)))
                .map(|_| scope.spawn(move || work.run(Shuffler::new(shuffle))))
                .collect();
            let ends: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
            ends.into_iter().map(|end| end.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        let mut tally = Tally::default();
        tallies?.into_iter().for_each(|one| tally.add(one));
        let (in_memory, spilled) = (shuffle.in_memory(), shuffle.spilled());
        Ok(Loaded { log: Log::Grouped(shuffle.group()), tally, in_memory, spilled })
    }

    /// Returns between which users each stretch of all files lies, if all of them say so.
    fn stretches(&self) -> Option<Vec<Stretch>> {
        let mut stretches = Vec::new();
        for input in &self.files {
            stretches.extend(input.row_groups()?.stretches()?);
        }
        Some(stretches)
    }

    fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        for (input, file) in self.files.iter().enumerate() {
            match &file.inner {
                InputFile::Stream(_) => parts.push(Part { input, from: 0, to: 0 }),
                InputFile::RowGroups(file) => {
                    let (mut from, mut rows) = (0, 0);
                    for group in 0..file.row_groups() {
                        rows += file.row_group_rows(group);
                        if ROWS_AT_ONCE <= rows || group + 1 == file.row_groups() {
                            parts.push(Part { input, from, to: group + 1 });
                            (from, rows) = (group + 1, 0);
                        }
                    }
                }
            }
        }
        parts
    }
}

/// Row groups of one file, or the whole of one that has none.
struct Part {
    input: usize,
    from: usize,
    to: usize,
}

struct Work<'w> {
    inputs: &'w Inputs,
    parts: &'w [Part],
    next: AtomicUsize,
    stop: AtomicBool,
    steps: AtomicU64,
    sink: Mutex<&'w mut (dyn RejectionSink + Send)>,
    progress: &'w (dyn Fn(u64) + Sync),
}

/// Takes turns with other threads at telling of refused rows.
struct SharedSink<'s, 'w>(&'s Work<'w>);

impl RejectionSink for SharedSink<'_, '_> {
    fn reject(&mut self, rejection: Rejection) -> ControlFlow<()> {
        self.0.sink.lock().unwrap_or_else(PoisonError::into_inner).reject(rejection)
    }
}

impl Work<'_> {
    fn run(&self, mut shuffler: Shuffler<'_>) -> Result<Tally, LoadError> {
        let mut tally = Tally::default();
        while !self.stop.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = self.parts.get(index) else { break };
            let read = shuffler
                .begin_part(index as u64)
                .map_err(LoadError::from)
                .and_then(|()| self.read(part, &mut shuffler));
            match read {
                Ok(read) => tally.add(read),
                Err(error) => {
                    self.stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        shuffler.flush()?;
        Ok(tally)
    }

    fn read(&self, part: &Part, shuffler: &mut Shuffler<'_>) -> Result<Tally, LoadError> {
        match &self.inputs.files[part.input].inner {
            InputFile::Stream(file) => {
                let Some(mut file) = lock(file).take() else { return Ok(Tally::default()) };
                self.read_stream(&mut file, shuffler)?;
                Ok(file.tally())
            }
            InputFile::RowGroups(file) => {
                let mut tally = Tally::default();
                for group in part.from..part.to {
                    tally.add(self.read_row_group(file, group, shuffler)?);
                }
                Ok(tally)
            }
        }
    }

    fn read_stream(&self, file: &mut EventFile, shuffler: &mut Shuffler<'_>) -> Result<(), LoadError> {
        let bytes_read = file.bytes_read();
        let mut before = 0;
        while let Some(batch) = file.next_batch(&mut SharedSink(self))? {
            shuffler.take(&batch)?;
            let now = bytes_read.load(Ordering::Relaxed);
            self.step(now - before);
            before = now;
        }
        Ok(())
    }

    fn read_row_group(
        &self,
        file: &ParquetFile,
        group: usize,
        shuffler: &mut Shuffler<'_>,
    ) -> Result<Tally, LoadError> {
        let mut failed = None;
        let take = |batch: EventBatch| match shuffler.take(&batch) {
            Ok(()) => {
                self.step(batch.len() as u64);
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        };
        let tally = file.read_row_group(group, &mut SharedSink(self), take)?;
        failed.map_or(Ok(tally), |error| Err(error.into()))
    }

    fn step(&self, steps: u64) {
        (self.progress)(self.steps.fetch_add(steps, Ordering::Relaxed) + steps);
    }
}

fn open(source: &Source, options: &Options, names: &Arc<Names>) -> Result<Input, ReadError> {
    if let Source::File(path) = source
        && (options.format == Some(FileFormat::Parquet) || begins_like_parquet(path))
    {
        let file = ParquetFile::open(path, options, names.clone())?;
        return Ok(Input { name: source.name(), plan: file.plan().clone(), inner: InputFile::RowGroups(file) });
    }
    let file = read::open(source, options, names.clone())?;
    let plan = file.plan().clone();
    Ok(Input { name: source.name(), plan, inner: InputFile::Stream(Mutex::new(Some(file))) })
}

fn begins_like_parquet(path: &std::path::Path) -> bool {
    let mut head = [0; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"PAR1"
}

fn lock(file: &Mutex<Option<EventFile>>) -> std::sync::MutexGuard<'_, Option<EventFile>> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}
