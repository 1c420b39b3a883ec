//! What plays faster or slower than it was recorded.

use dwell_core::time::Span;

use super::support::read;

/// How many microseconds are left of something at second 10 of 100, by what its properties say besides.
fn left(more: &str) -> Option<i64> {
    let body = format!(
        r#"{{"batch":[{{"type":"track","userId":"ada","event":"Video Content Playing","properties":{{"position":10,"total_length":100{more}}}}}]}}"#
    );
    let decoded = read("/v1/batch", &body);
    assert_eq!((decoded.events.len(), decoded.rejections.len()), (1, 0), "`{more}`");
    decoded.events[0].remaining.map(Span::as_micros)
}

#[test]
fn what_is_left_is_told_by_the_clock_on_the_wall() {
    assert_eq!(left(""), Some(90_000_000));
    assert_eq!(left(r#","playback_rate":1"#), Some(90_000_000));
    assert_eq!(left(r#","playback_rate":2"#), Some(45_000_000));
    assert_eq!(left(r#","playback_rate":"1.5""#), Some(60_000_000));
    assert_eq!(left(r#","playbackRate":0.25"#), Some(360_000_000));
    assert_eq!(left(r#","playback_rate":16"#), Some(5_625_000));
    assert_eq!(left(r#","playback_rate":2,"livestream":true"#), None);
}

#[test]
fn what_is_no_rate_neither_refuses_nor_changes_anything() {
    for rate in ["0", "-2", "16.1", "1e300", "null", "true", "\"fast\"", "\"\"", "[2]", r#"{"is":2}"#] {
        assert_eq!(left(&format!(r#","playback_rate":{rate}"#)), Some(90_000_000), "{rate}");
    }
}
