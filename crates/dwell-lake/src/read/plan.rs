//! What was understood of a file, for the user to check before believing the numbers.

use std::fmt;
use std::sync::Arc;

use dwell_core::excerpt::excerpt;

use super::columns::{Found, Role};
use super::moment::TimeUnit;

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileFormat {
    /// Fields apart by commas, semicolons, tabs or bars, with a header.
    Csv,
    /// Fields apart by tabs, with a header.
    Tsv,
    /// One JSON object per line.
    Ndjson,
    /// Apache Parquet.
    Parquet,
}

impl FileFormat {
    /// Returns its name, as `--format` takes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            FileFormat::Csv => "csv",
            FileFormat::Tsv => "tsv",
            FileFormat::Ndjson => "ndjson",
            FileFormat::Parquet => "parquet",
        }
    }

    /// Finds the format for its name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [FileFormat::Csv, FileFormat::Tsv, FileFormat::Ndjson, FileFormat::Parquet]
            .into_iter()
            .find(|format| format.word() == word)
    }
}

/// How a file is compressed: seen from its first bytes, never from its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, one member or many.
    Gzip,
    /// Zstandard, one frame or many.
    Zstd,
}

impl Compression {
    /// Returns its name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Compression::Plain => "plain",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }
}

/// How the times of a column are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeShape {
    /// As numbers since 1970.
    Numbers(TimeUnit),
    /// As dates and times.
    Texts,
    /// As timestamps of Parquet.
    Native,
}

impl fmt::Display for TimeShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimeShape::Numbers(unit) => write!(f, "numbers in {}", unit.word()),
            TimeShape::Texts => f.write_str("dates and times"),
            TimeShape::Native => f.write_str("timestamps"),
        }
    }
}

/// One column that is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PlannedColumn {
    /// What for.
    pub role: Role,
    /// Its name in the file.
    pub name: Arc<str>,
    /// How it was found.
    pub found: Found,
    /// How its times are written, if it holds times.
    pub time: Option<TimeShape>,
}

/// How a file will be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// What it is.
    pub format: FileFormat,
    /// How it is compressed.
    pub compression: Compression,
    /// Which columns are read.
    pub columns: Vec<PlannedColumn>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Plan {
    /// Returns the column of a role.
    #[must_use]
    pub fn column(&self, role: Role) -> Option<&PlannedColumn> {
        self.columns.iter().find(|column| column.role == role)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.format.word())?;
        if self.compression != Compression::Plain {
            write!(f, ", {}", self.compression.word())?;
        }
        for column in &self.columns {
            let how = match column.found {
                Found::ByName => "by name",
                Found::ByFlag => "by flag",
            };
            write!(f, "\n{}: {} ({how}", column.role.word(), excerpt(column.name.as_bytes()))?;
            if let Some(time) = column.time {
                write!(f, ", {time}")?;
            }
            f.write_str(")")?;
        }
        for note in &self.notes {
            write!(f, "\nnote: {}", excerpt(note.as_bytes()))?;
        }
        Ok(())
    }
}
