//! Decimal numbers, read by their digits: the same in files and in what SDKs send, and no binary fraction in between.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};

/// How many digits are kept exactly; those behind only say which way to round.
const MOST_DIGITS: u32 = 36;
/// Beyond this an exponent is as good as endless.
const LARGEST_EXPONENT: i64 = 100_000;

/// Returns `text * 10^power`, rounded down; `None` when the text is no decimal number.
///
/// Works on the digits: binary fractions do not come into it. What is too large becomes the largest `i128`.
#[must_use]
pub fn scaled(text: &[u8], power: i32) -> Option<i128> {
    let (negative, text) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let mut digits: i128 = 0;
    let (mut kept, mut seen, mut past_point, mut inexact) = (0, false, false, false);
    let mut shift = i64::from(power);
    for (place, byte) in text.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                seen = true;
                let digit = i128::from(byte - b'0');
                if kept < MOST_DIGITS {
                    digits = digits * 10 + digit;
                    kept += u32::from(digits != 0);
                    shift -= i64::from(past_point);
                } else {
                    inexact |= digit != 0;
                    shift += i64::from(!past_point);
                }
            }
            b'.' if !past_point => past_point = true,
            b'e' | b'E' if seen => {
                shift += exponent(text.get(place + 1..)?)?;
                break;
            }
            _ => return None,
        }
    }
    if !seen {
        return None;
    }
    Some(shifted(digits, shift, negative, inexact))
}

fn exponent(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text.split_first()? {
        (b'-', rest) => (-1, rest),
        (b'+', rest) => (1, rest),
        _ => (1, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut exponent: i64 = 0;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        exponent = (exponent * 10 + i64::from(byte - b'0')).min(LARGEST_EXPONENT);
    }
    Some(sign * exponent)
}

fn shifted(digits: i128, shift: i64, negative: bool, mut inexact: bool) -> i128 {
    if digits == 0 {
        return 0;
    }
    let size = if 0 <= shift {
        let factor = u32::try_from(shift).ok().and_then(|shift| 10_i128.checked_pow(shift));
        factor.and_then(|factor| digits.checked_mul(factor)).unwrap_or(i128::MAX)
    } else {
        let divisor = u32::try_from(-shift).ok().and_then(|shift| 10_i128.checked_pow(shift));
        let (whole, rest) = match divisor {
            Some(divisor) => (digits / divisor, digits % divisor),
            None => (0, digits),
        };
        inexact |= rest != 0;
        whole
    };
    if negative { (-size).saturating_sub(i128::from(inexact)) } else { size }
}

/// Writes a number as an id: `7` for 7, 7.0 and 7e0; every other one as it stands.
#[must_use]
pub fn number_text(number: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(number);
    if number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
        return text;
    }
    let whole = scaled(number, 0).filter(|whole| whole.unsigned_abs() < i128::MAX.unsigned_abs());
    match (whole, scaled(number, 9)) {
        (Some(whole), Some(finer)) if whole.checked_mul(1_000_000_000) == Some(finer) => Cow::Owned(whole.to_string()),
        _ => text,
    }
}
