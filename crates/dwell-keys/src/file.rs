//! The file: read as a whole, replaced as a whole.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::RegistryError;
use crate::key::Key;
use crate::whole_file::{self, FileError, Seen};

/// The largest file that is read or written: some 60,000 keys.
pub(crate) const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// What the file says.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contents {
    format: Format,
    /// In the order in which they were added.
    pub(crate) apps: Vec<App>,
    /// In the order in which they were made.
    pub(crate) keys: Vec<Key>,
}

impl Default for Contents {
    fn default() -> Self {
        Contents { format: Format, apps: Vec::new(), keys: Vec::new() }
    }
}

/// How the file is laid out. There is one way so far.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
struct Format;

impl TryFrom<u32> for Format {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        match number {
            1 => Ok(Format),
            _ => Err(format!("format {number} is unknown: a later Dwell wrote it, and can read it")),
        }
    }
}

impl From<Format> for u32 {
    fn from(_: Format) -> u32 {
        1
    }
}

pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("apps.json")
}

/// Looks which version of the file is there, if any.
pub(crate) fn look(folder: &Path) -> Result<Option<Seen>, RegistryError> {
    Ok(whole_file::look(&path(folder))?)
}

/// Reads the file. Where there is none, there are no apps yet.
pub(crate) fn read(folder: &Path) -> Result<(Contents, Option<Seen>), RegistryError> {
    let path = path(folder);
    match whole_file::read(&path, MOST_BYTES)? {
        Some((bytes, seen)) => Ok((parse(&path, &bytes)?, Some(seen))),
        None => Ok((Contents::default(), None)),
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Contents, RegistryError> {
    let damaged = |line: usize, problem| RegistryError::Damaged { path: path.to_owned(), line, problem };
    let contents: Contents = serde_json::from_slice(bytes).map_err(|error| {
        // The place is said once, before the problem, and not again behind it.
        let problem = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        damaged(error.line().max(1), problem.strip_suffix(&place).unwrap_or(&problem).to_owned())
    })?;
    match contents.contradiction() {
        None => Ok(contents),
        Some((text, problem)) => Err(damaged(last_line_of(bytes, &text), problem)),
    }
}

/// Returns the last line that holds a text in quotes, or the first line of all.
fn last_line_of(bytes: &[u8], text: &str) -> usize {
    let quoted = format!("\"{text}\"");
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    let holding = lines.filter(|(_, line)| line.windows(quoted.len()).any(|part| part == quoted.as_bytes()));
    holding.last().map_or(1, |(index, _)| index + 1)
}

impl Contents {
    /// Finds what cannot be true of all apps and keys together: the text at which it shows, and what is wrong.
    fn contradiction(&self) -> Option<(String, String)> {
        let (mut ids, mut names, mut labels) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for app in &self.apps {
            if !ids.insert(&app.id) {
                return Some((app.id.to_string(), format!("two apps have the id {}", app.id)));
            }
            if !names.insert(app.name.as_str().to_lowercase()) {
                return Some((app.name.to_string(), format!("two apps are called {:?}", app.name.as_str())));
            }
        }
        for key in &self.keys {
            if !labels.insert(&key.label) {
                return Some((key.label.to_string(), format!("two keys are {}", key.label)));
            }
            if let Some(app) = key.app.as_ref().filter(|app| !ids.contains(app)) {
                return Some((app.to_string(), format!("the key {} is of {app}, which is no app here", key.label)));
            }
        }
        None
    }
}

/// Waits until nobody else changes the file. It may be changed until the answer is dropped.
pub(crate) fn lock(folder: &Path) -> Result<File, RegistryError> {
    Ok(whole_file::lock(&path(folder))?)
}

/// Puts other contents in place of the file, durably: after a crash there is the old file or the new one.
pub(crate) fn replace(folder: &Path, contents: &Contents) -> Result<Seen, RegistryError> {
    let path = path(folder);
    Ok(whole_file::replace(&path, &bytes_of(&path, contents)?, MOST_BYTES)?)
}

fn bytes_of(path: &Path, contents: &Contents) -> Result<Vec<u8>, FileError> {
    let failed =
        |error: serde_json::Error| FileError::Io { doing: "write", path: path.to_owned(), source: error.into() };
    let mut bytes = serde_json::to_vec_pretty(contents).map_err(failed)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{NewApp, Registry};
    use dwell_core::time::Timestamp;

    const NOW: Timestamp = Timestamp::from_micros(1_767_600_000_000_000);

    fn with_one_app() -> (tempfile::TempDir, Registry) {
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::open(folder.path()).unwrap();
        registry.add_app(NewApp::parse("Radio", "UTC").unwrap(), NOW).unwrap();
        (folder, registry)
    }

    #[test]
    fn a_crash_before_the_rename_leaves_the_old_file_and_harms_no_later_change() {
        let (folder, mut registry) = with_one_app();
        let before = std::fs::read(path(folder.path())).unwrap();
        // All that a change does up to its rename, once whole and once torn.
        let file = path(folder.path());
        let bytes = bytes_of(&file, &Contents::default()).unwrap();
        let prepared = whole_file::prepare(&file, &bytes, MOST_BYTES).unwrap();
        std::fs::write(prepared, b"{\"format\": 1, \"ap").unwrap();
        assert_eq!(std::fs::read(path(folder.path())).unwrap(), before);
        assert_eq!(Registry::open(folder.path()).unwrap().apps().count(), 1);
        registry.add_app(NewApp::parse("Films", "UTC").unwrap(), NOW).unwrap();
        assert_eq!(Registry::open(folder.path()).unwrap().apps().count(), 2);
    }

    #[test]
    fn a_change_that_cannot_be_written_changes_nothing() {
        let (folder, mut registry) = with_one_app();
        let before = std::fs::read(path(folder.path())).unwrap();
        std::fs::create_dir(folder.path().join("apps.json.new")).unwrap();
        assert!(registry.add_app(NewApp::parse("Films", "UTC").unwrap(), NOW).is_err());
        assert_eq!(registry.apps().count(), 1);
        assert_eq!(std::fs::read(path(folder.path())).unwrap(), before);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_but_the_owner_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let (folder, _) = with_one_app();
        let mode = std::fs::metadata(path(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
