//! How long what plays goes on: length, position and speed.

use dwell_core::event::{PlaybackRate, remaining_of};
use dwell_core::time::Span;
use proptest::prelude::*;

fn us(micros: i64) -> Span {
    Span::from_micros(micros)
}

fn seconds_left(position: u32, length: u32, rate: &str) -> Option<i64> {
    let rate = PlaybackRate::read(rate.as_bytes());
    remaining_of(Span::from_secs(position), Span::from_secs(length), rate).map(Span::whole_secs)
}

#[test]
fn what_plays_at_double_speed_is_over_in_half_the_time() {
    assert_eq!(seconds_left(600, 3_600, "2"), Some(1_500));
    assert_eq!(seconds_left(600, 3_600, " 1.25 "), Some(2_400));
    assert_eq!(seconds_left(600, 3_600, "0.5"), Some(6_000));
    assert_eq!(seconds_left(600, 3_600, "1"), Some(3_000));
    assert_eq!(seconds_left(3_600, 3_600, "2"), Some(0));
    assert_eq!(seconds_left(3_601, 3_600, "2"), None);
}

#[test]
fn what_is_no_rate_says_nothing() {
    for text in ["", " ", "0", "0.0000009", "-1", "16.000001", "17", "1e9", "1e999", "fast", "true", "NaN", "[2]"] {
        assert_eq!(PlaybackRate::read(text.as_bytes()), None, "`{text}`");
        assert_eq!(seconds_left(600, 3_600, text), Some(3_000), "`{text}`");
    }
    assert_eq!(PlaybackRate::read(b"16"), Some(PlaybackRate::FASTEST));
    assert_eq!(PlaybackRate::read(b"1.6e1"), Some(PlaybackRate::FASTEST));
    assert!(PlaybackRate::read(b"0.000001").is_some());
}

#[test]
fn the_slowest_rate_and_the_longest_piece_end_with_time_itself() {
    let slowest = PlaybackRate::read(b"0.000001");
    assert_eq!(remaining_of(Span::ZERO, Span::MAX, slowest), Some(Span::MAX));
    assert_eq!(remaining_of(Span::ZERO, us(3), slowest), Some(us(3_000_000)));
}

proptest! {
    /// It is the longest time in which no more is played than is left.
    #[test]
    fn nobody_is_believed_for_longer_than_is_left(
        position in 0..=86_400_000_000_i64,
        left in 0..=86_400_000_000_i64,
        millionths in 1..=16_000_000_i64,
    ) {
        let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
        let rate = PlaybackRate::read(text.as_bytes());
        prop_assert!(rate.is_some());
        let told = remaining_of(us(position), us(position + left), rate).expect("within the length");
        let played = |micros: i64| i128::from(micros) * i128::from(millionths);
        let there_is = i128::from(left) * 1_000_000;
        prop_assert!(played(told.as_micros()) <= there_is);
        prop_assert!(there_is < played(told.as_micros() + 1));
    }
}
