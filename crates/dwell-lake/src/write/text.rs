//! Sessions as CSV or NDJSON: for a file, a pipe or a terminal.

use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use dwell_core::time::Timestamp;

use crate::sessionize::{SessionRow, SessionSink};
use crate::write::WriteError;
use crate::write::columns::{SCHEMA, named};
use crate::write::turnstile::Turnstile;

/// Which text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TextFormat {
    /// Comma-separated with a header, quoted where needed (RFC 4180); lists are joined by `|`.
    Csv,
    /// One JSON object a line.
    Ndjson,
}

/// A text that several threads write, a stretch of users each.
pub struct TextFile {
    path: PathBuf,
    format: TextFormat,
    writer: Mutex<Box<dyn Write + Send>>,
    turnstile: Turnstile,
    names: Arc<Vec<Arc<str>>>,
}

impl TextFile {
    /// Begins a text on any writer; `path` is what errors call it.
    pub fn new(
        path: PathBuf,
        mut writer: Box<dyn Write + Send>,
        format: TextFormat,
        names: Arc<Vec<Arc<str>>>,
    ) -> Result<Self, WriteError> {
        if format == TextFormat::Csv {
            let header: Vec<&str> = SCHEMA.fields().iter().map(|field| field.name().as_str()).collect();
            writeln!(writer, "{}", header.join(","))
                .map_err(|source| WriteError::File { path: path.clone(), source })?;
        }
        Ok(TextFile { path, format, writer: Mutex::new(writer), turnstile: Turnstile::default(), names })
    }

    /// Returns a sink for one thread.
    #[must_use]
    pub fn sink(&self) -> TextSink<'_> {
        TextSink { file: self, text: String::new() }
    }

    /// Ends the text.
    pub fn finish(self) -> Result<(), WriteError> {
        let mut writer = self.writer.into_inner().unwrap_or_else(PoisonError::into_inner);
        writer.flush().map_err(|source| WriteError::File { path: self.path, source })
    }
}

/// Gathers the sessions of a stretch as text, and writes them when it is the stretch's turn.
pub struct TextSink<'f> {
    file: &'f TextFile,
    text: String,
}

impl SessionSink for TextSink<'_> {
    type Error = WriteError;

    fn take(&mut self, row: &SessionRow<'_>) {
        // Writing to a String cannot fail.
        let done = match self.file.format {
            TextFormat::Csv => csv_row(&mut self.text, row, &self.file.names),
            TextFormat::Ndjson => json_row(&mut self.text, row, &self.file.names),
        };
        debug_assert!(done.is_ok());
    }

    fn end_stretch(&mut self, stretch: usize) -> Result<(), WriteError> {
        let file = self.file;
        let text = std::mem::take(&mut self.text);
        let write = || file.writer.lock().unwrap_or_else(PoisonError::into_inner).write_all(text.as_bytes());
        match file.turnstile.pass(stretch, write) {
            Some(written) => written.map_err(|source| WriteError::File { path: file.path.clone(), source }),
            None => Err(WriteError::GivenUp),
        }
    }

    fn give_up(&mut self) {
        self.file.turnstile.give_up();
    }
}

fn csv_row(text: &mut String, row: &SessionRow<'_>, names: &[Arc<str>]) -> std::fmt::Result {
    let session = row.session;
    csv_field(text, row.user);
    write!(text, ",{},{},", row.id, session.ordinal)?;
    write_time(text, session.started_at)?;
    text.push(',');
    write_time(text, session.ended_at)?;
    write!(
        text,
        ",{},{},{},{},{},{},{},{},{},",
        session.length().as_micros(),
        session.activities,
        session.parts.foreground.as_micros(),
        session.parts.playing.as_micros(),
        session.parts.idle.as_micros(),
        session.parts.engaged().as_micros(),
        row.reason.map_or("", |reason| reason.word()),
        session.decided.timeout.as_secs(),
        session.decided.source.word()
    )?;
    csv_field(text, &texts(&session.platforms, names).join("|"));
    text.push(',');
    csv_field(text, &texts(&session.devices, names).join("|"));
    text.push(',');
    csv_field(text, named(row.names.0, names).unwrap_or_default());
    text.push(',');
    csv_field(text, named(row.names.1, names).unwrap_or_default());
    text.push('\n');
    Ok(())
}

fn csv_field(text: &mut String, field: &str) {
    if !field.contains(['"', ',', '\n', '\r']) {
        text.push_str(field);
        return;
    }
    text.push('"');
    text.push_str(&field.replace('"', "\"\""));
    text.push('"');
}

fn json_row(text: &mut String, row: &SessionRow<'_>, names: &[Arc<str>]) -> std::fmt::Result {
    let session = row.session;
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let option = |text: Option<&str>| text.map_or("null".to_owned(), json);
    write!(
        text,
        "{{\"user\":{},\"session_id\":\"{}\",\"ordinal\":{},\"started_at\":\"",
        json(row.user),
        row.id,
        session.ordinal
    )?;
    write_time(text, session.started_at)?;
    text.push_str("\",\"ended_at\":\"");
    write_time(text, session.ended_at)?;
    writeln!(
        text,
        "\",\"length_us\":{},\"activities\":{},\"foreground_us\":{},\"playing_us\":{},\"idle_us\":{},\"engaged_us\":{},\
         \"end_reason\":{},\"timeout_s\":{},\"timeout_source\":\"{}\",\"platforms\":{},\"devices\":{},\
         \"first_activity\":{},\"last_activity\":{}}}",
        session.length().as_micros(),
        session.activities,
        session.parts.foreground.as_micros(),
        session.parts.playing.as_micros(),
        session.parts.idle.as_micros(),
        session.parts.engaged().as_micros(),
        option(row.reason.map(|reason| reason.word())),
        session.decided.timeout.as_secs(),
        session.decided.source.word(),
        serde_json::Value::from(texts(&session.platforms, names)),
        serde_json::Value::from(texts(&session.devices, names)),
        option(named(row.names.0, names)),
        option(named(row.names.1, names)),
    )
}

fn texts<'n>(keys: &[u32], names: &'n [Arc<str>]) -> Vec<&'n str> {
    let mut texts: Vec<&str> = keys.iter().filter_map(|key| named(*key, names)).collect();
    texts.sort_unstable();
    texts
}

/// Writes a moment as ISO 8601 in UTC with six decimals.
pub fn write_time(text: &mut String, at: Timestamp) -> std::fmt::Result {
    match jiff::Timestamp::from_microsecond(at.as_micros()) {
        Ok(moment) => write!(text, "{moment:.6}"),
        Err(_) => write!(text, "{}", at.as_micros()),
    }
}
