//! People who are erased from the archive: files that hold events of theirs are written anew without these, one after the other.
//!
//! On the thread that writes the archive, so that no file comes to it meanwhile that was begun before it was known who is erased.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use dwell_core::time::{Span, Timestamp};
use dwell_engine::Erased;
use dwell_lake::read::archive::{self, whole};
use dwell_lake::write::archive::ArchivedRow;
use dwell_server::erasures::Erasures;
use dwell_server::left;
use tracing::{info, warn};

use super::{MAKING, Rows};
use crate::clock::{self, SteadyClock};
use crate::data_folder::moment_text;

/// How often it is looked whether there is something to do, where nobody else does.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long the archive is left alone after it could not be cleaned.
const PAUSE: Span = Span::from_secs(30);

/// See the module.
pub struct Cleaner {
    /// The folder of the archive.
    pub folder: PathBuf,
    /// Who is erased.
    pub erasures: Arc<Erasures>,
    /// What time it is for the work.
    pub clock: SteadyClock,
    /// Whether to stop.
    pub stop: Arc<AtomicBool>,
    /// Nothing is done before.
    pub rests_until: Timestamp,
}

impl Cleaner {
    /// Cleans until it is told to stop, where there is no thread that writes the archive.
    pub fn run(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            std::thread::sleep(LOOK_EVERY);
            self.step();
        }
    }

    /// Cleans the archives of apps in which somebody was erased.
    pub fn step(&mut self) {
        if self.clock.now() < self.rests_until {
            return;
        }
        if let Err(error) = self.clean() {
            warn!(error = format!("{error:#}"), "the archive still holds somebody who was erased; it is tried again");
            self.rests_until = self.clock.now().plus(PAUSE);
        }
    }

    fn clean(&self) -> anyhow::Result<()> {
        let all = self.erasures.in_archive();
        let (numbers, mut apps): (Vec<u64>, Vec<String>) =
            all.into_iter().map(|erasure| (erasure.number, erasure.app)).unzip();
        if numbers.is_empty() {
            return Ok(());
        }
        apps.sort();
        apps.dedup();
        let erased = self.erasures.erased();
        for app in apps {
            let folder = self.folder.join(&app);
            remove_begun(&folder)?;
            for path in archive::paths(&folder)? {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                let events = write_without(&path, &app, &erased)?;
                if 0 < events {
                    info!(app, events, file = %path.display(), "events were taken out of the archive");
                    self.erasures.have_removed(&app, events)?;
                }
            }
        }
        Ok(self.erasures.are_out_of_archive(&numbers, &moment_text(clock::now()))?)
    }
}

/// Removes what a crash left of files that were begun: they may hold anything.
fn remove_begun(folder: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot look through {}", folder.display());
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(cannot)?,
    };
    for entry in entries {
        let path = entry.with_context(cannot)?.path();
        if path.extension().is_some_and(|end| end == MAKING) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Writes a file anew without what is not to be known, if it holds any of it; returns how many events were taken out.
fn write_without(path: &Path, app: &str, erased: &Erased) -> anyhow::Result<u64> {
    if !holds_any(path, app, erased)? {
        return Ok(0);
    }
    let folder = path.parent().context("a file of the archive lies in no folder")?;
    let name = path.file_stem().context("a file of the archive has no name")?;
    let mut imprint = archive::imprint(path)?;
    let mut anew = Rows::begin(folder, Path::new(name))?;
    let mut gone = 0;
    let written = whole::read_as_written(path, imprint.clone().as_ref(), |rows| {
        for row in rows {
            match left(row, app, erased) {
                None => {
                    gone += 1;
                    imprint.iter_mut().for_each(|imprint| imprint.remove(row.offset));
                }
                Some(row) => match anew.take(&row) {
                    Ok(()) => {}
                    Err(error) => return ControlFlow::Break(error),
                },
            }
        }
        ControlFlow::Continue(())
    })?;
    if let ControlFlow::Break(error) = written {
        return Err(error);
    }
    anew.end(imprint)?;
    Ok(gone)
}

fn holds_any(path: &Path, app: &str, erased: &Erased) -> anyhow::Result<bool> {
    let is_touched = |row: &ArchivedRow<'_>| left(row, app, erased).is_none_or(|left| left.linked_id != row.linked_id);
    let found = archive::read_one(path, |rows| {
        if rows.iter().any(is_touched) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(found.is_break())
}
