//! What came of a letter.

use bytes::Bytes;
use dwell_core::time::{Span, Timestamp};

/// What came of a letter, as metrics count it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// The receiver took it: a status from 200 to 299.
    Delivered,
    /// The receiver wants nothing any more: 410.
    Gone,
    /// The receiver has no time now: 429, 503 and their like.
    Throttled,
    /// The receiver does not want this one: 400, 413, 422 and their like.
    Refused,
    /// The receiver failed, or is not what it should be: every other status.
    Failed,
    /// The receiver sent us elsewhere, where we never go.
    Redirected,
    /// The receiver took too long.
    TimedOut,
    /// The receiver could not be reached, or spoke neither TLS nor HTTP as it should.
    Unreachable,
    /// The receiver lies where we may not connect to.
    Forbidden,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 9] = [
        Kind::Delivered,
        Kind::Gone,
        Kind::Throttled,
        Kind::Refused,
        Kind::Failed,
        Kind::Redirected,
        Kind::TimedOut,
        Kind::Unreachable,
        Kind::Forbidden,
    ];

    /// Returns its word in metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Delivered => "delivered",
            Kind::Gone => "gone",
            Kind::Throttled => "throttled",
            Kind::Refused => "refused",
            Kind::Failed => "failed",
            Kind::Redirected => "redirected",
            Kind::TimedOut => "timed_out",
            Kind::Unreachable => "unreachable",
            Kind::Forbidden => "forbidden",
        }
    }

    /// Says what a status means.
    #[must_use]
    pub const fn of(status: u16) -> Self {
        match status {
            200..=299 => Kind::Delivered,
            300..=399 => Kind::Redirected,
            410 => Kind::Gone,
            408 | 425 | 429 | 502..=504 => Kind::Throttled,
            // Who may not come in, or finds nobody, would fare the same with the next letter.
            401 | 403 | 404 | 407 => Kind::Failed,
            400..=499 => Kind::Refused,
            _ => Kind::Failed,
        }
    }
}

/// When a receiver asks us to come again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RetryAfter {
    /// After so long.
    In(Span),
    /// Not before a moment.
    At(Timestamp),
}

impl RetryAfter {
    /// Reads the header; `None` for what is neither a number of seconds nor a date of HTTP.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(seconds) = text.parse::<u32>() {
            return Some(RetryAfter::In(Span::from_secs(seconds)));
        }
        let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
        Some(RetryAfter::At(Timestamp::from_micros(i64::try_from(since.as_micros()).ok()?)))
    }

    /// Returns how long that is from now.
    #[must_use]
    pub fn from(self, now: Timestamp) -> Span {
        match self {
            RetryAfter::In(span) => span,
            RetryAfter::At(at) if now < at => at.since(now),
            RetryAfter::At(_) => Span::ZERO,
        }
    }
}

/// What came of a letter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// In one word.
    pub kind: Kind,
    /// In a sentence, for people.
    pub says: String,
    /// When the receiver asks us to come again.
    pub retry_after: Option<RetryAfter>,
    /// The beginning of what the receiver said.
    pub body: Bytes,
}

impl Answer {
    /// An answer that nobody gave.
    #[must_use]
    pub fn none(kind: Kind, says: impl Into<String>) -> Self {
        Answer { kind, says: says.into(), retry_after: None, body: Bytes::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_means_one_thing() {
        for (status, kind) in [
            (200, Kind::Delivered),
            (204, Kind::Delivered),
            (299, Kind::Delivered),
            (301, Kind::Redirected),
            (307, Kind::Redirected),
            (400, Kind::Refused),
            (401, Kind::Failed),
            (404, Kind::Failed),
            (409, Kind::Refused),
            (410, Kind::Gone),
            (422, Kind::Refused),
            (429, Kind::Throttled),
            (500, Kind::Failed),
            (503, Kind::Throttled),
            (599, Kind::Failed),
            (100, Kind::Failed),
            (999, Kind::Failed),
        ] {
            assert_eq!(Kind::of(status), kind, "{status}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_nothing_else() {
        let now = Timestamp::from_micros(1_767_600_000_000_000);
        let wait = |text| RetryAfter::parse(text).map(|after| after.from(now).as_micros() / 1_000_000);
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Mon, 05 Jan 2026 08:01:00 GMT", Some(60)),
            ("Mon, 05 Jan 2026 07:00:00 GMT", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(wait(text), seconds, "{text:?}");
        }
    }
}
