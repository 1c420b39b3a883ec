//! All of an app's archive up to where the log begins, each event once, or the reason why it cannot be had.
//!
//! What files say of themselves ([`Imprint`]) is put together: of two that stand for the same part of the log the one that was
//! written later holds, as after a backup that was restored, and where none stands for a part, something is missing.

use std::collections::BTreeSet;
use std::fs;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};

use super::{ArchiveError, files, imprint, read_one};
use crate::imprint::{Digest, Imprint, Note};
use crate::write::archive::ArchivedRow;

/// What one file has to say, and nobody else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// At these offsets of the log.
    pub offsets: Range<u64>,
    /// The file.
    pub path: PathBuf,
    /// What it says of itself, which may be more.
    pub imprint: Imprint,
}

/// Reads what the data folder says of the archive. Where it says nothing, none was ever written.
pub fn note(path: &Path) -> Result<Note, ArchiveError> {
    let failed = |why: String| ArchiveError::Note { path: path.to_owned(), why };
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Note::beginning(0)),
        read => {
            let bytes = read.map_err(|error| failed(error.to_string()))?;
            serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))
        }
    }
}

/// Returns the apps that the archive has, or had: of each either the folder is there, or the note speaks of it.
pub fn apps(archive: &Path, note: &Note) -> Result<BTreeSet<String>, ArchiveError> {
    let failed = |source| ArchiveError::Io { path: archive.to_owned(), source };
    let mut apps: BTreeSet<String> = note.ends.keys().cloned().collect();
    match fs::read_dir(archive) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        entries => {
            for entry in entries.map_err(failed)? {
                let entry = entry.map_err(failed)?;
                if entry.file_type().map_err(failed)?.is_dir() {
                    apps.extend(entry.file_name().into_string());
                }
            }
        }
    }
    let begins = note.begins.unwrap_or(note.next);
    if apps.is_empty() && 0 < begins {
        return Err(ArchiveError::Missing { folder: archive.to_owned(), from: 0, to: begins });
    }
    Ok(apps)
}

/// Returns where all that an app said before an offset of the log is, in order and without a gap. What is in the files is not
/// looked at.
///
/// `note` must have been read after the log was asked where it begins: by then the archive had come there.
pub fn pieces(folder: &Path, app: &str, note: &Note, before: u64) -> Result<Vec<Piece>, ArchiveError> {
    if note.next < before {
        return Err(ArchiveError::Ends { next: note.next, first: before });
    }
    // Files beyond it are of another time: a backup was restored since.
    let end = note.end_of(app).min(before);
    let (mut known, mut old) = (Vec::new(), Vec::new());
    for file in files(folder)? {
        match imprint(&file.path)? {
            Some(imprint) => known.push((file.path, imprint)),
            None => old.push(file),
        }
    }
    known.sort_by_key(|(_, imprint)| std::cmp::Reverse((imprint.written_at, imprint.first)));
    let mut missing: Vec<Range<u64>> = std::iter::once(0..end).collect();
    let mut pieces = Vec::new();
    for (path, imprint) in known {
        let mut left = Vec::new();
        for gap in missing {
            let offsets = gap.start.max(imprint.since)..gap.end.min(imprint.next);
            if offsets.is_empty() {
                left.push(gap);
                continue;
            }
            left.extend([gap.start..offsets.start, offsets.end..gap.end]);
            pieces.push(Piece { offsets, path: path.clone(), imprint: imprint.clone() });
        }
        missing = left.into_iter().filter(|gap| !gap.is_empty()).collect();
    }
    missing.sort_by_key(|gap| gap.start);
    if let Some(gap) = missing.first() {
        // A file of an earlier version begins somewhere, and where it ends nobody knows.
        return Err(match old.into_iter().find(|file| file.first < gap.end) {
            Some(file) => ArchiveError::Old { path: file.path },
            None => ArchiveError::Missing { folder: folder.to_owned(), from: gap.start, to: gap.end },
        });
    }
    pieces.sort_by_key(|piece| piece.offsets.start);
    Ok(pieces)
}

/// Hands on the events of a piece, in order. They are the ones that were written only if no error comes in the end: what was
/// handed on until then is not to be believed.
pub fn read_piece(piece: &Piece, mut take: impl FnMut(&ArchivedRow<'_>)) -> Result<(), ArchiveError> {
    let _goes_on = read_as_written(&piece.path, Some(&piece.imprint), |rows| {
        rows.iter().filter(|row| piece.offsets.contains(&row.offset)).for_each(&mut take);
        ControlFlow::<()>::Continue(())
    })?;
    Ok(())
}

/// Hands on all events of a file, some at a time, until somebody breaks off. Where nobody does and these are not the ones for which
/// the file's imprint stands, that is an error.
pub fn read_as_written<B>(
    path: &Path,
    imprint: Option<&Imprint>,
    mut take: impl FnMut(&[ArchivedRow<'_>]) -> ControlFlow<B>,
) -> Result<ControlFlow<B>, ArchiveError> {
    let mut digest = Digest::default();
    let ended = read_one(path, |rows| {
        rows.iter().for_each(|row| digest.take(row));
        take(rows)
    })?;
    let (events, hash) = digest.end();
    match imprint {
        Some(imprint) if ended.is_continue() && (imprint.events, &imprint.digest) != (events, &hash) => {
            Err(ArchiveError::Changed { path: path.to_owned() })
        }
        Some(_) | None => Ok(ended),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use dwell_core::event::EventKind;

    use super::*;
    use crate::write::archive::ArchiveWriter;
    use crate::write::events::{ParquetRows, RowWriter};

    fn row(offset: u64, name: &str) -> ArchivedRow<'_> {
        ArchivedRow {
            user_id: "ada",
            happened_at: 1,
            kind: EventKind::Action,
            name: Some(name),
            message_id: None,
            derived_message_id: Some("x"),
            received_at: 2,
            remaining: Some(1_234_567),
            player: None,
            device: Some(""),
            platform: None,
            campaign: None,
            country: None,
            app_version: None,
            linked_id: None,
            offset,
        }
    }

    /// A file that stands for a part of the log since an offset, with events here and there.
    fn write(folder: &Path, since: u64, part: Range<u64>, written_at: i64, offsets: &[u64]) -> PathBuf {
        let path = folder.join(format!("{written_at}-{:020}.parquet", part.start));
        let out = Box::new(File::create(&path).unwrap());
        let mut writer = ArchiveWriter::begin(path.clone(), out).unwrap();
        let name = format!("of {written_at}");
        offsets.iter().for_each(|offset| writer.take(&row(*offset, &name)).unwrap());
        writer.end(Some(Imprint::of(since, part, written_at))).unwrap();
        path
    }

    fn noted(next: u64, end: u64) -> Note {
        Note { next, ends: [("app".to_owned(), end)].into(), ..Note::beginning(0) }
    }

    /// What is found before an offset: where, and of which time.
    fn found(folder: &Path, note: &Note, before: u64) -> Result<Vec<(u64, String)>, String> {
        let mut found = Vec::new();
        for piece in pieces(folder, "app", note, before).map_err(|error| error.to_string())? {
            read_piece(&piece, |row| found.push((row.offset, row.name.unwrap().to_owned())))
                .map_err(|error| error.to_string())?;
        }
        Ok(found)
    }

    fn of(time: i64, offsets: &[u64]) -> Vec<(u64, String)> {
        offsets.iter().map(|offset| (*offset, format!("of {time}"))).collect()
    }

    #[test]
    fn files_that_follow_one_another_are_read_up_to_an_offset_and_a_gap_between_them_is_found() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), 0, 2..10, 1, &[2, 5, 9]);
        let middle = write(folder.path(), 10, 20..30, 1, &[20, 29]);
        write(folder.path(), 30, 35..40, 1, &[36]);
        let all = of(1, &[2, 5, 9, 20, 29, 36]);
        assert_eq!(found(folder.path(), &noted(50, 40), 50).unwrap(), all);
        assert_eq!(found(folder.path(), &noted(50, 40), 29).unwrap(), all[..4]);
        // Nobody knows what came between the end of the archive and the beginning of the log.
        let why = found(folder.path(), &noted(50, 40), 51).unwrap_err();
        assert!(why.contains("come to record 50, and the log begins at 51"), "{why}");
        // The last file is missing, or one in the middle.
        let why = found(folder.path(), &noted(50, 45), 50).unwrap_err();
        assert!(why.contains("records 40 to 45"), "{why}");
        fs::remove_file(middle).unwrap();
        let why = found(folder.path(), &noted(50, 40), 50).unwrap_err();
        assert!(why.contains("records 10 to 30"), "{why}");
        assert_eq!(found(folder.path(), &noted(50, 40), 10).unwrap(), all[..3]);
        // An app of which nothing was ever written said nothing, if the note began with the log.
        assert_eq!(pieces(folder.path(), "another", &Note { next: 9, ..Note::beginning(0) }, 9).unwrap(), []);
        let elsewhere = folder.path().join("nobody");
        let why = pieces(&elsewhere, "another", &Note { next: 9, ..Note::beginning(5) }, 9).unwrap_err();
        assert!(why.to_string().contains("records 0 to 5"), "{why}");
    }

    #[test]
    fn of_two_files_for_one_part_the_later_holds_and_what_lies_beyond_the_note_does_not() {
        let folder = tempfile::tempdir().unwrap();
        // A backup was restored that ended at 15; since then the log went another way, and the app said little.
        write(folder.path(), 0, 0..10, 1, &[3, 4]);
        write(folder.path(), 10, 10..30, 2, &[12, 14, 16, 20, 29]);
        write(folder.path(), 10, 12..18, 3, &[12, 14, 17]);
        write(folder.path(), 30, 30..60, 2, &[31, 40]);
        let wanted = [of(1, &[3, 4]), of(3, &[12, 14, 17])].concat();
        assert_eq!(found(folder.path(), &noted(50, 18), 50).unwrap(), wanted);
    }

    #[test]
    fn whatever_byte_of_a_file_is_changed_its_events_are_refused_or_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), 0, 0..90, 1, &(0..90).collect::<Vec<_>>());
        let bytes = fs::read(&path).unwrap();
        let wanted = found(folder.path(), &noted(90, 90), 90).unwrap();
        let mut refused = 0;
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x55;
            fs::write(&path, changed).unwrap();
            match found(folder.path(), &noted(90, 90), 90) {
                Ok(found) => assert_eq!(found, wanted, "byte {place}"),
                Err(_why) => refused += 1,
            }
        }
        assert!(bytes.len() / 4 < refused, "{refused} of {}", bytes.len());
    }

    #[test]
    fn what_is_not_as_it_was_written_is_refused_and_so_is_who_says_nothing_of_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), 0, 0..10, 1, &[3, 4]);
        let imprint = imprint(&path).unwrap().unwrap();
        // The same but for one letter, under what the first said of itself.
        let out = Box::new(File::create(&path).unwrap());
        let mut writer = ArchiveWriter::begin(path.clone(), out).unwrap();
        [3, 4].iter().for_each(|offset| writer.take(&row(*offset, "of 2")).unwrap());
        writer.end(Some(imprint.clone())).unwrap();
        let mut piece = pieces(folder.path(), "app", &noted(10, 10), 10).unwrap().remove(0);
        assert!(read_piece(&piece, |_| {}).is_ok());
        piece.imprint = imprint;
        assert!(matches!(read_piece(&piece, |_| {}), Err(ArchiveError::Changed { .. })));

        let out = Box::new(File::create(&path).unwrap());
        let mut writer: Box<dyn for<'a> RowWriter<ArchivedRow<'a>>> =
            Box::new(ParquetRows::new(path.clone(), out, crate::write::archive::ArchiveColumns::default()).unwrap());
        writer.take(&row(3, "old")).unwrap();
        writer.finish().unwrap();
        let why = found(folder.path(), &noted(10, 10), 10).unwrap_err();
        assert!(why.contains("was written by an earlier Dwell"), "{why}");
        // It need not be asked where a later file stands for the same.
        write(folder.path(), 0, 0..10, 4, &[3]);
        assert_eq!(found(folder.path(), &noted(10, 10), 10).unwrap(), of(4, &[3]));

        let out = Box::new(File::create(&path).unwrap());
        let writer = ArchiveWriter::begin(path.clone(), out).unwrap();
        writer.end(Some(Imprint { format: 3, ..Imprint::of(0, 0..10, 1) })).unwrap();
        let why = found(folder.path(), &noted(10, 10), 10).unwrap_err();
        assert!(why.contains("format 3"), "{why}");
    }
}
