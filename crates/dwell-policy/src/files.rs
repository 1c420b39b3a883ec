//! One file for each version, written once and never changed.
//!
//! `policies/APP_ID/000001.json` in the data folder is the first version of an app. The next one has the next number, so that
//! whoever looks whether there is a newer version asks for one name only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::calendar::{moment, written};
use crate::error::VersionError;
use crate::history::Put;

/// The largest text of a policy, in bytes.
pub const MOST_TEXT_BYTES: usize = 256 << 10;

/// The most versions of an app.
pub const MOST_VERSIONS: u32 = 1_000;

/// How large all versions of an app may be together, in bytes.
pub const MOST_BYTES: u64 = 16 << 20;

/// The largest file that is read: in JSON, a text may be up to six times as long.
const MOST_FILE_BYTES: u64 = 8 * MOST_TEXT_BYTES as u64;

/// How often a put looks whether it may, and how long it waits between: ten seconds in all.
const TRIES: u32 = 500;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// A version as its file has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    format: u32,
    number: u32,
    written_at: String,
    author: String,
    note: String,
    effective_from: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    restores: Option<u32>,
    text: String,
}

/// How the file is laid out. There is one way so far.
const FORMAT: u32 = 1;

/// The versions of one app on the disk.
pub(crate) struct Files {
    data: PathBuf,
    folder: PathBuf,
}

/// A version that was read, its text, and how many bytes its file has.
pub(crate) struct Kept {
    pub put: Put,
    pub text: String,
    pub bytes: u64,
}

impl Files {
    /// Knows where they are. An id of an app is taken for a name of a folder only if it can lead nowhere else.
    pub fn of(data: &Path, app: &str) -> Result<Self, VersionError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if app.is_empty() || 64 < app.len() || !app.bytes().all(plain) {
            return Err(VersionError::NoApp { app: app.chars().take(64).collect() });
        }
        Ok(Files { data: data.to_owned(), folder: data.join("policies").join(app) })
    }

    pub fn path(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number:06}.json"))
    }

    /// Says whether there is a version with this number. Costs one look.
    pub fn has(&self, number: u32) -> Result<bool, VersionError> {
        let path = self.path(number);
        path.try_exists().map_err(failed("look at", &path))
    }

    /// Returns how many versions there are, all of which must be there.
    pub fn count(&self) -> Result<u32, VersionError> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(failed("look into", &self.folder)(error)),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed("look into", &self.folder))?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".json")?.parse::<u32>().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        for (number, expected) in numbers.iter().zip(1..) {
            if *number != expected {
                let problem = format!("version {expected} is missing, and version {number} is there");
                return Err(VersionError::Damaged { path: self.folder.clone(), problem });
            }
        }
        Ok(numbers.last().copied().unwrap_or(0))
    }

    /// Reads a version.
    pub fn read(&self, number: u32) -> Result<Kept, VersionError> {
        let path = self.path(number);
        let damaged = |problem: String| VersionError::Damaged { path: path.clone(), problem };
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(failed("open", &path))?;
        file.take(MOST_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed("read", &path))?;
        if MOST_FILE_BYTES < bytes.len() as u64 {
            return Err(damaged(format!("it has more than {MOST_FILE_BYTES} bytes")));
        }
        let contents: Contents = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if contents.format != FORMAT {
            return Err(damaged(format!("format {} is unknown: a later Dwell wrote it", contents.format)));
        }
        if contents.number != number {
            return Err(damaged(format!("it says that it is version {}", contents.number)));
        }
        let put = Put {
            number,
            written_at: moment(&contents.written_at, &TimeZone::UTC).map_err(damaged)?,
            author: contents.author,
            note: contents.note,
            effective_from: moment(&contents.effective_from, &TimeZone::UTC).map_err(damaged)?,
            restores: contents.restores,
        };
        Ok(Kept { put, text: contents.text, bytes: bytes.len() as u64 })
    }

    /// Writes a version whose number is free, durably: after a crash it is there as a whole, or not at all.
    ///
    /// Returns how many bytes its file has.
    pub fn write(&self, put: &Put, text: &str) -> Result<u64, VersionError> {
        let contents = Contents {
            format: FORMAT,
            number: put.number,
            written_at: written(put.written_at),
            author: put.author.clone(),
            note: put.note.clone(),
            effective_from: written(put.effective_from),
            restores: put.restores,
            text: text.to_owned(),
        };
        let prepared = self.prepare("next.new", &contents)?;
        let path = self.path(put.number);
        std::fs::rename(&prepared, &path).map_err(failed("put in its place", &path))?;
        sync_folder(&self.folder)?;
        Ok(std::fs::metadata(&path).map_err(failed("look at", &path))?.len())
    }

    /// Writes the contents beside their place. The name is always the same, so that crashes leave no more than one behind.
    fn prepare(&self, name: &str, contents: &impl Serialize) -> Result<PathBuf, VersionError> {
        let path = self.folder.join(name);
        let mut bytes = serde_json::to_vec_pretty(contents).map_err(|error| failed("write", &path)(error.into()))?;
        bytes.push(b'\n');
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true);
        let mut file = private(&mut options).open(&path).map_err(failed("open", &path))?;
        file.write_all(&bytes).map_err(failed("write", &path))?;
        file.sync_all().map_err(failed("sync", &path))?;
        Ok(path)
    }

    /// Where it is said that the history is to be restated.
    pub fn restating(&self) -> PathBuf {
        self.folder.join("restating.json")
    }

    /// Writes that, durably, in place of what it said before.
    pub fn write_restating(&self, contents: &impl Serialize) -> Result<(), VersionError> {
        let prepared = self.prepare("restating.new", contents)?;
        let path = self.restating();
        std::fs::rename(&prepared, &path).map_err(failed("put in its place", &path))?;
        sync_folder(&self.folder)
    }

    /// Waits until nobody else puts a version of this app. None may until the answer is dropped.
    pub fn lock(&self) -> Result<File, VersionError> {
        make_folder(&self.folder, &self.data)?;
        let path = self.folder.join("lock");
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
        Err(VersionError::Busy { path })
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> VersionError {
    move |source| VersionError::Io { doing, path: path.to_owned(), source }
}

/// Makes a folder within the data folder, which is there. Each is known to the one above it when this returns.
fn make_folder(folder: &Path, data: &Path) -> Result<(), VersionError> {
    if folder == data || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().unwrap_or(data);
    make_folder(above, data)?;
    match std::fs::create_dir(folder) {
        Ok(()) => {}
        // Another put made it a moment ago.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
        Err(error) => return Err(failed("make the folder", folder)(error)),
    }
    sync_folder(above)
}

/// Lets nobody but the owner read what is opened: a policy may name users.
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
fn sync_folder(folder: &Path) -> Result<(), VersionError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

/// Windows knows no such thing.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> Result<(), VersionError> {
    Ok(())
}
