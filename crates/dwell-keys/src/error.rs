//! What can go wrong with apps and keys.

use std::path::PathBuf;

use crate::key::{KeyState, Label};
use crate::whole_file::FileError;

/// Why apps and keys could not be read or changed.
///
/// The file is as it was before, but for one case: when the folder cannot be synced, the new file is in its place, and
/// nobody knows whether it will be after a power cut.
#[derive(thiserror::Error, Debug)]
pub enum RegistryError {
    /// The file could not be read or replaced.
    #[error("{error}{}", hint(error))]
    File {
        /// Why.
        error: FileError,
    },
    /// The file is not what we write.
    #[error(
        "{}:{line}: {problem}; nothing was changed: mend it there, or put back a copy of the file from a backup",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where in it, counted from 1; for a whole app or key, its last line.
        line: usize,
        /// What stands there.
        problem: String,
    },
    /// The file was there, and is not any more.
    #[error("{} is gone; put it back: until then the apps and keys that were read before hold", path.display())]
    Gone {
        /// Which file.
        path: PathBuf,
    },
    /// An app of that name is there.
    #[error("there is an app {name:?} already: {id}")]
    AppThere {
        /// The name that it has.
        name: String,
        /// Its id.
        id: String,
    },
    /// No app has that name or id.
    #[error("there is no app {asked:?}; `dwell apps list` shows all")]
    NoApp {
        /// What was asked for.
        asked: String,
    },
    /// No key has that label.
    #[error("there is no key {label}; `dwell keys list` shows all")]
    NoKey {
        /// What was asked for.
        label: Label,
    },
    /// The key opens nothing any more.
    #[error("the key {label} is {} already", state.word())]
    KeyIsOver {
        /// Which key.
        label: Label,
        /// Why it opens nothing.
        state: KeyState,
    },
    /// The key was rotated before.
    #[error("the key {label} was replaced by {by} already")]
    KeyIsReplaced {
        /// Which key.
        label: Label,
        /// The key in its place.
        by: Label,
    },
    /// There is to be one admin key.
    #[error("there is an admin key already: rotate it with `dwell keys rotate {label}`")]
    AdminThere {
        /// The key that is there.
        label: Label,
    },
    /// A secret key that is for nothing.
    #[error("a secret key needs a scope: read, write_policy or admin_app")]
    NoScope,
    /// An app explains more names than anybody looks through.
    #[error("the app explains {most} names of events already, which is the most")]
    TooManyWords {
        /// How many it may explain.
        most: usize,
    },
    /// The machine has no randomness.
    #[error("the machine gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

/// Why accounts could not be read or changed. For the file, the same holds as for apps and keys.
#[derive(thiserror::Error, Debug)]
pub enum AccountError {
    /// The file could not be read or replaced.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what we write.
    #[error("{}:{line}: {problem}; nothing was changed: mend it there, or put back a copy of the file from a backup", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where in it, counted from 1.
        line: usize,
        /// What stands there.
        problem: String,
    },
    /// The file was there, and is not any more.
    #[error("{} is gone; put it back: until then the accounts that were read before hold", path.display())]
    Gone {
        /// Which file.
        path: PathBuf,
    },
    /// Somebody has that name.
    #[error("there is an account {name:?} already")]
    AccountThere {
        /// The name that they have.
        name: String,
    },
    /// Nobody has that name.
    #[error("there is no account {asked:?}; `dwell accounts list` shows all")]
    NoAccount {
        /// What was asked for.
        asked: String,
    },
    /// More accounts than are looked after.
    #[error("there are {most} accounts already, which is the most")]
    TooMany {
        /// How many there may be.
        most: usize,
    },
}

impl From<FileError> for RegistryError {
    fn from(error: FileError) -> Self {
        RegistryError::File { error }
    }
}

/// Says how to mend what can be mended here.
fn hint(error: &FileError) -> &'static str {
    match error {
        FileError::TooLarge { .. } => ": delete keys that were revoked long ago",
        FileError::Io { .. } | FileError::Busy { .. } => "",
    }
}
