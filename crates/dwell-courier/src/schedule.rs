//! When what failed is tried again, and when it is given up.

use dwell_core::time::Span;
use xxhash_rust::xxh3::xxh3_64;

use crate::answer::Kind;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// How long is waited after the first failed attempt, the second and so on, in the middle; 67 h in all.
const PAUSES: [i64; 9] =
    [5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR];

/// How many pauses there are for a letter that its receiver refused: what it says will not be better tomorrow.
const PAUSES_OF_REFUSED: usize = 4;

/// The longest that is waited, whatever a receiver asks for: the longest pause with its share of chance.
pub(crate) const LONGEST: Span = Span::from_hours(36);

/// Returns how long to wait after so many failed attempts, or that it is time to give up.
///
/// The pause is spread evenly from half to one and a half of the table's, so that endpoints of one receiver do not all
/// come back at once. The spread is derived from the letter and the attempt: the same after a restart. A receiver may ask
/// for more time, but not for less.
pub(crate) fn pause(kind: Kind, attempts: u32, id: &str, asked: Span) -> Option<Span> {
    let pauses = if kind == Kind::Refused { &PAUSES[..PAUSES_OF_REFUSED] } else { &PAUSES[..] };
    let middle = *pauses.get(usize::try_from(attempts).ok()?.checked_sub(1)?)?;
    let chance = xxh3_64(format!("{id}/{attempts}").as_bytes()) >> 11;
    let spread = (chance as f64 / (1_u64 << 53) as f64) + 0.5;
    let pause = Span::from_micros((middle as f64 * spread) as i64);
    Some(pause.max(asked).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(kind: Kind, attempts: u32, id: &str, asked: u32) -> Option<i64> {
        pause(kind, attempts, id, Span::from_secs(asked)).map(|pause| pause.as_micros() / SECOND)
    }

    #[test]
    fn pauses_grow_to_three_days_and_end() {
        let (mut least, mut most, mut sum) = (0, 0, 0);
        for (place, middle) in PAUSES.iter().enumerate() {
            for letter in 0..200 {
                let pause = seconds(Kind::Failed, place as u32 + 1, &format!("a-{letter}"), 0).unwrap();
                assert!((middle / SECOND / 2..=middle * 3 / 2 / SECOND).contains(&pause), "{place}: {pause}");
                sum += pause;
            }
            least += middle / 2;
            most += middle * 3 / 2;
        }
        let (least, mean, most) = (least / HOUR, sum / 200 / 3_600, most / HOUR);
        assert!(33 <= least && (64..=71).contains(&mean) && most <= 101, "{least} {mean} {most}");
        assert_eq!(seconds(Kind::Failed, 10, "a", 0), None);
    }

    #[test]
    fn what_was_refused_is_given_up_sooner() {
        assert!(seconds(Kind::Refused, 4, "a", 0).is_some());
        assert_eq!(seconds(Kind::Refused, 5, "a", 0), None);
    }

    #[test]
    fn chance_is_derived_and_differs_from_letter_to_letter_and_from_attempt_to_attempt() {
        assert_eq!(seconds(Kind::Failed, 9, "a", 0), seconds(Kind::Failed, 9, "a", 0));
        assert_ne!(seconds(Kind::Failed, 9, "a", 0), seconds(Kind::Failed, 9, "b", 0));
        assert_ne!(seconds(Kind::Failed, 9, "a", 0), seconds(Kind::Failed, 8, "a", 0));
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_within_bounds_and_not_for_less() {
        assert_eq!(seconds(Kind::Throttled, 1, "a", 3_600), Some(3_600));
        assert_eq!(seconds(Kind::Throttled, 1, "a", 1_000_000_000), Some(36 * 3_600));
        assert_eq!(seconds(Kind::Throttled, 5, "a", 1), seconds(Kind::Throttled, 5, "a", 0));
    }
}
