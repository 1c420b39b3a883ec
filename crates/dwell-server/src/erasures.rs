//! Who is to be erased, and how far that has come: one file in the data folder, written before anybody is answered.
//!
//! Whoever reads the log or the archive asks here what of it is not to be taken ([`Erasures::erased`]). Who asks for an erasure
//! writes here and nowhere else; the engine's thread and that of the archive do it, and note it here. An erasure that is over
//! and whose events the log has let go of is forgotten: what is left of it is its number, and when it was.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use dwell_engine::Erased;
use dwell_keys::whole_file::{self, FileError, Seen};
use dwell_store::Offset;
use serde::{Deserialize, Serialize};

/// Its name in the data folder.
const FILE: &str = "erasures.json";

/// So many erasures may be known whose events the log still holds.
const MOST: usize = 10_000;

/// So many of the latest are remembered that are forgotten.
const MOST_FORGOTTEN: usize = 1_000;

/// The largest file that is read, in bytes.
const MOST_FILE_BYTES: u64 = 64 << 20;

/// How the file is laid out. There is one way so far.
const FORMAT: u32 = 1;

/// Why nothing could be read or noted.
#[derive(Debug, thiserror::Error)]
pub enum ErasuresError {
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// What is in it.
    #[error("{} is damaged: {problem}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// There is no room.
    #[error("{MOST} erasures wait for the log to drop events: try again when log.retention has passed for some")]
    TooMany,
}

/// That a person be erased, or was.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasure {
    /// Numbers go up, for all apps together, and none is given twice.
    pub number: u64,
    /// In which app.
    pub app: String,
    /// The id that was asked for; empty when it is forgotten.
    pub user: String,
    /// When, as RFC 3339 in UTC.
    pub asked_at: String,
    /// By whom.
    pub author: String,
    /// Before this offset of the log nothing of theirs is to be taken; `None` until the engine has looked.
    pub before: Option<u64>,
    /// All ids of the person at that offset; none until the engine has come there, and when it is forgotten.
    pub ids: Vec<String>,
    /// Nothing of theirs is in the books, durably.
    pub is_out_of_books: bool,
    /// Nor in the archive.
    pub is_out_of_archive: bool,
    /// When both were so.
    pub ended_at: Option<String>,
    /// Nor in the log: the ids are forgotten.
    pub is_out_of_log: bool,
}

impl Erasure {
    /// Returns how far it has come, in a word.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (self.ended_at.is_some(), self.ids.is_empty()) {
            (true, _) => "erased",
            (false, true) => "asked",
            (false, false) => "erasing",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    format: u32,
    /// The number of the next one.
    next: u64,
    /// How many events of each app were taken out of its archive.
    removed: BTreeMap<String, u64>,
    erasures: Vec<Erasure>,
}

impl Default for Contents {
    fn default() -> Self {
        Contents { format: FORMAT, next: 1, removed: BTreeMap::new(), erasures: Vec::new() }
    }
}

struct Known {
    seen: Option<Seen>,
    contents: Arc<Contents>,
    erased: Arc<Erased>,
    spared_from: Option<Offset>,
}

impl Default for Known {
    fn default() -> Self {
        Known::of(Contents::default(), None)
    }
}

impl Known {
    fn of(contents: Contents, seen: Option<Seen>) -> Self {
        let mut erased = Erased::default();
        let mut spared_from = Some(Offset::ZERO);
        for erasure in &contents.erasures {
            let before = erasure.before.map(Offset::new);
            spared_from = spared_from.zip(before).map(|(from, before)| from.max(before));
            let Some(before) = before else { continue };
            erasure.ids.iter().for_each(|id| erased.add(&erasure.app, id, before));
        }
        Known { seen, contents: Arc::new(contents), erased: Arc::new(erased), spared_from }
    }
}

/// See the module.
pub struct Erasures {
    path: PathBuf,
    known: RwLock<Known>,
}

impl Erasures {
    /// Knows where the file is, and reads nothing.
    #[must_use]
    pub fn of(data: &Path) -> Self {
        Erasures { path: data.join(FILE), known: RwLock::default() }
    }

    /// Reads what somebody else may have written since.
    pub fn refresh(&self) -> Result<(), ErasuresError> {
        if whole_file::look(&self.path)? == self.known.read().unwrap_or_else(PoisonError::into_inner).seen {
            return Ok(());
        }
        let (contents, seen) = self.read()?;
        self.know(contents, seen);
        Ok(())
    }

    /// Notes that a person is to be erased, durably. Where the same was asked for and not begun, that is what is meant.
    pub fn ask(&self, app: &str, user: &str, author: &str, at: &str) -> Result<Erasure, ErasuresError> {
        self.change(|contents| {
            let waits = |erasure: &&Erasure| erasure.app == app && erasure.user == user && erasure.before.is_none();
            if let Some(asked) = contents.erasures.iter().find(waits) {
                return Ok(asked.clone());
            }
            if MOST <= contents.erasures.iter().filter(|erasure| !erasure.is_out_of_log).count() {
                return Err(ErasuresError::TooMany);
            }
            let erasure = Erasure {
                number: contents.next,
                app: app.to_owned(),
                user: user.to_owned(),
                asked_at: at.to_owned(),
                author: author.to_owned(),
                before: None,
                ids: Vec::new(),
                is_out_of_books: false,
                is_out_of_archive: false,
                ended_at: None,
                is_out_of_log: false,
            };
            contents.next += 1;
            contents.erasures.push(erasure.clone());
            Ok(erasure)
        })?
    }

    /// Returns all that are remembered, the oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Erasure> {
        self.contents().erasures.clone()
    }

    /// Returns those of whom the books may hold something, the oldest first.
    #[must_use]
    pub fn in_books(&self) -> Vec<Erasure> {
        self.contents().erasures.iter().filter(|erasure| !erasure.is_out_of_books).cloned().collect()
    }

    /// Returns those whose ids are known, and of whom the archive may hold something.
    #[must_use]
    pub fn in_archive(&self) -> Vec<Erasure> {
        let is_there = |erasure: &&Erasure| !erasure.ids.is_empty() && !erasure.is_out_of_archive;
        self.contents().erasures.iter().filter(is_there).cloned().collect()
    }

    /// Returns whose events are not to be taken.
    #[must_use]
    pub fn erased(&self) -> Arc<Erased> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).erased.clone()
    }

    /// Returns the offset from which on nothing is anybody's who was erased or is to be: what lies before it may be a person's who
    /// is a new one when they come again. `None` while it is not known, since somebody is to be erased whom the engine has not heard of.
    #[must_use]
    pub fn spared_from(&self) -> Option<Offset> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).spared_from
    }

    /// Returns the number of the latest erasure of an app whose ids are known, 0 where there is none: what was read from log and
    /// archive before it may tell of somebody who is not to be known.
    #[must_use]
    pub fn latest(&self, app: &str) -> u64 {
        let contents = self.contents();
        let known = |erasure: &&Erasure| erasure.app == app && (!erasure.ids.is_empty() || erasure.is_out_of_log);
        contents.erasures.iter().filter(known).map(|erasure| erasure.number).max().unwrap_or(0)
    }

    /// Returns how many events of an app were taken out of its archive.
    #[must_use]
    pub fn removed(&self, app: &str) -> u64 {
        self.contents().removed.get(app).copied().unwrap_or(0)
    }

    /// Notes at which offset of the log all stand that were asked for. Nothing from there on may have been counted yet.
    pub fn place(&self, before: Offset) -> Result<(), ErasuresError> {
        self.change(|contents| {
            let waiting = contents.erasures.iter_mut().filter(|erasure| erasure.before.is_none());
            waiting.for_each(|erasure| erasure.before = Some(before.number()));
        })
    }

    /// Brings back those that stand beyond the end of the log: a backup of it ends before.
    pub fn keep_within(&self, end: Offset) -> Result<(), ErasuresError> {
        let is_beyond = |erasure: &Erasure| erasure.before.is_some_and(|before| end.number() < before);
        if !self.contents().erasures.iter().any(is_beyond) {
            return Ok(());
        }
        self.change(|contents| {
            let beyond = contents.erasures.iter_mut().filter(|erasure| is_beyond(erasure));
            beyond.for_each(|erasure| erasure.before = Some(end.number()));
        })
    }

    /// Notes all ids of the person.
    pub fn found(&self, number: u64, ids: Vec<String>) -> Result<(), ErasuresError> {
        self.one(number, |erasure| erasure.ids = ids)
    }

    /// Notes that nothing of the person is in the books any more, durably.
    pub fn is_out_of_books(&self, number: u64, now: &str) -> Result<(), ErasuresError> {
        self.one(number, |erasure| {
            erasure.is_out_of_books = true;
            end(erasure, now);
        })
    }

    /// Notes that the books hold something of the person, as a backup may that was made meanwhile.
    pub fn is_in_books(&self, number: u64) -> Result<(), ErasuresError> {
        self.one(number, |erasure| (erasure.is_out_of_books, erasure.ended_at) = (false, None))
    }

    /// Notes that nothing of these people is in the archive any more.
    pub fn are_out_of_archive(&self, numbers: &[u64], now: &str) -> Result<(), ErasuresError> {
        self.change(|contents| {
            for erasure in contents.erasures.iter_mut().filter(|erasure| numbers.contains(&erasure.number)) {
                erasure.is_out_of_archive = true;
                end(erasure, now);
            }
        })
    }

    /// Notes that so many more events of an app were taken out of its archive.
    pub fn have_removed(&self, app: &str, events: u64) -> Result<(), ErasuresError> {
        self.change(|contents| *contents.removed.entry(app.to_owned()).or_default() += events)
    }

    /// Forgets who it was: the log holds nothing of theirs any more.
    pub fn forget(&self, number: u64) -> Result<(), ErasuresError> {
        self.change(|contents| {
            for erasure in contents.erasures.iter_mut().filter(|erasure| erasure.number == number) {
                erasure.is_out_of_log = true;
                erasure.user.clear();
                erasure.ids.clear();
            }
            let forgotten = contents.erasures.iter().filter(|erasure| erasure.is_out_of_log).count();
            let mut too_many = forgotten.saturating_sub(MOST_FORGOTTEN);
            contents.erasures.retain(|erasure| {
                let goes = erasure.is_out_of_log && 0 < too_many;
                too_many -= usize::from(goes);
                !goes
            });
        })
    }

    fn one(&self, number: u64, change: impl FnOnce(&mut Erasure)) -> Result<(), ErasuresError> {
        self.change(|contents| {
            if let Some(erasure) = contents.erasures.iter_mut().find(|erasure| erasure.number == number) {
                change(erasure);
            }
        })
    }

    /// Changes the file, durably. What is there now decides, not what was read before.
    fn change<T>(&self, change: impl FnOnce(&mut Contents) -> T) -> Result<T, ErasuresError> {
        let lock = whole_file::lock(&self.path)?;
        let (mut contents, _) = self.read()?;
        let done = change(&mut contents);
        let damaged = |error: serde_json::Error| self.damaged(error.to_string());
        let mut bytes = serde_json::to_vec_pretty(&contents).map_err(damaged)?;
        bytes.push(b'\n');
        let seen = whole_file::replace(&self.path, &bytes, MOST_FILE_BYTES)?;
        self.know(contents, Some(seen));
        drop(lock);
        Ok(done)
    }

    fn read(&self) -> Result<(Contents, Option<Seen>), ErasuresError> {
        let Some((bytes, seen)) = whole_file::read(&self.path, MOST_FILE_BYTES)? else {
            return Ok((Contents::default(), None));
        };
        let contents: Contents = serde_json::from_slice(&bytes).map_err(|error| self.damaged(error.to_string()))?;
        if contents.format != FORMAT {
            return Err(self.damaged(format!("format {} is unknown: a later Dwell wrote it", contents.format)));
        }
        Ok((contents, Some(seen)))
    }

    fn damaged(&self, problem: String) -> ErasuresError {
        ErasuresError::Damaged { path: self.path.clone(), problem }
    }

    fn know(&self, contents: Contents, seen: Option<Seen>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Known::of(contents, seen);
    }

    fn contents(&self) -> Arc<Contents> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).contents.clone()
    }
}

fn end(erasure: &mut Erasure, now: &str) {
    if erasure.is_out_of_books && erasure.is_out_of_archive && erasure.ended_at.is_none() {
        erasure.ended_at = Some(now.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-24T08:00:00Z";

    #[test]
    fn what_was_noted_is_known_to_whoever_opens_the_file_next() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (Erasures::of(folder.path()), Erasures::of(folder.path()));
        one.refresh().unwrap();
        assert_eq!((one.all(), one.spared_from()), (vec![], Some(Offset::ZERO)));
        let asked = other.ask("app", "ada", "local:me", NOW).unwrap();
        assert_eq!(one.all(), [], "not before it looks");
        one.refresh().unwrap();
        assert_eq!(one.all(), std::slice::from_ref(&asked));
        assert_eq!(one.ask("app", "ada", "another", NOW).unwrap(), asked, "it waits already");
        assert_eq!((one.spared_from(), other.spared_from()), (None, None), "where it ends is not known yet");
        one.place(Offset::new(7)).unwrap();
        assert_eq!(one.spared_from(), Some(Offset::new(7)));
        assert_eq!(one.ask("app", "ada", "another", NOW).unwrap().number, 2, "what came since is asked for anew");
        assert!(!one.erased().holds("app", "ada", Offset::new(6)), "whose it is is not known yet");
        one.found(1, vec!["ada".to_owned(), "phone".to_owned()]).unwrap();
        let holds = |offset| ["ada", "phone"].map(|id| one.erased().holds("app", id, Offset::new(offset)));
        assert_eq!((holds(6), holds(7)), ([true; 2], [false; 2]));
        assert_eq!((one.latest("app"), one.latest("another")), (1, 0));
    }

    #[test]
    fn it_is_over_when_books_and_archive_say_so_and_forgotten_by_name_with_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let list = Erasures::of(folder.path());
        list.ask("app", "ada", "local:me", NOW).unwrap();
        list.place(Offset::new(7)).unwrap();
        assert_eq!(list.in_archive(), [], "not before it is known whose events these are");
        list.found(1, vec!["ada".to_owned()]).unwrap();
        let state = || list.all()[0].state();
        assert_eq!(state(), "erasing");
        list.are_out_of_archive(&[1], NOW).unwrap();
        assert_eq!((state(), list.in_archive()), ("erasing", vec![]));
        list.is_out_of_books(1, NOW).unwrap();
        assert_eq!((state(), list.in_books()), ("erased", vec![]));
        list.is_in_books(1).unwrap();
        assert_eq!(state(), "erasing", "a backup may know less");
        list.is_out_of_books(1, NOW).unwrap();
        list.forget(1).unwrap();
        let text = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
        assert!(!text.contains("ada"), "{text}");
        assert_eq!((state(), list.latest("app")), ("erased", 1));
        assert!(!list.erased().is_any_of("app"));
    }

    #[test]
    fn a_list_that_knows_of_more_log_than_there_is_does_not_take_what_comes_next() {
        let folder = tempfile::tempdir().unwrap();
        let list = Erasures::of(folder.path());
        list.ask("app", "ada", "local:me", NOW).unwrap();
        list.place(Offset::new(7)).unwrap();
        list.keep_within(Offset::new(9)).unwrap();
        assert_eq!(list.all()[0].before, Some(7));
        list.keep_within(Offset::new(5)).unwrap();
        assert_eq!(list.all()[0].before, Some(5));
    }

    #[test]
    fn what_is_damaged_or_newer_is_refused_and_not_taken_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let list = Erasures::of(folder.path());
        for text in ["{", r#"{"format":2,"next":1,"removed":{},"erasures":[]}"#] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            assert!(matches!(list.refresh(), Err(ErasuresError::Damaged { .. })));
            assert!(matches!(list.ask("app", "ada", "me", NOW), Err(ErasuresError::Damaged { .. })));
            assert_eq!(std::fs::read_to_string(folder.path().join(FILE)).unwrap(), text);
        }
    }
}
