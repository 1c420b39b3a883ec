//! What stops the reading of a file: where, and how to mend it.

use std::io;
use std::sync::Arc;

use dwell_core::excerpt::excerpt;

use super::columns::Role;
use super::moment::TimeUnit;
use super::reject::Rejection;
use super::stream::SAMPLE_BYTES;

/// Why a file cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Nobody is at home under this name.
    #[error("{file}: no such file")]
    NoSuchFile {
        /// The file.
        file: Arc<str>,
    },
    /// A pattern that finds nothing.
    #[error("{pattern}: no file matches this pattern")]
    NoMatch {
        /// The pattern.
        pattern: String,
    },
    /// A pattern that is none.
    #[error("{pattern}: not a pattern: {why}")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A directory where a file belongs.
    #[error("{file}: is a directory; name its files, as in '{file}/*'")]
    IsDirectory {
        /// The directory.
        file: Arc<str>,
    },
    /// The machine could not read it.
    #[error("{file}: cannot be read: {source}")]
    Io {
        /// The file.
        file: Arc<str>,
        /// What the machine said.
        source: io::Error,
    },
    /// Not one byte, so not even a header. A header without rows is no error.
    #[error("{file}: the file is empty: not even a header")]
    Empty {
        /// The file.
        file: Arc<str>,
    },
    /// Text in UTF-16.
    #[error("{file}: the text is UTF-16; convert it, as with iconv -f utf-16 -t utf-8")]
    Utf16 {
        /// The file.
        file: Arc<str>,
    },
    /// One big JSON list.
    #[error("{file}: the file is one JSON list; wanted is one object per line, as from jq -c '.[]'")]
    JsonList {
        /// The file.
        file: Arc<str>,
    },
    /// Something that no reader knows.
    #[error("{file}: holds zero bytes and is no text; wanted are CSV, TSV, NDJSON or Parquet, plain, gzip or zstd")]
    Binary {
        /// The file.
        file: Arc<str>,
    },
    /// The first line of delimited text is no list of names.
    #[error("{file}: the first line is no header: it is too long, or a quote in it is never closed")]
    NoHeader {
        /// The file.
        file: Arc<str>,
    },
    /// The sample of NDJSON held no object.
    #[error("{file}: none of the first {lines} lines is a JSON object; say --format if the file is something else")]
    NoObject {
        /// The file.
        file: Arc<str>,
        /// How many were looked at.
        lines: usize,
    },
    /// The first line of NDJSON does not end where a line should have.
    #[error(
        "{file}: the first line is longer than {} bytes; take it out, or say --format if the file is something else",
        SAMPLE_BYTES
    )]
    LongLine {
        /// The file.
        file: Arc<str>,
    },
    /// A column that the user named is not there.
    #[error("{file}: there is no column {column:?} ({flag}){}; the columns are: {}", guess(nearest), list(columns))]
    NoSuchColumn {
        /// The file.
        file: Arc<str>,
        /// What was asked for.
        column: String,
        /// The flag that asked for it.
        flag: &'static str,
        /// What may have been meant.
        nearest: Option<String>,
        /// The columns that exist.
        columns: Vec<String>,
    },
    /// No column looks like the user or the time.
    #[error("{file}: no column looks like the {}; name it with {}; the columns are: {}{}", role.word(), role.flag(), list(columns), headless(columns))]
    MissingColumn {
        /// The file.
        file: Arc<str>,
        /// What it would be.
        role: Role,
        /// The columns that exist.
        columns: Vec<String>,
    },
    /// The times in a column do not agree on a unit.
    #[error(
        "{file}: the times in column {column} do not agree on a unit: {:?} (line {}) looks like {}, {:?} (line {}) looks like {}; say which with --time-unit",
        one.1, one.2, one.0.word(), other.1, other.2, other.0.word()
    )]
    MixedUnits {
        /// The file.
        file: Arc<str>,
        /// The column.
        column: Arc<str>,
        /// A unit, a value that looks like it, and its line.
        one: (TimeUnit, String, u64),
        /// Another unit, a value that looks like it, and its line.
        other: (TimeUnit, String, u64),
    },
    /// Compressed data that breaks off or is damaged. All rows before the place were handed on.
    #[error(
        "{file}: the {how} data breaks off or is damaged after {bytes} bytes: {why}; the {rows} rows before that were read"
    )]
    Damaged {
        /// The file.
        file: Arc<str>,
        /// How it is compressed.
        how: &'static str,
        /// How many bytes came out of it.
        bytes: u64,
        /// How many rows stood in them.
        rows: u64,
        /// What the decompressor said.
        why: io::Error,
    },
    /// Parquet that cannot be understood.
    #[error("{file}: the Parquet file is cut or damaged: {why}; write or copy it again")]
    BrokenParquet {
        /// The file.
        file: Arc<str>,
        /// What is wrong.
        why: String,
    },
    /// A Parquet column of a type that cannot play its role.
    #[error("{file}: column {column} is {found}, which cannot be the {}; name another with {}", role.word(), role.flag())]
    WrongType {
        /// The file.
        file: Arc<str>,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// What it should have been.
        role: Role,
    },
    /// The caller wanted no more after a refused row.
    #[error("stopped at a refused row: {rejection}")]
    Stopped {
        /// The row.
        rejection: Box<Rejection>,
    },
}

fn guess(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|nearest| format!("; did you mean {nearest:?}?")).unwrap_or_default()
}

/// How many columns an error names at most.
const MOST_COLUMNS: usize = 40;

fn list(columns: &[String]) -> String {
    let named: Vec<String> = columns.iter().take(MOST_COLUMNS).map(|name| excerpt(name.as_bytes())).collect();
    let more = columns.len().saturating_sub(MOST_COLUMNS);
    if 0 < more { format!("{} and {more} more", named.join(", ")) } else { named.join(", ") }
}

/// Says what is likely when no name holds a letter.
fn headless(columns: &[String]) -> &'static str {
    let nameless = columns.iter().all(|name| !name.chars().any(char::is_alphabetic));
    if nameless { "; is the first line a header? one is needed" } else { "" }
}
