//! The text of times: what is read lies in the accepted years, and jiff agrees where it has an opinion.

#![no_main]

use dwell_core::time::{EARLIEST, LATEST};
use dwell_lake::read::{TimeUnit, micros_of_text};
use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (unit, text) = input;
    let unit = TimeUnit::ALL.get(usize::from(unit % 5)).copied();
    let read = micros_of_text(text, unit, &TimeZone::UTC);
    if let Ok(micros) = read {
        assert!((EARLIEST.as_micros()..=LATEST.as_micros()).contains(&micros));
    }
    let jiff = std::str::from_utf8(text).ok().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    if let (Some(moment), Ok(micros)) = (jiff, read) {
        assert_eq!(moment.as_nanosecond().div_euclid(1_000), i128::from(micros));
    }
});
