//! What was asked for of an app's history: that it be counted anew under the policy as it is now, the past included.
//!
//! `policies/APP_ID/restating.json` in the data folder says so from before the answer to whoever asked until all of it is
//! done, so that it is known after every crash. Who counts is not known here.

use std::fs::File;
use std::io::{ErrorKind, Read};

use dwell_core::time::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::calendar::{moment, written};
use crate::error::VersionError;
use crate::files::Files;

/// So many of the latest that have ended are remembered.
const MOST_ENDED: usize = 100;

/// The largest file that is read, in bytes.
const MOST_FILE_BYTES: u64 = 1 << 20;

/// How the file is laid out. There is one way so far.
const FORMAT: u32 = 1;

/// That a history be restated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The newest version that is to hold in it; 0 where there is none.
    pub version: u32,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub author: String,
    /// Why; may be empty.
    pub note: String,
}

/// What has ended, well or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// What was asked for.
    pub asked: Asked,
    /// When it ended.
    pub at: Timestamp,
    /// Why it could not be done; then the history is as it was.
    pub failed: Option<String>,
}

/// How it stands with the history of an app.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restating {
    /// What is to be done, or is being done.
    pub asked: Option<Asked>,
    /// Some of it may have taken the place of what was: it must be brought to its end before anything else is counted.
    pub takes_over: bool,
    /// The latest that have ended, the earliest first.
    pub ended: Vec<Ended>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    format: u32,
    asked: Option<AskedText>,
    takes_over: bool,
    ended: Vec<EndedText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedText {
    version: u32,
    at: String,
    author: String,
    note: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndedText {
    asked: AskedText,
    at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

impl Restating {
    /// Reads how it stands; nothing was ever asked for where there is no file.
    pub(crate) fn read(files: &Files) -> Result<Self, VersionError> {
        let path = files.restating();
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Restating::default()),
            file => file.map_err(|source| VersionError::Io { doing: "open", path: path.clone(), source })?,
        };
        let mut bytes = Vec::new();
        let read = file.take(MOST_FILE_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|source| VersionError::Io { doing: "read", path: path.clone(), source })?;
        let damaged = |problem: String| VersionError::Damaged { path: path.clone(), problem };
        if MOST_FILE_BYTES < bytes.len() as u64 {
            return Err(damaged(format!("it has more than {MOST_FILE_BYTES} bytes")));
        }
        let contents: Contents = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if contents.format != FORMAT {
            return Err(damaged(format!("format {} is unknown: a later Dwell wrote it", contents.format)));
        }
        let ended = |text: EndedText| {
            Ok(Ended { asked: text.asked.read()?, at: moment(&text.at, &TimeZone::UTC)?, failed: text.failed })
        };
        Ok(Restating {
            asked: contents.asked.map(AskedText::read).transpose().map_err(damaged)?,
            takes_over: contents.takes_over,
            ended: contents.ended.into_iter().map(ended).collect::<Result<_, String>>().map_err(damaged)?,
        })
    }

    /// Changes how it stands, durably. Nobody else does so meanwhile.
    pub(crate) fn change(files: &Files, change: impl FnOnce(&mut Self)) -> Result<(), VersionError> {
        let lock = files.lock()?;
        let written = Restating::change_locked(files, change);
        drop(lock);
        written
    }

    /// The same, where the lock is held already.
    pub(crate) fn change_locked(files: &Files, change: impl FnOnce(&mut Self)) -> Result<(), VersionError> {
        let mut restating = Restating::read(files)?;
        change(&mut restating);
        let first = restating.ended.len().saturating_sub(MOST_ENDED);
        let ended = restating.ended.drain(..).skip(first).map(|ended| EndedText {
            asked: AskedText::of(ended.asked),
            at: written(ended.at),
            failed: ended.failed,
        });
        let contents = Contents {
            format: FORMAT,
            takes_over: restating.takes_over,
            ended: ended.collect(),
            asked: restating.asked.map(AskedText::of),
        };
        files.write_restating(&contents)
    }

    /// Notes that it was asked for, in place of what was asked for before.
    pub(crate) fn ask(&mut self, asked: Asked) {
        self.asked = Some(asked);
    }

    /// Notes how it ended, unless something else was asked for since then.
    pub(crate) fn end(&mut self, ended: Ended) {
        if self.asked.as_ref() == Some(&ended.asked) {
            self.asked = None;
        }
        self.takes_over = false;
        self.ended.push(ended);
    }
}

impl AskedText {
    fn of(asked: Asked) -> Self {
        let Asked { version, at, author, note } = asked;
        AskedText { version, at: written(at), author, note }
    }

    fn read(self) -> Result<Asked, String> {
        let AskedText { version, at, author, note } = self;
        Ok(Asked { version, at: moment(&at, &TimeZone::UTC)?, author, note })
    }
}
