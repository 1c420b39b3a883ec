//! Events in from CSV, TSV, NDJSON and Parquet: plain, gzip or zstd, from files or standard input.
//!
//! [`expand`] turns patterns into [`Source`]s, [`open`] one source into an [`EventFile`], and
//! [`EventFile::next_batch`] hands on its events. What was understood of a file stands in its [`Plan`], to be shown.
//! [`ParquetFile`] reads row groups of one file from several threads.
//!
//! The promises: a bad row never stops the rest, it becomes a [`Rejection`] and goes to the caller's
//! [`RejectionSink`]; rows read = events handed on + rejections; no input whatever makes a reader panic; memory is
//! bounded by the batch and the limit of a line, not by the file (in Parquet by the row group's pages).
//! A text file without one byte is an error, [`ReadError::Empty`]; a header without rows is a file without events.
//!
//! Readers never ask what an event does to a session, and never look at the clock.

pub mod archive;
mod columns;
mod delimited;
mod error;
mod gather;
mod lines;
mod moment;
mod ndjson;
mod objects;
mod parquet;
mod plan;
mod records;
mod reject;
mod sample;
mod source;
mod stream;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use dwell_core::words::EventWords;
use jiff::tz::TimeZone;

pub use self::columns::{ColumnFlags, EventColumn, Found, Role};
pub use self::error::ReadError;
pub use self::gather::Tally;
pub use self::moment::{TimeUnit, micros_of_text};
pub use self::parquet::ParquetFile;
pub use self::plan::{Compression, FileFormat, Plan, PlannedColumn, TimeShape};
pub use self::reject::{Reason, Rejection, RejectionSink};
pub use self::source::{Source, expand};

use self::columns::Wish;
use self::delimited::{Delimited, delimiter_of};
use self::gather::Frame;
use self::moment::Clock;
use self::ndjson::Ndjson;
use self::parquet::ParquetStream;
use self::stream::{Bytes, Sampled};
use crate::batch::EventBatch;
use crate::names::Names;

/// How files are read, whatever they are.
#[derive(Clone, Debug)]
pub struct Options {
    /// Columns that the user named.
    pub columns: ColumnFlags,
    /// What the numbers of all time columns count; `None` looks at each column.
    pub time_unit: Option<TimeUnit>,
    /// Where clocks without a zone hang.
    pub zone: TimeZone,
    /// What the files are; `None` looks into each.
    pub format: Option<FileFormat>,
    /// What the names of events mean.
    pub words: EventWords,
    /// The column that the lab is split by.
    pub by: Option<String>,
    /// The column of the true session.
    pub truth: Option<String>,
    /// Whether the names of events are wanted, and not only what they mean.
    pub names_wanted: bool,
    /// How many events a batch holds.
    pub batch_rows: usize,
    /// The longest line, in bytes. A longer one is one rejection.
    pub line_limit: usize,
}

/// How many events a batch holds unless the caller says otherwise.
pub const BATCH_ROWS: usize = 32 * 1024;

/// The most events that a batch can hold: its message ids must stay within reach of 32 bits.
const MOST_BATCH_ROWS: usize = 1 << 20;

/// The longest line unless the caller says otherwise: 1 MiB.
pub const LINE_LIMIT: usize = 1024 * 1024;

impl Default for Options {
    fn default() -> Self {
        Options {
            columns: ColumnFlags::default(),
            time_unit: None,
            zone: TimeZone::UTC,
            format: None,
            words: EventWords::default(),
            by: None,
            truth: None,
            names_wanted: true,
            batch_rows: BATCH_ROWS,
            line_limit: LINE_LIMIT,
        }
    }
}

impl Options {
    fn wish(&self) -> Wish<'_> {
        Wish { flags: &self.columns, by: self.by.as_deref(), truth: self.truth.as_deref() }
    }
}

impl Frame {
    fn new(
        file: Arc<str>,
        columns: [Option<Arc<str>>; Role::COUNT],
        clocks: [Option<Clock>; Role::COUNT],
        options: &Options,
        names: Arc<Names>,
    ) -> Self {
        Frame {
            file,
            columns,
            clocks,
            words: options.words.clone(),
            names,
            names_wanted: options.names_wanted,
            batch_rows: options.batch_rows.clamp(1, MOST_BATCH_ROWS),
        }
    }
}

/// One file, ready to be read.
pub struct EventFile {
    plan: Plan,
    size: Option<u64>,
    bytes_read: Arc<AtomicU64>,
    inner: Inner,
}

enum Inner {
    Delimited(Box<Delimited>),
    Ndjson(Box<Ndjson>),
    Parquet(Box<ParquetStream>),
}

/// Opens a source: looks into it, finds the columns, and decides on the unit of its times.
pub fn open(source: &Source, options: &Options, names: Arc<Names>) -> Result<EventFile, ReadError> {
    let name = source.name();
    match source {
        Source::StandardInput => open_stream(name, Box::new(io::stdin()), options, names),
        Source::File(path) => {
            let file = File::open(path).map_err(|error| failed_to_open(&name, error))?;
            let metadata = file.metadata().map_err(|error| failed_to_open(&name, error))?;
            if metadata.is_dir() {
                return Err(ReadError::IsDirectory { file: name });
            }
            open_file(name, file, metadata.len(), options, names)
        }
    }
}

/// Opens a stream of bytes under a name. Parquet is first written to a temporary file, for it is read from its end.
pub fn open_stream(
    name: Arc<str>,
    stream: Box<dyn Read + Send>,
    options: &Options,
    names: Arc<Names>,
) -> Result<EventFile, ReadError> {
    let bytes_read = Arc::new(AtomicU64::new(0));
    let sampled = Sampled::open(stream, bytes_read.clone()).map_err(|error| failed_to_open(&name, error))?;
    open_sampled(name, sampled, None, bytes_read, options, names)
}

fn open_file(
    name: Arc<str>,
    mut file: File,
    size: u64,
    options: &Options,
    names: Arc<Names>,
) -> Result<EventFile, ReadError> {
    let bytes_read = Arc::new(AtomicU64::new(0));
    let mut head = [0; 4];
    let is_parquet = match options.format {
        Some(format) => format == FileFormat::Parquet && !is_compressed(&mut file, &name)?,
        None => file.read_exact(&mut head).is_ok() && head == *PARQUET_MAGIC,
    };
    file.rewind().map_err(|error| failed_to_open(&name, error))?;
    if is_parquet {
        let parquet = ParquetFile::from_file(name, file, Compression::Plain, bytes_read.clone(), options, names)?;
        return Ok(EventFile::of_parquet(parquet, Some(size), bytes_read));
    }
    let sampled = Sampled::open(Box::new(file), bytes_read.clone()).map_err(|error| failed_to_open(&name, error))?;
    open_sampled(name, sampled, Some(size), bytes_read, options, names)
}

const PARQUET_MAGIC: &[u8; 4] = b"PAR1";

fn is_compressed(file: &mut File, name: &Arc<str>) -> Result<bool, ReadError> {
    let mut head = Vec::new();
    file.take(4).read_to_end(&mut head).map_err(|error| failed_to_open(name, error))?;
    Ok(stream::compression_of(&head) != Compression::Plain)
}

fn failed_to_open(file: &Arc<str>, error: io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::NotFound => ReadError::NoSuchFile { file: file.clone() },
        _ => ReadError::Io { file: file.clone(), source: error },
    }
}

fn open_sampled(
    file: Arc<str>,
    sampled: Sampled,
    size: Option<u64>,
    bytes_read: Arc<AtomicU64>,
    options: &Options,
    names: Arc<Names>,
) -> Result<EventFile, ReadError> {
    let sampled = sampled.or_damaged(&file)?;
    if sampled.sample.is_empty() {
        return Err(ReadError::Empty { file });
    }
    let format = match options.format {
        Some(format) => format,
        None => format_of(&file, &sampled.sample)?,
    };
    let (inner, plan) = match format {
        FileFormat::Csv | FileFormat::Tsv => {
            let (delimited, plan) = Delimited::open(&file, sampled, format, options, names)?;
            (Inner::Delimited(Box::new(delimited)), plan)
        }
        FileFormat::Ndjson => {
            let (ndjson, plan) = Ndjson::open(&file, sampled, options, names)?;
            (Inner::Ndjson(Box::new(ndjson)), plan)
        }
        FileFormat::Parquet => {
            let compression = sampled.compression;
            let spooled = spool(&file, sampled.into_stream(), compression)?;
            let counted = Arc::new(AtomicU64::new(0));
            let parquet = ParquetFile::from_file(file, spooled, compression, counted, options, names)?;
            return Ok(EventFile::of_parquet(parquet, size, bytes_read));
        }
    };
    Ok(EventFile { plan, size, bytes_read, inner })
}

/// Writes a stream to a temporary file that vanishes with its last user.
fn spool(name: &Arc<str>, mut stream: Bytes, compression: Compression) -> Result<File, ReadError> {
    let failed = |source| ReadError::Io { file: name.clone(), source };
    let mut file = tempfile::tempfile().map_err(failed)?;
    let mut piece = vec![0; 256 * 1024];
    let mut written = 0;
    loop {
        let count = match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(delimited::damaged(name, compression, written, 0, error)),
        };
        file.write_all(&piece[..count]).map_err(failed)?;
        written += count as u64;
    }
    file.rewind().map_err(failed)?;
    Ok(file)
}

/// Sees what a file is by what stands in it; its name only decides between tabs and commas.
fn format_of(file: &Arc<str>, sample: &[u8]) -> Result<FileFormat, ReadError> {
    if sample.starts_with(PARQUET_MAGIC) {
        return Ok(FileFormat::Parquet);
    }
    if sample.starts_with(b"\xff\xfe") || sample.starts_with(b"\xfe\xff") {
        return Err(ReadError::Utf16 { file: file.clone() });
    }
    let text = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample).trim_ascii_start();
    match text.first() {
        Some(b'{') => return Ok(FileFormat::Ndjson),
        Some(b'[') => return Err(ReadError::JsonList { file: file.clone() }),
        _ => {}
    }
    let header = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let named = |ending: &str| file.contains(&format!(".{ending}"));
    if named("ndjson") || named("jsonl") {
        return Ok(FileFormat::Ndjson);
    }
    let tabs = header.contains(&b'\t') && (named("tsv") || delimiter_of(header) == b'\t');
    Ok(if tabs { FileFormat::Tsv } else { FileFormat::Csv })
}

impl EventFile {
    fn of_parquet(parquet: ParquetFile, size: Option<u64>, bytes_read: Arc<AtomicU64>) -> Self {
        let plan = parquet.plan().clone();
        EventFile { plan, size, bytes_read, inner: Inner::Parquet(Box::new(ParquetStream::new(parquet))) }
    }

    /// Returns what was understood of the file.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns how many bytes the file has, as it lies on the disk; `None` for standard input.
    #[must_use]
    pub fn size_hint(&self) -> Option<u64> {
        self.size
    }

    /// Returns the count of bytes read so far, for another thread to watch. In Parquet only the columns that are
    /// read count, so that it ends below the size.
    #[must_use]
    pub fn bytes_read(&self) -> Arc<AtomicU64> {
        self.bytes_read.clone()
    }

    /// Returns how many rows were read so far and what became of them.
    #[must_use]
    pub fn tally(&self) -> Tally {
        match &self.inner {
            Inner::Delimited(file) => file.tally(),
            Inner::Ndjson(file) => file.tally(),
            Inner::Parquet(file) => file.tally(),
        }
    }

    /// Hands on the next events, in the order of the file; `None` after the last. A batch is never empty.
    ///
    /// After an error there is nothing more to ask for.
    pub fn next_batch(&mut self, sink: &mut dyn RejectionSink) -> Result<Option<EventBatch>, ReadError> {
        match &mut self.inner {
            Inner::Delimited(file) => file.next_batch(sink),
            Inner::Ndjson(file) => file.next_batch(sink),
            Inner::Parquet(file) => file.next_batch(sink),
        }
    }
}
