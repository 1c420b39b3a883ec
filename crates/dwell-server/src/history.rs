//! All events of an app that there are: out of the log, and out of the archive what the log has let go.
//!
//! What the archive has is taken with the proof by which the engine takes it ([`ArchivedPast`]). Where it cannot be shown that nothing is
//! missing, there is what there is, and a sentence that says why.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};

use dwell_engine::{Desk, EngineError, Kept, Record};
use dwell_lake::read::archive::{self, ArchiveError};
use dwell_lake::write::archive::ArchivedRow;
use dwell_store::{Offset, StoreError};

use crate::House;
use crate::past::ArchivedPast;
use crate::row::{archived, left};

/// How much of the log is read at once, in bytes.
const READ_BYTES: usize = 8 << 20;

/// Why a history could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    #[error("the server stops")]
    Stops,
    #[error("the log cannot be read: {0}")]
    Log(#[from] StoreError),
    #[error("record {0} of the log cannot be read")]
    Record(Offset),
    #[error("the archive cannot be read: {0}")]
    Archive(#[from] ArchiveError),
}

/// What was read of an app's history.
#[derive(Default)]
pub(crate) struct Told {
    /// How many events were passed over since whoever did them was erased, with those that are in the archive no more.
    pub passed_over: u64,
    /// Why it cannot be shown that the archive has all that the log has let go; `None` where it was shown, and where the log has let go
    /// nothing.
    pub unproven: Option<String>,
}

/// Hands on all events of an app before an offset, in order of the log and some at a time, and says where it is. Those of people who
/// were erased are passed over.
///
/// The house is held for moments only, so that it can be left. A file of the archive that is not as it was written is an error, and
/// nothing of it was handed on then; but what came before it was.
pub(crate) fn read<E: From<HistoryError>>(
    house: &Weak<House>,
    app: &str,
    end: Offset,
    mut take: impl FnMut(&House, &[ArchivedRow<'_>]) -> Result<(), E>,
    reached: impl Fn(Offset),
) -> Result<Told, E> {
    let (mut at, mut told, mut past) = (Offset::ZERO, Told::default(), None);
    while at < end {
        let home = house.upgrade().ok_or(HistoryError::Stops)?;
        at = match home.log.read(at, READ_BYTES) {
            Ok(records) if records.is_empty() => break,
            Ok(records) => {
                let (mut rows, erased) = (Vec::new(), home.erasures.erased());
                for (offset, bytes) in records.iter().filter(|(offset, _)| *offset < end) {
                    let record = Record::read(bytes).ok_or(HistoryError::Record(offset))?;
                    if record.app != app {
                        continue;
                    }
                    match erased.leaves(record, offset) {
                        Some(record) => rows.extend(archived(&record, offset)),
                        None => told.passed_over += 1,
                    }
                }
                take(&home, &rows)?;
                records.next()
            }
            Err(StoreError::Dropped { first, .. }) => {
                let first = first.min(end);
                let new = || ArchivedPast::of(home.archive.clone(), home.archive_note.clone(), app);
                let kept = past.get_or_insert_with(new).try_read(at.number(), first.number(), READ_BYTES);
                match kept {
                    Ok(kept) => {
                        told.passed_over += take_kept(&home, &kept, &mut take)?;
                        kept.next
                    }
                    Err(why) if why.is_of_what_is_missing() => {
                        told.passed_over += read_archived(&home, app, (at, first), &mut take)?;
                        told.unproven = Some(why.to_string());
                        first
                    }
                    Err(why) => return Err(HistoryError::from(why).into()),
                }
            }
            // Nobody will ever read them.
            Err(StoreError::Quarantined { offsets }) => offsets.end,
            Err(error) => return Err(HistoryError::from(error).into()),
        };
        reached(at);
    }
    Ok(told)
}

/// Hands on what the archive has kept, and returns how many events were passed over.
fn take_kept<E: From<HistoryError>>(
    house: &House,
    kept: &Kept,
    take: &mut impl FnMut(&House, &[ArchivedRow<'_>]) -> Result<(), E>,
) -> Result<u64, E> {
    let (mut rows, mut passed_over, erased) = (Vec::new(), kept.removed, house.erasures.erased());
    for (offset, bytes) in &kept.records {
        let record = Record::read(bytes).ok_or(HistoryError::Record(*offset))?;
        match erased.leaves(record, *offset) {
            Some(record) => rows.extend(archived(&record, *offset)),
            None => passed_over += 1,
        }
    }
    take(house, &rows)?;
    Ok(passed_over)
}

/// Hands on what files of the archive say, whatever is missing between them.
fn read_archived<E: From<HistoryError>>(
    house: &Arc<House>,
    app: &str,
    (from, to): (Offset, Offset),
    take: &mut impl FnMut(&House, &[ArchivedRow<'_>]) -> Result<(), E>,
) -> Result<u64, E> {
    let folder = house.archive.join(app);
    let mut passed_over = house.erasures.removed(app);
    let read = archive::read(&folder, from.number()..to.number(), |rows| {
        let erased = house.erasures.erased();
        let left: Vec<ArchivedRow<'_>> = rows.iter().filter_map(|row| left(row, app, &erased)).collect();
        passed_over += (rows.len() - left.len()) as u64;
        match take(house, &left) {
            Ok(()) if Arc::strong_count(house) == 1 => ControlFlow::Break(HistoryError::Stops.into()),
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    });
    match read.map_err(HistoryError::from)? {
        ControlFlow::Continue(()) => Ok(passed_over),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Returns of each id under which these events came who it is now, where that is another one.
pub(crate) fn people<'r>(
    desk: &Desk,
    app: &str,
    rows: &[ArchivedRow<'r>],
) -> Result<HashMap<&'r str, String>, EngineError> {
    let mut ids: Vec<&'r str> = rows.iter().map(|row| row.user_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let now = desk.who_are(app, &ids)?;
    Ok(ids.into_iter().zip(now).filter_map(|(id, now)| Some((id, now?))).collect())
}
