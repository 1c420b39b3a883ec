//! What others are told about sessions, in order and numbered.

use serde::{Deserialize, Serialize};

use crate::row::SessionRow;

/// One line of an app's session feed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Statement {
    /// Whose session it is.
    pub user: String,
    /// What is told.
    pub news: News,
}

/// What is told about a session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum News {
    /// It began: the first activity, microseconds since 1970 in UTC.
    Started(i64),
    /// It ended.
    Ended(SessionRow),
    /// It had been told otherwise, and is now so.
    Amended(SessionRow),
    /// It was told, and is not so: its name.
    Retracted(String),
}

impl News {
    /// Returns the word for it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            News::Started(_) => "session.started",
            News::Ended(_) => "session.ended",
            News::Amended(_) => "session.amended",
            News::Retracted(_) => "session.retracted",
        }
    }
}
