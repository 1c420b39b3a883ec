//! What others are told about sessions, in order and numbered.

use dwell_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::book::VERSION;
use crate::row::SessionRow;
use crate::turn::written;

/// What every statement in the books begins with. Before version 6 they began with the length of an id, which no id has, or
/// where it was none with what was told, which no version is: none of those can be taken for one of these.
const MARK: u8 = 0;

/// One line of an app's session feed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// When it was made: when the last event came in that its turn read, or when the bell rang. Numbers are in order, moments
    /// need not be.
    pub at: Timestamp,
    /// Whose session it is; empty where that is not to be known any more.
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
    /// The person of this id was erased, and whoever keeps anything of them is to do the same.
    UserErased,
    /// What was told here was of somebody who was erased. It has no user.
    Erased,
}

/// A statement as it lies in the books, behind its mark and its version.
#[derive(Serialize, Deserialize)]
struct Line<U, N> {
    at: i64,
    user: U,
    news: N,
}

/// Returns the bytes of a statement.
pub(crate) fn statement_bytes(at: Timestamp, user: &str, news: &News) -> Vec<u8> {
    written(&(MARK, VERSION, Line { at: at.as_micros(), user, news }))
}

impl Statement {
    /// Reads a statement; says why when that cannot be done.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let [MARK, version, line @ ..] = bytes else {
            return Err(format!(
                "a statement was written before version {VERSION}, which is the one this program knows"
            ));
        };
        if *version != VERSION {
            return Err(format!("a statement has version {version}, and this program knows {VERSION}"));
        }
        let Line { at, user, news } = postcard::from_bytes(line).map_err(|error| error.to_string())?;
        Ok(Statement { at: Timestamp::from_micros(at), user, news })
    }
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
            News::UserErased => "user.erased",
            News::Erased => "session.erased",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A statement as it lay in the books of version 5: nothing before it, and no moment.
    #[derive(Serialize)]
    struct InVersion5<'a> {
        user: &'a str,
        news: &'a News,
    }

    #[test]
    fn a_statement_is_read_as_it_was_written() {
        let (at, news) = (Timestamp::from_micros(-7), News::Started(5));
        let bytes = statement_bytes(at, "ada", &news);
        assert_eq!(Statement::read(&bytes), Ok(Statement { at, user: "ada".to_owned(), news }));
    }

    #[test]
    fn what_another_version_wrote_is_refused() {
        let mut bytes = statement_bytes(Timestamp::MIN, "ada", &News::Started(5));
        bytes[1] += 1;
        let wanted = format!("a statement has version {}, and this program knows {VERSION}", VERSION + 1);
        assert_eq!(Statement::read(&bytes).unwrap_err(), wanted);
        assert!(Statement::read(&[]).is_err());
    }

    #[test]
    fn a_statement_without_its_moment_is_refused_and_not_misread() {
        // By hand: the length of the id, the id, and what is told. An id like this would be a moment, an id of one letter
        // and a session that began, were it read as it lies.
        let crafted = "\u{1}a\0";
        let by_hand = [&[3][..], crafted.as_bytes(), &[0, 10]].concat();
        assert_eq!(written(&InVersion5 { user: crafted, news: &News::Started(5) }), by_hand);
        let as_it_lies: Line<String, News> = postcard::take_from_bytes(&by_hand).unwrap().0;
        assert_eq!((as_it_lies.user.as_str(), as_it_lies.news), ("a", News::Started(0)));
        assert!(Statement::read(&by_hand).unwrap_err().contains("before version"));
    }

    proptest! {
        #[test]
        fn no_statement_of_version_5_is_read(user in "\\PC{0,3}|[\0-\u{10}a]{0,9}", started in any::<i64>(), id in "\\PC{0,9}", which in 0..2) {
            let news = if which == 0 { News::Started(started) } else { News::Retracted(id) };
            let bytes = written(&InVersion5 { user: &user, news: &news });
            prop_assert!(Statement::read(&bytes).is_err(), "{:?}", bytes);
        }
    }
}
