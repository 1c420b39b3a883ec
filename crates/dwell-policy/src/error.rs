//! What can be wrong with a policy, and with keeping one.

use std::path::PathBuf;

/// What is wrong with a text that should be a policy.
#[derive(thiserror::Error, Debug)]
pub enum PolicyError {
    /// It is no TOML, or a value is of another sort than it should be.
    #[error("{0}")]
    Toml(Box<toml::de::Error>, Option<usize>),
    /// The same of JSON.
    #[error("{0}")]
    Json(serde_json::Error),
    /// A rule says what no rule can say.
    #[error("{problem}")]
    Rule {
        /// In which line, counted from 1, if the text has lines.
        line: Option<usize>,
        /// What is wrong, with its key and how to mend it.
        problem: String,
    },
}

impl PolicyError {
    /// Returns the line in which it is, counted from 1, if that is known.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        match self {
            PolicyError::Toml(_, line) | PolicyError::Rule { line, .. } => *line,
            PolicyError::Json(_) => None,
        }
    }

    /// Says on one line what is wrong, and where.
    #[must_use]
    pub fn sentence(&self) -> String {
        let problem = match self {
            PolicyError::Toml(error, _) => error.message().to_owned(),
            PolicyError::Json(_) | PolicyError::Rule { .. } => self.to_string(),
        };
        match self.line() {
            Some(line) => format!("line {line}: {problem}"),
            None => problem,
        }
    }
}

/// Why a version was not put, or cannot be had.
///
/// Nothing was changed, but for one case: when the folder cannot be synced, the new version is in its place, and nobody knows
/// whether it will be after a power cut.
#[derive(thiserror::Error, Debug)]
pub enum VersionError {
    /// The machine refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is not what we write.
    #[error("{}: {problem}; put back a copy of the file from a backup: until then the versions that were read before hold", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Somebody else is putting a version, and does not finish.
    #[error("{} is held by another put; try again when it is done", path.display())]
    Busy {
        /// The file by which puts wait for each other.
        path: PathBuf,
    },
    /// The text is no policy.
    #[error("{}", .0.sentence())]
    Policy(#[from] PolicyError),
    /// Another version is the newest than the one that was to be replaced.
    #[error(
        "the newest version is {newest}, and not {replaces}, which was to be replaced: look at it, take over what it says, and name it"
    )]
    Replaced {
        /// Which one was to be replaced.
        replaces: u32,
        /// Which one is the newest; 0 is none.
        newest: u32,
    },
    /// There is no such version.
    #[error("there is no version {number}: the newest one is {newest}")]
    NoVersion {
        /// Which was asked for.
        number: u32,
        /// Which one is the newest; 0 is none.
        newest: u32,
    },
    /// It would hold before now.
    #[error(
        "a version holds from {earliest} on at the earliest, not from {asked}: what was counted stays as it was, unless the history is restated with it. Leave the date out, and it holds from now on"
    )]
    TooEarly {
        /// From when on it should hold.
        asked: String,
        /// From when on it can.
        earliest: String,
    },
    /// A note that is too long, or that cannot be shown.
    #[error("a note has at most {most} characters, and none that cannot be seen")]
    Note {
        /// How many characters it may have.
        most: usize,
    },
    /// The text is too long.
    #[error("a policy may have at most {most} bytes, not {bytes}")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// There are too many versions.
    #[error("the app has {most} versions already, or {bytes} bytes of them, which is the most that is kept")]
    TooMany {
        /// How many there may be.
        most: u32,
        /// How large all of them may be together.
        bytes: u64,
    },
    /// What is said to be the id of an app is none.
    #[error("{app:?} is no id of an app")]
    NoApp {
        /// What was said.
        app: String,
    },
}
