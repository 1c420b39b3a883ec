//! The one place that asks the machine what time it is. Everything below is told.

use std::time::SystemTime;

use dwell_core::time::Timestamp;

/// Returns the moment that the machine's clock shows, right or wrong.
#[expect(clippy::disallowed_methods, reason = "time has to come in somewhere: here, and nowhere else")]
pub fn now() -> Timestamp {
    let micros = |span: std::time::Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(before) => -micros(before.duration()),
    })
}
