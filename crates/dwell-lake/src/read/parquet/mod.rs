//! Parquet: events out of row groups, which several threads may read at once.

mod group;
mod peek;
mod swift;
mod values;

use std::fs::File;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use ::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use ::parquet::file::statistics::Statistics;
use arrow_schema::{DataType, Field, Schema, TimeUnit as ArrowUnit};
use dwell_core::time::{EARLIEST, LATEST, Timestamp};

use super::columns::{Found, Role, choose};
use super::delimited::clock;
use super::error::ReadError;
use super::gather::{Frame, Tally};
use super::moment::{Clock, Unit, micros_of};
use super::plan::{Compression, FileFormat, Plan, PlannedColumn, TimeShape};
use super::reject::RejectionSink;
use super::sample::{SAMPLE_ROWS, TimeSample, Verdict};
use super::stream::Places;
use super::{Options, failed_to_open};
use crate::batch::EventBatch;
use crate::names::Names;
use crate::shuffle::users::Stretch;

use self::group::{GroupReader, columns_of};
use self::values::{Values, can_be, read_as};

/// One Parquet file, of which several threads may read row groups.
#[derive(Debug)]
pub struct ParquetFile {
    places: Places,
    metadata: Arc<ParquetMetaData>,
    /// Reads texts as keys into lists of texts.
    shared: ArrowReaderMetadata,
    /// Reads texts as texts.
    plain: ArrowReaderMetadata,
    columns: Vec<ReadColumn>,
    /// For each row group the number of its first row, counted from 1.
    first_rows: Vec<u64>,
    frame: Arc<Frame>,
    plan: Plan,
    bytes_read: Arc<AtomicU64>,
}

/// One column that is read, for one role or several.
#[derive(Clone, Debug)]
struct ReadColumn {
    /// Its place among the fields of the schema.
    root: usize,
    /// Its place among the columns of a row group.
    leaf: usize,
    roles: Vec<Role>,
    is_text: bool,
}

/// A field of the schema that can be read.
struct KnownField {
    root: usize,
    leaf: usize,
    name: String,
    data_type: DataType,
}

impl ParquetFile {
    /// Opens a file and understands its schema; of the rows, only a sample of the times is read, if at all.
    pub fn open(path: &Path, options: &Options, names: Arc<Names>) -> Result<Self, ReadError> {
        let name: Arc<str> = path.to_string_lossy().into();
        if path.is_dir() {
            return Err(ReadError::IsDirectory { file: name });
        }
        let file = File::open(path).map_err(|error| failed_to_open(&name, error))?;
        ParquetFile::from_file(name, file, Compression::Plain, Arc::new(AtomicU64::new(0)), options, names)
    }

    pub(super) fn from_file(
        name: Arc<str>,
        file: File,
        compression: Compression,
        bytes_read: Arc<AtomicU64>,
        options: &Options,
        names: Arc<Names>,
    ) -> Result<Self, ReadError> {
        let places =
            Places::new(file, bytes_read.clone()).map_err(|source| ReadError::Io { file: name.clone(), source })?;
        if ::parquet::file::reader::Length::len(&places) == 0 {
            return Err(ReadError::Empty { file: name });
        }
        let written = guarded(&name, || {
            ArrowReaderMetadata::load(&places, ArrowReaderOptions::new().with_skip_arrow_metadata(false))
        })?;
        let metadata = written.metadata().clone();
        let first_rows = first_rows(&name, &metadata)?;
        let (known, shared, plain) = schemas(&written);
        let understand = |schema: Schema| {
            let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
            guarded(&name, || ArrowReaderMetadata::try_new(metadata.clone(), options))
        };
        let mut file = ParquetFile {
            shared: understand(shared)?,
            plain: understand(plain)?,
            metadata,
            places,
            columns: Vec::new(),
            first_rows,
            frame: Arc::new(Frame::new(name, Default::default(), Default::default(), options, names)),
            plan: Plan { format: FileFormat::Parquet, compression, columns: Vec::new(), notes: Vec::new() },
            bytes_read,
        };
        file.make_plan(&known, options)?;
        Ok(file)
    }

    fn make_plan(&mut self, known: &[KnownField], options: &Options) -> Result<(), ReadError> {
        let name = self.frame.file.clone();
        let headers: Vec<String> = known.iter().map(|field| field.name.clone()).collect();
        let mut chosen = choose(&name, &headers, options.wish())?;
        let mut columns: [Option<Arc<str>>; Role::COUNT] = Default::default();
        let mut clocks: [Option<Clock>; Role::COUNT] = Default::default();
        for role in Role::ALL {
            let Some((column, found)) = chosen.roles[role as usize] else {
                continue;
            };
            let field = &known[column];
            if !can_be(&field.data_type, role) {
                if found == Found::ByFlag || matches!(role, Role::User | Role::Time) {
                    let found = field.data_type.to_string();
                    return Err(ReadError::WrongType { file: name, column: field.name.clone(), found, role });
                }
                chosen.notes.push(format!("{}: not read, for it is {}", field.name, field.data_type));
                continue;
            }
            let mut time = None;
            if role.is_time() {
                let verdict = self.verdict(field, role, options)?;
                time = Some(verdict.shape);
                clocks[role as usize] = Some(clock(&verdict, options));
                chosen.notes.extend(verdict.note);
            }
            columns[role as usize] = Some(field.name.as_str().into());
            self.plan.columns.push(PlannedColumn { role, name: field.name.as_str().into(), found, time });
            match self.columns.iter_mut().find(|read| read.root == field.root) {
                Some(read) => read.roles.push(role),
                None => self.columns.push(ReadColumn {
                    root: field.root,
                    leaf: field.leaf,
                    roles: vec![role],
                    is_text: field.data_type == DataType::Utf8,
                }),
            }
        }
        self.columns.sort_by_key(|column| column.root);
        self.plan.notes = chosen.notes;
        let frame = &self.frame;
        self.frame = Arc::new(Frame::new(frame.file.clone(), columns, clocks, options, frame.names.clone()));
        Ok(())
    }

    /// Finds out how the times of a column are written, from its type or from its first values.
    fn verdict(&self, field: &KnownField, role: Role, options: &Options) -> Result<Verdict, ReadError> {
        if matches!(field.data_type, DataType::Timestamp(_, _) | DataType::Date32 | DataType::Date64) {
            return Ok(Verdict { unit: Unit::Unknown, shape: TimeShape::Native, note: None });
        }
        let mut sample = TimeSample::default();
        let mut row = 0;
        for group in 0..self.row_groups() {
            if SAMPLE_ROWS <= row {
                break;
            }
            let mut reader = self.reader(&self.plain, group, &[field.root], SAMPLE_ROWS)?;
            let Some(batch) = self.next_of(&mut reader)? else {
                continue;
            };
            let Some(values) = batch.into_iter().next().and_then(Values::of) else {
                continue;
            };
            let mut room = String::new();
            for place in 0..values.len() {
                row += 1;
                sample.look(row as u64, values.cell(place, &mut room));
            }
        }
        sample.verdict(&self.frame.file, &field.name.as_str().into(), role, options)
    }

    /// Returns what was understood of the file.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Returns how many row groups there are.
    #[must_use]
    pub fn row_groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// Returns how many rows a row group says it has; nothing for one that does not exist.
    #[must_use]
    pub fn row_group_rows(&self, group: usize) -> u64 {
        self.metadata.row_groups().get(group).map_or(0, |group| u64::try_from(group.num_rows()).unwrap_or(0))
    }

    /// Returns the count of bytes read so far, for another thread to watch.
    #[must_use]
    pub fn bytes_read(&self) -> Arc<AtomicU64> {
        self.bytes_read.clone()
    }

    /// Returns between which moments all events lie, if the file says so for every row group: bounds, not promises
    /// that an event lies on them.
    #[must_use]
    pub fn time_range(&self) -> Option<(Timestamp, Timestamp)> {
        let moved = [Role::SentAt, Role::ReceivedAt, Role::OriginalTime];
        if moved.iter().any(|role| self.frame.columns[*role as usize].is_some()) {
            return None;
        }
        let column = self.columns.iter().find(|column| column.roles.contains(&Role::Time))?;
        let data_type = self.plain.schema().field(column.root).data_type();
        let unit = match data_type {
            DataType::Timestamp(unit, _) => unit_of(*unit),
            DataType::Int64 | DataType::Int32 => match self.frame.clocks[Role::Time as usize].as_ref()?.unit {
                Unit::Given(unit) | Unit::Inferred(unit) => unit,
                Unit::Unknown => return None,
            },
            _ => return None,
        };
        let mut range: Option<(i64, i64)> = None;
        for group in self.metadata.row_groups() {
            let (least, most) = bounds_of(group.columns().get(column.leaf)?.statistics()?)?;
            let (least, most) = (micros_clamped(least, unit), micros_clamped(most, unit));
            range = Some(match range {
                Some((first, last)) => (first.min(least), last.max(most)),
                None => (least, most),
            });
        }
        let (first, last) = range?;
        Some((Timestamp::from_micros(first), Timestamp::from_micros(last)))
    }

    /// Says whether nothing but who and when is known of any event, and each row is judged by these two alone.
    pub(crate) fn says_who_and_when_only(&self) -> bool {
        let is_one = |column: &ReadColumn| column.roles == [Role::User] || column.roles == [Role::Time];
        (0..self.row_groups()).all(|group| columns_of(self, group).iter().all(is_one))
    }

    /// Returns between which users each row group lies, if the file says so for every one.
    pub(crate) fn stretches(&self) -> Option<Vec<Stretch>> {
        let column = self.columns.iter().find(|column| column.roles.contains(&Role::User))?;
        let stretch =
            |(group, metadata): (usize, &RowGroupMetaData)| match metadata.columns().get(column.leaf)?.statistics()? {
                Statistics::ByteArray(values) => Some(Stretch {
                    least: values.min_bytes_opt()?.to_vec(),
                    most: values.max_bytes_opt()?.to_vec(),
                    events: self.row_group_rows(group),
                }),
                _ => None,
            };
        self.metadata.row_groups().iter().enumerate().map(stretch).collect()
    }

    /// Reads one row group, on whatever thread, and hands on its events until `each` has had enough.
    pub fn read_row_group(
        &self,
        group: usize,
        sink: &mut dyn RejectionSink,
        mut each: impl FnMut(EventBatch) -> ControlFlow<()>,
    ) -> Result<Tally, ReadError> {
        let mut reader = GroupReader::open(self, group)?;
        while let Some(batch) = reader.next_batch(self, sink)? {
            if each(batch).is_break() {
                break;
            }
        }
        Ok(reader.tally())
    }

    fn reader(
        &self,
        metadata: &ArrowReaderMetadata,
        group: usize,
        roots: &[usize],
        rows: usize,
    ) -> Result<ParquetRecordBatchReader, ReadError> {
        guarded(&self.frame.file, || {
            let mask = ProjectionMask::roots(metadata.parquet_schema(), roots.iter().copied());
            ParquetRecordBatchReaderBuilder::new_with_metadata(self.places.clone(), metadata.clone())
                .with_projection(mask)
                .with_row_groups(vec![group])
                .with_batch_size(rows)
                .build()
        })
    }

    fn next_of(&self, reader: &mut ParquetRecordBatchReader) -> Result<Option<Vec<arrow_array::ArrayRef>>, ReadError> {
        let batch = guarded(&self.frame.file, || reader.next().transpose())?;
        Ok(batch.map(|batch| batch.into_parts().1))
    }
}

/// Calls into the Parquet library, which answers some broken files with a panic instead of an error.
fn guarded<T, E: std::fmt::Display>(file: &Arc<str>, call: impl FnOnce() -> Result<T, E>) -> Result<T, ReadError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(ReadError::BrokenParquet { file: file.clone(), why: error.to_string() }),
        Err(_panic) => Err(ReadError::BrokenParquet { file: file.clone(), why: "it makes no sense".into() }),
    }
}

fn first_rows(name: &Arc<str>, metadata: &ParquetMetaData) -> Result<Vec<u64>, ReadError> {
    let mut first = 1_u64;
    let mut first_rows = Vec::new();
    for group in metadata.row_groups() {
        first_rows.push(first);
        let next = u64::try_from(group.num_rows()).ok().and_then(|rows| first.checked_add(rows));
        let Some(next) = next else {
            let why = format!("a row group of {} rows", group.num_rows());
            return Err(ReadError::BrokenParquet { file: name.clone(), why });
        };
        first = next;
    }
    Ok(first_rows)
}

/// Lists the fields that can be read, and makes the two schemas under which they are.
fn schemas(written: &ArrowReaderMetadata) -> (Vec<KnownField>, Schema, Schema) {
    let descriptor = written.parquet_schema();
    let mut known = Vec::new();
    let (mut shared, mut plain): (Vec<Field>, Vec<Field>) = (Vec::new(), Vec::new());
    for (root, field) in written.schema().fields().iter().enumerate() {
        let leaves: Vec<usize> =
            (0..descriptor.num_columns()).filter(|leaf| descriptor.get_column_root_idx(*leaf) == root).collect();
        let as_written = field.as_ref().clone();
        let (Some(leaf), 1, false) = (leaves.first(), leaves.len(), field.data_type().is_nested()) else {
            shared.push(as_written.clone());
            plain.push(as_written);
            continue;
        };
        match read_as(field, &descriptor.column(*leaf)) {
            Some((as_shared, as_plain)) => {
                known.push(KnownField { root, leaf: *leaf, name: field.name().clone(), data_type: as_plain.clone() });
                shared.push(as_written.clone().with_data_type(as_shared));
                plain.push(as_written.with_data_type(as_plain));
            }
            None => {
                shared.push(as_written.clone());
                plain.push(as_written);
            }
        }
    }
    (known, Schema::new(shared), Schema::new(plain))
}

fn unit_of(unit: ArrowUnit) -> super::TimeUnit {
    match unit {
        ArrowUnit::Second => super::TimeUnit::Seconds,
        ArrowUnit::Millisecond => super::TimeUnit::Millis,
        ArrowUnit::Microsecond => super::TimeUnit::Micros,
        ArrowUnit::Nanosecond => super::TimeUnit::Nanos,
    }
}

fn bounds_of(statistics: &Statistics) -> Option<(i64, i64)> {
    match statistics {
        Statistics::Int64(values) => Some((*values.min_opt()?, *values.max_opt()?)),
        Statistics::Int32(values) => Some((i64::from(*values.min_opt()?), i64::from(*values.max_opt()?))),
        _ => None,
    }
}

/// Returns microseconds within the years that readers accept: events outside are no events.
fn micros_clamped(number: i64, unit: super::TimeUnit) -> i64 {
    let micros = micros_of(number, unit);
    micros.clamp(i128::from(EARLIEST.as_micros()), i128::from(LATEST.as_micros())) as i64
}

/// All row groups of a file, one after the other.
pub(super) struct ParquetStream {
    file: ParquetFile,
    next: usize,
    open: Option<GroupReader>,
    tally: Tally,
}

impl ParquetStream {
    pub fn new(file: ParquetFile) -> Self {
        ParquetStream { file, next: 0, open: None, tally: Tally::default() }
    }

    pub fn tally(&self) -> Tally {
        let mut tally = self.tally;
        if let Some(open) = &self.open {
            tally.add(open.tally());
        }
        tally
    }

    pub fn next_batch(&mut self, sink: &mut dyn RejectionSink) -> Result<Option<EventBatch>, ReadError> {
        loop {
            let group = match &mut self.open {
                Some(group) => group,
                None if self.next < self.file.row_groups() => {
                    self.next += 1;
                    self.open.insert(GroupReader::open(&self.file, self.next - 1)?)
                }
                None => return Ok(None),
            };
            if let Some(batch) = group.next_batch(&self.file, sink)? {
                return Ok(Some(batch));
            }
            self.tally.add(group.tally());
            self.open = None;
        }
    }
}
