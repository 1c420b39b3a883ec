//! Events out of a server's log, as they stay: columns that `dwell sessions` finds by name.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{
    Float64Builder, Int64Builder, StringBuilder, StringDictionaryBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::types::Int32Type;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use dwell_core::event::EventKind;

use super::WriteError;
use super::events::{Gather, ParquetRows, RowWriter, time_type, word_type};
use crate::imprint::{Digest, Imprint, in_micros, in_seconds};

/// An event that a server accepted. Times are microseconds since 1970 in UTC.
#[derive(Clone, Copy, Debug)]
pub struct ArchivedRow<'a> {
    /// The user's id, or the anonymous one where the user was not said.
    pub user_id: &'a str,
    /// When it happened, the device's clock put right.
    pub happened_at: i64,
    /// What it was to a session: the word for it is its name in the column `event`, so that whoever counts sessions from
    /// the file needs no table of an app's own names.
    pub kind: EventKind,
    /// The app's own name for it.
    pub name: Option<&'a str>,
    /// What the client named it.
    pub message_id: Option<&'a str>,
    /// What we named it, where the client did not: copies of it have the same.
    pub derived_message_id: Option<&'a str>,
    /// When it came in.
    pub received_at: i64,
    /// How long what plays will go on, in microseconds.
    pub remaining: Option<i64>,
    /// Which player.
    pub player: Option<&'a str>,
    /// Which device.
    pub device: Option<&'a str>,
    /// Which platform.
    pub platform: Option<&'a str>,
    /// Which campaign brought the user.
    pub campaign: Option<&'a str>,
    /// In which country.
    pub country: Option<&'a str>,
    /// Which version of the app.
    pub app_version: Option<&'a str>,
    /// Another id that is the same person from this event on.
    pub linked_id: Option<&'a str>,
    /// Where it stands in the log.
    pub offset: u64,
}

/// One file of an app's archive on its way.
pub struct ArchiveWriter {
    rows: Box<ParquetRows<ArchiveColumns>>,
    digest: Digest,
}

impl ArchiveWriter {
    /// Begins one; `path` is how it is called where something goes wrong.
    pub fn begin(path: PathBuf, out: Box<dyn Write + Send>) -> Result<Self, WriteError> {
        let rows = Box::new(ParquetRows::new(path, out, ArchiveColumns::default())?);
        Ok(ArchiveWriter { rows, digest: Digest::default() })
    }

    /// Takes the next event, in the order of the log.
    pub fn take(&mut self, row: &ArchivedRow<'_>) -> Result<(), WriteError> {
        // As it will be read: what plays for longer than 71 years may lose a microsecond.
        let remaining = row.remaining.map(|micros| in_micros(in_seconds(micros)));
        self.digest.take(&ArchivedRow { remaining, ..*row });
        self.rows.take(row)
    }

    /// Ends the file, which says of itself for which part of the log it stands, unless that is not known.
    pub fn end(mut self, stands_for: Option<Imprint>) -> Result<(), WriteError> {
        if let Some(imprint) = stands_for {
            let (events, digest) = self.digest.end();
            self.rows.says(Imprint { events, digest, ..imprint }.written());
        }
        RowWriter::<ArchivedRow<'_>>::finish(self.rows)
    }
}

/// Such events in columns.
#[derive(Default)]
pub struct ArchiveColumns {
    user_id: StringBuilder,
    timestamp: TimestampMicrosecondBuilder,
    event: StringDictionaryBuilder<Int32Type>,
    name: StringDictionaryBuilder<Int32Type>,
    message_id: StringBuilder,
    derived_message_id: StringBuilder,
    received_at: TimestampMicrosecondBuilder,
    remaining: Float64Builder,
    player: StringBuilder,
    device_id: StringBuilder,
    platform: StringDictionaryBuilder<Int32Type>,
    campaign: StringDictionaryBuilder<Int32Type>,
    country: StringDictionaryBuilder<Int32Type>,
    app_version: StringDictionaryBuilder<Int32Type>,
    linked_id: StringBuilder,
    log_offset: Int64Builder,
}

impl<'a> Gather<ArchivedRow<'a>> for ArchiveColumns {
    fn schema(&self) -> SchemaRef {
        Arc::new(Schema::new(vec![
            Field::new("user_id", DataType::Utf8, false),
            Field::new("timestamp", time_type(), false),
            Field::new("event", word_type(), false),
            Field::new("name", word_type(), true),
            Field::new("message_id", DataType::Utf8, true),
            Field::new("derived_message_id", DataType::Utf8, true),
            Field::new("received_at", time_type(), false),
            Field::new("remaining", DataType::Float64, true),
            Field::new("player", DataType::Utf8, true),
            Field::new("device_id", DataType::Utf8, true),
            Field::new("platform", word_type(), true),
            Field::new("campaign", word_type(), true),
            Field::new("country", word_type(), true),
            Field::new("app_version", word_type(), true),
            Field::new("linked_id", DataType::Utf8, true),
            Field::new("log_offset", DataType::Int64, false),
        ]))
    }

    fn append(&mut self, row: &ArchivedRow<'a>) {
        self.user_id.append_value(row.user_id);
        self.timestamp.append_value(row.happened_at);
        self.event.append_value(row.kind.word());
        self.name.append_option(row.name);
        self.message_id.append_option(row.message_id);
        self.derived_message_id.append_option(row.derived_message_id);
        self.received_at.append_value(row.received_at);
        self.remaining.append_option(row.remaining.map(in_seconds));
        self.player.append_option(row.player);
        self.device_id.append_option(row.device);
        self.platform.append_option(row.platform);
        self.campaign.append_option(row.campaign);
        self.country.append_option(row.country);
        self.app_version.append_option(row.app_version);
        self.linked_id.append_option(row.linked_id);
        self.log_offset.append_value(row.offset.cast_signed());
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.user_id.finish()),
            Arc::new(self.timestamp.finish().with_timezone("UTC")),
            Arc::new(self.event.finish()),
            Arc::new(self.name.finish()),
            Arc::new(self.message_id.finish()),
            Arc::new(self.derived_message_id.finish()),
            Arc::new(self.received_at.finish().with_timezone("UTC")),
            Arc::new(self.remaining.finish()),
            Arc::new(self.player.finish()),
            Arc::new(self.device_id.finish()),
            Arc::new(self.platform.finish()),
            Arc::new(self.campaign.finish()),
            Arc::new(self.country.finish()),
            Arc::new(self.app_version.finish()),
            Arc::new(self.linked_id.finish()),
            Arc::new(self.log_offset.finish()),
        ]
    }
}
