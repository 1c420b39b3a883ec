//! When: numbers in seconds to nanoseconds and ISO 8601, to the microsecond, without rounding.

use dwell_core::decimal::scaled;
use dwell_core::time::{EARLIEST, LATEST};
use jiff::tz::TimeZone;

use super::reject::Reason;

/// What a number since 1970 counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TimeUnit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl TimeUnit {
    /// All units, the longest first.
    pub const ALL: [TimeUnit; 4] = [TimeUnit::Seconds, TimeUnit::Millis, TimeUnit::Micros, TimeUnit::Nanos];

    /// Returns its name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            TimeUnit::Seconds => "seconds",
            TimeUnit::Millis => "milliseconds",
            TimeUnit::Micros => "microseconds",
            TimeUnit::Nanos => "nanoseconds",
        }
    }

    /// Returns its short name, as `--time-unit` takes it.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            TimeUnit::Seconds => "s",
            TimeUnit::Millis => "ms",
            TimeUnit::Micros => "us",
            TimeUnit::Nanos => "ns",
        }
    }

    /// Finds the unit for its name or short name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        TimeUnit::ALL.into_iter().find(|unit| unit.word() == word || unit.symbol() == word)
    }

    /// Returns the power of ten that makes microseconds of it.
    pub(super) const fn power(self) -> i32 {
        match self {
            TimeUnit::Seconds => 6,
            TimeUnit::Millis => 3,
            TimeUnit::Micros => 0,
            TimeUnit::Nanos => -3,
        }
    }

    /// Says what a number looks like; `None` when it is too small or too large to tell.
    ///
    /// Each unit has the years 1973 to 5138: wide apart, since the next unit is a thousand times as long.
    pub(super) fn of(number: i128) -> Option<Self> {
        match number {
            100_000_000..100_000_000_000 => Some(TimeUnit::Seconds),
            100_000_000_000..100_000_000_000_000 => Some(TimeUnit::Millis),
            100_000_000_000_000..100_000_000_000_000_000 => Some(TimeUnit::Micros),
            100_000_000_000_000_000..100_000_000_000_000_000_000 => Some(TimeUnit::Nanos),
            _ => None,
        }
    }
}

/// What the numbers of a column are, and who said so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unit {
    /// The caller said so: only the years are checked.
    Given(TimeUnit),
    /// The sample said so: a number that looks like another unit is refused.
    Inferred(TimeUnit),
    /// The sample held no numbers.
    Unknown,
}

/// Reads the times of one column.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    pub unit: Unit,
    /// Where a clock without a zone hangs; `None` is UTC.
    pub zone: Option<TimeZone>,
}

impl Clock {
    /// Returns microseconds since 1970 in UTC, rounded down, or says what is wrong.
    pub fn micros(&self, text: &[u8]) -> Result<i64, Reason> {
        let text = text.trim_ascii();
        if text.is_empty() {
            return Err(Reason::MissingTime);
        }
        match text.first() {
            Some(b'0'..=b'9' | b'-' | b'+' | b'.') => {}
            _ => return Err(Reason::BadTime),
        }
        if let Some(micros) = iso_of_common_shape(text, self.zone.is_none()) {
            return within(i128::from(micros));
        }
        if let (Unit::Given(unit) | Unit::Inferred(unit), Some(number)) = (self.unit, Plain::of(text))
            && let Some(micros) = number.micros(unit)
        {
            let looks_like = TimeUnit::of(i128::from(number.whole()));
            return match (self.unit, looks_like) {
                (Unit::Inferred(_), Some(looks_like)) if looks_like != unit => {
                    Err(Reason::OtherUnit { looks_like, column: unit })
                }
                _ => within(i128::from(micros)),
            };
        }
        match self.unit {
            Unit::Given(unit) => match scaled(text, unit.power()) {
                Some(micros) => within(micros),
                None => self.any_iso(text),
            },
            Unit::Inferred(unit) => match scaled(text, unit.power()) {
                Some(micros) => check_unit(text, unit).and_then(|()| within(micros)),
                None => self.any_iso(text),
            },
            Unit::Unknown => match scaled(text, 0) {
                Some(_) => Err(Reason::NumberAmongTexts),
                None => self.any_iso(text),
            },
        }
    }

    /// Returns microseconds for a whole number of the column's unit.
    pub fn micros_of_integer(&self, number: i64) -> Result<i64, Reason> {
        let (unit, inferred) = match self.unit {
            Unit::Given(unit) => (unit, false),
            Unit::Inferred(unit) => (unit, true),
            Unit::Unknown => return Err(Reason::NumberAmongTexts),
        };
        if let (true, Some(looks_like)) = (inferred, TimeUnit::of(i128::from(number)))
            && looks_like != unit
        {
            return Err(Reason::OtherUnit { looks_like, column: unit });
        }
        within(micros_of(number, unit))
    }

    /// Leaves everything that is not the common shape to jiff.
    fn any_iso(&self, text: &[u8]) -> Result<i64, Reason> {
        let Ok(text) = std::str::from_utf8(text) else {
            return Err(Reason::BadTime);
        };
        if let Ok(moment) = text.parse::<jiff::Timestamp>() {
            return within(floor_micros(moment));
        }
        if let Some(utc) = text.strip_suffix(" UTC")
            && let Ok(civil) = utc.parse::<jiff::civil::DateTime>()
        {
            return civil_micros(&TimeZone::UTC, civil);
        }
        match text.parse::<jiff::civil::DateTime>() {
            Ok(civil) => civil_micros(self.zone.as_ref().unwrap_or(&TimeZone::UTC), civil),
            Err(_) => Err(Reason::BadTime),
        }
    }
}

/// Makes microseconds of a whole number, rounded down.
pub(super) fn micros_of(number: i64, unit: TimeUnit) -> i128 {
    let number = i128::from(number);
    match unit {
        TimeUnit::Seconds => number * 1_000_000,
        TimeUnit::Millis => number * 1_000,
        TimeUnit::Micros => number,
        TimeUnit::Nanos => number.div_euclid(1_000),
    }
}

fn civil_micros(zone: &TimeZone, civil: jiff::civil::DateTime) -> Result<i64, Reason> {
    match zone.to_timestamp(civil) {
        Ok(moment) => within(floor_micros(moment)),
        Err(_) => Err(Reason::TimeOutOfRange),
    }
}

fn floor_micros(moment: jiff::Timestamp) -> i128 {
    moment.as_nanosecond().div_euclid(1_000)
}

fn check_unit(text: &[u8], column: TimeUnit) -> Result<(), Reason> {
    match scaled(text, 0).and_then(TimeUnit::of) {
        Some(looks_like) if looks_like != column => Err(Reason::OtherUnit { looks_like, column }),
        Some(_) | None => Ok(()),
    }
}

/// Reads one text as a reader would: numbers in `unit`, dates and times without a zone in `zone`.
pub fn micros_of_text(text: &[u8], unit: Option<TimeUnit>, zone: &TimeZone) -> Result<i64, Reason> {
    let unit = unit.map_or(Unit::Unknown, Unit::Given);
    let zone = (*zone != TimeZone::UTC).then(|| zone.clone());
    Clock { unit, zone }.micros(text)
}

/// Refuses years outside 1970 to 2200.
pub(super) fn within(micros: i128) -> Result<i64, Reason> {
    if micros < i128::from(EARLIEST.as_micros()) || i128::from(LATEST.as_micros()) < micros {
        return Err(Reason::TimeOutOfRange);
    }
    Ok(micros as i64)
}

/// A number of few digits without sign or exponent, as nearly all are: small enough for the machine's own arithmetic.
#[derive(Clone, Copy, Debug)]
struct Plain {
    digits: u64,
    places: u32,
}

impl Plain {
    fn of(text: &[u8]) -> Option<Self> {
        // One more for the point: eighteen digits always fit.
        if 19 < text.len() {
            return None;
        }
        let mut number = Plain { digits: 0, places: 0 };
        let (mut point, mut seen) = (0, 0);
        for byte in text {
            let digit = byte.wrapping_sub(b'0');
            if digit <= 9 {
                number.digits = number.digits * 10 + u64::from(digit);
                number.places += point;
                seen += 1;
            } else if *byte == b'.' && point == 0 {
                point = 1;
            } else {
                return None;
            }
        }
        (1..=18).contains(&seen).then_some(number)
    }

    fn whole(self) -> u64 {
        self.digits / 10_u64.pow(self.places)
    }

    fn micros(self, unit: TimeUnit) -> Option<u64> {
        let shift = unit.power() - self.places as i32;
        let factor = 10_u64.pow(shift.unsigned_abs().min(19));
        if 0 <= shift { self.digits.checked_mul(factor) } else { Some(self.digits / factor) }
    }
}

/// Reads `2024-01-05T10:00:00`, with a fraction and a zone or without; `None` for anything else, wrong or merely rare.
///
/// Without a zone only if `naive_is_utc`. Agrees with jiff wherever it answers.
fn iso_of_common_shape(text: &[u8], naive_is_utc: bool) -> Option<i64> {
    if text.len() < 19 || text[4] != b'-' || text[7] != b'-' || text[13] != b':' || text[16] != b':' {
        return None;
    }
    if !matches!(text[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = two(text, 0)? * 100 + two(text, 2)?;
    let (month, day) = (two(text, 5)?, two(text, 8)?);
    let (hour, minute, second) = (two(text, 11)?, two(text, 14)?, two(text, 17)?);
    let is_day = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    if !is_day || 23 < hour || 59 < minute || 59 < second {
        return None;
    }
    let (fraction, rest) = fraction_micros(&text[19..])?;
    let east = match rest {
        b"Z" | b"z" => 0,
        b"" if naive_is_utc => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (two(&[*h1, *h2], 0)?, two(&[*m1, *m2], 0)?);
            if 23 < hours || 59 < minutes {
                return None;
            }
            let east = (hours * 60 + minutes) * 60;
            if *sign == b'-' { -east } else { east }
        }
        _ => return None,
    };
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - east;
    Some(seconds * 1_000_000 + fraction)
}

fn two(text: &[u8], at: usize) -> Option<i64> {
    let (tens, ones) = (text.get(at)?.wrapping_sub(b'0'), text.get(at + 1)?.wrapping_sub(b'0'));
    if 9 < tens || 9 < ones {
        return None;
    }
    Some(i64::from(tens) * 10 + i64::from(ones))
}

/// Cuts one to nine digits after a point off the front; digits behind the sixth are cut off for good.
fn fraction_micros(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', rest @ ..] = text else {
        return Some((0, text));
    };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&count) {
        return None;
    }
    let mut micros = 0;
    let (digits, rest) = rest.split_at(count);
    for place in 0..6 {
        micros = micros * 10 + digits.get(place).map_or(0, |digit| i64::from(digit - b'0'));
    }
    Some((micros, rest))
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts days from 1970-01-01; the year begins in March, so that the leap day comes last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}
