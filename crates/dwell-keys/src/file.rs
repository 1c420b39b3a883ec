//! The file: read as a whole, replaced as a whole.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::RegistryError;
use crate::key::Key;

/// The largest file that is read or written: some 60,000 keys.
pub(crate) const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// How often a command looks whether it may change the file, and how long it waits between: ten seconds in all.
const TRIES: u32 = 500;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

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

/// By what a changed file is known without reading it.
///
/// The file is never written in place, so that each version has a number of its own on the disk; that, its time and its
/// length would all have to agree by chance for a change to be overlooked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    modified: SystemTime,
    length: u64,
    number: u64,
}

impl Seen {
    fn of(metadata: &std::fs::Metadata) -> std::io::Result<Self> {
        Ok(Seen { modified: metadata.modified()?, length: metadata.len(), number: number(metadata) })
    }
}

#[cfg(unix)]
fn number(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn number(_: &std::fs::Metadata) -> u64 {
    0
}

pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("apps.json")
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> RegistryError {
    move |source| RegistryError::Io { doing, path: path.to_owned(), source }
}

/// Looks which version of the file is there, if any.
pub(crate) fn look(folder: &Path) -> Result<Option<Seen>, RegistryError> {
    let path = path(folder);
    match std::fs::metadata(&path).and_then(|metadata| Seen::of(&metadata)) {
        Ok(seen) => Ok(Some(seen)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("look at", &path)(error)),
    }
}

/// Reads the file. Where there is none, there are no apps yet.
pub(crate) fn read(folder: &Path) -> Result<(Contents, Option<Seen>), RegistryError> {
    let path = path(folder);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Contents::default(), None)),
        Err(error) => return Err(failed("open", &path)(error)),
    };
    let seen = file.metadata().and_then(|metadata| Seen::of(&metadata)).map_err(failed("look at", &path))?;
    check_size(&path, seen.length)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(failed("read", &path))?;
    Ok((parse(&path, &bytes)?, Some(seen)))
}

fn check_size(path: &Path, bytes: u64) -> Result<(), RegistryError> {
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    Err(RegistryError::TooLarge { path: path.to_owned(), bytes, most: MOST_BYTES })
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

/// Makes a folder, and those above it that are missing. Each is known to the one above it when this returns.
pub(crate) fn make_folder(folder: &Path) -> Result<(), RegistryError> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().unwrap_or(Path::new(""));
    make_folder(above)?;
    match std::fs::create_dir(folder) {
        Ok(()) => {}
        // Another command made it a moment ago.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(error) => return Err(failed("make the folder", folder)(error)),
    }
    sync_folder(if above.as_os_str().is_empty() { Path::new(".") } else { above })
}

/// Waits until nobody else changes the file. It may be changed until the answer is dropped.
pub(crate) fn lock(folder: &Path) -> Result<File, RegistryError> {
    // A file of its own: the one that it guards is replaced, and a lock on what was replaced would keep out nobody.
    let path = folder.join("apps.lock");
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    let file = private(&mut options).open(&path).map_err(failed("open", &path))?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN_TRIES),
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
        }
    }
    Err(RegistryError::Busy { path })
}

/// Puts other contents in place of the file, durably: after a crash there is the old file or the new one.
pub(crate) fn replace(folder: &Path, contents: &Contents) -> Result<Seen, RegistryError> {
    let prepared = prepare(folder, contents)?;
    let path = path(folder);
    std::fs::rename(&prepared, &path).map_err(failed("put a new file in place of", &path))?;
    sync_folder(folder)?;
    std::fs::metadata(&path).and_then(|metadata| Seen::of(&metadata)).map_err(failed("look at", &path))
}

/// Writes the contents beside the file. The name is always the same, so that crashes leave no more than one behind.
fn prepare(folder: &Path, contents: &Contents) -> Result<PathBuf, RegistryError> {
    let path = folder.join("apps.json.new");
    let writing = "write";
    let mut bytes = serde_json::to_vec_pretty(contents).map_err(|error| failed(writing, &path)(error.into()))?;
    bytes.push(b'\n');
    check_size(&path, bytes.len() as u64)?;
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    let mut file = private(&mut options).open(&path).map_err(failed("open", &path))?;
    file.write_all(&bytes).map_err(failed(writing, &path))?;
    file.sync_all().map_err(failed("sync", &path))?;
    Ok(path)
}

/// Lets nobody but the owner read what is opened.
#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Makes names in a folder survive a power cut.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> Result<(), RegistryError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

/// Windows knows no such thing.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<(), RegistryError> {
    Ok(())
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
        let prepared = prepare(folder.path(), &Contents::default()).unwrap();
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
