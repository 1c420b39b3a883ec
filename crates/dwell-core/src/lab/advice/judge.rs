//! Whether a valley is advice: every threshold, and what is done with it.

use alloc::vec;
use alloc::vec::Vec;

use super::answer::{Refusal, Verdict};
use super::grid::{self, BINS, PER_OCTAVE, Weights};
use super::kind::AppKind;
use super::resample::{self, sum};
use super::valley::{Search, Valley};
use super::{Question, words};
use crate::time::{Span, Timeout};

/// With fewer users than this nothing is advised.
pub const USERS_NEEDED: u64 = 30;
/// With fewer gaps than this nothing is advised.
pub const GAPS_NEEDED: u64 = 500;
/// A valley must lie this far below the lower of its hills.
pub const DEPTH_NEEDED: f64 = 0.25;
/// So many of the resamples must find it that deep.
pub const SHARE_NEEDED: f64 = 0.9;
/// The upper end of the interval may be so many times the lower.
pub const WIDEST: f64 = 4.0;
/// Each of the two hills must have gaps of so many users.
pub const SUPPORT_NEEDED: u64 = 20;
/// Beyond a valley between visits so much of the weight may lie sixteen times and more beyond its middle.
///
/// Bursts inside of a visit have valleys of their own, often deeper than that between visits. What lies beyond such
/// a valley is a mixture: pauses inside of visits, and among them the far longer gaps between visits. What lies
/// beyond the valley between visits are returns of one kind, and few of them take sixteen times as long as usual.
pub const OUTLYING_ALLOWED: f64 = 0.05;
/// From here on a valley may be the night's doing, and is not advised.
///
/// Waking time takes the night away from people who come all day long. It cannot take it from those who come for an
/// hour a day and then no more: between this hour's gaps and the next day's lies a valley, whatever a visit is.
pub const NIGHT: Span = Span::from_hours(3);
/// How much of the difference between short and long gaps must lie within users, not between them.
pub const WITHIN_NEEDED: f64 = 0.25;
/// How many times shorter or longer than usual a valley may lie and still be believed when the kind is known.
const REACH_OF_KIND: f64 = 16.0;
/// By how many bins the valley nearest to what is usual must be nearer than the next: half an octave.
const CLEARLY: f64 = 0.5 * PER_OCTAVE as f64;

/// The gaps on the scale.
pub(super) struct Weighed {
    /// In users' own time, by bag of users.
    pub bags: Vec<Weights>,
    /// By the clock, all users together.
    pub plain: Vec<f64>,
    /// The seconds to which the clock of the log is exact.
    pub clock: f64,
}

impl Weighed {
    /// Where to look: a clock cannot tell what is not some times longer than its tick.
    fn search(&self) -> Search {
        Search {
            shortest: f64::from(Timeout::SHORTEST.as_secs()).max(4.0 * self.clock),
            longest: f64::from(Timeout::LONGEST.as_secs()),
        }
    }
}

/// Returns the answer, and between which timeouts the gaps do not choose.
pub(super) fn judge(question: &Question, counts: (u64, u64), weighed: &Weighed) -> (Verdict, (Timeout, Timeout)) {
    let middle = middle(&weighed.plain);
    let refuse = |refusal, convention| (Verdict::Refuses(refusal), convention);
    let (users, gaps) = counts;
    if users < USERS_NEEDED {
        return refuse(Refusal::TooFewUsers { users, needed: USERS_NEEDED }, middle);
    }
    if gaps < GAPS_NEEDED {
        return refuse(Refusal::TooFewGaps { gaps, needed: GAPS_NEEDED }, middle);
    }
    let search = weighed.search();
    let valley = match one_valley(weighed, search, question.kind) {
        Ok(valley) => valley,
        Err(refusal) => return refuse(refusal, middle),
    };
    let hills = (seconds_of(valley.hills.0 as f64), seconds_of(valley.hills.1 as f64));
    if let Some(refusal) = doubt(weighed, valley, question.kind) {
        return refuse(refusal, hills);
    }
    let again = resample::resample(&weighed.bags, search, valley.at, question.seed);
    let deep = again.iter().flatten().filter(|again| DEPTH_NEEDED <= again.depth);
    let mut places: Vec<f64> = deep.map(|again| again.at).collect();
    let share = places.len() as f64 / again.len() as f64;
    if share < SHARE_NEEDED {
        return refuse(Refusal::Unsteady { share, needed: SHARE_NEEDED }, hills);
    }
    places.sort_by(f64::total_cmp);
    // The scale has bins, so nothing is known more exactly than to half of one.
    let low = places[places.len() / 20].min(valley.at) - 0.5;
    let high = places[places.len() - 1 - places.len() / 20].max(valley.at) + 0.5;
    let interval = (seconds_of(low), seconds_of(high));
    if WIDEST * grid::seconds(low) < grid::seconds(high) {
        return refuse(Refusal::Wide { low: interval.0, high: interval.1 }, interval);
    }
    let timeout = words::round(seconds_of(valley.at), interval.0, interval.1);
    (Verdict::Advises { timeout, low: interval.0, high: interval.1, depth: valley.depth }, interval)
}

/// Returns the one valley that there is, or the one nearest to what is usual for the kind of app.
fn one_valley(weighed: &Weighed, search: Search, kind: Option<AppKind>) -> Result<Valley, Refusal> {
    let density = grid::density(&sum(&weighed.bags, &vec![1.0; weighed.bags.len()]));
    let found = search.find(&density);
    let support =
        |valley: &Valley| supporters(&weighed.bags, valley.hills.0).min(supporters(&weighed.bags, valley.hills.1));
    let held: Vec<Valley> = found.iter().copied().filter(|valley| SUPPORT_NEEDED <= support(valley)).collect();
    match (held.as_slice(), kind) {
        ([], _) => match found.iter().map(support).max() {
            Some(users) => Err(Refusal::Thin { users, needed: SUPPORT_NEEDED }),
            None => Err(Refusal::NoValley),
        },
        ([valley], _) => Ok(*valley),
        ([first, .., last], None) => Err(Refusal::Several { first: seconds_of(first.at), last: seconds_of(last.at) }),
        (several, Some(kind)) => most_usual(several, kind),
    }
}

/// Returns the valley nearest to what is usual, if it is clearly nearer than the others.
fn most_usual(several: &[Valley], kind: AppKind) -> Result<Valley, Refusal> {
    let usual = grid::place(kind.usual());
    let mut by_distance = several.to_vec();
    by_distance.sort_by(|a, b| libm::fabs(a.at - usual).total_cmp(&libm::fabs(b.at - usual)));
    match by_distance.as_slice() {
        [first, second, ..] if libm::fabs(second.at - usual) < libm::fabs(first.at - usual) + CLEARLY => {
            let (first, last) = if first.at < second.at { (first, second) } else { (second, first) };
            Err(Refusal::Several { first: seconds_of(first.at), last: seconds_of(last.at) })
        }
        [first, ..] => Ok(*first),
        [] => Err(Refusal::NoValley),
    }
}

/// Returns why a valley is none between visits, if anything speaks against it.
fn doubt(weighed: &Weighed, valley: Valley, kind: Option<AppKind>) -> Option<Refusal> {
    let at = seconds_of(valley.at);
    if valley.depth < DEPTH_NEEDED {
        return Some(Refusal::Shallow { depth: valley.depth, needed: DEPTH_NEEDED });
    }
    let within = within_users(&weighed.bags, valley);
    if within < WITHIN_NEEDED {
        return Some(Refusal::TwoCrowds { within, needed: WITHIN_NEEDED });
    }
    if let Some(kind) = kind
        && REACH_OF_KIND < libm::exp2(libm::fabs(libm::log2(f64::from(at.as_secs()) / kind.usual())))
    {
        return Some(Refusal::Unusual { at, usual: kind.usual_timeout() });
    }
    if kind.is_none() && OUTLYING_ALLOWED < valley.outlying {
        return Some(Refusal::Nested { at, outlying: valley.outlying, allowed: OUTLYING_ALLOWED });
    }
    if NIGHT <= at.as_span() {
        return Some(Refusal::Night { at });
    }
    None
}

/// Returns in how many bags gaps lie around the top of a hill, half an octave to either side.
fn supporters(bags: &[Weights], hill: usize) -> u64 {
    let around = hill.saturating_sub(PER_OCTAVE / 2)..(hill + PER_OCTAVE / 2).min(BINS);
    bags.iter().filter(|bag| bag[around.clone()].iter().any(|weight| 0.0 < *weight)).count() as u64
}

/// Returns how much of the difference between short and long gaps lies within users: 1 when all users have the same
/// share of long gaps, 0 when each has only gaps of one kind.
fn within_users(bags: &[Weights], valley: Valley) -> f64 {
    let (mut all, mut long, mut within) = (0.0, 0.0, 0.0);
    for bag in bags {
        let weight: f64 = bag.iter().map(|weight| f64::from(*weight)).sum();
        let beyond: f64 = bag[valley.at as usize..].iter().map(|weight| f64::from(*weight)).sum();
        if 0.0 < weight {
            all += weight;
            long += beyond;
            within += beyond * (1.0 - beyond / weight);
        }
    }
    within / (long * (1.0 - long / all)).max(f64::MIN_POSITIVE)
}

/// Returns the timeout at a place on the scale.
fn seconds_of(bin: f64) -> Timeout {
    let seconds = libm::round(grid::seconds(bin)).clamp(1.0, f64::from(Timeout::LONGEST.as_secs()));
    Timeout::from_secs(seconds as u64).unwrap_or(Timeout::DEFAULT)
}

/// Returns where all but the shortest and longest twentieth of the weight lies.
fn middle(weights: &[f64]) -> (Timeout, Timeout) {
    let total: f64 = weights.iter().sum();
    let at = |share: f64| {
        let mut sum = 0.0;
        let bin = weights.iter().position(|weight| {
            sum += weight;
            share * total < sum
        });
        seconds_of(bin.unwrap_or(0) as f64)
    };
    (at(0.05), at(0.95))
}
