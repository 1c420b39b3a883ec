//! Moments as files write them: RFC 3339 in UTC, to the microsecond.

use dwell_core::time::Timestamp;

/// Writes a moment. What lies beyond the years of the calendar becomes the last moment of them, or the first.
#[must_use]
pub fn write(moment: Timestamp) -> String {
    let micros = moment.as_micros();
    let beyond = if micros < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_microsecond(micros).unwrap_or(beyond).to_string()
}

/// Reads a moment, or says what one looks like.
pub fn read(text: &str) -> Result<Timestamp, String> {
    match text.parse::<jiff::Timestamp>() {
        Ok(moment) => Ok(Timestamp::from_micros(moment.as_microsecond())),
        Err(_) => Err(format!("{text:?} is no moment like 2026-01-05T10:00:00Z")),
    }
}
