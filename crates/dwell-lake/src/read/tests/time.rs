//! Times: both sides of every edge, and jiff as the second opinion.

use dwell_core::decimal::scaled;
use dwell_core::time::{EARLIEST, LATEST};
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::super::moment::{Clock, Unit};
use super::super::{Options, Reason, TimeUnit, micros_of_text};
use super::{options, story, told};

fn micros(text: &str, unit: TimeUnit) -> Result<i64, Reason> {
    micros_of_text(text.as_bytes(), Some(unit), &TimeZone::UTC)
}

#[test]
fn the_years_end_where_they_say() {
    assert_eq!(EARLIEST.as_micros(), 0);
    let after: jiff::Timestamp = "2201-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(LATEST.as_micros(), after.as_microsecond() - 1);
    for (text, is_sound) in [
        ("1969-12-31T23:59:59.999999Z", false),
        ("1970-01-01T00:00:00Z", true),
        ("2200-12-31T23:59:59.999999Z", true),
        ("2201-01-01T00:00:00Z", false),
        ("2200-12-31T23:59:59.999999-00:01", false),
        ("0", true),
        ("-0", true),
        ("-0.0000001", false),
        ("7289654399.999999", true),
        ("7289654399.9999999", true),
        ("7289654400", false),
    ] {
        let read = micros(text, TimeUnit::Seconds);
        assert_eq!(read.is_ok(), is_sound, "{text}: {read:?}");
    }
}

#[test]
fn decimal_places_are_kept_exactly_and_cut_off_behind_the_sixth() {
    use TimeUnit::{Micros, Millis, Nanos, Seconds};
    for (text, unit, expected) in [
        ("1488346471.195", Seconds, 1_488_346_471_195_000),
        ("1488346471.1950004", Seconds, 1_488_346_471_195_000),
        ("1488346471.1959999", Seconds, 1_488_346_471_195_999),
        ("1488346471", Seconds, 1_488_346_471_000_000),
        ("+1488346471.", Seconds, 1_488_346_471_000_000),
        (" 1488346471 ", Seconds, 1_488_346_471_000_000),
        (".5", Seconds, 500_000),
        ("1.488346471195e9", Seconds, 1_488_346_471_195_000),
        ("1488346471195E-3", Seconds, 1_488_346_471_195_000),
        ("1488346471195", Millis, 1_488_346_471_195_000),
        ("1488346471195.1234", Millis, 1_488_346_471_195_123),
        ("1488346471195123", Micros, 1_488_346_471_195_123),
        ("1488346471195123.9", Micros, 1_488_346_471_195_123),
        ("1488346471195123999", Nanos, 1_488_346_471_195_123),
        ("2017-03-01T05:34:31.195Z", Seconds, 1_488_346_471_195_000),
        ("2017-03-01 05:34:31.195", Seconds, 1_488_346_471_195_000),
        ("2017-03-01 05:34:31.195 UTC", Seconds, 1_488_346_471_195_000),
        ("2017-03-01T06:34:31.195+01:00", Seconds, 1_488_346_471_195_000),
        ("2017-03-01T06:34:31.195+0100", Seconds, 1_488_346_471_195_000),
        ("2017-03-01T05:34:31.195000999Z", Seconds, 1_488_346_471_195_000),
        ("2017-03-01", Seconds, 1_488_326_400_000_000),
    ] {
        assert_eq!(micros(text, unit), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_time_is_refused() {
    for text in [
        "nan",
        "NaN",
        "inf",
        "-inf",
        "Infinity",
        "1e",
        "e5",
        "1.2.3",
        "--1",
        "0x10",
        "1_000",
        "1,5",
        ".",
        "+",
        "-",
        "2024-13-01T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-01-05T24:00:00Z",
        "2024-01-05T10:60:00Z",
        "2024-01-05T10:00",
        "05/01/2024",
        "yesterday",
        "2024-01-05T10:00:00+25:00",
    ] {
        let read = micros(text, TimeUnit::Seconds);
        let jiff = text.parse::<jiff::civil::DateTime>().is_ok();
        assert_eq!(read.is_ok(), jiff, "{text}: {read:?}");
    }
    assert_eq!(micros("  ", TimeUnit::Seconds), Err(Reason::MissingTime));
    assert_eq!(micros("1e99999999999999999999", TimeUnit::Seconds), Err(Reason::TimeOutOfRange));
    assert_eq!(micros("0e99999999999999999999", TimeUnit::Seconds), Ok(0));
    assert_eq!(micros("1e-99999999999999999999", TimeUnit::Seconds), Ok(0));
    assert_eq!(micros("9".repeat(500).as_str(), TimeUnit::Nanos), Err(Reason::TimeOutOfRange));
}

#[test]
fn a_clock_without_a_zone_hangs_where_the_caller_says() {
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let read = |text: &str| micros_of_text(text.as_bytes(), None, &berlin).unwrap();
    assert_eq!(read("2024-01-05 11:00:00"), 1_704_448_800_000_000);
    assert_eq!(read("2024-01-05T10:00:00Z"), 1_704_448_800_000_000, "a zone in the text wins");
    assert_eq!(read("2024-07-05T12:00:00"), read("2024-07-05T10:00:00Z"), "summer");
    // A time that the clocks leave out counts on from before the gap; of one that comes twice it is the first.
    assert_eq!(read("2024-03-31T02:30:00"), read("2024-03-31T01:30:00Z"));
    assert_eq!(read("2024-10-27T02:30:00"), read("2024-10-27T00:30:00Z"));
}

#[test]
fn another_unit_is_refused_only_where_the_sample_chose() {
    let clock = |unit| Clock { unit, zone: None };
    let inferred = clock(Unit::Inferred(TimeUnit::Millis));
    let hint = Reason::OtherUnit { looks_like: TimeUnit::Seconds, column: TimeUnit::Millis };
    assert_eq!(inferred.micros(b"1704448800"), Err(hint));
    assert_eq!(inferred.micros_of_integer(1_704_448_800), Err(hint));
    assert_eq!(inferred.micros(b"99999999"), Ok(99_999_999_000), "too small to tell");
    assert_eq!(inferred.micros(b"100000000"), Err(hint));
    assert_eq!(inferred.micros(b"99999999999"), Err(hint));
    assert_eq!(inferred.micros(b"100000000000"), Ok(100_000_000_000_000));
    assert_eq!(clock(Unit::Given(TimeUnit::Millis)).micros(b"1704448800"), Ok(1_704_448_800_000));
    assert_eq!(clock(Unit::Unknown).micros(b"1704448800"), Err(Reason::NumberAmongTexts));
    assert_eq!(
        Reason::OtherUnit { looks_like: TimeUnit::Millis, column: TimeUnit::Seconds }.says(),
        "looks like milliseconds in a column of seconds; say --time-unit if all of the column is one unit"
    );
}

#[test]
fn the_unit_of_a_file_is_seen_in_its_first_values() {
    for (value, unit) in [
        ("1704448800", "seconds"),
        ("1704448800.125", "seconds"),
        ("1704448800125", "milliseconds"),
        ("1704448800125000", "microseconds"),
        ("1704448800125000999", "nanoseconds"),
    ] {
        let told = told(format!("user,ts\nada,{value}\n"), &options());
        assert!(told.plan.contains(&format!("numbers in {unit}")), "{value}: {}", told.plan);
        assert_eq!(told.events[0].at / 1_000_000, 1_704_448_800, "{value}");
    }
    let small = story("user,ts\nada,0\nada,60\n", &options());
    assert!(small.contains("too small to show their unit"), "{small}");
    let local = story("user,ts\nada,2024-01-05 10:00:00\n", &options());
    assert!(local.contains("times without a zone are read as UTC"), "{local}");
}

#[test]
fn mixed_units_are_an_error_unless_the_caller_decides() {
    let log = "user,ts\nada,1704448800\nada,1704448801000\n";
    expect_test::expect![[r#"
        error: log: the times in column ts do not agree on a unit: "1704448800" (line 2) looks like seconds, "1704448801000" (line 3) looks like milliseconds; say which with --time-unit
    "#]].assert_eq(&story(log, &options()));
    let decided = Options { time_unit: Some(TimeUnit::Seconds), ..options() };
    let told = told(log, &decided);
    assert_eq!((told.events.len(), told.rejections[0].reason), (1, Reason::TimeOutOfRange));
}

/// The exact value of a decimal text, the slow way: shift the point in the text, then cut.
fn slowly(sign: &str, whole: &str, fraction: &str, power: i32) -> i128 {
    let digits = format!("{whole}{fraction}");
    let point = whole.len() as i32 + power;
    let padded = if point <= 0 {
        (String::new(), "0".repeat(-point as usize) + &digits)
    } else if digits.len() as i32 <= point {
        (digits.clone() + &"0".repeat(point as usize - digits.len()), String::new())
    } else {
        let (whole, rest) = digits.split_at(point as usize);
        (whole.to_owned(), rest.to_owned())
    };
    let size: i128 = format!("0{}", padded.0).parse().unwrap();
    let inexact = padded.1.bytes().any(|digit| digit != b'0');
    if sign == "-" { -size - i128::from(inexact) } else { size }
}

proptest! {
    #[test]
    fn decimals_are_cut_where_the_digits_say(
        sign in "[-+]?", whole in "[0-9]{1,18}", fraction in "[0-9]{0,12}", power in -4..9_i32,
    ) {
        let text = format!("{sign}{whole}.{fraction}");
        prop_assert_eq!(scaled(text.as_bytes(), power), Some(slowly(&sign, &whole, &fraction, power)));
    }

    #[test]
    fn few_digits_and_many_are_read_alike(text in "[0-9]{0,12}\\.?[0-9]{0,9}", unit in 0..4_usize) {
        let unit = TimeUnit::ALL[unit];
        prop_assume!(!text.is_empty());
        // A sign sends the same number the long way round.
        prop_assert_eq!(micros(&text, unit), micros(&format!("+{text}"), unit), "{}", text);
        let inferred = Clock { unit: Unit::Inferred(unit), zone: None };
        prop_assert_eq!(
            inferred.micros(text.as_bytes()).ok(), inferred.micros(format!("+{text}").as_bytes()).ok(), "{}", text
        );
    }

    #[test]
    fn dates_and_times_are_what_jiff_says(
        second in 0..7_289_654_400_i64, nanos in 0..1_000_000_000_i32, places in 0..=9_usize,
        sep in "[Tt ]", offset in -1439..=1439_i32,
    ) {
        let moment = jiff::Timestamp::new(second, nanos).unwrap();
        let offset = jiff::tz::Offset::from_seconds(offset * 60).unwrap();
        let civil = offset.to_datetime(moment);
        let (hours, minutes) = (offset.seconds().abs() / 3600, offset.seconds().abs() / 60 % 60);
        let sign = if offset.seconds() < 0 { '-' } else { '+' };
        let mut text = format!("{}{sep}{}", civil.date(), civil.time().with().subsec_nanosecond(0).build().unwrap());
        if 0 < places {
            text += &format!(".{:09}", civil.time().subsec_nanosecond())[..=places];
        }
        let text = format!("{text}{sign}{hours:02}:{minutes:02}");
        let expected = text.parse::<jiff::Timestamp>().unwrap().as_nanosecond().div_euclid(1000);
        let within = (0..=i128::from(LATEST.as_micros())).contains(&expected);
        let read = micros_of_text(text.as_bytes(), None, &TimeZone::UTC);
        prop_assert_eq!(read, if within { Ok(expected as i64) } else { Err(Reason::TimeOutOfRange) }, "{}", text);
    }

    #[test]
    fn whatever_looks_like_a_date_is_judged_as_jiff_judges_it(
        text in "[12][0-9]{3}-[0-3][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,9})?(Z|[+-][0-2][0-9]:[0-6][0-9])?",
    ) {
        let expected = text.parse::<jiff::Timestamp>().ok().or_else(|| {
            TimeZone::UTC.to_timestamp(text.parse::<jiff::civil::DateTime>().ok()?).ok()
        });
        let read = micros_of_text(text.as_bytes(), None, &TimeZone::UTC);
        match expected.map(|moment| moment.as_nanosecond().div_euclid(1000)) {
            Some(micros) if (0..=i128::from(LATEST.as_micros())).contains(&micros) => {
                prop_assert_eq!(read, Ok(micros as i64), "{}", text);
            }
            Some(_) => prop_assert_eq!(read, Err(Reason::TimeOutOfRange), "{}", text),
            None => prop_assert!(matches!(read, Err(Reason::BadTime | Reason::TimeOutOfRange)), "{} {:?}", text, read),
        }
    }

    #[test]
    fn no_bytes_make_the_clock_stumble(text in proptest::collection::vec(any::<u8>(), 0..40), unit in 0..5_usize) {
        let unit = TimeUnit::ALL.get(unit).copied();
        if let Ok(micros) = micros_of_text(&text, unit, &TimeZone::UTC) {
            prop_assert!((EARLIEST.as_micros()..=LATEST.as_micros()).contains(&micros));
        }
    }
}
