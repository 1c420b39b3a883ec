//! The one place that asks the machine what time it is. Everything below is told.

use std::time::{Instant, SystemTime};

use dwell_core::time::{Span, Timestamp};

/// Returns the moment that the machine's clock shows, right or wrong.
#[expect(clippy::disallowed_methods, reason = "time has to come in somewhere: here, and nowhere else")]
pub fn now() -> Timestamp {
    let micros = |span: std::time::Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(before) => -micros(before.duration()),
    })
}

/// Returns a moment of the machine's steady clock, for measuring how long something takes.
#[expect(clippy::disallowed_methods, reason = "time has to come in somewhere: here, and nowhere else")]
pub fn steady() -> Instant {
    Instant::now()
}

/// A clock that goes on at the pace of the machine's steady one from what the machine's calendar said at the start.
///
/// Somebody may set the calendar back or ahead by hours: nobody's session must end of that.
#[derive(Clone, Copy, Debug)]
pub struct SteadyClock {
    began: Timestamp,
    since: Instant,
}

impl SteadyClock {
    /// Takes the time from the calendar.
    pub fn start() -> Self {
        SteadyClock { began: now(), since: steady() }
    }

    /// Returns what time it is, never earlier than before.
    pub fn now(self) -> Timestamp {
        self.began.plus(Span::from_micros(i64::try_from(self.since.elapsed().as_micros()).unwrap_or(i64::MAX)))
    }

    /// Returns by how many microseconds the calendar is ahead by now; less than nothing when it is behind.
    pub fn off_by(self) -> i64 {
        now().as_micros().saturating_sub(self.now().as_micros())
    }
}
