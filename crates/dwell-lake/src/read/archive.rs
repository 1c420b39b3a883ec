//! Events out of the archive of a server, as it wrote them.

pub mod whole;

use std::fs::{self, File};
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, DictionaryArray, RecordBatch, StringArray};
use dwell_core::event::EventKind;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::imprint::{self, FORMAT, Imprint, in_micros};
use crate::write::archive::ArchivedRow;

/// So many rows are read at once.
const ROWS_AT_ONCE: usize = 8 * 1024;

/// Why the archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The folder or a file in it.
    #[error("cannot read {path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that is no Parquet, or a damaged one.
    #[error("cannot read {path}: {source}")]
    Parquet {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: parquet::errors::ParquetError,
    },
    /// A file that no server wrote into its archive.
    #[error("{path} is none of the archive's: it has no column {column} of the kind that is written")]
    Column {
        /// Which.
        path: PathBuf,
        /// What is missing.
        column: &'static str,
    },
    /// A file whose events are not those that were written.
    #[error("{path} is not as it was written: put it back from a copy")]
    Changed {
        /// Which.
        path: PathBuf,
    },
    /// A file of a later version.
    #[error(
        "{path} has format {found} of the archive, and {FORMAT} is known here: use the version of Dwell that wrote it"
    )]
    Format {
        /// Which.
        path: PathBuf,
        /// What it says.
        found: u32,
    },
    /// A file of an earlier version, where it has to be shown that nothing is missing.
    #[error(
        "{path} was written by an earlier Dwell and does not say for which part of the log it stands, so that nobody can show that \
         nothing is missing; while the log begins at record 0, stop the server, move the archive and archive.json away, and start: \
         the archive is written anew"
    )]
    Old {
        /// Which.
        path: PathBuf,
    },
    /// A part of the log that is in no file.
    #[error(
        "the archive is not whole: no file in {folder} holds what the app said at records {from} to {to} of the log; put the files \
         that are missing back from a copy"
    )]
    Missing {
        /// Where they should be.
        folder: PathBuf,
        /// The first record.
        from: u64,
        /// The record after the last.
        to: u64,
    },
    /// The archive ends before the log begins.
    #[error(
        "the archive is not whole: it has come to record {next}, and the log begins at {first}; what is between was dropped while \
         nothing wrote an archive"
    )]
    Ends {
        /// Up to where it has the log.
        next: u64,
        /// Where the log begins.
        first: u64,
    },
    /// What the data folder says of the archive.
    #[error("cannot read {path}, which says how far the archive has come: {why}")]
    Note {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl ArchiveError {
    /// Says whether it cannot be shown that nothing is missing, while what is there may be read.
    #[must_use]
    pub fn is_of_what_is_missing(&self) -> bool {
        match self {
            ArchiveError::Old { .. } | ArchiveError::Missing { .. } | ArchiveError::Ends { .. } => true,
            ArchiveError::Io { .. }
            | ArchiveError::Parquet { .. }
            | ArchiveError::Column { .. }
            | ArchiveError::Changed { .. }
            | ArchiveError::Format { .. }
            | ArchiveError::Note { .. } => false,
        }
    }
}

/// One file of an app's archive.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct ArchiveFile {
    /// Where in the log the first event of the file's stretch stands, which may be one of another app.
    first: u64,
    path: PathBuf,
}

/// Hands on the events of an app that stood at these offsets of the log, in order, some at a time, until somebody breaks off.
///
/// A folder that is not there has none. What was written twice comes twice, under the same offset.
pub fn read<B>(
    folder: &Path,
    offsets: Range<u64>,
    mut take: impl FnMut(&[ArchivedRow<'_>]) -> ControlFlow<B>,
) -> Result<ControlFlow<B>, ArchiveError> {
    let files = files(folder)?;
    for (place, file) in files.iter().enumerate() {
        let ends_before = files.get(place + 1).is_some_and(|next| next.first <= offsets.start);
        if ends_before || offsets.end <= file.first {
            continue;
        }
        if let ControlFlow::Break(why) = read_file(&file.path, &offsets, &mut take)? {
            return Ok(ControlFlow::Break(why));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Returns where the files of an app's archive lie, in order of the log.
pub fn paths(folder: &Path) -> Result<Vec<PathBuf>, ArchiveError> {
    Ok(files(folder)?.into_iter().map(|file| file.path).collect())
}

/// Hands on all events of one file, some at a time, until somebody breaks off.
pub fn read_one<B>(
    path: &Path,
    mut take: impl FnMut(&[ArchivedRow<'_>]) -> ControlFlow<B>,
) -> Result<ControlFlow<B>, ArchiveError> {
    // An offset is the number of a record: the last one of all is never given.
    read_file(path, &(0..u64::MAX), &mut take)
}

/// Returns what a file says of itself; `None` for one of an earlier version, which says nothing.
pub fn imprint(path: &Path) -> Result<Option<Imprint>, ArchiveError> {
    let builder = guarded(path, || opened(path))?;
    let pairs = builder.metadata().file_metadata().key_value_metadata();
    let Some(pair) = pairs.into_iter().flatten().find(|pair| pair.key == imprint::KEY) else { return Ok(None) };
    let text = pair.value.as_deref().unwrap_or_default();
    let changed = |_error| ArchiveError::Changed { path: path.to_owned() };
    // A later version may say other things, but says its format.
    let Format { format } = serde_json::from_str(text).map_err(changed)?;
    if format != FORMAT {
        return Err(ArchiveError::Format { path: path.to_owned(), found: format });
    }
    Ok(Some(serde_json::from_str(text).map_err(changed)?))
}

#[derive(serde::Deserialize)]
struct Format {
    format: u32,
}

/// Returns the files of an app's archive, in order of the log.
fn files(folder: &Path) -> Result<Vec<ArchiveFile>, ArchiveError> {
    let failed = |source| ArchiveError::Io { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let is_whole = path.extension().is_some_and(|end| end == "parquet");
        let number = path.file_stem().and_then(|name| name.to_str()?.rsplit_once('-')?.1.parse().ok());
        if let Some(first) = number.filter(|_| is_whole) {
            files.push(ArchiveFile { first, path });
        }
    }
    files.sort();
    Ok(files)
}

fn read_file<B>(
    path: &Path,
    offsets: &Range<u64>,
    take: &mut impl FnMut(&[ArchivedRow<'_>]) -> ControlFlow<B>,
) -> Result<ControlFlow<B>, ArchiveError> {
    let damaged = |source| ArchiveError::Parquet { path: path.to_owned(), source };
    let builder = guarded(path, || opened(path))?;
    let mut batches = guarded(path, || builder.with_batch_size(ROWS_AT_ONCE).build().map_err(damaged))?;
    while let Some(batch) = guarded(path, || batches.next().transpose().map_err(|error| damaged(error.into())))? {
        let columns = Columns::of(&batch).map_err(|column| ArchiveError::Column { path: path.to_owned(), column })?;
        let rows: Vec<ArchivedRow<'_>> = guarded(path, || {
            let rows = (0..batch.num_rows()).map(|row| columns.row(row));
            Ok(rows.filter(|row| offsets.contains(&row.offset)).collect())
        })?;
        if let ControlFlow::Break(why) = take(&rows) {
            return Ok(ControlFlow::Break(why));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn opened(path: &Path) -> Result<ParquetRecordBatchReaderBuilder<File>, ArchiveError> {
    let file = File::open(path).map_err(|source| ArchiveError::Io { path: path.to_owned(), source })?;
    let damaged = |source| ArchiveError::Parquet { path: path.to_owned(), source };
    ParquetRecordBatchReaderBuilder::try_new(file).map_err(damaged)
}

/// Does what bytes that were changed may lead astray: where the library that reads Parquet trusts them, it panics.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, ArchiveError>) -> Result<T, ArchiveError> {
    let read = catch_unwind(AssertUnwindSafe(read));
    read.unwrap_or_else(|_panic| Err(ArchiveError::Changed { path: path.to_owned() }))
}

/// The columns of some rows, by name.
struct Columns<'b> {
    user_id: Texts<'b>,
    timestamp: &'b ArrayRef,
    event: Texts<'b>,
    name: Texts<'b>,
    message_id: Texts<'b>,
    derived_message_id: Texts<'b>,
    received_at: &'b ArrayRef,
    remaining: &'b ArrayRef,
    player: Texts<'b>,
    device: Texts<'b>,
    platform: Texts<'b>,
    campaign: Texts<'b>,
    country: Texts<'b>,
    app_version: Texts<'b>,
    linked_id: Texts<'b>,
    log_offset: &'b ArrayRef,
}

/// Texts, each written out or as the number of a word.
enum Texts<'b> {
    Plain(&'b StringArray),
    Words(&'b DictionaryArray<Int32Type>, &'b StringArray),
    /// The file is older than the column.
    Unknown,
}

impl Texts<'_> {
    fn at(&self, row: usize) -> Option<&str> {
        match self {
            Texts::Plain(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Texts::Words(keys, words) => keys.key(row).map(|key| words.value(key)),
            Texts::Unknown => None,
        }
    }
}

impl<'b> Columns<'b> {
    fn of(batch: &'b RecordBatch) -> Result<Self, &'static str> {
        let texts = |column: &'static str| -> Result<Texts<'b>, &'static str> {
            let found = batch.column_by_name(column).ok_or(column)?;
            if let Some(texts) = found.as_string_opt::<i32>() {
                return Ok(Texts::Plain(texts));
            }
            let words = found.as_dictionary_opt::<Int32Type>().ok_or(column)?;
            Ok(Texts::Words(words, words.values().as_string_opt::<i32>().ok_or(column)?))
        };
        let newer = |column: &'static str| match batch.column_by_name(column) {
            Some(_) => texts(column),
            None => Ok(Texts::Unknown),
        };
        let numbers = |column: &'static str, is: fn(&ArrayRef) -> bool| {
            batch.column_by_name(column).filter(|found| is(found)).ok_or(column)
        };
        let is_time = |found: &ArrayRef| found.as_primitive_opt::<TimestampMicrosecondType>().is_some();
        Ok(Columns {
            user_id: texts("user_id")?,
            timestamp: numbers("timestamp", is_time)?,
            event: texts("event")?,
            name: texts("name")?,
            message_id: texts("message_id")?,
            derived_message_id: texts("derived_message_id")?,
            received_at: numbers("received_at", is_time)?,
            remaining: numbers("remaining", |found| found.as_primitive_opt::<Float64Type>().is_some())?,
            player: texts("player")?,
            device: texts("device_id")?,
            platform: texts("platform")?,
            campaign: texts("campaign")?,
            country: newer("country")?,
            app_version: newer("app_version")?,
            linked_id: texts("linked_id")?,
            log_offset: numbers("log_offset", |found| found.as_primitive_opt::<Int64Type>().is_some())?,
        })
    }

    fn row(&self, row: usize) -> ArchivedRow<'_> {
        let micros = |column: &ArrayRef| column.as_primitive::<TimestampMicrosecondType>().value(row);
        let remaining = self.remaining.as_primitive::<Float64Type>();
        let kind = self.event.at(row).and_then(|word| EventKind::ALL.into_iter().find(|kind| kind.word() == word));
        ArchivedRow {
            user_id: self.user_id.at(row).unwrap_or_default(),
            happened_at: micros(self.timestamp),
            // A word that nobody wrote proves nothing.
            kind: kind.unwrap_or(EventKind::Silent),
            name: self.name.at(row),
            message_id: self.message_id.at(row),
            derived_message_id: self.derived_message_id.at(row),
            received_at: micros(self.received_at),
            remaining: remaining.is_valid(row).then(|| in_micros(remaining.value(row))),
            player: self.player.at(row),
            device: self.device.at(row),
            platform: self.platform.at(row),
            campaign: self.campaign.at(row),
            country: self.country.at(row),
            app_version: self.app_version.at(row),
            linked_id: self.linked_id.at(row),
            offset: self.log_offset.as_primitive::<Int64Type>().value(row).cast_unsigned(),
        }
    }
}
