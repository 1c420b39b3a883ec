//! Moments and time zones as people write them, and as core knows them.

use dwell_core::time::{Timestamp, Zone};
use jiff::tz::TimeZone;

/// Reads a moment like `2026-01-05T10:00:00Z`, or a date, which begins at midnight of the zone.
pub fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    let micros = match text.parse::<jiff::Timestamp>() {
        Ok(moment) => moment.as_microsecond(),
        Err(_) => {
            let no_moment = |error| format!("`{text}` is no moment like 2026-01-05T10:00:00Z or 2026-01-05: {error}");
            let local: jiff::civil::DateTime = text.parse().map_err(no_moment)?;
            zone.to_timestamp(local).map_err(|error| error.to_string())?.as_microsecond()
        }
    };
    Ok(Timestamp::from_micros(micros))
}

/// Writes a moment to the microsecond, in UTC. What lies beyond the calendar is its first moment or its last.
#[must_use]
pub fn written(moment: Timestamp) -> String {
    let micros = moment.as_micros();
    let beyond = if micros < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_microsecond(micros).unwrap_or(beyond).to_string()
}

/// Writes a time zone as a table, from 1970 to 2200.
#[must_use]
pub fn zone_table(zone: &TimeZone) -> Zone {
    let seconds = |offset: jiff::tz::Offset| offset.seconds();
    let begin = jiff::Timestamp::UNIX_EPOCH;
    let mut offsets = vec![(Timestamp::MIN, seconds(zone.to_offset(begin)))];
    let end = 7_289_654_400_000_000;
    offsets.extend(
        zone.following(begin)
            .map(|change| (change.timestamp().as_microsecond(), seconds(change.offset())))
            .take_while(|(at, _)| *at < end)
            .map(|(at, offset)| (Timestamp::from_micros(at), offset)),
    );
    Zone { offsets }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_with_summer_time_knows_its_days() {
        let zone = zone_table(&TimeZone::get("Europe/Berlin").unwrap());
        let at = |text| moment(text, &TimeZone::UTC).unwrap();
        let day = |text| zone.day_of(at(text));
        assert_eq!(day("2026-07-01T21:59:59Z") + 1, day("2026-07-01T22:00:00Z"));
        assert_eq!(day("2026-01-01T22:59:59Z") + 1, day("2026-01-01T23:00:00Z"));
    }

    #[test]
    fn a_date_begins_at_midnight_of_the_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(moment("2026-07-01", &berlin), moment("2026-06-30T22:00:00Z", &TimeZone::UTC));
        assert!(moment("soon", &berlin).unwrap_err().starts_with("`soon` is no moment like"));
    }

    #[test]
    fn a_moment_is_read_as_it_is_written() {
        let at = Timestamp::from_micros(1_767_225_600_000_001);
        assert_eq!(moment(&written(at), &TimeZone::UTC), Ok(at));
    }
}
