//! Events out: what the simulation makes, as Parquet, NDJSON or CSV.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::builder::{
    Int64Builder, StringBuilder, StringDictionaryBuilder, TimestampMicrosecondBuilder, UInt32Builder,
};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use dwell_core::time::Timestamp;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::write::WriteError;
use crate::write::text::write_time;

/// An event, as it is written.
#[derive(Clone, Debug)]
pub struct EventRow<'a> {
    /// The user.
    pub user_id: &'a str,
    /// What the device's clock showed.
    pub timestamp: Timestamp,
    /// Its name, or the word for its kind.
    pub event: &'a str,
    /// Everything else; `None` writes the three columns above only.
    pub more: Option<More<'a>>,
}

/// What an SDK adds to an event, and the truth that only a simulation knows.
#[derive(Clone, Debug)]
pub struct More<'a> {
    /// Names the event.
    pub message_id: &'a str,
    /// What the device's clock showed when it sent the event.
    pub sent_at: Timestamp,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Where the app runs.
    pub platform: &'a str,
    /// The device.
    pub device_id: &'a str,
    /// Which player speaks, 0 for none.
    pub player: u32,
    /// Seconds into what plays.
    pub position: Option<u32>,
    /// How many seconds long it is.
    pub total_length: Option<u32>,
    /// Two letters.
    pub country: &'a str,
    /// The user's visit that it truly belongs to.
    pub true_session: u64,
}

/// A true visit, as it is written.
#[derive(Clone, Debug)]
pub struct VisitRow<'a> {
    /// The user.
    pub user_id: &'a str,
    /// The user's nth visit.
    pub true_session: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When the user really left.
    pub ended_at: Timestamp,
    /// How long something played with the screen away, in microseconds.
    pub listening_us: i64,
    /// How many of its events arrive.
    pub events: u64,
}

const ROW_GROUP_ROWS: usize = 1 << 20;
const BATCH_ROWS: usize = 64 * 1024;

pub(super) fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

pub(super) fn word_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// With the times at which it was sent and received beside it, the time is known to be the device's own.
fn first_fields(with_more: bool) -> Vec<Field> {
    vec![
        Field::new("user_id", DataType::Utf8, false),
        Field::new(if with_more { "original_timestamp" } else { "timestamp" }, time_type(), false),
        Field::new("event", word_type(), false),
    ]
}

fn more_fields() -> Vec<Field> {
    vec![
        Field::new("message_id", DataType::Utf8, false),
        Field::new("sent_at", time_type(), false),
        Field::new("received_at", time_type(), false),
        Field::new("platform", word_type(), false),
        Field::new("device_id", DataType::Utf8, false),
        Field::new("player", DataType::UInt32, false),
        Field::new("position", DataType::UInt32, true),
        Field::new("total_length", DataType::UInt32, true),
        Field::new("country", word_type(), false),
        Field::new("true_session", DataType::Int64, false),
    ]
}

/// Writes rows of some kind as a table.
pub trait RowWriter<R>: Send {
    /// Takes a row.
    fn take(&mut self, row: &R) -> Result<(), WriteError>;

    /// Ends the file.
    fn finish(self: Box<Self>) -> Result<(), WriteError>;
}

/// Gathers rows of one kind in columns.
pub trait Gather<R> {
    /// The columns, in their order.
    fn schema(&self) -> SchemaRef;
    /// Appends a row.
    fn append(&mut self, row: &R);
    /// Returns the rows as columns, and begins anew.
    fn finish(&mut self) -> Vec<ArrayRef>;
}

/// Rows on their way to a Parquet file.
pub struct ParquetRows<G> {
    path: PathBuf,
    writer: ArrowWriter<Box<dyn Write + Send>>,
    gather: G,
    rows: usize,
}

impl<G> ParquetRows<G> {
    /// Begins the file; ids are kept as a list of all of a row group's ids, however many there are.
    pub fn new<R>(path: PathBuf, out: Box<dyn Write + Send>, gather: G) -> Result<Self, WriteError>
    where
        G: Gather<R>,
    {
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_dictionary_page_size_limit(16 << 20)
            .set_created_by(concat!("dwell ", env!("CARGO_PKG_VERSION")).to_owned());
        for column in
            ["timestamp", "original_timestamp", "sent_at", "received_at", "started_at", "ended_at", "message_id"]
        {
            properties = properties.set_column_dictionary_enabled(column.into(), false);
        }
        let writer = ArrowWriter::try_new(out, gather.schema(), Some(properties.build()))
            .map_err(|source| WriteError::Parquet { path: path.clone(), source })?;
        Ok(ParquetRows { path, writer, gather, rows: 0 })
    }

    /// Has the file say something of itself, beside its rows.
    pub(super) fn says(&mut self, what: KeyValue) {
        self.writer.append_key_value_metadata(what);
    }

    fn flush<R>(&mut self) -> Result<(), WriteError>
    where
        G: Gather<R>,
    {
        self.rows = 0;
        let write =
            |schema, columns| -> Result<RecordBatch, ParquetError> { Ok(RecordBatch::try_new(schema, columns)?) };
        write(self.gather.schema(), self.gather.finish())
            .and_then(|batch| self.writer.write(&batch))
            .map_err(|source| WriteError::Parquet { path: self.path.clone(), source })
    }
}

impl<R, G: Gather<R> + Send> RowWriter<R> for ParquetRows<G> {
    fn take(&mut self, row: &R) -> Result<(), WriteError> {
        self.gather.append(row);
        self.rows += 1;
        if self.rows < BATCH_ROWS { Ok(()) } else { self.flush() }
    }

    fn finish(mut self: Box<Self>) -> Result<(), WriteError> {
        self.flush()?;
        match self.writer.close() {
            Ok(_) => Ok(()),
            Err(source) => Err(WriteError::Parquet { path: self.path, source }),
        }
    }
}

/// Events in columns.
#[derive(Default)]
pub struct EventColumns {
    with_more: bool,
    user_id: StringBuilder,
    timestamp: TimestampMicrosecondBuilder,
    event: StringDictionaryBuilder<Int32Type>,
    message_id: StringBuilder,
    sent_at: TimestampMicrosecondBuilder,
    received_at: TimestampMicrosecondBuilder,
    platform: StringDictionaryBuilder<Int32Type>,
    device_id: StringBuilder,
    player: UInt32Builder,
    position: UInt32Builder,
    total_length: UInt32Builder,
    country: StringDictionaryBuilder<Int32Type>,
    true_session: Int64Builder,
}

impl EventColumns {
    /// Begins with no rows of three columns.
    #[must_use]
    pub fn plain() -> Self {
        EventColumns::default()
    }

    /// Begins with no rows of all columns.
    #[must_use]
    pub fn with_more() -> Self {
        EventColumns { with_more: true, ..EventColumns::default() }
    }
}

impl<'a> Gather<EventRow<'a>> for EventColumns {
    fn schema(&self) -> SchemaRef {
        let mut fields = first_fields(self.with_more);
        if self.with_more {
            fields.extend(more_fields());
        }
        Arc::new(Schema::new(fields))
    }

    fn append(&mut self, row: &EventRow<'a>) {
        self.user_id.append_value(row.user_id);
        self.timestamp.append_value(row.timestamp.as_micros());
        self.event.append_value(row.event);
        let Some(more) = row.more.as_ref().filter(|_| self.with_more) else { return };
        self.message_id.append_value(more.message_id);
        self.sent_at.append_value(more.sent_at.as_micros());
        self.received_at.append_value(more.received_at.as_micros());
        self.platform.append_value(more.platform);
        self.device_id.append_value(more.device_id);
        self.player.append_value(more.player);
        self.position.append_option(more.position);
        self.total_length.append_option(more.total_length);
        self.country.append_value(more.country);
        self.true_session.append_value(more.true_session as i64);
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.user_id.finish()),
            Arc::new(self.timestamp.finish().with_timezone("UTC")),
            Arc::new(self.event.finish()),
        ];
        if self.with_more {
            let more: [ArrayRef; 10] = [
                Arc::new(self.message_id.finish()),
                Arc::new(self.sent_at.finish().with_timezone("UTC")),
                Arc::new(self.received_at.finish().with_timezone("UTC")),
                Arc::new(self.platform.finish()),
                Arc::new(self.device_id.finish()),
                Arc::new(self.player.finish()),
                Arc::new(self.position.finish()),
                Arc::new(self.total_length.finish()),
                Arc::new(self.country.finish()),
                Arc::new(self.true_session.finish()),
            ];
            columns.extend(more);
        }
        columns
    }
}

/// True visits in columns.
#[derive(Default)]
pub struct VisitColumns {
    user_id: StringBuilder,
    true_session: Int64Builder,
    started_at: TimestampMicrosecondBuilder,
    ended_at: TimestampMicrosecondBuilder,
    listening_us: Int64Builder,
    events: Int64Builder,
}

impl<'a> Gather<VisitRow<'a>> for VisitColumns {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("user_id", DataType::Utf8, false),
            Field::new("true_session", DataType::Int64, false),
            Field::new("started_at", time_type(), false),
            Field::new("ended_at", time_type(), false),
            Field::new("listening_us", DataType::Int64, false),
            Field::new("events", DataType::Int64, false),
        ]))
    }

    fn append(&mut self, row: &VisitRow<'a>) {
        self.user_id.append_value(row.user_id);
        self.true_session.append_value(row.true_session as i64);
        self.started_at.append_value(row.started_at.as_micros());
        self.ended_at.append_value(row.ended_at.as_micros());
        self.listening_us.append_value(row.listening_us);
        self.events.append_value(row.events as i64);
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.user_id.finish()),
            Arc::new(self.true_session.finish()),
            Arc::new(self.started_at.finish().with_timezone("UTC")),
            Arc::new(self.ended_at.finish().with_timezone("UTC")),
            Arc::new(self.listening_us.finish()),
            Arc::new(self.events.finish()),
        ]
    }
}

/// Which text events are written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventText {
    /// Comma-separated with a header. Nothing that the simulation writes needs quoting.
    Csv,
    /// One object a line, shaped like Segment's tracking calls.
    Ndjson,
}

/// Rows on their way to a text.
pub struct TextRows {
    path: PathBuf,
    out: Box<dyn Write + Send>,
    format: EventText,
    line: String,
    begun: bool,
}

impl TextRows {
    /// Begins the text.
    #[must_use]
    pub fn new(path: PathBuf, out: Box<dyn Write + Send>, format: EventText) -> Self {
        TextRows { path, out, format, line: String::new(), begun: false }
    }

    fn write(&mut self, header: &[Field], more: &[Field]) -> Result<(), WriteError> {
        let mut text = String::new();
        if !self.begun && self.format == EventText::Csv {
            let names: Vec<&str> = header.iter().chain(more).map(|field| field.name().as_str()).collect();
            text = names.join(",") + "\n";
        }
        self.begun = true;
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.write_all(self.line.as_bytes()));
        written.map_err(|source| WriteError::File { path: self.path.clone(), source })
    }

    fn end(mut self: Box<Self>) -> Result<(), WriteError> {
        self.out.flush().map_err(|source| WriteError::File { path: self.path, source })
    }
}

impl<'a> RowWriter<EventRow<'a>> for TextRows {
    fn take(&mut self, row: &EventRow<'a>) -> Result<(), WriteError> {
        self.line.clear();
        // Writing to a String cannot fail.
        let done = match self.format {
            EventText::Csv => csv_event(&mut self.line, row),
            EventText::Ndjson => json_event(&mut self.line, row),
        };
        debug_assert!(done.is_ok());
        let more = if row.more.is_some() { more_fields() } else { Vec::new() };
        self.write(&first_fields(row.more.is_some()), &more)
    }

    fn finish(self: Box<Self>) -> Result<(), WriteError> {
        self.end()
    }
}

impl<'a> RowWriter<VisitRow<'a>> for TextRows {
    fn take(&mut self, row: &VisitRow<'a>) -> Result<(), WriteError> {
        self.line.clear();
        let done = visit_line(&mut self.line, row, self.format);
        debug_assert!(done.is_ok());
        let schema = VisitColumns::default().schema();
        let fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        self.write(&fields, &[])
    }

    fn finish(self: Box<Self>) -> Result<(), WriteError> {
        self.end()
    }
}

fn csv_event(line: &mut String, row: &EventRow<'_>) -> std::fmt::Result {
    write!(line, "{},", row.user_id)?;
    write_time(line, row.timestamp)?;
    write!(line, ",{}", row.event)?;
    if let Some(more) = &row.more {
        write!(line, ",{},", more.message_id)?;
        write_time(line, more.sent_at)?;
        line.push(',');
        write_time(line, more.received_at)?;
        write!(line, ",{},{},{},", more.platform, more.device_id, more.player)?;
        write_option(line, more.position)?;
        line.push(',');
        write_option(line, more.total_length)?;
        write!(line, ",{},{}", more.country, more.true_session)?;
    }
    line.push('\n');
    Ok(())
}

fn write_option(line: &mut String, number: Option<u32>) -> std::fmt::Result {
    number.map_or(Ok(()), |number| write!(line, "{number}"))
}

fn json_event(line: &mut String, row: &EventRow<'_>) -> std::fmt::Result {
    write!(
        line,
        "{{\"type\":\"track\",\"userId\":\"{}\",\"event\":\"{}\",\"originalTimestamp\":\"",
        row.user_id, row.event
    )?;
    write_time(line, row.timestamp)?;
    line.push('"');
    if let Some(more) = &row.more {
        line.push_str(",\"sentAt\":\"");
        write_time(line, more.sent_at)?;
        line.push_str("\",\"receivedAt\":\"");
        write_time(line, more.received_at)?;
        write!(
            line,
            "\",\"messageId\":\"{}\",\"true_session\":{},\"country\":\"{}\",\"context\":{{\"device\":{{\"id\":\"{}\"}},\"os\":{{\"name\":\"{}\"}}}}",
            more.message_id, more.true_session, more.country, more.device_id, more.platform
        )?;
        if more.player != 0 {
            write!(line, ",\"properties\":{{\"player\":{}", more.player)?;
            if let (Some(position), Some(length)) = (more.position, more.total_length) {
                write!(line, ",\"position\":{position},\"total_length\":{length}")?;
            }
            line.push('}');
        }
    }
    line.push_str("}\n");
    Ok(())
}

fn visit_line(line: &mut String, row: &VisitRow<'_>, format: EventText) -> std::fmt::Result {
    let (open, between, end, quote) = match format {
        EventText::Csv => ("", ["", ",", ",", ",", ",", ","], "\n", ""),
        EventText::Ndjson => (
            "{",
            [
                "\"user_id\":",
                ",\"true_session\":",
                ",\"started_at\":",
                ",\"ended_at\":",
                ",\"listening_us\":",
                ",\"events\":",
            ],
            "}\n",
            "\"",
        ),
    };
    write!(
        line,
        "{open}{}{quote}{}{quote}{}{}{}{quote}",
        between[0], row.user_id, between[1], row.true_session, between[2]
    )?;
    write_time(line, row.started_at)?;
    write!(line, "{quote}{}{quote}", between[3])?;
    write_time(line, row.ended_at)?;
    write!(line, "{quote}{}{}{}{}{end}", between[4], row.listening_us, between[5], row.events)
}
