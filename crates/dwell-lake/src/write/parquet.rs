//! Sessions as Parquet: sorted by user and start, times as differences, one row group per stretch of users.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, ArrowWriter, compute_leaves};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;

use crate::sessionize::{SessionRow, SessionSink};
use crate::write::WriteError;
use crate::write::columns::{Columns, SCHEMA};
use crate::write::turnstile::Turnstile;

/// A file that several threads write, a stretch of users each.
pub struct ParquetFile {
    path: PathBuf,
    writer: Mutex<Option<SerializedFileWriter<File>>>,
    factory: ArrowRowGroupWriterFactory,
    turnstile: Turnstile,
    names: Arc<Vec<Arc<str>>>,
}

/// Rows are encoded in batches of so many, so that they need not be held twice.
const BATCH_ROWS: usize = 64 * 1024;

fn properties() -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_page_size_limit(16 << 20)
        .set_sorting_columns(Some(vec![
            SortingColumn { column_idx: 0, descending: false, nulls_first: false },
            SortingColumn { column_idx: 3, descending: false, nulls_first: false },
        ]))
        .set_created_by(concat!("dwell ", env!("CARGO_PKG_VERSION")).to_owned());
    for column in [
        "ordinal",
        "started_at",
        "ended_at",
        "length_us",
        "activities",
        "foreground_us",
        "playing_us",
        "idle_us",
        "engaged_us",
    ] {
        properties = properties
            .set_column_dictionary_enabled(column.into(), false)
            .set_column_encoding(column.into(), Encoding::DELTA_BINARY_PACKED);
    }
    // Names of sessions look random: neither a list of them nor packing makes them smaller.
    properties = properties
        .set_column_dictionary_enabled("session_id".into(), false)
        .set_column_compression("session_id".into(), Compression::UNCOMPRESSED);
    properties.build()
}

impl ParquetFile {
    /// Creates the file. `names` are the texts behind the keys in sessions.
    pub fn create(path: &Path, names: Arc<Vec<Arc<str>>>) -> Result<Self, WriteError> {
        let file = File::create(path).map_err(|source| WriteError::File { path: path.to_owned(), source })?;
        let parquet = |source| WriteError::Parquet { path: path.to_owned(), source };
        let writer = ArrowWriter::try_new(file, SCHEMA.clone(), Some(properties())).map_err(parquet)?;
        let (writer, factory) = writer.into_serialized_writer().map_err(parquet)?;
        Ok(ParquetFile {
            path: path.to_owned(),
            writer: Mutex::new(Some(writer)),
            factory,
            turnstile: Turnstile::default(),
            names,
        })
    }

    /// Returns a sink for one thread.
    #[must_use]
    pub fn sink(&self) -> ParquetSink<'_> {
        ParquetSink { file: self, columns: Columns::new(self.names.clone()), batches: Vec::new() }
    }

    /// Ends the file; returns its length in bytes.
    pub fn finish(self) -> Result<u64, WriteError> {
        let writer = self.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        let Some(mut writer) = writer else { return Ok(0) };
        writer.finish().map_err(|source| WriteError::Parquet { path: self.path.clone(), source })?;
        let file = writer.inner();
        file.sync_all().map_err(|source| WriteError::File { path: self.path.clone(), source })?;
        Ok(file.metadata().map_or(0, |metadata| metadata.len()))
    }

    fn parquet(&self, source: ParquetError) -> WriteError {
        WriteError::Parquet { path: self.path.clone(), source }
    }
}

/// Gathers the sessions of a stretch, encodes them, and writes them when it is the stretch's turn.
pub struct ParquetSink<'f> {
    file: &'f ParquetFile,
    columns: Columns,
    batches: Vec<RecordBatch>,
}

impl ParquetSink<'_> {
    fn encode(&mut self, stretch: usize) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
        if 0 < self.columns.rows() {
            self.batches.push(self.columns.finish());
        }
        let batches = std::mem::take(&mut self.batches);
        if batches.is_empty() {
            return Ok(Vec::new());
        }
        let mut writers = self.file.factory.create_column_writers(stretch)?;
        for batch in batches {
            let mut writers = writers.iter_mut();
            for (field, column) in SCHEMA.fields().iter().zip(batch.columns()) {
                for leaf in compute_leaves(field, column)? {
                    if let Some(writer) = writers.next() {
                        writer.write(&leaf)?;
                    }
                }
            }
        }
        writers.into_iter().map(|writer| writer.close()).collect()
    }
}

impl SessionSink for ParquetSink<'_> {
    type Error = WriteError;

    fn take(&mut self, row: &SessionRow<'_>) {
        self.columns.append(row);
        if BATCH_ROWS <= self.columns.rows() {
            self.batches.push(self.columns.finish());
        }
    }

    fn end_stretch(&mut self, stretch: usize) -> Result<(), WriteError> {
        let file = self.file;
        let chunks = match self.encode(stretch) {
            Ok(chunks) => chunks,
            Err(error) => {
                file.turnstile.give_up();
                return Err(file.parquet(error));
            }
        };
        let write = || {
            let mut writer = file.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(writer) = writer.as_mut().filter(|_| !chunks.is_empty()) else { return Ok(()) };
            let mut group = writer.next_row_group()?;
            for chunk in chunks {
                chunk.append_to_row_group(&mut group)?;
            }
            group.close().map(|_| ())
        };
        match file.turnstile.pass(stretch, write) {
            Some(written) => written.map_err(|error| file.parquet(error)),
            None => Err(WriteError::GivenUp),
        }
    }

    fn give_up(&mut self) {
        self.file.turnstile.give_up();
    }
}
