//! Spans and timeouts as people write them.

use dwell_core::time::{Span, Timeout};

/// Reads a span like `30m`, `90s`, `1h30m`, `500ms` or `2 days`; a bare number is refused, since its unit is anyone's guess.
pub fn parse_span(text: &str) -> Result<Span, String> {
    let mut rest = text.trim();
    let mut micros: i64 = 0;
    if rest.is_empty() {
        return Err("write a span with its unit, like 30m, 90s or 1h30m".to_owned());
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let tail = tail.trim_start();
        let letters = tail.len() - tail.trim_start_matches(|c: char| c.is_alphabetic()).len();
        let (unit, tail) = tail.split_at(letters);
        let factor: i64 = match unit {
            "us" | "µs" => 1,
            "ms" => 1_000,
            "s" | "sec" | "second" | "seconds" => 1_000_000,
            "m" | "min" | "minute" | "minutes" => 60_000_000,
            "h" | "hour" | "hours" => 3_600_000_000,
            "d" | "day" | "days" => 86_400_000_000,
            _ => return Err(format!("`{text}` is no span: write a number and its unit, like 30m, 90s or 1h30m")),
        };
        let number: i64 = number
            .parse()
            .map_err(|_| format!("`{text}` is no span: write a number and its unit, like 30m, 90s or 1h30m"))?;
        let part = number.checked_mul(factor).ok_or_else(|| format!("`{text}` is longer than any span"))?;
        micros = micros.checked_add(part).ok_or_else(|| format!("`{text}` is longer than any span"))?;
        rest = tail.trim_start();
    }
    Ok(Span::from_micros(micros))
}

/// Reads a timeout like `30m`.
pub fn timeout(text: &str) -> Result<Timeout, String> {
    let span = parse_span(text)?;
    if span.as_micros() % 1_000_000 != 0 {
        return Err(format!("a timeout is a whole number of seconds from 1 s to 24 h, and `{text}` is not"));
    }
    Timeout::from_secs(span.whole_secs() as u64).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_they_are_written() {
        for (text, seconds) in [("30m", 1800), ("1h30m", 5400), ("90 s", 90), ("24h", 86_400), ("2 days", 172_800)] {
            assert_eq!(parse_span(text), Ok(Span::from_secs(seconds)), "{text}");
        }
        for text in ["", "30", "m", "30 parsecs", "99999999999999999999s", "9223372036854775807d"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_timeout_out_of_bounds_is_refused_with_the_bounds() {
        for text in ["0s", "1000000000s", "86401s"] {
            let error = timeout(text).unwrap_err();
            assert!(error.contains("from 1 s to 24 h"), "{error}");
        }
        assert!(timeout("1500ms").unwrap_err().contains("whole number of seconds"));
        assert_eq!(timeout("24h").unwrap(), Timeout::LONGEST);
    }
}
