//! From patterns to files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ReadError;

/// Where events come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// Standard input, written `-`.
    StandardInput,
    /// A file.
    File(PathBuf),
}

impl Source {
    /// Returns what to call it.
    #[must_use]
    pub fn name(&self) -> Arc<str> {
        match self {
            Source::StandardInput => "-".into(),
            Source::File(path) => path.to_string_lossy().into(),
        }
    }
}

/// Finds the files of patterns like `logs/*.csv.gz`, in order of their names; `-` is standard input.
///
/// A file that exists under exactly the given name is taken, whatever signs are in the name. A pattern passes over
/// directories and over names that begin with `_` or `.`, which others put beside their data (`_SUCCESS`, `.crc`).
/// A file that two patterns find is read once.
pub fn expand(patterns: &[String]) -> Result<Vec<Source>, ReadError> {
    let mut sources: Vec<Source> = Vec::new();
    for pattern in patterns {
        for source in expand_one(pattern)? {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
    }
    Ok(sources)
}

fn expand_one(pattern: &str) -> Result<Vec<Source>, ReadError> {
    if pattern == "-" {
        return Ok(vec![Source::StandardInput]);
    }
    let path = Path::new(pattern);
    if path.is_dir() {
        return Err(ReadError::IsDirectory { file: pattern.trim_end_matches('/').into() });
    }
    if path.exists() {
        return Ok(vec![Source::File(path.into())]);
    }
    if !pattern.contains(['*', '?', '[']) {
        return Err(ReadError::NoSuchFile { file: pattern.into() });
    }
    let found = glob::glob(pattern)
        .map_err(|error| ReadError::BadPattern { pattern: pattern.into(), why: error.msg.into() })?;
    let mut files = Vec::new();
    for entry in found {
        let path = entry
            .map_err(|error| ReadError::Io { file: error.path().to_string_lossy().into(), source: error.into() })?;
        if path.is_file() && !stands_beside_data(&path) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(ReadError::NoMatch { pattern: pattern.into() });
    }
    files.sort();
    Ok(files.into_iter().map(Source::File).collect())
}

fn stands_beside_data(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['_', '.']))
}
