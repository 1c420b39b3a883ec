//! What was refused: where, what stood there, why, and how to mend it.

use std::fmt;

use dwell_core::excerpt::excerpt;
use dwell_core::id::LONGEST_ID;

use crate::envelope::EnvelopeError;

/// One message that was refused, or a body of which nothing can be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// Which message of the batch, counted from 0; `None` when the body as a whole was refused.
    pub index: Option<u32>,
    /// The field at fault, when it was one.
    pub field: Option<&'static str>,
    /// What stood there: at most 80 characters, control characters escaped. Empty when there is nothing to show.
    pub value: String,
    /// Why it was refused.
    pub reason: Reason,
}

impl Rejection {
    /// Refuses a body as a whole.
    #[must_use]
    pub fn of_body(reason: Reason) -> Self {
        Rejection { index: None, field: None, value: String::new(), reason }
    }
}

/// A sentence for whoever sent it.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "message {index}: ")?,
            None => f.write_str("the body: ")?,
        }
        if let Some(field) = self.field {
            write!(f, "{field}: ")?;
        }
        self.reason.fmt(f)?;
        if self.value.is_empty() { Ok(()) } else { write!(f, " (here: `{}`)", self.value) }
    }
}

/// Why something was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Reason {
    /// What is wrapped around the body cannot be taken off.
    #[error("{0}")]
    Envelope(EnvelopeError),
    /// The body is larger than the limit.
    #[error("{found} bytes are more than the {most} that a batch may have; send fewer messages at once")]
    BatchTooLarge {
        /// How many bytes there are at least.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// The body holds more messages than the limit.
    #[error("more than {most} messages in one batch; send fewer at once")]
    TooManyEvents {
        /// How many there may be.
        most: usize,
    },
    /// The body is an object without a list of messages.
    #[error("there is no list `batch`; a single message goes to the path of its type, as in /v1/track")]
    MissingBatch,
    /// The message is larger than the limit.
    #[error("{found} bytes are more than the {most} that a message may have; send less with it")]
    EventTooLarge {
        /// How many bytes there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// Objects and lists lie in each other too deep.
    #[error("objects and lists lie {found} deep, and {most} is the limit; flatten the message")]
    TooDeep {
        /// How deep they lie.
        found: u32,
        /// How deep they may lie.
        most: u32,
    },
    /// It is not UTF-8.
    #[error("byte {at} is no UTF-8; send JSON as UTF-8")]
    NotUtf8 {
        /// The first byte that is not, counted from 0 at the beginning of the message.
        at: usize,
    },
    /// It is not JSON.
    #[error("not JSON from byte {at} on; was it cut, or does it hold NaN, Infinity or undefined?")]
    BadJson {
        /// Where, counted from 0 at the beginning of the message, or of the body.
        at: usize,
    },
    /// It is JSON, but no object.
    #[error("a message is an object, and this is none")]
    NotAnObject,
    /// A message of a batch does not say what it is.
    #[error("the message has no type; wanted is one of identify, track, page, screen, group, alias")]
    MissingType,
    /// A message of a batch says that it is something else.
    #[error("this is no type of message; wanted is one of identify, track, page, screen, group, alias")]
    UnknownType,
    /// There is no user.
    #[error("there is no user; send userId or anonymousId")]
    MissingUser,
    /// An alias does not say whose.
    #[error("an alias says which id it was before; send previousId")]
    MissingPreviousId,
    /// An id of a person is too long.
    #[error("the id is longer than {} bytes; is it the right value?", LONGEST_ID)]
    UserTooLong,
    /// The message id is too long.
    #[error("the message id is longer than {} bytes; is it the right value?", LONGEST_ID)]
    MessageIdTooLong,
    /// It is no time.
    #[error("this is no time; send ISO 8601, as in 2024-01-05T10:00:00.000Z, or milliseconds since 1970")]
    BadTime,
    /// The time is out of all reason.
    #[error("the time is outside the years 1970 to 2200; is the clock of the device right?")]
    TimeOutOfRange,
    /// A number that is no number of milliseconds.
    #[error("the number looks like {looks_like} since 1970; send milliseconds or ISO 8601")]
    OtherUnit {
        /// What it looks like.
        looks_like: &'static str,
    },
    /// A position or length is not a number of seconds.
    #[error("this is no number of seconds from 0 on")]
    NotANumber,
    /// An object or a list stands where one value belongs.
    #[error("an object or a list stands where one value belongs")]
    Nested,
}

impl Reason {
    /// Returns the word for it in metrics and answers. It does not change between versions.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Reason::Envelope(error) => error.word(),
            Reason::BatchTooLarge { .. } => "batch_too_large",
            Reason::TooManyEvents { .. } => "too_many_events",
            Reason::MissingBatch => "missing_batch",
            Reason::EventTooLarge { .. } => "event_too_large",
            Reason::TooDeep { .. } => "too_deep",
            Reason::NotUtf8 { .. } => "not_utf8",
            Reason::BadJson { .. } => "bad_json",
            Reason::NotAnObject => "not_an_object",
            Reason::MissingType => "missing_type",
            Reason::UnknownType => "unknown_type",
            Reason::MissingUser => "missing_user",
            Reason::MissingPreviousId => "missing_previous_id",
            Reason::UserTooLong => "user_too_long",
            Reason::MessageIdTooLong => "message_id_too_long",
            Reason::BadTime => "bad_time",
            Reason::TimeOutOfRange => "time_out_of_range",
            Reason::OtherUnit { .. } => "other_unit",
            Reason::NotANumber => "not_a_number",
            Reason::Nested => "nested",
        }
    }
}

/// Why a message cannot be an event, before anyone has said which message it was.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub field: Option<&'static str>,
    pub value: String,
    pub reason: Reason,
}

impl Refusal {
    /// Refuses a message because of one field.
    #[cold]
    pub fn of(field: &'static str, value: &str, reason: Reason) -> Self {
        Refusal { field: Some(field), value: excerpt(value.as_bytes()), reason }
    }

    /// Refuses a message as a whole.
    #[cold]
    pub fn whole(message: &[u8], reason: Reason) -> Self {
        Refusal { field: None, value: excerpt(message), reason }
    }

    pub fn at(self, index: u32) -> Rejection {
        Rejection { index: Some(index), field: self.field, value: self.value, reason: self.reason }
    }
}
