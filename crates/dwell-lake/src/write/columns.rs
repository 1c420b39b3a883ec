//! The columns of a table of sessions, gathered row by row.

use std::sync::{Arc, LazyLock};

use arrow_array::builder::{
    FixedSizeBinaryBuilder, Int64Builder, ListBuilder, StringBuilder, StringDictionaryBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::sessionize::SessionRow;

/// The columns, in their order. Times are microseconds in UTC, spans whole microseconds.
pub static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let word = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let words = || DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)));
    Arc::new(Schema::new(vec![
        Field::new("user", word(), false),
        Field::new("session_id", DataType::FixedSizeBinary(16), false)
            .with_extension_type(arrow_schema::extension::Uuid),
        Field::new("ordinal", DataType::Int64, false),
        Field::new("started_at", time(), false),
        Field::new("ended_at", time(), false),
        Field::new("length_us", DataType::Int64, false),
        Field::new("activities", DataType::Int64, false),
        Field::new("foreground_us", DataType::Int64, false),
        Field::new("playing_us", DataType::Int64, false),
        Field::new("idle_us", DataType::Int64, false),
        Field::new("engaged_us", DataType::Int64, false),
        Field::new("end_reason", word(), true),
        Field::new("timeout_s", DataType::Int64, false),
        Field::new("timeout_source", word(), false),
        Field::new("platforms", words(), false),
        Field::new("devices", words(), false),
        Field::new("first_activity", word(), true),
        Field::new("last_activity", word(), true),
    ]))
});

/// Sessions on their way to a table.
pub struct Columns {
    names: Arc<Vec<Arc<str>>>,
    rows: usize,
    user: StringDictionaryBuilder<Int32Type>,
    session_id: FixedSizeBinaryBuilder,
    ordinal: Int64Builder,
    started_at: TimestampMicrosecondBuilder,
    ended_at: TimestampMicrosecondBuilder,
    length_us: Int64Builder,
    activities: Int64Builder,
    foreground_us: Int64Builder,
    playing_us: Int64Builder,
    idle_us: Int64Builder,
    engaged_us: Int64Builder,
    end_reason: StringDictionaryBuilder<Int32Type>,
    timeout_s: Int64Builder,
    timeout_source: StringDictionaryBuilder<Int32Type>,
    platforms: ListBuilder<StringBuilder>,
    devices: ListBuilder<StringBuilder>,
    first_activity: StringDictionaryBuilder<Int32Type>,
    last_activity: StringDictionaryBuilder<Int32Type>,
}

impl Columns {
    /// Begins with no rows. `names` are the texts behind the keys in sessions.
    #[must_use]
    pub fn new(names: Arc<Vec<Arc<str>>>) -> Self {
        let words = || ListBuilder::new(StringBuilder::new()).with_field(Field::new("element", DataType::Utf8, true));
        Columns {
            names,
            rows: 0,
            user: StringDictionaryBuilder::new(),
            session_id: FixedSizeBinaryBuilder::new(16),
            ordinal: Int64Builder::new(),
            started_at: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            ended_at: TimestampMicrosecondBuilder::new().with_timezone("UTC"),
            length_us: Int64Builder::new(),
            activities: Int64Builder::new(),
            foreground_us: Int64Builder::new(),
            playing_us: Int64Builder::new(),
            idle_us: Int64Builder::new(),
            engaged_us: Int64Builder::new(),
            end_reason: StringDictionaryBuilder::new(),
            timeout_s: Int64Builder::new(),
            timeout_source: StringDictionaryBuilder::new(),
            platforms: words(),
            devices: words(),
            first_activity: StringDictionaryBuilder::new(),
            last_activity: StringDictionaryBuilder::new(),
        }
    }

    /// Returns how many rows there are.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Appends a session.
    pub fn append(&mut self, row: &SessionRow<'_>) {
        let session = row.session;
        self.rows += 1;
        self.user.append_value(row.user);
        // Sixteen bytes are what the builder was made for: it cannot refuse them.
        if self.session_id.append_value(row.id.as_bytes()).is_err() {
            self.session_id.append_null();
        }
        self.ordinal.append_value(i64::from(session.ordinal));
        self.started_at.append_value(session.started_at.as_micros());
        self.ended_at.append_value(session.ended_at.as_micros());
        self.length_us.append_value(session.length().as_micros());
        self.activities.append_value(session.activities as i64);
        self.foreground_us.append_value(session.parts.foreground.as_micros());
        self.playing_us.append_value(session.parts.playing.as_micros());
        self.idle_us.append_value(session.parts.idle.as_micros());
        self.engaged_us.append_value(session.parts.engaged().as_micros());
        self.end_reason.append_option(row.reason.map(|reason| reason.word()));
        self.timeout_s.append_value(i64::from(session.decided.timeout.as_secs()));
        self.timeout_source.append_value(session.decided.source.word());
        append_names(&mut self.platforms, &session.platforms, &self.names);
        append_names(&mut self.devices, &session.devices, &self.names);
        self.first_activity.append_option(named(row.names.0, &self.names));
        self.last_activity.append_option(named(row.names.1, &self.names));
    }

    /// Returns the rows as a batch of [`SCHEMA`], and begins anew.
    pub fn finish(&mut self) -> RecordBatch {
        self.rows = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.user.finish()),
            Arc::new(self.session_id.finish()),
            Arc::new(self.ordinal.finish()),
            Arc::new(self.started_at.finish()),
            Arc::new(self.ended_at.finish()),
            Arc::new(self.length_us.finish()),
            Arc::new(self.activities.finish()),
            Arc::new(self.foreground_us.finish()),
            Arc::new(self.playing_us.finish()),
            Arc::new(self.idle_us.finish()),
            Arc::new(self.engaged_us.finish()),
            Arc::new(self.end_reason.finish()),
            Arc::new(self.timeout_s.finish()),
            Arc::new(self.timeout_source.finish()),
            Arc::new(self.platforms.finish()),
            Arc::new(self.devices.finish()),
            Arc::new(self.first_activity.finish()),
            Arc::new(self.last_activity.finish()),
        ];
        match RecordBatch::try_new(SCHEMA.clone(), columns) {
            Ok(batch) => batch,
            Err(error) => panic!("the columns of sessions do not fit their own schema: {error}"),
        }
    }
}

fn append_names(list: &mut ListBuilder<StringBuilder>, keys: &[u32], names: &[Arc<str>]) {
    let mut texts: Vec<&str> = keys.iter().filter_map(|key| named(*key, names)).collect();
    // Keys are in order of first appearance, which depends on who read first; texts are not.
    texts.sort_unstable();
    for text in texts {
        list.values().append_value(text);
    }
    list.append(true);
}

/// Returns the text behind a key; `None` for nothing said.
#[must_use]
pub fn named(key: u32, names: &[Arc<str>]) -> Option<&str> {
    if key == 0 {
        return None;
    }
    names.get(key as usize).map(AsRef::as_ref)
}
