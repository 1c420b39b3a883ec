//! The policies of all apps of a data folder: read, put, and taken back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use dwell_core::event::EventKind;
use dwell_core::policy::Policy;
use dwell_core::time::{Span, Timestamp};

use crate::calendar::written;
use crate::error::VersionError;
use crate::files::Files;
pub use crate::files::{MOST_BYTES, MOST_TEXT_BYTES, MOST_VERSIONS};
use crate::history::{History, Put};
use crate::restating::{Asked, Ended, Restating};
use crate::text::read_single;

/// From how long after its put a version holds at the earliest.
///
/// A running server looks once a second for what commands put. Before any event falls under a new version, all who judge
/// by it must know it: what was judged by another one would stay so until the user comes again.
pub const NOTICE: Span = Span::from_secs(3);

/// The longest note, in characters.
pub const LONGEST_NOTE: usize = 500;

/// A version that somebody wants to put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewVersion<'a> {
    /// What it says, in TOML.
    pub text: &'a str,
    /// Who puts it.
    pub author: &'a str,
    /// Why.
    pub note: &'a str,
    /// From when on it is to hold; `None` is from now on, which is [`NOTICE`] after now.
    pub from: Option<Timestamp>,
    /// The newest version that its author knows; 0 is none. Another put in between is not overwritten.
    pub replaces: u32,
    /// Whether it may hold from a moment that has passed: then the history is to be counted anew.
    pub restates: bool,
}

/// The policies of all apps, as they were when last looked at.
#[derive(Debug, Default)]
pub struct Policies {
    data: PathBuf,
    base: Base,
    known: RwLock<BTreeMap<String, Arc<History>>>,
}

/// What holds for an app before it has a version of its own.
#[derive(Clone, Debug, Default)]
pub struct Base {
    /// The rules.
    pub policy: Policy,
    /// What names of events mean.
    pub words: BTreeMap<String, EventKind>,
}

impl Policies {
    /// Knows where they are; nothing is read yet.
    #[must_use]
    pub fn new(data: &Path, base: Base) -> Self {
        Policies { data: data.to_owned(), base, known: RwLock::default() }
    }

    /// Returns what holds for an app before it has a version of its own.
    #[must_use]
    pub const fn base(&self) -> &Base {
        &self.base
    }

    /// Returns the versions of an app, as they were when last looked at; at the first call they are read.
    pub fn history(&self, app: &str) -> Result<Arc<History>, VersionError> {
        if let Some(history) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(app) {
            return Ok(history.clone());
        }
        let history = read_on(&Files::of(&self.data, app)?, &History::default())?;
        Ok(self.keep(app, history))
    }

    /// Looks whether an app has newer versions, reads them, and says whether there were any.
    ///
    /// Costs one look at one name: meant to be called once a second. Where a newer one cannot be read, those that were read
    /// before stay in force.
    pub fn refresh(&self, app: &str) -> Result<bool, VersionError> {
        let before = self.history(app)?;
        let files = Files::of(&self.data, app)?;
        if !files.has(before.newest() + 1)? {
            return Ok(false);
        }
        self.keep(app, read_on(&files, &before)?);
        Ok(true)
    }

    /// Puts another version of an app's policy, durably, and returns all of them.
    pub fn put(&self, app: &str, new: &NewVersion<'_>, now: Timestamp) -> Result<Arc<History>, VersionError> {
        self.write(app, new, None, now)
    }

    /// Puts the text of an earlier version as the newest one. Nothing is taken out of the history.
    ///
    /// The text of `new` is not looked at.
    pub fn restore(
        &self,
        app: &str,
        number: u32,
        new: &NewVersion<'_>,
        now: Timestamp,
    ) -> Result<Arc<History>, VersionError> {
        let text = self.text(app, number)?;
        self.write(app, &NewVersion { text: &text, ..*new }, Some(number), now)
    }

    /// Returns the text of a version.
    pub fn text(&self, app: &str, number: u32) -> Result<String, VersionError> {
        let newest = self.history(app)?.newest();
        if !(1..=newest).contains(&number) {
            return Err(VersionError::NoVersion { number, newest });
        }
        Ok(Files::of(&self.data, app)?.read(number)?.text)
    }

    /// Asks that an app's history be counted anew under its policy as it is, durably.
    pub fn ask_to_restate(&self, app: &str, author: &str, note: &str, now: Timestamp) -> Result<Asked, VersionError> {
        if LONGEST_NOTE < note.chars().count() || note.chars().any(char::is_control) {
            return Err(VersionError::Note { most: LONGEST_NOTE });
        }
        let files = Files::of(&self.data, app)?;
        let version = files.count()?;
        let asked = Asked { version, at: now, author: author.to_owned(), note: note.to_owned() };
        Restating::change(&files, |restating| restating.ask(asked.clone()))?;
        Ok(asked)
    }

    /// Reads how it stands with the history of an app.
    pub fn restating(&self, app: &str) -> Result<Restating, VersionError> {
        Restating::read(&Files::of(&self.data, app)?)
    }

    /// Notes that from now on some of what was counted anew may have taken the place of what was, durably.
    pub fn takes_over(&self, app: &str) -> Result<(), VersionError> {
        Restating::change(&Files::of(&self.data, app)?, |restating| restating.takes_over = true)
    }

    /// Notes how it ended, durably. What was asked for since then stays to be done.
    pub fn restated(&self, app: &str, ended: Ended) -> Result<(), VersionError> {
        Restating::change(&Files::of(&self.data, app)?, |restating| restating.end(ended))
    }

    fn write(
        &self,
        app: &str,
        new: &NewVersion<'_>,
        restores: Option<u32>,
        now: Timestamp,
    ) -> Result<Arc<History>, VersionError> {
        if MOST_TEXT_BYTES < new.text.len() {
            return Err(VersionError::TooLong { bytes: new.text.len(), most: MOST_TEXT_BYTES });
        }
        if LONGEST_NOTE < new.note.chars().count() || new.note.chars().any(char::is_control) {
            return Err(VersionError::Note { most: LONGEST_NOTE });
        }
        let says = read_single(new.text)?;
        let files = Files::of(&self.data, app)?;
        let lock = files.lock()?;
        // What is there now decides, not what was read before.
        let mut history = read_on(&files, self.history(app)?.as_ref())?;
        let newest = history.newest();
        if new.replaces != newest {
            self.keep(app, history);
            return Err(VersionError::Replaced { replaces: new.replaces, newest });
        }
        if MOST_VERSIONS <= newest || MOST_BYTES <= history.bytes() {
            return Err(VersionError::TooMany { most: MOST_VERSIONS, bytes: MOST_BYTES });
        }
        // A clock that was set back does not bring a version before those that hold already.
        let now = history.puts().iter().map(|put| put.written_at).fold(now, Timestamp::max);
        let earliest = now.plus(NOTICE);
        let effective_from = new.from.unwrap_or(earliest);
        if effective_from < earliest && !new.restates {
            return Err(VersionError::TooEarly { asked: written(effective_from), earliest: written(earliest) });
        }
        let put = Put {
            number: newest + 1,
            written_at: now,
            author: new.author.to_owned(),
            note: new.note.to_owned(),
            effective_from,
            restores,
        };
        if new.restates {
            // Known before the version is: what holds in the past must never stand there without it.
            let asked = Asked { version: put.number, at: now, author: put.author.clone(), note: put.note.clone() };
            Restating::change_locked(&files, |restating| restating.ask(asked))?;
        }
        let bytes = files.write(&put, new.text)?;
        history.add(put, says, bytes);
        let history = self.keep(app, history);
        drop(lock);
        Ok(history)
    }

    /// Remembers the versions of an app, unless newer ones are known by now.
    fn keep(&self, app: &str, history: History) -> Arc<History> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let slot = known.entry(app.to_owned()).or_default();
        if slot.newest() < history.newest() {
            *slot = Arc::new(history);
        }
        slot.clone()
    }
}

/// Reads what came after the versions that are known.
fn read_on(files: &Files, known: &History) -> Result<History, VersionError> {
    let mut history = known.clone();
    for number in known.newest() + 1..=files.count()? {
        let kept = files.read(number)?;
        let says = read_single(&kept.text).map_err(|error| VersionError::Damaged {
            path: files.path(number),
            problem: format!("its text is no policy: {}", error.sentence()),
        })?;
        history.add(kept.put, says, kept.bytes);
    }
    Ok(history)
}
