//! Advice in plain English.

use alloc::format;
use alloc::string::String;

use super::{Advice, Refusal, Verdict};
use crate::time::Timeout;

/// Timeouts that people set, in seconds.
const ROUND: [u32; 23] = [
    10, 15, 20, 30, 45, 60, 120, 180, 300, 420, 600, 900, 1200, 1800, 2700, 3600, 5400, 7200, 10_800, 14_400, 21_600,
    28_800, 43_200,
];

/// Returns the nearest timeout that people set if it lies between `low` and `high`, else `exact`.
#[must_use]
pub fn round(exact: Timeout, low: Timeout, high: Timeout) -> Timeout {
    let distance = |secs: u32| libm::fabs(libm::log2(f64::from(secs) / f64::from(exact.as_secs())));
    let inside = ROUND.into_iter().filter(|secs| (low.as_secs()..=high.as_secs()).contains(secs));
    let nearest = inside.min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
    nearest.and_then(|secs| Timeout::from_secs(u64::from(secs)).ok()).unwrap_or(exact)
}

/// Returns a timeout as people say it: the two largest units, "6 min", "1 h 30 min".
#[must_use]
pub fn in_words(timeout: Timeout) -> String {
    let secs = timeout.as_secs();
    let (hours, minutes, seconds) = (secs / 3600, secs / 60 % 60, secs % 60);
    match (hours, minutes, seconds) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

impl Advice {
    /// Says it in one or two sentences.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!("{:?} {:?}", self.verdict, self.convention)
    }
}
