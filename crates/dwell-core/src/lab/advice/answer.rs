//! What was found, and why it may be nothing.

use alloc::vec::Vec;

use crate::time::Timeout;

/// What was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Advice {
    /// The answer.
    pub verdict: Verdict,
    /// Users with a gap, of those that were kept.
    pub users: u64,
    /// Their gaps.
    pub gaps: u64,
    /// Users that were left out because [`MAX_USERS`](super::MAX_USERS) others were kept.
    pub left_out: u64,
    /// For drawing.
    pub density: Vec<DensityPoint>,
    /// Between these two the gaps do not choose: the interval of the advice, the range between the two hills of a
    /// valley that is too shallow, or, without a valley, where all but the shortest and longest twentieth of gaps lie.
    pub convention: (Timeout, Timeout),
    /// The timeout in force.
    pub in_force: Timeout,
    /// By which share the count of sessions changes when the timeout in force is doubled; never positive.
    pub doubling: f64,
}

/// A point of the picture.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DensityPoint {
    /// The logarithm of the gap: 0 is a second, 1 two seconds, 12 a little over an hour.
    pub log2_secs: f64,
    /// How much lies here, to one octave, in users' own waking time: what the advice is about.
    pub own_time: f64,
    /// How much lies here by the clock.
    pub plain: f64,
}

/// The answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// There is a valley.
    Advises {
        /// The timeout, round where the interval allows it.
        timeout: Timeout,
        /// The lower end of the interval: nineteen in twenty resamples found it at least here.
        low: Timeout,
        /// The upper end.
        high: Timeout,
        /// How far the valley lies below the lower hill beside it, from nought to one.
        depth: f64,
    },
    /// There is none, or it is not certain enough.
    Refuses(Refusal),
}

/// Why nothing is advised.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Refusal {
    /// Too few people to speak for the others.
    TooFewUsers {
        /// There are so many.
        users: u64,
        /// There should be so many.
        needed: u64,
    },
    /// Too few gaps.
    TooFewGaps {
        /// There are so many.
        gaps: u64,
        /// There should be so many.
        needed: u64,
    },
    /// One hill only.
    NoValley,
    /// A dent, not a valley.
    Shallow {
        /// It is so deep.
        depth: f64,
        /// It should be so deep.
        needed: f64,
    },
    /// Other users would say otherwise.
    Unsteady {
        /// So many of the resamples find it.
        share: f64,
        /// So many should.
        needed: f64,
    },
    /// Somewhere in here, but where is open.
    Wide {
        /// The lower end of the interval.
        low: Timeout,
        /// The upper end.
        high: Timeout,
    },
    /// It parts bursts, or visits and something longer: what lies beyond it is no hill of one kind.
    Nested {
        /// The valley.
        at: Timeout,
        /// So much of the weight beyond it lies sixteen times and more beyond its middle.
        outlying: f64,
        /// So much may.
        allowed: f64,
    },
    /// There are several, and the kind of app is not known or does not tell which.
    Several {
        /// The first.
        first: Timeout,
        /// The last.
        last: Timeout,
    },
    /// It is too far from what is usual for the kind of app to be believed.
    Unusual {
        /// The valley.
        at: Timeout,
        /// What is usual.
        usual: Timeout,
    },
    /// It lies so late that it may be no more than the night between one day's doings and the next day's.
    Night {
        /// The valley.
        at: Timeout,
    },
    /// A hill is the work of a few.
    Thin {
        /// So many users have gaps there; many users are counted in at most 400 bags.
        users: u64,
        /// So many should.
        needed: u64,
    },
    /// Some users have short gaps and others long ones: two crowds, not visits.
    TwoCrowds {
        /// So much of the difference lies within users.
        within: f64,
        /// So much should.
        needed: f64,
    },
}
