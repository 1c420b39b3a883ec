//! Times as SDKs write them: ISO 8601, with a zone or in UTC, and milliseconds since 1970.

use dwell_core::decimal::scaled;
use dwell_core::time::{EARLIEST, LATEST, Timestamp};

use crate::rejection::Reason;

/// Reads a time; `None` when nothing is said.
pub(crate) fn moment(text: &str) -> Result<Option<Timestamp>, Reason> {
    let text = text.trim_ascii();
    match text.as_bytes().first() {
        None => return Ok(None),
        Some(b'0'..=b'9' | b'-' | b'+' | b'.') => {}
        Some(_) => return Err(Reason::BadTime),
    }
    let micros = match scaled(text.as_bytes(), 3) {
        Some(micros) => {
            look_at_unit(micros)?;
            micros
        }
        None => micros_of_iso(text)?,
    };
    within(micros).map(Some)
}

/// Refuses years outside 1970 to 2200.
pub(crate) fn within(micros: i128) -> Result<Timestamp, Reason> {
    if micros < i128::from(EARLIEST.as_micros()) || i128::from(LATEST.as_micros()) < micros {
        return Err(Reason::TimeOutOfRange);
    }
    Ok(Timestamp::from_micros(micros as i64))
}

/// Refuses numbers of milliseconds that are numbers of something else. Each unit has the years 1973 to 5138.
fn look_at_unit(micros: i128) -> Result<(), Reason> {
    let looks_like = match micros / 1_000 {
        100_000_000..100_000_000_000 => "seconds",
        100_000_000_000_000..100_000_000_000_000_000 => "microseconds",
        100_000_000_000_000_000..100_000_000_000_000_000_000 => "nanoseconds",
        _ => return Ok(()),
    };
    Err(Reason::OtherUnit { looks_like })
}

fn micros_of_iso(text: &str) -> Result<i128, Reason> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Ok(floor_micros(moment));
    }
    match text.strip_suffix(" UTC").unwrap_or(text).parse::<jiff::civil::DateTime>() {
        Ok(civil) => match jiff::tz::TimeZone::UTC.to_timestamp(civil) {
            Ok(moment) => Ok(floor_micros(moment)),
            Err(_beyond) => Err(Reason::TimeOutOfRange),
        },
        Err(_no_time) => Err(Reason::BadTime),
    }
}

fn floor_micros(moment: jiff::Timestamp) -> i128 {
    moment.as_nanosecond().div_euclid(1_000)
}
