//! Advice in plain English.

use alloc::format;
use alloc::string::String;

use super::answer::{Advice, Refusal, Verdict};
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

/// Returns a timeout to the nearest second, minute or half hour, for the ends of ranges that are not exact anyway.
#[must_use]
pub fn roughly(timeout: Timeout) -> String {
    let secs = timeout.as_secs();
    let unit = match secs {
        0..60 => 1,
        60..3570 => 60,
        _ => 1800,
    };
    let near = (secs + unit / 2) / unit * unit;
    in_words(Timeout::from_secs(u64::from(near)).unwrap_or(Timeout::LONGEST))
}

impl Advice {
    /// Says it in one or two sentences.
    #[must_use]
    pub fn in_words(&self) -> String {
        let doubling = self.doubling_in_words();
        match &self.verdict {
            Verdict::Advises { timeout, low, high, depth } => format!(
                "{}, give or take ({} to {}): a valley {} deep lies there, between gaps inside visits and gaps between \
                 them; {doubling}.",
                in_words(*timeout),
                roughly(*low),
                roughly(*high),
                percent(*depth)
            ),
            Verdict::Refuses(refusal) => format!("{}; {doubling}.", self.refusal_in_words(*refusal)),
        }
    }

    fn refusal_in_words(&self, refusal: Refusal) -> String {
        let from_to = format!("from {} to {}", roughly(self.convention.0), roughly(self.convention.1));
        match refusal {
            Refusal::TooFewUsers { users, needed } => {
                format!("no advice: {users} users are too few to speak for the others, {needed} are needed")
            }
            Refusal::TooFewGaps { gaps, needed } => format!("no advice: {gaps} gaps are too few, {needed} are needed"),
            Refusal::NoValley => format!("no valley: any timeout {from_to} is a convention here"),
            Refusal::Shallow { depth, needed } => format!(
                "no valley worth the name ({} deep, {} needed): any timeout {from_to} is a convention here",
                percent(depth),
                percent(needed)
            ),
            Refusal::Nested { at, outlying, allowed } => format!(
                "no advice: the valley at {} seems to part bursts inside visits, since {} of what lies beyond it \
                 are far longer gaps ({} allowed)",
                roughly(at),
                percent(outlying),
                percent(allowed)
            ),
            Refusal::Several { first, last } => format!(
                "no advice: there are several valleys, from {} to {}, and only the kind of app can tell which one \
                 parts visits",
                roughly(first),
                roughly(last)
            ),
            Refusal::Unusual { at, usual } => format!(
                "no advice: the valley at {} is too far from the {} that are usual for such an app",
                roughly(at),
                roughly(usual)
            ),
            Refusal::Night { at } => {
                format!("no advice: the valley at {} may be no more than the night", roughly(at))
            }
            Refusal::Thin { users, needed } => {
                format!("no advice: one side of the valley is the work of {users} users, {needed} are needed")
            }
            Refusal::TwoCrowds { within, needed } => format!(
                "no advice: some users have short gaps and others long ones, which makes two crowds and not visits \
                 ({} of the difference lies within users, {} needed)",
                percent(within),
                percent(needed)
            ),
            Refusal::Unsteady { share, needed } => format!(
                "no advice: only {} of the samples of these users show the valley, {} are needed",
                percent(share),
                percent(needed)
            ),
            Refusal::Wide { .. } => format!("no advice: the valley may lie anywhere {from_to}"),
        }
    }

    fn doubling_in_words(&self) -> String {
        let in_force = in_words(self.in_force);
        let change = percent(-self.doubling);
        format!("doubling the {in_force} in force changes the count of sessions by {change}")
    }
}

fn percent(share: f64) -> String {
    // Adding nought makes the nought that is below nought an ordinary one.
    format!("{} %", libm::round(100.0 * share) + 0.0)
}
