//! Rows that were refused: where, what stood there, why, and how to mend it.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use dwell_core::excerpt::excerpt;
use dwell_core::id::LONGEST_ID;

use super::moment::TimeUnit;

/// One row that was refused. The rows after it are read all the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// The line on which the row begins, counted from 1; in Parquet the row, counted from 1.
    pub line: u64,
    /// The column at fault, when it was one column.
    pub column: Option<Arc<str>>,
    /// What stood there: at most 80 characters, control characters escaped.
    pub value: String,
    /// Why it was refused.
    pub reason: Reason,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if let Some(column) = &self.column {
            write!(f, "column {column}: ")?;
        }
        write!(f, "{} (here: {:?})", self.reason.says(), Shown(&self.value))
    }
}

/// Already escaped: it only wants its quotes.
struct Shown<'a>(&'a str);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}

/// Why a row was refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// There is no user.
    MissingUser,
    /// The user's id is longer than [`LONGEST_ID`].
    UserTooLong,
    /// The message id is longer than [`LONGEST_ID`].
    MessageIdTooLong,
    /// There is no time.
    MissingTime,
    /// The time is neither a number nor a date and time.
    BadTime,
    /// A number in a column whose sample held only dates and times, so that its unit is not known.
    NumberAmongTexts,
    /// The time is outside the years 1970 to 2200.
    TimeOutOfRange,
    /// The time looks like another unit than that of its column.
    OtherUnit {
        /// What this value looks like.
        looks_like: TimeUnit,
        /// What the column holds.
        column: TimeUnit,
    },
    /// A position or length is not a number of seconds.
    NotANumber,
    /// An object or a list stands where one value belongs.
    Nested,
    /// The line is not JSON.
    BadJson,
    /// The line is JSON, but no object.
    NotAnObject,
    /// The row has another number of fields than the header.
    WrongFieldCount {
        /// How many there are.
        found: u32,
        /// How many the header has.
        expected: u32,
    },
    /// A value is not UTF-8.
    NotUtf8,
    /// The line is longer than the limit.
    LineTooLong,
    /// A quote was opened and never closed.
    UnclosedQuote,
}

impl Reason {
    /// Returns the word for it in metrics and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Reason::MissingUser => "missing_user",
            Reason::UserTooLong => "user_too_long",
            Reason::MessageIdTooLong => "message_id_too_long",
            Reason::MissingTime => "missing_time",
            Reason::BadTime => "bad_time",
            Reason::NumberAmongTexts => "number_among_texts",
            Reason::TimeOutOfRange => "time_out_of_range",
            Reason::OtherUnit { .. } => "other_unit",
            Reason::NotANumber => "not_a_number",
            Reason::Nested => "nested",
            Reason::BadJson => "bad_json",
            Reason::NotAnObject => "not_an_object",
            Reason::WrongFieldCount { .. } => "wrong_field_count",
            Reason::NotUtf8 => "not_utf8",
            Reason::LineTooLong => "line_too_long",
            Reason::UnclosedQuote => "unclosed_quote",
        }
    }

    /// Returns a sentence that says what is wrong and how to mend it.
    #[must_use]
    pub fn says(self) -> String {
        match self {
            Reason::MissingUser => "there is no user; name another column with --user if this is not the one".into(),
            Reason::UserTooLong => format!("the user is longer than {LONGEST_ID} bytes; is --user the right column?"),
            Reason::MessageIdTooLong => {
                format!("the message id is longer than {LONGEST_ID} bytes; is --message-id the right column?")
            }
            Reason::MissingTime => "there is no time; name another column with --time if this is not the one".into(),
            Reason::BadTime => {
                "this is no time: wanted is a number since 1970 or ISO 8601, as in 2024-01-05T10:00:00Z".into()
            }
            Reason::NumberAmongTexts => "a number in a column of dates and times; say its unit with --time-unit".into(),
            Reason::TimeOutOfRange => "the time is outside the years 1970 to 2200".into(),
            Reason::OtherUnit { looks_like, column } => format!(
                "looks like {} in a column of {}; say --time-unit if all of the column is one unit",
                looks_like.word(),
                column.word()
            ),
            Reason::NotANumber => "this is no number of seconds from 0 on".into(),
            Reason::Nested => "an object or a list stands where one value belongs".into(),
            Reason::BadJson => "the line is not JSON; was it cut?".into(),
            Reason::NotAnObject => "the line is JSON but no object; wanted is one object per line".into(),
            Reason::WrongFieldCount { found, expected } => {
                format!("the row has {found} fields and the header {expected}; quote fields that hold the delimiter")
            }
            Reason::NotUtf8 => "the value is not UTF-8; convert the file, as with iconv -t utf-8".into(),
            Reason::LineTooLong => "the line is longer than the limit; raise it with --line-limit".into(),
            Reason::UnclosedQuote => "a quote is opened and never closed; write a quote inside quotes twice".into(),
        }
    }
}

/// Who is told of refused rows: counts them, keeps the first few, writes them down, or stops the reading.
pub trait RejectionSink {
    /// Takes one refused row. `Break` stops the reading with [`super::ReadError::Stopped`].
    fn reject(&mut self, rejection: Rejection) -> ControlFlow<()>;
}

impl<F: FnMut(Rejection) -> ControlFlow<()>> RejectionSink for F {
    fn reject(&mut self, rejection: Rejection) -> ControlFlow<()> {
        self(rejection)
    }
}

impl RejectionSink for Vec<Rejection> {
    fn reject(&mut self, rejection: Rejection) -> ControlFlow<()> {
        self.push(rejection);
        ControlFlow::Continue(())
    }
}

/// Why a row cannot be an event, before anyone has said where it stood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    /// The column at fault.
    pub role: Option<super::columns::Role>,
    /// What stood there, ready to be shown.
    pub value: String,
    /// Why.
    pub reason: Reason,
}

impl Refusal {
    /// Refuses a row because of one value.
    #[cold]
    pub fn of(role: super::columns::Role, value: &[u8], reason: Reason) -> Self {
        Refusal { role: Some(role), value: excerpt(value), reason }
    }

    /// Refuses a row as a whole.
    #[cold]
    pub fn whole(row: &[u8], reason: Reason) -> Self {
        Refusal { role: None, value: excerpt(row), reason }
    }
}
