//! What the log has dropped, out of the archive: in the order of the log, for the engine and for whoever reads a history.
//!
//! Before anything is handed on it is looked whether the archive has all of it ([`whole::pieces`]). Then it is read part by part, as the
//! files were written, each as a whole into memory: of a file it is known in its end only whether it is as it was written.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

use dwell_engine::{Kept, Past};
use dwell_lake::read::archive::ArchiveError;
use dwell_lake::read::archive::whole::{self, Piece};
use dwell_store::Offset;

use crate::row::recorded;

/// Reads what the log has dropped, where it can be shown that nothing of it is missing.
pub struct ArchivedPast {
    /// The folder of the archive.
    folder: PathBuf,
    /// What says how far it has come.
    note: PathBuf,
    /// Of which app; of all where none is named.
    app: Option<String>,
    plan: Plan,
    /// What was read of these offsets, and is being handed on.
    read: (Range<u64>, Vec<(Offset, Vec<u8>)>),
}

/// Which files have what came before an offset.
#[derive(PartialEq, Eq, Default)]
struct Plan {
    before: u64,
    apps: Vec<(String, Vec<Piece>)>,
}

impl ArchivedPast {
    /// Of one app: the folder of the whole archive, and the file that says how far it has come.
    #[must_use]
    pub fn of(folder: PathBuf, note: PathBuf, app: &str) -> Self {
        ArchivedPast { app: Some(app.to_owned()), ..ArchivedPast::of_all(folder, note) }
    }

    /// Of all apps together.
    #[must_use]
    pub fn of_all(folder: PathBuf, note: PathBuf) -> Self {
        ArchivedPast { folder, note, app: None, plan: Plan::default(), read: (0..0, Vec::new()) }
    }

    /// Finds where all is that came before an offset, which is where the log begins.
    fn plan(&self, before: u64) -> Result<Plan, ArchiveError> {
        let note = whole::note(&self.note)?;
        let apps = match &self.app {
            Some(app) => BTreeSet::from([app.clone()]),
            None => whole::apps(&self.folder, &note)?,
        };
        let pieces = |app: String| {
            let pieces = whole::pieces(&self.folder.join(&app), &app, &note, before)?;
            Ok((app, pieces))
        };
        let apps = apps.into_iter().map(pieces).collect::<Result<_, ArchiveError>>()?;
        Ok(Plan { before, apps })
    }

    /// Reads what was written together with what stands at an offset.
    fn load(&mut self, from: u64) -> Result<(), ArchiveError> {
        let mut part = from..self.plan.before;
        let mut files = Vec::new();
        for (app, pieces) in &self.plan.apps {
            let Some(piece) = pieces.iter().find(|piece| piece.offsets.contains(&from)) else { continue };
            // Between two files of an app there may be many of others.
            let begins = piece.imprint.first.max(piece.offsets.start).min(piece.offsets.end);
            if from < begins {
                part.end = part.end.min(begins);
            } else {
                part.end = part.end.min(piece.offsets.end);
                files.push((app, piece));
            }
        }
        let mut records = Vec::new();
        for (app, piece) in files {
            let offsets = piece.offsets.start.max(part.start)..piece.offsets.end.min(part.end);
            let piece = Piece { offsets, ..piece.clone() };
            whole::read_piece(&piece, |row| {
                let mut bytes = Vec::new();
                recorded(row, app).write(&mut bytes);
                records.push((Offset::new(row.offset), bytes));
            })?;
        }
        records.sort_by_key(|(offset, _)| *offset);
        self.read = (part, records);
        Ok(())
    }

    /// How many events are missing at these offsets since whoever did them was erased.
    fn removed(&self, offsets: &Range<u64>) -> u64 {
        let pieces = self.plan.apps.iter().flat_map(|(_, pieces)| pieces);
        let common = |piece: &Piece| {
            let offsets = piece.offsets.start.max(offsets.start)..piece.offsets.end.min(offsets.end);
            if offsets.is_empty() { 0 } else { piece.imprint.removed_in(&offsets) }
        };
        pieces.map(common).sum()
    }

    /// Does what [`Past::read`] does.
    pub(crate) fn try_read(&mut self, from: u64, before: u64, most: usize) -> Result<Kept, ArchiveError> {
        if self.plan.before != before {
            self.plan = self.plan(before)?;
            self.read = (0..0, Vec::new());
        }
        let (mut next, mut records, mut bytes) = (from, Vec::new(), 0);
        while next < before && records.is_empty() {
            if !self.read.0.contains(&next) {
                while let Err(error) = self.load(next) {
                    // Somebody who was erased may have been taken out of a file since it was looked at.
                    let plan = self.plan(before)?;
                    if self.plan == plan {
                        return Err(error);
                    }
                    self.plan = plan;
                }
            }
            let (part, all) = &mut self.read;
            let first = all.partition_point(|(offset, _)| offset.number() < next);
            next = part.end;
            for (offset, record) in &mut all[first..] {
                if !records.is_empty() && most < bytes + record.len() {
                    next = offset.number();
                    break;
                }
                bytes += record.len();
                records.push((*offset, record.clone()));
            }
        }
        Ok(Kept { removed: self.removed(&(from..next)), records, next: Offset::new(next) })
    }
}

impl Past for ArchivedPast {
    fn read(&mut self, from: Offset, before: Offset, most: usize) -> Result<Kept, String> {
        self.try_read(from.number(), before.number(), most).map_err(|error| error.to_string())
    }
}
