//! Whether the archive is whole, and as it was written.

use std::ops::ControlFlow;
use std::path::Path;

use dwell_lake::read::archive::whole::{self, read_as_written};
use dwell_lake::read::archive::{ArchiveError, imprint, paths};
use dwell_store::Offset;

use super::Findings;
use crate::archive::NOTE;
use crate::config::Config;

const WHAT_IT_IS_FOR: &str =
    "lost books, a history counted anew and the deep lab need it: do what is said, or restore a backup";

/// What was looked at.
#[derive(Default)]
struct Seen {
    apps: usize,
    files: usize,
    /// None where files are not read.
    events: usize,
    /// The first thing that is missing of what the log has let go.
    missing: Option<ArchiveError>,
}

/// Looks for what is missing of what the log has let go, and, unless that is to be quick, reads every file.
pub(super) fn look_at(config: &Config, first: Offset, quick: bool, findings: &mut Findings) {
    match see(&config.archive_folder(), &config.server.data.join(NOTE), first, quick) {
        Ok(Seen { missing: Some(error), .. }) => findings.warn("archive", error.to_string(), WHAT_IT_IS_FOR),
        Err(error) if error.is_of_what_is_missing() => findings.warn("archive", error.to_string(), WHAT_IT_IS_FOR),
        Err(error) => findings.fail("archive", error.to_string(), WHAT_IT_IS_FOR),
        Ok(Seen { files: 0, .. }) => findings.ok("archive", format!("there is none, and the log begins at {first}")),
        Ok(Seen { apps, files, .. }) if quick => {
            findings.ok("archive", format!("{files} files of {apps} apps, by what each says of itself"));
        }
        Ok(Seen { apps, files, events, .. }) => {
            findings.ok("archive", format!("{files} files of {apps} apps, all {events} events read"));
        }
    }
}

fn see(archive: &Path, note: &Path, first: Offset, quick: bool) -> Result<Seen, ArchiveError> {
    let note = whole::note(note)?;
    let apps = whole::apps(archive, &note)?;
    let mut seen = Seen { apps: apps.len(), ..Seen::default() };
    for app in &apps {
        let folder = archive.join(app);
        match whole::pieces(&folder, app, &note, first.number()) {
            Ok(_) => {}
            // What is there may be damaged besides.
            Err(error) if error.is_of_what_is_missing() => seen.missing = seen.missing.or(Some(error)),
            Err(error) => return Err(error),
        }
        for path in paths(&folder)? {
            seen.files += 1;
            if !quick {
                let _goes_on = read_as_written(&path, imprint(&path)?.as_ref(), |rows| {
                    seen.events += rows.len();
                    ControlFlow::<()>::Continue(())
                })?;
            }
        }
    }
    Ok(seen)
}
