//! A copy of a data folder that can be served as it is: books at one moment, and the log from before that moment on.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use dwell_store::{DiskBooks, DiskLog};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::data_folder::moment_text;

/// What says that a backup is whole, and what it holds. It is written last.
pub const ABOUT: &str = "backup.json";

/// What is in a data folder and is not copied as it lies there.
const OWN: [&str; 3] = ["log", "books", crate::control::SOCKET];

/// What is not copied because it is a copy already, and may be large: the archive of events.
const LEFT_OUT: &str = crate::archive::FOLDER;

/// A folder whose files are put there whole and never changed: somebody who adds one harms nobody.
const WHOLE: &str = "policies";

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Which version made it.
    pub version: String,
    /// When it was begun.
    pub made_at: String,
    /// The first record of its log.
    pub log_first: u64,
    /// The record after the last of its log.
    pub log_next: u64,
    /// Up to where the books have read the log.
    pub books_offset: u64,
    /// How many entries the books have.
    pub books_entries: u64,
    /// The CRC-32C over them.
    pub books_crc32c: u32,
    /// The other files that were copied.
    pub files: Vec<String>,
    /// What was not: folders that somebody may be writing.
    pub left_out: Vec<String>,
}

/// Copies a data folder to a place that must not be there yet, or be empty, and reads all of the copy again.
///
/// The copy is made beside that place and moved there when it is whole, so that no half of one is mistaken for a backup.
/// Nothing may drop from the log meanwhile; events may come in, and are not in it.
pub fn copy(data: &Path, to: &Path, log: &DiskLog, books: &DiskBooks) -> anyhow::Result<About> {
    let making = beside(to)?;
    if to.exists() {
        let mut inside = fs::read_dir(to).with_context(|| format!("cannot list {}", to.display()))?;
        if inside.next().is_some() {
            bail!("{} is not empty: choose a folder that is not there yet", to.display());
        }
        fs::remove_dir(to).with_context(|| format!("cannot replace the empty folder {}", to.display()))?;
    }
    let copied = fill(data, &making, log, books).and_then(|about| {
        fs::rename(&making, to).with_context(|| format!("cannot move the copy to {}", to.display()))?;
        sync(making.parent().unwrap_or(Path::new(".")))?;
        Ok(about)
    });
    if copied.is_err() && making.exists() {
        fs::remove_dir_all(&making).with_context(|| format!("cannot remove what was begun, {}", making.display()))?;
    }
    copied
}

fn fill(data: &Path, making: &Path, log: &DiskLog, books: &DiskBooks) -> anyhow::Result<About> {
    fs::DirBuilder::new()
        .mode(0o700)
        .create(making)
        .with_context(|| format!("cannot make {}; if an earlier backup was cut short, remove it", making.display()))?;
    let made_at = moment_text(clock::now());
    // The books first: whatever they have read is in the log by now, and so in a copy of it that is made later.
    let about_books = books.copy_to(&making.join("books"))?;
    let records = log.copy_to(&making.join("log"))?;
    if about_books.offset < records.start || records.end < about_books.offset {
        bail!("the books are at record {}, and the log has {} to {}", about_books.offset, records.start, records.end);
    }
    let mut about = About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at,
        log_first: records.start.number(),
        log_next: records.end.number(),
        books_offset: about_books.offset.number(),
        books_entries: about_books.entries,
        books_crc32c: about_books.crc,
        files: Vec::new(),
        left_out: Vec::new(),
    };
    copy_others(data, making, Path::new(""), &mut about)?;
    let path = making.join(ABOUT);
    let mut file = File::create_new(&path).with_context(|| format!("cannot make {}", path.display()))?;
    serde_json::to_writer_pretty(&mut file, &about)?;
    file.write_all(b"\n").and_then(|()| file.sync_all()).with_context(|| format!("cannot write {}", path.display()))?;
    sync(making)?;
    Ok(about)
}

/// Copies whatever else there is: apps and keys, and what is kept beside them.
fn copy_others(data: &Path, making: &Path, inside: &Path, about: &mut About) -> anyhow::Result<()> {
    let folder = data.join(inside);
    let listed = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in listed {
        names.push(entry.with_context(|| format!("cannot list {}", folder.display()))?.file_name());
    }
    names.sort();
    // Whoever has a lock in a folder may be writing there.
    let is_lock =
        |name: &std::ffi::OsStr| name == "lock" || Path::new(name).extension().is_some_and(|end| end == "lock");
    for name in names {
        let place = inside.join(&name);
        let from = data.join(&place);
        let top = inside.as_os_str().is_empty();
        if top && OWN.iter().any(|own| name == *own) || is_lock(&name) || name == ABOUT {
            continue;
        }
        if top && name == LEFT_OUT {
            about.left_out.push(place.display().to_string());
            continue;
        }
        let kind =
            fs::symlink_metadata(&from).with_context(|| format!("cannot look at {}", from.display()))?.file_type();
        if kind.is_dir() {
            if from.join("lock").exists() && !place.starts_with(WHOLE) {
                about.left_out.push(place.display().to_string());
                continue;
            }
            let to = making.join(&place);
            fs::DirBuilder::new().mode(0o700).create(&to).with_context(|| format!("cannot make {}", to.display()))?;
            copy_others(data, making, &place, about)?;
            sync(&to)?;
        } else if kind.is_file() {
            let to = making.join(&place);
            fs::copy(&from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
            sync(&to)?;
            about.files.push(place.display().to_string());
        } else if !kind.is_socket() {
            about.left_out.push(place.display().to_string());
        }
    }
    Ok(())
}

/// Where a copy is made before it is whole.
fn beside(to: &Path) -> anyhow::Result<PathBuf> {
    let name = to.file_name().with_context(|| format!("{} names no folder", to.display()))?;
    let mut making = name.to_owned();
    making.push(".making");
    Ok(to.with_file_name(making))
}

fn sync(path: &Path) -> anyhow::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path).and_then(|file| file.sync_all()).with_context(|| format!("cannot sync {}", path.display()))
}
