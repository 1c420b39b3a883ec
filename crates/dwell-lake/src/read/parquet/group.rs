//! One row group, batch by batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader};
use ::parquet::file::metadata::ColumnChunkMetaData;
use arrow_schema::Schema;
use dwell_core::event::EventKind;

use super::super::columns::Role;
use super::super::error::ReadError;
use super::super::gather::{Cell, Gather, Row, Tally, tell};
use super::super::reject::{Refusal, RejectionSink};
use super::peek;
use super::swift::Swift;
use super::values::Values;
use super::{ParquetFile, ReadColumn, guarded};
use crate::batch::EventBatch;

/// Reads one row group.
pub(super) struct GroupReader {
    reader: Option<ParquetRecordBatchReader>,
    /// The columns that are read, in the order in which they come.
    columns: Vec<ReadColumn>,
    /// The number of the next row.
    row: u64,
    way: Way,
    swift_tally: Tally,
}

/// How rows become events.
enum Way {
    /// Column by column.
    Swift(Box<Swift>),
    /// Row by row, as out of a text file: for what needs several values of a row at once.
    RowByRow(Box<Gather>),
}

impl GroupReader {
    pub fn open(file: &ParquetFile, group: usize) -> Result<Self, ReadError> {
        let Some(first_row) = file.first_rows.get(group) else {
            let why = format!("there is no row group {group}: there are {}", file.row_groups());
            return Err(ReadError::BrokenParquet { file: file.frame.file.clone(), why });
        };
        let columns = columns_of(file, group);
        let swift = columns.iter().flat_map(|column| &column.roles).all(|role| is_swift(*role));
        let way = if swift {
            Way::Swift(Box::new(Swift::new(file.frame.clone())))
        } else {
            Way::RowByRow(Box::new(Gather::new(file.frame.clone())))
        };
        let roots: Vec<usize> = columns.iter().map(|column| column.root).collect();
        let metadata = metadata_of(file, group)?;
        let reader = match file.row_group_rows(group) {
            0 => None,
            _ => Some(file.reader(&metadata, group, &roots, file.frame.batch_rows)?),
        };
        Ok(GroupReader { reader, columns, row: *first_row, way, swift_tally: Tally::default() })
    }

    pub fn tally(&self) -> Tally {
        match &self.way {
            Way::Swift(_) => self.swift_tally,
            Way::RowByRow(gather) => gather.tally,
        }
    }

    /// Hands on the next events; `None` after the last.
    pub fn next_batch(
        &mut self,
        file: &ParquetFile,
        sink: &mut dyn RejectionSink,
    ) -> Result<Option<EventBatch>, ReadError> {
        loop {
            let Some(reader) = &mut self.reader else {
                return Ok(None);
            };
            let Some(arrays) = file.next_of(reader)? else {
                self.reader = None;
                return Ok(None);
            };
            let broken = |why: &str| ReadError::BrokenParquet { file: file.frame.file.clone(), why: why.into() };
            let mut values = Vec::with_capacity(arrays.len());
            for array in arrays {
                values.push(Values::of(array).ok_or_else(|| broken("a column changed its type"))?);
            }
            let rows = values.first().map_or(0, Values::len);
            if values.len() != self.columns.len() || values.iter().any(|values| values.len() != rows) {
                return Err(broken("its columns are not equally long"));
            }
            let first = self.row;
            self.row += rows as u64;
            let batch = match &mut self.way {
                Way::RowByRow(gather) => row_by_row(gather, &self.columns, &values, first, sink)?,
                Way::Swift(swift) => {
                    let mut refusals = BTreeMap::new();
                    let batch = swift.batch(&self.columns, values, rows, &mut refusals).map_err(broken)?;
                    self.swift_tally.rows += rows as u64;
                    self.swift_tally.events += batch.as_ref().map_or(0, EventBatch::len) as u64;
                    self.swift_tally.rejections += refusals.len() as u64;
                    self.swift_tally.from_the_future = swift.from_the_future;
                    refuse(file, refusals, first, sink)?;
                    batch
                }
            };
            if batch.is_some() {
                return Ok(batch);
            }
        }
    }
}

fn refuse(
    file: &ParquetFile,
    refusals: BTreeMap<usize, Refusal>,
    first: u64,
    sink: &mut dyn RejectionSink,
) -> Result<(), ReadError> {
    for (row, refusal) in refusals {
        tell(file.frame.rejection(first + row as u64, refusal), sink)?;
    }
    Ok(())
}

/// Says whether a role can be read without looking at others of its row.
fn is_swift(role: Role) -> bool {
    match role {
        Role::User
        | Role::Time
        | Role::Event
        | Role::MessageId
        | Role::ReceivedAt
        | Role::Platform
        | Role::Device
        | Role::Player
        | Role::Campaign
        | Role::By
        | Role::Truth => true,
        Role::AnonymousUser
        | Role::MessageType
        | Role::Active
        | Role::SentAt
        | Role::OriginalTime
        | Role::Position
        | Role::TotalLength
        | Role::Remaining
        | Role::PlaybackRate
        | Role::Livestream => false,
    }
}

fn row_by_row(
    gather: &mut Gather,
    columns: &[ReadColumn],
    values: &[Values],
    first: u64,
    sink: &mut dyn RejectionSink,
) -> Result<Option<EventBatch>, ReadError> {
    let mut rooms: Vec<String> = columns.iter().map(|_| String::new()).collect();
    let rows = values.first().map_or(0, Values::len);
    for place in 0..rows {
        let mut row: Row<'_> = [Cell::Nothing; Role::COUNT];
        for ((column, values), room) in columns.iter().zip(values).zip(&mut rooms) {
            let cell = values.cell(place, room);
            for role in &column.roles {
                row[*role as usize] = cell;
            }
        }
        gather.row(first + place as u64, &row, sink)?;
    }
    Ok(gather.take())
}

/// Returns the columns that must be read: not the events' names where none of them means anything.
pub(super) fn columns_of(file: &ParquetFile, group: usize) -> Vec<ReadColumn> {
    let mut columns = file.columns.clone();
    if let Some(event) = columns.iter().position(|column| column.roles == [Role::Event])
        && says_nothing(file, group, columns[event].leaf)
    {
        columns.remove(event);
    }
    columns
}

fn says_nothing(file: &ParquetFile, group: usize, leaf: usize) -> bool {
    let frame = &file.frame;
    if frame.names_wanted {
        return false;
    }
    let Some(chunk) = chunk(file, group, leaf) else {
        return false;
    };
    let rows = usize::try_from(file.row_group_rows(group)).unwrap_or(usize::MAX);
    let peeked = guarded(&frame.file, || Ok::<_, std::convert::Infallible>(peek::words(&file.places, chunk, rows)));
    let Ok(Some(words)) = peeked else {
        return false;
    };
    let is_action = |word: &Vec<u8>| match std::str::from_utf8(word) {
        Ok(word) => frame.words.meaning(word).kind.alike() == EventKind::Action,
        Err(_) => false,
    };
    words.iter().all(is_action)
}

fn chunk(file: &ParquetFile, group: usize, leaf: usize) -> Option<&ColumnChunkMetaData> {
    file.metadata.row_groups().get(group)?.columns().get(leaf)
}

/// Chooses for each text column how it is read: as keys where its pages are keys, else as texts, for to make keys of
/// texts costs more than it saves.
fn metadata_of(file: &ParquetFile, group: usize) -> Result<ArrowReaderMetadata, ReadError> {
    let mut fields = Vec::new();
    let (shared, plain) = (file.shared.schema().fields(), file.plain.schema().fields());
    let mut mixed = false;
    for (root, field) in plain.iter().enumerate() {
        let column = file.columns.iter().find(|column| column.root == root && column.is_text);
        let as_words = column.and_then(|column| chunk(file, group, column.leaf)).is_some_and(peek::is_likely_all_words);
        mixed |= as_words;
        fields.push(if as_words { shared[root].clone() } else { field.clone() });
    }
    if !mixed {
        return Ok(file.plain.clone());
    }
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    guarded(&file.frame.file, || ArrowReaderMetadata::try_new(file.metadata.clone(), options))
}
