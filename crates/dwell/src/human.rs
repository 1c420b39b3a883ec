//! Numbers, shares and spans as people read them.

use dwell_core::time::Span;
pub use dwell_policy::span::parse_span;

/// Writes a whole number with commas: `1,234,567`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if 0 < index && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a span with its two largest units: `3 min 20 s`, `2 h 5 min`, `4 d 3 h`; under ten seconds with tenths.
#[must_use]
pub fn span(span: Span) -> String {
    let seconds = span.whole_secs();
    let two = |large: i64, large_word: &str, small: i64, small_word: &str| match small {
        0 => format!("{large} {large_word}"),
        _ => format!("{large} {large_word} {small} {small_word}"),
    };
    match seconds {
        ..10 if span.as_micros() % 1_000_000 != 0 => {
            format!("{}.{} s", seconds, span.as_micros() % 1_000_000 / 100_000)
        }
        ..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..172_800 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// Writes a share of a whole in percent: `12.3 %`; a dash when there is no whole.
#[must_use]
pub fn percent(part: f64, whole: f64) -> String {
    if whole == 0.0 { "-".to_owned() } else { format!("{:.1} %", 100.0 * part / whole) }
}

/// Reads a number like `10000`, `10k`, `100M` or `2.5M`.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no number: write one like 10000, 10k or 2.5M");
    let text = text.trim();
    let (number, factor) = match text.chars().last() {
        Some('k' | 'K') => (&text[..text.len() - 1], 1e3),
        Some('m' | 'M') => (&text[..text.len() - 1], 1e6),
        Some('g' | 'G') => (&text[..text.len() - 1], 1e9),
        _ => return text.replace(['_', ','], "").parse().map_err(|_| wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let count = (number * factor).round();
    if (0.0..1e18).contains(&count) { Ok(count as u64) } else { Err(wrong()) }
}

/// Reads a share like `2%` or `0.02`.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is no share: write one like 2% or 0.02");
    let share = match text.trim().strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map_err(|_| wrong())? / 100.0,
        None => text.trim().parse::<f64>().map_err(|_| wrong())?,
    };
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(wrong()) }
}

/// Reads a size like `512MB`, `2GB` or `2GiB`, in bytes.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size: write one like 512MB or 2GiB");
    let upper = text.trim().to_ascii_uppercase();
    let digits = upper.len() - upper.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = upper[..digits].parse().map_err(|_| wrong())?;
    let factor: u64 = match upper[digits..].trim() {
        "" | "B" => 1,
        "K" | "KB" => 1_000,
        "KIB" => 1 << 10,
        "M" | "MB" => 1_000_000,
        "MIB" => 1 << 20,
        "G" | "GB" => 1_000_000_000,
        "GIB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_show_their_two_largest_units() {
        let shown = |micros| span(Span::from_micros(micros));
        assert_eq!(shown(0), "0 s");
        assert_eq!(shown(1_500_000), "1.5 s");
        assert_eq!(shown(59_999_999), "59 s");
        assert_eq!(shown(200_000_000), "3 min 20 s");
        assert_eq!(shown(7_500_000_000), "2 h 5 min");
        assert_eq!(shown(172_800_000_000), "2 d");
    }

    #[test]
    fn counts_shares_and_sizes_are_read() {
        assert_eq!(parse_count("2.5M"), Ok(2_500_000));
        assert_eq!(parse_count("1_000"), Ok(1000));
        assert!(parse_count("-1").is_err());
        assert_eq!(parse_share("2%"), Ok(0.02));
        assert!(parse_share("200%").is_err());
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert!(parse_size("2 parsecs").is_err());
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(123), "123");
    }
}
