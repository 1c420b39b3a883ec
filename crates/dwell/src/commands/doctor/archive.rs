//! Whether the archive is whole, and as it was written.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use dwell_lake::read::archive::whole::{self, read_as_written};
use dwell_lake::read::archive::{ArchiveError, imprint, paths};
use dwell_store::Offset;

use super::Findings;
use crate::archive::{FOLDER, NOTE};
use crate::config::Config;

const WHAT_IT_IS_FOR: &str =
    "lost books, a history counted anew and the deep lab need it: do what is said, or restore a backup";

/// Looks for what is missing of what the log has let go, and, unless that is to be quick, reads every file.
pub(super) fn look_at(config: &Config, first: Offset, quick: bool, findings: &mut Findings) {
    let data = &config.server.data;
    let folder = config.log.archive_folder.clone().unwrap_or_else(|| data.join(FOLDER));
    let looked = whole::note(&data.join(NOTE)).and_then(|note| {
        // Nobody has said anything of an app whose folder was never made.
        let mut apps: BTreeSet<String> = note.ends.keys().cloned().collect();
        apps.extend(folders(&folder)?);
        let (mut files, mut events) = (0, 0);
        let mut missing = None;
        for app in &apps {
            let folder = folder.join(app);
            match whole::pieces(&folder, app, &note, first.number()) {
                Err(error) if error.is_of_what_is_missing() => _ = missing.get_or_insert(error),
                looked => drop(looked?),
            }
            for path in paths(&folder)? {
                files += 1;
                if !quick {
                    let _goes_on = read_as_written(&path, imprint(&path)?.as_ref(), |rows| {
                        events += rows.len();
                        ControlFlow::<()>::Continue(())
                    })?;
                }
            }
        }
        Ok((apps.len(), files, events, missing))
    });
    match looked {
        Err(error) => findings.fail("archive", error.to_string(), WHAT_IT_IS_FOR),
        Ok((.., Some(missing))) => findings.warn("archive", missing.to_string(), WHAT_IT_IS_FOR),
        Ok((_, 0, ..)) => findings.ok("archive", "there is none, and the log has dropped nothing that it should hold"),
        Ok((apps, files, _, None)) if quick => {
            findings.ok("archive", format!("{files} files of {apps} apps, as each says of itself"));
        }
        Ok((apps, files, events, None)) => {
            findings.ok("archive", format!("{files} files of {apps} apps, {events} events as they were written"));
        }
    }
}

/// Returns the apps that have a folder.
fn folders(archive: &Path) -> Result<Vec<String>, ArchiveError> {
    let failed = |source| ArchiveError::Io { path: archive.to_owned(), source };
    let entries = match fs::read_dir(archive) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            found.extend(entry.file_name().into_string());
        }
    }
    Ok(found)
}
