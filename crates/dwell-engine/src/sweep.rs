//! The feed does not grow for ever: what is old is dropped from its beginning, a piece at a time, between the turns.
//!
//! A piece is one commit: the statements go, and the number with which the feed begins is another, at once. So whoever breaks
//! off anywhere finds a feed without gaps, from its first number to its last.

use dwell_core::time::Timestamp;
use dwell_store::{Books, Changes};

use crate::error::EngineError;
use crate::keys;
use crate::statement::Statement;
use crate::turn::{read, written};

/// What of an app's feed may be dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sweep {
    /// What was made before this moment is dropped where nobody waits for it.
    pub old: Timestamp,
    /// The first number for which somebody waits.
    pub needed: u64,
    /// What was made before this moment is dropped whoever waits for it.
    pub too_old: Timestamp,
}

/// What was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Swept {
    /// How many statements.
    pub dropped: u64,
    /// With which number the feed begins now.
    pub first: u64,
    /// Whether there may be more to drop.
    pub goes_on: bool,
}

impl Sweep {
    /// Says whether a statement may go.
    fn takes(&self, number: u64, statement: &Statement) -> bool {
        statement.at < self.too_old || (statement.at < self.old && number < self.needed)
    }
}

/// Returns the number with which an app's feed begins.
pub(crate) fn first(books: &dyn Books, app: &str) -> Result<u64, EngineError> {
    let value = books.load(&[&keys::feed_first(app)])?.pop().flatten();
    Ok(value.map(|bytes| read(app, "where its feed begins", &bytes)).transpose()?.unwrap_or(0))
}

/// Returns at most so many statements of an app's feed from a number on, each with its number.
pub(crate) fn page(books: &dyn Books, app: &str, from: u64, most: usize) -> Result<Vec<(u64, Statement)>, EngineError> {
    let before = from.checked_sub(1).map(|number| keys::statement(app, number));
    let found = books.scan(&keys::feed(app), before.as_deref(), most)?;
    let number = |key: &[u8]| key.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let bad = |cause| EngineError::BadBook { app: app.to_owned(), what: "its feed".to_owned(), cause };
    found.iter().map(|(key, bytes)| Ok((number(key), Statement::read(bytes).map_err(bad)?))).collect()
}

/// Returns what to commit so that at most so many statements are dropped, and how many that is.
///
/// Nothing is dropped behind a statement that stays, so that there is never a gap.
pub(crate) fn sweep(books: &dyn Books, app: &str, sweep: Sweep, most: usize) -> Result<(Changes, Swept), EngineError> {
    let begin = first(books, app)?;
    let mut changes = Changes::up_to(books.offset());
    let mut first = begin;
    // Most of the time nothing may go, and one look tells.
    let looked = page(books, app, begin, 1)?;
    let goes = |(number, statement): &&(u64, Statement)| sweep.takes(*number, statement);
    if looked.first().as_ref().is_some_and(goes) {
        for (number, _) in page(books, app, begin, most)?.iter().take_while(goes) {
            changes.delete(keys::statement(app, *number));
            first = number + 1;
        }
        changes.put(keys::feed_first(app), written(&first));
    }
    let dropped = first - begin;
    Ok((changes, Swept { dropped, first, goes_on: 0 < dropped && most as u64 <= dropped }))
}
